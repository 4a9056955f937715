//! Giving and ending credit: days of paid access.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

pub use crate::store::credit::CreditEntry;

use crate::{
    domain::{
        credit::{Change, MOST_DAYS, extend},
        event::Event,
        ids::{CreditEntryId, UserId},
    },
    platform::env::Env,
    services::{activity::note, events},
    store::{Conn, StoreError, credit, users},
};

/// Why credit does not change.
#[derive(Debug, thiserror::Error)]
pub enum CreditError {
    /// Nobody is that.
    #[error("there is no such member")]
    NoSuchMember,
    /// Not between 1 and [`MOST_DAYS`].
    #[error("the number of days is between 1 and {MOST_DAYS}")]
    BadDays,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The entry of the ledger; of the first run when the key had been used before.
    pub entry: CreditEntry,
    /// Until when credit lasts.
    pub until: DateTime<Utc>,
    /// Whether this run gave it; `false` when the key had been used before.
    pub is_new: bool,
}

/// Credit to be given.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// How many days, from 1 to [`MOST_DAYS`].
    pub days: i64,
    /// What makes a rerun the same grant; without it every run gives again.
    pub key: Option<&'a str>,
    /// What to remember about it.
    pub note: Option<&'a str>,
    /// Who gives.
    pub actor: &'a str,
}

/// Gives credit, counted from now or from the end of what is there.
pub async fn grant(env: &Env, user: UserId, grant: &Grant<'_>) -> Result<Granted, CreditError> {
    if !(1..=MOST_DAYS).contains(&grant.days) {
        return Err(CreditError::BadDays);
    }
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    // Two grants at once must add up: the second reads what the first has written.
    let user = users::lock(conn, user).await?.ok_or(CreditError::NoSuchMember)?;
    let now = moment(conn, user.id, now).await?;
    let until = extend(now, user.credit_until, grant.days);
    let id: CreditEntryId = env.random.id(now);
    let entry = CreditEntry {
        id,
        user_id: user.id,
        source: "admin".to_owned(),
        source_key: grant.key.map_or_else(|| id.to_string(), str::to_owned),
        days: grant.days,
        until_before: user.credit_until,
        until_after: Some(until),
        note: grant.note.map(str::to_owned),
        actor: grant.actor.to_owned(),
        created_at: now,
    };
    if !write(conn, &entry).await? {
        let first = credit::find(conn, user.id, &entry.source, &entry.source_key).await?;
        let first = first.ok_or(StoreError::Missing("credit_entries"))?;
        return Ok(Granted { entry: first, until: user.credit_until.unwrap_or(now), is_new: false });
    }
    let details = json!({ "days": grant.days, "until": until, "note": grant.note });
    note(env, conn, (grant.actor, None), Some(user.id), "credit_granted", details).await?;
    // The entry may be dated a little later than it is.
    events::publish_one(env, conn, user.id, Event::AccessChanged, env.clock.now()).await?;
    tx.commit().await?;
    env.access_changed(user.id);
    env.wake_workers();
    Ok(Granted { entry, until, is_new: true })
}

/// Ends a member's credit now. Returns until when it would have lasted; nothing if there was none
/// left.
pub async fn revoke(env: &Env, user: UserId, actor: &str) -> Result<Option<DateTime<Utc>>, CreditError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let user = users::lock(conn, user).await?.ok_or(CreditError::NoSuchMember)?;
    let now = moment(conn, user.id, now).await?;
    let Some(until) = user.credit_until.filter(|until| *until > now) else { return Ok(None) };
    let id: CreditEntryId = env.random.id(now);
    let entry = CreditEntry {
        id,
        user_id: user.id,
        source: "revoked".to_owned(),
        source_key: id.to_string(),
        days: 0,
        until_before: Some(until),
        until_after: None,
        note: None,
        actor: actor.to_owned(),
        created_at: now,
    };
    write(conn, &entry).await?;
    let details = json!({ "until": until });
    note(env, conn, (actor, None), Some(user.id), "credit_revoked", details).await?;
    // The entry may be dated a little later than it is.
    events::publish_one(env, conn, user.id, Event::AccessChanged, env.clock.now()).await?;
    tx.commit().await?;
    env.access_changed(user.id);
    env.wake_workers();
    Ok(Some(until))
}

/// Returns the time of a member's next entry, who is locked. Entries are told apart by their time:
/// one that would not be later than the newest, because it is of the same transaction or had to
/// wait for another, is a little later.
pub(super) async fn moment(conn: &mut Conn<'_>, user: UserId, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
    Ok(moments(conn, &[user], now).await?.remove(&user).unwrap_or(now))
}

/// Returns the times of the next entries of members, who are locked, see [`moment`].
pub(super) async fn moments(
    conn: &mut Conn<'_>,
    users: &[UserId],
    now: DateTime<Utc>,
) -> Result<HashMap<UserId, DateTime<Utc>>, StoreError> {
    let newest = credit::newest_at(conn, users).await?.into_iter();
    let later = newest.map(|(user, newest)| (user, now.max(newest + TimeDelta::microseconds(1))));
    Ok(users.iter().map(|user| (*user, now)).chain(later).collect())
}

/// Writes an entry and its projection, unless the same entry is there. The member is locked, and the
/// entry's time is that of [`moment`].
pub(super) async fn write(conn: &mut Conn<'_>, entry: &CreditEntry) -> Result<bool, StoreError> {
    Ok(!write_all(conn, std::slice::from_ref(entry)).await?.is_empty())
}

/// Writes an entry each for members, see [`write`], and returns the ids of those that were not there.
pub(super) async fn write_all(
    conn: &mut Conn<'_>,
    entries: &[CreditEntry],
) -> Result<HashSet<CreditEntryId>, StoreError> {
    let written: HashSet<CreditEntryId> = credit::insert_all(conn, entries).await?.into_iter().collect();
    let news = entries.iter().filter(|entry| written.contains(&entry.id));
    let until: Vec<_> = news.map(|entry| (entry.user_id, entry.until_after, entry.created_at)).collect();
    users::set_credit_until(conn, &until).await?;
    Ok(written)
}

/// Days of a referral's reward.
pub(super) const REFERRAL: &str = "referral";
/// What of them was left when the money went back.
pub(super) const REFERRAL_TAKEN_BACK: &str = "referral_taken_back";
/// The same again, when the money came back after all.
pub(super) const REFERRAL_GIVEN_BACK: &str = "referral_given_back";
/// Credit that ran beside a subscription, when that has ended.
pub(super) const SUBSCRIPTION_OVERLAP: &str = "subscription_overlap";

/// Returns the ledger as the rules of credit read it, from entries in any order. What a referral
/// gave, took back and gave again has one name: that of the referral.
pub(super) fn changes(entries: &[CreditEntry]) -> Vec<Change<'_>> {
    let mut sorted: Vec<&CreditEntry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.created_at);
    sorted
        .into_iter()
        .map(|entry| {
            let referral = entry.source_key.split('/').next().unwrap_or(&entry.source_key);
            let (name, takes_back) = match entry.source.as_str() {
                REFERRAL | REFERRAL_GIVEN_BACK => ((REFERRAL, referral), None),
                REFERRAL_TAKEN_BACK => ((REFERRAL_TAKEN_BACK, referral), Some((REFERRAL, referral))),
                source => ((source, entry.source_key.as_str()), None),
            };
            Change {
                name,
                takes_back,
                until_before: entry.until_before,
                until_after: entry.until_after,
                at: entry.created_at,
            }
        })
        .collect()
}

/// Returns a page of a member's entries, the newest first, from before `before`.
pub async fn list(
    env: &Env,
    user: UserId,
    before: Option<CreditEntryId>,
    count: i64,
) -> Result<Vec<CreditEntry>, StoreError> {
    let mut reader = env.db.reader().await?;
    credit::page(&mut reader.conn(), user, before, count).await
}
