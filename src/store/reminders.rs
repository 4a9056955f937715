//! What somebody is told once: `reminders`, and whose turn it is to be told.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::ids::{GrantId, PartnerId, UserId},
    store::{
        Conn, Result,
        db::{execute, run},
    },
};

/// That a trial is about to end.
pub const TRIAL_ENDING: &str = "trial_ending";
/// That it has ended.
pub const TRIAL_ENDED: &str = "trial_ended";
/// That given time is about to end.
pub const GRANT_ENDING: &str = "grant_ending";

/// That the contract with a partner is about to end.
const PARTNER_ENDING: &str = "partner_ending";

/// Takes the right to tell a member something about their trial. However many want to at once, one gets
/// `true`, and nobody ever again.
pub async fn claim_trial(conn: &mut Conn<'_>, kind: &str, user: UserId, now: DateTime<Utc>) -> Result<bool> {
    claim(conn, kind, Uuid::from_bytes(*user.as_bytes()), now).await
}

/// Takes the right to tell that a grant is about to end, as above.
pub async fn claim_grant(conn: &mut Conn<'_>, grant: GrantId, now: DateTime<Utc>) -> Result<bool> {
    claim(conn, GRANT_ENDING, Uuid::from_bytes(*grant.as_bytes()), now).await
}

/// Takes the right to tell that the contract with a partner ends at that time, as above. One that is
/// extended ends at another time, of which is told again.
pub async fn claim_partner(
    conn: &mut Conn<'_>,
    partner: PartnerId,
    ends_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let kind = format!("{PARTNER_ENDING} {}", ends_at.timestamp());
    claim(conn, &kind, Uuid::from_bytes(*partner.as_bytes()), now).await
}

async fn claim(conn: &mut Conn<'_>, kind: &str, subject: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let claimed = execute!(conn, |c| sqlx::query(
        "INSERT INTO reminders (kind, subject_id, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (kind, subject_id) DO NOTHING"
    )
    .bind(kind)
    .bind(subject)
    .bind(now)
    .execute(c))?;
    Ok(claimed == 1)
}

/// Returns members whose trial ends after `from` and no later than `until`, and who were not told
/// `kind`, the earliest first.
pub async fn trials(
    conn: &mut Conn<'_>,
    kind: &str,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    count: i64,
) -> Result<Vec<UserId>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT id FROM users
        WHERE trial_ends_at > $2 AND trial_ends_at <= $3
            AND NOT EXISTS (SELECT 1 FROM reminders WHERE kind = $1 AND subject_id = users.id)
        ORDER BY trial_ends_at, id LIMIT $4"
    )
    .bind(kind)
    .bind(from)
    .bind(until)
    .bind(count)
    .fetch_all(c))?)
}

/// Returns grants that run out after `from` and no later than `until`, of whose end nobody was told, and
/// whose they are.
pub async fn grants(
    conn: &mut Conn<'_>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    count: i64,
) -> Result<Vec<(GrantId, UserId)>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, user_id FROM access_grants
        WHERE runs_until > $2 AND runs_until <= $3 AND user_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM reminders WHERE kind = $1 AND subject_id = access_grants.id)
        ORDER BY runs_until, id LIMIT $4"
    )
    .bind(GRANT_ENDING)
    .bind(from)
    .bind(until)
    .bind(count)
    .fetch_all(c))?)
}

/// Forgets what was told before `told_before`. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, told_before: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM reminders WHERE created_at <= $1").bind(told_before).execute(c))?)
}
