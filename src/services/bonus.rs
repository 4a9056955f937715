//! Bonus rules: made, previewed and put away; members rewarded by them, once each.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::json;

use crate::{
    domain::{
        activity::BONUS,
        bonus::{Award, BadTerms, MOST_RULES, Progress, Reward, Rule, Terms, Trigger, days_as_member, days_that_count},
        catalogue::Catalogue,
        event::Event,
        grant::{Grant, GrantKind},
        ids::{BonusAwardId, BonusRuleId, JobId, UserId, uuid_v7},
        letter::Notice,
        user::User,
    },
    platform::env::Env,
    services::{
        aftermath::Aftermath,
        catalogue,
        grants::{self, Told},
        rounds::round,
    },
    store::{
        Conn, StoreError,
        bonus::{self, Moment},
        grants as store_grants,
        jobs::{self, Work},
        stats, users,
    },
};

/// Who the log says gave it.
const ACTOR: &str = BONUS;
/// Members who are looked at in one run of the job.
const AT_ONCE: i64 = 100;
/// Members who are named in a preview.
const NAMED: i64 = 10;

/// Why rules are not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum BonusError {
    /// The terms make no sense.
    #[error(transparent)]
    Terms(#[from] BadTerms),
    /// There is no such tier.
    #[error("there is no such tier")]
    TierUnknown,
    /// There is no such rule.
    #[error("there is no such rule")]
    NoSuchRule,
    /// Somebody was rewarded by it, or it is archived.
    #[error("what a rule asks for and brings stays once somebody was rewarded; archive it and make another")]
    Frozen,
    /// There are enough.
    #[error("at most {MOST_RULES} rules are in use at once; archive one first")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A rule, with what is told of it.
#[derive(Debug, Clone)]
pub struct ListedRule {
    /// The rule.
    pub rule: Rule,
    /// How many were rewarded.
    pub awards: i64,
}

/// Who would be rewarded now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// How many.
    pub count: i64,
    /// What the first of them are called.
    pub first: Vec<String>,
}

/// What one member has and how far they are.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// What they were rewarded with, the newest first, each with its rule and the name of the tier.
    pub awards: Vec<(Award, Rule, Option<String>)>,
    /// What they can still earn, each with how far they are and the name of the tier.
    pub open: Vec<(Rule, Progress, Option<String>)>,
}

/// Makes a rule. Who has done already what it asks for is rewarded by a job, if that counts.
pub async fn create(env: &Env, terms: Terms, active: bool, actor: &str) -> Result<Rule, BonusError> {
    let terms = terms.checked()?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    check_tier(env, conn, &terms).await?;
    let most = i64::try_from(MOST_RULES).unwrap_or(i64::MAX);
    if bonus::page(conn, false, None, most).await?.len() >= MOST_RULES {
        return Err(BonusError::TooMany);
    }
    let id = env.random.id(now);
    let rule = Rule { id, terms, active, archived_at: None, created_by: actor.to_owned(), created_at: now };
    bonus::insert(conn, &rule).await?;
    let mut aftermath = Aftermath::new(now);
    aftermath.log_by(actor, None, "bonus_rule_created", details(&rule));
    look_again(&rule, &mut aftermath);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(rule)
}

/// Changes a rule: its words, its end and whether it is given; what it asks for and brings only until
/// somebody was rewarded.
pub async fn change(env: &Env, id: BonusRuleId, terms: Terms, active: bool, actor: &str) -> Result<Rule, BonusError> {
    let terms = terms.checked()?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    check_tier(env, conn, &terms).await?;
    let Some(rule) = bonus::update(conn, id, &terms, active, now).await? else {
        let found = bonus::find(conn, id).await?;
        return Err(if found.is_some() { BonusError::Frozen } else { BonusError::NoSuchRule });
    };
    let mut aftermath = Aftermath::new(now);
    aftermath.log_by(actor, None, "bonus_rule_changed", details(&rule));
    look_again(&rule, &mut aftermath);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(rule)
}

/// Puts a rule out of the way: nobody is rewarded by it any more, and what it gave stays.
pub async fn archive(env: &Env, id: BonusRuleId, actor: &str) -> Result<Rule, BonusError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let rule = bonus::archive(conn, id, now).await?.ok_or(BonusError::NoSuchRule)?;
    let mut aftermath = Aftermath::new(now);
    aftermath.log_by(actor, None, "bonus_rule_archived", json!({ "rule": rule.id, "name": rule.terms.name_en }));
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(rule)
}

async fn check_tier(env: &Env, conn: &mut Conn<'_>, terms: &Terms) -> Result<(), BonusError> {
    let Reward::Days { tier, .. } = &terms.reward else { return Ok(()) };
    let catalogue = catalogue::latest(env, conn).await?;
    catalogue.tier(tier).map(|_| ()).ok_or(BonusError::TierUnknown)
}

/// Has it looked who has done already what a rule asks for.
fn look_again(rule: &Rule, aftermath: &mut Aftermath) {
    if rule.is_open(aftermath.now) {
        aftermath.queue(Work::SweepBonus { rule: rule.id, after: None });
    }
}

fn details(rule: &Rule) -> serde_json::Value {
    let terms = &rule.terms;
    let reward = match &terms.reward {
        Reward::Days { tier, days } => json!({ "tier": tier, "days": days }),
        Reward::Badge { letter } => json!({ "badge": letter }),
    };
    json!({
        "rule": rule.id, "name": terms.name_en, "trigger": terms.trigger, "threshold": terms.threshold,
        "reward": reward, "counts_from": terms.counts_from, "ends_at": terms.ends_at, "active": rule.active,
    })
}

/// Returns a rule.
pub async fn find(env: &Env, id: BonusRuleId) -> Result<Option<ListedRule>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(rule) = bonus::find(conn, id).await? else { return Ok(None) };
    let awards = bonus::count_awards(conn, &[id]).await?.first().map_or(0, |(_, count)| *count);
    Ok(Some(ListedRule { rule, awards }))
}

/// Returns a page of rules, the newest first, from before `before`; archived ones or the others.
pub async fn list(
    env: &Env,
    archived: bool,
    before: Option<BonusRuleId>,
    count: i64,
) -> Result<Vec<ListedRule>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let rules = bonus::page(conn, archived, before, count).await?;
    let ids: Vec<BonusRuleId> = rules.iter().map(|rule| rule.id).collect();
    let awards: HashMap<BonusRuleId, i64> = bonus::count_awards(conn, &ids).await?.into_iter().collect();
    let listed = |rule: Rule| ListedRule { awards: awards.get(&rule.id).copied().unwrap_or(0), rule };
    Ok(rules.into_iter().map(listed).collect())
}

/// An award, with what the member is called; nobody once the account is deleted.
#[derive(Debug, Clone)]
pub struct ListedAward {
    /// The award.
    pub award: Award,
    /// What the member is called.
    pub member: Option<String>,
}

/// Returns a page of those who were rewarded by a rule, the newest first, from before `before`.
pub async fn awards(
    env: &Env,
    rule: BonusRuleId,
    before: Option<BonusAwardId>,
    count: i64,
) -> Result<Vec<ListedAward>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let awards = bonus::awards_page(conn, rule, before, count).await?;
    let ids: Vec<UserId> = awards.iter().filter_map(|award| award.user).collect();
    let members: HashMap<UserId, String> =
        users::find_all(conn, &ids).await?.into_iter().map(|user| (user.id, user.label())).collect();
    let listed = |award: Award| ListedAward { member: award.user.and_then(|user| members.get(&user).cloned()), award };
    Ok(awards.into_iter().map(listed).collect())
}

/// Tells who would be rewarded by terms now: everybody who has done what they ask for, without those
/// who were rewarded by `rule`.
pub async fn preview(env: &Env, rule: Option<BonusRuleId>, terms: &Terms) -> Result<Preview, StoreError> {
    let zone = catalogue::current(env).await?.settings.timezone;
    let moment = moment(terms, zone, env.clock.now());
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let count = bonus::count_fulfilled(conn, rule, terms, moment).await?;
    let first = bonus::fulfilled(conn, rule, terms, moment, None, NAMED).await?;
    let mut members = users::find_all(conn, &first).await?;
    members.sort_by_key(|user| user.id);
    Ok(Preview { count, first: members.iter().map(User::label).collect() })
}

fn moment(terms: &Terms, zone: Tz, now: DateTime<Utc>) -> Moment {
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    Moment { now, today: day(now), from_day: terms.counts_from.map(day) }
}

/// Returns how much of what a rule asks for a member has done.
async fn current(conn: &mut Conn<'_>, user: &User, terms: &Terms, moment: Moment) -> Result<i64, StoreError> {
    match terms.trigger {
        Trigger::DaysAsMember => Ok(days_as_member(user.created_at, terms.counts_from, moment.now)),
        Trigger::DaysInARow => {
            let row = stats::active_days_in_a_row(conn, user.id, moment.today).await?;
            if moment.from_day.is_none() {
                return Ok(row);
            }
            let last = stats::days_of(conn, user.id, 1).await?.first().map_or(moment.today, |day| day.day);
            Ok(days_that_count(row, moment.from_day, last))
        }
        trigger => bonus::count_happened(conn, user.id, trigger, terms.counts_from).await,
    }
}

/// Returns what a member has and how far they are with what they can still earn.
pub async fn standing(env: &Env, user: &User) -> Result<Standing, StoreError> {
    let catalogue = catalogue::current(env).await?;
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let name = |reward: &Reward| match reward {
        Reward::Days { tier, .. } => Some(catalogue.tier_name(tier)),
        Reward::Badge { .. } => None,
    };
    let mut standing = Standing::default();
    for (award, rule) in bonus::awards_of(conn, user.id).await? {
        let tier = name(&award.reward);
        standing.awards.push((award, rule, tier));
    }
    for rule in bonus::open(conn, now).await? {
        if standing.awards.iter().any(|(award, ..)| award.rule == rule.id) {
            continue;
        }
        let current = current(conn, user, &rule.terms, moment(&rule.terms, catalogue.settings.timezone, now)).await?;
        let (progress, tier) = (rule.progress(current), name(&rule.terms.reward));
        standing.open.push((rule, progress, tier));
    }
    Ok(standing)
}

/// Returns the work that events make: members about whom something happened that a rule counts. It is
/// queued in the transaction of the cause, so none is forgotten.
pub(super) async fn work_for(
    conn: &mut Conn<'_>,
    events: &[(UserId, Event)],
    now: DateTime<Utc>,
) -> Result<Vec<Work>, StoreError> {
    let counted: Vec<(UserId, Trigger)> =
        events.iter().filter_map(|(user, event)| Some((*user, Trigger::of(event)?))).collect();
    if counted.is_empty() {
        return Ok(Vec::new());
    }
    let rules = bonus::open(conn, now).await?;
    let is_heard = |trigger: Trigger| rules.iter().any(|rule| rule.terms.trigger == trigger);
    let members: BTreeSet<UserId> =
        counted.into_iter().filter(|(_, trigger)| is_heard(*trigger)).map(|(user, _)| user).collect();
    Ok(members.into_iter().map(|user| Work::AwardBonus { user }).collect())
}

/// Rewards a member for everything that they have done and were not rewarded for. Returns how often.
pub async fn award(env: &Env, user: UserId) -> Result<usize, StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(user) = users::lock(conn, user).await? else { return Ok(0) };
    if user.disabled_at.is_some() {
        return Ok(0);
    }
    let catalogue = catalogue::latest(env, conn).await?;
    let now = env.clock.now();
    let mut aftermath = Aftermath::new(now);
    let mut awarded = 0;
    let had: Vec<BonusRuleId> = bonus::awards_of(conn, user.id).await?.iter().map(|(award, _)| award.rule).collect();
    for rule in bonus::hold_open(conn, now).await? {
        if had.contains(&rule.id) {
            continue;
        }
        let moment = moment(&rule.terms, catalogue.settings.timezone, now);
        let current = current(conn, &user, &rule.terms, moment).await?;
        if rule.progress(current).is_reached() && give(env, conn, &catalogue, &user, &rule, &mut aftermath).await? {
            awarded += 1;
        }
    }
    if awarded == 0 {
        return Ok(0);
    }
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(awarded)
}

/// Gives a member what a rule brings, unless they have it. The row that says so decides, not who looked
/// first: only who writes it gives anything.
async fn give(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: &User,
    rule: &Rule,
    aftermath: &mut Aftermath,
) -> Result<bool, StoreError> {
    let now = aftermath.now;
    let id: BonusAwardId = env.random.id(now);
    if !bonus::insert_award(conn, id, rule.id, user.id, &rule.terms.reward, now).await? {
        return Ok(false);
    }
    let name = rule.name(user.lang).to_owned();
    match &rule.terms.reward {
        Reward::Days { tier, days } => {
            let grant = grants::new_grant(env, user, tier.clone(), GrantKind::Admin, *days, ACTOR, now);
            let grant = Grant { reason: Some(rule.terms.name_en.clone()), ..grant };
            let details =
                json!({ "rule": rule.id, "name": rule.terms.name_en, "grant": grant.id, "tier": tier, "days": days });
            aftermath.log_by(ACTOR, Some(user.id), "bonus_awarded", details);
            let mut theirs = store_grants::open(conn, &[user.id]).await?;
            let told = Told::ByCaller;
            let given = grants::add_to(conn, catalogue, user, &mut theirs, grant, told, aftermath).await?;
            bonus::set_grant(conn, id, given.grant.id).await?;
            let tier = catalogue.tier_name(tier);
            aftermath.write_to(user, Notice::BonusAwarded { rule: name, tier, days: *days });
        }
        Reward::Badge { letter } => {
            let details = json!({ "rule": rule.id, "name": rule.terms.name_en, "badge": letter });
            aftermath.log_by(ACTOR, Some(user.id), "bonus_awarded", details);
            aftermath.write_to(user, Notice::BadgeAwarded { badge: name });
        }
    }
    Ok(true)
}

/// Rewards members who have done what a rule asks for, some at a time, and leaves the rest to the job that follows
/// `job`. Done again, it rewards nobody twice.
pub async fn sweep(env: &Env, job: JobId, rule: BonusRuleId, after: Option<UserId>) -> Result<(), StoreError> {
    let now = env.clock.now();
    let zone = catalogue::current(env).await?.settings.timezone;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(rule) = bonus::find(conn, rule).await?.filter(|rule| rule.is_open(now)) else { return Ok(()) };
    let found =
        bonus::fulfilled(conn, Some(rule.id), &rule.terms, moment(&rule.terms, zone, now), after, AT_ONCE).await?;
    drop(reader);
    let is_full = i64::try_from(found.len()).unwrap_or(0) == AT_ONCE;
    let last = found.last().copied().filter(|_| is_full);
    let reward = |user| async move { award(env, user).await.map(|_| ()) };
    let round = round("a member cannot be rewarded", found, |user| *user, reward).await;
    if let Some(last) = last {
        let work = Work::SweepBonus { rule: rule.id, after: Some(last) };
        let mut tx = env.db.begin().await?;
        jobs::insert(&mut tx.conn(), &[(job.following(), work)], now).await?;
        tx.commit().await?;
        env.wake_workers();
    }
    round.outcome().map(|_| ())
}

/// Queues a look at every rule that somebody has fulfilled without being rewarded: days go by without
/// anything happening. Returns for how many rules. Whoever does the same run again, because who did it before was
/// killed, queues none twice: the work of a run has the same id everywhere.
pub async fn sweep_all(env: &Env, due_at: DateTime<Utc>) -> Result<u64, StoreError> {
    let now = env.clock.now();
    let zone = catalogue::current(env).await?.settings.timezone;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let mut work: Vec<(JobId, Work)> = Vec::new();
    for rule in bonus::open(conn, now).await? {
        let found = bonus::fulfilled(conn, Some(rule.id), &rule.terms, moment(&rule.terms, zone, now), None, 1).await?;
        if !found.is_empty() {
            // The first six bytes of an id tell when it was made.
            let about = std::array::from_fn(|at| rule.id.as_bytes()[6 + at]);
            work.push((uuid_v7(due_at, about).into(), Work::SweepBonus { rule: rule.id, after: None }));
        }
    }
    drop(reader);
    if !work.is_empty() {
        let mut tx = env.db.begin().await?;
        jobs::insert(&mut tx.conn(), &work, now).await?;
        tx.commit().await?;
        env.wake_workers();
    }
    Ok(work.len().try_into().unwrap_or(u64::MAX))
}
