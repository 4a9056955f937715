//! /admin/referrals: who invited whom, and what is to become of rewards that are held.

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
    components::{Alert, Confirm, Note},
    domain::{
        ids::{ReferralId, UserId},
        lang::Lang,
        referral::ReferralState,
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::{
        payment_views,
        referrals::{self, ListedReferral, ReferralError, Verdict},
    },
    words::{long_date, pages, referrals as text},
};

/// Referrals on one page of the list.
const PAGE: i64 = 50;

/// Which referrals are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Flagged,
    In(ReferralState),
}

impl Which {
    fn read(text: &str) -> Self {
        match text {
            "flagged" => Self::Flagged,
            _ => text.parse().map_or(Self::All, Self::In),
        }
    }

    fn address(self, before: Option<ReferralId>) -> String {
        let state = match self {
            Self::All => None,
            Self::Flagged => Some("state=flagged".to_owned()),
            Self::In(state) => Some(format!("state={}", state.as_str())),
        };
        let query: Vec<String> = state.into_iter().chain(before.map(|before| format!("before={before}"))).collect();
        if query.is_empty() { "/admin/referrals".to_owned() } else { format!("/admin/referrals?{}", query.join("&")) }
    }

    fn name(self, lang: Lang) -> &'static str {
        match self {
            Self::All => text::all(lang),
            Self::Flagged => text::flagged(lang),
            Self::In(state) => text::state(lang, state),
        }
    }
}

/// What the page shows.
#[derive(Debug)]
struct ReferralsView {
    said: Option<&'static str>,
    alert: Option<String>,
    which: Which,
    referrals: Vec<ListedReferral>,
    older: Option<String>,
    newest: Option<String>,
}

/// What a link to the referrals may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// `GET /admin/referrals`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "released" => Some(text::is_released(lang)),
        "rejected" => Some(text::is_rejected(lang)),
        _ => None,
    };
    let before = link.before.parse().ok();
    page(&site, &admin, StatusCode::OK, Which::read(&link.state), before, said, None).await
}

async fn page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    which: Which,
    before: Option<ReferralId>,
    said: Option<&'static str>,
    alert: Option<String>,
) -> Response {
    let found = match which {
        Which::All => referrals::list(&site.env, None, before, PAGE + 1).await,
        Which::In(state) => referrals::list(&site.env, Some(state), before, PAGE + 1).await,
        Which::Flagged => payment_views::flagged_referrals(&site.env, before, PAGE + 1).await,
    };
    let mut referrals = match found {
        Ok(referrals) => referrals,
        Err(error) => return failed(&error),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = referrals.len() > most;
    referrals.truncate(most);
    let older = referrals.last().filter(|_| has_more).map(|last| which.address(Some(last.referral.id)));
    let newest = before.map(|_| which.address(None));
    let view = Arc::new(ReferralsView { said, alert, which, referrals, older, newest });
    let lang = admin.visit.origin.lang;
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/referrals",
        width: Width::Wide,
        section: Some(Section::Referrals),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || referrals_page(lang, &view)).await
}

/// `POST /admin/referrals/{id}/release`
pub async fn release(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    decide(&site, &admin, &id, Verdict::Release).await
}

/// `POST /admin/referrals/{id}/reject`
pub async fn reject(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    decide(&site, &admin, &id, Verdict::Reject).await
}

async fn decide(site: &Site, admin: &Admin, id: &str, verdict: Verdict) -> Response {
    let lang = admin.visit.origin.lang;
    let decided = match id.parse::<ReferralId>() {
        Ok(id) => referrals::decide(&site.env, id, verdict, &admin.identity.user.label()).await,
        Err(_) => Err(ReferralError::Unknown),
    };
    let (status, alert) = match (decided, verdict) {
        (Ok(_), Verdict::Release) => {
            return Redirect::to("/admin/referrals?state=held&said=released").into_response();
        }
        (Ok(_), Verdict::Reject) => return Redirect::to("/admin/referrals?state=held&said=rejected").into_response(),
        (Err(ReferralError::Store(error)), _) => return failed(&error),
        (Err(ReferralError::Unknown), _) => (StatusCode::NOT_FOUND, text::is_unknown(lang).to_owned()),
        (Err(ReferralError::NotHeld(state)), _) => (StatusCode::CONFLICT, text::was_decided(lang, state)),
    };
    page(site, admin, status, Which::In(ReferralState::Held), None, None, Some(alert)).await
}

fn referrals_page(lang: Lang, view: &ReferralsView) -> impl IntoView + use<> {
    let states = [Which::All]
        .into_iter()
        .chain(ReferralState::ALL.map(Which::In))
        .chain([Which::Flagged])
        .map(|which| {
            let is_this = which == view.which;
            view! { <a href=which.address(None) aria-current=is_this.then_some("true")>{which.name(lang)}</a> }
        })
        .collect_view();
    let list = if view.referrals.is_empty() {
        view! { <div class="sheet empty"><b>{text::none(lang)}</b><p class="soft">{text::none_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = view.referrals.iter().map(|listed| row(lang, listed)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::friend(lang)}</th>
                            <th scope="col">{text::referrer(lang)}</th>
                            <th scope="col">{text::came(lang)}</th>
                            <th scope="col">{text::paid(lang)}</th>
                            <th scope="col">{text::reward(lang)}</th>
                            <th scope="col">{text::flags(lang)}</th>
                            <th scope="col">{text::state_word(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| view! { <a class="btn" href=older rel="next">{text::older(lang)}</a> });
    let newest = view.newest.clone().map(|newest| view! { <a href=newest>{text::newest(lang)}</a> });
    let turns = (older.is_some() || newest.is_some()).then(|| {
        view! { <nav class="row between" aria-label=pages(lang)><span>{newest}</span>{older}</nav> }
    });
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        {view.alert.clone().map(|alert| view! { <Alert><span>{alert}</span></Alert> })}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="tabs" aria-label=text::which(lang)>{states}</nav>
        {list}
        {turns}
    }
}

fn person(lang: Lang, id: Option<UserId>, label: Option<String>) -> AnyView {
    match (id, label) {
        (Some(id), Some(label)) => {
            view! { <a class="address" href=format!("/admin/users/{id}")>{label}</a> }.into_any()
        }
        _ => view! { <span class="soft">{text::deleted_account(lang)}</span> }.into_any(),
    }
}

fn day(lang: Lang, at: DateTime<Utc>) -> impl IntoView + use<> {
    view! { <time datetime=at.to_rfc3339()>{long_date(lang, at.date_naive())}</time> }
}

fn row(lang: Lang, listed: &ListedReferral) -> impl IntoView + use<> {
    let referral = &listed.referral;
    let state = referral.state();
    let is_held = state == ReferralState::Held;
    let invoice = referral.invoice.as_ref().map(|(provider, id)| {
        view! { <small class="soft">{text::invoice(lang)}" "{provider.name()}" "<code>{id.clone()}</code></small> }
    });
    let paid = match referral.converted_at {
        Some(at) => view! { {day(lang, at)}{invoice} }.into_any(),
        None => view! { <span class="soft">{text::not_yet(lang)}</span> }.into_any(),
    };
    let credited = referral.credited_at.map(|at| view! { <small class="soft">{day(lang, at)}</small> });
    let days = referral.reward_days.map(|days| text::days_each(lang, days));
    let flags = referral.flags.iter().map(|flag| view! { <li>{text::flag(lang, *flag)}</li> }).collect_view();
    let flags = (!referral.flags.is_empty()).then(|| view! { <ul>{flags}</ul> });
    let held = is_held.then(|| match referral.held_until {
        Some(until) => text::held_until(lang, &long_date(lang, until.date_naive())),
        None => text::waits_for_you(lang).to_owned(),
    });
    let held = held.map(|held| view! { <small class="soft">{held}</small> });
    let class = match state {
        ReferralState::Converted => "badge paid",
        ReferralState::Held => "badge stop",
        ReferralState::Pending | ReferralState::Rejected | ReferralState::TakenBack => "badge",
    };
    let about = listed.referred.clone().unwrap_or_else(|| text::deleted_account(lang).to_owned());
    let decide = is_held.then(|| {
        view! {
            <Confirm
                label=text::release(lang) about=about.clone() question=text::release_ask(lang)
                action=format!("/admin/referrals/{}/release", referral.id)
            />
            <Confirm
                label=text::reject(lang) about=about question=text::reject_ask(lang)
                action=format!("/admin/referrals/{}/reject", referral.id)
            />
        }
    });
    view! {
        <tr>
            <th scope="row">{person(lang, referral.referred, listed.referred.clone())}</th>
            <td data-label=text::referrer(lang)>{person(lang, referral.referrer, listed.referrer.clone())}</td>
            <td data-label=text::came(lang)>{day(lang, referral.created_at)}</td>
            <td data-label=text::paid(lang)><span>{paid}</span></td>
            <td data-label=text::reward(lang)><span>{days}{credited}</span></td>
            <td data-label=text::flags(lang)>{flags}</td>
            <td data-label=text::state_word(lang)>
                <div class="state"><span class=class>{text::state(lang, state)}</span>{held}{decide}</div>
            </td>
        </tr>
    }
}
