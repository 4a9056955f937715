//! Limits of one user's own.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, instant, present},
        caller::{Manage, May},
        problem::{ProblemShape, sentence},
        v1::users::user,
    },
    domain::{
        entitlement::Restriction,
        ids::FeatureId,
        limit::{HIGHEST_LIMIT, Limit},
    },
    platform::caller::Site,
    services::{
        entitlements,
        restrictions::{self, NewRestriction, RestrictionError},
    },
};

/// A limit of one user's own.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RestrictionRequest {
    /// How much; `null` is unlimited, 0 is off. It goes before the tier's limit, whether it is more or less.
    #[serde(deserialize_with = "present")]
    #[schema(required = true, minimum = 0, maximum = 1_000_000_000_000_i64)]
    limit: Option<i64>,
    /// Why.
    #[schema(min_length = 1, max_length = 500, example = "Agreed on the phone.")]
    reason: String,
    /// Until when; without, it stays.
    #[serde(default, deserialize_with = "instant")]
    expires_at: Option<DateTime<Utc>>,
}

/// List a user's restrictions
///
/// Those that have ended among them.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/restrictions", operation_id = "list_restrictions", tag = "Restrictions",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "All of them, by feature", body = Page<Restriction>),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<Page<Restriction>>, Problem> {
    let known = entitlements::find(&site.env, &name).await?.ok_or_else(Problem::user_unknown)?;
    Ok(Answer(Page::all(known.standing.restrictions().to_vec())))
}

/// Restrict a user, or widen their limit
#[utoipa::path(
    put, path = "/api/v1/users/{id}/restrictions/{feature}", operation_id = "put_restriction", tag = "Restrictions",
    security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com"),
        ("feature" = FeatureId, Path, description = "The feature", example = "ai_calls"),
    ),
    request_body = RestrictionRequest,
    responses(
        (status = 200, description = "In force", body = Restriction),
        (status = 404, description = "user_unknown or feature_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_limit, invalid_reason or invalid_expires_at", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath((name, feature)): InPath<(String, String)>,
    JsonBody(request): JsonBody<RestrictionRequest>,
) -> Result<Answer<Restriction>, Problem> {
    let feature = feature.parse().map_err(|_| Problem::feature_unknown())?;
    let user = user(&site, &name).await?;
    let new = NewRestriction {
        feature,
        limit: Limit::from_stored(request.limit),
        reason: request.reason,
        expires_at: request.expires_at,
    };
    let put = restrictions::put(&site.env, user.id, new, &caller.actor()).await;
    put.map(Answer).map_err(|error| match error {
        RestrictionError::Store(error) => error.into(),
        RestrictionError::UserUnknown => Problem::user_unknown(),
        RestrictionError::FeatureUnknown => Problem::feature_unknown(),
        RestrictionError::Limit(_) => {
            let title = format!("limit is from 0 to {HIGHEST_LIMIT} or null; for a switch it is 0 or 1.");
            Problem::unprocessable("invalid_limit", title)
        }
        RestrictionError::BadReason => Problem::unprocessable("invalid_reason", sentence(&error)),
        RestrictionError::BadEnd => Problem::unprocessable("invalid_expires_at", sentence(&error)),
    })
}

/// Take a restriction away
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/restrictions/{feature}", operation_id = "delete_restriction", tag = "Restrictions",
    security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com"),
        ("feature" = FeatureId, Path, description = "The feature", example = "ai_calls"),
    ),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "user_unknown or restriction_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn delete(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath((name, feature)): InPath<(String, String)>,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("restriction_unknown", "This user has no restriction on that feature.");
    let user = user(&site, &name).await?;
    let feature = feature.parse().map_err(|_| unknown())?;
    if restrictions::delete(&site.env, user.id, &feature, &caller.actor()).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(unknown())
    }
}
