//! The log of activity: searched, exported, and forgotten in time.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::{
    services::activity::{self, Which},
    store::activity::NewActivity,
};

use crate::harness::{Browser, TestApp, on_both};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux) Firefox/140";

fn actions(page: &crate::harness::Page) -> Vec<String> {
    page.texts("table.rows tbody th b")
}

impl TestApp {
    /// Leaves so many lines of one instant each second.
    async fn many_lines(&self, count: usize) {
        let mut tx = self.env.db.begin().await.unwrap();
        for number in 0..count {
            let now = self.env.clock.now() + TimeDelta::seconds(i64::try_from(number / 3).unwrap());
            let line = NewActivity {
                id: self.env.random.id(now),
                user: None,
                actor: "system",
                action: "tested",
                details: json!({ "number": number, "text": "a,\"b\"\n<i>" }),
                ip_address: None,
                user_agent: Some("=cmd|' /C calc'!A0"),
            };
            vouchsafe::store::activity::insert(&mut tx.conn(), &line, now).await.unwrap();
        }
        tx.commit().await.unwrap();
        self.env.clock.advance(TimeDelta::seconds(i64::try_from(count / 3 + 1).unwrap()));
    }

    async fn browser_of(&self, email: &str) -> Browser {
        let mut browser = self.browser().with_header("user-agent", FIREFOX);
        self.sign_in(&mut browser, email, "").await;
        browser
    }
}

on_both! {
    async fn an_admin_finds_who_did_what(app: TestApp) {
        let mut ann = app.browser_of("ann@example.com").await;
        ann.post("/sign-out", &[]).await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let page = admin.get("/admin/activity").await;
        assert_eq!(page.status, 200);
        assert!(actions(&page).len() >= 4, "{:?}", actions(&page));
        let page = admin.get("/admin/activity?member=ann%40example.com").await;
        assert_eq!(actions(&page), ["logout", "login"]);
        assert!(page.body.contains(FIREFOX), "{}", page.body);
        assert_eq!(page.texts("dl.details dt"), ["new"]);
        assert_eq!(page.texts("dl.details dd"), ["true"]);
        let link = page.attribute("td a.address", "href").unwrap();
        assert_eq!(link, format!("/admin/users/{}", app.member("ann@example.com").await.id));
        let page = admin.get("/admin/activity?actor=ann%40example.com&action=login&from=2026-11-21&to=2026-11-21").await;
        assert_eq!(actions(&page), ["login"]);
        let page = admin.get("/admin/activity?member=ann%40example.com&from=2026-11-22").await;
        assert!(page.body.contains("No line fits."));
        for (query, problem) in [
            ("member=nobody%40example.com", "There is no such member."),
            ("from=yesterday", "Enter a day"),
            ("from=2026-11-22&to=2026-11-21", "The last day comes before the first."),
        ] {
            let page = admin.get(&format!("/admin/activity?{query}")).await;
            assert_eq!(page.status, 422);
            assert!(page.text(".err").contains(problem), "{}", page.body);
        }
        let page = admin.with_header("accept-language", "de").get("/admin/activity?action=logout").await;
        assert_eq!(actions(&page), ["logout"]);
    }

    async fn pages_follow_each_other_and_the_export_has_every_line_once(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.many_lines(2_500).await;
        let mut address = "/admin/activity?action=tested".to_owned();
        let (mut seen, mut turned) = (0, 0);
        while turned < 4 {
            let page = admin.get(&address).await;
            seen += actions(&page).len();
            turned += 1;
            address = page.attribute("a[rel=next]", "href").unwrap();
        }
        assert_eq!(seen, 200);
        let csv = admin.get("/admin/activity/export?action=tested&format=csv").await;
        assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
        assert!(csv.headers["content-disposition"].to_str().unwrap().contains("activity.csv"));
        let rows: Vec<&str> = csv.body.split("\r\n").collect();
        // A line of names, and an end.
        assert_eq!(rows.len(), 2_502);
        assert!(rows[1].contains("\"'=cmd|' /C calc'!A0\""), "{}", rows[1]);
        let lines = admin.get("/admin/activity/export?action=tested&format=jsonl").await;
        let numbers: std::collections::BTreeSet<i64> = lines
            .body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["details"]["number"].as_i64().unwrap())
            .collect();
        assert_eq!((lines.body.lines().count(), numbers.len()), (2_500, 2_500));
        assert_eq!(admin.get("/admin/activity/export?from=never").await.status, 422);

        let operator = app.operator();
        let exported = operator.get("/api/v1/activity/export?action=tested").await;
        assert_eq!(exported.body, lines.body, "the same for apps");
        operator.get("/api/v1/activity/export?format=xml").await.is(422, "invalid_parameter");
        operator.get("/api/v1/activity?from=yesterday").await.is(422, "invalid_parameter");
        operator.get("/api/v1/activity?ip_address=%00").await.is(422, "invalid_parameter");
        let some = operator.get("/api/v1/activity?action=tested&actor=system&to=2026-11-20T00:00:00Z").await.ok();
        assert_eq!(some["items"], json!([]));
        let some = operator.get("/api/v1/activity?action=login&limit=1").await.ok();
        assert!(some["items"][0]["ip_address"].is_string());
    }

    async fn addresses_are_cut_after_a_month_and_lines_go_after_half_a_year(app: TestApp) {
        let mut ann = app.browser_of("ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(29));
        app.runner.do_what_is_due().await.unwrap();
        let logins = async || {
            let which = Which { action: Some("login"), ..Which::default() };
            activity::list(&app.env, which, 9).await.unwrap()
        };
        let whole = logins().await[0].ip_address.clone().unwrap();
        assert!(!whole.contains('/'), "{whole}");
        app.env.clock.advance(TimeDelta::days(2));
        app.runner.do_what_is_due().await.unwrap();
        let cut = logins().await[0].ip_address.clone().unwrap();
        assert!(cut.ends_with("/24") || cut.ends_with("/48"), "{cut}");
        assert_eq!(logins().await[0].user_agent.as_deref(), Some(FIREFOX));
        app.env.clock.advance(TimeDelta::days(148));
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(logins().await.len(), 1);
        app.env.clock.advance(TimeDelta::days(2));
        app.runner.do_what_is_due().await.unwrap();
        assert_eq!(logins().await.len(), 0);
        ann.get("/settings").await;
    }

    async fn the_settings_say_how_long_and_sessions_are_cut_as_well(app: TestApp) {
        let operator = app.operator();
        operator.put("/api/v1/settings/ip_retention_days", json!({ "value": 1 })).await.ok();
        operator.put("/api/v1/settings/activity_retention_days", json!({ "value": 0 })).await.is(422, "invalid_setting");
        operator.put("/api/v1/settings/activity_retention_days", json!({ "value": 3 })).await.ok();
        let mut ann = app.browser_of("ann@example.com").await;
        let page = ann.get("/settings").await;
        assert!(!page.text(".sessions").contains('/'), "{}", page.text(".sessions"));
        app.env.clock.advance(TimeDelta::days(1) + TimeDelta::hours(17));
        app.runner.do_what_is_due().await.unwrap();
        let sessions = vouchsafe::services::sessions::list(&app.env, &app.member("ann@example.com").await).await.unwrap();
        assert!(sessions.iter().all(|session| session.ip_address.ends_with("/24") || session.ip_address.ends_with("/48")));
        app.env.clock.advance(TimeDelta::days(2));
        app.runner.do_what_is_due().await.unwrap();
        let which = Which { action: Some("login"), ..Which::default() };
        assert_eq!(activity::list(&app.env, which, 9).await.unwrap(), []);
    }

    async fn whatever_comes_from_a_browser_says_from_where(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await.with_header("user-agent", FIREFOX);
        let mut ann = app.browser_of("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        let operator = app.operator();
        let coupon = json!({ "code": "GIFT", "type": "period", "tier": "premium", "duration_days": 3 });
        operator.post("/api/v1/coupons", coupon).await.ok();
        let before = app.env.clock.now();
        app.env.clock.advance(TimeDelta::seconds(1));
        ann.post("/redeem", &[("code", "GIFT")]).await;
        let page = format!("/admin/users/{user}");
        for (what, fields) in [
            ("tier", &[("tier", "basic")][..]),
            ("credit", &[("days", "5"), ("note", "sorry"), ("key", "0192f0c1-2345-7abc-8def-0123456789ab")]),
            ("grants", &[("grant_tier", "premium"), ("grant_days", "5"), ("grant_reason", "sorry")]),
            ("restrict", &[("feature", "photos"), ("limit", "3"), ("reason", "asked for it")]),
            ("disable", &[]),
            ("enable", &[]),
        ] {
            let answer = admin.post(&format!("{page}/{what}"), fields).await;
            assert!(answer.status.as_u16() < 400, "{what}: {}", answer.text(".err"));
        }
        admin.post("/admin/tiers/basic", &[("name", "Basic 2"), ("strength", "20"), ("active", "on")]).await;
        admin.post("/admin/keys", &[("name", "app"), ("scope", "check")]).await;
        ann.post("/sign-out", &[]).await;
        let lines = activity::list(&app.env, Which { from: Some(before), ..Which::default() }, 100).await.unwrap();
        let nowhere: Vec<&str> = lines
            .iter()
            .filter(|line| line.created_at > before && (line.ip_address.is_none() || line.user_agent.as_deref() != Some(FIREFOX)))
            .map(|line| line.action.as_str())
            .collect();
        let told: Vec<&str> = lines.iter().filter(|line| line.created_at > before).map(|line| line.action.as_str()).collect();
        assert!(told.contains(&"coupon_redeemed") && told.contains(&"credit_granted"), "{told:?}");
        assert!(told.len() >= 8, "{told:?}");
        // What follows by itself from what somebody did may be written by a worker.
        let allowed = ["grant_started", "grant_paused", "grant_resumed"];
        let nowhere: Vec<&str> = nowhere.into_iter().filter(|action| !allowed.contains(action)).collect();
        assert_eq!(nowhere, [""; 0], "of {told:?}");
    }
}
