//! What ends by itself and leaves no row of its own: credit, restrictions, what is paid for. Grants and trials are
//! written down when they end.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::FromRow;

use crate::{
    domain::{ids::UserId, subscription::NEWS_MAY_BE_LATE},
    store::{Conn, Result, db::run},
};

#[derive(FromRow)]
struct EndingRow {
    user_id: UserId,
    at: DateTime<Utc>,
    kind: String,
}

/// Returns of whom something ended after `since` and not after `until`, and when, the earliest first. `grace` is how
/// long a subscription gives access after a payment failed.
///
/// The conditions are those of `Subscription::lasts`, of which the term is taken off the bounds.
pub async fn list(
    conn: &mut Conn<'_>,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    grace: TimeDelta,
) -> Result<Vec<(UserId, DateTime<Utc>)>> {
    let rows: Vec<EndingRow> = run!(conn, |c| sqlx::query_as(
        "SELECT id AS user_id, credit_until AS at, 'exact' AS kind
        FROM users WHERE credit_until > $1 AND credit_until <= $2 AND deleted_at IS NULL
        UNION ALL
        SELECT user_id, expires_at, 'exact'
        FROM user_feature_restrictions WHERE expires_at > $1 AND expires_at <= $2
        UNION ALL
        SELECT user_id, scheduled_at, 'exact'
        FROM subscriptions
        WHERE scheduled_at > $1 AND scheduled_at <= $2 AND scheduled_action IN ('end', 'pause')
            AND status IN ('trialing', 'active', 'past_due') AND user_id IS NOT NULL
        UNION ALL
        SELECT user_id, COALESCE(past_due_since, version_at), 'grace'
        FROM subscriptions
        WHERE status = 'past_due' AND COALESCE(past_due_since, version_at) > $3
            AND COALESCE(past_due_since, version_at) <= $4 AND user_id IS NOT NULL
        UNION ALL
        SELECT user_id, period_end, 'silence'
        FROM subscriptions
        WHERE period_end > $5 AND period_end <= $6 AND status IN ('trialing', 'active')
            AND (scheduled_action IS NULL OR scheduled_action = 'change') AND user_id IS NOT NULL"
    )
    .bind(since)
    .bind(until)
    .bind(since - grace)
    .bind(until - grace)
    .bind(since - NEWS_MAY_BE_LATE)
    .bind(until - NEWS_MAY_BE_LATE)
    .fetch_all(c))?;
    let ending = |EndingRow { user_id, at, kind }| match kind.as_str() {
        "grace" => (user_id, at + grace),
        "silence" => (user_id, at + NEWS_MAY_BE_LATE),
        _ => (user_id, at),
    };
    let mut endings: Vec<_> = rows.into_iter().map(ending).collect();
    endings.sort_by_key(|(user, at)| (*at, *user));
    endings.dedup();
    Ok(endings)
}
