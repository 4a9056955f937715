//! Telling members in time: that a trial or given time is about to end, and that a trial has ended.
//!
//! Whoever tells takes the right to it first, in the transaction that queues the letter: a second run,
//! a second node or a clock that goes back finds it taken. What is over is not reminded of any more.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{
    domain::{
        access::{Access, Accesses, Source},
        catalogue::Catalogue,
        entitlement::is_over,
        grant::{Grant, Timeline, unbroken},
        ids::{GrantId, UserId},
        lang::Lang,
        letter::Notice,
        notification::Occurrence,
        partner::Partner,
        user::User,
    },
    platform::env::Env,
    services::{
        access,
        aftermath::Aftermath,
        catalogue, grants, notifications,
        rounds::{round, rounds},
    },
    store::{Conn, StoreError, grants as stored, partners, reminders, users},
};

/// Members who are told something in one go.
const TOGETHER: i64 = 200;
/// For how long the end of a trial is still news, if the program did not run meanwhile.
const NEWS_FOR: TimeDelta = TimeDelta::days(90);
/// How long before the end of a partner's contract admins are told.
const CONTRACT_ENDS_IN: TimeDelta = TimeDelta::days(30);
/// Partners who are looked at: more than have contracts that end at once.
const PARTNERS: i64 = 1_000;

/// Tells all who are to be told something now. Returns how many members that were.
pub async fn send_due(env: &Env) -> Result<usize, StoreError> {
    let partners = remind_of_partners(env).await;
    // Whose turn it is by now decides what ends.
    let settled = grants::settle_due(env).await;
    // What fails of one kind keeps nobody from being told of another.
    let told = [remind_of_trials(env).await, remind_of_grants(env).await, end_trials(env).await];
    partners.and(settled)?;
    told.into_iter().sum()
}

/// Tells admins of contracts that end soon.
async fn remind_of_partners(env: &Env) -> Result<usize, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let ending = partners::ending(&mut reader.conn(), now, now + CONTRACT_ENDS_IN, PARTNERS).await?;
    drop(reader);
    let complaint = "admins cannot be told of a contract that ends";
    round(complaint, ending, |partner| partner.id, |partner| remind_of_partner(env, partner)).await.outcome()
}

async fn remind_of_partner(env: &Env, partner: Partner) -> Result<(), StoreError> {
    let Some(on) = partner.details.contract_until else { return Ok(()) };
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if reminders::claim_partner(conn, partner.id, on, env.clock.now()).await? {
        let (id, name) = (partner.id.to_string(), partner.details.name);
        notifications::raise(env, conn, Occurrence::PartnerEnding { partner: id, name, on }).await?;
        tx.commit().await?;
        env.wake_workers();
    }
    Ok(())
}

async fn remind_of_trials(env: &Env) -> Result<usize, StoreError> {
    let ahead = TimeDelta::days(catalogue::current(env).await?.settings.reminder_days);
    let due = || async {
        let now = env.clock.now();
        let mut reader = env.db.reader().await?;
        reminders::trials(&mut reader.conn(), reminders::TRIAL_ENDING, now, now + ahead, TOGETHER).await
    };
    let complaint = "a member cannot be told that their trial ends soon";
    rounds(complaint, TOGETHER, due, |user| *user, |user| remind_of_trial(env, user)).await
}

async fn remind_of_trial(env: &Env, user: UserId) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let mut aftermath = Aftermath::new(env.clock.now());
    if !reminders::claim_trial(conn, reminders::TRIAL_ENDING, user, aftermath.now).await? {
        return Ok(());
    }
    let Some(user) = users::find(conn, user).await? else { return Ok(()) };
    let catalogue = catalogue::latest(env, conn).await?;
    let accesses = accesses(conn, &catalogue, &user, aftermath.now).await?;
    let trial = &catalogue.settings.trial_tier;
    if let Some(until) = user.trial_ends_at
        && !outlasts(&accesses, catalogue.strength(trial), until, Source::Trial)
    {
        aftermath.write_to(&user, Notice::TrialEnding { tier: catalogue.tier_name(trial), until });
    }
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(())
}

async fn remind_of_grants(env: &Env) -> Result<usize, StoreError> {
    let ahead = TimeDelta::days(catalogue::current(env).await?.settings.reminder_days);
    let due = || async {
        let now = env.clock.now();
        let mut reader = env.db.reader().await?;
        reminders::grants(&mut reader.conn(), now, now + ahead, TOGETHER).await
    };
    let remind = |(grant, user)| remind_of_grant(env, grant, user, ahead);
    rounds("a member cannot be told that a grant ends soon", TOGETHER, due, |(_, user)| *user, remind).await
}

async fn remind_of_grant(env: &Env, grant: GrantId, user: UserId, ahead: TimeDelta) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let mut aftermath = Aftermath::new(env.clock.now());
    if !reminders::claim_grant(conn, grant, aftermath.now).await? {
        return Ok(());
    }
    let Some(user) = users::find(conn, user).await? else { return Ok(()) };
    let catalogue = catalogue::latest(env, conn).await?;
    let accesses = accesses(conn, &catalogue, &user, aftermath.now).await?;
    let all = stored::list_by_user(conn, user.id).await?;
    // Who was given no more than the time ahead was told the end with the gift. What came before without a
    // break counts as one with it: that is what they have had.
    let is_short = unbroken(&all, grant) <= ahead.num_seconds();
    let open: Vec<Grant> = all.into_iter().filter(Grant::is_open).collect();
    let timeline = Timeline::new(open, |tier| catalogue.strength(tier), aftermath.now);
    // It may have been taken back or paused since.
    if let Some(stretch) = timeline.plan.first().filter(|stretch| stretch.grant == grant) {
        let strength = catalogue.strength(&stretch.tier);
        let goes_on = timeline.plan.get(1).is_some_and(|next| catalogue.strength(&next.tier) >= strength);
        if !is_short && !goes_on && !outlasts(&accesses, strength, stretch.until, Source::Grant) {
            let tier = catalogue.tier_name(&stretch.tier);
            aftermath.write_to(&user, Notice::GrantEnding { tier, until: stretch.until });
        }
    }
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(())
}

async fn end_trials(env: &Env) -> Result<usize, StoreError> {
    let due = || async {
        let now = env.clock.now();
        let mut reader = env.db.reader().await?;
        reminders::trials(&mut reader.conn(), reminders::TRIAL_ENDED, now - NEWS_FOR, now, TOGETHER).await
    };
    let complaint = "a member cannot be told that their trial is over";
    rounds(complaint, TOGETHER, due, |user| *user, |user| end_trial(env, user)).await
}

async fn end_trial(env: &Env, user: UserId) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let mut aftermath = Aftermath::new(env.clock.now());
    if !reminders::claim_trial(conn, reminders::TRIAL_ENDED, user, aftermath.now).await? {
        return Ok(());
    }
    let Some(user) = users::find(conn, user).await? else { return Ok(()) };
    let catalogue = catalogue::latest(env, conn).await?;
    let accesses = accesses(conn, &catalogue, &user, aftermath.now).await?;
    let effective = accesses.effective_at(aftermath.now);
    let trial = &catalogue.settings.trial_tier;
    let next = if is_over(&user, &accesses, aftermath.now) { None } else { Some(&effective.tier.id) };
    let details = json!({ "tier": trial, "at": user.trial_ends_at, "next": next });
    aftermath.log(Some(user.id), "trial_ended", details);
    // Who pays for as much by now, or was given it, has lost nothing.
    if effective.tier.sort_order < catalogue.strength(trial) || next.is_none() {
        let next = next.map_or_else(|| no_access(user.lang).to_owned(), |tier| catalogue.tier_name(tier));
        aftermath.write_to(&user, Notice::TrialEnded { tier: catalogue.tier_name(trial), next });
    }
    aftermath.access_changed(user.id);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(())
}

/// “From now on you have no access.”
fn no_access(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "no access",
        Lang::De => "keinen Zugang",
    }
}

async fn accesses(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: &User,
    now: DateTime<Utc>,
) -> Result<Accesses, StoreError> {
    let claims = access::claims(conn, &[user.id]).await?.remove(&user.id).unwrap_or_default();
    let holdings = catalogue.holdings(user, &claims, now);
    catalogue.accesses(&user.tier, holdings, now).map_err(|_| StoreError::Missing("tiers"))
}

/// Returns whether somebody keeps at least as strong a tier beyond `until`, from elsewhere.
fn outlasts(accesses: &Accesses, strength: i64, until: DateTime<Utc>, besides: Source) -> bool {
    let lasts = |access: &Access| access.expires_at.is_none_or(|end| end > until);
    accesses.all().iter().any(|access| access.source != besides && access.tier.sort_order >= strength && lasts(access))
}
