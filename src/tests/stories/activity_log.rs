//! The log of activity: searched, exported, and forgotten in time.

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use vouchsafe::{
    services::activity::{self, Which},
    store::activity::NewActivity,
};

/// As what an app calls itself here.
const APP: &str = "backend/1.0";

use crate::harness::{Browser, Client, TestApp, on_both};

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

    async fn whoever_changes_something_is_told_with_what_and_from_where(app: TestApp) {
        let app = app.with_prices().await;
        let mut walk = Walk::new(&app, app.operator().with_header("user-agent", APP));
        through_the_api(&mut walk).await;
        let mut ann = app.browser().with_header("user-agent", FIREFOX);
        let mut root = app.signed_in_admin("root@example.com").await.with_header("user-agent", FIREFOX);
        a_member(&mut walk, &mut ann).await;
        an_admin(&mut walk, &mut root).await;
        let lines = activity::list(&app.env, Which { actor: Some("system"), ..Which::default() }, 500).await.unwrap();
        let somewhere: Vec<&str> = lines
            .iter()
            .filter(|line| line.ip_address.is_some() || line.user_agent.is_some())
            .map(|line| line.action.as_str())
            .collect();
        assert!(lines.len() > 5);
        assert_eq!(somewhere, [""; 0], "what nobody did comes from nowhere");
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

/// Somebody who goes through the doors and looks at what is told of it.
struct Walk<'a> {
    app: &'a TestApp,
    app_key: Client,
    told: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn new(app: &'a TestApp, app_key: Client) -> Self {
        Self { app, app_key, told: BTreeSet::new() }
    }

    fn begin(&self) -> DateTime<Utc> {
        self.app.env.clock.advance(TimeDelta::seconds(1));
        self.app.env.clock.now()
    }

    /// Looks for a line of an action since then, by this one and with this agent.
    async fn expect(&mut self, since: DateTime<Utc>, action: &str, actor: &str, agent: &str) {
        if action.is_empty() {
            return;
        }
        let which = Which { from: Some(since), action: Some(action), ..Which::default() };
        let lines = activity::list(&self.app.env, which, 9).await.unwrap();
        let by = lines.iter().map(|line| (&*line.actor, line.ip_address.as_deref(), line.user_agent.as_deref()));
        let by: Vec<_> = by.collect();
        assert!(by.contains(&(actor, Some("0.0.0.0"), Some(agent))), "{action}: {by:?}");
        self.told.insert(action.to_owned());
    }

    /// An app asks; the line of what it changed has it and its address.
    async fn asks(&mut self, method: Method, path: &str, body: Value, action: &str) -> Value {
        let since = self.begin();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.app_key.send(method.clone(), path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.body);
        self.expect(since, action, "operator", APP).await;
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// A form is sent.
    async fn sends(&mut self, browser: &mut Browser, actor: &str, path: &str, fields: &[(&str, &str)], action: &str) {
        let since = self.begin();
        let answer = browser.post(path, fields).await;
        assert!(answer.status.as_u16() < 400, "{path}: {} {}", answer.status, answer.text(".err"));
        assert!(!answer.location().starts_with("/login?fresh"), "{path}: {}", answer.location());
        self.expect(since, action, actor, FIREFOX).await;
    }
}

fn id_of(answer: &Value) -> String {
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// What an app with all rights may change.
async fn through_the_api(walk: &mut Walk<'_>) {
    use Method as M;
    let none = Value::Null;
    let user = json!({ "external_id": "cid", "email": "cid@example.com" });
    walk.asks(M::POST, "/api/v1/users", user, "user_created").await;
    walk.asks(M::PATCH, "/api/v1/users/cid", json!({ "lang": "de" }), "user_changed").await;
    let restriction = json!({ "limit": 3, "reason": "asked for it" });
    walk.asks(M::PUT, "/api/v1/users/cid/restrictions/photos", restriction, "restriction_set").await;
    walk.asks(M::DELETE, "/api/v1/users/cid/restrictions/photos", none.clone(), "restriction_removed").await;
    walk.asks(M::POST, "/api/v1/users/cid/credits", json!({ "days": 5 }), "credit_granted").await;
    walk.asks(M::DELETE, "/api/v1/users/cid/credits", none.clone(), "credit_revoked").await;
    let grant = json!({ "tier": "premium", "days": 5, "reason": "sorry" });
    let given = walk.asks(M::POST, "/api/v1/users/cid/grants", grant, "grant_given").await;
    walk.asks(M::DELETE, &format!("/api/v1/grants/{}", id_of(&given)), none.clone(), "grant_revoked").await;
    walk.asks(M::POST, "/api/v1/users/cid/disable", json!({}), "account_disabled").await;
    walk.asks(M::POST, "/api/v1/users/cid/enable", json!({}), "account_enabled").await;
    let coupon = json!({ "code": "GIFT", "type": "period", "tier": "premium", "duration_days": 3 });
    walk.asks(M::POST, "/api/v1/coupons", coupon, "coupons_created").await;
    walk.asks(M::PATCH, "/api/v1/coupons/GIFT", json!({ "description": "a gift" }), "coupon_changed").await;
    walk.asks(M::POST, "/api/v1/coupons/GIFT/redeem", json!({ "user": "cid" }), "coupon_redeemed").await;
    let partner = json!({ "name": "Wellpass", "contact": "Kim" });
    let made = walk.asks(M::POST, "/api/v1/partners", partner, "partner_added").await;
    let path = format!("/api/v1/partners/{}", id_of(&made));
    walk.asks(M::PUT, &path, json!({ "name": "Wellpass", "contact": "Jo" }), "partner_changed").await;
    walk.asks(M::POST, &format!("{path}/link"), json!({}), "partner_link_made").await;
    walk.asks(M::DELETE, &format!("{path}/link"), none.clone(), "partner_link_ended").await;
    let tier = json!({
        "name": "Gold", "description_en": "All that shines", "price_monthly_cents": 1990,
        "active": true, "paid": true, "sort_order": 9,
    });
    walk.asks(M::PUT, "/api/v1/tiers/gold", tier, "tier_changed").await;
    let feature = json!({
        "name_en": "Stars", "name_de": "Sterne", "category": "sky", "kind": "count", "reset_period": "daily",
        "default_limit": 3, "active": true, "sort_order": 99,
    });
    walk.asks(M::PUT, "/api/v1/features/stars", feature, "feature_changed").await;
    let prices = json!([{ "provider": "stripe", "price_id": "price_gold", "interval": "month" }]);
    walk.asks(M::PUT, "/api/v1/tiers/gold/prices", prices, "prices_changed").await;
    let change = json!({ "tier": "selfhosted", "feature": "photos", "limit": 7, "version": 1 });
    let made = walk
        .asks(M::POST, "/api/v1/matrix/commit", json!({ "changes": [change], "reason": "spring" }), "matrix_changed")
        .await;
    let undo = format!("/api/v1/matrix/undo/{}", made["activity"].as_str().unwrap_or_else(|| panic!("{made}")));
    walk.asks(M::POST, &undo, json!({}), "matrix_changed").await;
    walk.asks(M::PUT, "/api/v1/settings/reminder_days", json!({ "value": 2 }), "setting_changed").await;
    let invited = json!({ "email": "dan@example.com" });
    let made = walk.asks(M::POST, "/api/v1/invitations", invited, "invitation_sent").await;
    let path = format!("/api/v1/invitations/{}", id_of(&made));
    walk.app.env.clock.advance(TimeDelta::days(2));
    walk.asks(M::POST, &format!("{path}/resend"), json!({}), "invitation_sent_again").await;
    walk.asks(M::DELETE, &path, none, "invitation_revoked").await;
}

/// What a member may change.
async fn a_member(walk: &mut Walk<'_>, ann: &mut Browser) {
    let email = "ann@example.com";
    let since = walk.begin();
    walk.app.sign_in(ann, email, "").await;
    for action in ["user_created", "login"] {
        walk.expect(since, action, email, FIREFOX).await;
    }
    walk.sends(ann, email, "/redeem", &[("code", "GIFT")], "coupon_redeemed").await;
    walk.sends(ann, email, "/sign-out", &[], "logout").await;
}

/// What an admin may change in a browser.
async fn an_admin(walk: &mut Walk<'_>, root: &mut Browser) {
    let actor = "root@example.com";
    let page = format!("/admin/users/{}", walk.app.member("ann@example.com").await.id);
    for (what, fields, action) in [
        ("tier", &[("tier", "basic")][..], "user_changed"),
        (
            "credit",
            &[("days", "5"), ("note", "sorry"), ("key", "0192f0c1-2345-7abc-8def-0123456789ab")],
            "credit_granted",
        ),
        (
            "grants",
            &[
                ("grant_tier", "premium"),
                ("grant_days", "5"),
                ("grant_reason", "sorry"),
                ("key", "0192f0c1-2345-7abc-8def-0123456789ab"),
            ],
            "grant_given",
        ),
        ("restrict", &[("feature", "photos"), ("limit", "3"), ("reason", "asked for it")], "restriction_set"),
        ("disable", &[], "account_disabled"),
        ("enable", &[], "account_enabled"),
    ] {
        walk.sends(root, actor, &format!("{page}/{what}"), fields, action).await;
    }
    let tier = [("name", "Basic 2"), ("strength", "20"), ("active", "on")];
    walk.sends(root, actor, "/admin/tiers/basic", &tier, "tier_changed").await;
    walk.sends(root, actor, "/admin/keys", &[("name", "app"), ("scope", "check")], "api_key_created").await;
}
