//! /admin/mails: what was written to members, and what became of it.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, Crumb, Note, TextField},
    domain::{ids::MailId, lang::Lang, mail::MailState},
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, encode_query, failed},
    services::letters::{self, ListedMail, ResendError, WhichMails},
    words::{long_time, mails as text, number, pages},
};

/// Mails on one page of the list.
const PAGE: i64 = 50;
/// What is given back of an address that was typed, in characters.
pub(super) const LONGEST_TYPED: usize = 320;

/// What a link to the outbox may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    state: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    before: String,
    /// How many are tried again.
    #[serde(default)]
    said: String,
}

/// What the list shows.
#[derive(Debug)]
struct OutboxView {
    state: Option<MailState>,
    typed: String,
    mails: Vec<ListedMail>,
    older: Option<String>,
    newest: Option<String>,
    /// How many are tried again, if somebody has just asked for it.
    resent: Option<i64>,
}

/// The two pages about mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Outbox,
    Wording,
}

/// Draws what stands above both.
pub(super) fn head(lang: Lang, tab: Tab, intro: &'static str) -> impl IntoView + use<> {
    let link = |this: Tab, path: &'static str, name: &'static str| {
        view! { <a href=path aria-current=(this == tab).then_some("page")>{name}</a> }
    };
    view! {
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{intro}</p>
        </div>
        <nav class="tabs" aria-label=text::parts(lang)>
            {link(Tab::Outbox, "/admin/mails", text::outbox(lang))}
            {link(Tab::Wording, "/admin/mails/templates", text::wording(lang))}
        </nav>
    }
}

pub(super) fn frame(lang: Lang) -> Frame {
    Frame {
        title: text::title(lang),
        address: "/admin/mails",
        width: Width::Wide,
        section: Some(Section::Mails),
        islands: false,
    }
}

/// `GET /admin/mails`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let state = link.state.parse::<MailState>().ok();
    let typed: String = link.to.trim().chars().filter(|c| !c.is_control()).take(LONGEST_TYPED).collect();
    let before = link.before.parse::<MailId>().ok();
    let recipient = Some(typed.as_str()).filter(|typed| !typed.is_empty());
    let which = WhichMails { state, recipient, before, id: None };
    let mut mails = match letters::outbox(&site.env, which, PAGE + 1).await {
        Ok(mails) => mails,
        Err(error) => return failed(&error),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = mails.len() > most;
    mails.truncate(most);
    let last = mails.last().filter(|_| has_more).map(|last| last.id);
    let older = last.map(|last| address(state, &typed, Some(last)));
    let newest = before.map(|_| address(state, &typed, None));
    let resent = link.said.parse().ok().filter(|resent| *resent >= 0);
    let view = Arc::new(OutboxView { state, typed, mails, older, newest, resent });
    let lang = admin.visit.origin.lang;
    frame::render(&site, &admin.visit, StatusCode::OK, frame(lang), move || outbox_page(lang, &view)).await
}

fn address(state: Option<MailState>, to: &str, before: Option<MailId>) -> String {
    let state = state.map(|state| format!("state={}", state.as_str()));
    let to = Some(to).filter(|to| !to.is_empty()).map(|to| format!("to={}", encode_query(to)));
    let before = before.map(|before| format!("before={before}"));
    let query: Vec<String> = [state, to, before].into_iter().flatten().collect();
    if query.is_empty() { "/admin/mails".to_owned() } else { format!("/admin/mails?{}", query.join("&")) }
}

/// `POST /admin/mails/resend`
pub async fn resend_all(State(site): State<Site>, admin: Admin) -> Response {
    match letters::resend_all(&site.env, &admin.identity.user.label()).await {
        Ok(resent) => Redirect::to(&format!("/admin/mails?said={resent}")).into_response(),
        Err(error) => failed(&error),
    }
}

/// What a link to one mail may say.
#[derive(Debug, Default, Deserialize)]
pub struct MailLink {
    #[serde(default)]
    said: String,
}

/// `GET /admin/mails/{id}`
pub async fn show(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Query(link): Query<MailLink>,
) -> Response {
    let said = (link.said == "resent").then_some(true);
    one(&site, &admin, StatusCode::OK, &id, said).await
}

/// `POST /admin/mails/{id}/resend`
pub async fn resend(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(mail) = id.parse::<MailId>() else { return StatusCode::NOT_FOUND.into_response() };
    match letters::resend(&site.env, mail, &admin.identity.user.label()).await {
        Ok(_) => Redirect::to(&format!("/admin/mails/{mail}?said=resent")).into_response(),
        Err(ResendError::NoSuchMail) => StatusCode::NOT_FOUND.into_response(),
        Err(ResendError::NotGivenUp) => one(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, &id, Some(false)).await,
        Err(ResendError::Store(error)) => failed(&error),
    }
}

/// Shows a mail. `resent`: whether it is tried again now; nothing if nobody asked.
async fn one(site: &Site, admin: &Admin, status: StatusCode, id: &str, resent: Option<bool>) -> Response {
    let Ok(id) = id.parse::<MailId>() else { return StatusCode::NOT_FOUND.into_response() };
    let mail = match letters::find(&site.env, id).await {
        Ok(Some(mail)) => Arc::new(mail),
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return failed(&error),
    };
    let lang = admin.visit.origin.lang;
    frame::render(site, &admin.visit, status, frame(lang), move || mail_page(lang, &mail, resent)).await
}

fn time(lang: Lang, at: DateTime<Utc>) -> impl IntoView + use<> {
    view! { <time datetime=at.to_rfc3339()>{long_time(lang, at)}</time> }
}

fn badge(lang: Lang, state: MailState) -> impl IntoView + use<> {
    let class = match state {
        MailState::Sent => "badge paid",
        MailState::Failed => "badge stop",
        MailState::Waiting | MailState::Skipped => "badge",
    };
    view! { <span class=class>{text::state_name(lang, state)}</span> }
}

fn letter(lang: Lang, mail: &ListedMail) -> &'static str {
    mail.letter.map_or_else(|| text::unknown_letter(lang), |name| text::letter_name(lang, name))
}

fn outbox_page(lang: Lang, view: &OutboxView) -> impl IntoView + use<> {
    let states =
        [None, Some(MailState::Waiting), Some(MailState::Failed), Some(MailState::Sent), Some(MailState::Skipped)]
            .map(|state| {
                let name = state.map_or_else(|| text::all(lang), |state| text::state_name(lang, state));
                let is_this = state == view.state;
                let address = address(state, &view.typed, None);
                view! { <a href=address aria-current=is_this.then_some("true")>{name}</a> }
            })
            .collect_view();
    let list = if view.mails.is_empty() {
        view! { <div class="sheet empty"><b>{text::none(lang)}</b><p class="soft">{text::none_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = view.mails.iter().map(|mail| row(lang, mail)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::recipient(lang)}</th>
                            <th scope="col">{text::letter(lang)}</th>
                            <th scope="col">{text::written(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let (older, newest) = (view.older.clone(), view.newest.clone());
    let turns = (older.is_some() || newest.is_some()).then(|| {
        let newest = newest.map(|path| view! { <a href=path>{text::newest(lang)}</a> });
        let older = older.map(|path| view! { <a class="btn" href=path rel="next">{text::older(lang)}</a> });
        view! { <nav class="row between" aria-label=pages(lang)><span>{newest}</span>{older}</nav> }
    });
    let kept = view.state.map(|state| view! { <input type="hidden" name="state" value=state.as_str() /> });
    let resent = view.resent.map(|resent| view! { <Note><span>{text::are_resent(lang, resent)}</span></Note> });
    let again = (view.state == Some(MailState::Failed) && !view.mails.is_empty()).then(|| {
        view! {
            <form class="row between" method="post" action="/admin/mails/resend">
                <p class="soft">{text::resend_all_hint(lang)}</p>
                <button class="btn">{text::resend_all(lang)}</button>
            </form>
        }
    });
    view! {
        {resent}
        {head(lang, Tab::Outbox, text::intro(lang))}
        <nav class="tabs inner" aria-label=text::which(lang)>{states}</nav>
        <form class="row" method="get" action="/admin/mails" role="search">
            {kept}
            <TextField
                name="to" label=text::recipient(lang) hint=text::recipient_hint(lang) value=view.typed.clone() most="320"
            />
            <button class="btn">{text::find(lang)}</button>
        </form>
        {again}
        {list}
        {turns}
    }
}

fn row(lang: Lang, mail: &ListedMail) -> impl IntoView + use<> {
    let more = match (mail.state, mail.skipped) {
        (MailState::Skipped, Some(reason)) => Some(text::skip_reason(lang, reason).to_owned()),
        (MailState::Failed, _) => Some(text::tried(lang, mail.tries, None)),
        (MailState::Waiting, _) if mail.tries > 0 => Some(text::tried(lang, mail.tries, mail.next_try_at)),
        _ => None,
    };
    let more = more.map(|more| view! { <small class="soft">{more}</small> });
    view! {
        <tr>
            <th scope="row">
                <a class="address" href=format!("/admin/mails/{}", mail.id)>{mail.recipient.clone()}</a>
            </th>
            <td data-label=text::letter(lang)>{letter(lang, mail)}</td>
            <td data-label=text::written(lang)>{time(lang, mail.created_at)}</td>
            <td data-label=text::state(lang)><span>{badge(lang, mail.state)}{more}</span></td>
        </tr>
    }
}

fn mail_page(lang: Lang, mail: &ListedMail, resent: Option<bool>) -> impl IntoView + use<> {
    let said = match resent {
        Some(true) => Some(view! { <Note><span>{text::is_resent(lang)}</span></Note> }.into_any()),
        Some(false) => Some(view! { <Alert><span>{text::not_resent(lang)}</span></Alert> }.into_any()),
        None => None,
    };
    let fact = |name: &'static str, value: AnyView| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    let sent = mail.sent_at.map(|at| fact(text::sent_at(lang), time(lang, at).into_any()));
    let skipped =
        mail.skipped.map(|why| fact(text::why_skipped(lang), text::skip_reason(lang, why).to_owned().into_any()));
    let tries = (mail.tries > 0).then(|| fact(text::tries(lang), number(lang, mail.tries).into_any()));
    let next = mail.next_try_at.map(|at| fact(text::next_try(lang), time(lang, at).into_any()));
    let error = mail
        .last_error
        .clone()
        .map(|error| fact(text::last_error(lang), view! { <span lang="en">{error}</span> }.into_any()));
    let again = (mail.state == MailState::Failed).then(|| {
        view! {
            <form class="stack tight" method="post" action=format!("/admin/mails/{}/resend", mail.id)>
                <p class="soft">{text::resend_hint(lang)}</p>
                <div><button class="btn main">{text::resend(lang)}</button></div>
            </form>
        }
    });
    view! {
        {said}
        <Crumb path="/admin/mails" name=text::back_to_outbox(lang) />
        <div class="row between"><h1>{letter(lang, mail)}</h1>{badge(lang, mail.state)}</div>
        <section class="sheet stack" aria-label=text::mail(lang)>
            <dl class="facts">
                {fact(text::recipient(lang), view! { <span class="address">{mail.recipient.clone()}</span> }.into_any())}
                {fact(text::language_of(lang), mail.lang.own_name().into_any())}
                {fact(text::written(lang), time(lang, mail.created_at).into_any())}
                {sent}{skipped}{tries}{next}{error}
            </dl>
            {again}
        </section>
    }
}
