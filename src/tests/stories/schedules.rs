//! What comes by the clock: once each time, whoever is killed, however many look, whatever the clock does.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use vouchsafe::{
    domain::{notification::Occurrence, schedule::Routine},
    jobs::Runner,
    services::{activity, letters, notifications, schedules},
};

use crate::harness::{Backend, Receiver, StripeCustomer, TestApp, on_both};

impl TestApp {
    async fn schedule(&self, routine: Routine) -> schedules::Schedule {
        let all = schedules::list(&self.env).await.unwrap();
        all.into_iter().find(|schedule| schedule.routine == routine).unwrap()
    }

    async fn lines(&self, action: &str) -> usize {
        let which = activity::Which { action: Some(action), ..Default::default() };
        activity::list(&self.env, which, 1_000).await.unwrap().len()
    }

    /// Sets the clock.
    fn set_clock(&self, to: &str) {
        let to: DateTime<Utc> = to.parse().unwrap();
        self.env.clock.advance(to - self.env.clock.now());
    }
}

/// Runs a future until it has been asked so many times, and drops it there: as a process does that is
/// killed. Returns what it brought if it was done before.
async fn killed_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let asked = AtomicUsize::new(0);
    let mut future: Pin<Box<F>> = Box::pin(future);
    std::future::poll_fn(move |context| {
        if asked.fetch_add(1, Ordering::SeqCst) >= polls {
            return Poll::Ready(None);
        }
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// What is due once: a grant that has ended, of which one line and one letter tell.
async fn with_a_grant_that_ends(app: &TestApp) {
    let operator = app.operator();
    operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
    operator.post("/api/v1/users", json!({ "email": "ann@example.com" })).await.ok();
    let days = json!({ "tier": "premium", "days": 2 });
    let given = operator.post("/api/v1/users/ann@example.com/grants", days).await;
    assert!(given.status.is_success(), "{}", given.body);
    app.mailbox().await;
    app.env.clock.advance(TimeDelta::days(2));
}

/// A program in which there is something to do for everything that comes by the clock, with an app and a chat
/// that listen.
struct World {
    app: TestApp,
    hooks: Receiver,
    chat: Receiver,
}

impl World {
    async fn new(backend: Backend) -> Option<Self> {
        // Nobody listens there: what is to be asked waits.
        let provider =
            [("VOUCHSAFE_STRIPE_API_KEY", "sk_test_nobody"), ("VOUCHSAFE_STRIPE_API_BASE", "http://127.0.0.1:9")];
        let app = TestApp::with(backend, &provider).await?.reaching_inside().with_prices().await;
        let operator = app.operator();
        let set = async |key: &str, value: Value| {
            operator.put(&format!("/api/v1/settings/{key}"), json!({ "value": value })).await.ok();
        };
        // A reward that is held, a member whose trial ends, and an admin who has not read something.
        set("referral_hold_days", json!(7)).await;
        let mut referrer = app.signed_in("ann@example.com").await;
        let page = referrer.get("/settings").await;
        let code = page.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
        let mut friend = app.browser();
        app.sign_in(&mut friend, "bob@example.com", &code).await;
        app.signed_in_admin("root@example.com").await;
        set("admin_digest_hour", json!(0)).await;
        app.env.clock.advance(TimeDelta::days(14));
        let bob = app.member("bob@example.com").await.id;
        let customer = StripeCustomer::new(bob, 1, app.env.clock.now());
        app.stripe(&customer.subscription("created", "active", app.env.clock.now())).await;
        app.stripe(&customer.invoice(1, 999, app.env.clock.now())).await;
        // One who wants to leave, days that end and days that end soon, a rule that days alone fulfil.
        operator.post("/api/v1/users", json!({ "external_id": "dan", "email": "dan@example.com" })).await.ok();
        operator.delete("/api/v1/users/dan?grace_days=3").await.ok();
        for (name, days) in [("eve", 5), ("fay", 9)] {
            operator
                .post("/api/v1/users", json!({ "external_id": name, "email": format!("{name}@example.com") }))
                .await
                .ok();
            operator
                .post(&format!("/api/v1/users/{name}/grants"), json!({ "tier": "premium", "days": days }))
                .await
                .ok();
        }
        let rule = json!({ "name_en": "A week", "trigger": "days_as_member", "threshold": 7, "badge": "7" });
        operator.post("/api/v1/bonus-rules", rule).await.ok();
        set("ip_retention_days", json!(7)).await;
        app.mailbox().await;
        app.runner.run_until_idle().await.unwrap();

        let ((hooks, url), (chat, chat_url)) = (Receiver::start().await, Receiver::start().await);
        operator.post("/api/v1/webhook-endpoints", json!({ "url": url })).await.ok();
        operator.put("/api/v1/notifications/settings", json!({ "chat_url": chat_url })).await.ok();
        app.env.clock.advance(TimeDelta::days(8));
        let mut tx = app.env.db.begin().await.unwrap();
        let occurrence = Occurrence::CouponUsedUp { code: "SUMMER".to_owned(), redemptions: 3 };
        notifications::raise(&app.env, &mut tx.conn(), occurrence).await.unwrap();
        tx.commit().await.unwrap();
        schedules::list(&app.env).await.unwrap();
        Some(Self { app, hooks, chat })
    }

    /// Does a routine, and is killed at each step on the way. Returns how often.
    async fn routine(&self, routine: Routine, is_killed: bool) -> usize {
        let (mut kills, mut polls) = (0, if is_killed { 1 } else { usize::MAX });
        loop {
            schedules::make_due(&self.app.env, routine).await.unwrap();
            let run = async {
                let run = self.app.runner.claim(routine).await.unwrap().expect("it is due and in nobody's hands");
                self.app.runner.finish(&run).await.unwrap().unwrap();
            };
            if killed_after(polls, run).await.is_some() {
                return kills;
            }
            // The lease is over, and no time has gone by: both worlds do everything at one time.
            self.app.execute("UPDATE schedules SET leased_until = NULL").await;
            (kills, polls) = (kills + 1, polls + 1);
            assert!(polls < 3_000, "{routine} never comes to its end");
        }
    }

    /// Does all jobs, and is killed at each step on the way. Returns how often.
    async fn queue(&self, is_killed: bool) -> usize {
        let (mut kills, mut polls) = (0, if is_killed { 1 } else { usize::MAX });
        loop {
            let runner = Runner::new(self.app.env.clone()).unwrap();
            if killed_after(polls, runner.run_until_idle()).await.is_some() {
                return kills;
            }
            // Whoever was at work stops at its next step, and loses what it had when the lease is over.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            self.app
                .execute(
                    "UPDATE jobs SET leased_until = NULL, attempts = 0 WHERE finished_at IS NULL AND dead_at IS NULL",
                )
                .await;
            self.app
                .execute("UPDATE webhook_deliveries SET next_try_at = created_at, attempts = 0 WHERE state = 'pending'")
                .await;
            (kills, polls) = (kills + 1, polls + 1);
            assert!(polls < 3_000, "the queue never comes to its end");
        }
    }

    /// What has happened, and how often.
    async fn effects(&self) -> BTreeMap<String, i64> {
        let mut effects = BTreeMap::new();
        for mail in letters::previews(&self.app.env).await.unwrap() {
            *effects.entry(format!("mail to {}: {}", mail.to, mail.subject)).or_default() += 1;
        }
        for line in activity::list(&self.app.env, activity::Which::default(), 1_000).await.unwrap() {
            *effects.entry(format!("log: {}", line.action)).or_default() += 1;
        }
        for table in [
            "mails",
            "bonus_awards",
            "credit_entries",
            "access_grants",
            "notifications",
            "reminders",
            "daily_stats",
            "webhook_deliveries",
            "rate_limits",
            "sessions",
            "login_attempts",
            "user_activity_log",
        ] {
            effects.insert(format!("rows of {table}"), self.count(table, "TRUE").await);
        }
        for (table, condition) in [
            ("user_activity_log", "address_cut"),
            ("users", "deleted_at IS NOT NULL"),
            
            ("jobs", "kind = 'reconcile_subscriptions'"),
            ("webhook_deliveries", "state = 'delivered'"),
        ] {
            effects.insert(format!("{table}: {condition}"), self.count(table, condition).await);
        }
        effects
    }

    async fn count(&self, table: &str, condition: &str) -> i64 {
        self.app
            .execute(&format!(
                "UPDATE {table} SET {column} = {column} WHERE {condition}",
                column = match table {
                    "reminders" => "kind",
                    "daily_stats" => "value",
                    "rate_limits" => "count",
                    _ => "id",
                }
            ))
            .await
            .try_into()
            .unwrap()
    }
}

async fn killed_at_any_step_everything_leaves_each_effect_once(backend: Backend) {
    let (Some(calm), Some(killed)) = (World::new(backend).await, World::new(backend).await) else { return };
    let before = calm.effects().await;
    assert_eq!(before, killed.effects().await, "both begin alike");
    for routine in Routine::ALL {
        let was = calm.effects().await;
        calm.routine(routine, false).await;
        let kills = killed.routine(routine, true).await;
        // A server may answer before we look, and then nobody waits; a file has us wait at each step.
        assert!(kills >= 3, "{routine}: only {kills} steps were tried");
        let (expected, found) = (calm.effects().await, killed.effects().await);
        assert_eq!(expected, found, "{routine}, killed {kills} times");
        assert!(was != expected, "there was nothing to do for {routine}");
    }
    for world in [&calm, &killed] {
        world
            .app
            .operator()
            .post("/api/v1/users", json!({ "external_id": "gil", "email": "gil@example.com" }))
            .await
            .ok();
    }
    let (_, kills) = (calm.queue(false).await, killed.queue(true).await);
    assert!(kills >= 10, "only {kills} steps were tried");
    assert_eq!(calm.effects().await, killed.effects().await, "killed {kills} times");
    let heard = |receiver: &Receiver| {
        receiver.taken().iter().map(|one| one.header("webhook-id").to_owned()).collect::<BTreeSet<_>>()
    };
    let (expected, found) = (heard(&calm.hooks), heard(&killed.hooks));
    // Whoever is killed between the answer and the note tells it again, under the same name.
    assert_eq!((expected.len(), expected.is_empty()), (found.len(), false));
    let said = |receiver: &Receiver| receiver.taken().iter().map(|one| one.body.clone()).collect::<BTreeSet<_>>();
    let (expected, found) = (said(&calm.chat), said(&killed.chat));
    assert_eq!((expected.len(), expected.is_empty()), (found.len(), false));
}

#[tokio::test]
async fn killed_at_any_step_everything_leaves_each_effect_once_on_sqlite() {
    killed_at_any_step_everything_leaves_each_effect_once(Backend::Sqlite).await;
}

#[tokio::test]
async fn killed_at_any_step_everything_leaves_each_effect_once_on_postgres() {
    killed_at_any_step_everything_leaves_each_effect_once(Backend::Postgres).await;
}

on_both! {
    async fn a_worker_killed_at_any_step_leaves_each_effect_once(app: TestApp) {
        with_a_grant_that_ends(&app).await;
        let routine = Routine::SettleGrants;
        let other = Runner::new(app.another_node()).unwrap();
        let (mut kills, mut polls) = (0, 1);
        loop {
            let begin = async {
                let Some(run) = app.runner.claim(routine).await.unwrap() else { return false };
                app.runner.finish(&run).await.unwrap().unwrap();
                true
            };
            schedules::make_due(&app.env, routine).await.unwrap();
            match killed_after(polls, begin).await {
                Some(did) => {
                    assert!(did);
                    break;
                }
                None => kills += 1,
            }
            // Whoever comes while the lease holds leaves it alone, and whoever comes later takes it up.
            app.env.clock.advance(routine.lease());
            polls += 1;
            assert!(polls < 2_000, "it never comes to its end");
        }
        // A server may answer before we look, and then nobody waits; a file has us wait at each step.
        if app.backend() == Backend::Sqlite {
            assert!(kills >= 5, "only {kills} steps were tried");
        }
        other.do_what_is_due().await.unwrap();
        assert_eq!(app.lines("grant_ended").await, 1, "after {kills} kills");
        let mails = app.mailbox().await;
        let told = mails.iter().filter(|mail| mail.to == "ann@example.com" && mail.subject.contains("Premium")).count();
        assert_eq!(mails.len(), told);
        let schedule = app.schedule(routine).await;
        assert_eq!((schedule.failures, schedule.leased_until), (0, None));
    }

    async fn a_worker_that_died_between_effect_and_note_is_followed_by_one_who_finds_it_done(app: TestApp) {
        with_a_grant_that_ends(&app).await;
        let other = Runner::new(app.another_node()).unwrap();
        schedules::list(&app.env).await.unwrap();
        let run = app.runner.claim(Routine::SettleGrants).await.unwrap().unwrap();
        assert_eq!(app.runner.perform(&run).await.unwrap()["members"], 1);
        // It dies here. The other one waits for the lease.
        assert!(other.claim(Routine::SettleGrants).await.unwrap().is_none());
        app.env.clock.advance(Routine::SettleGrants.lease());
        let again = other.claim(Routine::SettleGrants).await.unwrap().unwrap();
        assert_eq!(again.due_at, run.due_at, "the same run");
        assert_eq!(other.finish(&again).await.unwrap().unwrap()["members"], 0);
        assert_eq!(app.lines("grant_ended").await, 1);
        // Who was only thought dead is refused.
        assert!(!schedules::settle(&app.env, &run, Err("late")).await.unwrap());
        assert_eq!(app.schedule(Routine::SettleGrants).await.last_error, None);
    }

    async fn of_many_workers_at_once_one_does_each_run(app: TestApp) {
        let nodes: Vec<_> = (0..6).map(|_| Runner::new(app.another_node()).unwrap()).collect();
        for round in 0..5 {
            app.env.clock.advance(TimeDelta::days(1));
            let mut racing = tokio::task::JoinSet::new();
            for number in 0..nodes.len() {
                let node = Runner::new(app.another_node()).unwrap();
                racing.spawn(async move { (number, node.do_what_is_due().await.unwrap()) });
            }
            let done: usize = racing.join_all().await.into_iter().map(|(_, done)| done).sum();
            // What comes every minute is made due by each, and may be done by several after each other.
            let daily = Routine::ALL.into_iter().filter(|routine| routine.when().period() > TimeDelta::minutes(1)).count();
            let minutely = Routine::ALL.len() - daily;
            assert!((Routine::ALL.len()..=daily + 6 * minutely).contains(&done), "round {round}: {done}");
            for routine in Routine::ALL {
                let schedule = app.schedule(routine).await;
                assert_eq!(schedule.leased_until, None, "{routine}");
                assert_eq!(schedule.last_finished_at, Some(app.env.clock.now()), "{routine}");
                assert!(schedule.next_run_at > app.env.clock.now(), "{routine}");
            }
        }
    }

    async fn after_a_long_time_without_anybody_each_is_done_once(app: TestApp) {
        app.runner.do_what_is_due().await.unwrap();
        app.env.clock.advance(TimeDelta::days(45));
        assert_eq!(app.runner.do_what_is_due().await.unwrap(), Routine::ALL.len());
        let minutely = Routine::ALL.into_iter().filter(|routine| routine.when().period() <= TimeDelta::minutes(1)).count();
        assert_eq!(app.runner.do_what_is_due().await.unwrap(), minutely, "nothing is made up for");
        assert_eq!(schedules::due(&app.env).await.unwrap(), []);
    }

    async fn no_time_is_lost_and_none_comes_twice_whatever_the_clock_does(app: TestApp) {
        let nightly = Routine::ReconcilePayments;
        app.set_clock("2028-02-28T12:00:00Z");
        app.runner.do_what_is_due().await.unwrap();
        let mut nights = 0;
        // Over the 29th of February, hour by hour, and sometimes an hour back.
        let end: DateTime<Utc> = "2028-03-04T12:00:00Z".parse().unwrap();
        let mut hours = 0;
        while app.env.clock.now() < end {
            hours += 1;
            app.env.clock.advance(TimeDelta::minutes(if hours % 5 == 0 { -60 } else { 37 }));
            if let Some(run) = app.runner.claim(nightly).await.unwrap() {
                app.runner.finish(&run).await.unwrap().unwrap();
                nights += 1;
            }
        }
        assert_eq!(nights, 5, "28 to 29 February, and 1 to 4 March: five nights");
        // Over the hour that Berlin's clocks leave out, and the one that they show twice.
        for (from, to) in [("2028-03-25T12:00:00Z", "2028-03-27T12:00:00Z"), ("2028-10-28T12:00:00Z", "2028-10-30T12:00:00Z")] {
            app.set_clock(from);
            app.runner.do_what_is_due().await.unwrap();
            let mut nights = 0;
            while app.env.clock.now() < to.parse::<DateTime<Utc>>().unwrap() {
                app.env.clock.advance(TimeDelta::minutes(10));
                if let Some(run) = app.runner.claim(nightly).await.unwrap() {
                    app.runner.finish(&run).await.unwrap().unwrap();
                    nights += 1;
                }
            }
            assert_eq!(nights, 2, "{from}");
        }
    }

    async fn a_clock_that_was_45_days_ahead_stops_nothing(app: TestApp) {
        app.runner.do_what_is_due().await.unwrap();
        app.env.clock.advance(TimeDelta::days(45));
        app.runner.do_what_is_due().await.unwrap();
        // Somebody is at work as the clock is put right.
        app.env.clock.advance(TimeDelta::hours(1));
        app.runner.claim(Routine::CountDays).await.unwrap().unwrap();
        app.env.clock.advance(-TimeDelta::days(45) - TimeDelta::hours(1));
        schedules::list(&app.env).await.unwrap();
        app.env.clock.advance(TimeDelta::days(1));
        let done = app.runner.do_what_is_due().await.unwrap();
        assert_eq!(done, Routine::ALL.len(), "everything is done within a day");
    }

    async fn what_fails_keeps_its_reason_and_is_tried_again(app: TestApp) {
        app.runner.do_what_is_due().await.unwrap();
        app.env.clock.advance(TimeDelta::hours(1));
        app.execute("ALTER TABLE rate_limits RENAME TO rate_limits_away").await;
        app.runner.do_what_is_due().await.unwrap();
        let schedule = app.schedule(Routine::ForgetOver).await;
        assert_eq!(schedule.failures, 1);
        assert!(schedule.last_error.unwrap().contains("rate_limits"));
        assert_eq!(schedule.next_run_at, app.env.clock.now() + TimeDelta::seconds(1));
        app.env.clock.advance(TimeDelta::seconds(1));
        app.runner.do_what_is_due().await.unwrap();
        let schedule = app.schedule(Routine::ForgetOver).await;
        assert_eq!((schedule.failures, schedule.next_run_at), (2, app.env.clock.now() + TimeDelta::seconds(16)));
        app.execute("ALTER TABLE rate_limits_away RENAME TO rate_limits").await;
        app.env.clock.advance(TimeDelta::seconds(16));
        app.runner.do_what_is_due().await.unwrap();
        let schedule = app.schedule(Routine::ForgetOver).await;
        assert_eq!((schedule.failures, schedule.last_error), (0, None));
    }
}
