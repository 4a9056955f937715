//! Members: what they see of themselves, and what an operator does to an account.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;

use crate::{
    domain::{
        access::{Accesses, PaidStatus},
        email::EmailKey,
        ids::{TierId, UserId},
        lang::Lang,
        referral::{REWARD_DAYS, ReferralCode, ReferralStats},
        user::{Role, User},
    },
    platform::env::Env,
    services::{access::AccessRules, sessions},
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        matrix, referrals,
        sessions::Session,
        users,
    },
};

/// How often another code is drawn when one is somebody else's. Eight in a row would be an
/// event of one in 10^60 with a million members.
const CODE_DRAWS: usize = 8;

/// Why an account does not change.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Nobody has that address.
    #[error("there is no member with that address")]
    NoSuchMember,
    /// Every code drawn was somebody's.
    #[error("no free referral code was found")]
    NoFreeCode,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that /settings shows.
#[derive(Debug)]
pub struct SettingsView {
    /// The member.
    pub user: User,
    /// The name of the effective tier.
    pub tier_name: String,
    /// What gives access, the one that decides first.
    pub accesses: Accesses,
    /// Days of credit left; 0 for none.
    pub credit_days: i64,
    /// Their code.
    pub referral_code: ReferralCode,
    /// What became of their invitations.
    pub referrals: ReferralStats,
    /// Where they are signed in.
    pub sessions: Vec<Session>,
    /// The moment for which this is true.
    pub now: DateTime<Utc>,
}

/// Returns what /settings shows. The first visit makes the referral code.
pub async fn settings_view(env: &Env, user: &User) -> Result<SettingsView, MemberError> {
    let now = env.clock.now();
    let referral_code = match &user.referral_code {
        Some(code) => code.clone(),
        None => assign_referral_code(env, user.id).await?,
    };
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let accesses = AccessRules::read(conn).await?.of(user, now)?;
    let effective = accesses.effective().tier.id.clone();
    let tier_name = matrix::tiers(conn)
        .await?
        .into_iter()
        .find(|tier| tier.id == effective)
        .map(|tier| tier.name)
        .ok_or(StoreError::Missing("tiers"))?;
    let referrals = referrals::stats(conn, user.id, now - TimeDelta::days(REWARD_DAYS)).await?;
    drop(reader);
    Ok(SettingsView {
        user: user.clone(),
        tier_name,
        credit_days: credit_days(user, now),
        accesses,
        referral_code,
        referrals,
        sessions: sessions::list(env, user).await?,
        now,
    })
}

fn credit_days(user: &User, now: DateTime<Utc>) -> i64 {
    user.credit_until.map_or(0, |until| crate::domain::access::days_between(now, until))
}

async fn assign_referral_code(env: &Env, user: UserId) -> Result<ReferralCode, MemberError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    for _ in 0..CODE_DRAWS {
        let code = ReferralCode::generate(|| env.random.below(31));
        if users::set_referral_code(conn, user, &code, now).await? {
            tx.commit().await?;
            return Ok(code);
        }
        // Either the code is somebody else's, or this member got one in another window.
        if let Some(code) = users::find(conn, user).await?.and_then(|user| user.referral_code) {
            return Ok(code);
        }
    }
    Err(MemberError::NoFreeCode)
}

/// A member's standing, as operators and apps read it.
#[derive(Debug, Clone, Serialize)]
pub struct MemberStatus {
    /// Who.
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// What they may do here.
    pub role: Role,
    /// Their own tier.
    pub tier: TierId,
    /// What gates for paying members say.
    pub paid: PaidStatus,
    /// Until when credit lasts.
    pub credit_until: Option<DateTime<Utc>>,
    /// Their code, once they have visited /settings.
    pub referral_code: Option<ReferralCode>,
    /// What became of their invitations.
    pub referrals: ReferralStats,
    /// Since when they may not sign in.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// Returns a member's standing.
pub async fn status(env: &Env, email: &EmailKey) -> Result<MemberStatus, MemberError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let user = users::find_by_email(conn, email).await?.ok_or(MemberError::NoSuchMember)?;
    let paid = AccessRules::read(conn).await?.of(&user, now)?.paid_status(now);
    let referrals = referrals::stats(conn, user.id, now - TimeDelta::days(REWARD_DAYS)).await?;
    Ok(MemberStatus {
        id: user.id,
        email: user.email,
        role: user.role,
        tier: user.tier,
        paid,
        credit_until: user.credit_until,
        referral_code: user.referral_code,
        referrals,
        disabled_at: user.disabled_at,
    })
}

/// Sets the language of pages and mails.
pub async fn set_lang(env: &Env, user: UserId, lang: Lang) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    users::set_lang(&mut tx.conn(), user, lang, env.clock.now()).await?;
    tx.commit().await
}

/// Makes someone an admin, or a member again. Their sessions end: an admin's live shorter.
pub async fn set_role(env: &Env, email: &EmailKey, role: Role, actor: &str) -> Result<bool, MemberError> {
    change(env, email, actor, async |conn, user, now| {
        if user.role == role {
            return Ok(None);
        }
        users::set_role(conn, user.id, role, now).await?;
        crate::store::sessions::delete_all(conn, user.id).await?;
        Ok(Some(("role_changed", json!({ "role": role }))))
    })
    .await
}

/// Closes an account for signing in and ends its sessions.
pub async fn disable(env: &Env, email: &EmailKey, actor: &str) -> Result<bool, MemberError> {
    change(env, email, actor, async |conn, user, now| {
        if !users::disable(conn, user.id, now).await? {
            return Ok(None);
        }
        crate::store::sessions::delete_all(conn, user.id).await?;
        Ok(Some(("account_disabled", json!({}))))
    })
    .await
}

/// Opens an account again.
pub async fn enable(env: &Env, email: &EmailKey, actor: &str) -> Result<bool, MemberError> {
    change(env, email, actor, async |conn, user, now| {
        Ok(users::enable(conn, user.id, now).await?.then(|| ("account_enabled", json!({}))))
    })
    .await
}

/// Changes an account and writes the audit line, in one transaction. Returns whether anything
/// changed.
async fn change(
    env: &Env,
    email: &EmailKey,
    actor: &str,
    how: impl AsyncFnOnce(
        &mut Conn<'_>,
        &User,
        DateTime<Utc>,
    ) -> Result<Option<(&'static str, serde_json::Value)>, StoreError>,
) -> Result<bool, MemberError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let user = users::find_by_email(conn, email).await?.ok_or(MemberError::NoSuchMember)?;
    let Some((action, details)) = how(conn, &user, now).await? else { return Ok(false) };
    let line = NewActivity {
        id: env.random.id(now),
        user: Some(user.id),
        actor,
        action,
        details,
        ip_address: None,
        user_agent: None,
    };
    activity::insert(conn, &line, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Returns a page of members in the order in which they came, from after `after`.
pub async fn list(env: &Env, after: Option<UserId>, count: i64) -> Result<Vec<User>, StoreError> {
    let mut reader = env.db.reader().await?;
    users::list(&mut reader.conn(), after, count).await
}

/// Returns how many members there are.
pub async fn count(env: &Env) -> Result<i64, StoreError> {
    let mut reader = env.db.reader().await?;
    users::count(&mut reader.conn()).await
}
