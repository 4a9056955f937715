//! What a provider's price buys here: `tier_prices`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        ids::TierId,
        payment::{Provider, TierPrice},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct PriceRow {
    provider: String,
    price_id: String,
    tier_id: TierId,
    billing_interval: String,
}

impl TryFrom<PriceRow> for TierPrice {
    type Error = StoreError;

    fn try_from(row: PriceRow) -> Result<Self> {
        Ok(Self {
            provider: row.provider.parse().map_err(StoreError::corrupt("tier_prices", "provider"))?,
            price_id: row.price_id,
            tier: row.tier_id,
            interval: row.billing_interval.parse().map_err(StoreError::corrupt("tier_prices", "billing_interval"))?,
        })
    }
}

/// Returns all prices, sorted by tier, provider and interval.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<TierPrice>> {
    let rows: Vec<PriceRow> = run!(conn, |c| sqlx::query_as(
        "SELECT provider, price_id, tier_id, billing_interval FROM tier_prices
        ORDER BY tier_id, provider, billing_interval, price_id"
    )
    .fetch_all(c))?;
    rows.into_iter().map(TierPrice::try_from).collect()
}

/// Returns those of a provider's prices that buy something here.
pub async fn find(conn: &mut Conn<'_>, provider: Provider, price_ids: &[String]) -> Result<Vec<TierPrice>> {
    if price_ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<PriceRow> = build!(conn, |query, c| {
        query.push("SELECT provider, price_id, tier_id, billing_interval FROM tier_prices WHERE provider = ");
        query.push_bind(provider.as_str()).push(" AND price_id IN (");
        let mut list = query.separated(", ");
        for id in price_ids {
            list.push_bind(id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(TierPrice::try_from).collect()
}

/// Adds a price unless it is there: a price buys one tier. Returns whether it was added.
pub async fn insert(conn: &mut Conn<'_>, price: &TierPrice, now: DateTime<Utc>) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO tier_prices (provider, price_id, tier_id, billing_interval, created_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (provider, price_id) DO NOTHING"
    )
    .bind(price.provider.as_str())
    .bind(&price.price_id)
    .bind(&price.tier)
    .bind(price.interval.as_str())
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Takes all prices of a tier away.
pub async fn delete_all(conn: &mut Conn<'_>, tier: &TierId) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM tier_prices WHERE tier_id = $1").bind(tier).execute(c))?)
}
