//! /invitation/{token}: what the link in an invitation's mail opens. It says who invites and to what,
//! and begins a sign-in with the address filled in; the code accepts.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;

use crate::{
    components::Alert,
    domain::{email::EmailAddress, invitation::InvitationState, lang::Lang, login::FLOW_LIFETIME},
    pages::frame::{self, Frame, Width},
    platform::{
        caller::{Site, Visit, failed},
        cookies::PendingLogin,
    },
    services::{
        invitations::{self, Opened},
        login::{self, RequestError},
    },
    words::{self, invitations as text},
};

/// What the page shows.
#[derive(Debug)]
enum Shown {
    /// What can be accepted here.
    Open { opened: Box<Opened>, token: String, alert: Option<String> },
    /// For whom it is, and who is signed in.
    WrongAddress { meant: String, signed_in: String },
    /// Why nothing can be accepted: a title, and what to do.
    Over(&'static str, &'static str),
}

/// `GET /invitation/{token}`
pub async fn show(State(site): State<Site>, visit: Visit, Path(token): Path<String>) -> Response {
    let opened = match found(&site, &visit, &token).await {
        Ok(opened) => opened,
        Err(response) => return response,
    };
    if let Some(shown) = wrong_address(&visit, &opened) {
        return page(&site, &visit, StatusCode::OK, shown).await;
    }
    page(&site, &visit, StatusCode::OK, Shown::Open { opened: Box::new(opened), token, alert: None }).await
}

/// `POST /invitation/{token}`
pub async fn accept(State(site): State<Site>, visit: Visit, Path(token): Path<String>) -> Response {
    let opened = match found(&site, &visit, &token).await {
        Ok(opened) => opened,
        Err(response) => return response,
    };
    if let Some(shown) = wrong_address(&visit, &opened) {
        return page(&site, &visit, StatusCode::CONFLICT, shown).await;
    }
    let lang = visit.origin.lang;
    let Ok(email) = EmailAddress::parse(&opened.invitation.email) else {
        return nowhere(&site, &visit).await;
    };
    match login::request_code(&site.env, &email, &visit.origin).await {
        Ok(attempt) => {
            let pending = PendingLogin {
                attempt,
                referral: None,
                invitation: Some(opened.invitation.id),
                next: None,
                expires_at: site.env.clock.now() + FLOW_LIFETIME,
            };
            ([(header::SET_COOKIE, site.cookies.set_pending(&pending))], Redirect::to("/verify")).into_response()
        }
        Err(RequestError::TooMany { until }) => {
            let seconds = (until - site.env.clock.now()).num_seconds().max(1);
            let alert = Some(words::too_many_codes(lang, seconds));
            let shown = Shown::Open { opened: Box::new(opened), token, alert };
            let mut response = page(&site, &visit, StatusCode::TOO_MANY_REQUESTS, shown).await;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(RequestError::Ended) => Redirect::to("/login").into_response(),
        Err(RequestError::Store(error)) => failed(&error),
    }
}

/// Returns the invitation behind a link, or the page for a link behind which there is none to accept.
async fn found(site: &Site, visit: &Visit, token: &str) -> Result<Opened, Response> {
    let lang = visit.origin.lang;
    let opened = match invitations::open(&site.env, token).await {
        Ok(Some(opened)) => opened,
        Ok(None) => return Err(nowhere(site, visit).await),
        Err(error) => return Err(failed(&error)),
    };
    let (title, hint) = match opened.state {
        InvitationState::Open => return Ok(opened),
        InvitationState::Accepted => {
            let by = opened.invitation.accepted_by;
            if visit.identity.as_ref().is_some_and(|identity| Some(identity.user.id) == by) {
                return Err(Redirect::to("/settings").into_response());
            }
            (text::used_title(lang), text::used_hint(lang))
        }
        InvitationState::Expired => (text::expired_title(lang), text::expired_hint(lang)),
        InvitationState::Revoked => (text::revoked_title(lang), text::revoked_hint(lang)),
    };
    Err(page(site, visit, StatusCode::GONE, Shown::Over(title, hint)).await)
}

async fn nowhere(site: &Site, visit: &Visit) -> Response {
    let lang = visit.origin.lang;
    let shown = Shown::Over(text::no_such_title(lang), text::no_such_hint(lang));
    page(site, visit, StatusCode::NOT_FOUND, shown).await
}

fn wrong_address(visit: &Visit, opened: &Opened) -> Option<Shown> {
    let signed_in = visit.identity.as_ref()?.user.label();
    let is_theirs = EmailAddress::parse(&signed_in).is_ok_and(|email| *email.key() == opened.invitation.email_key);
    (!is_theirs).then(|| Shown::WrongAddress { meant: opened.invitation.email.clone(), signed_in })
}

async fn page(site: &Site, visit: &Visit, status: StatusCode, shown: Shown) -> Response {
    let lang = visit.origin.lang;
    let shown = Arc::new(shown);
    // The address of the page opens an account: it is nowhere repeated.
    let frame = Frame {
        title: text::you_are_invited(lang),
        address: "/login",
        width: Width::Tiny,
        section: None,
        islands: false,
    };
    let product = site.env.config.product.name.clone();
    frame::render(site, visit, status, frame, move || invitation_page(lang, &shown, &product)).await
}

fn invitation_page(lang: Lang, shown: &Shown, product: &str) -> AnyView {
    match shown {
        Shown::Over(title, hint) => view! {
            <div class="sheet stack">
                <div><h1>{*title}</h1><p class="soft">{*hint}</p></div>
                <div><a class="btn" href="/login">{words::sign_in(lang)}</a></div>
            </div>
        }
        .into_any(),
        Shown::WrongAddress { meant, signed_in } => view! {
            <div class="sheet stack">
                <div>
                    <h1>{text::wrong_address_title(lang)}</h1>
                    <p>{text::wrong_address(lang, meant, signed_in)}</p>
                    <p class="soft">{text::wrong_address_hint(lang)}</p>
                </div>
                <form method="post" action="/sign-out"><button class="btn main">{words::sign_out(lang)}</button></form>
            </div>
        }
        .into_any(),
        Shown::Open { opened, token, alert } => {
            let who = text::invited_by(lang, opened.inviter.as_deref(), product);
            let gift = opened.gift.as_ref().map(|(tier, days)| text::gift_waits(lang, tier, *days));
            let note = Some(opened.invitation.note.clone()).filter(|note| !note.is_empty());
            let (before, after) = text::code_goes_to(lang);
            view! {
                <form class="sheet stack" method="post" action=format!("/invitation/{token}")>
                    <div>
                        <h1>{text::you_are_invited(lang)}</h1>
                        <p>{who}</p>
                        {gift.map(|gift| view! { <p><b>{gift}</b></p> })}
                        {note.map(|note| view! { <blockquote class="words">{note}</blockquote> })}
                    </div>
                    {alert.clone().map(|alert| view! { <Alert>{alert}</Alert> })}
                    <p class="soft">{before}<b class="address">{opened.invitation.email.clone()}</b>{after}</p>
                    <button class="btn main">{text::accept(lang)}</button>
                    <p class="soft">{text::good_until(lang, opened.invitation.expires_at)}</p>
                </form>
            }
            .into_any()
        }
    }
}
