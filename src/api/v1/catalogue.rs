//! Tiers and features.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{InPath, JsonBody, Page, json, present, versioned},
        caller::{Administer, Inspect, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        catalogue::{Feature, Tier},
        ids::{FeatureId, TierId},
        limit::{Limit, LimitKind},
        period::ResetPeriod,
    },
    platform::caller::Site,
    services::catalogue::{self, CatalogueError},
};

/// A tier, without its id, which is in the path.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TierRequest {
    /// Its name.
    #[schema(min_length = 1, max_length = 100, example = "Premium")]
    name: String,
    /// What it is, in English.
    #[serde(default)]
    #[schema(max_length = 500)]
    description_en: String,
    /// What it is, in German.
    #[serde(default)]
    #[schema(max_length = 500)]
    description_de: String,
    /// The price of a month in cents of the product's currency, if it is for sale.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    price_monthly_cents: Option<i64>,
    /// The price of a year in cents.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    price_yearly_cents: Option<i64>,
    /// Whether new users can subscribe to it.
    active: bool,
    /// Whether it opens gates for paying users.
    paid: bool,
    /// Its strength: the highest of several tiers wins.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    sort_order: i64,
}

/// A feature, without its id, which is in the path.
#[derive(Debug, Deserialize, ToSchema)]
pub struct FeatureRequest {
    /// Its name in English.
    #[schema(min_length = 1, max_length = 100, example = "AI calls")]
    name_en: String,
    /// Its name in German.
    #[schema(min_length = 1, max_length = 100, example = "KI-Anfragen")]
    name_de: String,
    /// What it is, in English.
    #[serde(default)]
    #[schema(max_length = 500)]
    description_en: String,
    /// What it is, in German.
    #[serde(default)]
    #[schema(max_length = 500)]
    description_de: String,
    /// The group in which it stands.
    #[schema(min_length = 1, max_length = 100, example = "ai")]
    category: String,
    /// What its limit counts.
    kind: LimitKind,
    /// How often usage starts again.
    reset_period: ResetPeriod,
    /// What a tier without a limit of its own gets; `null` is unlimited, 0 is off.
    #[serde(deserialize_with = "present")]
    #[schema(required = true, minimum = 0, maximum = 1_000_000_000_000_i64)]
    default_limit: Option<i64>,
    /// Whether it is in use; an inactive feature is off for all.
    active: bool,
    /// Its place in lists.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    sort_order: i64,
}

/// Turns what cannot be configured into its problem.
pub(super) fn not_put(error: CatalogueError) -> Problem {
    match error {
        CatalogueError::Store(error) => error.into(),
        CatalogueError::Text { .. } => {
            Problem::unprocessable("invalid_text", format!("{error}, without control characters."))
        }
        CatalogueError::Number { .. } => Problem::unprocessable("invalid_number", format!("{error}.")),
        CatalogueError::Default(_) => Problem::unprocessable("invalid_limit", sentence(&error)),
        CatalogueError::IdTaken => Problem::conflict("id_taken", sentence(&error)),
        CatalogueError::CellsInTheWay => Problem::conflict("limits_in_the_way", sentence(&error)),
        CatalogueError::Setting(_) => Problem::unprocessable("invalid_setting", sentence(&error)),
        CatalogueError::NoSuchSetting(_) => Problem::not_found("setting_unknown", sentence(&error)),
        CatalogueError::NoSuchTier(_) => Problem::tier_unknown(),
    }
}

fn written<T: serde::Serialize>(value: &T, is_new: bool) -> Response {
    let mut response = json(value);
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
    }
    response
}

/// List tiers
///
/// The weakest first.
#[utoipa::path(
    get, path = "/api/v1/tiers", tag = "Tiers and features",
    security(("bearer" = ["check"])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that you have")),
    responses(
        (status = 200, description = "All tiers", body = Page<Tier>, headers(("ETag" = String, description = "The version of the configuration"))),
        (status = 304, description = "What you have is still right"),
    ),
)]
pub(super) async fn list_tiers(
    State(site): State<Site>,
    _: May<Inspect>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let catalogue = catalogue::newest(&site.env).await?;
    Ok(versioned(&headers, catalogue.version, &Page::all(catalogue.tiers().to_vec())))
}

/// Read a tier
#[utoipa::path(
    get, path = "/api/v1/tiers/{id}", tag = "Tiers and features",
    security(("bearer" = ["check"])),
    params(
        ("id" = TierId, Path, description = "The tier", example = "premium"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that you have"),
    ),
    responses(
        (status = 200, description = "The tier", body = Tier, headers(("ETag" = String, description = "The version of the configuration"))),
        (status = 304, description = "What you have is still right"),
        (status = 404, description = "tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read_tier(
    State(site): State<Site>,
    _: May<Inspect>,
    InPath(id): InPath<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let catalogue = catalogue::newest(&site.env).await?;
    let id: TierId = id.parse().map_err(|_| Problem::tier_unknown())?;
    let tier = catalogue.tier(&id).ok_or_else(Problem::tier_unknown)?;
    Ok(versioned(&headers, catalogue.version, tier))
}

/// Write a tier
///
/// All of it, new or over the one with that id.
#[utoipa::path(
    put, path = "/api/v1/tiers/{id}", tag = "Tiers and features",
    security(("bearer" = ["admin"])),
    params(("id" = TierId, Path, description = "The tier", example = "premium")),
    request_body = TierRequest,
    responses(
        (status = 200, description = "Written", body = Tier),
        (status = 201, description = "Made", body = Tier),
        (status = 422, description = "invalid_id, invalid_body, invalid_text or invalid_number", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put_tier(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<String>,
    JsonBody(request): JsonBody<TierRequest>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|error| Problem::unprocessable("invalid_id", sentence(&error)))?;
    let tier = Tier {
        id,
        name: request.name.trim().to_owned(),
        description_en: request.description_en,
        description_de: request.description_de,
        price_monthly_cents: request.price_monthly_cents,
        price_yearly_cents: request.price_yearly_cents,
        active: request.active,
        paid: request.paid,
        sort_order: request.sort_order,
    };
    let is_new = catalogue::put_tier(&site.env, &caller.actor(), &tier).await.map_err(not_put)?;
    Ok(written(&tier, is_new))
}

/// List features
#[utoipa::path(
    get, path = "/api/v1/features", tag = "Tiers and features",
    security(("bearer" = ["check"])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that you have")),
    responses(
        (status = 200, description = "All features", body = Page<Feature>, headers(("ETag" = String, description = "The version of the configuration"))),
        (status = 304, description = "What you have is still right"),
    ),
)]
pub(super) async fn list_features(
    State(site): State<Site>,
    _: May<Inspect>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let catalogue = catalogue::newest(&site.env).await?;
    Ok(versioned(&headers, catalogue.version, &Page::all(catalogue.features().to_vec())))
}

/// Read a feature
#[utoipa::path(
    get, path = "/api/v1/features/{id}", tag = "Tiers and features",
    security(("bearer" = ["check"])),
    params(
        ("id" = FeatureId, Path, description = "The feature", example = "ai_calls"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that you have"),
    ),
    responses(
        (status = 200, description = "The feature", body = Feature, headers(("ETag" = String, description = "The version of the configuration"))),
        (status = 304, description = "What you have is still right"),
        (status = 404, description = "feature_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read_feature(
    State(site): State<Site>,
    _: May<Inspect>,
    InPath(id): InPath<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let catalogue = catalogue::newest(&site.env).await?;
    let feature = catalogue.feature_named(&id).ok_or_else(Problem::feature_unknown)?;
    Ok(versioned(&headers, catalogue.version, feature))
}

/// Write a feature
///
/// All of it, new or over the one with that id.
#[utoipa::path(
    put, path = "/api/v1/features/{id}", tag = "Tiers and features",
    security(("bearer" = ["admin"])),
    params(("id" = FeatureId, Path, description = "The feature", example = "ai_calls")),
    request_body = FeatureRequest,
    responses(
        (status = 200, description = "Written", body = Feature),
        (status = 201, description = "Made", body = Feature),
        (status = 409, description = "limits_in_the_way: tiers have limits that a switch cannot have", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_id, invalid_body, invalid_text, invalid_number or invalid_limit", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put_feature(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<String>,
    JsonBody(request): JsonBody<FeatureRequest>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|error| Problem::unprocessable("invalid_id", sentence(&error)))?;
    let feature = Feature {
        id,
        name_en: request.name_en.trim().to_owned(),
        name_de: request.name_de.trim().to_owned(),
        description_en: request.description_en,
        description_de: request.description_de,
        category: request.category.trim().to_owned(),
        kind: request.kind,
        reset_period: request.reset_period,
        default_limit: Limit::from_stored(request.default_limit),
        active: request.active,
        sort_order: request.sort_order,
    };
    let is_new = catalogue::put_feature(&site.env, &caller.actor(), &feature).await.map_err(not_put)?;
    Ok(written(&feature, is_new))
}
