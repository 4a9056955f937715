//! Limits of one member's own, which an admin sets with a reason.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    domain::{
        entitlement::Restriction,
        event::Event,
        ids::{FeatureId, UserId},
        limit::{Cell, CellError, Limit},
        matrix::{LONGEST_REASON, check_reason},
    },
    platform::env::Env,
    services::{activity::note, catalogue, events},
    store::{StoreError, restrictions, users},
};

/// A restriction to be set.
#[derive(Debug, Clone)]
pub struct NewRestriction {
    /// Of what.
    pub feature: FeatureId,
    /// How much.
    pub limit: Limit,
    /// Why; not empty.
    pub reason: String,
    /// Until when; without, it stays.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why a restriction is not set.
#[derive(Debug, thiserror::Error)]
pub enum RestrictionError {
    /// Nobody is that.
    #[error("there is no such user")]
    UserUnknown,
    /// Nothing is that.
    #[error("there is no such feature")]
    FeatureUnknown,
    /// The feature cannot have this limit.
    #[error("the limit: {0}")]
    Limit(#[from] CellError),
    /// Empty or too long.
    #[error("a reason has 1 to {LONGEST_REASON} characters, without control characters")]
    BadReason,
    /// It would have ended already.
    #[error("the end lies ahead")]
    BadEnd,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets a restriction, over the one there may be, and returns it.
pub async fn put(env: &Env, user: UserId, new: NewRestriction, actor: &str) -> Result<Restriction, RestrictionError> {
    let now = env.clock.now();
    let reason = check_reason(&new.reason, true).ok().flatten().ok_or(RestrictionError::BadReason)?;
    if new.expires_at.is_some_and(|until| until <= now) {
        return Err(RestrictionError::BadEnd);
    }
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let feature = catalogue.feature(&new.feature).ok_or(RestrictionError::FeatureUnknown)?;
    Cell::Own(new.limit).check(feature.kind)?;
    users::lock(conn, user).await?.ok_or(RestrictionError::UserUnknown)?;
    let restriction = Restriction {
        feature: new.feature,
        limit: new.limit,
        reason,
        expires_at: new.expires_at,
        created_by: actor.to_owned(),
        updated_at: now,
    };
    restrictions::put(conn, user, &restriction).await?;
    users::touch(conn, &[user], now).await?;
    let details = json!(restriction);
    note(env, conn, (actor, None), Some(user), "restriction_set", details).await?;
    events::publish_one(env, conn, user, Event::AccessChanged, now).await?;
    tx.commit().await?;
    env.access_changed(user);
    env.wake_workers();
    Ok(restriction)
}

/// Takes a restriction away. Returns whether there was one.
pub async fn delete(env: &Env, user: UserId, feature: &FeatureId, actor: &str) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if !restrictions::delete(conn, user, feature).await? {
        return Ok(false);
    }
    users::touch(conn, &[user], now).await?;
    let details = json!({ "feature": feature });
    note(env, conn, (actor, None), Some(user), "restriction_removed", details).await?;
    events::publish_one(env, conn, user, Event::AccessChanged, now).await?;
    tx.commit().await?;
    env.access_changed(user);
    env.wake_workers();
    Ok(true)
}
