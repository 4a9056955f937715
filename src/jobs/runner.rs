//! Claims jobs and does them, with lease, fencing token, retry and back-off.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    jobs::{payments, purge, send_mail::Mailer},
    mail::SmtpUrlError,
    platform::env::Env,
    services::{grants, referrals},
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
/// How often what is over is forgotten.
const PURGE_EVERY: TimeDelta = TimeDelta::hours(1);
/// How often it is looked whose time has come.
const LOOK_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum JobError {
    /// It may work later.
    Retry(String),
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

    /// Works until `shutdown` is done; a batch that is under way is finished.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let (mut purged_at, mut looked_at): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = (None, None);
        loop {
            let now = self.env.clock.now();
            if looked_at.is_none_or(|at| now - at >= LOOK_EVERY) {
                if let Err(error) = self.do_what_is_due().await {
                    tracing::warn!(error = %error, "what is due could not be done");
                }
                looked_at = Some(now);
            }
            if purged_at.is_none_or(|at| now - at >= PURGE_EVERY) {
                if let Err(error) = self.purge().await {
                    tracing::warn!(error = %error, "what is over could not be forgotten");
                }
                purged_at = Some(now);
            }
            let did_something = match self.work_once().await {
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

    /// Does every job that is due, and returns how many there were.
    pub async fn run_until_idle(&self) -> Result<usize, StoreError> {
        let mut done = 0;
        loop {
            match self.work_once().await? {
                0 => return Ok(done),
                count => done += count,
            }
        }
    }

    /// Does what has its time, as it is done every minute: gives rewards that were held, writes down
    /// whose turn it is among grants, and has the providers asked once a day.
    pub async fn do_what_is_due(&self) -> Result<(), StoreError> {
        referrals::give_due(&self.env).await?;
        grants::settle_due(&self.env).await?;
        payments::schedule(&self.env).await
    }

    /// Forgets what is over, as it is done every hour.
    pub async fn purge(&self) -> Result<(), StoreError> {
        purge::run(&self.env).await
    }

    /// Claims one batch and does it. Returns how many jobs it had.
    async fn work_once(&self) -> Result<usize, StoreError> {
        let now = self.env.clock.now();
        let mut tx = self.env.db.begin().await?;
        let batch = jobs::claim(&mut tx.conn(), BATCH, now, now + LEASE).await?;
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
                    Work::RefreshSubscription { provider, subscription } => {
                        payments::refresh(env, *provider, subscription).await
                    }
                }
            };
            let outcome = tokio::time::timeout(JOB_TIMEOUT, task).await;
            (work.kind(), outcome.unwrap_or_else(|_| Err(JobError::Retry("it took too long".to_owned()))))
        }
        Err(problem) => ("unknown", Err(JobError::Retry(format!("this program cannot read it: {problem}")))),
    };
    let outcome_word = match &outcome {
        Ok(()) => "done",
        Err(JobError::Retry(_)) => "failed",
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
        Err(JobError::Retry(problem)) if job.attempt < MOST_ATTEMPTS => {
            tracing::warn!(job.id = %job.id, job.attempt, problem, "a job failed and is tried again");
            let run_at = now + back_off(job.attempt, env.random.below(201));
            jobs::retry(conn, job.id, job.fencing_token, &problem, run_at).await?
        }
        Err(JobError::Retry(problem) | JobError::GiveUp(problem)) => {
            tracing::error!(job.id = %job.id, job.attempt, problem, "a job is given up");
            jobs::give_up(conn, job.id, job.fencing_token, &problem, now).await?
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
