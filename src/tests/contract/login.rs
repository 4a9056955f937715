//! `store::login`.

use chrono::{DateTime, Utc};
use vouchsafe::{
    domain::{
        email::EmailKey,
        ids::LoginAttemptId,
        lang::Lang,
        login::{CODE_LIFETIME, RESEND_AFTER, TRIES_PER_CODE},
    },
    store::login::{self, LoginAttempt},
};

use super::{ROUNDS, Store, after, email, on_both, won};
use crate::harness::beginning;

impl Store {
    async fn attempt(&self, now: DateTime<Utc>) -> LoginAttemptId {
        let id = self.id();
        let mut tx = self.begin().await;
        let address = email("Ann@Example.com");
        login::insert_attempt(&mut tx.conn(), id, &address, Lang::De, false, now, now + CODE_LIFETIME).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn found(&self, id: LoginAttemptId) -> LoginAttempt {
        login::find_attempt(&mut self.reader().await.conn(), id).await.unwrap().unwrap()
    }

    async fn failures(&self, key: &EmailKey) -> i64 {
        login::failures(&mut self.reader().await.conn(), key).await.unwrap()
    }
}

on_both! {
    async fn a_flow_is_found_as_opened(store: Store) {
        let id = store.attempt(beginning()).await;
        let expected = LoginAttempt {
            id,
            email: "Ann@Example.com".to_owned(),
            email_key: email("ann@example.com").key().clone(),
            sends: 1,
            long_code: false,
            sent_at: beginning(),
            expires_at: beginning() + CODE_LIFETIME,
            tries: 0,
            used_at: None,
        };
        assert_eq!(store.found(id).await, expected);
        assert_eq!(login::find_attempt(&mut store.reader().await.conn(), store.id()).await.unwrap(), None);
    }

    async fn a_code_has_its_tries_and_no_more(store: Store) {
        let (id, other) = (store.attempt(beginning()).await, store.attempt(beginning()).await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for tries in 1..=TRIES_PER_CODE {
            let counted = login::count_try(conn, id, TRIES_PER_CODE, after(1)).await.unwrap().unwrap();
            assert_eq!((counted.id, counted.tries), (id, tries));
        }
        assert_eq!(login::count_try(conn, id, TRIES_PER_CODE, after(1)).await.unwrap(), None);
        assert_eq!(login::count_try(conn, store.id(), TRIES_PER_CODE, after(1)).await.unwrap(), None);
        assert_eq!(login::find_attempt(conn, other).await.unwrap().unwrap().tries, 0);
    }

    async fn however_many_try_a_code_at_once_five_get_an_answer(store: Store) {
        for _ in 0..ROUNDS {
            let id = store.attempt(beginning()).await;
            let answers = store.race(50, move |_, mut tx| async move {
                let counted = login::count_try(&mut tx.conn(), id, TRIES_PER_CODE, after(1)).await.unwrap();
                (tx, counted.map(|attempt| attempt.tries))
            });
            let mut answers: Vec<i64> = answers.await.into_iter().flatten().collect();
            answers.sort_unstable();
            assert_eq!(answers, [1, 2, 3, 4, 5]);
            assert_eq!(store.found(id).await.tries, 5);
        }
    }

    async fn a_code_that_has_run_out_or_was_used_cannot_be_tried(store: Store) {
        let id = store.attempt(beginning()).await;
        let end = beginning() + CODE_LIFETIME;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(login::count_try(conn, id, TRIES_PER_CODE, end).await.unwrap(), None);
        let just_before = end - chrono::TimeDelta::microseconds(1);
        assert!(login::count_try(conn, id, TRIES_PER_CODE, just_before).await.unwrap().is_some());
        assert!(login::use_attempt(conn, id, after(2)).await.unwrap());
        assert_eq!(login::count_try(conn, id, TRIES_PER_CODE, after(3)).await.unwrap(), None);
        assert_eq!(login::find_attempt(conn, id).await.unwrap().unwrap().used_at, Some(after(2)));
    }

    async fn of_many_with_the_right_code_at_once_one_comes_in(store: Store) {
        for _ in 0..ROUNDS {
            let id = store.attempt(beginning()).await;
            let results = store.race(20, move |_, mut tx| async move {
                let used = login::use_attempt(&mut tx.conn(), id, after(1)).await.unwrap();
                (tx, used)
            });
            assert_eq!(won(&results.await), 1);
        }
    }

    async fn another_code_voids_the_first_and_has_its_own_tries(store: Store) {
        let id = store.attempt(beginning()).await;
        let later = beginning() + RESEND_AFTER;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for _ in 0..TRIES_PER_CODE {
            login::count_try(conn, id, TRIES_PER_CODE, after(1)).await.unwrap();
        }
        let resent = login::resend(conn, id, true, later - RESEND_AFTER, later, later + CODE_LIFETIME).await.unwrap();
        let resent = resent.unwrap();
        assert_eq!(
            (resent.sends, resent.long_code, resent.sent_at, resent.expires_at, resent.tries),
            (2, true, later, later + CODE_LIFETIME, 0)
        );
        assert_eq!(login::count_try(conn, id, TRIES_PER_CODE, later).await.unwrap().unwrap().tries, 1);
        assert_eq!(login::find_attempt(conn, id).await.unwrap().unwrap().sends, 2);
    }

    async fn another_code_is_not_sent_too_early_nor_after_use(store: Store) {
        let id = store.attempt(beginning()).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let sent_before = beginning() - chrono::TimeDelta::microseconds(1);
        let early = login::resend(conn, id, false, sent_before, after(59), after(600)).await.unwrap();
        assert_eq!(early, None);
        assert_eq!(login::resend(conn, store.id(), false, after(60), after(60), after(600)).await.unwrap(), None);
        assert!(login::use_attempt(conn, id, after(60)).await.unwrap());
        assert!(!login::use_attempt(conn, id, after(60)).await.unwrap());
        assert!(!login::use_attempt(conn, store.id(), after(60)).await.unwrap());
        assert_eq!(login::resend(conn, id, false, after(60), after(120), after(600)).await.unwrap(), None);
    }

    async fn of_many_who_ask_for_another_code_at_once_one_gets_it(store: Store) {
        for _ in 0..ROUNDS {
            let id = store.attempt(beginning()).await;
            let results = store.race(20, move |_, mut tx| async move {
                let now = beginning() + RESEND_AFTER;
                let resent = login::resend(&mut tx.conn(), id, false, now - RESEND_AFTER, now, now + CODE_LIFETIME).await;
                (tx, resent.unwrap().is_some())
            });
            assert_eq!(won(&results.await), 1);
            assert_eq!(store.found(id).await.sends, 2);
        }
    }

    async fn wrong_codes_are_counted_for_an_address_until_its_owner_comes_in(store: Store) {
        let (ann, bob) = (email("ann@example.com").key().clone(), email("bob@example.com").key().clone());
        assert_eq!(store.failures(&ann).await, 0);
        let guessed = ann.clone();
        store.race(30, move |_, mut tx| {
            let guessed = guessed.clone();
            async move {
                login::count_failure(&mut tx.conn(), &guessed, beginning()).await.unwrap();
                (tx, ())
            }
        }).await;
        assert_eq!((store.failures(&ann).await, store.failures(&bob).await), (30, 0));
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        login::count_failure(conn, &bob, beginning()).await.unwrap();
        login::clear_failures(conn, &ann).await.unwrap();
        login::clear_failures(conn, &ann).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((store.failures(&ann).await, store.failures(&bob).await), (0, 1));
    }

    async fn a_new_link_for_the_first_admin_voids_the_older(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        login::replace_admin_claim(conn, b"older", beginning(), after(60)).await.unwrap();
        assert!(login::has_admin_claim(conn, b"older", after(1)).await.unwrap());
        login::replace_admin_claim(conn, b"newer", after(1), after(61)).await.unwrap();
        assert!(!login::has_admin_claim(conn, b"older", after(1)).await.unwrap());
        assert!(!login::use_admin_claim(conn, b"older", after(1)).await.unwrap());
        assert!(login::has_admin_claim(conn, b"newer", after(1)).await.unwrap());
        assert!(!login::has_admin_claim(conn, b"new", after(1)).await.unwrap());
        assert!(login::use_admin_claim(conn, b"newer", after(1)).await.unwrap());
        assert!(!login::has_admin_claim(conn, b"newer", after(1)).await.unwrap());
    }

    async fn a_link_for_the_first_admin_runs_out(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        login::replace_admin_claim(conn, b"token", beginning(), after(60)).await.unwrap();
        assert!(login::has_admin_claim(conn, b"token", after(59)).await.unwrap());
        assert!(!login::has_admin_claim(conn, b"token", after(60)).await.unwrap());
        assert!(!login::use_admin_claim(conn, b"token", after(60)).await.unwrap());
        assert!(login::use_admin_claim(conn, b"token", after(59)).await.unwrap());
    }

    async fn of_many_who_hold_one_link_one_becomes_admin(store: Store) {
        for _ in 0..ROUNDS {
            let mut tx = store.begin().await;
            login::replace_admin_claim(&mut tx.conn(), b"token", beginning(), after(60)).await.unwrap();
            tx.commit().await.unwrap();
            let results = store.race(20, |_, mut tx| async move {
                let used = login::use_admin_claim(&mut tx.conn(), b"token", after(1)).await.unwrap();
                (tx, used)
            });
            assert_eq!(won(&results.await), 1);
        }
    }

    async fn old_flows_and_links_are_forgotten(store: Store) {
        let (old, fresh) = (store.attempt(beginning()).await, store.attempt(after(1)).await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        login::replace_admin_claim(conn, b"token", beginning(), after(60)).await.unwrap();
        assert_eq!(login::purge(conn, after(-1), after(59)).await.unwrap(), 0);
        assert_eq!(login::purge(conn, beginning(), after(60)).await.unwrap(), 2);
        assert_eq!(login::find_attempt(conn, old).await.unwrap(), None);
        assert!(login::find_attempt(conn, fresh).await.unwrap().is_some());
        tx.commit().await.unwrap();
        assert_eq!(store.count("admin_claims").await, 0);
    }
}
