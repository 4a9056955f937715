//! Outgoing webhooks, against an app that really listens.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::{
    domain::{
        ids::UserId,
        payment::Provider,
        webhook::{MOST_ATTEMPTS, SECRET_PREFIX},
    },
    jobs::Runner,
    services::{
        coupons::{self, Guesser},
        members, webhooks,
    },
    store::jobs::{self, Lane},
};

use crate::harness::{Backend, Received, Receiver, StripeCustomer, TestApp, on_both};

/// An endpoint of an app that listens, and its secret.
pub(super) struct Endpoint {
    receiver: Receiver,
    path: String,
    secret: String,
}

impl Endpoint {
    /// Makes one that wants to hear of these events, or of all.
    pub(super) async fn new(app: &TestApp, events: &[&str]) -> Self {
        let (receiver, url) = Receiver::start().await;
        let made = app.operator().post("/api/v1/webhook-endpoints", json!({ "url": url, "events": events })).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let made = made.ok();
        let path = format!("/api/v1/webhook-endpoints/{}", made["id"].as_str().unwrap());
        Self { receiver, path, secret: made["secret"].as_str().unwrap().to_owned() }
    }

    /// Does all jobs, and returns what was sent.
    async fn hears(&self, app: &TestApp) -> Vec<Received> {
        app.runner.run_until_idle().await.unwrap();
        self.receiver.taken()
    }

    /// Does all jobs, and returns the kinds of what was sent.
    pub(super) async fn hears_kinds(&self, app: &TestApp) -> Vec<String> {
        let mut kinds: Vec<String> = self.hears(app).await.iter().map(kind).collect();
        kinds.sort();
        kinds
    }

    async fn deliveries(&self, app: &TestApp) -> Vec<Value> {
        app.operator().all_pages(&format!("{}/deliveries", self.path), 50).await
    }

    async fn is_enabled(&self, app: &TestApp) -> (bool, Value) {
        let read = app.operator().get(&self.path).await.ok();
        (read["enabled"].as_bool().unwrap(), read["disabled_because"].clone())
    }
}

fn kind(received: &Received) -> String {
    received.json()["type"].as_str().unwrap().to_owned()
}

async fn user(app: &TestApp, name: &str) -> UserId {
    let body = json!({ "external_id": name });
    let made = app.operator().post("/api/v1/users", body).await.ok();
    made["id"].as_str().unwrap().parse().unwrap()
}

async fn credit(app: &TestApp, name: &str) {
    app.operator().post(&format!("/api/v1/users/{name}/credits"), json!({ "days": 1 })).await.ok();
}

on_both! {
    async fn what_happens_is_told_at_once_and_can_be_verified(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &[]).await;
        assert!(endpoint.secret.starts_with(SECRET_PREFIX) && endpoint.secret.len() == SECRET_PREFIX.len() + 44);
        let ann = user(&app, "ann").await;
        let [received]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
        let now = app.env.clock.now();
        assert!(received.is_signed_with(&endpoint.secret, now));
        assert!(!received.is_signed_with(&format!("{SECRET_PREFIX}AAAA"), now));
        assert_eq!(received.header("content-type"), "application/json");
        assert!(received.header("user-agent").starts_with("vouchsafe/"));
        assert!(received.header("webhook-id").starts_with("msg_"));
        assert_eq!(received.header("webhook-timestamp"), now.timestamp().to_string());
        let said = json!({
            "type": "user.created",
            "timestamp": "2026-11-21T10:00:00.000Z",
            "data": { "user": ann, "external_id": "ann", "referred_by": null },
        });
        assert_eq!(received.json(), said);
        assert_eq!(endpoint.hears_kinds(&app).await, [""; 0], "once");

        // What happens in one instant has no order.
        app.env.clock.advance(TimeDelta::seconds(1));
        credit(&app, "ann").await;
        let [changed]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
        assert_eq!((kind(&changed).as_str(), changed.json()["data"]["user"].clone()), ("access.changed", json!(ann)));
        assert_ne!(changed.header("webhook-id"), received.header("webhook-id"));

        let deliveries = endpoint.deliveries(&app).await;
        assert_eq!(deliveries.len(), 2);
        let last = &deliveries[1];
        assert_eq!((last["state"].as_str(), last["attempts"].as_i64()), (Some("delivered"), Some(1)));
        assert_eq!(last["last_try"]["status"], 200);
        assert_eq!(last["last_try"]["response"], "thank you");
        assert_eq!(last["payload"].as_str(), Some(received.body.as_str()));
    }

    async fn whoever_gets_or_loses_days_by_the_clock_is_told_of(app: TestApp) {
        let app = app.reaching_inside();
        let operator = app.operator();
        operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
        let ann = user(&app, "ann").await;
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        let give = async |tier: &str, days: i64| {
            operator.post("/api/v1/users/ann/grants", json!({ "tier": tier, "days": days })).await.ok()
        };
        let told = async |why: &str| {
            let heard = endpoint.hears(&app).await;
            assert!(heard.iter().all(|one| one.json()["data"]["user"] == json!(ann)), "{why}");
            assert_eq!(heard.len(), 1, "{why}");
        };
        let basic = give("basic", 10).await;
        told("days begin").await;
        app.env.clock.advance(TimeDelta::days(3));
        give("premium", 2).await;
        told("stronger ones begin, and the others pause").await;
        app.env.clock.advance(TimeDelta::days(2));
        assert_eq!(endpoint.hears(&app).await.len(), 0, "nobody has looked");
        app.runner.do_what_is_due().await.unwrap();
        told("they end, and the others go on").await;
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(endpoint.hears(&app).await.len(), 0, "once");
        assert_eq!(operator.delete(&format!("/api/v1/grants/{}", basic["id"].as_str().unwrap())).await.status, 204);
        told("they are taken back").await;
        give("basic", 1).await;
        told("others are given").await;
        app.env.clock.advance(TimeDelta::days(1));
        app.runner.do_what_is_due().await.unwrap();
        told("and end").await;

        // A trial that ends by itself.
        operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 14 })).await.ok();
        app.signed_in("zoe@example.com").await;
        endpoint.hears(&app).await;
        app.env.clock.advance(TimeDelta::days(14));
        app.runner.do_what_is_due().await.unwrap();
        let heard = endpoint.hears(&app).await;
        let zoe = app.member("zoe@example.com").await.id;
        let of_hers = heard.iter().filter(|one| one.json()["data"]["user"] == json!(zoe)).count();
        assert_eq!(of_hers, 1, "the trial has ended");
    }

    async fn every_change_of_access_is_told_once(app: TestApp) {
        let app = app.reaching_inside().with_prices().await;
        let endpoint = Endpoint::new(&app, &[]).await;
        let operator = app.operator();
        let ann = user(&app, "ann").await;
        endpoint.hears(&app).await;
        operator.patch("/api/v1/users/ann", json!({ "tier": "basic" })).await.ok();
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed"]);
        operator.patch("/api/v1/users/ann", json!({ "tier": "basic", "lang": "de" })).await.ok();
        assert_eq!(endpoint.hears_kinds(&app).await, [""; 0], "nothing that matters");
        for body in [json!({ "limit": 7, "reason": "beta" }), json!({ "limit": null, "reason": "beta" })] {
            operator.put("/api/v1/users/ann/restrictions/photos", body).await.ok();
            assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed"]);
        }
        for path in ["/api/v1/users/ann/restrictions/photos", "/api/v1/users/ann/restrictions/photos"] {
            operator.delete(path).await;
        }
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed"], "taken away once");
        for path in ["disable", "disable", "enable"] {
            operator.post(&format!("/api/v1/users/ann/{path}"), json!({})).await;
        }
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed", "access.changed"]);
        credit(&app, "ann").await;
        operator.delete("/api/v1/users/ann/credits").await;
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed", "access.changed"]);

        let coupon = json!({ "code": "SUMMER", "type": "period", "tier": "premium", "duration_days": 30 });
        operator.post("/api/v1/coupons", coupon).await.ok();
        operator.post("/api/v1/coupons/summer/redeem", json!({ "user": "ann" })).await.ok();
        let heard = endpoint.hears(&app).await;
        let redeemed = heard.iter().find(|one| kind(one) == "coupon.redeemed").unwrap().json();
        let data = json!({ "user": ann, "external_id": "ann", "code": "SUMMER", "tier": "premium", "days": 30 });
        assert_eq!(redeemed["data"], data);
        assert_eq!(heard.iter().filter(|one| kind(one) == "access.changed").count(), 1);

        let customer = StripeCustomer::new(ann, 1, app.env.clock.now());
        app.stripe(&customer.subscription("created", "active", app.env.clock.now())).await;
        let heard = endpoint.hears(&app).await;
        assert_eq!(heard.iter().filter(|one| kind(one) == "access.changed").count(), 1);
        let changed = heard.iter().find(|one| kind(one) == "subscription.changed").unwrap().json();
        assert_eq!(changed["data"]["subscription"], "sub_1");
        // The same once more is nothing new.
        app.stripe(&customer.subscription("created", "active", app.env.clock.now())).await;
        assert_eq!(endpoint.hears_kinds(&app).await, [""; 0]);
    }

    async fn days_that_wait_and_trials_by_the_apps_word_are_changes_of_access(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        let operator = app.operator();
        user(&app, "ann").await;
        endpoint.hears(&app).await;
        let give = json!({ "tier": "basic", "days": 3 });
        operator.post("/api/v1/users/ann/grants", give.clone()).await.ok();
        let second = operator.post("/api/v1/users/ann/grants", give).await.ok();
        assert_eq!(second["state"], "waiting");
        let revoked = operator.delete(&format!("/api/v1/grants/{}", second["id"].as_str().unwrap())).await;
        assert!(revoked.status.is_success(), "{}", revoked.body);
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed"; 3]);

        let made = operator.post("/api/v1/users", json!({ "email": "bob@example.com" })).await.ok();
        assert_eq!(made["trial_ends_at"], Value::Null);
        endpoint.hears(&app).await;
        let vouched = json!({ "email": "bob@example.com", "email_verified": true });
        for told in [vec!["access.changed"], vec![]] {
            let changed = operator.patch("/api/v1/users/bob@example.com", vouched.clone()).await.ok();
            assert!(changed["trial_ends_at"].is_string(), "{changed}");
            assert_eq!(endpoint.hears_kinds(&app).await, told);
        }
        // A tier and a trial at once are one change.
        operator.post("/api/v1/users", json!({ "email": "cem@example.com" })).await.ok();
        endpoint.hears(&app).await;
        let both = json!({ "email": "cem@example.com", "email_verified": true, "tier": "basic" });
        operator.patch("/api/v1/users/cem@example.com", both).await.ok();
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed"]);
    }

    async fn who_signs_in_for_the_first_time_is_told_of(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        app.signed_in("ann@example.com").await;
        assert_eq!(endpoint.hears_kinds(&app).await, ["user.created"]);
        app.env.clock.advance(TimeDelta::days(1));
        app.signed_in("ann@example.com").await;
        assert_eq!(endpoint.hears_kinds(&app).await, [""; 0]);
    }

    async fn an_endpoint_hears_what_it_wants(app: TestApp) {
        let app = app.reaching_inside();
        let births = Endpoint::new(&app, &["user.created", "user.deleted"]).await;
        let changes = Endpoint::new(&app, &["access.changed"]).await;
        user(&app, "ann").await;
        credit(&app, "ann").await;
        assert_eq!(births.hears_kinds(&app).await, ["user.created"]);
        assert_eq!(changes.hears_kinds(&app).await, ["access.changed"]);
        app.operator().patch(&births.path, json!({ "events": [] })).await.ok();
        app.operator().patch(&changes.path, json!({ "enabled": false })).await.ok();
        credit(&app, "ann").await;
        assert_eq!(births.hears_kinds(&app).await, ["access.changed"], "everything");
        assert_eq!(changes.hears_kinds(&app).await, [""; 0], "nothing");
        app.operator().patch(&changes.path, json!({ "enabled": true })).await.ok();
        assert_eq!(changes.hears_kinds(&app).await, [""; 0], "what happened meanwhile is not told afterwards");
    }

    async fn nothing_is_told_of_what_was_taken_back(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["coupon.redeemed", "access.changed"]).await;
        let ann = user(&app, "ann").await;
        let coupon = json!({ "code": "SUMMER", "type": "period", "tier": "premium", "duration_days": 30 });
        app.operator().post("/api/v1/coupons", coupon).await.ok();
        let redeem = || coupons::redeem(&app.env, ann, "SUMMER", Guesser::Operator, "operator");
        assert!(redeem().await.is_ok());
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed", "coupon.redeemed"]);
        assert!(redeem().await.is_err());
        // The event is written before the line of the log, which cannot be.
        app.execute("ALTER TABLE user_activity_log RENAME TO log_that_is_away").await;
        let details = members::MemberDetails { tier: Some("basic".parse().unwrap()), ..Default::default() };
        assert!(members::update(&app.env, ann, &details, "operator").await.is_err());
        app.execute("ALTER TABLE log_that_is_away RENAME TO user_activity_log").await;
        assert_eq!(endpoint.hears_kinds(&app).await, [""; 0]);
        assert_eq!(endpoint.deliveries(&app).await.len(), 2);
        members::update(&app.env, ann, &details, "operator").await.unwrap();
        assert_eq!(endpoint.hears_kinds(&app).await, ["access.changed"]);

        // Of two events that come together, one cannot be applied: the other one is told.
        let both = app.with_prices().await;
        let known = StripeCustomer::new(ann, 1, both.env.clock.now());
        let mut unknown = StripeCustomer::new(user(&both, "bob").await, 2, both.env.clock.now());
        unknown.price = "price_nobody_knows".to_owned();
        let at = both.env.clock.now();
        let bodies = [known.subscription("created", "active", at), unknown.subscription("created", "active", at)];
        let sent = bodies.map(|body| body.to_string());
        let (one, other) = tokio::join!(
            both.deliver(Provider::Stripe, "", &sent[0]),
            both.deliver(Provider::Stripe, "", &sent[1])
        );
        assert_eq!((one.0, other.0), (200, 200));
        let told: Vec<Value> = endpoint.hears(&both).await.iter().map(|one| one.json()["data"]["external_id"].clone()).collect();
        assert_eq!(told, [json!("ann")]);
    }

    async fn a_receiver_that_fails_is_tried_again_ever_later(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        endpoint.receiver.always(500);
        user(&app, "ann").await;
        let [first]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
        // In seconds; 20 % sooner is too soon, and 20 % later it is time.
        let waits = [5_i64, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (number, wait) in waits.into_iter().enumerate() {
            app.env.clock.advance(TimeDelta::milliseconds(wait * 790));
            assert_eq!(endpoint.hears(&app).await.len(), 0, "try {} comes too soon", number + 2);
            app.env.clock.advance(TimeDelta::milliseconds(wait * 420));
            let [again]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
            assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
            assert_eq!(again.body, first.body);
            assert!(again.is_signed_with(&endpoint.secret, app.env.clock.now()), "signed anew");
        }
        let delivery = &endpoint.deliveries(&app).await[0];
        assert_eq!((delivery["state"].as_str(), delivery["attempts"].as_i64()), (Some("failed"), Some(MOST_ATTEMPTS)));
        assert_eq!(delivery["last_try"]["error"], "it answered 500");
        app.env.clock.advance(TimeDelta::hours(40));
        assert_eq!(endpoint.hears(&app).await.len(), 0, "given up");
        assert_eq!(endpoint.is_enabled(&app).await, (true, Value::Null));
        let state = jobs::state(&mut app.env.db.reader().await.unwrap().conn()).await.unwrap();
        assert_eq!(state.dead, 0, "the delivery says it; nothing else is wrong");
    }

    async fn a_receiver_that_comes_back_gets_what_it_missed(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        endpoint.receiver.next_with(503, &[("retry-after", "1000")], "busy\u{0}\u{7}");
        user(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        app.env.clock.advance(TimeDelta::seconds(999));
        assert_eq!(endpoint.hears(&app).await.len(), 0, "it wants to be left alone");
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        let delivery = &endpoint.deliveries(&app).await[0];
        assert_eq!((delivery["state"].as_str(), delivery["attempts"].as_i64()), (Some("delivered"), Some(2)));
        assert_eq!(app.operator().get(&endpoint.path).await.ok()["failing_since"], Value::Null);
    }

    async fn a_redirect_is_not_followed(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        endpoint.receiver.next_with(302, &[("location", "/elsewhere")], "");
        user(&app, "ann").await;
        let heard: Vec<String> = endpoint.hears(&app).await.into_iter().map(|one| one.path).collect();
        assert_eq!(heard, ["/hooks"]);
        let delivery = &endpoint.deliveries(&app).await[0];
        assert_eq!(delivery["last_try"]["error"], "it answered 302; redirects are not followed");
    }

    async fn a_long_answer_is_kept_in_part(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        endpoint.receiver.next_with(200, &[], &"ä".repeat(500_000));
        user(&app, "ann").await;
        endpoint.hears(&app).await;
        let delivery = &endpoint.deliveries(&app).await[0];
        assert_eq!(delivery["state"], "delivered");
        assert_eq!(delivery["last_try"]["response"].as_str().unwrap().len(), 2_048);
    }

    async fn a_secret_is_rotated_without_a_gap(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &[]).await;
        let rotated = app.operator().post(&format!("{}/rotate", endpoint.path), json!({})).await.ok();
        let secret = rotated["secret"].as_str().unwrap();
        assert_ne!(secret, endpoint.secret);
        user(&app, "ann").await;
        let [both]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
        let now = app.env.clock.now();
        assert!(both.is_signed_with(secret, now) && both.is_signed_with(&endpoint.secret, now));
        assert_eq!(both.header("webhook-signature").split(' ').count(), 2);
        app.env.clock.advance(TimeDelta::hours(24));
        credit(&app, "ann").await;
        let [later]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
        let now = app.env.clock.now();
        assert!(later.is_signed_with(secret, now) && !later.is_signed_with(&endpoint.secret, now));
    }

    async fn a_receiver_that_is_gone_is_left_alone(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &[]).await;
        endpoint.receiver.next(410);
        user(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        assert_eq!(endpoint.is_enabled(&app).await, (false, json!("gone")));
        credit(&app, "ann").await;
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        let delivery = &endpoint.deliveries(&app).await[0];
        assert_eq!((delivery["state"].as_str(), delivery["attempts"].as_i64()), (Some("failed"), Some(1)));
    }

    async fn five_days_of_nothing_but_failures_disable_an_endpoint(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        user(&app, "ann").await;
        endpoint.receiver.always(500);
        for day in 0..5 {
            credit(&app, "ann").await;
            endpoint.hears(&app).await;
            assert_eq!(endpoint.is_enabled(&app).await, (true, Value::Null), "day {day}");
            if day == 2 {
                // One that is taken, and it begins anew.
                endpoint.receiver.next(200);
                credit(&app, "ann").await;
                endpoint.hears(&app).await;
            }
            app.env.clock.advance(TimeDelta::days(1));
        }
        // The third day has ended well: five days are over on the eighth.
        for day in 5..9 {
            credit(&app, "ann").await;
            endpoint.hears(&app).await;
            assert_eq!(endpoint.is_enabled(&app).await.0, day < 8, "day {day}");
            app.env.clock.advance(TimeDelta::days(1));
        }
        assert_eq!(endpoint.is_enabled(&app).await, (false, json!("failing")));
        let log = app.operator().get("/api/v1/activity?action=webhook_disabled").await.ok();
        assert_eq!(log["items"][0]["details"]["because"], "failing");
        // What was on its way is not sent any more, when its time comes.
        app.env.clock.advance(TimeDelta::days(2));
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        let pending = app.operator().get(&format!("{}/deliveries?state=pending", endpoint.path)).await.ok();
        assert_eq!(pending["items"], json!([]));
        // Enabled, it begins as if it had never failed.
        endpoint.receiver.always(200);
        app.operator().patch(&endpoint.path, json!({ "enabled": true })).await.ok();
        credit(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 1);
    }

    async fn what_failed_is_sent_again_when_somebody_wants_it(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        let operator = app.operator();
        endpoint.receiver.always(500);
        let mut told = Vec::new();
        for name in ["ann", "bob", "cat"] {
            user(&app, name).await;
            // Those of before are tried again meanwhile.
            told.extend(endpoint.hears(&app).await.into_iter().filter(|one| one.json()["data"]["external_id"] == name));
            app.env.clock.advance(TimeDelta::hours(1));
        }
        let ids: Vec<String> = told.iter().map(|one| one.header("webhook-id").to_owned()).collect();
        operator.patch(&endpoint.path, json!({ "enabled": false })).await.ok();
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        let deliveries = endpoint.deliveries(&app).await;
        assert!(deliveries.iter().all(|one| one["state"] == "failed"), "{deliveries:?}");
        let oldest = format!("{}/deliveries/{}", endpoint.path, deliveries[2]["id"].as_str().unwrap());
        operator.post(&format!("{oldest}/resend"), json!({})).await.is(409, "endpoint_disabled");
        operator.post(&format!("{}/resend", endpoint.path), json!({})).await.is(409, "endpoint_disabled");

        operator.patch(&endpoint.path, json!({ "enabled": true })).await.ok();
        endpoint.receiver.always(204);
        let since = json!({ "since": "2026-11-21T10:30:00Z" });
        let answer = operator.post(&format!("{}/resend", endpoint.path), since).await;
        assert_eq!((answer.status.as_u16(), answer.ok()["count"].as_i64()), (202, Some(2)));
        let heard: BTreeSet<String> = endpoint.hears(&app).await.iter().map(|one| one.header("webhook-id").to_owned()).collect();
        assert_eq!(heard, BTreeSet::from([ids[1].clone(), ids[2].clone()]), "under the same names");
        assert_eq!(operator.post(&format!("{oldest}/resend"), json!({})).await.status, 202);
        assert_eq!(endpoint.hears(&app).await[0].header("webhook-id"), ids[0]);
        // One that was taken, too.
        assert_eq!(operator.post(&format!("{oldest}/resend"), json!({})).await.status, 202);
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        operator.post(&format!("{}/deliveries/{}/resend", endpoint.path, uuid()), json!({})).await.is(404, "delivery_unknown");
    }

    async fn two_nodes_tell_each_thing_once(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        for number in 0..30 {
            user(&app, &format!("user{number}")).await;
        }
        let nodes = [app.another_node(), app.another_node(), app.env.clone()].map(|env| Runner::new(env).unwrap());
        let done = tokio::join!(nodes[0].run_until_idle(), nodes[1].run_until_idle(), nodes[2].run_until_idle());
        assert!(done.0.is_ok() && done.1.is_ok() && done.2.is_ok());
        let heard = endpoint.receiver.taken();
        let ids: BTreeSet<&str> = heard.iter().map(|one| one.header("webhook-id")).collect();
        assert_eq!((heard.len(), ids.len()), (30, 30));
    }

    async fn who_dies_while_sending_leaves_it_to_another(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        user(&app, "ann").await;
        // A worker claims the job and the delivery, and is never heard of again.
        let now = app.env.clock.now();
        let mut tx = app.env.db.begin().await.unwrap();
        let conn = &mut tx.conn();
        assert_eq!(jobs::claim(conn, Lane::Webhooks, 8, now, now + TimeDelta::seconds(60)).await.unwrap().len(), 1);
        tx.commit().await.unwrap();
        let delivery = endpoint.deliveries(&app).await[0]["id"].as_str().unwrap().parse().unwrap();
        let mut tx = app.env.db.begin().await.unwrap();
        let until = now + TimeDelta::seconds(61);
        let claimed = vouchsafe::store::webhooks::claim_delivery(&mut tx.conn(), delivery, now, until).await.unwrap();
        assert!(claimed.is_some());
        tx.commit().await.unwrap();
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        app.env.clock.advance(TimeDelta::seconds(60));
        assert_eq!(endpoint.hears(&app).await.len(), 0, "the job is free, the delivery not yet");
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        assert_eq!(endpoint.deliveries(&app).await[0]["attempts"], 2);
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(endpoint.hears(&app).await.len(), 0);
    }

    async fn a_threshold_of_a_limit_is_told_once_in_a_period(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["usage.limit_reached"]).await;
        let operator = app.operator();
        let ann = user(&app, "ann").await;
        let restrict = async |limit: Value| {
            let body = json!({ "limit": limit, "reason": "to be told of" });
            operator.put("/api/v1/users/ann/restrictions/ai_calls", body).await.ok();
        };
        let consume = async |amount: i64| {
            operator.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls", "amount": amount })).await
        };
        restrict(json!(10)).await;
        consume(7).await.ok();
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        consume(1).await.ok();
        let [eighty]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
        let data = eighty.json()["data"].clone();
        assert_eq!((&data["user"], &data["feature"], &data["percent"]), (&json!(ann), &json!("ai_calls"), &json!(80)));
        assert_eq!((&data["used"], &data["limit"]), (&json!(8), &json!(10)));
        assert!(data["resets_at"].is_string());
        // Given back and used again: it was told.
        consume(-1).await.ok();
        consume(1).await.ok();
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        consume(2).await.ok();
        let [full]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
        assert_eq!(full.json()["data"]["percent"], 100);
        assert!(!consume(1).await.status.is_success());
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        // Another limit has thresholds of its own; what is without end has none.
        restrict(json!(20)).await;
        consume(6).await.ok();
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        restrict(Value::Null).await;
        consume(1_000).await.ok();
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        // A new period, and both at one blow, counted by a reservation.
        restrict(json!(10)).await;
        app.env.clock.advance(TimeDelta::days(370));
        let held = json!({ "user": "ann", "feature": "ai_calls", "amount": 10 });
        let held = operator.post("/api/v1/reservations", held).await.ok();
        assert_eq!(endpoint.hears(&app).await.len(), 0, "held is not used");
        let id = held["id"].as_str().or_else(|| held["reservation"]["id"].as_str()).unwrap().to_owned();
        operator.post(&format!("/api/v1/reservations/{id}/confirm"), json!({})).await.ok();
        let mut told: Vec<i64> = endpoint.hears(&app).await.iter().map(|one| one.json()["data"]["percent"].as_i64().unwrap()).collect();
        told.sort();
        assert_eq!(told, [80, 100]);
    }

    async fn many_who_count_at_once_reach_a_threshold_once(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["usage.limit_reached"]).await;
        user(&app, "ann").await;
        let body = json!({ "limit": 40, "reason": "to be told of" });
        app.operator().put("/api/v1/users/ann/restrictions/ai_calls", body).await.ok();
        let router = vouchsafe::platform::server::router(app.another_node()).unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..60 {
            // From two nodes.
            let mut client = app.operator();
            if number % 2 == 0 {
                client = client.at(router.clone());
            }
            calls.spawn(async move {
                client.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls" })).await.status.as_u16()
            });
        }
        let counted = calls.join_all().await.into_iter().filter(|status| *status == 200).count();
        assert_eq!(counted, 40);
        let mut told: Vec<i64> = endpoint.hears(&app).await.iter().map(|one| one.json()["data"]["percent"].as_i64().unwrap()).collect();
        told.sort();
        assert_eq!(told, [80, 100]);
    }

    async fn a_secret_is_shown_once_and_nowhere_else(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &[]).await;
        user(&app, "ann").await;
        endpoint.hears(&app).await;
        let operator = app.operator();
        let bare = endpoint.secret.strip_prefix(SECRET_PREFIX).unwrap();
        let mut browser = app.signed_in_admin("root@example.com").await;
        let id = endpoint.path.rsplit('/').next().unwrap();
        let mut seen = vec![
            operator.get("/api/v1/webhook-endpoints").await.body,
            operator.get(&endpoint.path).await.body,
            operator.get(&format!("{}/deliveries", endpoint.path)).await.body,
            operator.get("/api/v1/activity").await.body,
            browser.get("/admin/webhooks").await.body,
            browser.get(&format!("/admin/webhooks/{id}")).await.body,
            format!("{:?}", webhooks::list(&app.env).await.unwrap()),
        ];
        let mut reader = app.env.db.reader().await.unwrap();
        let sealed = vouchsafe::store::webhooks::find_secrets(&mut reader.conn(), id.parse().unwrap()).await.unwrap();
        seen.push(format!("{sealed:?}"));
        drop(reader);
        for text in seen {
            assert!(!text.contains(bare) && !text.is_empty(), "{text}");
        }
        // Nor can another key of the program open it: such a delivery fails and says so.
        endpoint.hears(&app).await;
        app.execute("UPDATE webhook_endpoints SET secret = 'x'").await;
        credit(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        let delivery = &endpoint.deliveries(&app).await[0];
        assert!(delivery["last_try"]["error"].as_str().unwrap().contains("VOUCHSAFE_SECRET"), "{delivery}");
    }

    async fn addresses_inside_the_network_are_not_called(app: TestApp) {
        let operator = app.operator();
        let (receiver, url) = Receiver::start().await;
        let refused = [
            url.as_str(), "http://example.com/", "https://127.0.0.1/", "https://10.1.2.3/x", "https://[::1]/", "ftp://example.com/",
            "https://169.254.169.254/latest/meta-data", "https://ann:pw@example.com/", "nonsense", "", "https://2130706433/",
        ];
        for url in refused {
            operator.post("/api/v1/webhook-endpoints", json!({ "url": url })).await.is(422, "invalid_url");
        }
        // A name tells nothing until it is called.
        let url = url.replace("http://127.0.0.1", "https://localhost");
        let made = operator.post("/api/v1/webhook-endpoints", json!({ "url": url })).await.ok();
        user(&app, "ann").await;
        app.runner.run_until_idle().await.unwrap();
        assert_eq!(receiver.taken().len(), 0);
        let path = format!("/api/v1/webhook-endpoints/{}/deliveries", made["id"].as_str().unwrap());
        let delivery = operator.get(&path).await.ok()["items"][0].clone();
        assert_eq!(delivery["last_try"]["status"], Value::Null);
        let error = delivery["last_try"]["error"].as_str().unwrap();
        assert!(error.contains("does not lead to the open internet"), "{error}");
        // Nor may one that is there be led inside.
        let id = made["id"].as_str().unwrap();
        let change = json!({ "url": "https://192.168.0.1/" });
        operator.patch(&format!("/api/v1/webhook-endpoints/{id}"), change).await.is(422, "invalid_url");
    }

    async fn apps_manage_endpoints_within_bounds(app: TestApp) {
        let app = app.reaching_inside();
        let (manage, admin) = (app.app_with("manage").await, app.app_with("admin").await);
        let path = "/api/v1/webhook-endpoints";
        let body = json!({ "url": "https://example.com/", "events": ["access.changed"], "description": "the app" });
        manage.post(path, body.clone()).await.is(403, "scope_missing");
        let made = admin.post(path, body).await.ok();
        let one = format!("{path}/{}", made["id"].as_str().unwrap());
        let mut read = manage.get(&one).await.ok();
        assert_eq!(read["events"], json!(["access.changed"]));
        read["secret"] = made["secret"].clone();
        assert_eq!(read, made);
        assert_eq!(manage.get(path).await.ok()["items"][0]["description"], "the app");
        for (events, code) in [(json!(["user.born"]), "invalid_events"), (json!("all"), "invalid_body")] {
            admin.post(path, json!({ "url": "https://example.com/", "events": events })).await.is(422, code);
        }
        admin.patch(&one, json!({ "description": "x".repeat(201) })).await.is(422, "invalid_text");
        admin.patch(&one, json!({ "url": format!("https://example.com/{}", "x".repeat(2_000)) })).await.is(422, "invalid_url");
        manage.get(&format!("{one}/deliveries?state=lost")).await.is(422, "invalid_parameter");
        let nobody = format!("{path}/{}", uuid());
        manage.get(&nobody).await.is(404, "endpoint_unknown");
        admin.post(&format!("{nobody}/rotate"), json!({})).await.is(404, "endpoint_unknown");
        admin.post(&format!("{nobody}/test"), json!({})).await.is(404, "endpoint_unknown");
        for _ in 1..100 {
            admin.post(path, json!({ "url": "https://example.com/" })).await.ok();
        }
        admin.post(path, json!({ "url": "https://example.com/" })).await.is(409, "too_many_endpoints");
        assert_eq!(admin.delete(&one).await.status, 204);
        admin.delete(&one).await.is(404, "endpoint_unknown");
    }

    async fn an_admin_makes_tries_and_removes_an_endpoint(app: TestApp) {
        let app = app.reaching_inside();
        let (receiver, url) = Receiver::start().await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let list = admin.get("/admin/webhooks").await;
        assert_eq!(list.text(".empty b"), "Nobody hears what happens here.");
        for (url, message) in [
            ("", "Enter an address like https://example.com/hooks."),
            ("https://ann@example.com", "Enter it without a name and a password."),
        ] {
            let refused = admin.submit(&list, "form[action='/admin/webhooks']", &[("url", url), ("event", "user.created")]).await;
            assert_eq!((refused.status.as_u16(), refused.text("#url-error").as_str()), (422, message));
        }
        let refused = admin.post("/admin/webhooks", &[("url", &url), ("description", "the app")]).await;
        assert_eq!((refused.status.as_u16(), refused.text("#event-error").as_str()), (422, "Tick at least one."));
        assert_eq!(refused.attribute("#description", "value").as_deref(), Some("the app"), "what was typed is kept");

        let fields = [("url", url.as_str()), ("description", "the app"), ("event", "user.created"), ("event", "access.changed")];
        let made = admin.post("/admin/webhooks", &fields).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let secret = made.attribute(".token input", "value").unwrap();
        let address = made.attribute("a.btn[href^='/admin/webhooks/']", "href").unwrap();
        let page = admin.get(&address).await;
        assert_eq!(page.texts("code.scope"), ["user.created", "access.changed"]);
        assert_eq!(page.text(".empty b"), "There are no such deliveries.");

        let tested = admin.post(&format!("{address}/test"), &[]).await;
        app.runner.run_until_idle().await.unwrap();
        let [test]: [Received; 1] = receiver.taken().try_into().unwrap();
        assert_eq!(kind(&test), "webhook.test");
        assert!(test.is_signed_with(&secret, app.env.clock.now()));
        let page = admin.get(tested.location()).await;
        assert!(page.text("[role=status]").contains("on its way"), "{}", page.body);
        assert_eq!(page.text("tbody .badge"), "delivered");
        let delivery = admin.get(&page.attribute("tbody th a", "href").unwrap()).await;
        assert!(delivery.text("pre[aria-labelledby=request]").contains("webhook-signature: v1,"), "{}", delivery.body);
        assert_eq!(delivery.text("pre[aria-labelledby=response]"), "thank you");

        receiver.next(500);
        user(&app, "ann").await;
        app.runner.run_until_idle().await.unwrap();
        assert_eq!(receiver.taken().len(), 1);
        assert_eq!(admin.get(&address).await.text("dl .badge"), "failing");
        let pending = admin.get(&format!("{address}?state=pending")).await;
        assert_eq!(pending.texts("tbody tr").len(), 1);
        let one = pending.attribute("tbody th a", "href").unwrap();
        let resent = admin.post(&format!("{one}/resend"), &[]).await;
        assert_eq!(resent.location(), format!("{one}?said=resent"));
        app.runner.run_until_idle().await.unwrap();
        assert_eq!(receiver.taken().len(), 1);
        assert_eq!(admin.get(&address).await.text("dl .badge"), "active");

        let saved = admin.post(&address, &[("url", &url), ("description", ""), ("event", "user.deleted")]).await;
        assert_eq!(saved.location(), format!("{address}?said=saved"));
        assert_eq!(admin.get(&address).await.texts("code.scope"), ["user.deleted"]);
        let wrong = admin.post(&address, &[("url", "nowhere"), ("event", "user.deleted")]).await;
        assert_eq!(wrong.status, 422);
        let rotated = admin.post(&format!("{address}/rotate"), &[]).await;
        assert_ne!(rotated.attribute(".token input", "value"), Some(secret));

        admin.post(&format!("{address}/disable"), &[]).await;
        assert_eq!(admin.get(&address).await.text("dl .badge"), "disabled");
        let refused = admin.post(&format!("{address}/resend"), &[]).await;
        assert_eq!(admin.get(refused.location()).await.text("[role=alert]"), "The endpoint is disabled; enable it first.");
        admin.post(&format!("{address}/enable"), &[]).await;
        let day = admin.post(&format!("{address}/resend"), &[("since", "yesterday")]).await;
        assert_eq!((day.status.as_u16(), day.text("#since-error").as_str()), (422, "Enter a day, as 2027-12-31."));
        let none = admin.post(&format!("{address}/resend"), &[("since", "2026-11-01")]).await;
        assert_eq!(admin.get(none.location()).await.text("[role=status]"), "There was nothing to send again.");
        let deleted = admin.post(&format!("{address}/delete"), &[]).await;
        assert_eq!(deleted.location(), "/admin/webhooks?said=deleted");
        assert_eq!(admin.get(&address).await.status, 404);

        // Secrets are for those who have just proved who they are.
        app.env.clock.advance(TimeDelta::minutes(15));
        assert_eq!(admin.get("/admin/webhooks").await.status, 200, "the session goes on");
        assert_eq!(admin.post("/admin/webhooks", &fields).await.location(), "/login?fresh=1&next=%2Fadmin%2Fwebhooks");
    }
}

/// The address of an app that takes every connection, and never says a word.
async fn silent() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    url
}

on_both! {
    async fn an_endpoint_that_never_answers_keeps_nobody_else_waiting(app: TestApp) {
        let app = app.reaching_inside();
        let operator = app.operator();
        let endless = json!({ "url": silent().await, "events": ["user.created"] });
        let endless = operator.post("/api/v1/webhook-endpoints", endless).await.ok();
        for number in 0..50 {
            user(&app, &format!("user{number}")).await;
        }
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        credit(&app, "user1").await;
        let heard = async {
            loop {
                let heard = endpoint.receiver.taken();
                if !heard.is_empty() {
                    return heard.len();
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        // One who listens hears it before the first of the others is given up.
        let heard = tokio::select! {
            biased;
            heard = heard => heard,
            done = app.runner.run_until_idle() => panic!("all of the others came to their end: {done:?}"),
            () = tokio::time::sleep(std::time::Duration::from_secs(14)) => panic!("nothing was heard"),
        };
        assert_eq!(heard, 1);
        let path = format!("/api/v1/webhook-endpoints/{}/deliveries", endless["id"].as_str().unwrap());
        let tried: i64 = operator.all_pages(&path, 50).await.iter().map(|one| one["attempts"].as_i64().unwrap()).sum();
        // Four at a time; on a slow machine the first four are given up before the other one is heard.
        assert!((1..=8).contains(&tried), "who waits for others is not tried: {tried}");
    }

    async fn an_endpoint_that_is_just_being_deleted_keeps_nobody_from_joining(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &[]).await;
        user(&app, "ann").await;
        let id = endpoint.path.rsplit('/').next().unwrap().parse().unwrap();
        let mut tx = app.env.db.begin().await.unwrap();
        assert!(vouchsafe::store::webhooks::delete(&mut tx.conn(), id).await.unwrap());
        let operator = app.operator();
        let joins = operator.post("/api/v1/users", json!({ "external_id": "bob" }));
        let ends = async {
            // Long enough for the other one to come to where it waits.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            tx.commit().await.unwrap();
        };
        let (made, ()) = tokio::join!(joins, ends);
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(endpoint.hears(&app).await.len(), 0);
    }

    async fn an_endpoint_goes_with_all_that_it_was_told(app: TestApp) {
        let app = app.reaching_inside();
        let (endpoint, other) = (Endpoint::new(&app, &[]).await, Endpoint::new(&app, &[]).await);
        for name in ["ann", "bob", "cat"] {
            user(&app, name).await;
        }
        assert_eq!(app.operator().delete(&endpoint.path).await.status, 204);
        assert_eq!((endpoint.hears(&app).await.len(), other.receiver.taken().len()), (0, 3));
        assert_eq!(app.execute("DELETE FROM webhook_deliveries").await, 3);
        app.operator().delete(&endpoint.path).await.is(404, "endpoint_unknown");
        let log = app.operator().get("/api/v1/activity?action=webhook_deleted").await.ok();
        assert_eq!(log["items"].as_array().unwrap().len(), 1);
    }

    async fn one_failure_after_a_quiet_time_disables_nothing(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["access.changed"]).await;
        user(&app, "ann").await;
        endpoint.receiver.always(500);
        credit(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        app.env.clock.advance(TimeDelta::days(20));
        app.execute("UPDATE webhook_deliveries SET state = 'failed'").await;
        credit(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        assert_eq!(endpoint.is_enabled(&app).await, (true, Value::Null), "nothing was sent for twenty days");
        // Nor does a clock that leaps ahead, and is put right.
        for leap in [TimeDelta::days(45), -TimeDelta::days(45)] {
            app.env.clock.advance(leap);
            credit(&app, "ann").await;
            assert!(!endpoint.hears(&app).await.is_empty());
            assert_eq!(endpoint.is_enabled(&app).await, (true, Value::Null), "{leap}");
        }
    }

    async fn who_has_missed_a_secret_is_understood_until_its_day_is_over(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &[]).await;
        let mut secrets = vec![endpoint.secret.clone()];
        for _ in 0..2 {
            let rotated = app.operator().post(&format!("{}/rotate", endpoint.path), json!({})).await.ok();
            secrets.push(rotated["secret"].as_str().unwrap().to_owned());
            app.env.clock.advance(TimeDelta::hours(10));
        }
        let mut signed = Vec::new();
        for name in ["ann", "bob", "cat"] {
            user(&app, name).await;
            let [heard]: [Received; 1] = endpoint.hears(&app).await.try_into().unwrap();
            let now = app.env.clock.now();
            signed.push(secrets.iter().map(|secret| heard.is_signed_with(secret, now)).collect::<Vec<_>>());
            app.env.clock.advance(TimeDelta::hours(10));
        }
        // 20, 30 and 40 hours after the first was replaced, and 10 less after the second.
        assert_eq!(signed, [[true, true, true], [false, true, true], [false, false, true]]);
    }

    async fn what_a_newer_program_told_an_endpoint_of_stops_nothing(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        app.execute(r#"UPDATE webhook_endpoints SET events = '["user.born"]'"#).await;
        user(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 0, "it wants nothing that is told here");
        // Whoever reads it and sends back what they read does not get everything.
        let operator = app.operator();
        let read = operator.get(&endpoint.path).await.ok();
        assert_eq!(read["events"], json!(["user.born"]));
        operator.patch(&endpoint.path, json!({ "events": read["events"] })).await.is(422, "invalid_events");
        let changed = operator.patch(&endpoint.path, json!({ "description": "Ours" })).await.ok();
        assert_eq!(changed["events"], json!(["user.born"]));
        app.execute(r#"UPDATE webhook_endpoints SET events = '["user.born", "user.created"]'"#).await;
        assert_eq!(operator.get(&endpoint.path).await.ok()["events"], json!(["user.created", "user.born"]));
        user(&app, "bob").await;
        assert_eq!(endpoint.hears_kinds(&app).await, ["user.created"]);
    }

    async fn a_receiver_says_until_when_it_wants_to_be_left_alone(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        endpoint.receiver.next_with(503, &[("retry-after", "Sat, 21 Nov 2026 10:30:00 GMT")], "");
        user(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        app.env.clock.advance(TimeDelta::seconds(1_799));
        assert_eq!(endpoint.hears(&app).await.len(), 0);
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(endpoint.hears(&app).await.len(), 1);
    }

    async fn a_clock_that_was_ahead_puts_no_delivery_off(app: TestApp) {
        let app = app.reaching_inside();
        let endpoint = Endpoint::new(&app, &["user.created"]).await;
        endpoint.receiver.next(500);
        app.env.clock.advance(TimeDelta::days(45));
        user(&app, "ann").await;
        assert_eq!(endpoint.hears(&app).await.len(), 1);
        user(&app, "bob").await;
        app.env.clock.advance(-TimeDelta::days(45));
        let mut told: Vec<Value> = endpoint.hears(&app).await.iter().map(|one| one.json()["data"]["external_id"].clone()).collect();
        told.sort_by_key(Value::to_string);
        assert_eq!(told, ["ann", "bob"]);
        // An hour is in doubt: what failed waits for its time, and what was never tried does not.
        user(&app, "cat").await;
        app.env.clock.advance(-TimeDelta::hours(1));
        assert_eq!(endpoint.hears(&app).await.len(), 1);
    }

    async fn an_account_that_is_deleted_and_a_friend_who_pays_are_told(app: TestApp) {
        let app = app.reaching_inside().with_prices().await;
        let mut referrer = app.signed_in("ann@example.com").await;
        let page = referrer.get("/settings").await;
        let code = page.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
        let mut friend = app.browser();
        app.sign_in(&mut friend, "bob@example.com", &code).await;
        app.env.clock.advance(TimeDelta::days(15));
        app.mailbox().await;
        let (ann, bob) = (app.member("ann@example.com").await.id, app.member("bob@example.com").await.id);
        let endpoint = Endpoint::new(&app, &[]).await;
        let now = app.env.clock.now();
        let customer = StripeCustomer::new(bob, 1, now);
        app.stripe(&customer.subscription("created", "active", now)).await;
        app.stripe(&customer.invoice(1, 999, now)).await;
        let heard = endpoint.hears(&app).await;
        let of = |sought: &str| heard.iter().filter(|one| kind(one) == sought).map(Received::json).collect::<Vec<_>>();
        let converted = of("referral.converted");
        assert_eq!(converted.len(), 1, "told once, of who invited");
        assert_eq!(converted[0]["data"], json!({ "user": ann, "external_id": null, "friend": bob, "days": 45 }));
        let changed: BTreeSet<String> = of("access.changed").iter().map(|one| one["data"]["user"].as_str().unwrap().to_owned()).collect();
        assert_eq!(changed, BTreeSet::from([ann.to_string(), bob.to_string()]), "both have days now");

        // A subscription that changes and ends is told each time.
        for (event, status, change) in
            [("updated", "past_due", "subscription_past_due"), ("deleted", "canceled", "subscription_ended")]
        {
            app.env.clock.advance(TimeDelta::hours(1));
            app.stripe(&customer.subscription(event, status, app.env.clock.now())).await;
            let heard = endpoint.hears(&app).await;
            let told: Vec<Value> = heard.iter().filter(|one| kind(one) == "subscription.changed").map(Received::json).collect();
            assert_eq!(told.len(), 1, "{change}: {heard:?}");
            let said = json!({ "user": bob, "external_id": null, "subscription": "sub_1", "change": change, "tier": "premium" });
            assert_eq!(told[0]["data"], said);
        }

        let deleted = app.operator().delete(&format!("/api/v1/users/{ann}?grace_days=0")).await.ok();
        assert_eq!(deleted["state"], "deleted");
        let heard = endpoint.hears(&app).await;
        let told: Vec<(String, Value)> = heard.iter().map(|one| (kind(one), one.json()["data"].clone())).collect();
        let said = |kind: &str| told.iter().filter(|(one, _)| one == kind).map(|(_, data)| data.clone()).collect::<Vec<_>>();
        assert_eq!(said("user.deleted"), [json!({ "user": ann, "external_id": null })], "{told:?}");
        assert!(said("access.changed").iter().any(|data| data["user"] == json!(ann)), "{told:?}");
        app.operator().delete(&format!("/api/v1/users/{ann}?grace_days=0")).await.is(404, "user_unknown");
        assert_eq!(endpoint.hears_kinds(&app).await, [""; 0], "once");
    }
}

fn uuid() -> &'static str {
    "0192f0c1-2345-7abc-8def-0123456789ab"
}

/// An address that nobody may call is refused by a program as it is delivered.
#[tokio::test]
async fn closed_networks_are_opened_by_the_operator_alone() {
    let Some(app) = TestApp::with(Backend::Sqlite, &[("VOUCHSAFE_WEBHOOKS_ALLOW_PRIVATE", "true")]).await else {
        return;
    };
    let endpoint = Endpoint::new(&app, &[]).await;
    user(&app, "ann").await;
    assert_eq!(endpoint.hears_kinds(&app).await, ["user.created"]);
    // Over the open internet nobody sends in the clear all the same.
    app.operator().post("/api/v1/webhook-endpoints", json!({ "url": "http://1.1.1.1/" })).await.is(422, "invalid_url");
}
