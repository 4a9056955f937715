//! /partner/{token}: what a partner reads without signing in: figures and statements, and never who
//! redeemed.
//!
//! The token is in the address, so nothing may pass the address on: pages of ours send a referrer to
//! our own pages only, and robots are told to leave these alone.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use leptos::prelude::*;

use super::{
    contract, contract_badge, figures_of, months_of,
    statement::{self, csv, statement_of},
};
use crate::{
    components::Crumb,
    domain::{lang::Lang, partner::Partner},
    pages::frame::{self, Frame, Width},
    platform::caller::{Site, Visit, failed},
    services::{
        catalogue,
        partners::{self, Account, LinkError},
    },
    words::partners as text,
};

fn frame(lang: Lang) -> Frame {
    Frame { title: text::statement(lang), address: "/", width: Width::Wide, section: None, islands: false }
}

/// Keeps robots and caches away.
fn in_private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow, noarchive"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, private"));
    response
}

/// Finds who reads under a link.
async fn reader(site: &Site, visit: &Visit, token: &str) -> Result<Partner, Response> {
    match partners::behind_link(&site.env, token, &visit.origin.network).await {
        Ok(partner) => Ok(partner),
        Err(LinkError::Unknown) => Err(in_private(StatusCode::NOT_FOUND.into_response())),
        Err(LinkError::Store(error)) => Err(failed(&error)),
        Err(LinkError::TooMany { until }) => {
            let lang = visit.origin.lang;
            let seconds = (until - site.env.clock.now()).num_seconds().max(1);
            let said = text::too_many_looks(lang, seconds);
            let page = move || view! { <div class="sheet"><h1>{said.clone()}</h1></div> };
            let mut response = frame::render(site, visit, StatusCode::TOO_MANY_REQUESTS, frame(lang), page).await;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Err(in_private(response))
        }
    }
}

/// `GET /partner/{token}`
pub async fn show(State(site): State<Site>, visit: Visit, Path(token): Path<String>) -> Response {
    let partner = match reader(&site, &visit, &token).await {
        Ok(partner) => partner,
        Err(response) => return response,
    };
    let (account, zone) = match (partners::account(&site.env, partner).await, catalogue::current(&site.env).await) {
        (Ok(account), Ok(catalogue)) => (account, catalogue.settings.timezone),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let (lang, now) = (visit.origin.lang, site.env.clock.now());
    let (account, address) = (Arc::new(account), format!("/partner/{token}"));
    let page = move || account_page(lang, &account, &address, zone, now);
    in_private(frame::render(&site, &visit, StatusCode::OK, frame(lang), page).await)
}

/// `GET /partner/{token}/statement/{month}`, and the same with `.csv` as a file.
pub async fn statement(
    State(site): State<Site>,
    visit: Visit,
    Path((token, month)): Path<(String, String)>,
) -> Response {
    let partner = match reader(&site, &visit, &token).await {
        Ok(partner) => partner,
        Err(response) => return response,
    };
    let plain = month.strip_suffix(".csv");
    let statement = match statement::read(&site, &partner, plain.unwrap_or(&month)).await {
        Ok(statement) => statement,
        Err(response) => return in_private(response),
    };
    if plain.is_some() {
        return in_private(csv(&statement));
    }
    let lang = visit.origin.lang;
    let (statement, address, name) = (Arc::new(statement), format!("/partner/{token}"), partner.details.name);
    let page = move || {
        view! {
            <Crumb path=address.clone() name=name.clone() />
            {statement_of(lang, &statement, &address)}
        }
    };
    in_private(frame::render(&site, &visit, StatusCode::OK, frame(lang), page).await)
}

fn account_page(lang: Lang, account: &Account, address: &str, zone: Tz, now: DateTime<Utc>) -> impl IntoView + use<> {
    let Account { partner, figures, months } = account;
    view! {
        <div class="row between">
            <h1>{partner.details.name.clone()}</h1>
            {contract_badge(lang, partner, now)}
        </div>
        <p class="soft">{text::contract(lang)}": "{contract(lang, partner, zone)}</p>
        {figures_of(lang, *figures)}
        <p class="soft">{text::active_hint(lang)}</p>
        <section class="sheet stack" aria-labelledby="statements">
            <h2 id="statements">{text::statements(lang)}</h2>
            {months_of(lang, months, address)}
        </section>
        <p class="soft">{text::what_is_shown(lang)}</p>
    }
}
