//! `store::schedules`.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::schedule::{CLOCK_TOLERANCE, Routine, counts},
    store::schedules::{self, ClaimedRun, Schedule},
};

use super::{ROUNDS, Store, after, on_both, won};
use crate::harness::beginning;

const ROUTINE: Routine = Routine::SettleGrants;

impl Store {
    async fn planned(&self, at: DateTime<Utc>) {
        let mut tx = self.begin().await;
        schedules::insert(&mut tx.conn(), &[(ROUTINE, at)]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn claimed(&self, now: DateTime<Utc>) -> Option<ClaimedRun> {
        let mut tx = self.begin().await;
        let claimed = schedules::claim(&mut tx.conn(), ROUTINE, now).await.unwrap();
        tx.commit().await.unwrap();
        claimed
    }

    async fn schedule(&self) -> Schedule {
        let mut all = schedules::list(&mut self.reader().await.conn()).await.unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

on_both! {
    async fn what_is_planned_is_claimed_when_it_is_due_and_planned_once(store: Store) {
        store.planned(after(10)).await;
        store.planned(after(99)).await;
        assert_eq!(store.schedule().await.next_run_at, after(10));
        assert_eq!(store.claimed(after(9)).await, None);
        let run = store.claimed(after(12)).await.unwrap();
        let expected =
            ClaimedRun { routine: ROUTINE, fencing_token: 1, due_at: after(10), started_at: after(12), failures: 0, succeeded_at: None };
        assert_eq!(run, expected);
        assert_eq!(store.claimed(after(12)).await, None, "it is in somebody's hands");
        let schedule = store.schedule().await;
        assert!(schedule.is_running(after(12)) && !schedule.is_running(after(12) + ROUTINE.lease()));
        assert_eq!(schedule.last_started_at, Some(after(12)));
        // A row of another version of the program is left alone.
        store.execute("UPDATE schedules SET name = 'fly'").await;
        assert_eq!(schedules::list(&mut store.reader().await.conn()).await.unwrap(), []);
        let mut tx = store.begin().await;
        schedules::insert(&mut tx.conn(), &[]).await.unwrap();
    }

    async fn of_many_who_claim_at_once_one_gets_it(store: Store) {
        for round in 0..ROUNDS {
            store.execute("DELETE FROM schedules").await;
            store.planned(after(round)).await;
            let claims = store.race(12, move |_, mut tx| async move {
                let claimed = schedules::claim(&mut tx.conn(), ROUTINE, after(round)).await.unwrap();
                (tx, claimed.is_some())
            });
            assert_eq!(won(&claims.await), 1);
        }
    }

    async fn who_is_gone_loses_the_run_and_who_comes_back_late_is_refused(store: Store) {
        store.planned(beginning()).await;
        let first = store.claimed(beginning()).await.unwrap();
        let over = beginning() + ROUTINE.lease();
        assert_eq!(store.claimed(over - TimeDelta::microseconds(1)).await, None);
        let second = store.claimed(over).await.unwrap();
        assert_eq!((second.fencing_token, second.due_at), (2, beginning()), "the same run");
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(!schedules::finish(conn, &first, &counts([]), after(60), over).await.unwrap());
        assert!(!schedules::fail(conn, &first, "late", after(60), over).await.unwrap());
        assert!(!schedules::release(conn, &first).await.unwrap());
        let done = counts([("members", 3)]);
        assert!(schedules::finish(conn, &second, &done, after(600), over + TimeDelta::milliseconds(250)).await.unwrap());
        assert!(!schedules::finish(conn, &second, &done, after(900), over).await.unwrap(), "done is done");
        tx.commit().await.unwrap();
        let schedule = store.schedule().await;
        assert_eq!((schedule.next_run_at, schedule.leased_until), (after(600), None));
        assert_eq!((schedule.last_duration_ms, schedule.last_outcome), (Some(250), Some(done)));
        assert_eq!(schedule.last_succeeded_at, schedule.last_finished_at);
        assert_eq!(store.claimed(after(600)).await.unwrap().succeeded_at, schedule.last_succeeded_at);
    }

    async fn a_failure_keeps_its_reason_until_it_goes_well(store: Store) {
        store.planned(beginning()).await;
        for failures in 0..3 {
            let run = store.claimed(after(failures)).await.unwrap();
            assert_eq!(run.failures, failures);
            let mut tx = store.begin().await;
            let problem = format!("problem {failures}");
            assert!(schedules::fail(&mut tx.conn(), &run, &problem, after(failures + 1), after(failures)).await.unwrap());
            tx.commit().await.unwrap();
            let schedule = store.schedule().await;
            assert_eq!((schedule.last_error, schedule.failures), (Some(problem), failures + 1));
            assert_eq!((schedule.last_succeeded_at, schedule.last_outcome), (None, None));
        }
        let run = store.claimed(after(9)).await.unwrap();
        let mut tx = store.begin().await;
        // A clock that was set back makes no negative duration.
        assert!(schedules::finish(&mut tx.conn(), &run, &counts([]), after(60), after(1)).await.unwrap());
        tx.commit().await.unwrap();
        let schedule = store.schedule().await;
        assert_eq!((schedule.last_error, schedule.failures, schedule.last_duration_ms), (None, 0, Some(0)));
    }

    async fn a_run_that_is_given_back_is_due_as_before(store: Store) {
        store.planned(beginning()).await;
        let run = store.claimed(after(5)).await.unwrap();
        let mut tx = store.begin().await;
        assert!(schedules::release(&mut tx.conn(), &run).await.unwrap());
        tx.commit().await.unwrap();
        let again = store.claimed(after(6)).await.unwrap();
        assert_eq!((again.due_at, again.fencing_token), (beginning(), 2));
    }

    async fn something_can_be_made_due_unless_it_is_or_is_under_way(store: Store) {
        let make_due = async |now| {
            let mut tx = store.begin().await;
            let made = schedules::make_due(&mut tx.conn(), ROUTINE, now).await.unwrap();
            tx.commit().await.unwrap();
            made
        };
        assert!(!make_due(beginning()).await, "it was never planned");
        store.planned(after(60)).await;
        assert!(make_due(after(1)).await);
        assert!(!make_due(after(2)).await, "it is due already");
        store.claimed(after(3)).await.unwrap();
        assert!(!make_due(after(4)).await, "it is under way");
        assert_eq!(store.schedule().await.next_run_at, after(1));
    }

    async fn what_a_clock_planned_that_was_far_ahead_binds_nobody(store: Store) {
        let ahead = beginning() + TimeDelta::days(45);
        store.planned(ahead).await;
        store.claimed(ahead).await.unwrap();
        assert!(store.schedule().await.is_misplanned(beginning()));
        assert!(!store.schedule().await.is_running(beginning()));
        let replan = async |now| {
            let mut tx = store.begin().await;
            let done = schedules::replan(&mut tx.conn(), ROUTINE, after(60), now).await.unwrap();
            tx.commit().await.unwrap();
            done
        };
        assert!(replan(beginning()).await);
        assert!(!replan(beginning()).await);
        // The lease of then is no lease now.
        let run = store.claimed(after(60)).await.unwrap();
        assert_eq!((run.fencing_token, run.due_at), (2, after(60)));
        // A clock that is an hour behind waits: nothing is planned anew, nothing is done twice.
        let behind = after(60) - TimeDelta::hours(1);
        assert!(CLOCK_TOLERANCE > TimeDelta::hours(1) && !store.schedule().await.is_misplanned(behind));
        assert!(!replan(behind).await);
        assert_eq!(store.claimed(behind).await, None);
    }
}
