//! Credit and paid status.

use std::sync::Arc;

use axum::{Router, http::StatusCode, middleware, routing::get};
use chrono::TimeDelta;
use tokio::sync::Barrier;
use uuid::Uuid;
use vouchsafe::{
    api::require_paid,
    platform::{
        assets,
        assets::Assets,
        caller::{Rooms, Site},
        cookies::Cookies,
    },
    services::credits::{self, CreditError, Grant},
    store::credit as ledger,
};

use crate::harness::{ADMIN_TOKEN, Browser, TestApp, on_both};

fn days(days: i64, key: Option<&str>) -> Grant<'_> {
    Grant { days, key, note: None, actor: "operator" }
}

/// A route for paying members alone, with this app's world.
fn paid_route(app: &TestApp) -> Router {
    let site = Site::new(Rooms {
        env: app.env.clone(),
        assets: Assets::load(),
        leptos: assets::leptos_options(&app.env.config, "test").unwrap(),
        cookies: Cookies::new(app.env.keys.clone(), false),
    });
    Router::new()
        .route("/paid", get(async || "for paying members"))
        .layer(middleware::from_fn_with_state(site.clone(), require_paid))
        .with_state(site)
}

on_both! {
    async fn what_another_node_gave_stands_on_the_page_at_once(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        assert_eq!(browser.get("/settings").await.texts(".lines li").len(), 1, "the trial");
        let ann = app.member("ann@example.com").await.id;
        credits::grant(&app.another_node(), ann, &days(45, None)).await.unwrap();
        let settings = browser.get("/settings").await;
        assert_eq!(settings.texts(".lines li").len(), 2, "{}", settings.body);
        assert_eq!(settings.texts(".outlook ol li").len(), 2);
    }

    async fn credit_shows_on_settings_exactly_as_promised(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(14));
        app.sign_in(&mut browser, "ann@example.com", "").await;
        let settings = browser.get("/settings").await;
        assert!(settings.texts(".lines li").is_empty(), "the trial is over");
        assert_eq!(settings.text(".badge"), "Free");
        assert!(settings.text("#access ~ p.soft").starts_with("You are on the free tier."), "{}", settings.body);

        let ann = app.member("ann@example.com").await.id;
        credits::grant(&app.env, ann, &days(45, None)).await.unwrap();
        let settings = browser.get("/settings").await;
        assert_eq!(settings.texts(".lines li"), ["free · credit · 45 day(s) remaining (expires 2027-01-19)"]);
        assert_eq!(settings.text(".exact p"), "+45 days on your account");
        assert_eq!(settings.text(".badge.paid"), "Premium");
    }

    async fn every_running_source_has_its_line_the_winner_first(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        credits::grant(&app.env, app.member("ann@example.com").await.id, &days(30, None)).await.unwrap();
        assert_eq!(browser.get("/settings").await.texts(".lines li"), [
            "free · credit · 30 day(s) remaining (expires 2026-12-21)",
            "free · trial · 14 day(s) remaining (expires 2026-12-05)",
        ]);
    }

    async fn credit_extends_and_a_key_makes_a_rerun_harmless(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let ann = app.member("ann@example.com").await.id;
        let now = app.env.clock.now();
        let first = credits::grant(&app.env, ann, &days(10, Some("spring"))).await.unwrap();
        assert!(first.is_new && first.until == now + TimeDelta::days(10));
        let again = credits::grant(&app.env, ann, &days(10, Some("spring"))).await.unwrap();
        assert!(!again.is_new && again.until == first.until);
        let plain = credits::grant(&app.env, ann, &days(10, None)).await.unwrap();
        assert!(plain.is_new && plain.until == now + TimeDelta::days(20));
        for bad in [0, -1, 3651, i64::MAX, i64::MIN] {
            let refused = credits::grant(&app.env, ann, &days(bad, None)).await;
            assert!(matches!(refused, Err(CreditError::BadDays)), "{bad}");
        }
        let nobody = credits::grant(&app.env, Uuid::nil().into(), &days(1, None)).await;
        assert!(matches!(nobody, Err(CreditError::NoSuchMember)));
    }

    async fn racing_grants_add_up_and_racing_keys_count_once(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let ann = app.member("ann@example.com").await.id;
        let barrier = Arc::new(Barrier::new(32));
        let mut racing = tokio::task::JoinSet::new();
        for nth in 0..32 {
            let (env, barrier) = (app.env.clone(), barrier.clone());
            racing.spawn(async move {
                let same = (nth % 2 == 0).then_some("the same");
                barrier.wait().await;
                credits::grant(&env, ann, &days(1, same)).await.unwrap().is_new
            });
        }
        let given = racing.join_all().await.into_iter().filter(|is_new| *is_new).count();
        assert_eq!(given, 17, "16 without a key and one with");
        let mut browser = app.signed_in("ann@example.com").await;
        assert!(browser.get("/settings").await.body.contains("+17 days on your account"));
    }

    async fn revoking_ends_credit_now_and_leaves_a_trace(app: TestApp) {
        let mut browser = app.signed_in("ann@example.com").await;
        let ann = app.member("ann@example.com").await.id;
        assert_eq!(credits::revoke(&app.env, ann, "operator").await.unwrap(), None);
        let granted = credits::grant(&app.env, ann, &days(45, None)).await.unwrap();
        assert_eq!(credits::revoke(&app.env, ann, "operator").await.unwrap(), Some(granted.until));
        assert!(!browser.get("/settings").await.body.contains("credit ·"));
        let user = app.member("ann@example.com").await;
        let mut reader = app.env.db.reader().await.unwrap();
        let entries = ledger::list(&mut reader.conn(), user.id).await.unwrap();
        let mut sources: Vec<&str> = entries.iter().map(|entry| entry.source.as_str()).collect();
        sources.sort_unstable();
        assert_eq!(sources, ["admin", "revoked"]);
        assert_eq!(user.credit_until, None);
    }

    async fn a_gate_for_paying_members_answers_402(app: TestApp) {
        let visitor = Browser::new(paid_route(&app));
        let mut anonymous = visitor.clone();
        assert_eq!(anonymous.get("/paid").await.status, StatusCode::UNAUTHORIZED);

        let mut member = app.signed_in("ann@example.com").await;
        let mut at_the_gate = visitor.clone();
        at_the_gate.cookies = member.cookies.clone();
        assert_eq!(at_the_gate.get("/paid").await.body, "for paying members", "the trial is premium");

        app.env.clock.advance(TimeDelta::days(14));
        app.sign_in(&mut member, "ann@example.com", "").await;
        at_the_gate.cookies = member.cookies.clone();
        let refused = at_the_gate.get("/paid").await;
        assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(problem["code"], "payment_required");
        assert_eq!(problem["paid"]["active"], false);

        credits::grant(&app.env, app.member("ann@example.com").await.id, &days(1, None)).await.unwrap();
        assert_eq!(at_the_gate.get("/paid").await.status, StatusCode::OK);

        let mut operator = visitor.clone().with_header("authorization", &format!("Bearer {ADMIN_TOKEN}"));
        assert_eq!(operator.get("/paid").await.status, StatusCode::OK);
        let mut impostor = visitor.with_header("authorization", "Bearer something else");
        assert_eq!(impostor.get("/paid").await.status, StatusCode::UNAUTHORIZED);
    }
}
