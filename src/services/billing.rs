//! Buying at a provider, and managing there what was bought: the member is sent to a page of the
//! provider's. What comes of it is told by the provider's events, which
//! [`payments`](crate::services::payments) takes in; nothing here gives access.

use std::{fmt::Write, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use url::Url;

use crate::{
    domain::{
        catalogue::Catalogue,
        ids::TierId,
        login::Allowance,
        payment::{BillingInterval, Provider, TierPrice},
        referral::ReferralState,
        subscription::{Subscription, SubscriptionStatus},
        user::User,
    },
    platform::{
        env::Env,
        keys::hash_token,
        payment_providers::{self, CheckoutRequest, ProviderError},
    },
    services::{Origin, catalogue},
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        payments, prices, privacy,
        rate_limits::{self, Counted},
        referrals, subscriptions,
    },
};

/// Pages of providers that one member may ask for: each is a question to somebody who limits ours.
const PAGES_PER_MEMBER: Allowance = Allowance { name: "billing_member", count: 20, window: TimeDelta::hours(1) };
/// How long the same wish leads to the same checkout: a double click makes one, and when a provider
/// failed, whose answer is then kept with the key, the next minute's try is a new one.
const SAME_WISH_SECONDS: i64 = 60;
/// How long to wait before Stripe is asked again that is still answering the first of two clicks.
const PAUSES: [Duration; 3] = [Duration::from_millis(150), Duration::from_millis(600), Duration::from_millis(2_000)];

/// Why a member is not sent to a provider.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// The tier has no such price, or is not on offer.
    #[error("that is not for sale")]
    NotForSale,
    /// Two subscriptions would be paid for one access; the one that is there is changed instead.
    #[error("there is a subscription already")]
    AlreadySubscribed,
    /// The account is to be deleted: nobody could answer for what would be bought.
    #[error("the account is to be deleted; keep it first")]
    Leaving,
    /// It has a price, but there is no key to the API of whoever sells it.
    #[error("no payment provider is set up for this")]
    NoProvider,
    /// No provider knows the member.
    #[error("nothing was bought yet")]
    NoCustomer,
    /// Too many pages were asked for.
    #[error("too many pages were asked for; the next is possible at {until}")]
    TooMany {
        /// When the next is possible.
        until: DateTime<Utc>,
    },
    /// The provider gave no page. Nothing was bought, and nothing here has changed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page of a provider's, to which a member is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPage {
    /// Whose.
    pub provider: Provider,
    /// Where. It is good for whoever has it.
    pub url: Url,
}

/// Makes a page on which a member can subscribe to a tier, at that provider or at the first that
/// sells it.
pub async fn checkout(
    env: &Env,
    user: &User,
    tier: &TierId,
    interval: BillingInterval,
    provider: Option<Provider>,
    origin: &Origin,
) -> Result<ProviderPage, BillingError> {
    let now = env.clock.now();
    let catalogue = catalogue::current(env).await?;
    if !catalogue.tier(tier).is_some_and(|tier| tier.active) {
        return Err(BillingError::NotForSale);
    }
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    if privacy::leaving(conn, user.id).await?.is_some() {
        return Err(BillingError::Leaving);
    }
    if open_subscription(conn, user, now).await?.is_some() {
        return Err(BillingError::AlreadySubscribed);
    }
    let mut offered = prices::list(conn).await?;
    offered.retain(|price| price.tier == *tier && price.interval == interval);
    offered.retain(|price| provider.is_none_or(|provider| price.provider == provider));
    let price = choose(env, &offered)?;
    let customers = payments::customers_of(conn, user.id).await?;
    drop(reader);
    let customer = customers.iter().find(|(provider, _)| *provider == price.provider).map(|(_, id)| id.as_str());
    count(env, user, now).await?;

    let public_url = &env.config.server.public_url;
    let (success_url, cancel_url) = (format!("{public_url}/billing/done"), format!("{public_url}/pricing"));
    let user_id = user.id.to_string();
    let mut request = CheckoutRequest {
        price_id: &price.price_id,
        user_id: &user_id,
        email: user.email.as_deref(),
        customer,
        success_url: &success_url,
        cancel_url: &cancel_url,
        idempotency_key: "",
        lang: origin.lang.tag(),
    };
    let key = idempotency_key(&request, now);
    request.idempotency_key = &key;
    // No transaction is open here: a slow provider holds up nobody else.
    let url = patiently(env, price.provider, &request).await?;

    let mut tx = env.db.begin().await?;
    let address = origin.address.to_string();
    let line = NewActivity {
        id: env.random.id(now),
        user: Some(user.id),
        actor: &user.label(),
        action: "checkout_started",
        details: json!({
            "provider": price.provider, "tier": tier, "interval": interval, "price_id": price.price_id,
        }),
        ip_address: Some(&address),
        user_agent: Some(&origin.user_agent),
    };
    activity::insert(&mut tx.conn(), &line, now).await?;
    tx.commit().await?;
    Ok(ProviderPage { provider: price.provider, url })
}

/// Makes a page on which a member can manage what they bought.
pub async fn portal(env: &Env, user: &User) -> Result<ProviderPage, BillingError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let subscription = open_subscription(conn, user, now).await?;
    let customers = payments::customers_of(conn, user.id).await?;
    drop(reader);
    let (provider, customer) = customer_to_manage(env, subscription.as_ref(), &customers)?;
    count(env, user, now).await?;
    let return_url = format!("{}/settings", env.config.server.public_url);
    let url = payment_providers::create_portal(&env.config.payments, provider, customer, &return_url).await?;
    let mut tx = env.db.begin().await?;
    let by = (&*user.label(), None);
    let details = json!({ "provider": provider });
    crate::services::activity::note(env, &mut tx.conn(), by, Some(user.id), "portal_opened", details).await?;
    tx.commit().await?;
    Ok(ProviderPage { provider, url })
}

/// What a visitor can buy, and what they have.
#[derive(Debug, Clone, Default)]
pub struct Shop {
    /// What has a price at a provider that can be asked.
    pub for_sale: Vec<(TierId, BillingInterval)>,
    /// What they have.
    pub billing: Billing,
    /// Whether they came by an invitation that has brought nothing yet: their first payment does.
    pub is_invited: bool,
}

impl Shop {
    /// Returns whether a tier can be bought for so long.
    pub fn sells(&self, tier: &TierId, interval: BillingInterval) -> bool {
        self.for_sale.iter().any(|(sold, at)| (sold, *at) == (tier, interval))
    }
}

/// A member's subscription, and whether it can be managed.
#[derive(Debug, Clone, Default)]
pub struct Billing {
    /// The one that is open.
    pub held: Option<Held>,
    /// Whether a provider would open a page on which to manage what was bought.
    pub can_manage: bool,
}

/// A subscription that is open.
#[derive(Debug, Clone)]
pub struct Held {
    /// The subscription.
    pub subscription: Subscription,
    /// The name of its tier.
    pub tier_name: String,
    /// Until when it gives access, as people are told; nothing when it gives none, or no end is known.
    pub access_until: Option<DateTime<Utc>>,
}

/// Returns what there is to buy for a member, or for a stranger.
pub async fn shop(env: &Env, catalogue: &Catalogue, member: Option<&User>) -> Result<Shop, StoreError> {
    let sells = Provider::ALL.into_iter().any(|provider| env.can_ask(provider));
    if !sells && member.is_none() {
        return Ok(Shop::default());
    }
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let mut for_sale: Vec<_> = prices::list(conn)
        .await?
        .into_iter()
        .filter(|price| env.can_ask(price.provider))
        .map(|price| (price.tier, price.interval))
        .collect();
    for_sale.dedup();
    let Some(member) = member else { return Ok(Shop { for_sale, ..Shop::default() }) };
    let referral = referrals::find_by_referred(conn, member.id).await?;
    Ok(Shop {
        for_sale,
        billing: billing(env, conn, catalogue, member).await?,
        is_invited: referral.is_some_and(|referral| referral.state() == ReferralState::Pending),
    })
}

/// Returns what a member has bought.
pub(super) async fn billing(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    member: &User,
) -> Result<Billing, StoreError> {
    let subscription = open_subscription(conn, member, env.clock.now()).await?;
    let customers = payments::customers_of(conn, member.id).await?;
    let can_manage = customer_to_manage(env, subscription.as_ref(), &customers).is_ok();
    let grace = TimeDelta::days(catalogue.settings.past_due_grace_days);
    let held = subscription.map(|subscription| Held {
        tier_name: catalogue.tier_name(&subscription.tier),
        access_until: subscription.lasts(grace).and_then(|lasts| lasts.expires_at),
        subscription,
    });
    Ok(Billing { held, can_manage })
}

/// Returns the subscription of a member that stands in the way of another: the one that gives
/// access, or would again once it is paid or goes on.
async fn open_subscription(
    conn: &mut Conn<'_>,
    user: &User,
    now: DateTime<Utc>,
) -> Result<Option<Subscription>, StoreError> {
    let mut all = subscriptions::list_by_user(conn, user.id).await?;
    all.retain(|subscription| is_open(subscription, now));
    // What is paid before what waits for somebody.
    all.sort_by_key(|subscription| match subscription.status {
        SubscriptionStatus::Active | SubscriptionStatus::Trialing => 0,
        _ => 1,
    });
    Ok(all.into_iter().next())
}

fn is_open(subscription: &Subscription, now: DateTime<Utc>) -> bool {
    match subscription.status {
        // Nothing was paid: it may be begun anew.
        SubscriptionStatus::Incomplete | SubscriptionStatus::Ended => false,
        SubscriptionStatus::PastDue | SubscriptionStatus::Paused => true,
        // Without a word from the provider for so long it is over, as far as we know. Nobody is to
        // be kept from buying by one that a provider's sandbox once sold.
        SubscriptionStatus::Trialing | SubscriptionStatus::Active => {
            let lasts = subscription.lasts(TimeDelta::zero());
            lasts.is_some_and(|lasts| lasts.ends_at.is_none_or(|end| end > now))
        }
    }
}

/// Returns what is sold where several providers, or prices of one, would do: what the first of the
/// providers sells that can be asked. Of its prices the one with the greatest id, which is the
/// newest where ids grow with time, as Stripe's and Paddle's do: an older price stays in the list
/// for those who bought it.
fn choose<'a>(env: &Env, offered: &'a [TierPrice]) -> Result<&'a TierPrice, BillingError> {
    if offered.is_empty() {
        return Err(BillingError::NotForSale);
    }
    let provider = Provider::ALL
        .into_iter()
        .find(|provider| env.can_ask(*provider) && offered.iter().any(|price| price.provider == *provider));
    let sold = offered.iter().filter(|price| Some(price.provider) == provider);
    sold.max_by_key(|price| &price.price_id).ok_or(BillingError::NoProvider)
}

/// Returns as whom a member is known where they have something to manage: where their subscription
/// is, else where they became a customer last.
fn customer_to_manage<'a>(
    env: &Env,
    subscription: Option<&Subscription>,
    customers: &'a [(Provider, String)],
) -> Result<(Provider, &'a str), BillingError> {
    let where_it_is = |provider: &Provider| subscription.is_none_or(|subscription| subscription.provider == *provider);
    let mut known = customers.iter().filter(|(provider, _)| where_it_is(provider)).peekable();
    if known.peek().is_none() {
        return Err(BillingError::NoCustomer);
    }
    let found = known.find(|(provider, _)| env.can_ask(*provider)).ok_or(BillingError::NoProvider)?;
    Ok((found.0, &found.1))
}

/// Counts one more page for a member.
async fn count(env: &Env, user: &User, now: DateTime<Utc>) -> Result<(), BillingError> {
    let mut tx = env.db.begin().await?;
    let counted = rate_limits::count(&mut tx.conn(), PAGES_PER_MEMBER, &user.id.to_string(), now).await?;
    tx.commit().await?;
    match counted {
        Counted::Allowed => Ok(()),
        Counted::RefusedUntil(until) => Err(BillingError::TooMany { until }),
    }
}

/// Returns the same key for the same wish within a minute. Everything that is asked enters it, as
/// Stripe refuses another question under a known key.
fn idempotency_key(request: &CheckoutRequest<'_>, now: DateTime<Utc>) -> String {
    let minute = now.timestamp().div_euclid(SAME_WISH_SECONDS);
    let wish = json!([
        request.price_id,
        request.user_id,
        request.email,
        request.customer,
        request.success_url,
        request.cancel_url,
        request.lang,
        minute,
    ]);
    let mut key = "checkout-".to_owned();
    for byte in hash_token(wish.to_string().as_bytes()) {
        write!(key, "{byte:02x}").expect("a string takes all that is written");
    }
    key
}

/// Asks for a checkout, and again while the provider is busy with the same wish: of two clicks, a
/// browser shows what the second brings.
async fn patiently(env: &Env, provider: Provider, request: &CheckoutRequest<'_>) -> Result<Url, ProviderError> {
    let is_busy = |error: &ProviderError| matches!(error, ProviderError::Refused { code, .. } if code == "idempotency_key_in_use");
    for pause in PAUSES {
        match payment_providers::create_checkout(&env.config.payments, provider, request).await {
            Err(error) if is_busy(&error) => tokio::time::sleep(pause).await,
            answer => return answer,
        }
    }
    payment_providers::create_checkout(&env.config.payments, provider, request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_wish_has_the_same_key_for_a_minute() {
        let request = CheckoutRequest {
            price_id: "price_1",
            user_id: "ann",
            email: Some("ann@example.com"),
            customer: None,
            success_url: "https://members.example.com/billing/done",
            cancel_url: "https://members.example.com/pricing",
            idempotency_key: "",
            lang: "en",
        };
        let begin = DateTime::from_timestamp(1_796_126_400, 0).expect("in range");
        let key =
            |request: &CheckoutRequest<'_>, seconds| idempotency_key(request, begin + TimeDelta::seconds(seconds));
        assert_eq!(key(&request, 0), key(&request, 59));
        let others = [
            key(&request, 60),
            key(&CheckoutRequest { price_id: "price_2", ..request }, 0),
            key(&CheckoutRequest { user_id: "bea", ..request }, 0),
            key(&CheckoutRequest { email: None, ..request }, 0),
            key(&CheckoutRequest { customer: Some("cus_1"), ..request }, 0),
            key(&CheckoutRequest { success_url: "", ..request }, 0),
            key(&CheckoutRequest { cancel_url: "", ..request }, 0),
            key(&CheckoutRequest { lang: "de", ..request }, 0),
        ];
        for other in others {
            assert_ne!(other, key(&request, 0));
            assert!(other.len() <= 255 - "-anew".len(), "Stripe takes 255 characters");
        }
    }
}
