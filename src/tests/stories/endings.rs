//! What ends by itself is told to apps that keep answers: once, whoever is killed, whatever the clock does.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use vouchsafe::{domain::schedule::Routine, jobs::Runner, services::schedules};

use super::webhooks::Endpoint;
use crate::harness::{StripeCustomer, TestApp, on_both};

/// How long a subscription gives access after a payment failed, unless an admin says otherwise.
const GRACE: TimeDelta = TimeDelta::days(7);

impl TestApp {
    /// Moves the clock to a second before an instant, does all that is due, and then moves it there.
    async fn come_to(&self, instant: DateTime<Utc>, endpoint: &Endpoint) {
        self.env.clock.advance(instant - TimeDelta::seconds(1) - self.env.clock.now());
        self.runner.do_what_is_due().await.unwrap();
        assert_eq!(endpoint.hears_kinds(self).await, [""; 0], "nothing has ended a second before");
        self.env.clock.advance(TimeDelta::seconds(1));
        schedules::make_due(&self.env, Routine::TellEndings).await.unwrap();
    }

    /// Does all that is due for some minutes, and returns how often a change of access is told.
    async fn told(&self, endpoint: &Endpoint) -> usize {
        let mut told = 0;
        for _ in 0..8 {
            self.runner.do_what_is_due().await.unwrap();
            told += endpoint.hears_kinds(self).await.len();
            self.env.clock.advance(TimeDelta::minutes(1));
        }
        told
    }

    async fn user_without_trial(&self, name: &str) {
        self.operator().put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
        self.operator().post("/api/v1/users", json!({ "external_id": name })).await.ok();
    }
}

on_both! {
    async fn credit_a_restriction_and_grace_that_end_are_told_once_each(app: TestApp) {
        let app = app.reaching_inside().with_prices().await;
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        let operator = app.operator();
        app.user_without_trial("ann").await;
        operator.post("/api/v1/users/ann/credits", json!({ "days": 2 })).await.ok();
        let ends = app.env.clock.now() + TimeDelta::days(4);
        let restriction = json!({ "limit": 0, "reason": "a quarrel", "expires_at": ends });
        operator.put("/api/v1/users/ann/restrictions/photos", restriction).await.ok();
        let credited = app.env.clock.now() + TimeDelta::days(2);
        assert_eq!(endpoint.hears_kinds(&app).await.len(), 2);

        app.come_to(credited, &endpoint).await;
        assert_eq!(app.told(&endpoint).await, 1, "credit");
        app.come_to(ends, &endpoint).await;
        assert_eq!(app.told(&endpoint).await, 1, "a restriction");

        let user = operator.get("/api/v1/users/ann").await.ok()["id"].as_str().unwrap().parse().unwrap();
        let customer = StripeCustomer::new(user, 1, app.env.clock.now());
        app.stripe(&customer.subscription("created", "active", app.env.clock.now())).await;
        app.env.clock.advance(TimeDelta::hours(1));
        let failed_at = app.env.clock.now();
        app.stripe(&customer.subscription("updated", "past_due", failed_at)).await;
        assert_eq!(endpoint.hears_kinds(&app).await.len(), 2, "bought, and payment is due");
        app.come_to(failed_at + GRACE, &endpoint).await;
        assert_eq!(app.told(&endpoint).await, 1, "grace");
    }

    async fn whoever_is_killed_or_comes_late_tells_each_end_once(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        app.user_without_trial("ann").await;
        app.operator().post("/api/v1/users/ann/credits", json!({ "days": 1 })).await.ok();
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(endpoint.hears_kinds(&app).await.len(), 1);
        // Nobody is there for a month and a half.
        app.env.clock.advance(TimeDelta::days(45));
        let run = app.runner.claim(Routine::TellEndings).await.unwrap().unwrap();
        app.runner.perform(&run).await.unwrap();
        // It dies before it has noted that it was there, and two others come after the lease.
        app.env.clock.advance(Routine::TellEndings.lease());
        let other = Runner::new(app.another_node()).unwrap();
        let (one, two) = tokio::join!(app.runner.do_what_is_due(), other.do_what_is_due());
        one.unwrap();
        two.unwrap();
        assert_eq!(app.told(&endpoint).await, 1);
        // A clock that is set back tells nothing again.
        app.env.clock.advance(-TimeDelta::hours(1));
        assert_eq!(app.told(&endpoint).await, 0);
    }

    async fn credit_that_was_prolonged_has_not_ended(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        app.user_without_trial("ann").await;
        for _ in 0..2 {
            app.operator().post("/api/v1/users/ann/credits", json!({ "days": 1 })).await.ok();
        }
        assert_eq!(endpoint.hears_kinds(&app).await.len(), 2);
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(app.told(&endpoint).await, 0);
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(app.told(&endpoint).await, 1);
    }
}
