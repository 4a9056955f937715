//! Signing in: codes, their limits, and who is made a member when.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Barrier;
use vouchsafe::{
    domain::{email::EmailAddress, lang::Lang, login::LoginCode},
    services::{
        Origin,
        login::{self, BroughtBy, VerifyError},
        members,
    },
    store::{login as login_store, settings, users},
};

use crate::harness::{TestApp, on_both};

fn origin() -> Origin {
    Origin {
        address: [192, 0, 2, 7].into(),
        network: "192.0.2.7".to_owned(),
        user_agent: "Firefox/140 Linux".to_owned(),
        lang: Lang::En,
    }
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// A code that is not `right`.
fn wrong(right: &str) -> &'static str {
    if right == "000000" { "000001" } else { "000000" }
}

async fn member_count(app: &TestApp) -> i64 {
    members::count(&app.env).await.unwrap()
}

on_both! {
    async fn an_invited_person_signs_in_and_lands_on_settings(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let code = ann.get("/settings").await.text(".ticket .code");
        assert_eq!(code.len(), 8);

        let mut bob = app.browser();
        let typed = format!("{} {}", &code[..4].to_lowercase(), &code[4..].to_lowercase());
        let login = bob.get(&format!("/login?ref={}", typed.replace(' ', "%20"))).await;
        assert!(login.text(".note").starts_with("You were invited."), "{}", login.body);
        assert_eq!(login.attribute("input[name=ref]", "value"), Some(code.clone()));
        app.sign_in(&mut bob, "bob@example.com", &typed).await;
        let settings = bob.get("/settings").await;
        assert_eq!(settings.status, 200);
        assert_eq!(settings.texts(".lines li"), ["free · trial · 14 day(s) remaining (expires 2026-12-05)"]);
        assert_eq!(settings.text(".badge"), "Premium");

        let settings = ann.get("/settings").await;
        assert_eq!(settings.texts(".stats dd"), ["1", "0", "0"]);
    }

    async fn an_implausible_invitation_shows_no_banner(app: TestApp) {
        let mut browser = app.browser();
        for link in ["/login", "/login?ref=", "/login?ref=K7MQ2XW", "/login?ref=K7MQ2XWAA", "/login?ref=%00%FF"] {
            let page = browser.get(link).await;
            assert_eq!(page.text(".note"), "", "{link}");
            assert_eq!(page.attribute("input[name=ref]", "value"), None, "{link}");
        }
    }

    async fn a_referral_counts_once_and_never_for_oneself(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let ann_code = ann.get("/settings").await.text(".ticket .code");
        let mut carl = app.signed_in("carl@example.com").await;
        let carl_code = carl.get("/settings").await.text(".ticket .code");
        assert_ne!(ann_code, carl_code);

        // Her own code: she is a member already, and nobody refers themselves.
        app.sign_in(&mut app.browser(), "ANN@example.com", &ann_code).await;
        // First touch wins: Bob came through Ann, Carl's link changes nothing.
        app.sign_in(&mut app.browser(), "bob@example.com", &ann_code).await;
        app.sign_in(&mut app.browser(), "bob@example.com", &carl_code).await;

        assert_eq!(ann.get("/settings").await.texts(".stats dd"), ["1", "0", "0"]);
        assert_eq!(carl.get("/settings").await.texts(".stats dd"), ["0", "0", "0"]);
        assert_eq!(member_count(&app).await, 3);
    }

    async fn nobody_counts_before_the_code_is_verified(app: TestApp) {
        let mut browser = app.browser();
        browser.post("/login", &[("email", "bob@example.com")]).await;
        assert_eq!(member_count(&app).await, 0);
        let code = app.code_for("bob@example.com").await;
        browser.post("/verify", &[("code", wrong(&code))]).await;
        assert_eq!(member_count(&app).await, 0);
        browser.post("/verify", &[("code", &code)]).await;
        assert_eq!(member_count(&app).await, 1);
    }

    async fn the_answer_is_the_same_for_known_and_unknown_addresses(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut answers = Vec::new();
        for address in ["ann@example.com", "eve@example.com"] {
            let mut browser = app.browser();
            let asked = browser.post("/login", &[("email", address)]).await;
            let page = browser.get("/verify").await;
            answers.push((asked.status, asked.location().to_owned(), page.status, page.body.replace(address, "")
                .lines().filter(|line| !line.contains("nonce")).collect::<String>()));
            assert!(app.mailbox().await.iter().any(|mail| mail.to == address));
        }
        let [known, unknown] = answers.try_into().unwrap();
        assert_eq!((known.0, known.1, known.2), (unknown.0, unknown.1, unknown.2));
    }

    async fn five_wrong_codes_void_the_code(app: TestApp) {
        let mut browser = app.browser();
        browser.post("/login", &[("email", "bob@example.com")]).await;
        let code = app.code_for("bob@example.com").await;
        for left in [4, 3, 2] {
            let page = browser.post("/verify", &[("code", wrong(&code))]).await;
            assert_eq!(page.status, 422);
            assert_eq!(page.text("#code-error"), format!("That code is wrong. You have {left} more tries."));
        }
        let page = browser.post("/verify", &[("code", wrong(&code))]).await;
        assert_eq!(page.text("#code-error"), "That code is wrong. You have one more try.");
        let fifth = browser.post("/verify", &[("code", wrong(&code))]).await;
        assert!(fifth.text(".alert").contains("tried too often"), "{}", fifth.body);
        let sixth = browser.post("/verify", &[("code", &code)]).await;
        assert_eq!(sixth.status, 422);
        assert!(sixth.text(".alert").contains("tried too often"), "{}", sixth.body);
        assert_eq!(member_count(&app).await, 0);
    }

    async fn a_text_that_is_no_code_costs_no_try(app: TestApp) {
        let mut browser = app.browser();
        browser.post("/login", &[("email", "bob@example.com")]).await;
        let code = app.code_for("bob@example.com").await;
        for _ in 0..10 {
            assert_eq!(browser.post("/verify", &[("code", "12 34")]).await.status, 422);
        }
        let spaced = format!(" {}-{} ", &code[..3], &code[3..]);
        assert_eq!(browser.post("/verify", &[("code", &spaced)]).await.location(), "/settings");
    }

    async fn a_code_lives_ten_minutes(app: TestApp) {
        let mut browser = app.browser();
        browser.post("/login", &[("email", "bob@example.com")]).await;
        let code = app.code_for("bob@example.com").await;
        app.env.clock.advance(TimeDelta::minutes(10));
        let late = browser.post("/verify", &[("code", &code)]).await;
        assert_eq!(late.status, 422);
        assert!(late.text(".alert").contains("expired"), "{}", late.body);
        let resent = browser.post("/verify/resend", &[]).await;
        assert_eq!(resent.location(), "/verify?said=sent");
        let fresh = app.code_for("bob@example.com").await;
        assert_ne!(code, fresh);
        assert_eq!(browser.post("/verify", &[("code", &fresh)]).await.location(), "/settings");
    }

    async fn a_code_signs_in_once(app: TestApp) {
        let mut browser = app.browser();
        browser.post("/login", &[("email", "bob@example.com")]).await;
        let code = app.code_for("bob@example.com").await;
        let mut other_tab = browser.clone();
        assert_eq!(browser.post("/verify", &[("code", &code)]).await.location(), "/settings");
        assert_eq!(other_tab.post("/verify", &[("code", &code)]).await.location(), "/login?said=ended");
    }

    async fn a_code_belongs_to_the_browser_that_asked(app: TestApp) {
        let mut bob = app.browser();
        bob.post("/login", &[("email", "bob@example.com")]).await;
        let code = app.code_for("bob@example.com").await;
        let mut eve = app.browser();
        assert_eq!(eve.post("/verify", &[("code", &code)]).await.location(), "/login?said=ended");
        eve.post("/login", &[("email", "eve@example.com")]).await;
        assert_eq!(eve.post("/verify", &[("code", &code)]).await.status, 422);
    }

    async fn another_code_voids_the_one_before(app: TestApp) {
        let mut browser = app.browser();
        browser.post("/login", &[("email", "bob@example.com")]).await;
        let first = app.code_for("bob@example.com").await;
        let early = browser.post("/verify/resend", &[]).await;
        assert_eq!(early.status, 429);
        assert_eq!(early.headers["retry-after"], "60");
        app.env.clock.advance(TimeDelta::seconds(60));
        assert_eq!(browser.post("/verify/resend", &[]).await.location(), "/verify?said=sent");
        let second = app.code_for("bob@example.com").await;
        assert_ne!(first, second);
        assert_eq!(browser.post("/verify", &[("code", &first)]).await.status, 422);
        assert_eq!(browser.post("/verify", &[("code", &second)]).await.location(), "/settings");
    }

    async fn an_address_gets_three_codes_in_a_quarter_of_an_hour_and_ten_a_day(app: TestApp) {
        let mut sent = 0;
        for quarter in 0..5 {
            for nth in 0..4 {
                // Every code from another network: the address alone is counted here.
                let network = format!("198.51.{quarter}.{nth}");
                let trusted = Origin { network, ..origin() };
                match login::request_code(&app.env, &email("bob@example.com"), &trusted).await {
                    Ok(_) => sent += 1,
                    Err(login::RequestError::TooMany { until }) => assert!(until > app.env.clock.now()),
                    Err(error) => panic!("{error}"),
                }
            }
            let expected = [3, 6, 9, 10, 10][quarter];
            assert_eq!(sent, expected);
            app.env.clock.advance(TimeDelta::minutes(15));
        }
        app.env.clock.advance(TimeDelta::days(1));
        assert!(login::request_code(&app.env, &email("bob@example.com"), &origin()).await.is_ok());
    }

    async fn a_clock_that_was_45_days_ahead_keeps_nobody_out_once_it_is_right(app: TestApp) {
        app.env.clock.advance(TimeDelta::days(45));
        // As many as an address gets in a quarter of an hour.
        for _ in 0..3 {
            app.signed_in("ann@example.com").await;
        }
        app.env.clock.advance(-TimeDelta::days(45));
        // A mailbox shows first what was sent last.
        app.execute("DELETE FROM mails").await;
        app.signed_in("cem@example.com").await;
        let mut ann = app.signed_in("ann@example.com").await;
        assert_eq!(ann.get("/settings").await.status, 200);
    }

    async fn a_network_gets_ten_codes_in_ten_minutes(app: TestApp) {
        let mut browser = app.browser();
        for nth in 0..10 {
            let address = format!("member{nth}@example.com");
            assert_eq!(browser.post("/login", &[("email", &address)]).await.status, 303, "{nth}");
        }
        let page = browser.post("/login", &[("email", "one-more@example.com")]).await;
        assert_eq!(page.status, 429);
        assert_eq!(page.headers["retry-after"], "600");
        assert_eq!(page.attribute("#email", "value").as_deref(), Some("one-more@example.com"));
        app.env.clock.advance(TimeDelta::minutes(10));
        assert_eq!(browser.post("/login", &[("email", "one-more@example.com")]).await.status, 303);
    }

    async fn after_twenty_wrong_codes_in_a_row_codes_are_long(app: TestApp) {
        let address = email("bob@example.com");
        for _ in 0..4 {
            let attempt = login::request_code(&app.env, &address, &origin()).await.unwrap();
            let right = app.code_for("bob@example.com").await;
            assert_eq!(right.len(), 6);
            for _ in 0..5 {
                let code = LoginCode::parse(wrong(&right)).unwrap();
                login::verify_code(&app.env, attempt, &code, BroughtBy::default(), &origin()).await.unwrap_err();
            }
            app.env.clock.advance(TimeDelta::minutes(20));
        }
        let mut browser = app.browser();
        browser.post("/login", &[("email", "bob@example.com")]).await;
        let code = app.code_for("bob@example.com").await;
        assert_eq!(code.len(), 10, "{code}");
        assert!(browser.get("/verify").await.text("#code-hint").starts_with("Ten letters"));
        let typed = code.to_lowercase();
        assert_eq!(browser.post("/verify", &[("code", &typed)]).await.location(), "/settings");
        // The owner came in: codes are short again.
        app.env.clock.advance(TimeDelta::minutes(20));
        app.browser().post("/login", &[("email", "bob@example.com")]).await;
        assert_eq!(app.code_for("bob@example.com").await.len(), 6);
    }

    async fn a_hundred_right_codes_at_once_open_one_session(app: TestApp) {
        let attempt = login::request_code(&app.env, &email("bob@example.com"), &origin()).await.unwrap();
        let code = LoginCode::parse(&app.code_for("bob@example.com").await).unwrap();
        let barrier = Arc::new(Barrier::new(100));
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (env, code, barrier) = (app.env.clone(), code.clone(), barrier.clone());
            racing.spawn(async move {
                barrier.wait().await;
                login::verify_code(&env, attempt, &code, BroughtBy::default(), &origin()).await.is_ok()
            });
        }
        let won = racing.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
        assert_eq!(member_count(&app).await, 1);
    }

    async fn a_hundred_wrong_codes_at_once_are_five_tries(app: TestApp) {
        let attempt = login::request_code(&app.env, &email("bob@example.com"), &origin()).await.unwrap();
        let right = app.code_for("bob@example.com").await;
        let code = LoginCode::parse(wrong(&right)).unwrap();
        let barrier = Arc::new(Barrier::new(100));
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (env, code, barrier) = (app.env.clone(), code.clone(), barrier.clone());
            racing.spawn(async move {
                barrier.wait().await;
                login::verify_code(&env, attempt, &code, BroughtBy::default(), &origin()).await
            });
        }
        let answers = racing.join_all().await;
        let told = answers.iter().filter(|answer| matches!(answer, Err(VerifyError::Wrong { .. }))).count();
        assert_eq!(told, 4, "the fifth voids the code");
        let mut reader = app.env.db.reader().await.unwrap();
        let failures = login_store::failures(&mut reader.conn(), email("bob@example.com").key()).await.unwrap();
        assert_eq!(failures, 5);
    }

    async fn two_browsers_of_one_new_address_make_one_member(app: TestApp) {
        let bob = email("bob@example.com");
        let mut flows = Vec::new();
        for _ in 0..3 {
            let attempt = login::request_code(&app.env, &bob, &origin()).await.unwrap();
            let code = LoginCode::parse(&app.code_for("bob@example.com").await).unwrap();
            flows.push((attempt, code));
            app.env.clock.advance(TimeDelta::seconds(1));
        }
        let barrier = Arc::new(Barrier::new(flows.len()));
        let mut racing = tokio::task::JoinSet::new();
        for (attempt, code) in flows {
            let (env, barrier) = (app.env.clone(), barrier.clone());
            racing.spawn(async move {
                barrier.wait().await;
                login::verify_code(&env, attempt, &code, BroughtBy::default(), &origin()).await.unwrap()
            });
        }
        let signed_in = racing.join_all().await;
        assert_eq!(signed_in.iter().filter(|signed_in| signed_in.is_new).count(), 1);
        assert_eq!(member_count(&app).await, 1);
    }

    async fn sign_up_can_be_closed_without_telling_who_is_a_member(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut tx = app.env.db.begin().await.unwrap();
        settings::set(&mut tx.conn(), "self_registration_enabled", "false", "operator", app.env.clock.now()).await.unwrap();
        tx.commit().await.unwrap();

        let mut browser = app.browser();
        assert_eq!(browser.post("/login", &[("email", "eve@example.com")]).await.location(), "/verify");
        let mail = app.mailbox().await.into_iter().find(|mail| mail.to == "eve@example.com").unwrap();
        assert!(mail.text.contains("account"), "{}", mail.text);
        assert!(!mail.subject.bytes().any(|byte| byte.is_ascii_digit()), "{}", mail.subject);
        app.sign_in(&mut app.browser(), "ann@example.com", "").await;
        assert_eq!(member_count(&app).await, 1);
    }

    async fn a_disabled_account_cannot_come_in_and_is_signed_out(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        assert!(members::set_disabled(&app.env, app.member("ann@example.com").await.id, true, "operator").await.unwrap());
        assert_eq!(ann.get("/settings").await.location(), "/login?next=%2Fsettings");

        let mut again = app.browser();
        again.post("/login", &[("email", "ann@example.com")]).await;
        let code = app.code_for("ann@example.com").await;
        let page = again.post("/verify", &[("code", &code)]).await;
        assert_eq!(page.status, 422);
        assert!(page.text(".alert").contains("disabled"), "{}", page.body);

        assert!(members::set_disabled(&app.env, app.member("ann@example.com").await.id, false, "operator").await.unwrap());
        app.signed_in("ann@example.com").await;
    }

    async fn signing_in_leads_back_to_where_one_was(app: TestApp) {
        let mut browser = app.browser();
        let sent_away = browser.get("/settings?said=x").await;
        assert_eq!(sent_away.location(), "/login?next=%2Fsettings%3Fsaid%3Dx");
        let login = browser.get(sent_away.location()).await;
        let next = login.attribute("input[name=next]", "value").unwrap();
        browser.post("/login", &[("email", "bob@example.com"), ("next", &next)]).await;
        let code = app.code_for("bob@example.com").await;
        assert_eq!(browser.post("/verify", &[("code", &code)]).await.location(), "/settings?said=x");

        let mut lured = app.browser();
        lured.post("/login", &[("email", "bob@example.com"), ("next", "//evil.example")]).await;
        let code = app.code_for("bob@example.com").await;
        assert_eq!(lured.post("/verify", &[("code", &code)]).await.location(), "/settings");
    }

    async fn the_referral_code_of_a_member_is_made_once(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        let barrier = Arc::new(Barrier::new(8));
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (mut browser, barrier) = (browser.clone(), barrier.clone());
            racing.spawn(async move {
                barrier.wait().await;
                browser.get("/settings").await.text(".ticket .code")
            });
        }
        let codes = racing.join_all().await;
        let kept = browser.get("/settings").await.text(".ticket .code");
        assert!(codes.iter().all(|code| *code == kept), "{codes:?}");
        let mut reader = app.env.db.reader().await.unwrap();
        let user = users::find_by_email(&mut reader.conn(), email("ann@example.com").key()).await.unwrap().unwrap();
        assert_eq!(user.referral_code.unwrap().as_str(), kept);
    }
}
