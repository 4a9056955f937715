//! Credit: days of paid access.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, PageParameters, Parameters, json, note},
        caller::{Caller, Manage, May},
        problem::ProblemShape,
        v1::{usage, users::user},
    },
    domain::{credit::MOST_DAYS, ids::CreditEntryId},
    platform::caller::Site,
    services::credits::{self, CreditEntry, CreditError, Grant},
};

/// Days to be given.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreditRequest {
    /// How many, counted from now or from the end of what is there.
    #[schema(minimum = 1, maximum = 3650, example = 45)]
    days: i64,
    /// What to remember about it.
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// A change of somebody's credit.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditResponse {
    /// Which.
    id: CreditEntryId,
    /// Why: `admin`, `revoked`, …
    source: String,
    /// Days given; 0 when credit was ended.
    days: i64,
    /// Until when it lasted.
    until_before: Option<DateTime<Utc>>,
    /// Until when it lasts since.
    until_after: Option<DateTime<Utc>>,
    /// What was said about it.
    note: Option<String>,
    /// Who did it.
    actor: String,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<CreditEntry> for CreditResponse {
    fn from(entry: CreditEntry) -> Self {
        Self {
            id: entry.id,
            source: entry.source,
            days: entry.days,
            until_before: entry.until_before,
            until_after: entry.until_after,
            note: entry.note,
            actor: entry.actor,
            created_at: entry.created_at,
        }
    }
}

/// List the changes of a user's credit
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/credits", operation_id = "list_credits", tag = "Credits",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com"), PageParameters),
    responses(
        (status = 200, description = "A page of the ledger", body = Page<CreditResponse>),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<CreditResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let user = user(&site, &name).await?;
    let entries = credits::list(&site.env, user.id, before, count + 1).await?;
    Ok(Answer(Page::new(entries, count, |entry| entry.id.to_string(), CreditResponse::from)))
}

/// Give days
///
/// With an `Idempotency-Key` the same call gives once, however often it is made, and always gets
/// the same answer.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/credits", operation_id = "give_credit", tag = "Credits",
    security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "1 to 255 characters that make a repeated call the same call"),
    ),
    request_body = CreditRequest,
    responses(
        (status = 201, description = "Given", body = CreditResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_days, invalid_text, invalid_idempotency_key or idempotency_key_reused", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn give(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(name): InPath<String>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<CreditRequest>,
) -> Result<Response, Problem> {
    let key = usage::idempotency_key(&headers)?.map(|key| grant_key(&caller, key)).transpose()?;
    let note = note("note", request.note.as_deref())?;
    let user = user(&site, &name).await?;
    let grant = Grant { days: request.days, key: key.as_deref(), note, actor: &caller.actor() };
    let given = credits::grant(&site.env, user.id, &grant).await.map_err(failed)?;
    if !given.is_new && (given.entry.days != grant.days || given.entry.note.as_deref() != note) {
        return Err(usage::key_reused());
    }
    let mut response = json(&CreditResponse::from(given.entry));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Makes the key of a grant: the caller's own, so that two callers never meet. The operator's is
/// what `grant-credit --key` takes.
fn grant_key(caller: &Caller, key: &[u8]) -> Result<String, Problem> {
    let key = str::from_utf8(key).ok().filter(|key| !key.chars().any(char::is_control));
    let key = key.ok_or_else(|| {
        Problem::unprocessable("invalid_idempotency_key", "An Idempotency-Key here holds plain characters only.")
    })?;
    Ok(caller.key().map_or_else(|| key.to_owned(), |owner| format!("{}/{key}", owner.id)))
}

fn failed(error: CreditError) -> Problem {
    match error {
        CreditError::Store(error) => error.into(),
        CreditError::NoSuchMember => Problem::user_unknown(),
        CreditError::BadDays => {
            Problem::unprocessable("invalid_days", format!("days is a whole number from 1 to {MOST_DAYS}."))
        }
    }
}

/// End a user's credit
///
/// What is left is lost now.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/credits", operation_id = "end_credit", tag = "Credits",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 204, description = "Ended"),
        (status = 404, description = "user_unknown, or no_credit: there was none to end", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn end(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Response, Problem> {
    let user = user(&site, &name).await?;
    match credits::revoke(&site.env, user.id, &caller.actor()).await.map_err(failed)? {
        Some(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        None => Err(Problem::not_found("no_credit", "This user has no credit to end.")),
    }
}
