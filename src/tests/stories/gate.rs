//! Forward-auth: what a proxy is told about a request that it holds back.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use chrono::TimeDelta;
use serde_json::Value;
use vouchsafe::{
    domain::{
        api_key::Scope,
        email::EmailAddress,
        ids::UserId,
        limit::{Cell, Limit},
        matrix::CellChange,
    },
    services::{
        api_keys::{self, NewApiKey},
        entitlements, matrix,
        members::{self, MemberDetails},
    },
};

use crate::harness::{ADMIN_TOKEN, Backend, Browser, Page, TestApp, on_both};

/// Asks as a proxy does, with what it got from this browser.
async fn ask(browser: &mut Browser, query: &str, headers: &[(&str, &str)]) -> Page {
    ask_by(browser, Method::GET, query, headers).await
}

async fn ask_by(browser: &mut Browser, method: Method, query: &str, headers: &[(&str, &str)]) -> Page {
    let mut request = browser.request(method, &format!("/gate{query}"));
    let own = request.headers_mut().unwrap();
    for (name, value) in headers {
        own.insert(axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    browser.send(request.body(Body::empty()).unwrap()).await
}

/// Accepts no pages, so it is not redirected.
const PROGRAM: (&str, &str) = ("accept", "application/json");

fn header<'a>(page: &'a Page, name: &str) -> &'a str {
    page.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn reason(page: &Page) -> (u16, &str) {
    (page.status.as_u16(), header(page, "x-vouchsafe-reason"))
}

async fn id_of(app: &TestApp, email: &str) -> UserId {
    members::find(&app.env, email).await.unwrap().unwrap().id
}

async fn used(app: &TestApp, email: &str, feature: &str) -> i64 {
    entitlements::decide(&app.env, email, &feature.parse().unwrap(), 1).await.unwrap().used
}

/// Signs somebody in whose trial is over, on this tier.
async fn member(app: &TestApp, email: &str, tier: &str) -> Browser {
    let details = MemberDetails {
        email: Some(EmailAddress::parse(email).unwrap()),
        tier: Some(tier.parse().unwrap()),
        email_verified: Some(true),
        ..MemberDetails::default()
    };
    members::put(&app.env, &details, "operator").await.unwrap();
    app.env.clock.advance(TimeDelta::days(15));
    app.signed_in(email).await
}

async fn key(app: &TestApp, scope: Scope, user: Option<UserId>) -> String {
    let expires_at = user.map(|_| app.env.clock.now() + TimeDelta::days(1));
    let new = NewApiKey { name: "test".to_owned(), scopes: [scope].into_iter().collect(), user, expires_at };
    api_keys::create(&app.env, new, "operator").await.unwrap().1
}

async fn set_cell(app: &TestApp, tier: &str, feature: &str, limit: Limit) {
    let (tier, feature) = (tier.parse().unwrap(), feature.parse().unwrap());
    let (_, version) = matrix::read(&app.env).await.unwrap().cell(&tier, &feature);
    let change = CellChange { tier, feature, limit: Cell::Own(limit), version };
    matrix::commit(&app.env, "operator", &[change], "").await.unwrap();
}

on_both! {
    async fn the_gate_tells_who_is_coming(app: TestApp) {
        let mut stranger = app.browser();
        let shut = ask(&mut stranger, "", &[PROGRAM]).await;
        assert_eq!(reason(&shut), (401, "unauthorized"));
        assert_eq!(header(&shut, "content-type"), "application/problem+json");
        assert_eq!(header(&shut, "x-vouchsafe-location"), "http://127.0.0.1:3000/login");

        let mut ann = member(&app, "ann@example.com", "basic").await;
        let open = ask(&mut ann, "", &[PROGRAM]).await;
        assert_eq!((open.status, open.body.as_str()), (StatusCode::OK, ""));
        assert_eq!(header(&open, "x-vouchsafe-user"), id_of(&app, "ann@example.com").await.to_string());
        assert_eq!(header(&open, "x-vouchsafe-email"), "ann@example.com");
        assert_eq!(header(&open, "x-vouchsafe-tier"), "basic");
        assert_eq!(header(&open, "cache-control"), "no-store");
        assert!(!open.headers.contains_key("x-vouchsafe-remaining"));

        // What a switch has left is no number, and neither is no limit.
        for (query, remaining) in [("?feature=ai_calls", "3"), ("?feature=export_csv", ""), ("?feature=weight_entries", "")] {
            let open = ask(&mut ann, query, &[PROGRAM]).await;
            assert_eq!((open.status.as_u16(), header(&open, "x-vouchsafe-remaining")), (200, remaining), "{query}");
        }
        let shut = ask(&mut ann, "?feature=ai_pipeline", &[PROGRAM]).await;
        assert_eq!(reason(&shut), (402, "feature_off"));
        assert_eq!(header(&shut, "x-vouchsafe-location"), "http://127.0.0.1:3000/pricing");
        let decision = serde_json::from_str::<Value>(&shut.body).unwrap()["decision"].clone();
        assert_eq!((&decision["feature"], &decision["upgrade"]["tier"]), (&"ai_pipeline".into(), &"premium".into()));
        assert!(!shut.headers.contains_key("x-vouchsafe-user"));
        assert_eq!(reason(&ask(&mut ann, "?feature=ai_calls&amount=4", &[PROGRAM]).await), (402, "limit_reached"));
        assert_eq!(ask(&mut ann, "?feature=ai_calls&amount=3", &[PROGRAM]).await.status, 200);
    }

    async fn only_the_paying_pass_where_it_says_so(app: TestApp) {
        let mut free = member(&app, "free@example.com", "free").await;
        assert_eq!(ask(&mut free, "", &[PROGRAM]).await.status, 200);
        assert_eq!(ask(&mut free, "?paid=0", &[PROGRAM]).await.status, 200);
        assert_eq!(reason(&ask(&mut free, "?paid=1", &[PROGRAM]).await), (402, "payment_required"));
        assert_eq!(reason(&ask(&mut free, "?paid=1&feature=photos", &[PROGRAM]).await), (402, "payment_required"));
        let mut paid = member(&app, "paid@example.com", "premium").await;
        assert_eq!(ask(&mut paid, "?paid=1&feature=ai_pipeline", &[PROGRAM]).await.status, 200);
        let mut operator = app.browser().with_header("authorization", &format!("Bearer {ADMIN_TOKEN}"));
        let open = ask(&mut operator, "?paid=1&feature=ai_calls&consume=1", &[PROGRAM]).await;
        assert_eq!(open.status, 200);
        assert!(!open.headers.contains_key("x-vouchsafe-user"));
    }

    async fn what_passes_is_counted_up_to_the_limit(app: TestApp) {
        let mut ann = member(&app, "ann@example.com", "basic").await;
        for left in ["2", "1", "0"] {
            let open = ask(&mut ann, "?feature=ai_calls&consume=1", &[PROGRAM]).await;
            assert_eq!((open.status.as_u16(), header(&open, "x-vouchsafe-remaining")), (200, left));
        }
        let shut = ask(&mut ann, "?feature=ai_calls&consume=1", &[PROGRAM]).await;
        assert_eq!(reason(&shut), (402, "limit_reached"));
        // To the first of December.
        assert!(header(&shut, "retry-after").parse::<i64>().unwrap() > 0);
        assert_eq!(used(&app, "ann@example.com", "ai_calls").await, 3);

        for (query, counted) in [("consume=7", 7), ("consume=true", 1), ("consume=1&amount=4", 4), ("consume=0", 0), ("amount=9", 0)] {
            let before = used(&app, "ann@example.com", "weight_entries").await;
            assert_eq!(ask(&mut ann, &format!("?feature=weight_entries&{query}"), &[PROGRAM]).await.status, 200, "{query}");
            assert_eq!(used(&app, "ann@example.com", "weight_entries").await - before, counted, "{query}");
        }
        // A switch is not counted, and still opens or does not.
        assert_eq!(ask(&mut ann, "?feature=export_csv&consume=1", &[PROGRAM]).await.status, 200);
        assert_eq!(reason(&ask(&mut ann, "?feature=ai_pipeline&consume=1", &[PROGRAM]).await), (402, "feature_off"));
    }

    async fn a_request_that_is_asked_about_twice_is_counted_once(app: TestApp) {
        let mut ann = member(&app, "ann@example.com", "basic").await;
        for _ in 0..3 {
            let open = ask(&mut ann, "?feature=ai_calls&consume=1&request=4f2a", &[PROGRAM]).await;
            assert_eq!((open.status.as_u16(), header(&open, "x-vouchsafe-remaining")), (200, "2"));
        }
        // A client cannot name its own.
        let names = [PROGRAM, ("idempotency-key", "4f2a"), ("x-request-id", "4f2a")];
        let open = ask(&mut ann, "?feature=ai_calls&consume=1&request=4f2b", &names).await;
        assert_eq!(header(&open, "x-vouchsafe-remaining"), "1");
        let other = ask(&mut ann, "?feature=ai_calls&consume=2&request=4f2b", &names).await;
        assert_eq!(other.status, 422);
        // For another member it is another request; and without a name each is one.
        let mut bob = member(&app, "bob@example.com", "basic").await;
        assert_eq!(header(&ask(&mut bob, "?feature=ai_calls&consume=1&request=4f2a", &[PROGRAM]).await, "x-vouchsafe-remaining"), "2");
        assert_eq!(header(&ask(&mut bob, "?feature=ai_calls&consume=1&request=", &[PROGRAM]).await, "x-vouchsafe-remaining"), "1");
        assert_eq!(header(&ask(&mut bob, "?feature=ai_calls&consume=1&request=", &[PROGRAM]).await, "x-vouchsafe-remaining"), "0");
    }

    async fn keys_open_for_their_user(app: TestApp) {
        member(&app, "ann@example.com", "basic").await;
        let ann = id_of(&app, "ann@example.com").await;
        let (checks, counts) = (key(&app, Scope::Check, Some(ann)).await, key(&app, Scope::Consume, Some(ann)).await);
        let server = key(&app, Scope::Consume, None).await;
        let by = |token: &str| app.browser().with_header("authorization", &format!("Bearer {token}"));
        let open = ask(&mut by(&checks), "?feature=ai_calls", &[]).await;
        assert_eq!((open.status.as_u16(), header(&open, "x-vouchsafe-user")), (200, ann.to_string().as_str()));
        assert_eq!(reason(&ask(&mut by(&checks), "?feature=ai_calls&consume=1", &[]).await), (403, "scope_missing"));
        assert_eq!(header(&ask(&mut by(&counts), "?feature=ai_calls&consume=1", &[]).await, "x-vouchsafe-remaining"), "2");
        let mut other_header = app.browser().with_header("x-api-key", &counts);
        assert_eq!(header(&ask(&mut other_header, "?feature=ai_calls&consume=1", &[]).await, "x-vouchsafe-remaining"), "1");
        assert_eq!(reason(&ask(&mut by(&server), "?feature=ai_calls", &[]).await), (403, "key_not_bound"));
        // Whoever sends a key does not look at pages.
        assert_eq!(reason(&ask(&mut by("vs_nothing"), "?feature=ai_calls", &[]).await), (401, "unauthorized"));
        // A token for the site behind the gate says nothing to us, and the cookie still counts.
        assert_eq!(reason(&ask(&mut by("eyJhbGciOi"), "", &[PROGRAM]).await), (401, "unauthorized"));
        let mut both = app.signed_in("ann@example.com").await.with_header("authorization", "Bearer eyJhbGciOi");
        assert_eq!(ask(&mut both, "", &[PROGRAM]).await.status, 200);
        both.headers = vec![("authorization".to_owned(), "Basic YTpi".to_owned())];
        assert_eq!(ask(&mut both, "", &[PROGRAM]).await.status, 200);
        both.headers = vec![("authorization".to_owned(), "Bearer vs_nothing".to_owned())];
        assert_eq!(ask(&mut both, "", &[PROGRAM]).await.status, 401);

        members::set_disabled(&app.env, ann, true, "operator").await.unwrap();
        assert_eq!(reason(&ask(&mut by(&checks), "", &[]).await), (403, "user_disabled"));
        assert_eq!(reason(&ask(&mut by(&checks), "?feature=ai_calls", &[]).await), (402, "user_disabled"));
        both.headers.clear();
        assert_eq!(ask(&mut both, "", &[PROGRAM]).await.status, 401);
    }

    async fn what_cannot_be_asked_opens_nothing(app: TestApp) {
        let mut ann = member(&app, "ann@example.com", "selfhosted").await;
        for (query, status) in [
            ("?feature=nothing", 404),
            ("?feature=", 404),
            ("?featur=ai_calls", 422),
            ("?feature=ai_calls&feature=photos", 422),
            ("?consume=1", 422),
            ("?feature=photos&consume=-1", 422),
            ("?feature=photos&consume=1.5", 422),
            ("?feature=photos&consume=yes", 422),
            ("?feature=photos&consume=2000000000", 422),
            ("?feature=photos&consume=1&amount=0", 422),
            ("?feature=photos&amount=99999999999999999999", 422),
            ("?paid=maybe", 422),
            ("?denied=200", 422),
            ("?denied=x", 422),
        ] {
            let wrong = ask(&mut ann, query, &[]).await;
            assert_eq!(wrong.status.as_u16(), status, "{query}: {}", wrong.body);
            assert_eq!(header(&wrong, "content-type"), "application/problem+json", "{query}");
        }
        let long = "x".repeat(256);
        assert_eq!(ask(&mut ann, &format!("?feature=photos&consume=1&request={long}"), &[]).await.status, 422);
        assert_eq!(used(&app, "ann@example.com", "photos").await, 0);
    }
}

async fn on_sqlite(variables: &[(&str, &str)]) -> TestApp {
    TestApp::with(Backend::Sqlite, variables).await.unwrap()
}

#[tokio::test]
async fn browsers_are_shown_the_way() {
    let app = on_sqlite(&[("VOUCHSAFE_GATE_ORIGINS", "http://127.0.0.1:8080")]).await;
    let mut stranger = app.browser();
    // As Caddy and Traefik say it, and nginx with four lines.
    let asked_for = |host: &'static str, path: &'static str| {
        [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", host),
            ("x-forwarded-uri", path),
        ]
    };
    for (host, path, location) in [
        ("127.0.0.1:3000", "/reports/?q=1&r=a%20b", "/login?next=%2Freports%2F%3Fq%3D1%26r%3Da%2520b"),
        ("127.0.0.1:8080", "/reports", "/login?next=http%3A%2F%2F127.0.0.1%3A8080%2Freports"),
        // Elsewhere nobody is sent back to.
        ("evil.example", "/reports", "/login"),
        ("127.0.0.1:3000@evil.example", "/", "/login"),
        ("127.0.0.1:3000", "evil", "/login"),
    ] {
        let sent = ask(&mut stranger, "?feature=photos", &asked_for(host, path)).await;
        assert_eq!((sent.status.as_u16(), sent.location()), (302, format!("http://127.0.0.1:3000{location}").as_str()));
        assert_eq!(header(&sent, "x-vouchsafe-location"), sent.location());
        assert_eq!(header(&sent, "cache-control"), "no-store");
    }
    // A form that was sent, a script that asks, a program: for them a page is no answer.
    for headers in [
        vec![("x-forwarded-method", "POST")],
        vec![("sec-fetch-mode", "cors")],
        vec![("accept", "application/json")],
        vec![("accept", "*/*")],
    ] {
        assert_eq!(reason(&ask(&mut stranger, "", &headers).await), (401, "unauthorized"), "{headers:?}");
    }
    // A proxy that knows no other statuses gets those it knows, and the way in a header.
    let shut = ask(&mut stranger, "?denied=403", &asked_for("127.0.0.1:3000", "/a")).await;
    assert_eq!(reason(&shut), (401, "unauthorized"));
    assert_eq!(header(&shut, "x-vouchsafe-location"), "http://127.0.0.1:3000/login?next=%2Fa");

    let mut ann = member(&app, "ann@example.com", "free").await;
    let sent = ask(&mut ann, "?paid=1", &[]).await;
    assert_eq!((sent.status.as_u16(), sent.location()), (302, "http://127.0.0.1:3000/pricing"));
    assert_eq!(reason(&sent), (302, "payment_required"));
    assert_eq!(reason(&ask(&mut ann, "?paid=1&denied=403", &[]).await), (403, "payment_required"));
    assert_eq!(reason(&ask(&mut ann, "?paid=1&denied=402", &[]).await), (402, "payment_required"));
    assert_eq!(ask(&mut ann, "?feature=ai_pipeline", &[]).await.location(), "http://127.0.0.1:3000/pricing");
}

#[tokio::test]
async fn after_signing_in_they_come_back_to_where_they_wanted_to_go() {
    let app = on_sqlite(&[("VOUCHSAFE_GATE_ORIGINS", "http://127.0.0.1:8080")]).await;
    for (next, arrives) in [
        ("/reports?q=1", "/reports?q=1"),
        ("http://127.0.0.1:8080/reports?q=1", "http://127.0.0.1:8080/reports?q=1"),
        ("http://127.0.0.1:8080@evil.example/", "/settings"),
        ("http://127.0.0.1:80801/", "/settings"),
        ("//evil.example", "/settings"),
        ("https:evil.example", "/settings"),
        ("/\\evil.example", "/settings"),
    ] {
        app.env.clock.advance(TimeDelta::days(1));
        let mut browser = app.browser();
        let page = browser.get(&format!("/login?next={}", vouchsafe::platform::caller::encode_query(next))).await;
        // A browser holds the redirect at the end against this, too.
        let policy = header(&page, "content-security-policy").to_owned();
        assert!(policy.contains("form-action 'self' http://127.0.0.1:8080;"), "{policy}");
        let kept = page.attribute("input[name='next']", "value").unwrap_or_default();
        let sent = browser.post("/login", &[("email", "ann@example.com"), ("next", &kept)]).await;
        assert_eq!(sent.location(), "/verify");
        let code = app.code_for("ann@example.com").await;
        let entered = browser.post("/verify", &[("code", &code)]).await;
        assert_eq!((entered.status.as_u16(), entered.location()), (303, arrives), "{next}");
        // Whoever is signed in is sent on at once.
        let page = browser.get(&format!("/login?next={}", vouchsafe::platform::caller::encode_query(next))).await;
        assert_eq!(page.location(), arrives);
    }
}

#[tokio::test]
async fn another_site_cannot_use_up_what_a_member_has() {
    let app = on_sqlite(&[]).await;
    let mut ann = member(&app, "ann@example.com", "basic").await;
    let forged = [
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-user", "?1")],
    ];
    for headers in forged {
        let shut = ask(&mut ann, "?feature=ai_calls&consume=1", &headers).await;
        assert_eq!(reason(&shut), (403, "cross_site"), "{headers:?}");
        // To look costs nothing.
        assert_eq!(ask(&mut ann, "?feature=ai_calls", &headers).await.status, 200);
    }
    assert_eq!(used(&app, "ann@example.com", "ai_calls").await, 0);
    let followed = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-user", "?1")];
    assert_eq!(ask(&mut ann, "?feature=ai_calls&consume=1", &followed).await.status, 200);
    assert_eq!(ask(&mut ann, "?feature=ai_calls&consume=1", &[("sec-fetch-site", "same-origin")]).await.status, 200);
    assert_eq!(used(&app, "ann@example.com", "ai_calls").await, 2);
}

#[tokio::test]
async fn a_proxy_may_ask_by_any_method() {
    let app = on_sqlite(&[]).await;
    let mut ann = member(&app, "ann@example.com", "basic").await;
    for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
    {
        let open = ask_by(&mut ann, method.clone(), "?feature=ai_calls", &[PROGRAM]).await;
        assert_eq!((open.status.as_u16(), header(&open, "x-vouchsafe-tier")), (200, "basic"), "{method}");
    }
}

#[tokio::test]
async fn names_fit_into_headers() {
    let app = on_sqlite(&[]).await;
    let mut jorg = member(&app, "jörg%2b@bücher.example", "basic").await;
    let open = ask(&mut jorg, "", &[PROGRAM]).await;
    assert_eq!(header(&open, "x-vouchsafe-email"), "j%C3%B6rg%252b@b%C3%BCcher.example");
    // Somebody without an address: an empty header, so that none of the client's gets through.
    let details = MemberDetails { external_id: Some("crm-1".to_owned()), ..MemberDetails::default() };
    let (user, _) = members::put(&app.env, &details, "operator").await.unwrap();
    let token = key(&app, Scope::Check, Some(user.id)).await;
    let open = ask(&mut app.browser().with_header("authorization", &format!("Bearer {token}")), "", &[]).await;
    assert_eq!(open.headers.get("x-vouchsafe-email").unwrap(), "");
}

#[tokio::test]
async fn a_limit_that_is_lowered_shuts_the_gate() {
    let app = on_sqlite(&[]).await;
    let mut ann = member(&app, "ann@example.com", "basic").await;
    assert_eq!(ask(&mut ann, "?feature=photos&amount=50", &[PROGRAM]).await.status, 200);
    set_cell(&app, "basic", "photos", Limit::At(0)).await;
    assert_eq!(reason(&ask(&mut ann, "?feature=photos", &[PROGRAM]).await), (402, "feature_off"));
}
