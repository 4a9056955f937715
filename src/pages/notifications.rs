//! /admin/notifications: what may need a person, and by which ways it is told.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{CheckField, Note, SelectField, Sheet, TextField},
    domain::{
        ids::NotificationId,
        lang::Lang,
        notification::{Kind, Notification, Shape, Ways},
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue,
        notifications::{self, ChatChange, Reader, Settings, SettingsError},
    },
    words::{long_time, notifications as text, pages},
};

/// Notifications on one page of the list.
const PAGE: i64 = 50;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 2_001;

/// What a link to the notifications may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    show: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// What the list shows.
#[derive(Debug)]
struct NotificationsView {
    said: Option<&'static str>,
    all: bool,
    notifications: Vec<Notification>,
    unread: i64,
    /// Where the older ones are.
    older: Option<String>,
    /// When this page was made: what came later is not marked as read by it.
    seen: String,
}

/// `GET /admin/notifications`: those that are unread first; all of them behind a link.
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let all = link.show == "all";
    let reader = Reader::Admin(admin.identity.user.id);
    let is_read = (!all).then_some(false);
    let before = link.before.parse::<NotificationId>().ok();
    let seen = site.env.clock.now().to_rfc3339();
    let (found, unread) = match (
        notifications::list(&site.env, reader, is_read, before, PAGE + 1).await,
        notifications::unread_count(&site.env, reader).await,
    ) {
        (Ok(found), Ok(unread)) => (found, unread),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let mut notifications = found;
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = notifications.len() > most;
    notifications.truncate(most);
    let mark = if all { "show=all&" } else { "" };
    let older =
        notifications.last().filter(|_| has_more).map(|last| format!("/admin/notifications?{mark}before={}", last.id));
    let said = match link.said.as_str() {
        "read" => Some(text::is_read(lang)),
        "all-read" => Some(text::all_read(lang)),
        "gone" => Some(text::gone(lang)),
        _ => None,
    };
    let view = Arc::new(NotificationsView { said, all, notifications, unread, older, seen });
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/notifications",
        width: Width::Wide,
        section: Some(Section::Notifications),
        islands: false,
    };
    frame::render(&site, &admin.visit, StatusCode::OK, frame, move || list_page(lang, &view)).await
}

/// `POST /admin/notifications/{id}/read`
pub async fn mark_read(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<NotificationId>() else {
        return Redirect::to("/admin/notifications?said=gone").into_response();
    };
    match notifications::mark_read(&site.env, Reader::Admin(admin.identity.user.id), id).await {
        Ok(Some(_)) => Redirect::to("/admin/notifications?said=read").into_response(),
        Ok(None) => Redirect::to("/admin/notifications?said=gone").into_response(),
        Err(error) => failed(&error),
    }
}

/// What the button for all sends.
#[derive(Debug, Default, Deserialize)]
pub struct AllForm {
    /// When the page was made on which it stood.
    #[serde(default)]
    seen: String,
}

/// `POST /admin/notifications/read`: marks everything that was there when the page was made.
pub async fn mark_all_read(State(site): State<Site>, admin: Admin, Form(form): Form<AllForm>) -> Response {
    let seen = DateTime::parse_from_rfc3339(&form.seen).map(|seen| seen.to_utc());
    // Without a time that can be read it is now.
    let seen: DateTime<Utc> = seen.unwrap_or_else(|_| site.env.clock.now());
    match notifications::mark_all_read(&site.env, Reader::Admin(admin.identity.user.id), seen).await {
        Ok(_) => Redirect::to("/admin/notifications?said=all-read").into_response(),
        Err(error) => failed(&error),
    }
}

fn tabs(lang: Lang, current: &str) -> impl IntoView + use<> {
    let tabs = [
        ("/admin/notifications", text::unread_ones(lang), "unread"),
        ("/admin/notifications?show=all", text::all(lang), "all"),
        ("/admin/notifications/settings", text::settings_tab(lang), "settings"),
    ];
    let tabs = tabs.map(|(path, name, this)| {
        let is_this = this == current;
        view! { <a href=path aria-current=is_this.then_some("true")>{name}</a> }
    });
    view! { <nav class="tabs" aria-label=text::which(lang)>{tabs.into_iter().collect_view()}</nav> }
}

fn list_page(lang: Lang, view: &NotificationsView) -> impl IntoView + use<> {
    let list = if view.notifications.is_empty() {
        view! { <div class="sheet empty"><b>{text::none(lang)}</b><p class="soft">{text::none_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = view.notifications.iter().map(|notification| row(lang, notification)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::what(lang)}</th>
                            <th scope="col">{text::when(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{text::older(lang)}</a></nav> }
    });
    let all_read = (view.unread > 0).then(|| {
        view! {
            <form method="post" action="/admin/notifications/read">
                <input type="hidden" name="seen" value=view.seen.clone() />
                <button class="btn">{text::mark_all_read(lang)}</button>
            </form>
        }
    });
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div class="row between">
            <div>
                <h1>{text::title(lang)}</h1>
                <p class="soft">{text::intro(lang)}</p>
            </div>
            {all_read}
        </div>
        {tabs(lang, if view.all { "all" } else { "unread" })}
        {list}
        {older}
    }
}

fn row(lang: Lang, notification: &Notification) -> impl IntoView + use<> {
    let Notification { id, occurrence, count, first_at, last_at, is_read } = notification;
    let title = occurrence.kind().title(lang);
    let often = (*count > 1)
        .then(|| view! { <small class="soft">{text::times_since(lang, *count, &long_time(lang, *first_at))}</small> });
    let state = if *is_read {
        view! { <span class="badge">{text::read(lang)}</span> }.into_any()
    } else {
        let described = format!("{}: {title}", text::mark_read(lang));
        view! {
            <span class="badge stop">{text::new(lang)}</span>
            <form method="post" action=format!("/admin/notifications/{id}/read")>
                <button class="btn quiet" aria-label=described>{text::mark_read(lang)}</button>
            </form>
        }
        .into_any()
    };
    view! {
        <tr class:over=*is_read>
            <th scope="row">
                <a href=occurrence.path()>{title}</a>
                <small class="soft">{occurrence.about(lang)}</small>
            </th>
            <td data-label=text::when(lang)>
                <span><time datetime=last_at.to_rfc3339()>{long_time(lang, *last_at)}</time>{often}</span>
            </td>
            <td data-label=text::state(lang)><div class="state">{state}</div></td>
        </tr>
    }
}

/// What a link to the settings may say.
#[derive(Debug, Default, Deserialize)]
pub struct SettingsLink {
    #[serde(default)]
    said: String,
}

/// What the page of settings shows.
#[derive(Debug)]
struct SettingsView {
    said: Option<&'static str>,
    settings: Settings,
    zone: &'static str,
    typed: SettingsForm,
    problem: Option<String>,
}

/// `GET /admin/notifications/settings`
pub async fn settings(State(site): State<Site>, admin: Admin, Query(link): Query<SettingsLink>) -> Response {
    let said = (link.said == "saved").then(|| text::saved(admin.visit.origin.lang));
    settings_page_of(&site, &admin, StatusCode::OK, said, SettingsForm::default(), None).await
}

async fn settings_page_of(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    said: Option<&'static str>,
    typed: SettingsForm,
    problem: Option<String>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let (mut settings, zone) = match (notifications::settings(&site.env).await, catalogue::current(&site.env).await) {
        (Ok(settings), Ok(catalogue)) => (settings, catalogue.settings.timezone.name()),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    if problem.is_some() {
        // What was ticked stays ticked.
        settings.ways = typed.ways();
    }
    let view = Arc::new(SettingsView { said, settings, zone, typed, problem });
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/notifications/settings",
        width: Width::Wide,
        section: Some(Section::Notifications),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || settings_page(lang, &view)).await
}

/// What the form of the settings sends: a field for each box that is ticked.
#[derive(Debug, Clone, Default)]
pub struct SettingsForm {
    ticked: Vec<String>,
    address: String,
    shape: String,
    remove: bool,
}

impl SettingsForm {
    fn read(fields: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "way" => form.ticked.push(value),
                "address" => form.address = value.trim().chars().take(LONGEST_TYPED).collect(),
                "shape" => form.shape = value,
                "remove" => form.remove = true,
                _ => {}
            }
        }
        form
    }

    fn ways(&self) -> Vec<(Kind, Ways)> {
        let is_ticked = |kind: Kind, way: &str| self.ticked.iter().any(|ticked| *ticked == box_of(kind, way));
        let ways = |kind: Kind| Ways {
            in_app: is_ticked(kind, "in_app"),
            digest: is_ticked(kind, "digest"),
            webhook: is_ticked(kind, "webhook"),
        };
        Kind::ALL.map(|kind| (kind, ways(kind))).to_vec()
    }
}

fn box_of(kind: Kind, way: &str) -> String {
    format!("{}.{way}", kind.as_str())
}

/// `POST /admin/notifications/settings`
pub async fn change_settings(
    State(site): State<Site>,
    admin: Admin,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let form = SettingsForm::read(fields);
    let shape = form.shape.parse::<Shape>().ok();
    let chat = match (form.remove, form.address.as_str()) {
        (true, _) => ChatChange::Remove,
        (false, "") => ChatChange::Keep,
        (false, address) => ChatChange::Set(address, shape),
    };
    match notifications::change_settings(&site.env, &form.ways(), chat, &admin.identity.user.label()).await {
        Ok(_) => Redirect::to("/admin/notifications/settings?said=saved").into_response(),
        Err(SettingsError::Store(error)) => failed(&error),
        Err(SettingsError::Address(_) | SettingsError::TooLong) => {
            let problem = Some(text::error_address(lang).to_owned());
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            settings_page_of(&site, &admin, status, None, form.clone(), problem).await
        }
    }
}

fn settings_page(lang: Lang, view: &SettingsView) -> impl IntoView + use<> {
    let settings = &view.settings;
    let rows = settings
        .ways
        .iter()
        .map(|(kind, ways)| {
            let kind = *kind;
            let cell = |way: &'static str, name: &'static str, is_on: bool| {
                let described = text::way_of(kind, lang, name);
                view! {
                    <td data-label=name>
                        <label class="check">
                            <input
                                type="checkbox" name="way" value=box_of(kind, way) checked=is_on aria-label=described
                            />
                        </label>
                    </td>
                }
            };
            let letter = (kind == Kind::PaymentEventDead).then(|| {
                view! { <small class="soft">{text::by_letter(lang)}</small> }
            });
            view! {
                <tr>
                    <th scope="row">{kind.title(lang)}{letter}</th>
                    {cell("in_app", text::in_app(lang), ways.in_app)}
                    {cell("digest", text::digest(lang), ways.digest)}
                    {cell("webhook", text::webhook(lang), ways.webhook)}
                </tr>
            }
        })
        .collect_view();
    let told = match &settings.chat {
        Some(chat) => {
            view! { <p><b>{text::is_told(lang, &chat.host)}</b>" "<span class="soft">{text::shape_name(chat.shape)}</span></p> }
                .into_any()
        }
        None => view! { <p class="soft">{text::no_chat(lang)}</p> }.into_any(),
    };
    let remove = settings.chat.is_some().then(|| {
        view! {
            <CheckField
                name="remove" label=text::remove_chat(lang) hint=text::remove_chat_hint(lang)
                checked=view.typed.remove
            />
        }
    });
    let by_host = [(String::new(), text::by_host(lang).to_owned())].into_iter();
    let shapes = Shape::ALL.map(|shape| (shape.as_str().to_owned(), text::shape_name(shape).to_owned()));
    let shapes: Vec<_> = by_host.chain(shapes).collect();
    let digest_hour = text::digest_hour(lang, settings.digest_hour, view.zone);
    let SettingsForm { address, shape, .. } = view.typed.clone();
    let problem = view.problem.clone();
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        {tabs(lang, "settings")}
        <form class="stack" method="post" action="/admin/notifications/settings">
            <Sheet title=text::ways(lang) id="ways">
                <p class="soft">{digest_hour}</p>
                <div class="flush">
                    <table class="rows boxes">
                        <thead>
                            <tr>
                                <th scope="col">{text::kind(lang)}</th>
                                <th scope="col">{text::in_app(lang)}</th>
                                <th scope="col">{text::digest(lang)}</th>
                                <th scope="col">{text::webhook(lang)}</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </Sheet>
            <Sheet title=text::chat(lang) id="chat">
                <p class="soft">{text::chat_intro(lang)}</p>
                {told}
                <div class="fields">
                    <TextField
                        name="address" label=text::address(lang) hint=text::address_hint(lang) kind="url"
                        value=address error=problem most="2000"
                    />
                    <SelectField name="shape" label=text::shape(lang) options=shapes chosen=shape />
                </div>
                {remove}
            </Sheet>
            <div><button class="btn main">{text::save(lang)}</button></div>
        </form>
    }
}
