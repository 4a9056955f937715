//! /unsubscribe/{token}: doing without a kind of letters, from a link in one of them. Whoever has the
//! link may, signed in or not; looking at it changes nothing, because programs look at links, too.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;

use crate::{
    domain::{lang::Lang, letter::MailCategory},
    pages::frame::{self, Frame, Width},
    platform::caller::{Site, Visit, failed},
    services::mail_preferences::{self, PreferenceError},
    words::mails as text,
};

/// What a mail program sends, by itself (RFC 8058 §3.2): a form in either encoding.
const ONE_CLICK: [&[u8]; 2] = [b"List-Unsubscribe", b"One-Click"];

/// `GET /unsubscribe/{token}`
pub async fn show(State(site): State<Site>, visit: Visit, Path(token): Path<String>) -> Response {
    page(&site, &visit, StatusCode::OK, token).await
}

/// `POST /unsubscribe/{token}`
pub async fn submit(State(site): State<Site>, visit: Visit, Path(token): Path<String>, body: Bytes) -> Response {
    let is_one_click = ONE_CLICK.iter().all(|word| body.windows(word.len()).any(|part| part == *word));
    // Our own buttons send one field.
    let wanted = match &*body {
        b"wanted=no" => Some(false),
        b"wanted=yes" => Some(true),
        _ if is_one_click => Some(false),
        _ => None,
    };
    let Some(wanted) = wanted else { return page(&site, &visit, StatusCode::UNPROCESSABLE_ENTITY, token).await };
    match mail_preferences::set_by_token(&site.env, &token, wanted).await {
        // Nobody reads it, and a program need not follow where else it could be sent.
        Ok(_) if is_one_click => "You are unsubscribed.\n".into_response(),
        Ok(_) => Redirect::to(&format!("/unsubscribe/{token}")).into_response(),
        Err(PreferenceError::Store(error)) => failed(&error),
        Err(PreferenceError::BadToken | PreferenceError::NoSuchMember) => {
            page(&site, &visit, StatusCode::NOT_FOUND, token).await
        }
    }
}

async fn page(site: &Site, visit: &Visit, status: StatusCode, token: String) -> Response {
    let lang = visit.origin.lang;
    let choice = match mail_preferences::by_token(&site.env, &token).await {
        Ok((_, category, wanted)) => Some((category, wanted)),
        Err(PreferenceError::Store(error)) => return failed(&error),
        Err(PreferenceError::BadToken | PreferenceError::NoSuchMember) => None,
    };
    let status = if choice.is_some() { status } else { StatusCode::NOT_FOUND };
    let frame = Frame {
        title: text::unsubscribe_title(lang),
        address: "/settings",
        width: Width::Tiny,
        section: None,
        islands: false,
    };
    frame::render(site, visit, status, frame, move || unsubscribe_page(lang, &token, choice)).await
}

fn unsubscribe_page(lang: Lang, token: &str, choice: Option<(MailCategory, bool)>) -> impl IntoView + use<> {
    let Some((category, is_wanted)) = choice else {
        return view! {
            <div class="sheet stack">
                <h1>{text::bad_link(lang)}</h1>
                <p class="soft">{text::bad_link_hint(lang)}</p>
            </div>
        }
        .into_any();
    };
    let (said, value, button) = if is_wanted {
        (text::ask_unsubscribe(lang, category), "no", text::unsubscribe(lang))
    } else {
        (text::is_unsubscribed(lang, category), "yes", text::subscribe_again(lang))
    };
    let class = if is_wanted { "btn main" } else { "btn" };
    view! {
        <form class="sheet stack" method="post" action=format!("/unsubscribe/{token}")>
            <h1>{text::unsubscribe_title(lang)}</h1>
            <p role="status">{said}</p>
            <button class=class name="wanted" value=value>{button}</button>
            <p class="soft"><a href="/settings">{text::more_in_settings(lang)}</a></p>
        </form>
    }
    .into_any()
}
