//! OpenFeature clients: flags for one user, all at once, and streams that say when to ask again.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use chrono::TimeDelta;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use vouchsafe::{
    domain::{
        api_key::Scope,
        ids::UserId,
        limit::{Cell, Limit},
        matrix::CellChange,
        usage::{Act, OnExceed, UsageCall},
    },
    platform::{clock::Clock, env::Env, keys::Keys, random::Random, server},
    services::{
        api_keys::{self, NewApiKey},
        credits::{self, Grant},
        matrix,
        members::{self, MemberDetails},
        restrictions::{self, NewRestriction},
        usage,
    },
};

use crate::harness::{ADMIN_TOKEN, Backend, TestApp, on_both};

const ALL: &str = "/ofrep/v1/evaluate/flags";
const SITE: &str = "https://app.example.com";

/// A member on the basic tier, whose trial is over.
async fn basic(app: &TestApp, external_id: &str) -> UserId {
    let details = MemberDetails {
        external_id: Some(external_id.to_owned()),
        email: Some(format!("{external_id}@example.com").parse_address()),
        tier: Some("basic".parse().unwrap()),
        ..MemberDetails::default()
    };
    let (user, _) = members::put(&app.env, &details, "operator").await.unwrap();
    app.env.clock.advance(TimeDelta::days(15));
    user.id
}

trait ParseAddress {
    fn parse_address(&self) -> vouchsafe::domain::email::EmailAddress;
}

impl ParseAddress for String {
    fn parse_address(&self) -> vouchsafe::domain::email::EmailAddress {
        vouchsafe::domain::email::EmailAddress::parse(self).unwrap()
    }
}

async fn key(app: &TestApp, scope: Scope, user: Option<UserId>) -> String {
    let expires_at = user.map(|_| app.env.clock.now() + TimeDelta::days(20));
    let new = NewApiKey { name: "test".to_owned(), scopes: [scope].into_iter().collect(), user, expires_at };
    api_keys::create(&app.env, new, "operator").await.unwrap().1
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text))
    }

    fn flag(&self, key: &str) -> Value {
        let answer = self.json();
        let flags = answer["flags"].as_array().unwrap();
        flags.iter().find(|flag| flag["key"] == key).unwrap_or_else(|| panic!("no {key}: {}", self.text)).clone()
    }
}

async fn send(router: &Router, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text }
}

async fn ask(app: &TestApp, key: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {key}");
    send(&app.router, Method::POST, path, &[("authorization", &bearer)], &body.to_string()).await
}

fn context(user: &str) -> Value {
    json!({ "context": { "targetingKey": user, "plan": "anything", "nested": { "a": [1] } } })
}

async fn set_cell(env: &Env, tier: &str, feature: &str, limit: Limit) {
    let (tier, feature) = (tier.parse().unwrap(), feature.parse().unwrap());
    let (_, version) = matrix::read(env).await.unwrap().cell(&tier, &feature);
    let change = CellChange { tier, feature, limit: Cell::Own(limit), version };
    matrix::commit(env, "operator", &[change], "").await.unwrap();
}

async fn consume(env: &Env, user: UserId, feature: &str, amount: i64) {
    let act = Act::Consume { user, feature: feature.parse().unwrap(), amount, on_exceed: OnExceed::Reject };
    usage::call(env, UsageCall { act, actor: "test".to_owned(), api_key: None, idempotency: None }).await.unwrap();
}

async fn restrict(env: &Env, user: UserId, feature: &str, limit: Limit, expires_at: Option<TimeDelta>) {
    let expires_at = expires_at.map(|after| env.clock.now() + after);
    let new = NewRestriction { feature: feature.parse().unwrap(), limit, reason: "test".to_owned(), expires_at };
    restrictions::put(env, user, new, "operator").await.unwrap();
}

on_both! {
    async fn a_feature_is_a_flag_of_its_kind(app: TestApp) {
        let user = basic(&app, "crm-1").await;
        let key = key(&app, Scope::Check, None).await;
        consume(&app.env, user, "ai_calls", 2).await;
        let one = async |feature: &str| ask(&app, &key, &format!("{ALL}/{feature}"), &context("crm-1")).await;

        let answer = one("ai_calls").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json(), json!({
            "key": "ai_calls", "reason": "TARGETING_MATCH", "value": 3, "variant": "limited",
            "metadata": {
                "allowed": true, "reason": "ok", "remaining": 1, "used": 2, "resets_at": "2027-01-01T00:00:00Z",
                "tier": "basic", "source": "own_tier", "decided_by": "tier",
            },
        }));
        assert_eq!(one("export_csv").await.json(), json!({
            "key": "export_csv", "reason": "TARGETING_MATCH", "value": true, "variant": "on",
            "metadata": { "allowed": true, "reason": "ok", "tier": "basic", "source": "own_tier", "decided_by": "tier" },
        }));
        let off = one("ai_pipeline").await.json();
        assert_eq!((&off["value"], &off["variant"], &off["metadata"]["reason"]), (&json!(false), &json!("off"), &json!("feature_off")));
        // Which no client takes for less than it is.
        assert_eq!(one("weight_entries").await.json(), json!({
            "key": "weight_entries", "reason": "TARGETING_MATCH", "value": 9_007_199_254_740_991_i64, "variant": "unlimited",
            "metadata": { "allowed": true, "reason": "ok", "used": 0, "tier": "basic", "source": "own_tier", "decided_by": "tier" },
        }));

        consume(&app.env, user, "ai_calls", 1).await;
        let full = one("ai_calls").await.json();
        assert_eq!((&full["value"], &full["metadata"]["remaining"]), (&json!(3), &json!(0)));
        assert_eq!((&full["metadata"]["allowed"], &full["metadata"]["reason"]), (&json!(false), &json!("limit_reached")));

        restrict(&app.env, user, "ai_calls", Limit::At(0), None).await;
        let shut = one("ai_calls").await.json();
        assert_eq!((&shut["value"], &shut["variant"], &shut["metadata"]["decided_by"]), (&json!(0), &json!("off"), &json!("restriction")));
        restrict(&app.env, user, "ai_calls", Limit::Unlimited, None).await;
        assert_eq!(one("ai_calls").await.json()["variant"], "unlimited");
    }

    async fn the_reason_tells_where_the_value_is_from(app: TestApp) {
        let user = basic(&app, "crm-1").await;
        let key = key(&app, Scope::Check, None).await;
        let one = async |feature: &str| ask(&app, &key, &format!("{ALL}/{feature}"), &context("crm-1")).await.json();
        let mut feature = vouchsafe::services::catalogue::current(&app.env).await.unwrap()
            .feature_named("export_csv").unwrap().clone();
        // Nothing says anything about a new feature, so its default counts.
        feature.id = "beta".parse().unwrap();
        feature.default_limit = Limit::At(1);
        vouchsafe::services::catalogue::put_feature(&app.env, "operator", &feature).await.unwrap();
        let flag = one("beta").await;
        assert_eq!((&flag["value"], &flag["reason"], &flag["metadata"]["decided_by"]), (&json!(true), &json!("STATIC"), &json!("default")));
        feature.active = false;
        vouchsafe::services::catalogue::put_feature(&app.env, "operator", &feature).await.unwrap();
        let flag = one("beta").await;
        assert_eq!((&flag["value"], &flag["reason"], &flag["metadata"]["reason"]), (&json!(false), &json!("DISABLED"), &json!("feature_inactive")));
        assert_eq!(one("export_csv").await["reason"], "TARGETING_MATCH");

        members::set_disabled(&app.env, user, true, "operator").await.unwrap();
        for (feature, value) in [("export_csv", json!(false)), ("weight_entries", json!(0)), ("ai_calls", json!(0))] {
            let flag = one(feature).await;
            assert_eq!((&flag["value"], &flag["variant"], &flag["metadata"]["reason"]), (&value, &json!("off"), &json!("user_disabled")));
        }
    }

    async fn all_flags_come_at_once_and_only_when_they_have_changed(app: TestApp) {
        let user = basic(&app, "crm-1").await;
        let key = key(&app, Scope::Check, None).await;
        let first = ask(&app, &key, ALL, &context("crm-1")).await;
        assert_eq!(first.status, 200, "{}", first.text);
        let answer = first.json();
        let flags = answer["flags"].as_array().unwrap();
        assert_eq!(flags.len(), 11);
        for flag in flags {
            // What comes at once is what comes one by one.
            let path = format!("{ALL}/{}", flag["key"].as_str().unwrap());
            assert_eq!(ask(&app, &key, &path, &context("crm-1")).await.json(), *flag);
            for value in flag["metadata"].as_object().unwrap().values() {
                assert!(value.is_boolean() || value.is_string() || value.is_number(), "{flag}");
            }
        }
        let stream = &answer["eventStreams"][0];
        assert_eq!((&stream["type"], &stream["inactivityDelaySec"]), (&json!("sse"), &json!(120)));
        assert!(stream["url"].as_str().unwrap().starts_with("http://127.0.0.1:3000/ofrep/v1/events/"), "{stream}");

        let etag = first.headers["etag"].to_str().unwrap().to_owned();
        assert!(etag.len() > 10 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let bearer = format!("Bearer {key}");
        let again = async |tag: &str, query: &str| {
            let headers = [("authorization", bearer.as_str()), ("if-none-match", tag)];
            let headers = if tag.is_empty() { &headers[..1] } else { &headers[..] };
            send(&app.router, Method::POST, &format!("{ALL}{query}"), headers, &context("crm-1").to_string()).await
        };
        // Quoted, bare, weak, in a list, and for a user who is named in another way.
        for tag in [etag.clone(), etag.replace('"', ""), format!("W/{etag}"), format!("\"a\", {etag}")] {
            let same = again(&tag, "").await;
            assert_eq!((same.status, same.text.as_str()), (304, ""), "{tag}");
            assert_eq!(same.headers["etag"], etag.as_str());
        }
        assert_eq!(again("\"another\"", "").await.status, 200);
        let by_email = ask(&app, &key, ALL, &context("crm-1@example.com")).await;
        assert_eq!(by_email.headers["etag"], etag.as_str());
        // Whoever was told to ask again by an event has seen nothing yet.
        let mark = stream["url"].as_str().unwrap().rsplit_once("since=").unwrap().1;
        assert_eq!(again("", &format!("?flagConfigEtag={mark}")).await.status, 200);
        assert_eq!(again("", "?flagConfigEtag=%22unknown%22&flagConfigLastModified=1771622898").await.status, 200);
        assert_eq!(again(&etag, &format!("?flagConfigEtag={mark}")).await.status, 304);
        assert_eq!(again("", &format!("?flagConfigEtag={}", etag.replace('"', "%22"))).await.status, 304);

        consume(&app.env, user, "ai_calls", 1).await;
        let used = again(&etag, "").await;
        assert_eq!((used.status, &used.flag("ai_calls")["metadata"]["remaining"]), (200, &json!(2)));
        let used = used.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(again(&used, "").await.status, 304);
        // In the next month it starts again, although nobody has changed anything.
        app.env.clock.advance(TimeDelta::days(31));
        let next = again(&used, "").await;
        assert_eq!((next.status, &next.flag("ai_calls")["metadata"]["remaining"]), (200, &json!(3)));
    }

    async fn what_ends_by_itself_ends_in_answers_that_were_kept(app: TestApp) {
        let user = basic(&app, "crm-1").await;
        let key = key(&app, Scope::Check, None).await;
        let grant = |days| Grant { days, key: None, note: None, actor: "operator" };
        credits::grant(&app.env, user, &grant(1)).await.unwrap();
        assert_eq!(ask(&app, &key, ALL, &context("crm-1")).await.flag("ai_pipeline")["value"], true);
        // Within the second for which it is remembered.
        app.env.clock.advance(TimeDelta::days(1) - TimeDelta::milliseconds(100));
        let last = ask(&app, &key, ALL, &context("crm-1")).await.flag("ai_pipeline");
        assert_eq!((&last["value"], &last["metadata"]["source"]), (&json!(true), &json!("credit")));
        app.env.clock.advance(TimeDelta::milliseconds(100));
        let over = ask(&app, &key, ALL, &context("crm-1")).await.flag("ai_pipeline");
        assert_eq!((&over["value"], &over["metadata"]["source"]), (&json!(false), &json!("own_tier")));
    }

    async fn somebody_unknown_gets_flags_that_are_off(app: TestApp) {
        let key = key(&app, Scope::Check, None).await;
        let all = ask(&app, &key, ALL, &context("anonymous-7")).await;
        assert_eq!(all.status, 200, "{}", all.text);
        let answer = all.json();
        assert_eq!(answer["flags"].as_array().unwrap().len(), 11);
        assert!(answer.get("eventStreams").is_none());
        assert_eq!(all.flag("export_csv"), json!({
            "key": "export_csv", "value": false, "variant": "off", "reason": "UNKNOWN",
            "metadata": { "allowed": false, "reason": "user_unknown" },
        }));
        assert_eq!(all.flag("ai_calls"), json!({
            "key": "ai_calls", "value": 0, "variant": "off", "reason": "UNKNOWN",
            "metadata": { "allowed": false, "reason": "user_unknown", "remaining": 0, "used": 0 },
        }));
        let one = ask(&app, &key, &format!("{ALL}/ai_calls"), &context("anonymous-7")).await;
        assert_eq!(one.json(), all.flag("ai_calls"));
        assert_eq!(ask(&app, &key, &format!("{ALL}/nothing"), &context("anonymous-7")).await.status, 404);
    }

    async fn every_error_has_its_code(app: TestApp) {
        basic(&app, "crm-1").await;
        let key = key(&app, Scope::Check, None).await;
        let bearer = format!("Bearer {key}");
        let long = json!({ "context": { "targetingKey": "crm-1", "more": "x".repeat(17_000) } }).to_string();
        for (body, code) in [
            ("", "PARSE_ERROR"),
            ("{", "PARSE_ERROR"),
            ("[]", "PARSE_ERROR"),
            ("7", "PARSE_ERROR"),
            (long.as_str(), "PARSE_ERROR"),
            ("{}", "INVALID_CONTEXT"),
            (r#"{"context":null}"#, "INVALID_CONTEXT"),
            (r#"{"context":"crm-1"}"#, "INVALID_CONTEXT"),
            (r#"{"context":{"targetingKey":7}}"#, "INVALID_CONTEXT"),
            (r#"{"context":{}}"#, "TARGETING_KEY_MISSING"),
            (r#"{"context":{"targetingKey":""}}"#, "TARGETING_KEY_MISSING"),
            (r#"{"context":{"targetingKey":null}}"#, "TARGETING_KEY_MISSING"),
        ] {
            let all = send(&app.router, Method::POST, ALL, &[("authorization", &bearer)], body).await;
            assert_eq!((all.status, &all.json()["errorCode"]), (400, &json!(code)), "{body}");
            assert!(all.json().get("key").is_none());
            let one = send(&app.router, Method::POST, &format!("{ALL}/photos"), &[("authorization", &bearer)], body).await;
            let answer = one.json();
            assert_eq!((one.status, &answer["errorCode"], &answer["key"]), (400, &json!(code), &json!("photos")), "{body}");
            assert!(answer["errorDetails"].is_string());
        }
        for name in ["nothing", "PHOTOS", "a%20b", "%00", "%F0%9F%98%80", "..%2Fphotos"] {
            let missing = ask(&app, &key, &format!("{ALL}/{name}"), &context("crm-1")).await;
            assert_eq!((missing.status, &missing.json()["errorCode"]), (404, &json!("FLAG_NOT_FOUND")), "{name}");
            assert!(missing.json()["key"].is_string());
        }
        assert_eq!(ask(&app, &key, &format!("{ALL}/%FF"), &context("crm-1")).await.status, 404);
        for path in ["/ofrep/v1/configuration", "/ofrep/v2/evaluate/flags"] {
            assert_eq!(ask(&app, &key, path, &context("crm-1")).await.status, 404, "{path}");
        }
        for method in [Method::GET, Method::PUT] {
            assert_eq!(send(&app.router, method, ALL, &[("authorization", &bearer)], "{}").await.status, 405);
        }
    }

    async fn only_good_keys_may_ask_and_bound_ones_only_about_their_user(app: TestApp) {
        let user = basic(&app, "crm-1").await;
        basic(&app, "crm-2").await;
        let (server, bound) = (key(&app, Scope::Check, None).await, key(&app, Scope::Check, Some(user)).await);
        let send = async |headers: &[(&str, &str)], user: &str| {
            let all = send(&app.router, Method::POST, ALL, headers, &context(user).to_string()).await;
            let one = send(&app.router, Method::POST, &format!("{ALL}/photos"), headers, &context(user).to_string()).await;
            assert_eq!(all.status, one.status);
            assert!(all.status == 200 || (all.text.is_empty() && one.text.is_empty()), "{} {}", all.text, one.text);
            all.status
        };
        let bearer = |key: &str| format!("Bearer {key}");
        let (by_server, by_bound) = (bearer(&server), bearer(&bound));
        assert_eq!(send(&[("authorization", &by_server)], "crm-1").await, 200);
        assert_eq!(send(&[("x-api-key", &server)], "crm-1").await, 200);
        assert_eq!(send(&[("authorization", &bearer(ADMIN_TOKEN))], "crm-1").await, 200);
        assert_eq!(send(&[("authorization", &by_bound)], "crm-1").await, 200);
        assert_eq!(send(&[("x-api-key", &bound)], "crm-1@example.com").await, 200);
        // The same for one that there is and one that there is not.
        assert_eq!(send(&[("authorization", &by_bound)], "crm-2").await, 403);
        assert_eq!(send(&[("authorization", &by_bound)], "crm-3").await, 403);
        assert_eq!(send(&[], "crm-1").await, 401);
        assert_eq!(send(&[("authorization", "Basic YTpi")], "crm-1").await, 401);
        assert_eq!(send(&[("authorization", "Bearer vs_nothing")], "crm-1").await, 401);
        assert_eq!(send(&[("x-api-key", "vs_nothing")], "crm-1").await, 401);
        // A browser in which a server's key lies is refused, so that somebody notices.
        assert_eq!(send(&[("authorization", &by_server), ("origin", SITE)], "crm-1").await, 403);
        assert_eq!(send(&[("authorization", &by_bound), ("origin", SITE)], "crm-1").await, 200);
        app.env.clock.advance(TimeDelta::days(21));
        assert_eq!(send(&[("authorization", &by_bound)], "crm-1").await, 401, "it has ended");
    }
}

async fn on_sqlite(variables: &[(&str, &str)]) -> TestApp {
    TestApp::with(Backend::Sqlite, variables).await.unwrap()
}

#[tokio::test]
async fn browsers_may_ask_from_the_sites_that_were_named_and_no_others() {
    let app = on_sqlite(&[("VOUCHSAFE_OFREP_ORIGINS", "https://app.example.com, http://localhost:8080")]).await;
    let user = basic(&app, "crm-1").await;
    let bearer = format!("Bearer {}", key(&app, Scope::Check, Some(user)).await);
    let events = {
        let answer =
            send(&app.router, Method::POST, ALL, &[("authorization", &bearer)], &context("crm-1").to_string()).await;
        let url = answer.json()["eventStreams"][0]["url"].as_str().unwrap().to_owned();
        url.strip_prefix("http://127.0.0.1:3000").unwrap().to_owned()
    };
    for origin in [SITE, "http://localhost:8080"] {
        for path in [ALL, "/ofrep/v1/evaluate/flags/photos", &events] {
            let asks = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "authorization,content-type,if-none-match"),
                ("sec-fetch-site", "cross-site"),
            ];
            let answer = send(&app.router, Method::OPTIONS, path, &asks, "").await;
            assert_eq!(answer.status, 204, "{path}");
            assert_eq!(answer.headers["access-control-allow-origin"], origin);
            assert_eq!(answer.headers["access-control-allow-methods"], "GET, POST");
            let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap().to_ascii_lowercase();
            for name in ["authorization", "content-type", "if-none-match", "x-api-key"] {
                assert!(allowed.split(", ").any(|other| other == name), "{name}: {allowed}");
            }
            assert_eq!(answer.headers["vary"], "Origin");
            assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        }
        let headers = [("origin", origin), ("authorization", bearer.as_str()), ("sec-fetch-site", "cross-site")];
        for (path, body, status) in [
            (ALL, context("crm-1"), 200),
            ("/ofrep/v1/evaluate/flags/nothing", context("crm-1"), 404),
            (ALL, context("crm-2"), 403),
            (ALL, json!({}), 400),
        ] {
            let answer = send(&app.router, Method::POST, path, &headers, &body.to_string()).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.headers["access-control-allow-origin"], origin);
            assert_eq!(answer.headers["access-control-expose-headers"], "ETag, Retry-After");
        }
    }
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"] {
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = send(&app.router, Method::OPTIONS, ALL, &asks, "").await;
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{origin}");
        let headers = [("origin", origin), ("authorization", bearer.as_str())];
        let answer = send(&app.router, Method::POST, ALL, &headers, &context("crm-1").to_string()).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
    // Only here: the rest of the API is for servers.
    let asks = [("origin", SITE), ("access-control-request-method", "POST")];
    let answer = send(&app.router, Method::OPTIONS, "/api/v1/check", &asks, "").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

/// A stream that is open, and what has come.
struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    async fn open(router: &Router, url: &str, headers: &[(&str, &str)]) -> Result<Self, StatusCode> {
        let path = url.strip_prefix("http://127.0.0.1:3000").unwrap_or(url);
        let request = Request::builder().uri(path).header(header::ACCEPT, "text/event-stream");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut stream = Self { body: response.into_body(), text: String::new() };
        assert!(stream.more().await.unwrap().starts_with("retry: "), "{}", stream.text);
        Ok(stream)
    }

    /// Returns what comes next; nothing when the stream has ended.
    async fn more(&mut self) -> Option<String> {
        let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame()).await.expect("something comes");
        let text = String::from_utf8(frame?.unwrap().into_data().unwrap().to_vec()).unwrap();
        self.text.push_str(&text);
        Some(text)
    }

    /// Waits for an event, and returns its id.
    async fn event(&mut self) -> String {
        let mut text = self.more().await.expect("the stream is open");
        while text == ":\n\n" {
            text = self.more().await.expect("the stream is open");
        }
        let id = text.strip_prefix("id: ").unwrap_or_else(|| panic!("no event: {text:?}"));
        let (id, rest) = id.split_once('\n').unwrap();
        let data = rest.strip_prefix("event: message\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data, json!({ "type": "refetchEvaluation", "etag": format!("\"{id}\"") }));
        id.to_owned()
    }

    /// Fails if something has come, after all that could come had the time to.
    async fn silence(&mut self) {
        let frame = tokio::time::timeout(Duration::from_millis(150), self.body.frame()).await;
        assert!(frame.is_err(), "{frame:?}");
    }
}

async fn stream_url(app: &TestApp, key: &str, user: &str) -> String {
    let answer = ask(app, key, ALL, &context(user)).await;
    answer.json()["eventStreams"][0]["url"].as_str().unwrap().to_owned()
}

on_both! {
    async fn a_stream_tells_of_changes_to_the_user_and_to_the_matrix(app: TestApp) {
        let ann = basic(&app, "ann").await;
        let bob = basic(&app, "bob").await;
        let key = key(&app, Scope::Check, None).await;
        let mut stream = Stream::open(&app.router, &stream_url(&app, &key, "ann").await, &[]).await.unwrap();
        stream.silence().await;

        set_cell(&app.env, "premium", "ai_calls", Limit::At(9)).await;
        stream.event().await;
        restrict(&app.env, ann, "ai_calls", Limit::At(1), None).await;
        let restricted = stream.event().await;
        let flag = ask(&app, &key, &format!("{ALL}?flagConfigEtag={restricted}"), &context("ann")).await.flag("ai_calls");
        assert_eq!(flag["value"], 1);
        members::set_disabled(&app.env, ann, true, "operator").await.unwrap();
        stream.event().await;
        // What is used changes with every call; clients that show it ask by themselves.
        members::set_disabled(&app.env, ann, false, "operator").await.unwrap();
        assert_eq!(stream.event().await, restricted, "it is again as it was");
        consume(&app.env, ann, "ai_calls", 1).await;
        restrict(&app.env, bob, "ai_calls", Limit::At(1), None).await;
        members::set_lang(&app.env, ann, vouchsafe::domain::lang::Lang::De).await.unwrap();
        stream.silence().await;
    }

    async fn a_stream_tells_of_what_another_process_changed(app: TestApp) {
        let ann = basic(&app, "ann").await;
        let key = key(&app, Scope::Check, None).await;
        let other = Env::new(
            app.env.db.clone(),
            // Whose clock is wrong.
            Clock::manual(app.env.clock.now() - TimeDelta::hours(1)),
            Random::seeded(99),
            Keys::from_secret("the secret of tests, which nobody else has"),
            app.env.config.as_ref().clone(),
        );
        let mut stream = Stream::open(&app.router, &stream_url(&app, &key, "ann").await, &[]).await.unwrap();
        restrict(&other, ann, "ai_calls", Limit::At(1), None).await;
        let mark = stream.event().await;
        // The event may come before this process has forgotten what it knew.
        let flag = ask(&app, &key, &format!("{ALL}?flagConfigEtag=%22{mark}%22"), &context("ann")).await.flag("ai_calls");
        assert_eq!(flag["value"], 1);
        set_cell(&other, "basic", "photos", Limit::At(77)).await;
        let mark = stream.event().await;
        let flag = ask(&app, &key, &format!("{ALL}?flagConfigEtag=%22{mark}%22"), &context("ann")).await.flag("photos");
        assert_eq!(flag["value"], 77);
        // An address that one node made is good at the other.
        let url = stream_url(&app, &key, "ann").await;
        let elsewhere = server::router(other).unwrap();
        Stream::open(&elsewhere, &url, &[]).await.unwrap();
    }

    async fn a_node_that_has_not_heard_of_a_change_reads_again_when_a_client_has(app: TestApp) {
        let ann = basic(&app, "ann").await;
        let key = key(&app, Scope::Check, None).await;
        let other = Env::new(
            app.env.db.clone(),
            app.env.clock.clone(),
            Random::seeded(99),
            Keys::from_secret("the secret of tests, which nobody else has"),
            app.env.config.as_ref().clone(),
        );
        assert_eq!(ask(&app, &key, ALL, &context("ann")).await.flag("ai_calls")["value"], 3);
        restrict(&other, ann, "ai_calls", Limit::At(1), None).await;
        set_cell(&other, "basic", "photos", Limit::At(77)).await;
        // Within the second for which it remembers.
        assert_eq!(ask(&app, &key, ALL, &context("ann")).await.flag("ai_calls")["value"], 3);
        let fresh = ask(&app, &key, &format!("{ALL}?flagConfigEtag=%22news%22"), &context("ann")).await;
        assert_eq!((&fresh.flag("ai_calls")["value"], &fresh.flag("photos")["value"]), (&json!(1), &json!(77)));
        assert_eq!(ask(&app, &key, ALL, &context("ann")).await.flag("ai_calls")["value"], 1, "and remembers that");
    }

    async fn whoever_missed_something_hears_of_it_at_once(app: TestApp) {
        let ann = basic(&app, "ann").await;
        let key = key(&app, Scope::Check, None).await;
        let url = stream_url(&app, &key, "ann").await;
        // Between the answer and the stream.
        restrict(&app.env, ann, "ai_calls", Limit::At(1), None).await;
        let mut stream = Stream::open(&app.router, &url, &[]).await.unwrap();
        let seen = stream.event().await;
        drop(stream);
        // Cut off and back, with what was seen last: nothing is new, then something is.
        let mut stream = Stream::open(&app.router, &url, &[("last-event-id", &seen)]).await.unwrap();
        stream.silence().await;
        drop(stream);
        restrict(&app.env, ann, "ai_calls", Limit::At(2), None).await;
        let mut stream = Stream::open(&app.router, &url, &[("last-event-id", &seen)]).await.unwrap();
        assert_ne!(stream.event().await, seen);
    }
}

#[tokio::test]
async fn what_ends_by_itself_is_told_without_a_change() {
    let app = on_sqlite(&[]).await;
    let ann = basic(&app, "ann").await;
    let key = key(&app, Scope::Check, None).await;
    let end = app.env.clock.now() + TimeDelta::milliseconds(300);
    restrict(&app.env, ann, "ai_calls", Limit::At(1), Some(TimeDelta::milliseconds(300))).await;
    let mut stream = Stream::open(&app.router, &stream_url(&app, &key, "ann").await, &[]).await.unwrap();
    stream.silence().await;
    // Its time has come when the stream, which waits for it, looks at the clock.
    app.env.clock.advance(end - app.env.clock.now());
    stream.event().await;
    assert_eq!(ask(&app, &key, ALL, &context("ann")).await.flag("ai_calls")["value"], 3);

    let year = "2026-12-31T23:59:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    app.env.clock.advance(year - app.env.clock.now());
    let mut stream = Stream::open(&app.router, &stream_url(&app, &key, "ann").await, &[]).await.unwrap();
    app.env.clock.advance(TimeDelta::minutes(1));
    // So long it does not wait here; a change that is none makes it look.
    app.env.access_changed(ann);
    stream.event().await;
}

#[tokio::test]
async fn an_address_of_a_stream_is_good_for_its_user_and_for_some_hours() {
    let app = on_sqlite(&[]).await;
    let ann = basic(&app, "ann").await;
    let bob = basic(&app, "bob").await;
    let key = key(&app, Scope::Check, None).await;
    let url = stream_url(&app, &key, "ann").await;
    let others = stream_url(&app, &key, "bob").await;
    assert_ne!(url, others);
    let (token, others) = (token(&url), token(&others));
    assert_eq!(token.len(), 48);
    let with = |token: &str| format!("/ofrep/v1/events/{token}");
    Stream::open(&app.router, &with(&token), &[]).await.unwrap();
    let mixed = format!("{}{}", &others[..24], &token[24..]);
    let mut flipped = token.clone().into_bytes();
    flipped[40] = if flipped[40] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    for bad in ["x", "", &mixed, &flipped, &token[..47], &format!("{token}A"), "%FF", &"A".repeat(48)] {
        let status = Stream::open(&app.router, &with(bad), &[]).await.err();
        assert!(matches!(status.map(|status| status.as_u16()), Some(403 | 404)), "{bad}: {status:?}");
    }
    let mut stream = Stream::open(&app.router, &url, &[]).await.unwrap();
    let before = ask(&app, &key, ALL, &context("ann")).await.headers["etag"].clone();
    app.env.clock.advance(TimeDelta::hours(24));
    assert_eq!(Stream::open(&app.router, &url, &[]).await.err(), Some(StatusCode::FORBIDDEN));
    // A client that is told 304 keeps an old address, so an answer with a new one is another answer.
    assert_ne!(ask(&app, &key, ALL, &context("ann")).await.headers["etag"], before);
    Stream::open(&app.router, &stream_url(&app, &key, "ann").await, &[]).await.unwrap();
    // The open one ends when it looks at the clock again.
    app.env.access_changed(ann);
    assert_eq!(stream.more().await, None);
    let _ = bob;
}

fn token(url: &str) -> String {
    url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn streams_are_counted_and_give_their_place_back() {
    let app = on_sqlite(&[("VOUCHSAFE_OFREP_STREAMS", "12")]).await;
    let ann = basic(&app, "ann").await;
    basic(&app, "bob").await;
    let key = key(&app, Scope::Check, None).await;
    let (anns, bobs) = (stream_url(&app, &key, "ann").await, stream_url(&app, &key, "bob").await);
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(Stream::open(&app.router, &anns, &[]).await.unwrap());
    }
    assert_eq!(Stream::open(&app.router, &anns, &[]).await.err(), Some(StatusCode::TOO_MANY_REQUESTS), "for one user");
    for _ in 0..2 {
        open.push(Stream::open(&app.router, &bobs, &[]).await.unwrap());
    }
    assert_eq!(Stream::open(&app.router, &bobs, &[]).await.err(), Some(StatusCode::TOO_MANY_REQUESTS), "in all");
    let listeners = app.env.memory.listeners();
    assert_eq!(listeners, 12);
    // One that nobody reads holds nothing up, and ends with its connection.
    for number in 0..50 {
        restrict(&app.env, ann, "ai_calls", Limit::At(number), None).await;
    }
    open.clear();
    tokio::time::timeout(Duration::from_secs(20), async {
        while app.env.memory.listeners() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("all are gone");
    let mut stream = Stream::open(&app.router, &anns, &[]).await.unwrap();
    stream.event().await;
    // And with the process.
    app.env.stop();
    assert_eq!(stream.more().await, None);
}

#[tokio::test]
async fn without_streams_no_address_is_given() {
    let app = on_sqlite(&[("VOUCHSAFE_OFREP_STREAMS", "0")]).await;
    basic(&app, "ann").await;
    let key = key(&app, Scope::Check, None).await;
    assert!(ask(&app, &key, ALL, &context("ann")).await.json().get("eventStreams").is_none());
}
