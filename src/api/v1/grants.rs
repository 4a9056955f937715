//! Access grants: time at a tier.

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
        body::{Answer, InPath, JsonBody, Page, json, note},
        caller::{Manage, May},
        problem::{ProblemShape, sentence},
        v1::{usage, users::user},
    },
    domain::{
        grant::{GrantKind, GrantState, MOST_DAYS},
        ids::{CouponId, GrantId, TierId, UserId},
    },
    platform::caller::Site,
    services::grants::{self, Gift, GrantError, ListedGrant},
};

/// Time to be given.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct GrantRequest {
    /// At which tier.
    tier: String,
    /// How many days.
    #[schema(minimum = 1, maximum = 3650, example = 30)]
    days: i64,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Time at a tier that somebody was given. At most one of a user's grants runs: a partner's pass
/// first, then the highest tier, then the oldest. The others wait and lose nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantResponse {
    /// Which.
    id: GrantId,
    /// Whose; `null` once the account is deleted.
    user: Option<UserId>,
    /// The tier that it gives.
    tier: TierId,
    /// Where it comes from.
    kind: GrantKind,
    /// How it stands.
    state: GrantState,
    /// The coupon that was redeemed.
    coupon: Option<CouponId>,
    /// Seconds that were given.
    total_seconds: i64,
    /// Seconds that are left; of one that was taken back, that were lost.
    remaining_seconds: i64,
    /// When its turn comes, as far as is known now, or came.
    from: Option<DateTime<Utc>>,
    /// When it will be used up, as far as is known now, or was.
    until: Option<DateTime<Utc>>,
    /// When it was given.
    granted_at: DateTime<Utc>,
    /// Who gave it.
    granted_by: String,
    /// Why.
    reason: Option<String>,
}

impl GrantResponse {
    /// Tells of a grant as it stands at `now`.
    pub(super) fn at(now: DateTime<Utc>, listed: ListedGrant) -> Self {
        let ListedGrant { grant, from, until } = listed;
        Self {
            id: grant.id,
            user: grant.user,
            state: grant.state(),
            remaining_seconds: grant.left(now),
            tier: grant.tier,
            kind: grant.kind,
            coupon: grant.coupon,
            total_seconds: grant.total,
            from,
            until,
            granted_at: grant.granted_at,
            granted_by: grant.granted_by,
            reason: grant.reason,
        }
    }
}

/// List a user's grants
///
/// The newest first, those that are over among them.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/grants", operation_id = "list_grants", tag = "Grants",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "All of them", body = Page<GrantResponse>),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<Page<GrantResponse>>, Problem> {
    let user = user(&site, &name).await?;
    let now = site.env.clock.now();
    let all = grants::list(&site.env, user.id).await?;
    Ok(Answer(Page::all(all.into_iter().map(|listed| GrantResponse::at(now, listed)).collect())))
}

/// Give days at a tier
///
/// They begin at once, or wait until what comes before them is used up. With an `Idempotency-Key` the
/// same call gives once, however often it is made, and is answered with that grant as it stands now.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/grants", operation_id = "give_grant", tag = "Grants",
    security(("bearer" = ["manage"])),
    params(
        ("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "1 to 255 characters that make a repeated call the same call"),
    ),
    request_body = GrantRequest,
    responses(
        (status = 201, description = "Given", body = GrantResponse),
        (status = 404, description = "user_unknown or tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_days, invalid_text, invalid_idempotency_key or idempotency_key_reused", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn give(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(name): InPath<String>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<GrantRequest>,
) -> Result<Response, Problem> {
    let reason = note("reason", request.reason.as_deref())?;
    let user = user(&site, &name).await?;
    let tier = request.tier.parse().map_err(|_| Problem::tier_unknown())?;
    let gift = Gift { tier, days: request.days, reason, actor: &caller.actor() };
    let key = usage::idempotency(&headers, &caller, "give_grant", &(user.id, &request))?;
    let given = grants::give_once(&site.env, user.id, &gift, key).await.map_err(failed)?;
    let mut response = json(&GrantResponse::at(site.env.clock.now(), given));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Take a grant back
///
/// What has run stays, what is left is lost.
#[utoipa::path(
    delete, path = "/api/v1/grants/{id}", operation_id = "revoke_grant", tag = "Grants",
    security(("bearer" = ["manage"])),
    params(("id" = GrantId, Path, description = "The grant")),
    responses(
        (status = 204, description = "Taken back"),
        (status = 404, description = "grant_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "grant_over: it is used up, or was taken back before", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn revoke(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let id: GrantId = id.parse().map_err(|_| unknown())?;
    grants::revoke(&site.env, id, &caller.actor()).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn unknown() -> Problem {
    Problem::not_found("grant_unknown", "There is no such grant. GET /api/v1/users/{id}/grants lists a user's.")
}

fn failed(error: GrantError) -> Problem {
    match error {
        GrantError::Store(error) => error.into(),
        GrantError::NoSuchMember => Problem::user_unknown(),
        GrantError::TierUnknown => Problem::tier_unknown(),
        GrantError::NoSuchGrant => unknown(),
        GrantError::KeyReused => usage::key_reused(),
        GrantError::Over => Problem::conflict("grant_over", sentence(&error)),
        GrantError::BadDays => {
            Problem::unprocessable("invalid_days", format!("days is a whole number from 1 to {MOST_DAYS}."))
        }
    }
}
