//! Credit: the ledger `credit_entries`, append-only.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::ids::{CreditEntryId, UserId},
    store::{
        Conn, Result,
        db::{build, run},
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
    Ok(!insert_all(conn, std::slice::from_ref(entry)).await?.is_empty())
}

/// Writes entries unless the same ones are there, and returns the ids of those that were written.
pub async fn insert_all(conn: &mut Conn<'_>, entries: &[CreditEntry]) -> Result<Vec<CreditEntryId>> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push(
            "INSERT INTO credit_entries (
                id, user_id, source, source_key, days, until_before, until_after, note, actor, created_at
            ) ",
        );
        query.push_values(entries, |mut row, entry| {
            row.push_bind(entry.id)
                .push_bind(entry.user_id)
                .push_bind(&entry.source)
                .push_bind(&entry.source_key)
                .push_bind(entry.days)
                .push_bind(entry.until_before)
                .push_bind(entry.until_after)
                .push_bind(&entry.note)
                .push_bind(&entry.actor)
                .push_bind(entry.created_at);
        });
        query.push(" ON CONFLICT (source, source_key, user_id) DO NOTHING RETURNING id");
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Returns when the newest entries of members were written, in no order. Who has none is left out.
pub async fn newest_at(conn: &mut Conn<'_>, users: &[UserId]) -> Result<Vec<(UserId, DateTime<Utc>)>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT user_id, MAX(created_at) FROM credit_entries WHERE user_id IN (");
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        query.push(") GROUP BY user_id");
        query.build_query_as().fetch_all(c).await
    })?)
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
