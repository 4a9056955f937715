//! Coupons as apps see them after they are made: who redeemed them, what was made in one go, the QR code; and the
//! statement of a partner as a file.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Client, on_both};

const NOTHING: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

/// Makes coupons of thirty days of Premium, and returns their codes.
async fn made(operator: &Client, more: Value) -> Vec<String> {
    let mut asked = json!({ "type": "single_use", "tier": "premium", "duration_days": 30 });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = operator.post("/api/v1/coupons", asked).await.ok();
    made["items"].as_array().unwrap().iter().map(|coupon| coupon["code"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn who_redeemed_a_coupon_is_told_in_pages(app: TestApp) {
        let operator = app.operator();
        made(&operator, json!({ "type": "period", "code": "SUMMER" })).await;
        let mut users = Vec::new();
        for name in ["ann", "bob", "cid"] {
            app.env.clock.advance(TimeDelta::seconds(1));
            let user = operator.post("/api/v1/users", json!({ "external_id": name })).await.ok();
            users.push(user["id"].clone());
            operator.post("/api/v1/coupons/SUMMER/redeem", json!({ "user": name })).await.ok();
        }
        let told = operator.all_pages("/api/v1/coupons/summer/redemptions", 2).await;
        let whose: Vec<Value> = told.iter().map(|one| one["user"].clone()).rev().collect();
        assert_eq!(whose, users, "the newest first");
        assert_eq!((&told[0]["ended_at"], &told[0]["revoked_at"]), (&json!(null), &json!(null)));
        let grant = operator.get("/api/v1/users/cid/grants").await.ok()["items"][0]["id"].as_str().unwrap().to_owned();
        operator.delete(&format!("/api/v1/grants/{grant}")).await;
        operator.delete("/api/v1/users/bob?grace_days=0").await;
        let told = operator.get("/api/v1/coupons/SUMMER/redemptions").await.ok();
        assert!(told["items"][0]["revoked_at"].is_string(), "{told}");
        assert_eq!(told["items"][1]["user"], json!(null), "{told}");
        assert_eq!(told["items"].as_array().unwrap().len(), 3);
        operator.get("/api/v1/coupons/NOTHING/redemptions").await.is(404, "coupon_unknown");
        operator.get("/api/v1/coupons/SUMMER/redemptions?limit=0").await.is(422, "invalid_parameter");
    }

    async fn what_was_made_in_one_go_is_listed_and_had_as_a_file(app: TestApp) {
        let operator = app.operator();
        assert_eq!(operator.get("/api/v1/coupon-batches").await.ok()["items"], json!([]));
        operator.put("/api/v1/settings/timezone", json!({ "value": "Europe/Berlin" })).await.ok();
        let until = json!({ "count": 3, "description": "posters", "valid_until": "2027-01-01T00:00:00Z" });
        let codes = made(&operator, until).await;
        app.env.clock.advance(TimeDelta::seconds(1));
        made(&operator, json!({ "count": 2 })).await;
        made(&operator, json!({})).await;
        operator.post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        operator.post(&format!("/api/v1/coupons/{}/redeem", codes[0]), json!({ "user": "ann" })).await.ok();

        let batches = operator.all_pages("/api/v1/coupon-batches", 1).await;
        assert_eq!(batches.len(), 2, "one coupon alone is no batch");
        let posters = &batches[1];
        assert_eq!(
            (&posters["description"], &posters["coupons"], &posters["redemptions"]),
            (&json!("posters"), &json!(3), &json!(1))
        );
        let address = format!("/api/v1/coupon-batches/{}", posters["id"].as_str().unwrap());
        assert_eq!(&operator.get(&address).await.ok(), posters);
        let listed = operator.get(&format!("/api/v1/coupons?batch={}", posters["id"].as_str().unwrap())).await.ok();
        assert_eq!(listed["items"].as_array().unwrap().len(), 3);

        let file = operator.get(&format!("{address}?format=csv")).await;
        assert_eq!((file.status.as_u16(), file.header("content-type")), (200, "text/csv; charset=utf-8"));
        assert_eq!(file.header("content-disposition"), "attachment; filename=\"coupons.csv\"");
        let lines: Vec<&str> = file.body.lines().collect();
        assert_eq!((lines.len(), lines[0]), (4, "code,link,tier,days,until,redeemed"));
        let link = format!("http://127.0.0.1:3000/redeem/{}", codes[0]);
        let first = format!("{},{link},premium,30,2027-01-01T01:00:00+01:00,1", codes[0]);
        assert!(lines.contains(&first.as_str()), "{first}: {}", file.body);
        operator.get(&format!("{address}?format=xml")).await.is(422, "invalid_parameter");
        for unknown in [NOTHING, "x"] {
            operator.get(&format!("/api/v1/coupon-batches/{unknown}")).await.is(404, "batch_unknown");
            operator.get(&format!("/api/v1/coupon-batches/{unknown}?format=csv")).await.is(404, "batch_unknown");
        }
    }

    async fn a_coupon_is_drawn_for_apps_as_for_admins(app: TestApp) {
        let operator = app.operator();
        made(&operator, json!({ "code": "SUMMER" })).await;
        let drawing = operator.get("/api/v1/coupons/summer/qr.svg").await;
        assert_eq!((drawing.status.as_u16(), drawing.header("content-type")), (200, "image/svg+xml"));
        assert!(drawing.body.starts_with("<svg "), "{}", drawing.body);
        let mut root = app.signed_in_admin("root@example.com").await;
        assert_eq!(root.get("/admin/coupons/SUMMER/qr.svg").await.body, drawing.body);
        operator.get("/api/v1/coupons/NOTHING/qr.svg").await.is(404, "coupon_unknown");
        app.app_with("check consume").await.get("/api/v1/coupons/SUMMER/qr.svg").await.is(403, "scope_missing");
    }

    async fn a_statement_is_the_same_file_for_apps_and_for_admins(app: TestApp) {
        let operator = app.operator();
        operator.post("/api/v1/users", json!({ "external_id": "ann" })).await.ok();
        let gym = operator.post("/api/v1/partners", json!({ "name": "Wellpass" })).await.ok();
        let gym = gym["id"].as_str().unwrap();
        made(&operator, json!({ "type": "partner", "code": "GYMPASS", "partner_id": gym })).await;
        operator.post("/api/v1/coupons/GYMPASS/redeem", json!({ "user": "ann" })).await.ok();
        let address = format!("/api/v1/partners/{gym}/statements/2026-11");
        assert_eq!(operator.get(&format!("{address}?format=json")).await.ok(), operator.get(&address).await.ok());
        let file = operator.get(&format!("{address}?format=csv")).await;
        assert_eq!(file.header("content-disposition"), "attachment; filename=\"statement-2026-11.csv\"");
        assert_eq!(file.body.lines().count(), 2);
        assert!(file.body.ends_with(",GYMPASS,premium,30,runs\r\n"), "{}", file.body);
        let mut root = app.signed_in_admin("root@example.com").await;
        assert_eq!(root.get(&format!("/admin/partners/{gym}/statement/2026-11.csv")).await.body, file.body);
        operator.get(&format!("{address}?format=xml")).await.is(422, "invalid_parameter");
        operator.get(&format!("/api/v1/partners/{NOTHING}/statements/2026-11?format=csv")).await.is(404, "partner_unknown");
    }

    async fn how_often_somebody_signed_in_is_part_of_their_status(app: TestApp) {
        let operator = app.operator();
        operator.post("/api/v1/users", json!({ "external_id": "bob" })).await.ok();
        let status = operator.get("/api/v1/users/bob/status").await.ok();
        assert_eq!((&status["sign_ins"], &status["last_sign_in_at"]), (&json!(0), &json!(null)));
        app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(1));
        app.signed_in("ann@example.com").await;
        let status = operator.get("/api/v1/users/ann@example.com/status").await.ok();
        assert_eq!(status["sign_ins"], 2);
        assert!(status["last_sign_in_at"].as_str().unwrap().starts_with("2026-11-22T10:00:0"), "{status}");
    }
}
