//! The cells of the matrix, `tier_limits`, and the version of the configuration, `config_version`.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        ids::{FeatureId, TierId},
        limit::Limit,
        matrix::MatrixCell,
        subscription::NEWS_MAY_BE_LATE,
    },
    store::{
        Conn, Result,
        db::{execute, run},
    },
};

/// How many members have the same claims to a tier.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MemberGroup {
    /// Their own tier.
    pub tier_id: TierId,
    /// Whether their trial is running.
    pub on_trial: bool,
    /// Whether they have credit.
    pub with_credit: bool,
    /// The strongest tier that a subscription gives them.
    pub subscription_tier: Option<TierId>,
    /// The tier of the grant that runs.
    pub grant_tier: Option<TierId>,
    /// How many.
    pub members: i64,
}

/// Returns the members who may sign in, by what gives them a tier at `now`. `grace` is how long a
/// subscription does so after a payment failed; see `Subscription::lasts` for the rule. Of grants,
/// the one counts whose turn it is now: that which runs, or once it is used up, the next in turn, for
/// the minute until that is written down.
pub async fn member_groups(conn: &mut Conn<'_>, now: DateTime<Utc>, grace: TimeDelta) -> Result<Vec<MemberGroup>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT tier_id, on_trial, with_credit, subscription_tier, grant_tier, COUNT(*) AS members
        FROM (
            SELECT
                users.tier_id,
                COALESCE(users.trial_ends_at > $1, FALSE) AS on_trial,
                COALESCE(users.credit_until > $1, FALSE) AS with_credit,
                subscribed.tier_id AS subscription_tier,
                granted.tier_id AS grant_tier
            FROM users
            LEFT JOIN (
                SELECT
                    access_grants.user_id, access_grants.tier_id,
                    ROW_NUMBER() OVER (
                        PARTITION BY access_grants.user_id
                        ORDER BY CASE WHEN access_grants.running_since IS NULL THEN 1 ELSE 0 END,
                            CASE WHEN access_grants.kind = 'partner' THEN 0 ELSE 1 END, tiers.sort_order DESC,
                            access_grants.granted_at, access_grants.id
                    ) AS place
                FROM access_grants JOIN tiers ON tiers.id = access_grants.tier_id
                WHERE access_grants.ended_at IS NULL AND access_grants.revoked_at IS NULL
                    AND (access_grants.runs_until IS NULL OR access_grants.runs_until > $1)
            ) AS granted ON granted.user_id = users.id AND granted.place = 1
            LEFT JOIN (
                SELECT
                    subscriptions.user_id, subscriptions.tier_id,
                    ROW_NUMBER() OVER (
                        PARTITION BY subscriptions.user_id ORDER BY tiers.sort_order DESC, tiers.id
                    ) AS place
                FROM subscriptions JOIN tiers ON tiers.id = subscriptions.tier_id
                WHERE (subscriptions.scheduled_action IS NULL OR subscriptions.scheduled_action = 'change'
                        OR subscriptions.scheduled_at > $1)
                    AND (
                        subscriptions.status = 'past_due'
                            AND COALESCE(subscriptions.past_due_since, subscriptions.version_at) > $2
                        OR subscriptions.status IN ('trialing', 'active')
                            AND (subscriptions.scheduled_action IN ('end', 'pause')
                                OR subscriptions.period_end IS NULL OR subscriptions.period_end > $3)
                    )
            ) AS subscribed ON subscribed.user_id = users.id AND subscribed.place = 1
            WHERE users.disabled_at IS NULL
        ) AS claims
        GROUP BY tier_id, on_trial, with_credit, subscription_tier, grant_tier"
    )
    .bind(now)
    .bind(now - grace)
    .bind(now - NEWS_MAY_BE_LATE)
    .fetch_all(c))?)
}

#[derive(FromRow)]
struct CellRow {
    tier_id: TierId,
    feature_id: FeatureId,
    limit_value: Option<i64>,
    version: i64,
}

/// Returns every cell that has a row.
pub async fn cells(conn: &mut Conn<'_>) -> Result<Vec<MatrixCell>> {
    let rows: Vec<CellRow> =
        run!(conn, |c| sqlx::query_as("SELECT tier_id, feature_id, limit_value, version FROM tier_limits")
            .fetch_all(c))?;
    Ok(rows.into_iter().map(CellRow::cell).collect())
}

impl CellRow {
    fn cell(self) -> MatrixCell {
        MatrixCell {
            tier: self.tier_id,
            feature: self.feature_id,
            limit: Limit::from_stored(self.limit_value),
            version: self.version,
        }
    }
}

#[derive(FromRow)]
struct SignedCellRow {
    #[sqlx(flatten)]
    cell: CellRow,
    updated_by: Option<String>,
    updated_at: DateTime<Utc>,
}

/// Who wrote a cell, and when.
pub type Authorship = (Option<String>, DateTime<Utc>);

/// Returns a cell that has a row, and who wrote it.
pub async fn find_cell(
    conn: &mut Conn<'_>,
    tier: &TierId,
    feature: &FeatureId,
) -> Result<Option<(MatrixCell, Authorship)>> {
    let row: Option<SignedCellRow> = run!(conn, |c| sqlx::query_as(
        "SELECT tier_id, feature_id, limit_value, version, updated_by, updated_at FROM tier_limits
        WHERE tier_id = $1 AND feature_id = $2"
    )
    .bind(tier)
    .bind(feature)
    .fetch_optional(c))?;
    Ok(row.map(|row| (row.cell.cell(), (row.updated_by, row.updated_at))))
}

/// Returns the configuration version.
pub async fn version(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT version FROM config_version WHERE id = 1").fetch_one(c))?)
}

/// Raises the configuration version and returns it. Whoever changes configuration does this
/// first: the row is held until the commit, so changes happen one after the other.
pub async fn raise_version(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "UPDATE config_version SET version = version + 1 WHERE id = 1 RETURNING version"
    )
    .fetch_one(c))?)
}

/// Writes a cell that had no row. Returns `false` if it has one by now.
pub async fn insert_cell(conn: &mut Conn<'_>, cell: &MatrixCell, actor: &str, now: DateTime<Utc>) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO tier_limits (tier_id, feature_id, limit_value, version, updated_by, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tier_id, feature_id) DO NOTHING"
    )
    .bind(&cell.tier)
    .bind(&cell.feature)
    .bind(cell.limit.to_stored())
    .bind(cell.version)
    .bind(actor)
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Writes a cell whose row still has the version that was seen. Returns `false` otherwise.
pub async fn update_cell(
    conn: &mut Conn<'_>,
    cell: &MatrixCell,
    seen_version: i64,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE tier_limits SET limit_value = $3, version = $4, updated_by = $5, updated_at = $6
        WHERE tier_id = $1 AND feature_id = $2 AND version = $7"
    )
    .bind(&cell.tier)
    .bind(&cell.feature)
    .bind(cell.limit.to_stored())
    .bind(cell.version)
    .bind(actor)
    .bind(now)
    .bind(seen_version)
    .execute(c))?;
    Ok(updated == 1)
}

/// Empties a cell whose row still has the version that was seen. Returns `false` otherwise.
pub async fn delete_cell(conn: &mut Conn<'_>, tier: &TierId, feature: &FeatureId, seen_version: i64) -> Result<bool> {
    let deleted = execute!(conn, |c| sqlx::query(
        "DELETE FROM tier_limits WHERE tier_id = $1 AND feature_id = $2 AND version = $3"
    )
    .bind(tier)
    .bind(feature)
    .bind(seen_version)
    .execute(c))?;
    Ok(deleted == 1)
}
