//! What the providers' prices buy, over REST.

use serde_json::{Value, json};
use vouchsafe::services::prices;

use crate::harness::{Client, on_both};

fn price(provider: &str, id: &str, interval: &str) -> Value {
    json!({ "provider": provider, "price_id": id, "interval": interval })
}

fn path(tier: &str) -> String {
    format!("/api/v1/tiers/{tier}/prices")
}

fn body(prices: impl Into<Value>) -> Value {
    prices.into()
}

async fn listed(client: &Client, tier: &str) -> Value {
    let page = client.get(&path(tier)).await.ok();
    assert_eq!(page["next_cursor"], Value::Null);
    page["items"].clone()
}

on_both! {
    async fn the_prices_of_a_tier_are_set_and_listed(app: TestApp) {
        let manager = app.app_with("manage").await;
        assert_eq!(listed(&manager, "premium").await, json!([]));
        let (year, month) = (price("stripe", "price_2", "year"), price("stripe", "price_1", "month"));
        let polar = price("polar", "8f3b1e0e-0000-4000-8000-000000000000", "month");
        let set = manager.put(&path("premium"), body(json!([polar, year, month]))).await.ok();
        // In one order, whatever it was.
        assert_eq!(set["items"], listed(&manager, "premium").await);
        let mut found = set["items"].as_array().unwrap().clone();
        found.sort_by_key(|price| price["price_id"].to_string());
        assert_eq!(found, [polar.clone(), month.clone(), year.clone()]);
        assert_eq!(listed(&manager, "basic").await, json!([]), "of another tier");

        // The list replaces the list.
        let set = manager.put(&path("premium"), body(json!([price("stripe", "price_1", "year")]))).await.ok();
        assert_eq!(set["items"], json!([price("stripe", "price_1", "year")]));
        assert_eq!(listed(&manager, "premium").await, set["items"]);
        manager.put(&path("premium"), body(json!([]))).await.ok();
        assert_eq!(listed(&manager, "premium").await, json!([]));
        manager.put(&path("premium"), body(json!([]))).await.ok();
        let lines = app.operator().all_pages("/api/v1/activity?action=prices_changed", 10).await;
        assert_eq!(lines.len(), 3, "what changes nothing is not told: {lines:?}");
    }

    async fn a_price_buys_one_tier(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.put(&path("premium"), body(json!([price("stripe", "price_1", "month")]))).await.ok();
        manager.put(&path("basic"), body(json!([price("paddle", "pri_1", "month")]))).await.ok();
        let both = json!([price("stripe", "price_2", "month"), price("stripe", "price_1", "month")]);
        let refused = manager.put(&path("basic"), body(both.clone())).await;
        refused.is(409, "price_taken");
        assert!(refused.body.contains("price_1 buys another tier"), "{}", refused.body);
        // All or nothing.
        assert_eq!(listed(&manager, "basic").await, json!([price("paddle", "pri_1", "month")]));
        // Ids of different providers have nothing to do with each other.
        manager.put(&path("basic"), body(json!([price("paddle", "price_1", "month")]))).await.ok();
        manager.put(&path("premium"), body(json!([]))).await.ok();
        manager.put(&path("basic"), body(both)).await.ok();
        assert_eq!(prices::list(&app.env).await.unwrap().len(), 2);
    }

    async fn what_is_no_price_is_told_by_code(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.put(&path("gold"), body(json!([]))).await.is(404, "tier_unknown");
        manager.put(&path("No-Tier"), body(json!([]))).await.is(404, "tier_unknown");
        for tier in ["gold", "No-Tier", "%00"] {
            manager.get(&path(tier)).await.is(404, "tier_unknown");
        }
        let many: Vec<_> = (0..51).map(|at| price("stripe", &format!("price_{at}"), "month")).collect();
        manager.put(&path("premium"), body(json!(many[..50]))).await.ok();
        let before = listed(&manager, "premium").await;
        assert_eq!(before.as_array().unwrap().len(), 50);
        for (prices, code) in [
            (json!(many), "invalid_prices"),
            (json!([many[0], many[0]]), "invalid_prices"),
            (json!([price("stripe", "price_1", "month"), price("stripe", "price_1", "year")]), "invalid_prices"),
            (json!([price("stripe", "", "month")]), "invalid_price_id"),
            (json!([price("stripe", &"x".repeat(201), "month")]), "invalid_price_id"),
            (json!([price("stripe", "price 1", "month")]), "invalid_price_id"),
            (json!([price("stripe", "prïce", "month")]), "invalid_price_id"),
            (json!([price("stripe", "price\u{0}", "month")]), "invalid_price_id"),
            (json!([price("paypal", "price_1", "month")]), "invalid_body"),
            (json!([price("stripe", "price_1", "week")]), "invalid_body"),
            (json!([{ "provider": "stripe", "price_id": "price_1" }]), "invalid_body"),
            (json!([price("stripe", "price_1", "month"), "price_2"]), "invalid_body"),
            (json!({}), "invalid_body"),
            (Value::Null, "invalid_body"),
        ] {
            manager.put(&path("premium"), body(prices)).await.is(422, code);
        }
        manager.put("/api/v1/tiers/premium/prices", json!([["stripe", "price_1", "month"]])).await.is(422, "invalid_body");
        manager.put("/api/v1/tiers/premium/prices", json!({})).await.is(422, "invalid_body");
        assert_eq!(listed(&manager, "premium").await, before, "nothing was written");
        manager.put(&path("premium"), body(json!([price("stripe", &"x".repeat(200), "month")]))).await.ok();
    }
}
