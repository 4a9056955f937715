//! The reward for an invitation: given once when the friend pays for the first time, and taken back
//! when that money goes back.

use std::{collections::HashSet, sync::LazyLock};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{
    domain::{
        access::days_between,
        activity::SYSTEM,
        credit,
        email::EmailAddress,
        event::Event,
        ids::{CreditEntryId, ReferralId, UserId},
        letter::Notice,
        notification::Occurrence,
        payment::{FirstPayment, Provider},
        referral::{Referral, ReferralState, Step, suspicious},
        settings::AppSettings,
        user::User,
    },
    platform::env::Env,
    services::{aftermath::Aftermath, catalogue, credits, rounds::round},
    store::{
        Conn, StoreError,
        credit::CreditEntry,
        payments,
        referrals::{self, Conversion},
        users,
    },
};

/// Sign-ins that are compared when a friend pays.
const SIGN_INS_COMPARED: i64 = 200;
/// Rewards whose time has come that are given in one run of the job.
const MOST_DUE: i64 = 200;

/// Does what is to be done about the referral by which a member came, if there is one, until
/// nothing is left to do. The member and who invited them are locked. Done again, it changes
/// nothing.
pub(super) async fn settle(
    env: &Env,
    conn: &mut Conn<'_>,
    settings: &AppSettings,
    friend: UserId,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    let Some(referral) = referrals::find_by_referred(conn, friend).await? else { return Ok(()) };
    let first = payments::first_payment(conn, friend).await?;
    do_steps(env, conn, settings, referral, first, aftermath).await
}

/// The same where the friend's account is deleted since, and the invoice alone tells which referral it was: the money
/// can still go back, and so does then what the referrer got for it.
pub(super) async fn settle_invoice(
    env: &Env,
    conn: &mut Conn<'_>,
    settings: &AppSettings,
    (provider, invoice): (Provider, &str),
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    let Some(referral) = referrals::find_by_invoice(conn, provider, invoice).await? else { return Ok(()) };
    let referrer: Vec<UserId> = referral.referrer.into_iter().collect();
    aftermath.lock(conn, &referrer).await?;
    // Read again: somebody may have settled it before it was ours.
    let Some(referral) = referrals::find_by_invoice(conn, provider, invoice).await? else { return Ok(()) };
    let first = payments::payment(conn, provider, invoice).await?;
    do_steps(env, conn, settings, referral, first, aftermath).await
}

async fn do_steps(
    env: &Env,
    conn: &mut Conn<'_>,
    settings: &AppSettings,
    mut referral: Referral,
    first: Option<FirstPayment>,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    while let (Some(step), Some(first)) = (referral.next_step(first.as_ref(), settings, aftermath.now), &first) {
        let is_done = match step {
            Step::Convert => convert(conn, settings, &mut referral, first, aftermath).await?,
            Step::ChangeInvoice => {
                referral.invoice = Some((first.provider, first.invoice.clone()));
                referrals::set_invoice(conn, referral.id, first.provider, &first.invoice).await?
            }
            Step::Credit => give(env, conn, &mut referral, aftermath).await?,
            Step::TakeBack => take_back(env, conn, &mut referral, aftermath).await?,
            Step::GiveBack => give_back(env, conn, &mut referral, aftermath).await?,
        };
        if !is_done {
            // Somebody else was quicker, in spite of the lock: what they wrote is not ours to judge.
            return Err(StoreError::Missing("referrals"));
        }
    }
    Ok(())
}

async fn convert(
    conn: &mut Conn<'_>,
    settings: &AppSettings,
    referral: &mut Referral,
    first: &FirstPayment,
    aftermath: &mut Aftermath,
) -> Result<bool, StoreError> {
    let now = aftermath.now;
    let (friend, referrer) = both(conn, referral, aftermath).await?;
    let flags = match (&friend, referral.referrer) {
        (Some(friend), Some(_)) => {
            let key = |user: &User| user.email.as_deref().and_then(|email| EmailAddress::parse(email).ok());
            let (friend_email, referrer_email) = (key(friend), referrer.as_ref().and_then(key));
            let is_disposable = friend_email.as_ref().is_some_and(is_disposable);
            let seen = match &referrer {
                Some(referrer) => referrals::seen_from(conn, friend.id, referrer.id, SIGN_INS_COMPARED).await?,
                None => Vec::new(),
            };
            let conversions = match &referrer {
                Some(referrer) => referrals::conversions(conn, referrer.id, now - TimeDelta::days(1)).await?,
                None => 0,
            };
            suspicious(
                friend_email.as_ref().map(EmailAddress::key),
                referrer_email.as_ref().map(EmailAddress::key),
                is_disposable,
                &seen,
                conversions,
                settings,
            )
        }
        _ => Vec::new(),
    };
    let waits_for_admin = settings.referral_hold_flagged && !flags.is_empty();
    let held_until = (!waits_for_admin).then(|| now + TimeDelta::days(settings.referral_hold_days));
    let conversion = Conversion {
        invoice: (first.provider, &first.invoice),
        reward_days: settings.referral_credit_days,
        flags: &flags,
        held_until,
    };
    if !referrals::convert(conn, referral.id, &conversion, now).await? {
        return Ok(false);
    }
    let details = json!({ "referral": referral.id, "flags": flags, "held_until": held_until });
    aftermath.log(referral.referred, "referral_converted", details);
    if !flags.is_empty() {
        aftermath.tell_admins(Occurrence::ReferralFlagged { referral: referral.id, held: waits_for_admin });
    }
    referral.converted_at = Some(now);
    referral.invoice = Some((first.provider, first.invoice.clone()));
    referral.reward_days = Some(settings.referral_credit_days);
    referral.flags = flags;
    referral.held_until = held_until;
    Ok(true)
}

/// Returns whether an address is of the kind that is thrown away.
fn is_disposable(email: &EmailAddress) -> bool {
    static DOMAINS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| mailchecker::blacklist().into_iter().collect());
    let domain = email.key().as_str().rsplit('@').next().unwrap_or_default();
    // Somebody's mailbox may be under a name below a listed one.
    let mut names = std::iter::successors(Some(domain), |name| name.split_once('.').map(|(_, rest)| rest));
    names.any(|name| DOMAINS.contains(name))
}

/// Returns both sides as they are now, locked already: the friend and who invited them. A deleted
/// account is nobody.
async fn both(
    conn: &mut Conn<'_>,
    referral: &Referral,
    aftermath: &Aftermath,
) -> Result<(Option<User>, Option<User>), StoreError> {
    let mut found = Vec::new();
    for id in [referral.referred, referral.referrer] {
        found.push(match id {
            Some(id) => aftermath.member(conn, id).await?,
            None => None,
        });
    }
    let referrer = found.pop().flatten();
    Ok((found.pop().flatten(), referrer))
}

async fn give(
    env: &Env,
    conn: &mut Conn<'_>,
    referral: &mut Referral,
    aftermath: &mut Aftermath,
) -> Result<bool, StoreError> {
    let now = aftermath.now;
    if !referrals::credit(conn, referral.id, now).await? {
        return Ok(false);
    }
    referral.credited_at = Some(now);
    let days = referral.reward_days.unwrap_or(0);
    let (friend, referrer) = both(conn, referral, aftermath).await?;
    let sides = friend.map(|user| (user, false)).into_iter().chain(referrer.map(|user| (user, true)));
    let sides: Vec<(User, bool)> = sides.collect();
    let ids: Vec<UserId> = sides.iter().map(|(user, _)| user.id).collect();
    let moments = credits::moments(conn, &ids, now).await?;
    let entries: Vec<CreditEntry> = sides
        .iter()
        .map(|(user, _)| {
            let now = moments.get(&user.id).copied().unwrap_or(now);
            let until = credit::extend(now, user.credit_until, days);
            entry(env, user, (credits::REFERRAL, referral.id.to_string()), days, Some(until), now)
        })
        .collect();
    let written = credits::write_all(conn, &entries).await?;
    for ((user, as_referrer), entry) in sides.iter().zip(&entries) {
        if let Some(until) = entry.until_after.filter(|_| written.contains(&entry.id)) {
            aftermath.credit_changed(user.id, entry.until_after);
            let details = json!({ "days": days, "until": until, "as_referrer": as_referrer });
            aftermath.log(Some(user.id), "referral_credited", details);
            aftermath.write_to(user, Notice::ReferralConverted { days, until, as_referrer: *as_referrer });
        }
    }
    if let (Some(referrer), Some(friend)) = (referral.referrer, referral.referred) {
        aftermath.happened(referrer, Event::ReferralConverted { friend, days });
    }
    Ok(true)
}

async fn take_back(
    env: &Env,
    conn: &mut Conn<'_>,
    referral: &mut Referral,
    aftermath: &mut Aftermath,
) -> Result<bool, StoreError> {
    let now = aftermath.now;
    if !referrals::take_back(conn, referral.id, now).await? {
        return Ok(false);
    }
    referral.taken_back_at = Some(now);
    referral.times_taken_back += 1;
    if referral.credited_at.is_none() {
        return Ok(true);
    }
    let id = referral.id.to_string();
    let (friend, referrer) = both(conn, referral, aftermath).await?;
    for (user, as_referrer) in [(friend, false), (referrer, true)] {
        let Some(user) = user else { continue };
        let now = credits::moment(conn, user.id, now).await?;
        let entries = crate::store::credit::list(conn, user.id).await?;
        let portions = credit::portions(credits::changes(&entries), now);
        let left: TimeDelta = portions
            .iter()
            .filter(|portion| portion.name == (credits::REFERRAL, &id))
            .map(|portion| portion.left)
            .sum();
        if left <= TimeDelta::zero() {
            continue;
        }
        let until = user.credit_until.map(|until| until - left).filter(|until| *until > now);
        let days = -days_between(now, now + left);
        let key = (credits::REFERRAL_TAKEN_BACK, format!("{id}/{}", referral.times_taken_back));
        if write(conn, &entry(env, &user, key, days, until, now), aftermath).await? {
            aftermath.log(Some(user.id), "referral_taken_back", json!({ "days": days, "until": until }));
            aftermath.write_to(&user, Notice::ReferralTakenBack { as_referrer });
        }
    }
    Ok(true)
}

async fn give_back(
    env: &Env,
    conn: &mut Conn<'_>,
    referral: &mut Referral,
    aftermath: &mut Aftermath,
) -> Result<bool, StoreError> {
    let now = aftermath.now;
    if !referrals::give_back(conn, referral.id).await? {
        return Ok(false);
    }
    referral.taken_back_at = None;
    if referral.credited_at.is_none() {
        return Ok(true);
    }
    let key = format!("{}/{}", referral.id, referral.times_taken_back);
    let (friend, referrer) = both(conn, referral, aftermath).await?;
    for user in [friend, referrer].into_iter().flatten() {
        let taken = crate::store::credit::find(conn, user.id, credits::REFERRAL_TAKEN_BACK, &key).await?;
        let Some(taken) = taken else { continue };
        let now = credits::moment(conn, user.id, now).await?;
        let left = |until: Option<DateTime<Utc>>| until.map_or(TimeDelta::zero(), |until| until - taken.created_at);
        let span = left(taken.until_before) - left(taken.until_after);
        let until = user.credit_until.map_or(now, |until| until.max(now)) + span;
        let key = (credits::REFERRAL_GIVEN_BACK, key.clone());
        if write(conn, &entry(env, &user, key, -taken.days, Some(until), now), aftermath).await? {
            aftermath.log(Some(user.id), "referral_given_back", json!({ "days": -taken.days, "until": until }));
        }
    }
    Ok(true)
}

async fn write(conn: &mut Conn<'_>, entry: &CreditEntry, aftermath: &mut Aftermath) -> Result<bool, StoreError> {
    let is_written = credits::write(conn, entry).await?;
    if is_written {
        aftermath.credit_changed(entry.user_id, entry.until_after);
    }
    Ok(is_written)
}

fn entry(
    env: &Env,
    user: &User,
    (source, source_key): (&str, String),
    days: i64,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> CreditEntry {
    let id: CreditEntryId = env.random.id(now);
    CreditEntry {
        id,
        user_id: user.id,
        source: source.to_owned(),
        source_key,
        days,
        until_before: user.credit_until,
        until_after: until,
        note: None,
        actor: SYSTEM.to_owned(),
        created_at: now,
    }
}

/// Why a referral does not change.
#[derive(Debug, thiserror::Error)]
pub enum ReferralError {
    /// There is no such referral.
    #[error("there is no such referral")]
    Unknown,
    /// Only a held reward can be released or rejected.
    #[error("the reward is not held: it is {}", .0.as_str())]
    NotHeld(ReferralState),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an admin decides about a held reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Both get their days now.
    Release,
    /// There is no reward.
    Reject,
}

/// Releases or rejects a held reward, and returns how the referral stands then.
pub async fn decide(env: &Env, id: ReferralId, verdict: Verdict, actor: &str) -> Result<Referral, ReferralError> {
    let mut tx = env.db.begin().await?;
    let now = env.clock.now();
    let conn = &mut tx.conn();
    let referral = referrals::find(conn, id).await?.ok_or(ReferralError::Unknown)?;
    let people: Vec<UserId> = referral.referred.into_iter().chain(referral.referrer).collect();
    let mut aftermath = Aftermath::new(now);
    aftermath.lock(conn, &people).await?;
    let is_done = match verdict {
        Verdict::Release => referrals::release(conn, id, now).await?,
        Verdict::Reject => referrals::reject(conn, id, now).await?,
    };
    if !is_done {
        let referral = referrals::find(conn, id).await?.ok_or(ReferralError::Unknown)?;
        return Err(ReferralError::NotHeld(referral.state()));
    }
    let action = match verdict {
        Verdict::Release => "referral_released",
        Verdict::Reject => "referral_rejected",
    };
    aftermath.log_by(actor, referral.referred, action, json!({ "referral": id }));
    if verdict == Verdict::Release {
        let catalogue = catalogue::latest(env, conn).await?;
        settle_held(env, conn, &catalogue.settings, &referral, &mut aftermath).await?;
    }
    aftermath.write(env, conn).await?;
    let referral = referrals::find(conn, id).await?.ok_or(ReferralError::Unknown)?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(referral)
}

/// Does what is to be done about a referral of which the reward was held, whether or not the friend is still there.
async fn settle_held(
    env: &Env,
    conn: &mut Conn<'_>,
    settings: &AppSettings,
    referral: &Referral,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    match (referral.referred, &referral.invoice) {
        (Some(friend), _) => {
            aftermath.lock(conn, &[friend]).await?;
            settle(env, conn, settings, friend, aftermath).await
        }
        (None, Some((provider, invoice))) => settle_invoice(env, conn, settings, (*provider, invoice), aftermath).await,
        (None, None) => Ok(()),
    }
}

/// Gives the rewards whose time has come. Returns how many there were.
pub async fn give_due(env: &Env) -> Result<usize, StoreError> {
    let mut reader = env.db.reader().await?;
    let due = referrals::due(&mut reader.conn(), env.clock.now(), MOST_DUE).await?;
    drop(reader);
    round("a reward cannot be given", due, |referral| referral.id, |referral| give_held(env, referral)).await.outcome()
}

async fn give_held(env: &Env, referral: Referral) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    let mut aftermath = Aftermath::new(env.clock.now());
    let conn = &mut tx.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    settle_held(env, conn, &catalogue.settings, &referral, &mut aftermath).await?;
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(())
}

/// A referral, with what its people are called.
#[derive(Debug, Clone)]
pub struct ListedReferral {
    /// The referral.
    pub referral: Referral,
    /// Who invited, if the account is there.
    pub referrer: Option<String>,
    /// Who was invited, if the account is there.
    pub referred: Option<String>,
}

/// Returns a page of referrals, the newest first, from before `before`; in one state if one is named.
pub async fn list(
    env: &Env,
    state: Option<ReferralState>,
    before: Option<ReferralId>,
    count: i64,
) -> Result<Vec<ListedReferral>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let page = referrals::page(conn, state, before, count).await?;
    let mut ids: Vec<UserId> =
        page.iter().flat_map(|referral| [referral.referrer, referral.referred]).flatten().collect();
    ids.sort();
    ids.dedup();
    let people = users::find_all(conn, &ids).await?;
    let label = |id: Option<UserId>| people.iter().find(|user| Some(user.id) == id).map(User::label);
    let listed = |referral: Referral| ListedReferral {
        referrer: label(referral.referrer),
        referred: label(referral.referred),
        referral,
    };
    Ok(page.into_iter().map(listed).collect())
}
