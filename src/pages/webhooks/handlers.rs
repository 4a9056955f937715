//! What the links and forms about webhooks do.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    domain::{
        event::Event,
        ids::{WebhookDeliveryId, WebhookEndpointId},
        lang::Lang,
        webhook::{DeliveryState, Endpoint, KEPT_FOR, Wanted, WebhookSecret},
    },
    pages::{
        day::{NoDay, start_of_day},
        frame::{self, Frame, Section, Width},
        webhooks::{
            DeliveryView, EndpointView, ListView, SIGN_IN_AGAIN, Typed, delivery_page, endpoint_page, list_page,
            secret_page,
        },
    },
    platform::caller::{Admin, Refused, Site, failed},
    services::{
        catalogue,
        webhooks::{self, BadAddress, Change, NewEndpoint, WebhookError},
    },
    words::webhooks as text,
};

/// Deliveries on one page of the list.
const PAGE: i64 = 50;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 2_100;

/// What a link to a page may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
    #[serde(default)]
    count: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
}

fn frame(title: &'static str, width: Width, islands: bool) -> Frame {
    Frame { title, address: "/admin/webhooks", width, section: Some(Section::Webhooks), islands }
}

/// What the form of an endpoint sends, once for each event that is ticked.
fn read(form: &Bytes) -> Typed {
    let mut typed = Typed::default();
    for (name, value) in url::form_urlencoded::parse(form) {
        let short = || value.trim().chars().take(LONGEST_TYPED).collect::<String>();
        match name.as_ref() {
            "url" => typed.url = short(),
            "description" => typed.description = short(),
            "event" if typed.events.len() < 100 => typed.events.push(short()),
            _ => {}
        }
    }
    typed
}

/// Returns which events are wanted: everything if all are ticked.
fn wanted(lang: Lang, typed: &mut Typed) -> Option<Wanted> {
    match Wanted::read(&typed.events) {
        Ok(wanted) if wanted.is_all() => {}
        Ok(wanted) if wanted.names().len() == Event::KINDS.len() => return Some(Wanted::ALL),
        Ok(wanted) => return Some(wanted),
        Err(_) => {}
    }
    typed.events_error = Some(text::error_events(lang));
    None
}

/// Says what is wrong beside its field. What is not about a field comes back.
fn complain(lang: Lang, error: WebhookError, typed: &mut Typed) -> Option<WebhookError> {
    let problem = match error {
        WebhookError::Address(BadAddress::NotAnAddress) => text::error_address(lang),
        WebhookError::Address(BadAddress::NotHttps) => text::error_https(lang),
        WebhookError::Address(BadAddress::HasLogin) => text::error_login(lang),
        WebhookError::Address(BadAddress::NotPublic) => text::error_not_public(lang),
        WebhookError::LongAddress => text::error_long(lang),
        WebhookError::TooMany => text::error_many(lang),
        WebhookError::Description => {
            typed.description_error = Some(text::error_description(lang));
            return None;
        }
        error => return Some(error),
    };
    typed.url_error = Some(problem);
    None
}

/// Answers what is not about a field.
fn refused(error: &WebhookError) -> Response {
    match error {
        WebhookError::Store(error) => failed(error),
        _ => gone(),
    }
}

fn gone() -> Response {
    Redirect::to("/admin/webhooks?said=gone").into_response()
}

/// `GET /admin/webhooks`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "deleted" => Some(text::is_deleted(lang)),
        "gone" => Some(text::is_gone(lang)),
        _ => None,
    };
    list_with(&site, &admin, StatusCode::OK, said, Typed::new()).await
}

async fn list_with(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    said: Option<&'static str>,
    typed: Typed,
) -> Response {
    let endpoints = match webhooks::list(&site.env).await {
        Ok(endpoints) => endpoints,
        Err(error) => return failed(&error),
    };
    let is_fresh = admin.identity.is_fresh(site.env.clock.now());
    let view = Arc::new(ListView { said, endpoints, is_fresh, typed });
    let lang = admin.visit.origin.lang;
    let frame = frame(text::title(lang), Width::Wide, false);
    frame::render(site, &admin.visit, status, frame, move || list_page(lang, &view)).await
}

/// `POST /admin/webhooks`: makes an endpoint, and shows its secret in the answer. There is no other
/// page on which it could be shown again.
pub async fn create(State(site): State<Site>, admin: Admin, form: Bytes) -> Response {
    if !admin.identity.is_fresh(site.env.clock.now()) {
        return Redirect::to(SIGN_IN_AGAIN).into_response();
    }
    let lang = admin.visit.origin.lang;
    let mut typed = read(&form);
    if let Some(wanted) = wanted(lang, &mut typed) {
        let new = NewEndpoint { url: &typed.url, description: &typed.description, wanted };
        match webhooks::create(&site.env, new, &admin.identity.user.label()).await {
            Ok((endpoint, secret)) => return secret_shown(&site, &admin, endpoint, secret, false).await,
            Err(error) => {
                if let Some(error) = complain(lang, error, &mut typed) {
                    return refused(&error);
                }
            }
        }
    }
    list_with(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, None, typed).await
}

async fn secret_shown(
    site: &Site,
    admin: &Admin,
    endpoint: Endpoint,
    secret: WebhookSecret,
    is_rotated: bool,
) -> Response {
    let lang = admin.visit.origin.lang;
    let title = if is_rotated { text::rotated(lang) } else { text::made(lang) };
    let page = move || secret_page(lang, &endpoint, &secret, is_rotated);
    frame::render(site, &admin.visit, StatusCode::CREATED, frame(title, Width::Narrow, true), page).await
}

/// `GET /admin/webhooks/{id}`
pub async fn show(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Query(link): Query<Link>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "saved" => Some(text::is_saved(lang).to_owned()),
        "enabled" => Some(text::is_enabled(lang).to_owned()),
        "disabled" => Some(text::is_disabled(lang).to_owned()),
        "tested" => Some(text::is_tested(lang).to_owned()),
        "resent" => link.count.parse().ok().map(|count| text::resent(lang, count)),
        _ => None,
    };
    let alert = (link.said == "off").then(|| text::enable_first(lang));
    let said = Said { said, alert, ..Said::default() };
    endpoint_with(&site, &admin, StatusCode::OK, &id, &link, said).await
}

/// What a page of an endpoint says beside what there is.
#[derive(Debug, Default)]
struct Said {
    said: Option<String>,
    alert: Option<&'static str>,
    typed: Option<Typed>,
    since: String,
    since_error: Option<&'static str>,
}

async fn endpoint_with(site: &Site, admin: &Admin, status: StatusCode, id: &str, link: &Link, said: Said) -> Response {
    let env = &site.env;
    let found = match id.parse::<WebhookEndpointId>() {
        Ok(id) => webhooks::find(env, id).await,
        Err(_) => Ok(None),
    };
    let endpoint = match found {
        Ok(Some(endpoint)) => endpoint,
        Ok(None) => return Refused::NotFound.into_response(),
        Err(error) => return failed(&error),
    };
    let state = link.state.parse::<DeliveryState>().ok();
    let before = link.before.parse::<WebhookDeliveryId>().ok();
    let mut deliveries = match webhooks::deliveries(env, endpoint.id, state, before, PAGE + 1).await {
        Ok(deliveries) => deliveries,
        Err(error) => return failed(&error),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = deliveries.len() > most;
    deliveries.truncate(most);
    let address = |before: Option<WebhookDeliveryId>| {
        let state = state.map(|state| format!("state={}", state.as_str()));
        let before = before.map(|before| format!("before={before}"));
        let query: Vec<String> = [state, before].into_iter().flatten().collect();
        let path = format!("/admin/webhooks/{}", endpoint.id);
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    };
    let now = env.clock.now();
    let view = Arc::new(EndpointView {
        said: said.said,
        alert: said.alert,
        state,
        older: deliveries.last().filter(|_| has_more).map(|last| address(Some(last.id))),
        newest: before.map(|_| address(None)),
        deliveries,
        typed: said.typed.unwrap_or_else(|| Typed::of(&endpoint)),
        since: said.since,
        since_error: said.since_error,
        is_fresh: admin.identity.is_fresh(now),
        endpoint,
        now,
    });
    let lang = admin.visit.origin.lang;
    let frame = frame(text::title(lang), Width::Wide, false);
    frame::render(site, &admin.visit, status, frame, move || endpoint_page(lang, &view)).await
}

/// `POST /admin/webhooks/{id}`: changes where it is, its note, or what it wants to hear.
pub async fn change(State(site): State<Site>, admin: Admin, Path(raw): Path<String>, form: Bytes) -> Response {
    let Ok(id) = raw.parse::<WebhookEndpointId>() else { return gone() };
    let lang = admin.visit.origin.lang;
    let mut typed = read(&form);
    if let Some(wanted) = wanted(lang, &mut typed) {
        let change = Change { url: Some(&typed.url), description: Some(&typed.description), wanted: Some(wanted) };
        match webhooks::change(&site.env, id, change, &admin.identity.user.label()).await {
            Ok(_) => return Redirect::to(&format!("/admin/webhooks/{id}?said=saved")).into_response(),
            Err(error) => {
                if let Some(error) = complain(lang, error, &mut typed) {
                    return refused(&error);
                }
            }
        }
    }
    let said = Said { typed: Some(typed), ..Said::default() };
    endpoint_with(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, &raw, &Link::default(), said).await
}

/// `POST /admin/webhooks/{id}/rotate`: makes another secret, and shows it in the answer.
pub async fn rotate(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    if !admin.identity.is_fresh(site.env.clock.now()) {
        return Redirect::to(SIGN_IN_AGAIN).into_response();
    }
    let Ok(id) = id.parse::<WebhookEndpointId>() else { return gone() };
    match webhooks::rotate(&site.env, id, &admin.identity.user.label()).await {
        Ok((endpoint, secret)) => secret_shown(&site, &admin, endpoint, secret, true).await,
        Err(error) => refused(&error),
    }
}

/// `POST /admin/webhooks/{id}/enable`
pub async fn enable(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    switch(&site, &admin, &id, true).await
}

/// `POST /admin/webhooks/{id}/disable`
pub async fn disable(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    switch(&site, &admin, &id, false).await
}

async fn switch(site: &Site, admin: &Admin, id: &str, enabled: bool) -> Response {
    let Ok(id) = id.parse::<WebhookEndpointId>() else { return gone() };
    match webhooks::set_enabled(&site.env, id, enabled, &admin.identity.user.label()).await {
        Ok(_) => {
            let said = if enabled { "enabled" } else { "disabled" };
            Redirect::to(&format!("/admin/webhooks/{id}?said={said}")).into_response()
        }
        Err(error) => refused(&error),
    }
}

/// `POST /admin/webhooks/{id}/delete`
pub async fn delete(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<WebhookEndpointId>() else { return gone() };
    match webhooks::delete(&site.env, id, &admin.identity.user.label()).await {
        Ok(true) => Redirect::to("/admin/webhooks?said=deleted").into_response(),
        Ok(false) => gone(),
        Err(error) => failed(&error),
    }
}

/// `POST /admin/webhooks/{id}/test`
pub async fn send_test(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<WebhookEndpointId>() else { return gone() };
    match webhooks::send_test(&site.env, id, &admin.identity.user.label()).await {
        Ok(_) => Redirect::to(&format!("/admin/webhooks/{id}?said=tested")).into_response(),
        Err(error) => refused(&error),
    }
}

/// What the form sends by which failed deliveries are sent again.
#[derive(Debug, Deserialize)]
pub struct ResendForm {
    #[serde(default)]
    since: String,
}

/// `POST /admin/webhooks/{id}/resend`: sends failed deliveries once more.
pub async fn resend_failed(
    State(site): State<Site>,
    admin: Admin,
    Path(raw): Path<String>,
    Form(form): Form<ResendForm>,
) -> Response {
    let Ok(id) = raw.parse::<WebhookEndpointId>() else { return gone() };
    let lang = admin.visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let since = match start_of_day(&form.since, catalogue.settings.timezone) {
        Ok(since) => since.unwrap_or_else(|| site.env.clock.now() - KEPT_FOR),
        Err(NoDay) => {
            let since = form.since.chars().take(LONGEST_TYPED).collect();
            let said = Said { since, since_error: Some(text::error_day(lang)), ..Said::default() };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return endpoint_with(&site, &admin, status, &raw, &Link::default(), said).await;
        }
    };
    match webhooks::resend_failed(&site.env, id, since, &admin.identity.user.label()).await {
        Ok(count) => Redirect::to(&format!("/admin/webhooks/{id}?said=resent&count={count}")).into_response(),
        Err(WebhookError::Disabled) => Redirect::to(&format!("/admin/webhooks/{id}?said=off")).into_response(),
        Err(error) => refused(&error),
    }
}

/// `GET /admin/webhooks/{id}/deliveries/{delivery}`
pub async fn show_delivery(
    State(site): State<Site>,
    admin: Admin,
    Path((id, delivery)): Path<(String, String)>,
    Query(link): Query<Link>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let nothing = || Refused::NotFound.into_response();
    let (Ok(id), Ok(delivery)) = (id.parse::<WebhookEndpointId>(), delivery.parse::<WebhookDeliveryId>()) else {
        return nothing();
    };
    let found = (webhooks::find(&site.env, id).await, webhooks::delivery(&site.env, delivery).await);
    let (endpoint, delivery) = match found {
        (Ok(Some(endpoint)), Ok(Some(delivery))) if delivery.endpoint == endpoint.id => (endpoint, delivery),
        (Ok(_), Ok(_)) => return nothing(),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let said = (link.said == "resent").then(|| text::is_resent(lang));
    let alert = (link.said == "off").then(|| text::enable_first(lang));
    let view = Arc::new(DeliveryView { said, alert, endpoint, delivery });
    let frame = frame(text::delivery(lang), Width::Wide, false);
    frame::render(&site, &admin.visit, StatusCode::OK, frame, move || delivery_page(lang, &view)).await
}

/// `POST /admin/webhooks/{id}/deliveries/{delivery}/resend`
pub async fn resend(State(site): State<Site>, admin: Admin, Path((_, delivery)): Path<(String, String)>) -> Response {
    let Ok(id) = delivery.parse::<WebhookDeliveryId>() else { return gone() };
    let label = admin.identity.user.label();
    match webhooks::resend(&site.env, id, &label).await {
        Ok(delivery) => {
            let path = format!("/admin/webhooks/{}/deliveries/{id}?said=resent", delivery.endpoint);
            Redirect::to(&path).into_response()
        }
        Err(WebhookError::Disabled) => match webhooks::delivery(&site.env, id).await {
            Ok(Some(delivery)) => {
                let path = format!("/admin/webhooks/{}/deliveries/{id}?said=off", delivery.endpoint);
                Redirect::to(&path).into_response()
            }
            Ok(None) => gone(),
            Err(error) => failed(&error),
        },
        Err(error) => refused(&error),
    }
}
