//! The log of activity: searched, exported, and forgotten in time.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use vouchsafe::{
    services::activity::{self, Which},
    store::activity::NewActivity,
};

use crate::harness::{Browser, TestApp, on_both};

pub(super) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux) Firefox/140";

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
        let all: BTreeSet<String> = actions(&page).into_iter().collect();
        let expected = ["Created", "Signed in", "Signed out", "Trial began"];
        assert_eq!(all, expected.map(str::to_owned).into(), "in no order, being of one instant");
        assert!(page.body.contains(FIREFOX), "{}", page.body);
        let link = page.attribute("td a.address", "href").unwrap();
        assert_eq!(link, format!("/admin/users/{}", app.member("ann@example.com").await.id));
        let page = admin.get("/admin/activity?actor=ann%40example.com&action=login&from=2026-11-21&to=2026-11-21").await;
        assert_eq!(actions(&page), ["Signed in"]);
        assert_eq!(page.texts("dl.details dt"), ["new member"]);
        assert_eq!(page.texts("dl.details dd"), ["yes"]);
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
        assert_eq!(actions(&page), ["Signed out"]);
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

    async fn what_an_admin_had_done_by_itself_tells_nothing_of_them_once_they_are_gone(app: TestApp) {
        app.signed_in_admin("eve@example.com").await;
        // Who changes something has signed in lately.
        let mut root = app.signed_in_admin("root@example.com").await;
        let ann = app.browser_of("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        root = root.with_header("user-agent", "Root's own");
        let key = "0192f0c1-2345-7abc-8def-0123456789ac";
        let grant = [("grant_tier", "selfhosted"), ("grant_days", "5"), ("grant_reason", "sorry"), ("key", key)];
        let given = root.post(&format!("/admin/users/{user}/grants"), &grant).await;
        assert_eq!(given.status, 303, "{}", given.body);
        let of = async |action| {
            let which = Which { action: Some(action), user: Some(user), ..Which::default() };
            activity::list(&app.env, which, 9).await.unwrap()
        };
        assert_eq!(of("grant_given").await[0].user_agent.as_deref(), Some("Root's own"));
        assert_eq!(of("grant_started").await[0].actor, "system");
        app.operator().delete("/api/v1/users/root@example.com?grace_days=0").await.ok();
        app.runner.do_what_is_due().await.unwrap();
        let lines = activity::list(&app.env, Which::default(), 500).await.unwrap();
        let theirs: Vec<_> = lines.iter().filter(|line| line.user_agent.as_deref() == Some("Root's own")).collect();
        assert_eq!(theirs, Vec::<&vouchsafe::services::activity::Activity>::new());
        drop(ann);
    }

    async fn a_sign_in_that_fails_is_told_of_a_member_and_of_nobody_else(app: TestApp) {
        app.browser_of("ann@example.com").await;
        let failed = async || {
            let which = Which { action: Some("login_failed"), ..Which::default() };
            let lines = activity::list(&app.env, which, 9).await.unwrap();
            lines.into_iter().map(|line| (line.actor, line.details, line.user_agent.unwrap_or_default())).collect::<Vec<_>>()
        };
        let wrong = |code: &str| if code.starts_with('1') { "222222" } else { "111111" };
        for email in ["ann@example.com", "nobody@example.com"] {
            app.env.clock.advance(TimeDelta::minutes(20));
            let mut browser = app.browser().with_header("user-agent", "a thief's");
            browser.post("/login", &[("email", email)]).await;
            let code = app.code_for(email).await;
            assert_eq!(browser.post("/verify", &[("code", wrong(&code))]).await.status, 422);
        }
        let ann = |because: &str, agent: &str| ("ann@example.com".to_owned(), json!({ "because": because }), agent.to_owned());
        assert_eq!(failed().await, [ann("wrong_code", "a thief's")]);
        app.operator().post("/api/v1/users/ann@example.com/disable", json!({})).await;
        app.env.clock.advance(TimeDelta::minutes(20));
        let mut browser = app.browser().with_header("user-agent", FIREFOX);
        browser.post("/login", &[("email", "ann@example.com")]).await;
        let code = app.code_for("ann@example.com").await;
        assert_eq!(browser.post("/verify", &[("code", &code)]).await.status, 422);
        browser.post("/verify", &[("code", &code)]).await;
        assert_eq!(failed().await, [ann("disabled", FIREFOX), ann("wrong_code", "a thief's")], "once for each try");
    }
}
