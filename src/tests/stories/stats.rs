//! What was counted of every day, on the overview and for apps.

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};
use vouchsafe::{domain::schedule::Routine, store::stats as store};

use crate::harness::{StripeCustomer, TestApp, on_both};

impl TestApp {
    async fn figure(&self, day: &str, metric: &str, subject: &str) -> Option<i64> {
        let told = self.operator().get("/api/v1/stats?days=400").await.ok();
        let figures = told["figures"].as_array().unwrap();
        let is_it = |one: &&Value| one["day"] == day && one["metric"] == metric && one["subject"] == subject;
        figures.iter().find(is_it).map(|one| one["value"].as_i64().unwrap())
    }

    async fn count_days(&self) {
        assert!(self.runner.do_now(Routine::CountDays).await.unwrap().unwrap().is_ok());
    }

    /// Turns the clock to a time.
    fn turn_to(&self, time: &str) {
        self.env.clock.advance(time.parse::<chrono::DateTime<chrono::Utc>>().unwrap() - self.env.clock.now());
    }

    async fn days_of(&self, email: &str) -> Vec<(NaiveDate, i64, i64)> {
        let user = self.member(email).await.id;
        let days = store::days_of(&mut self.env.db.reader().await.unwrap().conn(), user, 99).await.unwrap();
        days.into_iter().map(|one| (one.day, one.sign_ins, one.consumed)).collect()
    }
}

on_both! {
    async fn a_new_installation_is_told_what_to_do_first(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let page = admin.get("/admin").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.texts("ol.steps a").len(), 3, "{}", page.body);
        app.signed_in("ann@example.com").await;
        let page = admin.get("/admin").await;
        assert!(page.texts("ol.steps a").is_empty() && page.body.contains("Nothing was counted yet"), "{}", page.body);
    }

    async fn days_are_counted_and_plotted(app: TestApp) {
        let operator = app.operator();
        app.signed_in("ann@example.com").await;
        let consume = json!({ "user": "ann@example.com", "feature": "photos", "amount": 2 });
        operator.post("/api/v1/consume", consume.clone()).await.ok();
        app.runner.do_what_is_due().await.unwrap();
        for _ in 0..2 {
            // Counted again, a day has the same figures.
            assert!(app.runner.do_now(Routine::CountDays).await.unwrap().unwrap().is_ok());
            assert_eq!(app.figure("2026-11-21", "new", "").await, Some(1));
            assert_eq!(app.figure("2026-11-21", "active", "").await, Some(1));
            assert_eq!(app.figure("2026-11-21", "sign_ins", "").await, Some(1));
            assert_eq!(app.figure("2026-11-21", "usage", "photos").await, Some(2));
            assert_eq!(app.figure("2026-11-21", "members", "premium").await, Some(1), "on trial");
        }
        let today = "2026-11-21".parse().unwrap();
        assert_eq!(app.days_of("ann@example.com").await, [(today, 1, 2)]);

        // A week in which nobody looked, and something happened on one of the days.
        app.env.clock.advance(TimeDelta::days(3));
        operator.post("/api/v1/consume", consume).await.ok();
        app.env.clock.advance(TimeDelta::days(4));
        app.signed_in("bob@example.com").await;
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(app.figure("2026-11-24", "usage", "photos").await, Some(2));
        assert_eq!(app.figure("2026-11-24", "active", "").await, Some(1));
        assert_eq!(app.figure("2026-11-25", "active", "").await, Some(0));
        assert_eq!(app.figure("2026-11-25", "members", "premium").await, None, "nobody knows any more");
        assert_eq!(app.figure("2026-11-28", "members", "premium").await, Some(2));
        assert_eq!(app.figure("2026-11-21", "usage", "photos").await, Some(2));

        let mut admin = app.signed_in_admin("root@example.com").await;
        app.runner.do_what_is_due().await.unwrap();
        let page = admin.get("/admin").await;
        let tiles = page.texts("dl.tiles > div");
        assert!(tiles.iter().any(|tile| tile.starts_with("Members3")), "{tiles:?}");
        assert!(page.texts("svg rect").len() > 5);
        let label = page.attribute("svg[role=img]", "aria-label").unwrap();
        assert!(label.contains("Members by tier") && label.contains("Premium: 3 on the last day"), "{label}");
        assert!(page.texts("details table tbody tr").len() >= 90, "each plot has its numbers");
        let long = admin.get("/admin?days=90").await;
        assert!(long.texts("details table tbody tr").len() >= 270);
        let german = admin.with_header("accept-language", "de").get("/admin").await;
        assert!(german.body.contains("Mitglieder nach Stufe") || german.body.contains("Members by tier"));
        operator.get("/api/v1/stats?days=0").await.is(422, "invalid_parameter");
        operator.get("/api/v1/stats?days=401").await.is(422, "invalid_parameter");
    }

    async fn a_day_is_a_day_of_the_products_zone(app: TestApp) {
        app.operator().put("/api/v1/settings/timezone", json!({ "value": "Europe/Berlin" })).await.ok();
        let mut ann = app.signed_in("ann@example.com").await;
        // 23:30 UTC is the next day in Berlin.
        app.env.clock.advance("2026-11-21T23:30:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap() - app.env.clock.now());
        ann.get("/settings").await;
        app.runner.do_what_is_due().await.unwrap();
        let days = app.days_of("ann@example.com").await;
        assert_eq!(days.iter().map(|day| (day.0.to_string(), day.1)).collect::<Vec<_>>(), [("2026-11-22".to_owned(), 0), ("2026-11-21".to_owned(), 1)]);
        assert_eq!(app.figure("2026-11-22", "active", "").await, Some(1));
        assert_eq!(app.figure("2026-11-21", "active", "").await, Some(1));
        let user = app.member("ann@example.com").await.id;
        let mut reader = app.env.db.reader().await.unwrap();
        let row = store::active_days_in_a_row(&mut reader.conn(), user, "2026-11-22".parse().unwrap()).await.unwrap();
        assert_eq!(row, 2);
    }

    async fn a_clock_that_was_ahead_does_not_keep_today_from_being_counted(app: TestApp) {
        app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(45));
        app.runner.do_what_is_due().await.unwrap();
        app.env.clock.advance(-TimeDelta::days(45));
        assert!(app.runner.do_now(Routine::CountDays).await.unwrap().unwrap().is_ok());
        assert_eq!(app.figure("2026-11-21", "new", "").await, Some(1));
        app.env.clock.advance(TimeDelta::days(45));
        assert_eq!(app.figure("2027-01-05", "active", "").await, None, "what never was is forgotten");
    }

    async fn what_is_told_late_still_counts_for_its_day(app: TestApp) {
        let app = app.with_prices().await;
        app.signed_in("ann@example.com").await;
        let began = |user, time: &str, number| {
            let at = time.parse().unwrap();
            StripeCustomer::new(user, number, at).subscription("created", "active", at)
        };
        app.turn_to("2026-11-22T00:00:01Z");
        app.count_days().await;
        assert_eq!(app.figure("2026-11-21", "subscriptions", "").await, Some(0));
        assert_eq!(app.figure("2026-11-21", "new", "").await, Some(1));
        let ann = app.member("ann@example.com").await.id;
        app.stripe(&began(ann, "2026-11-21T23:58:00Z", 1)).await;
        // The clock of another node is behind.
        app.turn_to("2026-11-21T23:59:50Z");
        app.signed_in("bob@example.com").await;
        app.turn_to("2026-11-22T00:05:00Z");
        app.count_days().await;
        assert_eq!(app.figure("2026-11-21", "subscriptions", "").await, Some(1), "told after its day");
        assert_eq!(app.figure("2026-11-21", "new", "").await, Some(2), "written after its day");

        // Nobody took what the provider told for days.
        app.turn_to("2026-11-25T09:00:00Z");
        app.count_days().await;
        let bob = app.member("bob@example.com").await.id;
        app.stripe(&began(bob, "2026-11-21T23:59:59Z", 2)).await;
        app.turn_to("2026-11-25T09:05:00Z");
        app.count_days().await;
        assert_eq!(app.figure("2026-11-21", "subscriptions", "").await, Some(2));
        assert_eq!(app.figure("2026-11-20", "subscriptions", "").await, None, "before there was anybody");
    }

    async fn where_everybody_is_gone_it_is_told_what_to_do_first(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        assert!(admin.get("/admin").await.texts("ol.steps a").is_empty());
        let ann = app.member("ann@example.com").await.id;
        app.operator().delete(&format!("/api/v1/users/{ann}?grace_days=0")).await.ok();
        app.runner.do_what_is_due().await.unwrap();
        assert!(app.operator().get(&format!("/api/v1/users/{ann}")).await.status == 404, "deleted");
        let page = admin.get("/admin").await;
        assert_eq!(page.texts("ol.steps a").len(), 3, "{}", page.body);
        assert_eq!(app.figure("2026-11-22", "new", "").await, Some(1), "they came, though they are gone");
    }
}
