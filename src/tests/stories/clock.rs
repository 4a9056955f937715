//! A clock that jumps: 45 days ahead, an hour back, over a leap day, and where clocks are set forth and back. What
//! each process promises holds all the same.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use vouchsafe::{
    domain::{notification::Occurrence, schedule::Routine},
    services::{
        activity::{self, Which},
        grants, notifications,
    },
};

use crate::harness::{Client, TestApp, on_both};

/// The hours by which a clock jumps, one after the other.
const JUMPS: [i64; 9] = [0, -1, 2, 30 * 24, -1, 45 * 24, -1, 1, 60 * 24];

impl TestApp {
    /// Turns the clock to a time, forth or back.
    fn clock_shows(&self, time: &str) {
        self.env.clock.advance(time.parse::<DateTime<Utc>>().unwrap() - self.env.clock.now());
    }

    async fn letters(&self, to: &str, part: &str) -> usize {
        let mails = self.mailbox().await;
        mails.iter().filter(|mail| mail.to == to && (mail.subject.contains(part) || mail.text.contains(part))).count()
    }
}

/// An operator of a product without trials in Berlin, and the user `ann`.
async fn in_berlin(app: &TestApp) -> Client {
    let operator = app.operator();
    operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
    operator.put("/api/v1/settings/timezone", json!({ "value": "Europe/Berlin" })).await.ok();
    operator.post("/api/v1/users", json!({ "external_id": "ann", "email": "ann@example.com" })).await.ok();
    operator
}

/// Makes a rule that brings a badge, and returns where those are listed who have it.
async fn rule(operator: &Client, trigger: &str, threshold: i64) -> String {
    let rule = json!({ "name_en": "Row", "trigger": trigger, "threshold": threshold, "badge": "R" });
    let rule = operator.post("/api/v1/bonus-rules", rule).await.ok();
    format!("/api/v1/bonus-rules/{}/awards", rule["id"].as_str().unwrap())
}

async fn grants_of(operator: &Client) -> Vec<Value> {
    let mut all = operator.get("/api/v1/users/ann/grants").await.ok()["items"].as_array().unwrap().clone();
    all.reverse();
    all
}

on_both! {
    async fn days_that_were_given_are_used_once_each_and_in_their_turn(app: TestApp) {
        let operator = in_berlin(&app).await;
        for (tier, days) in [("basic", 40), ("selfhosted", 30), ("premium", 20), ("selfhosted", 10)] {
            operator.post("/api/v1/users/ann/grants", json!({ "tier": tier, "days": days })).await.ok();
        }
        let begin = app.env.clock.now();
        let mut latest = begin;
        for hours in JUMPS {
            app.env.clock.advance(TimeDelta::hours(hours));
            for _ in 0..2 {
                grants::settle_due(&app.env).await.unwrap();
                app.runner.do_what_is_due().await.unwrap();
            }
            latest = latest.max(app.env.clock.now());
            let all = grants_of(&operator).await;
            let left: i64 = all.iter().map(|grant| grant["remaining_seconds"].as_i64().unwrap()).sum();
            let whole = 100 * 86_400;
            let run = (app.env.clock.now() - begin).num_seconds().clamp(0, whole);
            // What was once written as used is not given back by a clock that was ahead, nor used twice.
            let most = (latest - begin).num_seconds().clamp(0, whole);
            assert!(whole - left >= run && whole - left <= most, "after {hours}: {left} left of {whole}, {run} ran");
            let running = all.iter().filter(|grant| grant["state"] == "running").count();
            assert_eq!(running, usize::from(left > 0), "one runs: {all:?}");
        }
        let lines = operator.all_pages("/api/v1/activity", 100).await;
        let mut ends: Vec<(&str, &str)> = lines
            .iter()
            .filter(|line| line["action"] == "grant_ended")
            .map(|line| (line["details"]["at"].as_str().unwrap(), line["details"]["tier"].as_str().unwrap()))
            .collect();
        ends.sort_unstable();
        let order: Vec<&str> = ends.iter().map(|(_, tier)| *tier).collect();
        let told = app.letters("ann@example.com", "Your days of").await;
        assert_eq!(order.len(), 4, "each ended once: {ends:?}");
        assert_eq!(order.last(), Some(&"basic"), "the weakest comes last: {ends:?}");
        assert!((1..=4).contains(&told), "{told} letters");
    }

    async fn a_trial_over_a_change_of_clocks_has_all_its_hours(app: TestApp) {
        app.operator().put("/api/v1/settings/timezone", json!({ "value": "Europe/Berlin" })).await.ok();
        // Clocks go forth on 28 March 2027, and back on 31 October.
        for (email, begin) in [("ann@example.com", "2027-03-20T01:30:00Z"), ("bob@example.com", "2027-10-25T00:30:00Z")] {
            app.clock_shows(begin);
            app.signed_in(email).await;
            let came = app.env.clock.now();
            let end = app.member(email).await.trial_ends_at.unwrap();
            assert_eq!((end - came + TimeDelta::seconds(5)).num_hours(), 14 * 24, "{email}");
            for hours in [11 * 24 - 1, 2, -1, 1, 3 * 24 - 2, -1, 2, 24] {
                app.env.clock.advance(TimeDelta::hours(hours));
                app.runner.do_what_is_due().await.unwrap();
            }
            assert_eq!(app.letters(email, "Your trial of Premium ends on").await, 1, "{email}");
            assert_eq!(app.letters(email, "Your trial of Premium is over").await, 1, "{email}");
        }
    }

    async fn a_coupon_is_open_in_its_window_whatever_the_clock_did_before(app: TestApp) {
        let operator = in_berlin(&app).await;
        let coupon = json!({
            "code": "LEAP", "type": "period", "tier": "premium", "duration_days": 1,
            "valid_from": "2028-02-29T00:00:00Z", "valid_until": "2028-03-01T00:00:00Z",
        });
        operator.post("/api/v1/coupons", coupon).await.ok();
        let redeem = async |user: &str| {
            operator.post("/api/v1/users", json!({ "external_id": user })).await.ok();
            operator.post("/api/v1/coupons/LEAP/redeem", json!({ "user": user })).await.status.is_success()
        };
        for (time, user, is_open) in [
            ("2028-02-28T23:59:59Z", "u1", false),
            ("2028-04-14T00:00:00Z", "u2", false),
            ("2028-02-29T00:00:00Z", "u3", true),
            ("2028-02-28T23:00:00Z", "u4", false),
            ("2028-02-29T23:59:59Z", "u5", true),
            ("2028-03-01T00:00:00Z", "u6", false),
        ] {
            app.clock_shows(time);
            assert_eq!(redeem(user).await, is_open, "{time}");
        }
    }

    async fn an_account_goes_once_and_not_before_its_time(app: TestApp) {
        let operator = in_berlin(&app).await;
        app.signed_in_admin("root@example.com").await;
        operator.delete("/api/v1/users/ann?grace_days=7").await.ok();
        for hours in [7 * 24 - 1, -1, 1] {
            app.env.clock.advance(TimeDelta::hours(hours));
            app.runner.do_what_is_due().await.unwrap();
            assert!(operator.get("/api/v1/users/ann").await.status.is_success(), "there is time left");
        }
        for hours in [45 * 24, -1, 1, -45 * 24] {
            app.env.clock.advance(TimeDelta::hours(hours));
            app.runner.do_what_is_due().await.unwrap();
            operator.get("/api/v1/users/ann").await.is(404, "user_unknown");
        }
        let lines = operator.all_pages("/api/v1/activity", 100).await;
        assert_eq!(lines.iter().filter(|line| line["action"] == "account_deleted").count(), 1);
    }

    async fn days_in_a_row_are_days_of_the_place_however_long(app: TestApp) {
        let operator = in_berlin(&app).await;
        let path = rule(&operator, "days_in_a_row", 5).await;
        let awards = async || operator.all_pages(&path, 10).await.len();
        // Half past midnight in Berlin each day; on 28 March 2027 the day has 23 hours.
        for (time, reached) in [
            ("2027-03-26T23:30:00Z", 0),
            ("2027-03-27T23:30:00Z", 0),
            ("2027-03-28T22:30:00Z", 0),
            ("2027-03-29T22:30:00Z", 0),
            ("2027-03-29T21:30:00Z", 0),
            ("2027-03-30T22:30:00Z", 1),
            ("2027-05-14T22:30:00Z", 1),
        ] {
            let is_back = app.env.clock.now() > time.parse::<DateTime<Utc>>().unwrap();
            app.clock_shows(time);
            if !is_back {
                app.signed_in("ann@example.com").await;
            }
            app.runner.do_what_is_due().await.unwrap();
            app.mailbox().await;
            assert_eq!(awards().await, reached, "{time}");
        }
    }

    async fn days_in_a_row_go_on_over_a_leap_day_and_a_clock_that_was_ahead(app: TestApp) {
        let operator = in_berlin(&app).await;
        operator.patch("/api/v1/users/ann", json!({ "tier": "premium" })).await.ok();
        let awards = rule(&operator, "days_in_a_row", 5).await;
        for (time, reached) in [
            ("2028-02-27T12:00:00Z", 0),
            ("2028-02-28T12:00:00Z", 0),
            // Somebody has set the clock ahead, and sets it back.
            ("2028-04-13T12:00:00Z", 0),
            ("2028-02-28T11:00:00Z", 0),
            ("2028-02-29T12:00:00Z", 0),
            ("2028-03-01T12:00:00Z", 0),
            ("2028-03-02T12:00:00Z", 1),
            ("2028-03-02T11:00:00Z", 1),
            ("2028-04-16T12:00:00Z", 1),
        ] {
            app.clock_shows(time);
            // Whoever counts is there that day.
            let consume = json!({ "user": "ann", "feature": "photos", "amount": 1 });
            operator.post("/api/v1/consume", consume).await.ok();
            app.runner.do_what_is_due().await.unwrap();
            app.runner.do_now(Routine::AwardBonuses).await.unwrap().unwrap().unwrap();
            app.mailbox().await;
            assert_eq!(operator.all_pages(&awards, 10).await.len(), reached, "{time}");
        }
    }

    async fn days_as_a_member_are_whole_days_and_reward_once(app: TestApp) {
        let operator = in_berlin(&app).await;
        let awards = rule(&operator, "days_as_member", 45).await;
        // 45 days later it is 29 March: there was a 29 February, and clocks went forth on 26 March.
        app.clock_shows("2028-02-13T12:00:00Z");
        operator.post("/api/v1/users", json!({ "external_id": "bob", "email": "bob@example.com" })).await.ok();
        operator.delete("/api/v1/users/ann?grace_days=0").await.ok();
        for (time, reached) in [
            ("2028-03-29T11:59:59Z", 0),
            ("2028-03-29T10:59:59Z", 0),
            ("2028-03-29T12:00:00Z", 1),
            ("2028-03-29T11:00:00Z", 1),
            ("2028-03-29T13:00:00Z", 1),
            ("2028-05-13T12:00:00Z", 1),
            ("2028-03-29T12:00:00Z", 1),
        ] {
            app.clock_shows(time);
            for _ in 0..2 {
                app.runner.do_now(Routine::AwardBonuses).await.unwrap().unwrap().unwrap();
                app.mailbox().await;
            }
            assert_eq!(operator.all_pages(&awards, 10).await.len(), reached, "{time}");
        }
        assert_eq!(app.letters("bob@example.com", "Row").await, 1, "and it is told once");
    }

    async fn the_log_keeps_addresses_and_lines_for_as_many_days_as_are_set(app: TestApp) {
        let operator = in_berlin(&app).await;
        // There is a 29 February, clocks go forth on 26 March and back on 29 October.
        let by_themselves = [
            ("2028-03-29T11:59:59Z", "0.0.0.0"),
            ("2028-03-29T10:59:59Z", "0.0.0.0"),
            ("2028-03-29T12:00:00Z", "0.0.0.0/24"),
            ("2028-03-29T11:00:00Z", "0.0.0.0/24"),
            ("2028-05-13T12:00:00Z", "0.0.0.0/24"),
            ("2028-08-26T11:59:59Z", "0.0.0.0/24"),
            ("2028-08-26T10:59:59Z", "0.0.0.0/24"),
            ("2028-08-26T12:00:00Z", ""),
            ("2028-08-26T11:00:00Z", ""),
        ];
        let as_set = [
            ("2028-10-30T11:59:59Z", "0.0.0.0"),
            ("2028-10-30T10:59:59Z", "0.0.0.0"),
            ("2028-10-30T12:00:00Z", "0.0.0.0/24"),
            ("2028-10-30T11:00:00Z", "0.0.0.0/24"),
            ("2028-11-02T11:59:59Z", "0.0.0.0/24"),
            ("2028-11-02T12:00:00Z", ""),
        ];
        let set = async |key: &str, days: i64| {
            operator.put(&format!("/api/v1/settings/{key}"), json!({ "value": days })).await.ok();
        };
        for (email, came, times) in [
            ("bob@example.com", "2028-02-28T11:59:59Z", &by_themselves[..]),
            ("eve@example.com", "2028-10-28T11:59:59Z", &as_set),
        ] {
            app.clock_shows(came);
            app.signed_in(email).await;
            let id = app.member(email).await.id;
            for (time, left) in times {
                app.clock_shows(time);
                for routine in [Routine::CutAddresses, Routine::ForgetActivity] {
                    app.runner.do_now(routine).await.unwrap().unwrap().unwrap();
                }
                let which = Which { user: Some(id), action: Some("login"), ..Which::default() };
                let lines = activity::list(&app.env, which, 9).await.unwrap();
                let addresses: Vec<_> = lines.iter().map(|line| line.ip_address.as_deref().unwrap_or_default()).collect();
                assert_eq!(addresses.join(", "), *left, "{email} on {time}");
            }
            set("ip_retention_days", 2).await;
            set("activity_retention_days", 5).await;
        }
    }

    async fn a_digest_comes_once_a_day_from_its_hour_on(app: TestApp) {
        let operator = in_berlin(&app).await;
        app.signed_in_admin("root@example.com").await;
        operator.put("/api/v1/settings/admin_digest_hour", json!({ "value": 2 })).await.ok();
        // On 28 March 2027 there is no half past two; on 31 October there are two.
        let mut sent = 0;
        for (number, (time, more)) in [
            ("2027-03-28T00:30:00Z", 0),
            ("2027-03-28T01:00:00Z", 1),
            ("2027-03-28T00:30:00Z", 0),
            ("2027-03-28T01:30:00Z", 0),
            ("2027-10-31T00:30:00Z", 1),
            ("2027-10-31T01:30:00Z", 0),
            ("2027-12-15T12:00:00Z", 1),
            ("2027-12-15T11:00:00Z", 0),
        ]
        .into_iter()
        .enumerate()
        {
            app.clock_shows(time);
            let mut tx = app.env.db.begin().await.unwrap();
            let occurrence = Occurrence::CouponUsedUp { code: format!("C{number}"), redemptions: 3 };
            notifications::raise(&app.env, &mut tx.conn(), occurrence).await.unwrap();
            tx.commit().await.unwrap();
            sent += more;
            let came = notifications::send_digests(&app.env).await.unwrap();
            assert_eq!(came, more, "{time}: {sent} by now");
        }
    }

    async fn a_partner_is_told_of_a_redemption_in_its_month_and_in_no_other(app: TestApp) {
        let operator = in_berlin(&app).await;
        let partner = operator.post("/api/v1/partners", json!({ "name": "Wellpass", "contact": "Kim" })).await.ok();
        let id = partner["id"].as_str().unwrap();
        let pass = json!({ "code": "PASS", "type": "partner", "tier": "premium", "duration_days": 30, "partner_id": id });
        operator.post("/api/v1/coupons", pass).await.ok();
        // The last minute of February and the first of March in Berlin, and those around clocks that are set.
        let redeemed = ["2028-02-29T22:59:59Z", "2028-02-29T23:00:00Z", "2028-03-31T21:59:59Z", "2028-03-31T22:00:00Z"];
        for (number, time) in redeemed.into_iter().enumerate() {
            app.clock_shows(time);
            let user = format!("u{number}");
            operator.post("/api/v1/users", json!({ "external_id": user })).await.ok();
            operator.post("/api/v1/coupons/PASS/redeem", json!({ "user": user })).await.ok();
            app.env.clock.advance(TimeDelta::days(45));
            app.runner.do_what_is_due().await.unwrap();
        }
        for (month, times) in [("2028-01", 0), ("2028-02", 1), ("2028-03", 2), ("2028-04", 1), ("2028-05", 0)] {
            let statement = operator.get(&format!("/api/v1/partners/{id}/statements/{month}")).await.ok();
            assert_eq!(statement["redemptions"], times, "{month}: {statement}");
        }
    }
}
