//! What a provider's price buys here.

use serde_json::json;

use crate::{
    domain::{
        ids::TierId,
        payment::{BillingInterval, Provider, TierPrice},
    },
    platform::env::Env,
    services::{activity::note, payments},
    store::{StoreError, catalogue, prices},
};

/// The longest id of a price.
pub const LONGEST_PRICE_ID: usize = 200;
/// The most prices of one tier.
pub const MOST_PRICES: usize = 50;

/// Why prices do not change.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// There is no such tier.
    #[error("there is no such tier")]
    TierUnknown,
    /// Not an id that a provider gives.
    #[error("the id of a price has 1 to {LONGEST_PRICE_ID} visible characters of ASCII")]
    BadId,
    /// Too many, or one of them twice.
    #[error("a tier has at most {MOST_PRICES} prices, each of them once")]
    BadList,
    /// A price buys one tier.
    #[error("{0} buys another tier; take it away there first")]
    Taken(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A price to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPrice {
    /// Who takes the money.
    pub provider: Provider,
    /// The provider's id.
    pub price_id: String,
    /// How often it is paid.
    pub interval: BillingInterval,
}

/// Returns all prices, sorted by tier.
pub async fn list(env: &Env) -> Result<Vec<TierPrice>, StoreError> {
    let mut reader = env.db.reader().await?;
    prices::list(&mut reader.conn()).await
}

/// Sets the prices of a tier, instead of those it has. What was bought stays bought. Events that
/// wait for one of the new prices are tried again.
pub async fn set(env: &Env, tier: &TierId, new: &[NewPrice], actor: &str) -> Result<Vec<TierPrice>, PriceError> {
    let is_id = |id: &str| (1..=LONGEST_PRICE_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if !new.iter().all(|price| is_id(&price.price_id)) {
        return Err(PriceError::BadId);
    }
    let is_twice = |(at, price): (usize, &NewPrice)| {
        new[..at].iter().any(|other| (other.provider, &other.price_id) == (price.provider, &price.price_id))
    };
    if new.len() > MOST_PRICES || new.iter().enumerate().any(is_twice) {
        return Err(PriceError::BadList);
    }
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if !catalogue::tiers(conn).await?.iter().any(|known| known.id == *tier) {
        return Err(PriceError::TierUnknown);
    }
    let mut before: Vec<_> = prices::list(conn).await?.into_iter().filter(|price| price.tier == *tier).collect();
    before.sort();
    prices::delete_all(conn, tier).await?;
    let mut after = Vec::with_capacity(new.len());
    for NewPrice { provider, price_id, interval } in new {
        let price =
            TierPrice { provider: *provider, price_id: price_id.clone(), tier: tier.clone(), interval: *interval };
        if !prices::insert(conn, &price, now).await? {
            return Err(PriceError::Taken(price.price_id));
        }
        payments::try_waiting(env, conn, *provider, &[payments::waits_for_price(price_id)]).await?;
        after.push(price);
    }
    after.sort();
    let shown = |prices: &[TierPrice]| -> Vec<_> {
        let shown = |price: &TierPrice| json!({ "provider": price.provider, "price_id": price.price_id, "interval": price.interval });
        prices.iter().map(shown).collect()
    };
    if before != after {
        let details = json!({ "tier": tier, "before": shown(&before), "after": shown(&after) });
        note(env, conn, (actor, None), None, "prices_changed", details).await?;
    }
    tx.commit().await?;
    env.wake_workers();
    Ok(after)
}
