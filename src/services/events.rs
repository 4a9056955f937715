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
use serde::Serialize;
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
    let events = events.iter().map(|(user, event)| (*user, event, once_id(*user, event)));
    deliver(env, conn, events.collect(), now).await.map(drop)
}

/// The same about what of members has ended by itself, and when. Each end is told once, however often it is seen.
/// Returns how many deliveries that left.
pub(super) async fn publish_endings(
    env: &Env,
    conn: &mut Conn<'_>,
    endings: &[(UserId, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let ended =
        |(user, at): &(UserId, DateTime<Utc>)| (*user, &Event::AccessChanged, Some(id_of(&("ended", user, at))));
    deliver(env, conn, endings.iter().map(ended).collect(), now).await
}

/// Returns whether anybody listens to a kind.
pub(super) async fn is_heard(conn: &mut Conn<'_>, kind: &str) -> Result<bool, StoreError> {
    Ok(webhooks::listening(conn).await?.iter().any(|(_, wanted)| wanted.wants(kind)))
}

/// Leaves deliveries of events about members, each with its id if it is told once for good. Returns how many.
async fn deliver(
    env: &Env,
    conn: &mut Conn<'_>,
    mut heard: Vec<(UserId, &Event, Option<String>)>,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    if heard.is_empty() {
        return Ok(0);
    }
    let listening = webhooks::listening(conn).await?;
    heard.retain(|(_, event, _)| listening.iter().any(|(_, wanted)| wanted.wants(event.kind())));
    if heard.is_empty() {
        return Ok(0);
    }
    // A row about a member holds on to theirs: in one order for all, so that nobody waits in a circle.
    heard.sort_by_key(|(user, ..)| *user);
    let members: BTreeSet<UserId> = heard.iter().map(|(user, ..)| *user).collect();
    let members: Vec<UserId> = members.into_iter().collect();
    let known: HashMap<UserId, Option<String>> =
        users::find_all(conn, &members).await?.into_iter().map(|user| (user.id, user.external_id)).collect();
    let messages: Vec<(String, UserId, &Event, String)> = heard
        .into_iter()
        .map(|(user, event, id)| {
            let external_id = known.get(&user).and_then(Option::as_deref);
            (id.unwrap_or_else(|| message_id(env, now)), user, event, payload(event, user, external_id, now))
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
                    user: known.contains_key(user).then_some(*user),
                    payload,
                });
            }
        }
    }
    let written = webhooks::insert_deliveries(conn, &deliveries, now).await?;
    queue(env, conn, &written, now).await?;
    Ok(written.len())
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

/// Returns the id of what is told once for good. That a threshold is reached is told once in a period, however often
/// units are given back and used again.
fn once_id(user: UserId, event: &Event) -> Option<String> {
    match event {
        Event::UsageLimitReached { feature, percent, limit, resets_at, .. } => {
            Some(id_of(&(user, feature, percent, limit, resets_at)))
        }
        _ => None,
    }
}

/// Returns an id that follows from what is said, by which receivers tell repetitions.
fn id_of(said: &impl Serialize) -> String {
    let hash: [u8; 32] = Sha256::digest(serde_json::to_vec(said).expect("plain values are JSON")).into();
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
