//! `store::quotes`.

use chrono::NaiveDate;
use vouchsafe::{
    domain::{
        portfolio::Symbol,
        quotes::{DailyClose, Quote},
    },
    store::quotes,
};

use super::{Store, after, name, on_both};

fn quote(symbol: &str, price: &str, day: &str) -> Quote {
    Quote { symbol: name(symbol), price: name(price), currency: None, name: None, quoted_on: name(day) }
}

fn daily(symbol: &str, day: &str, close: &str) -> DailyClose {
    DailyClose { symbol: name(symbol), day: name(day), close: name(close) }
}

on_both! {
    async fn the_newest_price_stays(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let aapl: Symbol = name("AAPL");
        let full = Quote {
            currency: Some("USD".to_owned()),
            name: Some("Äpple, Inc".to_owned()),
            ..quote("AAPL", "180.12345678", "2026-11-20")
        };
        assert!(quotes::upsert(conn, &full, after(0)).await.unwrap());
        assert_eq!(quotes::list(conn, std::slice::from_ref(&aapl)).await.unwrap(), std::slice::from_ref(&full));
        // An older one is not kept; one of the same day is.
        assert!(!quotes::upsert(conn, &quote("AAPL", "1", "2026-11-19"), after(1)).await.unwrap());
        assert!(quotes::upsert(conn, &quote("AAPL", "181", "2026-11-20"), after(1)).await.unwrap());
        assert!(quotes::upsert(conn, &quote("AAPL", "182", "2026-11-21"), after(1)).await.unwrap());
        let expected = Quote { price: name("182"), quoted_on: name("2026-11-21"), ..full };
        assert_eq!(quotes::list(conn, &[aapl]).await.unwrap(), [expected]);
    }

    async fn quotes_are_listed_for_the_symbols_that_have_one(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for symbol in ["VTI", "AAPL", "^GSPC"] {
            quotes::upsert(conn, &quote(symbol, "10000000000", "2026-11-20"), after(0)).await.unwrap();
        }
        let symbols: Vec<Symbol> = ["^GSPC", "NONE", "AAPL"].map(name).to_vec();
        let listed = quotes::list(conn, &symbols).await.unwrap();
        let expected = ["AAPL", "^GSPC"].map(|symbol| quote(symbol, "10000000000", "2026-11-20"));
        let mut sorted = listed.clone();
        sorted.sort_by(|one, other| one.symbol.cmp(&other.symbol));
        assert_eq!(sorted, expected);
        assert_eq!(quotes::list(conn, &[]).await.unwrap(), []);
    }

    async fn closes_are_listed_since_a_day_and_can_be_corrected(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for close in [
            daily("AAPL", "2026-11-18", "1"),
            daily("AAPL", "2026-11-19", "2"),
            daily("AAPL", "2026-11-20", "0.00000001"),
            daily("AAPL", "2026-11-19", "3"),
            daily("VTI", "2026-11-19", "4"),
            daily("BND", "2026-11-19", "5"),
        ] {
            quotes::upsert_daily(conn, &close).await.unwrap();
        }
        let since: NaiveDate = name("2026-11-19");
        let symbols: Vec<Symbol> = ["AAPL", "VTI", "NONE"].map(name).to_vec();
        let history = quotes::list_daily(conn, &symbols, since).await.unwrap();
        let found: Vec<_> = history
            .iter()
            .flat_map(|(symbol, closes)| closes.iter().map(move |(day, close)| format!("{symbol} {day} {close}")))
            .collect();
        assert_eq!(found, ["AAPL 2026-11-19 3", "AAPL 2026-11-20 0.00000001", "VTI 2026-11-19 4"]);
        assert!(quotes::list_daily(conn, &[], since).await.unwrap().is_empty());
    }
}
