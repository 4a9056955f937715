//! What is left to do about payments: events that could not be applied, rewards whose time has
//! come, and asking the providers.

use chrono::{DateTime, NaiveTime, Utc};

use crate::{
    domain::{
        ids::{JobId, PaymentEventId, uuid_v7},
        payment::Provider,
    },
    jobs::runner::JobError,
    platform::env::Env,
    services::{
        payments::{self, MOST_ATTEMPTS, Tried},
        subscriptions::{self, AskError},
    },
    store::{
        StoreError,
        jobs::{self, Work},
    },
};

/// When the providers are asked every day (UTC): most people are asleep somewhere else.
const ASKED_AT: NaiveTime = NaiveTime::from_hms_opt(3, 30, 0).expect("a time of day");

/// Tries an event again that could not be applied.
pub(super) async fn apply(env: &Env, event: PaymentEventId, attempt: i64) -> Result<(), JobError> {
    let is_last = attempt >= MOST_ATTEMPTS;
    payments::look_up_invoice(env, event).await?;
    match payments::try_again(env, event, is_last).await? {
        Tried::Settled | Tried::Unknown => Ok(()),
        Tried::Failed(problem) if is_last => Err(JobError::GiveUp(problem)),
        Tried::Failed(problem) => Err(JobError::Retry(problem)),
    }
}

/// Asks a provider how a subscription stands.
pub(super) async fn refresh(env: &Env, provider: Provider, subscription: &str) -> Result<(), JobError> {
    subscriptions::refresh(env, provider, subscription).await.map(|_| ()).map_err(job_error)
}

/// Asks a provider how some of the subscriptions stand, and leaves the rest to another job.
pub(super) async fn reconcile(env: &Env, provider: Provider, after: Option<&str>) -> Result<(), JobError> {
    let page = subscriptions::reconcile(env, provider, after).await.map_err(job_error)?;
    for difference in &page.differences {
        tracing::warn!(%provider, %difference, "a subscription was not as the provider says");
    }
    if let Some(after) = page.next {
        let now = env.clock.now();
        let mut tx = env.db.begin().await?;
        let work = Work::ReconcileSubscriptions { provider, after: Some(after) };
        jobs::insert(&mut tx.conn(), &[(env.random.id(now), work)], now).await?;
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

/// Has the providers asked once a day, by whichever node comes first: the job of a day has the same
/// id everywhere.
pub(super) async fn schedule(env: &Env) -> Result<(), StoreError> {
    let now = env.clock.now();
    let due: DateTime<Utc> = now.date_naive().and_time(ASKED_AT).and_utc();
    if now < due {
        return Ok(());
    }
    let asked = Provider::ALL.into_iter().enumerate().filter(|(_, provider)| env.can_ask(*provider));
    let work: Vec<(JobId, Work)> = asked
        .map(|(number, provider)| {
            let id = uuid_v7(due, [u8::try_from(number).unwrap_or(0); 10]).into();
            (id, Work::ReconcileSubscriptions { provider, after: None })
        })
        .collect();
    let mut tx = env.db.begin().await?;
    jobs::insert(&mut tx.conn(), &work, now).await?;
    tx.commit().await
}
