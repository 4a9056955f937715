//! /admin/coupons: codes that give days at a tier.

mod batches;
mod one;

use std::sync::Arc;

use axum::{
    extract::{Form, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Note, SelectField, Sheet, TextField},
    domain::{
        catalogue::Catalogue,
        coupon::{BadTerms, Coupon, CouponCode, CouponKind, CouponState, MOST_AT_ONCE, Terms},
        grant::MOST_DAYS,
        ids::{CouponId, PartnerId},
        lang::Lang,
    },
    pages::{
        chosen_tier,
        day::{end_of_day, start_of_day},
        frame::{self, Frame, Section, Width},
    },
    platform::caller::{Admin, Site, encode_query, failed},
    services::{
        catalogue,
        coupons::{self, CouponError, Filter, Made, NewCoupons},
        partners,
    },
    words::{coupons as text, long_date, pages, through},
};

pub use batches::{batch, batch_file, batch_sheet, list as list_batches};
pub use one::{archive, change, qr, show};

/// Coupons on one page of the list.
const PAGE: i64 = 50;
/// Partners that are offered in the form.
const MOST_PARTNERS: i64 = 500;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 300;

/// What a link to the coupons may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    archived: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

impl Link {
    fn filter(&self, now: DateTime<Utc>) -> Filter {
        let text = self.q.trim();
        Filter {
            archived: Some(!self.archived.is_empty()),
            state: self.state.parse().ok().map(|state: CouponState| (state, now)),
            kind: self.kind.parse().ok(),
            text: (!text.is_empty()).then(|| text.chars().take(LONGEST_TYPED).collect()),
            ..Filter::default()
        }
    }
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
    from: String,
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
            &mut self.from,
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
    kind: Option<String>,
    tier: Option<String>,
    days: Option<String>,
    code: Option<String>,
    count: Option<String>,
    most: Option<String>,
    from: Option<String>,
    until: Option<String>,
    partner: Option<String>,
    description: Option<String>,
}

/// What the page shows.
#[derive(Debug)]
struct CouponsView {
    said: Option<&'static str>,
    archived: bool,
    /// What of a filter was asked for: state, kind, text.
    asked: (String, String, String),
    /// Id and name of those for whom coupons can be made.
    partners: Vec<(PartnerId, String)>,
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
    let now = site.env.clock.now();
    let filter = link.filter(now);
    let (catalogue, found, partners) = match (
        catalogue::current(&site.env).await,
        coupons::list(&site.env, &filter, link.before.parse::<CouponId>().ok(), PAGE + 1).await,
        partners::names(&site.env, MOST_PARTNERS).await,
    ) {
        (Ok(catalogue), Ok(found), Ok(partners)) => (catalogue, found, partners),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return failed(&error),
    };
    let mut coupons = found;
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = coupons.len() > most;
    coupons.truncate(most);
    let older = coupons.last().filter(|_| has_more).map(|last| {
        let mut address = "/admin/coupons?".to_owned();
        for (name, value) in
            [("archived", &link.archived), ("state", &link.state), ("kind", &link.kind), ("q", &link.q)]
        {
            if !value.is_empty() {
                let value: String = value.chars().take(LONGEST_TYPED).collect();
                address.push_str(&format!("{name}={}&", encode_query(&value)));
            }
        }
        format!("{address}before={}", last.id)
    });
    let asked = (
        filter.state.map(|(state, _)| state.as_str().to_owned()).unwrap_or_default(),
        filter.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        filter.text.unwrap_or_default(),
    );
    let view = CouponsView { said, archived, asked, partners, coupons, older, catalogue, typed, complaints, now };
    let view = Arc::new(view);
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

/// `POST /admin/coupons`: makes coupons, and goes on to their page.
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
        match coupons::create(&site.env, new, &admin.identity.user.label(), |_| ()).await {
            Ok(Made { coupons, batch }) => {
                let address = match (batch, coupons.first()) {
                    (Some(batch), _) => format!("/admin/coupons/batches/{batch}?said=made"),
                    (None, Some(coupon)) => format!("/admin/coupons/{}?said=made", coupon.code),
                    (None, None) => "/admin/coupons".to_owned(),
                };
                return Redirect::to(&address).into_response();
            }
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
    let kind = form.kind.parse().map_err(|_| complaints.kind = some(text::error_kind(lang))).ok();
    let tier = form.tier.parse().map_err(|_| complaints.tier = some(text::error_tier(lang))).ok();
    let within = |typed: &str, most: i64| typed.parse::<i64>().ok().filter(|number| (1..=most).contains(number));
    let days = within(&form.days, MOST_DAYS);
    if days.is_none() {
        complaints.days = some(text::error_days(lang));
    }
    let count = within(&form.count, MOST_AT_ONCE);
    if count.is_none() {
        complaints.count = some(text::error_count(lang));
    }
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
    let from = start_of_day(&form.from, zone).map_err(|_| complaints.from = some(text::error_day(lang))).ok();
    let until = end_of_day(&form.until, zone).map_err(|_| complaints.until = some(text::error_day(lang))).ok();
    let partner = match form.partner.as_str() {
        "" => Some(None),
        typed => typed.parse().map(Some).map_err(|_| complaints.partner = some(text::error_partner(lang))).ok(),
    };
    let terms = Terms {
        kind: kind?,
        tier: tier?,
        days: days?,
        valid_from: from?,
        valid_until: until?,
        max_redemptions: most?,
        partner: None,
        partner_id: partner?,
    };
    Some((terms, code?, count?))
}

fn complain(lang: Lang, error: &CouponError, complaints: &mut Complaints) {
    let (field, problem) = match error {
        CouponError::Terms(BadTerms::Days) => (&mut complaints.days, text::error_days(lang)),
        CouponError::Terms(BadTerms::Most) => (&mut complaints.most, text::error_most(lang)),
        CouponError::Terms(BadTerms::Window) => (&mut complaints.until, text::error_window(lang)),
        CouponError::Terms(BadTerms::Partner) | CouponError::PartnerUnknown => {
            (&mut complaints.partner, text::error_partner(lang))
        }
        CouponError::TierUnknown => (&mut complaints.tier, text::error_tier(lang)),
        CouponError::BadCount => (&mut complaints.count, text::error_count(lang)),
        CouponError::CodeTaken => (&mut complaints.code, text::error_taken(lang)),
        CouponError::Description | CouponError::NoSuchCoupon | CouponError::Store(_) => {
            (&mut complaints.description, text::error_description(lang))
        }
    };
    *field = Some(problem.to_owned());
}

/// The parts of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Current,
    Archived,
    Batches,
}

fn head(lang: Lang, part: Part) -> impl IntoView + use<> {
    let tab = |this: Part, path: &'static str, name: &'static str| {
        view! { <a href=path aria-current=(this == part).then_some("page")>{name}</a> }
    };
    view! {
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="tabs" aria-label=text::which(lang)>
            {tab(Part::Current, "/admin/coupons", text::current(lang))}
            {tab(Part::Archived, "/admin/coupons?archived=1", text::archived(lang))}
            {tab(Part::Batches, "/admin/coupons/batches", text::batches(lang))}
        </nav>
    }
}

/// Returns when a coupon can be redeemed, in words.
fn window(lang: Lang, terms: &Terms, catalogue: &Catalogue) -> String {
    let zone = catalogue.settings.timezone;
    let from =
        terms.valid_from.map(|from| text::from_day(lang, &long_date(lang, from.with_timezone(&zone).date_naive())));
    let until = terms.valid_until.map(|end| through(lang, end, zone));
    match (from, until) {
        (None, None) => text::without_end(lang).to_owned(),
        (Some(from), None) => from,
        (None, Some(until)) => until,
        (Some(from), Some(until)) => format!("{from} {until}"),
    }
}

fn kind_of(lang: Lang, terms: &Terms) -> String {
    match &terms.partner {
        Some(partner) => format!("{}: {partner}", text::kind_name(lang, terms.kind)),
        None => text::kind_name(lang, terms.kind).to_owned(),
    }
}

fn tier_of(terms: &Terms, catalogue: &Catalogue) -> String {
    catalogue.tier_name(&terms.tier)
}

fn state_badge(lang: Lang, coupon: &Coupon, now: DateTime<Utc>) -> impl IntoView + use<> {
    match coupon.closed(now) {
        None => view! { <span class="badge paid">{text::open(lang)}</span> }.into_any(),
        Some(_) if coupon.archived_at.is_some() => {
            view! { <span class="badge">{text::archived_one(lang)}</span> }.into_any()
        }
        Some(why) => view! { <span class="badge">{text::closed(lang, why)}</span> }.into_any(),
    }
}

fn coupons_page(lang: Lang, view: &CouponsView) -> impl IntoView + use<> {
    let (state, kind, typed) = view.asked.clone();
    let is_filtered = !(state.is_empty() && kind.is_empty() && typed.is_empty());
    let list = if view.coupons.is_empty() {
        let (said, hint) = if is_filtered {
            (text::none_found(lang), text::none_found_hint(lang))
        } else {
            (text::none(lang), text::none_hint(lang))
        };
        view! { <div class="sheet empty"><b>{said}</b><p class="soft">{hint}</p></div> }.into_any()
    } else {
        table(lang, &view.coupons, &view.catalogue, view.now).into_any()
    };
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{text::older(lang)}</a></nav> }
    });
    let part = if view.archived { Part::Archived } else { Part::Current };
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        {head(lang, part)}
        {filter_form(lang, view.archived, state, kind, typed, is_filtered)}
        {list}
        {older}
        {form(lang, view)}
    }
}

fn filter_form(
    lang: Lang,
    archived: bool,
    state: String,
    kind: String,
    typed: String,
    is_filtered: bool,
) -> impl IntoView + use<> {
    let states = CouponState::ALL.map(|state| (state.as_str(), text::state_name(lang, state)));
    let kinds = CouponKind::ALL.map(|kind| (kind.as_str(), text::kind_name(lang, kind)));
    let options = |all: Vec<(&'static str, &'static str)>, chosen: &str| {
        let option = |(value, name): (&'static str, &'static str)| {
            let is_chosen = value == chosen;
            view! { <option value=value selected=is_chosen>{name}</option> }
        };
        all.into_iter().map(option).collect_view()
    };
    let everything = if archived { "/admin/coupons?archived=1" } else { "/admin/coupons" };
    view! {
        <form class="search" method="get" action="/admin/coupons" role="search">
            <label for="q">{text::find(lang)}</label>
            <div class="row">
                {archived.then(|| view! { <input type="hidden" name="archived" value="1" /> })}
                <input id="q" name="q" type="search" value=typed autocomplete="off" maxlength="200" />
                <select name="state" aria-label=text::state(lang)>
                    <option value="">{text::any_state(lang)}</option>
                    {options(states.to_vec(), &state)}
                </select>
                <select name="kind" aria-label=text::kind(lang)>
                    <option value="">{text::any_kind(lang)}</option>
                    {options(kinds.to_vec(), &kind)}
                </select>
                <button class="btn">{text::filter(lang)}</button>
                {is_filtered.then(|| view! { <a href=everything>{text::show_all(lang)}</a> })}
            </div>
        </form>
    }
}

/// Lists coupons, as several pages do.
pub(super) fn table(
    lang: Lang,
    coupons: &[Coupon],
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> impl IntoView + use<> {
    let rows = coupons.iter().map(|coupon| row(lang, coupon, catalogue, now)).collect_view();
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
}

fn row(lang: Lang, coupon: &Coupon, catalogue: &Catalogue, now: DateTime<Utc>) -> impl IntoView + use<> {
    let terms = &coupon.terms;
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/admin/coupons/{}", coupon.code)><code>{coupon.code.to_string()}</code></a>
                <small class="soft">{coupon.description.clone()}</small>
            </th>
            <td data-label=text::gives(lang)>
                <span>
                    {text::days_of(lang, terms.days, &tier_of(terms, catalogue))}
                    <small class="soft">{kind_of(lang, terms)}</small>
                </span>
            </td>
            <td data-label=text::redeemed(lang)>
                {text::redeemed_of(lang, coupon.redemptions, terms.max_redemptions)}
            </td>
            <td data-label=text::window(lang)>{window(lang, terms, catalogue)}</td>
            <td data-label=text::state(lang)><div class="state">{state_badge(lang, coupon, now)}</div></td>
        </tr>
    }
}

fn form(lang: Lang, view: &CouponsView) -> impl IntoView + use<> {
    let (typed, complaints) = (view.typed.clone(), view.complaints.clone());
    let kinds = CouponKind::ALL.map(|kind| (kind.as_str().to_owned(), text::kind_name(lang, kind).to_owned())).to_vec();
    let tiers = view.catalogue.tiers().iter().map(|tier| (tier.id.to_string(), tier.name.clone())).collect();
    let chosen_tier = chosen_tier(&typed.tier, &view.catalogue);
    let nobody = (String::new(), text::no_partner(lang).to_owned());
    let partners = view.partners.iter().map(|(id, name)| (id.to_string(), name.clone()));
    let partners = std::iter::once(nobody).chain(partners).collect();
    view! {
        <Sheet title=text::new(lang) id="new">
            <form class="stack tight" method="post" action="/admin/coupons">
                <fieldset class="group">
                    <legend>{text::what_it_gives(lang)}</legend>
                    <div class="fields">
                        <SelectField
                            name="tier" label=text::tier(lang) options=tiers chosen=chosen_tier error=complaints.tier
                        />
                        <TextField
                            name="days" label=text::days(lang) hint=text::days_hint(lang) value=typed.days
                            error=complaints.days inputmode="numeric" most="4" required=true
                        />
                        <SelectField
                            name="kind" label=text::kind(lang) options=kinds chosen=typed.kind error=complaints.kind
                        />
                    </div>
                </fieldset>
                <fieldset class="group">
                    <legend>{text::how_many_codes(lang)}</legend>
                    <div class="fields">
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
                    </div>
                </fieldset>
                <fieldset class="group">
                    <legend>{text::when_and_for_whom(lang)}</legend>
                    <div class="fields">
                        <TextField
                            name="from" label=text::first_day(lang) hint=text::first_day_hint(lang) kind="date"
                            value=typed.from error=complaints.from
                        />
                        <TextField
                            name="until" label=text::last_day(lang) hint=text::last_day_hint(lang) kind="date"
                            value=typed.until error=complaints.until
                        />
                        <SelectField
                            name="partner" label=text::partner(lang) hint=text::partner_hint(lang) options=partners
                            chosen=typed.partner error=complaints.partner
                        />
                        <TextField
                            name="description" label=text::description(lang) hint=text::description_hint(lang)
                            value=typed.description error=complaints.description most="200"
                        />
                    </div>
                </fieldset>
                <div><button class="btn main">{text::make(lang)}</button></div>
            </form>
        </Sheet>
    }
}
