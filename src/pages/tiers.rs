//! /admin/tiers: what members can have.

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{CheckField, Crumb, Note, TextField},
    domain::{
        catalogue::{Catalogue, Tier},
        ids::TierId,
        lang::Lang,
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::catalogue::{self, CatalogueError},
    words,
};

/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 1_000;

/// What a link to the tiers may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
}

/// What the form sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TierForm {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    description_en: String,
    #[serde(default)]
    description_de: String,
    #[serde(default)]
    price_monthly: String,
    #[serde(default)]
    price_yearly: String,
    #[serde(default)]
    strength: String,
    #[serde(default)]
    active: Option<String>,
    #[serde(default)]
    paid: Option<String>,
}

/// What is wrong with what was typed.
#[derive(Debug, Clone, Default)]
struct Errors {
    id: Option<String>,
    name: Option<String>,
    description_en: Option<String>,
    description_de: Option<String>,
    price_monthly: Option<String>,
    price_yearly: Option<String>,
    strength: Option<String>,
}

impl Errors {
    fn any(&self) -> bool {
        [&self.id, &self.price_monthly, &self.price_yearly, &self.strength].into_iter().any(Option::is_some)
    }
}

/// What the form shows.
#[derive(Debug, Clone)]
struct FormView {
    /// Which tier is edited; nothing for a new one.
    edited: Option<TierId>,
    typed: TierForm,
    errors: Errors,
}

fn frame(title: &'static str, width: Width) -> Frame {
    Frame { title, address: "/admin/tiers", width, section: Some(Section::Tiers), islands: false }
}

/// `GET /admin/tiers`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let said = match link.said.as_str() {
        "saved" => Some(words::tier_saved(lang)),
        "made" => Some(words::tier_made(lang)),
        _ => None,
    };
    let frame = frame(words::tiers(lang), Width::Wide);
    frame::render(&site, &admin.visit, StatusCode::OK, frame, move || list_page(lang, &catalogue, said)).await
}

/// `GET /admin/tiers/new-tier`: no tier has a dash in its id.
pub async fn new(State(site): State<Site>, admin: Admin) -> Response {
    let strongest = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue.tiers().last().map_or(0, |tier| tier.sort_order),
        Err(error) => return failed(&error),
    };
    let typed = TierForm { strength: strongest.saturating_add(1).to_string(), ..TierForm::default() };
    form(&site, &admin, StatusCode::OK, None, typed, Errors::default()).await
}

/// `GET /admin/tiers/{id}`
pub async fn edit(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let Some(tier) = id.parse::<TierId>().ok().and_then(|id| catalogue.tier(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let lang = admin.visit.origin.lang;
    let typed = TierForm {
        id: tier.id.to_string(),
        name: tier.name.clone(),
        description_en: tier.description_en.clone(),
        description_de: tier.description_de.clone(),
        price_monthly: write_price(lang, tier.price_monthly_cents),
        price_yearly: write_price(lang, tier.price_yearly_cents),
        strength: tier.sort_order.to_string(),
        active: tier.active.then(|| "on".to_owned()),
        paid: tier.paid.then(|| "on".to_owned()),
    };
    form(&site, &admin, StatusCode::OK, Some(tier.id.clone()), typed, Errors::default()).await
}

/// `POST /admin/tiers`
pub async fn create(State(site): State<Site>, admin: Admin, Form(typed): Form<TierForm>) -> Response {
    let id = typed.id.trim().parse::<TierId>().ok();
    let no_id = id.is_none().then(|| words::error_id(admin.visit.origin.lang).to_owned());
    put(&site, &admin, id, None, typed, Errors { id: no_id, ..Errors::default() }).await
}

/// `POST /admin/tiers/{id}`
pub async fn change(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(typed): Form<TierForm>,
) -> Response {
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let Some(tier) = id.parse::<TierId>().ok().and_then(|id| catalogue.tier(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let id = tier.id.clone();
    put(&site, &admin, Some(id.clone()), Some(id), typed, Errors::default()).await
}

/// A text that is no price.
#[derive(Debug, PartialEq, Eq)]
struct NoPrice;

/// Reads a price as a person types it, in cents: `4.99`, `4,99`, `5`, `€ 5`, or nothing.
fn read_price(typed: &str) -> Result<Option<i64>, NoPrice> {
    let typed = typed.trim().trim_matches('€').trim();
    if typed.is_empty() {
        return Ok(None);
    }
    let (whole, cents) = typed.split_once(['.', ',']).unwrap_or((typed, "00"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(cents) || cents.len() > 2 || whole.len() > 12 {
        return Err(NoPrice);
    }
    let whole: i64 = whole.parse().map_err(|_| NoPrice)?;
    let tens = if cents.len() == 1 { 10 } else { 1 };
    let cents: i64 = cents.parse().map_err(|_| NoPrice)?;
    Ok(Some(whole * 100 + cents * tens))
}

/// Writes a price so that [`read_price`] reads it.
fn write_price(lang: Lang, cents: Option<i64>) -> String {
    let mark = match lang {
        Lang::En => '.',
        Lang::De => ',',
    };
    cents.map_or_else(String::new, |cents| format!("{}{mark}{:02}", cents / 100, cents % 100))
}

async fn put(
    site: &Site,
    admin: &Admin,
    id: Option<TierId>,
    edited: Option<TierId>,
    typed: TierForm,
    mut errors: Errors,
) -> Response {
    let lang = admin.visit.origin.lang;
    let bad_price = |_| words::error_price(lang).to_owned();
    let monthly = read_price(&typed.price_monthly).map_err(bad_price);
    let yearly = read_price(&typed.price_yearly).map_err(bad_price);
    let strength = typed.strength.trim().parse::<i64>().map_err(|_| words::error_order(lang).to_owned());
    errors.price_monthly = monthly.as_ref().err().cloned();
    errors.price_yearly = yearly.as_ref().err().cloned();
    errors.strength = strength.as_ref().err().cloned();
    if let (Some(id), Ok(monthly), Ok(yearly), Ok(sort_order), false) = (id, monthly, yearly, strength, errors.any()) {
        let tier = Tier {
            id,
            name: typed.name.trim().to_owned(),
            description_en: typed.description_en.trim().to_owned(),
            description_de: typed.description_de.trim().to_owned(),
            price_monthly_cents: monthly,
            price_yearly_cents: yearly,
            active: typed.active.is_some(),
            paid: typed.paid.is_some(),
            sort_order,
        };
        let actor = admin.identity.user.label();
        let done = match &edited {
            Some(_) => catalogue::put_tier(&site.env, &actor, &tier).await.map(drop),
            None => catalogue::create_tier(&site.env, &actor, &tier).await,
        };
        match done {
            Ok(()) => {
                let said = if edited.is_some() { "saved" } else { "made" };
                return Redirect::to(&format!("/admin/tiers?said={said}")).into_response();
            }
            Err(CatalogueError::Store(error)) => return failed(&error),
            Err(error) => complain(lang, &mut errors, &error),
        }
    }
    form(site, admin, StatusCode::UNPROCESSABLE_ENTITY, edited, typed, errors).await
}

/// Puts what the service says beside the field that it is about.
fn complain(lang: Lang, errors: &mut Errors, error: &CatalogueError) {
    let description = || Some(words::error_description(lang).to_owned());
    let price = || Some(words::error_price(lang).to_owned());
    match error {
        CatalogueError::IdTaken => errors.id = Some(words::error_id_taken(lang).to_owned()),
        CatalogueError::Text { field: "description_en", .. } => errors.description_en = description(),
        CatalogueError::Text { field: "description_de", .. } => errors.description_de = description(),
        CatalogueError::Text { .. } => errors.name = Some(words::error_name(lang).to_owned()),
        CatalogueError::Number { field: "price_monthly_cents", .. } => errors.price_monthly = price(),
        CatalogueError::Number { field: "price_yearly_cents", .. } => errors.price_yearly = price(),
        _ => errors.strength = Some(words::error_order(lang).to_owned()),
    }
}

async fn form(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    edited: Option<TierId>,
    typed: TierForm,
    errors: Errors,
) -> Response {
    let lang = admin.visit.origin.lang;
    // The answer to a form is found where the form is.
    let mut visit = admin.visit.clone();
    let address = edited.as_ref().map_or_else(|| "new-tier".to_owned(), ToString::to_string);
    visit.path.get_or_insert_with(|| format!("/admin/tiers/{address}"));
    let title = if edited.is_some() { words::tier(lang) } else { words::new_tier(lang) };
    let view = FormView { edited, typed: shortened(typed), errors };
    frame::render(site, &visit, status, frame(title, Width::Narrow), move || form_page(lang, view.clone())).await
}

fn shortened(mut typed: TierForm) -> TierForm {
    for text in [
        &mut typed.id,
        &mut typed.name,
        &mut typed.description_en,
        &mut typed.description_de,
        &mut typed.price_monthly,
        &mut typed.price_yearly,
        &mut typed.strength,
    ] {
        *text = text.chars().take(LONGEST_TYPED).collect();
    }
    typed
}

fn list_page(lang: Lang, catalogue: &Catalogue, said: Option<&'static str>) -> impl IntoView + use<> {
    let rows = catalogue.tiers().iter().map(|tier| row(lang, tier)).collect_view();
    view! {
        {said.map(|said| view! {
            <Note><span>{said}</span><a href="/admin/matrix">{words::to_the_matrix(lang)}</a></Note>
        })}
        <div class="row between">
            <div>
                <h1>{words::tiers(lang)}</h1>
                <p class="soft">{words::tiers_intro(lang)}</p>
            </div>
            <a class="btn" href="/admin/tiers/new-tier">{words::new_tier(lang)}</a>
        </div>
        <div class="gridwrap">
            <table class="rows">
                <thead>
                    <tr>
                        <th scope="col">{words::tier(lang)}</th>
                        <th scope="col" class="end">{words::price_monthly(lang)}</th>
                        <th scope="col" class="end">{words::price_yearly(lang)}</th>
                        <th scope="col" class="end">{words::strength(lang)}</th>
                        <th scope="col">{words::state(lang)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn row(lang: Lang, tier: &Tier) -> impl IntoView + use<> {
    let price = |cents: Option<i64>| cents.map(|cents| words::monthly_price(lang, cents));
    let offer = if tier.active { words::on_offer(lang) } else { words::not_for_sale(lang) };
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/admin/tiers/{}", tier.id)>{tier.name.clone()}</a>
                <small>{tier.id.to_string()}" · "{tier.description(lang).to_owned()}</small>
            </th>
            <td class="end" data-label=words::price_monthly(lang)>{price(tier.price_monthly_cents)}</td>
            <td class="end" data-label=words::price_yearly(lang)>{price(tier.price_yearly_cents)}</td>
            <td class="end" data-label=words::strength(lang)>{words::number(lang, tier.sort_order)}</td>
            <td data-label=words::state(lang)>
                <span>
                    <span class="soft">{offer}</span>
                    {tier.paid.then(|| view! { " "<span class="badge paid">{words::paid(lang)}</span> })}
                </span>
            </td>
        </tr>
    }
}

fn form_page(lang: Lang, view: FormView) -> impl IntoView {
    let FormView { edited, typed, errors } = view;
    let (title, action) = match &edited {
        Some(id) => (words::tier(lang), format!("/admin/tiers/{id}")),
        None => (words::new_tier(lang), "/admin/tiers".to_owned()),
    };
    let id = match edited {
        Some(id) => view! { <p class="soft"><code>{id.to_string()}</code></p> }.into_any(),
        None => view! {
            <TextField
                name="id" label=words::id(lang) hint=words::tier_id_hint(lang) value=typed.id error=errors.id
                most="40" required=true
            />
        }
        .into_any(),
    };
    view! {
        <Crumb path="/admin/tiers" name=words::tiers(lang) />
        <form class="sheet stack" method="post" action=action>
            <div><h1>{title}</h1></div>
            {id}
            <TextField name="name" label=words::name(lang) value=typed.name error=errors.name most="100" required=true />
            <div class="fields">
                <TextField
                    name="description_en" label=words::description_en(lang) value=typed.description_en
                    error=errors.description_en most="500"
                />
                <TextField
                    name="description_de" label=words::description_de(lang) value=typed.description_de
                    error=errors.description_de most="500"
                />
                <TextField
                    name="price_monthly" label=words::price_monthly(lang) hint=words::price_hint(lang)
                    value=typed.price_monthly error=errors.price_monthly inputmode="decimal"
                />
                <TextField
                    name="price_yearly" label=words::price_yearly(lang) hint=words::price_hint(lang)
                    value=typed.price_yearly error=errors.price_yearly inputmode="decimal"
                />
                <TextField
                    name="strength" label=words::strength(lang) hint=words::strength_hint(lang) value=typed.strength
                    error=errors.strength inputmode="numeric" required=true
                />
            </div>
            <fieldset class="checks">
                <legend class="sr">{words::state(lang)}</legend>
                <CheckField
                    name="active" label=words::on_offer_label(lang) hint=words::on_offer_hint(lang)
                    checked=typed.active.is_some()
                />
                <CheckField
                    name="paid" label=words::paid_label(lang) hint=words::paid_hint(lang)
                    checked=typed.paid.is_some()
                />
            </fieldset>
            <div class="row end">
                <a class="btn" href="/admin/tiers">{words::cancel(lang)}</a>
                <button class="btn main">{words::save_tier(lang)}</button>
            </div>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_people_type_them() {
        for (typed, cents) in [
            ("", None),
            (" 4.99 ", Some(499)),
            ("4,99", Some(499)),
            ("4.9", Some(490)),
            ("5", Some(500)),
            ("€ 0.05", Some(5)),
            ("4,99 €", Some(499)),
        ] {
            assert_eq!(read_price(typed), Ok(cents), "{typed}");
        }
        for bad in ["free", "-1", "4.999", "1.000,00", ".99", "4.", "9999999999999", "4,99 EUR", "٤"] {
            assert_eq!(read_price(bad), Err(NoPrice), "{bad}");
        }
        for lang in Lang::ALL {
            assert_eq!(read_price(&write_price(lang, Some(123_405))), Ok(Some(123_405)));
        }
    }
}
