//! On the way to a provider and back. A server on this machine speaks for Stripe and for Polar: it
//! remembers what it was asked, and keeps its answers by idempotency key as Stripe does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::net::TcpListener;
use vouchsafe::{
    domain::{
        ids::UserId,
        payment::{BillingInterval, Provider, TierPrice},
        subscription::{Scheduled, ScheduledAction, Subscription, SubscriptionStatus, Version},
    },
    services::{
        activity::{self, Activity, Which},
        catalogue, members,
    },
    store::{payments, prices, subscriptions},
};

use crate::harness::{Backend, Browser, Page, TestApp, beginning, on_both};

/// What a provider is about to answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// The next question is answered elsewhere at this moment.
    Busy,
    Down,
    /// It wants another key.
    Refuses,
    /// It takes longer than there is.
    Slow,
}

#[derive(Debug)]
struct Book {
    mood: Mood,
    /// The paths that were asked, with the form or JSON that came along.
    asked: Vec<(String, String)>,
    /// Stripe's answers by key.
    sessions: HashMap<String, String>,
}

type Shared = Arc<Mutex<Book>>;

/// A provider, and a program that asks it.
struct Billing {
    app: TestApp,
    book: Shared,
}

async fn answer(State(book): State<Shared>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let mood = {
        let mut book = book.lock().unwrap();
        book.asked.push((path.clone(), String::from_utf8(body.to_vec()).unwrap()));
        let mood = book.mood;
        if mood == Mood::Busy {
            book.mood = Mood::Well;
        }
        mood
    };
    let error = |status: StatusCode, error| (status, Json(json!({ "error": error }))).into_response();
    match mood {
        Mood::Busy => return error(StatusCode::CONFLICT, json!({ "code": "idempotency_key_in_use" })),
        Mood::Down => return error(StatusCode::INTERNAL_SERVER_ERROR, json!({ "message": "we are away" })),
        Mood::Refuses => return error(StatusCode::UNAUTHORIZED, json!({ "message": "Invalid API Key" })),
        Mood::Slow => tokio::time::sleep(Duration::from_secs(60)).await,
        Mood::Well => {}
    }
    let mut book = book.lock().unwrap();
    match path.as_str() {
        "/v1/checkout/sessions" => {
            let next = format!("cs_{}", book.sessions.len() + 1);
            let session = book.sessions.entry(key.expect("a checkout has a key")).or_insert(next).clone();
            Json(json!({ "id": session, "url": format!("https://checkout.stripe.com/c/pay/{session}#fid<x>") }))
                .into_response()
        }
        "/v1/billing_portal/sessions" => {
            Json(json!({ "url": "https://billing.stripe.com/p/session/test" })).into_response()
        }
        "/v1/checkouts/" => Json(json!({ "id": "1", "url": "https://polar.sh/checkout/polar_c_1" })).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Billing {
    /// Starts both, with prices for premium at Stripe.
    async fn start(backend: Backend) -> Option<Self> {
        Self::start_with(backend, &[]).await
    }

    async fn start_with(backend: Backend, variables: &[(&str, &str)]) -> Option<Self> {
        let book = Arc::new(Mutex::new(Book { mood: Mood::Well, asked: Vec::new(), sessions: HashMap::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(book.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        let mut all = vec![
            ("VOUCHSAFE_STRIPE_API_KEY", "sk_test_hunter2"),
            ("VOUCHSAFE_STRIPE_API_BASE", &base),
            ("VOUCHSAFE_POLAR_API_BASE", &base),
        ];
        all.retain(|(name, _)| !variables.iter().any(|(other, _)| name == other));
        all.extend(variables);
        let billing = Self { app: TestApp::with(backend, &all).await?, book };
        for (id, interval) in [("price_month", BillingInterval::Month), ("price_year", BillingInterval::Year)] {
            billing.sell(Provider::Stripe, id, "premium", interval).await;
        }
        Some(billing)
    }

    async fn sell(&self, provider: Provider, price_id: &str, tier: &str, interval: BillingInterval) {
        let price = TierPrice { provider, price_id: price_id.to_owned(), tier: tier.parse().unwrap(), interval };
        let mut tx = self.app.env.db.begin().await.unwrap();
        assert!(prices::insert(&mut tx.conn(), &price, beginning()).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn member(&self) -> (Browser, UserId) {
        let ann = self.app.signed_in("ann@example.com").await;
        (ann, self.app.member("ann@example.com").await.id)
    }

    /// Writes a subscription of a member, as an event would.
    async fn subscribe(&self, user: UserId, change: impl FnOnce(&mut Subscription)) {
        let now = self.app.env.clock.now();
        let mut subscription = Subscription {
            id: self.app.env.random.id(now),
            provider: Provider::Stripe,
            provider_id: "sub_1".to_owned(),
            user: Some(user),
            tier: "premium".parse().unwrap(),
            interval: BillingInterval::Month,
            status: SubscriptionStatus::Active,
            started_at: now,
            period_end: Some(now + TimeDelta::days(10)),
            past_due_since: None,
            scheduled: None,
            ended_at: None,
            version: Version { at: now, rank: 1, event_id: now.to_rfc3339() },
        };
        change(&mut subscription);
        let mut tx = self.app.env.db.begin().await.unwrap();
        assert!(subscriptions::put(&mut tx.conn(), &subscription, now).await.unwrap());
        tx.commit().await.unwrap();
        self.app.env.access_changed(user);
        self.app.env.clock.advance(TimeDelta::seconds(1));
    }

    async fn know(&self, user: UserId, provider: Provider, customer: &str) {
        let mut tx = self.app.env.db.begin().await.unwrap();
        assert!(
            payments::put_customer(&mut tx.conn(), provider, customer, user, self.app.env.clock.now()).await.unwrap()
        );
        tx.commit().await.unwrap();
    }

    async fn checkout(&self, browser: &mut Browser, interval: &str) -> Page {
        browser.post("/billing/checkout", &[("tier", "premium"), ("interval", interval)]).await
    }

    fn is(&self, mood: Mood) {
        self.book.lock().unwrap().mood = mood;
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.book.lock().unwrap().asked.clone()
    }

    async fn lines(&self, user: UserId) -> Vec<serde_json::Value> {
        self.lines_of(user, "checkout_started").await.into_iter().map(|line| line.details).collect()
    }

    async fn lines_of(&self, user: UserId, action: &str) -> Vec<Activity> {
        let which = Which { user: Some(user), action: Some(action), ..Which::default() };
        activity::list(&self.app.env, which, 50).await.unwrap()
    }
}

/// Writes a test for each database of a program that has a provider.
macro_rules! with_a_provider {
    ($(async fn $name:ident($billing:ident: Billing) $body:block)+) => {$(
        async fn $name($billing: Billing) $body

        mod $name {
            use super::{Backend, Billing};

            #[tokio::test]
            async fn sqlite() {
                if let Some(billing) = Billing::start(Backend::Sqlite).await {
                    super::$name(billing).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(billing) = Billing::start(Backend::Postgres).await {
                    super::$name(billing).await;
                }
            }
        }
    )+};
}

fn fields(form: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

with_a_provider! {
    async fn a_member_is_sent_to_buy(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        let page = ann.get("/pricing").await;
        let buttons = ["Subscribe monthly for €9.99", "Subscribe yearly for €99.90"];
        assert_eq!(page.texts(".offer button"), buttons, "premium alone is sold");
        assert!(page.body.contains("Subscribe to one of the tiers above"), "{}", page.body);
        let german = ann.clone().post("/language", &[("lang", "de"), ("back", "/pricing")]).await;
        assert_eq!(german.status, 303);
        assert_eq!(ann.get("/pricing").await.texts(".offer button")[0], "Monatlich abonnieren für 9,99 €");
        ann.post("/language", &[("lang", "en")]).await;

        let sent = ann.submit(&page, "form[action='/billing/checkout']", &[("interval", "year")]).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        let url = "https://checkout.stripe.com/c/pay/cs_1#fid%3Cx%3E";
        assert_eq!(sent.headers["refresh"], format!("0; url={url}"));
        assert_eq!(sent.attribute("main a.main", "href").as_deref(), Some(url));
        assert_eq!(sent.text("main a.main"), "Continue to Stripe");
        assert!(sent.headers["content-security-policy"].to_str().unwrap().contains("form-action 'self';"));
        assert_eq!(sent.headers["cache-control"], "no-store", "the address is good for whoever has it");

        let [(path, form)] = billing.asked().try_into().unwrap();
        assert_eq!(path, "/v1/checkout/sessions");
        let form = fields(&form);
        let id = user.to_string();
        for (name, value) in [
            ("line_items[0][price]", "price_year"),
            ("client_reference_id", id.as_str()),
            ("customer_email", "ann@example.com"),
            ("success_url", "http://127.0.0.1:3000/billing/done"),
            ("cancel_url", "http://127.0.0.1:3000/pricing"),
            ("locale", "en"),
        ] {
            assert_eq!(form[name], value, "{name}");
        }
        let line = json!({ "provider": "stripe", "tier": "premium", "interval": "year", "price_id": "price_year" });
        assert_eq!(billing.lines(user).await, [line]);
        assert_eq!(ann.get("/settings").await.text("#subscription"), "", "nothing is bought yet");
    }

    async fn a_double_click_makes_one_checkout_and_a_later_try_another(billing: Billing) {
        let (mut ann, _) = billing.member().await;
        let mut pages = Vec::new();
        for (interval, passed) in [("month", 0), ("month", 1), ("year", 1), ("month", 60)] {
            billing.app.env.clock.advance(TimeDelta::seconds(passed));
            pages.push(billing.checkout(&mut ann, interval).await.attribute("main a.main", "href").unwrap());
        }
        let session = |page: &String| page.split(['/', '#']).find(|part| part.starts_with("cs_")).unwrap().to_owned();
        assert_eq!(pages.iter().map(session).collect::<Vec<_>>(), ["cs_1", "cs_1", "cs_2", "cs_3"]);
    }

    async fn a_provider_that_is_busy_with_the_first_click_is_asked_again(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        billing.is(Mood::Busy);
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 200);
        assert_eq!((billing.asked().len(), billing.lines(user).await.len()), (2, 1));
    }

    async fn a_stranger_signs_in_first_and_comes_back(billing: Billing) {
        let mut stranger = billing.app.browser();
        let page = stranger.get("/pricing?ref=K7MQ2XWA").await;
        assert_eq!(page.text(".note"), "You were invited. 45 days of paid access for both of you, when you first subscribe.");
        assert_eq!(page.texts(".offer .btn"), ["Sign in to subscribe"]);
        let link = page.attribute(".offer .btn", "href").unwrap();
        assert_eq!(link, "/login?next=%2Fpricing%3Ftier%3Dpremium&ref=K7MQ2XWA");
        assert!(!page.body.contains("action=\"/billing"), "{}", page.body);
        let login = stranger.get(&link).await;
        assert_eq!(login.attribute("input[name=next]", "value").as_deref(), Some("/pricing?tier=premium"));
        assert_eq!(stranger.post("/billing/checkout", &[("tier", "premium"), ("interval", "month")]).await.location(), "/login");
        assert!(billing.asked().is_empty());
    }

    async fn an_invited_member_sees_what_their_first_payment_brings(billing: Billing) {
        let mut ann = billing.app.signed_in("ann@example.com").await;
        ann.get("/settings").await;
        let code = billing.app.member("ann@example.com").await.referral_code.unwrap();
        let mut bob = billing.app.browser();
        billing.app.sign_in(&mut bob, "bob@example.com", code.as_str()).await;
        assert_eq!(ann.get("/pricing").await.text(".note"), "", "nobody invited her");
        catalogue::set_setting(&billing.app.env, "operator", "referral_credit_days", "30").await.unwrap();
        let note = bob.get("/pricing").await.text(".note");
        assert_eq!(note, "You were invited. 30 days of paid access for both of you, when you first subscribe.");
        let settings = ann.get("/settings").await;
        assert_eq!(settings.text("#invite + p"), "30 days of paid access for both of you, when they first subscribe.");
        let login = billing.app.browser().get(&format!("/login?ref={code}")).await;
        assert!(login.text(".note").contains("30 days of paid access"), "{}", login.body);
    }

    async fn who_subscribes_already_is_led_to_the_portal(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        billing.know(user, Provider::Stripe, "cus_ann").await;
        billing.subscribe(user, |_| {}).await;
        billing.sell(Provider::Stripe, "price_basic", "basic", BillingInterval::Month).await;
        let page = ann.get("/pricing").await;
        assert_eq!(page.texts(".offer button"), ["Manage subscription"]);
        assert_eq!(page.texts(".buy"), ["", "To change to this tier, manage your subscription.", "Manage subscription"]);
        let refused = billing.checkout(&mut ann, "month").await;
        assert_eq!(refused.status, 409);
        assert!(refused.text("main").contains("You have a subscription already"), "{}", refused.body);
        assert!(billing.asked().is_empty());

        let sent = ann.submit(&refused, "form[action='/billing/portal']", &[]).await;
        assert_eq!(sent.status, 200);
        assert_eq!(sent.headers["refresh"], "0; url=https://billing.stripe.com/p/session/test");
        assert_eq!(sent.attribute("main a.main", "href").as_deref(), Some("https://billing.stripe.com/p/session/test"));
        let form = fields(&billing.asked()[0].1);
        assert_eq!((form["customer"].as_str(), form["return_url"].as_str()), ("cus_ann", "http://127.0.0.1:3000/settings"));
        assert!(billing.lines(user).await.is_empty());
        let opened = billing.lines_of(user, "portal_opened").await;
        let by: Vec<_> = opened.iter().map(|line| (line.actor.as_str(), line.ip_address.as_deref())).collect();
        assert_eq!(by, [("ann@example.com", Some("0.0.0.0"))]);
    }

    async fn what_is_over_stands_in_the_way_of_nothing(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        billing.know(user, Provider::Stripe, "cus_ann").await;
        billing.subscribe(user, |subscription| subscription.status = SubscriptionStatus::PastDue).await;
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 409, "it is to be paid");
        billing.subscribe(user, |subscription| subscription.status = SubscriptionStatus::Paused).await;
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 409, "it may go on");
        billing.subscribe(user, |subscription| subscription.status = SubscriptionStatus::Incomplete).await;
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 200, "nothing was paid");
        let silent = |now: DateTime<Utc>| move |subscription: &mut Subscription| subscription.period_end = Some(now);
        let now = billing.app.env.clock.now();
        billing.subscribe(user, silent(now - TimeDelta::days(6))).await;
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 409, "news may be late");
        billing.subscribe(user, silent(now - TimeDelta::days(7))).await;
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 200, "but not that late");
        billing.subscribe(user, |subscription| subscription.status = SubscriptionStatus::Ended).await;
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 200);
        assert_eq!(fields(&billing.asked().pop().unwrap().1)["customer"], "cus_ann", "they stay the same customer");
        let settings = ann.get("/settings").await.text("section:has(#subscription)");
        assert!(settings.contains("Your invoices are still there:"), "{settings}");
    }

    async fn what_is_not_for_sale_cannot_be_bought(billing: Billing) {
        let (mut ann, _) = billing.member().await;
        let wishes: [&[(&str, &str)]; 6] = [
            &[],
            &[("tier", "basic"), ("interval", "month")],
            &[("tier", "premium"), ("interval", "decade")],
            &[("tier", "nonsense!"), ("interval", "month")],
            &[("tier", "premium"), ("interval", "month"), ("provider", "paddle")],
            &[("tier", "premium"), ("interval", "month"), ("provider", "acme")],
        ];
        for wish in wishes {
            let page = ann.post("/billing/checkout", wish).await;
            assert_eq!(page.status, 422, "{wish:?}");
            assert!(page.text("main").contains("not for sale"), "{}", page.body);
            assert_eq!(page.attribute("main a.main", "href").as_deref(), Some("/pricing"));
        }
        let env = &billing.app.env;
        let mut premium = catalogue::current(env).await.unwrap().tier(&"premium".parse().unwrap()).unwrap().clone();
        premium.active = false;
        catalogue::put_tier(env, "operator", &premium).await.unwrap();
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 422, "it is no longer on offer");
        assert!(billing.asked().is_empty());
    }

    async fn a_provider_that_fails_leaves_nothing_half_done(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        let cases =
            [(Mood::Down, 503, "Try again in a few minutes."), (Mood::Refuses, 502, "find the reason in their log")];
        for (done_before, (mood, status, told)) in cases.into_iter().enumerate() {
            billing.is(mood);
            let page = billing.checkout(&mut ann, "month").await;
            assert_eq!(page.status, status, "{mood:?}");
            let said = page.text("main");
            assert!(said.contains("Nothing was charged") && said.contains(told), "{said}");
            assert!(!page.body.contains("hunter2") && !page.headers.contains_key("refresh"));
            assert_eq!(billing.lines(user).await.len(), done_before, "it did not begin");
            billing.is(Mood::Well);
            let again = ann.submit(&page, "main form", &[]).await;
            assert_eq!((again.status.as_u16(), again.text("main a.main").as_str()), (200, "Continue to Stripe"));
            assert_eq!(billing.lines(user).await.len(), done_before + 1);
        }
    }

    async fn twenty_pages_an_hour_are_enough(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        billing.know(user, Provider::Stripe, "cus_ann").await;
        for _ in 0..10 {
            assert_eq!(billing.checkout(&mut ann, "month").await.status, 200);
            assert_eq!(ann.post("/billing/portal", &[]).await.status, 200);
        }
        billing.app.env.clock.advance(TimeDelta::minutes(1));
        let page = billing.checkout(&mut ann, "month").await;
        assert_eq!((page.status.as_u16(), page.headers["retry-after"].to_str().unwrap()), (429, "3540"));
        assert!(page.text("main").contains("very often"), "{}", page.body);
        assert_eq!(billing.asked().len(), 20);
        let mut bea = billing.app.signed_in("bea@example.com").await;
        assert_eq!(billing.checkout(&mut bea, "month").await.status, 200, "each has their own");
        billing.app.env.clock.advance(TimeDelta::minutes(59));
        assert_eq!(billing.checkout(&mut ann, "month").await.status, 200);
    }

    async fn who_comes_back_sees_what_they_have_by_now(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        billing.app.env.clock.advance(TimeDelta::days(14));
        billing.app.sign_in(&mut ann, "ann@example.com", "").await;
        let early = ann.get("/billing/done").await;
        assert_eq!((early.status.as_u16(), early.text("h1").as_str()), (200, "Thank you!"));
        assert!(early.text("main").contains("your access appears here in a moment"), "{}", early.body);
        assert_eq!(early.text("main .badge"), "Free");
        assert_eq!(early.attribute("main a.main", "href").as_deref(), Some("/settings"));
        billing.subscribe(user, |_| {}).await;
        assert_eq!(ann.get("/billing/done").await.text("main .badge"), "Premium");
        assert_eq!(billing.app.browser().get("/billing/done").await.location(), "/login?next=%2Fbilling%2Fdone");
    }

    async fn the_settings_say_what_becomes_of_a_subscription(billing: Billing) {
        let (mut ann, user) = billing.member().await;
        assert_eq!(ann.get("/settings").await.text("#subscription"), "");
        let now = billing.app.env.clock.now();
        let end = now + TimeDelta::days(10);
        let plan = move |action| Some(Scheduled { action, at: end });
        type Change = Box<dyn FnOnce(&mut Subscription)>;
        let states: [(Change, &str); 7] = [
            (Box::new(|_| {}), "It renews on 1 December 2026."),
            (Box::new(|it| it.status = SubscriptionStatus::Trialing), "It is being tried; the first payment is on 1 December 2026."),
            (Box::new(move |it| it.scheduled = plan(ScheduledAction::End)), "It ends on 1 December 2026 and is not renewed."),
            (Box::new(move |it| it.scheduled = plan(ScheduledAction::Pause)), "It pauses on 1 December 2026."),
            (Box::new(move |it| it.scheduled = plan(ScheduledAction::Change)), "It changes on 1 December 2026, as you chose."),
            (Box::new(|it| it.status = SubscriptionStatus::Paused), "It is paused, and gives no access until it goes on."),
            (
                Box::new(move |it| {
                    it.status = SubscriptionStatus::PastDue;
                    it.past_due_since = Some(now);
                }),
                "The last payment failed. You keep your access until 28 November 2026: please update your payment method.",
            ),
        ];
        for (change, told) in states {
            billing.subscribe(user, change).await;
            let page = ann.get("/settings").await;
            let alert = page.text("section:has(#subscription) .alert");
            let mut sheet = page.texts("section:has(#subscription) p");
            sheet.insert(1, alert);
            sheet.retain(|text| !text.is_empty());
            let to_do = "To change or cancel it, ask the people who run this product.";
            assert_eq!(sheet, ["Premium, monthly, paid through Stripe", told, to_do], "Stripe does not know her");
            // The sheet above it tells the same.
            let (access, lines) = (page.text("section:has(#access)"), page.texts(".lines li"));
            let line = |end: &str| lines.contains(&format!("free · subscription · 10 day(s) remaining ({end} 2026-12-01)"));
            if told.starts_with("It renews") {
                assert!(line("renews") && access.contains("Premium renews on 1 December 2026"), "{access}");
                assert!(!access.contains("until you end it") && !line("expires"), "{access}");
            }
            if told.starts_with("It ends") {
                assert!(line("expires") && access.contains("Premium lasts until 1 December 2026"), "{access}");
            }
        }
        billing.know(user, Provider::Stripe, "cus_ann").await;
        let settings = ann.get("/settings").await;
        assert_eq!(settings.text("section:has(#subscription) button"), "Manage subscription");
        let sent = ann.submit(&settings, "form[action='/billing/portal']", &[]).await;
        assert_eq!(sent.text("main a.main"), "Continue to Stripe");
        billing.app.env.clock.advance(TimeDelta::days(8));
        billing.app.sign_in(&mut ann, "ann@example.com", "").await;
        let late = ann.get("/settings").await.text("section:has(#subscription)");
        assert!(late.contains("your access ended on 28 November 2026"), "{late}");
    }
}

on_both! {
    async fn without_prices_nothing_is_for_sale(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let page = ann.get("/pricing").await;
        assert!(page.texts(".buy").is_empty() && page.body.contains("There is no checkout here yet."), "{}", page.body);
        let bought = ann.post("/billing/checkout", &[("tier", "premium"), ("interval", "month")]).await;
        assert_eq!(bought.status, 422);
        let managed = ann.post("/billing/portal", &[]).await;
        assert_eq!(managed.status, 409);
        assert!(managed.text("main").contains("you have bought nothing so far"), "{}", managed.body);
        assert!(members::settings_view(&app.env, &app.member("ann@example.com").await).await.unwrap().billing.held.is_none());
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_not_waited_for() {
    let slow = [("VOUCHSAFE_PAYMENTS_TIMEOUT_SECONDS", "1")];
    let billing = Billing::start_with(Backend::Sqlite, &slow).await.unwrap();
    let (mut ann, user) = billing.member().await;
    billing.is(Mood::Slow);
    let page = billing.checkout(&mut ann, "month").await;
    assert_eq!(page.status, 503);
    assert!(page.text("main").contains("Nothing was charged"), "{}", page.body);
    assert!(billing.lines(user).await.is_empty());
}

#[tokio::test]
async fn what_nobody_can_be_asked_for_is_said_plainly() {
    let billing = Billing::start_with(Backend::Sqlite, &[("VOUCHSAFE_STRIPE_API_KEY", "")]).await.unwrap();
    let (mut ann, user) = billing.member().await;
    assert!(ann.get("/pricing").await.texts(".buy").is_empty(), "what cannot be bought has no button");
    let page = billing.checkout(&mut ann, "month").await;
    assert_eq!(page.status, 503);
    assert!(page.text("main").contains("Payments are not set up"), "{}", page.body);
    billing.know(user, Provider::Stripe, "cus_ann").await;
    assert_eq!(ann.post("/billing/portal", &[]).await.status, 503);
}

#[tokio::test]
async fn of_several_providers_the_first_that_can_be_asked_sells() {
    let both = [("VOUCHSAFE_POLAR_API_KEY", "polar_hunter2")];
    let billing = Billing::start_with(Backend::Sqlite, &both).await.unwrap();
    billing.sell(Provider::Paddle, "pri_1", "premium", BillingInterval::Month).await;
    billing.sell(Provider::Polar, "polar_1", "premium", BillingInterval::Month).await;
    billing.sell(Provider::Polar, "polar_1_year", "basic", BillingInterval::Year).await;
    billing.sell(Provider::Stripe, "price_newer", "premium", BillingInterval::Month).await;
    let (mut ann, _) = billing.member().await;
    let wishes = [
        ("premium", "month", "", "Continue to Stripe"),
        ("premium", "month", "polar", "Continue to Polar"),
        ("basic", "year", "", "Continue to Polar"),
    ];
    for (tier, interval, provider, link) in wishes {
        let wish = [("tier", tier), ("interval", interval), ("provider", provider)];
        assert_eq!(ann.post("/billing/checkout", &wish).await.text("main a.main"), link, "{wish:?}");
    }
    let paddle = [("tier", "premium"), ("interval", "month"), ("provider", "paddle")];
    assert_eq!(ann.post("/billing/checkout", &paddle).await.status, 503, "there is no key to its API");
    let asked = billing.asked();
    assert_eq!(fields(&asked[0].1)["line_items[0][price]"], "price_newer", "the older is for those who bought it");
    assert!(asked[1].1.contains("polar_1"), "{}", asked[1].1);
}

#[tokio::test]
async fn the_portal_is_where_the_subscription_is() {
    let both = [("VOUCHSAFE_POLAR_API_KEY", "polar_hunter2")];
    let billing = Billing::start_with(Backend::Sqlite, &both).await.unwrap();
    let (mut ann, user) = billing.member().await;
    billing.subscribe(user, |_| {}).await;
    billing.know(user, Provider::Stripe, "cus_old").await;
    billing.app.env.clock.advance(TimeDelta::seconds(1));
    billing.know(user, Provider::Stripe, "cus_new").await;
    billing.app.env.clock.advance(TimeDelta::seconds(1));
    billing.know(user, Provider::Polar, "polar_ann").await;
    assert_eq!(ann.post("/billing/portal", &[]).await.text("main a.main"), "Continue to Stripe");
    assert_eq!(fields(&billing.asked()[0].1)["customer"], "cus_new");
}
