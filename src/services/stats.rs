//! What became of every day: counting it, and reading what was counted.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::{
    domain::{
        ids::{UserId, uuid_v7},
        schedule::{Counts, counts},
        stats::{Metric, Stretch, bounds, day_of},
    },
    platform::env::Env,
    services::{catalogue, matrix},
    store::{Conn, StoreError, stats},
};

/// How many days are made up at most.
const FURTHEST_BACK: Days = Days::new(400);
/// How long after its end a day is counted once more: what happened at its end may have been written
/// after it, or by a node whose clock is behind.
const SETTLED_AFTER: TimeDelta = TimeDelta::minutes(10);
/// Days that are looked at again whenever days are counted. Providers say when a subscription began, and
/// tell it again for days when nobody took it.
const LOOKED_AT_AGAIN: i64 = 7;
/// The most days that are shown.
pub const MOST_DAYS: i64 = 400;

/// Returns which day it is in the product's zone.
pub async fn today(env: &Env) -> Result<NaiveDate, StoreError> {
    Ok(day_of(env.clock.now(), catalogue::current(env).await?.settings.timezone))
}

/// Counts a sign-in, in the transaction in which somebody signs in.
pub(super) async fn count_sign_in(env: &Env, conn: &mut Conn<'_>, user: UserId) -> Result<(), StoreError> {
    let zone = catalogue::latest(env, conn).await?.settings.timezone;
    stats::count_sign_in(conn, user, day_of(env.clock.now(), zone)).await
}

/// Notes that a member has been seen today, in the transaction that notes when.
pub(super) async fn mark_active(env: &Env, conn: &mut Conn<'_>, user: UserId) -> Result<(), StoreError> {
    let zone = catalogue::latest(env, conn).await?.settings.timezone;
    stats::mark_active(conn, user, day_of(env.clock.now(), zone)).await
}

/// Counts today, and the days before it that were not counted to their end. A day that is counted
/// again has the same figures.
pub async fn count_days(env: &Env) -> Result<Counts, StoreError> {
    let now = env.clock.now();
    let zone = catalogue::newest(env).await?.settings.timezone;
    let today = day_of(now, zone);
    let mut tx = env.db.begin().await?;
    // A clock that was ahead must not keep today from being counted.
    stats::forget_after(&mut tx.conn(), today, now).await?;
    tx.commit().await?;
    let mut reader = env.db.reader().await?;
    let known = stats::last_counted(&mut reader.conn(), LOOKED_AT_AGAIN + 1).await?;
    drop(reader);
    let mut day = first_open_day(env, &known, today, zone).await?;
    let settled: Vec<NaiveDate> = known.iter().map(|(known, _)| *known).filter(|known| *known < day).collect();
    let mut counted = 0;
    while day <= today {
        count_day(env, day, today, zone, now).await?;
        counted += 1;
        day = day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
    }
    look_again(env, &settled, zone).await?;
    Ok(counts([("days", counted)]))
}

/// Returns the first day that is not final, by those that were counted last.
async fn first_open_day(
    env: &Env,
    known: &[(NaiveDate, DateTime<Utc>)],
    today: NaiveDate,
    zone: Tz,
) -> Result<NaiveDate, StoreError> {
    let is_open = |(day, until): &&(NaiveDate, DateTime<Utc>)| *until < bounds(*day, zone).1 + SETTLED_AFTER;
    // At the beginning of a day the one before it is still open.
    let open = match (known.iter().rev().find(is_open), known.first()) {
        (Some((day, _)), _) => Some(*day),
        (None, Some((last, _))) => last.checked_add_days(Days::new(1)),
        (None, None) => {
            let mut reader = env.db.reader().await?;
            stats::first_member_at(&mut reader.conn()).await?.map(|first| day_of(first, zone))
        }
    };
    let oldest = today.checked_sub_days(FURTHEST_BACK).unwrap_or(today);
    Ok(open.unwrap_or(today).clamp(oldest, today))
}

/// Counts once more, of days that are final, what others may still tell about them.
async fn look_again(env: &Env, days: &[NaiveDate], zone: Tz) -> Result<(), StoreError> {
    let metric = Metric::Subscriptions.as_str();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    for day in days {
        let (from, to) = bounds(*day, zone);
        let began = stats::subscriptions(conn, from, to).await?;
        stats::put(conn, *day, &[metric], &[(metric, String::new(), began)]).await?;
    }
    tx.commit().await
}

async fn count_day(
    env: &Env,
    day: NaiveDate,
    today: NaiveDate,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (from, to) = bounds(day, zone);
    // Entries of the ledger have ids that were made by the clock.
    let ids = (uuid_v7(from, [0; 10]), uuid_v7(to, [0; 10]));
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let consumed = stats::consumed_between(conn, ids.0, ids.1).await?;
    let usage = stats::usage(conn, ids.0, ids.1).await?;
    let redemptions = stats::redemptions(conn, from, to).await?;
    let mut figures = vec![
        (Metric::New.as_str(), String::new(), stats::new_members(conn, from, to).await?),
        (Metric::Conversions.as_str(), String::new(), stats::conversions(conn, from, to).await?),
        (Metric::Subscriptions.as_str(), String::new(), stats::subscriptions(conn, from, to).await?),
    ];
    drop(reader);
    figures.extend(usage.into_iter().map(|(feature, count)| (Metric::Usage.as_str(), feature, count)));
    figures.extend(redemptions.into_iter().map(|(kind, count)| (Metric::Redemptions.as_str(), kind, count)));
    let mut metrics: Vec<&str> =
        Metric::ALL.into_iter().filter(|metric| *metric != Metric::Members).map(Metric::as_str).collect();
    // How many members have which tier is known of today only.
    if day == today {
        metrics.push(Metric::Members.as_str());
        let tiers = matrix::read(env).await?.tiers;
        figures.extend(tiers.into_iter().map(|tier| (Metric::Members.as_str(), tier.id.to_string(), tier.members)));
    }
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    stats::put_consumed(conn, day, &consumed).await?;
    let (active, sign_ins) = stats::active_members(conn, day).await?;
    figures.push((Metric::Active.as_str(), String::new(), active));
    figures.push((Metric::SignIns.as_str(), String::new(), sign_ins));
    stats::put(conn, day, &metrics, &figures).await?;
    stats::set_counted(conn, day, now).await?;
    tx.commit().await
}

/// What was counted of the last days.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The figures.
    pub stretch: Stretch,
    /// Until when they were counted; nothing before the first time.
    pub counted_until: Option<DateTime<Utc>>,
    /// Whose days they are.
    pub zone: Tz,
    /// Whether there is any member who is no admin.
    pub has_members: bool,
}

/// Returns what was counted of the last days, today among them.
pub async fn overview(env: &Env, days: i64) -> Result<Overview, StoreError> {
    let zone = catalogue::current(env).await?.settings.timezone;
    let today = day_of(env.clock.now(), zone);
    let back = u64::try_from(days.clamp(1, MOST_DAYS) - 1).unwrap_or(0);
    let from = today.checked_sub_days(Days::new(back)).unwrap_or(today);
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let figures = stats::figures(conn, from, today).await?;
    let counted_until = stats::last_counted(conn, 1).await?.first().map(|(_, until)| *until);
    let has_members = stats::has_members(conn).await?;
    let rows = figures.into_iter().map(|one| (one.day, one.metric, one.subject, one.value));
    Ok(Overview { stretch: Stretch::new(from, today, rows), counted_until, zone, has_members })
}
