//! `store::portfolios`.

use vouchsafe::{
    domain::{
        analysis::Author,
        lang::Lang,
        portfolio::{Portfolio, read_positions},
    },
    store::portfolios::{self, SavedAnalysis, SavedPortfolio, VersionLine},
};

use super::{ROUNDS, Store, after, on_both};
use crate::harness::beginning;

fn saved(version: i64, lines: &str) -> SavedPortfolio {
    let portfolio = Portfolio::new(read_positions(lines, Lang::En).positions).unwrap();
    SavedPortfolio { version, portfolio, restored_from: None, created_at: after(version) }
}

on_both! {
    async fn a_portfolio_comes_back_to_the_last_place_in_every_version(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let first = saved(1, "AAPL 0.00000001 9999999999.99999999 3\nBRK.B 10000000000");
        let second = SavedPortfolio { restored_from: Some(1), ..saved(2, "") };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(portfolios::find_current(conn, ann).await.unwrap(), None);
        for version in [&first, &second] {
            let raised = portfolios::raise_version(conn, ann, version.version - 1, version.created_at).await.unwrap();
            assert_eq!(raised, Some(version.version));
            portfolios::insert_version(conn, ann, version).await.unwrap();
            assert_eq!(portfolios::find_current(conn, ann).await.unwrap().as_ref(), Some(version));
        }
        tx.commit().await.unwrap();
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        assert_eq!(portfolios::find_version(conn, ann, 1).await.unwrap(), Some(first));
        assert_eq!(portfolios::find_version(conn, ann, 2).await.unwrap(), Some(second));
        assert_eq!(portfolios::find_version(conn, ann, 3).await.unwrap(), None);
        assert_eq!(portfolios::find_version(conn, bob, 1).await.unwrap(), None);
        let line = |number, position_count, restored_from| {
            VersionLine { number, position_count, restored_from, created_at: after(number) }
        };
        let lines = portfolios::list_versions(conn, ann).await.unwrap();
        assert_eq!(lines, [line(2, 0, Some(1)), line(1, 2, None)]);
        assert_eq!(portfolios::list_versions(conn, bob).await.unwrap(), []);
    }

    async fn a_version_is_raised_only_from_the_one_that_was_seen(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (user, base, expected) in [
            (ann, 1, None),
            (ann, 0, Some(1)),
            (ann, 0, None),
            (ann, 2, None),
            (ann, -1, None),
            (ann, 1, Some(2)),
            (bob, 2, None),
            (bob, 0, Some(1)),
        ] {
            assert_eq!(portfolios::raise_version(conn, user, base, beginning()).await.unwrap(), expected, "{base}");
        }
    }

    async fn of_many_who_save_at_once_from_the_same_version_one_does(store: Store) {
        let ann = store.member("ann@example.com").await;
        for round in 0..ROUNDS {
            let results = store.race(20, move |_, mut tx| async move {
                let raised = portfolios::raise_version(&mut tx.conn(), ann, round, beginning()).await.unwrap();
                (tx, raised)
            });
            let raised: Vec<i64> = results.await.into_iter().flatten().collect();
            assert_eq!(raised, [round + 1]);
        }
    }

    async fn old_versions_are_forgotten(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for user in [ann, bob] {
            for number in 1..=5 {
                portfolios::raise_version(conn, user, number - 1, beginning()).await.unwrap();
                portfolios::insert_version(conn, user, &saved(number, "AAPL 1")).await.unwrap();
            }
        }
        assert_eq!(portfolios::delete_before(conn, ann, 4).await.unwrap(), 3);
        let numbers = |lines: Vec<VersionLine>| lines.into_iter().map(|line| line.number).collect::<Vec<_>>();
        assert_eq!(numbers(portfolios::list_versions(conn, ann).await.unwrap()), [5, 4]);
        assert_eq!(numbers(portfolios::list_versions(conn, bob).await.unwrap()), [5, 4, 3, 2, 1]);
        assert_eq!(portfolios::find_current(conn, ann).await.unwrap().unwrap().version, 5);
    }

    async fn the_newest_words_are_kept(store: Store) {
        let ann = store.member("ann@example.com").await;
        let first = SavedAnalysis {
            version: 1,
            question: Some("Warum so groß?".to_owned()),
            commentary: "Because.\n\nYes.".to_owned(),
            author: Author::Model,
            created_at: after(1),
        };
        let second = SavedAnalysis { question: None, author: Author::BuiltIn, created_at: after(2), ..first.clone() };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        portfolios::raise_version(conn, ann, 0, beginning()).await.unwrap();
        assert_eq!(portfolios::find_analysis(conn, ann).await.unwrap(), None);
        for words in [first, second] {
            portfolios::replace_analysis(conn, ann, &words).await.unwrap();
            assert_eq!(portfolios::find_analysis(conn, ann).await.unwrap(), Some(words));
        }
    }
}
