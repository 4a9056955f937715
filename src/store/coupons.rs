//! Coupons and who redeemed them: `coupons`, `coupon_redemptions`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        coupon::{Coupon, CouponCode, Terms},
        ids::{CouponId, GrantId, RedemptionId, TierId, UserId},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

/// How many rows go into one statement: both databases bound the number of values.
const ROWS_TOGETHER: usize = 1_000;

#[derive(FromRow)]
struct CouponRow {
    id: CouponId,
    code: String,
    r#type: String,
    tier_id: TierId,
    duration_days: i64,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
    max_redemptions: Option<i64>,
    redemption_count: i64,
    active: bool,
    archived_at: Option<DateTime<Utc>>,
    description: String,
    partner: Option<String>,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<CouponRow> for Coupon {
    type Error = StoreError;

    fn try_from(row: CouponRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            code: CouponCode::normalise(&row.code)
                .ok_or_else(|| StoreError::corrupt("coupons", "code")("no code of a coupon"))?,
            terms: Terms {
                kind: row.r#type.parse().map_err(StoreError::corrupt("coupons", "type"))?,
                tier: row.tier_id,
                days: row.duration_days,
                valid_from: row.valid_from,
                valid_until: row.valid_until,
                max_redemptions: row.max_redemptions,
                partner: row.partner,
            },
            redemptions: row.redemption_count,
            active: row.active,
            archived_at: row.archived_at,
            description: row.description,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}

macro_rules! columns {
    () => {
        "id, code, type, tier_id, duration_days, valid_from, valid_until, max_redemptions, redemption_count, active,
        archived_at, description, partner, created_by, created_at"
    };
}

/// Writes new coupons, without those whose code there is already. Returns which were written.
pub async fn insert(conn: &mut Conn<'_>, coupons: &[Coupon], now: DateTime<Utc>) -> Result<Vec<CouponId>> {
    let mut written = Vec::with_capacity(coupons.len());
    for rows in coupons.chunks(ROWS_TOGETHER) {
        let ids: Vec<CouponId> = build!(conn, |query, c| {
            query.push(concat!("INSERT INTO coupons (", columns!(), ", updated_at) "));
            query.push_values(rows, |mut row, coupon| {
                row.push_bind(coupon.id)
                    .push_bind(coupon.code.as_str())
                    .push_bind(coupon.terms.kind.as_str())
                    .push_bind(&coupon.terms.tier)
                    .push_bind(coupon.terms.days)
                    .push_bind(coupon.terms.valid_from)
                    .push_bind(coupon.terms.valid_until)
                    .push_bind(coupon.terms.max_redemptions)
                    .push_bind(coupon.redemptions)
                    .push_bind(coupon.active)
                    .push_bind(coupon.archived_at)
                    .push_bind(&coupon.description)
                    .push_bind(&coupon.terms.partner)
                    .push_bind(&coupon.created_by)
                    .push_bind(coupon.created_at)
                    .push_bind(now);
            });
            query.push(" ON CONFLICT (code) DO NOTHING RETURNING id");
            query.build_query_scalar().fetch_all(c).await
        })?;
        written.extend(ids);
    }
    Ok(written)
}

/// Returns the coupon with a code.
pub async fn find(conn: &mut Conn<'_>, code: &CouponCode) -> Result<Option<Coupon>> {
    run!(conn, |c| sqlx::query_as::<_, CouponRow>(concat!("SELECT ", columns!(), " FROM coupons WHERE code = $1"))
        .bind(code.as_str())
        .fetch_optional(c))?
    .map(Coupon::try_from)
    .transpose()
}

/// Returns a page of coupons, the newest first, from before `before`; archived ones or the others.
pub async fn page(conn: &mut Conn<'_>, archived: bool, before: Option<CouponId>, count: i64) -> Result<Vec<Coupon>> {
    let rows: Vec<CouponRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM coupons WHERE archived_at IS "));
        query.push(if archived { "NOT NULL" } else { "NULL" });
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Coupon::try_from).collect()
}

/// What of a coupon may change; `None` stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Whether it can be redeemed.
    pub active: Option<bool>,
    /// Whether it is out of the way.
    pub archived: Option<bool>,
    /// What is to be remembered about it.
    pub description: Option<&'a str>,
}

/// Changes a coupon, but never what it brings, and returns it as it is now. One that is archived
/// keeps the time at which it was.
pub async fn update(
    conn: &mut Conn<'_>,
    code: &CouponCode,
    change: Change<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Coupon>> {
    let row: Option<CouponRow> = run!(conn, |c| sqlx::query_as(concat!(
        "UPDATE coupons SET
            active = COALESCE($2, active),
            archived_at = CASE WHEN $3 THEN COALESCE(archived_at, $5) WHEN $4 THEN NULL ELSE archived_at END,
            description = COALESCE($6, description), updated_at = $5
        WHERE code = $1 RETURNING ",
        columns!()
    ))
    .bind(code.as_str())
    .bind(change.active)
    .bind(change.archived == Some(true))
    .bind(change.archived == Some(false))
    .bind(now)
    .bind(change.description)
    .fetch_optional(c))?;
    row.map(Coupon::try_from).transpose()
}

/// Notes that a member redeems a coupon, and for which grant. Returns `false` if they have it already, however many of
/// their tries come at once.
pub async fn insert_redemption(
    conn: &mut Conn<'_>,
    id: RedemptionId,
    coupon: CouponId,
    user: UserId,
    grant: GrantId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO coupon_redemptions (id, coupon_id, user_id, grant_id, redeemed_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (coupon_id, user_id) DO NOTHING"
    )
    .bind(id)
    .bind(coupon)
    .bind(user)
    .bind(grant)
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Counts one more redemption. Returns `false` if nobody can redeem it at `now`: of many at once no
/// more pass than may, for each waits here for the one before and looks again.
pub async fn count_redemption(conn: &mut Conn<'_>, coupon: CouponId, now: DateTime<Utc>) -> Result<bool> {
    let counted = execute!(conn, |c| sqlx::query(
        "UPDATE coupons SET redemption_count = redemption_count + 1, updated_at = $2
        WHERE id = $1 AND active AND archived_at IS NULL
            AND (valid_from IS NULL OR valid_from <= $2) AND (valid_until IS NULL OR valid_until > $2)
            AND (max_redemptions IS NULL OR redemption_count < max_redemptions)"
    )
    .bind(coupon)
    .bind(now)
    .execute(c))?;
    Ok(counted == 1)
}
