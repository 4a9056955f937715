//! Coupons: made, listed, put away, redeemed, drawn.

use axum::{extract::State, http::StatusCode, response::Response};
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
        v1::{grants::GrantResponse, users::user},
    },
    domain::{
        coupon::{BadTerms, Batch, Coupon, CouponCode, CouponKind, CouponState, Terms},
        ids::{BatchId, CouponId, PartnerId, RedemptionId, TierId, UserId},
    },
    platform::caller::Site,
    services::coupons::{self, Change, CouponError, Filter, Guesser, ListedRedemption, NewCoupons, RedeemError},
};

/// The longest text that is searched for, in characters.
const LONGEST_SEARCH: usize = 200;

/// Coupons to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CouponRequest {
    /// A code of your own, of 4 to 40 letters and digits; without, codes are drawn.
    #[schema(example = "SUMMER-2027")]
    code: Option<String>,
    /// For one person, for many within a window, or a partner's pass, which pauses all other grants.
    #[schema(inline)]
    r#type: CouponKind,
    /// The tier that it gives.
    tier: String,
    /// For how many days.
    #[schema(minimum = 1, maximum = 3650, example = 30)]
    duration_days: i64,
    /// How often it can be redeemed in all; without, as often as somebody wants. A `single_use` coupon is redeemed once.
    #[schema(minimum = 1)]
    max_redemptions: Option<i64>,
    /// From when it can be redeemed.
    #[serde(default, deserialize_with = "instant")]
    valid_from: Option<DateTime<Utc>>,
    /// Until when.
    #[serde(default, deserialize_with = "instant")]
    valid_until: Option<DateTime<Utc>>,
    /// Whose pass it is, for the type `partner`.
    #[schema(max_length = 200, example = "Wellpass")]
    partner: Option<String>,
    /// For which partner they are made: they can be redeemed while the partner's contract runs.
    partner_id: Option<PartnerId>,
    /// What is to be remembered about it.
    #[schema(max_length = 200)]
    description: Option<String>,
    /// How many, each with a code of its own.
    #[schema(minimum = 1, maximum = 10_000)]
    count: Option<i64>,
}

/// What of a coupon may change. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CouponChange {
    /// Whether it can be redeemed.
    active: Option<bool>,
    /// Whether it is out of the way; an archived coupon cannot be redeemed.
    archived: Option<bool>,
    /// What is to be remembered about it.
    #[schema(max_length = 200)]
    description: Option<String>,
}

/// Who redeems.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RedeemRequest {
    /// The user's id, external id or email.
    #[schema(example = "ann@example.com")]
    user: String,
}

/// What a redeemed coupon brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedeemResponse {
    /// Time at a tier.
    grant: GrantResponse,
}

/// Which coupons.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CouponParameters {
    /// Those that are archived, instead of the others.
    archived: Option<bool>,
    /// How they stand.
    #[param(inline)]
    state: Option<CouponState>,
    /// Of which kind.
    #[param(inline)]
    r#type: Option<CouponKind>,
    /// What their code begins with, or their description or partner holds.
    q: Option<String>,
    /// Made for which partner.
    partner: Option<PartnerId>,
    /// Made in which go; archived ones are among them.
    batch: Option<BatchId>,
}

/// A coupon.
#[derive(Debug, Serialize, ToSchema)]
pub struct CouponResponse {
    /// Which.
    id: CouponId,
    /// Its code, as people read it; case, spaces and dashes do not count.
    code: String,
    /// What kind it is.
    #[schema(inline)]
    r#type: CouponKind,
    /// The tier that it gives.
    tier: TierId,
    /// For how many days.
    duration_days: i64,
    /// How often it can be redeemed in all.
    max_redemptions: Option<i64>,
    /// How often it was.
    redemption_count: i64,
    /// From when it can be redeemed.
    valid_from: Option<DateTime<Utc>>,
    /// Until when.
    valid_until: Option<DateTime<Utc>>,
    /// Whose pass it is.
    partner: Option<String>,
    /// For which partner it was made.
    partner_id: Option<PartnerId>,
    /// With which others it was made.
    batch: Option<BatchId>,
    /// What is to be remembered about it.
    description: String,
    /// Whether it can be redeemed.
    active: bool,
    /// Since when it is out of the way.
    archived_at: Option<DateTime<Utc>>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Coupon> for CouponResponse {
    fn from(coupon: Coupon) -> Self {
        Self {
            id: coupon.id,
            code: coupon.code.to_string(),
            r#type: coupon.terms.kind,
            tier: coupon.terms.tier,
            duration_days: coupon.terms.days,
            max_redemptions: coupon.terms.max_redemptions,
            redemption_count: coupon.redemptions,
            valid_from: coupon.terms.valid_from,
            valid_until: coupon.terms.valid_until,
            partner: coupon.terms.partner,
            partner_id: coupon.terms.partner_id,
            batch: coupon.batch,
            description: coupon.description,
            active: coupon.active,
            archived_at: coupon.archived_at,
            created_by: coupon.created_by,
            created_at: coupon.created_at,
        }
    }
}

/// Somebody who redeemed a coupon.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedemptionResponse {
    /// Which redemption.
    id: RedemptionId,
    /// Who; `null` once the account is deleted.
    user: Option<UserId>,
    /// When.
    redeemed_at: DateTime<Utc>,
    /// When what it brought was used up.
    ended_at: Option<DateTime<Utc>>,
    /// When what it brought was taken back.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ListedRedemption> for RedemptionResponse {
    fn from(one: ListedRedemption) -> Self {
        Self {
            id: one.id,
            user: one.user_id,
            redeemed_at: one.redeemed_at,
            ended_at: one.ended_at,
            revoked_at: one.revoked_at,
        }
    }
}

/// Coupons that were made in one go.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResponse {
    /// Which.
    id: BatchId,
    /// What is to be remembered about them.
    #[schema(example = "Spring fair")]
    description: String,
    /// How many they are.
    #[schema(example = 200)]
    coupons: i64,
    /// How often they were redeemed in all.
    #[schema(example = 17)]
    redemptions: i64,
    /// Who made them.
    #[schema(example = "operator")]
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<(Batch, i64)> for BatchResponse {
    fn from((batch, redemptions): (Batch, i64)) -> Self {
        Self {
            id: batch.id,
            description: batch.label,
            coupons: batch.count,
            redemptions,
            created_by: batch.created_by,
            created_at: batch.created_at,
        }
    }
}

/// Make coupons
///
/// All or none; up to 10,000 with one call. What a coupon brings never changes afterwards.
#[utoipa::path(
    post, path = "/api/v1/coupons", operation_id = "create_coupons", tag = "Coupons",
    security(("bearer" = ["manage"])),
    request_body = CouponRequest,
    responses(
        (status = 201, description = "Made, all on one page", body = Page<CouponResponse>),
        (status = 404, description = "tier_unknown or partner_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "code_taken: there is a coupon with this code", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_code, invalid_days, invalid_terms, invalid_count or invalid_text", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn create(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    JsonBody(request): JsonBody<CouponRequest>,
) -> Result<Response, Problem> {
    let code = request.code.as_deref().map(|raw| {
        CouponCode::normalise(raw).ok_or_else(|| {
            Problem::unprocessable(
                "invalid_code",
                "code has 4 to 40 letters and digits; spaces and dashes do not count.",
            )
        })
    });
    let terms = Terms {
        kind: request.r#type,
        tier: request.tier.parse().map_err(|_| Problem::tier_unknown())?,
        days: request.duration_days,
        valid_from: request.valid_from,
        valid_until: request.valid_until,
        max_redemptions: request.max_redemptions,
        partner: request.partner,
        partner_id: request.partner_id,
    };
    let description = request.description.as_deref().unwrap_or_default();
    let new = NewCoupons { code: code.transpose()?, terms, description, count: request.count.unwrap_or(1) };
    let made = coupons::create(&site.env, new, &caller.actor(), |_| ()).await.map_err(failed)?;
    let mut response = json(&Page::all(made.coupons.into_iter().map(CouponResponse::from).collect()));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// List coupons
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/coupons", operation_id = "list_coupons", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(CouponParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<CouponResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<CouponParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<CouponResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let CouponParameters { archived, state, r#type: kind, q, partner, batch } = parameters;
    let filter = Filter {
        archived: archived.or_else(|| batch.is_none().then_some(false)),
        state: state.map(|state| (state, site.env.clock.now())),
        kind,
        text: q.filter(|text| !text.trim().is_empty()).map(|text| text.trim().chars().take(LONGEST_SEARCH).collect()),
        partner,
        batch,
    };
    let found = coupons::list(&site.env, &filter, before, count + 1).await?;
    Ok(Answer(Page::new(found, count, |coupon: &Coupon| coupon.id.to_string(), CouponResponse::from)))
}

/// Read a coupon
#[utoipa::path(
    get, path = "/api/v1/coupons/{code}", operation_id = "read_coupon", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(("code" = String, Path, description = "The coupon's code", example = "SUMMER2027")),
    responses(
        (status = 200, description = "The coupon", body = CouponResponse),
        (status = 404, description = "coupon_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(raw): InPath<String>,
) -> Result<Answer<CouponResponse>, Problem> {
    Ok(Answer(found(&site, &raw).await?.into()))
}

/// Change a coupon
///
/// Switches it on or off, archives it, or describes it anew. What it brings stays as it is.
#[utoipa::path(
    patch, path = "/api/v1/coupons/{code}", operation_id = "change_coupon", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(("code" = String, Path, description = "The coupon's code", example = "SUMMER2027")),
    request_body = CouponChange,
    responses(
        (status = 200, description = "As it is now", body = CouponResponse),
        (status = 404, description = "coupon_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_text", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(raw): InPath<String>,
    JsonBody(request): JsonBody<CouponChange>,
) -> Result<Answer<CouponResponse>, Problem> {
    let code = CouponCode::normalise(&raw).ok_or_else(unknown)?;
    let change =
        Change { active: request.active, archived: request.archived, description: request.description.as_deref() };
    let coupon = coupons::change(&site.env, &code, change, &caller.actor()).await.map_err(failed)?;
    Ok(Answer(coupon.into()))
}

/// Redeem a coupon for a user
///
/// Each user once, also after deleting the account and coming back with the same address. Tries in
/// vain are limited to 30 an hour for a user.
#[utoipa::path(
    post, path = "/api/v1/coupons/{code}/redeem", operation_id = "redeem_coupon", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(("code" = String, Path, description = "The code as it was typed", example = "K7MQ2-XWAB4")),
    request_body = RedeemRequest,
    responses(
        (status = 200, description = "Redeemed", body = RedeemResponse),
        (status = 404, description = "user_unknown or coupon_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "coupon_already_yours, coupon_inactive, coupon_not_yet or partner_contract_closed", body = ProblemShape, content_type = "application/problem+json"),
        (status = 410, description = "coupon_expired or coupon_used_up", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body", body = ProblemShape, content_type = "application/problem+json"),
        (status = 429, description = "too_many_tries", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn redeem(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(raw): InPath<String>,
    JsonBody(request): JsonBody<RedeemRequest>,
) -> Result<Answer<RedeemResponse>, Problem> {
    let user = user(&site, &request.user).await?;
    let now = site.env.clock.now();
    match coupons::redeem(&site.env, user.id, &raw, Guesser::App, &caller.actor()).await {
        Ok(grant) => Ok(Answer(RedeemResponse { grant: GrantResponse::at(now, grant) })),
        Err(error) => Err(not_redeemed(error, now)),
    }
}

/// List who redeemed a coupon
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/coupons/{code}/redemptions", operation_id = "list_coupon_redemptions", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(("code" = String, Path, description = "The coupon's code", example = "SUMMER2027"), PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<RedemptionResponse>),
        (status = 404, description = "coupon_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_redemptions(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(raw): InPath<String>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<RedemptionResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let coupon = found(&site, &raw).await?;
    let found = coupons::redemptions(&site.env, coupon.id, before, count + 1).await?;
    Ok(Answer(Page::new(found, count, |one: &ListedRedemption| one.id.to_string(), RedemptionResponse::from)))
}

/// Draw the QR code of a coupon
///
/// It holds the link under which the coupon is redeemed, black on white.
#[utoipa::path(
    get, path = "/api/v1/coupons/{code}/qr.svg", operation_id = "draw_coupon", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(("code" = String, Path, description = "The coupon's code", example = "SUMMER2027")),
    responses(
        (status = 200, description = "The drawing", body = String, content_type = "image/svg+xml"),
        (status = 404, description = "coupon_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "link_too_long: no QR code holds the address of this site", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn draw(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(raw): InPath<String>,
) -> Result<Response, Problem> {
    let code = found(&site, &raw).await?.code;
    let too_long = || Problem::conflict("link_too_long", "The address of this site is too long for a QR code.");
    let drawing = coupons::drawing(&site.env, &code).ok_or_else(too_long)?;
    Ok(file("image/svg+xml", &format!("{code}.svg"), drawing))
}

/// List what was made in one go
///
/// The newest first. `GET /api/v1/coupons?batch=…` lists the coupons of one.
#[utoipa::path(
    get, path = "/api/v1/coupon-batches", operation_id = "list_coupon_batches", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<BatchResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_batches(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<BatchResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let found = coupons::batches(&site.env, before, count + 1).await?;
    Ok(Answer(Page::new(found, count, |(batch, _): &(Batch, i64)| batch.id.to_string(), BatchResponse::from)))
}

/// Read what was made in one go
///
/// With `format=csv` its coupons, each with its code, its link and what it brings; times are on the clocks of the
/// product's zone.
#[utoipa::path(
    get, path = "/api/v1/coupon-batches/{id}", operation_id = "read_coupon_batch", tag = "Coupons",
    security(("bearer" = ["manage"])),
    params(("id" = BatchId, Path, description = "The batch"), FormatParameters),
    responses(
        (status = 200, description = "The batch, or the file of its coupons", content((BatchResponse = "application/json"), (String = "text/csv"))),
        (status = 404, description = "batch_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read_batch(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<String>,
    Parameters(format): Parameters<FormatParameters>,
) -> Result<Response, Problem> {
    let unknown =
        || Problem::not_found("batch_unknown", "There is no such batch. GET /api/v1/coupon-batches lists them.");
    let id: BatchId = id.parse().map_err(|_| unknown())?;
    if format.is_csv() {
        let csv = coupons::batch_file(&site.env, id).await?.ok_or_else(unknown)?;
        return Ok(file(CSV, "coupons.csv", csv));
    }
    let batch = coupons::find_batch(&site.env, id).await?.ok_or_else(unknown)?;
    Ok(json(&BatchResponse::from(batch)))
}

async fn found(site: &Site, raw: &str) -> Result<Coupon, Problem> {
    let code = CouponCode::normalise(raw).ok_or_else(unknown)?;
    coupons::find(&site.env, &code).await?.ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("coupon_unknown", "There is no coupon with this code.")
}

fn failed(error: CouponError) -> Problem {
    let code = match error {
        CouponError::Store(error) => return error.into(),
        CouponError::TierUnknown => return Problem::tier_unknown(),
        CouponError::NoSuchCoupon => return unknown(),
        CouponError::PartnerUnknown => return Problem::not_found("partner_unknown", sentence(&error)),
        CouponError::CodeTaken => return Problem::conflict("code_taken", sentence(&error)),
        CouponError::Terms(BadTerms::Days) => "invalid_days",
        CouponError::Terms(_) => "invalid_terms",
        CouponError::BadCount => "invalid_count",
        CouponError::Description => "invalid_text",
    };
    Problem::unprocessable(code, sentence(&error))
}

fn not_redeemed(error: RedeemError, now: DateTime<Utc>) -> Problem {
    let title = sentence(&error);
    match error {
        RedeemError::Store(error) => (&*error).into(),
        RedeemError::NoContract => Problem::conflict("partner_contract_closed", title),
        RedeemError::NoSuchMember => Problem::user_unknown(),
        RedeemError::Unknown => unknown(),
        RedeemError::AlreadyYours => Problem::conflict("coupon_already_yours", title),
        RedeemError::Inactive => Problem::conflict("coupon_inactive", title),
        RedeemError::NotYet(from) => Problem::conflict("coupon_not_yet", title).with("valid_from", from.to_rfc3339()),
        RedeemError::Expired(until) => {
            Problem::new(StatusCode::GONE, "coupon_expired", title).with("valid_until", until.to_rfc3339())
        }
        RedeemError::UsedUp => Problem::new(StatusCode::GONE, "coupon_used_up", title),
        RedeemError::TooMany { until } => Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", title)
            .retry_after((until - now).num_seconds()),
    }
}
