//! Work outside the request: `jobs`.
//!
//! A job is committed with what causes it and done at least once. Whoever claims it holds a
//! lease and a fencing token; a result under an old token is refused.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types::Json};

use crate::{
    domain::ids::{JobId, MailId},
    store::{
        Conn, Result,
        db::{execute, run},
    },
};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Send a mail.
    SendMail {
        /// Which.
        mail: MailId,
    },
}

impl Work {
    /// Returns the word by which jobs of this kind are found.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SendMail { .. } => "send_mail",
        }
    }
}

/// A job in the hands of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Which.
    pub id: JobId,
    /// What is to be done, or why that cannot be read: a newer program may have queued it.
    pub work: std::result::Result<Work, String>,
    /// Which try this is, from 1.
    pub attempt: i64,
    /// What proves that the claim is the last one.
    pub fencing_token: i64,
}

#[derive(FromRow)]
struct ClaimedRow {
    id: JobId,
    payload: Json<serde_json::Value>,
    attempts: i64,
    fencing_token: i64,
}

/// Queues work, in the transaction that causes it.
pub async fn insert(conn: &mut Conn<'_>, id: JobId, work: &Work, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO jobs (id, kind, payload, run_at, attempts, fencing_token, created_at)
        VALUES ($1, $2, $3, $4, 0, 0, $4)"
    )
    .bind(id)
    .bind(work.kind())
    .bind(Json(work))
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Claims up to `count` jobs that are due and in nobody's hands. Two who claim at once never
/// get the same job: Postgres skips what the other has locked, SQLite has one writer.
pub async fn claim(
    conn: &mut Conn<'_>,
    count: i64,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
) -> Result<Vec<ClaimedJob>> {
    let sql = conn.dialect(
        "UPDATE jobs SET attempts = attempts + 1, fencing_token = fencing_token + 1, leased_until = $2
        WHERE id IN (
            SELECT id FROM jobs
            WHERE finished_at IS NULL AND dead_at IS NULL AND run_at <= $1
                AND (leased_until IS NULL OR leased_until <= $1)
            ORDER BY run_at, id LIMIT $3
        )
        RETURNING id, payload, attempts, fencing_token",
        "UPDATE jobs SET attempts = attempts + 1, fencing_token = fencing_token + 1, leased_until = $2
        WHERE id IN (
            SELECT id FROM jobs
            WHERE finished_at IS NULL AND dead_at IS NULL AND run_at <= $1
                AND (leased_until IS NULL OR leased_until <= $1)
            ORDER BY run_at, id LIMIT $3
            FOR UPDATE SKIP LOCKED
        )
        RETURNING id, payload, attempts, fencing_token",
    );
    let rows: Vec<ClaimedRow> =
        run!(conn, |c| sqlx::query_as(sql).bind(now).bind(leased_until).bind(count).fetch_all(c))?;
    Ok(rows
        .into_iter()
        .map(|row| ClaimedJob {
            id: row.id,
            work: serde_json::from_value(row.payload.0).map_err(|problem| problem.to_string()),
            attempt: row.attempts,
            fencing_token: row.fencing_token,
        })
        .collect())
}

/// Notes that a job is done. Returns `false` when somebody else has claimed it since.
pub async fn finish(conn: &mut Conn<'_>, id: JobId, fencing_token: i64, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET finished_at = $3, leased_until = NULL, last_error = NULL
        WHERE id = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(id)
    .bind(fencing_token)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Puts a job back until `run_at`. Returns `false` when somebody else has claimed it since.
pub async fn retry(
    conn: &mut Conn<'_>,
    id: JobId,
    fencing_token: i64,
    error: &str,
    run_at: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET run_at = $4, leased_until = NULL, last_error = $3
        WHERE id = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(id)
    .bind(fencing_token)
    .bind(error)
    .bind(run_at)
    .execute(c))?;
    Ok(updated == 1)
}

/// Gives a job up. Returns `false` when somebody else has claimed it since.
pub async fn give_up(
    conn: &mut Conn<'_>,
    id: JobId,
    fencing_token: i64,
    error: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET dead_at = $4, leased_until = NULL, last_error = $3
        WHERE id = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(id)
    .bind(fencing_token)
    .bind(error)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// How the queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct QueueState {
    /// Jobs not done yet.
    pub waiting: i64,
    /// Jobs given up.
    pub dead: i64,
}

/// Returns how the queue stands.
pub async fn state(conn: &mut Conn<'_>) -> Result<QueueState> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT
            COUNT(CASE WHEN finished_at IS NULL AND dead_at IS NULL THEN 1 END) AS waiting,
            COUNT(dead_at) AS dead
        FROM jobs"
    )
    .fetch_one(c))?)
}

/// Forgets jobs done before `finished_before`. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, finished_before: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM jobs WHERE finished_at <= $1").bind(finished_before).execute(c))?)
}
