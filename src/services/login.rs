//! Signing in by a code from an e-mail.
//!
//! The answer to a request for a code is the same for known and unknown addresses. The user and
//! the referral are written only when the code is verified: nobody counts for an address that
//! nobody proved. The code itself is nowhere at rest: it is derived from the flow and the
//! server's secret, so that a retried mail carries the same code.

use chrono::{DateTime, Utc};
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::{
    domain::{
        email::{EmailAddress, EmailKey},
        event::Event,
        ids::{InvitationId, LoginAttemptId, UserId},
        invitation::Invitation,
        letter::{Letter, Notice},
        login::{
            CODE_LIFETIME, FLOW_LIFETIME, LoginCode, RESEND_AFTER, SENDS_PER_ADDRESS, SENDS_PER_NETWORK,
            TRIES_PER_CODE, needs_long_code,
        },
        referral::ReferralCode,
        settings::AppSettings,
        user::{Role, User},
    },
    platform::env::Env,
    services::{Origin, activity, aftermath::Aftermath, catalogue, invitations, letters, sessions, trials},
    store::{
        Conn, StoreError, invitations as invited, login,
        rate_limits::{self, Counted},
        referrals, settings,
        users::{self, NewUser},
    },
};

pub use crate::store::login::LoginAttempt;

/// Why no code is sent.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Too many codes for this address or from this network.
    #[error("too many codes were asked for; the next is possible at {until}")]
    TooMany {
        /// When to try again.
        until: DateTime<Utc>,
    },
    /// The flow is over, or never was.
    #[error("this sign-in has ended; start again")]
    Ended,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a code does not sign in.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Another code.
    #[error("the code is wrong; {tries_left} tries left")]
    Wrong {
        /// How many tries the code still has.
        tries_left: i64,
    },
    /// The code had all its tries.
    #[error("the code was tried too often; ask for another")]
    TriedTooOften,
    /// The code is too old.
    #[error("the code has expired; ask for another")]
    Expired,
    /// The flow is over, or never was.
    #[error("this sign-in has ended; start again")]
    Ended,
    /// The account is closed.
    #[error("the account is disabled")]
    Disabled,
    /// The address is new, and new members are not admitted.
    #[error("sign-up is closed")]
    SignUpClosed,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a browser gets when its code was right.
#[derive(Debug)]
pub struct SignedIn {
    /// The session's token, for the cookie.
    pub token: String,
    /// Who.
    pub user: UserId,
    /// What they may do here.
    pub role: Role,
    /// Whether they have just become a member.
    pub is_new: bool,
    /// Whether an invitation was accepted by it; `false` if they came by one that was over; nothing if
    /// there was none.
    pub accepted: Option<bool>,
}

/// What brought somebody to the sign-in: a member's code, or an invitation by mail.
#[derive(Debug, Clone, Copy, Default)]
pub struct BroughtBy<'a> {
    /// The code in the link.
    pub referral: Option<&'a ReferralCode>,
    /// The invitation whose link was followed.
    pub invitation: Option<InvitationId>,
}

/// Sends a code to an address and opens the flow in which it can be used.
pub async fn request_code(env: &Env, email: &EmailAddress, origin: &Origin) -> Result<LoginAttemptId, RequestError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if let Some(until) = over_allowance(conn, email.key(), origin, now).await? {
        // What was counted stays counted.
        tx.commit().await?;
        return Err(RequestError::TooMany { until });
    }
    let long_code = needs_long_code(login::failures(conn, email.key()).await?);
    let attempt: LoginAttemptId = env.random.id(now);
    login::insert_attempt(conn, attempt, email, origin.lang, long_code, now, now + CODE_LIFETIME).await?;
    let letter = letter_for(conn, email.key(), attempt, 1, now).await?;
    letters::queue(env, conn, email.as_str(), origin.lang, letter).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(attempt)
}

/// Sends another code in the same flow, which voids the one before.
pub async fn resend_code(env: &Env, attempt: LoginAttemptId, origin: &Origin) -> Result<(), RequestError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let found = login::find_attempt(conn, attempt).await?.ok_or(RequestError::Ended)?;
    if found.used_at.is_some() || is_forgotten(&found, now) {
        return Err(RequestError::Ended);
    }
    if found.sent_at + RESEND_AFTER > now {
        return Err(RequestError::TooMany { until: found.sent_at + RESEND_AFTER });
    }
    if let Some(until) = over_allowance(conn, &found.email_key, origin, now).await? {
        tx.commit().await?;
        return Err(RequestError::TooMany { until });
    }
    let long_code = needs_long_code(login::failures(conn, &found.email_key).await?);
    let renewed = login::resend(conn, attempt, long_code, now - RESEND_AFTER, now, now + CODE_LIFETIME)
        .await?
        .ok_or(RequestError::TooMany { until: now + RESEND_AFTER })?;
    let letter = letter_for(conn, &renewed.email_key, attempt, renewed.sends, now).await?;
    letters::queue(env, conn, &renewed.email, origin.lang, letter).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(())
}

/// Returns the flow, as its page shows it; nothing once it is over.
pub async fn pending(env: &Env, attempt: LoginAttemptId) -> Result<Option<LoginAttempt>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let found = login::find_attempt(&mut reader.conn(), attempt).await?;
    Ok(found.filter(|found| found.used_at.is_none() && !is_forgotten(found, now)))
}

fn is_forgotten(attempt: &LoginAttempt, now: DateTime<Utc>) -> bool {
    now >= attempt.sent_at + FLOW_LIFETIME
}

/// Checks a code and signs in. The member and the referral are made here, in one transaction,
/// if the address is new; an invitation of the address is accepted, and an address that was only typed
/// by somebody until now is proved.
pub async fn verify_code(
    env: &Env,
    attempt: LoginAttemptId,
    code: &LoginCode,
    brought_by: BroughtBy<'_>,
    origin: &Origin,
) -> Result<SignedIn, VerifyError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(tried) = login::count_try(conn, attempt, TRIES_PER_CODE, now).await? else {
        return Err(why_untried(login::find_attempt(conn, attempt).await?, now));
    };
    let expected = env.keys.login_code(attempt, &tried.email_key, tried.sends, tried.long_code);
    if !bool::from(expected.as_str().as_bytes().ct_eq(code.as_str().as_bytes())) {
        login::count_failure(conn, &tried.email_key, now).await?;
        // An address that is nobody's is not written down. A code has few tries, and an address few codes.
        if let Some(user) = users::find_by_email(conn, &tried.email_key).await? {
            note_failure(env, conn, &user, "wrong_code", origin).await?;
        }
        tx.commit().await?;
        return Err(match TRIES_PER_CODE - tried.tries {
            0 => VerifyError::TriedTooOften,
            tries_left => VerifyError::Wrong { tries_left },
        });
    }
    if !login::use_attempt(conn, attempt, now).await? {
        return Err(VerifyError::Ended);
    }
    let email = EmailAddress::parse(&tried.email).map_err(|_| VerifyError::Ended)?;
    let settings = settings::read(conn).await?;
    let mut aftermath = Aftermath::new(now);
    // Whoever reads the mailbox is the one who is invited, whether or not they came by the link.
    let open = invited::find_open(conn, email.key(), now).await?;
    let found = users::lock_by_email(conn, email.key()).await?;
    let (user, is_new) = match found {
        Some(user) => (user, false),
        None if !settings.self_registration_enabled && open.is_none() => return Err(VerifyError::SignUpClosed),
        None => join(env, conn, &email, brought_by, open.as_ref(), &settings, origin, &mut aftermath).await?,
    };
    if user.disabled_at.is_some() {
        // The code is used up, so that it leaves one line.
        note_failure(env, conn, &user, "disabled", origin).await?;
        tx.commit().await?;
        return Err(VerifyError::Disabled);
    }
    let mut accepted = brought_by.invitation.map(|_| false);
    // A member of old accepts by following the link; nobody is given anything behind their back.
    if let Some(open) = open.filter(|open| is_new || brought_by.invitation == Some(open.id)) {
        accepted = Some(invitations::accept(env, conn, &open, &user, &mut aftermath).await?);
    }
    if is_new && !settings.self_registration_enabled && accepted != Some(true) {
        // It was taken back a moment ago; the account was never there.
        return Err(VerifyError::SignUpClosed);
    }
    if users::verify_email(conn, user.id, now).await? {
        welcome(env, conn, &settings, &user, email.key(), &mut aftermath).await?;
    }
    login::clear_failures(conn, email.key()).await?;
    let token = sessions::begin(env, conn, &user, "login", is_new, origin).await?;
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    tracing::info!(user.id = %user.id, new = is_new, "signed in");
    Ok(SignedIn { token, user: user.id, role: user.role, is_new, accepted })
}

/// Writes down that a sign-in of a member failed, without the code.
async fn note_failure(
    env: &Env,
    conn: &mut Conn<'_>,
    user: &User,
    why: &str,
    origin: &Origin,
) -> Result<(), StoreError> {
    let by = (&*user.label(), Some(origin));
    activity::note(env, conn, by, Some(user.id), "login_failed", json!({ "because": why })).await
}

/// Makes a member of a proved address, with the referral that brought them.
#[expect(clippy::too_many_arguments, reason = "what is known of a newcomer comes from many places")]
async fn join(
    env: &Env,
    conn: &mut Conn<'_>,
    email: &EmailAddress,
    brought_by: BroughtBy<'_>,
    open: Option<&Invitation>,
    settings: &AppSettings,
    origin: &Origin,
    aftermath: &mut Aftermath,
) -> Result<(User, bool), StoreError> {
    let now = aftermath.now;
    let referrer = referrer(conn, brought_by, open).await?;
    let id: UserId = env.random.id(now);
    let tier = trials::own_tier(conn, settings).await?;
    let new = NewUser {
        id,
        email: Some(email),
        external_id: None,
        role: Role::Member,
        lang: origin.lang,
        tier: &tier,
        trial_ends_at: None,
        referred_by: referrer.as_ref().map(|referrer| referrer.id),
    };
    let is_new = users::insert(conn, &new, now).await?;
    if is_new {
        if settings.closes_after_trial() {
            users::close_after_trial(conn, id, now).await?;
        }
        if let Some(referrer) = &referrer {
            referrals::insert(conn, env.random.id(now), referrer.id, id, now).await?;
            aftermath.write_to(referrer, Notice::ReferralJoined);
        }
        let details = json!({ "referred_by": referrer.as_ref().map(|referrer| referrer.id) });
        aftermath.log_by(email.as_str(), Some(id), "user_created", details);
        aftermath.happened(id, Event::UserCreated { referred_by: referrer.map(|referrer| referrer.id) });
    }
    // Somebody with the same address may have been quicker; then this is that member. Their row is held from
    // here on, as that of a known member is: two who sign in at once lock in one order.
    let user = users::lock_by_email(conn, email.key()).await?.ok_or(StoreError::Missing("users"))?;
    Ok((user, is_new))
}

/// Returns who invited a newcomer. What they followed counts before what waited for them.
async fn referrer(
    conn: &mut Conn<'_>,
    brought_by: BroughtBy<'_>,
    open: Option<&Invitation>,
) -> Result<Option<User>, StoreError> {
    let inviter = open.and_then(|open| open.inviter.map(|inviter| (open.id, inviter)));
    if let Some((_, inviter)) = inviter.filter(|(id, _)| brought_by.invitation == Some(*id)) {
        return users::find(conn, inviter).await;
    }
    if let Some(code) = brought_by.referral
        && let Some(referrer) = users::find_by_referral_code(conn, code).await?
    {
        return Ok(Some(referrer));
    }
    match inviter {
        Some((_, inviter)) => users::find(conn, inviter).await,
        None => Ok(None),
    }
}

/// Begins the trial of a member whose address has been proved for the first time, and greets them. Who has
/// signed in before proves another address: they had their trial and their welcome with the first.
async fn welcome(
    env: &Env,
    conn: &mut Conn<'_>,
    settings: &AppSettings,
    user: &User,
    email: &EmailKey,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    let (sign_ins, _) = users::login_stats(conn, user.id).await?;
    if sign_ins > 0 {
        return Ok(());
    }
    let ends_at = match user.trial_ends_at {
        Some(ends_at) => Some(ends_at).filter(|ends_at| *ends_at > aftermath.now),
        None => trials::begin(env, conn, settings, user.id, email, aftermath.now).await?,
    };
    let catalogue = catalogue::latest(env, conn).await?;
    let trial = ends_at.and_then(|ends_at| Some((catalogue.tier(&settings.trial_tier)?.name.clone(), ends_at)));
    aftermath.write_to(user, Notice::Welcome { trial });
    aftermath.access_changed(user.id);
    Ok(())
}

/// Counts a code against its address and its network. Returns until when to wait.
async fn over_allowance(
    conn: &mut Conn<'_>,
    email: &EmailKey,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    if let Counted::RefusedUntil(until) = rate_limits::count(conn, SENDS_PER_NETWORK, &origin.network, now).await? {
        return Ok(Some(until));
    }
    for allowance in SENDS_PER_ADDRESS {
        if let Counted::RefusedUntil(until) = rate_limits::count(conn, allowance, email.as_str(), now).await? {
            return Ok(Some(until));
        }
    }
    Ok(None)
}

/// A code for everyone who may come in; a word of explanation for those who may not.
async fn letter_for(
    conn: &mut Conn<'_>,
    email: &EmailKey,
    attempt: LoginAttemptId,
    send: i64,
    now: DateTime<Utc>,
) -> Result<Letter, StoreError> {
    let settings = settings::read(conn).await?;
    let may_come_in = settings.self_registration_enabled
        || users::find_by_email(conn, email).await?.is_some()
        || invited::find_open(conn, email, now).await?.is_some();
    Ok(if may_come_in { Letter::LoginCode { attempt, send } } else { Notice::NoAccount.into() })
}

fn why_untried(attempt: Option<LoginAttempt>, now: DateTime<Utc>) -> VerifyError {
    match attempt {
        None => VerifyError::Ended,
        Some(attempt) if attempt.used_at.is_some() => VerifyError::Ended,
        Some(attempt) if attempt.expires_at <= now => VerifyError::Expired,
        Some(_) => VerifyError::TriedTooOften,
    }
}
