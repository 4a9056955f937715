//! Sign-up as the settings steer it: trials, what comes after them, proved addresses, closed doors.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::services::catalogue;

use crate::harness::{TestApp, on_both};

pub(super) async fn set(app: &TestApp, key: &str, value: &str) {
    catalogue::set_setting(&app.env, "operator", key, value).await.unwrap();
}

async fn check(app: &TestApp, user: &str) -> Value {
    let body = json!({ "user": user, "feature": "ai_calls" });
    app.operator().post("/api/v1/check", body).await.ok()
}

async fn subjects(app: &TestApp, to: &str) -> Vec<String> {
    app.mailbox().await.into_iter().filter(|mail| mail.to == to).map(|mail| mail.subject).collect()
}

on_both! {
    async fn a_newcomer_is_greeted_and_reads_until_when_the_trial_runs_and_what_comes_then(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let line = ann.get("/settings").await;
        assert_eq!(
            line.text(".trial"),
            "You are trying Premium free of charge until 5 December 2026. After that you have Free; nothing is charged by itself."
        );
        assert_eq!((line.text(".outlook-said"), line.text(".outlook")), (String::new(), String::new()), "told once");
        let mails = app.mailbox().await;
        let welcome = mails.iter().find(|mail| mail.subject.starts_with("Welcome")).unwrap();
        assert!(welcome.text.contains("Until 5 December 2026 you can try Premium"), "{}", welcome.text);
        // Who comes again is not greeted again.
        app.signed_in("ann@example.com").await;
        let greetings = subjects(&app, "ann@example.com").await;
        assert_eq!(greetings.iter().filter(|subject| subject.starts_with("Welcome")).count(), 1, "{greetings:?}");
    }

    async fn a_trial_is_had_once_for_an_address_even_by_who_leaves_and_comes_back(app: TestApp) {
        app.signed_in("ann@example.com").await;
        assert_eq!(check(&app, "ann@example.com").await["source"], "trial");
        // As a deletion leaves it.
        app.execute("UPDATE users SET email = '', email_key = 'deleted:1' WHERE email_key = 'ann@example.com'").await;
        app.env.clock.advance(TimeDelta::days(400));
        let mut again = app.browser();
        app.sign_in(&mut again, " ANN@Example.COM ".trim(), "").await;
        let member = app.member("ann@example.com").await;
        assert_eq!(member.trial_ends_at, None);
        assert_eq!(check(&app, "ann@example.com").await["tier"], "free");
        assert_eq!(again.get("/settings").await.text(".trial"), "");
        let operator = app.operator();
        app.execute("UPDATE users SET email = '', email_key = 'deleted:2' WHERE email_key = 'ann@example.com'").await;
        let made = operator.post("/api/v1/users", json!({ "email": "ann@example.com", "external_id": "17" })).await.ok();
        assert_eq!(made["trial_ends_at"], Value::Null, "nor by an app");
    }

    async fn without_a_tier_after_the_trial_nothing_is_allowed_until_there_is_something(app: TestApp) {
        set(&app, "post_trial_tier", "disabled").await;
        let operator = app.operator();
        let mut ann = app.signed_in("ann@example.com").await;
        assert!(ann.get("/settings").await.text(".trial").contains("After that your access ends"));
        assert_eq!(check(&app, "ann@example.com").await["allowed"], true);
        app.env.clock.advance(TimeDelta::days(14));

        let decision = check(&app, "ann@example.com").await;
        assert_eq!((&decision["allowed"], &decision["reason"]), (&json!(false), &json!("user_disabled")));
        assert_eq!(decision["upgrade"]["url"], "/pricing");
        // What the weakest tier would give is refused, too.
        let body = json!({ "user": "ann@example.com", "feature": "photos" });
        assert_eq!(operator.post("/api/v1/check", body.clone()).await.ok()["reason"], "user_disabled");
        let refused = operator.post("/api/v1/consume", body.clone()).await;
        refused.is(402, "user_disabled");
        let explained = operator.get("/api/v1/users/ann@example.com/explain?feature=photos").await.ok();
        assert!(explained.to_string().contains("The trial is over, and there is nothing else"), "{explained}");

        // She signs in, sees her pages, and may redeem and subscribe.
        let mut ann = app.signed_in("ann@example.com").await;
        let page = ann.get("/settings").await;
        assert!(page.text(".alert").starts_with("Your trial is over"), "{}", page.body);
        assert_eq!(ann.get("/redeem").await.status, 200);
        assert_eq!(ann.get("/pricing").await.status, 200);
        assert_eq!(ann.get("/gate").await.status, 302, "where pages are kept for members, she is sent to the prices");

        operator.post("/api/v1/users/ann@example.com/grants", json!({ "tier": "basic", "days": 2 })).await.ok();
        assert_eq!(operator.post("/api/v1/consume", body.clone()).await.status, 200);
        app.env.clock.advance(TimeDelta::days(2));
        operator.post("/api/v1/consume", body.clone()).await.is(402, "user_disabled");
        // Even what is as weak as her own tier counts, for it was given.
        operator.post("/api/v1/users/ann@example.com/grants", json!({ "tier": "free", "days": 2 })).await.ok();
        assert_eq!(operator.post("/api/v1/consume", body.clone()).await.status, 200);
        app.env.clock.advance(TimeDelta::days(2));
        operator.post("/api/v1/consume", body.clone()).await.is(402, "user_disabled");
        operator.patch("/api/v1/users/ann@example.com", json!({ "tier": "basic" })).await.ok();
        assert_eq!(operator.post("/api/v1/consume", body).await.status, 200, "an own tier that is set counts");
    }

    async fn a_closed_member_whose_stored_tier_is_free_can_be_set_to_free(app: TestApp) {
        set(&app, "post_trial_tier", "disabled").await;
        set(&app, "trial_duration_days", "0").await;
        let operator = app.operator();
        app.signed_in("ann@example.com").await;
        let body = json!({ "user": "ann@example.com", "feature": "photos" });
        operator.post("/api/v1/consume", body.clone()).await.is(402, "user_disabled");
        let before = operator.get("/api/v1/users/ann@example.com").await.ok();
        assert_eq!(before["tier"], "free");
        operator.patch("/api/v1/users/ann@example.com", json!({ "tier": "free" })).await.ok();
        assert_eq!(operator.post("/api/v1/consume", body).await.status, 200, "it counts now");
    }

    async fn an_address_that_is_changed_has_to_be_proved_but_brings_no_second_trial(app: TestApp) {
        let operator = app.operator();
        app.signed_in("ann@example.com").await;
        let trial_ends_at = app.member("ann@example.com").await.trial_ends_at;
        assert!(trial_ends_at.is_some());
        // Another spelling is no other address.
        let same = operator.patch("/api/v1/users/ann@example.com", json!({ "email": "Ann@Example.com" })).await.ok();
        assert!(same["email_verified_at"].is_string(), "{same}");
        let changed = operator.patch("/api/v1/users/ann@example.com", json!({ "email": "ann@example.org" })).await.ok();
        assert_eq!((&changed["email"], &changed["email_verified_at"]), (&json!("ann@example.org"), &Value::Null));
        app.env.clock.advance(TimeDelta::days(20));
        app.signed_in("ann@example.org").await;
        let ann = app.member("ann@example.org").await;
        assert_eq!((ann.email_verified_at, ann.trial_ends_at), (Some(app.env.clock.now()), trial_ends_at));
        assert!(!subjects(&app, "ann@example.org").await.iter().any(|subject| subject.starts_with("Welcome")));

        // By the word of whoever changes it, nothing is left to prove.
        let vouched = json!({ "email": "ann@example.net", "email_verified": true });
        let vouched = operator.patch("/api/v1/users/ann@example.org", vouched).await.ok();
        assert!(vouched["email_verified_at"].is_string(), "{vouched}");
        operator.post("/api/v1/users", json!({ "external_id": "bob", "email": "bob@example.com" })).await.ok();
        let said = operator.post("/api/v1/users", json!({ "external_id": "bob", "email": "bob@example.org" })).await.ok();
        assert!(said["email_verified_at"].is_string(), "{said}");
        // Who had no trial before has none by another address.
        set(&app, "trial_duration_days", "0").await;
        app.signed_in("cem@example.com").await;
        set(&app, "trial_duration_days", "14").await;
        for (email, vouched) in [("cem@example.org", false), ("cem@example.net", true)] {
            let body = json!({ "email": email, "email_verified": vouched });
            let id = app.member(if vouched { "cem@example.org" } else { "cem@example.com" }).await.id;
            let changed = operator.patch(&format!("/api/v1/users/{id}"), body).await.ok();
            assert_eq!(changed["trial_ends_at"], Value::Null);
            app.env.clock.advance(TimeDelta::days(1));
            app.signed_in(email).await;
            assert_eq!(app.member(email).await.trial_ends_at, None, "{email}");
        }
    }

    async fn an_address_that_nobody_proved_has_its_trial_once_it_is_proved(app: TestApp) {
        let operator = app.operator();
        let made = operator.post("/api/v1/users", json!({ "email": "ann@example.com" })).await.ok();
        assert_eq!((&made["email_verified_at"], &made["trial_ends_at"]), (&Value::Null, &Value::Null));
        assert_eq!(check(&app, "ann@example.com").await["tier"], "free");
        for (body, is_verified) in [
            (json!({ "email": "bob@example.com", "external_id": "bob" }), true),
            (json!({ "email": "cem@example.com", "email_verified": true }), true),
            (json!({ "external_id": "dora" }), false),
        ] {
            let made = operator.post("/api/v1/users", body.clone()).await.ok();
            assert!(made["trial_ends_at"].is_string(), "{body}: {made}");
            assert_eq!(made["email_verified_at"].is_string(), is_verified, "{body}: {made}");
        }
        let doubted = json!({ "email": "emil@example.com", "external_id": "emil", "email_verified": false });
        assert_eq!(operator.post("/api/v1/users", doubted).await.ok()["trial_ends_at"], Value::Null);

        app.env.clock.advance(TimeDelta::days(100));
        app.signed_in("ann@example.com").await;
        let ann = app.member("ann@example.com").await;
        assert_eq!(ann.email_verified_at, Some(app.env.clock.now()));
        assert_eq!(ann.trial_ends_at, Some(app.env.clock.now() + TimeDelta::days(14)));
        assert!(subjects(&app, "ann@example.com").await.iter().any(|subject| subject.starts_with("Welcome")));
        app.env.clock.advance(TimeDelta::days(20));
        app.signed_in("ann@example.com").await;
        assert_eq!(app.member("ann@example.com").await.trial_ends_at, ann.trial_ends_at, "not another one");
        // By the word of whoever vouches for it later.
        let vouched = operator.patch("/api/v1/users/emil", json!({ "email": "emil@example.com", "email_verified": true }));
        assert!(vouched.await.ok()["trial_ends_at"].is_string());

        set(&app, "require_email_verification", "false").await;
        let made = operator.post("/api/v1/users", json!({ "email": "fay@example.com" })).await.ok();
        assert!(made["trial_ends_at"].is_string() && made["email_verified_at"].is_null(), "{made}");
    }

    async fn a_closed_door_says_so_to_everybody_alike(app: TestApp) {
        app.signed_in("ann@example.com").await;
        assert!(!app.browser().get("/login").await.body.contains("by invitation only"));
        set(&app, "self_registration_enabled", "false").await;
        let page = app.browser().get("/login").await;
        assert!(page.text(".note").starts_with("New accounts are by invitation only"), "{}", page.body);
        let mut answers = Vec::new();
        for email in ["ann@example.com", "eve@example.com"] {
            app.env.clock.advance(TimeDelta::minutes(2));
            let mut browser = app.browser();
            let asked = browser.post("/login", &[("email", email)]).await;
            let verify = browser.get("/verify").await;
            answers.push((asked.status, asked.location().to_owned(), verify.text("h1")));
        }
        assert_eq!(answers[0], answers[1]);
        let mail = app.mailbox().await.into_iter().find(|mail| mail.to == "eve@example.com").unwrap();
        assert!(!mail.subject.bytes().any(|byte| byte.is_ascii_digit()), "no code: {}", mail.subject);
    }
}
