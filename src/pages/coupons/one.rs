//! /admin/coupons/{code}: one coupon, what it brings and who redeemed it.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use super::{LONGEST_TYPED, PAGE, kind_of, state_badge, tier_of, window};
use crate::{
    components::{CheckField, Confirm, Crumb, Note, Sheet, TextField, islands::CopyButton},
    domain::{
        catalogue::Catalogue,
        coupon::{Coupon, CouponCode},
        ids::RedemptionId,
        lang::Lang,
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue,
        coupons::{self, Change, CouponError, ListedRedemption},
    },
    words::{coupons as text, long_date, long_time, pages},
};

/// What a link to a coupon may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// What the form of a coupon sends.
#[derive(Debug, Default, Deserialize)]
pub struct ChangeForm {
    #[serde(default)]
    description: String,
    #[serde(default)]
    active: String,
}

/// What the button beside it sends.
#[derive(Debug, Default, Deserialize)]
pub struct ArchiveForm {
    #[serde(default)]
    back: String,
}

/// What the page shows.
#[derive(Debug)]
struct CouponView {
    said: Option<&'static str>,
    coupon: Coupon,
    link: String,
    has_drawing: bool,
    redemptions: Vec<ListedRedemption>,
    /// Where the older ones are.
    older: Option<String>,
    catalogue: Arc<Catalogue>,
    description: String,
    complaint: Option<String>,
    now: DateTime<Utc>,
}

/// `GET /admin/coupons/{code}`
pub async fn show(
    State(site): State<Site>,
    admin: Admin,
    Path(code): Path<String>,
    Query(link): Query<Link>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "made" => Some(text::is_made(lang)),
        "saved" => Some(text::is_saved(lang)),
        "archived" => Some(text::is_archived(lang)),
        "back" => Some(text::is_back(lang)),
        _ => None,
    };
    let found = match CouponCode::normalise(&code) {
        Some(code) => coupons::find(&site.env, &code).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(coupon)) => page(&site, &admin, StatusCode::OK, &link, said, coupon, None).await,
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

async fn page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    link: &Link,
    said: Option<&'static str>,
    coupon: Coupon,
    typed: Option<(String, String)>,
) -> Response {
    let before = link.before.parse::<RedemptionId>().ok();
    let (catalogue, mut redemptions) =
        match (catalogue::current(&site.env).await, coupons::redemptions(&site.env, coupon.id, before, PAGE + 1).await)
        {
            (Ok(catalogue), Ok(redemptions)) => (catalogue, redemptions),
            (Err(error), _) | (_, Err(error)) => return failed(&error),
        };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = redemptions.len() > most;
    redemptions.truncate(most);
    let last = redemptions.last().filter(|_| has_more);
    let older = last.map(|last| format!("/admin/coupons/{}?before={}", coupon.code, last.id));
    let address = coupons::redeem_link(&site.env, &coupon.code);
    let (description, complaint) =
        typed.map_or_else(|| (coupon.description.clone(), None), |(typed, complaint)| (typed, Some(complaint)));
    let view = Arc::new(CouponView {
        said,
        has_drawing: coupons::drawing(&site.env, &coupon.code).is_some(),
        link: address,
        redemptions,
        older,
        catalogue,
        description,
        complaint,
        now: site.env.clock.now(),
        coupon,
    });
    let lang = admin.visit.origin.lang;
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/coupons",
        width: Width::Wide,
        section: Some(Section::Coupons),
        islands: true,
    };
    frame::render(site, &admin.visit, status, frame, move || coupon_page(lang, &view)).await
}

/// `POST /admin/coupons/{code}`: describes it anew, and switches it on or off.
pub async fn change(
    State(site): State<Site>,
    admin: Admin,
    Path(code): Path<String>,
    Form(form): Form<ChangeForm>,
) -> Response {
    let Some(code) = CouponCode::normalise(&code) else { return StatusCode::NOT_FOUND.into_response() };
    let lang = admin.visit.origin.lang;
    let description: String = form.description.trim().chars().take(LONGEST_TYPED).collect();
    let change = Change { active: Some(!form.active.is_empty()), description: Some(&description), ..Change::default() };
    match coupons::change(&site.env, &code, change, &admin.identity.user.label()).await {
        Ok(_) => return Redirect::to(&format!("/admin/coupons/{code}?said=saved")).into_response(),
        Err(CouponError::Store(error)) => return failed(&error),
        Err(CouponError::NoSuchCoupon) => return StatusCode::NOT_FOUND.into_response(),
        Err(_) => {}
    }
    match coupons::find(&site.env, &code).await {
        Ok(Some(coupon)) => {
            let typed = Some((description, text::error_description(lang).to_owned()));
            page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, &Link::default(), None, coupon, typed).await
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

/// `POST /admin/coupons/{code}/archive`: puts it out of the way, or back.
pub async fn archive(
    State(site): State<Site>,
    admin: Admin,
    Path(code): Path<String>,
    Form(form): Form<ArchiveForm>,
) -> Response {
    let gone = || Redirect::to("/admin/coupons?said=gone").into_response();
    let Some(code) = CouponCode::normalise(&code) else { return gone() };
    let is_back = !form.back.is_empty();
    let change = Change { archived: Some(!is_back), ..Change::default() };
    match coupons::change(&site.env, &code, change, &admin.identity.user.label()).await {
        Ok(_) if is_back => Redirect::to(&format!("/admin/coupons/{code}?said=back")).into_response(),
        Ok(_) => Redirect::to("/admin/coupons?said=archived").into_response(),
        Err(CouponError::Store(error)) => failed(&error),
        Err(_) => gone(),
    }
}

/// `GET /admin/coupons/{code}/qr.svg`
pub async fn qr(State(site): State<Site>, _: Admin, Path(code): Path<String>) -> Response {
    let found = match CouponCode::normalise(&code) {
        Some(code) => coupons::find(&site.env, &code).await,
        None => Ok(None),
    };
    let code = match found {
        Ok(coupon) => coupon.map(|coupon| coupon.code),
        Err(error) => return failed(&error),
    };
    let drawing = code.as_ref().and_then(|code| coupons::drawing(&site.env, code));
    let (Some(code), Some(drawing)) = (code, drawing) else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml".to_owned()),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{code}.svg\"")),
    ];
    (headers, drawing).into_response()
}

fn coupon_page(lang: Lang, view: &CouponView) -> impl IntoView + use<> {
    let CouponView { coupon, catalogue, .. } = view;
    let (terms, code) = (&coupon.terms, coupon.code.to_string());
    let redemptions = if view.redemptions.is_empty() {
        view! { <p class="soft">{text::no_redemptions(lang)}</p> }.into_any()
    } else {
        let rows = view.redemptions.iter().map(|one| redemption_row(lang, one)).collect_view();
        view! {
            <div class="flush">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::member(lang)}</th>
                            <th scope="col">{text::when(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{text::older(lang)}</a></nav> }
    });
    let put_away = match coupon.archived_at {
        None => view! {
            <Confirm
                label=text::archive(lang) about=code.clone() question=text::archive_ask(lang)
                action=format!("/admin/coupons/{code}/archive")
            />
        }
        .into_any(),
        Some(_) => view! {
            <form method="post" action=format!("/admin/coupons/{code}/archive")>
                <input type="hidden" name="back" value="1" />
                <button class="btn">{text::bring_back(lang)}</button>
            </form>
        }
        .into_any(),
    };
    let drawing = view.has_drawing.then(|| {
        let address = format!("/admin/coupons/{code}/qr.svg");
        view! {
            <figure class="qr">
                <img src=address.clone() alt=text::qr_of(lang, &code) width="200" height="200" />
                <figcaption><a href=address download=format!("{code}.svg")>{text::qr_file(lang)}</a></figcaption>
            </figure>
        }
    });
    let batch = coupon.batch.map(|batch| {
        view! {
            <dt>{text::made_together(lang)}</dt>
            <dd><a href=format!("/admin/coupons/batches/{batch}")>{text::others_of(lang)}</a></dd>
        }
    });
    let partner = terms.partner_id.map(|partner| {
        let name = terms.partner.clone().unwrap_or_else(|| text::partner(lang).to_owned());
        view! {
            <dt>{text::partner(lang)}</dt>
            <dd><a href=format!("/admin/partners/{partner}")>{name}</a></dd>
        }
    });
    let facts = [
        (text::gives(lang), text::days_of(lang, terms.days, &tier_of(terms, catalogue))),
        (text::kind(lang), kind_of(lang, terms)),
        (text::redeemed(lang), text::redeemed_of(lang, coupon.redemptions, terms.max_redemptions)),
        (text::window(lang), window(lang, terms, catalogue)),
        (text::created(lang), format!("{} · {}", long_date(lang, coupon.created_at.date_naive()), coupon.created_by)),
    ];
    let facts = facts.map(|(name, fact)| view! { <dt>{name}</dt><dd>{fact}</dd> }).collect_view();
    let (link, is_active) = (view.link.clone(), coupon.active);
    let (description, complaint) = (view.description.clone(), view.complaint.clone());
    let address = format!("/admin/coupons/{code}");
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <Crumb path="/admin/coupons" name=text::title(lang) />
        <div class="row between">
            <h1><code>{code.clone()}</code></h1>
            {state_badge(lang, coupon, view.now)}
        </div>
        <div class="coupon">
            <Sheet title=text::terms(lang) id="terms">
                <dl class="facts">
                    {facts}
                    {partner}
                    {batch}
                </dl>
                <div class="field">
                    <label for="link">{text::link(lang)}</label>
                    <div class="link">
                        <input id="link" readonly value=link.clone() />
                        <CopyButton
                            text=link label=text::copy_link(lang).to_owned() done=text::copied(lang).to_owned()
                            main=false
                        />
                    </div>
                </div>
                {drawing}
            </Sheet>
            <Sheet title=text::change(lang) id="change">
                <form class="stack tight" method="post" action=address>
                    <TextField
                        name="description" label=text::description(lang) hint=text::description_hint(lang)
                        value=description error=complaint most="200"
                    />
                    <CheckField
                        name="active" label=text::can_be_redeemed(lang) hint=text::can_be_redeemed_hint(lang)
                        checked=is_active
                    />
                    <div><button class="btn main">{text::save(lang)}</button></div>
                </form>
                {put_away}
            </Sheet>
        </div>
        <Sheet title=text::redemptions(lang) id="redemptions">{redemptions}</Sheet>
        {older}
    }
}

fn redemption_row(lang: Lang, one: &ListedRedemption) -> impl IntoView + use<> {
    let member = match one.user_id {
        Some(id) => {
            let name = one.member.clone().unwrap_or_else(|| id.to_string());
            view! { <a class="address" href=format!("/admin/users/{id}")>{name}</a> }.into_any()
        }
        None => view! { <span class="soft">{text::deleted_member(lang)}</span> }.into_any(),
    };
    let state = match (one.revoked_at, one.ended_at) {
        (Some(_), _) => text::grant_revoked(lang),
        (None, Some(_)) => text::grant_ended(lang),
        (None, None) => text::grant_open(lang),
    };
    view! {
        <tr>
            <th scope="row">{member}</th>
            <td data-label=text::when(lang)>
                <time datetime=one.redeemed_at.to_rfc3339()>{long_time(lang, one.redeemed_at)}</time>
            </td>
            <td data-label=text::state(lang)>{state}</td>
        </tr>
    }
}
