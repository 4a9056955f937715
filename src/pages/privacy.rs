//! /settings/delete and /settings/export, what /settings says of both, and how an admin deletes an
//! account.

use axum::{
    extract::{Form, Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, CheckField, Crumb, Sheet, TextField},
    domain::{ids::UserId, lang::Lang, privacy::Hindrance, user::User},
    pages::frame::{self, Frame, Section, Width},
    platform::{
        caller::{Admin, Member, Site, failed},
        download,
    },
    services::{
        members,
        privacy::{self, DeletionError, LeavingView, Outcome},
    },
    words::{self, privacy as text},
};

/// Where somebody proves again that it is them, and comes back from.
const SIGN_IN_TO_DELETE: &str = "/login?fresh=1&next=%2Fsettings%2Fdelete";
const SIGN_IN_TO_EXPORT: &str = "/login?fresh=1&next=%2Fsettings%2Fexport";
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 300;

/// `GET /settings/export`
pub async fn export(State(site): State<Site>, member: Member) -> Response {
    if !member.identity.is_fresh(site.env.clock.now()) {
        return Redirect::to(SIGN_IN_TO_EXPORT).into_response();
    }
    let user = &member.identity.user;
    if let Err(error) = privacy::note_export(&site.env, user.id, &user.label()).await {
        return failed(&error);
    }
    let name = privacy::export_name(&site.env);
    match download::export(privacy::export(&site.env, user), &name).await {
        Ok(response) => response,
        Err(error) => failed(&error),
    }
}

/// `GET /settings/delete`
pub async fn show(State(site): State<Site>, member: Member) -> Response {
    page(&site, &member, StatusCode::OK, None).await
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct DeleteForm {
    #[serde(default)]
    sure: String,
}

/// `POST /settings/delete`
pub async fn submit(State(site): State<Site>, member: Member, Form(form): Form<DeleteForm>) -> Response {
    if !member.identity.is_fresh(site.env.clock.now()) {
        return Redirect::to(SIGN_IN_TO_DELETE).into_response();
    }
    if form.sure != "on" {
        let error = text::error_sure(member.visit.origin.lang);
        return page(&site, &member, StatusCode::UNPROCESSABLE_ENTITY, Some(error)).await;
    }
    let user = &member.identity.user;
    match privacy::ask(&site.env, user.id, &user.label()).await {
        Ok(_) => Redirect::to("/settings").into_response(),
        // The page says what stands in the way.
        Err(DeletionError::SubscriptionRuns | DeletionError::LastAdmin) => {
            page(&site, &member, StatusCode::UNPROCESSABLE_ENTITY, None).await
        }
        Err(DeletionError::Store(error)) => failed(&error),
        Err(DeletionError::NoSuchMember | DeletionError::BadGrace) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `POST /settings/keep`
pub async fn keep(State(site): State<Site>, member: Member) -> Response {
    let user = &member.identity.user;
    match privacy::keep(&site.env, user.id, &user.label()).await {
        Ok(_) => Redirect::to("/settings?said=kept").into_response(),
        Err(DeletionError::Store(error)) => failed(&error),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the page shows.
#[derive(Debug, Clone, Copy)]
struct DeleteView {
    leaving: LeavingView,
    is_fresh: bool,
    error: Option<&'static str>,
}

async fn page(site: &Site, member: &Member, status: StatusCode, error: Option<&'static str>) -> Response {
    let lang = member.visit.origin.lang;
    let leaving = match privacy::view(&site.env, &member.identity.user).await {
        Ok(leaving) => leaving,
        Err(error) => return failed(&error),
    };
    let view = DeleteView { leaving, is_fresh: member.identity.is_fresh(site.env.clock.now()), error };
    let frame = Frame {
        title: text::delete_account(lang),
        address: "/settings/delete",
        width: Width::Narrow,
        section: Some(Section::Settings),
        islands: false,
    };
    frame::render(site, &member.visit, status, frame, move || delete_page(lang, view)).await
}

fn delete_page(lang: Lang, view: DeleteView) -> impl IntoView {
    let DeleteView { leaving, is_fresh, error } = view;
    view! {
        {banner(lang, leaving.leaving.map(|leaving| leaving.due_at))}
        <div>
            <Crumb path="/settings" name=text::to_settings(lang) />
            <h1>{text::delete_account(lang)}</h1>
            <p class="soft">{text::delete_intro(lang)}</p>
        </div>
        <div class="pair">
            <Sheet title=text::what_goes(lang) id="goes">
                <ul class="lines bulleted">
                    <li>{text::goes_person(lang)}</li>
                    <li>{text::goes_contents(lang)}</li>
                    <li>{text::goes_access(lang)}</li>
                </ul>
            </Sheet>
            <Sheet title=text::what_stays(lang) id="stays">
                <ul class="lines bulleted">
                    <li>{text::stays_sums(lang)}</li>
                    <li>{text::stays_friends(lang)}</li>
                    <li>{text::stays_marks(lang)}</li>
                </ul>
            </Sheet>
        </div>
        {leaving.leaving.is_none().then(|| view! {
            <section class="sheet stack" aria-label=text::delete_account(lang)>
                <p><a href="/settings/export">{text::download_first(lang)}</a></p>
                {match leaving.hindrance {
                    Some(hindrance) => in_the_way(lang, hindrance).into_any(),
                    None if is_fresh => form(lang, error).into_any(),
                    None => view! {
                        <p class="soft">{text::step_up(lang)}</p>
                        <div><a class="btn main" href=SIGN_IN_TO_DELETE>{words::sign_in_again(lang)}</a></div>
                    }
                    .into_any(),
                }}
            </section>
        })}
    }
}

fn form(lang: Lang, error: Option<&'static str>) -> impl IntoView {
    view! {
        <form class="stack tight" method="post" action="/settings/delete">
            <fieldset class="checks" aria-describedby=error.map(|_| "sure-error")>
                <legend>{text::delete_account(lang)}</legend>
                {error.map(|error| view! { <p class="err" id="sure-error">{error}</p> })}
                <CheckField name="sure" label=text::sure(lang) hint=text::sure_hint(lang) checked=false />
            </fieldset>
            <div><button class="btn danger">{text::delete_account(lang)}</button></div>
        </form>
    }
}

fn in_the_way(lang: Lang, hindrance: Hindrance) -> impl IntoView {
    match hindrance {
        Hindrance::Subscription => view! {
            <Alert>{text::subscription_runs(lang)}</Alert>
            <p class="soft">{text::subscription_ends(lang)}</p>
            <form method="post" action="/billing/portal">
                <button class="btn main">{words::manage_subscription(lang)}</button>
            </form>
        }
        .into_any(),
        Hindrance::LastAdmin => view! { <Alert>{text::last_admin(lang)}</Alert> }.into_any(),
    }
}

/// That the reader's account will be deleted, and the way to keep it; nothing where it stays.
pub(super) fn banner(lang: Lang, due_at: Option<DateTime<Utc>>) -> impl IntoView {
    due_at.map(|due_at| {
        view! {
            <section class="alert row between" role="status" aria-label=text::delete_account(lang)>
                <span>{text::due_on(lang, due_at)}</span>
                <form method="post" action="/settings/keep">
                    <button class="btn">{text::keep_account(lang)}</button>
                </form>
            </section>
        }
    })
}

/// What /settings says of a member's data.
pub(super) fn your_data(lang: Lang, is_leaving: bool) -> impl IntoView {
    let delete =
        (!is_leaving).then(|| view! { <p><a href="/settings/delete">{text::delete_account(lang)}" …"</a></p> });
    view! {
        <Sheet title=text::your_data(lang) id="data">
            <p class="soft">{text::your_data_intro(lang)}</p>
            <div>
                <a class="btn" href="/settings/export">{text::export(lang)}</a>
                <p class="hint">{text::export_hint(lang)}</p>
            </div>
            {delete}
        </Sheet>
    }
}

/// What the admins' page of a member says of it.
pub(super) fn for_admins(lang: Lang, user: UserId, due_at: Option<DateTime<Utc>>) -> AnyView {
    match due_at {
        Some(due_at) => view! {
            <section class="alert row between" role="status" aria-label=text::erase_member(lang)>
                <span>{text::their_account_due_on(lang, due_at)}</span>
                <form method="post" action=format!("/admin/users/{user}/keep")>
                    <button class="btn">{text::keep_this(lang)}</button>
                </form>
            </section>
        }
        .into_any(),
        None => view! {
            <p><a class="btn quiet" href=format!("/admin/users/{user}/delete")>{text::erase_member(lang)}" …"</a></p>
        }
        .into_any(),
    }
}

/// Returns the member whom an address names, or the answer if nobody is that.
async fn member_of(site: &Site, id: &str) -> Result<User, Response> {
    let Ok(id) = id.parse::<UserId>() else { return Err(StatusCode::NOT_FOUND.into_response()) };
    match members::find(&site.env, &id.to_string()).await {
        Ok(found) => found.filter(|user| user.id == id).ok_or_else(|| StatusCode::NOT_FOUND.into_response()),
        Err(error) => Err(failed(&error)),
    }
}

/// `GET /admin/users/{id}/delete`
pub async fn show_for_admin(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    match member_of(&site, &id).await {
        Ok(user) => admin_page(&site, &admin, StatusCode::OK, user, Typed::default()).await,
        Err(response) => response,
    }
}

/// What the admins' form sends.
#[derive(Debug, Deserialize)]
pub struct EraseForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    when: String,
}

/// What was typed, and what is wrong with it.
#[derive(Debug, Clone, Default)]
struct Typed {
    name: String,
    name_error: Option<String>,
    when: String,
}

/// `POST /admin/users/{id}/delete`
pub async fn submit_for_admin(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<EraseForm>,
) -> Response {
    let user = match member_of(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let mut typed =
        Typed { name: form.name.chars().take(LONGEST_TYPED).collect(), name_error: None, when: form.when.clone() };
    if typed.name.trim() != user.label() {
        typed.name_error = Some(text::error_name(admin.visit.origin.lang).to_owned());
        return admin_page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, user, typed).await;
    }
    let actor = admin.identity.user.label();
    let done = if form.when == "now" {
        privacy::delete_after(&site.env, user.id, 0, &actor).await
    } else {
        privacy::ask(&site.env, user.id, &actor).await
    };
    match done {
        Ok(Outcome::Due(_)) => Redirect::to(&format!("/admin/users/{}?said=deletion-due", user.id)).into_response(),
        Ok(Outcome::Deleted) => Redirect::to("/admin/users?said=deleted").into_response(),
        Err(DeletionError::SubscriptionRuns | DeletionError::LastAdmin) => {
            admin_page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, user, typed).await
        }
        Err(DeletionError::Store(error)) => failed(&error),
        Err(DeletionError::NoSuchMember | DeletionError::BadGrace) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `POST /admin/users/{id}/keep`
pub async fn keep_for_admin(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let user = match member_of(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    match privacy::keep(&site.env, user.id, &admin.identity.user.label()).await {
        Ok(true) => Redirect::to(&format!("/admin/users/{}?said=deletion-off", user.id)).into_response(),
        Ok(false) => Redirect::to(&format!("/admin/users/{}?said=nothing", user.id)).into_response(),
        Err(DeletionError::Store(error)) => failed(&error),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn admin_page(site: &Site, admin: &Admin, status: StatusCode, user: User, typed: Typed) -> Response {
    let lang = admin.visit.origin.lang;
    let leaving = match privacy::view(&site.env, &user).await {
        Ok(leaving) => leaving,
        Err(error) => return failed(&error),
    };
    let frame = Frame {
        title: text::erase_member(lang),
        address: "/admin/users",
        width: Width::Narrow,
        section: Some(Section::Users),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || erase_page(lang, &user, leaving, typed.clone())).await
}

fn erase_page(lang: Lang, user: &User, leaving: LeavingView, typed: Typed) -> impl IntoView + use<> {
    let label = user.label();
    let action = format!("/admin/users/{}/delete", user.id);
    let back = format!("/admin/users/{}", user.id);
    let form = match leaving.hindrance {
        Some(Hindrance::Subscription) => view! { <Alert>{text::their_subscription_runs(lang)}</Alert> }.into_any(),
        Some(Hindrance::LastAdmin) => view! { <Alert>{text::is_the_last_admin(lang)}</Alert> }.into_any(),
        None => {
            let is_now = typed.when == "now";
            let options = [("later", text::in_seven_days(lang), !is_now), ("now", text::at_once(lang), is_now)];
            let options = options.map(|(value, name, is_chosen)| {
                view! {
                    <label class="check">
                        <input type="radio" name="when" value=value checked=is_chosen />
                        <span>{name}</span>
                    </label>
                }
            });
            view! {
                <form class="stack tight" method="post" action=action>
                    <TextField
                        name="name" label=text::type_the_name(lang) hint=text::type_the_name_hint(lang)
                        value=typed.name error=typed.name_error most="254" required=true
                    />
                    <fieldset class="checks">
                        <legend>{text::when(lang)}</legend>
                        {options}
                    </fieldset>
                    <div><button class="btn danger">{text::erase_member(lang)}</button></div>
                </form>
            }
            .into_any()
        }
    };
    view! {
        <div>
            <Crumb path=back name=label.clone() />
            <h1>{text::erase_member(lang)}</h1>
            <p class="soft">{text::erase_intro(lang)}</p>
        </div>
        <section class="sheet stack" aria-label=text::erase_member(lang)>
            <p class="address"><b>{label}</b></p>
            {form}
        </section>
    }
}
