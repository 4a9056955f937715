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
