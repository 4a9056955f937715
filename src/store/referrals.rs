//! Who invited whom: `referrals`.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        ids::{ReferralId, UserId},
        referral::ReferralStats,
    },
    store::{
        Conn, Result,
        db::{execute, run},
    },
};

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
            COUNT(CASE WHEN converted_at IS NULL THEN 1 END),
            COUNT(converted_at),
            COUNT(CASE WHEN credited_at > $2 THEN 1 END)
        FROM referrals WHERE referrer_user_id = $1"
    )
    .bind(referrer)
    .bind(credited_after)
    .fetch_one(c))?;
    Ok(ReferralStats { pending, converted, active_credits })
}
