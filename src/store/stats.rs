//! What became of every day: `user_days` for each member, `daily_stats` for all, `counted_days` for
//! how far the counting has come.
//!
//! A day is a day of the product's time zone. Counting a day again replaces what was counted.

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    domain::ids::UserId,
    store::{
        Conn, Result,
        db::{build, execute, run},
    },
};

/// The longest row of days that is looked for.
const LONGEST_ROW: i64 = 400;
/// Rows in one statement.
const AT_A_TIME: usize = 500;

/// What a member did on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct UserDay {
    /// Who.
    pub user_id: UserId,
    /// When.
    pub day: NaiveDate,
    /// How often they signed in.
    pub sign_ins: i64,
    /// How many units were counted for them, of all features together.
    pub consumed: i64,
}

/// Notes that a member was active on a day. Of many at once one writes.
pub async fn mark_active(conn: &mut Conn<'_>, user: UserId, day: NaiveDate) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO user_days (user_id, day, sign_ins, consumed) VALUES ($1, $2, 0, 0)
        ON CONFLICT (user_id, day) DO NOTHING"
    )
    .bind(user)
    .bind(day)
    .execute(c))?;
    Ok(())
}

/// Counts a sign-in of a member on a day.
pub async fn count_sign_in(conn: &mut Conn<'_>, user: UserId, day: NaiveDate) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO user_days (user_id, day, sign_ins, consumed) VALUES ($1, $2, 1, 0)
        ON CONFLICT (user_id, day) DO UPDATE SET sign_ins = user_days.sign_ins + 1"
    )
    .bind(user)
    .bind(day)
    .execute(c))?;
    Ok(())
}

/// Returns the days of a member, the newest first.
pub async fn days_of(conn: &mut Conn<'_>, user: UserId, count: i64) -> Result<Vec<UserDay>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT user_id, day, sign_ins, consumed FROM user_days WHERE user_id = $1 ORDER BY day DESC LIMIT $2"
    )
    .bind(user)
    .bind(count)
    .fetch_all(c))?)
}

/// Returns on how many days in a row a member has been active, up to today; a row that reached until
/// yesterday is not broken yet. At most 400.
pub async fn active_days_in_a_row(conn: &mut Conn<'_>, user: UserId, today: NaiveDate) -> Result<i64> {
    let days: Vec<NaiveDate> = run!(conn, |c| sqlx::query_scalar(
        "SELECT day FROM user_days WHERE user_id = $1 AND day <= $2 ORDER BY day DESC LIMIT $3"
    )
    .bind(user)
    .bind(today)
    .bind(LONGEST_ROW)
    .fetch_all(c))?;
    let Some(last) = days.first().filter(|last| **last + Days::new(1) >= today) else { return Ok(0) };
    let expected = (0..).map(|back| last.checked_sub_days(Days::new(back)));
    let in_a_row = days.iter().zip(expected).take_while(|(day, expected)| Some(**day) == *expected).count();
    Ok(i64::try_from(in_a_row).unwrap_or(LONGEST_ROW))
}

/// How much was counted for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Consumed {
    /// Who.
    pub user_id: UserId,
    /// How many units, of all features together.
    pub consumed: i64,
}

/// Returns what was counted for whom, by the entries of the ledger with ids from `from` to before
/// `to`: they are made by the clock. Nobody who counts waits for this.
pub async fn consumed_between(conn: &mut Conn<'_>, from: Uuid, to: Uuid) -> Result<Vec<Consumed>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT usage_events.user_id, CAST(SUM(amount) AS BIGINT) AS consumed
        FROM usage_events JOIN users ON users.id = usage_events.user_id
        WHERE usage_events.id >= $1 AND usage_events.id < $2
        GROUP BY usage_events.user_id"
    )
    .bind(from)
    .bind(to)
    .fetch_all(c))?)
}

/// Writes what was counted for some members on a day, in the place of what was written before. Who
/// has been deleted meanwhile is left out.
pub async fn put_consumed(conn: &mut Conn<'_>, day: NaiveDate, consumed: &[Consumed]) -> Result<()> {
    for some in consumed.chunks(AT_A_TIME) {
        build!(conn, |query, c| {
            query.push("INSERT INTO user_days (user_id, day, sign_ins, consumed) SELECT users.id, ");
            query.push_bind(day).push(", 0, column2 FROM (");
            query.push_values(some, |mut row, one| {
                row.push_bind(one.user_id).push_bind(one.consumed);
            });
            query.push(
                ") AS news JOIN users ON users.id = column1 WHERE users.deleted_at IS NULL
                ON CONFLICT (user_id, day) DO UPDATE SET consumed = excluded.consumed",
            );
            query.build().execute(c).await.map(|_| ())
        })?;
    }
    Ok(())
}

/// One figure of a day.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Figure {
    /// When.
    pub day: NaiveDate,
    /// Of what: `members`, `new`, `active`, …
    pub metric: String,
    /// Of which tier, feature or kind; empty for all.
    pub subject: String,
    /// How many.
    pub value: i64,
}

/// A subject and how many.
pub type Counted = (String, i64);

/// Returns how many accounts were opened from `from` to before `to`. Those that were deleted since are
/// among them: what is left of them tells when they came, and a day that is counted again must not forget
/// who came on it. Members by tier are counted without them.
pub async fn new_members(conn: &mut Conn<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE created_at >= $1 AND created_at < $2")
        .bind(from)
        .bind(to)
        .fetch_one(c))?)
}

/// Returns how many members were active on a day, and how often they signed in.
pub async fn active_members(conn: &mut Conn<'_>, day: NaiveDate) -> Result<(i64, i64)> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT COUNT(*), CAST(COALESCE(SUM(sign_ins), 0) AS BIGINT) FROM user_days WHERE day = $1"
    )
    .bind(day)
    .fetch_one(c))?)
}

/// Returns how many invited friends paid for the first time from `from` to before `to`.
pub async fn conversions(conn: &mut Conn<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM referrals WHERE converted_at IS NOT NULL AND converted_at >= $1 AND converted_at < $2"
    )
    .bind(from)
    .bind(to)
    .fetch_one(c))?)
}

/// Returns how many subscriptions began from `from` to before `to`.
pub async fn subscriptions(conn: &mut Conn<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM subscriptions WHERE status <> 'incomplete' AND started_at >= $1 AND started_at < $2"
    )
    .bind(from)
    .bind(to)
    .fetch_one(c))?)
}

/// Returns how many coupons of each kind were redeemed from `from` to before `to`.
pub async fn redemptions(conn: &mut Conn<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Counted>> {
    Ok(run!(conn, |c| {
        sqlx::query_as(
        "SELECT coupons.type, COUNT(*) FROM coupon_redemptions JOIN coupons ON coupons.id = coupon_redemptions.coupon_id
        WHERE redeemed_at >= $1 AND redeemed_at < $2 GROUP BY coupons.type"
    )
    .bind(from)
    .bind(to)
    .fetch_all(c)
    })?)
}

/// Returns how many units of each feature were counted, by the entries of the ledger with ids from
/// `from` to before `to`.
pub async fn usage(conn: &mut Conn<'_>, from: Uuid, to: Uuid) -> Result<Vec<Counted>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT feature_id, CAST(SUM(amount) AS BIGINT) FROM usage_events WHERE id >= $1 AND id < $2
        GROUP BY feature_id"
    )
    .bind(from)
    .bind(to)
    .fetch_all(c))?)
}

/// Writes some figures of a day in the place of those that it had of these metrics.
pub async fn put(
    conn: &mut Conn<'_>,
    day: NaiveDate,
    metrics: &[&str],
    figures: &[(&'static str, String, i64)],
) -> Result<()> {
    for metric in metrics {
        execute!(conn, |c| sqlx::query("DELETE FROM daily_stats WHERE day = $1 AND metric = $2")
            .bind(day)
            .bind(*metric)
            .execute(c))?;
    }
    for some in figures.chunks(AT_A_TIME) {
        build!(conn, |query, c| {
            query.push("INSERT INTO daily_stats (day, metric, subject, value) ");
            query.push_values(some, |mut row, (metric, subject, value)| {
                row.push_bind(day).push_bind(*metric).push_bind(subject.clone()).push_bind(*value);
            });
            query.push(" ON CONFLICT (day, metric, subject) DO UPDATE SET value = excluded.value");
            query.build().execute(c).await.map(|_| ())
        })?;
    }
    Ok(())
}

/// Returns the figures of the days from `from` through `to`, in the order of the days.
pub async fn figures(conn: &mut Conn<'_>, from: NaiveDate, to: NaiveDate) -> Result<Vec<Figure>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT day, metric, subject, value FROM daily_stats WHERE day >= $1 AND day <= $2
        ORDER BY day, metric, subject"
    )
    .bind(from)
    .bind(to)
    .fetch_all(c))?)
}

/// Notes until when a day has been counted.
pub async fn set_counted(conn: &mut Conn<'_>, day: NaiveDate, until: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO counted_days (day, counted_until) VALUES ($1, $2)
        ON CONFLICT (day) DO UPDATE SET counted_until = excluded.counted_until"
    )
    .bind(day)
    .bind(until)
    .execute(c))?;
    Ok(())
}

/// Returns the last days that have been counted, the newest first, and until when each was.
pub async fn last_counted(conn: &mut Conn<'_>, count: i64) -> Result<Vec<(NaiveDate, DateTime<Utc>)>> {
    Ok(run!(conn, |c| sqlx::query_as("SELECT day, counted_until FROM counted_days ORDER BY day DESC LIMIT $1")
        .bind(count)
        .fetch_all(c))?)
}

/// Forgets what a clock that was ahead has counted: the days after `today`, and that any was counted
/// after `now`. Returns how many figures.
pub async fn forget_after(conn: &mut Conn<'_>, today: NaiveDate, now: DateTime<Utc>) -> Result<u64> {
    execute!(conn, |c| sqlx::query("DELETE FROM counted_days WHERE day > $1").bind(today).execute(c))?;
    execute!(conn, |c| sqlx::query("UPDATE counted_days SET counted_until = $1 WHERE counted_until > $1")
        .bind(now)
        .execute(c))?;
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM daily_stats WHERE day > $1").bind(today).execute(c))?)
}

/// Returns whether there is a member who is no admin. Who is deleted is nobody.
pub async fn has_members(conn: &mut Conn<'_>) -> Result<bool> {
    let found: Option<i64> = run!(conn, |c| sqlx::query_scalar(
        "SELECT CAST(1 AS BIGINT) FROM users WHERE role = 'member' AND deleted_at IS NULL LIMIT 1"
    )
    .fetch_optional(c))?;
    Ok(found.is_some())
}

/// Returns when the first member came.
pub async fn first_member_at(conn: &mut Conn<'_>) -> Result<Option<DateTime<Utc>>> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT created_at FROM users ORDER BY created_at LIMIT 1")
        .fetch_optional(c))?)
}
