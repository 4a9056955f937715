//! Users over REST: who they are, their restrictions, their credit, the log about them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::services::members;

use crate::harness::{TestApp, on_both};

async fn activity_about(app: &TestApp, user: &str) -> Vec<String> {
    let lines = app.operator().all_pages(&format!("/api/v1/activity?user={user}"), 2).await;
    let actions = lines.iter().map(|line| line["action"].as_str().unwrap().to_owned());
    // Which follows by itself.
    actions.filter(|action| action != "trial_started").collect()
}

on_both! {
    async fn a_user_is_created_found_and_changed(app: TestApp) {
        let manager = app.app_with("manage").await;
        let made = manager.post("/api/v1/users", json!({ "email": "Ann@Example.com", "external_id": "4711", "lang": "de" })).await;
        assert_eq!(made.status, 201);
        let ann = made.ok();
        assert_eq!(made.header("location"), format!("/api/v1/users/{}", ann["id"].as_str().unwrap()));
        assert_eq!(
            (&ann["email"], &ann["external_id"], &ann["role"], &ann["lang"], &ann["tier"]),
            (&json!("Ann@Example.com"), &json!("4711"), &json!("member"), &json!("de"), &json!("free")),
        );
        assert_eq!(ann["trial_ends_at"], "2026-12-05T10:00:00Z", "they start as those do who sign in");
        // By any of the three names, in any spelling of the address.
        for name in [ann["id"].as_str().unwrap(), "4711", "ann@example.com", "ANN%40example.com"] {
            assert_eq!(manager.get(&format!("/api/v1/users/{name}")).await.ok(), ann, "{name}");
        }
        app.env.clock.advance(TimeDelta::seconds(1));
        let again = manager.post("/api/v1/users", json!({ "external_id": "4711", "tier": "basic" })).await;
        assert_eq!((again.status.as_u16(), &again.ok()["tier"], &again.ok()["id"]), (200, &json!("basic"), &ann["id"]));
        app.env.clock.advance(TimeDelta::seconds(1));
        let changed = manager.patch("/api/v1/users/4711", json!({ "email": "ann@example.org", "lang": null })).await.ok();
        assert_eq!((&changed["email"], &changed["lang"], &changed["tier"]), (&json!("ann@example.org"), &json!("de"), &json!("basic")));
        manager.get("/api/v1/users/ann@example.com").await.is(404, "user_unknown");
        assert_eq!(activity_about(&app, "4711").await, ["user_changed", "user_changed", "user_created"]);
    }

    async fn of_many_who_say_the_same_of_a_new_user_at_once_one_makes_them(app: TestApp) {
        let manager = app.app_with("manage").await;
        for body in [
            json!({ "email": "ann@example.com" }),
            json!({ "external_id": "bob" }),
            json!({ "email": "cem@example.com", "external_id": "cem", "lang": "de" }),
        ] {
            let mut racing = tokio::task::JoinSet::new();
            for _ in 0..20 {
                let (manager, body) = (manager.clone(), body.clone());
                racing.spawn(async move { manager.post("/api/v1/users", body).await.status.as_u16() });
            }
            let mut answers = racing.join_all().await;
            answers.sort();
            assert_eq!(answers, [[200; 19].as_slice(), &[201]].concat(), "{body}");
        }
        assert_eq!(members::count(&app.env).await.unwrap(), 3);
        // What is somebody else's still is.
        let taken = json!({ "email": "cem@example.com", "external_id": "dora" });
        manager.post("/api/v1/users", taken).await.is(409, "user_taken");
    }

    async fn what_is_no_user_is_told_by_code_and_nothing_is_written(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.post("/api/v1/users", json!({ "email": "ann@example.com", "external_id": "1" })).await.ok();
        manager.post("/api/v1/users", json!({ "email": "bob@example.com" })).await.ok();
        let users = || manager.all_pages("/api/v1/users", 10);
        let before = users().await;
        let bad = [
            (json!({}), 422, "user_nameless"),
            (json!({ "email": "ann" }), 422, "invalid_email"),
            (json!({ "email": 7 }), 422, "invalid_body"),
            (json!({ "external_id": "a b" }), 422, "invalid_external_id"),
            (json!({ "external_id": "" }), 422, "invalid_external_id"),
            (json!({ "external_id": "\u{0}" }), 422, "invalid_external_id"),
            (json!({ "external_id": "x".repeat(201) }), 422, "invalid_external_id"),
            (json!({ "email": "eve@example.com", "lang": "fr" }), 422, "invalid_body"),
            (json!({ "email": "eve@example.com", "tier": "Gold!" }), 422, "invalid_body"),
            (json!({ "email": "eve@example.com", "tier": "gold" }), 404, "tier_unknown"),
            (json!({ "email": "bob@example.com", "external_id": "1" }), 409, "user_taken"),
            (json!({ "email": "ann@example.com", "external_id": "2" }), 409, "user_taken"),
            (json!([]), 422, "invalid_body"),
        ];
        for (body, status, code) in bad {
            let answer = manager.post("/api/v1/users", body.clone()).await;
            assert_eq!(answer.problem(), (status, code.to_owned()), "{body}");
        }
        manager.patch("/api/v1/users/bob@example.com", json!({ "external_id": "1" })).await.is(409, "user_taken");
        manager.patch("/api/v1/users/nobody", json!({ "lang": "de" })).await.is(404, "user_unknown");
        assert_eq!(users().await, before);
    }

    async fn pages_of_users_hold_everybody_once(app: TestApp) {
        let manager = app.app_with("manage").await;
        for number in 0..23 {
            let mail = if number % 2 == 0 { "odd" } else { "even" };
            let body = json!({ "email": format!("user{number}@{mail}.example"), "external_id": format!("ext_{number}") });
            manager.post("/api/v1/users", body).await.ok();
        }
        let id = |user: &Value| user["id"].as_str().unwrap().to_owned();
        for (query, expected) in [("", 23), ("?q=odd.example", 12), ("?q=EXT_1", 11), ("?q=nobody", 0), ("?q=%25", 0)] {
            for a_page in [1, 5, 23, 100] {
                let found = manager.all_pages(&format!("/api/v1/users{query}"), a_page).await;
                assert_eq!(found.len(), expected, "{query} {a_page}");
                assert_eq!(found.iter().map(id).collect::<BTreeSet<_>>().len(), expected, "{query} {a_page}");
            }
        }
        for bad in ["limit=0", "limit=101", "limit=x", "cursor=x", "q=%00", "limit=-1", "limit=99999999999999999999"] {
            manager.get(&format!("/api/v1/users?{bad}")).await.is(422, "invalid_parameter");
        }
    }

    async fn a_closed_account_is_told_no_until_it_is_opened(app: TestApp) {
        let manager = app.app_with("manage").await;
        let mut browser = app.signed_in("ann@example.com").await;
        let closed = manager.post("/api/v1/users/ann@example.com/disable", json!({})).await.ok();
        assert!(closed["disabled_at"].is_string());
        assert_eq!(browser.get("/settings").await.status, 303, "signed out");
        let asked = manager.post("/api/v1/check", json!({ "user": "ann@example.com", "feature": "photos" })).await.ok();
        assert_eq!((&asked["allowed"], &asked["reason"]), (&json!(false), &json!("user_disabled")));
        assert_eq!(manager.post("/api/v1/users/ann@example.com/disable", json!({})).await.ok(), closed, "closed is closed");
        assert_eq!(manager.post("/api/v1/users/ann@example.com/enable", json!({})).await.ok()["disabled_at"], Value::Null);
        manager.post("/api/v1/users/nobody/disable", json!({})).await.is(404, "user_unknown");
    }

    async fn only_a_key_for_admins_closes_an_admins_account(app: TestApp) {
        app.signed_in_admin("root@example.com").await;
        let path = "/api/v1/users/root@example.com/disable";
        let manager = app.app_with("manage").await;
        manager.post(path, json!({})).await.is(403, "scope_missing");
        manager.patch("/api/v1/users/root@example.com", json!({ "email": "mine@example.com" })).await.is(409, "admin_email");
        app.app_with("admin").await.post(path, json!({})).await.ok();
    }

    async fn the_status_is_the_object_of_the_command_line(app: TestApp) {
        let manager = app.app_with("manage").await;
        app.signed_in("ann@example.com").await;
        manager.post("/api/v1/users/ann@example.com/credits", json!({ "days": 45 })).await.ok();
        let status = manager.get("/api/v1/users/ann@example.com/status").await.ok();
        let ann = app.member("ann@example.com").await;
        let told = serde_json::to_value(members::status(&app.env, ann).await.unwrap()).unwrap();
        assert_eq!(status, told);
        assert_eq!(status["paid"]["source"], "credit");
        assert_eq!(status["paid"]["days_remaining"], 45);
        manager.get("/api/v1/users/nobody/status").await.is(404, "user_unknown");
    }

    async fn accesses_tell_what_gives_a_tier_the_winner_first(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.post("/api/v1/users", json!({ "external_id": "ann", "tier": "basic" })).await.ok();
        manager.post("/api/v1/users/ann/credits", json!({ "days": 3 })).await.ok();
        let sources = |list: &Value| -> Vec<(String, bool)> {
            let items = list["items"].as_array().unwrap().iter();
            items.map(|item| (item["source"].as_str().unwrap().to_owned(), item["wins"].as_bool().unwrap())).collect()
        };
        let all = manager.get("/api/v1/users/ann/accesses").await.ok();
        assert_eq!(sources(&all), [("credit".into(), true), ("trial".into(), false), ("own_tier".into(), false)]);
        assert_eq!((&all["items"][0]["days_remaining"], &all["items"][2]["expires_at"]), (&json!(3), &Value::Null));
        app.env.clock.advance(TimeDelta::days(3));
        let all = manager.get("/api/v1/users/ann/accesses").await.ok();
        assert_eq!(sources(&all), [("trial".into(), true), ("own_tier".into(), false)]);
        app.env.clock.advance(TimeDelta::days(11));
        let all = manager.get("/api/v1/users/ann/accesses").await.ok();
        assert_eq!(all["items"], json!([{ "tier": "basic", "source": "own_tier", "paid": true, "expires_at": null, "days_remaining": null, "wins": true }]));
        manager.get("/api/v1/users/nobody/accesses").await.is(404, "user_unknown");
    }

    async fn a_restriction_goes_before_the_tier_and_can_be_taken_away(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        app.env.clock.advance(TimeDelta::seconds(1));
        let path = "/api/v1/users/ann/restrictions/ai_calls";
        let limit = async || {
            let asked = manager.post("/api/v1/check", json!({ "user": "ann", "feature": "ai_calls" })).await.ok();
            (asked["limit"].clone(), asked["unlimited"].clone(), asked["decided_by"].as_str().unwrap().to_owned())
        };
        assert_eq!(limit().await, (Value::Null, json!(true), "tier".into()));
        let set = manager.put(path, json!({ "limit": 2, "reason": " as agreed ", "expires_at": "2026-11-22T11:00:00+01:00" })).await.ok();
        assert_eq!((&set["limit"], &set["reason"], &set["expires_at"]), (&json!(2), &json!("as agreed"), &json!("2026-11-22T10:00:00Z")));
        assert!(set["created_by"].as_str().unwrap().starts_with("key the manage key"));
        assert_eq!(limit().await, (json!(2), json!(false), "restriction".into()));
        // Null is a limit, too; nothing is not.
        app.env.clock.advance(TimeDelta::seconds(1));
        manager.put(path, json!({ "reason": "forgotten" })).await.is(422, "invalid_body");
        assert_eq!(limit().await.0, json!(2));
        app.env.clock.advance(TimeDelta::seconds(1));
        manager.put(path, json!({ "limit": null, "reason": "a friend" })).await.ok();
        assert_eq!(limit().await, (Value::Null, json!(true), "restriction".into()));
        let listed = manager.get("/api/v1/users/ann/restrictions").await.ok();
        assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["limit"]), (1, &Value::Null));
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(manager.delete(path).await.status, 204);
        manager.delete(path).await.is(404, "restriction_unknown");
        assert_eq!(limit().await.2, "tier");
        assert_eq!(activity_about(&app, "ann").await[..3], ["restriction_removed", "restriction_set", "restriction_set"]);
    }

    async fn what_is_no_restriction_is_told_by_code(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        let put = async |feature: &str, body: Value| {
            manager.put(&format!("/api/v1/users/ann/restrictions/{feature}"), body).await.problem()
        };
        let unprocessable = |code: &str| (422, code.to_owned());
        assert_eq!(put("photos", json!({ "limit": -1, "reason": "x" })).await, unprocessable("invalid_limit"));
        assert_eq!(put("photos", json!({ "limit": 1_000_000_000_001_i64, "reason": "x" })).await, unprocessable("invalid_limit"));
        assert_eq!(put("export_csv", json!({ "limit": 2, "reason": "x" })).await, unprocessable("invalid_limit"));
        assert_eq!(put("photos", json!({ "limit": 1.5, "reason": "x" })).await, unprocessable("invalid_body"));
        assert_eq!(put("photos", json!({ "limit": "1", "reason": "x" })).await, unprocessable("invalid_body"));
        assert_eq!(put("photos", json!({ "limit": 1 })).await, unprocessable("invalid_body"));
        assert_eq!(put("photos", json!({ "limit": 1, "reason": " " })).await, unprocessable("invalid_reason"));
        assert_eq!(put("photos", json!({ "limit": 1, "reason": "\u{0}" })).await, unprocessable("invalid_reason"));
        assert_eq!(put("photos", json!({ "limit": 1, "reason": "x".repeat(501) })).await, unprocessable("invalid_reason"));
        let end = |at: &str| json!({ "limit": 1, "reason": "x", "expires_at": at });
        assert_eq!(put("photos", end("2026-11-21T10:00:00Z")).await, unprocessable("invalid_expires_at"));
        for at in ["tomorrow", "2026-12-01", "+12026-12-01T00:00:00Z", "9999-12-31T23:59:59-01:00"] {
            assert_eq!(put("photos", end(at)).await, unprocessable("invalid_body"), "{at}");
        }
        assert_eq!(put("gold", json!({ "limit": 1, "reason": "x" })).await, (404, "feature_unknown".to_owned()));
        assert_eq!(put("A%20b", json!({ "limit": 1, "reason": "x" })).await, (404, "feature_unknown".to_owned()));
        let nobody = manager.put("/api/v1/users/nobody/restrictions/photos", json!({ "limit": 1, "reason": "x" })).await;
        nobody.is(404, "user_unknown");
        assert_eq!(manager.get("/api/v1/users/ann/restrictions").await.ok()["items"], json!([]));
    }

    async fn credit_is_given_once_for_a_key_and_ended(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        let path = "/api/v1/users/ann/credits";
        let body = json!({ "days": 10, "note": "sorry" });
        let keyed = manager.clone().with_header("idempotency-key", "ticket-1");
        let first = keyed.post(path, body.clone()).await;
        assert_eq!((first.status.as_u16(), &first.ok()["until_after"]), (201, &json!("2026-12-01T10:00:00Z")));
        app.env.clock.advance(TimeDelta::hours(1));
        let replayed = keyed.post(path, body.clone()).await;
        assert_eq!((replayed.status, &replayed.body), (first.status, &first.body), "the same to the byte");
        keyed.post(path, json!({ "days": 11, "note": "sorry" })).await.is(422, "idempotency_key_reused");
        keyed.post(path, json!({ "days": 10 })).await.is(422, "idempotency_key_reused");
        // The key is the caller's own.
        let other = app.app_with("manage").await.with_header("idempotency-key", "ticket-1");
        assert_eq!(other.post(path, body).await.ok()["until_after"], "2026-12-11T10:00:00Z");
        manager.post(path, json!({ "days": 1 })).await.ok();
        manager.post(path, json!({ "days": 1 })).await.ok();
        let ledger = manager.all_pages(path, 2).await;
        let days: Vec<i64> = ledger.iter().map(|entry| entry["days"].as_i64().unwrap()).collect();
        assert_eq!(days.iter().sum::<i64>(), 22);
        assert_eq!(days.len(), 4);
        app.env.clock.advance(TimeDelta::hours(1));
        assert_eq!(manager.delete(path).await.status, 204);
        manager.delete(path).await.is(404, "no_credit");
        let ledger = manager.all_pages(path, 3).await;
        assert_eq!((ledger.len(), &ledger[0]["source"], &ledger[0]["until_after"]), (5, &json!("revoked"), &Value::Null));
    }

    async fn what_is_no_credit_is_told_by_code(app: TestApp) {
        let manager = app.app_with("manage").await;
        manager.post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        let path = "/api/v1/users/ann/credits";
        for days in [json!(0), json!(-1), json!(3651), json!(i64::MAX)] {
            manager.post(path, json!({ "days": days })).await.is(422, "invalid_days");
        }
        for days in [json!(1.5), json!("1"), json!(null), json!(1e30)] {
            manager.post(path, json!({ "days": days })).await.is(422, "invalid_body");
        }
        manager.post(path, json!({})).await.is(422, "invalid_body");
        manager.post(path, json!({ "days": 1, "note": "a\u{0}b" })).await.is(422, "invalid_text");
        manager.post(path, json!({ "days": 1, "note": "x".repeat(501) })).await.is(422, "invalid_text");
        manager.post("/api/v1/users/nobody/credits", json!({ "days": 1 })).await.is(404, "user_unknown");
        for key in ["", &"k".repeat(256)] {
            let keyed = manager.clone().with_header("idempotency-key", key);
            keyed.post(path, json!({ "days": 1 })).await.is(422, "invalid_idempotency_key");
        }
        assert_eq!(manager.get(path).await.ok(), json!({ "items": [], "next_cursor": null }));
        manager.get(&format!("{path}?cursor=1")).await.is(422, "invalid_parameter");
    }

    async fn the_log_is_read_page_by_page_and_by_what_it_is_about(app: TestApp) {
        let manager = app.app_with("manage").await;
        for number in 0..5 {
            manager.post("/api/v1/users", json!({ "external_id": format!("user{number}") })).await.ok();
            manager.post(&format!("/api/v1/users/user{number}/credits"), json!({ "days": 1 })).await.ok();
        }
        let all = manager.all_pages("/api/v1/activity", 3).await;
        let ids: BTreeSet<&str> = all.iter().map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!((all.len(), ids.len()), (16, 16), "five users, five trials, five gifts, one key");
        assert_eq!(manager.all_pages("/api/v1/activity?action=credit_granted", 2).await.len(), 5);
        assert_eq!(manager.all_pages("/api/v1/activity?user=user3", 1).await.len(), 3);
        assert_eq!(manager.all_pages("/api/v1/activity?user=user3&action=credit_granted", 1).await.len(), 1);
        assert_eq!(manager.all_pages("/api/v1/activity?action=nothing", 1).await.len(), 0);
        manager.get("/api/v1/activity?user=nobody").await.is(404, "user_unknown");
        manager.get("/api/v1/activity?action=%00").await.is(422, "invalid_parameter");
    }
}
