//! Trying events again by hand, and asking the providers by hand.

use serde_json::json;

use crate::{
    domain::{ids::PaymentEventId, payment::Provider},
    platform::env::Env,
    services::{
        activity,
        payments::{self, EventState, Tried},
        subscriptions::{self, AskError, Reconciled},
    },
    store::{
        Conn, StoreError,
        jobs::{self, Work},
    },
};

/// The most dead letters that are tried in one go.
pub const MOST_AT_ONCE: i64 = 100;

/// Tries an event again at a person's word, and writes down whose. Stripe is asked first for the
/// invoice that the event lacks, if it can be.
pub async fn replay(env: &Env, id: PaymentEventId, actor: &str) -> Result<Tried, StoreError> {
    payments::look_up_invoice(env, id).await?;
    again(env, id, actor).await
}

async fn again(env: &Env, id: PaymentEventId, actor: &str) -> Result<Tried, StoreError> {
    let Some(event) = payments::event(env, id).await? else { return Ok(Tried::Unknown) };
    if matches!(event.state, EventState::Done | EventState::Ignored) {
        return Ok(Tried::Settled);
    }
    // What a job still tries goes on being tried; what was given up stays so.
    payments::try_again(env, id, event.state == EventState::Dead, Some(actor)).await
}

/// What came of trying dead letters again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Those that are applied now.
    pub applied: Vec<PaymentEventId>,
    /// Those that still cannot be, and why.
    pub failed: Vec<(PaymentEventId, String)>,
    /// Where to go on; nothing when all were tried.
    pub next: Option<PaymentEventId>,
}

/// Tries dead letters again, from before `before`: at most [`MOST_AT_ONCE`], the oldest of them
/// first, as the later ones may need what the earlier ones bring.
pub async fn replay_dead(env: &Env, before: Option<PaymentEventId>, actor: &str) -> Result<Replayed, StoreError> {
    let mut dead = payments::events(env, Some(EventState::Dead), before, MOST_AT_ONCE + 1).await?;
    let most = usize::try_from(MOST_AT_ONCE).unwrap_or(0);
    let has_more = dead.len() > most;
    dead.truncate(most);
    let mut replayed = Replayed { next: dead.last().map(|last| last.id).filter(|_| has_more), ..Replayed::default() };
    for event in dead.into_iter().rev() {
        match again(env, event.id, actor).await? {
            Tried::Settled => replayed.applied.push(event.id),
            Tried::Failed(problem) => replayed.failed.push((event.id, problem)),
            Tried::Unknown => {}
        }
    }
    Ok(replayed)
}

/// Asks a provider about the first of its subscriptions, for somebody who waits, and leaves the
/// rest to a job. What is put right by it is written as it is found; that somebody asked, at the end.
pub async fn reconcile_now(env: &Env, provider: Provider, actor: &str) -> Result<Reconciled, AskError> {
    let reconciled = subscriptions::reconcile(env, provider, None).await?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    compared(env, conn, provider, actor, (reconciled.compared, reconciled.differences.len())).await?;
    if reconciled.next.is_some() {
        let work = Work::ReconcileSubscriptions { provider, after: reconciled.next.clone() };
        jobs::insert(conn, &[(env.random.id(now), work)], now).await?;
    }
    tx.commit().await?;
    env.wake_workers();
    Ok(reconciled)
}

/// Writes down that somebody had a provider asked about all of its subscriptions: how many were compared,
/// and how many of them were different.
pub async fn note_compared(
    env: &Env,
    provider: Provider,
    actor: &str,
    counts: (usize, usize),
) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    compared(env, &mut tx.conn(), provider, actor, counts).await?;
    tx.commit().await
}

async fn compared(
    env: &Env,
    conn: &mut Conn<'_>,
    provider: Provider,
    actor: &str,
    (compared, different): (usize, usize),
) -> Result<(), StoreError> {
    let details = json!({ "provider": provider, "compared": compared, "different": different });
    activity::note(env, conn, (actor, None), None, "subscriptions_compared", details).await
}
