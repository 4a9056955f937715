//! `vouchsafe job list | run | dead | retry | discard`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, moment, say, say_json, say_list},
    domain::{
        ids::JobId,
        schedule::{Counts, Routine},
    },
    jobs::Runner,
    platform::env::Env,
    services::{
        jobs::{self, DeadJob},
        schedules,
    },
};

/// How many jobs are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum JobCommand {
    /// List what comes by the clock, tab-separated: name, next run, last end, milliseconds, what it did, last error;
    /// then what waits: kind, waiting, running, failed before, given up
    List(List),
    /// Do something now that comes by the clock, and say what it did
    Run {
        /// Its name, as `job list` shows it
        name: Routine,
    },
    /// List jobs that were given up, the newest first, tab-separated: id, kind, given up, tries, last error
    Dead {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a job that was given up back into the queue
    Retry {
        /// The job's id, as `job dead` shows it
        id: JobId,
    },
    /// Delete a job that was given up
    Discard {
        /// The job's id, as `job dead` shows it
        id: JobId,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl JobCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List(command) => command.run(env).await,
            Self::Run { name } => match Runner::new(env.clone())?.do_now(name).await? {
                Some(Ok(counts)) => say(&format!("{name}: {}", told(&counts))),
                Some(Err(problem)) => Err(CliError::Failed(format!("{name}: {problem}"))),
                None => Err(CliError::Failed(format!("{name} is under way already"))),
            },
            Self::Dead { json } => dead(env, json).await,
            Self::Retry { id } => match jobs::revive(env, id, (OPERATOR, None)).await? {
                true => say(&format!("{id} waits again")),
                false => Err(CliError::NoSuchJob),
            },
            Self::Discard { id } => match jobs::discard(env, id, (OPERATOR, None)).await? {
                true => say(&format!("{id} is deleted")),
                false => Err(CliError::NoSuchJob),
            },
        }
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let now = env.clock.now();
        let scheduled = schedules::list(env).await?;
        let queue = jobs::by_kind(env).await?;
        if self.json {
            let scheduled: Vec<_> = scheduled
                .iter()
                .map(|one| {
                    json!({
                        "name": one.routine.name(),
                        "next_run_at": one.next_run_at,
                        "running": one.is_running(now),
                        "last_started_at": one.last_started_at,
                        "last_finished_at": one.last_finished_at,
                        "last_succeeded_at": one.last_succeeded_at,
                        "last_duration_ms": one.last_duration_ms,
                        "last_outcome": one.last_outcome,
                        "last_error": one.last_error,
                        "failures": one.failures,
                    })
                })
                .collect();
            let queue: Vec<_> = queue
                .iter()
                .map(|kind| {
                    json!({
                        "kind": kind.kind,
                        "waiting": kind.waiting,
                        "running": kind.running,
                        "retried": kind.retried,
                        "given_up": kind.dead,
                        "oldest_due_at": kind.oldest_due_at,
                    })
                })
                .collect();
            return say_json(&json!({ "scheduled": scheduled, "queue": queue }));
        }
        for one in &scheduled {
            let milliseconds = one.last_duration_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
            let outcome = one.last_outcome.as_ref().map_or_else(|| "-".to_owned(), told);
            say(&format!(
                "{}\t{}\t{}\t{milliseconds}\t{outcome}\t{}",
                one.routine,
                moment(Some(one.next_run_at)),
                moment(one.last_finished_at),
                one.last_error.as_deref().unwrap_or("-"),
            ))?;
        }
        for kind in &queue {
            say(&format!("{}\t{}\t{}\t{}\t{}", kind.kind, kind.waiting, kind.running, kind.retried, kind.dead))?;
        }
        Ok(())
    }
}

async fn dead(env: &Env, as_json: bool) -> Result<(), CliError> {
    say_list(as_json, |before| jobs::dead(env, before, PAGE), |job| job.id, dead_as_json, dead_line).await
}

fn dead_line(job: &DeadJob) -> String {
    let (at, error) = (moment(Some(job.dead_at)), job.last_error.as_deref().unwrap_or("-"));
    format!("{}\t{}\t{at}\t{}\t{error}", job.id, job.kind, job.attempts)
}

fn dead_as_json(job: &DeadJob) -> Value {
    json!({
        "id": job.id, "kind": job.kind, "attempts": job.attempts, "last_error": job.last_error,
        "created_at": job.created_at, "given_up_at": job.dead_at,
    })
}

fn told(counts: &Counts) -> String {
    if counts.is_empty() {
        return "nothing to count".to_owned();
    }
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
