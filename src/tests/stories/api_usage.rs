//! Asking and counting over REST.

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::services::api_keys;

use crate::harness::{Client, TestApp, on_both};

/// Makes a user with so many AI calls.
async fn user_with_calls(app: &TestApp, name: &str, limit: i64) {
    let operator = app.operator();
    operator.post("/api/v1/users", json!({ "external_id": name })).await.ok();
    let restriction = json!({ "limit": limit, "reason": "for the test" });
    operator.put(&format!("/api/v1/users/{name}/restrictions/ai_calls"), restriction).await.ok();
}

async fn used(app: &TestApp, name: &str) -> (i64, i64) {
    let asked = app.operator().post("/api/v1/check", json!({ "user": name, "feature": "ai_calls" })).await.ok();
    (asked["used"].as_i64().unwrap(), asked["reserved"].as_i64().unwrap())
}

fn one(name: &str) -> Value {
    json!({ "user": name, "feature": "ai_calls" })
}

/// Everything that asks or counts, with a body that fits.
const CALLS: [&str; 4] = ["/api/v1/check", "/api/v1/check/batch", "/api/v1/consume", "/api/v1/reservations"];

fn body_for(call: &str, question: Value) -> Value {
    if call.ends_with("batch") { json!({ "checks": [question] }) } else { question }
}

on_both! {
    async fn units_are_counted_up_to_the_limit_and_given_back(app: TestApp) {
        user_with_calls(&app, "ann", 3).await;
        let app_key = app.app_with("consume").await;
        let counted = app_key.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls", "amount": 2, "unheard_of": 1 })).await.ok();
        assert_eq!((&counted["consumed"], &counted["used"], &counted["remaining"]), (&json!(2), &json!(2), &json!(1)));
        let refused = app_key.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls", "amount": 2 })).await;
        refused.is(402, "limit_reached");
        let problem: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!((&problem["decision"]["used"], &problem["decision"]["reason"]), (&json!(2), &json!("limit_reached")));
        assert!(refused.header("retry-after").parse::<i64>().unwrap() > 0);
        let capped = app_key.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls", "amount": 2, "on_exceed": "cap" })).await.ok();
        assert_eq!((&capped["consumed"], &capped["remaining"]), (&json!(1), &json!(0)));
        let back = app_key.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls", "amount": -5 })).await.ok();
        assert_eq!((&back["consumed"], &back["used"]), (&json!(-3), &json!(0)));
    }

    async fn a_question_counts_nothing(app: TestApp) {
        user_with_calls(&app, "ann", 3).await;
        let asking = app.app_with("check").await;
        for amount in [1, 3, 4] {
            let asked = asking.post("/api/v1/check", json!({ "user": "ann", "feature": "ai_calls", "amount": amount })).await.ok();
            assert_eq!((&asked["allowed"], &asked["used"]), (&json!(amount < 4), &json!(0)));
        }
        let batch = json!({ "checks": [one("ann"), one("nobody"), { "user": "ann", "feature": "gold" }] });
        let reasons = asking.post("/api/v1/check/batch", batch).await.ok();
        let reasons: Vec<&str> = reasons["results"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, ["ok", "user_unknown", "feature_unknown"]);
    }

    async fn amounts_that_are_none_are_refused_and_count_nothing(app: TestApp) {
        user_with_calls(&app, "ann", 3).await;
        let app_key = app.app_with("consume").await;
        let cases = [
            (json!(0), "invalid_amount"),
            (json!(-1), "invalid_amount"),
            (json!(1_000_000_001), "invalid_amount"),
            (json!(i64::MAX), "invalid_amount"),
            (json!(i64::MIN), "invalid_amount"),
            (json!(1.5), "invalid_body"),
            (json!("1"), "invalid_body"),
            (json!([1]), "invalid_body"),
            (json!(u64::MAX), "invalid_body"),
            (json!(1e300), "invalid_body"),
        ];
        for (amount, code) in cases {
            for call in CALLS {
                // Giving back is an amount below zero.
                if call.ends_with("consume") && amount == json!(-1) {
                    continue;
                }
                let question = json!({ "user": "ann", "feature": "ai_calls", "amount": amount });
                let answer = app_key.post(call, body_for(call, question)).await;
                assert_eq!(answer.problem(), (422, code.to_owned()), "{call} {amount}");
            }
        }
        assert_eq!(used(&app, "ann").await, (0, 0));
    }

    async fn unknown_users_and_features_are_told_apart(app: TestApp) {
        user_with_calls(&app, "ann", 3).await;
        let app_key = app.app_with("consume").await;
        for call in ["/api/v1/check", "/api/v1/consume", "/api/v1/reservations"] {
            for user in ["nobody", "", "\u{0}", "nobody@example.com", "0192f0c1-2345-7abc-8def-0123456789ab", &"x".repeat(300)] {
                app_key.post(call, one(user)).await.is(404, "user_unknown");
            }
            for feature in ["gold", "", "AI calls", "\u{0}"] {
                app_key.post(call, json!({ "user": "ann", "feature": feature })).await.is(404, "feature_unknown");
            }
        }
        app_key.post("/api/v1/consume", json!({ "user": "ann", "feature": "export_csv" })).await.is(422, "feature_not_counted");
        app_key.post("/api/v1/reservations", json!({ "user": "ann", "feature": "export_csv" })).await.is(422, "feature_not_counted");
    }

    async fn bodies_that_are_none_are_refused_and_count_nothing(app: TestApp) {
        user_with_calls(&app, "ann", 3).await;
        let app_key = app.app_with("consume").await;
        for call in CALLS {
            for broken in ["{", "{\"user\": \"ann\",}", "\u{feff}{}", "nothing", "{\"user\": \"ann", "[1,"] {
                app_key.send(Method::POST, call, broken).await.is(400, "invalid_json");
            }
            for wrong in ["null", "7", "[]", "[\"ann\", \"ai_calls\"]", "\"ann\"", "{}", "", "{\"user\": 7, \"feature\": \"ai_calls\"}", "{\"checks\": 7}"] {
                app_key.send(Method::POST, call, wrong).await.is(422, "invalid_body");
            }
            let large = json!({ "user": "ann", "feature": "ai_calls", "more": "x".repeat(17_000) });
            app_key.post(call, large).await.is(413, "body_too_large");
            let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
            assert!(matches!(app_key.send(Method::POST, call, deep).await.problem().0, 400 | 422));
        }
        let many: Vec<Value> = (0..101).map(|_| one("ann")).collect();
        app_key.post("/api/v1/check/batch", json!({ "checks": many })).await.is(422, "invalid_body");
        app_key.post("/api/v1/check/batch", json!({ "checks": [] })).await.is(422, "invalid_body");
        assert_eq!(used(&app, "ann").await, (0, 0));
    }

    async fn a_repeated_call_is_counted_once_and_answered_alike(app: TestApp) {
        user_with_calls(&app, "ann", 10).await;
        let app_key = app.app_with("consume").await;
        // What the first call of the second round held has lapsed by its end.
        for (call, in_the_end) in [("/api/v1/consume", (4, 0)), ("/api/v1/reservations", (4, 2))] {
            let keyed = app_key.clone().with_header("idempotency-key", "order 66 / ü");
            let body = json!({ "user": "ann", "feature": "ai_calls", "amount": 2 });
            let first = keyed.post(call, body.clone()).await;
            first.ok();
            app.env.clock.advance(TimeDelta::hours(47));
            let respaced = "{ \"amount\": 2,\n \"feature\":\"ai_calls\", \"user\": \"ann\" }";
            let replayed = keyed.send(Method::POST, call, respaced).await;
            assert_eq!((replayed.status, &replayed.body), (first.status, &first.body), "{call}: the same to the byte");
            let other = json!({ "user": "ann", "feature": "ai_calls", "amount": 1 });
            keyed.post(call, other).await.is(422, "idempotency_key_reused");
            // Somebody else's key of that name is another.
            let elsewhere = app.app_with("consume").await.with_header("idempotency-key", "order 66 / ü");
            elsewhere.post(call, body).await.ok();
            assert_eq!(used(&app, "ann").await, in_the_end, "{call}");
        }
        for key in ["", &"k".repeat(256)] {
            let keyed = app_key.clone().with_header("idempotency-key", key);
            keyed.post("/api/v1/consume", one("ann")).await.is(422, "invalid_idempotency_key");
        }
    }

    async fn a_refusal_is_repeated_as_well(app: TestApp) {
        user_with_calls(&app, "ann", 0).await;
        let keyed = app.app_with("consume").await.with_header("idempotency-key", "1");
        let first = keyed.post("/api/v1/consume", one("ann")).await;
        first.is(402, "feature_off");
        let again = keyed.post("/api/v1/consume", one("ann")).await;
        assert_eq!((again.status, again.body), (first.status, first.body));
    }

    async fn what_is_held_is_confirmed_or_released(app: TestApp) {
        user_with_calls(&app, "ann", 5).await;
        let app_key = app.app_with("consume").await;
        let hold = async |amount: i64| {
            let body = json!({ "user": "ann", "feature": "ai_calls", "amount": amount, "expires_in": 60 });
            let held = app_key.post("/api/v1/reservations", body).await;
            assert_eq!(held.status, 201);
            held.header("location").to_owned()
        };
        let first = hold(3).await;
        assert_eq!(used(&app, "ann").await, (0, 3));
        let read = app_key.get(&first).await.ok();
        assert_eq!((&read["state"], &read["held"], &read["feature"], &read["decision"]["reserved"]), (&json!("held"), &json!(3), &json!("ai_calls"), &json!(3)));
        app_key.post("/api/v1/reservations", json!({ "user": "ann", "feature": "ai_calls", "amount": 3 })).await.is(402, "limit_reached");
        app_key.post(&format!("{first}/confirm"), json!({ "amount": 6 })).await.is(402, "limit_reached");
        app_key.post(&format!("{first}/confirm"), json!({ "amount": -1 })).await.is(422, "invalid_amount");
        let confirmed = app_key.post(&format!("{first}/confirm"), json!({ "amount": 2 })).await.ok();
        assert_eq!((&confirmed["state"], &confirmed["confirmed_amount"]), (&json!("confirmed"), &json!(2)));
        assert_eq!(used(&app, "ann").await, (2, 0));
        assert_eq!(app_key.post(&format!("{first}/confirm"), json!({ "amount": 2 })).await.ok()["state"], "confirmed");
        app_key.post(&format!("{first}/confirm"), json!({ "amount": 1 })).await.is(409, "reservation_settled");
        app_key.post(&format!("{first}/release"), json!({})).await.is(409, "reservation_settled");
        let second = hold(3).await;
        assert_eq!(app_key.send(Method::POST, &format!("{second}/release"), "").await.ok()["state"], "released");
        app_key.post(&format!("{second}/release"), json!({})).await.ok();
        app_key.post(&format!("{second}/confirm"), json!({})).await.is(409, "reservation_settled");
        let third = hold(3).await;
        app.env.clock.advance(TimeDelta::seconds(60));
        assert_eq!(app_key.get(&third).await.ok()["state"], "lapsed");
        assert_eq!(used(&app, "ann").await, (2, 0));
        app_key.post(&format!("{third}/confirm"), json!({})).await.is(410, "reservation_lapsed");
        assert_eq!(used(&app, "ann").await, (2, 0));
        let whole = hold(3).await;
        app_key.send(Method::POST, &format!("{whole}/confirm"), "").await.ok();
        assert_eq!(used(&app, "ann").await, (5, 0));
    }

    async fn reservations_that_are_none_are_unknown(app: TestApp) {
        user_with_calls(&app, "ann", 5).await;
        let app_key = app.app_with("consume").await;
        let nowhere = "/api/v1/reservations/0192f0c1-2345-7abc-8def-0123456789ab";
        app_key.get(nowhere).await.is(404, "reservation_unknown");
        app_key.post(&format!("{nowhere}/confirm"), json!({})).await.is(404, "reservation_unknown");
        app_key.post(&format!("{nowhere}/release"), json!({})).await.is(404, "reservation_unknown");
        app_key.get("/api/v1/reservations/7").await.is(404, "not_found");
        for seconds in [0, -1, 86_401, i64::MAX] {
            let body = json!({ "user": "ann", "feature": "ai_calls", "expires_in": seconds });
            app_key.post("/api/v1/reservations", body).await.is(422, "invalid_expires_in");
        }
        assert_eq!(used(&app, "ann").await, (0, 0));
    }

    async fn a_key_in_a_browser_asks_and_counts_for_its_user_only(app: TestApp) {
        user_with_calls(&app, "ann", 5).await;
        user_with_calls(&app, "bob", 5).await;
        let ann = app.app_of("ann").await;
        let bob: Client = app.app_of("bob").await;
        for call in CALLS {
            let answer = ann.post(call, body_for(call, one("ann"))).await;
            assert!(answer.status.is_success(), "{call}: {}", answer.body);
            // The same whether they exist or not.
            for other in ["bob", "nobody"] {
                ann.post(call, body_for(call, one(other))).await.is(403, "other_user");
            }
        }
        assert_eq!(ann.get("/api/v1/users/ann/entitlements").await.status, 200);
        ann.get("/api/v1/users/bob/entitlements").await.is(403, "other_user");
        ann.get("/api/v1/users/nobody/entitlements").await.is(403, "other_user");
        ann.post("/api/v1/consume", json!({ "user": "ann", "feature": "ai_calls", "amount": -1 })).await.is(403, "scope_missing");
        let held = bob.post("/api/v1/reservations", one("bob")).await.header("location").to_owned();
        ann.get(&held).await.is(404, "reservation_unknown");
        ann.post(&format!("{held}/confirm"), json!({})).await.is(404, "reservation_unknown");
        ann.post(&format!("{held}/release"), json!({})).await.is(404, "reservation_unknown");
        assert_eq!(bob.post(&format!("{held}/release"), json!({})).await.ok()["state"], "released");
    }

    async fn a_key_that_has_ended_counts_nothing(app: TestApp) {
        user_with_calls(&app, "ann", 5).await;
        let bound = app.app_of("ann").await;
        bound.post("/api/v1/consume", one("ann")).await.ok();
        app.env.clock.advance(TimeDelta::days(1));
        bound.post("/api/v1/consume", one("ann")).await.is(401, "unauthorized");
        let app_key = app.app_with("consume").await;
        app_key.post("/api/v1/consume", one("ann")).await.ok();
        let keys = api_keys::list(&app.env, None, 10).await.unwrap();
        let admin = app.app_with("admin").await;
        let path = format!("/api/v1/keys/{}", keys[0].id);
        assert_eq!(admin.delete(&path).await.status, 204);
        admin.delete(&path).await.is(404, "key_unknown");
        let refused = app_key.post("/api/v1/consume", one("ann")).await;
        refused.is(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert_eq!(used(&app, "ann").await, (2, 0), "both of one month");
    }

    async fn entitlements_and_explanations_tell_why(app: TestApp) {
        user_with_calls(&app, "ann", 5).await;
        let asking = app.app_with("check").await;
        let all = asking.get("/api/v1/users/ann/entitlements").await.ok();
        assert_eq!((&all["tier"], &all["paid"]["source"]), (&json!("premium"), &json!("trial")));
        let features = asking.get("/api/v1/features").await.ok();
        let names = |list: &Value, key: &str| -> Vec<Value> { list.as_array().unwrap().iter().map(|one| one[key].clone()).collect() };
        assert_eq!(names(&all["entitlements"], "feature"), names(&features["items"], "id"));
        let told = asking.get("/api/v1/users/ann/explain?feature=ai_calls&amount=6").await.ok();
        assert_eq!((&told["decision"]["allowed"], &told["decision"]["reason"]), (&json!(false), &json!("limit_reached")));
        let layers = names(&told["trail"], "layer");
        assert_eq!(layers, ["user", "feature", "access", "access", "restriction", "tier", "default", "usage"].map(|name| json!(name)));
        let sentences = told["sentences"].as_array().unwrap();
        assert_eq!(sentences.len(), layers.len() + 1);
        assert!(sentences[4].as_str().unwrap().contains("for the test"), "{}", sentences[4]);
        assert_eq!(sentences[8], "Not allowed: the limit is reached.");
        asking.get("/api/v1/users/nobody/explain?feature=ai_calls").await.is(404, "user_unknown");
        asking.get("/api/v1/users/ann/explain?feature=gold").await.is(404, "feature_unknown");
        asking.get("/api/v1/users/ann/explain").await.is(422, "invalid_parameter");
        asking.get("/api/v1/users/ann/explain?feature=ai_calls&amount=0").await.is(422, "invalid_amount");
        asking.get("/api/v1/users/ann/explain?feature=ai_calls&amount=1.5").await.is(422, "invalid_parameter");
    }
}
