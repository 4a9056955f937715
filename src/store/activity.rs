//! The audit log: `user_activity_log`, append-only.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, types::Json};

use crate::{
    domain::ids::{ActivityId, UserId},
    store::{
        Conn, Result,
        db::{build, execute, run},
    },
};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Activity {
    /// Which.
    pub id: ActivityId,
    /// Whom it concerns.
    pub user_id: Option<UserId>,
    /// Who did it.
    pub actor: String,
    /// What: `login`, `matrix_changed`, …
    pub action: String,
    /// The particulars.
    #[sqlx(json)]
    pub details: serde_json::Value,
    /// From where.
    pub ip_address: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A line to be written.
#[derive(Debug, Clone)]
pub struct NewActivity<'a, D> {
    /// Which.
    pub id: ActivityId,
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// Who did it: an address, `operator` or `system`.
    pub actor: &'a str,
    /// What.
    pub action: &'static str,
    /// The particulars.
    pub details: D,
    /// From where.
    pub ip_address: Option<&'a str>,
    /// With what browser.
    pub user_agent: Option<&'a str>,
}

/// Writes a line, in the transaction of what it tells.
pub async fn insert<D: Serialize + Sync>(
    conn: &mut Conn<'_>,
    activity: &NewActivity<'_, D>,
    now: DateTime<Utc>,
) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO user_activity_log (
            id, user_id, actor, action, details, ip_address, user_agent, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    )
    .bind(activity.id)
    .bind(activity.user)
    .bind(activity.actor)
    .bind(activity.action)
    .bind(Json(&activity.details))
    .bind(activity.ip_address)
    .bind(activity.user_agent)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Writes lines, in the transaction of what they tell.
pub async fn insert_all<D: Serialize + Sync>(
    conn: &mut Conn<'_>,
    lines: &[NewActivity<'_, D>],
    now: DateTime<Utc>,
) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push(
            "INSERT INTO user_activity_log (
                id, user_id, actor, action, details, ip_address, user_agent, created_at
            ) ",
        );
        query.push_values(lines, |mut row, line| {
            row.push_bind(line.id)
                .push_bind(line.user)
                .push_bind(line.actor)
                .push_bind(line.action)
                .push_bind(Json(&line.details))
                .push_bind(line.ip_address)
                .push_bind(line.user_agent)
                .push_bind(now);
        });
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Returns a line.
pub async fn find(conn: &mut Conn<'_>, id: ActivityId) -> Result<Option<Activity>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, actor, action, details, ip_address, created_at FROM user_activity_log WHERE id = $1"
    )
    .bind(id)
    .fetch_optional(c))?)
}

/// Returns the newest lines about one action.
pub async fn list_by_action(conn: &mut Conn<'_>, action: &str, count: i64) -> Result<Vec<Activity>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, actor, action, details, ip_address, created_at FROM user_activity_log
        WHERE action = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
    )
    .bind(action)
    .bind(count)
    .fetch_all(c))?)
}

/// Returns the newest lines about one member.
pub async fn list_by_user(conn: &mut Conn<'_>, user: UserId, count: i64) -> Result<Vec<Activity>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, actor, action, details, ip_address, created_at FROM user_activity_log
        WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
    )
    .bind(user)
    .bind(count)
    .fetch_all(c))?)
}

/// Which lines of the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// About this member only.
    pub user: Option<UserId>,
    /// About this action only.
    pub action: Option<&'a str>,
    /// Older than this line only.
    pub before: Option<ActivityId>,
}

/// Returns a page of lines, the newest first.
pub async fn list(conn: &mut Conn<'_>, which: Which<'_>, count: i64) -> Result<Vec<Activity>> {
    Ok(build!(conn, |query, c| {
        query.push("SELECT id, user_id, actor, action, details, ip_address, created_at FROM user_activity_log ");
        let mut word = "WHERE ";
        if let Some(user) = which.user {
            query.push(word).push("user_id = ").push_bind(user);
            word = " AND ";
        }
        if let Some(action) = which.action {
            query.push(word).push("action = ").push_bind(action.to_owned());
            word = " AND ";
        }
        if let Some(before) = which.before {
            query.push(word).push("(created_at, id) < ((SELECT created_at FROM user_activity_log WHERE id = ");
            query.push_bind(before).push("), ").push_bind(before).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?)
}
