//! Members: what they see of themselves, and what an operator does to an account.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    domain::{
        access::{Access, Accesses, PaidStatus},
        email::{EmailAddress, EmailKey},
        event::Event,
        ids::{TierId, UserId},
        lang::Lang,
        referral::{ReferralCode, ReferralStats},
        user::{BadExternalId, Role, User, UserRef, check_external_id},
    },
    platform::env::Env,
    services::{
        access,
        billing::{self, Billing},
        entitlements::{self, Entitlements},
        events,
        grants::{self, ListedGrant},
        notifications, sessions, trials,
    },
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        catalogue, credit, referrals,
        sessions::Session,
        settings,
        users::{self, NewUser},
    },
};

pub use crate::store::{activity::Activity, credit::CreditEntry};

/// How often another code is drawn when one is somebody else's. Eight in a row would be an
/// event of one in 10^60 with a million members.
const CODE_DRAWS: usize = 8;

/// Why an account does not change.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Nobody has that address.
    #[error("there is no member with that address")]
    NoSuchMember,
    /// The account is an admin's, and admins are spared.
    #[error("an admin's account is not closed or opened here")]
    IsAdmin,
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
    /// The days that each side of an invitation gets.
    pub referral_days: i64,
    /// What they were given that runs or waits, in the order of its turn, each with the name of its tier.
    pub grants: Vec<(String, ListedGrant)>,
    /// What they have bought.
    pub billing: Billing,
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
    let known = entitlements::newest(env, user.id).await?.ok_or(StoreError::Missing("users"))?;
    let accesses = known.standing.accesses.clone();
    let effective = accesses.effective_at(now);
    let tier = known.catalogue.tier(&effective.tier.id).ok_or(StoreError::Missing("tiers"))?;
    let tier_name = tier.name.clone();
    let mut reader = env.db.reader().await?;
    let referral_days = known.catalogue.settings.referral_credit_days;
    let since = now - TimeDelta::days(referral_days);
    let referrals = referrals::stats(&mut reader.conn(), user.id, since).await?;
    let billing = billing::billing(env, &mut reader.conn(), &known.catalogue, user).await?;
    let grants = grants::in_turn(&mut reader.conn(), &known.catalogue, user.id, now).await?;
    drop(reader);
    Ok(SettingsView {
        user: user.clone(),
        tier_name,
        credit_days: credit_days(user, now),
        accesses,
        referral_code,
        referrals,
        referral_days,
        grants,
        billing,
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
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MemberStatus {
    /// Who.
    pub id: UserId,
    /// Their address.
    pub email: Option<String>,
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
    /// How often they signed in.
    pub sign_ins: i64,
    /// When they last did.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// Since when they may not sign in.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// Returns the standing of a member that was just read.
pub async fn status(env: &Env, user: User) -> Result<MemberStatus, StoreError> {
    let paid = access::paid_status(env, &user).await?;
    let settings = &crate::services::catalogue::current(env).await?.settings;
    let since = env.clock.now() - TimeDelta::days(settings.referral_credit_days);
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let referrals = referrals::stats(conn, user.id, since).await?;
    let (sign_ins, last_sign_in_at) = users::login_stats(conn, user.id).await?;
    Ok(MemberStatus {
        id: user.id,
        email: user.email,
        role: user.role,
        tier: user.tier,
        paid,
        credit_until: user.credit_until,
        referral_code: user.referral_code,
        referrals,
        sign_ins,
        last_sign_in_at,
        disabled_at: user.disabled_at,
    })
}

/// What an app or an admin says about a member. What it does not say stays.
#[derive(Debug, Clone, Default)]
pub struct MemberDetails {
    /// The address.
    pub email: Option<EmailAddress>,
    /// The name under which the product's own database knows them.
    pub external_id: Option<String>,
    /// The language of pages and mails.
    pub lang: Option<Lang>,
    /// The own tier.
    pub tier: Option<TierId>,
    /// Whether whoever says this knows that the address is theirs. Unsaid, an `external_id` says it: who
    /// has an id in somebody's own database came through that somebody's door.
    pub email_verified: Option<bool>,
}

/// Why a member is not written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Neither address nor external id.
    #[error("a user has an email, an external_id, or both")]
    Nameless,
    /// Not usable as an external id.
    #[error(transparent)]
    ExternalId(#[from] BadExternalId),
    /// The address and the external id are those of two members, or of a member who has others.
    #[error("the email or the external_id belongs to another user")]
    Taken,
    /// An admin's address opens everything; it is not changed from outside.
    #[error("the email of an admin cannot be changed here")]
    AdminAddress,
    /// There is no such tier.
    #[error("there is no such tier")]
    TierUnknown,
    /// Nobody is that.
    #[error("there is no such user")]
    UserUnknown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a member, or changes the one with that address or external id. Returns whether it is a
/// new one. They start as those do who sign in by themselves, but where `require_email_verification` is
/// set, an address that nobody proved or vouches for has its trial once a code came back from it.
pub async fn put(env: &Env, details: &MemberDetails, actor: &str) -> Result<(User, bool), PutError> {
    if let Some(external_id) = &details.external_id {
        check_external_id(external_id)?;
    }
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let (user, is_new) = match meant(conn, details).await? {
        Some(known) => (change_details(env, conn, known, details, actor, now).await?, false),
        None => make(env, conn, details, actor, now).await?,
    };
    tx.commit().await?;
    env.access_changed(user.id);
    env.wake_workers();
    Ok((user, is_new))
}

/// Makes a member whom nobody knew a moment ago. Returns whether it is a new one.
async fn make(
    env: &Env,
    conn: &mut Conn<'_>,
    details: &MemberDetails,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(User, bool), PutError> {
    let key = match (&details.email, &details.external_id) {
        (Some(email), _) => email.key().clone(),
        (None, Some(external_id)) => EmailKey::without_address(external_id),
        (None, None) => return Err(PutError::Nameless),
    };
    let settings = settings::read(conn).await?;
    let start = trials::own_tier(conn, &settings).await?;
    let tier = details.tier.as_ref().unwrap_or(&start);
    check_tier(conn, tier).await?;
    let new = NewUser {
        id: env.random.id(now),
        email: details.email.as_ref(),
        external_id: details.external_id.as_deref(),
        role: Role::Member,
        lang: details.lang.unwrap_or_default(),
        tier,
        trial_ends_at: None,
        referred_by: None,
    };
    if !users::insert(conn, &new, now).await? {
        // Somebody was quicker, and whoever says the same as they did means the same member.
        let known = meant(conn, details).await?.ok_or(PutError::Taken)?;
        return Ok((change_details(env, conn, known, details, actor, now).await?, false));
    }
    if settings.closes_after_trial() && details.tier.is_none() {
        users::close_after_trial(conn, new.id, now).await?;
    }
    let has_address = details.email.is_some();
    let is_vouched_for = details.email_verified.unwrap_or(details.external_id.is_some());
    if has_address && is_vouched_for {
        users::verify_email(conn, new.id, now).await?;
    }
    if !has_address || is_vouched_for || !settings.require_email_verification {
        trials::begin(env, conn, &settings, new.id, &key, now).await?;
    }
    let user = users::find(conn, new.id).await?.ok_or(StoreError::Missing("users"))?;
    log(env, conn, user.id, actor, "user_created", json!({ "email": user.email, "external_id": user.external_id }))
        .await?;
    events::publish_one(env, conn, user.id, Event::UserCreated { referred_by: None }, now).await?;
    Ok((user, true))
}

/// Returns whom details mean: by external id, else by address.
async fn meant(conn: &mut Conn<'_>, details: &MemberDetails) -> Result<Option<UserId>, PutError> {
    if let Some(external_id) = &details.external_id
        && let Some(user) = users::find_by_external_id(conn, external_id).await?
    {
        return Ok(Some(user.id));
    }
    let Some(email) = &details.email else { return Ok(None) };
    let found = users::find_by_email(conn, email.key()).await?;
    // Whose id it was stays theirs; who means to change it names the member by id. It may be this very id: then
    // somebody else has made the member since we looked for it.
    let own = found.as_ref().and_then(|user| user.external_id.as_ref());
    if details.external_id.is_some() && own.is_some() && own != details.external_id.as_ref() {
        return Err(PutError::Taken);
    }
    Ok(found.map(|user| user.id))
}

/// Changes a member and returns them as they are now.
pub async fn update(env: &Env, user: UserId, details: &MemberDetails, actor: &str) -> Result<User, PutError> {
    if let Some(external_id) = &details.external_id {
        check_external_id(external_id)?;
    }
    let mut tx = env.db.begin().await?;
    let user = change_details(env, &mut tx.conn(), user, details, actor, env.clock.now()).await?;
    tx.commit().await?;
    env.access_changed(user.id);
    env.wake_workers();
    Ok(user)
}

async fn change_details(
    env: &Env,
    conn: &mut Conn<'_>,
    id: UserId,
    details: &MemberDetails,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<User, PutError> {
    let before = users::lock(conn, id).await?.ok_or(PutError::UserUnknown)?;
    let same_email = |email: &EmailAddress| before.email.as_deref() == Some(email.as_str());
    let new_email = details.email.as_ref().filter(|email| !same_email(email));
    let new_external_id = details.external_id.as_deref().filter(|id| before.external_id.as_deref() != Some(id));
    if new_email.is_some() && before.role == Role::Admin {
        return Err(PutError::AdminAddress);
    }
    if (new_email.is_some() || new_external_id.is_some())
        && !users::set_names(conn, id, new_email, new_external_id, now).await?
    {
        return Err(PutError::Taken);
    }
    if new_email.is_some() && before.email.is_some() {
        // Whoever reads the old mailbox is somebody else now.
        crate::store::sessions::delete_all(conn, id).await?;
    }
    if let Some(lang) = details.lang.filter(|lang| *lang != before.lang) {
        users::set_lang(conn, id, lang, now).await?;
    }
    // A tier that counts for nothing is another than the same one that counts.
    if let Some(tier) = details.tier.as_ref().filter(|tier| **tier != before.tier || before.closes_after_trial) {
        check_tier(conn, tier).await?;
        users::set_tier(conn, id, tier, now).await?;
    }
    // What was not said of an address that they have already leaves it as it is.
    let is_vouched_for = details.email_verified.unwrap_or(new_email.is_some() && details.external_id.is_some());
    if is_vouched_for
        && let Some(email) = details.email.as_ref().map(EmailAddress::key)
        && users::verify_email(conn, id, now).await?
        && before.email_verified_at.is_none()
        && before.trial_ends_at.is_none()
    {
        let settings = settings::read(conn).await?;
        trials::begin(env, conn, &settings, id, email, now).await?;
    }
    let after = users::find(conn, id).await?.ok_or(StoreError::Missing("users"))?;
    let access = |user: &User| (user.tier.clone(), user.closes_after_trial, user.trial_ends_at);
    if access(&after) != access(&before) {
        events::publish_one(env, conn, id, Event::AccessChanged, now).await?;
    }
    if after != before {
        let shown = |user: &User| {
            json!({
                "email": user.email, "external_id": user.external_id, "lang": user.lang, "tier": user.tier,
                "email_verified_at": user.email_verified_at, "trial_ends_at": user.trial_ends_at,
            })
        };
        log(env, conn, id, actor, "user_changed", json!({ "before": shown(&before), "after": shown(&after) })).await?;
    }
    Ok(after)
}

async fn check_tier(conn: &mut Conn<'_>, tier: &TierId) -> Result<(), PutError> {
    let is_known = catalogue::tiers(conn).await?.iter().any(|known| known.id == *tier);
    if is_known { Ok(()) } else { Err(PutError::TierUnknown) }
}

async fn log(
    env: &Env,
    conn: &mut Conn<'_>,
    user: UserId,
    actor: &str,
    action: &'static str,
    details: serde_json::Value,
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let id = env.random.id(now);
    let line = NewActivity { id, user: Some(user), actor, action, details, ip_address: None, user_agent: None };
    activity::insert(conn, &line, now).await
}

/// Sets the language of a member's pages and mails, as they wish.
pub async fn set_lang(env: &Env, user: UserId, lang: Lang) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(before) = users::lock(conn, user).await?.filter(|user| user.lang != lang) else { return Ok(()) };
    users::set_lang(conn, user, lang, env.clock.now()).await?;
    let details = json!({ "before": { "lang": before.lang }, "after": { "lang": lang } });
    log(env, conn, user, &before.label(), "user_changed", details).await?;
    tx.commit().await
}

/// Makes someone an admin, or a member again. Their sessions end: an admin's live shorter.
pub async fn set_role(env: &Env, user: UserId, role: Role, actor: &str) -> Result<bool, MemberError> {
    change(env, user, actor, async |conn, user, now| {
        if user.role == role {
            return Ok(None);
        }
        users::set_role(conn, user.id, role, now).await?;
        crate::store::sessions::delete_all(conn, user.id).await?;
        if role == Role::Admin {
            notifications::admin_added(env, conn, user.id).await?;
        }
        Ok(Some(("role_changed", json!({ "role": role }))))
    })
    .await
}

/// Closes an account for signing in and ends its sessions, or opens it again. Returns whether
/// anything changed.
pub async fn set_disabled(env: &Env, user: UserId, disabled: bool, actor: &str) -> Result<bool, MemberError> {
    close_or_open(env, user, disabled, false, actor).await
}

/// The same for those who may not touch an admin's account.
pub async fn set_disabled_unless_admin(
    env: &Env,
    user: UserId,
    disabled: bool,
    actor: &str,
) -> Result<bool, MemberError> {
    close_or_open(env, user, disabled, true, actor).await
}

async fn close_or_open(
    env: &Env,
    user: UserId,
    disabled: bool,
    spare_admins: bool,
    actor: &str,
) -> Result<bool, MemberError> {
    change(env, user, actor, async |conn, user, now| {
        if spare_admins && user.role == Role::Admin {
            return Err(MemberError::IsAdmin);
        }
        let has_changed = match disabled {
            true => users::disable(conn, user.id, now).await?,
            false => users::enable(conn, user.id, now).await?,
        };
        if !has_changed {
            return Ok(None);
        }
        events::publish_one(env, conn, user.id, Event::AccessChanged, now).await?;
        if !disabled {
            return Ok(Some(("account_enabled", json!({}))));
        }
        crate::store::sessions::delete_all(conn, user.id).await?;
        Ok(Some(("account_disabled", json!({}))))
    })
    .await
}

/// Changes an account and writes the audit line, in one transaction. Returns whether anything
/// changed.
async fn change(
    env: &Env,
    user: UserId,
    actor: &str,
    how: impl AsyncFnOnce(
        &mut Conn<'_>,
        &User,
        DateTime<Utc>,
    ) -> Result<Option<(&'static str, serde_json::Value)>, MemberError>,
) -> Result<bool, MemberError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let user = users::lock(conn, user).await?.ok_or(MemberError::NoSuchMember)?;
    let Some((action, details)) = how(conn, &user, now).await? else { return Ok(false) };
    log(env, conn, user.id, actor, action, details).await?;
    tx.commit().await?;
    env.access_changed(user.id);
    env.wake_workers();
    Ok(true)
}

/// A page of members, each with what gives their tier now.
#[derive(Debug, Clone)]
pub struct MembersPage {
    /// The members, in the order in which they came.
    pub members: Vec<(User, Access)>,
    /// After whom the next page begins, if there is one.
    pub next: Option<UserId>,
}

/// Returns a page of members, of those whose id, address or external id holds `text` unless it is
/// empty.
pub async fn page(env: &Env, text: &str, after: Option<UserId>, count: i64) -> Result<MembersPage, StoreError> {
    let now = env.clock.now();
    let catalogue = crate::services::catalogue::current(env).await?;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let mut found = match (text, text.parse::<UserId>()) {
        ("", _) => users::list(conn, after, count + 1).await?,
        (_, Ok(id)) if after.is_none() => match users::find(conn, id).await? {
            Some(user) => vec![user],
            None => users::search(conn, text, after, count + 1).await?,
        },
        _ => users::search(conn, text, after, count + 1).await?,
    };
    let ids: Vec<_> = found.iter().map(|user| user.id).collect();
    let mut claims = access::claims(conn, &ids).await?;
    drop(reader);
    let most = usize::try_from(count).unwrap_or(0);
    let has_more = found.len() > most;
    found.truncate(most);
    let next = found.last().map(|user| user.id).filter(|_| has_more);
    let members = found.into_iter().map(|user| {
        let theirs = claims.remove(&user.id).unwrap_or_default();
        let accesses = catalogue
            .accesses(&user.tier, catalogue.holdings(&user, &theirs, now), now)
            .map_err(|_| StoreError::Missing("tiers"))?;
        let access = accesses.effective().clone();
        Ok((user, access))
    });
    Ok(MembersPage { members: members.collect::<Result<_, StoreError>>()?, next })
}

/// Everything that an admin sees of a member.
#[derive(Debug)]
pub struct AdminView {
    /// What they may use, and why.
    pub entitlements: Entitlements,
    /// Days of credit left; 0 for none.
    pub credit_days: i64,
    /// What they were given that runs or waits, in the order of its turn, each with the name of its tier.
    pub grants: Vec<(String, ListedGrant)>,
    /// Every change of their credit, the newest first.
    pub credit: Vec<CreditEntry>,
    /// Where they are signed in.
    pub sessions: Vec<Session>,
    /// The newest lines of the log about them.
    pub activity: Vec<Activity>,
    /// How often they signed in.
    pub logins: i64,
    /// When they last did.
    pub last_login: Option<DateTime<Utc>>,
    /// The moment for which this is true.
    pub now: DateTime<Utc>,
}

/// Lines of the log that an admin sees of a member.
const ACTIVITY_SHOWN: i64 = 20;

/// Returns what an admin sees of a member; nothing if nobody is that.
pub async fn admin_view(env: &Env, user: UserId) -> Result<Option<AdminView>, StoreError> {
    let now = env.clock.now();
    let Some(entitlements) = entitlements::explain_all(env, user).await? else { return Ok(None) };
    let member = &entitlements.standing.user;
    let sessions = sessions::list(env, member).await?;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let (logins, last_login) = users::login_stats(conn, user).await?;
    Ok(Some(AdminView {
        credit_days: credit_days(member, now),
        credit: credit::list(conn, user).await?,
        grants: grants::in_turn(conn, &entitlements.catalogue, user, now).await?,
        activity: activity::list_by_user(conn, user, ACTIVITY_SHOWN).await?,
        sessions,
        logins,
        last_login,
        now,
        entitlements,
    }))
}

/// Returns the member with an address.
pub async fn with_email(env: &Env, email: &EmailKey) -> Result<User, MemberError> {
    let mut reader = env.db.reader().await?;
    users::find_by_email(&mut reader.conn(), email).await?.ok_or(MemberError::NoSuchMember)
}

/// Returns the member whom somebody outside names: by id, external id or address.
pub async fn find(env: &Env, name: &str) -> Result<Option<User>, StoreError> {
    let Some(named) = UserRef::parse(name) else { return Ok(None) };
    let mut reader = env.db.reader().await?;
    users::find_by_ref(&mut reader.conn(), &named).await
}

/// Returns how many members there are.
pub async fn count(env: &Env) -> Result<i64, StoreError> {
    let mut reader = env.db.reader().await?;
    users::count(&mut reader.conn()).await
}
