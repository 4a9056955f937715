//! Counting against abuse: `rate_limits`. In the database, because a limit a process would
//! grow with the number of processes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::{
    domain::{login::Allowance, schedule::CLOCK_TOLERANCE},
    store::{
        Conn, Result,
        db::{build, execute, run},
    },
};

/// What came of asking to do one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It may happen, and is counted.
    Allowed,
    /// It may not, until then.
    RefusedUntil(DateTime<Utc>),
}

/// Counts one more against an allowance. However many ask at once, no more than it has pass. A window
/// that begins later than now by more than clocks differ was begun by one that was wrong: it is over, or
/// everybody would wait for as long as that clock was ahead.
pub async fn count(conn: &mut Conn<'_>, allowance: Allowance, subject: &str, now: DateTime<Utc>) -> Result<Counted> {
    let window_began = now - allowance.window;
    let counted: Option<i64> = run!(conn, |c| sqlx::query_scalar(
        "INSERT INTO rate_limits (name, subject, count, started_at) VALUES ($1, $2, 1, $3)
        ON CONFLICT (name, subject) DO UPDATE SET
            count = CASE WHEN rate_limits.started_at <= $4 OR rate_limits.started_at > $6 THEN 1
                ELSE rate_limits.count + 1 END,
            started_at = CASE WHEN rate_limits.started_at <= $4 OR rate_limits.started_at > $6 THEN $3
                ELSE rate_limits.started_at END
        WHERE rate_limits.started_at <= $4 OR rate_limits.started_at > $6 OR rate_limits.count < $5
        RETURNING count"
    )
    .bind(allowance.name)
    .bind(subject)
    .bind(now)
    .bind(window_began)
    .bind(allowance.count)
    .bind(now + CLOCK_TOLERANCE)
    .fetch_optional(c))?;
    if counted.is_some() {
        return Ok(Counted::Allowed);
    }
    let started_at: Option<DateTime<Utc>> =
        run!(conn, |c| sqlx::query_scalar("SELECT started_at FROM rate_limits WHERE name = $1 AND subject = $2")
            .bind(allowance.name)
            .bind(subject)
            .fetch_optional(c))?;
    Ok(Counted::RefusedUntil(started_at.unwrap_or(now) + allowance.window))
}

/// Has what is counted against subjects stay as it is until the transaction ends, for whoever reads it and counts
/// later: of several that ask at once, the second waits here for what the first has counted.
pub async fn hold(conn: &mut Conn<'_>, allowance: Allowance, subjects: &BTreeSet<&str>) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    // There is a row to be held also where nothing was counted yet; its window is over, so that it counts for nothing.
    // All callers take them in one order, so that nobody waits in a circle.
    build!(conn, |query, c| {
        query.push("INSERT INTO rate_limits (name, subject, count, started_at) ");
        query.push_values(subjects, |mut row, subject| {
            row.push_bind(allowance.name).push_bind((*subject).to_owned()).push("0").push_bind(DateTime::UNIX_EPOCH);
        });
        query.push(" ON CONFLICT (name, subject) DO UPDATE SET count = rate_limits.count");
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?;
    Ok(())
}

/// Returns how much of allowances is used in windows that are still open at `now`: the name, the
/// subject, the count, and when the window began. What nothing was counted against is left out.
pub async fn used(
    conn: &mut Conn<'_>,
    asked: &[(Allowance, String)],
    now: DateTime<Utc>,
) -> Result<Vec<(String, String, i64, DateTime<Utc>)>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT name, subject, count, started_at FROM rate_limits WHERE FALSE");
        for (allowance, subject) in asked {
            query.push(" OR (name = ").push_bind(allowance.name);
            query.push(" AND subject = ").push_bind(subject.clone());
            query.push(" AND started_at > ").push_bind(now - allowance.window);
            query.push(" AND started_at <= ").push_bind(now + CLOCK_TOLERANCE).push(")");
        }
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Forgets windows that began before `started_before`, or by a clock that was ahead of `now`. Returns how
/// many.
pub async fn purge(conn: &mut Conn<'_>, started_before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM rate_limits WHERE started_at <= $1 OR started_at > $2")
        .bind(started_before)
        .bind(now + CLOCK_TOLERANCE)
        .execute(c))?)
}
