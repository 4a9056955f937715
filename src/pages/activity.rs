//! /admin/activity: the log, searched and exported.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::DateTime;
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{SelectField, TextField},
    domain::{ids::ActivityId, lang::Lang},
    pages::{
        day::{end_of_day, start_of_day},
        frame::{self, Frame, Section, Width},
    },
    platform::{
        caller::{Admin, Site, encode_query, failed},
        stream,
    },
    services::{
        activity::{self, ActivityError, Filter, Format, ListedActivity},
        catalogue, members,
    },
    words::{self, activity as text, long_time, pages},
};

/// Lines on one page.
const PAGE: i64 = 50;
/// What is read of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 300;

/// What a link to the log may say.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    member: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    ip: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    format: String,
}

/// What is wrong with what is asked for.
#[derive(Debug, Clone, Default)]
struct Complaints {
    member: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// What the page shows.
#[derive(Debug)]
struct ActivityView {
    asked: Link,
    complaints: Complaints,
    actions: Vec<String>,
    lines: Vec<ListedActivity>,
    older: Option<String>,
}

impl Link {
    /// Nobody asks for what is too long to have been typed.
    fn shortened(mut self) -> Self {
        for field in [&mut self.member, &mut self.actor, &mut self.action, &mut self.from, &mut self.to, &mut self.ip] {
            *field = field.trim().chars().filter(|c| !c.is_control()).take(LONGEST_TYPED).collect();
        }
        self
    }

    fn is_filtered(&self) -> bool {
        [&self.member, &self.actor, &self.action, &self.from, &self.to, &self.ip].iter().any(|field| !field.is_empty())
    }

    /// Returns the conditions as they stand in a link.
    fn query(&self, last: (&str, &str)) -> String {
        let fields = [
            ("member", self.member.as_str()),
            ("actor", &self.actor),
            ("action", &self.action),
            ("from", &self.from),
            ("to", &self.to),
            ("ip", &self.ip),
            last,
        ];
        let set: Vec<String> = fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", encode_query(value)))
            .collect();
        set.join("&")
    }

    /// Reads the conditions; what cannot be read is said beside it.
    async fn read(&self, site: &Site, lang: Lang) -> Result<Result<Filter, Complaints>, ActivityError> {
        let zone = catalogue::current(&site.env).await?.settings.timezone;
        let mut complaints = Complaints::default();
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let from = start_of_day(&self.from, zone).unwrap_or_else(|_| {
            complaints.from = some(text::error_day(lang));
            None
        });
        let to = end_of_day(&self.to, zone).unwrap_or_else(|_| {
            complaints.to = some(text::error_day(lang));
            None
        });
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            complaints.to = some(text::error_days(lang));
        }
        let mut user = None;
        if !self.member.is_empty() {
            match members::find(&site.env, &self.member).await? {
                Some(found) => user = Some(found.id),
                None => complaints.member = some(text::error_member(lang)),
            }
        }
        if complaints.member.is_some() || complaints.from.is_some() || complaints.to.is_some() {
            return Ok(Err(complaints));
        }
        let filter =
            Filter { user, actor: some(&self.actor), action: some(&self.action), address: some(&self.ip), from, to };
        Ok(Ok(filter))
    }
}

/// `GET /admin/activity`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let asked = link.shortened();
    let (filter, actions) = match (asked.read(&site, lang).await, activity::actions(&site.env).await) {
        (Ok(filter), Ok(actions)) => (filter, actions),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let (status, complaints, mut lines) = match filter {
        Ok(filter) => {
            let before = asked.before.parse::<ActivityId>().ok();
            match activity::page(&site.env, &filter, before, PAGE + 1).await {
                Ok(lines) => (StatusCode::OK, Complaints::default(), lines),
                Err(error) => return failed(&error),
            }
        }
        Err(complaints) => (StatusCode::UNPROCESSABLE_ENTITY, complaints, Vec::new()),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = lines.len() > most;
    lines.truncate(most);
    let older = lines
        .last()
        .filter(|_| has_more)
        .map(|last| format!("/admin/activity?{}", asked.query(("before", &last.line.id.to_string()))));
    let view = Arc::new(ActivityView { asked, complaints, actions, lines, older });
    let frame = Frame {
        title: words::activity_word(lang),
        address: "/admin/activity",
        width: Width::Wide,
        section: Some(Section::Activity),
        islands: false,
    };
    frame::render(&site, &admin.visit, status, frame, move || activity_page(lang, &view)).await
}

/// `GET /admin/activity/export`: all lines that fit, as a file that is written while it is sent.
pub async fn export(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let format: Format = link.format.parse().unwrap_or(Format::Csv);
    let asked = link.shortened();
    let filter = match asked.read(&site, admin.visit.origin.lang).await {
        Ok(Ok(filter)) => filter,
        Ok(Err(_)) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Err(error) => return failed(&error),
    };
    let (pieces, body) = stream::body();
    tokio::spawn(async move { activity::export(&site.env, &filter, format, pieces).await });
    let disposition = format!("attachment; filename=\"activity.{}\"", format.as_str());
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, body).into_response()
}

fn activity_page(lang: Lang, view: &ActivityView) -> impl IntoView + use<> {
    let is_filtered = view.asked.is_filtered();
    let list = if view.lines.is_empty() {
        let (title, hint) = match is_filtered || !view.asked.before.is_empty() {
            true => (text::none(lang), text::none_hint(lang)),
            false => (text::empty(lang), text::empty_hint(lang)),
        };
        view! { <div class="sheet empty"><b>{title}</b><p class="soft">{hint}</p></div> }.into_any()
    } else {
        let rows = view.lines.iter().map(|listed| row(lang, listed)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::what(lang)}</th>
                            <th scope="col">{text::whom(lang)}</th>
                            <th scope="col">{text::details(lang)}</th>
                            <th scope="col">{text::from_where(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| view! { <a class="btn" href=older rel="next">{text::older(lang)}</a> });
    let newest = (!view.asked.before.is_empty()).then(|| {
        let first = format!("/admin/activity?{}", view.asked.query(("", "")));
        view! { <a class="btn" href=first>{text::newest(lang)}</a> }
    });
    let file = |format: &str| format!("/admin/activity/export?{}", view.asked.query(("format", format)));
    let export = (!view.lines.is_empty()).then(|| {
        view! {
            <p class="row">
                <span class="soft">{text::export(lang)}</span>
                <a href=file("csv") download="activity.csv">{text::as_csv(lang)}</a>
                <a href=file("jsonl") download="activity.jsonl">{text::as_lines(lang)}</a>
            </p>
        }
    });
    view! {
        <div>
            <h1>{words::activity_word(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        {form(lang, view)}
        {list}
        <nav class="row end" aria-label=pages(lang)>{newest}{older}</nav>
        {export}
    }
}

fn form(lang: Lang, view: &ActivityView) -> impl IntoView + use<> {
    let (asked, complaints) = (view.asked.clone(), view.complaints.clone());
    let mut actions = vec![(String::new(), text::any(lang).to_owned())];
    let mut known: Vec<_> = view.actions.iter().map(|action| (action.clone(), words::action(lang, action))).collect();
    known.sort_by(|one, other| one.1.cmp(&other.1));
    actions.extend(known);
    if !asked.action.is_empty() && !view.actions.contains(&asked.action) {
        actions.push((asked.action.clone(), words::action(lang, &asked.action)));
    }
    let show_all = view.asked.is_filtered().then(|| view! { <a href="/admin/activity">{text::show_all(lang)}</a> });
    view! {
        <form class="sheet stack tight" method="get" action="/admin/activity" role="search">
            <div class="fields">
                <TextField
                    name="member" label=text::member(lang) hint=text::member_hint(lang) value=asked.member
                    error=complaints.member most="300"
                />
                <TextField name="actor" label=text::actor(lang) hint=text::actor_hint(lang) value=asked.actor most="300" />
                <SelectField name="action" label=text::action(lang) options=actions chosen=asked.action />
                <TextField name="from" label=text::from(lang) value=asked.from error=complaints.from kind="date" />
                <TextField name="to" label=text::to(lang) value=asked.to error=complaints.to kind="date" />
                <TextField name="ip" label=text::address(lang) hint=text::address_hint(lang) value=asked.ip most="60" />
            </div>
            <div class="row"><button class="btn main">{text::filter(lang)}</button>{show_all}</div>
        </form>
    }
}

fn row(lang: Lang, listed: &ListedActivity) -> impl IntoView + use<> {
    let line = &listed.line;
    let member = line.user_id.map(|id| match listed.member.clone() {
        Some(label) => view! { <a class="address" href=format!("/admin/users/{id}")>{label}</a> }.into_any(),
        None => view! { <span class="soft">{text::gone(lang)}</span> }.into_any(),
    });
    let address = line.ip_address.clone().map(|address| view! { <code class="address">{address}</code> });
    let browser = line.user_agent.clone().map(|agent| view! { <small class="soft address">{agent}</small> });
    // A cell with nothing in it is left out on a phone.
    let from_where = (address.is_some() || browser.is_some()).then(|| view! { <span>{address}{browser}</span> });
    let at = line.created_at;
    view! {
        <tr>
            <th scope="row">
                <b>{words::action(lang, &line.action)}</b>
                <small><span class="address">{line.actor.clone()}</span></small>
                <small class="soft"><time datetime=at.to_rfc3339()>{long_time(lang, at)}</time></small>
            </th>
            <td data-label=text::whom(lang)>{member}</td>
            <td data-label=text::details(lang)>{details(lang, &line.details)}</td>
            <td data-label=text::from_where(lang)>{from_where}</td>
        </tr>
    }
}

/// The particulars as names and values; what is inside of a value as JSON. Ids lead to what they name, where that has
/// a page, and are cut short elsewhere: the export has them in full.
pub(super) fn details(lang: Lang, details: &serde_json::Value) -> Option<AnyView> {
    let map = details.as_object().filter(|map| !map.is_empty())?;
    let entries = map
        .iter()
        .map(|(name, value)| {
            let value = match value {
                serde_json::Value::String(text) => text_of(lang, name, text),
                serde_json::Value::Null => "–".into_any(),
                serde_json::Value::Bool(is_so) => text::yes_or_no(lang, *is_so).into_any(),
                other => other.to_string().into_any(),
            };
            view! { <div><dt>{text::detail(lang, name)}</dt><dd class="address">{value}</dd></div> }
        })
        .collect_view();
    Some(view! { <dl class="details">{entries}</dl> }.into_any())
}

/// The end of an id: the beginning is the time, which neighbours share.
const END_OF_ID: usize = 8;

fn text_of(lang: Lang, name: &str, value: &str) -> AnyView {
    if let Ok(at) = DateTime::parse_from_rfc3339(value) {
        let at = at.to_utc();
        return view! { <time datetime=at.to_rfc3339()>{long_time(lang, at)}</time> }.into_any();
    }
    if value.parse::<ActivityId>().is_err() {
        return value.to_owned().into_any();
    }
    let short = format!("…{}", &value[value.len().saturating_sub(END_OF_ID)..]);
    let folder = match name {
        "user" => "users",
        "partner" => "partners",
        "rule" => "bonus",
        "endpoint" => "webhooks",
        "mail" => "mails",
        "batch" => "coupons/batches",
        _ => return view! { <code title=value.to_owned()>{short}</code> }.into_any(),
    };
    view! { <a href=format!("/admin/{folder}/{value}")>{short}</a> }.into_any()
}
