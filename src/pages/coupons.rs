//! /admin/coupons: codes that give days at a tier.

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::{Form, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Confirm, Note, SelectField, Sheet, TextField},
    domain::{
        catalogue::Catalogue,
        coupon::{BadTerms, Coupon, CouponCode, CouponKind, Terms},
        ids::CouponId,
        lang::Lang,
    },
    pages::{
        day::end_of_day,
        frame::{self, Frame, Section, Width},
    },
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue,
        coupons::{self, Change, CouponError, NewCoupons},
    },
    words::{coupons as text, pages, through},
};

/// Coupons on one page of the list.
const PAGE: i64 = 50;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 300;

/// What a link to the coupons may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    archived: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// What the form of new coupons sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CouponForm {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    tier: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    count: String,
    #[serde(default)]
    most: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    partner: String,
    #[serde(default)]
    description: String,
}

impl CouponForm {
    /// Nobody wants back what is too long to have been typed.
    fn shortened(mut self) -> Self {
        for field in [
            &mut self.days,
            &mut self.code,
            &mut self.count,
            &mut self.most,
            &mut self.until,
            &mut self.partner,
            &mut self.description,
        ] {
            *field = field.trim().chars().take(LONGEST_TYPED).collect();
        }
        self
    }
}

/// What is wrong with the form.
#[derive(Debug, Clone, Default)]
struct Complaints {
    tier: Option<String>,
    days: Option<String>,
    code: Option<String>,
    count: Option<String>,
    most: Option<String>,
    until: Option<String>,
    partner: Option<String>,
    description: Option<String>,
}

/// What the page shows.
#[derive(Debug)]
struct CouponsView {
    said: Option<&'static str>,
    archived: bool,
    coupons: Vec<Coupon>,
    /// Where the older coupons are.
    older: Option<String>,
    catalogue: Arc<Catalogue>,
    typed: CouponForm,
    complaints: Complaints,
    now: DateTime<Utc>,
}

/// `GET /admin/coupons`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "made" => Some(text::is_made(lang)),
        "archived" => Some(text::is_archived(lang)),
        "gone" => Some(text::is_gone(lang)),
        _ => None,
    };
    let typed = CouponForm { count: "1".to_owned(), ..CouponForm::default() };
    page(&site, &admin, StatusCode::OK, &link, said, (typed, Complaints::default())).await
}

async fn page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    link: &Link,
    said: Option<&'static str>,
    (typed, complaints): (CouponForm, Complaints),
) -> Response {
    let archived = !link.archived.is_empty();
    let (catalogue, found) = match (
        catalogue::current(&site.env).await,
        coupons::list(&site.env, archived, link.before.parse::<CouponId>().ok(), PAGE + 1).await,
    ) {
        (Ok(catalogue), Ok(found)) => (catalogue, found),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let mut coupons = found;
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = coupons.len() > most;
    coupons.truncate(most);
    let mark = if archived { "archived=1&" } else { "" };
    let older = coupons.last().filter(|_| has_more).map(|last| format!("/admin/coupons?{mark}before={}", last.id));
    let now = site.env.clock.now();
    let view = Arc::new(CouponsView { said, archived, coupons, older, catalogue, typed, complaints, now });
    let lang = admin.visit.origin.lang;
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/coupons",
        width: Width::Wide,
        section: Some(Section::Coupons),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || coupons_page(lang, &view)).await
}

/// `POST /admin/coupons`: makes coupons. Several come as a file at once, as nobody copies them from
/// a list.
pub async fn create(State(site): State<Site>, admin: Admin, Form(form): Form<CouponForm>) -> Response {
    let lang = admin.visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let form = form.shortened();
    let zone = catalogue.settings.timezone;
    let mut complaints = Complaints::default();
    let wanted = read(lang, &form, zone, &mut complaints);
    if let Some((terms, code, count)) = wanted {
        let new = NewCoupons { code, terms, description: &form.description, count };
        match coupons::create(&site.env, new, &admin.identity.user.label()).await {
            Ok(made) if made.len() > 1 => return file(&site, &made, zone),
            Ok(_) => return Redirect::to("/admin/coupons?said=made").into_response(),
            Err(error) => {
                if let CouponError::Store(error) = error {
                    return failed(&error);
                }
                complain(lang, &error, &mut complaints);
            }
        }
    }
    page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, &Link::default(), None, (form, complaints)).await
}

/// Reads the form; nothing if a field cannot be read, which is then said beside it.
fn read(
    lang: Lang,
    form: &CouponForm,
    zone: Tz,
    complaints: &mut Complaints,
) -> Option<(Terms, Option<CouponCode>, i64)> {
    let some = |error: &'static str| Some(error.to_owned());
    let kind: CouponKind = form.kind.parse().unwrap_or(CouponKind::SingleUse);
    let tier = form.tier.parse().map_err(|_| complaints.tier = some(text::error_tier(lang))).ok();
    let days = form.days.parse().map_err(|_| complaints.days = some(text::error_days(lang))).ok();
    let count = form.count.parse().map_err(|_| complaints.count = some(text::error_count(lang))).ok();
    let code = match form.code.as_str() {
        "" => Some(None),
        typed => match CouponCode::normalise(typed) {
            Some(code) => Some(Some(code)),
            None => {
                complaints.code = some(text::error_code(lang));
                None
            }
        },
    };
    let most = match form.most.as_str() {
        "" => Some(None),
        typed => typed.parse().map(Some).map_err(|_| complaints.most = some(text::error_most(lang))).ok(),
    };
    let until = end_of_day(&form.until, zone).map_err(|_| complaints.until = some(text::error_day(lang))).ok();
    let terms = Terms {
        kind,
        tier: tier?,
        days: days?,
        valid_from: None,
        valid_until: until?,
        max_redemptions: most?,
        partner: Some(form.partner.clone()).filter(|partner| !partner.is_empty()),
    };
    Some((terms, code?, count?))
}

fn complain(lang: Lang, error: &CouponError, complaints: &mut Complaints) {
    let (field, problem) = match error {
        CouponError::Terms(BadTerms::Days) => (&mut complaints.days, text::error_days(lang)),
        CouponError::Terms(BadTerms::Most) => (&mut complaints.most, text::error_most(lang)),
        CouponError::Terms(BadTerms::Window) => (&mut complaints.until, text::error_day(lang)),
        CouponError::Terms(BadTerms::Partner) => (&mut complaints.partner, text::error_partner(lang)),
        CouponError::TierUnknown => (&mut complaints.tier, text::error_tier(lang)),
        CouponError::BadCount => (&mut complaints.count, text::error_count(lang)),
        CouponError::CodeTaken => (&mut complaints.code, text::error_taken(lang)),
        CouponError::Description | CouponError::NoSuchCoupon | CouponError::Store(_) => {
            (&mut complaints.description, text::error_description(lang))
        }
    };
    *field = Some(problem.to_owned());
}

/// Writes coupons into a file that spreadsheets read. No field of it can hold a comma or a formula.
fn file(site: &Site, made: &[Coupon], zone: Tz) -> Response {
    let mut csv = String::from("code,link,tier,days,until\r\n");
    let origin = site.env.config.server.public_url.as_str().trim_end_matches('/');
    for coupon in made {
        let until = coupon.terms.valid_until.map(|at| at.with_timezone(&zone).to_rfc3339()).unwrap_or_default();
        let Terms { tier, days, .. } = &coupon.terms;
        let code = &coupon.code;
        let _ = write!(csv, "{code},{origin}/redeem/{code},{tier},{days},{until}\r\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"coupons.csv\""),
    ];
    (headers, csv).into_response()
}

/// `POST /admin/coupons/{code}/archive`
pub async fn archive(State(site): State<Site>, admin: Admin, Path(code): Path<String>) -> Response {
    let Some(code) = CouponCode::normalise(&code) else {
        return Redirect::to("/admin/coupons?said=gone").into_response();
    };
    let change = Change { archived: Some(true), ..Change::default() };
    match coupons::change(&site.env, &code, change, &admin.identity.user.label()).await {
        Ok(_) => Redirect::to("/admin/coupons?said=archived").into_response(),
        Err(CouponError::Store(error)) => failed(&error),
        Err(_) => Redirect::to("/admin/coupons?said=gone").into_response(),
    }
}

fn coupons_page(lang: Lang, view: &CouponsView) -> impl IntoView + use<> {
    let tab = |path: &'static str, name: &'static str, is_this: bool| {
        view! { <a href=path aria-current=is_this.then_some("true")>{name}</a> }
    };
    let list = if view.coupons.is_empty() {
        view! { <div class="sheet empty"><b>{text::none(lang)}</b><p class="soft">{text::none_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = view.coupons.iter().map(|coupon| row(lang, view, coupon)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::code(lang)}</th>
                            <th scope="col">{text::gives(lang)}</th>
                            <th scope="col">{text::redeemed(lang)}</th>
                            <th scope="col">{text::window(lang)}</th>
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
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="tabs" aria-label=text::which(lang)>
            {tab("/admin/coupons", text::current(lang), !view.archived)}
            {tab("/admin/coupons?archived=1", text::archived(lang), view.archived)}
        </nav>
        {list}
        {older}
        {form(lang, view)}
    }
}

fn row(lang: Lang, view: &CouponsView, coupon: &Coupon) -> impl IntoView + use<> {
    let terms = &coupon.terms;
    let tier = view.catalogue.tier(&terms.tier).map_or_else(|| terms.tier.to_string(), |tier| tier.name.clone());
    let window = match terms.valid_until {
        Some(end) => through(lang, end, view.catalogue.settings.timezone),
        None => text::without_end(lang).to_owned(),
    };
    let state = match coupon.closed(view.now) {
        None => view! { <span class="badge paid">{text::open(lang)}</span> }.into_any(),
        Some(why) => view! { <span class="badge">{text::closed(lang, why)}</span> }.into_any(),
    };
    let archive = coupon.archived_at.is_none().then(|| {
        view! {
            <Confirm
                label=text::archive(lang) about=coupon.code.to_string() question=text::archive_ask(lang)
                action=format!("/admin/coupons/{}/archive", coupon.code)
            />
        }
    });
    let kind = match &terms.partner {
        Some(partner) => format!("{}: {partner}", text::kind_name(lang, terms.kind)),
        None => text::kind_name(lang, terms.kind).to_owned(),
    };
    view! {
        <tr>
            <th scope="row">
                <code>{coupon.code.to_string()}</code>
                <small class="soft">{coupon.description.clone()}</small>
            </th>
            <td data-label=text::gives(lang)>
                <span>{text::days_of(lang, terms.days, &tier)}<small class="soft">{kind}</small></span>
            </td>
            <td data-label=text::redeemed(lang)>
                {text::redeemed_of(lang, coupon.redemptions, terms.max_redemptions)}
            </td>
            <td data-label=text::window(lang)>{window}</td>
            <td data-label=text::state(lang)><div class="state">{state}{archive}</div></td>
        </tr>
    }
}

fn form(lang: Lang, view: &CouponsView) -> impl IntoView + use<> {
    let (typed, complaints) = (view.typed.clone(), view.complaints.clone());
    let kinds = CouponKind::ALL.map(|kind| (kind.as_str().to_owned(), text::kind_name(lang, kind).to_owned())).to_vec();
    let tiers = view.catalogue.tiers().iter().map(|tier| (tier.id.to_string(), tier.name.clone())).collect();
    view! {
        <Sheet title=text::new(lang) id="new">
            <form class="stack tight" method="post" action="/admin/coupons">
                <div class="fields">
                    <SelectField name="kind" label=text::kind(lang) options=kinds chosen=typed.kind />
                    <SelectField
                        name="tier" label=text::tier(lang) options=tiers chosen=typed.tier error=complaints.tier
                    />
                    <TextField
                        name="days" label=text::days(lang) hint=text::days_hint(lang) value=typed.days
                        error=complaints.days inputmode="numeric" most="4" required=true
                    />
                    <TextField
                        name="count" label=text::count(lang) hint=text::count_hint(lang) value=typed.count
                        error=complaints.count inputmode="numeric" most="5" required=true
                    />
                    <TextField
                        name="code" label=text::own_code(lang) hint=text::own_code_hint(lang) value=typed.code
                        error=complaints.code most="60"
                    />
                    <TextField
                        name="most" label=text::most(lang) hint=text::most_hint(lang) value=typed.most
                        error=complaints.most inputmode="numeric" most="9"
                    />
                    <TextField
                        name="until" label=text::last_day(lang) hint=text::last_day_hint(lang) kind="date"
                        value=typed.until error=complaints.until
                    />
                    <TextField
                        name="partner" label=text::partner(lang) hint=text::partner_hint(lang) value=typed.partner
                        error=complaints.partner most="200"
                    />
                    <TextField
                        name="description" label=text::description(lang) hint=text::description_hint(lang)
                        value=typed.description error=complaints.description most="200"
                    />
                </div>
                <div><button class="btn main">{text::make(lang)}</button></div>
            </form>
        </Sheet>
    }
}
