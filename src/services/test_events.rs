//! Test events: an admin lets us play a provider, and sees the whole way of an event work.
//!
//! The event is signed with the configured secret and sent over HTTP to our own endpoint, so it is
//! believed for no other reason than a provider's would be. It does what a real one does; therefore
//! it is marked in itself, and the log says who sent it.

use serde_json::json;

use crate::{
    domain::{
        ids::{PaymentEventId, TierId, UserId},
        payment::{
            BillingInterval, Provider, TierPrice,
            samples::{Happening, TestSubscription, period_end},
        },
        subscription::{Subscription, SubscriptionStatus},
    },
    platform::{
        env::Env,
        own_door::{self, DoorAnswer, NobodyOpens},
    },
    services::prices::{self, NewPrice, PriceError},
    store::{
        StoreError,
        activity::{self, NewActivity},
        payments::{self, StoredEvent},
        subscriptions,
    },
    webhooks::signature,
};

/// How far back the events that came of it are looked for.
const LATEST: i64 = 100;

/// What shall be told.
#[derive(Debug, Clone)]
pub struct TestEvent {
    /// As whom.
    pub provider: Provider,
    /// Of which member.
    pub user: UserId,
    /// Which tier they subscribe to. What happens later is about the tier that they have then.
    pub tier: TierId,
    /// What happens.
    pub happening: Happening,
    /// Whether a price is made where the tier has none at this provider.
    pub make_price: bool,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum TestEventError {
    /// There is no secret to sign with.
    #[error("{} has no webhook secret", .0.name())]
    NoSecret(Provider),
    /// The tier has no price at this provider, and none was to be made.
    #[error("the tier has no price there")]
    NoPrice,
    /// The price cannot be made.
    #[error(transparent)]
    Price(PriceError),
    /// There is no test subscription to which it could happen.
    #[error("there is no test subscription to which it could happen")]
    NothingBegun,
    /// Our own endpoint was not reached.
    #[error(transparent)]
    NobodyOpens(#[from] NobodyOpens),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An event that was sent, and what came of it.
#[derive(Debug, Clone)]
pub struct SentEvent {
    /// The provider's word for it.
    pub event_type: &'static str,
    /// What our endpoint answered.
    pub answer: DoorAnswer,
    /// The event in the inbox, if it was taken in.
    pub stored: Option<StoredEvent>,
}

/// Returns the providers for which there is a secret to sign with.
pub fn available(env: &Env) -> Vec<Provider> {
    Provider::ALL.into_iter().filter(|provider| !env.webhook_secrets(*provider).is_empty()).collect()
}

/// Returns the id of the price that is made where a tier has none.
pub fn price_of(tier: &TierId) -> String {
    format!("price_test_{tier}")
}

/// Sends what a provider would send when something happens, and returns what came of it.
pub async fn send(env: &Env, event: &TestEvent, actor: &str) -> Result<Vec<SentEvent>, TestEventError> {
    let secret = *env.webhook_secrets(event.provider).first().ok_or(TestEventError::NoSecret(event.provider))?;
    let subscription = subscription(env, event, actor).await?;
    let now = env.clock.now();
    // Ids of one moment sort by their time: of two events of one second the later one is the newer.
    let key = env.random.id::<PaymentEventId>(now).to_string().replace('-', "");
    let samples = subscription.tell(event.happening, now, &key);
    let ids: Vec<_> = samples.iter().map(|sample| sample.event_id.clone()).collect();
    note(env, event, &subscription, &ids, actor).await?;
    let path = format!("/webhooks/{}", event.provider);
    let mut sent = Vec::with_capacity(samples.len());
    for sample in samples {
        let signed = signature::sign(event.provider, secret, &sample.event_id, env.clock.now(), sample.body.as_bytes());
        let answer = own_door::knock(&env.config.server, &path, &signed, sample.body).await?;
        sent.push(SentEvent { event_type: sample.event_type, answer, stored: None });
    }
    let mut reader = env.db.reader().await?;
    let latest = payments::list_events(&mut reader.conn(), None, None, LATEST).await?;
    for (sent, id) in sent.iter_mut().zip(&ids) {
        sent.stored = latest.iter().find(|stored| stored.provider == event.provider && stored.event_id == *id).cloned();
    }
    Ok(sent)
}

/// Returns the test subscription to which it happens: a new one for who subscribes, else the newest.
async fn subscription(env: &Env, event: &TestEvent, actor: &str) -> Result<TestSubscription, TestEventError> {
    let mut reader = env.db.reader().await?;
    let all = subscriptions::list_by_user(&mut reader.conn(), event.user).await?;
    drop(reader);
    let number = |known: &Subscription| {
        TestSubscription::number_of(event.user, &known.provider_id).filter(|_| known.provider == event.provider)
    };
    let newest = all.iter().filter_map(|known| Some((number(known)?, known))).max_by_key(|(number, _)| *number);
    let now = env.clock.now();
    if event.happening == Happening::Subscribes {
        let TierPrice { price_id, interval, .. } = price(env, event, &event.tier, None, actor).await?;
        return Ok(TestSubscription {
            provider: event.provider,
            user: event.user,
            number: newest.map_or(1, |(number, _)| number.saturating_add(1)),
            price_id,
            interval,
            started_at: now,
            period_end: period_end(now, interval),
        });
    }
    let (number, known) = newest.ok_or(TestEventError::NothingBegun)?;
    let is_over = known.status == SubscriptionStatus::Ended;
    if is_over && event.happening != Happening::Refunded {
        return Err(TestEventError::NothingBegun);
    }
    let price_id = match event.happening {
        // Nobody asks for the price of what goes back.
        Happening::Refunded => price_of(&known.tier),
        _ => price(env, event, &known.tier, Some(known.interval), actor).await?.price_id,
    };
    let until = known.period_end.unwrap_or(now);
    Ok(TestSubscription {
        provider: event.provider,
        user: event.user,
        number,
        price_id,
        interval: known.interval,
        started_at: known.started_at,
        period_end: match event.happening {
            Happening::Renews => period_end(until.max(now), known.interval),
            _ => until,
        },
    })
}

/// Returns a price of the tier at the provider, of that interval if one is named; if there is none,
/// one is made.
async fn price(
    env: &Env,
    event: &TestEvent,
    tier: &TierId,
    interval: Option<BillingInterval>,
    actor: &str,
) -> Result<TierPrice, TestEventError> {
    let mut known: Vec<_> = prices::list(env).await?.into_iter().filter(|price| price.tier == *tier).collect();
    let fits = |price: &&TierPrice| {
        price.provider == event.provider && interval.is_none_or(|interval| price.interval == interval)
    };
    if let Some(price) = known.iter().filter(fits).min_by_key(|price| (price.interval, price.price_id.clone())) {
        return Ok(price.clone());
    }
    if !event.make_price {
        return Err(TestEventError::NoPrice);
    }
    let made = TierPrice {
        provider: event.provider,
        price_id: price_of(tier),
        tier: tier.clone(),
        interval: interval.unwrap_or(BillingInterval::Month),
    };
    known.retain(|price| (price.provider, &price.price_id) != (made.provider, &made.price_id));
    known.push(made.clone());
    let all: Vec<_> = known
        .into_iter()
        .map(|TierPrice { provider, price_id, interval, .. }| NewPrice { provider, price_id, interval })
        .collect();
    match prices::set(env, tier, &all, actor).await {
        Ok(_) => Ok(made),
        Err(PriceError::Store(error)) => Err(error.into()),
        Err(error) => Err(TestEventError::Price(error)),
    }
}

/// Writes down who lets us play a provider, before it is done.
async fn note(
    env: &Env,
    event: &TestEvent,
    subscription: &TestSubscription,
    ids: &[String],
    actor: &str,
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let line = NewActivity {
        id: env.random.id(now),
        user: Some(event.user),
        actor,
        action: "test_event_sent",
        details: json!({
            "provider": event.provider,
            "happening": event.happening.as_str(),
            "subscription": subscription.id(),
            "events": ids,
        }),
        ip_address: None,
        user_agent: None,
    };
    activity::insert(&mut tx.conn(), &line, now).await?;
    tx.commit().await
}
