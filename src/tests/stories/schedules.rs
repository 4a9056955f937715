//! What comes by the clock: once each time, whoever is killed, however many look, whatever the clock does.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use vouchsafe::{
    domain::schedule::Routine,
    jobs::Runner,
    services::{activity, schedules},
};

use crate::harness::{TestApp, on_both};

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

on_both! {
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
