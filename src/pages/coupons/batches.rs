//! /admin/coupons/batches: coupons that were made in one go, as a list, a file and a sheet to print.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use super::{PAGE, Part, head, kind_of, state_badge, tier_of, window};
use crate::{
    components::{Crumb, Note},
    domain::{
        catalogue::Catalogue,
        coupon::{Batch, Coupon},
        ids::{BatchId, CouponId},
        lang::Lang,
        qr::Drawing,
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue,
        coupons::{self, Filter},
    },
    words::{coupons as text, long_date, number, pages, through},
};

/// Coupons on one sheet: eight pages of paper.
const ON_A_SHEET: i64 = 96;

/// What a link to batches may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

fn frame(lang: Lang) -> Frame {
    Frame {
        title: text::batches(lang),
        address: "/admin/coupons/batches",
        width: Width::Wide,
        section: Some(Section::Coupons),
        islands: false,
    }
}

/// Takes off what shows that there is more, and returns the last of a page if there is.
fn cut<T>(found: &mut Vec<T>, most: i64) -> Option<&T> {
    let most = usize::try_from(most).unwrap_or(0);
    let has_more = found.len() > most;
    found.truncate(most);
    found.last().filter(|_| has_more)
}

/// `GET /admin/coupons/batches`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let mut found = match coupons::batches(&site.env, link.before.parse::<BatchId>().ok(), PAGE + 1).await {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let older = cut(&mut found, PAGE).map(|(last, _)| format!("/admin/coupons/batches?before={}", last.id));
    let found = Arc::new(found);
    frame::render(&site, &admin.visit, StatusCode::OK, frame(lang), move || batches_page(lang, &found, older.clone()))
        .await
}

/// Finds a batch, with a page of its coupons and the configuration.
async fn read(
    site: &Site,
    id: &str,
    before: Option<CouponId>,
    count: i64,
) -> Result<(Batch, Vec<Coupon>, Arc<Catalogue>), Response> {
    let gone = || StatusCode::NOT_FOUND.into_response();
    let id: BatchId = id.parse().map_err(|_| gone())?;
    let (batch, _) = coupons::find_batch(&site.env, id).await.map_err(|error| failed(&error))?.ok_or_else(gone)?;
    let filter = Filter { batch: Some(id), ..Filter::default() };
    let found = coupons::list(&site.env, &filter, before, count).await.map_err(|error| failed(&error))?;
    let catalogue = catalogue::current(&site.env).await.map_err(|error| failed(&error))?;
    Ok((batch, found, catalogue))
}

/// `GET /admin/coupons/batches/{id}`
pub async fn batch(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Query(link): Query<Link>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let (batch, mut found, catalogue) = match read(&site, &id, link.before.parse().ok(), PAGE + 1).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let older = cut(&mut found, PAGE).map(|last| format!("/admin/coupons/batches/{}?before={}", batch.id, last.id));
    let said = (link.said == "made").then(|| text::coupons_made(lang));
    let now = site.env.clock.now();
    let view = Arc::new((batch, found, catalogue));
    frame::render(&site, &admin.visit, StatusCode::OK, frame(lang), move || {
        batch_page(lang, &view, older.clone(), said, now)
    })
    .await
}

/// `GET /admin/coupons/batches/{id}/coupons.csv`
pub async fn batch_file(State(site): State<Site>, _: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<BatchId>() else { return StatusCode::NOT_FOUND.into_response() };
    let csv = match coupons::batch_file(&site.env, id).await {
        Ok(Some(csv)) => csv,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return failed(&error),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"coupons.csv\""),
    ];
    (headers, csv).into_response()
}

/// `GET /admin/coupons/batches/{id}/sheet`
pub async fn batch_sheet(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Query(link): Query<Link>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let (batch, mut found, catalogue) = match read(&site, &id, link.before.parse().ok(), ON_A_SHEET + 1).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let next =
        cut(&mut found, ON_A_SHEET).map(|last| format!("/admin/coupons/batches/{}/sheet?before={}", batch.id, last.id));
    let drawn = found.into_iter().map(|coupon| {
        let drawing = Drawing::of(&coupons::redeem_link(&site.env, &coupon.code));
        (coupon, drawing)
    });
    let drawn: Vec<_> = drawn.collect();
    let origin = site.env.config.server.public_url.as_str();
    let origin = origin.trim_end_matches('/').split("//").last().unwrap_or(origin).to_owned();
    let place = Place { product: site.env.config.product.name.clone(), origin, is_first: link.before.is_empty() };
    let view = Arc::new(((batch, drawn, catalogue), place));
    frame::render(&site, &admin.visit, StatusCode::OK, frame(lang), move || {
        sheet_page(lang, &view.0, next.clone(), &view.1)
    })
    .await
}

fn label(lang: Lang, batch: &Batch) -> String {
    if batch.label.is_empty() { text::without_note(lang).to_owned() } else { batch.label.clone() }
}

fn batches_page(lang: Lang, found: &[(Batch, i64)], older: Option<String>) -> impl IntoView + use<> {
    let list = if found.is_empty() {
        view! { <div class="sheet empty"><b>{text::no_batches(lang)}</b><p class="soft">{text::no_batches_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = found.iter().map(|(batch, redeemed)| batch_row(lang, batch, *redeemed)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::description(lang)}</th>
                            <th scope="col">{text::how_many(lang)}</th>
                            <th scope="col">{text::redeemed(lang)}</th>
                            <th scope="col">{text::created(lang)}</th>
                            <th scope="col">{text::files(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = older.map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{text::older(lang)}</a></nav> }
    });
    view! {
        {head(lang, Part::Batches)}
        <p class="soft">{text::batches_intro(lang)}</p>
        {list}
        {older}
    }
}

fn batch_row(lang: Lang, batch: &Batch, redeemed: i64) -> impl IntoView + use<> {
    let address = format!("/admin/coupons/batches/{}", batch.id);
    view! {
        <tr>
            <th scope="row"><a href=address.clone()>{label(lang, batch)}</a></th>
            <td data-label=text::how_many(lang)>{number(lang, batch.count)}</td>
            <td data-label=text::redeemed(lang)>{number(lang, redeemed)}</td>
            <td data-label=text::created(lang)>
                <span>
                    {long_date(lang, batch.created_at.date_naive())}
                    <small class="soft address">{batch.created_by.clone()}</small>
                </span>
            </td>
            <td data-label=text::files(lang)>
                <span><a href=format!("{address}/coupons.csv")>{text::file(lang)}</a>" · "<a href=format!("{address}/sheet")>{text::sheet(lang)}</a></span>
            </td>
        </tr>
    }
}

fn batch_page(
    lang: Lang,
    (batch, found, catalogue): &(Batch, Vec<Coupon>, Arc<Catalogue>),
    older: Option<String>,
    said: Option<&'static str>,
    now: DateTime<Utc>,
) -> impl IntoView + use<> {
    let address = format!("/admin/coupons/batches/{}", batch.id);
    let older = older.map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{text::older(lang)}</a></nav> }
    });
    // They were made together, so the first tells the terms of all.
    let terms = found.first().map(|coupon| {
        let terms = &coupon.terms;
        let gives = text::days_of(lang, terms.days, &tier_of(terms, catalogue));
        view! { <p><b>{gives}</b>" · "{kind_of(lang, terms)}" · "{window(lang, terms, catalogue)}</p> }
    });
    let rows = found.iter().map(|coupon| coupon_row(lang, coupon, now)).collect_view();
    view! {
        {said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <Crumb path="/admin/coupons/batches" name=text::batches(lang) />
        <div>
            <h1>{label(lang, batch)}</h1>
            <p class="soft">{text::batch_of(lang, batch.count, &long_date(lang, batch.created_at.date_naive()), &batch.created_by)}</p>
        </div>
        <div class="row">
            <a class="btn main" href=format!("{address}/coupons.csv")>{text::file(lang)}</a>
            <a class="btn" href=format!("{address}/sheet")>{text::sheet(lang)}</a>
        </div>
        {terms}
        <div class="gridwrap">
            <table class="rows">
                <thead>
                    <tr>
                        <th scope="col">{text::code(lang)}</th>
                        <th scope="col">{text::redeemed(lang)}</th>
                        <th scope="col">{text::state(lang)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {older}
    }
}

/// One coupon of a batch: what tells it from the others.
fn coupon_row(lang: Lang, coupon: &Coupon, now: DateTime<Utc>) -> impl IntoView + use<> {
    view! {
        <tr>
            <th scope="row"><a href=format!("/admin/coupons/{}", coupon.code)><code>{coupon.code.to_string()}</code></a></th>
            <td data-label=text::redeemed(lang)>
                {text::redeemed_of(lang, coupon.redemptions, coupon.terms.max_redemptions)}
            </td>
            <td data-label=text::state(lang)><div class="state">{state_badge(lang, coupon, now)}</div></td>
        </tr>
    }
}

type Drawn = (Batch, Vec<(Coupon, Option<Drawing>)>, Arc<Catalogue>);

/// What every ticket of a sheet says alike, and which sheet it is.
#[derive(Debug)]
struct Place {
    /// What the product is called.
    product: String,
    /// Where it is, as people type it.
    origin: String,
    is_first: bool,
}

fn sheet_page(
    lang: Lang,
    (batch, drawn, catalogue): &Drawn,
    next: Option<String>,
    place: &Place,
) -> impl IntoView + use<> {
    let address = format!("/admin/coupons/batches/{}", batch.id);
    let tickets = drawn.iter().map(|(coupon, drawing)| ticket(lang, coupon, drawing.as_ref(), catalogue, place));
    let next = next.map(|next| view! { <a class="btn" href=next rel="next">{text::next_sheet(lang)}</a> });
    let first = (!place.is_first).then(|| {
        view! { <a class="btn" href=format!("{address}/sheet")>{text::first_sheet(lang)}</a> }
    });
    view! {
        <div class="screen-only stack">
            <Crumb path=address.clone() name=label(lang, batch) />
            <div>
                <h1>{text::sheet(lang)}</h1>
                <p class="soft">{text::sheet_hint(lang)}</p>
            </div>
            <div class="row">{first}{next}</div>
        </div>
        <ul class="print-sheet">{tickets.collect_view()}</ul>
    }
}

fn ticket(
    lang: Lang,
    coupon: &Coupon,
    drawing: Option<&Drawing>,
    catalogue: &Catalogue,
    place: &Place,
) -> impl IntoView + use<> {
    let code = coupon.code.to_string();
    let drawing = drawing.map(|drawing| {
        let box_of = format!("0 0 {0} {0}", drawing.size);
        view! {
            <svg viewBox=box_of role="img" aria-label=text::qr_of(lang, &code) shape-rendering="crispEdges">
                <path d=drawing.path.clone() />
            </svg>
        }
    });
    let until = coupon.terms.valid_until.map(|end| {
        view! { <small>{through(lang, end, catalogue.settings.timezone)}</small> }
    });
    view! {
        <li>
            {drawing}
            <div>
                <small>{place.product.clone()}</small>
                <b>{text::days_of(lang, coupon.terms.days, &tier_of(&coupon.terms, catalogue))}</b>
                <code>{code}</code>
                <small>{text::redeem_at(lang)}" "{place.origin.clone()}"/redeem"</small>
                {until}
            </div>
        </li>
    }
}
