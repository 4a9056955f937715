//! Partners: for whom coupons are made, and what came of them.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{
            Answer, CSV, FormatParameters, InPath, JsonBody, Page, PageParameters, Parameters, file, instant, json,
        },
        caller::{Manage, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        grant::GrantState,
        ids::{PartnerId, RedemptionId, TierId},
        partner::{BadDetails, Figures, Month, Partner, PartnerDetails, StatementLine},
    },
    platform::caller::Site,
    services::partners::{self, PartnerError},
};

/// What is known of a partner.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PartnerRequest {
    /// What they are called. Each name is there once.
    #[schema(max_length = 200, example = "Wellpass")]
    name: String,
    /// Whom to talk to.
    #[schema(max_length = 200)]
    contact: Option<String>,
    /// Where to write.
    #[schema(example = "gym@example.com")]
    email: Option<String>,
    /// From when their coupons can be redeemed.
    #[serde(default, deserialize_with = "instant")]
    contract_from: Option<DateTime<Utc>>,
    /// Until when.
    #[serde(default, deserialize_with = "instant")]
    contract_until: Option<DateTime<Utc>>,
    /// What is to be remembered about them.
    #[schema(max_length = 500)]
    note: Option<String>,
    /// Whether they are out of the way: then their coupons cannot be redeemed, and their link shows nothing.
    archived: Option<bool>,
}

impl PartnerRequest {
    fn details(self) -> PartnerDetails {
        PartnerDetails {
            name: self.name,
            contact: self.contact.unwrap_or_default(),
            email: self.email,
            contract_from: self.contract_from,
            contract_until: self.contract_until,
            note: self.note.unwrap_or_default(),
        }
    }
}

/// Which partners.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PartnerParameters {
    /// Those that are archived, instead of the others.
    archived: Option<bool>,
}

/// A partner, and what came of their coupons.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartnerResponse {
    /// Which.
    id: PartnerId,
    /// What they are called.
    name: String,
    /// Whom to talk to.
    contact: String,
    /// Where to write.
    email: Option<String>,
    /// From when their coupons can be redeemed.
    contract_from: Option<DateTime<Utc>>,
    /// Until when.
    contract_until: Option<DateTime<Utc>>,
    /// What is to be remembered about them.
    note: String,
    /// Coupons that are not archived.
    coupons: i64,
    /// Redemptions of all their coupons.
    redemptions: i64,
    /// Passes that run or wait.
    active_passes: i64,
    /// Since when the link lasts under which they read.
    linked_at: Option<DateTime<Utc>>,
    /// Since when they are out of the way.
    archived_at: Option<DateTime<Utc>>,
    /// Who added them.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<(Partner, Figures)> for PartnerResponse {
    fn from((partner, figures): (Partner, Figures)) -> Self {
        let details = partner.details;
        Self {
            id: partner.id,
            name: details.name,
            contact: details.contact,
            email: details.email,
            contract_from: details.contract_from,
            contract_until: details.contract_until,
            note: details.note,
            coupons: figures.coupons,
            redemptions: figures.redemptions,
            active_passes: figures.active,
            linked_at: partner.linked_at,
            archived_at: partner.archived_at,
            created_by: partner.created_by,
            created_at: partner.created_at,
        }
    }
}

/// A link under which a partner reads. It is told once.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartnerLinkResponse {
    /// The address of the page.
    url: String,
}

/// What was redeemed of a partner's coupons in a month of the product's zone.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementResponse {
    /// Whose coupons.
    partner: PartnerId,
    /// Which month.
    #[schema(example = "2026-11")]
    month: String,
    /// How many redemptions.
    redemptions: i64,
    /// How many days they gave in all.
    days: i64,
    /// Each of them, the oldest first.
    items: Vec<StatementItem>,
}

/// A redemption, without who it was.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementItem {
    /// Which.
    id: RedemptionId,
    /// When.
    redeemed_at: DateTime<Utc>,
    /// Of which coupon.
    code: String,
    /// The tier that it gave.
    tier: TierId,
    /// For how many days.
    duration_days: i64,
    /// How the pass stands now.
    state: Option<GrantState>,
}

impl From<StatementLine> for StatementItem {
    fn from(line: StatementLine) -> Self {
        Self {
            id: line.id,
            redeemed_at: line.redeemed_at,
            code: line.code.to_string(),
            tier: line.tier,
            duration_days: line.days,
            state: line.state,
        }
    }
}

/// Add a partner
#[utoipa::path(
    post, path = "/api/v1/partners", operation_id = "add_partner", tag = "Partners",
    security(("bearer" = ["manage"])),
    request_body = PartnerRequest,
    responses(
        (status = 201, description = "Added", body = PartnerResponse),
        (status = 409, description = "name_taken: there is a partner of this name", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_partner", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn create(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    JsonBody(request): JsonBody<PartnerRequest>,
) -> Result<Response, Problem> {
    let partner = partners::create(&site.env, request.details(), &caller.actor()).await.map_err(failed)?;
    let mut response = json(&PartnerResponse::from((partner, Figures::default())));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// List partners
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/partners", operation_id = "list_partners", tag = "Partners",
    security(("bearer" = ["manage"])),
    params(PartnerParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<PartnerResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<PartnerParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<PartnerResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let found = partners::list(&site.env, parameters.archived == Some(true), before, count + 1).await?;
    let cursor = |(partner, _): &(Partner, Figures)| partner.id.to_string();
    Ok(Answer(Page::new(found, count, cursor, PartnerResponse::from)))
}

async fn find(site: &Site, id: &str) -> Result<Partner, Problem> {
    let id: PartnerId = id.parse().map_err(|_| unknown())?;
    partners::find(&site.env, id).await?.ok_or_else(unknown)
}

/// Read a partner
#[utoipa::path(
    get, path = "/api/v1/partners/{id}", operation_id = "read_partner", tag = "Partners",
    security(("bearer" = ["manage"])),
    params(("id" = PartnerId, Path, description = "The partner")),
    responses(
        (status = 200, description = "The partner", body = PartnerResponse),
        (status = 404, description = "partner_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<PartnerResponse>, Problem> {
    let partner = find(&site, &id).await?;
    let account = partners::account(&site.env, partner).await?;
    Ok(Answer((account.partner, account.figures).into()))
}

/// Replace what is known of a partner
///
/// What is left out is empty afterwards; without `archived` the partner is not.
#[utoipa::path(
    put, path = "/api/v1/partners/{id}", operation_id = "replace_partner", tag = "Partners",
    security(("bearer" = ["manage"])),
    params(("id" = PartnerId, Path, description = "The partner")),
    request_body = PartnerRequest,
    responses(
        (status = 200, description = "As it is now", body = PartnerResponse),
        (status = 404, description = "partner_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "name_taken", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_partner", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn replace(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
    JsonBody(request): JsonBody<PartnerRequest>,
) -> Result<Answer<PartnerResponse>, Problem> {
    let id: PartnerId = id.parse().map_err(|_| unknown())?;
    let archived = request.archived == Some(true);
    let changed = partners::change(&site.env, id, request.details(), archived, &caller.actor()).await;
    let account = partners::account(&site.env, changed.map_err(failed)?).await?;
    Ok(Answer((account.partner, account.figures).into()))
}

/// Make a link for a partner
///
/// Who has it reads the figures and statements without signing in, and never who redeemed. It is told
/// once and kept as a hash; the link before is worth nothing from then on.
#[utoipa::path(
    post, path = "/api/v1/partners/{id}/link", operation_id = "make_partner_link", tag = "Partners",
    security(("bearer" = ["manage"])),
    params(("id" = PartnerId, Path, description = "The partner")),
    responses(
        (status = 201, description = "Made", body = PartnerLinkResponse),
        (status = 404, description = "partner_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "partner_archived", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn make_link(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let id: PartnerId = id.parse().map_err(|_| unknown())?;
    let token = partners::make_link(&site.env, id, &caller.actor()).await.map_err(failed)?;
    let mut response = json(&PartnerLinkResponse { url: partners::link(&site.env, &token) });
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// End a partner's link
#[utoipa::path(
    delete, path = "/api/v1/partners/{id}/link", operation_id = "end_partner_link", tag = "Partners",
    security(("bearer" = ["manage"])),
    params(("id" = PartnerId, Path, description = "The partner")),
    responses(
        (status = 204, description = "Nobody reads anything under it any more"),
        (status = 404, description = "partner_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn end_link(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let id: PartnerId = id.parse().map_err(|_| unknown())?;
    partners::end_link(&site.env, id, &caller.actor()).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Read a partner's statement of a month
///
/// Every redemption of their coupons, without who it was. A month begins and ends in the product's
/// zone. With `format=csv` it is the file that the partner gets.
#[utoipa::path(
    get, path = "/api/v1/partners/{id}/statements/{month}", operation_id = "read_statement", tag = "Partners",
    security(("bearer" = ["manage"])),
    params(
        ("id" = PartnerId, Path, description = "The partner"),
        ("month" = String, Path, description = "The month", example = "2026-11"),
        FormatParameters,
    ),
    responses(
        (status = 200, description = "The statement", content((StatementResponse = "application/json"), (String = "text/csv"))),
        (status = 404, description = "partner_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_month or invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn statement(
    State(site): State<Site>,
    _: May<Manage>,
    InPath((id, month)): InPath<(String, String)>,
    Parameters(format): Parameters<FormatParameters>,
) -> Result<Response, Problem> {
    let partner = find(&site, &id).await?;
    let month: Month = month.parse().map_err(|error| Problem::unprocessable("invalid_month", sentence(&error)))?;
    if format.is_csv() {
        let csv = partners::statement_file(&site.env, partner.id, month).await?;
        return Ok(file(CSV, &format!("statement-{month}.csv"), csv));
    }
    let lines = partners::statement(&site.env, partner.id, month).await?;
    Ok(json(&StatementResponse {
        partner: partner.id,
        month: month.to_string(),
        redemptions: i64::try_from(lines.len()).unwrap_or(i64::MAX),
        days: lines.iter().map(|line| line.days).sum(),
        items: lines.into_iter().map(StatementItem::from).collect(),
    }))
}

fn unknown() -> Problem {
    Problem::not_found("partner_unknown", "There is no such partner. GET /api/v1/partners lists them.")
}

fn failed(error: PartnerError) -> Problem {
    match error {
        PartnerError::Store(error) => error.into(),
        PartnerError::NoSuchPartner => unknown(),
        PartnerError::NameTaken => Problem::conflict("name_taken", sentence(&error)),
        PartnerError::Archived => Problem::conflict("partner_archived", sentence(&error)),
        PartnerError::Details(
            BadDetails::Name | BadDetails::Contact | BadDetails::Email | BadDetails::Contract | BadDetails::Note,
        ) => Problem::unprocessable("invalid_partner", sentence(&error)),
    }
}
