//! A member takes their data along, and leaves: what is kept, what is gone, what stands in the way.

use std::{
    io,
    sync::{Arc, Mutex},
};

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use vouchsafe::{
    domain::{
        ids::UserId,
        payment::Provider,
        user::{Role, User},
    },
    services::{
        api_keys::{self, NewApiKey},
        doctor::{self, Health},
        members,
        privacy::{self, DeletionError, Outcome},
    },
    store::{Conn, privacy::PLACES},
};

use crate::harness::{Backend, Browser, StripeCustomer, TestApp, on_both};

/// In every text that is theirs: nothing else of this kind is anywhere.
const CANARY: &str = "canary";
const ADDRESS: &str = "Canary-Ann@nest.example";
/// Drawn with the form for days at a tier.
const GIFT_KEY: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
const ELSEWHERE: &str = "198.51.100.77";

impl TestApp {
    /// Returns every row of every table as text, with the table's name.
    async fn dump(&self) -> Vec<String> {
        let texts = async |sql: String| -> Vec<String> {
            let mut reader = self.env.db.reader().await.unwrap();
            match reader.conn() {
                Conn::Sqlite(c) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(c).await.unwrap(),
                Conn::Postgres(c) => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(c).await.unwrap(),
            }
        };
        let tables = match self.backend() {
            Backend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            Backend::Postgres => "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = current_schema()",
        };
        let mut rows = Vec::new();
        for table in texts(tables.to_owned()).await {
            let row = match self.backend() {
                Backend::Sqlite => {
                    let columns = texts(format!("SELECT name FROM pragma_table_info('{table}')")).await;
                    // What is binary is written in hexadecimal digits, in which no canary sings.
                    columns.iter().map(|column| format!("quote(\"{column}\")")).collect::<Vec<_>>().join(" || ' ' || ")
                }
                Backend::Postgres => format!("{table}::TEXT"),
            };
            let found = texts(format!("SELECT {row} FROM {table}")).await;
            rows.extend(found.into_iter().map(|row| format!("{table}: {row}")));
        }
        rows
    }

    /// Returns the rows in which something of the canary is.
    async fn traces(&self) -> Vec<String> {
        // What is counted against a network is forgotten after two days, or leaving would be a way to guess on.
        let is_trace = |row: &String| {
            row.to_lowercase().contains(CANARY) || row.contains(ELSEWHERE) && !row.starts_with("rate_limits:")
        };
        self.dump().await.into_iter().filter(is_trace).collect()
    }

    /// Does what comes again by the clock, once, and all jobs.
    async fn tidy(&self) -> privacy::Run {
        self.mailbox().await;
        privacy::run_due(&self.env).await.unwrap()
    }

    async fn is_sound(&self) {
        let report = doctor::examine(&self.env.db, self.env.clock.now()).await.unwrap();
        let broken: Vec<_> = report.findings.iter().filter(|finding| finding.health == Health::Broken).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    async fn api_key(&self, name: &str, user: UserId) -> String {
        let soon = self.env.clock.now() + TimeDelta::hours(1);
        let scopes = "check consume".parse().unwrap();
        let new = NewApiKey { name: name.to_owned(), scopes, user: Some(user), expires_at: Some(soon) };
        api_keys::create(&self.env, new, ADDRESS).await.unwrap().1
    }

    /// A member who has left something wherever a member can, as an admin too.
    async fn canary(&self) -> (Browser, User) {
        let operator = self.operator();
        operator.post("/api/v1/webhook-endpoints", json!({ "url": "https://hooks.example.com/in" })).await.ok();
        let invited = json!({ "email": ADDRESS, "note": "canary-invitation", "tier": "premium", "days": 3 });
        operator.post("/api/v1/invitations", invited).await.ok();
        let mut browser =
            self.browser().with_header("user-agent", "canary-agent/1.0").with_header("x-forwarded-for", ELSEWHERE);
        self.sign_in(&mut browser, ADDRESS, "").await;
        let user = self.member(ADDRESS).await;
        let path = |what: &str| format!("/api/v1/users/{}{what}", user.id);
        operator.patch(&path(""), json!({ "external_id": "canary-external" })).await.ok();
        let restriction = json!({ "limit": 1, "reason": "canary-restriction" });
        operator.put(&path("/restrictions/photos"), restriction).await.ok();
        operator.post(&path("/credits"), json!({ "days": 9, "note": "canary-note" })).await.ok();
        operator.post(&path("/grants"), json!({ "tier": "premium", "days": 5, "reason": "canary-grant" })).await.ok();
        let coupon = json!({ "code": "SPRING", "type": "period", "tier": "premium", "duration_days": 5 });
        operator.post("/api/v1/coupons", coupon).await.ok();
        operator.post("/api/v1/coupons/SPRING/redeem", json!({ "user": ADDRESS })).await.ok();
        operator.post("/api/v1/consume", json!({ "user": ADDRESS, "feature": "ai_calls" })).await.ok();
        let key = self.client(Some(&self.api_key("canary-key", user.id).await));
        key.post("/api/v1/consume", json!({ "user": user.id, "feature": "ai_calls" })).await.ok();
        key.post("/api/v1/reservations", json!({ "user": user.id, "feature": "ai_calls" })).await.ok();
        browser.get("/settings").await;
        let form = [("base", "0"), ("symbol", "CANARY"), ("quantity", "1"), ("cost_basis", "2"), ("price", "3")];
        assert_eq!(browser.post("/portfolio", &form).await.status, 303);
        // A second sign-in that is never completed, in another spelling.
        self.env.clock.advance(TimeDelta::days(1));
        browser.clone().post("/login", &[("email", "CANARY-ann@nest.example")]).await;
        // They bought and cancelled; what the provider tells names them in more ways than one.
        let now = self.env.clock.now();
        let customer = StripeCustomer::new(user.id, 77, now);
        let named = json!({ "customer_name": "Canary Ann", "receipt_email": ADDRESS });
        self.stripe(&customer.subscription_with("created", "active", now, named.clone())).await;
        self.stripe(&customer.invoice(1, 999, now)).await;
        self.stripe(&crate::harness::event(
            "charge.succeeded",
            now,
            &json!({
                "id": "ch_77", "customer": "cus_77", "billing_details": { "name": "Canary Ann" },
            }),
        ))
        .await;
        self.env.clock.advance(TimeDelta::days(2));
        let later = self.env.clock.now();
        let ended = json!({ "ended_at": later.timestamp(), "customer_name": "Canary Ann" });
        self.stripe(&customer.subscription_with("deleted", "canceled", later, ended)).await;
        // Somebody with their address whom nobody here could be sure of: it waits for a person.
        let stranger =
            StripeCustomer { customer: "cus_78".to_owned(), user: None, price: "price_gone".to_owned(), ..customer };
        let stranger = StripeCustomer { subscription: "sub_78".to_owned(), ..stranger };
        self.stripe(&stranger.subscription_with("created", "active", later, json!({ "customer_email": ADDRESS })))
            .await;
        // The statement itself may be in the log.
        self.execute(
            "UPDATE jobs SET last_error = (SELECT '550 <' || email || '> unknown' FROM users WHERE external_id IS NOT NULL)
            WHERE kind = 'send_mail'",
        )
        .await;
        (browser, user)
    }

    /// The same as an admin: their name stands where they did something.
    async fn canary_as_admin(&self) -> (Browser, User) {
        let (mut browser, user) = self.canary().await;
        members::set_role(&self.env, user.id, Role::Admin, "operator").await.unwrap();
        self.env.clock.advance(TimeDelta::days(1));
        self.sign_in(&mut browser, ADDRESS, "").await;
        self.signed_in_admin("root@example.com").await;
        self.signed_in("bob@example.com").await;
        let bob = self.member("bob@example.com").await.id;
        self.sign_in(&mut browser, ADDRESS, "").await;
        let about_bob = |what: &str| format!("/admin/users/{bob}/{what}");
        let done = async |browser: &mut Browser, path: &str, fields: &[(&str, &str)]| {
            let page = browser.post(path, fields).await;
            assert_eq!(page.status, 303, "{path}: {}", page.body);
            page.location().to_owned()
        };
        let note = "ask Canary-Ann@nest.example";
        done(&mut browser, &about_bob("tier"), &[("tier", "premium")]).await;
        let gift = [("grant_tier", "premium"), ("grant_days", "3"), ("grant_reason", note), ("key", GIFT_KEY)];
        done(&mut browser, &about_bob("grants"), &gift).await;
        done(&mut browser, &about_bob("restrict"), &[("feature", "photos"), ("limit", "2"), ("reason", note)]).await;
        done(&mut browser, &about_bob("disable"), &[]).await;
        done(&mut browser, &about_bob("enable"), &[]).await;
        let page = browser.get("/admin/features/photos").await;
        let page = browser.submit(&page, "form[action='/admin/features/photos']", &[("name_en", "Pictures")]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        let gym = [("name", "Gym"), ("contact", "Kim"), ("email", "kim@example.com")];
        let partner = done(&mut browser, "/admin/partners", &gym).await;
        let partner = partner.trim_start_matches("/admin/partners/").trim_end_matches("?said=added");
        let posters = [("kind", "single_use"), ("tier", "basic"), ("days", "7"), ("count", "3"), ("description", note)];
        done(&mut browser, "/admin/coupons", &posters).await;
        let pass = [("kind", "partner"), ("tier", "premium"), ("days", "30"), ("count", "1"), ("code", "gympass")];
        done(&mut browser, "/admin/coupons", &[&pass[..], &[("partner", partner)]].concat()).await;
        done(&mut browser, "/redeem", &[("code", "gympass")]).await;
        let rule = [("name_en", "Saver"), ("trigger", "coupons_redeemed"), ("threshold", "9"), ("reward", "badge")];
        let form = "form[action='/admin/bonus']";
        let page = browser.get("/admin/bonus").await;
        let page = browser.submit(&page, form, &[&rule[..], &[("letter", "s"), ("do", "save")]].concat()).await;
        assert_eq!(page.status, 303, "{}", page.body);
        let hook = [("url", "https://hooks.example.com/birds"), ("description", "birds"), ("event", "user.created")];
        assert_eq!(browser.post("/admin/webhooks", &hook).await.status, 201);
        let wording =
            [("subject", "A gift"), ("text", "{{ days }} {{ tier }}"), ("html", "<p>{{ days }} {{ tier }}</p>")];
        let path = "/admin/mails/templates/access_granted/en";
        done(&mut browser, path, &[&wording[..], &[("version", "0")]].concat()).await;
        done(&mut browser, "/admin/settings", &[("reminder_days", "9")]).await;
        done(&mut browser, "/admin/invitations", &[("emails", "cem@example.com"), ("note", note), ("lang", "en")])
            .await;
        (browser, user)
    }
}

/// A program whose clients' addresses are told by a proxy.
async fn behind_a_proxy(backend: Backend) -> Option<TestApp> {
    let app = TestApp::with(backend, &[("VOUCHSAFE_TRUSTED_PROXIES", "0.0.0.0/0")]).await?;
    Some(app.with_prices().await)
}

async fn nothing_of_somebody_is_left(backend: Backend) {
    let Some(app) = behind_a_proxy(backend).await else { return };
    let (_, user) = app.canary_as_admin().await;
    app.mailbox().await;
    let before = app.traces().await;
    let tables: std::collections::BTreeSet<&str> = before.iter().map(|row| row.split(':').next().unwrap()).collect();
    for table in [
        "users",
        "sessions",
        "login_attempts",
        "user_activity_log",
        "credit_entries",
        "access_grants",
        "user_feature_restrictions",
        "api_keys",
        "portfolio_versions",
        "payment_events",
        "mails",
        "jobs",
        "invitations",
        "rate_limits",
        "webhook_deliveries",
        "usage_events",
        "reservations",
        "coupon_batches",
        "coupons",
        "partners",
        "bonus_rules",
        "webhook_endpoints",
        "mail_templates",
        "app_settings",
    ] {
        assert!(tables.contains(table), "the canary left nothing in {table}: {tables:?}");
    }
    let export = app.operator().get(&format!("/api/v1/users/{}/export", user.id)).await;
    assert!(export.body.to_lowercase().matches(CANARY).count() > 10);

    let deleted = app.operator().delete(&format!("/api/v1/users/{}?grace_days=0", user.id)).await.ok();
    assert_eq!(deleted, json!({ "user": user.id, "state": "deleted", "due_at": null }));
    let left = app.traces().await;
    assert_eq!(left.len(), 1, "only where the last letter goes: {left:#?}");
    assert!(left[0].starts_with("mails:") && left[0].contains("account_deleted"), "{left:?}");
    let letter = app.mailbox().await.into_iter().find(|mail| mail.to == ADDRESS).unwrap();
    assert!(letter.text.contains("deleted"), "{}", letter.text);
    app.tidy().await;
    let left = app.traces().await;
    assert!(left.is_empty(), "{left:#?}");

    // What arrives late is nobody's, and says nothing about them once it is taken in.
    let now = app.env.clock.now();
    let customer = StripeCustomer::new(user.id, 77, now);
    let named = json!({ "customer_name": "Canary Ann", "receipt_email": ADDRESS });
    app.stripe(&customer.subscription_with("updated", "active", now, named)).await;
    app.stripe(&customer.invoice(2, 999, now)).await;
    app.stripe(&customer.checkout(Some(user.id), ADDRESS, now)).await;
    app.stripe(&customer.payment(1, now)).await;
    app.stripe(&customer.refund(1, 999, 999, now)).await;
    assert!(app.traces().await.is_empty(), "{:#?}", app.traces().await);
    let events = app.operator().get("/api/v1/payments/events?limit=5").await.ok();
    let states: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["state"].as_str().unwrap()).collect();
    assert!(
        !states.contains(&"failed") && states.iter().filter(|state| **state == "ignored").count() == 3,
        "{events:#}"
    );

    // No list for admins knows them.
    let operator = app.operator();
    let bobs = format!("/api/v1/users/{}/export", app.member("bob@example.com").await.id);
    let partner = operator.get("/api/v1/partners").await.ok()["items"][0]["id"].as_str().unwrap().to_owned();
    let statement = format!("/api/v1/partners/{partner}/statements/{}", app.env.clock.now().format("%Y-%m"));
    for path in [
        "/api/v1/users?q=canary",
        "/api/v1/activity?limit=100",
        "/api/v1/activity/export",
        "/api/v1/payments/events?limit=100",
        bobs.as_str(),
        statement.as_str(),
    ] {
        let answer = operator.get(path).await;
        assert!(answer.status.is_success() && !answer.body.to_lowercase().contains(CANARY), "{path}: {}", answer.body);
    }
    // That money is taken of nobody is told, by the provider's own name for it.
    let told = operator.get("/api/v1/notifications?limit=50").await.ok();
    let told: Vec<&Value> =
        told["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "deleted_pays").collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].to_string().contains("sub_77") && told[0].to_string().contains("Stripe"), "{told:#?}");
    operator.get(&format!("/api/v1/users/{}", user.id)).await.is(404, "user_unknown");
    operator.get(&format!("/api/v1/users/{ADDRESS}")).await.is(404, "user_unknown");
    app.is_sound().await;
}

#[tokio::test]
async fn nothing_of_somebody_is_left_on_sqlite() {
    nothing_of_somebody_is_left(Backend::Sqlite).await;
}

#[tokio::test]
async fn nothing_of_somebody_is_left_on_postgres() {
    nothing_of_somebody_is_left(Backend::Postgres).await;
}

async fn what_others_did_is_theirs(backend: Backend) {
    let Some(app) = behind_a_proxy(backend).await else { return };
    let mut bob = app.browser().with_header("user-agent", "bobs-browser").with_header("x-forwarded-for", "203.0.113.9");
    app.sign_in(&mut bob, "bob@example.com", "").await;
    let user = app.member("bob@example.com").await.id;
    let operator = app.operator();
    operator.post("/api/v1/webhook-endpoints", json!({ "url": "https://hooks.example.com/in" })).await.ok();
    app.signed_in_admin("canary-root@nest.example").await;
    let mut root =
        app.browser().with_header("user-agent", "canary-agent/1.0").with_header("x-forwarded-for", ELSEWHERE);
    app.env.clock.advance(TimeDelta::days(1));
    app.sign_in(&mut root, "canary-root@nest.example", "").await;
    let invited = [("emails", "bob@example.com"), ("lang", "en"), ("note", ""), ("tier", "premium"), ("days", "3")];
    for (path, fields) in [
        ("disable", &[][..]),
        ("enable", &[]),
        ("restrict", &[("feature", "photos"), ("limit", "2"), ("reason", "spam")]),
        ("grants", &[("grant_tier", "premium"), ("grant_days", "3"), ("grant_reason", ""), ("key", GIFT_KEY)]),
    ] {
        let page = root.post(&format!("/admin/users/{user}/{path}"), fields).await;
        assert_eq!(page.status, 303, "{path}: {}", page.body);
    }
    root.post("/admin/invitations", &invited).await;
    operator.post(&format!("/api/v1/users/{user}/credits"), json!({ "days": 9 })).await.ok();
    let app_key = app.app_with("manage").await;
    app_key.post(&format!("/api/v1/users/{user}/grants"), json!({ "tier": "premium", "days": 5 })).await.ok();
    app.mailbox().await;
    let export = operator.get(&format!("/api/v1/users/{user}/export")).await;
    let text = export.body.to_lowercase();
    assert!(!text.contains(CANARY) && !text.contains(ELSEWHERE), "{text}");
    for part in
        [r#""actor":"an admin""#, r#""actor":"operator""#, r#""granted_by":"an app""#, r#""created_by":"an admin""#]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What they did themselves is told as it was.
    for part in [r#""actor":"bob@example.com""#, "bobs-browser", "203.0.113.9"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in [r#""attempt""#, r#""invitation":"#, "referred_by"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn what_others_did_is_theirs_on_sqlite() {
    what_others_did_is_theirs(Backend::Sqlite).await;
}

#[tokio::test]
async fn what_others_did_is_theirs_on_postgres() {
    what_others_did_is_theirs(Backend::Postgres).await;
}

async fn what_is_old_is_forgotten(backend: Backend) {
    let Some(app) = behind_a_proxy(backend).await else { return };
    let mut browser = app.browser().with_header("x-forwarded-for", ELSEWHERE);
    app.sign_in(&mut browser, "ann@example.com", "").await;
    let holding = async |text: &str| app.dump().await.into_iter().filter(|row| row.contains(text)).collect::<Vec<_>>();
    assert!(!holding(ELSEWHERE).await.is_empty());
    app.env.clock.advance(TimeDelta::days(31));
    app.runner.do_what_is_due().await.unwrap();
    assert_eq!(holding(ELSEWHERE).await, [""; 0]);
    let lines = holding("198.51.100.0/24").await;
    assert!(lines.iter().any(|row| row.starts_with("user_activity_log:")), "{lines:?}");
    app.env.clock.advance(TimeDelta::days(150));
    app.runner.do_what_is_due().await.unwrap();
    assert_eq!(holding("198.51.100").await, [""; 0]);
    assert!(app.member("ann@example.com").await.email.is_some(), "the account is there");
}

#[tokio::test]
async fn what_is_old_is_forgotten_on_sqlite() {
    what_is_old_is_forgotten(Backend::Sqlite).await;
}

#[tokio::test]
async fn what_is_old_is_forgotten_on_postgres() {
    what_is_old_is_forgotten(Backend::Postgres).await;
}

/// Where a log is written to be read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn the_log_keeps_secrets(backend: Backend) {
    let paper = Paper::default();
    let writer = paper.clone();
    let lines = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With a single subscriber in the program, tracing asks the thread on which a line comes first whether anybody
    // listens, and remembers its answer for all.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    // This test has one thread, and so has everything that it starts.
    let _listening = tracing::subscriber::set_default(lines);
    let Some(app) = behind_a_proxy(backend).await else { return };
    let (browser, user) = app.canary().await;
    app.mailbox().await;
    app.env.clock.advance(TimeDelta::days(1));
    let mut another = app.browser();
    another.post("/login", &[("email", ADDRESS)]).await;
    let code = app.code_for(ADDRESS).await;
    let token = app.api_key("canary-key", user.id).await;
    app.client(Some(&token)).post("/api/v1/check", json!({ "user": user.id, "feature": "ai_calls" })).await.ok();
    app.client(Some("vs_canary_that_is_no_key")).get("/api/v1/tiers").await;
    assert_eq!(another.post("/verify", &[("code", &code)]).await.status, 303);
    assert_eq!(privacy::delete_after(&app.env, user.id, 0, "operator").await.unwrap(), Outcome::Deleted);
    app.tidy().await;

    let log = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("signed in") && log.contains("an account was deleted"), "{log}");
    assert!(log.contains(&user.id.to_string()), "who is told by id");
    let mut secrets = vec![code, token, crate::harness::STRIPE_SECRET.to_owned(), ELSEWHERE.to_owned()];
    secrets.extend(browser.cookies.into_values().chain(another.cookies.into_values()).filter(|value| value.len() > 20));
    for line in log.lines() {
        assert!(!line.to_lowercase().contains(CANARY), "{line}");
        for secret in &secrets {
            assert!(!line.contains(secret.as_str()), "{secret}: {line}");
        }
    }
}

#[tokio::test]
async fn the_log_keeps_secrets_on_sqlite() {
    the_log_keeps_secrets(Backend::Sqlite).await;
}

#[tokio::test]
async fn the_log_keeps_secrets_on_postgres() {
    the_log_keeps_secrets(Backend::Postgres).await;
}

on_both! {
    async fn a_member_takes_everything_along(app: TestApp) {
        let app = app.with_prices().await;
        let (mut browser, user) = app.canary().await;
        // Signed in a while ago: a fresh code comes first.
        let asked = browser.get("/settings/export").await;
        assert_eq!(asked.location(), "/login?fresh=1&next=%2Fsettings%2Fexport");
        app.env.clock.advance(TimeDelta::days(1));
        app.sign_in(&mut browser, ADDRESS, "").await;
        let page = browser.get("/settings").await;
        assert_eq!(page.attribute("section:has(#data) a.btn", "href").as_deref(), Some("/settings/export"));
        let file = browser.get("/settings/export").await;
        assert_eq!(file.status, 200);
        assert_eq!(file.headers["content-type"], "application/json");
        assert_eq!(file.headers["cache-control"], "no-store");
        let day = app.env.clock.now().format("%Y-%m-%d");
        assert_eq!(file.headers["content-disposition"], format!("attachment; filename=\"export-{day}.json\""));
        let export: Value = serde_json::from_str(&file.body).unwrap();
        assert_eq!((&export["version"], &export["profile"][0]["email"]), (&json!(1), &json!(ADDRESS)));
        assert_eq!(export["profile"][0]["id"], json!(user.id));
        let sections = PLACES.iter().filter(|place| matches!(place.export, vouchsafe::store::privacy::Export::As { .. }));
        assert_eq!(export.as_object().unwrap().len(), sections.count() + 3);
        for (section, column, value) in [
            ("sessions", "user_agent", json!("canary-agent/1.0")),
            ("restrictions", "reason", json!("canary-restriction")),
            ("credit", "note", json!("canary-note")),
            ("grants", "reason", json!("canary-grant")),
            ("api_keys", "name", json!("canary-key")),
            ("usage", "used", json!(2)),
            ("usage_events", "amount", json!(1)),
            ("subscriptions", "status", json!("ended")),
            ("payments", "amount", json!(999)),
            ("invitations_received", "note", json!("canary-invitation")),
        ] {
            let rows = export[section].as_array().unwrap();
            assert!(rows.iter().any(|row| row[column] == value), "{section}.{column}: {rows:?}");
        }
        for full in ["sign_ins", "sign_in_attempts", "activity", "coupons_redeemed", "portfolio", "portfolio_versions", "payment_events", "mails", "told_to_apps"] {
            assert!(!export[full].as_array().unwrap().is_empty(), "{full}");
        }
        for secret in ["token_hash", "text_body", "payload\":{\"id\":\"evt", "email_key"] {
            assert!(!file.body.contains(secret), "{secret}");
        }
        // An app with the scope of an admin reads the same; the log knows of both.
        let read = app.app_with("admin").await.get(&format!("/api/v1/users/{}/export", user.id)).await.ok();
        assert_eq!(read["profile"], export["profile"]);
        let exported = app.dump().await.into_iter().filter(|row| row.contains("data_exported")).count();
        assert_eq!(exported, 2);
    }

    async fn a_long_export_is_whole(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        let mut tx = app.env.db.begin().await.unwrap();
        for number in 0..1_203 {
            let line = vouchsafe::store::activity::NewActivity {
                id: app.env.random.id(app.env.clock.now()),
                user: Some(user),
                actor: "operator",
                action: "credit_granted",
                details: json!({ "number": number }),
                ip_address: None,
                user_agent: None,
            };
            vouchsafe::store::activity::insert(&mut tx.conn(), &line, app.env.clock.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let export: Value = serde_json::from_str(&ann.get("/settings/export").await.body).unwrap();
        let numbers: std::collections::BTreeSet<i64> =
            export["activity"].as_array().unwrap().iter().filter_map(|line| line["details"]["number"].as_i64()).collect();
        assert_eq!(numbers.len(), 1_203);
    }

    async fn who_leaves_has_a_week_to_think_and_can_stay(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        let page = ann.get("/settings/delete").await;
        assert!(page.text("main").contains("seven days"));
        // Without the tick nothing happens.
        let refused = ann.post("/settings/delete", &[]).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.text(".err"), "Tick the box, so that nothing is deleted by accident.");
        let asked = ann.post("/settings/delete", &[("sure", "on")]).await;
        assert_eq!(asked.location(), "/settings");
        let page = ann.get("/settings").await;
        assert_eq!(page.text("section.alert span"), "Your account will be deleted on 28 November 2026.");
        let letter = &app.mailbox().await[0];
        assert!(letter.to == "ann@example.com" && letter.subject.contains("deleted"), "{}", letter.text);
        // Asked again, the date stays.
        app.env.clock.advance(TimeDelta::minutes(5));
        ann.post("/settings/delete", &[("sure", "on")]).await;
        // A week less a bit: still there, and signing in does not keep it by itself.
        app.env.clock.advance(TimeDelta::days(6));
        assert_eq!(app.tidy().await.deleted, 0);
        app.sign_in(&mut ann, "ann@example.com", "").await;
        let page = ann.get("/settings").await;
        assert_eq!(page.text("section.alert span"), "Your account will be deleted on 28 November 2026.");
        let kept = ann.submit(&page, "section.alert form", &[]).await;
        assert_eq!(kept.location(), "/settings?said=kept");
        assert_eq!(ann.get(kept.location()).await.text("[role=status] span"), "Your account stays.");
        app.env.clock.advance(TimeDelta::days(6));
        assert_eq!(app.tidy().await, privacy::Run::default());
        assert_eq!(app.member("ann@example.com").await.id, user);

        // Asked again, it happens by the clock.
        app.sign_in(&mut ann, "ann@example.com", "").await;
        ann.post("/settings/delete", &[("sure", "on")]).await;
        app.env.clock.advance(TimeDelta::days(7));
        app.runner.do_what_is_due().await.unwrap();
        assert!(matches!(members::with_email(&app.env, vouchsafe::domain::email::EmailAddress::parse("ann@example.com").unwrap().key()).await, Err(members::MemberError::NoSuchMember)));
        assert_eq!(ann.get("/settings").await.location(), "/login?next=%2Fsettings");
        // Whoever comes back is somebody new.
        app.sign_in(&mut ann, "ann@example.com", "").await;
        let again = app.member("ann@example.com").await;
        assert_ne!(again.id, user);
        assert_eq!(ann.get("/settings").await.text("section.alert span"), "");
    }

    async fn an_old_sign_in_does_not_delete(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::minutes(15));
        let page = ann.get("/settings/delete").await;
        assert_eq!(page.attribute("main a.main", "href").as_deref(), Some("/login?fresh=1&next=%2Fsettings%2Fdelete"));
        let asked = ann.post("/settings/delete", &[("sure", "on")]).await;
        assert_eq!(asked.location(), "/login?fresh=1&next=%2Fsettings%2Fdelete");
        assert_eq!(ann.get("/settings").await.text("section.alert span"), "");
    }

    async fn who_pays_cancels_first(app: TestApp) {
        let app = app.with_prices().await;
        let mut ann = app.signed_in("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        let now = app.env.clock.now();
        let customer = StripeCustomer::new(user, 1, now);
        app.stripe(&customer.subscription("created", "active", now)).await;
        let page = ann.get("/settings/delete").await;
        assert_eq!(page.attribute("main form", "action").as_deref(), Some("/billing/portal"));
        assert!(page.text(".alert").contains("Cancel it first"));
        let refused = ann.post("/settings/delete", &[("sure", "on")]).await;
        assert_eq!((refused.status.as_u16(), refused.text(".alert").contains("Cancel it first")), (422, true));
        app.operator().delete(&format!("/api/v1/users/{user}")).await.is(409, "subscription_running");
        // It is to end: that is enough.
        app.env.clock.advance(TimeDelta::seconds(9));
        let now = app.env.clock.now();
        let ends = json!({ "cancel_at_period_end": true, "cancel_at": now.timestamp() + 9_000 });
        app.stripe(&customer.subscription_with("updated", "active", now, ends)).await;
        assert_eq!(ann.post("/settings/delete", &[("sure", "on")]).await.location(), "/settings");
        // They thought better of it at the provider: the account waits, and does not take their money unseen.
        app.env.clock.advance(TimeDelta::seconds(9));
        app.stripe(&customer.subscription("updated", "active", app.env.clock.now())).await;
        app.env.clock.advance(TimeDelta::days(7));
        let run = app.tidy().await;
        assert_eq!((run.deleted, run.postponed), (0, 1));
        assert_eq!(app.tidy().await.postponed, 0, "tomorrow again");
        // They are told so, once.
        let told = async || app.mailbox().await.iter().filter(|mail| mail.subject.contains("not deleted yet")).count();
        assert_eq!(told().await, 1);
        app.env.clock.advance(TimeDelta::days(1));
        assert_eq!(app.tidy().await.postponed, 1);
        assert_eq!(told().await, 1);
        let log = app.operator().all_pages("/api/v1/activity?action=deletion_postponed", 10).await;
        assert!(log.iter().all(|line| line["actor"] == "system" && line["details"]["because"] == "subscription"), "{log:?}");
        assert_eq!(log.len(), 2, "each time");
        app.env.clock.advance(TimeDelta::days(1));
        let now = app.env.clock.now();
        app.stripe(&customer.subscription_with("deleted", "canceled", now, json!({ "ended_at": now.timestamp() }))).await;
        assert_eq!(app.tidy().await.deleted, 1);
    }

    async fn who_leaves_buys_nothing(app: TestApp) {
        let app = app.with_prices().await;
        let mut ann = app.signed_in("ann@example.com").await;
        ann.post("/settings/delete", &[("sure", "on")]).await;
        let wish = [("tier", "premium"), ("interval", "month")];
        let refused = ann.post("/billing/checkout", &wish).await;
        assert_eq!(refused.status, 409);
        assert!(refused.text("main").contains("Keep it first"), "{}", refused.body);
        let kept = ann.submit(&refused, "main form[action='/settings/keep']", &[]).await;
        assert_eq!(kept.location(), "/settings?said=kept");
        let next = ann.post("/billing/checkout", &wish).await;
        assert!(!next.text("main").contains("Keep it first"), "{}", next.body);
    }

    async fn what_somebody_was_called_before_is_gone_with_them(app: TestApp) {
        let app = app.with_prices().await;
        let operator = app.operator();
        let coupon = json!({ "code": "SPRING", "type": "period", "tier": "premium", "duration_days": 5 });
        operator.post("/api/v1/coupons", coupon).await.ok();
        let mut ann = app.browser();
        app.sign_in(&mut ann, "Canary-old@nest.example", "").await;
        assert_eq!(ann.post("/redeem", &[("code", "SPRING")]).await.status, 303);
        let user = app.member("canary-old@nest.example").await.id;
        operator.patch(&format!("/api/v1/users/{user}"), json!({ "external_id": "canary-1" })).await.ok();
        operator.patch(&format!("/api/v1/users/{user}"), json!({ "email": "new@example.com", "external_id": "new-1" })).await.ok();
        // What still comes under the old one: a sign-in, an invitation, a payment.
        app.env.clock.advance(TimeDelta::days(1));
        operator.put("/api/v1/settings/self_registration_enabled", json!({ "value": "false" })).await.ok();
        app.browser().post("/login", &[("email", "canary-old@nest.example")]).await;
        operator.post("/api/v1/invitations", json!({ "email": "CANARY-old@nest.example" })).await.ok();
        let now = app.env.clock.now();
        let stranger = StripeCustomer { user: None, ..StripeCustomer::new(user, 78, now) };
        let mut paid = stranger.invoice(1, 999, now);
        paid["data"]["object"]["customer_email"] = json!("canary-OLD@nest.example");
        app.stripe(&paid).await;
        app.mailbox().await;
        let tables: std::collections::BTreeSet<String> =
            app.traces().await.iter().map(|row| row.split(':').next().unwrap().to_owned()).collect();
        for table in ["access_grants", "former_names", "invitations", "mails", "payment_events", "user_activity_log"] {
            assert!(tables.contains(table), "{table}: {tables:?}");
        }
        let export = operator.get(&format!("/api/v1/users/{user}/export")).await;
        assert!(export.body.contains("Canary-old@nest.example"), "{}", export.body);
        operator.delete(&format!("/api/v1/users/{user}?grace_days=0")).await.ok();
        let left = app.traces().await;
        assert!(left.is_empty(), "{left:#?}");
        app.is_sound().await;
    }

    async fn with_what_address_a_stranger_paid_is_in_no_log(app: TestApp) {
        let app = app.with_prices().await;
        let now = app.env.clock.now();
        app.signed_in_admin("root@example.com").await;
        let user = app.member("root@example.com").await.id;
        let stranger = StripeCustomer { user: None, ..StripeCustomer::new(user, 78, now) };
        let mut paid = stranger.invoice(1, 999, now);
        paid["data"]["object"]["customer_email"] = json!("canary@nest.example");
        app.stripe(&paid).await;
        // Until it is given up, and the admins have a letter.
        for _ in 0..20 {
            app.env.clock.advance(TimeDelta::days(2));
            app.runner.run_until_idle().await.unwrap();
        }
        let event = app.operator().get("/api/v1/payments/events").await.ok()["items"][0].clone();
        assert!(event["state"] == "dead" && event["error"].as_str().unwrap().contains("cus_78"), "{event:#}");
        let others: Vec<String> = app.traces().await;
        assert_eq!(others.len(), 1, "{others:#?}");
        assert!(others[0].starts_with("payment_events:") && !event["error"].as_str().unwrap().contains(CANARY), "{others:#?}");
    }

    async fn the_log_says_from_where_somebody_took_their_data(app: TestApp) {
        let mut ann = app.browser().with_header("user-agent", "anns-browser");
        app.sign_in(&mut ann, "ann@example.com", "").await;
        assert_eq!(ann.get("/settings/export").await.status, 200);
        let lines: Vec<String> = app.dump().await.into_iter().filter(|row| row.contains("data_exported")).collect();
        assert!(lines.len() == 1 && lines[0].contains("anns-browser"), "{lines:?}");
    }

    async fn one_who_cannot_be_deleted_holds_up_nobody(app: TestApp) {
        for address in ["ann@example.com", "bob@example.com"] {
            app.signed_in(address).await;
            app.operator().delete(&format!("/api/v1/users/{address}?grace_days=1")).await.ok();
            app.env.clock.advance(TimeDelta::minutes(1));
        }
        let gone = app.signed_in("cem@example.com").await;
        app.operator().delete("/api/v1/users/cem@example.com?grace_days=0").await.ok();
        drop(gone);
        app.mailbox().await;
        app.execute("UPDATE users SET lang = 'xx' WHERE email = 'ann@example.com'").await;
        app.env.clock.advance(TimeDelta::days(2));
        assert!(privacy::run_due(&app.env).await.is_err(), "it is told");
        let left = app.dump().await.into_iter().filter(|row| row.starts_with("users:") && row.contains('@')).count();
        assert_eq!(left, 1, "the other is gone");
        app.execute("UPDATE users SET lang = 'en' WHERE email = 'ann@example.com'").await;
        assert_eq!(app.tidy().await.deleted, 1);
    }

    async fn what_is_written_late_is_found_however_late_somebody_looks(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        app.operator().delete("/api/v1/users/ann@example.com?grace_days=0").await.ok();
        app.mailbox().await;
        // A request that had begun before writes, and nobody is there for days.
        app.execute(&format!(
            "INSERT INTO user_activity_log (id, user_id, actor, action, details, ip_address, user_agent, created_at)
            SELECT id, id, 'canary@nest.example', 'login', '{{}}', '{ELSEWHERE}', 'canary-agent', deleted_at FROM users
            WHERE deleted_at IS NOT NULL"
        )).await;
        assert_eq!(app.traces().await.len(), 1, "{user}");
        app.env.clock.advance(TimeDelta::days(3));
        app.tidy().await;
        assert_eq!(app.traces().await, [""; 0]);
    }

    async fn the_last_admin_stays(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        let user = app.member("root@example.com").await.id;
        let page = root.get("/settings/delete").await;
        assert!(page.text(".alert").contains("last admin"));
        assert_eq!(root.post("/settings/delete", &[("sure", "on")]).await.status, 422);
        app.operator().delete(&format!("/api/v1/users/{user}?grace_days=0")).await.is(409, "last_admin");
        // With another one they may go; then that one is the last.
        app.signed_in_admin("eve@example.com").await;
        let eve = app.member("eve@example.com").await.id;
        app.operator().delete(&format!("/api/v1/users/{user}?grace_days=3")).await.ok();
        app.operator().delete(&format!("/api/v1/users/{eve}?grace_days=3")).await.is(409, "last_admin");
        // When the other is closed meanwhile, it is postponed.
        members::set_disabled(&app.env, eve, true, "operator").await.unwrap();
        app.env.clock.advance(TimeDelta::days(3));
        let run = app.tidy().await;
        assert_eq!((run.deleted, run.postponed), (0, 1));
    }

    async fn an_admin_deletes_by_typing_the_name(app: TestApp) {
        let mut root = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        let page = root.get(&format!("/admin/users/{user}")).await;
        let path = format!("/admin/users/{user}/delete");
        assert!(page.body.contains(&path));
        let wrong = root.post(&path, &[("name", "<ann>"), ("when", "now")]).await;
        assert_eq!(wrong.status, 422);
        assert_eq!(wrong.text("#name-error"), "That is not what stands above.");
        assert_eq!(wrong.attribute("#name", "value").as_deref(), Some("<ann>"));
        let due = root.post(&path, &[("name", "ann@example.com"), ("when", "later")]).await;
        assert_eq!(due.location(), format!("/admin/users/{user}?said=deletion-due"));
        let page = root.get(due.location()).await;
        assert!(page.text("section.alert span").starts_with("This account will be deleted on"));
        let kept = root.submit(&page, "section.alert form", &[]).await;
        assert_eq!(kept.location(), format!("/admin/users/{user}?said=deletion-off"));
        let gone = root.post(&path, &[("name", "ann@example.com"), ("when", "now")]).await;
        assert_eq!(gone.location(), "/admin/users?said=deleted");
        assert_eq!(root.get(gone.location()).await.text("[role=status] span"), "The account is deleted.");
        assert_eq!(root.get(&format!("/admin/users/{user}")).await.status, 404);
        assert_eq!(root.post(&format!("/admin/users/{user}/keep"), &[]).await.status, 404);
    }

    async fn a_friend_is_rewarded_though_who_invited_is_gone(app: TestApp) {
        let app = app.with_prices().await;
        let mut ann = app.signed_in("ann@example.com").await;
        ann.get("/settings").await;
        let code = app.member("ann@example.com").await.referral_code.unwrap().to_string();
        app.sign_in(&mut app.browser(), "bob@example.com", &code).await;
        let (referrer, friend) = (app.member("ann@example.com").await.id, app.member("bob@example.com").await.id);
        app.operator().delete(&format!("/api/v1/users/{referrer}?grace_days=0")).await.ok();
        let now = app.env.clock.now();
        let customer = StripeCustomer::new(friend, 1, now);
        app.stripe(&customer.subscription("created", "active", now)).await;
        app.stripe(&customer.invoice(1, 999, now)).await;
        app.env.clock.advance(TimeDelta::days(60));
        app.runner.do_what_is_due().await.unwrap();
        assert!(app.member("bob@example.com").await.credit_until.is_some());
        app.is_sound().await;
    }

    async fn nobody_gets_a_trial_or_a_coupon_twice_by_coming_back(app: TestApp) {
        let operator = app.operator();
        operator.put("/api/v1/settings/trial_duration_days", json!({ "value": "14" })).await;
        let coupon = json!({ "code": "SPRING", "type": "period", "tier": "premium", "duration_days": 5 });
        operator.post("/api/v1/coupons", coupon).await.ok();
        app.signed_in("ann@example.com").await;
        operator.post("/api/v1/coupons/SPRING/redeem", json!({ "user": "ann@example.com" })).await.ok();
        operator.delete("/api/v1/users/ann@example.com?grace_days=0").await.ok();
        app.env.clock.advance(TimeDelta::days(1));
        app.signed_in("Ann@Example.com").await;
        assert_eq!(app.member("ann@example.com").await.trial_ends_at, None);
        operator.post("/api/v1/coupons/SPRING/redeem", json!({ "user": "ann@example.com" })).await.is(409, "coupon_already_yours");
        operator.post("/api/v1/coupons/SPRING/redeem", json!({ "user": "ann@example.com" })).await.is(409, "coupon_already_yours");
    }

    async fn nor_under_any_address_that_they_had_when_they_redeemed_or_left(app: TestApp) {
        let operator = app.operator();
        let coupon = json!({ "code": "SPRING", "type": "period", "tier": "premium", "duration_days": 5 });
        operator.post("/api/v1/coupons", coupon).await.ok();
        let come = async |email: &str| operator.post("/api/v1/users", json!({ "email": email })).await.ok()["id"].clone();
        let redeem = async |email: &str| operator.post("/api/v1/coupons/SPRING/redeem", json!({ "user": email })).await;
        let ann = come("ann@example.com").await;
        redeem("ann@example.com").await.ok();
        let path = format!("/api/v1/users/{}", ann.as_str().unwrap());
        operator.patch(&path, json!({ "email": "ann@example.org" })).await.ok();
        operator.delete(&format!("{path}?grace_days=0")).await.ok();
        app.env.clock.advance(TimeDelta::days(1));
        for email in ["ann@example.com", "ann@example.org"] {
            assert_ne!(come(email).await, ann);
            redeem(email).await.is(409, "coupon_already_yours");
        }
        come("bob@example.com").await;
        redeem("bob@example.com").await.ok();
    }

    async fn nor_by_coming_back_under_the_same_external_id(app: TestApp) {
        let operator = app.operator();
        let coupon = json!({ "code": "SUMMER", "type": "period", "tier": "premium", "duration_days": 30 });
        operator.post("/api/v1/coupons", coupon).await.ok();
        let come = || async { operator.post("/api/v1/users", json!({ "external_id": "crm-17" })).await };
        assert!(come().await.ok()["trial_ends_at"].is_string());
        let redeem = || async { operator.post("/api/v1/coupons/summer/redeem", json!({ "user": "crm-17" })).await };
        redeem().await.ok();
        operator.delete("/api/v1/users/crm-17?grace_days=0").await.ok();
        app.env.clock.advance(TimeDelta::days(1));
        let back = come().await;
        assert_eq!((back.status.as_u16(), &back.ok()["trial_ends_at"]), (201, &Value::Null));
        redeem().await.is(409, "coupon_already_yours");
    }

    async fn the_api_says_what_it_does_and_refuses_nonsense(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        let admin = app.app_with("admin").await;
        let due = admin.delete("/api/v1/users/ann@example.com").await.ok();
        assert_eq!(due["state"], "scheduled");
        assert_eq!(due["due_at"], json!(app.env.clock.now() + TimeDelta::days(7)));
        assert_eq!(admin.post("/api/v1/users/ann@example.com/keep", json!({})).await.ok()["state"], "kept");
        assert_eq!(admin.post("/api/v1/users/ann@example.com/keep", json!({})).await.ok()["state"], "kept");
        for days in ["-1", "91", "x", "1e3", "9223372036854775807", ""] {
            admin.delete(&format!("/api/v1/users/{user}?grace_days={days}")).await.is(422, "invalid_parameter");
        }
        admin.delete("/api/v1/users/nobody").await.is(404, "user_unknown");
        admin.get("/api/v1/users/nobody/export").await.is(404, "user_unknown");
        admin.post("/api/v1/users/nobody/keep", json!({})).await.is(404, "user_unknown");
        assert_eq!(admin.delete(&format!("/api/v1/users/{user}?grace_days=0")).await.ok()["state"], "deleted");
        admin.delete(&format!("/api/v1/users/{user}?grace_days=0")).await.is(404, "user_unknown");
    }

    async fn a_deletion_that_meets_other_journeys_leaves_nothing_half(app: TestApp) {
        let app = app.with_prices().await;
        app.operator().post("/api/v1/coupons", json!({ "code": "SPRING", "type": "period", "tier": "premium", "duration_days": 5 })).await.ok();
        for round in 0..6_usize {
            let address = format!("canary{round}@nest.example");
            let mut browser = app.signed_in(&address).await;
            let user = app.member(&address).await.id;
            app.env.clock.advance(TimeDelta::days(1));
            browser.post("/login", &[("email", &address)]).await;
            let code = app.code_for(&address).await;
            let now = app.env.clock.now();
            let customer = StripeCustomer::new(user, round + 10, now);
            let paid = customer.invoice(1, 999, now).to_string();
            let env = app.env.clone();
            let deletion = tokio::spawn(async move { privacy::delete_after(&env, user, 0, "operator").await });
            let signing_in = tokio::spawn(async move { browser.post("/verify", &[("code", &code)]).await.status });
            let operator = app.operator();
            let redeem = json!({ "user": user });
            let redeeming = tokio::spawn(async move { operator.post("/api/v1/coupons/SPRING/redeem", redeem).await.status });
            let operator = app.operator();
            let consume = json!({ "user": user, "feature": "ai_calls" });
            let consuming = tokio::spawn(async move { operator.post("/api/v1/consume", consume).await.status });
            let (status, text) = app.deliver(Provider::Stripe, "", &paid).await;
            assert_eq!(status, 200, "{text}");
            assert_eq!(deletion.await.unwrap().unwrap(), Outcome::Deleted);
            for status in [signing_in.await.unwrap(), redeeming.await.unwrap(), consuming.await.unwrap()] {
                assert!(status.as_u16() < 500, "{status}");
            }
            app.tidy().await;
            app.tidy().await;
            // Whoever signed in after it is somebody new, under the same address; nothing else of them is there.
            let sessions = app.dump().await.into_iter().filter(|row| row.starts_with("sessions:")).count();
            let members = app.operator().get("/api/v1/users").await.ok()["items"].as_array().unwrap().len();
            assert_eq!(sessions, members, "a session belongs to somebody who is there");
            for item in app.operator().get("/api/v1/users").await.ok()["items"].as_array().unwrap() {
                assert_ne!(item["id"], json!(user));
            }
            let open = app.dump().await.into_iter().filter(|row| row.starts_with("payment_events:") && row.contains(&address)).count();
            assert_eq!(open, 0);
        }
        app.is_sound().await;
    }

    async fn of_two_who_delete_at_once_one_does(app: TestApp) {
        for round in 0..5 {
            let address = format!("ann{round}@example.com");
            app.signed_in(&address).await;
            let user = app.member(&address).await.id;
            let tasks: Vec<_> = (0..4).map(|_| {
                let env = app.env.clone();
                tokio::spawn(async move { privacy::delete_after(&env, user, 0, "operator").await })
            }).collect();
            let mut deleted = 0;
            for task in tasks {
                match task.await.unwrap() {
                    Ok(outcome) => { assert_eq!(outcome, Outcome::Deleted); deleted += 1; }
                    Err(error) => assert!(matches!(error, DeletionError::NoSuchMember), "{error}"),
                }
            }
            assert_eq!(deleted, 1);
            let lines = app.dump().await.into_iter().filter(|row| row.contains("account_deleted") && row.starts_with("user_activity_log")).count();
            assert_eq!(lines, round + 1);
        }
    }
}
