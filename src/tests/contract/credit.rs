//! `store::credit`.

use vouchsafe::{
    domain::ids::UserId,
    store::credit::{self, CreditEntry},
};

use super::{ROUNDS, Store, after, on_both, won};
use crate::harness::beginning;

impl Store {
    fn entry(&self, user: UserId, key: &str) -> CreditEntry {
        CreditEntry {
            id: self.id(),
            user_id: user,
            source: "admin".to_owned(),
            source_key: key.to_owned(),
            days: 45,
            until_before: None,
            until_after: Some(after(45)),
            note: Some("for the patience — größten Dank".to_owned()),
            actor: "operator".to_owned(),
            created_at: beginning(),
        }
    }
}

on_both! {
    async fn entries_are_listed_as_written_the_newest_first(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let given = store.entry(ann, "1");
        let ended = CreditEntry {
            source: "revoked".to_owned(),
            days: -44,
            until_before: Some(after(45)),
            until_after: None,
            note: None,
            created_at: after(1),
            ..store.entry(ann, "2")
        };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for entry in [&given, &ended, &store.entry(bob, "1")] {
            assert!(credit::insert(conn, entry).await.unwrap());
        }
        tx.commit().await.unwrap();
        let mut reader = store.reader().await;
        assert_eq!(credit::list(&mut reader.conn(), ann).await.unwrap(), [ended, given]);
        assert_eq!(credit::list(&mut reader.conn(), bob).await.unwrap().len(), 1);
        assert_eq!(credit::list(&mut reader.conn(), store.id()).await.unwrap(), []);
    }

    async fn the_newest_entry_is_known_by_its_time(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (number, seconds) in [3, 9, 5].into_iter().enumerate() {
            let entry = CreditEntry { created_at: after(seconds), ..store.entry(ann, &number.to_string()) };
            credit::insert(conn, &entry).await.unwrap();
        }
        assert_eq!(credit::newest_at(conn, &[ann, bob]).await.unwrap(), [(ann, after(9))]);
        assert_eq!(credit::newest_at(conn, &[]).await.unwrap(), []);
    }

    async fn of_several_entries_those_are_written_that_are_not_there(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let (first, again, others) = (store.entry(ann, "1"), store.entry(ann, "1"), store.entry(bob, "1"));
        assert!(credit::insert(conn, &first).await.unwrap());
        assert_eq!(credit::insert_all(conn, &[again, others.clone()]).await.unwrap(), [others.id]);
        assert_eq!(credit::insert_all(conn, &[]).await.unwrap(), []);
        assert_eq!(credit::list(conn, ann).await.unwrap(), [first]);
    }

    async fn pages_hold_every_entry_once_and_end(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for number in 0..7 {
            // Two each of one instant.
            let entry = CreditEntry { created_at: after(number / 2), ..store.entry(ann, &number.to_string()) };
            credit::insert(conn, &entry).await.unwrap();
        }
        credit::insert(conn, &store.entry(bob, "1")).await.unwrap();
        let all = credit::page(conn, ann, None, 100).await.unwrap();
        assert_eq!(all, credit::list(conn, ann).await.unwrap());
        let mut read = Vec::new();
        while read.len() < 7 {
            let page = credit::page(conn, ann, read.last().map(|entry: &CreditEntry| entry.id), 3).await.unwrap();
            assert!(!page.is_empty() && page.len() <= 3);
            read.extend(page);
        }
        assert_eq!(read, all);
        assert_eq!(credit::page(conn, ann, Some(all[6].id), 3).await.unwrap(), []);
        assert_eq!(credit::page(conn, ann, Some(store.id()), 3).await.unwrap(), []);
    }

    async fn an_entry_is_found_by_what_makes_it_the_same(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let entry = store.entry(ann, "spring");
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        credit::insert(conn, &entry).await.unwrap();
        assert_eq!(credit::find(conn, ann, "admin", "spring").await.unwrap(), Some(entry));
        for (user, source, key) in [(bob, "admin", "spring"), (ann, "referral", "spring"), (ann, "admin", "summer")] {
            assert_eq!(credit::find(conn, user, source, key).await.unwrap(), None);
        }
    }

    async fn the_same_entry_counts_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        let first = store.entry(ann, "key");
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(credit::insert(conn, &first).await.unwrap());
        let again = CreditEntry { days: 90, ..store.entry(ann, "key") };
        assert!(!credit::insert(conn, &again).await.unwrap());
        let elsewhere = CreditEntry { source: "referral".to_owned(), ..store.entry(ann, "key") };
        assert!(credit::insert(conn, &elsewhere).await.unwrap());
        let listed = credit::list(conn, ann).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.contains(&first));
    }

    async fn of_many_who_write_the_same_entry_at_once_one_does(store: Store) {
        let ann = store.member("ann@example.com").await;
        for round in 1..=ROUNDS {
            let entries: Vec<CreditEntry> = (0..20).map(|_| store.entry(ann, &format!("key {round}"))).collect();
            let results = store.race(20, move |number, mut tx| {
                let entry = entries[number].clone();
                async move {
                    let inserted = credit::insert(&mut tx.conn(), &entry).await.unwrap();
                    (tx, inserted)
                }
            });
            assert_eq!(won(&results.await), 1);
            assert_eq!(store.count("credit_entries").await, round);
        }
    }
}
