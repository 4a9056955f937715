//! Tells apps that something of a member has ended by itself, so that who keeps answers learns when they are old.
//!
//! Nothing is written about an end: it is an instant that passes. What is looked for each time reaches back before
//! the last time, and an event about an end has one id for good, so that whoever is killed here, or does it at the
//! same time as another, has nothing told twice and leaves nothing out.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::event::Event,
    platform::env::Env,
    services::{catalogue, events},
    store::{StoreError, endings},
};

/// How far before the last success is looked: longer than a run may take.
const LOOKED_BACK: TimeDelta = TimeDelta::minutes(5);
/// Ends that are told of in one transaction.
const TOGETHER: usize = 500;

/// Tells of all that has ended since a run that ended well at `last`, and returns how many deliveries that left.
/// While nobody listens nothing is looked for.
pub async fn tell_since(env: &Env, last: DateTime<Utc>) -> Result<usize, StoreError> {
    let now = env.clock.now();
    let grace = TimeDelta::days(catalogue::current(env).await?.settings.past_due_grace_days);
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    if !events::is_heard(conn, Event::AccessChanged.kind()).await? {
        return Ok(0);
    }
    let ended = endings::list(conn, last.min(now) - LOOKED_BACK, now, grace).await?;
    drop(reader);
    let mut told = 0;
    for some in ended.chunks(TOGETHER) {
        let mut tx = env.db.begin().await?;
        told += events::publish_endings(env, &mut tx.conn(), some, now).await?;
        tx.commit().await?;
        env.wake_workers();
    }
    Ok(told)
}
