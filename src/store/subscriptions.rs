//! What members pay for again and again: `subscriptions`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        ids::{SubscriptionId, TierId, UserId},
        payment::Provider,
        subscription::{Scheduled, Subscription, Version},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct SubscriptionRow {
    id: SubscriptionId,
    provider: String,
    subscription_id: String,
    user_id: Option<UserId>,
    tier_id: TierId,
    billing_interval: String,
    status: String,
    started_at: DateTime<Utc>,
    period_end: Option<DateTime<Utc>>,
    past_due_since: Option<DateTime<Utc>>,
    scheduled_action: Option<String>,
    scheduled_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    version_at: DateTime<Utc>,
    version_rank: i64,
    version_event: String,
}

impl TryFrom<SubscriptionRow> for Subscription {
    type Error = StoreError;

    fn try_from(row: SubscriptionRow) -> Result<Self> {
        let corrupt = |column| move |problem: String| StoreError::corrupt("subscriptions", column)(problem);
        let action = row.scheduled_action.map(|action| action.parse()).transpose();
        let action = action.map_err(StoreError::corrupt("subscriptions", "scheduled_action"))?;
        Ok(Self {
            id: row.id,
            provider: row.provider.parse().map_err(StoreError::corrupt("subscriptions", "provider"))?,
            provider_id: row.subscription_id,
            user: row.user_id,
            tier: row.tier_id,
            interval: row
                .billing_interval
                .parse()
                .map_err(|_| corrupt("billing_interval")(row.billing_interval.clone()))?,
            status: row.status.parse().map_err(StoreError::corrupt("subscriptions", "status"))?,
            started_at: row.started_at,
            period_end: row.period_end,
            past_due_since: row.past_due_since,
            scheduled: action.zip(row.scheduled_at).map(|(action, at)| Scheduled { action, at }),
            ended_at: row.ended_at,
            version: Version { at: row.version_at, rank: row.version_rank, event_id: row.version_event },
        })
    }
}

macro_rules! columns {
    () => {
        "id, provider, subscription_id, user_id, tier_id, billing_interval, status, started_at, period_end,
        past_due_since, scheduled_action, scheduled_at, ended_at, version_at, version_rank, version_event"
    };
}

/// Returns a subscription by the provider's id.
pub async fn find(conn: &mut Conn<'_>, provider: Provider, provider_id: &str) -> Result<Option<Subscription>> {
    run!(conn, |c| sqlx::query_as::<_, SubscriptionRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM subscriptions WHERE provider = $1 AND subscription_id = $2"
    ))
    .bind(provider.as_str())
    .bind(provider_id)
    .fetch_optional(c))?
    .map(Subscription::try_from)
    .transpose()
}

/// Writes a subscription, new or changed, unless a newer state of it is there: what has ended stays
/// ended, and of two versions the later holds, whichever comes first. Returns whether it was
/// written.
pub async fn put(conn: &mut Conn<'_>, subscription: &Subscription, now: DateTime<Utc>) -> Result<bool> {
    let written = execute!(conn, |c| sqlx::query(
        "INSERT INTO subscriptions (
            id, provider, subscription_id, user_id, tier_id, billing_interval, status, started_at, period_end,
            past_due_since, scheduled_action, scheduled_at, ended_at, version_at, version_rank, version_event,
            created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
        ON CONFLICT (provider, subscription_id) DO UPDATE SET
            user_id = COALESCE(subscriptions.user_id, excluded.user_id), tier_id = excluded.tier_id,
            billing_interval = excluded.billing_interval, status = excluded.status, started_at = excluded.started_at,
            period_end = excluded.period_end, past_due_since = excluded.past_due_since,
            scheduled_action = excluded.scheduled_action, scheduled_at = excluded.scheduled_at,
            ended_at = excluded.ended_at, version_at = excluded.version_at, version_rank = excluded.version_rank,
            version_event = excluded.version_event, updated_at = excluded.updated_at
        WHERE CASE
            WHEN subscriptions.status = 'ended' AND excluded.status <> 'ended' THEN FALSE
            WHEN subscriptions.status <> 'ended' AND excluded.status = 'ended' THEN TRUE
            ELSE (excluded.version_at, excluded.version_rank, excluded.version_event)
                > (subscriptions.version_at, subscriptions.version_rank, subscriptions.version_event)
        END"
    )
    .bind(subscription.id)
    .bind(subscription.provider.as_str())
    .bind(&subscription.provider_id)
    .bind(subscription.user)
    .bind(&subscription.tier)
    .bind(subscription.interval.as_str())
    .bind(subscription.status.as_str())
    .bind(subscription.started_at)
    .bind(subscription.period_end)
    .bind(subscription.past_due_since)
    .bind(subscription.scheduled.as_ref().map(|scheduled| scheduled.action.as_str()))
    .bind(subscription.scheduled.as_ref().map(|scheduled| scheduled.at))
    .bind(subscription.ended_at)
    .bind(subscription.version.at)
    .bind(subscription.version.rank)
    .bind(&subscription.version.event_id)
    .bind(now)
    .execute(c))?;
    Ok(written == 1)
}

/// Corrects since when payment is due: an earlier event of the same stretch came late.
pub async fn set_past_due_since(
    conn: &mut Conn<'_>,
    id: SubscriptionId,
    since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "UPDATE subscriptions SET past_due_since = $2, updated_at = $3 WHERE id = $1 AND status = 'past_due'"
    )
    .bind(id)
    .bind(since)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Returns the subscriptions of some members that may give access, in the order in which they began.
pub async fn running(conn: &mut Conn<'_>, users: &[UserId]) -> Result<Vec<Subscription>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<SubscriptionRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM subscriptions WHERE user_id IN ("));
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        query.push(") AND status IN ('trialing', 'active', 'past_due') ORDER BY started_at, id");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Subscription::try_from).collect()
}

/// Returns all subscriptions of a member, the newest first.
pub async fn list_by_user(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Subscription>> {
    let rows: Vec<SubscriptionRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM subscriptions WHERE user_id = $1 ORDER BY started_at DESC, id DESC"
    ))
    .bind(user)
    .fetch_all(c))?;
    rows.into_iter().map(Subscription::try_from).collect()
}

/// Returns a page of subscriptions, the newest first, from before `before`; of one provider if one
/// is named, and without those that have ended if only open ones are asked for.
pub async fn page(
    conn: &mut Conn<'_>,
    provider: Option<Provider>,
    only_open: bool,
    before: Option<SubscriptionId>,
    count: i64,
) -> Result<Vec<Subscription>> {
    let rows: Vec<SubscriptionRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM subscriptions WHERE 1 = 1"));
        if let Some(provider) = provider {
            query.push(" AND provider = ").push_bind(provider.as_str());
        }
        if only_open {
            query.push(" AND status <> 'ended'");
        }
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Subscription::try_from).collect()
}
