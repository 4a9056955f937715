//! Subscriptions: what providers say of them, what follows for the member, and whether both agree.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{
    domain::{
        access::days_between,
        activity::SYSTEM,
        catalogue::Catalogue,
        credit,
        event::Event,
        ids::{CreditEntryId, UserId},
        letter::Notice,
        payment::{Provider, TierPrice},
        settings::CreditDuringSubscription,
        subscription::{
            Moment, Snapshot, Subscription, SubscriptionChange, SubscriptionStatus, Version, cut, idle, past_due_since,
        },
        user::User,
    },
    platform::{
        env::Env,
        payment_providers::{self, Fetched, ProviderError},
    },
    services::{
        aftermath::Aftermath,
        catalogue,
        collisions::until_through,
        credits,
        payments::{Obstacle, waits_for_price},
    },
    store::{Conn, StoreError, credit::CreditEntry, jobs::Work, payments, prices, subscriptions},
};

/// A subscription as a provider says it was at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct News<'a> {
    /// Who says so.
    pub provider: Provider,
    /// How it was.
    pub snapshot: &'a Snapshot,
    /// When, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// The provider's id of the event.
    pub event_id: &'a str,
}

/// Applies what a provider says of a member's subscription. The member is locked. What is older
/// than what is known changes nothing, whatever the order of arrival; what has ended stays ended.
pub(super) async fn apply(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: &User,
    known: Option<&Subscription>,
    news: &News<'_>,
    aftermath: &mut Aftermath,
) -> Result<SubscriptionChange, Obstacle> {
    let News { provider, snapshot, occurred_at, event_id } = *news;
    let version = Version { at: occurred_at, rank: snapshot.rank, event_id: event_id.to_owned() };
    let before = known.map(|known| known.status);
    if let Some(known) = known.filter(|known| !known.is_news(&version, snapshot.status)) {
        if known.status == SubscriptionStatus::PastDue {
            correct_past_due(conn, known, news, aftermath).await?;
        }
        ask_if_tied(env, known, &version, aftermath);
        return Ok(SubscriptionChange::Changed);
    }
    if let Some(known) = known {
        ask_if_tied(env, known, &version, aftermath);
    }
    let (tier, interval) = match (bought(conn, catalogue, provider, &snapshot.prices).await?, known) {
        (Some(price), _) => (price.tier, price.interval),
        // What is over needs no price: the tier that it gave is known.
        (None, Some(known)) if snapshot.status == SubscriptionStatus::Ended => (known.tier.clone(), known.interval),
        (None, _) => return Err(unknown_price(provider, &snapshot.prices)),
    };
    let past_due_since = if snapshot.status == SubscriptionStatus::PastDue {
        past_due_since(&history_with(conn, news).await?)
    } else {
        None
    };
    let subscription = Subscription {
        id: known.map_or_else(|| env.random.id(aftermath.now), |known| known.id),
        provider,
        provider_id: snapshot.subscription.clone(),
        user: Some(user.id),
        tier,
        interval,
        status: snapshot.status,
        started_at: snapshot.started_at,
        period_end: snapshot.period_end,
        past_due_since,
        scheduled: snapshot.scheduled.clone(),
        ended_at: (snapshot.status == SubscriptionStatus::Ended).then(|| snapshot.ended_at.unwrap_or(occurred_at)),
        version,
    };
    subscriptions::put(conn, &subscription, aftermath.now).await?;
    aftermath.access_changed(user.id);
    let change = SubscriptionChange::between(before, subscription.status);
    let mut returned = TimeDelta::zero();
    if change == SubscriptionChange::Ended {
        returned = return_overlap(env, conn, catalogue, user, &subscription, aftermath).await?;
    }
    let tier_name = catalogue.tier_name(&subscription.tier);
    tell(catalogue, user, &subscription, change, &tier_name, returned, aftermath);
    Ok(change)
}

/// Writes a line into the log, and a letter where there is something to say.
fn tell(
    catalogue: &Catalogue,
    user: &User,
    subscription: &Subscription,
    change: SubscriptionChange,
    tier_name: &str,
    returned: TimeDelta,
    aftermath: &mut Aftermath,
) {
    let details = json!({
        "provider": subscription.provider,
        "subscription": subscription.provider_id,
        "tier": subscription.tier,
        "status": subscription.status,
        "period_end": subscription.period_end,
    });
    aftermath.log(Some(user.id), change.as_str(), details);
    let event = Event::SubscriptionChanged {
        subscription: subscription.provider_id.clone(),
        change: change.as_str().to_owned(),
        tier: subscription.tier.clone(),
    };
    aftermath.happened(user.id, event);
    let tier = tier_name.to_owned();
    match change {
        SubscriptionChange::Started => aftermath.write_to(user, Notice::SubscriptionStarted { tier }),
        SubscriptionChange::PastDue => {
            let grace = TimeDelta::days(catalogue.settings.past_due_grace_days);
            let until = subscription.lasts(grace).and_then(|lasts| lasts.ends_at);
            if let Some(until) = until.filter(|until| *until > aftermath.now) {
                aftermath.write_to(user, Notice::PaymentFailed { tier, until });
            }
        }
        SubscriptionChange::Ended => {
            let returned_days = whole_days(returned);
            aftermath.write_to(user, Notice::SubscriptionEnded { tier, returned_days });
        }
        SubscriptionChange::Changed | SubscriptionChange::Paused | SubscriptionChange::Resumed => {}
    }
}

/// Two events of one instant leave it open which is the newer: the provider is asked, if it can be.
fn ask_if_tied(env: &Env, known: &Subscription, version: &Version, aftermath: &mut Aftermath) {
    let is_tied = known.version.at == version.at && known.version.event_id != version.event_id;
    if is_tied && known.status != SubscriptionStatus::Ended && env.can_ask(known.provider) {
        let subscription = known.provider_id.clone();
        aftermath.queue(Work::RefreshSubscription { provider: known.provider, subscription });
    }
}

/// An event that came late may show that payment has been due for longer than was known.
async fn correct_past_due(
    conn: &mut Conn<'_>,
    known: &Subscription,
    news: &News<'_>,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    let since = past_due_since(&history_with(conn, news).await?);
    if let Some(user) = known.user.filter(|_| since != known.past_due_since) {
        subscriptions::set_past_due_since(conn, known.id, since, aftermath.now).await?;
        aftermath.access_changed(user);
    }
    Ok(())
}

/// Returns how a subscription stood at all events that are known, this one among them.
async fn history_with(conn: &mut Conn<'_>, news: &News<'_>) -> Result<Vec<Moment>, StoreError> {
    let mut history = payments::history(conn, news.provider, &news.snapshot.subscription).await?;
    let event_id = news.event_id.to_owned();
    history.push(Moment { at: news.occurred_at, event_id, status: news.snapshot.status });
    history.sort();
    Ok(history)
}

/// Returns what was bought: the price of the strongest tier, if there are several.
async fn bought(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    provider: Provider,
    price_ids: &[String],
) -> Result<Option<TierPrice>, StoreError> {
    let strength = |price: &TierPrice| catalogue.tier(&price.tier).map(|tier| tier.sort_order);
    let found = prices::find(conn, provider, price_ids).await?;
    Ok(found.into_iter().max_by(|a, b| (strength(a), b).cmp(&(strength(b), a))))
}

fn unknown_price(provider: Provider, price_ids: &[String]) -> Obstacle {
    let problem = format!(
        "no tier has any of these prices of {}: {}. Set them with `vouchsafe price set` or PUT /api/v1/tiers/ID/prices; \
         the event is then applied by itself.",
        provider.name(),
        price_ids.join(", "),
    );
    Obstacle::Lacks { waits_for: price_ids.first().map(|price| waits_for_price(price)), problem }
}

fn whole_days(span: TimeDelta) -> i64 {
    let begin = DateTime::UNIX_EPOCH;
    days_between(begin, begin + span)
}

/// Gives back the credit that ran out beside a subscription which has ended, as one entry, and
/// returns how much. Not while the subscription was halted, not what another one that has ended
/// gave back already, and not when the credit gave a stronger tier than the subscription: then it
/// was used.
async fn return_overlap(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: &User,
    subscription: &Subscription,
    aftermath: &mut Aftermath,
) -> Result<TimeDelta, StoreError> {
    let now = credits::moment(conn, user.id, aftermath.now).await?;
    let strength = |tier| catalogue.tier(tier).map(|tier| tier.sort_order);
    let settings = &catalogue.settings;
    if settings.credit_during_subscription == CreditDuringSubscription::Burns
        || strength(&settings.credit_tier) > strength(&subscription.tier)
    {
        return Ok(TimeDelta::zero());
    }
    let entries = crate::store::credit::list(conn, user.id).await?;
    if entries.is_empty() {
        return Ok(TimeDelta::zero());
    }
    let ended_at = subscription.ended_at.unwrap_or(now).min(now);
    let whole = (subscription.started_at, ended_at);
    let history = payments::history(conn, subscription.provider, &subscription.provider_id).await?;
    let mut holes = idle(&history, whole);
    let others = subscriptions::list_by_user(conn, user.id).await?;
    let over = others.iter().filter(|other| other.id != subscription.id && other.status == SubscriptionStatus::Ended);
    holes.extend(over.filter_map(|other| Some((other.started_at, other.ended_at?))));
    let changes = credits::changes(&entries);
    let overlap: TimeDelta =
        cut(whole, &holes).into_iter().map(|(from, until)| credit::ran(changes.iter().copied(), from, until)).sum();
    if overlap <= TimeDelta::zero() {
        return Ok(TimeDelta::zero());
    }
    let user = aftermath.member(conn, user.id).await?.ok_or(StoreError::Missing("users"))?;
    let id: CreditEntryId = env.random.id(now);
    let entry = CreditEntry {
        id,
        user_id: user.id,
        source: credits::SUBSCRIPTION_OVERLAP.to_owned(),
        source_key: format!("{}:{}", subscription.provider, subscription.provider_id),
        days: whole_days(overlap),
        until_before: user.credit_until,
        until_after: Some(user.credit_until.map_or(now, |until| until.max(now)) + overlap),
        note: None,
        actor: SYSTEM.to_owned(),
        created_at: now,
    };
    if !credits::write(conn, &entry).await? {
        return Ok(TimeDelta::zero());
    }
    aftermath.credit_changed(user.id, entry.until_after);
    aftermath.log(Some(user.id), "credit_returned", json!({ "days": entry.days, "until": entry.until_after }));
    Ok(overlap)
}

/// Returns all subscriptions of a member, the newest first.
pub async fn of_member(env: &Env, user: UserId) -> Result<Vec<Subscription>, StoreError> {
    let mut reader = env.db.reader().await?;
    subscriptions::list_by_user(&mut reader.conn(), user).await
}

/// Why a provider's word on subscriptions is not known.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The provider did not answer as it should.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something about a subscription that was not as the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The provider's id of the subscription.
    pub subscription: String,
    /// What was different.
    pub what: String,
    /// Whether it is put right now; otherwise a person has to.
    pub is_repaired: bool,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = if self.is_repaired { "repaired" } else { "NOT repaired" };
        write!(out, "{}: {} ({outcome})", self.subscription, self.what)
    }
}

/// Some of a provider's subscriptions, compared.
#[derive(Debug, Clone, Default)]
pub struct Reconciled {
    /// How many were compared.
    pub compared: usize,
    /// What was different.
    pub differences: Vec<Difference>,
    /// Where to go on; nothing when all are compared.
    pub next: Option<String>,
}

/// Asks a provider how some of its subscriptions stand, and puts right what is different here.
pub async fn reconcile(env: &Env, provider: Provider, after: Option<&str>) -> Result<Reconciled, AskError> {
    let page = payment_providers::list_subscriptions(&env.config.payments, provider, after).await?;
    let mut reconciled = Reconciled { compared: page.subscriptions.len(), next: page.next, ..Reconciled::default() };
    for fetched in page.subscriptions {
        match fetched {
            Ok(fetched) => reconciled.differences.extend(compare(env, provider, &fetched).await?),
            Err(problem) => reconciled.differences.push(Difference {
                subscription: "?".to_owned(),
                what: problem.to_string(),
                is_repaired: false,
            }),
        }
    }
    Ok(reconciled)
}

/// Asks a provider how one subscription stands, and puts right what is different here.
pub async fn refresh(env: &Env, provider: Provider, subscription: &str) -> Result<Option<Difference>, AskError> {
    match payment_providers::fetch_subscription(&env.config.payments, provider, subscription).await? {
        Some(fetched) => Ok(compare(env, provider, &fetched).await?),
        None => Ok(Some(Difference {
            subscription: subscription.to_owned(),
            what: format!("{} knows no such subscription", provider.name()),
            is_repaired: false,
        })),
    }
}

async fn compare(env: &Env, provider: Provider, fetched: &Fetched) -> Result<Option<Difference>, StoreError> {
    until_through(|| compare_once(env, provider, fetched)).await
}

async fn compare_once(env: &Env, provider: Provider, fetched: &Fetched) -> Result<Option<Difference>, StoreError> {
    let snapshot = &fetched.snapshot;
    let difference =
        |what: String, is_repaired| Difference { subscription: snapshot.subscription.clone(), what, is_repaired };
    let mut tx = env.db.begin().await?;
    let mut aftermath = Aftermath::new(env.clock.now());
    let conn = &mut tx.conn();
    let known = subscriptions::find(conn, provider, &snapshot.subscription).await?;
    let user = match known.as_ref().and_then(|known| known.user) {
        Some(user) => Some(user),
        None => crate::services::payments::find_member(conn, provider, &fetched.payer, &aftermath)
            .await?
            .map(|user| user.id),
    };
    // What began and ended unseen, or belongs to a deleted account, is nobody's concern any more.
    if snapshot.status == SubscriptionStatus::Ended && known.as_ref().is_none_or(|known| known.user.is_none()) {
        return Ok(None);
    }
    let Some(user) = user else {
        return Ok(Some(difference("nobody here is its customer".to_owned(), false)));
    };
    aftermath.lock(conn, &[user]).await?;
    let user = aftermath.member(conn, user).await?.ok_or(StoreError::Missing("users"))?;
    let known = subscriptions::find(conn, provider, &snapshot.subscription).await?;
    let catalogue = catalogue::latest(env, conn).await?;
    let what = match &known {
        None => Some("it is not known here".to_owned()),
        Some(known) => {
            let price = bought(conn, &catalogue, provider, &snapshot.prices).await?;
            differing(known, snapshot, price.as_ref())
        }
    };
    let Some(what) = what else { return Ok(None) };
    let event_id = format!("asked at {}", fetched.at.to_rfc3339());
    let news = News { provider, snapshot, occurred_at: fetched.at, event_id: &event_id };
    match apply(env, conn, &catalogue, &user, known.as_ref(), &news, &mut aftermath).await {
        Ok(_) => {}
        Err(Obstacle::Lacks { problem, .. }) => return Ok(Some(difference(format!("{what}; {problem}"), false))),
        Err(Obstacle::OfDeleted) => return Ok(None),
        Err(Obstacle::Store(error)) => return Err(error),
    }
    let after = subscriptions::find(conn, provider, &snapshot.subscription).await?;
    let is_repaired = after.is_some_and(|after| after.version.event_id == event_id);
    aftermath.log(
        Some(user.id),
        "subscription_reconciled",
        json!({ "provider": provider, "subscription": snapshot.subscription, "difference": what }),
    );
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(Some(difference(what, is_repaired)))
}

/// Returns in what a subscription differs from what the provider says, if it does.
fn differing(known: &Subscription, snapshot: &Snapshot, price: Option<&TierPrice>) -> Option<String> {
    let mut differences = Vec::new();
    if known.status != snapshot.status {
        differences.push(format!("it was {} here and is {}", known.status.as_str(), snapshot.status.as_str()));
    }
    // What has ended keeps its last period and its price, wherever it is looked at.
    if snapshot.status != SubscriptionStatus::Ended {
        if known.period_end != snapshot.period_end {
            differences.push("its period ends at another time".to_owned());
        }
        if known.scheduled != snapshot.scheduled {
            differences.push("something else is going to happen to it".to_owned());
        }
        match price {
            Some(price) if price.tier != known.tier => {
                differences.push(format!("it gave {} here and is for {}", known.tier, price.tier));
            }
            Some(_) => {}
            None => differences.push("its price is unknown here".to_owned()),
        }
    }
    (!differences.is_empty()).then(|| differences.join(", "))
}
