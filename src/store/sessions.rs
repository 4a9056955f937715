//! Signed-in browsers: `sessions`. Only the hash of a token is kept.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::ids::{SessionId, UserId},
    store::{
        Conn, Result,
        db::{build, execute, run},
    },
};

/// A session, as stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// What the browser calls itself.
    pub user_agent: String,
    /// From where it signed in.
    pub ip_address: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it last asked for something, to the minute.
    pub last_seen_at: DateTime<Utc>,
}

/// Opens a session.
pub async fn insert(conn: &mut Conn<'_>, session: &Session, token_hash: &[u8]) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO sessions (id, user_id, token_hash, user_agent, ip_address, created_at, last_seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)"
    )
    .bind(session.id)
    .bind(session.user_id)
    .bind(token_hash)
    .bind(&session.user_agent)
    .bind(&session.ip_address)
    .bind(session.created_at)
    .bind(session.last_seen_at)
    .execute(c))?;
    Ok(())
}

/// Returns the session with that token, whether or not it is still alive.
pub async fn find_by_token(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<Option<Session>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, user_agent, ip_address, created_at, last_seen_at FROM sessions WHERE token_hash = $1"
    )
    .bind(token_hash)
    .fetch_optional(c))?)
}

/// Returns a user's sessions, the last seen first.
pub async fn list(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Session>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, user_agent, ip_address, created_at, last_seen_at FROM sessions
        WHERE user_id = $1 ORDER BY last_seen_at DESC, id DESC"
    )
    .bind(user)
    .fetch_all(c))?)
}

/// Notes that a session was used.
pub async fn touch(conn: &mut Conn<'_>, id: SessionId, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2")
        .bind(id)
        .bind(now)
        .execute(c))?;
    Ok(())
}

/// Ends one session of that user. Returns whether there was one: somebody else's is not.
pub async fn delete(conn: &mut Conn<'_>, user: UserId, id: SessionId) -> Result<bool> {
    let deleted = execute!(conn, |c| sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
        .bind(id)
        .bind(user)
        .execute(c))?;
    Ok(deleted == 1)
}

/// Ends all sessions of a user. Returns how many.
pub async fn delete_all(conn: &mut Conn<'_>, user: UserId) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user).execute(c))?)
}

/// Forgets sessions opened or last seen too long ago for any role. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, opened_before: DateTime<Utc>, seen_before: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM sessions WHERE created_at <= $1 OR last_seen_at <= $2")
        .bind(opened_before)
        .bind(seen_before)
        .execute(c))?)
}

/// Returns sessions opened before `before` that still have a whole address, and that address.
pub async fn uncut(conn: &mut Conn<'_>, before: DateTime<Utc>, count: i64) -> Result<Vec<(SessionId, String)>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, ip_address FROM sessions WHERE created_at <= $1 AND ip_address NOT LIKE '%/%'
        ORDER BY created_at LIMIT $2"
    )
    .bind(before)
    .bind(count)
    .fetch_all(c))?)
}

/// Writes what is left of addresses.
pub async fn cut(conn: &mut Conn<'_>, networks: &[(SessionId, String)]) -> Result<()> {
    if networks.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("UPDATE sessions SET ip_address = column2 FROM (");
        query.push_values(networks, |mut row, (id, network)| {
            row.push_bind(*id).push_bind(network.clone());
        });
        query.push(") AS news WHERE id = column1");
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}
