//! Time at a tier that members were given: `access_grants`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        grant::Grant,
        ids::{CouponId, GrantId, TierId, UserId},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct GrantRow {
    id: GrantId,
    user_id: Option<UserId>,
    tier_id: TierId,
    kind: String,
    coupon_id: Option<CouponId>,
    total_seconds: i64,
    remaining_seconds: i64,
    began_at: Option<DateTime<Utc>>,
    running_since: Option<DateTime<Utc>>,
    granted_at: DateTime<Utc>,
    granted_by: String,
    reason: Option<String>,
    ended_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<GrantRow> for Grant {
    type Error = StoreError;

    fn try_from(row: GrantRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            user: row.user_id,
            tier: row.tier_id,
            kind: row.kind.parse().map_err(StoreError::corrupt("access_grants", "kind"))?,
            coupon: row.coupon_id,
            total: row.total_seconds,
            remaining: row.remaining_seconds,
            began_at: row.began_at,
            running_since: row.running_since,
            granted_at: row.granted_at,
            granted_by: row.granted_by,
            reason: row.reason,
            ended_at: row.ended_at,
            revoked_at: row.revoked_at,
        })
    }
}

macro_rules! columns {
    () => {
        "id, user_id, tier_id, kind, coupon_id, total_seconds, remaining_seconds, began_at, running_since, granted_at,
        granted_by, reason, ended_at, revoked_at"
    };
}

/// Writes a grant, new or as it stands now. The member is locked. Of those that change together,
/// the one that runs comes last: the database holds at most one that runs.
pub async fn put(conn: &mut Conn<'_>, grant: &Grant, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO access_grants (
            id, user_id, tier_id, kind, coupon_id, total_seconds, remaining_seconds, began_at, running_since,
            runs_until, granted_at, granted_by, reason, ended_at, revoked_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        ON CONFLICT (id) DO UPDATE SET
            remaining_seconds = excluded.remaining_seconds, began_at = excluded.began_at,
            running_since = excluded.running_since, runs_until = excluded.runs_until, ended_at = excluded.ended_at,
            revoked_at = excluded.revoked_at, updated_at = excluded.updated_at"
    )
    .bind(grant.id)
    .bind(grant.user)
    .bind(&grant.tier)
    .bind(grant.kind.as_str())
    .bind(grant.coupon)
    .bind(grant.total)
    .bind(grant.remaining)
    .bind(grant.began_at)
    .bind(grant.running_since)
    .bind(grant.runs_until())
    .bind(grant.granted_at)
    .bind(&grant.granted_by)
    .bind(&grant.reason)
    .bind(grant.ended_at)
    .bind(grant.revoked_at)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Returns a grant.
pub async fn find(conn: &mut Conn<'_>, id: GrantId) -> Result<Option<Grant>> {
    run!(conn, |c| sqlx::query_as::<_, GrantRow>(concat!("SELECT ", columns!(), " FROM access_grants WHERE id = $1"))
        .bind(id)
        .fetch_optional(c))?
    .map(Grant::try_from)
    .transpose()
}

/// Returns the grants of some members that were neither used up nor taken back when something last
/// happened to them.
pub async fn open(conn: &mut Conn<'_>, users: &[UserId]) -> Result<Vec<Grant>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<GrantRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM access_grants WHERE user_id IN ("));
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        query.push(") AND ended_at IS NULL AND revoked_at IS NULL ORDER BY granted_at, id");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// Returns all grants of a member, the newest first.
pub async fn list_by_user(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Grant>> {
    let rows: Vec<GrantRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM access_grants WHERE user_id = $1 ORDER BY granted_at DESC, id DESC"
    ))
    .bind(user)
    .fetch_all(c))?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// Returns members one of whose grants has run out by `now` without that being written down.
pub async fn due(conn: &mut Conn<'_>, now: DateTime<Utc>, count: i64) -> Result<Vec<UserId>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT user_id FROM access_grants WHERE runs_until <= $1 AND user_id IS NOT NULL ORDER BY runs_until LIMIT $2"
    )
    .bind(now)
    .bind(count)
    .fetch_all(c))?)
}
