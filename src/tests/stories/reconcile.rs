//! What the providers know and we do not: a subscription whose events never came.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use vouchsafe::{
    domain::{
        payment::Provider,
        subscription::{Subscription, SubscriptionStatus},
        user::User,
    },
    platform::clock::Clock,
    services::{
        payments::{self, EventState},
        subscriptions::{self, AskError, Difference},
    },
};

use crate::harness::{Backend, StripeCustomer, TestApp, beginning, on_each};

/// A Stripe of which only the list of subscriptions is open.
#[derive(Clone)]
pub(super) struct Stripe {
    subscriptions: Arc<Mutex<Vec<Value>>>,
    at_once: Arc<Mutex<usize>>,
    clock: Arc<Mutex<Option<Clock>>>,
}

impl Stripe {
    async fn start() -> (Self, String) {
        let stripe = Self { subscriptions: Arc::default(), at_once: Arc::new(Mutex::new(100)), clock: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/subscriptions", get(list))
            .route("/v1/subscriptions/{id}", get(one))
            .route("/v1/invoice_payments", get(invoice_payments))
            .with_state(stripe.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (stripe, base)
    }

    /// Has these subscriptions from now on.
    pub(super) fn has(&self, events: &[Value]) {
        *self.subscriptions.lock().unwrap() = events.iter().map(|event| event["data"]["object"].clone()).collect();
    }

    /// Shows so many of them on a page.
    pub(super) fn shows_at_once(&self, count: usize) {
        *self.at_once.lock().unwrap() = count;
    }

    fn dated(&self, body: Value) -> Response {
        let now: DateTime<Utc> = self.clock.lock().unwrap().as_ref().map_or(beginning(), Clock::now);
        let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        ([(header::DATE, date)], Json(body)).into_response()
    }
}

async fn list(State(stripe): State<Stripe>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let all = stripe.subscriptions.lock().unwrap().clone();
    let after = asked.get("starting_after");
    let seen = after.and_then(|id| all.iter().position(|one| one["id"] == **id)).map_or(0, |last| last + 1);
    let page: Vec<&Value> = all.iter().skip(seen).take(*stripe.at_once.lock().unwrap()).collect();
    stripe.dated(json!({ "object": "list", "has_more": seen + page.len() < all.len(), "data": page }))
}

async fn one(State(stripe): State<Stripe>, Path(id): Path<String>) -> Response {
    let found = stripe.subscriptions.lock().unwrap().iter().find(|one| one["id"] == id).cloned();
    match found {
        Some(found) => stripe.dated(found),
        None => {
            let error = json!({ "error": { "code": "resource_missing", "message": "No such subscription" } });
            (StatusCode::NOT_FOUND, Json(error)).into_response()
        }
    }
}

async fn invoice_payments(State(stripe): State<Stripe>) -> Response {
    stripe.dated(json!({ "object": "list", "has_more": false, "data": [{ "id": "inpay_1", "invoice": "in_cus_1_1" }] }))
}

/// A program that may ask a Stripe, with a member who buys there.
pub(super) async fn started(backend: Backend) -> Option<(TestApp, Stripe, User, StripeCustomer)> {
    let (stripe, base) = Stripe::start().await;
    let variables = [("VOUCHSAFE_STRIPE_API_BASE", base.as_str()), ("VOUCHSAFE_STRIPE_API_KEY", "sk_test_1")];
    let app = TestApp::with(backend, &variables).await?.with_prices().await;
    *stripe.clock.lock().unwrap() = Some(app.env.clock.clone());
    app.signed_in("bob@example.com").await;
    app.env.clock.advance(TimeDelta::days(15));
    let bob = app.member("bob@example.com").await;
    let customer = StripeCustomer::new(bob.id, 1, app.env.clock.now());
    Some((app, stripe, bob, customer))
}

async fn reconcile(app: &TestApp) -> Vec<Difference> {
    let reconciled = subscriptions::reconcile(&app.env, Provider::Stripe, None).await.unwrap();
    assert_eq!(reconciled.next, None);
    reconciled.differences
}

async fn theirs(app: &TestApp, user: &User) -> Option<Subscription> {
    subscriptions::of_member(&app.env, user.id).await.unwrap().into_iter().next()
}

on_each! {
    what_never_came_is_found_and_put_right
    what_a_person_has_to_do_is_told
    the_provider_is_asked_every_night_by_one_node
    two_events_of_one_instant_leave_the_question_to_the_provider
    an_invoice_that_nobody_told_of_is_asked_for
}

async fn what_never_came_is_found_and_put_right(backend: Backend) {
    let Some((app, stripe, bob, customer)) = started(backend).await else { return };
    let now = app.env.clock.now();
    stripe.has(&[customer.subscription("created", "active", now)]);
    let found = reconcile(&app).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].is_repaired && found[0].subscription == "sub_1", "{found:?}");
    assert_eq!(theirs(&app, &bob).await.unwrap().status, SubscriptionStatus::Active);
    assert_eq!(reconcile(&app).await, [], "both agree now");

    // The event that it is past due never comes, nor that it is another tier since.
    app.env.clock.advance(TimeDelta::days(30));
    let basic = StripeCustomer { price: "price_basic".to_owned(), ..customer.clone() };
    stripe.has(&[basic.subscription("updated", "past_due", app.env.clock.now())]);
    let found = reconcile(&app).await;
    assert!(found[0].is_repaired && found[0].what.contains("past_due") && found[0].what.contains("basic"), "{found:?}");
    let known = theirs(&app, &bob).await.unwrap();
    assert_eq!((known.status, known.tier.as_str()), (SubscriptionStatus::PastDue, "basic"));

    // What a webhook tells that was on its way meanwhile is older than the answer.
    app.stripe(&customer.subscription("updated", "active", now)).await;
    assert_eq!(theirs(&app, &bob).await.unwrap().status, SubscriptionStatus::PastDue);

    app.env.clock.advance(TimeDelta::days(1));
    let ended = json!({ "ended_at": app.env.clock.now().timestamp() });
    stripe.has(&[basic.subscription_with("deleted", "canceled", app.env.clock.now(), ended)]);
    assert!(reconcile(&app).await[0].is_repaired);
    assert_eq!(theirs(&app, &bob).await.unwrap().status, SubscriptionStatus::Ended);
    assert_eq!(reconcile(&app).await, []);
}

async fn what_a_person_has_to_do_is_told(backend: Backend) {
    let Some((app, stripe, bob, customer)) = started(backend).await else { return };
    let now = app.env.clock.now();
    let unknown = StripeCustomer { price: "price_of_nothing".to_owned(), ..customer.clone() };
    let stranger =
        StripeCustomer { user: None, subscription: "sub_2".to_owned(), customer: "cus_2".to_owned(), ..customer };
    stripe.has(&[unknown.subscription("created", "active", now), stranger.subscription("created", "active", now)]);
    let found = reconcile(&app).await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|difference| !difference.is_repaired), "{found:?}");
    assert!(found[0].what.contains("price_of_nothing") && found[1].what.contains("nobody"), "{found:?}");
    assert_eq!(theirs(&app, &bob).await, None);
    // What has ended unseen is nobody's concern.
    stripe.has(&[stranger.subscription("deleted", "canceled", now)]);
    assert_eq!(reconcile(&app).await, []);
    let error = subscriptions::reconcile(&app.env, Provider::Polar, None).await.unwrap_err();
    assert!(matches!(error, AskError::Provider(_)) && error.to_string().contains("VOUCHSAFE_POLAR_API_KEY"), "{error}");
}

async fn the_provider_is_asked_every_night_by_one_node(backend: Backend) {
    let Some((app, stripe, bob, customer)) = started(backend).await else { return };
    let other = vouchsafe::jobs::Runner::new(app.another_node()).unwrap();
    stripe.has(&[customer.subscription("created", "active", app.env.clock.now())]);
    // A little before half past three, and a little after.
    let midnight = app.env.clock.now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::days(1);
    app.env.clock.advance(midnight + TimeDelta::minutes(209) - app.env.clock.now());
    for runner in [&app.runner, &other] {
        runner.do_what_is_due().await.unwrap();
    }
    let jobs = async || {
        let mut reader = app.env.db.reader().await.unwrap();
        vouchsafe::store::jobs::state(&mut reader.conn()).await.unwrap().waiting
    };
    app.mailbox().await;
    assert_eq!(theirs(&app, &bob).await, None);
    app.env.clock.advance(TimeDelta::minutes(1));
    for runner in [&app.runner, &other, &app.runner] {
        runner.do_what_is_due().await.unwrap();
    }
    assert_eq!(jobs().await, 1);
    app.mailbox().await;
    assert!(theirs(&app, &bob).await.is_some());
    app.env.clock.advance(TimeDelta::hours(20));
    app.runner.do_what_is_due().await.unwrap();
    assert_eq!(jobs().await, 0, "once a day");
}

async fn two_events_of_one_instant_leave_the_question_to_the_provider(backend: Backend) {
    let Some((app, stripe, bob, customer)) = started(backend).await else { return };
    let now = app.env.clock.now();
    for truth in ["active", "past_due"] {
        app.env.clock.advance(TimeDelta::seconds(2));
        let fresh = StripeCustomer { subscription: format!("sub_{truth}"), ..customer.clone() };
        let told = [fresh.subscription("updated", "active", now), fresh.subscription("updated", "past_due", now)];
        stripe.has(&[fresh.subscription("updated", truth, now)]);
        for event in &told {
            app.stripe(event).await;
        }
        app.mailbox().await;
        let all = subscriptions::of_member(&app.env, bob.id).await.unwrap();
        let known = all.into_iter().find(|one| one.provider_id == fresh.subscription).unwrap();
        assert_eq!(known.status.as_str(), truth);
    }
}

async fn an_invoice_that_nobody_told_of_is_asked_for(backend: Backend) {
    let Some((app, _, _, customer)) = started(backend).await else { return };
    let now = app.env.clock.now();
    app.stripe(&customer.invoice(1, 999, now)).await;
    // Stripe was not told to send which payment it was.
    app.stripe(&customer.refund(1, 999, 999, now)).await;
    assert_eq!(payments::events(&app.env, Some(EventState::Failed), None, 9).await.unwrap().len(), 1);
    app.mailbox().await;
    assert_eq!(payments::events(&app.env, Some(EventState::Failed), None, 9).await.unwrap(), []);
}
