//! What a member may use right now, and from where.

use crate::{
    domain::{access::PaidStatus, user::User},
    platform::env::Env,
    services::catalogue,
    store::{StoreError, subscriptions},
};

/// Returns whether a gate for paying members opens for this one.
pub async fn paid_status(env: &Env, user: &User) -> Result<PaidStatus, StoreError> {
    let now = env.clock.now();
    let catalogue = catalogue::current(env).await?;
    let mut reader = env.db.reader().await?;
    let subscriptions = subscriptions::running(&mut reader.conn(), &[user.id]).await?;
    drop(reader);
    let accesses = catalogue
        .accesses(&user.tier, catalogue.holdings(user, &subscriptions), now)
        .map_err(|_| StoreError::Missing("tiers"))?;
    Ok(accesses.paid_status(now))
}
