//! /admin/settings: what the product does by its settings, all on one page.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Form, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, Note, SelectField, Sheet, TextField},
    domain::{
        catalogue::Catalogue,
        lang::Lang,
        settings::{AppSettings, DISABLED},
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::catalogue::{self, CatalogueError, LastChange},
    words::{self, app_settings as text},
};

/// The longest text that comes back as it was typed.
const LONGEST_TYPED: usize = 200;

/// What a link to the page may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
}

/// What the page shows.
#[derive(Debug)]
struct SettingsView {
    said: Option<&'static str>,
    alert: Option<&'static str>,
    catalogue: Arc<Catalogue>,
    changes: Vec<LastChange>,
    typed: HashMap<String, String>,
    complaints: HashMap<String, String>,
}

/// How a setting is chosen or typed.
enum Input {
    /// One of these: value and text of each.
    Choice(Vec<(String, String)>),
    /// A number.
    Number,
    /// A word.
    Text,
}

/// `GET /admin/settings`
pub async fn show(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "saved" => Some(text::is_saved(lang)),
        _ => None,
    };
    page(&site, &admin, StatusCode::OK, said, HashMap::new(), HashMap::new()).await
}

/// `POST /admin/settings`
pub async fn save(State(site): State<Site>, admin: Admin, Form(form): Form<Vec<(String, String)>>) -> Response {
    let lang = admin.visit.origin.lang;
    let typed: HashMap<String, String> = form
        .into_iter()
        .filter(|(key, _)| AppSettings::KEYS.contains(&key.as_str()))
        .map(|(key, value)| (key, value.trim().to_owned()))
        .collect();
    // In the order of the page, so that the log has it, too.
    let wanted: Vec<(&str, &str)> =
        AppSettings::KEYS.into_iter().filter_map(|key| Some((key, typed.get(key)?.as_str()))).collect();
    let refused = match catalogue::set_settings(&site.env, &admin.identity.user.label(), &wanted).await {
        Ok(refused) => refused,
        Err(error) => return failed(&error),
    };
    if refused.is_empty() {
        return Redirect::to("/admin/settings?said=saved").into_response();
    }
    let complaints = refused.into_iter().map(|(key, error)| {
        let problem = match &error {
            CatalogueError::NoSuchTier(_) => text::error_tier(lang).to_owned(),
            CatalogueError::Setting(error) => complaint(lang, &key, error.expected()),
            other => other.to_string(),
        };
        (key, problem)
    });
    let complaints = complaints.collect();
    page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, None, typed, complaints).await
}

fn complaint(lang: Lang, key: &str, expected: &str) -> String {
    match expected {
        "true or false" => text::error_flag(lang).to_owned(),
        _ if key.ends_with("_tier") => text::error_tier(lang).to_owned(),
        _ if key == "timezone" => text::error_zone(lang).to_owned(),
        _ if expected.bytes().any(|byte| byte.is_ascii_digit()) => text::error_number(lang, expected),
        _ => text::error_choice(lang).to_owned(),
    }
}

async fn page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    said: Option<&'static str>,
    typed: HashMap<String, String>,
    complaints: HashMap<String, String>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let (catalogue, changes) = match (catalogue::newest(&site.env).await, catalogue::setting_changes(&site.env).await) {
        (Ok(catalogue), Ok(changes)) => (catalogue, changes),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let alert = (!complaints.is_empty()).then(|| text::not_saved(lang));
    let view = Arc::new(SettingsView { said, alert, catalogue, changes, typed, complaints });
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/settings",
        width: Width::Narrow,
        section: Some(Section::AppSettings),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || settings_page(lang, &view)).await
}

/// Where the sections stand on the page.
const SECTION_IDS: [&str; 6] = ["sign-up", "invitations", "rewards", "payments", "limits", "operation"];

fn settings_page(lang: Lang, view: &SettingsView) -> impl IntoView + use<> {
    let sections = text::SECTIONS.iter().enumerate().map(|(number, title)| {
        let fields = AppSettings::KEYS.into_iter().filter(|key| text::section(key) == number);
        let fields = fields.map(|key| field(lang, view, key)).collect_view();
        let id = SECTION_IDS[number];
        view! { <Sheet title=title(lang) id=id>{fields}</Sheet> }
    });
    let sections = sections.collect_view();
    let jumps = text::SECTIONS.iter().zip(SECTION_IDS).map(|(title, id)| {
        view! { <a href=format!("#{id}")>{title(lang)}</a> }
    });
    let jumps = jumps.collect_view();
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        {view.alert.map(|alert| view! { <Alert><span>{alert}</span></Alert> })}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="jumps" aria-label=words::on_this_page(lang)>{jumps}</nav>
        <form class="stack" method="post" action="/admin/settings">
            {sections}
            <div class="save-bar"><button class="btn main">{text::save(lang)}</button></div>
        </form>
    }
}

fn field(lang: Lang, view: &SettingsView, key: &'static str) -> AnyView {
    let (label, help) = text::about(lang, key).unwrap_or((key, ""));
    let value = view.typed.get(key).cloned().or_else(|| view.catalogue.settings.value(key)).unwrap_or_default();
    let value: String = value.chars().take(LONGEST_TYPED).collect();
    let error = view.complaints.get(key).cloned();
    let change = view.changes.iter().find(|change| change.key == key);
    let change = change.map(|change| text::changed_by(lang, &change.updated_by, change.updated_at));
    let input = input(lang, &view.catalogue, key);
    let shown = |default: String| match &input {
        Input::Choice(options) => {
            options.iter().find(|(value, _)| *value == default).map_or(default.clone(), |(_, name)| name.clone())
        }
        Input::Number | Input::Text => default,
    };
    let usually = text::default_of(key).map(|default| text::usually(lang, &shown(default)));
    let more: Vec<String> = usually.into_iter().chain(change).collect();
    let more = view! { <p class="hint">{help}</p>
    <p class="hint key"><code>{key}</code>" "<span>{more.join(" ")}</span></p> };
    let field = match input {
        Input::Choice(mut options) => {
            if !options.iter().any(|(known, _)| *known == value) {
                options.push((value.clone(), value.clone()));
            }
            view! { <SelectField name=key label=label options=options chosen=value error=error /> }.into_any()
        }
        Input::Number => {
            view! { <TextField name=key label=label value=value error=error inputmode="numeric" most="10" required=true /> }
                .into_any()
        }
        Input::Text => {
            view! { <TextField name=key label=label value=value error=error most="100" required=true /> }.into_any()
        }
    };
    view! { <div class="field">{field}{more}</div> }.into_any()
}

/// Flags are chosen, not ticked: what a form does not send is left as it is.
fn input(lang: Lang, catalogue: &Catalogue, key: &str) -> Input {
    let choice = |options: &[(&str, &str)]| {
        Input::Choice(options.iter().map(|(value, name)| ((*value).to_owned(), (*name).to_owned())).collect())
    };
    if key.ends_with("_tier") {
        let mut tiers: Vec<_> = catalogue.tiers().iter().map(|tier| (tier.id.to_string(), tier.name.clone())).collect();
        if key == "post_trial_tier" {
            tiers.push((DISABLED.to_owned(), text::no_access(lang).to_owned()));
        }
        return Input::Choice(tiers);
    }
    match (key, text::default_of(key).as_deref()) {
        ("usage_periods", _) => choice(&[("calendar", text::calendar(lang)), ("anniversary", text::anniversary(lang))]),
        ("credit_during_subscription", _) => {
            choice(&[("returned", text::returned(lang)), ("burns", text::burns(lang))])
        }
        (_, Some("true" | "false")) => choice(&[("true", text::yes(lang)), ("false", text::no(lang))]),
        (_, Some(number)) if number.parse::<i64>().is_ok() => Input::Number,
        _ => Input::Text,
    }
}
