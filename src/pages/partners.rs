//! /admin/partners: for whom coupons are made, what came of them, and the link under which they read.

mod link;
mod statement;

use std::sync::Arc;

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{CheckField, Confirm, Crumb, Note, Sheet, TextField},
    domain::{
        catalogue::Catalogue,
        coupon::Coupon,
        ids::PartnerId,
        lang::Lang,
        partner::{BadDetails, ContractState, Figures, Month, Partner, PartnerDetails},
    },
    pages::{
        coupons::table,
        day::{end_of_day, start_of_day},
        frame::{self, Frame, Section, Width},
    },
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue,
        coupons::{self, Filter},
        partners::{self, Account, PartnerError},
    },
    words::{self, long_date, number, pages, partners as text, through},
};

pub use link::{show as show_link, statement as link_statement};
pub use statement::show as show_statement;

/// Partners and coupons on one page.
const PAGE: i64 = 50;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 600;

/// What a link to partners may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    archived: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// What the forms of a partner send.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PartnerForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    archived: String,
}

impl PartnerForm {
    /// Nobody wants back what is too long to have been typed.
    fn shortened(mut self) -> Self {
        for field in
            [&mut self.name, &mut self.contact, &mut self.email, &mut self.from, &mut self.until, &mut self.note]
        {
            *field = field.trim().chars().take(LONGEST_TYPED).collect();
        }
        self
    }

    fn of(partner: &Partner, zone: Tz) -> Self {
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive().to_string();
        let details = partner.details.clone();
        Self {
            name: details.name,
            contact: details.contact,
            email: details.email.unwrap_or_default(),
            from: details.contract_from.map(day).unwrap_or_default(),
            until: details.contract_until.map(|end| day(end - TimeDelta::seconds(1))).unwrap_or_default(),
            note: details.note,
            archived: if partner.archived_at.is_some() { "on".to_owned() } else { String::new() },
        }
    }
}

/// What is wrong with the form.
#[derive(Debug, Clone, Default)]
struct Complaints {
    name: Option<String>,
    contact: Option<String>,
    email: Option<String>,
    from: Option<String>,
    until: Option<String>,
    note: Option<String>,
}

fn frame(lang: Lang, width: Width) -> Frame {
    Frame {
        title: text::title(lang),
        address: "/admin/partners",
        width,
        section: Some(Section::Partners),
        islands: false,
    }
}

/// Reads the form; nothing if a field cannot be read, which is then said beside it.
fn read(lang: Lang, form: &PartnerForm, zone: Tz, complaints: &mut Complaints) -> Option<PartnerDetails> {
    let no_day = || Some(text::error_day(lang).to_owned());
    let from = start_of_day(&form.from, zone).map_err(|_| complaints.from = no_day()).ok();
    let until = end_of_day(&form.until, zone).map_err(|_| complaints.until = no_day()).ok();
    Some(PartnerDetails {
        name: form.name.clone(),
        contact: form.contact.clone(),
        email: Some(form.email.clone()),
        contract_from: from?,
        contract_until: until?,
        note: form.note.clone(),
    })
}

/// Puts a complaint beside its field. What belongs to no field is an answer by itself.
fn complain(lang: Lang, error: PartnerError, complaints: &mut Complaints) -> Option<Response> {
    let (field, problem) = match error {
        PartnerError::Store(error) => return Some(failed(&error)),
        PartnerError::NoSuchPartner | PartnerError::Archived => return Some(StatusCode::NOT_FOUND.into_response()),
        PartnerError::NameTaken => (&mut complaints.name, text::error_taken(lang)),
        PartnerError::Details(problem) => {
            let field = match problem {
                BadDetails::Name => &mut complaints.name,
                BadDetails::Contact => &mut complaints.contact,
                BadDetails::Email => &mut complaints.email,
                BadDetails::Contract => &mut complaints.until,
                BadDetails::Note => &mut complaints.note,
            };
            (field, text::bad_details(lang, problem))
        }
    };
    *field = Some(problem.to_owned());
    None
}

/// What the list shows.
#[derive(Debug)]
struct ListView {
    said: Option<&'static str>,
    archived: bool,
    found: Vec<(Partner, Figures)>,
    older: Option<String>,
    zone: Tz,
    typed: PartnerForm,
    complaints: Complaints,
    now: DateTime<Utc>,
}

/// `GET /admin/partners`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = (link.said == "gone").then(|| text::is_gone(lang));
    list_page(&site, &admin, StatusCode::OK, &link, said, Default::default()).await
}

async fn list_page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    link: &Link,
    said: Option<&'static str>,
    (typed, complaints): (PartnerForm, Complaints),
) -> Response {
    let lang = admin.visit.origin.lang;
    let archived = !link.archived.is_empty();
    let (catalogue, mut found) = match (
        catalogue::current(&site.env).await,
        partners::list(&site.env, archived, link.before.parse().ok(), PAGE + 1).await,
    ) {
        (Ok(catalogue), Ok(found)) => (catalogue, found),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = found.len() > most;
    found.truncate(most);
    let mark = if archived { "archived=1&" } else { "" };
    let last = found.last().filter(|_| has_more);
    let older = last.map(|(last, _)| format!("/admin/partners?{mark}before={}", last.id));
    let (zone, now) = (catalogue.settings.timezone, site.env.clock.now());
    let view = Arc::new(ListView { said, archived, found, older, zone, typed, complaints, now });
    frame::render(site, &admin.visit, status, frame(lang, Width::Wide), move || partners_page(lang, &view)).await
}

/// `POST /admin/partners`
pub async fn create(State(site): State<Site>, admin: Admin, Form(form): Form<PartnerForm>) -> Response {
    let lang = admin.visit.origin.lang;
    let zone = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue.settings.timezone,
        Err(error) => return failed(&error),
    };
    let form = form.shortened();
    let mut complaints = Complaints::default();
    if let Some(details) = read(lang, &form, zone, &mut complaints) {
        match partners::create(&site.env, details, &admin.identity.user.label()).await {
            Ok(partner) => {
                return Redirect::to(&format!("/admin/partners/{}?said=added", partner.id)).into_response();
            }
            Err(error) => {
                if let Some(response) = complain(lang, error, &mut complaints) {
                    return response;
                }
            }
        }
    }
    list_page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, &Link::default(), None, (form, complaints)).await
}

/// What the page of one partner shows.
#[derive(Debug)]
struct PartnerView {
    said: Option<&'static str>,
    account: Account,
    coupons: Vec<Coupon>,
    older: Option<String>,
    catalogue: Arc<Catalogue>,
    typed: PartnerForm,
    complaints: Complaints,
    now: DateTime<Utc>,
}

async fn find(site: &Site, id: &str) -> Result<Partner, Response> {
    let gone = || StatusCode::NOT_FOUND.into_response();
    let id: PartnerId = id.parse().map_err(|_| gone())?;
    partners::find(&site.env, id).await.map_err(|error| failed(&error))?.ok_or_else(gone)
}

/// `GET /admin/partners/{id}`
pub async fn show(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Query(link): Query<Link>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "added" => Some(text::is_added(lang)),
        "saved" => Some(text::is_saved(lang)),
        "link-ended" => Some(text::link_ended(lang)),
        _ => None,
    };
    let partner = match find(&site, &id).await {
        Ok(partner) => partner,
        Err(response) => return response,
    };
    partner_page_of(&site, &admin, StatusCode::OK, &link, said, partner, None).await
}

async fn partner_page_of(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    link: &Link,
    said: Option<&'static str>,
    partner: Partner,
    typed: Option<(PartnerForm, Complaints)>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let filter = Filter { partner: Some(partner.id), ..Filter::default() };
    let (catalogue, mut coupons, account) = match (
        catalogue::current(&site.env).await,
        coupons::list(&site.env, &filter, link.before.parse().ok(), PAGE + 1).await,
        partners::account(&site.env, partner).await,
    ) {
        (Ok(catalogue), Ok(coupons), Ok(account)) => (catalogue, coupons, account),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return failed(&error),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = coupons.len() > most;
    coupons.truncate(most);
    let last = coupons.last().filter(|_| has_more);
    let older = last.map(|last| format!("/admin/partners/{}?before={}", account.partner.id, last.id));
    let zone = catalogue.settings.timezone;
    let (typed, complaints) = typed.unwrap_or_else(|| (PartnerForm::of(&account.partner, zone), Complaints::default()));
    let now = site.env.clock.now();
    let view = Arc::new(PartnerView { said, account, coupons, older, catalogue, typed, complaints, now });
    frame::render(site, &admin.visit, status, frame(lang, Width::Wide), move || partner_page(lang, &view)).await
}

/// `POST /admin/partners/{id}`
pub async fn change(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<PartnerForm>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let (partner, catalogue) = match (find(&site, &id).await, catalogue::current(&site.env).await) {
        (Ok(partner), Ok(catalogue)) => (partner, catalogue),
        (Err(response), _) => return response,
        (_, Err(error)) => return failed(&error),
    };
    let form = form.shortened();
    let mut complaints = Complaints::default();
    if let Some(details) = read(lang, &form, catalogue.settings.timezone, &mut complaints) {
        let actor = admin.identity.user.label();
        match partners::change(&site.env, partner.id, details, !form.archived.is_empty(), &actor).await {
            Ok(partner) => {
                return Redirect::to(&format!("/admin/partners/{}?said=saved", partner.id)).into_response();
            }
            Err(error) => {
                if let Some(response) = complain(lang, error, &mut complaints) {
                    return response;
                }
            }
        }
    }
    let typed = Some((form, complaints));
    partner_page_of(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, &Link::default(), None, partner, typed).await
}

/// `POST /admin/partners/{id}/link`: makes another link, and shows it in the answer. There is no
/// other page on which it could be shown again.
pub async fn make_link(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let partner = match find(&site, &id).await {
        Ok(partner) => partner,
        Err(response) => return response,
    };
    let token = match partners::make_link(&site.env, partner.id, &admin.identity.user.label()).await {
        Ok(token) => token,
        Err(PartnerError::Store(error)) => return failed(&error),
        Err(_) => return Redirect::to(&format!("/admin/partners/{}", partner.id)).into_response(),
    };
    let lang = admin.visit.origin.lang;
    let (link, back) = (partners::link(&site.env, &token), format!("/admin/partners/{}", partner.id));
    let name = partner.details.name;
    let frame = Frame { title: text::link_made(lang), ..frame(lang, Width::Narrow) };
    frame::render(&site, &admin.visit, StatusCode::CREATED, frame, move || {
        view! {
            <Crumb path=back.clone() name=name.clone() />
            <section class="sheet stack">
                <h1>{text::link_made(lang)}</h1>
                <p>{text::link_once(lang)}</p>
                <div class="link token"><input readonly value=link.clone() aria-label=text::link(lang) /></div>
                <p class="soft">{text::link_intro(lang)}</p>
            </section>
        }
    })
    .await
}

/// `POST /admin/partners/{id}/link/end`
pub async fn end_link(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let partner = match find(&site, &id).await {
        Ok(partner) => partner,
        Err(response) => return response,
    };
    match partners::end_link(&site.env, partner.id, &admin.identity.user.label()).await {
        Err(PartnerError::Store(error)) => failed(&error),
        _ => Redirect::to(&format!("/admin/partners/{}?said=link-ended", partner.id)).into_response(),
    }
}

fn contract(lang: Lang, partner: &Partner, zone: Tz) -> String {
    let details = &partner.details;
    let from = details
        .contract_from
        .map(|at| words::coupons::from_day(lang, &long_date(lang, at.with_timezone(&zone).date_naive())));
    let until = details.contract_until.map(|end| through(lang, end, zone));
    let parts: Vec<String> = [from, until].into_iter().flatten().collect();
    if parts.is_empty() { words::coupons::without_end(lang).to_owned() } else { parts.join(" ") }
}

fn contract_badge(lang: Lang, partner: &Partner, now: DateTime<Utc>) -> impl IntoView + use<> {
    let state = partner.contract(now);
    let class = if state == ContractState::Running { "badge paid" } else { "badge" };
    view! { <span class=class>{text::contract_state(lang, state)}</span> }
}

fn partners_page(lang: Lang, view: &ListView) -> impl IntoView + use<> {
    let tab = |path: &'static str, name: &'static str, is_this: bool| {
        view! { <a href=path aria-current=is_this.then_some("true")>{name}</a> }
    };
    let list = if view.found.is_empty() {
        view! { <div class="sheet empty"><b>{text::none(lang)}</b><p class="soft">{text::none_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = view.found.iter().map(|(partner, figures)| row(lang, partner, *figures, view)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::name(lang)}</th>
                            <th scope="col">{text::contract(lang)}</th>
                            <th scope="col">{text::coupons(lang)}</th>
                            <th scope="col">{text::redemptions(lang)}</th>
                            <th scope="col">{text::active(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{words::coupons::older(lang)}</a></nav> }
    });
    let inputs = fields(lang, &view.typed, &view.complaints);
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="tabs" aria-label=text::which(lang)>
            {tab("/admin/partners", text::current(lang), !view.archived)}
            {tab("/admin/partners?archived=1", text::archived(lang), view.archived)}
        </nav>
        {list}
        {older}
        <Sheet title=text::new(lang) id="new">
            <form class="stack tight" method="post" action="/admin/partners">
                {inputs}
                <div><button class="btn main">{text::add(lang)}</button></div>
            </form>
        </Sheet>
    }
}

fn row(lang: Lang, partner: &Partner, figures: Figures, view: &ListView) -> impl IntoView + use<> {
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/admin/partners/{}", partner.id)>{partner.details.name.clone()}</a>
                <small class="soft">{partner.details.contact.clone()}</small>
            </th>
            <td data-label=text::contract(lang)>
                <div class="state">{contract_badge(lang, partner, view.now)}<small class="soft">{contract(lang, partner, view.zone)}</small></div>
            </td>
            <td data-label=text::coupons(lang)>{number(lang, figures.coupons)}</td>
            <td data-label=text::redemptions(lang)>{number(lang, figures.redemptions)}</td>
            <td data-label=text::active(lang)>{number(lang, figures.active)}</td>
        </tr>
    }
}

fn fields(lang: Lang, typed: &PartnerForm, complaints: &Complaints) -> impl IntoView + use<> {
    let (typed, complaints) = (typed.clone(), complaints.clone());
    view! {
        <div class="fields">
            <TextField name="name" label=text::name(lang) value=typed.name error=complaints.name most="200" required=true />
            <TextField name="contact" label=text::contact(lang) value=typed.contact error=complaints.contact most="200" />
            <TextField
                name="email" label=text::email(lang) value=typed.email error=complaints.email kind="email" most="254"
            />
            <TextField
                name="from" label=text::contract_from(lang) hint=text::no_bound(lang) kind="date" value=typed.from
                error=complaints.from
            />
            <TextField
                name="until" label=text::contract_until(lang) hint=text::no_bound(lang) kind="date" value=typed.until
                error=complaints.until
            />
            <TextField
                name="note" label=text::note(lang) hint=text::note_hint(lang) value=typed.note error=complaints.note
                most="500"
            />
        </div>
    }
}

/// The three figures of a partner.
fn figures_of(lang: Lang, figures: Figures) -> impl IntoView + use<> {
    let all = [
        (text::coupons(lang), figures.coupons),
        (text::redemptions(lang), figures.redemptions),
        (text::active(lang), figures.active),
    ];
    let all = all.map(|(name, count)| view! { <div><dt>{name}</dt><dd class="num">{number(lang, count)}</dd></div> });
    view! { <dl class="stats">{all.collect_view()}</dl> }
}

/// The statements of some months, below `address`.
fn months_of(lang: Lang, months: &[Month], address: &str) -> impl IntoView + use<> {
    let link = |month: &Month| {
        let address = format!("{address}/statement/{month}");
        view! {
            <li>
                <a href=address.clone()>{text::month(lang, *month)}</a>" · "
                <a class="soft" href=format!("{address}.csv")>{text::csv(lang)}</a>
            </li>
        }
    };
    view! { <ul class="lines">{months.iter().map(link).collect_view()}</ul> }
}

fn partner_page(lang: Lang, view: &PartnerView) -> impl IntoView + use<> {
    let Account { partner, figures, months } = &view.account;
    let address = format!("/admin/partners/{}", partner.id);
    let coupons = if view.coupons.is_empty() {
        view! { <p class="soft">{text::no_coupons(lang)}</p> }.into_any()
    } else {
        table(lang, &view.coupons, &view.catalogue, view.now).into_any()
    };
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{words::coupons::older(lang)}</a></nav> }
    });
    let months = months_of(lang, months, &address);
    let inputs = fields(lang, &view.typed, &view.complaints);
    let is_archived = !view.typed.archived.is_empty();
    let here = address.clone();
    let link = match partner.linked_at {
        None => view! {
            <p class="soft">{text::no_link(lang)}</p>
            <form method="post" action=format!("{address}/link")>
                <button class="btn" disabled=partner.archived_at.is_some()>{text::make_link(lang)}</button>
            </form>
        }
        .into_any(),
        Some(since) => view! {
            <p class="soft">{text::linked_since(lang, since)}</p>
            <div class="row">
                <Confirm
                    label=text::make_another(lang) question=text::make_another_ask(lang)
                    action=format!("{address}/link")
                />
                <Confirm
                    label=text::end_link(lang) question=text::end_link_ask(lang) action=format!("{address}/link/end")
                />
            </div>
        }
        .into_any(),
    };
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <Crumb path="/admin/partners" name=text::title(lang) />
        <div class="row between">
            <h1>{partner.details.name.clone()}</h1>
            {contract_badge(lang, partner, view.now)}
        </div>
        <p class="soft">{text::contract(lang)}": "{contract(lang, partner, view.catalogue.settings.timezone)}</p>
        {figures_of(lang, *figures)}
        <p class="soft">{text::active_hint(lang)}</p>
        <div class="coupon">
            <Sheet title=text::details(lang) id="details">
                <form class="stack tight" method="post" action=here>
                    {inputs}
                    <CheckField
                        name="archived" label=text::put_away(lang) hint=text::put_away_hint(lang)
                        checked=is_archived
                    />
                    <div><button class="btn main">{text::save(lang)}</button></div>
                </form>
            </Sheet>
            <div class="stack">
                <Sheet title=text::statements(lang) id="statements">{months}</Sheet>
                <Sheet title=text::link(lang) id="link">
                    <p class="soft">{text::link_intro(lang)}</p>
                    {link}
                </Sheet>
            </div>
        </div>
        <div class="row between">
            <h2>{text::coupons(lang)}</h2>
            <a class="btn" href="/admin/coupons#new">{text::make_coupons(lang)}</a>
        </div>
        {coupons}
        {older}
    }
}
