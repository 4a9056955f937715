//! Who is invited: `invitations`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        email::EmailKey,
        ids::{InvitationId, TierId, UserId},
        invitation::{Gift, Invitation, InvitationState},
        schedule::CLOCK_TOLERANCE,
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct InvitationRow {
    id: InvitationId,
    email: String,
    email_key: EmailKey,
    inviter_user_id: Option<UserId>,
    invited_by: String,
    tier_id: Option<TierId>,
    duration_days: Option<i64>,
    note: String,
    lang: String,
    sends: i64,
    sent_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
    accepted_by_user_id: Option<UserId>,
    revoked_at: Option<DateTime<Utc>>,
    lapsed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<InvitationRow> for Invitation {
    type Error = StoreError;

    fn try_from(row: InvitationRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            email: row.email,
            email_key: row.email_key,
            inviter: row.inviter_user_id,
            invited_by: row.invited_by,
            gift: row.tier_id.zip(row.duration_days).map(|(tier, days)| Gift { tier, days }),
            note: row.note,
            lang: row.lang.parse().map_err(StoreError::corrupt("invitations", "lang"))?,
            sends: row.sends,
            sent_at: row.sent_at,
            expires_at: row.expires_at,
            accepted_at: row.accepted_at,
            accepted_by: row.accepted_by_user_id,
            revoked_at: row.revoked_at,
            lapsed_at: row.lapsed_at,
            created_at: row.created_at,
        })
    }
}

macro_rules! columns {
    () => {
        "id, email, email_key, inviter_user_id, invited_by, tier_id, duration_days, note, lang, sends, sent_at,
        expires_at, accepted_at, accepted_by_user_id, revoked_at, lapsed_at, created_at"
    };
}

/// Puts expired invitations of an address out of the way of a new one. Returns how many.
pub async fn lapse(conn: &mut Conn<'_>, email: &EmailKey, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "UPDATE invitations SET lapsed_at = $2
        WHERE email_key = $1 AND expires_at <= $2
            AND accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL"
    )
    .bind(email)
    .bind(now)
    .execute(c))?)
}

/// Adds an invitation with its first mail, unless the address has an open one: of two at once one gets
/// `true`.
pub async fn insert(conn: &mut Conn<'_>, invitation: &Invitation) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO invitations (
            id, email, email_key, inviter_user_id, invited_by, tier_id, duration_days, note, lang, sends, sent_at,
            expires_at, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (email_key) WHERE accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL DO NOTHING"
    )
    .bind(invitation.id)
    .bind(&invitation.email)
    .bind(&invitation.email_key)
    .bind(invitation.inviter)
    .bind(&invitation.invited_by)
    .bind(invitation.gift.as_ref().map(|gift| &gift.tier))
    .bind(invitation.gift.as_ref().map(|gift| gift.days))
    .bind(&invitation.note)
    .bind(invitation.lang.tag())
    .bind(invitation.sends)
    .bind(invitation.sent_at)
    .bind(invitation.expires_at)
    .bind(invitation.created_at)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Returns an invitation.
pub async fn find(conn: &mut Conn<'_>, id: InvitationId) -> Result<Option<Invitation>> {
    run!(conn, |c| sqlx::query_as::<_, InvitationRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM invitations WHERE id = $1"
    ))
    .bind(id)
    .fetch_optional(c))?
    .map(Invitation::try_from)
    .transpose()
}

/// Returns the invitation of an address that can be accepted at `now`.
pub async fn find_open(conn: &mut Conn<'_>, email: &EmailKey, now: DateTime<Utc>) -> Result<Option<Invitation>> {
    run!(conn, |c| sqlx::query_as::<_, InvitationRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM invitations
        WHERE email_key = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL AND expires_at > $2"
    ))
    .bind(email)
    .bind(now)
    .fetch_optional(c))?
    .map(Invitation::try_from)
    .transpose()
}

/// Returns how many mails an address got about invitations, of those whose last mail went out within
/// `(after, until]`.
pub async fn mails_to(
    conn: &mut Conn<'_>,
    email: &EmailKey,
    (after, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(sends), 0) AS BIGINT) FROM invitations
        WHERE email_key = $1 AND sent_at > $2 AND sent_at <= $3"
    )
    .bind(email)
    .bind(after)
    .bind(until)
    .fetch_one(c))?)
}

/// Returns when an address last got a mail within `(after, until]` about an invitation other than this.
pub async fn last_mail_to(
    conn: &mut Conn<'_>,
    email: &EmailKey,
    but: InvitationId,
    (after, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Option<DateTime<Utc>>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT sent_at FROM invitations
        WHERE email_key = $1 AND id <> $2 AND sent_at > $3 AND sent_at <= $4
        ORDER BY sent_at DESC LIMIT 1"
    )
    .bind(email)
    .bind(but)
    .bind(after)
    .bind(until)
    .fetch_optional(c))?)
}

/// Returns when a member made their invitations within `(after, until]`, the earliest first.
pub async fn made_by(
    conn: &mut Conn<'_>,
    inviter: UserId,
    (after, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<DateTime<Utc>>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT created_at FROM invitations
        WHERE inviter_user_id = $1 AND created_at > $2 AND created_at <= $3 ORDER BY created_at"
    )
    .bind(inviter)
    .bind(after)
    .bind(until)
    .fetch_all(c))?)
}

/// Returns the invitations of a member that can be accepted at `now`, the newest first.
pub async fn open_of(conn: &mut Conn<'_>, inviter: UserId, now: DateTime<Utc>, count: i64) -> Result<Vec<Invitation>> {
    let rows: Vec<InvitationRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM invitations
        WHERE inviter_user_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL
            AND expires_at > $2
        ORDER BY id DESC LIMIT $3"
    ))
    .bind(inviter)
    .bind(now)
    .bind(count)
    .fetch_all(c))?;
    rows.into_iter().map(Invitation::try_from).collect()
}

/// Returns a page of invitations as they stand at `now`, the newest first, from before `before`; in one
/// state if one is named.
pub async fn page(
    conn: &mut Conn<'_>,
    state: Option<InvitationState>,
    before: Option<InvitationId>,
    count: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>> {
    let rows: Vec<InvitationRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM invitations WHERE TRUE"));
        match state {
            None => {}
            Some(InvitationState::Accepted) => {
                query.push(" AND accepted_at IS NOT NULL");
            }
            Some(InvitationState::Revoked) => {
                query.push(" AND revoked_at IS NOT NULL");
            }
            Some(InvitationState::Open) => {
                query.push(" AND accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL AND expires_at > ");
                query.push_bind(now);
            }
            Some(InvitationState::Expired) => {
                query.push(
                    " AND accepted_at IS NULL AND revoked_at IS NULL AND (lapsed_at IS NOT NULL OR expires_at <= ",
                );
                query.push_bind(now).push(")");
            }
        }
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Invitation::try_from).collect()
}

/// Counts another mail of an open invitation, whose last one went out at or before `sent_before`, or by a
/// clock that was ahead, and lets it be good until `expires_at`. Of two at once one gets it.
pub async fn resend(
    conn: &mut Conn<'_>,
    id: InvitationId,
    sent_before: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Invitation>> {
    run!(conn, |c| sqlx::query_as::<_, InvitationRow>(concat!(
        "UPDATE invitations SET sends = sends + 1, sent_at = $4, expires_at = $3
        WHERE id = $1 AND (sent_at <= $2 OR sent_at > $5) AND accepted_at IS NULL AND revoked_at IS NULL
            AND lapsed_at IS NULL AND expires_at > $4
        RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(sent_before)
    .bind(expires_at)
    .bind(now)
    .bind(now + CLOCK_TOLERANCE)
    .fetch_optional(c))?
    .map(Invitation::try_from)
    .transpose()
}

/// Accepts an invitation for a member, unless it is over. However many accept it at once, one gets
/// `true`.
pub async fn accept(conn: &mut Conn<'_>, id: InvitationId, user: UserId, now: DateTime<Utc>) -> Result<bool> {
    let accepted = execute!(conn, |c| sqlx::query(
        "UPDATE invitations SET accepted_at = $3, accepted_by_user_id = $2
        WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL AND expires_at > $3"
    )
    .bind(id)
    .bind(user)
    .bind(now)
    .execute(c))?;
    Ok(accepted == 1)
}

/// Takes an invitation back that nobody has accepted. Returns whether it was there to be taken back.
pub async fn revoke(conn: &mut Conn<'_>, id: InvitationId, now: DateTime<Utc>) -> Result<bool> {
    let revoked = execute!(conn, |c| sqlx::query(
        "UPDATE invitations SET revoked_at = $2 WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(revoked == 1)
}

/// Forgets the address of a member who leaves: invitations to it that nobody accepted go, and of the
/// accepted one only stays that it was. Returns how many rows it touched.
pub async fn forget(conn: &mut Conn<'_>, user: UserId, email: &EmailKey, now: DateTime<Utc>) -> Result<u64> {
    let deleted =
        execute!(conn, |c| sqlx::query("DELETE FROM invitations WHERE email_key = $1 AND accepted_at IS NULL")
            .bind(email)
            .execute(c))?;
    // What they wrote themselves goes, and nobody accepts an invitation by who is not there.
    let taken_back = execute!(conn, |c| sqlx::query(
        "UPDATE invitations SET note = '', inviter_user_id = NULL,
            revoked_at = CASE WHEN accepted_at IS NULL THEN COALESCE(revoked_at, $2) ELSE revoked_at END
        WHERE inviter_user_id = $1"
    )
    .bind(user)
    .bind(now)
    .execute(c))?;
    let emptied = execute!(conn, |c| {
        sqlx::query(
        "UPDATE invitations SET email = '', email_key = '', note = '' WHERE accepted_by_user_id = $1 OR email_key = $2"
    )
    .bind(user)
    .bind(email)
    .execute(c)
    })?;
    Ok(deleted + taken_back + emptied)
}

/// Forgets invitations that nobody accepted and that ended before `ended_before`: whoever did not come
/// did not ask to be remembered. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, ended_before: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM invitations
        WHERE accepted_at IS NULL AND (expires_at <= $1 OR revoked_at <= $1) AND created_at <= $1"
    )
    .bind(ended_before)
    .execute(c))?)
}
