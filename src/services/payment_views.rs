//! Payments as admins see them: what is in the lists, with what its people are called.

use std::collections::HashMap;

use crate::{
    domain::{
        ids::{PaymentEventId, ReferralId, SubscriptionId, UserId},
        payment::{Provider, samples},
        referral::Referral,
        subscription::Subscription,
        user::User,
    },
    platform::env::Env,
    services::referrals::ListedReferral,
    store::{
        Conn, StoreError,
        payments::{self, EventState, StoredEvent},
        referrals, subscriptions, users,
    },
};

/// An event, with whom it concerns.
#[derive(Debug, Clone)]
pub struct ListedEvent {
    /// The event.
    pub event: StoredEvent,
    /// What the member is called, if the event is about one who is there.
    pub member: Option<String>,
    /// Whether an admin sent it to try things out.
    pub is_sample: bool,
}

/// A subscription, with whose it is.
#[derive(Debug, Clone)]
pub struct ListedSubscription {
    /// The subscription.
    pub subscription: Subscription,
    /// What the member is called, if the account is there.
    pub member: Option<String>,
}

async fn labels(
    conn: &mut Conn<'_>,
    ids: impl Iterator<Item = Option<UserId>>,
) -> Result<HashMap<UserId, String>, StoreError> {
    let mut ids: Vec<UserId> = ids.flatten().collect();
    ids.sort();
    ids.dedup();
    let people = users::find_all(conn, &ids).await?;
    Ok(people.iter().map(|user| (user.id, User::label(user))).collect())
}

/// Returns a page of events, the newest first, from before `before`; in one state if one is named.
pub async fn events(
    env: &Env,
    state: Option<EventState>,
    before: Option<PaymentEventId>,
    count: i64,
) -> Result<Vec<ListedEvent>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let page = payments::list_events(conn, state, before, count).await?;
    let labels = labels(conn, page.iter().map(|event| event.user)).await?;
    let listed = |event: StoredEvent| ListedEvent {
        member: event.user.and_then(|user| labels.get(&user).cloned()),
        is_sample: samples::is_sample(&event.payload),
        event,
    };
    Ok(page.into_iter().map(listed).collect())
}

/// Returns an event.
pub async fn event(env: &Env, id: PaymentEventId) -> Result<Option<ListedEvent>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(event) = payments::find_event(conn, id).await? else { return Ok(None) };
    let member = labels(conn, [event.user].into_iter()).await?.into_values().next();
    Ok(Some(ListedEvent { member, is_sample: samples::is_sample(&event.payload), event }))
}

/// Returns a page of subscriptions, the newest first, from before `before`; of one provider if one
/// is named, and without those that have ended if only open ones are asked for.
pub async fn subscriptions(
    env: &Env,
    provider: Option<Provider>,
    only_open: bool,
    before: Option<SubscriptionId>,
    count: i64,
) -> Result<Vec<ListedSubscription>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let page = subscriptions::page(conn, provider, only_open, before, count).await?;
    let labels = labels(conn, page.iter().map(|subscription| subscription.user)).await?;
    let listed = |subscription: Subscription| ListedSubscription {
        member: subscription.user.and_then(|user| labels.get(&user).cloned()),
        subscription,
    };
    Ok(page.into_iter().map(listed).collect())
}

/// Returns a page of referrals about which something looked like fraud, the newest first, from
/// before `before`.
pub async fn flagged_referrals(
    env: &Env,
    before: Option<ReferralId>,
    count: i64,
) -> Result<Vec<ListedReferral>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let page = referrals::flagged(conn, before, count).await?;
    let labels = labels(conn, page.iter().flat_map(|referral| [referral.referrer, referral.referred])).await?;
    let label = |id: Option<UserId>| id.and_then(|id| labels.get(&id).cloned());
    let listed = |referral: Referral| ListedReferral {
        referrer: label(referral.referrer),
        referred: label(referral.referred),
        referral,
    };
    Ok(page.into_iter().map(listed).collect())
}
