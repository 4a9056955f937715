//! Invitations: sent, listed, sent again, taken back.

use axum::{extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, PageParameters, Parameters, json},
        caller::{Manage, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        email::EmailAddress,
        ids::{InvitationId, TierId, UserId},
        invitation::{Invitation, InvitationState},
        lang::Lang,
    },
    platform::caller::Site,
    services::invitations::{self, InvitationError, Inviter, ListedInvitation, NewInvitation},
};

/// Who is to be invited.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InvitationRequest {
    /// The address.
    #[schema(format = Email, example = "ann@example.com")]
    email: String,
    /// A tier of which who accepts gets some days; together with `days`.
    tier: Option<String>,
    /// How many.
    #[schema(minimum = 1, maximum = 3650, example = 30)]
    days: Option<i64>,
    /// What the mail says beside.
    #[schema(max_length = 500)]
    note: Option<String>,
    /// The language of the mail.
    lang: Option<Lang>,
}

/// Which invitations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvitationParameters {
    /// In this state only.
    #[param(inline)]
    state: Option<InvitationState>,
}

/// An invitation. The link in its mail is nowhere to be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationResponse {
    /// Which.
    id: InvitationId,
    /// The address; empty once its owner has left.
    email: String,
    /// How it stands.
    #[schema(inline)]
    state: InvitationState,
    /// The member who invites; `null` where an admin or an app does.
    inviter: Option<UserId>,
    /// What whoever invites is called.
    invited_by: Option<String>,
    /// The tier of which who accepts gets some days.
    tier: Option<TierId>,
    /// How many.
    days: Option<i64>,
    /// What the mail says beside.
    note: String,
    /// The language of the mail.
    lang: Lang,
    /// How many mails went out.
    sends: i64,
    /// When the last one did.
    sent_at: DateTime<Utc>,
    /// From when on it cannot be accepted any more.
    expires_at: DateTime<Utc>,
    /// When it was accepted.
    accepted_at: Option<DateTime<Utc>>,
    /// By whom.
    accepted_by: Option<UserId>,
    /// When it was taken back.
    revoked_at: Option<DateTime<Utc>>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl InvitationResponse {
    fn of(invitation: Invitation, invited_by: Option<String>, now: DateTime<Utc>) -> Self {
        let state = invitation.state(now);
        let (tier, days) = invitation.gift.map(|gift| (gift.tier, gift.days)).unzip();
        Self {
            id: invitation.id,
            email: invitation.email,
            state,
            inviter: invitation.inviter,
            invited_by: invited_by.or(Some(invitation.invited_by).filter(|name| !name.is_empty())),
            tier,
            days,
            note: invitation.note,
            lang: invitation.lang,
            sends: invitation.sends,
            sent_at: invitation.sent_at,
            expires_at: invitation.expires_at,
            accepted_at: invitation.accepted_at,
            accepted_by: invitation.accepted_by,
            revoked_at: invitation.revoked_at,
            created_at: invitation.created_at,
        }
    }
}

/// Invite somebody
///
/// A mail goes out with a link that is good for `invitation_lifetime_days`. Who proves the address is
/// let in even while sign-up is closed, and gets the days. An address has one open invitation, and at
/// most three mails in 30 days.
#[utoipa::path(
    post, path = "/api/v1/invitations", operation_id = "create_invitation", tag = "Invitations",
    security(("bearer" = ["manage"])),
    request_body = InvitationRequest,
    responses(
        (status = 201, description = "Sent", body = InvitationResponse),
        (status = 404, description = "tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "invitation_open: the address has one already; email_is_member", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_email, invalid_days, invalid_gift or invalid_text", body = ProblemShape, content_type = "application/problem+json"),
        (status = 429, description = "too_many_mails: the address has had three in 30 days; too_soon: the last one has just gone out", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn create(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    JsonBody(request): JsonBody<InvitationRequest>,
) -> Result<Response, Problem> {
    let email = EmailAddress::parse(&request.email)
        .map_err(|error| Problem::unprocessable("invalid_email", sentence(&error)))?;
    let gift = invitations::gift(request.tier.as_deref(), request.days).map_err(failed)?;
    let note = request.note.as_deref().unwrap_or_default();
    let new = NewInvitation { email: &email, gift, note, lang: request.lang.unwrap_or_default() };
    let now = site.env.clock.now();
    let made = invitations::invite(&site.env, Inviter::Office(&caller.actor()), &new).await;
    let made = made.map_err(|error| not_sent(error, now))?;
    let mut response = json(&InvitationResponse::of(made, None, now));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// List invitations
///
/// Those of members, too; the newest first.
#[utoipa::path(
    get, path = "/api/v1/invitations", operation_id = "list_invitations", tag = "Invitations",
    security(("bearer" = ["manage"])),
    params(InvitationParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<InvitationResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<InvitationParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<InvitationResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let found = invitations::list(&site.env, parameters.state, before, count + 1).await?;
    let now = site.env.clock.now();
    let cursor = |listed: &ListedInvitation| listed.invitation.id.to_string();
    let item = |listed: ListedInvitation| InvitationResponse::of(listed.invitation, listed.inviter, now);
    Ok(Answer(Page::new(found, count, cursor, item)))
}

/// Send an invitation again
///
/// It is good for as long as a new one from then on. Ten minutes after the last mail at the earliest.
#[utoipa::path(
    post, path = "/api/v1/invitations/{id}/resend", operation_id = "resend_invitation", tag = "Invitations",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Which", format = Uuid)),
    responses(
        (status = 200, description = "Sent again", body = InvitationResponse),
        (status = 404, description = "invitation_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "invitation_over: accepted, expired or taken back", body = ProblemShape, content_type = "application/problem+json"),
        (status = 429, description = "too_soon or too_many_mails", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn resend(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<InvitationResponse>, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    let now = site.env.clock.now();
    let sent = invitations::resend(&site.env, Inviter::Office(&caller.actor()), id).await;
    let sent = sent.map_err(|error| not_sent(error, now))?;
    Ok(Answer(InvitationResponse::of(sent, None, now)))
}

/// Take an invitation back
///
/// The link in the mail stops working. One that was taken back before stays as it is.
#[utoipa::path(
    delete, path = "/api/v1/invitations/{id}", operation_id = "revoke_invitation", tag = "Invitations",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "Which", format = Uuid)),
    responses(
        (status = 200, description = "Taken back", body = InvitationResponse),
        (status = 404, description = "invitation_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "invitation_over: somebody has accepted it", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn revoke(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<InvitationResponse>, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    let revoked = invitations::revoke(&site.env, Inviter::Office(&caller.actor()), id).await.map_err(failed)?;
    Ok(Answer(InvitationResponse::of(revoked, None, site.env.clock.now())))
}

fn unknown() -> Problem {
    Problem::not_found("invitation_unknown", "There is no such invitation. GET /api/v1/invitations lists them.")
}

/// Says of a mail that comes too soon when it does not.
fn not_sent(error: InvitationError, now: DateTime<Utc>) -> Problem {
    match error {
        InvitationError::TooSoon { until } => Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_soon", sentence(&error))
            .retry_after((until - now).num_seconds()),
        other => failed(other),
    }
}

fn failed(error: InvitationError) -> Problem {
    match error {
        InvitationError::Store(error) => error.into(),
        InvitationError::Unknown => unknown(),
        InvitationError::TierUnknown => Problem::tier_unknown(),
        InvitationError::Over(_) => Problem::conflict("invitation_over", sentence(&error)),
        InvitationError::AlreadyOpen => Problem::conflict("invitation_open", sentence(&error)),
        InvitationError::IsMember => Problem::conflict("email_is_member", sentence(&error)),
        InvitationError::BadDays => Problem::unprocessable("invalid_days", sentence(&error)),
        InvitationError::HalfAGift => Problem::unprocessable("invalid_gift", sentence(&error)),
        InvitationError::BadNote => Problem::unprocessable("invalid_text", sentence(&error)),
        InvitationError::NotByMembers => Problem::new(StatusCode::FORBIDDEN, "not_by_members", sentence(&error)),
        InvitationError::TooManyMails | InvitationError::TooManyToday { .. } | InvitationError::TooSoon { .. } => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_mails", sentence(&error))
        }
    }
}
