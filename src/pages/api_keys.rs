//! /admin/keys: the keys by which apps ask.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{
        CheckField, Confirm, Note, Sheet, TextField,
        islands::{CopyButton, LocalTime},
    },
    domain::{
        api_key::{ApiKey, Scope, Scopes},
        ids::ApiKeyId,
        lang::Lang,
    },
    pages::{
        day::{NoDay, end_of_day},
        frame::{self, Frame, Section, Width},
    },
    platform::caller::{Admin, Site, failed},
    services::{
        api_keys::{self, ApiKeyError, NewApiKey},
        catalogue,
    },
    words,
};

/// Keys on one page of the list.
const PAGE: i64 = 50;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 300;
/// Where somebody proves again that it is them, and comes back from.
const SIGN_IN_AGAIN: &str = "/login?fresh=1&next=%2Fadmin%2Fkeys";

/// What a link to the keys may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// What was typed into the form, and what is wrong with it.
#[derive(Debug, Clone, Default)]
struct Typed {
    name: String,
    name_error: Option<String>,
    scopes: Vec<Scope>,
    scopes_error: Option<String>,
    until: String,
    until_error: Option<String>,
}

/// What the page shows.
#[derive(Debug)]
struct KeysView {
    said: Option<&'static str>,
    keys: Vec<ApiKey>,
    /// Where the older keys are.
    older: Option<String>,
    /// Whether the sign-in is recent enough to make a key.
    is_fresh: bool,
    typed: Typed,
    zone: Tz,
    now: DateTime<Utc>,
}

/// `GET /admin/keys`
pub async fn show(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "revoked" => Some(words::key_is_revoked(lang)),
        "gone" => Some(words::key_was_gone(lang)),
        _ => None,
    };
    let before = link.before.parse().ok();
    page(&site, &admin, StatusCode::OK, before, said, Typed::default()).await
}

async fn page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    before: Option<ApiKeyId>,
    said: Option<&'static str>,
    typed: Typed,
) -> Response {
    let lang = admin.visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let mut keys = match api_keys::list(&site.env, before, PAGE + 1).await {
        Ok(keys) => keys,
        Err(error) => return failed(&error),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = keys.len() > most;
    keys.truncate(most);
    let older = keys.last().filter(|_| has_more).map(|last| format!("/admin/keys?before={}", last.id));
    let now = site.env.clock.now();
    let is_fresh = admin.identity.is_fresh(now);
    let view = Arc::new(KeysView { said, keys, older, is_fresh, typed, zone: catalogue.settings.timezone, now });
    frame::render(site, &admin.visit, status, frame(words::api_keys(lang), Width::Wide), move || keys_page(lang, &view))
        .await
}

fn frame(title: &'static str, width: Width) -> Frame {
    Frame { title, address: "/admin/keys", width, section: Some(Section::Keys), islands: true }
}

/// What the form of a new key sends, once for each scope that is ticked.
fn read(form: &Bytes) -> Typed {
    let mut typed = Typed::default();
    for (name, value) in url::form_urlencoded::parse(form) {
        let short = || value.chars().take(LONGEST_TYPED).collect::<String>();
        match name.as_ref() {
            "name" => typed.name = short(),
            "until" => typed.until = short(),
            "scope" => typed.scopes.extend(value.parse::<Scope>().ok()),
            _ => {}
        }
    }
    typed
}

/// `POST /admin/keys`: makes a key, and shows its token in the answer. There is no other page on
/// which it could be shown again.
pub async fn create(State(site): State<Site>, admin: Admin, form: Bytes) -> Response {
    if !admin.identity.is_fresh(site.env.clock.now()) {
        return Redirect::to(SIGN_IN_AGAIN).into_response();
    }
    let lang = admin.visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let mut typed = read(&form);
    let expires_at = match end_of_day(&typed.until, catalogue.settings.timezone) {
        Ok(end) => end,
        Err(NoDay) => {
            typed.until_error = Some(words::error_day(lang).to_owned());
            None
        }
    };
    let scopes: Scopes = typed.scopes.iter().copied().collect();
    if scopes.is_empty() {
        typed.scopes_error = Some(words::error_no_scopes(lang).to_owned());
    }
    if typed.scopes_error.is_none() && typed.until_error.is_none() {
        let new = NewApiKey { name: typed.name.clone(), scopes, user: None, expires_at };
        match api_keys::create(&site.env, new, &admin.identity.user.label()).await {
            Ok((key, token)) => {
                let frame = frame(words::key_made(lang), Width::Narrow);
                let page = move || token_page(lang, &key, token.clone());
                return frame::render(&site, &admin.visit, StatusCode::CREATED, frame, page).await;
            }
            Err(ApiKeyError::BadName) => typed.name_error = Some(words::error_key_name(lang).to_owned()),
            Err(ApiKeyError::BadEnd) => typed.until_error = Some(words::error_day_past(lang).to_owned()),
            Err(ApiKeyError::Store(error)) => return failed(&error),
            // Those are about scopes and about members' keys, of which there are none here.
            Err(_) => typed.scopes_error = Some(words::error_no_scopes(lang).to_owned()),
        }
    } else if typed.name.trim().is_empty() {
        typed.name_error = Some(words::error_key_name(lang).to_owned());
    }
    page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, None, None, typed).await
}

/// `POST /admin/keys/{id}/revoke`
pub async fn revoke(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<ApiKeyId>() else { return Redirect::to("/admin/keys?said=gone").into_response() };
    match api_keys::revoke(&site.env, id, &admin.identity.user.label()).await {
        Ok(true) => Redirect::to("/admin/keys?said=revoked").into_response(),
        Ok(false) => Redirect::to("/admin/keys?said=gone").into_response(),
        Err(error) => failed(&error),
    }
}

fn keys_page(lang: Lang, view: &KeysView) -> impl IntoView + use<> {
    let rows = view.keys.iter().map(|key| key_row(lang, key, view)).collect_view();
    let list = if view.keys.is_empty() {
        view! { <div class="sheet empty"><p class="soft">{words::no_keys(lang)}</p></div> }.into_any()
    } else {
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{words::name(lang)}</th>
                            <th scope="col">{words::scopes(lang)}</th>
                            <th scope="col">{words::created(lang)}</th>
                            <th scope="col">{words::last_used(lang)}</th>
                            <th scope="col">{words::expires(lang)}</th>
                            <th scope="col">{words::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=words::pages(lang)><a class="btn" href=older>{words::older(lang)}</a></nav> }
    });
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div>
            <h1>{words::api_keys(lang)}</h1>
            <p class="soft">{words::api_keys_intro(lang)}</p>
        </div>
        {list}
        {older}
        {new_key(lang, view)}
    }
}

fn key_row(lang: Lang, key: &ApiKey, view: &KeysView) -> impl IntoView + use<> {
    let scopes =
        key.scopes.iter().map(|scope| view! { <code class="scope">{scope.as_str()}</code> " " }).collect_view();
    let last_used = match key.last_used_at {
        Some(at) => local_time(lang, at).into_any(),
        None => view! { <span class="soft">{words::never_used(lang)}</span> }.into_any(),
    };
    let expires = match key.expires_at {
        Some(at) => words::through(lang, at, view.zone).into_any(),
        None => view! { <span class="soft">{words::without_end(lang)}</span> }.into_any(),
    };
    let state = match key.revoked_at {
        Some(_) => view! { <span class="badge">{words::key_revoked(lang)}</span> }.into_any(),
        None if !key.is_good(view.now) => view! { <span class="badge">{words::key_expired(lang)}</span> }.into_any(),
        None => view! {
            <span class="badge paid">{words::key_good(lang)}</span>
            <Confirm
                label=words::revoke_key(lang) about=key.name.clone() question=words::revoke_key_ask(lang)
                action=format!("/admin/keys/{}/revoke", key.id)
            />
        }
        .into_any(),
    };
    view! {
        <tr class:over=!key.is_good(view.now)>
            <th scope="row">{key.name.clone()}<small><code>{key.hint.clone()}"…"</code></small></th>
            <td data-label=words::scopes(lang)><span>{scopes}</span></td>
            <td data-label=words::created(lang)>
                <span>
                    {words::long_date(lang, key.created_at.date_naive())}
                    <small class="soft address">{key.created_by.clone()}</small>
                </span>
            </td>
            <td data-label=words::last_used(lang)>{last_used}</td>
            <td data-label=words::expires(lang)>{expires}</td>
            <td data-label=words::state(lang)><div class="state">{state}</div></td>
        </tr>
    }
}

fn local_time(lang: Lang, at: DateTime<Utc>) -> impl IntoView + use<> {
    view! {
        <LocalTime
            datetime=at.to_rfc3339() text=words::long_time(lang, at) lang=words::date_locale(lang).to_owned()
        />
    }
}

fn new_key(lang: Lang, view: &KeysView) -> AnyView {
    if !view.is_fresh {
        return view! {
            <Sheet title=words::new_key(lang) id="new">
                <p class="soft">{words::step_up_for_keys(lang)}</p>
                <div><a class="btn main" href=SIGN_IN_AGAIN>{words::sign_in_again(lang)}</a></div>
            </Sheet>
        }
        .into_any();
    }
    let typed = view.typed.clone();
    let scopes = Scope::ALL
        .map(|scope| {
            let checked = typed.scopes.contains(&scope);
            view! {
                <CheckField name="scope" value=scope.as_str() label=scope.as_str() hint=words::scope(lang, scope) checked=checked />
            }
        })
        .collect_view();
    let error = typed.scopes_error.map(|error| view! { <p class="err" id="scope-error">{error}</p> });
    let described = if error.is_some() { "scope-error scope-hint" } else { "scope-hint" };
    view! {
        <Sheet title=words::new_key(lang) id="new">
            <form class="stack tight" method="post" action="/admin/keys">
                <div class="fields">
                    <TextField
                        name="name" label=words::name(lang) hint=words::key_name_hint(lang) value=typed.name
                        error=typed.name_error most="100" required=true
                    />
                    <TextField
                        name="until" label=words::last_day(lang) hint=words::last_day_hint(lang) kind="date"
                        value=typed.until error=typed.until_error
                    />
                </div>
                <fieldset class="checks" aria-describedby=described>
                    <legend>{words::scopes(lang)}</legend>
                    {error}
                    {scopes}
                    <p class="hint" id="scope-hint">{words::scopes_hint(lang)}</p>
                </fieldset>
                <div><button class="btn main">{words::create_key(lang)}</button></div>
            </form>
        </Sheet>
    }
    .into_any()
}

fn token_page(lang: Lang, key: &ApiKey, token: String) -> impl IntoView + use<> {
    view! {
        <section class="sheet stack" aria-labelledby="made">
            <div>
                <h1 id="made">{words::key_made(lang)}</h1>
                <p class="soft"><b>{key.name.clone()}</b>" · "{key.scopes.to_string()}</p>
            </div>
            <p role="status">{words::key_shown_once(lang)}</p>
            <div class="link token">
                <input readonly value=token.clone() aria-label=words::token(lang) spellcheck="false" />
                <CopyButton
                    text=token label=words::copy_token(lang).to_owned() done=words::copied(lang).to_owned() main=false
                />
            </div>
            <div class="row"><a class="btn" href="/admin/keys">{words::to_the_keys(lang)}</a></div>
        </section>
    }
}
