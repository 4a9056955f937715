//! Workers that are killed at any step, and several that do the same at once: whatever a routine or a job brings
//! about is there once, and nothing of it is lost.
//!
//! What is there is counted before and after, everything in the database: a row that comes twice is seen, whichever
//! table it is in. What goes to a server of somebody else may come twice, and is the same then.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    task::Poll,
};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vouchsafe::{
    domain::{
        notification::Occurrence,
        payment::{BillingInterval, Provider},
        schedule::Routine,
    },
    jobs::Runner,
    services::{
        notifications, payments,
        prices::{self, NewPrice},
        schedules,
    },
    store::jobs::{ClaimedJob, Kind, Lane},
};

use super::reconcile;
use crate::{
    contract::texts,
    harness::{Backend, Client, Received, Receiver, StripeCustomer, TestApp, on_each},
};

/// How long a job belongs to who claimed it.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Up to so many steps a worker is killed at each; further on at fewer and fewer of them.
const EACH_STEP: usize = 30;
/// More kills than anything takes that comes to an end.
const MOST_KILLS: usize = 1_000;
/// How many do the same at once.
const AT_ONCE: usize = 4;

/// Something to be done, and what comes of it.
struct Case {
    app: TestApp,
    /// The lanes in which its jobs wait.
    lanes: &'static [Lane],
    /// What is there afterwards and was not before; what is gone is less than nothing.
    effects: &'static [(&'static str, i64)],
    /// Who hears of it outside.
    receiver: Option<Receiver>,
}

impl Case {
    /// Something that comes by the clock. Its jobs are what it brings about.
    fn routine(app: TestApp, effects: &'static [(&'static str, i64)]) -> Self {
        Self { app, lanes: &[], effects, receiver: None }
    }

    fn job(app: TestApp, lanes: &'static [Lane], effects: &'static [(&'static str, i64)]) -> Self {
        Self { app, lanes, effects, receiver: None }
    }

    fn heard_by(self, receiver: Receiver) -> Self {
        Self { receiver: Some(receiver), ..self }
    }

    /// Asserts that everything is there once, and that nothing waits.
    async fn assert_each_once(&self, before: &BTreeMap<String, i64>, what: &str) {
        let after = self.app.census().await;
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let count = |census: &BTreeMap<String, i64>, name| census.get(name).copied().unwrap_or(0);
        let changes = names.into_iter().map(|name| (name.as_str(), count(&after, name) - count(before, name)));
        let changes: BTreeMap<&str, i64> = changes.filter(|(_, change)| *change != 0).collect();
        assert_eq!(changes, self.effects.iter().copied().collect(), "{what}");
        assert_eq!(self.app.waiting(&Lane::ALL).await, 0, "{what}");
        if let Some(receiver) = &self.receiver {
            let heard = receiver.taken();
            let different: BTreeSet<(&str, &str)> = heard.iter().map(told).collect();
            assert_eq!(different.len(), 1, "{what}: {heard:#?}");
        }
    }
}

/// What makes two that were sent the same.
fn told(received: &Received) -> (&str, &str) {
    (received.header("webhook-id"), &received.body)
}

impl TestApp {
    async fn texts(&self, sql: &str) -> Vec<String> {
        let mut reader = self.env.db.reader().await.unwrap();
        texts(&mut reader.conn(), sql).await
    }

    /// Counts what is there: the rows of every table, and finer where a row tells of one of many things. What a
    /// worker notes of itself is not counted, and neither is what waits: that is still to become something.
    async fn census(&self) -> BTreeMap<String, i64> {
        let (tables, letter) = match self.backend() {
            Backend::Sqlite => {
                ("SELECT name FROM sqlite_master WHERE type = 'table'", "json_extract(letter, '$.letter')")
            }
            Backend::Postgres => {
                ("SELECT tablename::TEXT FROM pg_tables WHERE schemaname = current_schema()", "(letter->>'letter')")
            }
        };
        let is_finer = ["jobs", "mails", "notifications", "schedules", "user_activity_log", "webhook_deliveries"];
        let mut parts = vec![
            "SELECT 'line ' || action AS name, 1 AS count FROM user_activity_log".to_owned(),
            "SELECT 'line without its address', 1 FROM user_activity_log WHERE ip_address LIKE '%/%'".to_owned(),
            "SELECT 'session without its address', 1 FROM sessions WHERE ip_address LIKE '%/%'".to_owned(),
            format!("SELECT 'letter ' || {letter} || ' sent', 1 FROM mails WHERE sent_at IS NOT NULL"),
            format!("SELECT 'letter ' || {letter} || ' not sent', 1 FROM mails WHERE skipped_at IS NOT NULL"),
            "SELECT 'job ' || kind || ' done', 1 FROM jobs WHERE finished_at IS NOT NULL".to_owned(),
            "SELECT 'job ' || kind || ' given up', 1 FROM jobs WHERE dead_at IS NOT NULL".to_owned(),
            "SELECT 'notification ' || kind, occurrences FROM notifications".to_owned(),
            "SELECT 'delivery ' || kind || ' ' || state, 1 FROM webhook_deliveries WHERE state <> 'pending'".to_owned(),
            "SELECT 'figure ' || metric, value FROM daily_stats".to_owned(),
        ];
        let tables = self.texts(tables).await;
        let tables = tables.iter().filter(|table| !is_finer.contains(&table.as_str()) && !table.starts_with('_'));
        parts.extend(tables.map(|table| format!("SELECT 'rows of {table}', 1 FROM {table}")));
        let all = parts.join(" UNION ALL ");
        let lines = self
            .texts(&format!("SELECT name || '=' || CAST(SUM(count) AS TEXT) FROM ({all}) AS everything GROUP BY name"))
            .await;
        let entry = |line: &String| {
            let (name, count) = line.rsplit_once('=').unwrap();
            (name.to_owned(), count.parse().unwrap())
        };
        lines.iter().map(entry).collect()
    }

    /// How many jobs of some lanes are not done.
    async fn waiting(&self, lanes: &[Lane]) -> i64 {
        let lanes: Vec<String> = lanes.iter().map(|lane| format!("'{}'", lane.as_str())).collect();
        let counted = self
            .texts(&format!(
                "SELECT CAST(COUNT(*) AS TEXT) FROM jobs
                WHERE finished_at IS NULL AND dead_at IS NULL AND lane IN ({})",
                lanes.join(", ")
            ))
            .await;
        counted[0].parse().unwrap()
    }

    /// Does everything that is due, so that what comes next stands alone.
    async fn settle_down(&self) {
        self.runner.do_what_is_due().await.unwrap();
        self.runner.run_until_idle().await.unwrap();
    }

    /// Does the jobs of a lane.
    async fn finish_lane(&self, lane: Lane) {
        while let Some(job) = self.runner.claim_job(lane).await.unwrap() {
            self.runner.do_job(job).await;
        }
    }

    /// Lets nobody begin with a trial.
    async fn without_trials(&self) -> Client {
        let operator = self.operator();
        operator.put("/api/v1/settings/trial_duration_days", json!({ "value": 0 })).await.ok();
        operator
    }

    /// Has the chat at this address told when a coupon is used up.
    async fn has_chat(&self, url: &str) {
        let all = json!({ "kind": "coupon_used_up", "in_app": true, "digest": true, "webhook": true });
        let chat = json!({ "chat_url": url, "chat_shape": "slack", "kinds": [all] });
        self.operator().put("/api/v1/notifications/settings", chat).await.ok();
    }

    /// Raises a notification, as a journey does.
    async fn raise(&self, code: &str) {
        let occurrence = Occurrence::CouponUsedUp { code: code.to_owned(), redemptions: 3 };
        let mut tx = self.env.db.begin().await.unwrap();
        notifications::raise(&self.env, &mut tx.conn(), occurrence).await.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn user(operator: &Client, name: &str) {
    let email = format!("{name}@example.com");
    operator.post("/api/v1/users", json!({ "external_id": name, "email": email })).await.ok();
}

async fn give(operator: &Client, name: &str, tier: &str, days: i64) {
    let grant = json!({ "tier": tier, "days": days });
    operator.post(&format!("/api/v1/users/{name}/grants"), grant).await.ok();
}

async fn rule(operator: &Client, more: Value) {
    let mut asked = json!({ "name_en": "Saver", "trigger": "coupons_redeemed", "threshold": 1 });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    operator.post("/api/v1/bonus-rules", asked).await.ok();
}

/// Makes a coupon that members redeem.
async fn redeemed_by(operator: &Client, names: &[&str]) {
    let coupon = json!({ "code": "GIFT", "type": "period", "tier": "basic", "duration_days": 1 });
    operator.post("/api/v1/coupons", coupon).await.ok();
    for name in names {
        operator.post("/api/v1/coupons/GIFT/redeem", json!({ "user": name })).await.ok();
    }
}

/// Brings about that a routine has something to do, and says what comes of it. A new routine is asked for here.
async fn arrange(backend: Backend, routine: Routine) -> Option<Case> {
    if routine == Routine::ReconcilePayments {
        let (app, ..) = reconcile::started(backend).await?;
        app.settle_down().await;
        app.env.clock.advance(TimeDelta::days(1));
        return Some(Case::routine(app, &[("job reconcile_subscriptions done", 1)]));
    }
    let app = TestApp::new(backend).await?;
    Some(match routine {
        Routine::ReconcilePayments => unreachable!("it was arranged above"),
        Routine::SettleGrants => {
            let operator = app.without_trials().await;
            for name in ["ann", "bob"] {
                user(&operator, name).await;
                give(&operator, name, "premium", 2).await;
            }
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(2));
            Case::routine(app, &[("job send_mail done", 2), ("letter grant_ended sent", 2), ("line grant_ended", 2)])
        }
        Routine::TellEndings => {
            let app = app.reaching_inside();
            let operator = app.without_trials().await;
            user(&operator, "ann").await;
            operator.post("/api/v1/users/ann/credits", json!({ "days": 1 })).await.ok();
            let (receiver, url) = Receiver::start().await;
            let endpoint = json!({ "url": url, "events": ["access.changed"] });
            operator.post("/api/v1/webhook-endpoints", endpoint).await.ok();
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(1));
            Case::routine(app, &[("delivery access.changed delivered", 1), ("job deliver_webhook done", 1)])
                .heard_by(receiver)
        }
        Routine::GiveRewards => {
            let app = app.with_prices().await;
            app.operator().put("/api/v1/settings/referral_hold_days", json!({ "value": 5 })).await.ok();
            let mut ann = app.signed_in("ann@example.com").await;
            let settings = ann.get("/settings").await;
            let code = settings.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
            app.sign_in(&mut app.browser(), "bob@example.com", &code).await;
            let now = app.env.clock.now();
            let customer = StripeCustomer::new(app.member("bob@example.com").await.id, 1, now);
            app.stripe(&customer.subscription("created", "active", now)).await;
            app.stripe(&customer.invoice(1, 900, now)).await;
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(5));
            Case::routine(
                app,
                &[
                    ("job send_mail done", 2),
                    ("letter referral_converted sent", 2),
                    ("line referral_credited", 2),
                    ("rows of credit_entries", 2),
                ],
            )
        }
        Routine::SendReminders => {
            app.signed_in("ann@example.com").await;
            app.env.clock.advance(TimeDelta::days(3));
            app.signed_in("cid@example.com").await;
            let operator = app.without_trials().await;
            user(&operator, "bob").await;
            give(&operator, "bob", "selfhosted", 13).await;
            let until = app.env.clock.now() + TimeDelta::days(40);
            operator.post("/api/v1/partners", json!({ "name": "Gym", "contract_until": until })).await.ok();
            app.env.clock.advance(TimeDelta::days(9));
            app.settle_down().await;
            // Ann's trial is over, those of the others and Bob's days end soon, and so does the contract.
            app.env.clock.advance(TimeDelta::days(2));
            Case::routine(
                app,
                &[
                    ("job send_mail done", 3),
                    ("letter grant_ending sent", 1),
                    ("letter trial_ended sent", 1),
                    ("letter trial_ending sent", 1),
                    ("line trial_ended", 1),
                    ("notification partner_ending", 1),
                    ("rows of reminders", 4),
                ],
            )
        }
        Routine::CountDays => {
            let operator = app.operator();
            app.signed_in("ann@example.com").await;
            let consume = json!({ "user": "ann@example.com", "feature": "photos", "amount": 2 });
            operator.post("/api/v1/consume", consume).await.ok();
            redeemed_by(&operator, &["ann@example.com"]).await;
            app.runner.run_until_idle().await.unwrap();
            // Killed again and again, it is still the same day.
            app.env.clock.advance(TimeDelta::hours(15));
            Case::routine(
                app,
                &[
                    ("figure active", 1),
                    ("figure members", 1),
                    ("figure new", 1),
                    ("figure redemptions", 1),
                    ("figure sign_ins", 1),
                    ("figure usage", 2),
                    ("rows of counted_days", 2),
                    ("rows of daily_stats", 16),
                ],
            )
        }
        Routine::AwardBonuses => {
            let operator = app.without_trials().await;
            for name in ["ann", "bob"] {
                user(&operator, name).await;
            }
            rule(&operator, json!({ "trigger": "days_as_member", "threshold": 7, "badge": "W" })).await;
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(7));
            Case::routine(
                app,
                &[
                    ("job send_mail done", 2),
                    ("job sweep_bonus done", 1),
                    ("letter badge_awarded sent", 2),
                    ("line bonus_awarded", 2),
                    ("rows of bonus_awards", 2),
                ],
            )
        }
        Routine::SendDigests => {
            app.signed_in_admin("root@example.com").await;
            app.settle_down().await;
            app.raise("SUMMER").await;
            app.env.clock.advance(TimeDelta::days(181));
            app.raise("WINTER").await;
            Case::routine(
                app,
                &[
                    ("job send_mail done", 1),
                    ("letter admin_digest sent", 1),
                    ("notification admin_added", -1),
                    ("notification coupon_used_up", -1),
                    ("rows of admin_digests", 1),
                    ("rows of notification_reads", -1),
                ],
            )
        }
        Routine::DeleteAccounts => {
            let operator = app.operator();
            for email in ["ann@example.com", "bob@example.com"] {
                app.signed_in(email).await;
                operator.delete(&format!("/api/v1/users/{email}?grace_days=1")).await.ok();
            }
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(1));
            Case::routine(
                app,
                &[
                    ("job send_mail done", 2),
                    ("letter account_deleted sent", 2),
                    ("letter deletion_scheduled sent", -2),
                    ("letter login_code sent", -2),
                    ("letter welcome sent", -2),
                    ("line account_deleted", 2),
                    ("notification member_deleted", 2),
                    ("rows of login_attempts", -2),
                    ("rows of rate_limits", -4),
                    ("rows of sessions", -2),
                    ("rows of user_days", -2),
                    ("rows of user_stats", -2),
                ],
            )
        }
        Routine::ForgetOver => {
            app.signed_in("ann@example.com").await;
            app.operator().post("/api/v1/invitations", json!({ "email": "dan@example.com" })).await.ok();
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(90));
            app.signed_in("cid@example.com").await;
            app.runner.run_until_idle().await.unwrap();
            Case::routine(
                app,
                &[
                    ("job send_mail done", -3),
                    ("letter invitation sent", -1),
                    ("letter login_code sent", -1),
                    ("letter welcome sent", -1),
                    ("rows of invitations", -1),
                    ("rows of login_attempts", -1),
                    ("rows of rate_limits", -2),
                    ("rows of sessions", -1),
                ],
            )
        }
        Routine::CutAddresses => {
            app.signed_in("ann@example.com").await;
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(31));
            app.signed_in("cid@example.com").await;
            app.runner.run_until_idle().await.unwrap();
            Case::routine(app, &[("line without its address", 2), ("session without its address", 1)])
        }
        Routine::ForgetActivity => {
            app.signed_in("ann@example.com").await;
            app.settle_down().await;
            app.env.clock.advance(TimeDelta::days(181));
            app.signed_in("cid@example.com").await;
            app.runner.run_until_idle().await.unwrap();
            Case::routine(app, &[("line login", -1), ("line trial_started", -1), ("line user_created", -1)])
        }
    })
}

/// Brings about that a job of a kind waits, and says what comes of it. A new kind is asked for here.
async fn arrange_job(backend: Backend, kind: Kind) -> Option<Case> {
    if matches!(kind, Kind::ReconcileSubscriptions | Kind::RefreshSubscription) {
        let (app, stripe, _, customer) = reconcile::started(backend).await?;
        app.settle_down().await;
        let now = app.env.clock.now();
        if kind == Kind::ReconcileSubscriptions {
            // Each is on a page of its own.
            stripe.shows_at_once(1);
            let second = StripeCustomer { subscription: "sub_2".to_owned(), ..customer.clone() };
            stripe.has(&[customer, second].map(|theirs| theirs.subscription("created", "active", now)));
            app.env.clock.advance(TimeDelta::days(1));
            app.runner.do_now(Routine::ReconcilePayments).await.unwrap().unwrap().unwrap();
            let effects = &[
                ("job reconcile_subscriptions done", 2),
                ("job send_mail done", 2),
                ("letter subscription_started sent", 2),
                ("line subscription_reconciled", 2),
                ("line subscription_started", 2),
                ("rows of subscriptions", 2),
            ];
            return Some(Case::job(app, &[Lane::Providers], effects));
        }
        stripe.has(&[customer.subscription("updated", "past_due", now)]);
        for status in ["past_due", "active"] {
            app.stripe(&customer.subscription("updated", status, now)).await;
        }
        app.finish_lane(Lane::Letters).await;
        app.env.clock.advance(TimeDelta::seconds(2));
        let effects = &[
            ("job refresh_subscription done", 1),
            ("job send_mail done", 1),
            ("letter payment_failed sent", 1),
            ("line subscription_past_due", 1),
            ("line subscription_reconciled", 1),
        ];
        return Some(Case::job(app, &[Lane::Providers], effects));
    }
    let app = TestApp::new(backend).await?.reaching_inside();
    let operator = app.without_trials().await;
    for name in ["ann", "bob"] {
        user(&operator, name).await;
    }
    app.settle_down().await;
    Some(match kind {
        Kind::ReconcileSubscriptions | Kind::RefreshSubscription => unreachable!("they were arranged above"),
        Kind::SendMail => {
            operator.post("/api/v1/invitations", json!({ "email": "dan@example.com" })).await.ok();
            give(&operator, "ann", "premium", 5).await;
            Case::job(
                app,
                &[Lane::Codes, Lane::Letters],
                &[("job send_mail done", 2), ("letter access_granted sent", 1), ("letter invitation sent", 1)],
            )
        }
        Kind::ApplyPaymentEvent => {
            let ann = operator.get("/api/v1/users/ann").await.ok()["id"].as_str().unwrap().parse().unwrap();
            let now = app.env.clock.now();
            app.stripe(&StripeCustomer::new(ann, 1, now).subscription("created", "active", now)).await;
            let price = NewPrice {
                provider: Provider::Stripe,
                price_id: "price_premium".to_owned(),
                interval: BillingInterval::Month,
            };
            prices::set(&app.env, &"premium".parse().unwrap(), &[price], "operator").await.unwrap();
            Case::job(
                app,
                &[Lane::Providers],
                &[
                    ("job apply_payment_event done", 2),
                    ("job send_mail done", 1),
                    ("letter subscription_started sent", 1),
                    ("line subscription_started", 1),
                    ("rows of payment_customers", 1),
                    ("rows of subscriptions", 1),
                ],
            )
        }
        Kind::AwardBonus => {
            rule(&operator, json!({ "tier": "premium", "days": 5 })).await;
            app.finish_lane(Lane::Work).await;
            redeemed_by(&operator, &["ann"]).await;
            app.finish_lane(Lane::Letters).await;
            Case::job(
                app,
                &[Lane::Work],
                &[
                    ("job award_bonus done", 1),
                    ("job send_mail done", 2),
                    ("letter bonus_awarded sent", 1),
                    ("letter grant_paused sent", 1),
                    ("line bonus_awarded", 1),
                    ("line grant_paused", 1),
                    ("line grant_started", 1),
                    ("rows of access_grants", 1),
                    ("rows of bonus_awards", 1),
                ],
            )
        }
        Kind::SweepBonus => {
            redeemed_by(&operator, &["ann", "bob"]).await;
            app.settle_down().await;
            rule(&operator, json!({ "badge": "S", "also_before": true })).await;
            Case::job(
                app,
                &[Lane::Work],
                &[
                    ("job send_mail done", 2),
                    ("job sweep_bonus done", 1),
                    ("letter badge_awarded sent", 2),
                    ("line bonus_awarded", 2),
                    ("rows of bonus_awards", 2),
                ],
            )
        }
        Kind::TellChat => {
            let (receiver, url) = Receiver::start().await;
            app.has_chat(&url).await;
            app.raise("SUMMER").await;
            Case::job(app, &[Lane::Chat], &[("job tell_chat done", 1)]).heard_by(receiver)
        }
        Kind::DeliverWebhook => {
            let (receiver, url) = Receiver::start().await;
            let endpoint = json!({ "url": url, "events": ["user.created"] });
            operator.post("/api/v1/webhook-endpoints", endpoint).await.ok();
            user(&operator, "eve").await;
            Case::job(
                app,
                &[Lane::Webhooks],
                &[("delivery user.created delivered", 1), ("job deliver_webhook done", 1)],
            )
            .heard_by(receiver)
        }
    })
}

/// Runs a future until it has been asked so many times, and drops it there: as a process does that is
/// killed. Returns what it brought if it was done before.
async fn killed_after<F: Future>(steps: usize, future: F) -> Option<F::Output> {
    let (mut future, mut asked) = (pin!(future), 0);
    poll_fn(|context| {
        asked += 1;
        if asked > steps { Poll::Ready(None) } else { future.as_mut().poll(context).map(Some) }
    })
    .await
}

/// Returns at which step a worker is killed after the one who was killed at this one.
fn further(step: usize) -> usize {
    if step < EACH_STEP { step + 1 } else { step + step / 3 }
}

/// Asserts that it was worth the while. Whoever answers before we look has nobody wait, which takes away steps: of a
/// server sometimes all, of a file some.
fn assert_killed(app: &TestApp, kills: usize, what: &str) {
    if app.backend() == Backend::Sqlite {
        assert!(kills > 0, "{what}: nobody was killed");
    }
}

on_each! {
    a_routine_that_is_killed_at_any_step_leaves_each_effect_once
    a_job_that_is_killed_at_any_step_leaves_each_effect_once
    what_is_given_up_is_told_once_whoever_is_killed_over_it
    a_run_in_the_hands_of_several_leaves_each_effect_once
    a_job_in_the_hands_of_several_leaves_each_effect_once
}

async fn a_routine_that_is_killed_at_any_step_leaves_each_effect_once(backend: Backend) {
    for routine in Routine::ALL {
        let Some(case) = arrange(backend, routine).await else { return };
        let app = &case.app;
        let before = app.census().await;
        schedules::make_due(&app.env, routine).await.unwrap();
        let (mut kills, mut step) = (0, 1);
        loop {
            let attempt = async {
                if let Some(run) = app.runner.claim(routine).await.unwrap() {
                    app.runner.finish(&run).await.unwrap().unwrap();
                }
            };
            if killed_after(step, attempt).await.is_some() {
                break;
            }
            (kills, step) = (kills + 1, further(step));
            assert!(kills < MOST_KILLS, "{routine} never comes to its end");
            // Whoever comes while the lease holds leaves it alone, and whoever comes later takes it up.
            app.env.clock.advance(routine.lease());
        }
        assert_killed(app, kills, routine.name());
        let other = Runner::new(app.another_node()).unwrap();
        if let Some(run) = other.claim(routine).await.unwrap() {
            other.finish(&run).await.unwrap().unwrap();
        }
        other.run_until_idle().await.unwrap();
        case.assert_each_once(&before, &format!("{routine}, killed {kills} times")).await;
    }
}

/// Has a worker who does the jobs of a case killed at every step, and another one do the rest. Each job is begun for
/// the `attempt`-th time, however often somebody was killed over it.
async fn kill_over(case: &Case, what: &str, attempt: i64) {
    let app = &case.app;
    let before = app.census().await;
    assert!(app.waiting(case.lanes).await > 0, "{what}: there is nothing to do");
    let begun = format!("UPDATE jobs SET attempts = {} WHERE finished_at IS NULL AND dead_at IS NULL", attempt - 1);
    let (mut kills, mut step) = (0, 1);
    while app.waiting(case.lanes).await > 0 {
        app.execute(&begun).await;
        let try_one = async {
            for lane in case.lanes {
                if let Some(job) = app.runner.claim_job(*lane).await.unwrap() {
                    return app.runner.do_job(job).await;
                }
            }
        };
        match killed_after(step, try_one).await {
            // The next one, from its beginning.
            Some(()) => step = 1,
            None => (kills, step) = (kills + 1, further(step)),
        }
        assert!(kills < MOST_KILLS, "{what} never comes to its end");
        app.env.clock.advance(LEASE);
    }
    assert_killed(app, kills, what);
    Runner::new(app.another_node()).unwrap().run_until_idle().await.unwrap();
    case.assert_each_once(&before, &format!("{what}, killed {kills} times")).await;
}

async fn a_job_that_is_killed_at_any_step_leaves_each_effect_once(backend: Backend) {
    for kind in Kind::ALL {
        let Some(case) = arrange_job(backend, kind).await else { return };
        kill_over(&case, kind.as_str(), 1).await;
    }
}

async fn what_is_given_up_is_told_once_whoever_is_killed_over_it(backend: Backend) {
    let Some(app) = TestApp::new(backend).await else { return };
    let app = app.reaching_inside();
    app.signed_in_admin("root@example.com").await;
    app.settle_down().await;
    let now = app.env.clock.now();
    // Nobody ever says what this price is for.
    let root = app.member("root@example.com").await.id;
    app.stripe(&StripeCustomer::new(root, 1, now).subscription("created", "active", now)).await;
    let effects = &[
        ("job apply_payment_event given up", 1),
        ("job send_mail done", 1),
        ("letter payment_event_failed sent", 1),
        ("line payment_event_given_up", 1),
        ("notification payment_event_dead", 1),
    ];
    let case = Case::job(app, &[Lane::Providers], effects);
    kill_over(&case, "a payment event", payments::MOST_ATTEMPTS).await;

    let Case { app, .. } = case;
    let (receiver, url) = Receiver::start().await;
    receiver.always(404);
    app.has_chat(&url).await;
    app.raise("SUMMER").await;
    let effects = &[("job tell_chat given up", 1), ("notification job_given_up", 1)];
    let case = Case::job(app, &[Lane::Chat], effects).heard_by(receiver);
    kill_over(&case, "a chat", 1).await;
}

/// Has several nodes do the same at once, as they do when the lease of one is over who is slow, not dead.
async fn all_at_once<F: Future<Output = ()> + Send + 'static>(app: &TestApp, act: impl Fn(Runner) -> F) {
    let mut racing = JoinSet::new();
    for _ in 0..AT_ONCE {
        racing.spawn(act(Runner::new(app.another_node()).unwrap()));
    }
    racing.join_all().await;
}

async fn a_run_in_the_hands_of_several_leaves_each_effect_once(backend: Backend) {
    for routine in Routine::ALL {
        let Some(case) = arrange(backend, routine).await else { return };
        let app = &case.app;
        let before = app.census().await;
        schedules::make_due(&app.env, routine).await.unwrap();
        let run = app.runner.claim(routine).await.unwrap().unwrap();
        all_at_once(app, |node| async move {
            node.perform(&run).await.unwrap();
        })
        .await;
        app.runner.finish(&run).await.unwrap().unwrap();
        app.runner.run_until_idle().await.unwrap();
        case.assert_each_once(&before, routine.name()).await;
    }
}

async fn a_job_in_the_hands_of_several_leaves_each_effect_once(backend: Backend) {
    for kind in Kind::ALL {
        let Some(case) = arrange_job(backend, kind).await else { return };
        let app = &case.app;
        let before = app.census().await;
        for round in 0.. {
            let mut claimed: Vec<ClaimedJob> = Vec::new();
            for lane in case.lanes {
                while let Some(job) = app.runner.claim_job(*lane).await.unwrap() {
                    claimed.push(job);
                }
            }
            if claimed.is_empty() && app.waiting(case.lanes).await == 0 {
                break;
            }
            assert!(round < 9, "{} never comes to its end", kind.as_str());
            for job in claimed {
                all_at_once(app, |node| {
                    let job = job.clone();
                    async move { node.do_job(job).await }
                })
                .await;
            }
            app.env.clock.advance(LEASE);
        }
        app.runner.run_until_idle().await.unwrap();
        case.assert_each_once(&before, kind.as_str()).await;
    }
}
