//! The audit log: `user_activity_log`, append-only.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{
        activity::{Place, SYSTEM},
        ids::{ActivityId, UserId},
    },
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
    /// From where: an address, or after a while the network in which it is.
    pub ip_address: Option<String>,
    /// With what browser.
    pub user_agent: Option<String>,
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

tokio::task_local! {
    /// Where the request came from that this task answers.
    static HERE: Place;
}

/// Does some work of a request. Lines that are written meanwhile, and do not say where they come from,
/// come from there: no journey has to carry it along, and none forgets it. What another task does, as
/// workers do for many at once, is not meant, and neither is what follows by itself: a line by
/// [`SYSTEM`] is nobody's, so nobody's address stands in it, and none is left when they are deleted.
pub fn within<F: Future>(place: Place, work: F) -> impl Future<Output = F::Output> {
    HERE.scope(place, work)
}

/// Returns where the request came from that this task answers; nothing in a job or a command.
pub fn here() -> Option<Place> {
    HERE.try_with(Place::clone).ok()
}

/// Returns where a line comes from by this actor, if the line does not say.
fn here_for<'a>(actor: &str, here: Option<&'a Place>) -> Option<&'a Place> {
    here.filter(|_| actor != SYSTEM)
}

/// Writes a line, in the transaction of what it tells.
pub async fn insert<D: Serialize + Sync>(
    conn: &mut Conn<'_>,
    activity: &NewActivity<'_, D>,
    now: DateTime<Utc>,
) -> Result<()> {
    let here = here();
    let here = here_for(activity.actor, here.as_ref());
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
    .bind(activity.ip_address.or(here.map(|place| place.address.as_str())))
    .bind(activity.user_agent.or(here.map(|place| place.user_agent.as_str())))
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// How many lines go into one statement: both databases bound the number of values.
const LINES_TOGETHER: usize = 1_000;

/// Writes lines, in the transaction of what they tell.
pub async fn insert_all<D: Serialize + Sync>(
    conn: &mut Conn<'_>,
    lines: &[NewActivity<'_, D>],
    now: DateTime<Utc>,
) -> Result<()> {
    let here = here();
    for together in lines.chunks(LINES_TOGETHER) {
        build!(conn, |query, c| {
            query.push(
                "INSERT INTO user_activity_log (
                    id, user_id, actor, action, details, ip_address, user_agent, created_at
                ) ",
            );
            query.push_values(together, |mut row, line| {
                let here = here_for(line.actor, here.as_ref());
                row.push_bind(line.id)
                    .push_bind(line.user)
                    .push_bind(line.actor)
                    .push_bind(line.action)
                    .push_bind(Json(&line.details))
                    .push_bind(line.ip_address.or(here.map(|place| place.address.as_str())))
                    .push_bind(line.user_agent.or(here.map(|place| place.user_agent.as_str())))
                    .push_bind(now);
            });
            query.build().execute(c).await.map(|_| ())
        })?;
    }
    Ok(())
}

/// Returns a line.
pub async fn find(conn: &mut Conn<'_>, id: ActivityId) -> Result<Option<Activity>> {
    Ok(run!(conn, |c| {
        sqlx::query_as(
        "SELECT id, user_id, actor, action, details, ip_address, user_agent, created_at FROM user_activity_log WHERE id = $1"
    )
    .bind(id)
    .fetch_optional(c)
    })?)
}

/// Returns the newest lines about one action.
pub async fn list_by_action(conn: &mut Conn<'_>, action: &str, count: i64) -> Result<Vec<Activity>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, actor, action, details, ip_address, user_agent, created_at FROM user_activity_log
        WHERE action = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
    )
    .bind(action)
    .bind(count)
    .fetch_all(c))?)
}

/// Returns the newest lines about one member.
pub async fn list_by_user(conn: &mut Conn<'_>, user: UserId, count: i64) -> Result<Vec<Activity>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id, actor, action, details, ip_address, user_agent, created_at FROM user_activity_log
        WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
    )
    .bind(user)
    .bind(count)
    .fetch_all(c))?)
}

/// A line of the log, and the whole address in it.
pub type WholeAddress = (ActivityId, String);

/// Returns the oldest lines from before `before` that still have a whole address.
pub async fn uncut(conn: &mut Conn<'_>, before: DateTime<Utc>, count: i64) -> Result<Vec<WholeAddress>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, ip_address FROM user_activity_log
        WHERE created_at <= $1 AND ip_address IS NOT NULL AND address_cut = FALSE
        ORDER BY created_at LIMIT $2"
    )
    .bind(before)
    .bind(count)
    .fetch_all(c))?)
}

/// Writes what is left of addresses; nothing where nothing is.
pub async fn cut(conn: &mut Conn<'_>, lines: &[(ActivityId, Option<String>)]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("UPDATE user_activity_log SET address_cut = TRUE, ip_address = column2 FROM (");
        query.push_values(lines, |mut row, (id, network)| {
            row.push_bind(*id).push_bind(network.clone());
        });
        query.push(") AS news WHERE id = column1");
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Forgets up to `count` of the oldest lines from before `before`. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, before: DateTime<Utc>, count: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM user_activity_log WHERE id IN (
            SELECT id FROM user_activity_log WHERE created_at <= $1 ORDER BY created_at, id LIMIT $2
        )"
    )
    .bind(before)
    .bind(count)
    .execute(c))?)
}

/// Which lines of the log. What is not named is not asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// About this member.
    pub user: Option<UserId>,
    /// By this one.
    pub actor: Option<&'a str>,
    /// About this action.
    pub action: Option<&'a str>,
    /// From this address, or from this network where only that is left.
    pub address: Option<&'a str>,
    /// From this time on.
    pub from: Option<DateTime<Utc>>,
    /// From before this time.
    pub to: Option<DateTime<Utc>>,
    /// Older than this line.
    pub before: Option<ActivityId>,
}

/// How many lines are counted of a condition before it is one that finds much.
const MUCH: i64 = 1_000;

/// Returns how many lines each condition finds, counted until that is much.
async fn weigh(conn: &mut Conn<'_>, conditions: &[(&'static str, &str)]) -> Result<Vec<i64>> {
    build!(conn, |query, c| {
        for (at, (column, value)) in conditions.iter().enumerate() {
            query
                .push(if at == 0 { "SELECT " } else { " UNION ALL SELECT " })
                .push_bind(i64::try_from(at).unwrap_or(0));
            query.push(" AS place, COUNT(*) FROM (SELECT 1 FROM user_activity_log WHERE ").push(*column).push(" = ");
            query.push_bind((*value).to_owned()).push(" LIMIT ").push_bind(MUCH).push(") AS found");
        }
        query.push(" ORDER BY place");
        let rows: std::result::Result<Vec<(i64, i64)>, _> = query.build_query_as().fetch_all(c).await;
        rows.map(|rows| rows.into_iter().map(|(_, count)| count).collect())
    })
    .map_err(Into::into)
}

/// Returns a page of lines, the newest first.
///
/// Each condition has an index in the order of the lines, so that a page costs the same however long
/// the log is. Of several, the one that finds least is to be looked up, and the others are compared:
/// SQLite would choose by chance, so those are written as no index has them. Which finds least is not
/// to be told from what is asked: one app may write more lines than all people.
pub async fn list(conn: &mut Conn<'_>, which: Which<'_>, count: i64) -> Result<Vec<Activity>> {
    let before = match which.before {
        Some(id) => {
            let at: Option<DateTime<Utc>> =
                run!(conn, |c| sqlx::query_scalar("SELECT created_at FROM user_activity_log WHERE id = $1")
                    .bind(id)
                    .fetch_optional(c))?;
            let Some(at) = at else { return Ok(Vec::new()) };
            Some((at, id))
        }
        None => None,
    };
    let conditions = [("ip_address", which.address), ("actor", which.actor), ("action", which.action)];
    let mut conditions: Vec<_> = conditions.into_iter().filter_map(|(column, value)| Some((column, value?))).collect();
    // A member's lines are few in any case.
    if which.user.is_none() && conditions.len() > 1 {
        let weights = weigh(conn, &conditions).await?;
        let mut weighed: Vec<_> = weights.into_iter().zip(conditions).collect();
        weighed.sort_by_key(|(weight, _)| *weight);
        conditions = weighed.into_iter().map(|(_, condition)| condition).collect();
    }
    Ok(build!(conn, |query, c| {
        query.push(
            "SELECT id, user_id, actor, action, details, ip_address, user_agent, created_at FROM user_activity_log
            WHERE TRUE",
        );
        let mut is_looked_up = false;
        if let Some(user) = which.user {
            query.push(" AND user_id = ").push_bind(user);
            is_looked_up = true;
        }
        for (column, value) in &conditions {
            query.push(" AND ").push(*column).push(if is_looked_up { " || '' = " } else { " = " });
            query.push_bind((*value).to_owned());
            is_looked_up = true;
        }
        if let Some(from) = which.from {
            query.push(" AND created_at >= ").push_bind(from);
        }
        if let Some(to) = which.to {
            query.push(" AND created_at < ").push_bind(to);
        }
        if let Some((at, id)) = before {
            query.push(" AND (created_at, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Returns the actions of which there are lines, in the order of their names.
///
/// Each is found by one look into the index, however many lines it has.
pub async fn actions(conn: &mut Conn<'_>) -> Result<Vec<String>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "WITH RECURSIVE found (action) AS (
            SELECT MIN(action) FROM user_activity_log
            UNION ALL
            SELECT (SELECT MIN(action) FROM user_activity_log WHERE action > found.action)
            FROM found WHERE found.action IS NOT NULL
        )
        SELECT action FROM found WHERE action IS NOT NULL ORDER BY action"
    )
    .fetch_all(c))?)
}
