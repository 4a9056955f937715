//! Counting: `user_feature_usage`, `usage_events`, `reservations`.
//!
//! Whoever changes a counter first locks it, in one order that all share, then reads it and what
//! is held of it, then writes. On Postgres the row is the lock, held until the commit; on SQLite
//! a writing transaction is alone. So nothing that was read can change before it is written.
//! Nobody waits in a circle, but for one that can close while several make new counters beside
//! locked ones; Postgres opens it by turning one away, who tries again.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        entitlement::{Held, Used},
        ids::{FeatureId, ReservationId, UsageEventId, UserId},
        limit::Limit,
        usage::{Counter, Reservation, ReservationState, UsageKind},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

/// Which counter. Sorted, it is the order in which counters are locked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey {
    /// Whose.
    pub user: UserId,
    /// The start of the period.
    pub period_start: DateTime<Utc>,
    /// Of what.
    pub feature: FeatureId,
}

#[derive(FromRow)]
struct CounterRow {
    user_id: UserId,
    period_start: DateTime<Utc>,
    feature_id: FeatureId,
    amount: i64,
}

impl CounterRow {
    fn split(self) -> (CounterKey, i64) {
        (CounterKey { user: self.user_id, period_start: self.period_start, feature: self.feature_id }, self.amount)
    }
}

/// Locks counters until the transaction ends and returns them with what is held at `now`. The
/// keys are sorted and each is there once; those that have no row yet get one where others could
/// slip in between.
pub async fn lock(
    conn: &mut Conn<'_>,
    keys: &[(CounterKey, Option<DateTime<Utc>>)],
    now: DateTime<Utc>,
) -> Result<HashMap<CounterKey, Counter>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let mut used = lock_rows(conn, keys.iter().map(|(key, _)| key)).await?;
    if matches!(conn, Conn::Postgres(_)) {
        let missing: Vec<_> = keys.iter().filter(|(key, _)| !used.contains_key(key)).collect();
        if !missing.is_empty() {
            build!(conn, |query, c| {
                query.push(INSERT_COUNTERS);
                query.push_values(&missing, |mut row, (key, end)| {
                    row.push_bind(key.user)
                        .push_bind(key.period_start)
                        .push_bind(key.feature.clone())
                        .push_bind(*end)
                        .push_bind(0_i64)
                        .push_bind(now);
                });
                query.push(" ON CONFLICT DO NOTHING");
                query.build().execute(c).await.map(|_| ())
            })?;
            used.extend(lock_rows(conn, missing.iter().map(|(key, _)| key)).await?);
        }
    }
    let rows: Vec<CounterRow> = build!(conn, |query, c| {
        query.push(
            "SELECT user_id, period_start, feature_id, CAST(SUM(amount) AS BIGINT) AS amount FROM reservations
            WHERE state = 'held' AND expires_at > ",
        );
        query.push_bind(now);
        query.push(" AND (user_id, period_start, feature_id) IN (");
        query.push_values(keys, |mut row, (key, _)| {
            row.push_bind(key.user).push_bind(key.period_start).push_bind(key.feature.clone());
        });
        query.push(") GROUP BY user_id, period_start, feature_id");
        query.build_query_as().fetch_all(c).await
    })?;
    let held: HashMap<CounterKey, i64> = rows.into_iter().map(CounterRow::split).collect();
    Ok(keys
        .iter()
        .map(|(key, _)| {
            let of = |amounts: &HashMap<CounterKey, i64>| amounts.get(key).copied().unwrap_or(0);
            (key.clone(), Counter { used: of(&used), held: of(&held) })
        })
        .collect())
}

const INSERT_COUNTERS: &str =
    "INSERT INTO user_feature_usage (user_id, period_start, feature_id, period_end, used, updated_at) ";

async fn lock_rows<'k>(
    conn: &mut Conn<'_>,
    keys: impl Iterator<Item = &'k CounterKey>,
) -> Result<HashMap<CounterKey, i64>> {
    let suffix = conn.dialect("", " FOR UPDATE");
    let rows: Vec<CounterRow> = build!(conn, |query, c| {
        query.push(
            "SELECT user_id, period_start, feature_id, used AS amount FROM user_feature_usage
            WHERE (user_id, period_start, feature_id) IN (",
        );
        query.push_values(keys, |mut row, key| {
            row.push_bind(key.user).push_bind(key.period_start).push_bind(key.feature.clone());
        });
        query.push(") ORDER BY user_id, period_start, feature_id");
        query.push(suffix);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(CounterRow::split).collect())
}

/// Writes what locked counters show now.
pub async fn write(
    conn: &mut Conn<'_>,
    counters: &[(CounterKey, Option<DateTime<Utc>>, i64)],
    now: DateTime<Utc>,
) -> Result<()> {
    if counters.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push(INSERT_COUNTERS);
        query.push_values(counters, |mut row, (key, end, used)| {
            row.push_bind(key.user)
                .push_bind(key.period_start)
                .push_bind(key.feature.clone())
                .push_bind(*end)
                .push_bind(*used)
                .push_bind(now);
        });
        query.push(
            " ON CONFLICT (user_id, period_start, feature_id) DO UPDATE
            SET used = excluded.used, updated_at = excluded.updated_at",
        );
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// Which.
    pub id: UsageEventId,
    /// Of which counter.
    pub counter: CounterKey,
    /// What kind of change.
    pub kind: UsageKind,
    /// How many units; negative when they were given back.
    pub amount: i64,
    /// What the counter showed afterwards.
    pub used_after: i64,
    /// The limit that was in force.
    pub limit: Limit,
    /// The reservation that was confirmed.
    pub reservation: Option<ReservationId>,
    /// Who wanted it.
    pub actor: String,
}

/// Appends entries to the ledger.
pub async fn append(conn: &mut Conn<'_>, events: &[UsageEvent], now: DateTime<Utc>) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push(
            "INSERT INTO usage_events (
                id, user_id, feature_id, period_start, kind, amount, used_after, limit_value, reservation_id, actor,
                created_at
            ) ",
        );
        query.push_values(events, |mut row, event| {
            row.push_bind(event.id)
                .push_bind(event.counter.user)
                .push_bind(event.counter.feature.clone())
                .push_bind(event.counter.period_start)
                .push_bind(event.kind.as_str())
                .push_bind(event.amount)
                .push_bind(event.used_after)
                .push_bind(event.limit.to_stored())
                .push_bind(event.reservation)
                .push_bind(event.actor.clone())
                .push_bind(now);
        });
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Returns what members have used in some periods, in no order.
pub async fn used(
    conn: &mut Conn<'_>,
    users: &[UserId],
    period_starts: &[DateTime<Utc>],
) -> Result<Vec<(UserId, Used)>> {
    if users.is_empty() || period_starts.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<CounterRow> = build!(conn, |query, c| {
        query.push(
            "SELECT user_id, period_start, feature_id, used AS amount FROM user_feature_usage WHERE user_id IN (",
        );
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        query.push(") AND period_start IN (");
        let mut list = query.separated(", ");
        for start in period_starts {
            list.push_bind(*start);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    let used = |row: CounterRow| Used { feature: row.feature_id, period_start: row.period_start, used: row.amount };
    Ok(rows.into_iter().map(|row| (row.user_id, used(row))).collect())
}

#[derive(FromRow)]
struct HeldRow {
    user_id: UserId,
    feature_id: FeatureId,
    period_start: DateTime<Utc>,
    amount: i64,
    expires_at: DateTime<Utc>,
}

/// Returns what is held of members at `now`, in no order.
pub async fn held(conn: &mut Conn<'_>, users: &[UserId], now: DateTime<Utc>) -> Result<Vec<(UserId, Held)>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<HeldRow> = build!(conn, |query, c| {
        query.push(
            "SELECT user_id, feature_id, period_start, amount, expires_at FROM reservations
            WHERE state = 'held' AND expires_at > ",
        );
        query.push_bind(now).push(" AND user_id IN (");
        let mut list = query.separated(", ");
        for user in users {
            list.push_bind(*user);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    let held = |row: HeldRow| {
        let HeldRow { user_id, feature_id: feature, period_start, amount, expires_at } = row;
        (user_id, Held { feature, period_start, amount, expires_at })
    };
    Ok(rows.into_iter().map(held).collect())
}

#[derive(FromRow)]
struct ReservationRow {
    id: ReservationId,
    user_id: UserId,
    feature_id: FeatureId,
    period_start: DateTime<Utc>,
    period_end: Option<DateTime<Utc>>,
    amount: i64,
    state: String,
    confirmed_amount: Option<i64>,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

impl TryFrom<ReservationRow> for Reservation {
    type Error = StoreError;

    fn try_from(row: ReservationRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            user: row.user_id,
            feature: row.feature_id,
            amount: row.amount,
            state: row.state.parse().map_err(StoreError::corrupt("reservations", "state"))?,
            confirmed_amount: row.confirmed_amount,
            expires_at: row.expires_at,
            created_at: row.created_at,
            period_start: row.period_start,
            period_end: row.period_end,
        })
    }
}

macro_rules! reservation_columns {
    () => {
        "id, user_id, feature_id, period_start, period_end, amount, state, confirmed_amount, expires_at, created_at"
    };
}

/// Returns a reservation.
pub async fn find_reservation(conn: &mut Conn<'_>, id: ReservationId) -> Result<Option<Reservation>> {
    run!(conn, |c| sqlx::query_as::<_, ReservationRow>(concat!(
        "SELECT ",
        reservation_columns!(),
        " FROM reservations WHERE id = $1"
    ))
    .bind(id)
    .fetch_optional(c))?
    .map(Reservation::try_from)
    .transpose()
}

/// Locks reservations until the transaction ends and returns those that exist. They come before
/// counters.
pub async fn lock_reservations(conn: &mut Conn<'_>, ids: &[ReservationId]) -> Result<Vec<Reservation>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let suffix = conn.dialect("", " FOR UPDATE");
    let rows: Vec<ReservationRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", reservation_columns!(), " FROM reservations WHERE id IN ("));
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(") ORDER BY id");
        query.push(suffix);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Reservation::try_from).collect()
}

/// Writes new reservations.
pub async fn insert_reservations(conn: &mut Conn<'_>, reservations: &[(Reservation, String)]) -> Result<()> {
    if reservations.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push(
            "INSERT INTO reservations (
                id, user_id, feature_id, period_start, period_end, amount, state, confirmed_amount, actor, expires_at,
                created_at
            ) ",
        );
        query.push_values(reservations, |mut row, (reservation, actor)| {
            row.push_bind(reservation.id)
                .push_bind(reservation.user)
                .push_bind(reservation.feature.clone())
                .push_bind(reservation.period_start)
                .push_bind(reservation.period_end)
                .push_bind(reservation.amount)
                .push_bind(reservation.state.as_str())
                .push_bind(reservation.confirmed_amount)
                .push_bind(actor.clone())
                .push_bind(reservation.expires_at)
                .push_bind(reservation.created_at);
        });
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Settles a locked reservation that is still held. Returns whether it was.
pub async fn settle_reservation(
    conn: &mut Conn<'_>,
    id: ReservationId,
    state: ReservationState,
    confirmed_amount: Option<i64>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| {
        sqlx::query(
        "UPDATE reservations SET state = $2, confirmed_amount = $3, settled_at = $4 WHERE id = $1 AND state = 'held'"
    )
    .bind(id)
    .bind(state.as_str())
    .bind(confirmed_amount)
    .bind(now)
    .execute(c)
    })?;
    Ok(updated == 1)
}

/// Marks at most `most` reservations as lapsed whose time was over at `now`: they have held
/// nothing since, this only keeps the list of held ones short. Those that somebody is just
/// settling are left for the next time. Returns how many.
pub async fn sweep_reservations(conn: &mut Conn<'_>, now: DateTime<Utc>, most: i64) -> Result<u64> {
    let sql = conn.dialect(
        "UPDATE reservations SET state = 'lapsed', settled_at = $1
        WHERE id IN (SELECT id FROM reservations WHERE state = 'held' AND expires_at <= $1 LIMIT $2)",
        "UPDATE reservations SET state = 'lapsed', settled_at = $1
        WHERE id IN (
            SELECT id FROM reservations WHERE state = 'held' AND expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
        )",
    );
    Ok(execute!(conn, |c| sqlx::query(sql).bind(now).bind(most).execute(c))?)
}

/// Forgets at most `most` settled reservations of before an instant. Returns how many.
pub async fn purge_reservations(conn: &mut Conn<'_>, created_before: DateTime<Utc>, most: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM reservations
        WHERE id IN (SELECT id FROM reservations WHERE state <> 'held' AND created_at < $1 LIMIT $2)"
    )
    .bind(created_before)
    .bind(most)
    .execute(c))?)
}
