//! What apps learn of payments and referrals, and what they change.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::{
    domain::payment::{
        BillingInterval, Provider,
        samples::{Happening, TestSubscription, period_end},
    },
    services::{catalogue, payments},
};

use crate::harness::{StripeCustomer, TestApp, on_both};

/// Has Stripe tell of somebody who subscribes and pays, as Ann's friend if she invited them.
async fn paid(app: &TestApp, email: &str, number: usize) {
    let now = app.env.clock.now();
    let customer = StripeCustomer::new(app.member(email).await.id, number, now);
    app.stripe(&customer.subscription("created", "active", now)).await;
    // Events of one moment are in no order.
    app.env.clock.advance(TimeDelta::seconds(1));
    app.stripe(&customer.invoice(1, 900, now)).await;
}

async fn invited(app: &TestApp, friend: &str) {
    let mut referrer = app.signed_in("ann@example.com").await;
    let settings = referrer.get("/settings").await;
    let code = settings.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
    app.env.clock.advance(TimeDelta::days(2));
    app.sign_in(&mut app.browser(), friend, &code).await;
}

fn field<'a>(items: &'a [Value], name: &str) -> Vec<&'a Value> {
    items.iter().map(|item| &item[name]).collect()
}

on_both! {
    async fn events_are_listed_read_and_applied_again(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let ann = app.member("ann@example.com").await.id;
        let client = app.app_with("manage").await;
        paid(&app, "ann@example.com", 1).await;
        let all = client.all_pages("/api/v1/payments/events", 1).await;
        assert_eq!(field(&all, "event_type"), ["invoice.paid", "customer.subscription.created"]);
        assert_eq!(field(&all, "state"), ["done", "failed"], "nobody knows the price");
        assert_eq!(client.all_pages("/api/v1/payments/events?state=dead", 9).await, Vec::<Value>::new());
        let failed = client.all_pages("/api/v1/payments/events?state=failed", 9).await.remove(0);
        assert!(failed["error"].as_str().unwrap().contains("price_premium"), "{failed}");
        assert_eq!((&failed["waits_for"], &failed["test"]), (&json!("price:price_premium"), &json!(false)));
        assert!(failed.get("payload").is_none(), "not in lists");

        let path = format!("/api/v1/payments/events/{}", failed["id"].as_str().unwrap());
        let whole = client.get(&path).await.ok();
        let payload: Value = serde_json::from_str(whole["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload["id"], whole["event_id"]);
        let replay = format!("{path}/replay");
        client.post(&replay, Value::Null).await.is(409, "not_applied");
        let body = json!([{ "provider": "stripe", "price_id": "price_premium", "interval": "month" }]);
        client.put("/api/v1/tiers/premium/prices", body).await.ok();
        let applied = client.post(&replay, Value::Null).await.ok();
        assert_eq!((&applied["state"], &applied["kind"]), (&json!("done"), &json!("subscription_started")));
        assert_eq!(applied["user"], json!(ann));
        client.post(&replay, Value::Null).await.ok();

        for id in ["0192f0c1-2345-7abc-8def-0123456789ab", "x", "%00"] {
            client.get(&format!("/api/v1/payments/events/{id}")).await.is(404, "event_unknown");
            client.post(&format!("/api/v1/payments/events/{id}/replay"), Value::Null).await.is(404, "event_unknown");
        }
        client.get("/api/v1/payments/events?state=lost").await.is(422, "invalid_parameter");
        client.get("/api/v1/payments/events?cursor=x").await.is(422, "invalid_parameter");
    }

    async fn samples_say_that_they_are_tests(app: TestApp) {
        let app = app.with_prices().await;
        app.signed_in("ann@example.com").await;
        let now = app.env.clock.now();
        for provider in Provider::ALL {
            let price_id = if provider == Provider::Paddle { "pri_premium" } else if provider == Provider::Polar { "prod_premium" } else { "price_premium" };
            let subscription = TestSubscription {
                provider,
                user: app.member("ann@example.com").await.id,
                number: 1,
                price_id: price_id.to_owned(),
                interval: BillingInterval::Month,
                started_at: now,
                period_end: period_end(now, BillingInterval::Month),
            };
            for sample in subscription.tell(Happening::Subscribes, now, provider.as_str()) {
                payments::receive(&app.env, provider, sample.body.as_bytes(), Some(&sample.event_id)).await.unwrap();
            }
        }
        let client = app.app_with("manage").await;
        let events = client.all_pages("/api/v1/payments/events", 3).await;
        assert_eq!(events.len(), 7);
        assert!(events.iter().all(|event| event["test"] == true && event["state"] == "done"), "{events:?}");
    }

    async fn subscriptions_are_listed(app: TestApp) {
        let app = app.with_prices().await;
        for email in ["ann@example.com", "bob@example.com"] {
            app.signed_in(email).await;
        }
        paid(&app, "ann@example.com", 1).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        paid(&app, "bob@example.com", 2).await;
        let now = app.env.clock.now();
        let bob = StripeCustomer::new(app.member("bob@example.com").await.id, 2, now);
        app.stripe(&bob.subscription_with("deleted", "canceled", now + TimeDelta::days(1), json!({ "ended_at": now.timestamp() + 86_400 }))).await;
        let client = app.app_with("manage").await;
        let all = client.all_pages("/api/v1/subscriptions", 1).await;
        assert_eq!(field(&all, "provider_id"), ["sub_2", "sub_1"]);
        assert_eq!(field(&all, "status"), ["ended", "active"]);
        let open = client.all_pages("/api/v1/subscriptions?open=true&provider=stripe", 9).await;
        assert_eq!(field(&open, "provider_id"), ["sub_1"]);
        assert_eq!((&open[0]["tier"], &open[0]["interval"]), (&json!("premium"), &json!("month")));
        assert_eq!(open[0]["user"], json!(app.member("ann@example.com").await.id));
        assert!(client.all_pages("/api/v1/subscriptions?provider=polar", 9).await.is_empty());
        let anns = client.get("/api/v1/users/ann@example.com/subscriptions").await.ok();
        assert_eq!(anns["items"], json!(open));
        client.get("/api/v1/users/nobody/subscriptions").await.is(404, "user_unknown");
        client.get("/api/v1/subscriptions?provider=cash").await.is(422, "invalid_parameter");
        client.get("/api/v1/subscriptions?open=perhaps").await.is(422, "invalid_parameter");
    }

    async fn referrals_are_listed_released_and_rejected(app: TestApp) {
        let app = app.with_prices().await;
        catalogue::set_setting(&app.env, "operator", "referral_hold_days", "10").await.unwrap();
        invited(&app, "bob@example.com").await;
        let client = app.app_with("manage").await;
        let pending = client.all_pages("/api/v1/referrals?state=pending", 9).await;
        assert_eq!(pending[0]["referred"], json!(app.member("bob@example.com").await.id));
        assert_eq!(pending[0]["referrer"], json!(app.member("ann@example.com").await.id));
        let id = pending[0]["id"].as_str().unwrap().to_owned();
        client.post(&format!("/api/v1/referrals/{id}/release"), Value::Null).await.is(409, "not_held");

        paid(&app, "bob@example.com", 1).await;
        let held = client.all_pages("/api/v1/referrals?state=held", 9).await.remove(0);
        assert_eq!(held["invoice"], json!({ "provider": "stripe", "id": "in_cus_1_1" }));
        assert_eq!(held["reward_days"], 45);
        let released = client.post(&format!("/api/v1/referrals/{id}/release"), Value::Null).await.ok();
        assert_eq!(released["state"], "converted");
        assert!(app.member("bob@example.com").await.credit_until.is_some());
        client.post(&format!("/api/v1/referrals/{id}/reject"), Value::Null).await.is(409, "not_held");
        for id in ["0192f0c1-2345-7abc-8def-0123456789ab", "x"] {
            client.post(&format!("/api/v1/referrals/{id}/reject"), Value::Null).await.is(404, "referral_unknown");
        }
        assert!(client.all_pages("/api/v1/referrals?flagged=true", 9).await.is_empty());
        client.get("/api/v1/referrals?state=lost").await.is(422, "invalid_parameter");
        client.get("/api/v1/referrals?state=held&flagged=true").await.is(422, "invalid_parameter");
        let lines = client.all_pages("/api/v1/activity?action=referral_released", 9).await;
        assert!(lines[0]["actor"].as_str().unwrap().starts_with("key the manage key"), "{lines:?}");
    }
}
