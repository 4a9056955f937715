//! Members: `users` and `user_stats`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    domain::{
        email::{EmailAddress, EmailKey},
        ids::{TierId, UserId},
        lang::Lang,
        referral::ReferralCode,
        user::{Role, User},
    },
    store::{
        Conn, Result, StoreError,
        db::{execute, run},
    },
};

#[derive(FromRow)]
struct UserRow {
    id: UserId,
    email: String,
    role: String,
    lang: String,
    tier_id: TierId,
    trial_ends_at: Option<DateTime<Utc>>,
    credit_until: Option<DateTime<Utc>>,
    referral_code: Option<ReferralCode>,
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            email: row.email,
            role: row.role.parse().map_err(StoreError::corrupt("users", "role"))?,
            lang: row.lang.parse().map_err(StoreError::corrupt("users", "lang"))?,
            tier: row.tier_id,
            trial_ends_at: row.trial_ends_at,
            credit_until: row.credit_until,
            referral_code: row.referral_code,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        })
    }
}

macro_rules! columns {
    () => {
        "id, email, role, lang, tier_id, trial_ends_at, credit_until, referral_code, disabled_at, created_at"
    };
}

/// What a new member starts with.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// Who.
    pub id: UserId,
    /// The proved address.
    pub email: &'a EmailAddress,
    /// What they may do here.
    pub role: Role,
    /// The language they came with.
    pub lang: Lang,
    /// Their own tier.
    pub tier: &'a TierId,
    /// When the trial ends, if there is one.
    pub trial_ends_at: Option<DateTime<Utc>>,
    /// Who invited them.
    pub referred_by: Option<UserId>,
}

/// Adds a member unless the address is one's already. Of two at once one gets `true`.
pub async fn insert(conn: &mut Conn<'_>, user: &NewUser<'_>, now: DateTime<Utc>) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO users (
            id, email, email_key, role, lang, tier_id, trial_ends_at, referred_by_user_id, created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
        ON CONFLICT (email_key) DO NOTHING",
    )
    .bind(user.id)
    .bind(user.email.as_str())
    .bind(user.email.key())
    .bind(user.role.as_str())
    .bind(user.lang.tag())
    .bind(user.tier)
    .bind(user.trial_ends_at)
    .bind(user.referred_by)
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Returns the member, if there is one.
pub async fn find(conn: &mut Conn<'_>, id: UserId) -> Result<Option<User>> {
    run!(conn, |c| sqlx::query_as::<_, UserRow>(concat!("SELECT ", columns!(), " FROM users WHERE id = $1"))
        .bind(id)
        .fetch_optional(c))?
    .map(User::try_from)
    .transpose()
}

/// Returns the member with that address, if there is one.
pub async fn find_by_email(conn: &mut Conn<'_>, key: &EmailKey) -> Result<Option<User>> {
    run!(conn, |c| sqlx::query_as::<_, UserRow>(concat!("SELECT ", columns!(), " FROM users WHERE email_key = $1"))
        .bind(key)
        .fetch_optional(c))?
    .map(User::try_from)
    .transpose()
}

/// Returns the member and holds the row until the transaction ends: others who want to change
/// it wait here. (SQLite has one writer, who holds everything.)
pub async fn lock(conn: &mut Conn<'_>, id: UserId) -> Result<Option<User>> {
    let sql = conn.dialect(
        concat!("SELECT ", columns!(), " FROM users WHERE id = $1"),
        concat!("SELECT ", columns!(), " FROM users WHERE id = $1 FOR UPDATE"),
    );
    run!(conn, |c| sqlx::query_as::<_, UserRow>(sql).bind(id).fetch_optional(c))?.map(User::try_from).transpose()
}

/// Returns the member whose code that is.
pub async fn find_by_referral_code(conn: &mut Conn<'_>, code: &ReferralCode) -> Result<Option<User>> {
    run!(conn, |c| sqlx::query_as::<_, UserRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE referral_code = $1"
    ))
    .bind(code)
    .fetch_optional(c))?
    .map(User::try_from)
    .transpose()
}

/// Returns a page of members in the order of their ids, from after `after`.
pub async fn list(conn: &mut Conn<'_>, after: Option<UserId>, count: i64) -> Result<Vec<User>> {
    run!(conn, |c| sqlx::query_as::<_, UserRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE id > $1 ORDER BY id LIMIT $2"
    ))
    .bind(after.unwrap_or_else(|| Uuid::nil().into()))
    .bind(count)
    .fetch_all(c))?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// Returns how many members there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(c))?)
}

/// Returns whether anybody is an admin and may sign in.
pub async fn any_admin(conn: &mut Conn<'_>) -> Result<bool> {
    let count: i64 =
        run!(conn, |c| sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL")
            .fetch_one(c))?;
    Ok(count > 0)
}

/// Gives a member a code unless they have one or somebody else has it. Returns whether it is
/// theirs now; of two at once with the same code one gets `true`.
pub async fn set_referral_code(
    conn: &mut Conn<'_>,
    id: UserId,
    code: &ReferralCode,
    now: DateTime<Utc>,
) -> Result<bool> {
    // OR IGNORE and ON CONFLICT are for inserts, so the unique constraint is met as an error;
    // a savepoint keeps it from ending the transaction on Postgres.
    execute!(conn, |c| sqlx::query("SAVEPOINT referral_code").execute(c))?;
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET referral_code = $2, updated_at = $3 WHERE id = $1 AND referral_code IS NULL"
    )
    .bind(id)
    .bind(code)
    .bind(now)
    .execute(c));
    match updated {
        Ok(rows) => {
            execute!(conn, |c| sqlx::query("RELEASE SAVEPOINT referral_code").execute(c))?;
            Ok(rows == 1)
        }
        Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
            execute!(conn, |c| sqlx::query("ROLLBACK TO SAVEPOINT referral_code").execute(c))?;
            execute!(conn, |c| sqlx::query("RELEASE SAVEPOINT referral_code").execute(c))?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Sets what a member may do. Returns whether there is such a member.
pub async fn set_role(conn: &mut Conn<'_>, id: UserId, role: Role, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query("UPDATE users SET role = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(role.as_str())
        .bind(now)
        .execute(c))?;
    Ok(updated == 1)
}

/// Sets the language. Returns whether there is such a member.
pub async fn set_lang(conn: &mut Conn<'_>, id: UserId, lang: Lang, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query("UPDATE users SET lang = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(lang.tag())
        .bind(now)
        .execute(c))?;
    Ok(updated == 1)
}

/// Closes an account for signing in. Returns whether it was open.
pub async fn disable(conn: &mut Conn<'_>, id: UserId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET disabled_at = $2, updated_at = $2 WHERE id = $1 AND disabled_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Opens an account again. Returns whether it was closed.
pub async fn enable(conn: &mut Conn<'_>, id: UserId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET disabled_at = NULL, updated_at = $2 WHERE id = $1 AND disabled_at IS NOT NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Writes until when credit lasts: the projection of `credit_entries`.
pub async fn set_credit_until(
    conn: &mut Conn<'_>,
    id: UserId,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    execute!(conn, |c| sqlx::query("UPDATE users SET credit_until = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(until)
        .bind(now)
        .execute(c))?;
    Ok(())
}

/// Counts a sign-in.
pub async fn count_login(conn: &mut Conn<'_>, id: UserId, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO user_stats (user_id, login_count, last_login_at) VALUES ($1, 1, $2)
        ON CONFLICT (user_id) DO UPDATE
        SET login_count = user_stats.login_count + 1, last_login_at = excluded.last_login_at"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Returns how often a member signed in, and when last.
pub async fn login_stats(conn: &mut Conn<'_>, id: UserId) -> Result<(i64, Option<DateTime<Utc>>)> {
    let row: Option<(i64, Option<DateTime<Utc>>)> =
        run!(conn, |c| sqlx::query_as("SELECT login_count, last_login_at FROM user_stats WHERE user_id = $1")
            .bind(id)
            .fetch_optional(c))?;
    Ok(row.unwrap_or((0, None)))
}
