//! Access grants: given, taken back, and written down as their turns change.
//!
//! Readers never wait for this: they work out for themselves whose turn it is
//! (`domain/grant.rs`). Here it is written down, told and put into the log.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    domain::{
        access::days_between,
        catalogue::Catalogue,
        grant::{Grant, GrantKind, MOST_DAYS, Timeline, TransitionKind, seconds_of},
        ids::{GrantId, TierId, UserId},
        letter::Notice,
        usage::{ANSWERS_KEPT_FOR, IdempotencyKey},
        user::User,
    },
    platform::env::Env,
    services::{aftermath::Aftermath, catalogue, rounds::rounds, usage},
    store::{Conn, StoreError, grants, idempotency, users},
};

pub use crate::domain::grant::ListedGrant;

/// Members whose grants are written down in one go.
const MOST_DUE: i64 = 500;

/// Why a grant is not given or taken back.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// Nobody is that.
    #[error("there is no such member")]
    NoSuchMember,
    /// There is no such tier.
    #[error("there is no such tier")]
    TierUnknown,
    /// Not between 1 and [`MOST_DAYS`].
    #[error("the number of days is between 1 and {MOST_DAYS}")]
    BadDays,
    /// There is no such grant.
    #[error("there is no such grant")]
    NoSuchGrant,
    /// It is used up or was taken back before.
    #[error("this grant is over")]
    Over,
    /// The same key came with another gift before.
    #[error("this key was used for another gift")]
    KeyReused,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is given.
#[derive(Debug, Clone)]
pub struct Gift<'a> {
    /// The tier.
    pub tier: TierId,
    /// For how many days.
    pub days: i64,
    /// Why.
    pub reason: Option<&'a str>,
    /// Who gives.
    pub actor: &'a str,
}

/// Gives a member days at a tier.
pub async fn give(env: &Env, user: UserId, gift: &Gift<'_>) -> Result<ListedGrant, GrantError> {
    give_once(env, user, gift, None).await
}

/// Gives a member days at a tier, once for each key. Who asks again gets the grant as it stands now.
pub async fn give_once(
    env: &Env,
    user: UserId,
    gift: &Gift<'_>,
    key: Option<IdempotencyKey>,
) -> Result<ListedGrant, GrantError> {
    if !(1..=MOST_DAYS).contains(&gift.days) {
        return Err(GrantError::BadDays);
    }
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    // Two at once with the same key are about the same member: the second waits here.
    let user = users::lock(conn, user).await?.ok_or(GrantError::NoSuchMember)?;
    let catalogue = catalogue::latest(env, conn).await?;
    let now = env.clock.now();
    let since = now - ANSWERS_KEPT_FOR;
    if let Some(key) = key
        && let Some(kept) = idempotency::find(conn, &[key.id], since).await?.pop()
    {
        let given: Option<GrantId> = serde_json::from_str(&kept.response).ok();
        if kept.fingerprint != key.fingerprint {
            return Err(GrantError::KeyReused);
        }
        let all = grants::list_by_user(conn, user.id).await?;
        let now_listed = listed(&Timeline::new(all, |tier| catalogue.strength(tier), now));
        return now_listed.into_iter().find(|one| Some(one.grant.id) == given).ok_or(GrantError::NoSuchGrant);
    }
    if catalogue.tier(&gift.tier).is_none() {
        return Err(GrantError::TierUnknown);
    }
    let mut aftermath = Aftermath::new(now);
    let grant = new_grant(env, &user, gift.tier.clone(), GrantKind::Admin, gift.days, gift.actor, now);
    let grant = Grant { reason: gift.reason.map(str::to_owned), ..grant };
    let details = json!({ "grant": grant.id, "tier": grant.tier, "days": gift.days, "reason": gift.reason });
    aftermath.log_by(gift.actor, Some(user.id), "grant_given", details);
    let listed = add(conn, &catalogue, &user, grant, gift.days, &mut aftermath).await?;
    if let Some(key) = key {
        let answer = json!(listed.grant.id).to_string();
        // Somebody else's gift has the key since: nothing of this one stays.
        if !idempotency::insert(conn, &[(key, answer)], since, now).await? {
            return Err(GrantError::KeyReused);
        }
    }
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(listed)
}

/// Returns the key of a gift by which the same form gives once, however often it is sent.
pub fn key_of_form(form: &str, user: UserId, gift: &Gift<'_>) -> IdempotencyKey {
    let content = json!([gift.tier, gift.days, gift.reason]).to_string();
    usage::idempotency_key(&user.to_string(), "form of a grant", form.as_bytes(), content.as_bytes())
}

/// Makes a grant that has not run yet.
pub(super) fn new_grant(
    env: &Env,
    user: &User,
    tier: TierId,
    kind: GrantKind,
    days: i64,
    actor: &str,
    now: DateTime<Utc>,
) -> Grant {
    let seconds = seconds_of(days);
    Grant {
        id: env.random.id(now),
        user: Some(user.id),
        tier,
        kind,
        coupon: None,
        total: seconds,
        remaining: seconds,
        began_at: None,
        running_since: None,
        granted_at: now,
        granted_by: actor.to_owned(),
        reason: None,
        ended_at: None,
        revoked_at: None,
    }
}

/// What a member is told of a grant that is added.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// That they were given so many days.
    Given {
        /// How many.
        days: i64,
    },
    /// That they redeemed a coupon.
    Coupon {
        /// Its code, as people read it.
        code: String,
        /// The days that it gives.
        days: i64,
    },
    /// Nothing: the caller writes a letter of their own.
    ByCaller,
}

/// Adds a grant to those of a member, who is locked, and tells them.
pub(super) async fn add(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: &User,
    grant: Grant,
    days: i64,
    aftermath: &mut Aftermath,
) -> Result<ListedGrant, StoreError> {
    let mut stored = grants::open(conn, &[user.id]).await?;
    add_to(conn, catalogue, user, &mut stored, grant, Told::Given { days }, aftermath).await
}

/// Adds a grant to the open ones of a member, who is locked, and tells them. Afterwards `stored` is
/// what is stored.
pub(super) async fn add_to(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: &User,
    stored: &mut Vec<Grant>,
    grant: Grant,
    told: Told,
    aftermath: &mut Aftermath,
) -> Result<ListedGrant, StoreError> {
    let (id, tier) = (grant.id, catalogue.tier_name(&grant.tier));
    let mut timeline = Timeline { grants: stored.clone(), ..Timeline::default() };
    timeline.give(grant, |tier| catalogue.strength(tier), aftermath.now);
    let listed = listed(&timeline).into_iter().find(|listed| listed.grant.id == id);
    let listed = listed.ok_or(StoreError::Missing("access_grants"))?;
    if let Some((from, until)) = listed.from.zip(listed.until) {
        let from = (from > aftermath.now).then_some(from);
        match told {
            Told::Given { days } => aftermath.write_to(user, Notice::AccessGranted { tier, days, from, until }),
            Told::Coupon { code, days } => {
                aftermath.write_to(user, Notice::CouponRedeemed { code, tier, days, from, until });
            }
            Told::ByCaller => {}
        }
    }
    write(conn, catalogue, user, stored, &timeline, Some(id), aftermath).await?;
    *stored = timeline.grants.into_iter().filter(Grant::is_open).collect();
    Ok(listed)
}

/// Takes a grant back. What of it has run stays, what is left is lost.
pub async fn revoke(env: &Env, id: GrantId, actor: &str) -> Result<Grant, GrantError> {
    let mut reader = env.db.reader().await?;
    let found = grants::find(&mut reader.conn(), id).await?.ok_or(GrantError::NoSuchGrant)?;
    drop(reader);
    let user = found.user.ok_or(GrantError::NoSuchGrant)?;
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let user = users::lock(conn, user).await?.ok_or(GrantError::NoSuchGrant)?;
    let catalogue = catalogue::latest(env, conn).await?;
    let now = env.clock.now();
    let mut aftermath = Aftermath::new(now);
    let stored = grants::open(conn, &[user.id]).await?;
    let mut timeline = Timeline { grants: stored.clone(), ..Timeline::default() };
    if !timeline.revoke(id, |tier| catalogue.strength(tier), now) {
        return Err(GrantError::Over);
    }
    let revoked = timeline.grants.iter().find(|grant| grant.id == id).cloned().ok_or(GrantError::NoSuchGrant)?;
    let details = json!({ "grant": id, "tier": revoked.tier, "lost_seconds": revoked.remaining });
    aftermath.log_by(actor, Some(user.id), "grant_revoked", details);
    write(conn, &catalogue, &user, &stored, &timeline, None, &mut aftermath).await?;
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(revoked)
}

/// Writes down what has happened since it was last done, for everybody whose grant has run out.
/// Returns for how many. One whose time cannot be written down keeps nobody else from theirs: of the
/// failures the last is returned in the end.
pub async fn settle_due(env: &Env) -> Result<usize, StoreError> {
    let due = || async {
        let mut reader = env.db.reader().await?;
        grants::due(&mut reader.conn(), env.clock.now(), MOST_DUE).await
    };
    let complaint = "a member's grants cannot be written down";
    rounds(complaint, MOST_DUE, due, |user| *user, |user| settle(env, user)).await
}

async fn settle(env: &Env, user: UserId) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    // Two nodes at once: the second finds nothing left to write.
    let Some(user) = users::lock(conn, user).await? else { return Ok(()) };
    let catalogue = catalogue::latest(env, conn).await?;
    let mut aftermath = Aftermath::new(env.clock.now());
    let stored = grants::open(conn, &[user.id]).await?;
    let timeline = Timeline::new(stored.clone(), |tier| catalogue.strength(tier), aftermath.now);
    write(conn, &catalogue, &user, &stored, &timeline, None, &mut aftermath).await?;
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(())
}

/// Writes what is not as it was stored, and leaves a line for everything that happened and a letter
/// where the member's access is another since. Of `new`, which was added just now, they know.
async fn write(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: &User,
    stored: &[Grant],
    timeline: &Timeline,
    new: Option<GrantId>,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    let mut changed: Vec<&Grant> = timeline.grants.iter().filter(|grant| !stored.contains(grant)).collect();
    // The database holds at most one that runs: who stops comes before who starts.
    changed.sort_by_key(|grant| grant.running_since.is_some());
    // What waits is part of the access, too: until when it lasts.
    let has_changed = !changed.is_empty();
    for grant in changed {
        grants::put(conn, grant, aftermath.now).await?;
    }
    for what in &timeline.transitions {
        let Some(grant) = timeline.grants.iter().find(|grant| grant.id == what.grant) else { continue };
        let details = json!({ "grant": grant.id, "tier": grant.tier, "at": what.at });
        aftermath.log(Some(user.id), what.kind.as_str(), details);
    }
    if let Some(notice) = turned(catalogue, timeline, new, aftermath.now) {
        aftermath.write_to(user, notice);
    }
    if has_changed {
        aftermath.access_changed(user.id);
    }
    Ok(())
}

/// Returns what a member is told of the turns that have changed: of several that nobody saw, the
/// last is worth a letter.
fn turned(catalogue: &Catalogue, timeline: &Timeline, new: Option<GrantId>, now: DateTime<Utc>) -> Option<Notice> {
    let grant_of = |id: GrantId| timeline.grants.iter().find(|grant| grant.id == id);
    let last = |kind: TransitionKind| timeline.transitions.iter().rev().find(|what| what.kind == kind);
    let first = timeline.plan.first();
    if let Some(grant) = last(TransitionKind::Ended).and_then(|what| grant_of(what.grant)) {
        // Which also says what goes on.
        let next = first.map(|stretch| (catalogue.tier_name(&stretch.tier), stretch.until));
        return Some(Notice::GrantEnded { tier: catalogue.tier_name(&grant.tier), next });
    }
    let runs = first.filter(|stretch| stretch.from <= now)?;
    let by = catalogue.tier_name(&runs.tier);
    let paused = last(TransitionKind::Paused).and_then(|what| grant_of(what.grant));
    if let Some(grant) = paused.filter(|grant| grant.is_open() && grant.id != runs.grant) {
        let (tier, days_left) = (catalogue.tier_name(&grant.tier), days_left(grant, now));
        return Some(Notice::GrantPaused { tier, by, days_left });
    }
    let turn = timeline.transitions.iter().rev().find(|what| what.grant == runs.grant && Some(what.grant) != new)?;
    match turn.kind {
        TransitionKind::Started => Some(Notice::GrantStarted { tier: by, until: runs.until }),
        TransitionKind::Resumed => Some(Notice::GrantResumed { tier: by, until: runs.until }),
        TransitionKind::Paused | TransitionKind::Ended => None,
    }
}

/// Returns a member's grants as they stand now, the newest first.
pub async fn list(env: &Env, user: UserId) -> Result<Vec<ListedGrant>, StoreError> {
    let catalogue = catalogue::current(env).await?;
    let mut reader = env.db.reader().await?;
    let all = grants::list_by_user(&mut reader.conn(), user).await?;
    drop(reader);
    Ok(listed(&Timeline::new(all, |tier| catalogue.strength(tier), env.clock.now())))
}

/// Returns what of a member's grants runs and what waits, in the order of their turns, each with the
/// name of its tier.
pub(super) async fn in_turn(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<(String, ListedGrant)>, StoreError> {
    let open = grants::open(conn, &[user]).await?;
    let timeline = Timeline::new(open, |tier| catalogue.strength(tier), now);
    let mut turns: Vec<_> = listed(&timeline).into_iter().filter(|listed| listed.grant.is_open()).collect();
    turns.sort_by_key(|listed| listed.from);
    Ok(turns.into_iter().map(|listed| (catalogue.tier_name(&listed.grant.tier), listed)).collect())
}

fn listed(timeline: &Timeline) -> Vec<ListedGrant> {
    let listed = |grant: &Grant| {
        let planned = timeline.plan.iter().find(|stretch| stretch.grant == grant.id);
        ListedGrant {
            from: planned.map(|stretch| stretch.from).or(grant.began_at),
            until: planned.map(|stretch| stretch.until).or(grant.ended_at).or(grant.revoked_at),
            grant: grant.clone(),
        }
    };
    timeline.grants.iter().map(listed).collect()
}

/// Returns the days that a grant still has, rounded up.
pub fn days_left(grant: &Grant, now: DateTime<Utc>) -> i64 {
    days_between(now, now + chrono::TimeDelta::seconds(grant.left(now)))
}
