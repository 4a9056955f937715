//! Members: `users` and `user_stats`.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    domain::{
        email::{EmailAddress, EmailKey},
        ids::{TierId, UserId},
        lang::Lang,
        referral::ReferralCode,
        user::{Role, User, UserRef},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct UserRow {
    id: UserId,
    email: String,
    external_id: Option<String>,
    role: String,
    lang: String,
    tier_id: TierId,
    trial_ends_at: Option<DateTime<Utc>>,
    email_verified_at: Option<DateTime<Utc>>,
    closes_after_trial: bool,
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
            email: Some(row.email).filter(|email| !email.is_empty()),
            external_id: row.external_id,
            role: row.role.parse().map_err(StoreError::corrupt("users", "role"))?,
            lang: row.lang.parse().map_err(StoreError::corrupt("users", "lang"))?,
            tier: row.tier_id,
            trial_ends_at: row.trial_ends_at,
            email_verified_at: row.email_verified_at,
            closes_after_trial: row.closes_after_trial,
            credit_until: row.credit_until,
            referral_code: row.referral_code,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        })
    }
}

macro_rules! columns {
    () => {
        "id, email, external_id, role, lang, tier_id, trial_ends_at, email_verified_at, closes_after_trial, credit_until,
        referral_code, disabled_at, created_at"
    };
}

/// What a new member starts with.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// Who.
    pub id: UserId,
    /// The address, unless they are known by an external id only.
    pub email: Option<&'a EmailAddress>,
    /// The name under which the product's own database knows them.
    pub external_id: Option<&'a str>,
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

/// Adds a member unless the address or the external id is one's already. Of two at once one gets
/// `true`.
pub async fn insert(conn: &mut Conn<'_>, user: &NewUser<'_>, now: DateTime<Utc>) -> Result<bool> {
    let key = user
        .email
        .map_or_else(|| EmailKey::without_address(user.external_id.unwrap_or_default()), |email| email.key().clone());
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO users (
            id, email, email_key, external_id, role, lang, tier_id, trial_ends_at, referred_by_user_id,
            created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
        ON CONFLICT DO NOTHING",
    )
    .bind(user.id)
    .bind(user.email.map(EmailAddress::as_str).unwrap_or_default())
    .bind(key)
    .bind(user.external_id)
    .bind(user.role.as_str())
    .bind(user.lang.tag())
    .bind(user.tier)
    .bind(user.trial_ends_at)
    .bind(user.referred_by)
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Returns the member, if there is one. Whoever is deleted is nobody, here and in all that follows.
pub async fn find(conn: &mut Conn<'_>, id: UserId) -> Result<Option<User>> {
    run!(conn, |c| sqlx::query_as::<_, UserRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE id = $1 AND deleted_at IS NULL"
    ))
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

/// Returns the member that somebody outside names: by id, else by external id, else by address.
pub async fn find_by_ref(conn: &mut Conn<'_>, named: &UserRef) -> Result<Option<User>> {
    let rows: Vec<UserRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE (id = $1 AND deleted_at IS NULL) OR external_id = $2 OR email_key = $3"
    ))
    .bind(named.id)
    .bind(&named.text)
    .bind(&named.email)
    .fetch_all(c))?;
    let preference = |row: &UserRow| {
        if named.id == Some(row.id) {
            0
        } else if row.external_id.as_deref() == Some(&named.text) {
            1
        } else {
            2
        }
    };
    rows.into_iter().min_by_key(preference).map(User::try_from).transpose()
}

/// Returns whom names from outside mean, as [`find_by_ref`] understands them. Who is nobody is left
/// out.
pub async fn find_by_refs(conn: &mut Conn<'_>, names: &[UserRef]) -> Result<HashMap<String, UserId>> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(UserId, Option<String>, EmailKey)> = build!(conn, |query, c| {
        query.push("SELECT id, external_id, email_key FROM users WHERE external_id IN (");
        let mut list = query.separated(", ");
        for name in names {
            list.push_bind(name.text.clone());
        }
        let ids: Vec<UserId> = names.iter().filter_map(|name| name.id).collect();
        if !ids.is_empty() {
            query.push(") OR deleted_at IS NULL AND id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id);
            }
        }
        let emails: Vec<&EmailKey> = names.iter().filter_map(|name| name.email.as_ref()).collect();
        if !emails.is_empty() {
            query.push(") OR email_key IN (");
            let mut list = query.separated(", ");
            for email in emails {
                list.push_bind(email.clone());
            }
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    let ids: HashSet<UserId> = rows.iter().map(|(id, ..)| *id).collect();
    let by_external_id: HashMap<&str, UserId> =
        rows.iter().filter_map(|(id, external_id, _)| Some((external_id.as_deref()?, *id))).collect();
    let by_email: HashMap<&str, UserId> = rows.iter().map(|(id, _, email)| (email.as_str(), *id)).collect();
    let found = |name: &UserRef| {
        let by_id = name.id.filter(|id| ids.contains(id));
        let by_external_id = || by_external_id.get(name.text.as_str()).copied();
        let by_email = || by_email.get(name.email.as_ref()?.as_str()).copied();
        by_id.or_else(by_external_id).or_else(by_email)
    };
    Ok(names.iter().filter_map(|name| Some((name.text.clone(), found(name)?))).collect())
}

/// Returns the member with that external id, if there is one.
pub async fn find_by_external_id(conn: &mut Conn<'_>, external_id: &str) -> Result<Option<User>> {
    run!(conn, |c| sqlx::query_as::<_, UserRow>(concat!("SELECT ", columns!(), " FROM users WHERE external_id = $1"))
        .bind(external_id)
        .fetch_optional(c))?
    .map(User::try_from)
    .transpose()
}

/// Returns the member with that address and holds the row until the transaction ends: who is just
/// being deleted is waited for, and is nobody then.
pub async fn lock_by_email(conn: &mut Conn<'_>, key: &EmailKey) -> Result<Option<User>> {
    let sql = conn.dialect(
        concat!("SELECT ", columns!(), " FROM users WHERE email_key = $1"),
        concat!("SELECT ", columns!(), " FROM users WHERE email_key = $1 FOR UPDATE"),
    );
    run!(conn, |c| sqlx::query_as::<_, UserRow>(sql).bind(key).fetch_optional(c))?.map(User::try_from).transpose()
}

/// Returns several members, in no order.
pub async fn find_all(conn: &mut Conn<'_>, ids: &[UserId]) -> Result<Vec<User>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<UserRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM users WHERE deleted_at IS NULL AND id IN ("));
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(User::try_from).collect()
}

/// Returns the member and holds the row until the transaction ends: others who want to change
/// it wait here. (SQLite has one writer, who holds everything.)
pub async fn lock(conn: &mut Conn<'_>, id: UserId) -> Result<Option<User>> {
    let sql = conn.dialect(
        concat!("SELECT ", columns!(), " FROM users WHERE id = $1 AND deleted_at IS NULL"),
        concat!("SELECT ", columns!(), " FROM users WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"),
    );
    run!(conn, |c| sqlx::query_as::<_, UserRow>(sql).bind(id).fetch_optional(c))?.map(User::try_from).transpose()
}

/// Returns members and holds their rows until the transaction ends. All callers lock in one order, so
/// that nobody waits in a circle.
pub async fn lock_all(conn: &mut Conn<'_>, ids: &[UserId]) -> Result<Vec<User>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // SQLite has one writer, who holds everything.
    let end = conn.dialect(") ORDER BY id", ") ORDER BY id FOR UPDATE");
    let rows: Vec<UserRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM users WHERE deleted_at IS NULL AND id IN ("));
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(end);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(User::try_from).collect()
}

/// Returns members, and those who invited them, and holds their rows until the transaction ends. All
/// callers lock in one order, so that nobody waits in a circle.
pub async fn lock_with_referrers(conn: &mut Conn<'_>, ids: &[UserId]) -> Result<Vec<User>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // SQLite has one writer, who holds everything.
    let end = conn.dialect(" ORDER BY id", " ORDER BY id FOR UPDATE");
    let rows: Vec<UserRow> = build!(conn, |query, c| {
        // One list of both: with OR, Postgres would look at everybody.
        query.push(concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE deleted_at IS NULL AND id IN (SELECT referrer_user_id FROM referrals WHERE referred_user_id IN ("
        ));
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(") UNION ");
        query.push_values(ids, |mut row, id| {
            row.push_bind(*id);
        });
        query.push(")").push(end);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(User::try_from).collect()
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
        " FROM users WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2"
    ))
    .bind(after.unwrap_or_else(|| Uuid::nil().into()))
    .bind(count)
    .fetch_all(c))?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// Returns a page of members whose address or external id holds a text, in the order of their
/// ids, from after `after`.
pub async fn search(conn: &mut Conn<'_>, text: &str, after: Option<UserId>, count: i64) -> Result<Vec<User>> {
    // What people type holds no pattern.
    let plain = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    run!(conn, |c| sqlx::query_as::<_, UserRow>(concat!(
        "SELECT ",
        columns!(),
        " FROM users
        WHERE id > $1 AND deleted_at IS NULL AND (
            email_key LIKE $2 ESCAPE '\\' OR LOWER(external_id) LIKE $2 ESCAPE '\\' OR external_id LIKE $4 ESCAPE '\\'
        )
        ORDER BY id LIMIT $3"
    ))
    .bind(after.unwrap_or_else(|| Uuid::nil().into()))
    .bind(format!("%{}%", plain.to_lowercase()))
    .bind(count)
    // SQLite knows the small letters of ASCII only.
    .bind(format!("%{plain}%"))
    .fetch_all(c))?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// Returns who changed after an instant, the earliest first, and when: at most `count`.
pub async fn changed_since(
    conn: &mut Conn<'_>,
    since: DateTime<Utc>,
    count: i64,
) -> Result<Vec<(UserId, DateTime<Utc>)>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT id, updated_at FROM users WHERE updated_at > $1 ORDER BY updated_at, id LIMIT $2"
    )
    .bind(since)
    .bind(count)
    .fetch_all(c))?)
}

/// Returns when something about members last changed, in no order. Those who do not exist are left
/// out.
pub async fn changed_at(conn: &mut Conn<'_>, ids: &[UserId]) -> Result<Vec<(UserId, DateTime<Utc>)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT id, updated_at FROM users WHERE id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Returns the admins who may sign in.
pub async fn admins(conn: &mut Conn<'_>) -> Result<Vec<User>> {
    let rows: Vec<UserRow> = run!(conn, |c| sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id"
    ))
    .fetch_all(c))?;
    rows.into_iter().map(User::try_from).collect()
}

/// Notes that something about members changed that stands in another table.
pub async fn touch(conn: &mut Conn<'_>, ids: &[UserId], now: DateTime<Utc>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("UPDATE users SET updated_at = ").push_bind(now).push(" WHERE id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Sets the own tier, which counts from now on. Returns whether there is such a member.
pub async fn set_tier(conn: &mut Conn<'_>, id: UserId, tier: &TierId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET tier_id = $2, closes_after_trial = FALSE, updated_at = $3 WHERE id = $1"
    )
    .bind(id)
    .bind(tier)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Lets the own tier of a member count for nothing.
pub async fn close_after_trial(conn: &mut Conn<'_>, id: UserId, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query("UPDATE users SET closes_after_trial = TRUE, updated_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(c))?;
    Ok(())
}

/// Notes that a member has proved their address. Returns whether it was the first time: of two at
/// once one gets `true`.
pub async fn verify_email(conn: &mut Conn<'_>, id: UserId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET email_verified_at = $2, updated_at = $2 WHERE id = $1 AND email_verified_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Lets a member's trial end at an instant, unless they have or had one.
pub async fn begin_trial(conn: &mut Conn<'_>, id: UserId, ends_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET trial_ends_at = $2, updated_at = $3 WHERE id = $1 AND trial_ends_at IS NULL"
    )
    .bind(id)
    .bind(ends_at)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Gives a member another address, which nobody has proved yet, or another external id, unless it is somebody else's.
/// Returns whether it is theirs now. What they were called before is remembered for as long as they are: it stands
/// where they did something.
pub async fn set_names(
    conn: &mut Conn<'_>,
    id: UserId,
    email: Option<&EmailAddress>,
    external_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool> {
    // Whoever has no address is unique by the external id, in the key of addresses too.
    let key = external_id.map(EmailKey::without_address);
    // The unique constraints are met as an error; a savepoint keeps it from ending the
    // transaction on Postgres.
    execute!(conn, |c| sqlx::query("SAVEPOINT names").execute(c))?;
    execute!(conn, |c| {
        sqlx::query(
        "INSERT INTO former_names (user_id, email, email_key, external_id, changed_at)
        SELECT id, CASE WHEN email <> '' AND email <> $2 THEN email END,
            CASE WHEN email <> '' AND email <> $2 THEN email_key END, CASE WHEN external_id <> $3 THEN external_id END, $4
        FROM users WHERE id = $1 AND (email <> '' AND email <> $2 OR external_id <> $3)"
    )
    .bind(id)
    .bind(email.map(EmailAddress::as_str))
    .bind(external_id)
    .bind(now)
    .execute(c)
    })?;
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET
            email = COALESCE($2, email),
            email_key = COALESCE($3, CASE WHEN email = '' THEN $4 END, email_key),
            email_verified_at = CASE WHEN $3 <> email_key THEN NULL ELSE email_verified_at END,
            external_id = COALESCE($5, external_id), updated_at = $6
        WHERE id = $1"
    )
    .bind(id)
    .bind(email.map(EmailAddress::as_str))
    .bind(email.map(EmailAddress::key))
    .bind(key)
    .bind(external_id)
    .bind(now)
    .execute(c));
    match updated {
        Ok(rows) => {
            execute!(conn, |c| sqlx::query("RELEASE SAVEPOINT names").execute(c))?;
            Ok(rows == 1)
        }
        Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
            execute!(conn, |c| sqlx::query("ROLLBACK TO SAVEPOINT names").execute(c))?;
            execute!(conn, |c| sqlx::query("RELEASE SAVEPOINT names").execute(c))?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns how many members there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE deleted_at IS NULL").fetch_one(c))?)
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

/// A member, until when their credit lasts, and when that was known.
pub type CreditUntil = (UserId, Option<DateTime<Utc>>, DateTime<Utc>);

/// Writes until when credit lasts, for each of some members: the projection of `credit_entries`.
pub async fn set_credit_until(conn: &mut Conn<'_>, until: &[CreditUntil]) -> Result<()> {
    if until.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("UPDATE users SET credit_until = column2, updated_at = column3 FROM (");
        query.push_values(until, |mut row, (id, until, now)| {
            row.push_bind(*id).push_bind(*until).push_bind(*now);
        });
        query.push(") AS news WHERE id = column1");
        query.build().execute(c).await.map(|_| ())
    })?;
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
