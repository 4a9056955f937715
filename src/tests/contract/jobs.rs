//! `store::jobs`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use vouchsafe::{
    domain::ids::JobId,
    store::jobs::{self, ClaimedJob, Lane, QueueState, Work},
};

use super::{Store, after, on_both, won};
use crate::harness::beginning;

impl Store {
    async fn job(&self, run_at: DateTime<Utc>) -> (JobId, Work) {
        let (id, work) = (self.id_at(run_at), Work::SendMail { mail: self.id() });
        let mut tx = self.begin().await;
        jobs::insert(&mut tx.conn(), &[(id, work.clone())], run_at).await.unwrap();
        tx.commit().await.unwrap();
        (id, work)
    }

    async fn claim(&self, count: i64, now: DateTime<Utc>, leased_until: DateTime<Utc>) -> Vec<ClaimedJob> {
        let mut tx = self.begin().await;
        let claimed = jobs::claim(&mut tx.conn(), Lane::Letters, count, now, leased_until).await.unwrap();
        tx.commit().await.unwrap();
        claimed
    }

    async fn queue(&self) -> QueueState {
        jobs::state(&mut self.reader().await.conn()).await.unwrap()
    }
}

fn ids(jobs: &[ClaimedJob]) -> BTreeSet<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

on_both! {
    async fn a_job_that_is_due_is_claimed_once(store: Store) {
        let (id, work) = store.job(after(10)).await;
        assert_eq!(store.texts("SELECT kind FROM jobs").await, [work.kind().as_str()]);
        assert_eq!(store.queue().await, QueueState { waiting: 1, dead: 0 });
        assert_eq!(store.claim(10, after(9), after(60)).await, []);
        let claimed = store.claim(10, after(10), after(60)).await;
        assert_eq!(claimed, [ClaimedJob { id, work: Ok(work), attempt: 1, fencing_token: 1 }]);
        assert_eq!(store.claim(10, after(59), after(120)).await, []);
        // In somebody's hands it still waits to be done.
        assert_eq!(store.queue().await, QueueState { waiting: 1, dead: 0 });
    }

    async fn the_longest_waiting_are_claimed_first(store: Store) {
        let (late, _) = store.job(after(3)).await;
        let (early, _) = store.job(after(1)).await;
        let (middle, _) = store.job(after(2)).await;
        assert_eq!(ids(&store.claim(2, after(10), after(60)).await), BTreeSet::from([early, middle]));
        assert_eq!(ids(&store.claim(2, after(10), after(60)).await), BTreeSet::from([late]));
    }

    async fn a_job_is_queued_with_what_causes_it_or_not_at_all(store: Store) {
        let mut tx = store.begin().await;
        let work = Work::SendMail { mail: store.id() };
        jobs::insert(&mut tx.conn(), &[(store.id(), work.clone())], beginning()).await.unwrap();
        drop(tx);
        assert_eq!(store.claim(10, beginning(), after(60)).await, []);
    }

    async fn many_workers_at_once_never_get_the_same_job(store: Store) {
        let mut queued = BTreeSet::new();
        for number in 0..40 {
            queued.insert(store.job(after(number)).await.0);
        }
        let claims = store.race(16, |_, mut tx| async move {
            let claimed = jobs::claim(&mut tx.conn(), Lane::Letters, 4, after(100), after(200)).await.unwrap();
            (tx, claimed)
        });
        let mut claimed: Vec<ClaimedJob> = claims.await.into_iter().flatten().collect();
        // Whom the others' locks kept from a job finds it now.
        claimed.extend(store.claim(100, after(100), after(200)).await);
        assert_eq!(claimed.len(), 40);
        assert_eq!(ids(&claimed), queued);
        assert!(claimed.iter().all(|job| job.attempt == 1 && job.fencing_token == 1));
    }

    async fn many_workers_at_once_take_over_a_job_once(store: Store) {
        let (id, _) = store.job(beginning()).await;
        store.claim(1, beginning(), after(60)).await;
        let claims = store.race(16, |_, mut tx| async move {
            let claimed = jobs::claim(&mut tx.conn(), Lane::Letters, 4, after(60), after(120)).await.unwrap();
            (tx, claimed)
        });
        let claimed: Vec<ClaimedJob> = claims.await.into_iter().flatten().collect();
        assert_eq!(claimed.iter().map(|job| (job.id, job.attempt, job.fencing_token)).collect::<Vec<_>>(), [(id, 2, 2)]);
    }

    async fn who_lost_the_lease_is_refused(store: Store) {
        let (id, _) = store.job(beginning()).await;
        let first = store.claim(1, beginning(), after(60)).await[0].fencing_token;
        assert_eq!(store.claim(1, after(59), after(120)).await, []);
        let second = &store.claim(1, after(60), after(120)).await[0];
        assert_eq!((second.id, second.attempt), (id, 2));
        assert!(second.fencing_token > first);

        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(!jobs::finish(conn, id, first, after(61)).await.unwrap());
        assert!(!jobs::retry(conn, id, first, "late", after(61)).await.unwrap());
        assert!(!jobs::give_up(conn, id, first, "late", after(61)).await.unwrap());
        assert_eq!(jobs::state(conn).await.unwrap(), QueueState { waiting: 1, dead: 0 });
        assert!(jobs::finish(conn, id, second.fencing_token, after(62)).await.unwrap());
        assert_eq!(jobs::state(conn).await.unwrap(), QueueState { waiting: 0, dead: 0 });
        // Done is done, also for who did it.
        assert!(!jobs::finish(conn, id, second.fencing_token, after(63)).await.unwrap());
        assert!(!jobs::retry(conn, id, second.fencing_token, "late", after(63)).await.unwrap());
        assert!(!jobs::give_up(conn, id, second.fencing_token, "late", after(63)).await.unwrap());
        assert_eq!(jobs::claim(conn, Lane::Letters, 1, after(1_000), after(2_000)).await.unwrap(), []);
    }

    async fn of_many_results_under_one_token_one_counts(store: Store) {
        let (id, _) = store.job(beginning()).await;
        let token = store.claim(1, beginning(), after(60)).await[0].fencing_token;
        let results = store.race(12, move |_, mut tx| async move {
            let finished = jobs::finish(&mut tx.conn(), id, token, after(1)).await.unwrap();
            (tx, finished)
        });
        assert_eq!(won(&results.await), 1);
    }

    async fn a_job_put_back_comes_again_when_it_is_time(store: Store) {
        let (id, work) = store.job(beginning()).await;
        let token = store.claim(1, beginning(), after(60)).await[0].fencing_token;
        let mut tx = store.begin().await;
        assert!(jobs::retry(&mut tx.conn(), id, token, "the server was away", after(30)).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT last_error FROM jobs").await, ["the server was away"]);
        assert_eq!(store.claim(1, after(29), after(90)).await, []);
        // Before the lease would have ended: putting back gives it up.
        let again = store.claim(1, after(30), after(90)).await;
        assert_eq!(again, [ClaimedJob { id, work: Ok(work), attempt: 2, fencing_token: 2 }]);
    }

    async fn a_job_given_up_stays_to_be_seen_and_is_not_claimed(store: Store) {
        let (id, _) = store.job(beginning()).await;
        let token = store.claim(1, beginning(), after(60)).await[0].fencing_token;
        let mut tx = store.begin().await;
        assert!(jobs::give_up(&mut tx.conn(), id, token, "refused for good", after(1)).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(store.queue().await, QueueState { waiting: 0, dead: 1 });
        assert_eq!(store.claim(1, after(1_000), after(2_000)).await, []);
        assert_eq!(store.texts("SELECT last_error FROM jobs").await, ["refused for good"]);
    }

    async fn work_that_cannot_be_read_is_handed_over_with_the_reason(store: Store) {
        let (id, _) = store.job(beginning()).await;
        store.execute(r#"UPDATE jobs SET kind = 'fly', payload = '{"kind":"fly","to":"the moon"}'"#).await;
        let claimed = store.claim(1, beginning(), after(60)).await;
        assert_eq!(claimed[0].id, id);
        let problem = claimed[0].work.as_ref().unwrap_err();
        assert!(problem.contains("fly"), "{problem}");
    }

    async fn jobs_are_counted_by_kind_and_by_how_they_stand(store: Store) {
        for number in 0..5 {
            store.job(after(number)).await;
        }
        store.execute("UPDATE jobs SET kind = 'fly' WHERE run_at = (SELECT MAX(run_at) FROM jobs)").await;
        let claimed = store.claim(3, after(10), after(60)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(jobs::finish(conn, claimed[0].id, 1, after(11)).await.unwrap());
        assert!(jobs::retry(conn, claimed[1].id, 1, "away", after(200)).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = store.reader().await;
        let kind = |kind: &str, [waiting, running, retried, dead]: [i64; 4], oldest| jobs::KindState {
            kind: kind.to_owned(), waiting, running, retried, dead, oldest_due_at: oldest,
        };
        let oldest = claimed[2].id;
        let all = jobs::by_kind(&mut reader.conn(), after(12)).await.unwrap();
        assert_eq!(all[0], kind("fly", [1, 0, 0, 0], Some(after(4))));
        assert_eq!((all[1].waiting, all[1].running, all[1].retried, all[1].dead), (1, 1, 1, 0));
        assert!(all[1].oldest_due_at.is_some_and(|at| at <= after(3)));
        drop(reader);
        let mut tx = store.begin().await;
        assert!(jobs::give_up(&mut tx.conn(), oldest, 1, "no", after(13)).await.unwrap());
        tx.commit().await.unwrap();
        // A lease that is over is nobody's.
        let all = jobs::by_kind(&mut store.reader().await.conn(), after(100)).await.unwrap();
        assert_eq!(all[1], kind("send_mail", [1, 0, 1, 1], Some(after(3))));
    }

    async fn jobs_given_up_are_listed_in_pages_and_come_back_or_go(store: Store) {
        let mut given_up = Vec::new();
        for number in 0..5 {
            let (id, _) = store.job(after(number)).await;
            let mut tx = store.begin().await;
            let conn = &mut tx.conn();
            let claimed = jobs::claim(conn, Lane::Letters, 1, after(10), after(60)).await.unwrap();
            // Two of one instant.
            assert!(jobs::give_up(conn, id, claimed[0].fencing_token, "no", after(10 + number / 2)).await.unwrap());
            tx.commit().await.unwrap();
            given_up.push(id);
        }
        let mut read = Vec::new();
        loop {
            let page = jobs::dead(&mut store.reader().await.conn(), read.last().copied(), 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.iter().all(|job| job.last_error.as_deref() == Some("no") && job.attempts == 1));
            read.extend(page.into_iter().map(|job| job.id));
        }
        given_up.reverse();
        assert_eq!(read[0], given_up[0]);
        assert_eq!(read.iter().collect::<BTreeSet<_>>(), given_up.iter().collect::<BTreeSet<_>>());
        assert_eq!(read.len(), 5);
        let (one, other) = (read[0], read[1]);
        let revived = store.race(8, move |_, mut tx| async move {
            let kind = jobs::revive(&mut tx.conn(), one, after(100)).await.unwrap();
            (tx, kind.as_deref() == Some("send_mail"))
        });
        assert_eq!(won(&revived.await), 1);
        let again = store.claim(9, after(100), after(160)).await;
        assert_eq!(again.iter().map(|job| (job.id, job.attempt, job.fencing_token)).collect::<Vec<_>>(), [(one, 1, 2)]);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(jobs::discard(conn, other).await.unwrap().as_deref(), Some("send_mail"));
        assert_eq!(jobs::discard(conn, other).await.unwrap(), None);
        assert_eq!(jobs::discard(conn, one).await.unwrap(), None, "it is alive");
        assert_eq!(jobs::revive(conn, other, after(101)).await.unwrap(), None);
        assert_eq!(jobs::state(conn).await.unwrap(), QueueState { waiting: 1, dead: 3 });
    }

    async fn done_jobs_are_forgotten_and_no_others(store: Store) {
        for _ in 0..4 {
            store.job(beginning()).await;
        }
        let claimed = store.claim(3, beginning(), after(60)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (job, finished_at) in claimed.iter().zip([after(1), after(2)]) {
            assert!(jobs::finish(conn, job.id, job.fencing_token, finished_at).await.unwrap());
        }
        assert!(jobs::give_up(conn, claimed[2].id, claimed[2].fencing_token, "no", after(1)).await.unwrap());
        assert_eq!(jobs::purge(conn, beginning(), 9).await.unwrap(), 0);
        assert_eq!(jobs::purge(conn, after(1), 9).await.unwrap(), 1);
        assert_eq!(jobs::purge(conn, after(100), 9).await.unwrap(), 1);
        assert_eq!(jobs::state(conn).await.unwrap(), QueueState { waiting: 1, dead: 1 });
    }

    async fn no_more_is_forgotten_at_once_than_is_asked_for_and_the_oldest_first(store: Store) {
        let mut done = Vec::new();
        for number in 0..6 {
            let (id, work) = match number % 2 {
                0 => (store.id(), Work::SendMail { mail: store.id() }),
                _ => (store.id(), Work::DeliverWebhook { delivery: store.id() }),
            };
            let mut tx = store.begin().await;
            let conn = &mut tx.conn();
            jobs::insert(conn, &[(id, work.clone())], beginning()).await.unwrap();
            let claimed = jobs::claim(conn, work.lane(), 9, beginning(), after(60)).await.unwrap();
            assert!(jobs::finish(conn, id, claimed[0].fencing_token, after(number)).await.unwrap());
            tx.commit().await.unwrap();
            done.push(work.kind());
        }
        let mut tx = store.begin().await;
        assert_eq!(jobs::purge_told(&mut tx.conn(), after(4), 1).await.unwrap(), 1);
        assert_eq!(jobs::purge_told(&mut tx.conn(), after(4), 5).await.unwrap(), 1);
        assert_eq!(jobs::purge(&mut tx.conn(), after(100), 2).await.unwrap(), 2);
        tx.commit().await.unwrap();
        let left = store.texts("SELECT kind FROM jobs ORDER BY finished_at").await;
        assert_eq!(left, ["send_mail", "deliver_webhook"]);
    }

    async fn what_is_forgotten_and_claimed_is_found_without_reading_everything(store: Store) {
        if !matches!(store.db, vouchsafe::store::Db::Sqlite { .. }) {
            // Postgres reads small tables as a whole whatever there is to find things by.
            return;
        }
        for (statement, by) in [(jobs::PURGE, "jobs_finished"), (jobs::PURGE_TOLD, "jobs_told")] {
            // The lines of a plan have their words in the fourth column.
            let mut reader = store.reader().await;
            let vouchsafe::store::Conn::Sqlite(conn) = reader.conn() else { unreachable!() };
            let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                .fetch_all(conn)
                .await
                .unwrap();
            let plan: Vec<String> = rows.into_iter().map(|row| row.3).collect();
            assert!(plan.iter().any(|line| line.contains(by)), "{plan:?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN jobs")), "{plan:?}");
        }
    }

    async fn each_lane_is_claimed_by_itself(store: Store) {
        let work = [
            Work::SendMail { mail: store.id() },
            Work::AwardBonus { user: store.id() },
            Work::RefreshSubscription { provider: vouchsafe::domain::payment::Provider::Stripe, subscription: "sub_1".to_owned() },
            Work::DeliverWebhook { delivery: store.id() },
            Work::TellChat { notification: store.id() },
        ];
        let jobs: Vec<(JobId, Work)> = work.into_iter().map(|work| (store.id(), work)).collect();
        let code = (store.id(), Work::SendMail { mail: store.id() });
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        jobs::insert(conn, &jobs, beginning()).await.unwrap();
        jobs::insert_codes(conn, std::slice::from_ref(&code), after(5)).await.unwrap();
        tx.commit().await.unwrap();
        let lanes: Vec<Lane> = jobs.iter().map(|(_, work)| work.lane()).collect();
        assert_eq!(lanes, [Lane::Letters, Lane::Work, Lane::Providers, Lane::Webhooks, Lane::Chat]);
        for lane in Lane::ALL {
            let expected = match lanes.iter().position(|one| *one == lane) {
                Some(number) => jobs[number].0,
                None => code.0,
            };
            let claims = store.race(6, move |_, mut tx| async move {
                let claimed = jobs::claim(&mut tx.conn(), lane, 1, after(5), after(60)).await.unwrap();
                (tx, claimed)
            });
            let mut claimed: Vec<ClaimedJob> = claims.await.into_iter().flatten().collect();
            // Whom the others' locks kept from it finds it now.
            let mut tx = store.begin().await;
            claimed.extend(jobs::claim(&mut tx.conn(), lane, 10, after(5), after(60)).await.unwrap());
            tx.commit().await.unwrap();
            assert_eq!((claimed.len(), claimed[0].id), (1, expected), "{}", lane.as_str());
        }
    }

    async fn a_job_that_had_to_wait_for_others_was_not_tried(store: Store) {
        let (id, _) = store.job(beginning()).await;
        for second in [0, 10] {
            let claimed = store.claim(1, after(second), after(60 + second)).await;
            assert_eq!((claimed[0].id, claimed[0].attempt), (id, 1));
            let mut tx = store.begin().await;
            let token = claimed[0].fencing_token;
            assert!(jobs::postpone(&mut tx.conn(), id, token, "others come first", after(second + 10)).await.unwrap());
            assert!(!jobs::postpone(&mut tx.conn(), id, token, "others come first", after(1)).await.unwrap());
            tx.commit().await.unwrap();
            assert_eq!(store.claim(1, after(second + 9), after(90)).await, []);
        }
    }

    async fn what_a_clock_put_off_that_was_ahead_is_due_now(store: Store) {
        let ahead = beginning() + chrono::TimeDelta::days(45);
        let (retried, _) = store.job(ahead).await;
        let token = store.claim(1, ahead, ahead + chrono::TimeDelta::seconds(60)).await[0].fencing_token;
        let mut tx = store.begin().await;
        assert!(jobs::retry(&mut tx.conn(), retried, token, "away", ahead + chrono::TimeDelta::hours(1)).await.unwrap());
        tx.commit().await.unwrap();
        // Somebody is at work on another one as the clock is put right, and one was never tried.
        let (held, _) = store.job(ahead).await;
        assert_eq!(store.claim(1, ahead, ahead + chrono::TimeDelta::seconds(60)).await[0].id, held);
        let (fresh, _) = store.job(after(3_600)).await;
        let (waiting, _) = store.job(beginning()).await;
        let token = store.claim(1, beginning(), after(60)).await[0].fencing_token;
        let mut tx = store.begin().await;
        assert!(jobs::retry(&mut tx.conn(), waiting, token, "away", after(300)).await.unwrap());
        tx.commit().await.unwrap();
        let replan = async || {
            let mut tx = store.begin().await;
            let latest = beginning() + chrono::TimeDelta::days(5);
            let done = jobs::replan(&mut tx.conn(), latest, beginning()).await.unwrap();
            tx.commit().await.unwrap();
            done
        };
        assert_eq!(replan().await, 3);
        assert_eq!(replan().await, 0);
        // The lease of then is no lease now; what waits for a time that may be right waits on.
        let claimed = store.claim(10, beginning(), after(60)).await;
        assert_eq!(ids(&claimed), BTreeSet::from([retried, held, fresh]));
    }
}
