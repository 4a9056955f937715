//! The table of what apps may ask: each route with the scope it takes and whether a key that is
//! bound to one user will do. The routes are those of the description, and the description is the
//! one that is committed.

use std::{collections::BTreeSet, env, fs, path::Path};

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::Value;
use vouchsafe::{
    domain::api_key::Scope,
    services::api_keys::{self, NewApiKey},
};

use crate::harness::{Backend, Client, TestApp, on_both};

/// Whom a route serves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum For {
    /// Keys with this scope, and keys of one user when they ask about that user.
    Users(Scope),
    /// Keys with this scope that are bound to nobody.
    Servers(Scope),
    /// Paying members by their session, and the operator's token; no key at all.
    Members,
}
use For::{Members, Servers, Users};
use Scope::{Admin, Check, Consume, Manage};

const TABLE: &[(Method, &str, For)] = &[
    (Method::POST, "/api/analyze", Members),
    (Method::POST, "/api/v1/check", Users(Check)),
    (Method::POST, "/api/v1/check/batch", Users(Check)),
    (Method::GET, "/api/v1/users/{id}/entitlements", Users(Check)),
    (Method::GET, "/api/v1/users/{id}/explain", Servers(Check)),
    (Method::POST, "/api/v1/consume", Users(Consume)),
    (Method::POST, "/api/v1/reservations", Users(Consume)),
    (Method::GET, "/api/v1/reservations/{id}", Users(Consume)),
    (Method::POST, "/api/v1/reservations/{id}/confirm", Users(Consume)),
    (Method::POST, "/api/v1/reservations/{id}/release", Users(Consume)),
    (Method::POST, "/api/v1/users", Servers(Manage)),
    (Method::GET, "/api/v1/users", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}", Servers(Manage)),
    (Method::PATCH, "/api/v1/users/{id}", Servers(Manage)),
    (Method::DELETE, "/api/v1/users/{id}", Servers(Admin)),
    (Method::GET, "/api/v1/users/{id}/export", Servers(Admin)),
    (Method::POST, "/api/v1/users/{id}/keep", Servers(Admin)),
    (Method::GET, "/api/v1/users/{id}/status", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}/accesses", Servers(Manage)),
    (Method::POST, "/api/v1/users/{id}/disable", Servers(Manage)),
    (Method::POST, "/api/v1/users/{id}/enable", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}/restrictions", Servers(Manage)),
    (Method::PUT, "/api/v1/users/{id}/restrictions/{feature}", Servers(Manage)),
    (Method::DELETE, "/api/v1/users/{id}/restrictions/{feature}", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}/credits", Servers(Manage)),
    (Method::POST, "/api/v1/users/{id}/credits", Servers(Manage)),
    (Method::DELETE, "/api/v1/users/{id}/credits", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}/grants", Servers(Manage)),
    (Method::POST, "/api/v1/users/{id}/grants", Servers(Manage)),
    (Method::DELETE, "/api/v1/grants/{id}", Servers(Manage)),
    (Method::POST, "/api/v1/coupons", Servers(Manage)),
    (Method::GET, "/api/v1/coupons", Servers(Manage)),
    (Method::GET, "/api/v1/coupons/{code}", Servers(Manage)),
    (Method::PATCH, "/api/v1/coupons/{code}", Servers(Manage)),
    (Method::POST, "/api/v1/coupons/{code}/redeem", Servers(Manage)),
    (Method::GET, "/api/v1/coupons/{code}/redemptions", Servers(Manage)),
    (Method::GET, "/api/v1/coupons/{code}/qr.svg", Servers(Manage)),
    (Method::GET, "/api/v1/coupon-batches", Servers(Manage)),
    (Method::GET, "/api/v1/coupon-batches/{id}", Servers(Manage)),
    (Method::POST, "/api/v1/partners", Servers(Manage)),
    (Method::GET, "/api/v1/partners", Servers(Manage)),
    (Method::GET, "/api/v1/partners/{id}", Servers(Manage)),
    (Method::PUT, "/api/v1/partners/{id}", Servers(Manage)),
    (Method::POST, "/api/v1/partners/{id}/link", Servers(Manage)),
    (Method::DELETE, "/api/v1/partners/{id}/link", Servers(Manage)),
    (Method::GET, "/api/v1/partners/{id}/statements/{month}", Servers(Manage)),
    (Method::GET, "/api/v1/tiers", Servers(Check)),
    (Method::GET, "/api/v1/tiers/{id}", Servers(Check)),
    (Method::PUT, "/api/v1/tiers/{id}", Servers(Admin)),
    (Method::GET, "/api/v1/tiers/{id}/prices", Servers(Manage)),
    (Method::PUT, "/api/v1/tiers/{id}/prices", Servers(Manage)),
    (Method::GET, "/api/v1/features", Servers(Check)),
    (Method::GET, "/api/v1/features/{id}", Servers(Check)),
    (Method::PUT, "/api/v1/features/{id}", Servers(Admin)),
    (Method::GET, "/api/v1/matrix", Servers(Check)),
    (Method::POST, "/api/v1/matrix/preview", Servers(Manage)),
    (Method::POST, "/api/v1/matrix/commit", Servers(Admin)),
    (Method::POST, "/api/v1/matrix/undo/{activity}", Servers(Admin)),
    (Method::GET, "/api/v1/settings", Servers(Manage)),
    (Method::PUT, "/api/v1/settings/{key}", Servers(Admin)),
    (Method::GET, "/api/v1/payments/events", Servers(Manage)),
    (Method::GET, "/api/v1/payments/events/{id}", Servers(Manage)),
    (Method::POST, "/api/v1/payments/events/{id}/replay", Servers(Manage)),
    (Method::GET, "/api/v1/subscriptions", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}/subscriptions", Servers(Manage)),
    (Method::POST, "/api/v1/invitations", Servers(Manage)),
    (Method::GET, "/api/v1/invitations", Servers(Manage)),
    (Method::DELETE, "/api/v1/invitations/{id}", Servers(Manage)),
    (Method::POST, "/api/v1/invitations/{id}/resend", Servers(Manage)),
    (Method::GET, "/api/v1/referrals", Servers(Manage)),
    (Method::POST, "/api/v1/referrals/{id}/release", Servers(Manage)),
    (Method::POST, "/api/v1/referrals/{id}/reject", Servers(Manage)),
    (Method::GET, "/api/v1/activity", Servers(Manage)),
    (Method::GET, "/api/v1/activity/export", Servers(Manage)),
    (Method::GET, "/api/v1/jobs", Servers(Manage)),
    (Method::POST, "/api/v1/jobs/{name}/run", Servers(Admin)),
    (Method::GET, "/api/v1/jobs/dead", Servers(Manage)),
    (Method::POST, "/api/v1/jobs/dead/{id}/retry", Servers(Manage)),
    (Method::DELETE, "/api/v1/jobs/dead/{id}", Servers(Manage)),
    (Method::GET, "/api/v1/stats", Servers(Manage)),
    (Method::POST, "/api/v1/bonus-rules", Servers(Manage)),
    (Method::GET, "/api/v1/bonus-rules", Servers(Manage)),
    (Method::POST, "/api/v1/bonus-rules/preview", Servers(Manage)),
    (Method::GET, "/api/v1/bonus-rules/{id}", Servers(Manage)),
    (Method::PATCH, "/api/v1/bonus-rules/{id}", Servers(Manage)),
    (Method::POST, "/api/v1/bonus-rules/{id}/archive", Servers(Manage)),
    (Method::GET, "/api/v1/bonus-rules/{id}/awards", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}/bonus", Servers(Manage)),
    (Method::GET, "/api/v1/notifications", Servers(Manage)),
    (Method::POST, "/api/v1/notifications/read", Servers(Manage)),
    (Method::POST, "/api/v1/notifications/{id}/read", Servers(Manage)),
    (Method::GET, "/api/v1/notifications/settings", Servers(Manage)),
    (Method::PUT, "/api/v1/notifications/settings", Servers(Admin)),
    (Method::GET, "/api/v1/mails", Servers(Manage)),
    (Method::GET, "/api/v1/mails/{id}", Servers(Manage)),
    (Method::POST, "/api/v1/mails/{id}/resend", Servers(Manage)),
    (Method::POST, "/api/v1/mails/resend", Servers(Manage)),
    (Method::GET, "/api/v1/users/{id}/mail-preferences", Servers(Manage)),
    (Method::PUT, "/api/v1/users/{id}/mail-preferences", Servers(Manage)),
    (Method::GET, "/api/v1/mail-templates", Servers(Manage)),
    (Method::GET, "/api/v1/mail-templates/{letter}/{lang}", Servers(Manage)),
    (Method::POST, "/api/v1/mail-templates/{letter}/{lang}/preview", Servers(Manage)),
    (Method::POST, "/api/v1/mail-templates/{letter}/{lang}/test", Servers(Admin)),
    (Method::PUT, "/api/v1/mail-templates/{letter}/{lang}", Servers(Admin)),
    (Method::DELETE, "/api/v1/mail-templates/{letter}/{lang}", Servers(Admin)),
    (Method::POST, "/api/v1/keys", Servers(Admin)),
    (Method::GET, "/api/v1/keys", Servers(Admin)),
    (Method::DELETE, "/api/v1/keys/{id}", Servers(Admin)),
    (Method::POST, "/api/v1/webhook-endpoints", Servers(Admin)),
    (Method::GET, "/api/v1/webhook-endpoints", Servers(Manage)),
    (Method::GET, "/api/v1/webhook-endpoints/{id}", Servers(Manage)),
    (Method::PATCH, "/api/v1/webhook-endpoints/{id}", Servers(Admin)),
    (Method::DELETE, "/api/v1/webhook-endpoints/{id}", Servers(Admin)),
    (Method::POST, "/api/v1/webhook-endpoints/{id}/rotate", Servers(Admin)),
    (Method::POST, "/api/v1/webhook-endpoints/{id}/test", Servers(Admin)),
    (Method::GET, "/api/v1/webhook-endpoints/{id}/deliveries", Servers(Manage)),
    (Method::GET, "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}", Servers(Manage)),
    (Method::POST, "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend", Servers(Admin)),
    (Method::POST, "/api/v1/webhook-endpoints/{id}/resend", Servers(Admin)),
];

/// Fills the blanks of a route, so that it is about the user `ann` where it is about one.
fn filled(route: &str) -> String {
    let about_user = route.replace("/users/{id}", "/users/ann");
    let id = "0192f0c1-2345-7abc-8def-0123456789ab";
    ["{id}", "{delivery}", "{activity}"]
        .iter()
        .fold(about_user, |path, blank| path.replace(blank, id))
        .replace("{feature}", "photos")
        .replace("{key}", "timezone")
        .replace("{code}", "SUMMER")
        .replace("{name}", "count_days")
        .replace("{letter}", "welcome")
        .replace("{lang}", "en")
        .replace("{month}", "2026-11")
}

/// What came of a call: whether the door opened. What is behind it depends on what was sent.
#[derive(Debug, PartialEq)]
enum Door {
    Open,
    Unauthorized,
    ScopeMissing,
}

async fn door(client: &Client, method: &Method, route: &str) -> Door {
    let body = if *method == Method::GET || *method == Method::DELETE { "" } else { "{}" };
    let answer = client.send(method.clone(), &filled(route), body).await;
    assert!(answer.status.as_u16() < 500, "{method} {route}: {}", answer.body);
    match answer.status.as_u16() {
        401 => {
            answer.is(401, "unauthorized");
            Door::Unauthorized
        }
        403 => {
            answer.is(403, "scope_missing");
            Door::ScopeMissing
        }
        _ => Door::Open,
    }
}

async fn description(app: &TestApp) -> Value {
    app.client(None).get("/api/openapi.json").await.ok()
}

fn routes_of(description: &Value) -> BTreeSet<(String, String)> {
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().filter(|name| *name != "parameters" && *name != "summary");
        methods.map(move |method| (path.clone(), method.to_uppercase()))
    });
    operations.collect()
}

/// Returns a key that was good once: ended by hand, or by time.
async fn ended_keys(app: &TestApp) -> [Client; 2] {
    let tokens = ["revoked", "expired"].map(|name| async move {
        let soon = app.env.clock.now() + TimeDelta::hours(1);
        let new =
            NewApiKey { name: name.to_owned(), scopes: "admin".parse().unwrap(), user: None, expires_at: Some(soon) };
        let (key, token) = api_keys::create(&app.env, new, "operator").await.unwrap();
        // It has been used, so that it is remembered.
        app.client(Some(&token)).get("/api/v1/tiers").await.ok();
        if name == "revoked" {
            assert!(api_keys::revoke(&app.env, key.id, "operator").await.unwrap());
        }
        app.client(Some(&token))
    });
    let [revoked, expired] = tokens;
    let clients = [revoked.await, expired.await];
    app.env.clock.advance(TimeDelta::hours(1));
    clients
}

on_both! {
    async fn every_key_opens_what_the_table_says(app: TestApp) {
        let description = description(&app).await;
        let described = routes_of(&description);
        let listed: BTreeSet<(String, String)> =
            TABLE.iter().map(|(method, path, _)| ((*path).to_owned(), method.to_string())).collect();
        assert_eq!(described, listed, "the routes of the description, and those of this table");
        for (method, route, whom) in TABLE {
            let told = &description["paths"][*route][method.as_str().to_lowercase()]["security"][0]["bearer"][0];
            let scope = match whom {
                Users(scope) | Servers(scope) => Some(scope.as_str()),
                Members => None,
            };
            assert_eq!(told.as_str(), scope, "{method} {route}: what the description says of its scope");
        }

        app.operator().post("/api/v1/users", serde_json::json!({ "external_id": "ann" })).await.ok();
        let unknown = app.client(Some(&format!("vs_{}", "A".repeat(43))));
        let strangers = [app.client(None), app.client(Some("nonsense")), unknown];
        let ended = ended_keys(&app).await;
        let mut keys = Vec::new();
        for scope in Scope::ALL {
            keys.push((scope, app.app_with(scope.as_str()).await));
        }
        let bound = app.app_of("ann").await;
        let operator = app.operator();
        for (method, route, whom) in TABLE {
            // Sessions count where members ask, so nothing comes in there from other sites.
            let from_here = |client: &Client| client.clone().with_header("sec-fetch-site", "same-origin");
            for nobody in strangers.iter().chain(&ended) {
                assert_eq!(door(&from_here(nobody), method, route).await, Door::Unauthorized, "{method} {route} {:?}", nobody.token);
            }
            for (held, client) in &keys {
                let expected = match whom {
                    Members => Door::Unauthorized,
                    Users(scope) | Servers(scope) if held >= scope => Door::Open,
                    _ => Door::ScopeMissing,
                };
                assert_eq!(door(client, method, route).await, expected, "{method} {route} with {held:?}");
            }
            let expected = match whom {
                Members => Door::Unauthorized,
                Users(_) => Door::Open,
                Servers(_) => Door::ScopeMissing,
            };
            assert_eq!(door(&bound, method, route).await, expected, "{method} {route} with a bound key");
            assert_eq!(door(&operator, method, route).await, Door::Open, "{method} {route} for the operator");
        }
    }

    async fn a_key_may_come_in_its_own_header(app: TestApp) {
        let token = app.app_with("check").await.token.unwrap();
        let client = app.client(None).with_header("x-api-key", &token);
        client.get("/api/v1/tiers").await.ok();
        app.client(None).with_header("x-api-key", "vs_x").get("/api/v1/tiers").await.is(401, "unauthorized");
    }

    async fn what_is_no_route_or_method_is_a_problem_as_well(app: TestApp) {
        let client = app.operator();
        client.get("/api/v1/nothing").await.is(404, "not_found");
        client.get("/api/v2/users").await.is(404, "not_found");
        client.delete("/api/v1/check").await.is(405, "method_not_allowed");
        client.patch("/api/openapi.json", serde_json::json!({})).await.is(405, "method_not_allowed");
        assert_eq!(client.get("/api/v1/users/%FF").await.problem().0, 404);
    }
}

/// Where the committed description is.
const SNAPSHOT: &str = "docs/openapi.json";

#[tokio::test]
async fn the_committed_description_is_what_the_program_says() {
    let app = TestApp::new(Backend::Sqlite).await.unwrap();
    let said = app.client(None).get("/api/openapi.json").await;
    assert_eq!(said.header("content-type"), "application/json");
    said.ok();
    let said = format!("{}\n", said.body);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SNAPSHOT);
    if env::var("UPDATE_SNAPSHOTS").is_ok_and(|wanted| wanted == "1") {
        fs::write(&path, &said).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = said.lines().zip(kept.lines()).find(|(said, kept)| said != kept);
    assert!(
        said == kept,
        "{SNAPSHOT} is not what the program says; first difference (now, kept): {differs:?}. Is the change meant? \
         Then renew it: UPDATE_SNAPSHOTS=1 cargo test --features ssr committed_description"
    );
}

/// What every operation of the description has, so that a reader is never left guessing.
#[tokio::test]
async fn every_operation_is_described_in_full() {
    let app = TestApp::new(Backend::Sqlite).await.unwrap();
    let description = description(&app).await;
    let mut ids = BTreeSet::new();
    for (path, method) in routes_of(&description) {
        let operation = &description["paths"][&path][method.to_lowercase()];
        let name = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name} has no summary");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{name} has no tag");
        assert!(ids.insert(operation["operationId"].to_string()), "{name} shares its operationId");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
        for (status, answer) in answers.iter().filter(|(status, _)| !status.starts_with(['2', '3'])) {
            assert!(
                answer["content"]["application/problem+json"]["schema"].is_object(),
                "{name} {status} has no schema"
            );
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name}: {} is not described", parameter["name"]);
        }
    }
}
