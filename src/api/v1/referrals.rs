//! Invitations, and what became of their rewards.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, Page, PageParameters, Parameters},
        caller::{Manage, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        ids::{ReferralId, UserId},
        payment::Provider,
        referral::{Flag, Referral, ReferralState},
    },
    platform::caller::Site,
    services::{
        payment_views,
        referrals::{self, ReferralError, Verdict},
    },
};

/// Which referrals.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReferralParameters {
    /// In this state only.
    #[param(inline)]
    state: Option<ReferralState>,
    /// Those that look odd only; not together with `state`.
    flagged: Option<bool>,
}

/// The invoice that converted a referral.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralInvoice {
    /// Who took the money.
    provider: Provider,
    /// The provider's id.
    id: String,
}

/// Who invited whom, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralResponse {
    /// Which.
    id: ReferralId,
    /// How it stands.
    state: ReferralState,
    /// Who invited; `null` once that account is deleted.
    referrer: Option<UserId>,
    /// Who was invited.
    referred: Option<UserId>,
    /// When the friend came.
    created_at: DateTime<Utc>,
    /// When the friend's first payment was noticed.
    converted_at: Option<DateTime<Utc>>,
    /// When both sides got their days.
    credited_at: Option<DateTime<Utc>>,
    /// The days that each side gets.
    reward_days: Option<i64>,
    /// What looked odd.
    flags: Vec<Flag>,
    /// Until when the reward waits by itself; a held one without it waits for an admin.
    held_until: Option<DateTime<Utc>>,
    /// When it was decided that there is no reward.
    rejected_at: Option<DateTime<Utc>>,
    /// Since when the reward is void because the money went back.
    taken_back_at: Option<DateTime<Utc>>,
    /// The invoice that converted it.
    invoice: Option<ReferralInvoice>,
}

impl From<Referral> for ReferralResponse {
    fn from(referral: Referral) -> Self {
        Self {
            id: referral.id,
            state: referral.state(),
            referrer: referral.referrer,
            referred: referral.referred,
            created_at: referral.created_at,
            converted_at: referral.converted_at,
            credited_at: referral.credited_at,
            reward_days: referral.reward_days,
            flags: referral.flags,
            held_until: referral.held_until,
            rejected_at: referral.rejected_at,
            taken_back_at: referral.taken_back_at,
            invoice: referral.invoice.map(|(provider, id)| ReferralInvoice { provider, id }),
        }
    }
}

/// List who invited whom
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/referrals", operation_id = "list_referrals", tag = "Referrals",
    security(("bearer" = ["manage"])),
    params(ReferralParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<ReferralResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<ReferralParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<ReferralResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let found = match (parameters.state, parameters.flagged == Some(true)) {
        (Some(_), true) => {
            return Err(Problem::unprocessable("invalid_parameter", "Ask for a state or for flagged, not for both."));
        }
        (None, true) => payment_views::flagged_referrals(&site.env, before, count + 1).await?,
        (state, false) => referrals::list(&site.env, state, before, count + 1).await?,
    };
    let found = found.into_iter().map(|listed| listed.referral).collect();
    Ok(Answer(Page::new(found, count, |referral: &Referral| referral.id.to_string(), ReferralResponse::from)))
}

/// Release a held reward
///
/// Both get their days now.
#[utoipa::path(
    post, path = "/api/v1/referrals/{id}/release", operation_id = "release_referral", tag = "Referrals",
    security(("bearer" = ["manage"])),
    params(("id" = ReferralId, Path, description = "The referral")),
    responses(
        (status = 200, description = "Released", body = ReferralResponse),
        (status = 404, description = "referral_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "not_held: there is no reward that waits", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn release(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<ReferralResponse>, Problem> {
    decide(&site, &id, Verdict::Release, &caller.actor()).await
}

/// Reject a held reward
///
/// Nobody gets days for this invitation, for good.
#[utoipa::path(
    post, path = "/api/v1/referrals/{id}/reject", operation_id = "reject_referral", tag = "Referrals",
    security(("bearer" = ["manage"])),
    params(("id" = ReferralId, Path, description = "The referral")),
    responses(
        (status = 200, description = "Rejected", body = ReferralResponse),
        (status = 404, description = "referral_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "not_held: there is no reward that waits", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn reject(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<ReferralResponse>, Problem> {
    decide(&site, &id, Verdict::Reject, &caller.actor()).await
}

async fn decide(site: &Site, id: &str, verdict: Verdict, actor: &str) -> Result<Answer<ReferralResponse>, Problem> {
    let unknown =
        || Problem::not_found("referral_unknown", "There is no such referral. GET /api/v1/referrals lists them.");
    let id: ReferralId = id.parse().map_err(|_| unknown())?;
    match referrals::decide(&site.env, id, verdict, actor).await {
        Ok(referral) => Ok(Answer(referral.into())),
        Err(ReferralError::Unknown) => Err(unknown()),
        Err(error @ ReferralError::NotHeld(_)) => Err(Problem::conflict("not_held", sentence(&error))),
        Err(ReferralError::Store(error)) => Err(error.into()),
    }
}
