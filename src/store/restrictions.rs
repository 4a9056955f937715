//! Limits of one member's own: `user_feature_restrictions`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        entitlement::Restriction,
        ids::{FeatureId, UserId},
        limit::Limit,
    },
    store::{
        Conn, Result,
        db::{build, execute},
    },
};

#[derive(FromRow)]
struct RestrictionRow {
    user_id: UserId,
    feature_id: FeatureId,
    limit_value: Option<i64>,
    reason: String,
    expires_at: Option<DateTime<Utc>>,
    created_by: String,
    updated_at: DateTime<Utc>,
}

/// Returns the restrictions of some members, those that have ended among them.
pub async fn list(conn: &mut Conn<'_>, users: &[UserId]) -> Result<Vec<(UserId, Restriction)>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<RestrictionRow> = build!(conn, |query, c| {
        query.push(
            "SELECT user_id, feature_id, limit_value, reason, expires_at, created_by, updated_at
            FROM user_feature_restrictions WHERE user_id IN (",
        );
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let restriction = Restriction {
                feature: row.feature_id,
                limit: Limit::from_stored(row.limit_value),
                reason: row.reason,
                expires_at: row.expires_at,
                created_by: row.created_by,
                updated_at: row.updated_at,
            };
            (row.user_id, restriction)
        })
        .collect())
}

/// Sets a restriction, over the one there may be. The feature has to exist.
pub async fn put(conn: &mut Conn<'_>, user: UserId, restriction: &Restriction) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO user_feature_restrictions (
            user_id, feature_id, limit_value, reason, expires_at, created_by, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (user_id, feature_id) DO UPDATE SET
            limit_value = excluded.limit_value, reason = excluded.reason, expires_at = excluded.expires_at,
            created_by = excluded.created_by, updated_at = excluded.updated_at"
    )
    .bind(user)
    .bind(&restriction.feature)
    .bind(restriction.limit.to_stored())
    .bind(&restriction.reason)
    .bind(restriction.expires_at)
    .bind(&restriction.created_by)
    .bind(restriction.updated_at)
    .execute(c))?;
    Ok(())
}

/// Takes a restriction away. Returns whether there was one.
pub async fn delete(conn: &mut Conn<'_>, user: UserId, feature: &FeatureId) -> Result<bool> {
    let deleted = execute!(conn, |c| sqlx::query(
        "DELETE FROM user_feature_restrictions WHERE user_id = $1 AND feature_id = $2"
    )
    .bind(user)
    .bind(feature)
    .execute(c))?;
    Ok(deleted == 1)
}
