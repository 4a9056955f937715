//! /admin/payments: what the providers of payments told, what is bought, and how to try it out.

mod handlers;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::{
    components::{Alert, CheckField, Crumb, Note, SelectField, Sheet, TextField},
    domain::{
        catalogue::Catalogue,
        ids::UserId,
        lang::Lang,
        payment::{
            Provider,
            samples::{Happening, TestSubscription},
        },
        subscription::SubscriptionStatus,
    },
    services::{
        payment_views::{ListedEvent, ListedSubscription},
        payments::EventState,
        subscriptions::Reconciled,
        test_events::SentEvent,
    },
    words::{long_date, long_time, number, payments as text},
};

pub use handlers::{list, reconcile, replay, replay_dead, send_test, show, subscriptions, test};

/// The parts of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Events,
    Subscriptions,
    Test,
}

/// What is said above the list of events.
#[derive(Debug)]
enum Said {
    /// Dead letters were tried again.
    Replayed { applied: i64, failed: i64 },
    /// A provider was asked.
    Asked(Provider, Reconciled),
    /// A provider did not answer.
    NotAnswered(String),
}

/// What the list of events shows.
#[derive(Debug)]
struct EventsView {
    said: Option<Said>,
    state: Option<EventState>,
    events: Vec<ListedEvent>,
    dead: i64,
    /// The providers that can be asked.
    askable: Vec<Provider>,
    turns: Turns,
}

/// Where the next page is, and the first.
#[derive(Debug, Clone, Default)]
struct Turns {
    older: Option<String>,
    newest: Option<String>,
}

/// What the list of subscriptions shows.
#[derive(Debug)]
struct SubscriptionsView {
    provider: Option<Provider>,
    only_open: bool,
    subscriptions: Vec<ListedSubscription>,
    catalogue: Arc<Catalogue>,
    turns: Turns,
}

/// What the page of an event shows.
#[derive(Debug)]
struct EventView {
    listed: ListedEvent,
    /// Whether it was just applied or not; nothing without a try.
    tried: Option<bool>,
}

/// What was typed into the form of a test event, and what is wrong with it.
#[derive(Debug, Clone)]
struct Typed {
    provider: String,
    provider_error: Option<String>,
    member: String,
    member_error: Option<String>,
    tier: String,
    tier_error: Option<String>,
    happening: String,
    happening_error: Option<String>,
    make_price: bool,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            provider: String::new(),
            provider_error: None,
            member: String::new(),
            member_error: None,
            tier: String::new(),
            tier_error: None,
            happening: String::new(),
            happening_error: None,
            make_price: true,
        }
    }
}

/// What the page of test events shows.
#[derive(Debug)]
struct TestView {
    /// The providers with a secret to sign with.
    available: Vec<Provider>,
    catalogue: Arc<Catalogue>,
    typed: Typed,
    alert: Option<String>,
    /// The member to whom it happened, and what came of it.
    sent: Option<(UserId, Vec<SentEvent>)>,
}

fn head(lang: Lang, part: Part) -> impl IntoView + use<> {
    let link = |this: Part, path: &'static str, text: &'static str| {
        view! { <a href=path aria-current=(this == part).then_some("page")>{text}</a> }
    };
    view! {
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="tabs" aria-label=text::parts(lang)>
            {link(Part::Events, "/admin/payments", text::events(lang))}
            {link(Part::Subscriptions, "/admin/payments/subscriptions", text::subscriptions(lang))}
            {link(Part::Test, "/admin/payments/test", text::test_event(lang))}
        </nav>
    }
}

fn turns(lang: Lang, turns: &Turns) -> impl IntoView + use<> {
    let Turns { older, newest } = turns.clone();
    let is_needed = older.is_some() || newest.is_some();
    let newest = newest.map(|path| view! { <a href=path>{text::newest(lang)}</a> });
    let older = older.map(|path| view! { <a class="btn" href=path rel="next">{text::older(lang)}</a> });
    is_needed.then(|| {
        view! { <nav class="row between" aria-label=crate::words::pages(lang)><span>{newest}</span>{older}</nav> }
    })
}

fn time(lang: Lang, at: DateTime<Utc>) -> impl IntoView + use<> {
    view! { <time datetime=at.to_rfc3339()>{long_time(lang, at)}</time> }
}

fn member(user: Option<UserId>, label: Option<String>, otherwise: &'static str) -> AnyView {
    match (user, label) {
        (Some(id), Some(label)) => {
            view! { <a class="address" href=format!("/admin/users/{id}")>{label}</a> }.into_any()
        }
        _ => view! { <span class="soft">{otherwise}</span> }.into_any(),
    }
}

fn test_badge(lang: Lang, is_sample: bool) -> impl IntoView + use<> {
    is_sample.then(|| view! { " "<span class="badge">{text::is_test(lang)}</span> })
}

fn state_badge(lang: Lang, state: EventState) -> impl IntoView + use<> {
    let class = match state {
        EventState::Done => "badge paid",
        EventState::Failed | EventState::Dead => "badge stop",
        EventState::Received | EventState::Ignored => "badge",
    };
    view! { <span class=class>{text::event_state(lang, state.as_str())}</span> }
}

fn can_be_replayed(state: EventState) -> bool {
    matches!(state, EventState::Failed | EventState::Dead)
}

fn events_page(lang: Lang, view: &EventsView) -> impl IntoView + use<> {
    let state_of = |state: Option<EventState>| {
        let address = state
            .map_or_else(|| "/admin/payments".to_owned(), |state| format!("/admin/payments?state={}", state.as_str()));
        let name = state.map_or_else(|| text::all(lang), |state| text::event_state(lang, state.as_str()));
        let count =
            (state == Some(EventState::Dead) && view.dead > 0).then(|| format!(" ({})", number(lang, view.dead)));
        view! { <a href=address aria-current=(state == view.state).then_some("true")>{name}{count}</a> }
    };
    let states =
        [None, Some(EventState::Dead), Some(EventState::Failed), Some(EventState::Done), Some(EventState::Ignored)]
            .map(state_of)
            .collect_view();
    let replay_all = (view.dead > 0).then(|| {
        view! {
            <form method="post" action="/admin/payments/replay-dead">
                <button class="btn">{text::replay_dead(lang)}</button>
            </form>
        }
    });
    let ask = view
        .askable
        .iter()
        .map(|provider| {
            view! {
                <form method="post" action="/admin/payments/reconcile">
                    <input type="hidden" name="provider" value=provider.as_str() />
                    <button class="btn">{text::ask_now(lang, *provider)}</button>
                </form>
            }
        })
        .collect_view();
    let list = if view.events.is_empty() {
        empty(text::no_events(lang), text::no_events_hint(lang)).into_any()
    } else {
        let rows = view.events.iter().map(|listed| event_row(lang, listed)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::event(lang)}</th>
                            <th scope="col">{text::when(lang)}</th>
                            <th scope="col">{text::whom(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        {view.said.as_ref().map(|said| said_view(lang, said))}
        {head(lang, Part::Events)}
        <nav class="tabs inner" aria-label=text::which_events(lang)>{states}</nav>
        <div class="row">{replay_all}{ask}</div>
        {list}
        {turns(lang, &view.turns)}
    }
}

fn said_view(lang: Lang, said: &Said) -> AnyView {
    match said {
        Said::Replayed { applied, failed } => {
            let counts = text::replayed(lang, *applied, *failed);
            view! { <Note><span>{counts}</span></Note> }.into_any()
        }
        Said::NotAnswered(problem) => {
            let problem = problem.clone();
            view! { <Alert><span lang="en">{problem}</span></Alert> }.into_any()
        }
        Said::Asked(provider, reconciled) => {
            let count = i64::try_from(reconciled.compared).unwrap_or(i64::MAX);
            let differences = reconciled
                .differences
                .iter()
                .map(|difference| {
                    let (class, outcome) = match difference.is_repaired {
                        true => ("badge paid", text::repaired(lang)),
                        false => ("badge stop", text::not_repaired(lang)),
                    };
                    view! {
                        <li>
                            <code class="address">{difference.subscription.clone()}</code>
                            " "<span class=class>{outcome}</span>" "
                            <small class="soft" lang="en">{difference.what.clone()}</small>
                        </li>
                    }
                })
                .collect_view();
            let outcome = if reconciled.differences.is_empty() {
                view! { <p class="soft">{text::no_difference(lang)}</p> }.into_any()
            } else {
                view! { <ul class="log">{differences}</ul> }.into_any()
            };
            let rest = reconciled.next.is_some().then(|| view! { <p>{text::rest_is_compared(lang)}</p> });
            view! {
                <section class="sheet stack" role="status">
                    <p><b>{text::compared(lang, *provider, count)}</b></p>
                    {outcome}
                    {rest}
                </section>
            }
            .into_any()
        }
    }
}

fn empty(title: &'static str, hint: &'static str) -> impl IntoView {
    view! { <div class="sheet empty"><b>{title}</b><p class="soft">{hint}</p></div> }
}

fn event_row(lang: Lang, listed: &ListedEvent) -> impl IntoView + use<> {
    let event = &listed.event;
    let name = event.kind.as_deref().map_or_else(|| event.event_type.clone(), |kind| text::kind(lang, kind));
    let error = event.error.clone().filter(|_| can_be_replayed(event.state));
    let why = error.map(|error| {
        let waits_for = event.waits_for.clone();
        let waits_for = waits_for.map(|what| view! { <br />{text::waits_for(lang)}" "<code>{what}</code> });
        view! {
            <tr class="why">
                <td colspan="4"><small class="soft address"><span lang="en">{error}</span>{waits_for}</small></td>
            </tr>
        }
    });
    let replay = can_be_replayed(event.state).then(|| replay_form(lang, listed));
    view! {
        <tr class:over=event.state == EventState::Ignored>
            <th scope="row">
                <a href=format!("/admin/payments/{}", event.id)>{name}</a>
                {test_badge(lang, listed.is_sample)}
                <small>{event.provider.name()}" · "<code>{event.event_type.clone()}</code></small>
            </th>
            <td data-label=text::when(lang)>{time(lang, event.occurred_at)}</td>
            <td data-label=text::whom(lang)>{member(event.user, listed.member.clone(), text::nobody_yet(lang))}</td>
            <td data-label=text::state(lang)>
                <div class="state">{state_badge(lang, event.state)}{replay}</div>
            </td>
        </tr>
        {why}
    }
}

fn replay_form(lang: Lang, listed: &ListedEvent) -> impl IntoView + use<> {
    let event = &listed.event;
    let described = format!("{}: {}", text::replay(lang), event.event_id);
    view! {
        <form method="post" action=format!("/admin/payments/{}/replay", event.id)>
            <button class="btn" aria-label=described>{text::replay(lang)}</button>
        </form>
    }
}

fn event_page(lang: Lang, view: &EventView) -> impl IntoView + use<> {
    let listed = &view.listed;
    let event = &listed.event;
    let name = event.kind.as_deref().map_or_else(|| event.event_type.clone(), |kind| text::kind(lang, kind));
    let said = match view.tried {
        Some(true) => view! { <Note><span>{text::was_applied(lang)}</span></Note> }.into_any(),
        Some(false) => view! { <Alert><span>{text::still_cannot(lang)}</span></Alert> }.into_any(),
        None => ().into_any(),
    };
    let our_word = event.kind.as_deref().map(|kind| text::kind(lang, kind));
    let our_word = our_word.unwrap_or_else(|| text::event_state(lang, event.state.as_str()).to_owned());
    let fact = |name: &'static str, value: AnyView| view! { <dt>{name}</dt><dd class="address">{value}</dd> };
    let code = |value: &str| view! { <code>{value.to_owned()}</code> }.into_any();
    let subscription = event.subscription.as_deref().map(|id| fact(text::subscription(lang), code(id)));
    let error = event.error.clone().map(|error| {
        fact(text::error(lang), view! { <span class="err" id="error" lang="en">{error}</span> }.into_any())
    });
    let waits_for = event.waits_for.as_deref().map(|what| fact(text::waits_for(lang), code(what)));
    let replay = can_be_replayed(event.state).then(|| replay_form(lang, listed));
    let (attempts, payload) = (number(lang, event.attempts), pretty(&event.payload));
    view! {
        {said}
        <div>
            <Crumb path="/admin/payments" name=text::title(lang) />
            <div class="row between">
                <h1>{name}</h1>
                <div class="row">{test_badge(lang, listed.is_sample)}{state_badge(lang, event.state)}</div>
            </div>
        </div>
        <section class="sheet stack">
            <dl class="facts">
                {fact(text::provider(lang), event.provider.name().into_any())}
                {fact(text::its_type(lang), code(&event.event_type))}
                {fact(text::our_word(lang), our_word.into_any())}
                {fact(text::event_id(lang), code(&event.event_id))}
                {fact(text::happened(lang), view! {
                    {time(lang, event.occurred_at)}" "<small class="soft">{text::by_their_clock(lang)}</small>
                }.into_any())}
                {fact(text::arrived(lang), time(lang, event.received_at).into_any())}
                {fact(text::attempts(lang), attempts.into_any())}
                {fact(text::whom(lang), member(event.user, listed.member.clone(), text::nobody_yet(lang)))}
                {subscription}
                {error}
                {waits_for}
            </dl>
            {replay}
        </section>
        <Sheet title=text::payload(lang) id="payload">
            <pre class="payload" tabindex="0" role="region" aria-labelledby="payload">{payload}</pre>
        </Sheet>
    }
}

/// Returns JSON with a line for each value; what is none as it is.
fn pretty(payload: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(payload) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| payload.to_owned()),
        Err(_) => payload.to_owned(),
    }
}

/// Returns the address of the list of subscriptions.
fn subscriptions_address(provider: Option<Provider>, only_open: bool, before: Option<String>) -> String {
    let provider = provider.map(|provider| format!("provider={provider}"));
    let open = only_open.then(|| "open=1".to_owned());
    let before = before.map(|before| format!("before={before}"));
    let query: Vec<String> = [provider, open, before].into_iter().flatten().collect();
    let path = "/admin/payments/subscriptions";
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

fn subscriptions_page(lang: Lang, view: &SubscriptionsView) -> impl IntoView + use<> {
    let link = |provider: Option<Provider>, only_open: bool, name: &'static str| {
        let is_this = (provider, only_open) == (view.provider, view.only_open);
        let address = subscriptions_address(provider, only_open, None);
        view! { <a href=address aria-current=is_this.then_some("true")>{name}</a> }
    };
    let providers = Provider::ALL.map(|provider| link(Some(provider), view.only_open, provider.name())).collect_view();
    let list = if view.subscriptions.is_empty() {
        empty(text::no_subscriptions(lang), text::no_subscriptions_hint(lang)).into_any()
    } else {
        let rows =
            view.subscriptions.iter().map(|listed| subscription_row(lang, &view.catalogue, listed)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::member(lang)}</th>
                            <th scope="col">{text::provider(lang)}</th>
                            <th scope="col">{text::tier(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                            <th scope="col">{text::paid_until(lang)}</th>
                            <th scope="col">{text::scheduled(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        {head(lang, Part::Subscriptions)}
        <nav class="tabs inner" aria-label=text::which_subscriptions(lang)>
            {link(None, false, text::all(lang))}
            {link(None, true, text::open_ones(lang))}
            {providers}
        </nav>
        {list}
        {turns(lang, &view.turns)}
    }
}

fn subscription_row(lang: Lang, catalogue: &Catalogue, listed: &ListedSubscription) -> impl IntoView + use<> {
    let subscription = &listed.subscription;
    let class = match subscription.status {
        SubscriptionStatus::Active | SubscriptionStatus::Trialing => "badge paid",
        SubscriptionStatus::PastDue => "badge stop",
        SubscriptionStatus::Incomplete | SubscriptionStatus::Paused | SubscriptionStatus::Ended => "badge",
    };
    let paid_until = subscription.period_end.map(|end| long_date(lang, end.date_naive()));
    let scheduled = subscription
        .scheduled
        .as_ref()
        .map(|scheduled| text::scheduled_on(lang, scheduled.action, &long_date(lang, scheduled.at.date_naive())));
    let number = subscription.user.and_then(|user| TestSubscription::number_of(user, &subscription.provider_id));
    view! {
        <tr class:over=subscription.status == SubscriptionStatus::Ended>
            <th scope="row">
                {member(subscription.user, listed.member.clone(), text::deleted_account(lang))}
                {test_badge(lang, number.is_some())}
            </th>
            <td data-label=text::provider(lang)>
                <span>{subscription.provider.name()}<small><code>{subscription.provider_id.clone()}</code></small></span>
            </td>
            <td data-label=text::tier(lang)>
                <span>
                    {catalogue.tier_name(&subscription.tier)}
                    <small class="soft">{text::interval(lang, subscription.interval)}</small>
                </span>
            </td>
            <td data-label=text::state(lang)><span class=class>{text::status(lang, subscription.status)}</span></td>
            <td data-label=text::paid_until(lang)>{paid_until}</td>
            <td data-label=text::scheduled(lang)>{scheduled}</td>
        </tr>
    }
}

/// Returns the variables that are not set, as one writes them.
fn missing_secrets(available: &[Provider]) -> Option<String> {
    let missing: Vec<String> = Provider::ALL
        .into_iter()
        .filter(|provider| !available.contains(provider))
        .map(|provider| format!("VOUCHSAFE_{}_WEBHOOK_SECRET=…", provider.as_str().to_ascii_uppercase()))
        .collect();
    // One is enough to begin with.
    missing.into_iter().next().filter(|_| available.is_empty())
}

fn test_page(lang: Lang, view: &TestView) -> impl IntoView + use<> {
    let typed = view.typed.clone();
    let sent = view.sent.as_ref().map(|(user, events)| sent_view(lang, *user, events));
    let form = match missing_secrets(&view.available) {
        Some(variable) => view! { <p id="no-secret">{text::set_the_secret(lang, &variable)}</p> }.into_any(),
        None => {
            let providers = view.available.iter().map(|it| (it.as_str().to_owned(), it.name().to_owned())).collect();
            // Nobody buys what costs nothing.
            let tiers = view.catalogue.tiers().iter().filter(|tier| tier.paid);
            let tiers = tiers.map(|tier| (tier.id.to_string(), tier.name.clone())).collect();
            let happenings =
                Happening::ALL.map(|it| (it.as_str().to_owned(), text::happening(lang, it).to_owned())).to_vec();
            view! {
                <form class="stack tight" method="post" action="/admin/payments/test">
                    <div class="fields">
                        <SelectField
                            name="provider" label=text::provider(lang) options=providers chosen=typed.provider
                            error=typed.provider_error
                        />
                        <TextField
                            name="member" label=text::member(lang) hint=text::member_hint(lang) value=typed.member
                            error=typed.member_error most="254" required=true
                        />
                    </div>
                    <div class="fields">
                        <SelectField
                            name="happening" label=text::what_happens(lang) options=happenings
                            chosen=typed.happening error=typed.happening_error
                        />
                        <SelectField
                            name="tier" label=text::tier(lang) hint=text::tier_hint(lang) options=tiers
                            chosen=typed.tier error=typed.tier_error
                        />
                    </div>
                    <CheckField
                        name="make_price" label=text::make_price(lang) hint=text::make_price_hint(lang)
                        checked=typed.make_price
                    />
                    <div><button class="btn main">{text::send(lang)}</button></div>
                </form>
            }
            .into_any()
        }
    };
    view! {
        {view.alert.clone().map(|alert| view! { <Alert><span>{alert}</span></Alert> })}
        {head(lang, Part::Test)}
        {sent}
        <Sheet title=text::test_event(lang) id="test">
            <p class="soft">{text::test_intro(lang)}</p>
            {form}
        </Sheet>
    }
}

fn sent_view(lang: Lang, user: UserId, events: &[SentEvent]) -> impl IntoView + use<> {
    let rows = events
        .iter()
        .map(|sent| {
            let words = sent.answer.body.clone();
            let words = (!words.is_empty()).then(|| view! { ": "<q lang="en">{words}</q> });
            let stored = match &sent.stored {
                Some(event) => view! {
                    {state_badge(lang, event.state)}" "
                    <a href=format!("/admin/payments/{}", event.id)>{text::open_event(lang)}</a>
                }
                .into_any(),
                None => view! { <span class="badge stop">{text::not_taken(lang)}</span> }.into_any(),
            };
            view! {
                <li>
                    <b><code>{sent.event_type}</code></b>" "{stored}
                    <small class="soft">{text::answered(lang)}" "{sent.answer.status}{words}</small>
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="sheet stack" role="status" aria-labelledby="sent">
            <h2 id="sent">{text::sent(lang)}</h2>
            <ul class="log">{rows}</ul>
            <div><a class="btn" href=format!("/admin/users/{user}")>{text::to_member(lang)}</a></div>
        </section>
    }
}
