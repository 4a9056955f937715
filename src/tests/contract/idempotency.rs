//! `store::idempotency`.

use vouchsafe::{
    domain::usage::IdempotencyKey,
    store::idempotency::{self, KeptAnswer},
};

use super::{ROUNDS, Store, after, on_both, won};

fn key(number: u8, content: u8) -> IdempotencyKey {
    IdempotencyKey { id: [number; 32], fingerprint: [content; 32] }
}

fn kept(key: IdempotencyKey, response: &str) -> KeptAnswer {
    KeptAnswer { id: key.id.to_vec(), fingerprint: key.fingerprint.to_vec(), response: response.to_owned() }
}

fn answer(key: IdempotencyKey, response: &str) -> (IdempotencyKey, String) {
    (key, response.to_owned())
}

on_both! {
    async fn an_answer_is_found_as_given_until_it_is_too_old(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let answers = [answer(key(1, 7), "{\"a\": 1}"), answer(key(2, 8), "ü")];
        assert!(idempotency::insert(conn, &answers, after(-60), after(0)).await.unwrap());
        assert!(idempotency::insert(conn, &[], after(-60), after(0)).await.unwrap());
        let mut found = idempotency::find(conn, &[[1; 32], [2; 32], [3; 32]], after(-60)).await.unwrap();
        found.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(found, [kept(key(1, 7), "{\"a\": 1}"), kept(key(2, 8), "ü")]);
        assert_eq!(idempotency::find(conn, &[], after(-60)).await.unwrap(), []);
        assert_eq!(idempotency::find(conn, &[[1; 32]], after(-1)).await.unwrap().len(), 1);
        // At that very instant it is too old.
        assert_eq!(idempotency::find(conn, &[[1; 32]], after(0)).await.unwrap(), []);
    }

    async fn an_answer_stays_and_one_that_is_too_old_is_written_over(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(idempotency::insert(conn, &[answer(key(1, 7), "first")], after(-60), after(0)).await.unwrap());
        assert!(!idempotency::insert(conn, &[answer(key(1, 9), "second")], after(-1), after(59)).await.unwrap());
        let found = idempotency::find(conn, &[[1; 32]], after(-60)).await.unwrap();
        assert_eq!(found, [kept(key(1, 7), "first")]);
        // One of several that is taken is told.
        let mixed = [answer(key(1, 9), "second"), answer(key(2, 9), "new")];
        assert!(!idempotency::insert(conn, &mixed, after(-1), after(59)).await.unwrap());
        assert!(idempotency::insert(conn, &[answer(key(1, 9), "second")], after(0), after(60)).await.unwrap());
        let found = idempotency::find(conn, &[[1; 32]], after(0)).await.unwrap();
        assert_eq!(found, [kept(key(1, 9), "second")]);
    }

    async fn of_many_who_answer_one_call_at_once_one_is_kept(store: Store) {
        for round in 1..=u8::try_from(ROUNDS).unwrap() {
            let results = store.race(20, move |number, mut tx| async move {
                let answers = [answer(key(round, 1), &number.to_string())];
                let inserted = idempotency::insert(&mut tx.conn(), &answers, after(-60), after(0)).await.unwrap();
                (tx, inserted)
            });
            assert_eq!(won(&results.await), 1);
        }
    }

    async fn of_many_who_answer_an_old_call_again_at_once_one_is_kept(store: Store) {
        let mut tx = store.begin().await;
        assert!(idempotency::insert(&mut tx.conn(), &[answer(key(1, 1), "old")], after(-60), after(0)).await.unwrap());
        tx.commit().await.unwrap();
        let results = store.race(20, |number, mut tx| async move {
            let answers = [answer(key(1, 1), &number.to_string())];
            let inserted = idempotency::insert(&mut tx.conn(), &answers, after(30), after(90)).await.unwrap();
            (tx, inserted)
        });
        assert_eq!(won(&results.await), 1);
    }

    async fn many_keys_in_one_order_never_wait_in_a_circle(store: Store) {
        // Each brings the same sixteen keys: whoever is first has them all.
        let results = store.race(12, |number, mut tx| async move {
            let answers: Vec<_> = (0..16).map(|id| answer(key(id, 1), &number.to_string())).collect();
            let inserted = idempotency::insert(&mut tx.conn(), &answers, after(-60), after(0)).await.unwrap();
            (tx, inserted)
        });
        assert_eq!(won(&results.await), 1);
        assert_eq!(store.texts("SELECT DISTINCT response FROM idempotency_keys").await.len(), 1);
        assert_eq!(store.count("idempotency_keys").await, 16);
    }

    async fn old_answers_are_forgotten(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (number, at) in [(1, after(0)), (2, after(10)), (3, after(11))] {
            assert!(idempotency::insert(conn, &[answer(key(number, 1), "")], after(-60), at).await.unwrap());
        }
        assert_eq!(idempotency::purge(conn, after(10), 1).await.unwrap(), 1);
        assert_eq!(idempotency::purge(conn, after(10), 10).await.unwrap(), 1);
        assert_eq!(idempotency::find(conn, &[[1; 32], [2; 32], [3; 32]], after(-60)).await.unwrap().len(), 1);
    }
}
