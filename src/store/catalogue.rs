//! What there is to have: `tiers` and `features`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        catalogue::{Feature, Tier},
        ids::{FeatureId, TierId},
        limit::Limit,
    },
    store::{
        Conn, Result, StoreError,
        db::{execute, run},
    },
};

#[derive(FromRow)]
struct TierRow {
    id: TierId,
    name: String,
    description_en: String,
    description_de: String,
    price_monthly_cents: Option<i64>,
    price_yearly_cents: Option<i64>,
    active: bool,
    paid: bool,
    sort_order: i64,
}

/// Returns the tiers from the weakest.
pub async fn tiers(conn: &mut Conn<'_>) -> Result<Vec<Tier>> {
    let rows: Vec<TierRow> = run!(conn, |c| sqlx::query_as(
        "SELECT id, name, description_en, description_de, price_monthly_cents, price_yearly_cents, active, paid,
            sort_order
        FROM tiers ORDER BY sort_order, id"
    )
    .fetch_all(c))?;
    Ok(rows
        .into_iter()
        .map(|row| Tier {
            id: row.id,
            name: row.name,
            description_en: row.description_en,
            description_de: row.description_de,
            price_monthly_cents: row.price_monthly_cents,
            price_yearly_cents: row.price_yearly_cents,
            active: row.active,
            paid: row.paid,
            sort_order: row.sort_order,
        })
        .collect())
}

/// Writes a tier, new or over the one with its id. Raise the configuration version first.
pub async fn put_tier(conn: &mut Conn<'_>, tier: &Tier, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO tiers (
            id, name, description_en, description_de, price_monthly_cents, price_yearly_cents, active, paid,
            sort_order, created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
        ON CONFLICT (id) DO UPDATE SET
            name = excluded.name, description_en = excluded.description_en,
            description_de = excluded.description_de, price_monthly_cents = excluded.price_monthly_cents,
            price_yearly_cents = excluded.price_yearly_cents, active = excluded.active, paid = excluded.paid,
            sort_order = excluded.sort_order, updated_at = excluded.updated_at"
    )
    .bind(&tier.id)
    .bind(&tier.name)
    .bind(&tier.description_en)
    .bind(&tier.description_de)
    .bind(tier.price_monthly_cents)
    .bind(tier.price_yearly_cents)
    .bind(tier.active)
    .bind(tier.paid)
    .bind(tier.sort_order)
    .bind(now)
    .execute(c))?;
    Ok(())
}

#[derive(FromRow)]
struct FeatureRow {
    id: FeatureId,
    name_en: String,
    name_de: String,
    description_en: String,
    description_de: String,
    category: String,
    limit_type: String,
    reset_period: String,
    default_limit: Option<i64>,
    active: bool,
    sort_order: i64,
}

/// Returns the features in their order.
pub async fn features(conn: &mut Conn<'_>) -> Result<Vec<Feature>> {
    let rows: Vec<FeatureRow> = run!(conn, |c| sqlx::query_as(
        "SELECT id, name_en, name_de, description_en, description_de, category, limit_type, reset_period,
            default_limit, active, sort_order
        FROM features ORDER BY sort_order, id"
    )
    .fetch_all(c))?;
    rows.into_iter()
        .map(|row| {
            Ok(Feature {
                id: row.id,
                name_en: row.name_en,
                name_de: row.name_de,
                description_en: row.description_en,
                description_de: row.description_de,
                category: row.category,
                kind: row.limit_type.parse().map_err(StoreError::corrupt("features", "limit_type"))?,
                reset_period: row.reset_period.parse().map_err(StoreError::corrupt("features", "reset_period"))?,
                default_limit: Limit::from_stored(row.default_limit),
                active: row.active,
                sort_order: row.sort_order,
            })
        })
        .collect()
}

/// Writes a feature, new or over the one with its id. Raise the configuration version first.
pub async fn put_feature(conn: &mut Conn<'_>, feature: &Feature, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO features (
            id, name_en, name_de, description_en, description_de, category, limit_type, reset_period,
            default_limit, active, sort_order, created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
        ON CONFLICT (id) DO UPDATE SET
            name_en = excluded.name_en, name_de = excluded.name_de, description_en = excluded.description_en,
            description_de = excluded.description_de, category = excluded.category,
            limit_type = excluded.limit_type, reset_period = excluded.reset_period,
            default_limit = excluded.default_limit, active = excluded.active, sort_order = excluded.sort_order,
            updated_at = excluded.updated_at"
    )
    .bind(&feature.id)
    .bind(&feature.name_en)
    .bind(&feature.name_de)
    .bind(&feature.description_en)
    .bind(&feature.description_de)
    .bind(&feature.category)
    .bind(feature.kind.as_str())
    .bind(feature.reset_period.as_str())
    .bind(feature.default_limit.to_stored())
    .bind(feature.active)
    .bind(feature.sort_order)
    .bind(now)
    .execute(c))?;
    Ok(())
}
