//! /verify: takes the code from the mail and signs in.

use axum::{
    extract::{Form, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{
        Alert, Field, Note, described_by,
        islands::{CodeField, ResendButton},
    },
    domain::{
        lang::Lang,
        login::{FLOW_LIFETIME, LoginCode, seconds_until_resend},
    },
    pages::frame::{self, Frame, Width},
    platform::{
        caller::{Site, Visit, failed},
        cookies::PendingLogin,
    },
    services::{
        login::{self, BroughtBy, LoginAttempt, RequestError, VerifyError},
        sessions,
    },
    words,
};

/// What a link to /verify may say.
#[derive(Debug, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct VerifyForm {
    #[serde(default)]
    code: String,
}

/// What the page shows.
#[derive(Debug, Clone)]
struct VerifyView {
    email: String,
    long_code: bool,
    code_error: Option<String>,
    alert: Option<String>,
    said: Option<&'static str>,
    seconds_until_resend: i64,
}

/// `GET /verify`
pub async fn show(State(site): State<Site>, visit: Visit, Query(link): Query<Link>) -> Response {
    let (_, attempt) = match flow(&site, &visit).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let mut view = view_of(&site, &attempt);
    view.said = (link.said == "sent").then(|| words::code_sent_again(visit.origin.lang));
    page(&site, &visit, StatusCode::OK, view).await
}

/// `POST /verify`
pub async fn submit(State(site): State<Site>, visit: Visit, Form(form): Form<VerifyForm>) -> Response {
    let lang = visit.origin.lang;
    let (pending, attempt) = match flow(&site, &visit).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let mut view = view_of(&site, &attempt);
    let code = match LoginCode::parse(&form.code) {
        Ok(code) => code,
        Err(error) => {
            view.code_error = Some(words::code_error(lang, error).to_owned());
            return page(&site, &visit, StatusCode::UNPROCESSABLE_ENTITY, view).await;
        }
    };
    let brought_by = BroughtBy { referral: pending.referral.as_ref(), invitation: pending.invitation };
    let verified = login::verify_code(&site.env, pending.attempt, &code, brought_by, &visit.origin).await;
    match verified {
        Ok(signed_in) => {
            // Whoever proves themselves again leaves the older session behind.
            if let Some(replaced) = &visit.identity
                && let Err(error) = sessions::replace(&site.env, replaced, &visit.origin).await
            {
                // They are signed in all the same; the older one ends by itself.
                tracing::warn!(%error, "a replaced session was not ended");
            }
            let cookies = [
                (header::SET_COOKIE, site.cookies.set_session(&signed_in.token)),
                (header::SET_COOKIE, site.cookies.clear_pending()),
            ];
            let start = match signed_in.accepted {
                Some(true) => "/settings?said=invited",
                Some(false) => "/settings?said=invitation-over",
                None => "/settings",
            };
            let next = pending.next.as_deref().unwrap_or(start);
            (AppendHeaders(cookies), Redirect::to(next)).into_response()
        }
        Err(VerifyError::Ended) => start_again(&site),
        Err(VerifyError::Store(error)) => failed(&error),
        Err(error) => {
            match error {
                VerifyError::Wrong { tries_left } => view.code_error = Some(words::code_wrong(lang, tries_left)),
                VerifyError::TriedTooOften => view.alert = Some(words::code_tried_too_often(lang).to_owned()),
                VerifyError::Expired => view.alert = Some(words::code_expired(lang).to_owned()),
                VerifyError::Disabled => view.alert = Some(words::account_disabled(lang).to_owned()),
                _ => view.alert = Some(words::sign_up_closed(lang).to_owned()),
            }
            page(&site, &visit, StatusCode::UNPROCESSABLE_ENTITY, view).await
        }
    }
}

/// `POST /verify/resend`
pub async fn resend(State(site): State<Site>, visit: Visit) -> Response {
    let lang = visit.origin.lang;
    let (pending, attempt) = match flow(&site, &visit).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    match login::resend_code(&site.env, pending.attempt, &visit.origin).await {
        Ok(()) => {
            // The flow lives on from here, and its cookie with it.
            let pending = PendingLogin { expires_at: site.env.clock.now() + FLOW_LIFETIME, ..pending };
            let cookie = [(header::SET_COOKIE, site.cookies.set_pending(&pending))];
            (cookie, Redirect::to("/verify?said=sent")).into_response()
        }
        Err(RequestError::TooMany { until }) => {
            let seconds = (until - site.env.clock.now()).num_seconds().max(1);
            let view = VerifyView { alert: Some(words::too_many_codes(lang, seconds)), ..view_of(&site, &attempt) };
            let mut response = page(&site, &visit, StatusCode::TOO_MANY_REQUESTS, view).await;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(RequestError::Ended) => start_again(&site),
        Err(RequestError::Store(error)) => failed(&error),
    }
}

/// Returns the flow that the browser's cookie names, or the answer for a browser without one.
async fn flow(site: &Site, visit: &Visit) -> Result<(PendingLogin, LoginAttempt), Response> {
    let Some(pending) = site.cookies.pending(&visit.headers, site.env.clock.now()) else {
        // Somebody who is in has used the code in another tab or pressed twice.
        let there = if visit.identity.is_some() { "/settings" } else { "/login?said=ended" };
        return Err(Redirect::to(there).into_response());
    };
    match login::pending(&site.env, pending.attempt).await {
        Ok(Some(attempt)) => Ok((pending, attempt)),
        Ok(None) if visit.identity.is_some() => Err(Redirect::to("/settings").into_response()),
        Ok(None) => Err(start_again(site)),
        Err(error) => Err(failed(&error)),
    }
}

fn start_again(site: &Site) -> Response {
    ([(header::SET_COOKIE, site.cookies.clear_pending())], Redirect::to("/login?said=ended")).into_response()
}

fn view_of(site: &Site, attempt: &LoginAttempt) -> VerifyView {
    VerifyView {
        email: attempt.email.clone(),
        long_code: attempt.long_code,
        code_error: None,
        alert: None,
        said: None,
        seconds_until_resend: seconds_until_resend(attempt.sent_at, site.env.clock.now()),
    }
}

async fn page(site: &Site, visit: &Visit, status: StatusCode, view: VerifyView) -> Response {
    let lang = visit.origin.lang;
    // The wasm file comes along while the reader looks for the mail; settings then has it.
    let frame = Frame {
        title: words::check_your_mail(lang),
        address: "/verify",
        width: Width::Tiny,
        section: None,
        islands: true,
    };
    frame::render(site, visit, status, frame, move || verify_page(lang, view.clone())).await
}

fn verify_page(lang: Lang, view: VerifyView) -> impl IntoView {
    let (before, after) = words::code_sent_to(lang);
    let (wait_before, wait_after) = words::send_another_in(lang);
    let hint = if view.long_code { words::long_code_hint(lang) } else { words::code_hint(lang) };
    let is_invalid = view.code_error.is_some();
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div class="sheet stack">
            <form class="stack" method="post" action="/verify">
                <div>
                    <h1>{words::check_your_mail(lang)}</h1>
                    <p class="soft">{before}<b class="address">{view.email}</b>{after}</p>
                </div>
                {view.alert.map(|alert| view! { <Alert>{alert}</Alert> })}
                <Field name="code" label=words::code(lang) hint=hint error=view.code_error>
                    <CodeField
                        long=view.long_code invalid=is_invalid
                        described_by=described_by("code", true, is_invalid)
                    />
                </Field>
                <button class="btn main">{words::continue_(lang)}</button>
            </form>
            <div class="row under">
                <form class="row" method="post" action="/verify/resend">
                    <span class="soft">{words::no_mail_yet(lang)}</span>
                    <ResendButton
                        seconds=view.seconds_until_resend
                        label=words::send_another(lang).to_owned()
                        waiting=(wait_before.to_owned(), wait_after.to_owned())
                    />
                </form>
                <a href="/login">{words::other_address(lang)}</a>
            </div>
        </div>
    }
}
