//! Tiers, features, limits, settings and keys over REST.

use serde_json::{Value, json};

use crate::harness::{TestApp, on_both};

fn tier() -> Value {
    json!({
        "name": "Gold", "description_en": "All that shines", "price_monthly_cents": 1990,
        "active": true, "paid": true, "sort_order": 9,
    })
}

fn feature() -> Value {
    json!({
        "name_en": "Stars", "name_de": "Sterne", "category": "sky", "kind": "count", "reset_period": "daily",
        "default_limit": 3, "active": true, "sort_order": 99,
    })
}

fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().unwrap().remove(key);
    object
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

async fn version(app: &TestApp) -> i64 {
    app.operator().get("/api/v1/matrix").await.ok()["version"].as_i64().unwrap()
}

fn change(tier: &str, feature: &str, limit: Value, version: i64) -> Value {
    json!({ "tier": tier, "feature": feature, "limit": limit, "version": version })
}

on_both! {
    async fn a_tier_is_written_and_read(app: TestApp) {
        let admin = app.app_with("admin").await;
        admin.get("/api/v1/tiers/gold").await.is(404, "tier_unknown");
        let made = admin.put("/api/v1/tiers/gold", tier()).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.ok()["price_yearly_cents"], Value::Null);
        assert_eq!(admin.get("/api/v1/tiers/gold").await.ok(), made.ok());
        let changed = admin.put("/api/v1/tiers/gold", with(tier(), "name", json!("Silver"))).await;
        assert_eq!((changed.status.as_u16(), &changed.ok()["name"]), (200, &json!("Silver")));
        let listed = admin.get("/api/v1/tiers").await.ok();
        assert!(listed["items"].as_array().unwrap().contains(&changed.ok()));
        assert_eq!(admin.all_pages("/api/v1/activity?action=tier_changed", 1).await.len(), 2);
    }

    async fn a_feature_is_written_and_read(app: TestApp) {
        let admin = app.app_with("admin").await;
        admin.get("/api/v1/features/stars").await.is(404, "feature_unknown");
        let made = admin.put("/api/v1/features/stars", feature()).await;
        assert_eq!(made.status, 201);
        assert_eq!(admin.get("/api/v1/features/stars").await.ok(), made.ok());
        app.operator().post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        let asked = admin.post("/api/v1/check", json!({ "user": "ann", "feature": "stars" })).await.ok();
        assert_eq!((&asked["limit"], &asked["decided_by"]), (&json!(3), &json!("default")));
        // Null is a limit, nothing is not.
        admin.put("/api/v1/features/stars", without(feature(), "default_limit")).await.is(422, "invalid_body");
        admin.put("/api/v1/features/stars", with(feature(), "default_limit", Value::Null)).await.ok();
        assert_eq!(admin.get("/api/v1/features/stars").await.ok()["default_limit"], Value::Null);
    }

    async fn what_cannot_be_offered_is_told_by_code(app: TestApp) {
        let admin = app.app_with("admin").await;
        let before = version(&app).await;
        let tiers = [
            ("name", json!(""), "invalid_text"),
            ("name", json!("x".repeat(101)), "invalid_text"),
            ("description_de", json!("\u{0}"), "invalid_text"),
            ("price_monthly_cents", json!(-1), "invalid_number"),
            ("price_yearly_cents", json!(1_000_000_001), "invalid_number"),
            ("price_yearly_cents", json!(9.99), "invalid_body"),
            ("sort_order", json!(-1), "invalid_number"),
            ("active", json!("yes"), "invalid_body"),
            ("paid", Value::Null, "invalid_body"),
        ];
        for (key, value, code) in tiers {
            admin.put("/api/v1/tiers/gold", with(tier(), key, value)).await.is(422, code);
        }
        let features = [
            ("name_de", json!(" "), "invalid_text"),
            ("category", json!(""), "invalid_text"),
            ("kind", json!("heap"), "invalid_body"),
            ("reset_period", json!("sometimes"), "invalid_body"),
            ("default_limit", json!(-1), "invalid_limit"),
            ("default_limit", json!("off"), "invalid_body"),
            ("sort_order", json!(i64::MAX), "invalid_number"),
        ];
        for (key, value, code) in features {
            admin.put("/api/v1/features/stars", with(feature(), key, value)).await.is(422, code);
        }
        for key in ["name", "active", "paid", "sort_order"] {
            admin.put("/api/v1/tiers/gold", without(tier(), key)).await.is(422, "invalid_body");
        }
        for id in ["Gold", "1st", "a-b", "%00", &"x".repeat(41)] {
            admin.put(&format!("/api/v1/tiers/{id}"), tier()).await.is(422, "invalid_id");
            admin.put(&format!("/api/v1/features/{id}"), feature()).await.is(422, "invalid_id");
        }
        let switch = with(with(feature(), "kind", json!("boolean")), "default_limit", json!(1));
        admin.put("/api/v1/features/photos", switch).await.is(409, "limits_in_the_way");
        assert_eq!(version(&app).await, before, "nothing was written");
    }

    async fn what_a_client_has_is_not_sent_again_until_it_changes(app: TestApp) {
        let reader = app.app_with("manage").await;
        let paths = ["/api/v1/tiers", "/api/v1/tiers/free", "/api/v1/features", "/api/v1/features/photos", "/api/v1/matrix", "/api/v1/settings"];
        for path in paths {
            let first = reader.get(path).await;
            let tag = first.header("etag").to_owned();
            assert!(tag.starts_with('"') && first.status == 200, "{path}: {tag}");
            for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                let again = reader.clone().with_header("if-none-match", &known).get(path).await;
                assert_eq!((again.status.as_u16(), again.body.as_str(), again.header("etag")), (304, "", tag.as_str()), "{path} {known}");
            }
            app.operator().put("/api/v1/tiers/gold", with(tier(), "name", json!(format!("Gold {path}")))).await.ok();
            let changed = reader.clone().with_header("if-none-match", &tag).get(path).await;
            assert_eq!(changed.status, 200, "{path}");
            assert_ne!(changed.header("etag"), tag);
        }
    }

    async fn changes_of_the_matrix_are_tried_made_and_taken_back(app: TestApp) {
        let (manager, admin) = (app.app_with("manage").await, app.app_with("admin").await);
        manager.post("/api/v1/users", json!({ "external_id": "ann", "tier": "selfhosted" })).await.ok();
        let before = manager.get("/api/v1/matrix").await.ok();
        assert_eq!(before["tiers"].as_array().unwrap().len(), 4);
        let cell = |matrix: &Value, tier: &str, feature: &str| {
            let cells = matrix["limits"].as_array().unwrap().iter();
            cells.clone().find(|cell| cell["tier"] == tier && cell["feature"] == feature).cloned()
        };
        assert_eq!(cell(&before, "selfhosted", "photos"), Some(change("selfhosted", "photos", Value::Null, 1)));
        let changes = json!({ "changes": [
            change("selfhosted", "photos", json!(7), 1),
            change("selfhosted", "ai_calls", json!("inherit"), 1),
            change("basic", "photos", Value::Null, 1),
        ], "reason": "spring" });
        let review = manager.post("/api/v1/matrix/preview", changes.clone()).await.ok();
        assert_eq!((&review["gains"], review["loses"].as_i64().unwrap() >= 1), (&json!(0), true), "{review}");
        assert_eq!(review["changes"].as_array().unwrap().len(), 3);
        assert_eq!(manager.get("/api/v1/matrix").await.ok(), before, "only tried");
        let made = admin.post("/api/v1/matrix/commit", changes).await.ok();
        assert_eq!(made["cells"], 3);
        let after = manager.get("/api/v1/matrix").await.ok();
        assert_eq!(cell(&after, "selfhosted", "photos").unwrap()["limit"], 7);
        assert_eq!(cell(&after, "selfhosted", "ai_calls"), None);
        assert_eq!(cell(&after, "basic", "photos").unwrap()["limit"], Value::Null);
        let logged = &manager.get("/api/v1/activity?action=matrix_changed").await.ok()["items"][0];
        assert_eq!((&logged["id"], &logged["details"]["reason"]), (&made["activity"], &json!("spring")));
        let undo = format!("/api/v1/matrix/undo/{}", made["activity"].as_str().unwrap());
        assert_eq!(admin.post(&undo, json!({})).await.ok()["cells"], 3);
        let limits = |matrix: &Value| -> Vec<Value> {
            matrix["limits"].as_array().unwrap().iter().map(|cell| without(cell.clone(), "version")).collect()
        };
        assert_eq!(limits(&manager.get("/api/v1/matrix").await.ok()), limits(&before));
        admin.post(&undo, json!({})).await.is(422, "nothing_to_change");
        let again = json!({ "changes": [change("basic", "photos", json!(51), version(&app).await)] });
        admin.post("/api/v1/matrix/commit", again).await.ok();
        admin.post(&undo, json!({})).await.is(409, "matrix_changed");
        admin.post("/api/v1/matrix/undo/0192f0c1-2345-7abc-8def-0123456789ab", json!({})).await.is(404, "change_unknown");
    }

    async fn a_cell_that_moved_on_is_a_conflict_and_nothing_is_written(app: TestApp) {
        let admin = app.app_with("admin").await;
        let first = json!({ "changes": [change("free", "photos", json!(6), 1)] });
        admin.post("/api/v1/matrix/commit", first).await.ok();
        let before = admin.get("/api/v1/matrix").await.ok();
        let stale = json!({ "changes": [change("free", "photos", json!(7), 1), change("basic", "photos", json!(60), 1)] });
        let refused = admin.post("/api/v1/matrix/commit", stale).await;
        refused.is(409, "matrix_changed");
        let problem: Value = serde_json::from_str(&refused.body).unwrap();
        let conflict = &problem["conflicts"][0];
        assert_eq!(problem["conflicts"].as_array().unwrap().len(), 1);
        assert_eq!((&conflict["theirs"], &conflict["yours"], conflict["version"].as_i64().unwrap() > 1), (&json!(6), &json!(7), true));
        assert!(conflict["changed_by"].as_str().unwrap().starts_with("key the admin key"));
        assert_eq!(admin.get("/api/v1/matrix").await.ok(), before);
    }

    async fn sets_of_changes_that_make_no_sense_are_told_by_code(app: TestApp) {
        let admin = app.app_with("admin").await;
        let before = admin.get("/api/v1/matrix").await.ok();
        let photos = |limit: Value| change("free", "photos", limit, 1);
        let cases = [
            (json!([]), "nothing_to_change"),
            (json!([photos(json!(5))]), "nothing_to_change"),
            (json!([photos(json!(6)), photos(json!(7))]), "cell_twice"),
            (json!([change("gold", "photos", json!(1), 0)]), "cell_unknown"),
            (json!([photos(json!(-1))]), "invalid_limit"),
            (json!([change("free", "export_csv", json!(2), 1)]), "invalid_limit"),
            (json!([photos(json!("off"))]), "invalid_body"),
            (json!([photos(json!(1.5))]), "invalid_body"),
            (json!([without(photos(json!(6)), "limit")]), "invalid_body"),
            (json!([without(photos(json!(6)), "version")]), "invalid_body"),
            (json!("all"), "invalid_body"),
        ];
        for (changes, code) in cases {
            for path in ["/api/v1/matrix/preview", "/api/v1/matrix/commit"] {
                let answer = admin.post(path, json!({ "changes": changes })).await;
                assert_eq!(answer.problem(), (422, code.to_owned()), "{path} {changes}");
            }
        }
        let reason = |reason: &str| json!({ "changes": [photos(json!(6))], "reason": reason });
        admin.post("/api/v1/matrix/commit", reason(&"x".repeat(501))).await.is(422, "invalid_reason");
        admin.post("/api/v1/matrix/preview", reason("\u{0}")).await.is(422, "invalid_reason");
        admin.put("/api/v1/settings/matrix_reason_required", json!({ "value": true })).await.ok();
        admin.post("/api/v1/matrix/commit", reason(" ")).await.is(422, "reason_missing");
        assert_eq!(admin.get("/api/v1/matrix").await.ok()["limits"], before["limits"]);
    }

    async fn a_large_set_of_changes_fits(app: TestApp) {
        let admin = app.app_with("admin").await;
        for number in 0..200 {
            admin.put(&format!("/api/v1/features/a_feature_with_a_name_that_is_long_{number:03}"), feature()).await.ok();
        }
        let all = admin.get("/api/v1/features").await.ok();
        let names: Vec<&str> = all["items"].as_array().unwrap().iter().map(|feature| feature["id"].as_str().unwrap()).collect();
        let names = names.into_iter().filter(|name| name.starts_with("a_feature"));
        let changes: Vec<Value> = names.map(|name| change("free", name, json!(5), 0)).collect();
        let body = json!({ "changes": changes });
        assert!(body.to_string().len() > 16_384, "larger than other calls may be");
        assert_eq!(admin.post("/api/v1/matrix/commit", body).await.ok()["cells"], 200);
        let huge = json!({ "changes": [], "reason": "x".repeat(300_000) });
        admin.post("/api/v1/matrix/commit", huge).await.is(413, "body_too_large");
    }

    async fn settings_are_read_and_changed(app: TestApp) {
        let (manager, admin) = (app.app_with("manage").await, app.app_with("admin").await);
        let value = async |key: &str| {
            let all = manager.get("/api/v1/settings").await.ok();
            all["items"].as_array().unwrap().iter().find(|item| item["key"] == key).unwrap()["value"].clone()
        };
        for (key, was, will) in [
            ("trial_duration_days", json!(14), json!(0)),
            ("self_registration_enabled", json!(true), json!(false)),
            ("trial_tier", json!("premium"), json!("basic")),
            ("timezone", json!("UTC"), json!("Europe/Berlin")),
            ("usage_periods", json!("calendar"), json!("anniversary")),
        ] {
            assert_eq!(value(key).await, was);
            let set = admin.put(&format!("/api/v1/settings/{key}"), json!({ "value": will })).await.ok();
            assert_eq!(set, json!({ "key": key, "value": will }));
            assert_eq!(value(key).await, will);
        }
        let put = async |key: &str, value: Value| admin.put(&format!("/api/v1/settings/{key}"), json!({ "value": value })).await.problem();
        assert_eq!(put("trial_duration_days", json!(-1)).await, (422, "invalid_setting".to_owned()));
        assert_eq!(put("trial_duration_days", json!(1.5)).await, (422, "invalid_body".to_owned()));
        assert_eq!(put("trial_duration_days", json!({})).await, (422, "invalid_body".to_owned()));
        assert_eq!(put("timezone", json!("Mars/Olympus")).await, (422, "invalid_setting".to_owned()));
        assert_eq!(put("timezone", json!("\u{0}")).await, (422, "invalid_setting".to_owned()));
        assert_eq!(put("trial_tier", json!("gold")).await, (404, "tier_unknown".to_owned()));
        assert_eq!(put("gravity", json!(9)).await, (404, "setting_unknown".to_owned()));
        admin.put("/api/v1/settings/timezone", json!({})).await.is(422, "invalid_body");
    }

    async fn a_key_is_made_shown_once_listed_and_ended(app: TestApp) {
        let admin = app.app_with("admin").await;
        let made = admin.post("/api/v1/keys", json!({ "name": "backend", "scopes": ["check"] })).await;
        assert_eq!(made.status, 201);
        let made = made.ok();
        let token = made["token"].as_str().unwrap().to_owned();
        assert!(token.starts_with("vs_") && token.len() == 46);
        let listed = admin.all_pages("/api/v1/keys", 1).await;
        assert_eq!(listed.len(), 2);
        assert!(!listed.iter().any(|key| key.to_string().contains(&token)));
        let user = app.client(Some(&token));
        user.get("/api/v1/tiers").await.ok();
        assert_eq!(admin.delete(&format!("/api/v1/keys/{}", made["id"].as_str().unwrap())).await.status, 204);
        user.get("/api/v1/tiers").await.is(401, "unauthorized");
        let bad = [
            json!({ "name": "", "scopes": ["check"] }),
            json!({ "name": "x", "scopes": [] }),
            json!({ "name": "\u{0}", "scopes": ["check"] }),
            json!({ "name": "x", "scopes": ["check"], "expires_at": "2020-01-01T00:00:00Z" }),
        ];
        for body in bad {
            admin.post("/api/v1/keys", body).await.is(422, "invalid_key");
        }
        for body in [json!({ "name": "x", "scopes": ["root"] }), json!({ "scopes": ["check"] }), json!({ "name": "x", "scopes": ["check"], "expires_at": "soon" })] {
            admin.post("/api/v1/keys", body).await.is(422, "invalid_body");
        }
        admin.post("/api/v1/keys", json!({ "name": "x", "scopes": ["check"], "user": "nobody" })).await.is(404, "user_unknown");
        app.operator().post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        let soon = "2026-11-30T00:00:00Z";
        let bound = json!({ "name": "x", "scopes": ["check"], "user": "ann", "expires_at": soon });
        assert_eq!(admin.post("/api/v1/keys", bound.clone()).await.status, 201);
        admin.post("/api/v1/keys", with(bound.clone(), "scopes", json!(["manage"]))).await.is(422, "invalid_key");
        admin.post("/api/v1/keys", without(bound, "expires_at")).await.is(422, "invalid_key");
        assert_eq!(admin.all_pages("/api/v1/keys", 5).await.len(), 2, "keys of users are not listed");
    }
}
