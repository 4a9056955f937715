//! What happened is told to the apps that want to hear of it.
//!
//! A delivery to each of them, and the job that makes it, are written in the transaction in which it
//! happens: what is rolled back is told to nobody, and what is committed is told to everybody, if
//! need be hours later. While nobody listens this costs one look at an empty table.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write,
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{
    domain::{
        event::Event,
        ids::{JobId, UserId, WebhookDeliveryId},
        webhook::payload,
    },
    platform::env::Env,
    store::{
        Conn, StoreError,
        jobs::{self, Work},
        users,
        webhooks::{self, NewDelivery},
    },
};

/// Leaves deliveries of what happened to members. Call [`Env::wake_workers`] after the commit.
pub(super) async fn publish(
    env: &Env,
    conn: &mut Conn<'_>,
    events: &[(UserId, Event)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let listening = webhooks::listening(conn).await?;
    let is_heard = |event: &Event| listening.iter().any(|(_, wanted)| wanted.wants(event.kind()));
    let mut heard: Vec<&(UserId, Event)> = events.iter().filter(|(_, event)| is_heard(event)).collect();
    if heard.is_empty() {
        return Ok(());
    }
    // A row about a member holds on to theirs: in one order for all, so that nobody waits in a circle.
    heard.sort_by_key(|(user, _)| *user);
    let members: BTreeSet<UserId> = heard.iter().map(|(user, _)| *user).collect();
    let members: Vec<UserId> = members.into_iter().collect();
    let known: HashMap<UserId, Option<String>> =
        users::find_all(conn, &members).await?.into_iter().map(|user| (user.id, user.external_id)).collect();
    let messages: Vec<(String, &UserId, &Event, String)> = heard
        .into_iter()
        .map(|(user, event)| {
            let external_id = known.get(user).and_then(Option::as_deref);
            (event_id(env, *user, event, now), user, event, payload(event, *user, external_id, now))
        })
        .collect();
    let mut deliveries = Vec::new();
    for (event_id, user, event, payload) in &messages {
        for (endpoint, wanted) in &listening {
            if wanted.wants(event.kind()) {
                deliveries.push(NewDelivery {
                    id: env.random.id(now),
                    endpoint: *endpoint,
                    event_id,
                    kind: event.kind(),
                    user: known.contains_key(user).then_some(**user),
                    payload,
                });
            }
        }
    }
    let written = webhooks::insert_deliveries(conn, &deliveries, now).await?;
    queue(env, conn, &written, now).await
}

/// Leaves deliveries of one thing that happened to a member, see [`publish`].
pub(super) async fn publish_one(
    env: &Env,
    conn: &mut Conn<'_>,
    user: UserId,
    event: Event,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    publish(env, conn, &[(user, event)], now).await
}

/// Queues the jobs that make deliveries.
pub(super) async fn queue(
    env: &Env,
    conn: &mut Conn<'_>,
    deliveries: &[WebhookDeliveryId],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let work: Vec<(JobId, Work)> =
        deliveries.iter().map(|delivery| (env.random.id(now), Work::DeliverWebhook { delivery: *delivery })).collect();
    // Both databases bound the number of values of one statement.
    for some in work.chunks(1_000) {
        jobs::insert(conn, some, now).await?;
    }
    Ok(())
}

/// Returns what receivers tell repetitions by. That a threshold is reached is told once in a period,
/// however often units are given back and used again: its id follows from what it says.
fn event_id(env: &Env, user: UserId, event: &Event, now: DateTime<Utc>) -> String {
    let Event::UsageLimitReached { feature, percent, limit, resets_at, .. } = event else {
        return message_id(env, now);
    };
    let said = serde_json::to_vec(&(user, feature, percent, limit, resets_at)).expect("plain values are JSON");
    let hash: [u8; 32] = Sha256::digest(said).into();
    let (short, _) = hash.split_at(16);
    short.iter().fold("msg_".to_owned(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// Returns a new id of a message.
pub(super) fn message_id(env: &Env, now: DateTime<Utc>) -> String {
    let id: WebhookDeliveryId = env.random.id(now);
    format!("msg_{}", id.to_string().replace('-', ""))
}
