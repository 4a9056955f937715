//! Bad input to the API: every field of every call that writes what belongs to a membership, and every parameter of its
//! lists. The answer is a problem with a code, and nothing is counted or written.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::objects::{Maker, NOBODY, fill, written};
use crate::harness::{TestApp, on_both};

/// What a field takes, of which follows what it does not take.
#[derive(Debug, Clone)]
enum Takes {
    /// One line of so many characters.
    Line(usize),
    /// A number from one to another.
    Number(i64, i64),
    /// A number that nothing but its kind limits.
    Whole,
    /// An instant.
    Time,
    /// `true` or `false`.
    Flag,
    /// One of some words.
    Word,
    /// The id of something.
    Id,
    /// An e-mail address.
    Email,
    /// Where something can be called.
    Url,
    /// Something of its own, which does not take these.
    Not(Vec<Value>),
    /// That, and it has to be there.
    Needed(Box<Takes>),
}
use Takes::{Email, Flag, Id, Line, Needed, Not, Number, Time, Url, Whole, Word};

fn needed(takes: Takes) -> Takes {
    Needed(Box::new(takes))
}

fn long(count: usize) -> String {
    "x".repeat(count)
}

impl Takes {
    /// What it refuses; an empty list of nothing at all is the field left out.
    fn bad(&self) -> Vec<Value> {
        let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
        let no_text = vec![json!(7), json!(true), json!([]), json!({})];
        let no_number = vec![json!("5"), json!(true), json!([]), json!({}), json!(1.5), json!(1e300)];
        match self {
            Line(most) => {
                let mut bad = texts(&["a\0b", "a\u{1b}[31m", "a\nb"]);
                bad.push(json!(long(most + 1)));
                [no_text, bad].concat()
            }
            Number(least, most) => {
                let bad = [Some(i64::MIN), least.checked_sub(1), Some(-1).filter(|_| *least > -1), most.checked_add(1)];
                [no_number, bad.into_iter().flatten().map(Value::from).collect()].concat()
            }
            Whole => no_number,
            Time => {
                let bad = [
                    "",
                    "tomorrow",
                    "2026-11-21",
                    "2026-02-30T00:00:00Z",
                    "+12026-01-01T00:00:00Z",
                    "2026-11-21T10:00:00",
                    "\0",
                ];
                [no_text, texts(&bad), vec![json!(long(9_000)), json!(1_700_000_000)]].concat()
            }
            Flag => [texts(&["true", "on", ""]), vec![json!(1), json!(0), json!([]), json!({})]].concat(),
            Word => [no_text, texts(&["", " ", "nonsense", "\0", "../x", "ß"]), vec![json!(long(9_000))]].concat(),
            Id => [no_text, texts(&["", "x", "\0", NOBODY]), vec![json!(long(9_000))]].concat(),
            Email => [
                no_text,
                texts(&["", "ann", "ann@example", "a nn@example.com", "a\0@example.com"]),
                vec![json!(format!("{}@example.com", long(300)))],
            ]
            .concat(),
            Url => {
                let bad = [
                    "",
                    "x",
                    "ftp://example.com/",
                    "https://ann:secret@example.com/",
                    "https://",
                    "javascript:alert(1)",
                    "\0",
                ];
                [no_text, texts(&bad), vec![json!(format!("https://example.com/{}", long(2_000)))]].concat()
            }
            Not(bad) => bad.clone(),
            Needed(takes) => [takes.bad(), vec![Value::Null]].concat(),
        }
    }
}

/// A call that writes: where, a body that is taken, and what its fields take.
struct Call {
    method: Method,
    route: &'static str,
    good: Value,
    fields: Vec<(&'static str, Takes)>,
}

fn call(method: Method, route: &'static str, good: Value, fields: Vec<(&'static str, Takes)>) -> Call {
    Call { method, route, good, fields }
}

/// Every call that writes what belongs to a membership. Blanks are filled as in `objects`.
fn calls() -> Vec<Call> {
    let (post, put, patch) = (Method::POST, Method::PUT, Method::PATCH);
    let partner = || {
        let good = json!({
            "name": "Gym <n>", "contact": "Kim", "email": "gym@example.com", "contract_from": "2027-01-01T00:00:00Z",
            "contract_until": "2028-01-01T00:00:00Z", "note": "By the river", "archived": false,
        });
        let no_email = Email.bad().into_iter().filter(|bad| bad != "").collect();
        let before = json!("2026-12-31T23:59:59Z");
        let fields = vec![
            ("name", needed(Line(200))),
            ("name", Not(vec![json!(""), json!("  ")])),
            ("contact", Line(200)),
            ("email", Not(no_email)),
            ("contract_from", Time),
            ("contract_until", Time),
            ("contract_until", Not(vec![before])),
            ("note", Line(500)),
            ("archived", Flag),
        ];
        (good, fields)
    };
    let rule = || {
        let good = json!({
            "name_en": "Saver", "name_de": "Sparer", "description_en": "For coupons", "description_de": "Für Gutscheine",
            "trigger": "coupons_redeemed", "threshold": 100, "tier": "premium", "days": 30,
            "counts_from": "2027-01-01T00:00:00Z", "also_before": false, "ends_at": "2028-01-01T00:00:00Z", "active": false,
        });
        let fields = vec![
            ("name_en", Line(80)),
            ("name_de", Line(80)),
            ("description_en", Line(300)),
            ("description_de", Line(300)),
            ("trigger", Word),
            ("threshold", Number(1, 10_000)),
            ("tier", needed(Word)),
            ("days", needed(Number(1, 3_650))),
            // There is a reward already.
            ("badge", Not(vec![json!("K"), json!(7)])),
            ("counts_from", Time),
            ("also_before", Flag),
            ("ends_at", Time),
            ("ends_at", Not(vec![json!("2026-12-31T00:00:00Z")])),
            ("active", Flag),
        ];
        (good, fields)
    };
    let badge =
        json!({ "name_en": "Saver", "trigger": "days_in_a_row", "threshold": 7, "badge": "K", "active": false });
    let badge_fields = || {
        let no_badge = ["", " ", "KK", "-", "\0", "\u{1f600}"].map(Value::from).to_vec();
        vec![
            ("name_en", Not(vec![json!(""), Value::Null])),
            ("trigger", needed(Word)),
            ("threshold", needed(Number(1, 365))),
            ("badge", needed(Not(no_badge))),
            ("tier", Not(vec![json!("premium")])),
            ("days", Not(vec![json!(5)])),
        ]
    };
    let setting =
        |route, good, takes| call(Method::PUT, route, json!({ "value": good }), vec![("value", needed(takes))]);
    let no_words =
        || [json!("x"), json!([5]), json!([null]), json!(["nonsense"]), json!({}), json!(7), json!(["\0"])].to_vec();
    // A subject becomes one line by itself.
    let no_subject = Line(500).bad().into_iter().filter(|bad| bad != "a\nb").collect::<Vec<_>>();
    let no_subject = [no_subject, ["", "{{ nobody }}", "{% if %}"].map(Value::from).to_vec()].concat();
    let endpoint =
        json!({ "url": "https://example.com/hooks", "description": "Ours", "events": ["usage.limit_reached"] });
    let (made_partner, partner_fields) = partner();
    let (kept_partner, kept_partner_fields) = partner();
    let (made_rule, rule_fields) = rule();
    let (tried_rule, tried_rule_fields) = rule();
    let (changed_rule, changed_rule_fields) = rule();
    vec![
        call(
            post.clone(),
            "/api/v1/coupons",
            json!({
                "type": "period", "tier": "premium", "duration_days": 30, "max_redemptions": 5, "description": "Summer",
                "valid_from": "2027-01-01T00:00:00Z", "valid_until": "2027-02-01T00:00:00Z", "count": 2,
            }),
            vec![
                // A code of one's own is for one coupon.
                (
                    "code",
                    Not(vec![
                        json!("SUMMER2028"),
                        json!("abc"),
                        json!(long(41)),
                        json!("söm2028"),
                        json!("a\0bcd"),
                        json!(7),
                    ]),
                ),
                ("type", needed(Word)),
                ("tier", needed(Word)),
                ("duration_days", needed(Number(1, 3_650))),
                ("max_redemptions", Number(1, i64::MAX)),
                ("valid_from", Time),
                ("valid_from", Not(vec![json!("2027-02-01T00:00:00Z"), json!("2027-02-01T00:00:01Z")])),
                ("valid_until", Time),
                // Only a pass has one.
                ("partner", Not(vec![json!("Wellpass"), json!(""), json!(7)])),
                ("partner_id", Id),
                ("description", Line(200)),
                ("count", Number(1, 10_000)),
            ],
        ),
        call(
            post.clone(),
            "/api/v1/coupons",
            json!({ "type": "partner", "tier": "premium", "duration_days": 30, "partner": "Wellpass" }),
            vec![("partner", Line(200)), ("partner", Not(vec![json!(""), json!(" ")]))],
        ),
        call(
            post.clone(),
            "/api/v1/coupons",
            json!({ "type": "single_use", "tier": "premium", "duration_days": 30, "code": "WINTER<n>" }),
            vec![
                ("code", Not(["", "abc", "a b-c", "söm2028", "a\0bcd"].map(Value::from).to_vec())),
                ("max_redemptions", Not(vec![json!(2), json!(0)])),
                ("count", Not(vec![json!(2)])),
            ],
        ),
        call(
            patch.clone(),
            "/api/v1/coupons/{code}",
            json!({ "active": false, "archived": true, "description": "Over" }),
            vec![("active", Flag), ("archived", Flag), ("description", Line(200))],
        ),
        call(
            post.clone(),
            "/api/v1/coupons/{code}/redeem",
            json!({ "user": "<member>" }),
            vec![("user", needed(Word))],
        ),
        call(
            post.clone(),
            "/api/v1/users/{id}/grants",
            json!({ "tier": "premium", "days": 30, "reason": "Sorry" }),
            vec![("tier", needed(Word)), ("days", needed(Number(1, 3_650))), ("reason", Line(500))],
        ),
        call(
            post.clone(),
            "/api/v1/invitations",
            json!({ "email": "guest-<n>@example.com", "tier": "premium", "days": 30, "note": "Hi\nthere", "lang": "de" }),
            vec![
                ("email", needed(Email)),
                ("tier", needed(Word)),
                ("days", needed(Number(1, 3_650))),
                ("note", Not(vec![json!(long(501)), json!("a\0b"), json!("a\u{1b}[31m"), json!(7), json!([])])),
                ("lang", Word),
            ],
        ),
        call(post.clone(), "/api/v1/partners", made_partner, partner_fields),
        call(put.clone(), "/api/v1/partners/{id}", kept_partner, kept_partner_fields),
        call(
            post.clone(),
            "/api/v1/bonus-rules",
            made_rule,
            [rule_fields, vec![("trigger", needed(Word)), ("threshold", needed(Whole))]].concat(),
        ),
        call(post.clone(), "/api/v1/bonus-rules/preview", tried_rule, tried_rule_fields),
        call(patch.clone(), "/api/v1/bonus-rules/{id}", changed_rule, changed_rule_fields),
        call(post.clone(), "/api/v1/bonus-rules", badge.clone(), badge_fields()),
        call(post.clone(), "/api/v1/bonus-rules/preview", badge, badge_fields()),
        call(
            post.clone(),
            "/api/v1/webhook-endpoints",
            endpoint.clone(),
            vec![("url", needed(Url)), ("description", Line(200)), ("events", Not(no_words()))],
        ),
        call(
            post.clone(),
            "/api/v1/webhook-endpoints",
            endpoint.clone(),
            vec![(
                "url",
                Not(["http://example.com/", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/"]
                    .map(Value::from)
                    .to_vec()),
            )],
        ),
        call(
            patch.clone(),
            "/api/v1/webhook-endpoints/{id}",
            json!({ "url": "https://example.com/hooks", "description": "Ours", "events": ["usage.limit_reached"], "enabled": false }),
            vec![("url", Url), ("description", Line(200)), ("events", Not(no_words())), ("enabled", Flag)],
        ),
        call(
            post.clone(),
            "/api/v1/webhook-endpoints/{id}/resend",
            json!({ "since": "2026-11-20T00:00:00Z" }),
            vec![("since", Time)],
        ),
        call(
            put.clone(),
            "/api/v1/notifications/settings",
            json!({
                "kinds": [{ "kind": "job_given_up", "in_app": true, "digest": false, "webhook": false }],
                "chat_url": "https://hooks.slack.com/services/T0/B0/x", "chat_shape": "slack",
            }),
            vec![
                (
                    "kinds",
                    Not(vec![
                        Value::Null,
                        json!("job_given_up"),
                        json!(["job_given_up"]),
                        json!([{ "kind": "job_given_up" }]),
                        json!([{ "kind": "nonsense", "in_app": true, "digest": true, "webhook": true }]),
                        json!([{ "kind": "job_given_up", "in_app": "yes", "digest": true, "webhook": true }]),
                        json!([{ "kind": "mail_given_up", "in_app": false, "digest": false, "webhook": true }, {}]),
                    ]),
                ),
                ("chat_url", Not(Url.bad().into_iter().filter(|bad| bad != "").collect())),
                ("chat_shape", Word),
            ],
        ),
        call(
            put.clone(),
            "/api/v1/mail-templates/{letter}/{lang}",
            json!({ "subject": "Hello", "text": "Hello", "html": "<p>Hello</p>" }),
            vec![
                ("subject", needed(Not(no_subject))),
                (
                    "text",
                    needed(Not(vec![
                        json!(""),
                        json!(7),
                        json!(long(8_001)),
                        json!("a\0b"),
                        json!("{{ nobody }}"),
                        json!("{% for x in %}"),
                    ])),
                ),
                (
                    "html",
                    needed(Not(vec![
                        json!(""),
                        json!([]),
                        json!(long(16_001)),
                        json!("a\0b"),
                        json!("{{"),
                        json!("{% include 'x' %}"),
                    ])),
                ),
                ("version", Not(vec![json!(-1), json!(99), json!("0"), json!(1.5), json!(true)])),
            ],
        ),
        setting(
            "/api/v1/settings/trial_duration_days",
            json!(5),
            Not(vec![
                json!(-1),
                json!(i64::MAX),
                json!(1.5),
                json!("x"),
                json!(""),
                json!(true),
                json!([]),
                json!({}),
                json!("\0"),
            ]),
        ),
        setting(
            "/api/v1/settings/trial_tier",
            json!("basic"),
            Not(vec![json!("nonsense"), json!(""), json!(7), json!(true), json!([]), json!("\0"), json!(long(9_000))]),
        ),
        setting(
            "/api/v1/settings/self_registration_enabled",
            json!(true),
            Not(vec![json!("yes"), json!(1), json!(""), json!([]), json!({})]),
        ),
        setting(
            "/api/v1/settings/timezone",
            json!("Europe/Berlin"),
            Not(vec![json!("Mars"), json!(""), json!(7), json!(true), json!("\0"), json!("../etc")]),
        ),
        setting(
            "/api/v1/settings/invitation_lifetime_days",
            json!(9),
            Not(vec![json!(-1), json!(0), json!(i64::MAX), json!("soon"), json!(true)]),
        ),
        setting(
            "/api/v1/settings/activity_retention_days",
            json!(90),
            Not(vec![json!(-1), json!(i64::MAX), json!("x"), json!(false)]),
        ),
        setting(
            "/api/v1/settings/admin_digest_hour",
            json!(7),
            Not(vec![json!(-1), json!(24), json!("x"), json!(1.5)]),
        ),
        call(
            put,
            "/api/v1/users/{id}/mail-preferences",
            json!({ "access": false, "referrals": false, "bonus": false }),
            vec![("access", Flag), ("referrals", Flag), ("bonus", Flag), ("digest", Flag)],
        ),
    ]
}

/// Every list and reading that takes parameters, and what their values are; those of the page are the same everywhere.
const LISTS: &[(&str, &[&str])] = &[
    ("/api/v1/coupons", &["state", "type", "partner", "batch", "archived"]),
    ("/api/v1/partners", &["archived"]),
    ("/api/v1/bonus-rules", &["archived"]),
    ("/api/v1/bonus-rules/{id}/awards", &[]),
    ("/api/v1/invitations", &["state"]),
    ("/api/v1/notifications", &["unread"]),
    ("/api/v1/mails", &["state"]),
    ("/api/v1/webhook-endpoints/{id}/deliveries", &["state"]),
    ("/api/v1/jobs/dead", &[]),
    ("/api/v1/activity", &["from", "to"]),
];

/// What is read without a page.
const READINGS: &[(&str, &[&str])] =
    &[("/api/v1/stats", &["days"]), ("/api/v1/activity/export", &["from", "to", "format"])];

/// Fills the blanks of all texts in a body.
fn filled(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => json!(fill(text)),
        Value::Array(all) => all.iter().map(|one| filled(one, fill)).collect(),
        Value::Object(all) => Value::Object(all.iter().map(|(name, one)| (name.clone(), filled(one, fill))).collect()),
        other => other.clone(),
    }
}

/// What should have been refused and was not, or was written all the same.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    /// Sends a body that must be refused, and looks whether anything was written.
    async fn try_out(&mut self, app: &TestApp, call: &Call, path: &str, body: String, what: &str) {
        let told = format!("{} {} {what}", call.method, call.route);
        let before = written(app).await;
        let answer = app.operator().send(call.method.clone(), path, body).await;
        if !answer.status.is_client_error() {
            self.0.push(format!("{told}: {} {:.200}", answer.status, answer.body));
        } else if answer.problem().1.is_empty() || before != written(app).await {
            self.0.push(format!("{told}: something is written, or there is no code: {}", answer.body));
        }
    }
}

on_both! {
    async fn every_field_is_refused_for_what_it_does_not_take_and_nothing_is_written(app: TestApp) {
        let mut findings = Findings::default();
        let maker = Maker::new(&app, "ann@example.com");
        for call in calls() {
            let Call { method, route, good, fields } = &call;
            let blanks = maker.blanks(route).await;
            let path = fill(route, &blanks);
            let good = || {
                let number = maker.number();
                filled(good, &|text| fill(text, &blanks).replace("<n>", &number)).as_object().unwrap().clone()
            };
            for (field, takes) in fields {
                for bad in takes.bad() {
                    let mut body = good();
                    body.insert((*field).to_owned(), bad.clone());
                    let told = format!("{field}={:.60}", bad.to_string());
                    findings.try_out(&app, &call, &path, Value::Object(body).to_string(), &told).await;
                }
                if matches!(takes, Needed(_)) {
                    let mut body = good();
                    body.remove(*field);
                    let told = format!("without {field}");
                    findings.try_out(&app, &call, &path, Value::Object(body).to_string(), &told).await;
                }
            }
            let body = Value::Object(good()).to_string();
            let twice = body.replacen('{', &format!("{{\"{}\": null, ", good().keys().next().unwrap()), 1);
            let broken = [
                ("half a body", body[..body.len() - 1].to_owned()),
                ("another language", "user=ann".to_owned()),
                ("a list", format!("[{body}]")),
                ("an empty list", "[]".to_owned()),
                ("a text", "\"x\"".to_owned()),
                ("a number", "7".to_owned()),
                ("nothing", "null".to_owned()),
                ("no body", String::new()),
                ("a field twice", twice),
                ("too much", format!("{{\"x\": \"{}\"}}", long(70_000))),
            ];
            for (what, body) in broken {
                findings.try_out(&app, &call, &path, body, what).await;
            }
            // What it does not know it does not mind.
            let mut body = good();
            body.insert("surprise".to_owned(), json!({ "a": [1] }));
            let taken = app.operator().send(method.clone(), &path, Value::Object(body).to_string()).await;
            if !taken.status.is_success() {
                findings.0.push(format!("{method} {route} as it is good: {} {}", taken.status, taken.body));
            }
        }
        assert!(findings.0.is_empty(), "{:#?}", findings.0);
    }

    async fn what_is_not_there_is_not_written_to(app: TestApp) {
        let client = app.operator();
        let maker = Maker::new(&app, "ann@example.com");
        for call in calls().into_iter().filter(|call| call.route.contains('{')) {
            let Call { method, route, good, .. } = &call;
            let blanks = maker.blanks(route).await;
            let body = filled(good, &|text| fill(text, &blanks).replace("<n>", &maker.number()));
            for name in route.split('/').filter(|part| part.starts_with('{')) {
                let long = long(5_000);
                for value in [NOBODY, "x", "%00", "..%2Fx", "%F0%9F%98%80", "7", long.as_str()] {
                    let path = fill(&route.replace(name, value), &blanks);
                    let told = format!("{method} {path:.200}");
                    let before = written(&app).await;
                    let answer = client.send(method.clone(), &path, body.to_string()).await;
                    assert_eq!(answer.problem().0, 404, "{told}: {}", answer.body);
                    assert_eq!(before, written(&app).await, "{told}");
                }
            }
        }
    }

    async fn lists_refuse_parameters_that_they_cannot_read(app: TestApp) {
        let client = app.operator();
        let maker = Maker::new(&app, "ann@example.com");
        let long = long(5_000);
        let words = ["", "nonsense", "%00", "7x", "-1", "%F0%9F%98%80", "[]", long.as_str()];
        let limits = ["", "0", "-1", "101", "x", "1.5", "99999999999999999999", "null", "%00"];
        for (lists, have_pages) in [(LISTS, true), (READINGS, false)] {
            for (route, names) in lists {
                let path = fill(route, &maker.blanks(route).await);
                client.get(&path).await;
                let mut queries: Vec<String> = Vec::new();
                for name in names.iter().chain(&["cursor"]).filter(|name| have_pages || **name != "cursor") {
                    queries.extend(words.map(|word| format!("{name}={word}")));
                }
                if have_pages {
                    queries.extend(limits.map(|limit| format!("limit={limit}")));
                    queries.push("limit=5&limit=6".to_owned());
                }
                for query in queries {
                    let answer = client.get(&format!("{path}?{query}")).await;
                    assert_eq!(answer.problem(), (422, "invalid_parameter".to_owned()), "{route}?{query:.60}: {}", answer.body);
                }
                if have_pages {
                    let empty = client.get(&format!("{path}?limit=1&cursor=00000000-0000-0000-0000-000000000000&surprise=1")).await;
                    assert_eq!(empty.ok()["items"], json!([]), "{route}: nothing is older than that");
                }
            }
        }
        for text in ["%00", "a%0Ab", "%25_%5C", "'%22", "%F0%9F%98%80", long.as_str()] {
            client.get(&format!("/api/v1/coupons?q={text}")).await.ok();
        }
        for text in ["%00", "a%0Ab", long.as_str()] {
            client.get(&format!("/api/v1/mails?recipient={text}")).await.is(422, "invalid_parameter");
        }
    }

    async fn an_account_is_deleted_only_after_days_that_can_be_waited(app: TestApp) {
        let client = app.operator();
        let made = client.post("/api/v1/users", json!({ "email": "ann@example.com" })).await.ok();
        let path = format!("/api/v1/users/{}", made["id"].as_str().unwrap());
        let before = written(&app).await;
        for days in ["", "-1", "91", "x", "1.5", "99999999999999999999", "%00", "7&grace_days=0"] {
            client.delete(&format!("{path}?grace_days={days}")).await.is(422, "invalid_parameter");
        }
        for key in ["", &long(256)] {
            let client = client.clone().with_header("idempotency-key", key);
            let answer = client.post(&format!("{path}/grants"), json!({ "tier": "premium", "days": 2 })).await;
            answer.is(422, "invalid_idempotency_key");
        }
        assert_eq!(before, written(&app).await);
        assert_eq!(client.delete(&format!("{path}?grace_days=0")).await.ok()["state"], "deleted");
    }
}

/// Takes the fields of a call together, to see that none is forgotten that the description has.
#[tokio::test]
async fn every_field_that_is_described_is_tried() {
    let app = TestApp::new(crate::harness::Backend::Sqlite).await.unwrap();
    let description = app.client(None).get("/api/openapi.json").await.ok();
    let calls = calls();
    for Call { method, route, .. } in &calls {
        let described = route.replace("trial_duration_days", "{key}");
        let operation = &description["paths"][&described][method.as_str().to_lowercase()];
        let Some(schema) = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str() else {
            continue;
        };
        let properties: &Map<String, Value> =
            description.pointer(schema.strip_prefix('#').unwrap()).unwrap()["properties"].as_object().unwrap();
        for name in properties.keys() {
            let is_tried = calls.iter().any(|other| {
                (&other.method, other.route) == (method, *route) && other.fields.iter().any(|(field, _)| field == name)
            });
            // It says that there is to be no end, and stands against nothing.
            let is_known = (name.as_str(), *route) == ("endless", "/api/v1/bonus-rules/{id}");
            assert!(is_tried || is_known, "{method} {route}: {name} is not tried");
        }
    }
}
