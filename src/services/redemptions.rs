//! Redeeming. Coupons that wait are redeemed together, in one transaction, and each is answered
//! after its commit: a disk that syncs a few hundred times a second redeems thousands.
//!
//! Everybody concerned is locked, and what there is to know of them and of the coupons is read with
//! a handful of statements. A coupon is counted by the statement that redeems it, before anything is
//! written for its sake: one that is refused leaves nothing, and so no mark to go back to is needed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    domain::{
        catalogue::Catalogue,
        coupon::{Closed, Coupon, CouponCode, Guesser, Redemption, Refusal},
        event::Event,
        grant::{Grant, ListedGrant},
        ids::{CouponId, PartnerId, UserId},
        login::Allowance,
        notification::Occurrence,
        partner::{ContractState, Partner},
        user::User,
    },
    platform::env::{Env, RedemptionOutcome, WaitingRedemption},
    services::{
        aftermath::Aftermath,
        catalogue,
        collisions::until_through,
        grants::{self, Told},
    },
    store::{
        Conn, StoreError,
        coupons::{self, NewRedemption},
        db::Db,
        grants as stored_grants, partners, rate_limits, users,
    },
};

/// The most redemptions in one transaction.
const MOST_TOGETHER: usize = 64;
/// How many transactions a node works on at once, on a database that has more than one writer.
const WORKERS: usize = 3;
/// Codes that one member may try in vain.
const MISSES_PER_MEMBER: Allowance = Allowance { name: "coupon_member", count: 30, window: TimeDelta::hours(1) };
/// Codes that may be tried in vain from one network.
const MISSES_PER_NETWORK: Allowance = Allowance { name: "coupon_network", count: 30, window: TimeDelta::hours(1) };

/// Redeems a coupon, together with what else waits, and returns what came of it once that lasts.
pub(super) async fn redeem(env: &Env, redemption: Redemption) -> RedemptionOutcome {
    attend(env);
    let (answer, answered) = oneshot::channel();
    let gone = || Arc::new(StoreError::Stopping);
    let waiting = WaitingRedemption { redemption, answer };
    env.redemptions.redemptions.send(waiting).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?
}

/// Starts the workers unless there are some.
fn attend(env: &Env) {
    let Some(receiver) = env.redemptions.unattended.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return;
    };
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let workers = if matches!(env.db, Db::Postgres(_)) { WORKERS } else { 1 };
    for _ in 0..workers {
        let (env, receiver) = (env.clone(), receiver.clone());
        tokio::spawn(async move {
            let mut together = Vec::with_capacity(MOST_TOGETHER);
            while receiver.lock().await.recv_many(&mut together, MOST_TOGETHER).await > 0 {
                work(&env, std::mem::take(&mut together)).await;
            }
        });
    }
}

async fn work(env: &Env, together: Vec<WaitingRedemption>) {
    let (redemptions, answers): (Vec<_>, Vec<_>) =
        together.into_iter().map(|WaitingRedemption { redemption, answer }| (redemption, answer)).unzip();
    // On a task of its own: should it panic, those who wait are told, and others come next.
    let done = tokio::spawn({
        let env = env.clone();
        async move { do_together(&env, &redemptions).await }
    });
    let outcomes = done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "redemptions ended badly");
        Vec::new()
    });
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // Whoever hung up gets no answer, but what was redeemed is redeemed.
        let _ = answer.send(outcome);
    }
}

/// Redeems in one transaction, and one by one if something is wrong with one of them.
async fn do_together(env: &Env, redemptions: &[Redemption]) -> Vec<RedemptionOutcome> {
    let error = match until_through(|| in_transaction(env, redemptions)).await {
        Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    if redemptions.len() > 1 && !error.is_temporary() {
        tracing::error!(%error, redemptions = redemptions.len(), "redemptions failed together and are done one by one");
        let mut outcomes = Vec::with_capacity(redemptions.len());
        for redemption in redemptions {
            let outcome = until_through(|| in_transaction(env, std::slice::from_ref(redemption))).await;
            outcomes.push(outcome.map(|mut outcomes| outcomes.remove(0)).map_err(Arc::new));
        }
        return outcomes;
    }
    let error = Arc::new(error);
    redemptions.iter().map(|_| Err(error.clone())).collect()
}

type Outcome = Result<ListedGrant, Refusal>;

async fn in_transaction(env: &Env, redemptions: &[Redemption]) -> Result<Vec<Outcome>, StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let mut table = Table::read(env, conn, redemptions).await?;
    let mut aftermath = Aftermath::new(table.now);
    // Transactions that count the same coupons do so in one order.
    let mut order: Vec<usize> = (0..redemptions.len()).collect();
    order.sort_by(|a, b| redemptions[*a].code.cmp(&redemptions[*b].code).then(a.cmp(b)));
    let mut outcomes: Vec<Option<Outcome>> = vec![None; redemptions.len()];
    let mut counted: HashSet<&CouponCode> = HashSet::new();
    for at in order {
        let outcome = table.settle(env, conn, &catalogue, &redemptions[at], &mut aftermath).await?;
        if let Err(refusal) = &outcome {
            table.count_miss(&redemptions[at], *refusal);
        }
        counted.extend(redemptions[at].code.as_ref().filter(|_| outcome.is_ok()));
        outcomes[at] = Some(outcome);
    }
    tell_used_up(conn, &table, &counted, &mut aftermath).await?;
    // Nobody else counts against these while their rows are held, so none of it is refused.
    for ((name, subject), misses) in &table.missed {
        let allowance = if *name == MISSES_PER_MEMBER.name { MISSES_PER_MEMBER } else { MISSES_PER_NETWORK };
        for _ in 0..*misses {
            rate_limits::count(conn, allowance, subject, table.now).await?;
        }
    }
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(outcomes.into_iter().map(|outcome| outcome.expect("every redemption is settled")).collect())
}

/// Tells the admins of coupons that nobody else can redeem. Their rows are locked since they were counted, so
/// one transaction alone sees the last. That a coupon for one person is used up is no news.
async fn tell_used_up(
    conn: &mut Conn<'_>,
    table: &Table,
    counted: &HashSet<&CouponCode>,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    for code in counted {
        let is_bounded = |coupon: &&Coupon| coupon.terms.max_redemptions.is_some_and(|most| most > 1);
        if table.coupons.get(*code).filter(is_bounded).is_none() {
            continue;
        }
        let Some(coupon) = coupons::find(conn, code).await? else { continue };
        if coupon.terms.max_redemptions == Some(coupon.redemptions) {
            let code = coupon.code.to_string();
            aftermath.tell_admins(Occurrence::CouponUsedUp { code, redemptions: coupon.redemptions });
        }
    }
    Ok(())
}

/// Returns against what a try in vain counts.
fn subjects(redemption: &Redemption) -> Vec<(Allowance, String)> {
    let member = (MISSES_PER_MEMBER, redemption.user.to_string());
    match &redemption.guesser {
        Guesser::Person(network) => vec![(MISSES_PER_NETWORK, network.clone()), member],
        Guesser::App => vec![member],
        Guesser::Operator => Vec::new(),
    }
}

/// Redemptions that are done together, with everything they need, locked and read.
struct Table {
    now: DateTime<Utc>,
    people: HashMap<UserId, User>,
    hashes: HashMap<UserId, [u8; 32]>,
    coupons: HashMap<CouponCode, Coupon>,
    partners: HashMap<PartnerId, Partner>,
    /// The open grants of everybody, as they are stored by now.
    grants: HashMap<UserId, Vec<Grant>>,
    redeemed_by: HashSet<(CouponId, UserId)>,
    redeemed_from: HashSet<(CouponId, Vec<u8>)>,
    /// What is used of the allowances, and since when.
    used: HashMap<(&'static str, String), (i64, DateTime<Utc>)>,
    /// What is to be counted in the end, in the order in which rows are locked.
    missed: BTreeMap<(&'static str, String), i64>,
}

impl Table {
    async fn read(env: &Env, conn: &mut Conn<'_>, redemptions: &[Redemption]) -> Result<Self, StoreError> {
        let mut ids: Vec<UserId> = redemptions.iter().map(|redemption| redemption.user).collect();
        ids.sort();
        ids.dedup();
        let people = users::lock_all(conn, &ids).await?;
        let networks = redemptions.iter().filter_map(|redemption| redemption.guesser.network()).collect();
        rate_limits::hold(conn, MISSES_PER_NETWORK, &networks).await?;
        // After everybody is locked: that may have waited.
        let now = env.clock.now();
        let hash = |user: &User| Some((user.id, env.keys.address_hash(&user.known_by()?)));
        let hashes: HashMap<_, _> = people.iter().filter_map(hash).collect();
        let mut codes: Vec<CouponCode> = redemptions.iter().filter_map(|one| one.code.clone()).collect();
        codes.sort();
        codes.dedup();
        let coupons = coupons::find_all(conn, &codes).await?;
        let mut makers: Vec<PartnerId> = coupons.iter().filter_map(|coupon| coupon.terms.partner_id).collect();
        makers.sort();
        makers.dedup();
        let partners = partners::find_all(conn, &makers).await?;
        let coupon_ids: Vec<CouponId> = coupons.iter().map(|coupon| coupon.id).collect();
        let known_hashes: Vec<[u8; 32]> = hashes.values().copied().collect();
        let (mut redeemed_by, mut redeemed_from) = (HashSet::new(), HashSet::new());
        for redeemer in coupons::redeemers(conn, &coupon_ids, &ids, &known_hashes).await? {
            redeemed_by.extend(redeemer.user_id.map(|user| (redeemer.coupon_id, user)));
            redeemed_from.extend(redeemer.address_hash.map(|hash| (redeemer.coupon_id, hash)));
        }
        let mut grants: HashMap<UserId, Vec<Grant>> = HashMap::new();
        for grant in stored_grants::open(conn, &ids).await? {
            if let Some(user) = grant.user {
                grants.entry(user).or_default().push(grant);
            }
        }
        let mut asked: Vec<(Allowance, String)> = redemptions.iter().flat_map(subjects).collect();
        asked.sort_by(|a, b| (a.0.name, &a.1).cmp(&(b.0.name, &b.1)));
        asked.dedup_by(|a, b| (a.0.name, &a.1) == (b.0.name, &b.1));
        let used = rate_limits::used(conn, &asked, now).await?;
        let used = used.into_iter().map(|(name, subject, count, since)| {
            let name = if name == MISSES_PER_MEMBER.name { MISSES_PER_MEMBER.name } else { MISSES_PER_NETWORK.name };
            ((name, subject), (count, since))
        });
        Ok(Self {
            now,
            people: people.into_iter().map(|user| (user.id, user)).collect(),
            hashes,
            coupons: coupons.into_iter().map(|coupon| (coupon.code.clone(), coupon)).collect(),
            partners: partners.into_iter().map(|partner| (partner.id, partner)).collect(),
            grants,
            redeemed_by,
            redeemed_from,
            used: used.collect(),
            missed: BTreeMap::new(),
        })
    }

    /// Returns until when somebody may try nothing more.
    fn limited_until(&self, redemption: &Redemption) -> Option<DateTime<Utc>> {
        let limited = |(allowance, subject): (Allowance, String)| {
            let (count, since) = self.used.get(&(allowance.name, subject))?;
            (*count >= allowance.count).then_some(*since + allowance.window)
        };
        subjects(redemption).into_iter().filter_map(limited).max()
    }

    /// Counts a try in vain. Who is refused for too many of them is not counted again, so that the
    /// window ends.
    fn count_miss(&mut self, redemption: &Redemption, refusal: Refusal) {
        if matches!(refusal, Refusal::TooMany { .. } | Refusal::NoSuchMember) {
            return;
        }
        for (allowance, subject) in subjects(redemption) {
            self.used.entry((allowance.name, subject.clone())).or_insert((0, self.now)).0 += 1;
            *self.missed.entry((allowance.name, subject)).or_default() += 1;
        }
    }

    fn is_redeemed(&self, coupon: CouponId, user: UserId) -> bool {
        let from = self.hashes.get(&user).map(|hash| (coupon, hash.to_vec()));
        self.redeemed_by.contains(&(coupon, user)) || from.is_some_and(|from| self.redeemed_from.contains(&from))
    }

    async fn settle(
        &mut self,
        env: &Env,
        conn: &mut Conn<'_>,
        catalogue: &Catalogue,
        redemption: &Redemption,
        aftermath: &mut Aftermath,
    ) -> Result<Outcome, StoreError> {
        let Some(user) = self.people.get(&redemption.user).cloned() else { return Ok(Err(Refusal::NoSuchMember)) };
        if let Some(until) = self.limited_until(redemption) {
            return Ok(Err(Refusal::TooMany { until }));
        }
        let found = redemption.code.as_ref().and_then(|code| self.coupons.get(code));
        let Some(coupon) = found.cloned() else { return Ok(Err(Refusal::Unknown)) };
        if self.is_redeemed(coupon.id, user.id) {
            return Ok(Err(Refusal::AlreadyYours));
        }
        if let Some(closed) = coupon.closed(self.now) {
            return Ok(Err(Refusal::Closed(closed)));
        }
        let partner = coupon.terms.partner_id.and_then(|partner| self.partners.get(&partner));
        if partner.is_some_and(|partner| partner.contract(self.now) != ContractState::Running) {
            return Ok(Err(Refusal::NoContract));
        }
        if !coupons::count_redemption(conn, coupon.id, self.now).await? {
            // Somebody was faster, or it was closed meanwhile.
            let latest = coupons::find(conn, &coupon.code).await?;
            let why = latest.as_ref().and_then(|coupon| coupon.closed(self.now)).unwrap_or(Closed::UsedUp);
            self.coupons.extend(latest.map(|coupon| (coupon.code.clone(), coupon)));
            return Ok(Err(Refusal::Closed(why)));
        }
        let terms = &coupon.terms;
        let (actor, kind) = (redemption.actor.as_str(), terms.kind.grant());
        let grant = grants::new_grant(env, &user, terms.tier.clone(), kind, terms.days, actor, self.now);
        let grant = Grant { coupon: Some(coupon.id), ..grant };
        let id = grant.id;
        let details = json!({ "code": coupon.code, "grant": id, "tier": terms.tier, "days": terms.days });
        aftermath.log_from(redemption.place.clone(), actor, Some(user.id), "coupon_redeemed", details);
        let told = Told::Coupon { code: coupon.code.to_string(), days: terms.days };
        let theirs = self.grants.entry(user.id).or_default();
        let listed = grants::add_to(conn, catalogue, &user, theirs, grant, told, aftermath).await?;
        let event = Event::CouponRedeemed { code: coupon.code.to_string(), tier: terms.tier.clone(), days: terms.days };
        aftermath.happened(user.id, event);
        let hash = self.hashes.get(&user.id).copied();
        let new = NewRedemption {
            id: env.random.id(self.now),
            coupon: coupon.id,
            user: user.id,
            grant: id,
            address_hash: hash,
        };
        // The member is locked and was found not to have it: this writes.
        if !coupons::insert_redemption(conn, &new, self.now).await? {
            return Err(StoreError::Missing("coupon_redemptions"));
        }
        self.redeemed_by.insert((coupon.id, user.id));
        self.redeemed_from.extend(hash.map(|hash| (coupon.id, hash.to_vec())));
        if let Some(coupon) = self.coupons.get_mut(&coupon.code) {
            coupon.redemptions += 1;
        }
        Ok(Ok(listed))
    }
}
