//! Prices: taken in from an operator's file.

use std::collections::BTreeMap;

use crate::{
    domain::quotes::{DailyClose, Quote, QuoteRow},
    platform::env::Env,
    store::{StoreError, quotes},
};

/// Keeps rows, all or none. The newest close of a symbol is its newest price, too, unless one of
/// a later day is known.
pub async fn import(env: &Env, rows: &[QuoteRow]) -> Result<(), StoreError> {
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
    tx.commit().await
}
