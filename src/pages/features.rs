//! /admin/features: what tiers give.

use std::collections::BTreeSet;

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{CheckField, Crumb, Note, SelectField, TextField},
    domain::{
        catalogue::{Catalogue, Feature},
        ids::FeatureId,
        lang::Lang,
        limit::{Cell, Limit, LimitKind},
        period::ResetPeriod,
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::catalogue::{self, CatalogueError},
    words,
};

/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 1_000;
/// All kinds of limits, as they are offered.
const KINDS: [LimitKind; 3] = [LimitKind::Count, LimitKind::Quota, LimitKind::Boolean];

/// What a link to the features may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
}

/// What the form sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct FeatureForm {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name_en: String,
    #[serde(default)]
    name_de: String,
    #[serde(default)]
    description_en: String,
    #[serde(default)]
    description_de: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    period: String,
    #[serde(default)]
    default_limit: String,
    #[serde(default)]
    order: String,
    #[serde(default)]
    active: Option<String>,
}

/// What is wrong with what was typed.
#[derive(Debug, Clone, Default)]
struct Errors {
    id: Option<String>,
    name_en: Option<String>,
    name_de: Option<String>,
    description_en: Option<String>,
    description_de: Option<String>,
    category: Option<String>,
    kind: Option<String>,
    period: Option<String>,
    default_limit: Option<String>,
    order: Option<String>,
}

impl Errors {
    fn any(&self) -> bool {
        [&self.id, &self.kind, &self.period, &self.default_limit, &self.order].into_iter().any(Option::is_some)
    }
}

/// What the form shows.
#[derive(Debug, Clone)]
struct FormView {
    /// Which feature is edited; nothing for a new one.
    edited: Option<FeatureId>,
    typed: FeatureForm,
    errors: Errors,
    /// Categories that there are, to choose from.
    categories: BTreeSet<String>,
}

fn frame(title: &'static str, address: &'static str, width: Width) -> Frame {
    Frame { title, address, width, section: Some(Section::Features), islands: false }
}

/// `GET /admin/features`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let said = match link.said.as_str() {
        "saved" => Some(words::feature_saved(lang)),
        "made" => Some(words::feature_made(lang)),
        _ => None,
    };
    let frame = frame(words::features(lang), "/admin/features", Width::Wide);
    frame::render(&site, &admin.visit, StatusCode::OK, frame, move || list_page(lang, &catalogue, said)).await
}

/// `GET /admin/features/new-feature`: no feature has a dash in its id.
pub async fn new(State(site): State<Site>, admin: Admin) -> Response {
    let next = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue.features().iter().map(|feature| feature.sort_order).max().unwrap_or(0) + 1,
        Err(error) => return failed(&error),
    };
    let typed = FeatureForm {
        kind: LimitKind::Count.as_str().to_owned(),
        period: ResetPeriod::Never.as_str().to_owned(),
        default_limit: Cell::Own(Limit::OFF).to_input(LimitKind::Count),
        order: next.to_string(),
        active: Some("on".to_owned()),
        ..FeatureForm::default()
    };
    form(&site, &admin, StatusCode::OK, None, typed, Errors::default()).await
}

/// `GET /admin/features/{id}`
pub async fn edit(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let Some(feature) = id.parse::<FeatureId>().ok().and_then(|id| catalogue.feature(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let typed = FeatureForm {
        id: feature.id.to_string(),
        name_en: feature.name_en.clone(),
        name_de: feature.name_de.clone(),
        description_en: feature.description_en.clone(),
        description_de: feature.description_de.clone(),
        category: feature.category.clone(),
        kind: feature.kind.as_str().to_owned(),
        period: feature.reset_period.as_str().to_owned(),
        default_limit: Cell::Own(feature.default_limit).to_input(feature.kind),
        order: feature.sort_order.to_string(),
        active: feature.active.then(|| "on".to_owned()),
    };
    form(&site, &admin, StatusCode::OK, Some(feature.id.clone()), typed, Errors::default()).await
}

/// `POST /admin/features`
pub async fn create(State(site): State<Site>, admin: Admin, Form(typed): Form<FeatureForm>) -> Response {
    let id = typed.id.trim().parse::<FeatureId>().ok();
    let no_id = id.is_none().then(|| words::error_id(admin.visit.origin.lang).to_owned());
    put(&site, &admin, id, None, typed, Errors { id: no_id, ..Errors::default() }).await
}

/// `POST /admin/features/{id}`
pub async fn change(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(typed): Form<FeatureForm>,
) -> Response {
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let Some(feature) = id.parse::<FeatureId>().ok().and_then(|id| catalogue.feature(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let id = feature.id.clone();
    put(&site, &admin, Some(id.clone()), Some(id), typed, Errors::default()).await
}

async fn put(
    site: &Site,
    admin: &Admin,
    id: Option<FeatureId>,
    edited: Option<FeatureId>,
    typed: FeatureForm,
    mut errors: Errors,
) -> Response {
    let lang = admin.visit.origin.lang;
    let choose = || Some(words::error_choose(lang).to_owned());
    let kind = typed.kind.parse::<LimitKind>().ok();
    let period = typed.period.parse::<ResetPeriod>().ok();
    let order = typed.order.trim().parse::<i64>().ok();
    if kind.is_none() {
        errors.kind = choose();
    }
    if period.is_none() {
        errors.period = choose();
    }
    if order.is_none() {
        errors.order = Some(words::error_order(lang).to_owned());
    }
    let default = match Cell::parse(&typed.default_limit, kind.unwrap_or(LimitKind::Count)) {
        Ok(Cell::Own(limit)) => Some(limit),
        Ok(Cell::Inherited) => {
            errors.default_limit = Some(words::error_limit_missing(lang).to_owned());
            None
        }
        Err(error) => {
            errors.default_limit = Some(words::own_limit_error(lang, error).to_owned());
            None
        }
    };
    if let (Some(id), Some(kind), Some(reset_period), Some(sort_order), Some(default_limit), false) =
        (id, kind, period, order, default, errors.any())
    {
        let feature = Feature {
            id,
            name_en: typed.name_en.trim().to_owned(),
            name_de: typed.name_de.trim().to_owned(),
            description_en: typed.description_en.trim().to_owned(),
            description_de: typed.description_de.trim().to_owned(),
            category: typed.category.trim().to_owned(),
            kind,
            reset_period,
            default_limit,
            active: typed.active.is_some(),
            sort_order,
        };
        let actor = admin.identity.user.label();
        let done = match &edited {
            Some(_) => catalogue::put_feature(&site.env, &actor, &feature).await.map(drop),
            None => catalogue::create_feature(&site.env, &actor, &feature).await,
        };
        match done {
            Ok(()) => {
                let said = if edited.is_some() { "saved" } else { "made" };
                return Redirect::to(&format!("/admin/features?said={said}")).into_response();
            }
            Err(CatalogueError::Store(error)) => return failed(&error),
            Err(error) => complain(lang, &mut errors, &error),
        }
    }
    form(site, admin, StatusCode::UNPROCESSABLE_ENTITY, edited, typed, errors).await
}

/// Puts what the service says beside the field that it is about.
fn complain(lang: Lang, errors: &mut Errors, error: &CatalogueError) {
    let name = || Some(words::error_name(lang).to_owned());
    let description = || Some(words::error_description(lang).to_owned());
    match error {
        CatalogueError::IdTaken => errors.id = Some(words::error_id_taken(lang).to_owned()),
        CatalogueError::Text { field: "name_en", .. } => errors.name_en = name(),
        CatalogueError::Text { field: "name_de", .. } => errors.name_de = name(),
        CatalogueError::Text { field: "description_en", .. } => errors.description_en = description(),
        CatalogueError::Text { field: "description_de", .. } => errors.description_de = description(),
        CatalogueError::Text { .. } => errors.category = name(),
        CatalogueError::Default(error) => errors.default_limit = Some(words::own_limit_error(lang, *error).to_owned()),
        CatalogueError::CellsInTheWay => errors.kind = Some(words::error_cells_in_the_way(lang).to_owned()),
        _ => errors.order = Some(words::error_order(lang).to_owned()),
    }
}

async fn form(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    edited: Option<FeatureId>,
    typed: FeatureForm,
    errors: Errors,
) -> Response {
    let lang = admin.visit.origin.lang;
    let categories = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue.features().iter().map(|feature| feature.category.clone()).collect(),
        Err(error) => return failed(&error),
    };
    // The answer to a form is found where the form is.
    let mut visit = admin.visit.clone();
    let address = edited.as_ref().map_or_else(|| "new-feature".to_owned(), ToString::to_string);
    visit.path.get_or_insert_with(|| format!("/admin/features/{address}"));
    let title = if edited.is_some() { words::feature(lang) } else { words::new_feature(lang) };
    let view = FormView { edited, typed: shortened(typed), errors, categories };
    let frame = frame(title, "/admin/features", Width::Narrow);
    frame::render(site, &visit, status, frame, move || form_page(lang, view.clone())).await
}

fn shortened(mut typed: FeatureForm) -> FeatureForm {
    for text in [
        &mut typed.id,
        &mut typed.name_en,
        &mut typed.name_de,
        &mut typed.description_en,
        &mut typed.description_de,
        &mut typed.category,
        &mut typed.default_limit,
        &mut typed.order,
    ] {
        *text = text.chars().take(LONGEST_TYPED).collect();
    }
    typed
}

fn list_page(lang: Lang, catalogue: &Catalogue, said: Option<&'static str>) -> impl IntoView + use<> {
    let mut categories: Vec<(&str, Vec<&Feature>)> = Vec::new();
    for feature in catalogue.features() {
        match categories.iter_mut().find(|(category, _)| *category == feature.category) {
            Some((_, features)) => features.push(feature),
            None => categories.push((&feature.category, vec![feature])),
        }
    }
    let is_empty = categories.is_empty();
    let tables = categories
        .into_iter()
        .map(|(category, features)| {
            let name = words::category(lang, category);
            let rows = features.into_iter().map(|feature| row(lang, feature)).collect_view();
            let label = name.clone();
            view! {
                <section class="category">
                    <h2>{name}</h2>
                    <div class="gridwrap">
                        <table class="rows even" aria-label=label>
                            <thead>
                                <tr>
                                    <th scope="col">{words::feature(lang)}</th>
                                    <th scope="col">{words::kind(lang)}</th>
                                    <th scope="col">{words::period(lang)}</th>
                                    <th scope="col" class="end">{words::default_limit(lang)}</th>
                                    <th scope="col">{words::state(lang)}</th>
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                </section>
            }
        })
        .collect_view();
    view! {
        {said.map(|said| view! {
            <Note><span>{said}</span><a href="/admin/matrix">{words::to_the_matrix(lang)}</a></Note>
        })}
        <div class="row between">
            <div>
                <h1>{words::features(lang)}</h1>
                <p class="soft">{words::features_intro(lang)}</p>
            </div>
            <a class="btn" href="/admin/features/new-feature">{words::new_feature(lang)}</a>
        </div>
        {is_empty.then(|| view! {
            <div class="sheet empty"><b>{words::no_features(lang)}</b><p class="soft">{words::no_features_hint(lang)}</p></div>
        })}
        <div>{tables}</div>
    }
}

fn row(lang: Lang, feature: &Feature) -> impl IntoView + use<> {
    let period = feature.is_counted().then(|| words::period_name(lang, feature.reset_period));
    let state = if feature.active {
        view! { <span class="soft">{words::in_use(lang)}</span> }.into_any()
    } else {
        view! { <span class="badge stop">{words::out_of_use(lang)}</span> }.into_any()
    };
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/admin/features/{}", feature.id)>{feature.name(lang).to_owned()}</a>
                <small>{feature.id.to_string()}</small>
            </th>
            <td data-label=words::kind(lang)>{words::kind_name(lang, feature.kind)}</td>
            <td data-label=words::period(lang)>{period}</td>
            <td class="end" data-label=words::default_limit(lang)>
                {words::limit(lang, feature.default_limit, feature.kind)}
            </td>
            <td data-label=words::state(lang)>{state}</td>
        </tr>
    }
}

fn form_page(lang: Lang, view: FormView) -> impl IntoView {
    let FormView { edited, typed, errors, categories } = view;
    let (title, action) = match &edited {
        Some(id) => (words::feature(lang), format!("/admin/features/{id}")),
        None => (words::new_feature(lang), "/admin/features".to_owned()),
    };
    let id = match edited {
        Some(id) => view! { <p class="soft"><code>{id.to_string()}</code></p> }.into_any(),
        None => view! {
            <TextField
                name="id" label=words::id(lang) hint=words::feature_id_hint(lang) value=typed.id error=errors.id
                most="40" required=true
            />
        }
        .into_any(),
    };
    let kinds = KINDS.map(|kind| (kind.as_str().to_owned(), words::kind_name(lang, kind).to_owned())).to_vec();
    let periods = ResetPeriod::ALL
        .map(|period| (period.as_str().to_owned(), words::period_name(lang, period).to_owned()))
        .to_vec();
    let suggestions = categories.into_iter().map(|category| view! { <option value=category></option> }).collect_view();
    view! {
        <Crumb path="/admin/features" name=words::features(lang) />
        <form class="sheet stack" method="post" action=action>
            <div><h1>{title}</h1></div>
            {id}
            <div class="fields">
                <TextField name="name_en" label=words::name_en(lang) value=typed.name_en error=errors.name_en most="100" required=true />
                <TextField name="name_de" label=words::name_de(lang) value=typed.name_de error=errors.name_de most="100" required=true />
                <TextField
                    name="description_en" label=words::description_en(lang) value=typed.description_en
                    error=errors.description_en most="500"
                />
                <TextField
                    name="description_de" label=words::description_de(lang) value=typed.description_de
                    error=errors.description_de most="500"
                />
            </div>
            <TextField
                name="category" label=words::category_word(lang) hint=words::category_hint(lang) value=typed.category
                error=errors.category most="100" list="categories" required=true
            />
            <datalist id="categories">{suggestions}</datalist>
            <div class="fields">
                <SelectField
                    name="kind" label=words::kind(lang) hint=words::kind_hint(lang) options=kinds chosen=typed.kind
                    error=errors.kind
                />
                <SelectField
                    name="period" label=words::period(lang) hint=words::period_hint(lang) options=periods
                    chosen=typed.period error=errors.period
                />
                <TextField
                    name="default_limit" label=words::default_limit(lang) hint=words::default_hint(lang)
                    value=typed.default_limit error=errors.default_limit required=true
                />
                <TextField
                    name="order" label=words::order(lang) hint=words::order_hint(lang) value=typed.order
                    error=errors.order inputmode="numeric" required=true
                />
            </div>
            <CheckField
                name="active" label=words::in_use_label(lang) hint=words::in_use_hint(lang)
                checked=typed.active.is_some()
            />
            <div class="row end">
                <a class="btn" href="/admin/features">{words::cancel(lang)}</a>
                <button class="btn main">{words::save_feature(lang)}</button>
            </div>
        </form>
    }
}
