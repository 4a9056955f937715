//! Work that comes again by the clock: `schedules`, a row for each.
//!
//! A run is claimed with a lease and a fencing token, as a job is. Who comes back late with an old
//! token is refused, so that the end of a run is noted once.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{FromRow, types::Json};

use crate::{
    domain::schedule::{CLOCK_TOLERANCE, Counts, Routine},
    store::{
        Conn, Result,
        db::{build, execute, run},
    },
};

/// How something that is done again and again stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What.
    pub routine: Routine,
    /// When it is due: by the clock, or again after a failure.
    pub next_run_at: DateTime<Utc>,
    /// Until when it is in somebody's hands.
    pub leased_until: Option<DateTime<Utc>>,
    /// When it last began.
    pub last_started_at: Option<DateTime<Utc>>,
    /// When it last ended, well or badly.
    pub last_finished_at: Option<DateTime<Utc>>,
    /// When it last ended well.
    pub last_succeeded_at: Option<DateTime<Utc>>,
    /// How long it took last, in milliseconds.
    pub last_duration_ms: Option<i64>,
    /// What it did when it last ended well.
    pub last_outcome: Option<Counts>,
    /// Why it failed, if the last run did.
    pub last_error: Option<String>,
    /// How often it failed in a row.
    pub failures: i64,
}

impl Schedule {
    /// Returns whether somebody is at work on it.
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.leased_until.is_some_and(|until| until > now && until <= now + self.routine.lease() + CLOCK_TOLERANCE)
    }

    /// Returns whether it was planned by a clock that was far ahead of this one.
    pub fn is_misplanned(&self, now: DateTime<Utc>) -> bool {
        self.next_run_at > latest_plan(self.routine, now)
    }
}

/// Returns the latest time for which a clock that is right plans.
fn latest_plan(routine: Routine, now: DateTime<Utc>) -> DateTime<Utc> {
    now + routine.when().period() + CLOCK_TOLERANCE
}

#[derive(FromRow)]
struct ScheduleRow {
    name: String,
    next_run_at: DateTime<Utc>,
    leased_until: Option<DateTime<Utc>>,
    last_started_at: Option<DateTime<Utc>>,
    last_finished_at: Option<DateTime<Utc>>,
    last_succeeded_at: Option<DateTime<Utc>>,
    last_duration_ms: Option<i64>,
    last_outcome: Option<Json<Counts>>,
    last_error: Option<String>,
    failures: i64,
}

impl ScheduleRow {
    fn read(self) -> Option<Schedule> {
        // One that only another version of the program has is none of ours.
        let routine = self.name.parse().ok()?;
        Some(Schedule {
            routine,
            next_run_at: self.next_run_at,
            leased_until: self.leased_until,
            last_started_at: self.last_started_at,
            last_finished_at: self.last_finished_at,
            last_succeeded_at: self.last_succeeded_at,
            last_duration_ms: self.last_duration_ms,
            last_outcome: self.last_outcome.map(|Json(counts)| counts),
            last_error: self.last_error,
            failures: self.failures,
        })
    }
}

#[derive(FromRow)]
struct ClaimRow {
    fencing_token: i64,
    next_run_at: DateTime<Utc>,
    failures: i64,
    last_succeeded_at: Option<DateTime<Utc>>,
}

/// A run in the hands of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedRun {
    /// Of what.
    pub routine: Routine,
    /// What proves that the claim is the last one.
    pub fencing_token: i64,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// When it was claimed.
    pub started_at: DateTime<Utc>,
    /// How often it failed in a row before.
    pub failures: i64,
    /// When a run last ended well.
    pub succeeded_at: Option<DateTime<Utc>>,
}

/// Returns how everything stands that this program knows, in no order.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Schedule>> {
    let rows: Vec<ScheduleRow> = run!(conn, |c| sqlx::query_as(
        "SELECT name, next_run_at, leased_until, last_started_at, last_finished_at, last_succeeded_at,
            last_duration_ms, last_outcome, last_error, failures
        FROM schedules"
    )
    .fetch_all(c))?;
    Ok(rows.into_iter().filter_map(ScheduleRow::read).collect())
}

/// Plans what was never planned. What is there already stays as it is, whoever of two comes first.
pub async fn insert(conn: &mut Conn<'_>, plans: &[(Routine, DateTime<Utc>)]) -> Result<()> {
    if plans.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("INSERT INTO schedules (name, next_run_at, fencing_token, failures) ");
        query.push_values(plans, |mut row, (routine, next_run_at)| {
            row.push_bind(routine.name()).push_bind(*next_run_at).push("0").push("0");
        });
        query.push(" ON CONFLICT (name) DO NOTHING");
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Claims a run that is due and in nobody's hands, for as long as its lease. Of many who claim at
/// once one gets it: the others wait for its row, and find it taken. A lease that ends later than
/// any lease can is from a clock that was ahead, and binds nobody.
pub async fn claim(conn: &mut Conn<'_>, routine: Routine, now: DateTime<Utc>) -> Result<Option<ClaimedRun>> {
    let row: Option<ClaimRow> = run!(conn, |c| sqlx::query_as(
        "UPDATE schedules SET fencing_token = fencing_token + 1, leased_until = $3, last_started_at = $2
        WHERE name = $1 AND next_run_at <= $2
            AND (leased_until IS NULL OR leased_until <= $2 OR leased_until > $4)
        RETURNING fencing_token, next_run_at, failures, last_succeeded_at"
    )
    .bind(routine.name())
    .bind(now)
    .bind(now + routine.lease())
    .bind(now + routine.lease() + CLOCK_TOLERANCE)
    .fetch_optional(c))?;
    Ok(row.map(|row| ClaimedRun {
        routine,
        fencing_token: row.fencing_token,
        due_at: row.next_run_at,
        started_at: now,
        failures: row.failures,
        succeeded_at: row.last_succeeded_at,
    }))
}

/// Makes something due now. Returns `false` when it is due already, or in somebody's hands.
pub async fn make_due(conn: &mut Conn<'_>, routine: Routine, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE schedules SET next_run_at = $2
        WHERE name = $1 AND next_run_at > $2 AND (leased_until IS NULL OR leased_until <= $2 OR leased_until > $3)"
    )
    .bind(routine.name())
    .bind(now)
    .bind(now + routine.lease() + CLOCK_TOLERANCE)
    .execute(c))?;
    Ok(updated == 1)
}

/// Plans anew what a clock that was far ahead had planned. Returns whether it was so.
pub async fn replan(
    conn: &mut Conn<'_>,
    routine: Routine,
    next_run_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated =
        execute!(conn, |c| sqlx::query("UPDATE schedules SET next_run_at = $2 WHERE name = $1 AND next_run_at > $3")
            .bind(routine.name())
            .bind(next_run_at)
            .bind(latest_plan(routine, now))
            .execute(c))?;
    Ok(updated == 1)
}

/// Notes that a run ended well, and when the next is due. Returns `false` when somebody else has
/// claimed it since.
pub async fn finish(
    conn: &mut Conn<'_>,
    run: &ClaimedRun,
    outcome: &Counts,
    next_run_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE schedules SET leased_until = NULL, next_run_at = $3, last_finished_at = $4, last_succeeded_at = $4,
            last_duration_ms = $5, last_outcome = $6, last_error = NULL, failures = 0
        WHERE name = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(run.routine.name())
    .bind(run.fencing_token)
    .bind(next_run_at)
    .bind(now)
    .bind(duration(run, now))
    .bind(Json(outcome))
    .execute(c))?;
    Ok(updated == 1)
}

/// Notes that a run failed, and when it is tried again. Returns `false` when somebody else has
/// claimed it since.
pub async fn fail(
    conn: &mut Conn<'_>,
    run: &ClaimedRun,
    error: &str,
    next_run_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE schedules SET leased_until = NULL, next_run_at = $3, last_finished_at = $4, last_duration_ms = $5,
            last_error = $6, failures = failures + 1
        WHERE name = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(run.routine.name())
    .bind(run.fencing_token)
    .bind(next_run_at)
    .bind(now)
    .bind(duration(run, now))
    .bind(error)
    .execute(c))?;
    Ok(updated == 1)
}

/// Gives a run back that was broken off, to be done by whoever comes next. Returns `false` when
/// somebody else has claimed it since.
pub async fn release(conn: &mut Conn<'_>, run: &ClaimedRun) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE schedules SET leased_until = NULL
        WHERE name = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(run.routine.name())
    .bind(run.fencing_token)
    .execute(c))?;
    Ok(updated == 1)
}

/// A clock that was set back makes no negative duration.
fn duration(run: &ClaimedRun, now: DateTime<Utc>) -> i64 {
    (now - run.started_at).max(TimeDelta::zero()).num_milliseconds()
}
