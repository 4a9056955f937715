//! Work that comes again by the clock: who does it now, what came of it, and when it is due again.
//!
//! The work itself is in `jobs/schedule.rs`. Any number of nodes look here, and each time that
//! something is due one of them does it. After a time in which nobody looked it is done once, not as
//! often as it was missed.

use std::cmp;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    domain::schedule::{Counts, Routine},
    platform::env::Env,
    services::activity::{self, By},
    store::{StoreError, schedules},
};

pub use crate::store::schedules::{ClaimedRun, Schedule};

/// Returns how everything stands, in the order in which it is shown. What was never planned is
/// planned here, and what a clock that was wrong had planned is planned anew.
pub async fn list(env: &Env) -> Result<Vec<Schedule>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let mut all = schedules::list(&mut reader.conn()).await?;
    drop(reader);
    let missing: Vec<(Routine, DateTime<Utc>)> = Routine::ALL
        .into_iter()
        .filter(|routine| !all.iter().any(|schedule| schedule.routine == *routine))
        .map(|routine| (routine, routine.when().first(now)))
        .collect();
    let misplanned: Vec<Routine> =
        all.iter().filter(|schedule| schedule.is_misplanned(now)).map(|schedule| schedule.routine).collect();
    if !missing.is_empty() || !misplanned.is_empty() {
        let mut tx = env.db.begin().await?;
        let conn = &mut tx.conn();
        schedules::insert(conn, &missing).await?;
        for routine in misplanned {
            schedules::replan(conn, routine, routine.when().after(now), now).await?;
        }
        all = schedules::list(conn).await?;
        tx.commit().await?;
    }
    all.sort_by_key(|schedule| Routine::ALL.iter().position(|routine| *routine == schedule.routine));
    Ok(all)
}

/// Returns what is due and in nobody's hands.
pub async fn due(env: &Env) -> Result<Vec<Routine>, StoreError> {
    let now = env.clock.now();
    let all = list(env).await?;
    let is_due = |schedule: &Schedule| schedule.next_run_at <= now && !schedule.is_running(now);
    Ok(all.into_iter().filter(is_due).map(|schedule| schedule.routine).collect())
}

/// Claims a run; nothing if it is not due, or if somebody else was quicker.
pub async fn claim(env: &Env, routine: Routine) -> Result<Option<ClaimedRun>, StoreError> {
    let mut tx = env.db.begin().await?;
    let claimed = schedules::claim(&mut tx.conn(), routine, env.clock.now()).await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Notes what came of a run. Returns `false` when somebody else has claimed it since.
pub async fn settle(env: &Env, run: &ClaimedRun, result: Result<&Counts, &str>) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let when = run.routine.when();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let is_ours = match result {
        // A clock that was set back meanwhile does not bring the same time again.
        Ok(counts) => schedules::finish(conn, run, counts, when.after(cmp::max(now, run.due_at)), now).await?,
        Err(problem) => schedules::fail(conn, run, problem, when.retry(run.failures + 1, now), now).await?,
    };
    tx.commit().await?;
    Ok(is_ours)
}

/// Gives a run back that is broken off because the program ends.
pub async fn give_back(env: &Env, run: &ClaimedRun) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    schedules::release(&mut tx.conn(), run).await?;
    tx.commit().await
}

/// Makes something due now because somebody wants it, which the log tells. Returns `false` when it is
/// due already, or under way.
pub async fn order(env: &Env, routine: Routine, by: By<'_>) -> Result<bool, StoreError> {
    list(env).await?;
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let made = schedules::make_due(conn, routine, env.clock.now()).await?;
    if made {
        activity::note(env, conn, by, None, "job_ordered", json!({ "job": routine.name() })).await?;
    }
    tx.commit().await?;
    Ok(made)
}

/// Makes something due now, for whichever node looks next. Returns `false` when it is due already, or
/// under way.
pub async fn make_due(env: &Env, routine: Routine) -> Result<bool, StoreError> {
    list(env).await?;
    let mut tx = env.db.begin().await?;
    let made = schedules::make_due(&mut tx.conn(), routine, env.clock.now()).await?;
    tx.commit().await?;
    Ok(made)
}
