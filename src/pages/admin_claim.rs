//! /admin/claim: the one-time link that makes the first admin.

use axum::{
    extract::{Form, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Field, described_by},
    domain::{email::EmailAddress, lang::Lang},
    pages::frame::{self, Frame, Width},
    platform::caller::{Site, Visit, failed},
    services::admin_claim::{self, ClaimError},
    words,
};

/// What the link says.
#[derive(Debug, Deserialize)]
pub struct Link {
    #[serde(default)]
    token: String,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct ClaimForm {
    #[serde(default)]
    token: String,
    #[serde(default)]
    email: String,
}

/// `GET /admin/claim`
pub async fn show(State(site): State<Site>, visit: Visit, Query(link): Query<Link>) -> Response {
    match admin_claim::is_good(&site.env, &link.token).await {
        Ok(true) => page(&site, &visit, StatusCode::OK, link.token, String::new(), None).await,
        Ok(false) => void_page(&site, &visit).await,
        Err(error) => failed(&error),
    }
}

/// `POST /admin/claim`
pub async fn submit(State(site): State<Site>, visit: Visit, Form(form): Form<ClaimForm>) -> Response {
    let lang = visit.origin.lang;
    let email = match EmailAddress::parse(&form.email) {
        Ok(email) => email,
        Err(error) => {
            let error = Some(words::email_error(lang, error).to_owned());
            let typed = form.email.chars().take(300).collect();
            return page(&site, &visit, StatusCode::UNPROCESSABLE_ENTITY, form.token, typed, error).await;
        }
    };
    match admin_claim::redeem(&site.env, &form.token, &email, &visit.origin).await {
        Ok(signed_in) => {
            let cookie = [(header::SET_COOKIE, site.cookies.set_session(&signed_in.token))];
            (cookie, Redirect::to("/admin/matrix")).into_response()
        }
        Err(ClaimError::Void) => void_page(&site, &visit).await,
        Err(ClaimError::Store(error)) => failed(&error),
    }
}

async fn page(
    site: &Site,
    visit: &Visit,
    status: StatusCode,
    token: String,
    email: String,
    error: Option<String>,
) -> Response {
    let lang = visit.origin.lang;
    let frame = Frame {
        title: words::claim_title(lang),
        address: "/admin/claim",
        width: Width::Tiny,
        section: None,
        islands: false,
    };
    let page = move || claim_page(lang, token.clone(), email.clone(), error.clone());
    frame::render(site, visit, status, frame, page).await
}

fn claim_page(lang: Lang, token: String, email: String, error: Option<String>) -> impl IntoView {
    let is_invalid = error.is_some();
    view! {
        <form class="sheet stack" method="post" action="/admin/claim">
            <div>
                <h1>{words::claim_title(lang)}</h1>
                <p class="soft">{words::claim_intro(lang)}</p>
            </div>
            <Field name="email" label=words::email_address(lang) error=error>
                <input
                    id="email" name="email" type="email" required autofocus autocomplete="email" spellcheck="false"
                    value=email aria-invalid=is_invalid.then_some("true")
                    aria-describedby=described_by("email", false, is_invalid)
                />
            </Field>
            <input type="hidden" name="token" value=token />
            <button class="btn main">{words::claim_submit(lang)}</button>
        </form>
    }
}

async fn void_page(site: &Site, visit: &Visit) -> Response {
    let lang = visit.origin.lang;
    let frame = Frame {
        title: words::claim_void(lang),
        address: "/admin/claim",
        width: Width::Tiny,
        section: None,
        islands: false,
    };
    let page = move || {
        view! {
            <div class="sheet stack">
                <div>
                    <h1>{words::claim_void(lang)}</h1>
                    <p class="soft">{words::claim_void_hint(lang)}</p>
                </div>
                <div class="row"><a class="btn main" href="/login">{words::sign_in(lang)}</a></div>
            </div>
        }
    };
    frame::render(site, visit, StatusCode::GONE, frame, page).await
}
