//! Bad input: every field of every form, every link, every part of an address, every cookie and header that is read.
//! The answer is a message beside the field or a plain 4xx, never a 500, and nothing is half-written.

use axum::{body::Body, http::Method};
use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::services::{matrix, members};

use super::{
    authorisation,
    objects::{Blanks, DEAF, Maker, fill, filled_with_nothing, written},
};
use crate::harness::{Browser, Page, TestApp, on_both};

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

/// Forms with fields that mean something by themselves, whatever else is sent.
const FIELDS: &[(&str, &[&str])] = &[
    ("/login", &["email", "ref", "next"]),
    ("/verify", &["code"]),
    ("/verify/resend", &[]),
    ("/admin/claim", &["token", "email"]),
    ("/settings/sessions/revoke", &["session"]),
    ("/invitation/{token}", &["email"]),
    ("/admin/settings", &vouchsafe::domain::settings::AppSettings::KEYS),
    ("/billing/checkout", &["tier", "interval", "provider"]),
    ("/billing/portal", &[]),
    ("/portfolio", &["base", "symbol", "quantity", "do"]),
    ("/portfolio/restore", &["version", "base", "undo"]),
    ("/portfolio/analyze", &["question"]),
    ("/language", &["lang", "back"]),
    ("/admin/mails/templates/{letter}/{lang}/test", &["to"]),
    ("/admin/matrix/review", &["feature", "limit.free", "version.free", "changes", "conflicts", "choice.0"]),
    ("/admin/matrix/commit", &["changes", "reason"]),
    ("/admin/matrix/undo", &["change"]),
    ("/admin/features", FEATURE_FIELDS),
    ("/admin/features/{id}", FEATURE_FIELDS),
    ("/admin/tiers", TIER_FIELDS),
    ("/admin/tiers/{id}", TIER_FIELDS),
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
const TIER_FIELDS: &[&str] =
    &["id", "name", "description_en", "description_de", "price_monthly", "price_yearly", "strength", "active", "paid"];

/// A form as somebody fills it in, with blanks as `objects` fills them. A field of the name `=do` is always sent as it
/// is here, one with the value `<none>` only as nonsense.
type Form = (&'static str, &'static [(&'static str, &'static str)]);

/// Forms whose rules are reached only when everything else is good.
const FORMS: &[Form] = &[
    ("/settings/delete", &[("sure", "on")]),
    ("/settings/keep", &[]),
    ("/settings/invitations", &[("email", "friend-<n>@example.com")]),
    ("/settings/invitations/resend", &[("invitation", "<invitation>")]),
    ("/settings/invitations/revoke", &[("invitation", "<invitation>")]),
    ("/settings/mails", &[("access", "on"), ("referrals", "on"), ("bonus", "<none>"), ("digest", "<none>")]),
    ("/redeem", &[("code", "<coupon>")]),
    ("/unsubscribe/{token}", &[("wanted", "no")]),
    (
        "/admin/invitations",
        &[("emails", "guest-<n>@example.com"), ("tier", "premium"), ("days", "30"), ("note", "Hi"), ("lang", "en")],
    ),
    ("/admin/invitations/{id}/resend", &[]),
    ("/admin/invitations/{id}/revoke", &[]),
    (
        "/admin/coupons",
        &[
            ("kind", "period"),
            ("tier", "premium"),
            ("days", "30"),
            ("code", ""),
            ("count", "1"),
            ("most", "5"),
            ("from", "2027-01-01"),
            ("until", "2027-02-28"),
            ("partner", ""),
            ("description", "Summer"),
        ],
    ),
    (
        "/admin/coupons",
        &[
            ("=kind", "partner"),
            ("=tier", "premium"),
            ("=days", "30"),
            ("count", "2"),
            ("most", ""),
            ("partner", "<partner>"),
        ],
    ),
    ("/admin/coupons/{code}", &[("description", "Summer"), ("active", "on")]),
    ("/admin/coupons/{code}/archive", &[("back", "1")]),
    ("/admin/partners", PARTNER),
    ("/admin/partners/{id}", PARTNER),
    ("/admin/partners/{id}/link", &[]),
    ("/admin/partners/{id}/link/end", &[]),
    ("/admin/bonus", RULE),
    ("/admin/bonus", PREVIEWED_RULE),
    ("/admin/bonus/{id}", RULE_WITH_BADGE),
    ("/admin/bonus/{id}", PREVIEWED_RULE),
    ("/admin/bonus/{id}/archive", &[]),
    ("/admin/notifications/read", &[("seen", "2026-11-21T10:00:00Z")]),
    (
        "/admin/notifications/settings",
        &[("way", "job_given_up.in_app"), ("address", DEAF), ("shape", "slack"), ("remove", "<none>")],
    ),
    ("/admin/notifications/{id}/read", &[]),
    ("/admin/keys", &[("name", "App <n>"), ("scope", "check"), ("until", "2028-12-31")]),
    ("/admin/keys/{id}/revoke", &[]),
    ("/admin/webhooks", ENDPOINT),
    ("/admin/webhooks/{id}", ENDPOINT),
    ("/admin/webhooks/{id}/rotate", &[]),
    ("/admin/webhooks/{id}/enable", &[]),
    ("/admin/webhooks/{id}/disable", &[]),
    ("/admin/webhooks/{id}/delete", &[]),
    ("/admin/webhooks/{id}/test", &[]),
    ("/admin/webhooks/{id}/resend", &[("since", "2026-11-01")]),
    ("/admin/webhooks/{id}/deliveries/{delivery}/resend", &[]),
    (
        "/admin/mails/templates/{letter}/{lang}",
        &[
            ("subject", "Hello"),
            ("text", "Hello"),
            ("html", "<p>Hello</p>"),
            ("version", "<version>"),
            ("show", "<none>"),
        ],
    ),
    (
        "/admin/mails/templates/{letter}/{lang}/preview",
        &[("subject", "Hello"), ("text", "Hello"), ("html", "<p>Hello</p>"), ("show", "text")],
    ),
    ("/admin/mails/templates/{letter}/{lang}/reset", &[]),
    ("/admin/mails/{id}/resend", &[]),
    ("/admin/mails/resend", &[]),
    ("/admin/users/{id}/tier", &[("tier", "basic")]),
    ("/admin/users/{id}/disable", &[]),
    ("/admin/users/{id}/enable", &[]),
    (
        "/admin/users/{id}/restrict",
        &[("feature", "photos"), ("limit", "5"), ("reason", "Too much"), ("until", "2028-12-31")],
    ),
    ("/admin/users/{id}/unrestrict", &[("feature", "photos")]),
    ("/admin/users/{id}/credit", &[("days", "5"), ("note", "Sorry"), ("key", "<key>")]),
    ("/admin/users/{id}/credit/end", &[]),
    (
        "/admin/users/{id}/grants",
        &[("grant_tier", "premium"), ("grant_days", "30"), ("grant_reason", "Sorry"), ("key", "<key>")],
    ),
    ("/admin/users/{id}/grants/revoke", &[("grant", "<grant>")]),
    ("/admin/users/{id}/sessions/revoke", &[("session", "<session>")]),
    ("/admin/users/{id}/sessions/revoke-all", &[]),
    ("/admin/users/{id}/delete", &[("name", "<member>"), ("when", "later")]),
    ("/admin/users/{id}/keep", &[]),
    ("/admin/jobs/{name}/run", &[]),
    ("/admin/jobs/dead/{id}/retry", &[]),
    ("/admin/jobs/dead/{id}/discard", &[]),
    ("/admin/referrals/{id}/release", &[]),
    ("/admin/referrals/{id}/reject", &[]),
    ("/admin/payments/replay-dead", &[]),
    ("/admin/payments/{id}/replay", &[]),
    // Last, because they end the session.
    ("/settings/sessions/revoke-all", &[]),
    ("/sign-out", &[]),
];

const PARTNER: &[(&str, &str)] = &[
    ("name", "Gym <n>"),
    ("contact", "Kim"),
    ("email", "gym@example.com"),
    ("from", "2027-01-01"),
    ("until", "2028-12-31"),
    ("note", "By the river"),
    ("archived", "<none>"),
];
const RULE: &[(&str, &str)] = &[
    ("name_en", "Saver"),
    ("name_de", "Sparer"),
    ("description_en", "For coupons"),
    ("description_de", "Für Gutscheine"),
    ("trigger", "coupons_redeemed"),
    ("threshold", "100"),
    ("reward", "days"),
    ("tier", "premium"),
    ("days", "30"),
    ("letter", "<none>"),
    ("since", "2027-01-01"),
    ("until", "2028-12-31"),
    ("before", "<none>"),
    ("active", "<none>"),
    ("do", "<none>"),
];
const RULE_WITH_BADGE: &[(&str, &str)] = &[
    ("name_en", "Saver"),
    ("=trigger", "coupons_redeemed"),
    ("threshold", "100"),
    ("=reward", "badge"),
    ("letter", "S"),
    ("since", ""),
    ("until", ""),
    ("before", "on"),
];
const PREVIEWED_RULE: &[(&str, &str)] = &[
    ("=name_en", "Saver"),
    ("trigger", "coupons_redeemed"),
    ("threshold", "100"),
    ("=reward", "days"),
    ("tier", "premium"),
    ("days", "30"),
    ("=do", "preview"),
];
const ENDPOINT: &[(&str, &str)] = &[("url", DEAF), ("description", "Ours"), ("event", "usage.limit_reached")];

/// Forms that are tried elsewhere, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("/portfolio/import", "it sends a file: stories::portfolio"),
    ("/calls/preview_matrix", "it sends JSON: below"),
    ("/calls/commit_matrix", "it sends JSON: below"),
    ("/calls/try_mail_template", "it sends JSON: below"),
    ("/ofrep/v1/evaluate/flags", "apps ask, in JSON: stories::ofrep"),
    ("/ofrep/v1/evaluate/flags/{key}", "apps ask, in JSON: stories::ofrep"),
    ("/webhooks/{provider}", "a provider signs it: stories::payment_providers"),
];

/// What no form need say again when it refuses: no person can have sent it, or the answer is a page of another kind.
const PLAINLY: &[(&str, &str)] = &[
    ("/admin/users/{id}/grants", "key"),
    ("/admin/users/{id}/credit", "key"),
    ("/admin/mails/templates/{letter}/{lang}/preview", ""),
];

/// Returns the routes of all forms.
fn routes() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|(route, _)| *route).chain(FORMS.iter().map(|(route, _)| *route))
}

/// Every link that carries something.
const LINKS: &[(&str, &[&str])] = &[
    ("/login", &["ref", "next", "said", "fresh"]),
    ("/verify", &["said"]),
    ("/admin/claim", &["token"]),
    ("/settings", &["said"]),
    ("/portfolio", &["said"]),
    ("/admin/matrix", &["edit", "tier", "saved"]),
    ("/admin/users", &["q", "after", "said"]),
    ("/admin/users/{id}", &["said"]),
    ("/admin/features", &["said"]),
    ("/admin/tiers", &["said"]),
    ("/admin/keys", &["before", "said"]),
    ("/admin/webhooks", &["said"]),
    ("/admin/webhooks/{id}", &["said", "count", "state", "before"]),
    ("/admin/webhooks/{id}/deliveries/{delivery}", &["said"]),
    ("/admin/coupons", &["archived", "state", "kind", "q", "before", "said"]),
    ("/admin/coupons/{code}", &["before", "said"]),
    ("/admin/coupons/batches", &["before"]),
    ("/admin/coupons/batches/{id}", &["before", "said"]),
    ("/admin/coupons/batches/{id}/sheet", &["before"]),
    ("/admin/partners", &["archived", "before", "said"]),
    ("/admin/partners/{id}", &["before", "said"]),
    ("/admin/bonus", &["archived", "before", "said"]),
    ("/admin/bonus/{id}", &["before", "said"]),
    ("/admin/notifications", &["show", "before", "said"]),
    ("/admin/notifications/settings", &["said"]),
    ("/admin/payments", &["state", "before", "applied", "failed"]),
    ("/admin/payments/{id}", &["said"]),
    ("/admin/payments/subscriptions", &["provider", "open", "before"]),
    ("/admin/mails", &["state", "to", "before", "said"]),
    ("/admin/mails/{id}", &["said"]),
    ("/admin/mails/templates/{letter}/{lang}", &["said"]),
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

/// Who is to try a page: behind `/admin` nobody but an admin gets as far as its fields.
fn who<'a>(visitors: &'a [Browser], route: &str) -> &'a [Browser] {
    let is_for_admins = route.starts_with("/admin") && route != "/admin/claim";
    if is_for_admins { visitors.last_chunk::<1>().unwrap() } else { visitors }
}

#[track_caller]
fn is_calm(page: &Page, told: &str) {
    assert!(page.status.as_u16() < 500, "{told}: {}", page.status);
    // What an admin writes into a letter is shown as it is, where no script runs.
    let policy =
        page.headers.get("content-security-policy").and_then(|policy| policy.to_str().ok()).unwrap_or_default();
    assert!(policy.contains("sandbox") || !page.body.contains("<script>alert"), "{told}");
    assert!(!page.headers.contains_key("set-cookie") || !page.body.contains("x=y"), "{told}");
}

/// A form of an admin, sent with one field in place of what is good, or with none.
struct Sent<'a> {
    form: &'a Form,
    replaced: Option<(&'a str, &'a str)>,
}

impl Sent<'_> {
    async fn by(&self, admin: &Browser, maker: &Maker<'_>, blanks: &Blanks) -> Page {
        let (route, fields) = self.form;
        let number = maker.number();
        let good = |value: &str| fill(value, blanks).replace("<n>", &number);
        let mut sent: Vec<(&str, String)> = Vec::new();
        for (name, value) in *fields {
            let name = name.trim_start_matches('=');
            match self.replaced {
                Some((replaced, nonsense)) if replaced == name => sent.push((name, nonsense.to_owned())),
                _ if *value == "<none>" => {}
                _ => sent.push((name, good(value))),
            }
        }
        let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
        admin.clone().post(&fill(route, blanks), &sent).await
    }
}

#[test]
fn every_form_is_tried() {
    let posts = authorisation::TABLE.iter().filter(|(method, ..)| *method == Method::POST).map(|(_, route, _)| *route);
    for route in posts {
        let is_tried = routes().any(|tried| tried == route);
        let is_elsewhere = ELSEWHERE.iter().any(|(other, _)| *other == route);
        assert!(is_tried != is_elsewhere, "{route} is not among the forms that are tried");
    }
}

on_both! {
    async fn no_field_of_any_form_breaks_anything(app: TestApp) {
        let before = (members::count(&app.env).await.unwrap(), matrix::read(&app.env).await.unwrap().limits.len());
        let visitors = visitors(&app).await;
        let maker = Maker::new(&app, "root@example.com");
        for (route, fields) in FIELDS {
            let path = fill(route, &maker.blanks(route).await);
            for browser in who(&visitors, route) {
                for field in *fields {
                    for value in nonsense() {
                        let page = browser.clone().post(&path, &[(field, &value)]).await;
                        is_calm(&page, &format!("{route} {field}={value:.40?}"));
                    }
                }
            }
        }
        let after = (members::count(&app.env).await.unwrap(), matrix::read(&app.env).await.unwrap().limits.len());
        assert_eq!((before.0 + 1, before.1), after, "only the admin of this test has come");
    }

    async fn a_form_with_one_bad_field_is_refused_whole_and_the_good_one_is_taken(app: TestApp) {
        let app = app.reaching_inside();
        // So that the one who tries is not the last, who cannot leave.
        app.signed_in_admin("second@example.com").await;
        app.signed_in_admin("root@example.com").await;
        let maker = Maker::new(&app, "root@example.com");
        let mut findings: Vec<String> = Vec::new();
        for form @ (route, fields) in FORMS {
            app.env.clock.advance(TimeDelta::days(1));
            let admin = app.signed_in("root@example.com").await;
            for (field, _) in fields.iter().filter(|(name, _)| !name.starts_with('=')) {
                // What was taken may have changed it.
                let mut blanks = maker.blanks(route).await;
                let mut before = written(&app).await;
                for value in nonsense() {
                    let told = format!("{route} {field}={:?}", value.chars().take(40).collect::<String>());
                    let page = Sent { form, replaced: Some((field, &value)) }.by(&admin, &maker, &blanks).await;
                    is_calm(&page, &told);
                    let after = written(&app).await;
                    let status = page.status.as_u16();
                    if status >= 400 {
                        if before != after {
                            findings.push(format!("{told}: {status}, and yet something is written"));
                        }
                        let path = fill(route, &blanks);
                        let is_plain = PLAINLY.iter().any(|(form, name)| form == route && (name == field || name.is_empty()));
                        let has_form = page.body.contains(&format!("action=\"{path}\""));
                        if !has_form && !is_plain {
                            findings.push(format!("{told}: {status} without the form"));
                        }
                    } else {
                        assert!(!page.location().starts_with("/login"), "{told}: {}", page.location());
                        // What was taken may be taken once only.
                        blanks = if route.contains("{letter}") { maker.blanks(route).await } else { blanks };
                    }
                    before = after;
                }
            }
            let blanks = maker.blanks(route).await;
            let page = Sent { form, replaced: None }.by(&admin, &maker, &blanks).await;
            let (status, location) = (page.status.as_u16(), page.location());
            let is_sent_away = location.contains("said=gone") || location.starts_with("/login?fresh");
            if status >= 400 || is_sent_away {
                findings.push(format!("{route} as it is good: {status} {location} {:?}", page.texts(".err, .alert, .note")));
            }
        }
        assert!(findings.is_empty(), "{findings:#?}");
    }

    async fn no_link_breaks_anything(app: TestApp) {
        let app = app.reaching_inside();
        let maker = Maker::new(&app, "root@example.com");
        let visitors = visitors(&app).await;
        for (route, fields) in LINKS {
            let path = fill(route, &maker.blanks(route).await);
            for browser in who(&visitors, route) {
                let there = browser.clone().get(&path).await.status.as_u16();
                assert!(there < 400 || !route.contains('{'), "{path}: {there}");
                for field in *fields {
                    for value in nonsense() {
                        let value = vouchsafe::platform::caller::encode_query(&value);
                        let page = browser.clone().get(&format!("{path}?{field}={value}")).await;
                        is_calm(&page, &format!("{route}?{field}={value:.40}"));
                    }
                }
                for query in ["=", "&&&", "said=1&said=2", "%FF%FE", "a[b]=c"] {
                    let page = browser.clone().get(&format!("{path}?{query}")).await;
                    is_calm(&page, &format!("{route}?{query}"));
                }
            }
        }
    }

    async fn no_part_of_an_address_breaks_anything(app: TestApp) {
        let app = app.reaching_inside();
        let maker = Maker::new(&app, "root@example.com");
        let visitors = visitors(&app).await;
        for (method, route, _) in authorisation::TABLE {
            let names: Vec<&str> = route.split('/').filter(|part| part.starts_with('{')).collect();
            if names.is_empty() {
                continue;
            }
            let blanks = maker.blanks(route).await;
            for name in names {
                for value in nonsense() {
                    // A path has no plus that is a space.
                    let value = vouchsafe::platform::caller::encode_query(&value).replace('+', "%20");
                    let path = fill(&route.replace(name, &value), &blanks);
                    for browser in who(&visitors, route) {
                        let mut browser = browser.clone();
                        let page = if *method == Method::GET { browser.get(&path).await } else { browser.post(&path, &[]).await };
                        is_calm(&page, &format!("{method} {path:.200}"));
                    }
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
        let app = app.reaching_inside();
        let maker = Maker::new(&app, "root@example.com");
        let admin = app.signed_in_admin("root@example.com").await;
        for route in routes() {
            let path = &fill(route, &maker.blanks(route).await);
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
                assert!(status < 500, "{path} {kind}: {status}");
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

        let wording = |letter: &str, lang: &str, text: Value| {
            json!({ "letter": letter, "lang": lang, "subject": "x", "text": text, "html": "x" })
        };
        let unreadable = [json!({}), wording("welcome", "fr", json!("x")), wording("welcome", "en", json!(7))];
        for set in unreadable {
            assert_eq!(admin.call("/calls/try_mail_template", set.clone()).await.status, 422, "{set}");
        }
        for letter in ["", "nothing", "../welcome", "\u{0}"] {
            assert_eq!(admin.call("/calls/try_mail_template", wording(letter, "en", json!("x"))).await.status, 404);
        }
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
            // Mail programs unsubscribe from anywhere: the proof is in the address.
            let forms = routes().filter(|route| !route.starts_with("/unsubscribe"));
            for path in forms.chain(["/calls/commit_matrix"]).map(filled_with_nothing) {
                let path = path.as_str();
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
