//! What an admin sees of payments, and what they can try.

use axum::{Router, extract::Request, response::IntoResponse};
use chrono::TimeDelta;
use serde_json::json;
use vouchsafe::{
    domain::{ids::PaymentEventId, payment::Provider},
    platform::listener,
    services::{
        activity::{self, Which},
        entitlements, payments,
        payments::EventState,
        prices,
    },
};

use crate::harness::{Backend, Browser, Page, StripeCustomer, TestApp, on_both};

/// Writes a test for each database, with a program that can be reached over HTTP as well.
macro_rules! on_both_reachable {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn story($app: TestApp) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                if let Some(app) = reachable(Backend::Sqlite).await {
                    story(app).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(app) = reachable(Backend::Postgres).await {
                    story(app).await;
                }
            }
        }
    )+};
}

/// Starts a program that listens.
async fn reachable(backend: Backend) -> Option<TestApp> {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let app = TestApp::with(backend, &[("VOUCHSAFE_LISTEN", &address)]).await?;
    let (router, config) = (app.router.clone(), app.env.config.clone());
    tokio::spawn(async move { listener::serve(socket, router, &config.server, std::future::pending()).await });
    Some(app)
}

async fn send(admin: &mut Browser, provider: Provider, member: &str, happening: &str) -> Page {
    // Each at its own second, as nobody clicks faster.
    let page = admin.get("/admin/payments/test").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let fields = [("provider", provider.as_str()), ("member", member), ("tier", "premium"), ("happening", happening)];
    admin.submit(&page, "form[action='/admin/payments/test']", &fields).await
}

/// Sends a test event, and returns the types of what was sent, after a look at what came of it.
async fn told(app: &TestApp, admin: &mut Browser, provider: Provider, member: &str, happening: &str) -> Vec<String> {
    app.env.clock.advance(TimeDelta::seconds(10));
    let page = send(admin, provider, member, happening).await;
    assert_eq!(page.status, 200, "{happening}: {}", page.body);
    for line in page.texts("[aria-labelledby=sent] li") {
        assert!(line.contains("Applied") && line.contains("our endpoint answered 200"), "{happening}: {line}");
    }
    page.texts("[aria-labelledby=sent] li b code")
}

async fn tier_of(app: &TestApp, email: &str) -> String {
    let user = app.member(email).await;
    let known = entitlements::known(&app.env, user.id).await.unwrap().unwrap();
    known.standing.accesses.effective_at(app.env.clock.now()).tier.id.to_string()
}

/// Has Stripe tell of a price that nobody knows, and gives the event up. Its job is still there, so
/// no jobs are done afterwards.
async fn dead_letter(app: &TestApp, number: usize) -> PaymentEventId {
    let user = app.member("ann@example.com").await.id;
    let mut customer = StripeCustomer::new(user, number, app.env.clock.now());
    customer.price = format!("price_{number}");
    app.stripe(&customer.subscription("created", "active", app.env.clock.now())).await;
    let id = payments::events(&app.env, Some(EventState::Failed), None, 1).await.unwrap()[0].id;
    payments::try_again(&app.env, id, true, None).await.unwrap();
    id
}

/// Says what buys a tier without anybody hearing of it, so that what waits for it goes on waiting.
async fn set_prices(app: &TestApp, ids: &[&str]) {
    let new: Vec<_> = ids
        .iter()
        .map(|id| prices::NewPrice {
            provider: Provider::Stripe,
            price_id: (*id).to_owned(),
            interval: vouchsafe::domain::payment::BillingInterval::Month,
        })
        .collect();
    prices::set(&app.env, &"premium".parse().unwrap(), &new, "operator").await.unwrap();
}

on_both_reachable! {
    async fn a_test_event_goes_the_whole_way(app: TestApp) {
        let mut referrer = app.signed_in("ann@example.com").await;
        let settings = referrer.get("/settings").await;
        let code = settings.body.split("/login?ref=").nth(1).unwrap()[..8].to_owned();
        let friends = ["bob@example.com", "cid@example.com", "dan@example.com"];
        for friend in friends {
            app.env.clock.advance(TimeDelta::days(2));
            app.sign_in(&mut app.browser(), friend, &code).await;
        }
        app.env.clock.advance(TimeDelta::days(20));
        let mut admin = app.signed_in_admin("root@example.com").await;
        let kinds = [
            ["customer.subscription.created", "customer.subscription.updated", "charge.refunded", "customer.subscription.deleted"],
            ["subscription.created", "subscription.past_due", "adjustment.created", "subscription.canceled"],
            ["subscription.created", "subscription.past_due", "order.refunded", "subscription.revoked"],
        ];
        for ((provider, friend), kinds) in Provider::ALL.into_iter().zip(friends).zip(kinds) {
            let begun = told(&app, &mut admin, provider, friend, "subscribes").await;
            assert_eq!(begun[0], kinds[0]);
            assert_eq!(begun.len(), if provider == Provider::Stripe { 3 } else { 2 });
            assert_eq!(tier_of(&app, friend).await, "premium");
            let until = app.member(friend).await.credit_until.unwrap();
            assert_eq!(until, app.env.clock.now() + TimeDelta::days(45), "{provider}: the referral converted");
            let days = app.member("ann@example.com").await.credit_until;
            assert!(days.is_some_and(|days| days >= until), "{provider}");

            assert_eq!(told(&app, &mut admin, provider, friend, "renews").await.len(), begun.len());
            assert_eq!(app.member(friend).await.credit_until, Some(until), "{provider}: once");
            assert_eq!(told(&app, &mut admin, provider, friend, "payment_fails").await, [kinds[1]]);
            let list = admin.get(&format!("/admin/payments/subscriptions?provider={provider}")).await;
            assert_eq!(list.texts("tbody tr").len(), 1);
            assert!(list.text("tbody tr").contains("payment failed"), "{}", list.text("tbody tr"));
            assert!(list.text("tbody tr a").contains(friend));
            assert_eq!(list.text("tbody th .badge"), "test");

            assert_eq!(told(&app, &mut admin, provider, friend, "refunded").await, [kinds[2]]);
            assert_eq!(app.member(friend).await.credit_until, None, "{provider}: the days are taken back");
            assert_eq!(told(&app, &mut admin, provider, friend, "ends").await, [kinds[3]]);
            // Half a minute of credit ran out beside the subscription and came back.
            app.env.clock.advance(TimeDelta::minutes(2));
            assert_eq!(tier_of(&app, friend).await, "free");
        }

        let list = admin.get("/admin/payments").await;
        assert!(list.texts("tbody th .badge").iter().all(|badge| badge == "test"), "{}", list.body);
        assert_eq!(list.texts("tbody th .badge").len(), list.texts("tbody tr").len());
        let event = admin.get(&list.attribute("tbody th a", "href").unwrap()).await;
        assert_eq!(event.text("h1"), "Subscription ended");
        assert_eq!(event.text("dd a"), "dan@example.com");
        assert!(event.text("pre").contains("\"vouchsafe_test\": true"), "{}", event.text("pre"));
        let which = Which { action: Some("test_event_sent"), ..Which::default() };
        let lines = activity::list(&app.env, which, 100).await.unwrap();
        assert_eq!(lines.len(), 15);
        assert!(lines.iter().all(|line| line.actor == "root@example.com" && line.user_id.is_some()));
    }

    async fn a_test_event_needs_something_to_happen_to(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let error = |page: &Page, field: &str| {
            assert_eq!(page.status, 422, "{}", page.body);
            page.text(&format!("#{field}-error"))
        };
        for happening in ["renews", "payment_fails", "refunded", "ends"] {
            let page = send(&mut admin, Provider::Stripe, "ann@example.com", happening).await;
            assert!(error(&page, "happening").contains("Let them subscribe first"), "{happening}");
            assert_eq!(page.attribute("#happening option[selected]", "value").as_deref(), Some(happening));
        }
        let page = send(&mut admin, Provider::Stripe, "nobody@example.com", "subscribes").await;
        assert_eq!(error(&page, "member"), "There is no such member.");
        let fields = [("provider", "stripe"), ("member", "ann@example.com"), ("tier", "premium"), ("happening", "subscribes")];
        let page = admin.post("/admin/payments/test", &fields).await;
        assert!(error(&page, "tier").contains("has no price at this provider"), "the box is not ticked");
        assert!(page.attribute("input[name=make_price]", "checked").is_none());
        assert!(prices::list(&app.env).await.unwrap().is_empty());
        let page = admin.post("/admin/payments/test", &[("member", "ann@example.com"), ("tier", "free")]).await;
        assert_eq!(error(&page, "provider"), "Choose a provider with a secret.");
        assert_eq!(error(&page, "tier"), "Choose a tier of the list.");
        assert_eq!(error(&page, "happening"), "Choose what happens.");
        assert!(payments::events(&app.env, None, None, 9).await.unwrap().is_empty(), "nothing was sent");
    }

    async fn a_price_that_is_there_is_taken(app: TestApp) {
        let app = app.with_prices().await;
        app.signed_in("ann@example.com").await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let before = prices::list(&app.env).await.unwrap();
        told(&app, &mut admin, Provider::Stripe, "ann@example.com", "subscribes").await;
        assert_eq!(prices::list(&app.env).await.unwrap(), before);
        let events = payments::events(&app.env, None, None, 9).await.unwrap();
        let begun = events.iter().find(|event| event.event_type == "customer.subscription.created").unwrap();
        assert!(begun.payload.contains("\"price_premium\""), "by the month: {}", begun.payload);
        // Who subscribes again has another subscription.
        told(&app, &mut admin, Provider::Stripe, "ann@example.com", "subscribes").await;
        let list = admin.get("/admin/payments/subscriptions").await;
        let ids = list.texts("tbody td code");
        assert!(ids[0].ends_with("_2") && ids[1].ends_with("_1"), "{ids:?}");
    }
}

on_both! {
    async fn what_could_not_be_applied_waits_with_its_reason(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let id = dead_letter(&app, 1).await;
        let users = admin.get("/admin/users").await;
        assert_eq!(users.texts(".rooms .badge"), ["1 unread", "1 event waits for you"]);
        let list = admin.get("/admin/payments?state=dead").await;
        let row = list.text("tbody tr");
        assert!(row.contains("Waiting for you"), "{row}");
        let why = list.text("tbody .why");
        assert!(why.contains("no tier has any of these prices") && why.contains("waits for price:price_1"), "{why}");
        assert_eq!(list.text("tbody th .badge"), "", "no test");

        let page = admin.submit(&list, "tbody form", &[]).await;
        assert_eq!(page.location(), format!("/admin/payments/{id}?said=tried"));
        let event = admin.get(page.location()).await;
        assert_eq!(event.text("[role=alert]"), "It still cannot be applied; the reason is below.");
        assert!(event.text("#error").contains("price_1"), "{}", event.body);
        let stored = payments::event(&app.env, id).await.unwrap().unwrap();
        assert_eq!((stored.state, stored.attempts), (EventState::Dead, 3));

        app.env.clock.advance(TimeDelta::seconds(1));
        set_prices(&app, &["price_1"]).await;
        let page = admin.submit(&event, &format!("form[action='/admin/payments/{id}/replay']"), &[]).await;
        let event = admin.get(page.location()).await;
        assert_eq!(event.text("[role=status]"), "The event is applied.");
        assert_eq!(event.text("dd a"), "ann@example.com");
        assert_eq!(tier_of(&app, "ann@example.com").await, "premium");
        assert_eq!(admin.get("/admin/users").await.texts(".rooms .badge"), ["1 unread"], "nothing waits");
        let twice = admin.post(&format!("/admin/payments/{id}/replay"), &[]).await;
        assert_eq!(twice.location(), format!("/admin/payments/{id}?said=tried"), "twice is no harm");
        let which = Which { action: Some("payment_event_replayed"), ..Which::default() };
        let lines = activity::list(&app.env, which, 9).await.unwrap();
        let applied: Vec<_> = lines.iter().map(|line| line.details["applied"].as_bool().unwrap()).collect();
        assert_eq!(applied, [true, false]);
        assert_eq!(lines[0].actor, "root@example.com");
    }

    async fn all_that_waits_is_tried_at_once(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        for number in 1..=3 {
            app.env.clock.advance(TimeDelta::seconds(1));
            dead_letter(&app, number).await;
        }
        set_prices(&app, &["price_1", "price_3"]).await;
        let list = admin.get("/admin/payments").await;
        assert_eq!(list.texts("nav.inner a")[1], "Waiting for you (3)");
        let page = admin.submit(&list, "form[action='/admin/payments/replay-dead']", &[]).await;
        let list = admin.get(page.location()).await;
        assert_eq!(list.text("[role=status]"), "Applied now: 2. Still not: 1.");
        assert_eq!(list.texts("tbody th").len(), 1);
        assert!(list.text("tbody .why").contains("price_2"));
        assert_eq!(payments::dead_count(&app.env).await.unwrap(), 1);
    }

    async fn older_events_are_on_the_next_page(app: TestApp) {
        let app = app.with_prices().await;
        app.signed_in("ann@example.com").await;
        let user = app.member("ann@example.com").await.id;
        for number in 0..60 {
            let customer = StripeCustomer::new(user, number, app.env.clock.now());
            app.stripe(&customer.payment(1, app.env.clock.now())).await;
            app.env.clock.advance(TimeDelta::seconds(1));
        }
        let mut admin = app.signed_in_admin("root@example.com").await;
        let first = admin.get("/admin/payments?state=done").await;
        let older = first.attribute("a[rel=next]", "href").unwrap();
        assert!(older.contains("state=done"));
        let second = admin.get(&older).await;
        assert_eq!((first.texts("tbody tr").len(), second.texts("tbody tr").len()), (50, 10));
        let mut links = [first, second].map(|page| page.body).concat();
        links.retain(|c| c != '\n');
        assert_eq!(links.matches("<th scope=\"row\"><a href=\"/admin/payments/").count(), 60);
        assert_eq!(admin.get("/admin/payments?state=dead").await.text(".empty b"), "There are no such events.");
    }

    async fn it_is_read_in_german_too(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let mut admin = app.signed_in_admin("root@example.com").await;
        let id = dead_letter(&app, 1).await;
        admin.post("/language", &[("lang", "de"), ("back", "/")]).await;
        for path in ["/admin/payments", "/admin/payments/subscriptions", "/admin/payments/test"] {
            let page = admin.get(path).await;
            assert_eq!(page.text("h1"), "Zahlungen", "{path}");
            assert_eq!(page.texts(".rooms .badge"), ["1 ungelesen", "1 Ereignis wartet auf Sie"]);
        }
        let event = admin.get(&format!("/admin/payments/{id}")).await;
        assert_eq!(event.text("h1"), "Über ein Abonnement");
    }
}

#[tokio::test]
async fn without_a_secret_the_page_says_what_to_set() {
    let none = [
        ("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", ""),
        ("VOUCHSAFE_PADDLE_WEBHOOK_SECRET", ""),
        ("VOUCHSAFE_POLAR_WEBHOOK_SECRET", ""),
    ];
    let app = TestApp::with(Backend::Sqlite, &none).await.unwrap();
    let mut admin = app.signed_in_admin("root@example.com").await;
    let page = admin.get("/admin/payments/test").await;
    assert!(page.text("#no-secret").contains("set VOUCHSAFE_STRIPE_WEBHOOK_SECRET=…"), "{}", page.text("#no-secret"));
    assert!(!page.body.contains("name=\"member\""));
    let fields = [
        ("provider", "stripe"),
        ("member", "root@example.com"),
        ("tier", "premium"),
        ("happening", "subscribes"),
        ("make_price", "on"),
    ];
    assert_eq!(admin.post("/admin/payments/test", &fields).await.status, 422);
    assert!(prices::list(&app.env).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_said_to_be() {
    // Nobody may listen there without being root.
    let app = TestApp::with(Backend::Sqlite, &[("VOUCHSAFE_LISTEN", "127.0.0.1:1")]).await.unwrap();
    let mut admin = app.signed_in_admin("root@example.com").await;
    let page = send(&mut admin, Provider::Polar, "root@example.com", "subscribes").await;
    assert_eq!(page.status, 422);
    let alert = page.text("[role=alert]");
    assert!(alert.starts_with("Our own endpoint did not answer: http://127.0.0.1:1 was not reached"), "{alert}");
    assert_eq!(page.attribute("#member", "value").as_deref(), Some("root@example.com"));
}

/// Stripe's API with two subscriptions: one that has ended, and one that is nobody's.
async fn stripe_api() -> String {
    let subscription = |id: &str, status: &str, user: &str| {
        json!({
            "id": id, "object": "subscription", "status": status, "metadata": { "user_id": user },
            "customer": "cus_x", "start_date": 1_790_000_000, "created": 1_790_000_000, "ended_at": 1_795_000_000,
            "items": { "data": [{ "price": { "id": "price_premium" }, "current_period_end": 1_797_000_000 }] },
        })
    };
    let list = json!({
        "object": "list", "has_more": false,
        "data": [subscription("sub_1", "canceled", ""), subscription("sub_9", "active", "")],
    });
    let answer = move |_: Request| {
        let list = list.clone();
        async move { ([("date", "Sat, 21 Nov 2026 11:00:00 GMT")], axum::Json(list)).into_response() }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    base
}

#[tokio::test]
async fn a_provider_is_asked_at_the_press_of_a_button() {
    let base = stripe_api().await;
    let variables = [("VOUCHSAFE_STRIPE_API_KEY", "sk_test_x"), ("VOUCHSAFE_STRIPE_API_BASE", base.as_str())];
    let app = TestApp::with(Backend::Sqlite, &variables).await.unwrap().with_prices().await;
    app.signed_in("ann@example.com").await;
    let customer = StripeCustomer::new(app.member("ann@example.com").await.id, 1, app.env.clock.now());
    app.stripe(&customer.subscription("created", "active", app.env.clock.now())).await;
    let mut admin = app.signed_in_admin("root@example.com").await;
    let list = admin.get("/admin/payments").await;
    assert_eq!(list.texts("form[action='/admin/payments/reconcile']"), ["Ask Stripe now"], "who has a key");
    let asked = admin.submit(&list, "form[action='/admin/payments/reconcile']", &[]).await;
    assert_eq!(asked.status, 200);
    let said = asked.text("section[role=status]");
    assert!(said.contains("2 subscriptions at Stripe were compared."), "{said}");
    let lines = asked.texts("section[role=status] li");
    assert!(lines[0].contains("sub_1 repaired it was active here and is ended"), "{lines:?}");
    assert!(lines[1].contains("sub_9 needs you nobody here is its customer"), "{lines:?}");

    let refused = admin.post("/admin/payments/reconcile", &[("provider", "paddle")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text("[role=alert]").contains("VOUCHSAFE_PADDLE_API_KEY"), "{}", refused.text("[role=alert]"));
}
