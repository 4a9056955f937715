//! May this member do this, and why? Answered from what this node remembers.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        catalogue::Catalogue,
        entitlement::{self, Decision, Explanation, Reason, Standing},
        ids::{FeatureId, UserId},
        user::{User, UserRef},
    },
    platform::env::Env,
    services::{access, catalogue},
    store::{Conn, StoreError, restrictions, usage, users},
};

pub use crate::platform::memory::Known;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum EntitlementError {
    /// Nobody has that name.
    #[error("there is no such user")]
    UserUnknown,
    /// Nothing has that name.
    #[error("there is no such feature")]
    FeatureUnknown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns what is known of a member.
pub async fn known(env: &Env, user: UserId) -> Result<Option<Arc<Known>>, StoreError> {
    let now = env.clock.now();
    let catalogue = catalogue::current(env).await?;
    if let Some(known) = env.memory.standing(user, &catalogue, now) {
        return Ok(Some(known));
    }
    let epoch = env.memory.standing_epoch(user);
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(user) = users::find(conn, user).await? else { return Ok(None) };
    let standing = read_standing(conn, &catalogue, user, now).await?;
    Ok(Some(env.memory.remember_standing(epoch, catalogue, standing, now)))
}

/// Returns what is known of a member whom somebody outside names: by id, external id or address.
pub async fn find(env: &Env, name: &str) -> Result<Option<Arc<Known>>, StoreError> {
    let name = name.trim();
    if let Some(user) = env.memory.named(name, env.clock.now())
        && let Some(known) = known(env, user).await?
    {
        return Ok(Some(known));
    }
    match look_up(env, name).await? {
        Some(user) => known(env, user).await,
        None => Ok(None),
    }
}

/// Returns whom somebody outside names: enough for who counts, where all else is read together
/// with the counter.
pub async fn identify(env: &Env, name: &str) -> Result<Option<UserId>, StoreError> {
    let name = name.trim();
    match env.memory.named(name, env.clock.now()) {
        Some(user) => Ok(Some(user)),
        None => look_up(env, name).await,
    }
}

async fn look_up(env: &Env, name: &str) -> Result<Option<UserId>, StoreError> {
    let now = env.clock.now();
    let Some(named) = UserRef::parse(name) else { return Ok(None) };
    let epoch = env.memory.names_epoch();
    let mut reader = env.db.reader().await?;
    let Some(user) = users::find_by_ref(&mut reader.conn(), &named).await? else { return Ok(None) };
    env.memory.remember_name(epoch, name, user.id, now);
    Ok(Some(user.id))
}

/// Reads everything about a member that decisions depend on.
pub(super) async fn read_standing(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: User,
    now: DateTime<Utc>,
) -> Result<Standing, StoreError> {
    let restrictions = restrictions::list(conn, &[user.id]).await?;
    let periods = catalogue.periods(user.created_at, now);
    let mut starts: Vec<_> = periods.into_iter().map(|period| period.start).collect();
    starts.sort();
    starts.dedup();
    let used = usage::used(conn, user.id, &starts).await?;
    let held = usage::held(conn, user.id, now).await?;
    let restrictions = restrictions.into_iter().map(|(_, restriction)| restriction).collect();
    let claims = access::claims(conn, &[user.id]).await?.remove(&user.id).unwrap_or_default();
    Standing::new(catalogue, user, &claims, restrictions, used, held, now).map_err(|_| StoreError::Missing("tiers"))
}

/// Decides whether a member may use so much of a feature.
pub async fn check(env: &Env, name: &str, feature: &FeatureId, amount: i64) -> Result<Decision, EntitlementError> {
    let known = find(env, name).await?.ok_or(EntitlementError::UserUnknown)?;
    let feature = known.catalogue.feature(feature).ok_or(EntitlementError::FeatureUnknown)?;
    Ok(entitlement::decide_about(&known.catalogue, &known.standing, feature, amount, env.clock.now()))
}

/// Decides, where somebody or something unknown is an answer, too.
pub async fn decide(env: &Env, name: &str, feature: &FeatureId, amount: i64) -> Result<Decision, StoreError> {
    match find(env, name).await? {
        Some(known) => Ok(entitlement::decide(&known.catalogue, &known.standing, feature, amount, env.clock.now())),
        None => Ok(Decision::unknown(None, feature.clone(), amount, Reason::UserUnknown)),
    }
}

/// Decides about one unit of every feature, in their order.
pub fn entitlements(known: &Known, now: DateTime<Utc>) -> Vec<Decision> {
    let features = known.catalogue.features().iter();
    features.map(|feature| entitlement::decide_about(&known.catalogue, &known.standing, feature, 1, now)).collect()
}

/// Decides and tells every layer that was looked at. It reads the database, not the memory: who
/// asks why wants to know what is true now.
pub async fn explain(env: &Env, name: &str, feature: &FeatureId, amount: i64) -> Result<Explanation, EntitlementError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let feature = catalogue.feature(feature).ok_or(EntitlementError::FeatureUnknown)?;
    let named = UserRef::parse(name).ok_or(EntitlementError::UserUnknown)?;
    let user = users::find_by_ref(conn, &named).await?.ok_or(EntitlementError::UserUnknown)?;
    let standing = read_standing(conn, &catalogue, user, now).await?;
    Ok(entitlement::explain(&catalogue, &standing, feature, amount, now))
}

/// What a member may use, with the reasons.
#[derive(Debug)]
pub struct Entitlements {
    /// The configuration.
    pub catalogue: Arc<Catalogue>,
    /// What is known of the member.
    pub standing: Standing,
    /// A decision about one unit of every feature, in their order, with every layer that was
    /// looked at.
    pub explanations: Vec<Explanation>,
}

/// Decides about one unit of every feature and tells why; nothing if nobody is that. Like
/// [`explain`] it reads the database.
pub async fn explain_all(env: &Env, user: UserId) -> Result<Option<Entitlements>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let Some(user) = users::find(conn, user).await? else { return Ok(None) };
    let standing = read_standing(conn, &catalogue, user, now).await?;
    let features = catalogue.features().iter();
    let explanations = features.map(|feature| entitlement::explain(&catalogue, &standing, feature, 1, now)).collect();
    Ok(Some(Entitlements { catalogue, standing, explanations }))
}
