//! How the jobs stand, in figures for `/metrics`: of the queue and of what comes by the clock.
//!
//! Every node that works measures what all of them share: take the maximum over nodes, not the sum.

use crate::{
    platform::env::Env,
    services::{
        jobs::{self, KindState},
        schedules,
    },
    store::{StoreError, jobs::Kind},
};

const LAST_RUN: &str = "schedule_last_run_timestamp_seconds";
const NEXT_RUN: &str = "schedule_next_run_timestamp_seconds";
const LAST_SUCCESS: &str = "schedule_last_success_timestamp_seconds";
const FAILURES: &str = "schedule_failures_in_a_row";
const QUEUE: &str = "queue_jobs";
const OLDEST: &str = "queue_oldest_seconds";

/// Measures everything.
pub(super) async fn measure(env: &Env) -> Result<(), StoreError> {
    let now = env.clock.now();
    for schedule in schedules::list(env).await? {
        let name = schedule.routine.name();
        metrics::gauge!(NEXT_RUN, "name" => name).set(seconds(schedule.next_run_at.timestamp()));
        if let Some(at) = schedule.last_started_at {
            metrics::gauge!(LAST_RUN, "name" => name).set(seconds(at.timestamp()));
        }
        if let Some(at) = schedule.last_succeeded_at {
            metrics::gauge!(LAST_SUCCESS, "name" => name).set(seconds(at.timestamp()));
        }
        metrics::gauge!(FAILURES, "name" => name).set(seconds(schedule.failures));
    }
    let mut kinds = jobs::by_kind(env).await?;
    // A figure stays as it was last set: what is done is none any more.
    for kind in Kind::ALL.map(Kind::as_str) {
        if !kinds.iter().any(|known| known.kind == kind) {
            kinds.push(KindState::nothing(kind));
        }
    }
    for kind in kinds {
        let word = kind.kind.clone();
        let oldest = kind.oldest_due_at.map_or(0, |at| (now - at).num_seconds().max(0));
        metrics::gauge!(OLDEST, "kind" => word.clone()).set(seconds(oldest));
        for (state, count) in
            [("waiting", kind.waiting), ("running", kind.running), ("retried", kind.retried), ("given_up", kind.dead)]
        {
            metrics::gauge!(QUEUE, "kind" => word.clone(), "state" => state).set(seconds(count));
        }
    }
    Ok(())
}

/// Figures are floating-point numbers: exact to 2^53.
#[expect(clippy::cast_precision_loss, reason = "so large is none of them")]
fn seconds(number: i64) -> f64 {
    number as f64
}
