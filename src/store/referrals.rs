//! Who invited whom: `referrals`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        ids::{ReferralId, UserId},
        payment::Provider,
        referral::{Flag, Referral, ReferralState, ReferralStats, SeenFrom},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct ReferralRow {
    id: ReferralId,
    referrer_user_id: Option<UserId>,
    referred_user_id: Option<UserId>,
    created_at: DateTime<Utc>,
    converted_at: Option<DateTime<Utc>>,
    credited_at: Option<DateTime<Utc>>,
    provider: Option<String>,
    invoice_id: Option<String>,
    reward_days: Option<i64>,
    flags: String,
    held_until: Option<DateTime<Utc>>,
    rejected_at: Option<DateTime<Utc>>,
    taken_back_at: Option<DateTime<Utc>>,
    times_taken_back: i64,
}

impl TryFrom<ReferralRow> for Referral {
    type Error = StoreError;

    fn try_from(row: ReferralRow) -> Result<Self> {
        let provider = row.provider.map(|provider| provider.parse::<Provider>()).transpose();
        let provider = provider.map_err(StoreError::corrupt("referrals", "provider"))?;
        let flags = row.flags.split(',').filter(|flag| !flag.is_empty()).map(str::parse::<Flag>);
        Ok(Self {
            id: row.id,
            referrer: row.referrer_user_id,
            referred: row.referred_user_id,
            created_at: row.created_at,
            converted_at: row.converted_at,
            credited_at: row.credited_at,
            invoice: provider.zip(row.invoice_id),
            reward_days: row.reward_days,
            flags: flags.collect::<std::result::Result<_, _>>().map_err(StoreError::corrupt("referrals", "flags"))?,
            held_until: row.held_until,
            rejected_at: row.rejected_at,
            taken_back_at: row.taken_back_at,
            times_taken_back: row.times_taken_back,
        })
    }
}

macro_rules! columns {
    () => {
        "id, referrer_user_id, referred_user_id, created_at, converted_at, credited_at, provider, invoice_id,
        reward_days, flags, held_until, rejected_at, taken_back_at, times_taken_back"
    };
}

/// Notes an invitation. Returns whether it is the first for that friend: the first touch wins.
pub async fn insert(
    conn: &mut Conn<'_>,
    id: ReferralId,
    referrer: UserId,
    referred: UserId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO referrals (id, referrer_user_id, referred_user_id, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (referred_user_id) DO NOTHING"
    )
    .bind(id)
    .bind(referrer)
    .bind(referred)
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Returns what became of a member's invitations; a conversion after `credited_after` counts
/// as an active credit.
pub async fn stats(conn: &mut Conn<'_>, referrer: UserId, credited_after: DateTime<Utc>) -> Result<ReferralStats> {
    let (pending, converted, active_credits): (i64, i64, i64) = run!(conn, |c| sqlx::query_as(
        "SELECT
            COUNT(CASE WHEN credited_at IS NULL AND rejected_at IS NULL AND taken_back_at IS NULL THEN 1 END),
            COUNT(CASE WHEN credited_at IS NOT NULL AND taken_back_at IS NULL THEN 1 END),
            COUNT(CASE WHEN credited_at > $2 AND taken_back_at IS NULL THEN 1 END)
        FROM referrals WHERE referrer_user_id = $1"
    )
    .bind(referrer)
    .bind(credited_after)
    .fetch_one(c))?;
    Ok(ReferralStats { pending, converted, active_credits })
}

/// Returns the referral that an invoice converted and whose friend's account is deleted.
pub async fn find_by_invoice(conn: &mut Conn<'_>, provider: Provider, invoice: &str) -> Result<Option<Referral>> {
    run!(conn, |c| sqlx::query_as::<_, ReferralRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM referrals WHERE provider = $1 AND invoice_id = $2 AND referred_user_id IS NULL"
    ))
    .bind(provider.as_str())
    .bind(invoice)
    .fetch_optional(c))?
    .map(Referral::try_from)
    .transpose()
}

/// Returns the referral by which a member came.
pub async fn find_by_referred(conn: &mut Conn<'_>, referred: UserId) -> Result<Option<Referral>> {
    run!(conn, |c| sqlx::query_as::<_, ReferralRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM referrals WHERE referred_user_id = $1"
    ))
    .bind(referred)
    .fetch_optional(c))?
    .map(Referral::try_from)
    .transpose()
}

/// Returns a referral.
pub async fn find(conn: &mut Conn<'_>, id: ReferralId) -> Result<Option<Referral>> {
    run!(conn, |c| sqlx::query_as::<_, ReferralRow>(concat!("SELECT ", columns!(), " FROM referrals WHERE id = $1"))
        .bind(id)
        .fetch_optional(c))?
    .map(Referral::try_from)
    .transpose()
}

/// Returns a page of referrals, the newest first, from before `before`; in one state if one is named.
pub async fn page(
    conn: &mut Conn<'_>,
    state: Option<ReferralState>,
    before: Option<ReferralId>,
    count: i64,
) -> Result<Vec<Referral>> {
    let rows: Vec<ReferralRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM referrals WHERE "));
        query.push(match state {
            None => "1 = 1",
            Some(ReferralState::Pending) => "converted_at IS NULL",
            Some(ReferralState::Held) => {
                "converted_at IS NOT NULL AND credited_at IS NULL AND rejected_at IS NULL AND taken_back_at IS NULL"
            }
            Some(ReferralState::Converted) => {
                "credited_at IS NOT NULL AND rejected_at IS NULL AND taken_back_at IS NULL"
            }
            Some(ReferralState::Rejected) => "rejected_at IS NOT NULL",
            Some(ReferralState::TakenBack) => "rejected_at IS NULL AND taken_back_at IS NOT NULL",
        });
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Referral::try_from).collect()
}

/// Returns a page of referrals about which something looked like fraud, the newest first, from
/// before `before`.
pub async fn flagged(conn: &mut Conn<'_>, before: Option<ReferralId>, count: i64) -> Result<Vec<Referral>> {
    let rows: Vec<ReferralRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM referrals WHERE flags <> ''"));
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Referral::try_from).collect()
}

/// Returns referrals whose reward was held until now.
pub async fn due(conn: &mut Conn<'_>, now: DateTime<Utc>, count: i64) -> Result<Vec<Referral>> {
    let rows: Vec<ReferralRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM referrals
        WHERE converted_at IS NOT NULL AND credited_at IS NULL AND rejected_at IS NULL AND taken_back_at IS NULL
            AND held_until <= $1
        ORDER BY held_until, id LIMIT $2"
    ))
    .bind(now)
    .bind(count)
    .fetch_all(c))?;
    rows.into_iter().map(Referral::try_from).collect()
}

/// What is written down when a friend pays for the first time.
#[derive(Debug, Clone)]
pub struct Conversion<'a> {
    /// The invoice.
    pub invoice: (Provider, &'a str),
    /// The days that each side gets.
    pub reward_days: i64,
    /// What looked like fraud.
    pub flags: &'a [Flag],
    /// Until when the reward waits by itself; `None` for an admin to decide.
    pub held_until: Option<DateTime<Utc>>,
}

/// Converts a referral, once: of two at once one gets `true`, whatever both have read before.
pub async fn convert(
    conn: &mut Conn<'_>,
    id: ReferralId,
    conversion: &Conversion<'_>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let flags: Vec<_> = conversion.flags.iter().map(|flag| flag.as_str()).collect();
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE referrals SET
            converted_at = $2, provider = $3, invoice_id = $4, reward_days = $5, flags = $6, held_until = $7
        WHERE id = $1 AND converted_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .bind(conversion.invoice.0.as_str())
    .bind(conversion.invoice.1)
    .bind(conversion.reward_days)
    .bind(flags.join(","))
    .bind(conversion.held_until)
    .execute(c))?;
    Ok(updated == 1)
}

/// Names another invoice as the one that converted a referral.
pub async fn set_invoice(conn: &mut Conn<'_>, id: ReferralId, provider: Provider, invoice: &str) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE referrals SET provider = $2, invoice_id = $3 WHERE id = $1 AND converted_at IS NOT NULL"
    )
    .bind(id)
    .bind(provider.as_str())
    .bind(invoice)
    .execute(c))?;
    Ok(updated == 1)
}

/// Notes that both sides got their days, once: of two at once one gets `true`.
pub async fn credit(conn: &mut Conn<'_>, id: ReferralId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE referrals SET credited_at = $2
        WHERE id = $1 AND converted_at IS NOT NULL AND credited_at IS NULL AND rejected_at IS NULL
            AND taken_back_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Lets a held reward go at once: it is due now. Returns whether there was one that waits.
pub async fn release(conn: &mut Conn<'_>, id: ReferralId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE referrals SET held_until = $2
        WHERE id = $1 AND converted_at IS NOT NULL AND credited_at IS NULL AND rejected_at IS NULL
            AND taken_back_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Decides that a held reward is not given. Returns whether there was one that waits.
pub async fn reject(conn: &mut Conn<'_>, id: ReferralId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE referrals SET rejected_at = $2
        WHERE id = $1 AND converted_at IS NOT NULL AND credited_at IS NULL AND rejected_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Notes that the reward is void because the money went back, once: of two at once one gets `true`.
pub async fn take_back(conn: &mut Conn<'_>, id: ReferralId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE referrals SET taken_back_at = $2, times_taken_back = times_taken_back + 1
        WHERE id = $1 AND converted_at IS NOT NULL AND rejected_at IS NULL AND taken_back_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Notes that the reward is good again, once: of two at once one gets `true`.
pub async fn give_back(conn: &mut Conn<'_>, id: ReferralId) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE referrals SET taken_back_at = NULL WHERE id = $1 AND taken_back_at IS NOT NULL"
    )
    .bind(id)
    .execute(c))?;
    Ok(updated == 1)
}

/// Returns how many friends of a member converted after `since`.
pub async fn conversions(conn: &mut Conn<'_>, referrer: UserId, since: DateTime<Utc>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM referrals WHERE referrer_user_id = $1 AND converted_at > $2"
    )
    .bind(referrer)
    .bind(since)
    .fetch_one(c))?)
}

/// Returns from where and with what two members signed in, the newest first. Other lines about them may
/// come from elsewhere: an admin who changes something of both does so from one browser.
pub async fn seen_from(conn: &mut Conn<'_>, a: UserId, b: UserId, count: i64) -> Result<Vec<SeenFrom>> {
    let rows: Vec<(UserId, String, String, DateTime<Utc>)> = run!(conn, |c| sqlx::query_as(
        "SELECT user_id, ip_address, user_agent, created_at FROM user_activity_log
        WHERE user_id IN ($1, $2) AND action IN ('login', 'admin_claimed')
            AND ip_address IS NOT NULL AND user_agent IS NOT NULL
        ORDER BY created_at DESC LIMIT $3"
    )
    .bind(a)
    .bind(b)
    .bind(count)
    .fetch_all(c))?;
    Ok(rows.into_iter().map(|(user, address, user_agent, at)| SeenFrom { user, address, user_agent, at }).collect())
}
