//! Giving and ending credit: days of paid access.

use chrono::{DateTime, Utc};
use serde_json::json;

pub use crate::store::credit::CreditEntry;

use crate::{
    domain::{
        credit::{MOST_DAYS, extend},
        ids::{CreditEntryId, UserId},
    },
    platform::env::Env,
    store::{
        StoreError,
        activity::{self, NewActivity},
        credit, users,
    },
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
    if !credit::insert(conn, &entry).await? {
        let first = credit::find(conn, user.id, &entry.source, &entry.source_key).await?;
        let first = first.ok_or(StoreError::Missing("credit_entries"))?;
        return Ok(Granted { entry: first, until: user.credit_until.unwrap_or(now), is_new: false });
    }
    users::set_credit_until(conn, user.id, Some(until), now).await?;
    let line = NewActivity {
        id: env.random.id(now),
        user: Some(user.id),
        actor: grant.actor,
        action: "credit_granted",
        details: json!({ "days": grant.days, "until": until, "note": grant.note }),
        ip_address: None,
        user_agent: None,
    };
    activity::insert(conn, &line, now).await?;
    tx.commit().await?;
    env.access_changed(user.id);
    Ok(Granted { entry, until, is_new: true })
}

/// Ends a member's credit now. Returns until when it would have lasted; nothing if there was none
/// left.
pub async fn revoke(env: &Env, user: UserId, actor: &str) -> Result<Option<DateTime<Utc>>, CreditError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let user = users::lock(conn, user).await?.ok_or(CreditError::NoSuchMember)?;
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
    credit::insert(conn, &entry).await?;
    users::set_credit_until(conn, user.id, None, now).await?;
    let line = NewActivity {
        id: env.random.id(now),
        user: Some(user.id),
        actor,
        action: "credit_revoked",
        details: json!({ "until": until }),
        ip_address: None,
        user_agent: None,
    };
    activity::insert(conn, &line, now).await?;
    tx.commit().await?;
    env.access_changed(user.id);
    Ok(Some(until))
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
