//! Claims jobs and does them, with lease, fencing token, retry and back-off.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::{
    domain::schedule::{Counts, Routine},
    jobs::{bonus, figures, notifications as told, payments, purge, schedule, send_mail::Mailer, webhooks},
    mail::SmtpUrlError,
    platform::env::Env,
    services::{
        notifications,
        schedules::{self, ClaimedRun},
    },
    store::{
        StoreError,
        jobs::{self, ClaimedJob, Work},
    },
};

/// How long a claimed job belongs to who claimed it. Longer than any job may take.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How long one job may take; the lease outlasts it, so nobody works on it twice at once.
const JOB_TIMEOUT: Duration = Duration::from_secs(45);
/// How many jobs are claimed together.
const BATCH: i64 = 8;
/// After how many tries a job is given up.
const MOST_ATTEMPTS: i64 = 25;
/// How often the queue is looked at when nobody calls: retries fall due without a call.
const POLL: Duration = Duration::from_secs(1);
/// How often it is measured how the jobs stand.
const MEASURE_EVERY: TimeDelta = TimeDelta::seconds(15);

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum JobError {
    /// It may work later.
    Retry(String),
    /// It is to be tried at a time that the job knows itself, however often.
    Later {
        /// When.
        at: DateTime<Utc>,
        /// Why it was not done now.
        problem: String,
    },
    /// It never will.
    GiveUp(String),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Retry(error.to_string())
    }
}

/// Why the runner cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The mail server's address is not one.
    #[error("mail.smtp_url (VOUCHSAFE_SMTP_URL): {0}")]
    SmtpUrl(#[from] SmtpUrlError),
}

/// Jobs that do not wait for each other.
#[derive(Debug, Clone, Copy)]
enum Lane {
    /// Those that depend on us and on the mail server.
    Inside,
    /// Those that call addresses which somebody typed in, and may take all the time that they have.
    Outside,
}

/// Does jobs, one batch after the other.
pub struct Runner {
    env: Env,
    mailer: Mailer,
}

impl Runner {
    /// Makes a runner. Does nothing yet, not even connect.
    pub fn new(env: Env) -> Result<Self, StartError> {
        let mailer = Mailer::new(&env)?;
        Ok(Self { env, mailer })
    }

    /// Works until `shutdown` is done; a batch that is under way is finished, and what is done by the
    /// clock is left to be begun again.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let until_told = async {
            shutdown.await;
            stop.send_replace(true);
        };
        tokio::join!(
            until_told,
            self.work_on_queue(Lane::Inside, told(stopped.clone())),
            self.work_on_queue(Lane::Outside, told(stopped.clone())),
            self.keep_to_the_clock(told(stopped))
        );
    }

    async fn work_on_queue(&self, lane: Lane, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let did_something = match self.work_once(lane).await {
                Ok(count) => count > 0,
                Err(error) => {
                    tracing::error!(error = %error, "the queue of jobs cannot be read");
                    false
                }
            };
            let pause = async {
                // After work there may be more; without, somebody calls or something falls due.
                if !did_something {
                    tokio::select! {
                        () = self.env.work.notified() => {}
                        () = tokio::time::sleep(POLL) => {}
                    }
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = pause => {}
            }
        }
    }

    async fn keep_to_the_clock(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut measured_at: Option<DateTime<Utc>> = None;
        loop {
            let due = schedules::due(&self.env).await.unwrap_or_else(|error| {
                tracing::error!(error = %error, "what is due cannot be read");
                Vec::new()
            });
            for routine in due {
                match self.claim(routine).await {
                    Ok(Some(run)) => {
                        tokio::select! {
                            biased;
                            () = &mut shutdown => {
                                if let Err(error) = schedules::give_back(&self.env, &run).await {
                                    tracing::warn!(schedule = %routine, %error, "a run cannot be given back");
                                }
                                return;
                            }
                            result = self.finish(&run) => log_failure(routine, result),
                        }
                    }
                    Ok(None) => {}
                    Err(error) => log_failure(routine, Err(error)),
                }
            }
            let now = self.env.clock.now();
            if measured_at.is_none_or(|at| (now - at).abs() >= MEASURE_EVERY) {
                measured_at = Some(now);
                if let Err(error) = figures::measure(&self.env).await {
                    tracing::warn!(error = %error, "how the jobs stand cannot be measured");
                }
            }
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Does every job that is due, and returns how many there were.
    pub async fn run_until_idle(&self) -> Result<usize, StoreError> {
        let mut done = 0;
        loop {
            match self.work_once(Lane::Inside).await? + self.work_once(Lane::Outside).await? {
                0 => return Ok(done),
                count => done += count,
            }
        }
    }

    /// Does everything that is due by the clock and in nobody's hands, and what comes every minute in any
    /// case. Returns how many runs went well; one that failed is tried again when its time comes.
    pub async fn do_what_is_due(&self) -> Result<usize, StoreError> {
        for routine in Routine::ALL {
            if routine.when().period() <= TimeDelta::minutes(1) {
                schedules::make_due(&self.env, routine).await?;
            }
        }
        let mut done = 0;
        for routine in schedules::due(&self.env).await? {
            if let Some(run) = self.claim(routine).await? {
                done += usize::from(self.finish(&run).await?.is_ok());
            }
        }
        Ok(done)
    }

    /// Does something now that comes by the clock. Returns what it did or why it failed; nothing if
    /// it is in somebody else's hands.
    pub async fn do_now(&self, routine: Routine) -> Result<Option<Result<Counts, String>>, StoreError> {
        schedules::make_due(&self.env, routine).await?;
        match self.claim(routine).await? {
            Some(run) => Ok(Some(self.finish(&run).await?)),
            None => Ok(None),
        }
    }

    /// Claims a run that is due; nothing if somebody else was quicker. Who claims one and is gone before
    /// [`Self::finish`] is done loses it when the lease is over.
    pub async fn claim(&self, routine: Routine) -> Result<Option<ClaimedRun>, StoreError> {
        schedules::claim(&self.env, routine).await
    }

    /// Does a run, and notes what came of it.
    pub async fn finish(&self, run: &ClaimedRun) -> Result<Result<Counts, String>, StoreError> {
        let result = self.perform(run).await;
        if let Err(problem) = &result {
            tracing::warn!(schedule = %run.routine, problem, "a scheduled job failed and is tried again");
        }
        let outcome = if result.is_ok() { "done" } else { "failed" };
        metrics::counter!("scheduled_runs_total", "name" => run.routine.name(), "outcome" => outcome).increment(1);
        if !schedules::settle(&self.env, run, result.as_ref().map_err(String::as_str)).await? {
            tracing::warn!(schedule = %run.routine, "somebody else has claimed the run since");
        }
        Ok(result)
    }

    /// Does a run within the time that it may take. What came of it is not noted.
    pub async fn perform(&self, run: &ClaimedRun) -> Result<Counts, String> {
        match tokio::time::timeout(run.routine.time_limit(), schedule::perform(&self.env, run)).await {
            Ok(Ok(counts)) => Ok(counts),
            Ok(Err(JobError::Retry(problem) | JobError::GiveUp(problem) | JobError::Later { problem, .. })) => {
                Err(problem)
            }
            Err(_) => Err("it took too long; what is left is done by the next run".to_owned()),
        }
    }

    /// Forgets what is over, whether or not it is time.
    pub async fn purge(&self) -> Result<Counts, StoreError> {
        purge::run(&self.env).await
    }

    /// Claims one batch and does it. Returns how many jobs it had.
    async fn work_once(&self, lane: Lane) -> Result<usize, StoreError> {
        let now = self.env.clock.now();
        let mut tx = self.env.db.begin().await?;
        let conn = &mut tx.conn();
        let batch = match lane {
            Lane::Inside => jobs::claim(conn, BATCH, now, now + LEASE).await?,
            Lane::Outside => jobs::claim_outside(conn, BATCH, now, now + LEASE).await?,
        };
        tx.commit().await?;
        let count = batch.len();
        let mut running = tokio::task::JoinSet::new();
        for job in batch {
            let (env, mailer) = (self.env.clone(), self.mailer.clone());
            running.spawn(async move { do_job(&env, &mailer, job).await });
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                // Its lease runs out and it is tried again.
                tracing::error!(error = %error, "a job ended badly");
            }
        }
        Ok(count)
    }
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // An error means that the runner is gone, which is a stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn log_failure(routine: Routine, result: Result<Result<Counts, String>, StoreError>) {
    if let Err(error) = result {
        tracing::error!(schedule = %routine, %error, "a run cannot be claimed or its end be noted");
    }
}

async fn do_job(env: &Env, mailer: &Mailer, job: ClaimedJob) {
    let (kind, outcome) = match &job.work {
        Ok(work) => {
            let task = async {
                match work {
                    Work::SendMail { mail } => mailer.send(env, *mail).await,
                    Work::ApplyPaymentEvent { event } => payments::apply(env, *event, job.attempt).await,
                    Work::ReconcileSubscriptions { provider, after } => {
                        payments::reconcile(env, *provider, after.as_deref()).await
                    }
                    Work::AwardBonus { user } => bonus::award(env, *user).await,
                    Work::SweepBonus { rule, after } => bonus::sweep(env, *rule, *after).await,
                    Work::TellChat { notification } => told::tell_chat(env, *notification).await,
                    Work::RefreshSubscription { provider, subscription } => {
                        payments::refresh(env, *provider, subscription).await
                    }
                    Work::DeliverWebhook { delivery } => webhooks::deliver(env, *delivery).await,
                }
            };
            let outcome = tokio::time::timeout(JOB_TIMEOUT, task).await;
            (work.kind(), outcome.unwrap_or_else(|_| Err(JobError::Retry("it took too long".to_owned()))))
        }
        Err(problem) => ("unknown", Err(JobError::Retry(format!("this program cannot read it: {problem}")))),
    };
    let outcome_word = match &outcome {
        Ok(()) => "done",
        Err(JobError::Retry(_) | JobError::Later { .. }) => "failed",
        Err(JobError::GiveUp(_)) => "given_up",
    };
    metrics::counter!("jobs_total", "kind" => kind, "outcome" => outcome_word).increment(1);
    match settle(env, &job, outcome).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(job.id = %job.id, "somebody else has claimed the job since"),
        Err(error) => tracing::error!(job.id = %job.id, error = %error, "the job's end cannot be noted"),
    }
}

async fn settle(env: &Env, job: &ClaimedJob, outcome: Result<(), JobError>) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let is_ours = match outcome {
        Ok(()) => jobs::finish(conn, job.id, job.fencing_token, now).await?,
        Err(JobError::Later { at, problem }) => jobs::retry(conn, job.id, job.fencing_token, &problem, at).await?,
        Err(JobError::Retry(problem)) if job.attempt < MOST_ATTEMPTS => {
            tracing::warn!(job.id = %job.id, job.attempt, problem, "a job failed and is tried again");
            let run_at = now + back_off(job.attempt, env.random.below(201));
            jobs::retry(conn, job.id, job.fencing_token, &problem, run_at).await?
        }
        Err(JobError::Retry(problem) | JobError::GiveUp(problem)) => {
            tracing::error!(job.id = %job.id, job.attempt, problem, "a job is given up");
            let is_ours = jobs::give_up(conn, job.id, job.fencing_token, &problem, now).await?;
            if is_ours {
                notifications::job_given_up(env, conn, job.id, job.work.as_ref().ok()).await?;
            }
            is_ours
        }
    };
    tx.commit().await?;
    Ok(is_ours)
}

/// Returns how long to wait after the attempt-th failure: attempt⁴ seconds, ±20 % by `chance`
/// from 0 to 200, so that what failed together does not come back together.
fn back_off(attempt: i64, chance: u8) -> TimeDelta {
    let base = attempt.clamp(1, MOST_ATTEMPTS).pow(4) * 1000;
    TimeDelta::milliseconds(base * (800 + 2 * i64::from(chance)) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_is_spread() {
        assert_eq!(back_off(1, 100), TimeDelta::seconds(1));
        assert_eq!(back_off(3, 100), TimeDelta::seconds(81));
        assert_eq!(back_off(2, 0), TimeDelta::milliseconds(12_800));
        assert_eq!(back_off(2, 200), TimeDelta::milliseconds(19_200));
        assert!(back_off(MOST_ATTEMPTS, 100) < TimeDelta::days(5));
    }
}
