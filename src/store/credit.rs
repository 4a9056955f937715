//! Credit: the ledger `credit_entries`, append-only.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::ids::{CreditEntryId, UserId},
    store::{
        Conn, Result,
        db::{build, execute, run},
    },
};

/// A change of somebody's credit.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct CreditEntry {
    /// Which.
    pub id: CreditEntryId,
    /// Whose.
    pub user_id: UserId,
    /// Why: `admin`, `revoked`, …
    pub source: String,
    /// What makes the same change the same.
    pub source_key: String,
    /// Days given; 0 when credit was ended.
    pub days: i64,
    /// Until when it lasted.
    pub until_before: Option<DateTime<Utc>>,
    /// Until when it lasts since.
    pub until_after: Option<DateTime<Utc>>,
    /// What was said about it.
    pub note: Option<String>,
    /// Who did it.
    pub actor: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Writes an entry unless the same one is there: (source, key, user) counts once, whoever comes
/// second gets `false`.
pub async fn insert(conn: &mut Conn<'_>, entry: &CreditEntry) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO credit_entries (
            id, user_id, source, source_key, days, until_before, until_after, note, actor, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (source, source_key, user_id) DO NOTHING"
    )
    .bind(entry.id)
    .bind(entry.user_id)
    .bind(&entry.source)
    .bind(&entry.source_key)
    .bind(entry.days)
    .bind(entry.until_before)
    .bind(entry.until_after)
    .bind(&entry.note)
    .bind(&entry.actor)
    .bind(entry.created_at)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Returns when a member's newest entry was written.
pub async fn newest_at(conn: &mut Conn<'_>, user: UserId) -> Result<Option<DateTime<Utc>>> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT MAX(created_at) FROM credit_entries WHERE user_id = $1")
        .bind(user)
        .fetch_one(c))?)
}

/// Returns a member's entries, the newest first.
pub async fn list(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<CreditEntry>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, source, source_key, days, until_before, until_after, note, actor, created_at
        FROM credit_entries WHERE user_id = $1 ORDER BY created_at DESC, id DESC"
    )
    .bind(user)
    .fetch_all(c))?)
}

/// Returns a page of a member's entries, the newest first, from before `before`.
pub async fn page(
    conn: &mut Conn<'_>,
    user: UserId,
    before: Option<CreditEntryId>,
    count: i64,
) -> Result<Vec<CreditEntry>> {
    Ok(build!(conn, |query, c| {
        query.push(
            "SELECT id, user_id, source, source_key, days, until_before, until_after, note, actor, created_at
            FROM credit_entries WHERE user_id = ",
        );
        query.push_bind(user);
        if let Some(before) = before {
            query.push(" AND (created_at, id) < ((SELECT created_at FROM credit_entries WHERE id = ");
            query.push_bind(before).push("), ").push_bind(before).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Returns the entry with that source and key, if there is one.
pub async fn find(conn: &mut Conn<'_>, user: UserId, source: &str, key: &str) -> Result<Option<CreditEntry>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, source, source_key, days, until_before, until_after, note, actor, created_at
        FROM credit_entries WHERE source = $1 AND source_key = $2 AND user_id = $3"
    )
    .bind(source)
    .bind(key)
    .bind(user)
    .fetch_optional(c))?)
}
