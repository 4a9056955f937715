//! Prices: taken in from an operator's file.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    domain::quotes::{DailyClose, Quote, QuoteRow},
    platform::env::Env,
    services::activity,
    store::{StoreError, quotes},
};

/// Keeps rows, all or none. The newest close of a symbol is its newest price, too, unless one of
/// a later day is known.
pub async fn import(env: &Env, rows: &[QuoteRow], actor: &str) -> Result<(), StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let mut newest: BTreeMap<&str, &DailyClose> = BTreeMap::new();
    for row in rows {
        match row {
            QuoteRow::Quote(quote) => {
                quotes::upsert(conn, quote, now).await?;
            }
            QuoteRow::Daily(daily) => {
                quotes::upsert_daily(conn, daily).await?;
                let newest = newest.entry(daily.symbol.as_str()).or_insert(daily);
                // Of two for the same day, the later line corrects the one before.
                if daily.day >= newest.day {
                    *newest = daily;
                }
            }
        }
    }
    let symbols = newest.len();
    for daily in newest.into_values() {
        let quote = Quote {
            symbol: daily.symbol.clone(),
            price: daily.close,
            currency: None,
            name: None,
            quoted_on: daily.day,
        };
        quotes::upsert(conn, &quote, now).await?;
    }
    let details = json!({ "rows": rows.len(), "symbols": symbols });
    activity::note(env, conn, (actor, None), None, "quotes_imported", details).await?;
    tx.commit().await
}
