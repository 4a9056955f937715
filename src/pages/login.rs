//! /login: asks for an address and sends a code to it.

use axum::{
    extract::{Form, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, Field, Note, described_by},
    domain::{email::EmailAddress, lang::Lang, login::FLOW_LIFETIME, referral::ReferralCode},
    pages::{
        frame::{self, Frame, Width},
        next::safe_target,
    },
    platform::{
        caller::{Site, Visit, failed},
        cookies::PendingLogin,
    },
    services::{
        catalogue,
        login::{self, RequestError},
    },
    words,
};

/// What a link to /login may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default, rename = "ref")]
    referral: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    said: String,
    /// Not empty where somebody who is signed in has to prove it again.
    #[serde(default)]
    fresh: String,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct LoginForm {
    #[serde(default)]
    email: String,
    #[serde(default, rename = "ref")]
    referral: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    fresh: String,
}

/// What the page shows.
#[derive(Debug, Clone, Default)]
struct LoginView {
    email: String,
    email_error: Option<String>,
    alert: Option<String>,
    said: Option<&'static str>,
    referral: Option<ReferralCode>,
    /// What the invitation brings, if there is one.
    reward_days: Option<i64>,
    next: Option<String>,
    /// Whether somebody who is signed in proves it again.
    fresh: bool,
    /// Whether only those come in who are members or invited.
    is_closed: bool,
}

/// `GET /login`
pub async fn show(State(site): State<Site>, visit: Visit, link: Query<Link>) -> Response {
    let next = safe_target(&link.next, &site.env.config.gate.origins);
    let again = visit.identity.as_ref().filter(|_| !link.fresh.is_empty());
    if visit.identity.is_some() && again.is_none() {
        return Redirect::to(next.as_deref().unwrap_or("/settings")).into_response();
    }
    let lang = visit.origin.lang;
    let said = match link.said.as_str() {
        "signed-out" => Some(words::signed_out(lang)),
        "signed-out-everywhere" => Some(words::signed_out_everywhere(lang)),
        _ => None,
    };
    let alert = (link.said == "ended").then(|| words::sign_in_ended(lang).to_owned());
    let view = LoginView {
        email: again.and_then(|identity| identity.user.email.clone()).unwrap_or_default(),
        fresh: again.is_some(),
        referral: ReferralCode::normalise(&link.referral),
        next,
        said,
        alert,
        ..LoginView::default()
    };
    page(&site, &visit, StatusCode::OK, view).await
}

/// `POST /login`
pub async fn submit(State(site): State<Site>, visit: Visit, Form(form): Form<LoginForm>) -> Response {
    let lang = visit.origin.lang;
    let mut view = LoginView {
        referral: ReferralCode::normalise(&form.referral),
        next: safe_target(&form.next, &site.env.config.gate.origins),
        fresh: !form.fresh.is_empty() && visit.identity.is_some(),
        email: form.email,
        ..LoginView::default()
    };
    let email = match EmailAddress::parse(&view.email) {
        Ok(email) => email,
        Err(error) => {
            view.email_error = Some(words::email_error(lang, error).to_owned());
            // Nobody typed that much, and nobody wants it back.
            view.email.truncate(view.email.char_indices().nth(300).map_or(view.email.len(), |(at, _)| at));
            return page(&site, &visit, StatusCode::UNPROCESSABLE_ENTITY, view).await;
        }
    };
    match login::request_code(&site.env, &email, &visit.origin).await {
        Ok(attempt) => {
            let expires_at = site.env.clock.now() + FLOW_LIFETIME;
            let (referral, next) = (view.referral, view.next);
            let pending = PendingLogin { attempt, referral, invitation: None, next, expires_at };
            ([(header::SET_COOKIE, site.cookies.set_pending(&pending))], Redirect::to("/verify")).into_response()
        }
        Err(RequestError::TooMany { until }) => {
            let seconds = (until - site.env.clock.now()).num_seconds().max(1);
            view.alert = Some(words::too_many_codes(lang, seconds));
            let mut response = page(&site, &visit, StatusCode::TOO_MANY_REQUESTS, view).await;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(RequestError::Ended) => Redirect::to("/login").into_response(),
        Err(RequestError::Store(error)) => failed(&error),
    }
}

async fn page(site: &Site, visit: &Visit, status: StatusCode, mut view: LoginView) -> Response {
    let lang = visit.origin.lang;
    match catalogue::current(&site.env).await {
        Ok(catalogue) => {
            let settings = &catalogue.settings;
            // The same for everybody: whether an address is known is told to its mailbox only.
            view.is_closed = !settings.self_registration_enabled && !view.fresh;
            // What a link promises is not for those whom it cannot let in.
            let has_reward = view.referral.is_some() && settings.self_registration_enabled;
            view.reward_days = has_reward.then_some(settings.referral_credit_days);
        }
        Err(error) => return failed(&error),
    }
    let frame =
        Frame { title: words::sign_in(lang), address: "/login", width: Width::Tiny, section: None, islands: false };
    frame::render(site, visit, status, frame, move || login_page(lang, view.clone())).await
}

fn login_page(lang: Lang, view: LoginView) -> impl IntoView {
    let is_invalid = view.email_error.is_some();
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        {view.is_closed.then(|| view! { <Note><span>{words::invitations::closed_note(lang)}</span></Note> })}
        {view.reward_days.map(|days| view! {
            <Note>
                <span><b>{words::invited(lang)}</b>" "{words::invited_reward(lang, days)}</span>
            </Note>
        })}
        <form class="sheet stack" method="post" action="/login">
            <div>
                <h1>{words::sign_in(lang)}</h1>
                <p class="soft">{if view.fresh { words::step_up_intro(lang) } else { words::login_intro(lang) }}</p>
            </div>
            {view.alert.map(|alert| view! { <Alert>{alert}</Alert> })}
            <Field name="email" label=words::email_address(lang) error=view.email_error>
                <input
                    id="email" name="email" type="email" required autofocus
                    autocomplete="email" spellcheck="false" value=view.email
                    aria-invalid=is_invalid.then_some("true")
                    aria-describedby=described_by("email", false, is_invalid)
                />
            </Field>
            {view.referral.map(|code| view! { <input type="hidden" name="ref" value=code.to_string() /> })}
            {view.fresh.then(|| view! { <input type="hidden" name="fresh" value="1" /> })}
            {view.next.map(|next| view! { <input type="hidden" name="next" value=next /> })}
            <button class="btn main">{words::send_code(lang)}</button>
        </form>
    }
}
