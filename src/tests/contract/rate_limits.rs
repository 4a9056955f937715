//! `store::rate_limits`.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::{login::Allowance, schedule::CLOCK_TOLERANCE},
    store::rate_limits::{self, Counted},
};

use super::{ROUNDS, Store, after, on_both, won};
use crate::harness::beginning;

const THREE_A_MINUTE: Allowance = Allowance { name: "three", count: 3, window: TimeDelta::minutes(1) };

impl Store {
    async fn ask(&self, allowance: Allowance, subject: &str, now: DateTime<Utc>) -> Counted {
        let mut tx = self.begin().await;
        let counted = rate_limits::count(&mut tx.conn(), allowance, subject, now).await.unwrap();
        tx.commit().await.unwrap();
        counted
    }

    /// Lets many ask for one subject at once. Returns how many passed, and what the others were told.
    async fn ask_at_once(&self, asking: usize, now: DateTime<Utc>) -> (usize, Vec<Counted>) {
        let answers = self.race(asking, move |_, mut tx| async move {
            let counted = rate_limits::count(&mut tx.conn(), THREE_A_MINUTE, "ann", now).await.unwrap();
            (tx, counted)
        });
        let (allowed, refused): (Vec<_>, Vec<_>) =
            answers.await.into_iter().partition(|counted| *counted == Counted::Allowed);
        (allowed.len(), refused)
    }
}

on_both! {
    async fn an_allowance_is_what_passes_in_its_window(store: Store) {
        for seconds in [0, 10, 20] {
            assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(seconds)).await, Counted::Allowed);
        }
        // Counted from the first, and the refused do not put the end off.
        for seconds in [20, 59] {
            assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(seconds)).await, Counted::RefusedUntil(after(60)));
        }
        for seconds in [60, 61, 62] {
            assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(seconds)).await, Counted::Allowed);
        }
        assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(63)).await, Counted::RefusedUntil(after(120)));
    }

    async fn what_is_used_can_be_seen_without_counting(store: Store) {
        let asked = [(THREE_A_MINUTE, "ann".to_owned()), (THREE_A_MINUTE, "bob".to_owned())];
        let used = async |seconds| {
            rate_limits::used(&mut store.reader().await.conn(), &asked, after(seconds)).await.unwrap()
        };
        assert_eq!(used(0).await, []);
        for seconds in [0, 10] {
            assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(seconds)).await, Counted::Allowed);
        }
        for seconds in [10, 59] {
            assert_eq!(used(seconds).await, [("three".to_owned(), "ann".to_owned(), 2, after(0))]);
        }
        assert_eq!(used(60).await, [], "the window is over");
        assert_eq!(rate_limits::used(&mut store.reader().await.conn(), &[], after(0)).await.unwrap(), []);
    }

    async fn what_is_held_can_be_read_and_counted_later(store: Store) {
        for window in 0..ROUNDS {
            let now = after(window * 60);
            let asked = [(THREE_A_MINUTE, "ann".to_owned()), (THREE_A_MINUTE, "bob".to_owned())];
            let allowed = store.race(12, move |_, mut tx| {
                let asked = asked.clone();
                async move {
                    let conn = &mut tx.conn();
                    rate_limits::hold(conn, THREE_A_MINUTE, &BTreeSet::from(["ann", "bob"])).await.unwrap();
                    let used = rate_limits::used(conn, &asked, now).await.unwrap();
                    assert!(used.len() <= 1, "of bob there is nothing: {used:?}");
                    let may = used.first().is_none_or(|(_, _, count, _)| *count < THREE_A_MINUTE.count);
                    if may {
                        assert_eq!(rate_limits::count(conn, THREE_A_MINUTE, "ann", now).await.unwrap(), Counted::Allowed);
                    }
                    (tx, may)
                }
            }).await;
            assert_eq!(won(&allowed), 3);
        }
        let mut tx = store.begin().await;
        rate_limits::hold(&mut tx.conn(), THREE_A_MINUTE, &BTreeSet::new()).await.unwrap();
        assert_eq!(rate_limits::purge(&mut tx.conn(), after(-86_400), after(0)).await.unwrap(), 1, "bob's, of no use");
    }

    async fn a_clock_that_was_ahead_and_is_put_right_keeps_nobody_waiting(store: Store) {
        let ahead = 45 * 86_400;
        for _ in 0..3 {
            assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(ahead)).await, Counted::Allowed);
        }
        assert_ne!(store.ask(THREE_A_MINUTE, "ann", after(ahead)).await, Counted::Allowed);
        let asked = [(THREE_A_MINUTE, "ann".to_owned())];
        let used = rate_limits::used(&mut store.reader().await.conn(), &asked, after(0)).await.unwrap();
        assert_eq!(used, [], "that window is over");
        // One that begins now, and counts as usual.
        for _ in 0..3 {
            assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(0)).await, Counted::Allowed);
        }
        assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(0)).await, Counted::RefusedUntil(after(60)));
        // A node whose clock is a little behind shares the window.
        let a_little = CLOCK_TOLERANCE.num_seconds();
        assert_eq!(store.ask(THREE_A_MINUTE, "ann", after(-a_little)).await, Counted::RefusedUntil(after(60)));
        assert_eq!(rate_limits::used(&mut store.reader().await.conn(), &asked, after(-a_little)).await.unwrap().len(), 1);
        let mut tx = store.begin().await;
        assert_eq!(rate_limits::purge(&mut tx.conn(), after(-99_999), after(-a_little)).await.unwrap(), 0);
        assert_eq!(rate_limits::purge(&mut tx.conn(), after(-99_999), after(-a_little - 1)).await.unwrap(), 1);
    }

    async fn names_and_subjects_are_counted_apart(store: Store) {
        let one_a_day = Allowance { name: "one", count: 1, window: TimeDelta::days(1) };
        for subject in ["ann", "Ann", "ann ", ""] {
            assert_eq!(store.ask(one_a_day, subject, beginning()).await, Counted::Allowed, "{subject:?}");
            assert_eq!(store.ask(THREE_A_MINUTE, subject, beginning()).await, Counted::Allowed, "{subject:?}");
        }
        assert_ne!(store.ask(one_a_day, "ann", after(1)).await, Counted::Allowed);
    }

    async fn however_many_ask_at_once_no_more_than_the_allowance_pass(store: Store) {
        let (allowed, refused) = store.ask_at_once(40, beginning()).await;
        assert_eq!((allowed, refused), (3, vec![Counted::RefusedUntil(after(60)); 37]));
    }

    async fn however_many_ask_at_once_a_window_starts_again_once(store: Store) {
        store.ask(THREE_A_MINUTE, "ann", beginning()).await;
        for window in 1..=2 * ROUNDS {
            let (allowed, refused) = store.ask_at_once(20, after(window * 60)).await;
            let until = Counted::RefusedUntil(after(window * 60 + 60));
            assert_eq!((allowed, refused), (3, vec![until; 17]), "window {window}");
        }
    }

    async fn what_is_rolled_back_is_not_counted(store: Store) {
        for _ in 0..5 {
            let mut tx = store.begin().await;
            let counted = rate_limits::count(&mut tx.conn(), THREE_A_MINUTE, "ann", beginning()).await.unwrap();
            assert_eq!(counted, Counted::Allowed);
        }
        assert_eq!(store.count("rate_limits").await, 0);
    }

    async fn old_windows_are_forgotten(store: Store) {
        store.ask(THREE_A_MINUTE, "ann", beginning()).await;
        store.ask(THREE_A_MINUTE, "bob", after(1)).await;
        let mut tx = store.begin().await;
        assert_eq!(rate_limits::purge(&mut tx.conn(), after(-1), after(1)).await.unwrap(), 0);
        assert_eq!(rate_limits::purge(&mut tx.conn(), beginning(), after(1)).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT subject FROM rate_limits").await, ["bob"]);
    }
}
