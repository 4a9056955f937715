//! Signing in: `login_attempts`, `login_failures`, `admin_claims`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        email::{EmailAddress, EmailKey},
        ids::LoginAttemptId,
        lang::Lang,
    },
    store::{
        Conn, Result,
        db::{execute, run},
    },
};

/// A sign-in flow, as stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LoginAttempt {
    /// Which.
    pub id: LoginAttemptId,
    /// The address as typed.
    pub email: String,
    /// The address as compared.
    pub email_key: EmailKey,
    /// How many codes were sent; the last one is good.
    pub sends: i64,
    /// Whether the last one is long.
    pub long_code: bool,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
    /// How often it was tried.
    pub tries: i64,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

macro_rules! columns {
    () => {
        "id, email, email_key, sends, long_code, sent_at, expires_at, tries, used_at"
    };
}

/// Opens a flow with its first code.
pub async fn insert_attempt(
    conn: &mut Conn<'_>,
    id: LoginAttemptId,
    email: &EmailAddress,
    lang: Lang,
    long_code: bool,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO login_attempts (
            id, email, email_key, lang, sends, long_code, sent_at, expires_at, tries, created_at
        )
        VALUES ($1, $2, $3, $4, 1, $5, $6, $7, 0, $6)"
    )
    .bind(id)
    .bind(email.as_str())
    .bind(email.key())
    .bind(lang.tag())
    .bind(long_code)
    .bind(now)
    .bind(expires_at)
    .execute(c))?;
    Ok(())
}

/// Returns a flow.
pub async fn find_attempt(conn: &mut Conn<'_>, id: LoginAttemptId) -> Result<Option<LoginAttempt>> {
    Ok(run!(conn, |c| sqlx::query_as(concat!("SELECT ", columns!(), " FROM login_attempts WHERE id = $1"))
        .bind(id)
        .fetch_optional(c))?)
}

/// Replaces the code of an unused flow whose last one was sent at or before `sent_before`:
/// the old code is void, the tries start again. Of two at once one gets the new flow.
pub async fn resend(
    conn: &mut Conn<'_>,
    id: LoginAttemptId,
    long_code: bool,
    sent_before: DateTime<Utc>,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Option<LoginAttempt>> {
    Ok(run!(conn, |c| sqlx::query_as(concat!(
        "UPDATE login_attempts
        SET sends = sends + 1, long_code = $2, sent_at = $4, expires_at = $5, tries = 0
        WHERE id = $1 AND used_at IS NULL AND sent_at <= $3
        RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(long_code)
    .bind(sent_before)
    .bind(now)
    .bind(expires_at)
    .fetch_optional(c))?)
}

/// Counts a try, before anything is compared. Returns the flow as it is after the count, or
/// nothing when the code is used, has run out, or has had all its tries: however many try at
/// once, only `most_tries` of them get an answer.
pub async fn count_try(
    conn: &mut Conn<'_>,
    id: LoginAttemptId,
    most_tries: i64,
    now: DateTime<Utc>,
) -> Result<Option<LoginAttempt>> {
    Ok(run!(conn, |c| sqlx::query_as(concat!(
        "UPDATE login_attempts SET tries = tries + 1
        WHERE id = $1 AND used_at IS NULL AND tries < $2 AND expires_at > $3
        RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(most_tries)
    .bind(now)
    .fetch_optional(c))?)
}

/// Uses up a flow. Of two with the right code at once one gets `true`.
pub async fn use_attempt(conn: &mut Conn<'_>, id: LoginAttemptId, now: DateTime<Utc>) -> Result<bool> {
    let used =
        execute!(conn, |c| sqlx::query("UPDATE login_attempts SET used_at = $2 WHERE id = $1 AND used_at IS NULL")
            .bind(id)
            .bind(now)
            .execute(c))?;
    Ok(used == 1)
}

/// Returns how many wrong codes in a row an address has had.
pub async fn failures(conn: &mut Conn<'_>, key: &EmailKey) -> Result<i64> {
    let count: Option<i64> =
        run!(conn, |c| sqlx::query_scalar("SELECT consecutive FROM login_failures WHERE email_key = $1")
            .bind(key)
            .fetch_optional(c))?;
    Ok(count.unwrap_or(0))
}

/// Counts a wrong code against an address.
pub async fn count_failure(conn: &mut Conn<'_>, key: &EmailKey, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO login_failures (email_key, consecutive, updated_at) VALUES ($1, 1, $2)
        ON CONFLICT (email_key) DO UPDATE
        SET consecutive = login_failures.consecutive + 1, updated_at = excluded.updated_at"
    )
    .bind(key)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Forgets the wrong codes of an address: its owner came in.
pub async fn clear_failures(conn: &mut Conn<'_>, key: &EmailKey) -> Result<()> {
    execute!(conn, |c| sqlx::query("DELETE FROM login_failures WHERE email_key = $1").bind(key).execute(c))?;
    Ok(())
}

/// Makes the one-time link for the first admin, in the place of the one before. Of two nodes that
/// start at once, one has made the link that is good.
pub async fn replace_admin_claim(
    conn: &mut Conn<'_>,
    token_hash: &[u8],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO admin_claims (id, token_hash, created_at, expires_at) VALUES (1, $1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET
            token_hash = excluded.token_hash, created_at = excluded.created_at, expires_at = excluded.expires_at"
    )
    .bind(token_hash)
    .bind(now)
    .bind(expires_at)
    .execute(c))?;
    Ok(())
}

/// Returns whether a link for the first admin is good.
pub async fn has_admin_claim(conn: &mut Conn<'_>, token_hash: &[u8], now: DateTime<Utc>) -> Result<bool> {
    let count: i64 = run!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM admin_claims WHERE token_hash = $1 AND expires_at > $2"
    )
    .bind(token_hash)
    .bind(now)
    .fetch_one(c))?;
    Ok(count == 1)
}

/// Uses up a link for the first admin. Of two at once one gets `true`.
pub async fn use_admin_claim(conn: &mut Conn<'_>, token_hash: &[u8], now: DateTime<Utc>) -> Result<bool> {
    let used = execute!(conn, |c| sqlx::query("DELETE FROM admin_claims WHERE token_hash = $1 AND expires_at > $2")
        .bind(token_hash)
        .bind(now)
        .execute(c))?;
    Ok(used == 1)
}

/// Forgets flows opened, and wrong codes last typed, before `before`, and a link that has run out.
/// Returns how many.
pub async fn purge(conn: &mut Conn<'_>, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64> {
    let attempts =
        execute!(conn, |c| sqlx::query("DELETE FROM login_attempts WHERE created_at <= $1").bind(before).execute(c))?;
    let failures =
        execute!(conn, |c| sqlx::query("DELETE FROM login_failures WHERE updated_at <= $1").bind(before).execute(c))?;
    let claims =
        execute!(conn, |c| sqlx::query("DELETE FROM admin_claims WHERE expires_at <= $1").bind(now).execute(c))?;
    Ok(attempts + failures + claims)
}
