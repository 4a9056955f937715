//! Bad input: every field of every form, every cookie and header that is read. The answer is a
//! message beside the field or a plain 4xx, never a 500, and nothing is half-written.

use axum::{body::Body, http::Method};
use serde_json::{Value, json};
use vouchsafe::services::{matrix, members};

use crate::harness::{Browser, TestApp, on_both};

/// What no field expects.
fn nonsense() -> Vec<String> {
    let long = "x".repeat(10_000);
    [
        "",
        " ",
        "\0",
        "a\r\nSet-Cookie: x=y",
        "\u{202e}\u{feff}",
        "'; DROP TABLE users; --",
        "<script>alert(1)</script>",
        "-1",
        "NaN",
        "99999999999999999999",
        "[]",
        "{}",
        "null",
        "../../etc/passwd",
        "%00",
        "\u{1f600}",
        "0192f0c1-2345-7abc-8def-0123456789ab",
        &long,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Every form, with its fields.
const FORMS: &[(&str, &[&str])] = &[
    ("/login", &["email", "ref", "next"]),
    ("/verify", &["code"]),
    ("/verify/resend", &[]),
    ("/admin/claim", &["token", "email"]),
    ("/settings/sessions/revoke", &["session"]),
    ("/settings/delete", &["sure"]),
    ("/settings/keep", &[]),
    ("/settings/invitations", &["email"]),
    ("/settings/invitations/resend", &["invitation"]),
    ("/settings/invitations/revoke", &["invitation"]),
    ("/invitation/x", &["email"]),
    ("/admin/invitations", &["emails", "tier", "days", "note", "lang"]),
    ("/admin/settings", &vouchsafe::domain::settings::AppSettings::KEYS),
    ("/redeem", &["code"]),
    ("/admin/coupons", &["kind", "tier", "days", "code", "count", "most", "from", "until", "partner", "description"]),
    ("/admin/coupons/SUMMER2027", &["description", "active"]),
    ("/admin/coupons/SUMMER2027/archive", &["back"]),
    ("/admin/partners", &["name", "contact", "email", "from", "until", "note"]),
    ("/admin/bonus", RULE_FIELDS),
    ("/admin/notifications/read", &["seen"]),
    ("/admin/notifications/settings", &["way", "address", "shape", "remove"]),
    ("/billing/checkout", &["tier", "interval", "provider"]),
    ("/billing/portal", &[]),
    ("/portfolio", &["base", "symbol", "quantity", "do"]),
    ("/portfolio/restore", &["version", "base", "undo"]),
    ("/portfolio/analyze", &["question"]),
    ("/language", &["lang", "back"]),
    ("/admin/matrix/review", &["feature", "limit.free", "version.free", "changes", "conflicts", "choice.0"]),
    ("/admin/matrix/commit", &["changes", "reason"]),
    ("/admin/matrix/undo", &["change"]),
    ("/admin/features", FEATURE_FIELDS),
    ("/admin/features/photos", FEATURE_FIELDS),
    ("/admin/tiers", TIER_FIELDS),
    ("/admin/tiers/free", TIER_FIELDS),
    ("/admin/keys", &["name", "scope", "until"]),
    ("/admin/webhooks", &["url", "description", "event"]),
    ("/settings/mails", &["access", "referrals", "bonus", "digest"]),
    ("/admin/mails/templates/welcome/en", &["subject", "text", "html", "version", "show"]),
    ("/admin/mails/templates/welcome/en/preview", &["subject", "text", "html", "show"]),
    ("/admin/payments/test", &["provider", "member", "tier", "happening", "make_price"]),
    ("/admin/payments/reconcile", &["provider"]),
];

const FEATURE_FIELDS: &[&str] = &[
    "id",
    "name_en",
    "name_de",
    "description_en",
    "description_de",
    "category",
    "kind",
    "period",
    "default_limit",
    "order",
    "active",
];
const RULE_FIELDS: &[&str] = &[
    "name_en",
    "name_de",
    "description_en",
    "description_de",
    "trigger",
    "threshold",
    "reward",
    "tier",
    "days",
    "letter",
    "since",
    "until",
    "before",
    "active",
    "do",
];
const TIER_FIELDS: &[&str] =
    &["id", "name", "description_en", "description_de", "price_monthly", "price_yearly", "strength", "active", "paid"];

/// Every link that carries something.
const LINKS: &[(&str, &[&str])] = &[
    ("/login", &["ref", "next", "said", "fresh"]),
    ("/verify", &["said"]),
    ("/admin/claim", &["token"]),
    ("/settings", &["said"]),
    ("/portfolio", &["said"]),
    ("/admin/matrix", &["edit", "tier", "saved"]),
    ("/admin/users", &["q", "after"]),
    ("/admin/features", &["said"]),
    ("/admin/tiers", &["said"]),
    ("/admin/keys", &["before", "said"]),
    ("/admin/webhooks", &["said"]),
    ("/admin/coupons", &["archived", "state", "kind", "q", "before", "said"]),
    ("/admin/coupons/batches", &["before"]),
    ("/admin/partners", &["archived", "before", "said"]),
    ("/admin/bonus", &["archived", "before", "said"]),
    ("/admin/notifications", &["show", "before", "said"]),
    ("/admin/notifications/settings", &["said"]),
    ("/admin/payments", &["state", "before", "applied", "failed"]),
    ("/admin/payments/subscriptions", &["provider", "open", "before"]),
    ("/admin/mails", &["state", "to", "before"]),
    ("/admin/mails/templates/welcome/en", &["said"]),
    ("/admin/referrals", &["state", "before", "said"]),
    ("/admin/invitations", &["state", "before", "said", "count"]),
    ("/admin/settings", &["said"]),
    ("/settings/invitations", &["said"]),
    ("/pricing", &["tier", "ref"]),
    ("/admin", &["days"]),
    ("/admin/activity", &["member", "actor", "action", "from", "to", "ip", "before"]),
    ("/admin/activity/export", &["member", "actor", "action", "from", "to", "ip", "format"]),
    ("/admin/jobs", &["before", "said"]),
];

async fn visitors(app: &TestApp) -> Vec<Browser> {
    let mut halfway = app.browser();
    halfway.post("/login", &[("email", "half@example.com")]).await;
    let admin = app.signed_in_admin("root@example.com").await;
    vec![app.browser(), halfway, admin]
}

on_both! {
    async fn no_field_of_any_form_breaks_anything(app: TestApp) {
        let before = (members::count(&app.env).await.unwrap(), matrix::read(&app.env).await.unwrap().limits.len());
        for browser in visitors(&app).await {
            for (path, fields) in FORMS {
                for field in *fields {
                    for value in nonsense() {
                        let page = browser.clone().post(path, &[(field, &value)]).await;
                        let status = page.status.as_u16();
                        assert!(status < 500, "{path} {field}={value:.40?}: {status}");
                        assert!(!page.body.contains("<script>alert"), "{path} {field}");
                        assert!(!page.headers.contains_key("set-cookie") || !page.body.contains("x=y"));
                    }
                }
            }
        }
        let after = (members::count(&app.env).await.unwrap(), matrix::read(&app.env).await.unwrap().limits.len());
        assert_eq!((before.0 + 1, before.1), after, "only the admin of this test has come");
    }

    async fn no_link_breaks_anything(app: TestApp) {
        for browser in visitors(&app).await {
            for (path, fields) in LINKS {
                for field in *fields {
                    for value in nonsense() {
                        let value = vouchsafe::platform::caller::encode_query(&value);
                        let page = browser.clone().get(&format!("{path}?{field}={value}")).await;
                        let status = page.status.as_u16();
                        assert!(status < 500, "{path}?{field}={value:.40}: {status}");
                        assert!(!page.body.contains("<script>alert"), "{path} {field}");
                    }
                }
                for query in ["=", "&&&", "said=1&said=2", "%FF%FE", "a[b]=c"] {
                    let status = browser.clone().get(&format!("{path}?{query}")).await.status.as_u16();
                    assert!(status < 500, "{path}?{query}: {status}");
                }
            }
        }
    }

    async fn a_typed_address_comes_back_with_what_is_wrong(app: TestApp) {
        let cases = [
            ("", "Enter your e-mail address."),
            ("ann", "An address looks like ann@example.com."),
            ("ann@example", "The part after the @ has no ending, like .com."),
            ("a nn@example.com", "There is a character in it that an address cannot have."),
            ("\"><b>@example.com", "There is a character in it that an address cannot have."),
        ];
        for (typed, message) in cases {
            let page = app.browser().post("/login", &[("email", typed), ("ref", "k7mq2xwa")]).await;
            assert_eq!(page.status, 422, "{typed}");
            assert_eq!(page.text("#email-error"), message);
            assert_eq!(page.attribute("#email", "value").as_deref(), Some(typed));
            assert_eq!(page.attribute("#email", "aria-describedby").as_deref(), Some("email-error"));
            assert_eq!(page.attribute("input[name=ref]", "value").as_deref(), Some("K7MQ2XWA"), "the invitation is kept");
        }
        assert!(app.mailbox().await.is_empty());
    }

    async fn a_body_of_another_kind_is_refused_plainly(app: TestApp) {
        let admin = app.signed_in_admin("root@example.com").await;
        for (path, _) in FORMS {
            let bodies: [(&str, Vec<u8>); 5] = [
                ("application/json", b"{}".to_vec()),
                ("text/plain", b"email=ann@example.com".to_vec()),
                ("application/x-www-form-urlencoded", b"email=%FF%FE&code=%".to_vec()),
                ("application/x-www-form-urlencoded", vec![0xff; 100]),
                ("application/x-www-form-urlencoded", vec![b'a'; 70_000]),
            ];
            for (kind, body) in bodies {
                let mut browser = admin.clone();
                let request = browser
                    .request(Method::POST, path)
                    .header("sec-fetch-site", "same-origin")
                    .header("content-type", kind)
                    .body(Body::from(body))
                    .unwrap();
                let status = browser.send(request).await.status.as_u16();
                assert!((300..500).contains(&status) || status == 200, "{path} {kind}: {status}");
            }
        }
    }

    async fn calls_of_islands_refuse_what_they_cannot_read(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let before = matrix::read(&app.env).await.unwrap();
        let cell = |limit: Value, version: Value| json!({ "tier": "free", "feature": "photos", "limit": limit, "version": version });
        let sets = [
            json!({}),
            json!({ "changes": "all" }),
            json!({ "changes": [], "reason": "" }),
            json!({ "changes": [cell(json!("lots"), json!(1))], "reason": "" }),
            json!({ "changes": [cell(json!(-1), json!(1))], "reason": "" }),
            json!({ "changes": [cell(json!(1.5), json!(1))], "reason": "" }),
            json!({ "changes": [cell(json!(i64::MAX), json!(1))], "reason": "" }),
            json!({ "changes": [cell(json!(7), json!("x"))], "reason": "" }),
            json!({ "changes": [cell(json!(7), json!(1)), cell(json!(8), json!(1))], "reason": "" }),
            json!({ "changes": [{ "tier": "gold", "feature": "photos", "limit": 1, "version": 0 }], "reason": "" }),
            json!({ "changes": [{ "tier": "../x", "feature": "\u{0}", "limit": 1, "version": 0 }], "reason": "" }),
            json!({ "changes": [cell(json!(7), json!(1))], "reason": "x".repeat(10_000) }),
            json!({ "changes": [cell(json!(7), json!(i64::MIN))], "reason": "" }),
        ];
        for set in sets {
            let answer = admin.call("/calls/commit_matrix", set.clone()).await;
            let status = answer.status.as_u16();
            assert!((400..500).contains(&status), "{set:.80}: {status} {}", answer.body);
        }
        assert_eq!(matrix::read(&app.env).await.unwrap(), before, "nothing half-written");
    }

    async fn forged_cookies_are_no_cookies(app: TestApp) {
        let member = app.signed_in("ann@example.com").await;
        let token = member.cookies["session"].clone();
        let mut flipped = token.clone().into_bytes();
        flipped[0] = if flipped[0] == b'A' { b'B' } else { b'A' };
        let mut forged: Vec<String> = nonsense().into_iter().filter(|value| value.is_ascii() && !value.contains(['\0', '\r', ';'])).collect();
        forged.push(String::from_utf8(flipped).unwrap());
        forged.push(format!("{token}x"));
        for value in forged {
            let mut browser = app.browser();
            for name in ["session", "login", "lang"] {
                browser.cookies.insert(name.to_owned(), value.clone());
            }
            assert_eq!(browser.get("/settings").await.status, 303, "{value:.40}");
            assert_eq!(browser.get("/verify").await.location(), "/login?said=ended", "{value:.40}");
            assert_eq!(browser.get("/login").await.status, 200, "{value:.40}");
        }
    }

    async fn requests_from_other_sites_change_nothing(app: TestApp) {
        let member = app.signed_in("ann@example.com").await;
        let forgeries: [&[(&str, &str)]; 6] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[],
        ];
        for headers in forgeries {
            for (path, _) in FORMS.iter().chain(&[("/sign-out", &[][..]), ("/calls/commit_matrix", &[][..])]) {
                let mut browser = member.clone();
                let mut request = browser
                    .request(Method::POST, path)
                    .header("content-type", "application/x-www-form-urlencoded");
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let page = browser.send(request.body(Body::empty()).unwrap()).await;
                assert_eq!(page.status, 403, "{path} {headers:?}");
                if !path.starts_with("/calls/") {
                    assert_eq!(page.text("h1"), "Not accepted");
                }
            }
        }
        assert_eq!(member.clone().get("/settings").await.status, 200, "still signed in");
    }

    async fn odd_headers_are_no_reason_to_fail(app: TestApp) {
        let long = "a".repeat(10_000);
        for name in ["accept-language", "user-agent", "x-forwarded-for", "cookie", "accept", "referer", "authorization", "accept-encoding"] {
            for value in ["", "\u{ff}\u{fe}", ",,,;;;===", "q=q=q", &long] {
                let mut browser = app.browser();
                let bytes: Vec<u8> = value.chars().map(|c| c as u8).collect();
                let request = browser.request(Method::GET, "/login").header(name, bytes).body(Body::empty()).unwrap();
                let status = browser.send(request).await.status;
                assert_eq!(status, 200, "{name}: {value:.20}");
            }
        }
    }
}
