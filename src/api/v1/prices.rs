//! What the providers' prices buy.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonList, Page},
        caller::{Manage, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        ids::TierId,
        payment::{BillingInterval, Provider, TierPrice},
    },
    platform::caller::Site,
    services::{
        catalogue,
        prices::{self, NewPrice, PriceError},
    },
};

/// A price at a provider.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Price {
    /// Who takes the money.
    provider: Provider,
    /// The provider's id of the price; of the product at Polar.
    #[schema(min_length = 1, max_length = 200, pattern = "^[!-~]+$", example = "price_1RkQ2kLkdIwHu7ix")]
    price_id: String,
    /// How often it is paid.
    interval: BillingInterval,
}

impl From<TierPrice> for Price {
    fn from(TierPrice { provider, price_id, interval, .. }: TierPrice) -> Self {
        Self { provider, price_id, interval }
    }
}

/// List the prices of a tier
///
/// What somebody who pays one of them gets is this tier.
#[utoipa::path(
    get, path = "/api/v1/tiers/{id}/prices", operation_id = "list_prices", tag = "Tiers and features",
    security(("bearer" = ["manage"])),
    params(("id" = TierId, Path, description = "The tier", example = "premium")),
    responses(
        (status = 200, description = "All of them, by provider and id", body = Page<Price>),
        (status = 404, description = "tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<Page<Price>>, Problem> {
    let id: TierId = id.parse().map_err(|_| Problem::tier_unknown())?;
    catalogue::newest(&site.env).await?.tier(&id).ok_or_else(Problem::tier_unknown)?;
    let mut all = prices::list(&site.env).await?;
    all.retain(|price| price.tier == id);
    // In the order in which they are answered when they are set.
    all.sort();
    Ok(Answer(Page::all(all.into_iter().map(Price::from).collect())))
}

/// Set the prices of a tier
///
/// Instead of those it has. What was bought stays bought; events that wait for one of the new prices are applied.
#[utoipa::path(
    put, path = "/api/v1/tiers/{id}/prices", operation_id = "put_prices", tag = "Tiers and features",
    security(("bearer" = ["manage"])),
    params(("id" = TierId, Path, description = "The tier", example = "premium")),
    request_body(content = [Price], description = "All of them, each once; at most 50. An empty list takes them all away"),
    responses(
        (status = 200, description = "Set", body = Page<Price>),
        (status = 404, description = "tier_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "price_taken: one of them buys another tier", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_price_id or invalid_prices", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
    JsonList(request): JsonList<Price>,
) -> Result<Answer<Page<Price>>, Problem> {
    let id = id.parse().map_err(|_| Problem::tier_unknown())?;
    let new: Vec<_> = request
        .into_iter()
        .map(|Price { provider, price_id, interval }| NewPrice { provider, price_id, interval })
        .collect();
    let set = prices::set(&site.env, &id, &new, &caller.actor()).await.map_err(|error| match error {
        PriceError::Store(error) => error.into(),
        PriceError::TierUnknown => Problem::tier_unknown(),
        PriceError::BadId => Problem::unprocessable("invalid_price_id", sentence(&error)),
        PriceError::BadList => Problem::unprocessable("invalid_prices", sentence(&error)),
        // It begins with the id, which is not to be written large.
        PriceError::Taken(_) => Problem::conflict("price_taken", format!("{error}.")),
    })?;
    Ok(Answer(Page::all(set.into_iter().map(Price::from).collect())))
}
