//! Keys by which apps ask: `api_keys`.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        api_key::ApiKey,
        ids::{ApiKeyId, UserId},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct ApiKeyRow {
    id: ApiKeyId,
    name: String,
    hint: String,
    scopes: String,
    user_id: Option<UserId>,
    created_by: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: ApiKeyRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            name: row.name,
            hint: row.hint,
            scopes: row.scopes.parse().map_err(StoreError::corrupt("api_keys", "scopes"))?,
            user: row.user_id,
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        })
    }
}

macro_rules! columns {
    () => {
        "id, name, hint, scopes, user_id, created_by, created_at, expires_at, last_used_at, revoked_at"
    };
}

/// Writes a new key.
pub async fn insert(conn: &mut Conn<'_>, key: &ApiKey, token_hash: &[u8]) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO api_keys (id, name, hint, token_hash, scopes, user_id, created_by, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    .bind(key.id)
    .bind(&key.name)
    .bind(&key.hint)
    .bind(token_hash)
    .bind(key.scopes.to_string())
    .bind(key.user)
    .bind(&key.created_by)
    .bind(key.created_at)
    .bind(key.expires_at)
    .execute(c))?;
    Ok(())
}

/// Returns the key with that token, good or not.
pub async fn find_by_token(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<Option<ApiKey>> {
    run!(conn, |c| sqlx::query_as::<_, ApiKeyRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM api_keys WHERE token_hash = $1"
    ))
    .bind(token_hash)
    .fetch_optional(c))?
    .map(ApiKey::try_from)
    .transpose()
}

/// Returns which of these keys are good at `now`.
pub async fn good(conn: &mut Conn<'_>, ids: &[ApiKeyId], now: DateTime<Utc>) -> Result<Vec<ApiKeyId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT id FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ");
        query.push_bind(now);
        query.push(") AND id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Returns a page of the servers' keys, the newest first, from before `before`. Keys that are
/// bound to one member are made by the thousand, and not listed.
pub async fn list(conn: &mut Conn<'_>, before: Option<ApiKeyId>, count: i64) -> Result<Vec<ApiKey>> {
    run!(conn, |c| sqlx::query_as::<_, ApiKeyRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM api_keys WHERE user_id IS NULL AND ($1 IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"
    ))
    .bind(before)
    .bind(count)
    .fetch_all(c))?
    .into_iter()
    .map(ApiKey::try_from)
    .collect()
}

/// Notes that a key is used, once a minute at most.
pub async fn touch(conn: &mut Conn<'_>, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)"
    )
    .bind(id)
    .bind(now)
    .bind(now - TimeDelta::minutes(1))
    .execute(c))?;
    Ok(())
}

/// Ends a key. Returns it, unless it had ended before.
pub async fn revoke(conn: &mut Conn<'_>, id: ApiKeyId, now: DateTime<Utc>) -> Result<Option<ApiKey>> {
    run!(conn, |c| sqlx::query_as::<_, ApiKeyRow>(concat!(
        "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(now)
    .fetch_optional(c))?
    .map(ApiKey::try_from)
    .transpose()
}

/// Forgets members' keys that ended before an instant. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, ended_before: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM api_keys WHERE user_id IS NOT NULL AND (expires_at < $1 OR revoked_at < $1)"
    )
    .bind(ended_before)
    .execute(c))?)
}
