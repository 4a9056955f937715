//! /redeem: a coupon's code becomes days at a tier. A link with the code in it works for who is not
//! signed in yet, too: it waits until they are.

use axum::{
    extract::{Form, Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Crumb, TextField},
    domain::{coupon::CouponCode, lang::Lang},
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Member, Site, failed},
    services::coupons::{self, Guesser, RedeemError},
    words::{self, grants as text},
};

/// The longest text that comes back as it was typed.
const LONGEST_TYPED: usize = 100;

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct RedeemForm {
    #[serde(default)]
    code: String,
}

/// `GET /redeem`
pub async fn show(State(site): State<Site>, member: Member) -> Response {
    page(&site, &member, StatusCode::OK, String::new(), None).await
}

/// `GET /redeem/{code}`
pub async fn show_code(State(site): State<Site>, member: Member, Path(code): Path<String>) -> Response {
    let code = CouponCode::normalise(&code).map_or(code, |code| code.to_string());
    page(&site, &member, StatusCode::OK, code, None).await
}

/// `POST /redeem`
pub async fn submit(State(site): State<Site>, member: Member, Form(form): Form<RedeemForm>) -> Response {
    let (lang, user) = (member.visit.origin.lang, &member.identity.user);
    let guesser = Guesser::Person(member.visit.origin.network.clone());
    let error = match coupons::redeem(&site.env, user.id, &form.code, guesser, &user.label()).await {
        Ok(given) => {
            return Redirect::to(&format!("/settings?said=redeemed&grant={}", given.grant.id)).into_response();
        }
        Err(error) => error,
    };
    let problem = match &error {
        RedeemError::Store(error) => return failed(error),
        // The account has gone since the request came.
        RedeemError::NoSuchMember => return Redirect::to("/login").into_response(),
        RedeemError::Unknown => text::unknown(lang).to_owned(),
        RedeemError::Inactive => text::inactive(lang).to_owned(),
        RedeemError::UsedUp => text::used_up(lang).to_owned(),
        RedeemError::NoContract => text::no_contract(lang).to_owned(),
        RedeemError::AlreadyYours => text::already_yours(lang).to_owned(),
        RedeemError::NotYet(from) => text::not_yet(lang, *from),
        RedeemError::Expired(until) => text::expired(lang, *until),
        RedeemError::TooMany { until } => {
            let seconds = (*until - site.env.clock.now()).num_seconds().max(1);
            let problem = text::too_many_tries(lang, seconds);
            let mut response = page(&site, &member, StatusCode::TOO_MANY_REQUESTS, form.code, Some(problem)).await;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            return response;
        }
    };
    page(&site, &member, StatusCode::UNPROCESSABLE_ENTITY, form.code, Some(problem)).await
}

async fn page(site: &Site, member: &Member, status: StatusCode, code: String, problem: Option<String>) -> Response {
    let lang = member.visit.origin.lang;
    let code: String = code.chars().take(LONGEST_TYPED).collect();
    let frame = Frame {
        title: text::redeem_title(lang),
        address: "/redeem",
        width: Width::Tiny,
        section: Some(Section::Settings),
        islands: false,
    };
    frame::render(site, &member.visit, status, frame, move || redeem_page(lang, code.clone(), problem.clone())).await
}

/// The field for a code where a member sees what they have. What is wrong with a code is said at /redeem.
pub(super) fn redeem_form(lang: Lang) -> impl IntoView {
    view! {
        <form class="stack tight" method="post" action="/redeem">
            <TextField
                name="code" label=text::coupon_code(lang) hint=text::coupon_hint(lang) value=String::new() most="100"
                required=true
            />
            <div><button class="btn">{text::redeem(lang)}</button></div>
        </form>
    }
}

fn redeem_page(lang: Lang, code: String, problem: Option<String>) -> impl IntoView {
    view! {
        <form class="sheet stack" method="post" action="/redeem">
            <div>
                <Crumb path="/settings" name=words::settings(lang) />
                <h1>{text::redeem_title(lang)}</h1>
                <p class="soft">{text::redeem_intro(lang)}</p>
            </div>
            <TextField
                name="code" label=text::coupon_code(lang) hint=text::coupon_hint(lang) value=code error=problem
                most="100" required=true
            />
            <button class="btn main">{text::redeem(lang)}</button>
        </form>
    }
}
