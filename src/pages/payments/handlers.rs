//! What the links and forms about payments do.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    domain::{
        ids::{PaymentEventId, SubscriptionId, TierId},
        payment::{Provider, samples::Happening},
    },
    pages::{
        frame::{self, Frame, Section, Width},
        payments::{
            EventView, EventsView, Said, SubscriptionsView, TestView, Turns, Typed, event_page, events_page,
            subscriptions_address, subscriptions_page, test_page,
        },
    },
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue, members, payment_views,
        payments::{self, EventState, Tried},
        replays,
        subscriptions::AskError,
        test_events::{self, TestEvent, TestEventError},
    },
    words::payments as text,
};

/// Lines on one page of a list.
const PAGE: i64 = 50;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 300;

fn frame(admin: &Admin, address: &'static str) -> Frame {
    Frame {
        title: text::title(admin.visit.origin.lang),
        address,
        width: Width::Wide,
        section: Some(Section::Payments),
        islands: false,
    }
}

/// Cuts what was fetched to a page, and returns whether there is more.
fn cut<T>(rows: &mut Vec<T>) -> bool {
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = rows.len() > most;
    rows.truncate(most);
    has_more
}

/// What a link to the events may say.
#[derive(Debug, Default, Deserialize)]
pub struct EventsLink {
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    applied: String,
    #[serde(default)]
    failed: String,
}

/// `GET /admin/payments`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<EventsLink>) -> Response {
    let said = match (link.applied.parse(), link.failed.parse()) {
        (Ok(applied), Ok(failed)) => Some(Said::Replayed { applied, failed }),
        _ => None,
    };
    events(&site, &admin, StatusCode::OK, link.state.parse().ok(), link.before.parse().ok(), said).await
}

async fn events(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    state: Option<EventState>,
    before: Option<PaymentEventId>,
    said: Option<Said>,
) -> Response {
    let env = &site.env;
    let mut events = match payment_views::events(env, state, before, PAGE + 1).await {
        Ok(events) => events,
        Err(error) => return failed(&error),
    };
    let dead = match payments::dead_count(env).await {
        Ok(dead) => dead,
        Err(error) => return failed(&error),
    };
    let has_more = cut(&mut events);
    let address = |before: Option<PaymentEventId>| {
        let state = state.map(|state| format!("state={}", state.as_str()));
        let before = before.map(|before| format!("before={before}"));
        let query: Vec<String> = [state, before].into_iter().flatten().collect();
        if query.is_empty() { "/admin/payments".to_owned() } else { format!("/admin/payments?{}", query.join("&")) }
    };
    let turns = Turns {
        older: events.last().filter(|_| has_more).map(|last| address(Some(last.event.id))),
        newest: before.map(|_| address(None)),
    };
    let askable = Provider::ALL.into_iter().filter(|provider| env.can_ask(*provider)).collect();
    let view = Arc::new(EventsView { said, state, events, dead, askable, turns });
    let lang = admin.visit.origin.lang;
    let page = move || events_page(lang, &view);
    frame::render(site, &admin.visit, status, frame(admin, "/admin/payments"), page).await
}

/// What a link to an event may say.
#[derive(Debug, Default, Deserialize)]
pub struct EventLink {
    #[serde(default)]
    said: String,
}

/// `GET /admin/payments/{id}`
pub async fn show(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Query(link): Query<EventLink>,
) -> Response {
    let Ok(id) = id.parse::<PaymentEventId>() else { return StatusCode::NOT_FOUND.into_response() };
    let listed = match payment_views::event(&site.env, id).await {
        Ok(Some(listed)) => listed,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return failed(&error),
    };
    // A link says that it was tried; how that ended, the event itself does.
    let is_settled = matches!(listed.event.state, EventState::Done | EventState::Ignored);
    let view = Arc::new(EventView { tried: (link.said == "tried").then_some(is_settled), listed });
    let lang = admin.visit.origin.lang;
    let page = move || event_page(lang, &view);
    frame::render(&site, &admin.visit, StatusCode::OK, frame(&admin, "/admin/payments"), page).await
}

/// `POST /admin/payments/{id}/replay`
pub async fn replay(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<PaymentEventId>() else { return StatusCode::NOT_FOUND.into_response() };
    match replays::replay(&site.env, id, &admin.identity.user.label()).await {
        Ok(Tried::Settled | Tried::Failed(_)) => {
            Redirect::to(&format!("/admin/payments/{id}?said=tried")).into_response()
        }
        Ok(Tried::Unknown) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

/// `POST /admin/payments/replay-dead`
pub async fn replay_dead(State(site): State<Site>, admin: Admin) -> Response {
    match replays::replay_dead(&site.env, None, &admin.identity.user.label()).await {
        Ok(replayed) => {
            let (applied, failed) = (replayed.applied.len(), replayed.failed.len());
            Redirect::to(&format!("/admin/payments?state=dead&applied={applied}&failed={failed}")).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// What the button sends that asks a provider.
#[derive(Debug, Deserialize)]
pub struct ReconcileForm {
    #[serde(default)]
    provider: String,
}

/// `POST /admin/payments/reconcile`: the answer says what was different, as no other page could.
pub async fn reconcile(State(site): State<Site>, admin: Admin, Form(form): Form<ReconcileForm>) -> Response {
    let Ok(provider) = form.provider.parse::<Provider>() else {
        return events(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, None, None, None).await;
    };
    let (status, said) = match replays::reconcile_now(&site.env, provider, &admin.identity.user.label()).await {
        Ok(reconciled) => (StatusCode::OK, Said::Asked(provider, reconciled)),
        Err(AskError::Provider(error)) => (StatusCode::UNPROCESSABLE_ENTITY, Said::NotAnswered(error.to_string())),
        Err(AskError::Store(error)) => return failed(&error),
    };
    events(&site, &admin, status, None, None, Some(said)).await
}

/// What a link to the subscriptions may say.
#[derive(Debug, Default, Deserialize)]
pub struct SubscriptionsLink {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    open: String,
    #[serde(default)]
    before: String,
}

/// `GET /admin/payments/subscriptions`
pub async fn subscriptions(State(site): State<Site>, admin: Admin, Query(link): Query<SubscriptionsLink>) -> Response {
    let provider = link.provider.parse::<Provider>().ok();
    let (only_open, before) = (link.open == "1", link.before.parse::<SubscriptionId>().ok());
    let found = payment_views::subscriptions(&site.env, provider, only_open, before, PAGE + 1).await;
    let (mut subscriptions, catalogue) = match (found, catalogue::current(&site.env).await) {
        (Ok(subscriptions), Ok(catalogue)) => (subscriptions, catalogue),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let has_more = cut(&mut subscriptions);
    let older = subscriptions.last().filter(|_| has_more).map(|last| last.subscription.id.to_string());
    let turns = Turns {
        older: older.map(|older| subscriptions_address(provider, only_open, Some(older))),
        newest: before.map(|_| subscriptions_address(provider, only_open, None)),
    };
    let view = Arc::new(SubscriptionsView { provider, only_open, subscriptions, catalogue, turns });
    let lang = admin.visit.origin.lang;
    let page = move || subscriptions_page(lang, &view);
    let frame = frame(&admin, "/admin/payments/subscriptions");
    frame::render(&site, &admin.visit, StatusCode::OK, frame, page).await
}

/// `GET /admin/payments/test`
pub async fn test(State(site): State<Site>, admin: Admin) -> Response {
    test_form(&site, &admin, StatusCode::OK, Typed::default(), None).await
}

async fn test_form(site: &Site, admin: &Admin, status: StatusCode, typed: Typed, alert: Option<String>) -> Response {
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let view = TestView { available: test_events::available(&site.env), catalogue, typed, alert, sent: None };
    test_answer(site, admin, status, view).await
}

async fn test_answer(site: &Site, admin: &Admin, status: StatusCode, view: TestView) -> Response {
    let (lang, view) = (admin.visit.origin.lang, Arc::new(view));
    let page = move || test_page(lang, &view);
    frame::render(site, &admin.visit, status, frame(admin, "/admin/payments/test"), page).await
}

/// What the form of a test event sends.
#[derive(Debug, Default, Deserialize)]
pub struct TestForm {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    member: String,
    #[serde(default)]
    tier: String,
    #[serde(default)]
    happening: String,
    /// Missing when the box is not ticked.
    make_price: Option<String>,
}

/// `POST /admin/payments/test`: the answer says what our endpoint answered.
pub async fn send_test(State(site): State<Site>, admin: Admin, Form(form): Form<TestForm>) -> Response {
    let lang = admin.visit.origin.lang;
    let short = |text: &str| text.chars().take(LONGEST_TYPED).collect::<String>();
    let mut typed = Typed {
        provider: short(&form.provider),
        member: short(&form.member),
        tier: short(&form.tier),
        happening: short(&form.happening),
        make_price: form.make_price.is_some(),
        ..Typed::default()
    };
    let (user, catalogue) = match (members::find(&site.env, &form.member).await, catalogue::current(&site.env).await) {
        (Ok(user), Ok(catalogue)) => (user, catalogue),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let available = test_events::available(&site.env);
    let provider = form.provider.parse::<Provider>().ok().filter(|provider| available.contains(provider));
    let tier = form.tier.parse::<TierId>().ok().filter(|tier| catalogue.tier(tier).is_some_and(|tier| tier.paid));
    let happening = form.happening.parse::<Happening>().ok();
    let (Some(provider), Some(user), Some(tier), Some(happening)) = (provider, &user, tier.clone(), happening) else {
        let or_else = |is_wrong: bool, error: &str| is_wrong.then(|| error.to_owned());
        typed.provider_error = or_else(provider.is_none(), text::error_provider(lang));
        typed.member_error = or_else(user.is_none(), text::error_member(lang));
        typed.tier_error = or_else(tier.is_none(), text::error_tier(lang));
        typed.happening_error = or_else(happening.is_none(), text::error_happening(lang));
        return test_form(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, typed, None).await;
    };
    let event = TestEvent { provider, user: user.id, tier, happening, make_price: typed.make_price };
    let mut alert = None;
    match test_events::send(&site.env, &event, &admin.identity.user.label()).await {
        Ok(sent) => {
            let view = TestView { available, catalogue, typed, alert, sent: Some((user.id, sent)) };
            return test_answer(&site, &admin, StatusCode::OK, view).await;
        }
        Err(TestEventError::Store(error)) => return failed(&error),
        Err(TestEventError::NoSecret(_)) => typed.provider_error = Some(text::error_provider(lang).to_owned()),
        Err(TestEventError::NoPrice) => typed.tier_error = Some(text::error_no_price(lang).to_owned()),
        Err(TestEventError::Price(error)) => typed.tier_error = Some(text::error_price(lang, &error.to_string())),
        Err(TestEventError::NothingBegun) => {
            typed.happening_error = Some(text::error_nothing_begun(lang).to_owned());
        }
        Err(TestEventError::NobodyOpens(error)) => alert = Some(text::error_not_reached(lang, &error.to_string())),
    }
    test_form(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, typed, alert).await
}
