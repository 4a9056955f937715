//! Coupons, those made in one go, and who redeemed them: `coupons`, `coupon_batches`,
//! `coupon_redemptions`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        coupon::{Batch, Coupon, CouponCode, CouponKind, CouponState, Terms},
        ids::{BatchId, CouponId, GrantId, PartnerId, RedemptionId, TierId, UserId},
    },
    store::{
        Conn, Result, StoreError, address_marks,
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
    partner_id: Option<PartnerId>,
    batch_id: Option<BatchId>,
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
                partner_id: row.partner_id,
            },
            redemptions: row.redemption_count,
            active: row.active,
            archived_at: row.archived_at,
            description: row.description,
            batch: row.batch_id,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}

macro_rules! columns {
    () => {
        "id, code, type, tier_id, duration_days, valid_from, valid_until, max_redemptions, redemption_count, active,
        archived_at, description, partner, partner_id, batch_id, created_by, created_at"
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
                    .push_bind(coupon.terms.partner_id)
                    .push_bind(coupon.batch)
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

/// Returns the coupons with some codes.
pub async fn find_all(conn: &mut Conn<'_>, codes: &[CouponCode]) -> Result<Vec<Coupon>> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<CouponRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM coupons WHERE code IN ("));
        let mut list = query.separated(", ");
        for code in codes {
            list.push_bind(code.as_str());
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Coupon::try_from).collect()
}

/// Which coupons a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Archived ones, or the others; both without it.
    pub archived: Option<bool>,
    /// How they stand, and when.
    pub state: Option<(CouponState, DateTime<Utc>)>,
    /// Of a kind.
    pub kind: Option<CouponKind>,
    /// Whose code begins with it in its normal form, or whose description or partner holds it.
    pub text: Option<String>,
    /// Made for a partner.
    pub partner: Option<PartnerId>,
    /// Made in one go.
    pub batch: Option<BatchId>,
}

/// Returns a page of coupons, the newest first, from before `before`.
pub async fn page(conn: &mut Conn<'_>, filter: &Filter, before: Option<CouponId>, count: i64) -> Result<Vec<Coupon>> {
    let rows: Vec<CouponRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM coupons WHERE TRUE"));
        if let Some(archived) = filter.archived {
            query.push(" AND archived_at IS ").push(if archived { "NOT NULL" } else { "NULL" });
        }
        if let Some(kind) = filter.kind {
            query.push(" AND type = ").push_bind(kind.as_str());
        }
        if let Some(partner) = filter.partner {
            query.push(" AND partner_id = ").push_bind(partner);
        }
        if let Some(batch) = filter.batch {
            query.push(" AND batch_id = ").push_bind(batch);
        }
        if let Some((state, now)) = filter.state {
            let (closed, not_yet) = ("(NOT active OR archived_at IS NOT NULL)", "COALESCE(valid_from > ");
            let used_up = "COALESCE(redemption_count >= max_redemptions, FALSE)";
            // The order in which `Coupon::closed` asks.
            match state {
                CouponState::Inactive => {
                    query.push(" AND ").push(closed);
                }
                CouponState::NotYet => {
                    query.push(" AND NOT ").push(closed).push(" AND ").push(not_yet).push_bind(now).push(", FALSE)");
                }
                CouponState::Expired | CouponState::UsedUp | CouponState::Open => {
                    query.push(" AND NOT ").push(closed);
                    query.push(" AND NOT ").push(not_yet).push_bind(now).push(", FALSE)");
                    let is_expired = state == CouponState::Expired;
                    query.push(if is_expired { " AND " } else { " AND NOT " });
                    query.push("COALESCE(valid_until <= ").push_bind(now).push(", FALSE)");
                    if !is_expired {
                        query.push(if state == CouponState::UsedUp { " AND " } else { " AND NOT " }).push(used_up);
                    }
                }
            }
        }
        if let Some(text) = &filter.text {
            // What people type holds no pattern.
            let plain = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let code: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
            let (lower, typed) = (format!("%{}%", plain.to_lowercase()), format!("%{plain}%"));
            query.push(" AND (FALSE");
            for field in ["description", "COALESCE(partner, '')"] {
                query.push(format!(" OR LOWER({field}) LIKE ")).push_bind(lower.clone()).push(" ESCAPE '\\'");
                // SQLite knows the small letters of ASCII only.
                query.push(format!(" OR {field} LIKE ")).push_bind(typed.clone()).push(" ESCAPE '\\'");
            }
            if !code.is_empty() {
                query.push(" OR code LIKE ").push_bind(format!("{}%", code.to_ascii_uppercase()));
            }
            query.push(")");
        }
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Coupon::try_from).collect()
}

#[derive(FromRow)]
struct BatchRow {
    id: BatchId,
    label: String,
    count: i64,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl From<BatchRow> for Batch {
    fn from(BatchRow { id, label, count, created_by, created_at }: BatchRow) -> Self {
        Self { id, label, count, created_by, created_at }
    }
}

/// Notes that coupons are made in one go.
pub async fn insert_batch(conn: &mut Conn<'_>, batch: &Batch) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO coupon_batches (id, label, count, created_by, created_at) VALUES ($1, $2, $3, $4, $5)"
    )
    .bind(batch.id)
    .bind(&batch.label)
    .bind(batch.count)
    .bind(&batch.created_by)
    .bind(batch.created_at)
    .execute(c))?;
    Ok(())
}

/// A batch, with how often its coupons were redeemed in all.
#[derive(FromRow)]
struct CountedRow {
    #[sqlx(flatten)]
    batch: BatchRow,
    redeemed: i64,
}

/// How batches are read.
const BATCHES: &str = "SELECT id, label, count, created_by, created_at,
        CAST((SELECT COALESCE(SUM(redemption_count), 0) FROM coupons WHERE batch_id = coupon_batches.id)
            AS BIGINT) AS redeemed
    FROM coupon_batches WHERE TRUE";

/// Returns coupons that were made in one go, with how often they were redeemed in all.
pub async fn find_batch(conn: &mut Conn<'_>, id: BatchId) -> Result<Option<(Batch, i64)>> {
    let row: Option<CountedRow> = build!(conn, |query, c| {
        query.push(BATCHES).push(" AND id = ").push_bind(id);
        query.build_query_as().fetch_optional(c).await
    })?;
    Ok(row.map(|row| (row.batch.into(), row.redeemed)))
}

/// Returns what was made in one go, the newest first, from before `before`, each with how often its coupons
/// were redeemed in all.
pub async fn batches(conn: &mut Conn<'_>, before: Option<BatchId>, count: i64) -> Result<Vec<(Batch, i64)>> {
    let rows: Vec<CountedRow> = build!(conn, |query, c| {
        query.push(BATCHES);
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|row| (row.batch.into(), row.redeemed)).collect())
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

/// A redemption to be noted.
#[derive(Debug, Clone, Copy)]
pub struct NewRedemption {
    /// Which.
    pub id: RedemptionId,
    /// Of which coupon.
    pub coupon: CouponId,
    /// By whom.
    pub user: UserId,
    /// For which grant.
    pub grant: GrantId,
    /// Of the member's address; it stays when the account is deleted.
    pub address_hash: Option<[u8; 32]>,
}

/// Notes that a member redeems a coupon, and for which grant. Returns `false` if they have it already, however many of
/// their tries come at once.
pub async fn insert_redemption(conn: &mut Conn<'_>, new: &NewRedemption, now: DateTime<Utc>) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO coupon_redemptions (id, coupon_id, user_id, grant_id, address_hash, redeemed_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (coupon_id, user_id) DO NOTHING"
    )
    .bind(new.id)
    .bind(new.coupon)
    .bind(new.user)
    .bind(new.grant)
    .bind(new.address_hash.map(Vec::from))
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Who redeemed a coupon: the member, and the hash of the address that they had.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Redeemer {
    /// Which coupon.
    pub coupon_id: CouponId,
    /// The member; nobody once the account is deleted.
    pub user_id: Option<UserId>,
    /// The hash of their address, if they had one.
    pub address_hash: Option<Vec<u8>>,
}

/// Returns which of some coupons were redeemed by some members, or by whoever had one of their
/// addresses.
pub async fn redeemers(
    conn: &mut Conn<'_>,
    coupons: &[CouponId],
    users: &[UserId],
    hashes: &[[u8; 32]],
) -> Result<Vec<Redeemer>> {
    if coupons.is_empty() || users.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT coupon_id, user_id, address_hash FROM coupon_redemptions WHERE coupon_id IN (");
        let mut list = query.separated(", ");
        for coupon in coupons {
            list.push_bind(*coupon);
        }
        query.push(") AND user_id IN (");
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        query.push(")");
        if !hashes.is_empty() {
            query.push(
                " UNION ALL SELECT coupon_id, user_id, address_hash FROM coupon_redemptions WHERE coupon_id IN (",
            );
            let mut list = query.separated(", ");
            for coupon in coupons {
                list.push_bind(*coupon);
            }
            query.push(") AND address_hash IN (");
            let mut list = query.separated(", ");
            for hash in hashes {
                list.push_bind(hash.to_vec());
            }
            query.push(") UNION ALL SELECT coupons.id, NULL, address_marks.address_hash FROM coupons");
            query.push(" JOIN address_marks ON address_marks.kind = ").push_bind(address_marks::COUPON);
            query.push(" || coupons.code WHERE coupons.id IN (");
            let mut list = query.separated(", ");
            for coupon in coupons {
                list.push_bind(*coupon);
            }
            query.push(") AND address_marks.address_hash IN (");
            let mut list = query.separated(", ");
            for hash in hashes {
                list.push_bind(hash.to_vec());
            }
            query.push(")");
        }
        query.build_query_as().fetch_all(c).await
    })?)
}

/// A redemption, as the page of its coupon shows it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ListedRedemption {
    /// Which.
    pub id: RedemptionId,
    /// By whom; nobody once the account is deleted.
    pub user_id: Option<UserId>,
    /// What people call them.
    pub member: Option<String>,
    /// When.
    pub redeemed_at: DateTime<Utc>,
    /// When the grant was used up.
    pub ended_at: Option<DateTime<Utc>>,
    /// When the grant was taken back.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Returns a page of the redemptions of a coupon, the newest first, from before `before`.
pub async fn redemptions(
    conn: &mut Conn<'_>,
    coupon: CouponId,
    before: Option<RedemptionId>,
    count: i64,
) -> Result<Vec<ListedRedemption>> {
    Ok(build!(conn, |query, c| {
        query.push(
            "SELECT coupon_redemptions.id, coupon_redemptions.user_id,
                COALESCE(users.email, users.external_id) AS member,
                coupon_redemptions.redeemed_at, access_grants.ended_at, access_grants.revoked_at
            FROM coupon_redemptions
            LEFT JOIN users ON users.id = coupon_redemptions.user_id
            LEFT JOIN access_grants ON access_grants.id = coupon_redemptions.grant_id
            WHERE coupon_redemptions.coupon_id = ",
        );
        query.push_bind(coupon);
        if let Some(before) = before {
            query.push(" AND coupon_redemptions.id < ").push_bind(before);
        }
        query.push(" ORDER BY coupon_redemptions.id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?)
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
