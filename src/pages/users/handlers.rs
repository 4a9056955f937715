//! What the links and forms about members do.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    domain::{
        credit::MOST_DAYS,
        ids::{CreditEntryId, FeatureId, SessionId, TierId, UserId},
        limit::Cell,
        matrix::check_reason,
        user::User,
    },
    pages::{
        day::{NoDay, end_of_day},
        frame::{self, Frame, Section, Width},
        users::{Complaints, ListView, MemberView, list_page, member_page},
    },
    platform::caller::{Admin, Site, encode_query, failed},
    services::{
        bonus, catalogue,
        credits::{self, CreditError, Grant},
        grants::{self, Gift, GrantError},
        members::{self, MemberDetails, MemberError, PutError},
        privacy,
        restrictions::{self, NewRestriction, RestrictionError},
        sessions,
    },
    words,
};

/// Members on one page of the list.
const PAGE: i64 = 50;
/// The longest text that is looked for, in characters.
const LONGEST_SEARCH: usize = 200;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 1_000;

/// What a link to the list may say.
#[derive(Debug, Default, Deserialize)]
pub struct ListLink {
    #[serde(default)]
    q: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    said: String,
}

/// `GET /admin/users`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<ListLink>) -> Response {
    let lang = admin.visit.origin.lang;
    let typed: String = link.q.chars().filter(|c| !c.is_control()).take(LONGEST_SEARCH).collect();
    let text = typed.trim().to_owned();
    let after = link.after.parse::<UserId>().ok();
    let found = match members::page(&site.env, &text, after, PAGE).await {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let address = |after: Option<UserId>| {
        let mut query = Vec::new();
        if !text.is_empty() {
            query.push(format!("q={}", encode_query(&text)));
        }
        query.extend(after.map(|after| format!("after={after}")));
        if query.is_empty() { "/admin/users".to_owned() } else { format!("/admin/users?{}", query.join("&")) }
    };
    let view = Arc::new(ListView {
        said: (link.said == "deleted").then(|| words::privacy::is_deleted(lang)),
        next: found.next.map(|next| address(Some(next))),
        first: after.map(|_| address(None)),
        members: found.members,
        text,
        catalogue,
    });
    let frame = Frame {
        title: words::members_word(lang),
        address: "/admin/users",
        width: Width::Wide,
        section: Some(Section::Users),
        islands: false,
    };
    frame::render(&site, &admin.visit, StatusCode::OK, frame, move || list_page(lang, &view)).await
}

/// What a link to a member may say.
#[derive(Debug, Default, Deserialize)]
pub struct MemberLink {
    #[serde(default)]
    said: String,
}

/// `GET /admin/users/{id}`
pub async fn show(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Query(link): Query<MemberLink>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "tier" => Some(words::tier_is_set(lang)),
        "disabled" => Some(words::account_is_disabled(lang)),
        "enabled" => Some(words::account_is_enabled(lang)),
        "restricted" => Some(words::restriction_is_set(lang)),
        "unrestricted" => Some(words::restriction_is_removed(lang)),
        "credit" => Some(words::credit_is_given(lang)),
        "credit-twice" => Some(words::credit_was_given(lang)),
        "credit-ended" => Some(words::credit_is_ended(lang)),
        "grant" => Some(words::grants::is_given(lang)),
        "grant-revoked" => Some(words::grants::is_taken_back(lang)),
        "session" => Some(words::session_is_ended(lang)),
        "sessions" => Some(words::sessions_are_ended(lang)),
        "deletion-due" => Some(words::privacy::is_due(lang)),
        "deletion-off" => Some(words::privacy::stays(lang)),
        "nothing" => Some(words::nothing_changed(lang)),
        _ => None,
    };
    let Ok(id) = id.parse::<UserId>() else { return StatusCode::NOT_FOUND.into_response() };
    page(&site, &admin, StatusCode::OK, id, said, Complaints::default()).await
}

async fn page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    id: UserId,
    said: Option<&'static str>,
    complaints: Complaints,
) -> Response {
    let lang = admin.visit.origin.lang;
    let shown = match members::admin_view(&site.env, id).await {
        Ok(Some(shown)) => shown,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return failed(&error),
    };
    let leaving = match privacy::view(&site.env, &shown.entitlements.standing.user).await {
        Ok(view) => view.leaving.map(|leaving| leaving.due_at),
        Err(error) => return failed(&error),
    };
    let bonus = match bonus::standing(&site.env, &shown.entitlements.standing.user).await {
        Ok(bonus) => bonus,
        Err(error) => return failed(&error),
    };
    let view = Arc::new(MemberView {
        said,
        bonus,
        leaving,
        is_self: id == admin.identity.user.id,
        this_session: admin.identity.session,
        form_key: site.env.random.id::<CreditEntryId>(site.env.clock.now()),
        shown,
        complaints,
    });
    let frame = Frame {
        title: words::member(lang),
        address: "/admin/users",
        width: Width::Wide,
        section: Some(Section::Users),
        islands: true,
    };
    // The answer to a form is found where the member is.
    let mut visit = admin.visit.clone();
    visit.path.get_or_insert_with(|| format!("/admin/users/{id}"));
    frame::render(site, &visit, status, frame, move || member_page(lang, &view)).await
}

/// Shows the member again, with what is wrong with a form.
async fn complain(site: &Site, admin: &Admin, user: &User, complaints: Complaints) -> Response {
    page(site, admin, StatusCode::UNPROCESSABLE_ENTITY, user.id, None, complaints).await
}

/// Returns the member whom a form is about, or the answer if nobody is that.
async fn member(site: &Site, id: &str) -> Result<User, Response> {
    let Ok(id) = id.parse::<UserId>() else { return Err(StatusCode::NOT_FOUND.into_response()) };
    match members::find(&site.env, &id.to_string()).await {
        Ok(found) => found.filter(|user| user.id == id).ok_or_else(|| StatusCode::NOT_FOUND.into_response()),
        Err(error) => Err(failed(&error)),
    }
}

fn done(user: &User, said: &str) -> Response {
    Redirect::to(&format!("/admin/users/{}?said={said}", user.id)).into_response()
}

fn typed(text: &str) -> String {
    text.chars().take(LONGEST_TYPED).collect()
}

/// What the form of the own tier sends.
#[derive(Debug, Deserialize)]
pub struct TierForm {
    #[serde(default)]
    tier: String,
}

/// `POST /admin/users/{id}/tier`
pub async fn set_tier(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<TierForm>,
) -> Response {
    let user = match member(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let error = Some(words::error_choose_tier(admin.visit.origin.lang).to_owned());
    let complaints = Complaints { tier_error: error, ..Complaints::default() };
    let Ok(tier) = form.tier.parse::<TierId>() else { return complain(&site, &admin, &user, complaints).await };
    let details = MemberDetails { tier: Some(tier), ..MemberDetails::default() };
    match members::update(&site.env, user.id, &details, &admin.identity.user.label()).await {
        Ok(_) => done(&user, "tier"),
        Err(PutError::TierUnknown) => complain(&site, &admin, &user, complaints).await,
        Err(PutError::Store(error)) => failed(&error),
        // Nothing else about them was to change.
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `POST /admin/users/{id}/disable`
pub async fn disable(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    set_disabled(&site, &admin, &id, true).await
}

/// `POST /admin/users/{id}/enable`
pub async fn enable(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    set_disabled(&site, &admin, &id, false).await
}

async fn set_disabled(site: &Site, admin: &Admin, id: &str, disabled: bool) -> Response {
    let user = match member(site, id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    if user.id == admin.identity.user.id && disabled {
        // Nobody locks the door from outside with the key inside.
        let alert = Some(words::error_own_account(admin.visit.origin.lang));
        return complain(site, admin, &user, Complaints { alert, ..Complaints::default() }).await;
    }
    match members::set_disabled(&site.env, user.id, disabled, &admin.identity.user.label()).await {
        Ok(true) => done(&user, if disabled { "disabled" } else { "enabled" }),
        Ok(false) => done(&user, "nothing"),
        Err(MemberError::Store(error)) => failed(&error),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the form of a restriction sends.
#[derive(Debug, Default, Deserialize)]
pub struct RestrictionForm {
    #[serde(default)]
    feature: String,
    #[serde(default)]
    limit: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    until: String,
}

/// `POST /admin/users/{id}/restrict`
pub async fn restrict(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<RestrictionForm>,
) -> Response {
    let user = match member(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let lang = admin.visit.origin.lang;
    let mut complaints = Complaints {
        feature: typed(&form.feature),
        limit: typed(&form.limit),
        reason: typed(&form.reason),
        until: typed(&form.until),
        ..Complaints::default()
    };
    let feature = form.feature.parse::<FeatureId>().ok().and_then(|id| catalogue.feature(&id));
    if feature.is_none() {
        complaints.feature_error = Some(words::error_choose_feature(lang).to_owned());
    }
    let limit = match feature.map(|feature| Cell::parse(&form.limit, feature.kind)) {
        Some(Ok(Cell::Own(limit))) => Some(limit),
        Some(Ok(Cell::Inherited)) => {
            complaints.limit_error = Some(words::error_limit_missing(lang).to_owned());
            None
        }
        Some(Err(error)) => {
            complaints.limit_error = Some(words::own_limit_error(lang, error).to_owned());
            None
        }
        None => None,
    };
    if check_reason(&form.reason, true).is_err() {
        complaints.reason_error = Some(words::error_reason(lang).to_owned());
    }
    let expires_at = match end_of_day(&form.until, catalogue.settings.timezone) {
        Ok(end) if end.is_some_and(|end| end <= site.env.clock.now()) => {
            complaints.until_error = Some(words::error_day_past(lang).to_owned());
            None
        }
        Ok(end) => end,
        Err(NoDay) => {
            complaints.until_error = Some(words::error_day(lang).to_owned());
            None
        }
    };
    let (Some(feature), Some(limit), false) = (feature, limit, complaints.any()) else {
        return complain(&site, &admin, &user, complaints).await;
    };
    let new = NewRestriction { feature: feature.id.clone(), limit, reason: form.reason, expires_at };
    match restrictions::put(&site.env, user.id, new, &admin.identity.user.label()).await {
        Ok(_) => return done(&user, "restricted"),
        Err(RestrictionError::Store(error)) => return failed(&error),
        Err(RestrictionError::UserUnknown) => return StatusCode::NOT_FOUND.into_response(),
        // What is left can only have changed since it was looked at above.
        Err(RestrictionError::FeatureUnknown) => {
            complaints.feature_error = Some(words::error_choose_feature(lang).to_owned());
        }
        Err(RestrictionError::Limit(error)) => {
            complaints.limit_error = Some(words::own_limit_error(lang, error).to_owned());
        }
        Err(RestrictionError::BadReason) => complaints.reason_error = Some(words::error_reason(lang).to_owned()),
        Err(RestrictionError::BadEnd) => complaints.until_error = Some(words::error_day_past(lang).to_owned()),
    }
    complain(&site, &admin, &user, complaints).await
}

/// What the form that removes a restriction sends.
#[derive(Debug, Deserialize)]
pub struct UnrestrictForm {
    #[serde(default)]
    feature: String,
}

/// `POST /admin/users/{id}/unrestrict`
pub async fn unrestrict(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<UnrestrictForm>,
) -> Response {
    let user = match member(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let Ok(feature) = form.feature.parse::<FeatureId>() else { return done(&user, "nothing") };
    match restrictions::delete(&site.env, user.id, &feature, &admin.identity.user.label()).await {
        Ok(true) => done(&user, "unrestricted"),
        Ok(false) => done(&user, "nothing"),
        Err(error) => failed(&error),
    }
}

/// What the form of credit sends.
#[derive(Debug, Deserialize)]
pub struct CreditForm {
    #[serde(default)]
    days: String,
    #[serde(default)]
    note: String,
    /// Drawn with the form, so that the same form sent twice gives once.
    #[serde(default)]
    key: String,
}

/// The longest note, in characters.
const LONGEST_NOTE: usize = 500;

/// `POST /admin/users/{id}/credit`
pub async fn give_credit(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<CreditForm>,
) -> Response {
    let user = match member(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    // Without it the form is none of ours.
    let Ok(key) = form.key.parse::<CreditEntryId>() else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let lang = admin.visit.origin.lang;
    let mut complaints = Complaints { days: typed(&form.days), note: typed(&form.note), ..Complaints::default() };
    let note = form.note.trim();
    if note.chars().count() > LONGEST_NOTE || note.chars().any(char::is_control) {
        complaints.note_error = Some(words::error_note(lang).to_owned());
    }
    let days = form.days.trim().parse::<i64>().unwrap_or(0);
    if !(1..=MOST_DAYS).contains(&days) {
        complaints.days_error = Some(words::error_days(lang).to_owned());
    }
    if complaints.any() {
        return complain(&site, &admin, &user, complaints).await;
    }
    let (key, note) = (format!("form:{key}"), Some(note).filter(|note| !note.is_empty()));
    let grant = Grant { days, key: Some(&key), note, actor: &admin.identity.user.label() };
    match credits::grant(&site.env, user.id, &grant).await {
        Ok(given) => done(&user, if given.is_new { "credit" } else { "credit-twice" }),
        Err(CreditError::Store(error)) => failed(&error),
        Err(CreditError::BadDays) => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Err(CreditError::NoSuchMember) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `POST /admin/users/{id}/credit/end`
pub async fn end_credit(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let user = match member(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    match credits::revoke(&site.env, user.id, &admin.identity.user.label()).await {
        Ok(Some(_)) => done(&user, "credit-ended"),
        Ok(None) => done(&user, "nothing"),
        Err(CreditError::Store(error)) => failed(&error),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the form of a grant sends.
#[derive(Debug, Deserialize)]
pub struct GrantForm {
    #[serde(default)]
    grant_tier: String,
    #[serde(default)]
    grant_days: String,
    #[serde(default)]
    grant_reason: String,
    /// Drawn with the form, so that the same form sent twice gives once.
    #[serde(default)]
    key: String,
}

/// `POST /admin/users/{id}/grants`
pub async fn give_grant(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<GrantForm>,
) -> Response {
    let user = match member(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    // Without it the form is none of ours.
    let Ok(key) = form.key.parse::<CreditEntryId>() else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let lang = admin.visit.origin.lang;
    let mut complaints = Complaints {
        grant_tier: typed(&form.grant_tier),
        grant_days: typed(&form.grant_days),
        grant_reason: typed(&form.grant_reason),
        ..Complaints::default()
    };
    let reason = form.grant_reason.trim();
    if reason.chars().count() > LONGEST_NOTE || reason.chars().any(char::is_control) {
        complaints.grant_reason_error = Some(words::error_note(lang).to_owned());
        return complain(&site, &admin, &user, complaints).await;
    }
    let no_tier = Some(words::error_choose_tier(lang).to_owned());
    let Ok(tier) = form.grant_tier.parse::<TierId>() else {
        complaints.grant_tier_error = no_tier;
        return complain(&site, &admin, &user, complaints).await;
    };
    let days = form.grant_days.trim().parse().unwrap_or(0);
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    let gift = Gift { tier, days, reason, actor: &admin.identity.user.label() };
    let key = grants::key_of_form(&key.to_string(), user.id, &gift);
    match grants::give_once(&site.env, user.id, &gift, Some(key)).await {
        Ok(_) => done(&user, "grant"),
        // The same form with something else in it: it has given already.
        Err(GrantError::KeyReused) => done(&user, "credit-twice"),
        Err(GrantError::Store(error)) => failed(&error),
        Err(GrantError::BadDays) => {
            complaints.grant_days_error = Some(words::error_days(lang).to_owned());
            complain(&site, &admin, &user, complaints).await
        }
        Err(GrantError::TierUnknown) => {
            complaints.grant_tier_error = no_tier;
            complain(&site, &admin, &user, complaints).await
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the form that takes a grant back sends.
#[derive(Debug, Deserialize)]
pub struct RevokeGrantForm {
    #[serde(default)]
    grant: String,
}

/// `POST /admin/users/{id}/grants/revoke`
pub async fn revoke_grant(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<RevokeGrantForm>,
) -> Response {
    let user = match member(&site, &id).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let Ok(grant) = form.grant.parse() else { return done(&user, "nothing") };
    match grants::revoke(&site.env, grant, &admin.identity.user.label()).await {
        Ok(_) => done(&user, "grant-revoked"),
        Err(GrantError::Store(error)) => failed(&error),
        Err(_) => done(&user, "nothing"),
    }
}

/// What the form of a session sends.
#[derive(Debug, Deserialize)]
pub struct SessionForm {
    #[serde(default)]
    session: String,
}

/// `POST /admin/users/{id}/sessions/revoke`
pub async fn end_session(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<SessionForm>,
) -> Response {
    match (member(&site, &id).await, form.session.parse::<SessionId>()) {
        (Err(response), _) => response,
        (Ok(user), Ok(session)) => end_sessions(&site, &admin, &user, Some(session), "session").await,
        (Ok(user), Err(_)) => done(&user, "nothing"),
    }
}

/// `POST /admin/users/{id}/sessions/revoke-all`
pub async fn end_all_sessions(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    match member(&site, &id).await {
        Ok(user) => end_sessions(&site, &admin, &user, None, "sessions").await,
        Err(response) => response,
    }
}

async fn end_sessions(
    site: &Site,
    admin: &Admin,
    user: &User,
    session: Option<SessionId>,
    said: &'static str,
) -> Response {
    match sessions::end(&site.env, user, session, &admin.identity.user.label(), &admin.visit.origin).await {
        Ok(0) => done(user, "nothing"),
        Ok(_) => done(user, said),
        Err(error) => failed(&error),
    }
}
