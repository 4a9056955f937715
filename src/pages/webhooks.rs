//! /admin/webhooks: where apps hear what happened, and what they were told.

mod handlers;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::{
    components::{Alert, CheckField, Confirm, Crumb, Note, Sheet, TextField, islands::CopyButton},
    domain::{
        event::Event,
        lang::Lang,
        webhook::{Delivery, DeliveryState, Endpoint, Try, WebhookSecret},
    },
    words::{copied, long_time, number, webhooks as text},
};

pub use handlers::{
    change, create, delete, disable, enable, list, resend, resend_failed, rotate, send_test, show, show_delivery,
};

/// Where somebody proves again that it is them, and comes back from.
const SIGN_IN_AGAIN: &str = "/login?fresh=1&next=%2Fadmin%2Fwebhooks";

/// What was typed about an endpoint, and what is wrong with it.
#[derive(Debug, Clone, Default)]
struct Typed {
    url: String,
    url_error: Option<&'static str>,
    description: String,
    description_error: Option<&'static str>,
    events: Vec<String>,
    events_error: Option<&'static str>,
}

impl Typed {
    /// Everything ticked.
    fn new() -> Self {
        Self { events: Event::KINDS.map(str::to_owned).to_vec(), ..Self::default() }
    }

    /// As an endpoint is now.
    fn of(endpoint: &Endpoint) -> Self {
        let events = Event::KINDS.into_iter().filter(|kind| endpoint.wanted.wants(kind)).map(str::to_owned).collect();
        Self { url: endpoint.url.clone(), description: endpoint.description.clone(), events, ..Self::default() }
    }
}

/// What the list shows.
#[derive(Debug)]
struct ListView {
    said: Option<&'static str>,
    endpoints: Vec<Endpoint>,
    /// Whether the sign-in is recent enough to be shown a secret.
    is_fresh: bool,
    typed: Typed,
}

/// What the page of an endpoint shows.
#[derive(Debug)]
struct EndpointView {
    said: Option<String>,
    alert: Option<&'static str>,
    endpoint: Endpoint,
    state: Option<DeliveryState>,
    deliveries: Vec<Delivery>,
    older: Option<String>,
    newest: Option<String>,
    typed: Typed,
    since: String,
    since_error: Option<&'static str>,
    is_fresh: bool,
    now: DateTime<Utc>,
}

/// What the page of a delivery shows.
#[derive(Debug)]
struct DeliveryView {
    said: Option<&'static str>,
    alert: Option<&'static str>,
    endpoint: Endpoint,
    delivery: Delivery,
}

fn time(lang: Lang, at: DateTime<Utc>) -> impl IntoView + use<> {
    view! { <time datetime=at.to_rfc3339()>{long_time(lang, at)}</time> }
}

fn fact(name: &'static str, value: AnyView) -> impl IntoView {
    view! { <dt>{name}</dt><dd class="address">{value}</dd> }
}

fn said_view(said: Option<String>, alert: Option<&'static str>) -> impl IntoView {
    view! {
        {said.map(|said| view! { <Note><span>{said}</span></Note> })}
        {alert.map(|alert| view! { <Alert><span>{alert}</span></Alert> })}
    }
}

fn endpoint_badge(lang: Lang, endpoint: &Endpoint) -> AnyView {
    match (endpoint.disabled, endpoint.failing_since) {
        (Some((since, because)), _) => view! {
            <span class="badge stop">{text::disabled(lang)}</span>
            <small class="soft">{text::because(lang, because)}", "{text::since(lang)}" "{time(lang, since)}</small>
        }
        .into_any(),
        (None, Some(since)) => view! {
            <span class="badge stop">{text::failing(lang)}</span>
            <small class="soft">{text::since(lang)}" "{time(lang, since)}</small>
        }
        .into_any(),
        (None, None) => view! { <span class="badge paid">{text::active(lang)}</span> }.into_any(),
    }
}

fn wanted(lang: Lang, endpoint: &Endpoint) -> AnyView {
    if endpoint.wanted.is_all() {
        return view! { <span>{text::all_events(lang)}</span> }.into_any();
    }
    let names = endpoint
        .wanted
        .names()
        .into_iter()
        .map(|name| view! { <code class="scope">{name.to_owned()}</code>" " })
        .collect_view();
    view! { <span>{names}</span> }.into_any()
}

fn list_page(lang: Lang, view: &ListView) -> impl IntoView + use<> {
    let list = if view.endpoints.is_empty() {
        view! { <div class="sheet empty"><b>{text::none(lang)}</b><p class="soft">{text::none_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = view.endpoints.iter().map(|endpoint| endpoint_row(lang, endpoint)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::address(lang)}</th>
                            <th scope="col">{text::events(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let new = if view.is_fresh {
        form(lang, &view.typed, "/admin/webhooks".to_owned(), text::make(lang)).into_any()
    } else {
        step_up(lang).into_any()
    };
    view! {
        {said_view(view.said.map(str::to_owned), None)}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        {list}
        <Sheet title=text::new(lang) id="new">{new}</Sheet>
    }
}

fn step_up(lang: Lang) -> impl IntoView {
    view! {
        <p class="soft">{text::step_up(lang)}</p>
        <div><a class="btn main" href=SIGN_IN_AGAIN>{crate::words::sign_in_again(lang)}</a></div>
    }
}

fn endpoint_row(lang: Lang, endpoint: &Endpoint) -> impl IntoView + use<> {
    view! {
        <tr class:over=endpoint.disabled.is_some()>
            <th scope="row">
                <a class="address" href=format!("/admin/webhooks/{}", endpoint.id)>{endpoint.url.clone()}</a>
                <small class="soft">{endpoint.description.clone()}</small>
            </th>
            <td data-label=text::events(lang)>{wanted(lang, endpoint)}</td>
            <td data-label=text::state(lang)><div class="state">{endpoint_badge(lang, endpoint)}</div></td>
        </tr>
    }
}

fn form(lang: Lang, typed: &Typed, action: String, button: &'static str) -> impl IntoView + use<> {
    let typed = typed.clone();
    let boxes = Event::KINDS
        .map(|kind| {
            let checked = typed.events.iter().any(|ticked| ticked == kind);
            view! { <CheckField name="event" value=kind label=kind hint=text::kind(lang, kind) checked=checked /> }
        })
        .collect_view();
    let error = typed.events_error.map(|error| view! { <p class="err" id="event-error">{error}</p> });
    let described = if error.is_some() { "event-error event-hint" } else { "event-hint" };
    view! {
        <form class="stack tight" method="post" action=action>
            <div class="fields">
                <TextField
                    name="url" label=text::address(lang) hint=text::address_hint(lang) value=typed.url
                    error=typed.url_error.map(str::to_owned) inputmode="url" most="2000" required=true
                />
                <TextField
                    name="description" label=text::description(lang) hint=text::description_hint(lang)
                    value=typed.description error=typed.description_error.map(str::to_owned) most="200"
                />
            </div>
            <fieldset class="checks" aria-describedby=described>
                <legend>{text::events(lang)}</legend>
                {error}
                {boxes}
                <p class="hint" id="event-hint">{text::events_hint(lang)}</p>
            </fieldset>
            <div><button class="btn main">{button}</button></div>
        </form>
    }
}

fn secret_page(lang: Lang, endpoint: &Endpoint, secret: &WebhookSecret, is_rotated: bool) -> impl IntoView + use<> {
    let title = if is_rotated { text::rotated(lang) } else { text::made(lang) };
    let secret = secret.expose().to_owned();
    view! {
        <section class="sheet stack" aria-labelledby="made">
            <div>
                <h1 id="made">{title}</h1>
                <p class="soft address">{endpoint.url.clone()}</p>
            </div>
            <p role="status">{text::shown_once(lang)}</p>
            {is_rotated.then(|| view! { <p class="soft">{text::overlap(lang)}</p> })}
            <div class="link token">
                <input readonly value=secret.clone() aria-label=text::secret(lang) spellcheck="false" />
                <CopyButton
                    text=secret label=text::copy_secret(lang).to_owned() done=copied(lang).to_owned() main=false
                />
            </div>
            <div class="row">
                <a class="btn" href=format!("/admin/webhooks/{}", endpoint.id)>{text::to_endpoint(lang)}</a>
            </div>
        </section>
    }
}

fn endpoint_page(lang: Lang, view: &EndpointView) -> impl IntoView + use<> {
    let endpoint = &view.endpoint;
    let address = format!("/admin/webhooks/{}", endpoint.id);
    let overlap = endpoint
        .previous_until
        .filter(|until| *until > view.now)
        .map(|until| fact(text::previous_signs_until(lang), time(lang, until).into_any()));
    let rotate = if view.is_fresh {
        view! {
            <Confirm
                label=text::rotate(lang) question=text::rotate_ask(lang) action=format!("{address}/rotate")
            />
        }
        .into_any()
    } else {
        view! { <a class="btn" href=SIGN_IN_AGAIN>{text::rotate(lang)}" …"</a> }.into_any()
    };
    let switch = if endpoint.disabled.is_some() {
        view! {
            <form method="post" action=format!("{address}/enable")>
                <button class="btn">{text::enable(lang)}</button>
            </form>
        }
        .into_any()
    } else {
        view! {
            <Confirm
                label=text::disable(lang) question=text::disable_ask(lang) action=format!("{address}/disable")
            />
        }
        .into_any()
    };
    let settings = form(lang, &view.typed, address.clone(), text::save(lang));
    view! {
        {said_view(view.said.clone(), view.alert)}
        <div>
            <Crumb path="/admin/webhooks" name=text::title(lang) />
            <h1 class="address">{endpoint.url.clone()}</h1>
            <p class="soft">{endpoint.description.clone()}</p>
        </div>
        <section class="sheet stack">
            <dl class="facts">
                {fact(text::state(lang), endpoint_badge(lang, endpoint))}
                {fact(text::events(lang), wanted(lang, endpoint))}
                {fact(text::made_at(lang), time(lang, endpoint.created_at).into_any())}
                {fact(text::made_by(lang), endpoint.created_by.clone().into_any())}
                {overlap}
            </dl>
            <div class="row">
                <form method="post" action=format!("{address}/test")>
                    <button class="btn main">{text::send_test(lang)}</button>
                </form>
                {rotate}
                {switch}
                <Confirm
                    label=text::delete(lang) question=text::delete_ask(lang) action=format!("{address}/delete")
                />
            </div>
        </section>
        {deliveries(lang, view, &address)}
        <Sheet title=text::settings(lang) id="settings">
            {settings}
        </Sheet>
    }
}

fn deliveries(lang: Lang, view: &EndpointView, address: &str) -> impl IntoView + use<> {
    let state_of = |state: Option<DeliveryState>| {
        let link = match state {
            Some(state) => format!("{address}?state={}", state.as_str()),
            None => address.to_owned(),
        };
        let name = state.map_or_else(|| text::all(lang), |state| text::delivery_state(lang, state));
        view! { <a href=link aria-current=(state == view.state).then_some("true")>{name}</a> }
    };
    let states = [None].into_iter().chain(DeliveryState::ALL.map(Some)).map(state_of).collect_view();
    let list = if view.deliveries.is_empty() {
        view! {
            <div class="sheet empty"><b>{text::no_deliveries(lang)}</b><p class="soft">{text::no_deliveries_hint(lang)}</p></div>
        }
        .into_any()
    } else {
        let rows = view.deliveries.iter().map(|delivery| delivery_row(lang, delivery)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::event(lang)}</th>
                            <th scope="col">{text::when(lang)}</th>
                            <th scope="col">{text::answer(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let (newest, older) = (view.newest.clone(), view.older.clone());
    let turns = (newest.is_some() || older.is_some()).then(|| {
        let newest = newest.map(|path| view! { <a href=path>{text::newest(lang)}</a> });
        let older = older.map(|path| view! { <a class="btn" href=path rel="next">{text::older(lang)}</a> });
        view! { <nav class="row between" aria-label=crate::words::pages(lang)><span>{newest}</span>{older}</nav> }
    });
    let (action, since) = (format!("{address}/resend"), view.since.clone());
    let since_error = view.since_error.map(str::to_owned);
    let resend = view.endpoint.disabled.is_none().then(|| {
        view! {
            <Sheet title=text::resend_failed(lang) id="resend">
                <form class="stack tight" method="post" action=action>
                    <TextField
                        name="since" label=text::from_day(lang) hint=text::from_day_hint(lang) kind="date"
                        value=since error=since_error
                    />
                    <div><button class="btn">{text::resend(lang)}</button></div>
                </form>
            </Sheet>
        }
    });
    view! {
        <h2>{text::deliveries(lang)}</h2>
        <nav class="tabs inner" aria-label=text::which(lang)>{states}</nav>
        {list}
        {turns}
        {resend}
    }
}

fn state_badge(lang: Lang, state: DeliveryState) -> impl IntoView + use<> {
    let class = match state {
        DeliveryState::Delivered => "badge paid",
        DeliveryState::Failed => "badge stop",
        DeliveryState::Pending => "badge",
    };
    view! { <span class=class>{text::delivery_state(lang, state)}</span> }
}

fn answer_of(lang: Lang, tried: Option<&Try>) -> AnyView {
    match tried {
        None => view! { <span class="soft">{text::not_tried(lang)}</span> }.into_any(),
        Some(Try { status: Some(status), duration_ms, .. }) => text::answered(lang, *status, *duration_ms).into_any(),
        Some(Try { error, .. }) => {
            let error = error.clone().unwrap_or_default();
            match text::problem(lang, &error) {
                Some(told) => view! { <small class="soft">{told}</small> }.into_any(),
                None => view! { <small class="soft" lang="en">{error}</small> }.into_any(),
            }
        }
    }
}

fn delivery_row(lang: Lang, delivery: &Delivery) -> impl IntoView + use<> {
    let path = format!("/admin/webhooks/{}/deliveries/{}", delivery.endpoint, delivery.id);
    view! {
        <tr>
            <th scope="row">
                <a href=path>{delivery.kind.clone()}</a>
                <small class="soft">{text::kind(lang, &delivery.kind)}</small>
            </th>
            <td data-label=text::when(lang)>{time(lang, delivery.created_at)}</td>
            <td data-label=text::answer(lang)><span>{answer_of(lang, delivery.tried.as_ref())}</span></td>
            <td data-label=text::state(lang)><div class="state">{state_badge(lang, delivery.state)}</div></td>
        </tr>
    }
}

fn delivery_page(lang: Lang, view: &DeliveryView) -> impl IntoView + use<> {
    let (endpoint, delivery) = (&view.endpoint, &view.delivery);
    let address = format!("/admin/webhooks/{}", endpoint.id);
    let code = |value: &str| view! { <code>{value.to_owned()}</code> }.into_any();
    let whom = delivery.user.map(|user| {
        let link = view! { <a class="address" href=format!("/admin/users/{user}")>{user.to_string()}</a> };
        fact(text::whom(lang), link.into_any())
    });
    let next = (delivery.state == DeliveryState::Pending)
        .then(|| fact(text::next_try(lang), time(lang, delivery.next_try_at).into_any()));
    let tried = delivery.tried.as_ref();
    let last = tried.map(|tried| fact(text::last_try(lang), time(lang, tried.at).into_any()));
    let error = tried.and_then(|tried| tried.error.clone()).map(|error| {
        let told = text::problem(lang, &error).map(|told| view! { <span class="err">{told}</span>" " });
        let raw = if told.is_some() { "soft" } else { "err" };
        fact(text::error(lang), view! { {told}<span class=raw id="error" lang="en">{error}</span> }.into_any())
    });
    let resend = endpoint.disabled.is_none().then(|| {
        view! {
            <form method="post" action=format!("{address}/deliveries/{}/resend", delivery.id)>
                <button class="btn">{text::resend(lang)}</button>
            </form>
        }
    });
    let response = tried.map(|tried| {
        let body = match (&tried.response, tried.status) {
            (Some(body), _) if !body.trim().is_empty() => view! {
                <pre class="payload" tabindex="0" role="region" aria-labelledby="response">{body.clone()}</pre>
            }
            .into_any(),
            (_, Some(_)) => view! { <p class="soft">{text::empty_response(lang)}</p> }.into_any(),
            (_, None) => view! { <p class="soft">{text::no_response(lang)}</p> }.into_any(),
        };
        let status = tried.status.map(|status| {
            let answered = text::answered(lang, status, tried.duration_ms);
            view! { <p>{answered}</p> }
        });
        view! { <Sheet title=text::response(lang) id="response">{status}{body}</Sheet> }
    });
    let request = request_of(endpoint, delivery);
    view! {
        {said_view(view.said.map(str::to_owned), view.alert)}
        <div>
            <Crumb path=address.clone() name=endpoint.url.clone() />
            <div class="row between">
                <h1>{delivery.kind.clone()}</h1>
                {state_badge(lang, delivery.state)}
            </div>
        </div>
        <section class="sheet stack">
            <dl class="facts">
                {fact(text::message_id(lang), code(&delivery.event_id))}
                {whom}
                {fact(text::happened(lang), time(lang, delivery.created_at).into_any())}
                {fact(text::attempts(lang), number(lang, delivery.attempts).into_any())}
                {last}
                {next}
                {error}
            </dl>
            {resend}
        </section>
        <Sheet title=text::request(lang) id="request">
            <pre class="payload" tabindex="0" role="region" aria-labelledby="request">{request}</pre>
        </Sheet>
        {response}
    }
}

/// Returns the request as it was sent, or would be: headers and body.
fn request_of(endpoint: &Endpoint, delivery: &Delivery) -> String {
    let mut lines = vec![format!("POST {}", endpoint.url), "content-type: application/json".to_owned()];
    let headers = delivery.tried.iter().flat_map(|tried| &tried.headers);
    lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
    format!("{}\n\n{}", lines.join("\n"), pretty(&delivery.payload))
}

/// Returns JSON with a line for each value; what is none as it is.
fn pretty(payload: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(payload) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| payload.to_owned()),
        Err(_) => payload.to_owned(),
    }
}
