//! What is left to do about payments: events that could not be applied, rewards whose time has
//! come, and asking the providers.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        ids::{JobId, PaymentEventId, uuid_v7},
        payment::Provider,
        schedule::{Counts, counts},
    },
    jobs::runner::JobError,
    platform::env::Env,
    services::{
        payments::{self, MOST_ATTEMPTS, Tried},
        subscriptions::{self, AskError},
    },
    store::jobs::{self, Work},
};

/// Tries an event again that could not be applied.
pub(super) async fn apply(env: &Env, event: PaymentEventId, attempt: i64) -> Result<(), JobError> {
    let is_last = attempt >= MOST_ATTEMPTS;
    payments::look_up_invoice(env, event).await?;
    match payments::try_again(env, event, is_last, None).await? {
        Tried::Settled | Tried::Unknown => Ok(()),
        Tried::Failed(problem) if is_last => Err(JobError::GiveUp(problem)),
        Tried::Failed(problem) => Err(JobError::Retry(problem)),
    }
}

/// Asks a provider how a subscription stands.
pub(super) async fn refresh(env: &Env, provider: Provider, subscription: &str) -> Result<(), JobError> {
    subscriptions::refresh(env, provider, subscription).await.map(|_| ()).map_err(job_error)
}

/// Asks a provider how some of the subscriptions stand, and leaves the rest to the job that follows this one.
pub(super) async fn reconcile(env: &Env, job: JobId, provider: Provider, after: Option<&str>) -> Result<(), JobError> {
    let page = subscriptions::reconcile(env, provider, after).await.map_err(job_error)?;
    for difference in &page.differences {
        tracing::warn!(%provider, %difference, "a subscription was not as the provider says");
    }
    if let Some(after) = page.next {
        let now = env.clock.now();
        let mut tx = env.db.begin().await?;
        let work = Work::ReconcileSubscriptions { provider, after: Some(after) };
        jobs::insert(&mut tx.conn(), &[(job.following(), work)], now).await?;
        tx.commit().await?;
        env.wake_workers();
    }
    Ok(())
}

fn job_error(error: AskError) -> JobError {
    match error {
        AskError::Provider(error) if !error.may_pass() => JobError::GiveUp(error.to_string()),
        error => JobError::Retry(error.to_string()),
    }
}

/// Leaves work to have the providers asked. Whoever does the same run again, because who did it before
/// was killed, leaves none twice: the work of a run has the same id everywhere.
pub(super) async fn ask_all(env: &Env, due_at: DateTime<Utc>) -> Result<Counts, JobError> {
    let asked = Provider::ALL.into_iter().enumerate().filter(|(_, provider)| env.can_ask(*provider));
    let work: Vec<(JobId, Work)> = asked
        .map(|(number, provider)| {
            let id = uuid_v7(due_at, [u8::try_from(number).unwrap_or(0); 10]).into();
            (id, Work::ReconcileSubscriptions { provider, after: None })
        })
        .collect();
    let mut tx = env.db.begin().await?;
    jobs::insert(&mut tx.conn(), &work, env.clock.now()).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(counts([("providers", u64::try_from(work.len()).unwrap_or(0))]))
}
