//! Taking along and leaving: a user's export, and the deletion of their account.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, Parameters},
        caller::{Administer, May},
        problem::{ProblemShape, sentence},
        v1::users::user,
    },
    domain::{
        ids::UserId,
        privacy::{GRACE, MOST_GRACE_DAYS},
    },
    platform::{caller::Site, download},
    services::privacy::{self, DeletionError, Outcome},
};

/// What becomes of an account.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeletionState {
    /// It will be deleted at `due_at`.
    Scheduled,
    /// It is deleted.
    Deleted,
    /// It stays.
    Kept,
}

/// Whether an account is to be deleted.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletionResponse {
    /// Whose.
    user: UserId,
    /// What becomes of it.
    state: DeletionState,
    /// When it is deleted; `null` unless it is scheduled.
    due_at: Option<DateTime<Utc>>,
}

fn not_deleted(error: DeletionError) -> Problem {
    match error {
        DeletionError::Store(error) => error.into(),
        DeletionError::NoSuchMember => Problem::user_unknown(),
        DeletionError::SubscriptionRuns => Problem::conflict("subscription_running", sentence(&error)),
        DeletionError::LastAdmin => Problem::conflict("last_admin", sentence(&error)),
        DeletionError::BadGrace => {
            let title = format!("grace_days is a whole number from 0 to {MOST_GRACE_DAYS}.");
            Problem::unprocessable("invalid_parameter", title)
        }
    }
}

/// Everything that is kept of a user
///
/// One JSON object: `version` (1; raised when a field is renamed or goes), `made_at`, `product`, and a
/// list for each kind of thing that is kept. It is sent while it is read; a connection that breaks off
/// leaves JSON that does not end.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/export", operation_id = "export_user", tag = "Users",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "The export", body = Object, content_type = "application/json"),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn export(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(name): InPath<String>,
) -> Result<Response, Problem> {
    let user = user(&site, &name).await?;
    privacy::note_export(&site.env, user.id, &caller.actor()).await?;
    let file = privacy::export_name(&site.env);
    Ok(download::export(privacy::export(&site.env, &user), &file).await?)
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeletionParameters {
    /// The days until it is deleted, in which it can be kept; 0 is at once and for good. 7 without it.
    #[param(minimum = 0, maximum = 90)]
    grace_days: Option<i64>,
}

/// Delete a user's account
///
/// What identifies the person is erased; sums stay. Not while a subscription would go on taking money,
/// and not the last admin. An account that is scheduled already keeps its date, unless it is deleted at
/// once.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", operation_id = "delete_user", tag = "Users",
    security(("bearer" = ["admin"])),
    params(
        ("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com"),
        DeletionParameters,
    ),
    responses(
        (status = 200, description = "Scheduled, or deleted", body = DeletionResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "subscription_running or last_admin", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn delete(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(name): InPath<String>,
    Parameters(parameters): Parameters<DeletionParameters>,
) -> Result<Answer<DeletionResponse>, Problem> {
    let user = user(&site, &name).await?.id;
    let days = parameters.grace_days.unwrap_or(GRACE.num_days());
    let outcome = privacy::delete_after(&site.env, user, days, &caller.actor()).await.map_err(not_deleted)?;
    let (state, due_at) = match outcome {
        Outcome::Due(at) => (DeletionState::Scheduled, Some(at)),
        Outcome::Deleted => (DeletionState::Deleted, None),
    };
    Ok(Answer(DeletionResponse { user, state, due_at }))
}

/// Keep an account that was to be deleted
#[utoipa::path(
    post, path = "/api/v1/users/{id}/keep", operation_id = "keep_user", tag = "Users",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "It stays; also when it was not to be deleted", body = DeletionResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn keep(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(name): InPath<String>,
) -> Result<Answer<DeletionResponse>, Problem> {
    let user = user(&site, &name).await?.id;
    privacy::keep(&site.env, user, &caller.actor()).await.map_err(not_deleted)?;
    Ok(Answer(DeletionResponse { user, state: DeletionState::Kept, due_at: None }))
}
