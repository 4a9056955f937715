//! Every action that the log knows, done by those who may: each leaves a line that says by whom, from where and with
//! what.

use std::{collections::BTreeSet, fs, path::Path};

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use vouchsafe::{
    services::{
        activity::{self, Activity, Which},
        admin_claim,
    },
    words::ACTIONS,
};

use super::{activity_log::FIREFOX, reconcile};
use crate::harness::{Backend, Browser, Client, Place, StripeCustomer, TestApp, on_both_places, on_each};

/// As what an app calls itself here.
const APP: &str = "backend/1.0";

/// Actions that are done by a command here.
const BY_COMMANDS: [&str; 14] = [
    "api_key_created",
    "bonus_rule_created",
    "coupon_changed",
    "coupons_created",
    "credit_granted",
    "grant_given",
    "invitation_sent",
    "notification_settings_changed",
    "partner_added",
    "prices_changed",
    "quotes_imported",
    "role_changed",
    "setting_changed",
    "user_created",
];

/// Actions that somebody else looks for, because more has to happen for them: and in which file of stories.
const ELSEWHERE: [(&str, &str); 7] = [
    ("checkout_started", "billing.rs"),
    ("deletion_postponed", "privacy.rs"),
    ("login_failed", "activity_log.rs"),
    ("mail_test_sent", "mail.rs"),
    ("payment_event_given_up", "killed_workers.rs"),
    ("portal_opened", "billing.rs"),
    ("test_event_sent", "admin_payments.rs"),
];

on_each! { whoever_changes_something_is_told_with_what_and_from_where }

async fn whoever_changes_something_is_told_with_what_and_from_where(backend: Backend) {
    let Some((app, stripe, _, customer)) = reconcile::started(backend).await else { return };
    let mut walk = Walk::new(&app, app.operator().with_header("user-agent", APP));
    let mut root = the_first_admin(&mut walk).await;
    through_the_api(&mut walk).await;
    let mut ann = app.browser().with_header("user-agent", FIREFOX);
    a_member(&mut walk, &mut ann).await;
    grants_in_their_turn(&mut walk).await;
    friends_who_pay(&mut walk, &mut ann).await;
    stripe.has(&[customer.subscription("created", "active", app.env.clock.now())]);
    let since = walk.begin();
    an_admin(&mut walk, &mut root).await;
    walk.expect_by(since, "subscription_reconciled", "system", None).await;
    let lines = activity::list(&app.env, Which { actor: Some("system"), ..Which::default() }, 500).await.unwrap();
    let is_from_somewhere = |line: &&Activity| line.ip_address.is_some() || line.user_agent.is_some();
    let somewhere: Vec<&str> = lines.iter().filter(is_from_somewhere).map(|line| line.action.as_str()).collect();
    assert_eq!(somewhere, [""; 0], "what nobody did comes from nowhere");

    let elsewhere = ELSEWHERE.iter().map(|(action, _)| *action);
    let met: BTreeSet<&str> = walk.told.iter().map(String::as_str).chain(BY_COMMANDS).chain(elsewhere).collect();
    let known: BTreeSet<&str> = ACTIONS.iter().map(|(action, ..)| *action).collect();
    assert_eq!(known.difference(&met).collect::<Vec<_>>(), [&""; 0], "nobody looks for them");
    assert_eq!(met.difference(&known).collect::<Vec<_>>(), [&""; 0], "they have no words");
}

#[test]
fn what_is_looked_for_elsewhere_is_looked_for_there() {
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/stories");
    for (action, file) in ELSEWHERE {
        let story = fs::read_to_string(stories.join(file)).unwrap();
        assert!(story.contains(&format!("{action}\"")), "{file} does not look for {action}");
    }
}

on_both_places! { who_gives_a_command_is_the_operator_and_comes_from_nowhere }

fn who_gives_a_command_is_the_operator_and_comes_from_nowhere(place: &Place) {
    let prices = place.folder().join("prices.csv");
    fs::write(&prices, "symbol,date,close\nVTI,2026-11-20,250\n").unwrap();
    let prices = prices.to_str().unwrap();
    let mut told = BTreeSet::new();
    for (command, action) in [
        (&["user", "add", "ann@example.com"][..], "user_created"),
        (&["user", "promote", "ann@example.com"], "role_changed"),
        (&["grant-credit", "ann@example.com", "--days", "5"], "credit_granted"),
        (&["grant", "give", "ann@example.com", "--tier", "premium", "--days", "2"], "grant_given"),
        (
            &["coupon", "create", "--type", "period", "--tier", "premium", "--days", "3", "--code", "GIFT"],
            "coupons_created",
        ),
        (&["coupon", "archive", "GIFT"], "coupon_changed"),
        (&["partner", "add", "Wellpass"], "partner_added"),
        (
            &["bonus", "add", "Saver", "--trigger", "coupons_redeemed", "--threshold", "9", "--badge", "S"],
            "bonus_rule_created",
        ),
        (&["notification", "set", "admin_added", "--digest", "false"], "notification_settings_changed"),
        (&["setting", "set", "reminder_days", "4"], "setting_changed"),
        (&["key", "create", "app", "--scopes", "check"], "api_key_created"),
        (&["price", "set", "premium", "stripe", "price_1"], "prices_changed"),
        (&["invite", "add", "dan@example.com"], "invitation_sent"),
        (&["quotes", "import", prices], "quotes_imported"),
    ] {
        place.ok(command);
        let lines = place.json(&["activity", "list", "--action", action]);
        let by: Vec<_> = lines.as_array().unwrap().iter().map(|line| (&line["actor"], &line["ip_address"])).collect();
        assert!(by.contains(&(&json!("operator"), &Value::Null)), "{action}: {lines}");
        told.insert(action);
    }
    assert_eq!(told, BTreeSet::from(BY_COMMANDS));
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
        if !action.is_empty() {
            self.expect_by(since, action, actor, Some(agent)).await;
        }
    }

    /// Looks for a line of an action since then, by this one: with this agent and from the address that everybody
    /// has here, or from nowhere.
    async fn expect_by(&mut self, since: DateTime<Utc>, action: &str, actor: &str, agent: Option<&str>) {
        let which = Which { from: Some(since), action: Some(action), ..Which::default() };
        let lines = activity::list(&self.app.env, which, 9).await.unwrap();
        let by = lines.iter().map(|line| (&*line.actor, line.ip_address.as_deref(), line.user_agent.as_deref()));
        let by: Vec<_> = by.collect();
        assert!(by.contains(&(actor, agent.map(|_| "0.0.0.0"), agent)), "{action}: {by:?}");
        assert!(lines.iter().all(|line| line.details.is_object()), "{action}: {lines:?}");
        self.told.insert(action.to_owned());
    }

    /// Looks for lines of what followed by itself since then.
    async fn follows(&mut self, since: DateTime<Utc>, actions: &[&str]) {
        for action in actions {
            self.expect_by(since, action, "system", None).await;
        }
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

async fn give(walk: &mut Walk<'_>, user: &str, tier: &str, days: i64) {
    let grant = json!({ "tier": tier, "days": days });
    walk.asks(Method::POST, &format!("/api/v1/users/{user}/grants"), grant, "grant_given").await;
}

/// Whoever has the link becomes the first admin.
async fn the_first_admin(walk: &mut Walk<'_>) -> Browser {
    let since = walk.begin();
    let link = admin_claim::issue(&walk.app.env).await.unwrap().unwrap();
    walk.follows(since, &["admin_claim_issued"]).await;
    let token = link.split_once('=').unwrap().1;
    let mut root = walk.app.browser().with_header("user-agent", FIREFOX);
    let actor = "root@example.com";
    walk.sends(&mut root, actor, "/admin/claim", &[("token", token), ("email", actor)], "admin_claimed").await;
    root
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
    walk.asks(M::DELETE, &path, none.clone(), "invitation_revoked").await;
    walk.app.runner.do_what_is_due().await.unwrap();
    walk.asks(M::POST, "/api/v1/jobs/count_days/run", json!({}), "job_ordered").await;
    let rule =
        json!({ "name_en": "Saver", "trigger": "coupons_redeemed", "threshold": 9, "tier": "premium", "days": 3 });
    let made = walk.asks(M::POST, "/api/v1/bonus-rules", rule, "bonus_rule_created").await;
    let path = format!("/api/v1/bonus-rules/{}", id_of(&made));
    walk.asks(M::PATCH, &path, json!({ "threshold": 8 }), "bonus_rule_changed").await;
    walk.asks(M::POST, &format!("{path}/archive"), json!({}), "bonus_rule_archived").await;
    let off = json!({ "kinds": [{ "kind": "coupon_used_up", "in_app": false, "digest": false, "webhook": false }] });
    walk.asks(M::PUT, "/api/v1/notifications/settings", off, "notification_settings_changed").await;
    let path = "/api/v1/users/cid/mail-preferences";
    walk.asks(M::PUT, path, json!({ "bonus": false }), "mail_preference_changed").await;
    let path = "/api/v1/mail-templates/access_granted/en";
    let was = walk.asks(M::GET, path, none.clone(), "").await;
    let wording = json!({ "subject": "A gift", "text": was["text"], "html": was["html"], "version": was["version"] });
    walk.asks(M::PUT, path, wording, "mail_template_changed").await;
    walk.asks(M::DELETE, path, none.clone(), "mail_template_reset").await;
    let key = json!({ "name": "backend", "scopes": ["check"] });
    let made = walk.asks(M::POST, "/api/v1/keys", key, "api_key_created").await;
    let id = made["key"]["id"].as_str().or(made["id"].as_str()).unwrap_or_else(|| panic!("{made}")).to_owned();
    walk.asks(M::DELETE, &format!("/api/v1/keys/{id}"), none.clone(), "api_key_revoked").await;
    let until = walk.app.env.clock.now() + TimeDelta::days(1);
    let bound = json!({ "name": "a page", "scopes": ["check"], "user": "cid", "expires_at": until });
    walk.asks(M::POST, "/api/v1/keys", bound, "api_key_created").await;
    let endpoint = json!({ "url": "https://hooks.example.com/in" });
    let made = walk.asks(M::POST, "/api/v1/webhook-endpoints", endpoint, "webhook_created").await;
    let path = format!("/api/v1/webhook-endpoints/{}", id_of(&made));
    walk.asks(M::PATCH, &path, json!({ "description": "the app" }), "webhook_changed").await;
    walk.asks(M::POST, &format!("{path}/rotate"), json!({}), "webhook_secret_rotated").await;
    walk.asks(M::POST, &format!("{path}/test"), json!({}), "webhook_tested").await;
    let deliveries = walk.asks(M::GET, &format!("{path}/deliveries"), none.clone(), "").await;
    let resend = format!("{path}/deliveries/{}/resend", id_of(&deliveries["items"][0]));
    walk.asks(M::POST, &resend, json!({}), "webhook_resent").await;
    walk.asks(M::PATCH, &path, json!({ "enabled": false }), "webhook_disabled").await;
    walk.asks(M::PATCH, &path, json!({ "enabled": true }), "webhook_enabled").await;
    walk.asks(M::DELETE, &path, none.clone(), "webhook_deleted").await;
    for (method, path, action) in [(M::POST, "/retry", "job_retried"), (M::DELETE, "", "job_discarded")] {
        let job = walk.app.dead_job().await;
        walk.asks(method, &format!("/api/v1/jobs/dead/{job}{path}"), none.clone(), action).await;
    }
    walk.app.mailbox().await;
    give(walk, "cid", "selfhosted", 2).await;
    walk.app.execute("UPDATE jobs SET dead_at = created_at WHERE finished_at IS NULL AND kind = 'send_mail'").await;
    let mails = walk.asks(M::GET, "/api/v1/mails?recipient=cid@example.com&state=failed", none.clone(), "").await;
    let mail = format!("/api/v1/mails/{}/resend", id_of(&mails["items"][0]));
    walk.asks(M::POST, &mail, json!({}), "mail_resent").await;
    walk.asks(M::GET, "/api/v1/users/cid/export", none.clone(), "data_exported").await;
    walk.asks(M::DELETE, "/api/v1/users/cid?grace_days=3", none.clone(), "deletion_scheduled").await;
    walk.asks(M::POST, "/api/v1/users/cid/keep", json!({}), "deletion_cancelled").await;
    walk.asks(M::DELETE, "/api/v1/users/cid?grace_days=0", none, "account_deleted").await;

    // An event that cannot be applied is tried again at somebody's word, and that is told with it.
    walk.asks(Method::POST, "/api/v1/users", json!({ "external_id": "eve" }), "user_created").await;
    let now = walk.app.env.clock.now();
    let eve = vouchsafe::services::members::find(&walk.app.env, "eve").await.unwrap().unwrap();
    let mut customer = StripeCustomer::new(eve.id, 1, now);
    customer.price = "price_unknown".to_owned();
    walk.app.stripe(&customer.subscription("created", "active", now)).await;
    let events = walk.asks(Method::GET, "/api/v1/payments/events?state=failed", Value::Null, "").await;
    let since = walk.begin();
    let replay = format!("/api/v1/payments/events/{}/replay", id_of(&events["items"][0]));
    walk.app_key.post(&replay, json!({})).await.is(409, "not_applied");
    walk.expect(since, "payment_event_replayed", "operator", APP).await;
}

/// What becomes of days at tiers, of trials and of what is done, by itself.
async fn grants_in_their_turn(walk: &mut Walk<'_>) {
    let badge = json!({ "name_en": "First", "trigger": "coupons_redeemed", "threshold": 1, "badge": "F" });
    walk.asks(Method::POST, "/api/v1/bonus-rules", badge, "bonus_rule_created").await;
    let since = walk.begin();
    walk.app.signed_in("hal@example.com").await;
    walk.follows(since, &["trial_started"]).await;
    let since = walk.begin();
    give(walk, "hal@example.com", "premium", 3).await;
    give(walk, "hal@example.com", "selfhosted", 1).await;
    walk.follows(since, &["grant_started", "grant_paused"]).await;
    let coupon = json!({ "code": "ONCE", "type": "period", "tier": "basic", "duration_days": 1 });
    walk.asks(Method::POST, "/api/v1/coupons", coupon, "coupons_created").await;
    let redeem = json!({ "user": "hal@example.com" });
    walk.asks(Method::POST, "/api/v1/coupons/ONCE/redeem", redeem, "coupon_redeemed").await;
    walk.app.mailbox().await;
    walk.expect_by(since, "bonus_awarded", "bonus", None).await;
    walk.app.env.clock.advance(TimeDelta::days(15));
    walk.app.runner.do_what_is_due().await.unwrap();
    walk.follows(since, &["grant_ended", "grant_resumed", "trial_ended"]).await;
}

/// What providers tell of friends who were invited, and what follows from it.
async fn friends_who_pay(walk: &mut Walk<'_>, ann: &mut Browser) {
    let app = walk.app;
    app.env.clock.advance(TimeDelta::days(1));
    app.sign_in(ann, "ann@example.com", "").await;
    let settings = ann.get("/settings").await;
    let code = settings.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
    for (number, friend) in ["kim@example.com", "lea@example.com", "max@example.com"].into_iter().enumerate() {
        app.env.clock.advance(TimeDelta::days(1));
        app.sign_in(&mut app.browser(), friend, &code).await;
        let since = walk.begin();
        let customer = StripeCustomer::new(app.member(friend).await.id, 10 + number, since);
        app.stripe(&customer.subscription("created", "active", since)).await;
        app.stripe(&customer.invoice(1, 900, since)).await;
        app.stripe(&customer.payment(1, since)).await;
        walk.follows(since, &["subscription_started", "invoice_paid", "referral_converted"]).await;
        if number > 0 {
            continue;
        }
        walk.follows(since, &["referral_credited"]).await;
        for (status, action) in [
            ("past_due", "subscription_past_due"),
            ("active", "subscription_resumed"),
            ("paused", "subscription_paused"),
            ("active", "subscription_resumed"),
            ("active", "subscription_changed"),
        ] {
            let since = walk.begin();
            app.stripe(&customer.subscription("updated", status, since)).await;
            walk.follows(since, &[action]).await;
        }
        for (kind, status, actions) in [
            ("created", "needs_response", &["invoice_disputed"][..]),
            ("closed", "lost", &["dispute_lost", "referral_taken_back"]),
            ("funds_reinstated", "won", &["dispute_won", "referral_given_back"]),
        ] {
            let since = walk.begin();
            app.stripe(&customer.dispute(1, 900, kind, status, since)).await;
            walk.follows(since, actions).await;
        }
        app.env.clock.advance(TimeDelta::days(2));
        let since = walk.begin();
        let ended = json!({ "ended_at": since.timestamp() });
        app.stripe(&customer.subscription_with("deleted", "canceled", since, ended)).await;
        walk.follows(since, &["subscription_ended", "credit_returned"]).await;
        let since = walk.begin();
        app.stripe(&customer.refund(1, 900, 900, since)).await;
        walk.follows(since, &["invoice_refunded"]).await;
        // What the next ones bring is held.
        let days = json!({ "value": 30 });
        walk.asks(Method::PUT, "/api/v1/settings/referral_hold_days", days, "setting_changed").await;
    }
}

/// What a member does about the browsers in which they are signed in.
async fn sessions_of(walk: &mut Walk<'_>, ann: &mut Browser, email: &str) {
    let app = walk.app;
    app.env.clock.advance(TimeDelta::days(1));
    app.sign_in(ann, email, "").await;
    app.sign_in(&mut app.browser(), email, "").await;
    let settings = ann.get("/settings").await;
    let other = settings.attribute("form[action='/settings/sessions/revoke'] input[name=session]", "value").unwrap();
    walk.sends(ann, email, "/settings/sessions/revoke", &[("session", &other)], "session_revoked").await;
    let since = walk.begin();
    app.sign_in(ann, email, "").await;
    walk.expect(since, "session_replaced", email, FIREFOX).await;
    walk.sends(ann, email, "/settings/sessions/revoke-all", &[], "signed_out_everywhere").await;
}

/// What a member may change.
async fn a_member(walk: &mut Walk<'_>, ann: &mut Browser) {
    let (app, email) = (walk.app, "ann@example.com");
    app.operator().put("/api/v1/settings/invitations_by_members", json!({ "value": true })).await.ok();
    let since = walk.begin();
    app.sign_in(ann, email, "").await;
    for action in ["user_created", "login"] {
        walk.expect(since, action, email, FIREFOX).await;
    }
    walk.sends(ann, email, "/language", &[("lang", "de"), ("back", "/")], "user_changed").await;
    walk.sends(ann, email, "/language", &[("lang", "en"), ("back", "/")], "user_changed").await;
    let row = [("base", "0"), ("symbol", "VTI"), ("quantity", "2"), ("cost_basis", "200"), ("price", "250")];
    walk.sends(ann, email, "/portfolio", &row, "portfolio_saved").await;
    let row = [("base", "1"), ("symbol", "VTI"), ("quantity", "3"), ("cost_basis", "200"), ("price", "250")];
    walk.sends(ann, email, "/portfolio", &row, "portfolio_saved").await;
    walk.sends(ann, email, "/portfolio/restore", &[("version", "1"), ("base", "2")], "portfolio_restored").await;
    walk.sends(ann, email, "/redeem", &[("code", "GIFT")], "coupon_redeemed").await;
    walk.sends(ann, email, "/settings/mails", &[("referrals", "on")], "mail_preference_changed").await;
    walk.sends(ann, email, "/settings/invitations", &[("email", "fay@example.com")], "invitation_sent").await;
    let since = walk.begin();
    assert_eq!(ann.get("/settings/export").await.status, 200);
    walk.expect(since, "data_exported", email, FIREFOX).await;
    walk.sends(ann, email, "/settings/delete", &[("sure", "on")], "deletion_scheduled").await;
    walk.sends(ann, email, "/settings/keep", &[], "deletion_cancelled").await;
    walk.sends(ann, email, "/sign-out", &[], "logout").await;
    sessions_of(walk, ann, email).await;
    // Who was invited accepts by signing in: that is theirs, not the system's.
    let since = walk.begin();
    let mut fay = app.browser().with_header("user-agent", FIREFOX);
    app.sign_in(&mut fay, "fay@example.com", "").await;
    walk.expect(since, "invitation_accepted", "fay@example.com", FIREFOX).await;
}

/// What an admin may change in a browser.
async fn an_admin(walk: &mut Walk<'_>, root: &mut Browser) {
    let actor = "root@example.com";
    // Some things are for those who have just signed in.
    walk.app.env.clock.advance(TimeDelta::days(1));
    walk.app.sign_in(root, actor, "").await;
    walk.app.sign_in(&mut walk.app.browser(), "ann@example.com", "").await;
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
        ("unrestrict", &[("feature", "photos")], "restriction_removed"),
        ("sessions/revoke-all", &[], "sessions_ended"),
        ("disable", &[], "account_disabled"),
        ("enable", &[], "account_enabled"),
    ] {
        walk.sends(root, actor, &format!("{page}/{what}"), fields, action).await;
    }
    let tier = [("name", "Basic 2"), ("strength", "20"), ("active", "on")];
    walk.sends(root, actor, "/admin/tiers/basic", &tier, "tier_changed").await;
    walk.sends(root, actor, "/admin/keys", &[("name", "app"), ("scope", "check")], "api_key_created").await;
    walk.sends(root, actor, "/admin/settings", &[("reminder_days", "4")], "setting_changed").await;
    walk.app.runner.do_what_is_due().await.unwrap();
    walk.sends(root, actor, "/admin/jobs/count_days/run", &[], "job_ordered").await;
    walk.sends(root, actor, "/admin/coupons/GIFT/archive", &[], "coupon_changed").await;
    let which = [("provider", "stripe")];
    walk.sends(root, actor, "/admin/payments/reconcile", &which, "subscriptions_compared").await;
    for (verdict, action) in [("release", "referral_released"), ("reject", "referral_rejected")] {
        let held = root.get("/admin/referrals?state=held").await;
        let path = held.attribute(&format!("tbody form[action$='/{verdict}']"), "action").unwrap();
        walk.sends(root, actor, &path, &[], action).await;
    }
}
