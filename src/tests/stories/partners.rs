//! Partners: coupons for their people, what came of them, and the link under which they read.

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, TestApp, on_both};

/// An operator of a product without trials, with members who have an address.
async fn with_members(app: &TestApp, names: &[&str]) -> Client {
    let operator = app.operator();
    operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
    for name in names {
        let member = json!({ "external_id": name, "email": format!("{name}@example.com") });
        operator.post("/api/v1/users", member).await.ok();
    }
    operator
}

async fn partner(operator: &Client, more: Value) -> String {
    let mut asked = json!({ "name": "Wellpass", "contact": "Kim" });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    operator.post("/api/v1/partners", asked).await.ok()["id"].as_str().unwrap().to_owned()
}

async fn pass(operator: &Client, partner: &str) -> String {
    let asked = json!({ "type": "partner", "tier": "premium", "duration_days": 30, "partner_id": partner });
    let made = operator.post("/api/v1/coupons", asked).await.ok();
    assert_eq!((&made["items"][0]["partner"], &made["items"][0]["partner_id"]), (&json!("Wellpass"), &json!(partner)));
    made["items"][0]["code"].as_str().unwrap().to_owned()
}

async fn redeem(operator: &Client, code: &str, user: &str) -> Answer {
    operator.post(&format!("/api/v1/coupons/{code}/redeem"), json!({ "user": user })).await
}

on_both! {
    async fn a_pass_is_redeemed_while_the_contract_runs(app: TestApp) {
        let operator = with_members(&app, &["ann", "bob", "cid"]).await;
        let gym = partner(&operator, json!({ "contract_from": "2026-11-22T00:00:00Z", "contract_until": "2026-12-01T00:00:00Z" })).await;
        let code = pass(&operator, &gym).await;
        redeem(&operator, &code, "ann").await.is(409, "partner_contract_closed");
        app.env.clock.advance(TimeDelta::days(1));
        redeem(&operator, &code, "ann").await.ok();
        app.env.clock.advance(TimeDelta::days(9));
        redeem(&operator, &code, "bob").await.is(409, "partner_contract_closed");
        let path = format!("/api/v1/partners/{gym}");
        operator.put(&path, json!({ "name": "Wellpass" })).await.ok();
        redeem(&operator, &code, "bob").await.ok();
        let archived = operator.put(&path, json!({ "name": "Wellpass", "archived": true })).await.ok();
        assert!(archived["archived_at"].is_string());
        redeem(&operator, &code, "cid").await.is(409, "partner_contract_closed");
        operator.post("/api/v1/coupons", json!({ "type": "period", "tier": "premium", "duration_days": 1, "partner_id": gym })).await.is(404, "partner_unknown");
        // What was redeemed goes on.
        let grants = operator.get("/api/v1/users/ann/grants").await.ok();
        assert_eq!((&grants["items"][0]["state"], &grants["items"][0]["kind"]), (&json!("running"), &json!("partner")));
        // On the page it is said in words.
        let mut dora = app.signed_in("dora@example.com").await;
        let refused = dora.post("/redeem", &[("code", &code)]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.body.contains("a partner whose contract does not run"), "{}", refused.body);
    }

    async fn a_statement_tells_how_often_and_never_who(app: TestApp) {
        let operator = with_members(&app, &["ann", "bob"]).await;
        operator.put("/api/v1/settings/timezone", json!({ "value": "Europe/Berlin" })).await.ok();
        let gym = partner(&operator, json!({})).await;
        let code = pass(&operator, &gym).await;
        // 30 November, 22:30 UTC is 23:30 in Berlin; an hour later it is December there.
        app.env.clock.advance(TimeDelta::days(9) + TimeDelta::hours(12) + TimeDelta::minutes(30));
        redeem(&operator, &code, "ann").await.ok();
        app.env.clock.advance(TimeDelta::hours(1));
        redeem(&operator, &code, "bob").await.ok();
        let path = format!("/api/v1/partners/{gym}");
        for (month, times) in [("2026-10", vec![]), ("2026-11", vec!["2026-11-30T22:30:00Z"]), ("2026-12", vec!["2026-11-30T23:30:00Z"])] {
            let statement = operator.get(&format!("{path}/statements/{month}")).await.ok();
            let found: Vec<&str> = statement["items"].as_array().unwrap().iter().map(|item| item["redeemed_at"].as_str().unwrap()).collect();
            assert_eq!(found, times, "{month}");
            assert_eq!((&statement["redemptions"], &statement["days"]), (&json!(times.len()), &json!(30 * times.len())));
        }
        operator.get(&format!("{path}/statements/november")).await.is(422, "invalid_month");
        let figures = operator.get(&path).await.ok();
        assert_eq!((&figures["coupons"], &figures["redemptions"], &figures["active_passes"]), (&json!(1), &json!(2), &json!(2)));

        let url = operator.post(&format!("{path}/link"), json!({})).await.ok()["url"].as_str().unwrap().to_owned();
        let address = url.strip_prefix("http://127.0.0.1:3000").unwrap().to_owned();
        assert!(address.strip_prefix("/partner/").unwrap().len() == 43, "256 bits: {address}");
        let mut stranger = app.browser();
        let page = stranger.get(&address).await;
        assert_eq!(page.status, 200);
        assert!(page.headers["x-robots-tag"].to_str().unwrap().contains("noindex"));
        assert!(page.headers["cache-control"].to_str().unwrap().contains("no-store"));
        assert_eq!(page.headers["referrer-policy"], "same-origin");
        assert!(page.body.contains("Wellpass") && page.body.contains("December 2026"), "{}", page.body);
        let statement = stranger.get(&format!("{address}/statement/2026-12")).await;
        assert!(statement.body.contains("1 redemption, 30 days in all") && statement.body.contains(&code), "{}", statement.body);
        let file = stranger.get(&format!("{address}/statement/2026-12.csv")).await;
        let lines: Vec<&str> = file.body.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "redemption,redeemed_at,code,tier,days,pass"));
        assert!(lines[1].contains("2026-12-01T00:30:00+01:00") && lines[1].ends_with(",premium,30,runs"), "{}", lines[1]);
        for body in [&page.body, &statement.body, &file.body] {
            for who in ["ann", "bob", "@example.com"] {
                assert!(!body.contains(who), "{who}: {body}");
            }
        }
        assert_eq!(stranger.get(&format!("{address}/statement/soon")).await.status, 404);
        // Kept as a hash only.
        let token = address.strip_prefix("/partner/").unwrap();
        let log = operator.get("/api/v1/activity").await.ok().to_string();
        assert!(!log.contains(token), "{log}");

        let another = operator.post(&format!("{path}/link"), json!({})).await.ok()["url"].as_str().unwrap().to_owned();
        assert_eq!(stranger.get(&address).await.status, 404);
        let address = another.strip_prefix("http://127.0.0.1:3000").unwrap();
        assert_eq!(stranger.get(address).await.status, 200);
        assert_eq!(operator.delete(&format!("{path}/link")).await.status, 204);
        assert_eq!(stranger.get(address).await.status, 404);
    }

    async fn links_are_guessed_slowly(app: TestApp) {
        let mut stranger = app.browser();
        for _ in 0..120 {
            assert_eq!(stranger.get("/partner/of-nobody").await.status, 404);
        }
        let refused = stranger.get("/partner/of-nobody").await;
        assert_eq!(refused.status, 429);
        assert!(refused.headers.contains_key("retry-after") && refused.body.contains("opened too often"));
        app.env.clock.advance(TimeDelta::hours(1));
        assert_eq!(stranger.get("/partner/of-nobody").await.status, 404);
    }

    async fn an_admin_keeps_partners(app: TestApp) {
        let operator = with_members(&app, &["ann"]).await;
        let mut root = app.signed_in_admin("root@example.com").await;
        assert!(root.get("/admin/partners").await.body.contains("There are no such partners."));
        let gym = [("name", "Wellpass"), ("contact", "Kim"), ("email", "kim@example.com"), ("from", "2026-11-01"), ("until", "2027-10-31"), ("note", "since the fair")];
        let added = root.post("/admin/partners", &gym).await;
        let address = added.location().strip_suffix("?said=added").unwrap_or_else(|| panic!("{}", added.body)).to_owned();
        let page = root.get(added.location()).await;
        for text in ["The partner is added.", "Wellpass", r#"value="2026-11-01""#, r#"value="2027-10-31""#, "No coupons are made for them yet."] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        for (field, typed, problem) in [
            ("name", "", "Enter a name"),
            ("name", "Wellpass", "There is a partner of this name."),
            ("email", "kim@", "Enter an address"),
            ("from", "soon", "Enter a day"),
            ("until", "2026-10-31", "The last day comes after the first."),
        ] {
            let mut form: Vec<(&str, &str)> = gym.into_iter().filter(|(name, _)| *name != field && *name != "name").collect();
            form.push(("name", "Another gym"));
            form.retain(|(name, _)| *name != field);
            form.push((field, typed));
            let page = root.post("/admin/partners", &form).await;
            assert_eq!(page.status, 422, "{field}");
            assert!(page.body.contains(problem), "{field}: {}", page.body);
        }
        let id = address.strip_prefix("/admin/partners/").unwrap().to_owned();
        let coupons = [("kind", "partner"), ("tier", "premium"), ("days", "30"), ("count", "1"), ("code", "gympass"), ("partner", id.as_str())];
        let made = root.post("/admin/coupons", &coupons).await;
        assert_eq!(made.location(), "/admin/coupons/GYMPASS?said=made", "{}", made.body);
        redeem(&operator, "GYMPASS", "ann").await.ok();
        let page = root.get("/admin/coupons/GYMPASS").await;
        assert!(page.body.contains("ann@example.com") && page.body.contains(&address), "{}", page.body);
        let page = root.get(&address).await;
        assert!(page.body.contains("GYMPASS") && page.body.contains("1 November 2026") && page.body.contains("through 31 October 2027"), "{}", page.body);
        let statement = root.get(&format!("{address}/statement/2026-11")).await;
        assert!(statement.body.contains("1 redemption, 30 days in all"), "{}", statement.body);
        let file = root.get(&format!("{address}/statement/2026-11.csv")).await;
        assert_eq!(file.headers["content-disposition"], r#"attachment; filename="statement-2026-11.csv""#);
        assert_eq!(file.body.lines().count(), 2);
        let linked = root.post(&format!("{address}/link"), &[]).await;
        assert_eq!(linked.status, 201);
        let link = linked.body.split("http://127.0.0.1:3000/partner/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!(app.browser().get(&format!("/partner/{link}")).await.status, 200);
        assert!(!root.get(&address).await.body.contains(&link), "it is shown once");
        assert_eq!(root.post(&format!("{address}/link/end"), &[]).await.location(), format!("{address}?said=link-ended"));
        let archive: Vec<(&str, &str)> = gym.into_iter().chain([("archived", "on")]).collect();
        assert_eq!(root.post(&address, &archive).await.location(), format!("{address}?said=saved"));
        assert!(root.get("/admin/partners?archived=1").await.body.contains("Wellpass"));
        assert!(!root.get("/admin/partners").await.body.contains("Kim"));
        operator.post(&format!("/api/v1/partners/{id}/link"), json!({})).await.is(409, "partner_archived");
    }

    async fn what_is_no_partner_is_refused(app: TestApp) {
        let operator = app.operator();
        let gym = partner(&operator, json!({})).await;
        for (body, status, code) in [
            (json!({ "name": "Wellpass" }), 409, "name_taken"),
            (json!({ "name": "" }), 422, "invalid_partner"),
            (json!({ "name": "x", "email": "x" }), 422, "invalid_partner"),
            (json!({ "name": "x", "note": "a\nb" }), 422, "invalid_partner"),
            (json!({ "name": "x", "contract_from": "2027-01-01T00:00:00Z", "contract_until": "2026-01-01T00:00:00Z" }), 422, "invalid_partner"),
            (json!({ "name": "x", "contract_from": "soon" }), 422, "invalid_body"),
            (json!({}), 422, "invalid_body"),
        ] {
            operator.post("/api/v1/partners", body).await.is(status, code);
        }
        let nobody = "/api/v1/partners/0192f0c1-2345-7abc-8def-0123456789ab";
        operator.get(nobody).await.is(404, "partner_unknown");
        operator.put(nobody, json!({ "name": "x" })).await.is(404, "partner_unknown");
        operator.send(Method::POST, &format!("{nobody}/link"), "").await.is(404, "partner_unknown");
        operator.get("/api/v1/partners/x").await.is(404, "partner_unknown");
        let listed = operator.get("/api/v1/partners").await.ok();
        assert_eq!(listed["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>(), [gym]);
    }
}
