//! The audit log.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, LONGEST_NOTE, Page, PageParameters, Parameters},
        caller::{Manage, May},
        problem::ProblemShape,
        v1::users::user,
    },
    domain::ids::{ActivityId, UserId},
    platform::caller::Site,
    services::activity::{self, Activity, Which},
};

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivityParameters {
    /// About this user only: id, external id or email.
    user: Option<String>,
    /// About this action only.
    #[param(example = "matrix_changed", max_length = 500)]
    action: Option<String>,
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityResponse {
    /// Which.
    id: ActivityId,
    /// Whom it concerns.
    user: Option<UserId>,
    /// Who did it.
    actor: String,
    /// What: `login`, `matrix_changed`, …
    action: String,
    /// The particulars; each action has its own.
    #[schema(value_type = Object)]
    details: serde_json::Value,
    /// From where, if that is known.
    ip_address: Option<String>,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Activity> for ActivityResponse {
    fn from(line: Activity) -> Self {
        Self {
            id: line.id,
            user: line.user_id,
            actor: line.actor,
            action: line.action,
            details: line.details,
            ip_address: line.ip_address,
            created_at: line.created_at,
        }
    }
}

/// Read the audit log
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/activity", operation_id = "list_activity", tag = "Activity",
    security(("bearer" = ["manage"])),
    params(ActivityParameters, PageParameters),
    responses(
        (status = 200, description = "A page of the log", body = Page<ActivityResponse>),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<ActivityParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<ActivityResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let action = parameters.action.as_deref();
    if action.is_some_and(|action| action.len() > LONGEST_NOTE || action.chars().any(char::is_control)) {
        return Err(Problem::unprocessable("invalid_parameter", "action is a word as matrix_changed."));
    }
    let user = match &parameters.user {
        Some(name) => Some(user(&site, name).await?.id),
        None => None,
    };
    let lines = activity::list(&site.env, Which { user, action, before }, count + 1).await?;
    Ok(Answer(Page::new(lines, count, |line| line.id.to_string(), ActivityResponse::from)))
}
