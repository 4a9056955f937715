//! What a member may use right now, and from where.

use std::collections::HashMap;

use crate::{
    domain::{access::PaidStatus, catalogue::Claims, ids::UserId, user::User},
    platform::env::Env,
    services::catalogue,
    store::{Conn, StoreError, grants, subscriptions},
};

/// Reads what members pay for or were given. Who has nothing is left out.
pub(super) async fn claims(conn: &mut Conn<'_>, users: &[UserId]) -> Result<HashMap<UserId, Claims>, StoreError> {
    let mut claims: HashMap<UserId, Claims> = HashMap::new();
    for subscription in subscriptions::running(conn, users).await? {
        if let Some(user) = subscription.user {
            claims.entry(user).or_default().subscriptions.push(subscription);
        }
    }
    for grant in grants::open(conn, users).await? {
        if let Some(user) = grant.user {
            claims.entry(user).or_default().grants.push(grant);
        }
    }
    Ok(claims)
}

/// Returns whether a gate for paying members opens for this one.
pub async fn paid_status(env: &Env, user: &User) -> Result<PaidStatus, StoreError> {
    let now = env.clock.now();
    let catalogue = catalogue::current(env).await?;
    let mut reader = env.db.reader().await?;
    let claims = claims(&mut reader.conn(), &[user.id]).await?.remove(&user.id).unwrap_or_default();
    drop(reader);
    let accesses = catalogue
        .accesses(&user.tier, catalogue.holdings(user, &claims, now), now)
        .map_err(|_| StoreError::Missing("tiers"))?;
    Ok(accesses.paid_status(now))
}
