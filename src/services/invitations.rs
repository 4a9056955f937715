//! Invitations: sent by members and admins, accepted by who proves the address.
//!
//! The link in the mail is derived from the invitation and the server's secret; no copy of the
//! database holds one. What it opens is a sign-in with the address filled in. The invitation is
//! accepted when the code comes back, in the transaction that signs in.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    domain::{
        activity::SYSTEM,
        catalogue::Catalogue,
        email::EmailAddress,
        grant::{GrantKind, MOST_DAYS},
        ids::{InvitationId, UserId},
        invitation::{
            Gift, Invitation, InvitationState, LONGEST_NOTE, MAILS_COUNTED_FOR, MOST_MAILS, RESEND_AFTER, is_good_note,
        },
        lang::Lang,
        letter::Letter,
        schedule::CLOCK_TOLERANCE,
        user::User,
    },
    platform::env::Env,
    services::{aftermath::Aftermath, catalogue, grants, letters},
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        invitations, users,
    },
};

/// Open invitations that a member sees of their own.
const OPEN_SHOWN: i64 = 50;

/// Why an invitation is not sent, sent again or taken back.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// There is no such invitation, or it is somebody else's.
    #[error("there is no such invitation")]
    Unknown,
    /// It is accepted, expired or taken back.
    #[error("this invitation is not open any more")]
    Over(InvitationState),
    /// The address has one already.
    #[error("there is an open invitation for this address")]
    AlreadyOpen,
    /// The address is a member's. Only those who see all members are told.
    #[error("this address is a member's already")]
    IsMember,
    /// The address had as many mails as it gets.
    #[error("this address has had {MOST_MAILS} mails about invitations within 30 days, which is the most")]
    TooManyMails,
    /// The last mail is too fresh.
    #[error("the last mail has just gone out; the next can be sent at {until}")]
    TooSoon {
        /// When the next can be sent.
        until: DateTime<Utc>,
    },
    /// The member has sent as many today as they may.
    #[error("no more invitations today; the next can be sent at {until}")]
    TooManyToday {
        /// When the next can be sent.
        until: DateTime<Utc>,
    },
    /// Members do not invite here.
    #[error("members do not invite here")]
    NotByMembers,
    /// There is no such tier.
    #[error("there is no such tier")]
    TierUnknown,
    /// Not between 1 and [`MOST_DAYS`].
    #[error("the number of days is between 1 and {MOST_DAYS}")]
    BadDays,
    /// A tier without days, or days without a tier.
    #[error("a gift is a tier and a number of days, or nothing")]
    HalfAGift,
    /// Too long, or with control characters.
    #[error("the note has at most {LONGEST_NOTE} characters")]
    BadNote,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who invites.
#[derive(Debug, Clone, Copy)]
pub enum Inviter<'a> {
    /// A member, within their allowance, and without a gift or a note.
    Member(&'a User),
    /// An admin, an app or the operator, as the log names them.
    Office(&'a str),
}

/// Who is invited, and to what.
#[derive(Debug, Clone)]
pub struct NewInvitation<'a> {
    /// The address.
    pub email: &'a EmailAddress,
    /// What waits for who accepts.
    pub gift: Option<Gift>,
    /// What is written to the address.
    pub note: &'a str,
    /// The language of the mail.
    pub lang: Lang,
}

/// An invitation, with what its people are called.
#[derive(Debug, Clone)]
pub struct ListedInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// Who invited.
    pub inviter: Option<String>,
}

/// What the page behind an invitation's link shows.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The invitation.
    pub invitation: Invitation,
    /// The member who invites, if one does.
    pub inviter: Option<String>,
    /// The name of the tier that waits, and for how many days.
    pub gift: Option<(String, i64)>,
    /// How it stands.
    pub state: InvitationState,
}

/// What a mail with an invitation says.
#[derive(Debug, Clone)]
pub struct InvitationWords {
    /// The member who invites, if one does.
    pub inviter: Option<String>,
    /// What is written to the address.
    pub note: Option<String>,
    /// The name of the tier that waits, and for how many days.
    pub gift: Option<(String, i64)>,
    /// The path of the page that accepts it.
    pub path: String,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
}

/// Reads the two halves of a gift, which come together or not at all.
pub fn gift(tier: Option<&str>, days: Option<i64>) -> Result<Option<Gift>, InvitationError> {
    match (tier, days) {
        (None, None) => Ok(None),
        (Some(tier), Some(days)) => {
            let tier = tier.parse().map_err(|_| InvitationError::TierUnknown)?;
            if (1..=MOST_DAYS).contains(&days) { Ok(Some(Gift { tier, days })) } else { Err(InvitationError::BadDays) }
        }
        _ => Err(InvitationError::HalfAGift),
    }
}

/// Invites an address.
pub async fn invite(env: &Env, by: Inviter<'_>, new: &NewInvitation<'_>) -> Result<Invitation, InvitationError> {
    if !is_good_note(new.note) {
        return Err(InvitationError::BadNote);
    }
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    if let Some(gift) = &new.gift {
        catalogue.tier(&gift.tier).ok_or(InvitationError::TierUnknown)?;
        if !(1..=MOST_DAYS).contains(&gift.days) {
            return Err(InvitationError::BadDays);
        }
    }
    let key = new.email.key();
    match by {
        Inviter::Member(member) => check_allowance(conn, &catalogue, member, now).await?,
        Inviter::Office(_) if users::find_by_email(conn, key).await?.is_some() => {
            return Err(InvitationError::IsMember);
        }
        Inviter::Office(_) => {}
    }
    invitations::lapse(conn, key, now).await?;
    let (inviter, invited_by) = match by {
        Inviter::Member(member) => (Some(member.id), String::new()),
        Inviter::Office(actor) => (None, actor.to_owned()),
    };
    let invitation = Invitation {
        id: env.random.id(now),
        email: new.email.as_str().to_owned(),
        email_key: key.clone(),
        inviter,
        invited_by,
        gift: new.gift.clone(),
        note: new.note.trim().to_owned(),
        lang: new.lang,
        sends: 1,
        sent_at: now,
        expires_at: now + TimeDelta::days(catalogue.settings.invitation_lifetime_days),
        accepted_at: None,
        accepted_by: None,
        revoked_at: None,
        lapsed_at: None,
        created_at: now,
    };
    // The first statement that can meet another invitation of the address: whoever comes second waits
    // here, and finds it taken.
    if !invitations::insert(conn, &invitation).await? {
        return Err(InvitationError::AlreadyOpen);
    }
    if invitations::mails_to(conn, key, last(MAILS_COUNTED_FOR, now)).await? > MOST_MAILS {
        return Err(InvitationError::TooManyMails);
    }
    // Taking one back and inviting anew is no way around the wait.
    if let Some(sent_at) = invitations::last_mail_to(conn, key, invitation.id, last(RESEND_AFTER, now)).await? {
        return Err(InvitationError::TooSoon { until: sent_at + RESEND_AFTER });
    }
    queue(env, conn, &invitation).await?;
    let gift = new.gift.as_ref().map(|gift| json!({ "tier": gift.tier, "days": gift.days }));
    log(env, conn, by, "invitation_sent", json!({ "invitation": invitation.id, "gift": gift })).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(invitation)
}

/// Returns the bounds of the time that lies behind, so far as clocks agree. What was written later was
/// written by a clock that was wrong, and nobody is to wait until that time comes.
fn last(time: TimeDelta, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    (now - time, now + CLOCK_TOLERANCE)
}

/// Holds the member's row, so that two windows of one member share one allowance.
async fn check_allowance(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    member: &User,
    now: DateTime<Utc>,
) -> Result<(), InvitationError> {
    if !catalogue.settings.invitations_by_members {
        return Err(InvitationError::NotByMembers);
    }
    users::lock(conn, member.id).await?.ok_or(InvitationError::NotByMembers)?;
    let day = TimeDelta::days(1);
    let made = invitations::made_by(conn, member.id, last(day, now)).await?;
    let most = usize::try_from(catalogue.settings.invitations_per_member).unwrap_or(0);
    if made.len() < most {
        return Ok(());
    }
    // One goes again once so many of the last day are a day old that there is room.
    let frees = made.get(made.len() - most).copied().unwrap_or(now);
    Err(InvitationError::TooManyToday { until: frees + day })
}

/// Sends the mail of an open invitation again, which lets it be good for as long as a new one.
pub async fn resend(env: &Env, by: Inviter<'_>, id: InvitationId) -> Result<Invitation, InvitationError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let settings = &catalogue::latest(env, conn).await?.settings;
    let found = owned(conn, by, id).await?;
    if let Inviter::Member(_) = by
        && !settings.invitations_by_members
    {
        return Err(InvitationError::NotByMembers);
    }
    match found.state(now) {
        InvitationState::Open => {}
        over => return Err(InvitationError::Over(over)),
    }
    if let Some(until) = found.next_mail_at(now) {
        return Err(InvitationError::TooSoon { until });
    }
    let expires_at = now + TimeDelta::days(settings.invitation_lifetime_days);
    let Some(sent) = invitations::resend(conn, id, now - RESEND_AFTER, expires_at, now).await? else {
        // Somebody else was quicker.
        return Err(InvitationError::TooSoon { until: now + RESEND_AFTER });
    };
    // One that is older than the time for which mails count still counts all of its own.
    if invitations::mails_to(conn, &sent.email_key, last(MAILS_COUNTED_FOR, now)).await? > MOST_MAILS {
        return Err(InvitationError::TooManyMails);
    }
    queue(env, conn, &sent).await?;
    log(env, conn, by, "invitation_sent_again", json!({ "invitation": id, "send": sent.sends })).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(sent)
}

/// Takes an invitation back that nobody has accepted. Done again, it changes nothing.
pub async fn revoke(env: &Env, by: Inviter<'_>, id: InvitationId) -> Result<Invitation, InvitationError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    owned(conn, by, id).await?;
    let is_ours = invitations::revoke(conn, id, now).await?;
    let invitation = invitations::find(conn, id).await?.ok_or(InvitationError::Unknown)?;
    if is_ours {
        log(env, conn, by, "invitation_revoked", json!({ "invitation": id })).await?;
        tx.commit().await?;
    } else if invitation.accepted_at.is_some() {
        return Err(InvitationError::Over(InvitationState::Accepted));
    }
    Ok(invitation)
}

/// Somebody else's invitation is as unknown to a member as none at all.
async fn owned(conn: &mut Conn<'_>, by: Inviter<'_>, id: InvitationId) -> Result<Invitation, InvitationError> {
    let found = invitations::find(conn, id).await?.ok_or(InvitationError::Unknown)?;
    match by {
        Inviter::Member(member) if found.inviter != Some(member.id) => Err(InvitationError::Unknown),
        _ => Ok(found),
    }
}

/// Accepts an invitation for a member who has just proved its address, and gives what waits for them.
/// Returns whether it was accepted: not if it is over, and of two at once only one is.
pub(super) async fn accept(
    env: &Env,
    conn: &mut Conn<'_>,
    invitation: &Invitation,
    user: &User,
    aftermath: &mut Aftermath,
) -> Result<bool, StoreError> {
    if !invitations::accept(conn, invitation.id, user.id, aftermath.now).await? {
        return Ok(false);
    }
    // Whom the office had invite stands in the invitation; no address is written down once more.
    let details = json!({ "invitation": invitation.id, "inviter": invitation.inviter });
    aftermath.log_by(&user.label(), Some(user.id), "invitation_accepted", details);
    if let Some(gift) = &invitation.gift {
        let Some(user) = users::lock(conn, user.id).await? else { return Ok(true) };
        let catalogue = catalogue::latest(env, conn).await?;
        let actor = if invitation.invited_by.is_empty() { SYSTEM } else { &invitation.invited_by };
        let now = aftermath.now;
        let mut grant = grants::new_grant(env, &user, gift.tier.clone(), GrantKind::Admin, gift.days, actor, now);
        grant.reason = Some("invitation".to_owned());
        grants::add(conn, &catalogue, &user, grant, gift.days, aftermath).await?;
    }
    Ok(true)
}

async fn inviter_name(conn: &mut Conn<'_>, invitation: &Invitation) -> Result<Option<String>, StoreError> {
    match invitation.inviter {
        Some(id) => Ok(users::find(conn, id).await?.map(|user| user.label())),
        None => Ok(Some(invitation.invited_by.clone()).filter(|name| !name.is_empty())),
    }
}

async fn queue(env: &Env, conn: &mut Conn<'_>, invitation: &Invitation) -> Result<(), StoreError> {
    let letter = Letter::Invitation { invitation: invitation.id, send: invitation.sends };
    letters::queue(env, conn, &invitation.email, invitation.lang, letter).await
}

async fn log(
    env: &Env,
    conn: &mut Conn<'_>,
    by: Inviter<'_>,
    action: &'static str,
    details: serde_json::Value,
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let (user, actor) = match by {
        Inviter::Member(member) => (Some(member.id), member.label()),
        Inviter::Office(actor) => (None, actor.to_owned()),
    };
    let id = env.random.id(now);
    let line = NewActivity { id, user, actor: &actor, action, details, ip_address: None, user_agent: None };
    activity::insert(conn, &line, now).await
}

/// Returns a page of invitations, the newest first, from before `before`; in one state if one is named.
pub async fn list(
    env: &Env,
    state: Option<InvitationState>,
    before: Option<InvitationId>,
    count: i64,
) -> Result<Vec<ListedInvitation>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let page = invitations::page(conn, state, before, count, env.clock.now()).await?;
    let mut ids: Vec<UserId> = page.iter().filter_map(|invitation| invitation.inviter).collect();
    ids.sort();
    ids.dedup();
    let people = users::find_all(conn, &ids).await?;
    let named = |invitation: Invitation| {
        let member = people.iter().find(|user| Some(user.id) == invitation.inviter).map(User::label);
        let office = Some(invitation.invited_by.clone()).filter(|name| !name.is_empty());
        ListedInvitation { inviter: member.or(office), invitation }
    };
    Ok(page.into_iter().map(named).collect())
}

/// Returns whether members may invite now, and the open invitations of this one, the newest first.
pub async fn of_member(env: &Env, user: UserId) -> Result<(bool, Vec<Invitation>), StoreError> {
    let catalogue = catalogue::current(env).await?;
    let mut reader = env.db.reader().await?;
    let open = invitations::open_of(&mut reader.conn(), user, env.clock.now(), OPEN_SHOWN).await?;
    Ok((catalogue.settings.invitations_by_members, open))
}

/// Returns the token in the link of an invitation.
pub fn token(env: &Env, id: InvitationId) -> String {
    let proof = env.keys.invitation(id);
    BASE64_URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), &proof].concat())
}

/// Returns the invitation to which a link leads, with what its page shows. A link that was made up, and
/// one whose invitation is forgotten, lead nowhere.
pub async fn open(env: &Env, token: &str) -> Result<Option<Opened>, StoreError> {
    let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return Ok(None) };
    let Some((id, proof)) = bytes.split_first_chunk::<16>() else { return Ok(None) };
    let id: InvitationId = Uuid::from_bytes(*id).into();
    if !bool::from(env.keys.invitation(id).as_slice().ct_eq(proof)) {
        return Ok(None);
    }
    let catalogue = catalogue::current(env).await?;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(invitation) = invitations::find(conn, id).await? else { return Ok(None) };
    let inviter = match invitation.inviter {
        Some(_) => inviter_name(conn, &invitation).await?,
        None => None,
    };
    let gift = named_gift(&catalogue, &invitation);
    Ok(Some(Opened { inviter, gift, state: invitation.state(env.clock.now()), invitation }))
}

fn named_gift(catalogue: &Catalogue, invitation: &Invitation) -> Option<(String, i64)> {
    let gift = invitation.gift.as_ref()?;
    let name = catalogue.tier_name(&gift.tier);
    Some((name, gift.days))
}

/// Returns what the `send`-th mail of an invitation says, unless it is void by now.
pub async fn words(env: &Env, id: InvitationId, send: i64) -> Result<Option<InvitationWords>, StoreError> {
    let catalogue = catalogue::current(env).await?;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(invitation) = invitations::find(conn, id).await? else { return Ok(None) };
    if invitation.state(env.clock.now()) != InvitationState::Open || invitation.sends != send {
        return Ok(None);
    }
    // An admin's address is nobody's business outside.
    let inviter = match invitation.inviter {
        Some(_) => inviter_name(conn, &invitation).await?,
        None => None,
    };
    Ok(Some(InvitationWords {
        inviter,
        gift: named_gift(&catalogue, &invitation),
        path: format!("/invitation/{}", token(env, id)),
        expires_at: invitation.expires_at,
        note: Some(invitation.note).filter(|note| !note.is_empty()),
    }))
}
