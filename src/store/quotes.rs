//! Prices: `quotes` and `quotes_daily`, in units of 10^-8.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{
        amount::Amount,
        portfolio::Symbol,
        quotes::{DailyClose, History, Quote},
    },
    store::{
        Conn, Result, StoreError,
        db::{execute, run},
    },
};

/// How a day is written; such texts sort by time.
const DAY: &str = "%Y-%m-%d";

fn units(price: Amount, table: &'static str, column: &'static str) -> Result<i64> {
    price.units().ok_or_else(|| StoreError::corrupt(table, column)("the price is too high to be kept"))
}

/// Keeps the newest price of a symbol, unless one of a later day is there. A currency or a name
/// that is not given leaves what is known. Returns whether it is kept.
pub async fn upsert(conn: &mut Conn<'_>, quote: &Quote, now: DateTime<Utc>) -> Result<bool> {
    let price = units(quote.price, "quotes", "price")?;
    let written = execute!(conn, |c| sqlx::query(
        "INSERT INTO quotes (symbol, price, currency, name, quoted_on, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (symbol) DO UPDATE
        SET price = excluded.price, currency = COALESCE(excluded.currency, quotes.currency),
            name = COALESCE(excluded.name, quotes.name), quoted_on = excluded.quoted_on,
            updated_at = excluded.updated_at
        WHERE excluded.quoted_on >= quotes.quoted_on"
    )
    .bind(quote.symbol.as_str())
    .bind(price)
    .bind(&quote.currency)
    .bind(&quote.name)
    .bind(quote.quoted_on.format(DAY).to_string())
    .bind(now)
    .execute(c))?;
    Ok(written == 1)
}

/// Keeps the close of a day, instead of one that was there.
pub async fn upsert_daily(conn: &mut Conn<'_>, daily: &DailyClose) -> Result<()> {
    let close = units(daily.close, "quotes_daily", "close")?;
    execute!(conn, |c| sqlx::query(
        "INSERT INTO quotes_daily (symbol, day, close) VALUES ($1, $2, $3)
        ON CONFLICT (symbol, day) DO UPDATE SET close = excluded.close"
    )
    .bind(daily.symbol.as_str())
    .bind(daily.day.format(DAY).to_string())
    .bind(close)
    .execute(c))?;
    Ok(())
}

#[derive(FromRow)]
struct QuoteRow {
    symbol: String,
    price: i64,
    currency: Option<String>,
    name: Option<String>,
    quoted_on: String,
}

/// Returns the newest prices of those symbols that have one.
pub async fn list(conn: &mut Conn<'_>, symbols: &[Symbol]) -> Result<Vec<Quote>> {
    let sql = conn.dialect(
        "SELECT symbol, price, currency, name, quoted_on FROM quotes
        WHERE symbol IN (SELECT value FROM json_each($1)) ORDER BY symbol",
        "SELECT symbol, price, currency, name, quoted_on FROM quotes
        WHERE symbol IN (SELECT jsonb_array_elements_text($1)) ORDER BY symbol",
    );
    let rows: Vec<QuoteRow> = run!(conn, |c| sqlx::query_as(sql).bind(Json(symbols)).fetch_all(c))?;
    rows.into_iter()
        .map(|row| {
            Ok(Quote {
                symbol: row.symbol.parse().map_err(StoreError::corrupt("quotes", "symbol"))?,
                price: Amount::from_units(row.price),
                currency: row.currency,
                name: row.name,
                quoted_on: parse_day(&row.quoted_on, "quotes", "quoted_on")?,
            })
        })
        .collect()
}

#[derive(FromRow)]
struct DailyRow {
    symbol: String,
    day: String,
    close: i64,
}

/// Returns the closes of those symbols since a day.
pub async fn list_daily(conn: &mut Conn<'_>, symbols: &[Symbol], since: NaiveDate) -> Result<History> {
    let sql = conn.dialect(
        "SELECT symbol, day, close FROM quotes_daily
        WHERE symbol IN (SELECT value FROM json_each($1)) AND day >= $2",
        "SELECT symbol, day, close FROM quotes_daily
        WHERE symbol IN (SELECT jsonb_array_elements_text($1)) AND day >= $2",
    );
    let rows: Vec<DailyRow> =
        run!(conn, |c| sqlx::query_as(sql).bind(Json(symbols)).bind(since.format(DAY).to_string()).fetch_all(c))?;
    let mut history = History::new();
    for row in rows {
        let symbol = row.symbol.parse().map_err(StoreError::corrupt("quotes_daily", "symbol"))?;
        let day = parse_day(&row.day, "quotes_daily", "day")?;
        history.entry(symbol).or_default().insert(day, Amount::from_units(row.close));
    }
    Ok(history)
}

fn parse_day(text: &str, table: &'static str, column: &'static str) -> Result<NaiveDate> {
    NaiveDate::parse_from_str(text, DAY).map_err(StoreError::corrupt(table, column))
}
