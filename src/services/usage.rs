//! Counting. Calls that wait are done together, in one transaction, and each is answered after
//! its commit: a disk that syncs a thousand times a second counts tens of thousands.
//!
//! The work belongs to the worker: a client that hangs up takes nothing back.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::{
    domain::{
        access::Accesses,
        catalogue::Catalogue,
        entitlement::{Decision, Question, Reason, Restriction},
        event::Event,
        ids::{FeatureId, ReservationId, UserId},
        limit::Limit,
        period::Period,
        usage::{
            ANSWERS_KEPT_FOR, Act, Counter, HELD_FOR, IdempotencyKey, LONGEST_HOLD, MOST_UNITS, OnExceed, Outcome,
            Reservation, ReservationState, UsageCall, UsageKind,
        },
        user::User,
    },
    platform::env::{Env, WaitingCall},
    services::{
        access, catalogue,
        collisions::{Collides, until_through},
        events,
    },
    store::{
        Conn, StoreError, api_keys, idempotency, restrictions,
        usage::{self, CounterKey, UsageEvent},
        users,
    },
};

/// Makes the key of a call out of who asks, which call it is, the key that they sent and what they ask for. Keys of two
/// who ask never meet.
pub fn idempotency_key(principal: &str, call: &str, key: &[u8], content: &[u8]) -> IdempotencyKey {
    let hash = |parts: [&[u8]; 3]| {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    };
    IdempotencyKey { id: hash([principal.as_bytes(), call.as_bytes(), key]), fingerprint: hash([content, &[], &[]]) }
}

/// The most calls in one transaction.
const MOST_TOGETHER: usize = 256;
/// How often everything else that can run does so once before a transaction begins with fewer calls than are expected.
/// With 64 clients on SQLite this makes counting a tenth faster; more turns bring nothing.
const TURNS: usize = 8;

/// Why a call is not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UsageError {
    /// Not between 1 and [`MOST_UNITS`]; when giving back, below zero.
    #[error("the amount is a whole number from 1 to {MOST_UNITS}")]
    BadAmount,
    /// Not between one second and [`LONGEST_HOLD`].
    #[error("units are held for 1 to {} seconds", LONGEST_HOLD.num_seconds())]
    BadLifetime,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

/// Does a call, together with the others that wait, and returns what came of it once that lasts.
pub async fn call(env: &Env, call: UsageCall) -> Result<Outcome, UsageError> {
    check(&call.act)?;
    attend(env);
    let (answer, answered) = oneshot::channel();
    let gone = || UsageError::Store(Arc::new(StoreError::Stopping));
    // A place first: between noting the key and handing the call over nobody may be cut off, or
    // the key would stay in flight for good.
    let place = env.usage.calls.reserve().await.map_err(|_| gone())?;
    if let Some(key) = call.idempotency
        && !env.usage.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id)
    {
        return Ok(Outcome::KeyInFlight);
    }
    place.send(WaitingCall { call, answer });
    answered.await.map_err(|_| gone())?.map_err(UsageError::Store)
}

fn check(act: &Act) -> Result<(), UsageError> {
    let is_amount = |amount: i64| (1..=MOST_UNITS).contains(&amount);
    match act {
        Act::Consume { amount, .. } if !is_amount(amount.unsigned_abs().try_into().unwrap_or(0)) => {
            Err(UsageError::BadAmount)
        }
        Act::Hold { amount, .. } if !is_amount(*amount) => Err(UsageError::BadAmount),
        Act::Hold { lifetime, .. } if !(TimeDelta::seconds(1)..=LONGEST_HOLD).contains(lifetime) => {
            Err(UsageError::BadLifetime)
        }
        // Nothing at all may be confirmed: then the work cost nothing.
        Act::Confirm { amount: Some(amount), .. } if *amount != 0 && !is_amount(*amount) => Err(UsageError::BadAmount),
        _ => Ok(()),
    }
}

/// Starts the worker unless there is one.
fn attend(env: &Env) {
    let receiver = env.usage.unattended.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(receiver) = receiver {
        tokio::spawn(work(env.clone(), receiver));
    }
}

async fn work(env: Env, mut waiting: mpsc::Receiver<WaitingCall>) {
    let mut together = Vec::with_capacity(MOST_TOGETHER);
    let mut expected = 0;
    while waiting.recv_many(&mut together, MOST_TOGETHER).await > 0 {
        gather(&mut waiting, &mut together, expected).await;
        let (calls, answers): (Vec<_>, Vec<_>) =
            together.drain(..).map(|WaitingCall { call, answer }| (call, answer)).unzip();
        let calls: Arc<[UsageCall]> = calls.into();
        // On a task of its own: should it panic, those who wait are told, and others come next.
        let done = tokio::spawn({
            let (env, calls) = (env.clone(), calls.clone());
            async move { do_together(&env, &calls).await }
        });
        let outcomes = done.await.unwrap_or_else(|error| {
            tracing::error!(%error, calls = calls.len(), "calls ended badly");
            Vec::new()
        });
        let mut in_flight = env.usage.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        for key in calls.iter().filter_map(|call| call.idempotency) {
            in_flight.remove(&key.id);
        }
        drop(in_flight);
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Whoever hung up gets no answer, but what was counted is counted.
            let _ = answer.send(outcome);
        }
        expected = calls.len() + waiting.len();
    }
}

/// Lets more calls come, while there are fewer than there were together a moment ago: whoever was just answered often
/// asks again, and a transaction with all of them takes hardly longer than one with half of them. A call that comes
/// alone waits for nobody.
async fn gather(waiting: &mut mpsc::Receiver<WaitingCall>, together: &mut Vec<WaitingCall>, expected: usize) {
    for _ in 0..TURNS {
        if together.len() >= expected.min(MOST_TOGETHER) {
            return;
        }
        tokio::task::yield_now().await;
        while together.len() < MOST_TOGETHER
            && let Ok(more) = waiting.try_recv()
        {
            together.push(more);
        }
    }
}

/// Does calls in one transaction, and one by one if something is wrong with one of them.
pub async fn do_together(env: &Env, calls: &[UsageCall]) -> Vec<Result<Outcome, Arc<StoreError>>> {
    let error = match do_at_once(env, calls).await {
        Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    if calls.len() > 1 && !error.is_temporary() {
        tracing::error!(%error, calls = calls.len(), "calls failed together and are done one by one");
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            let outcome = do_at_once(env, std::slice::from_ref(call)).await;
            outcomes.push(outcome.map(|mut outcomes| outcomes.remove(0)).map_err(Arc::new));
        }
        return outcomes;
    }
    let error = Arc::new(error);
    calls.iter().map(|_| Err(error.clone())).collect()
}

/// Why nothing has happened.
enum Stumble {
    /// Another node has answered one of the calls meanwhile: its answer is there now.
    Overtaken,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Stumble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Collides for Stumble {
    fn is_collision(&self) -> bool {
        match self {
            Self::Overtaken => true,
            Self::Store(error) => error.is_collision(),
        }
    }
}

/// Does calls in one transaction, tried again while others stand in its way.
async fn do_at_once(env: &Env, calls: &[UsageCall]) -> Result<Vec<Outcome>, StoreError> {
    until_through(|| in_transaction(env, calls)).await.map_err(|stumble| match stumble {
        Stumble::Overtaken => StoreError::Missing("idempotency_keys"),
        Stumble::Store(error) => error,
    })
}

async fn in_transaction(env: &Env, calls: &[UsageCall]) -> Result<Vec<Outcome>, Stumble> {
    let mut tx = env.db.begin().await?;
    // After the transaction has begun: on SQLite that may have waited for another writer.
    let now = env.clock.now();
    let conn = &mut tx.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let mut batch = Batch::read(conn, &catalogue, calls, now).await?;
    batch.locked_at = env.clock.now();
    for (at, call) in calls.iter().enumerate() {
        batch.settle(env, at, call);
    }
    if !batch.write(conn, calls).await? {
        return Err(Stumble::Overtaken);
    }
    events::publish(env, conn, &batch.reached, now).await?;
    tx.commit().await?;
    if !batch.reached.is_empty() {
        env.wake_workers();
    }
    for user in batch.changed {
        env.memory.usage_changed(user);
    }
    Ok(batch.outcomes.into_iter().map(|outcome| outcome.expect("every call is settled")).collect())
}

/// The period of a counter ends here, if it does.
type PeriodEnd = Option<DateTime<Utc>>;

struct Account {
    user: User,
    accesses: Accesses,
    restrictions: Vec<Restriction>,
}

/// Calls that are done together, with everything they need, locked and read.
struct Batch<'a> {
    catalogue: &'a Catalogue,
    now: DateTime<Utc>,
    /// When everything was locked. A reservation that has lapsed by then may have been counted as
    /// free by whoever held the lock before.
    locked_at: DateTime<Utc>,
    accounts: HashMap<UserId, Account>,
    reservations: HashMap<ReservationId, Reservation>,
    counters: HashMap<CounterKey, Counter>,
    ends: BTreeMap<CounterKey, PeriodEnd>,
    /// Of every call, once it is known.
    outcomes: Vec<Option<Outcome>>,
    /// Those whose answer was given before and is not kept again.
    repeated: HashSet<usize>,
    written: HashSet<CounterKey>,
    events: Vec<UsageEvent>,
    /// Limits of which so much is used up now that others want to hear of it.
    reached: Vec<(UserId, Event)>,
    made: Vec<(Reservation, String)>,
    settled: Vec<ReservationId>,
    changed: HashSet<UserId>,
}

impl<'a> Batch<'a> {
    async fn read(
        conn: &mut Conn<'_>,
        catalogue: &'a Catalogue,
        calls: &[UsageCall],
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; calls.len()];
        let mut repeated = HashSet::new();
        refuse_revoked(conn, calls, &mut outcomes, now).await?;
        repeat_answers(conn, calls, &mut outcomes, &mut repeated, now).await?;
        let open = || calls.iter().enumerate().filter(|(at, _)| outcomes[*at].is_none()).map(|(_, call)| &call.act);

        let mut ids: Vec<ReservationId> = open().filter_map(reservation_of).collect();
        ids.sort();
        ids.dedup();
        let reservations: HashMap<_, _> =
            usage::lock_reservations(conn, &ids).await?.into_iter().map(|found| (found.id, found)).collect();

        let named = open().filter_map(|act| match act {
            Act::Consume { user, .. } | Act::Hold { user, .. } => Some(*user),
            Act::Confirm { .. } | Act::Release { .. } => None,
        });
        let mut users: Vec<UserId> = named.chain(reservations.values().map(|reservation| reservation.user)).collect();
        users.sort();
        users.dedup();
        let mut accounts = HashMap::new();
        let mut claims = access::claims(conn, &users).await?;
        for user in users::find_all(conn, &users).await? {
            let theirs = claims.remove(&user.id).unwrap_or_default();
            let accesses = catalogue
                .accesses(&user.tier, catalogue.holdings(&user, &theirs, now), now)
                .map_err(|_| StoreError::Missing("tiers"))?;
            accounts.insert(user.id, Account { user, accesses, restrictions: Vec::new() });
        }
        for (user, restriction) in restrictions::list(conn, &users).await? {
            if let Some(account) = accounts.get_mut(&user) {
                account.restrictions.push(restriction);
            }
        }

        let mut batch = Self {
            catalogue,
            now,
            locked_at: now,
            accounts,
            reservations,
            counters: HashMap::new(),
            ends: BTreeMap::new(),
            outcomes: Vec::new(),
            repeated,
            written: HashSet::new(),
            events: Vec::new(),
            reached: Vec::new(),
            made: Vec::new(),
            settled: Vec::new(),
            changed: HashSet::new(),
        };
        let mut ends = BTreeMap::new();
        for act in open() {
            if let Some((key, end)) = batch.counter_of(act) {
                ends.insert(key, end);
            }
        }
        let keys: Vec<_> = ends.iter().map(|(key, end)| (key.clone(), *end)).collect();
        batch.counters = usage::lock(conn, &keys, now).await?;
        batch.ends = ends;
        batch.outcomes = outcomes;
        Ok(batch)
    }

    /// Returns the counter that an act is about, if it is about one.
    fn counter_of(&self, act: &Act) -> Option<(CounterKey, PeriodEnd)> {
        match act {
            Act::Consume { user, feature, .. } | Act::Hold { user, feature, .. } => {
                let question = self.question(*user, feature).ok()?;
                let is_counted = question.feature.is_counted() && question.feature.active;
                is_counted.then(|| key_of(&question))
            }
            Act::Confirm { reservation, .. } | Act::Release { reservation } => {
                let reservation = self.reservations.get(reservation)?;
                let key = CounterKey {
                    user: reservation.user,
                    period_start: reservation.period_start,
                    feature: reservation.feature.clone(),
                };
                Some((key, reservation.period_end))
            }
        }
    }

    fn question(&self, user: UserId, feature: &FeatureId) -> Result<Question<'_>, Reason> {
        let account = self.accounts.get(&user).ok_or(Reason::UserUnknown)?;
        let feature = self.catalogue.feature(feature).ok_or(Reason::FeatureUnknown)?;
        let restriction = account.restrictions.iter().find(|restriction| restriction.feature == feature.id);
        let (user, accesses) = (&account.user, &account.accesses);
        let period = self.catalogue.period(feature, user.created_at, self.now);
        Ok(Question::new(self.catalogue, user, accesses, restriction, feature, period, self.now))
    }

    /// Does one call to what was read, in memory.
    fn settle(&mut self, env: &Env, at: usize, call: &UsageCall) {
        if self.outcomes[at].is_some() {
            return;
        }
        let outcome = match &call.act {
            Act::Consume { user, feature, amount, on_exceed } => {
                self.consume(env, call, *user, feature, *amount, *on_exceed)
            }
            Act::Hold { user, feature, amount, lifetime } => self.hold(env, call, *user, feature, *amount, *lifetime),
            Act::Confirm { reservation, amount } => self.confirm(env, call, *reservation, *amount),
            Act::Release { reservation } => self.release(*reservation),
        };
        self.outcomes[at] = Some(outcome);
    }

    fn consume(
        &mut self,
        env: &Env,
        call: &UsageCall,
        user: UserId,
        feature: &FeatureId,
        amount: i64,
        on_exceed: OnExceed,
    ) -> Outcome {
        let question = match self.question(user, feature) {
            Ok(question) => question,
            Err(reason) => return unknown(user, feature, amount, reason),
        };
        if !question.feature.is_counted() {
            return Outcome::NotCounted;
        }
        let (key, _) = key_of(&question);
        let limit = question.resolved.limit;
        let mut counter = self.counters.get(&key).copied().unwrap_or_default();
        let before = question.answer(amount.max(1), counter.used, counter.held);
        let is_closed = matches!(before.reason, Reason::UserDisabled | Reason::FeatureInactive);
        let (counted, kind) = if amount < 0 {
            // What was used can be given back whatever the tier says today.
            if is_closed {
                return Outcome::Refused { decision: before };
            }
            (-counter.give_back(-amount), UsageKind::GivenBack)
        } else {
            match if is_closed { None } else { counter.consume(limit, amount, on_exceed) } {
                Some(counted) => (counted, UsageKind::Consumed),
                None => return Outcome::Refused { decision: before },
            }
        };
        let decision = question.granted(amount, counter.used, counter.held);
        if counted != 0 {
            self.record(env, call, key, counter, kind, counted, limit, None);
        }
        Outcome::Counted { decision, counted }
    }

    fn hold(
        &mut self,
        env: &Env,
        call: &UsageCall,
        user: UserId,
        feature: &FeatureId,
        amount: i64,
        lifetime: TimeDelta,
    ) -> Outcome {
        let question = match self.question(user, feature) {
            Ok(question) => question,
            Err(reason) => return unknown(user, feature, amount, reason),
        };
        if !question.feature.is_counted() {
            return Outcome::NotCounted;
        }
        let (key, _) = key_of(&question);
        let mut counter = self.counters.get(&key).copied().unwrap_or_default();
        let before = question.answer(amount, counter.used, counter.held);
        if !before.allowed || !counter.hold(question.resolved.limit, amount) {
            return Outcome::Refused { decision: before };
        }
        let reservation = Reservation {
            id: env.random.id(self.now),
            user,
            feature: feature.clone(),
            amount,
            state: ReservationState::Held,
            confirmed_amount: None,
            expires_at: self.now + lifetime,
            created_at: self.now,
            period_start: question.period.start,
            period_end: question.period.end,
        };
        let decision = question.granted(amount, counter.used, counter.held);
        self.counters.insert(key, counter);
        self.changed.insert(user);
        self.made.push((reservation.clone(), call.actor.clone()));
        Outcome::Reserved { reservation, decision }
    }

    /// Returns a reservation, and the question in the period in which it was held: there it counts.
    fn held(&self, id: ReservationId) -> Option<(Reservation, Question<'_>)> {
        let reservation = self.reservations.get(&id)?.clone();
        let mut question = self.question(reservation.user, &reservation.feature).ok()?;
        question.period = Period { start: reservation.period_start, end: reservation.period_end };
        Some((reservation, question))
    }

    fn confirm(&mut self, env: &Env, call: &UsageCall, id: ReservationId, amount: Option<i64>) -> Outcome {
        let Some((mut reservation, question)) = self.held(id) else { return Outcome::NoSuchReservation };
        let amount = amount.unwrap_or(reservation.amount);
        let (key, _) = key_of(&question);
        let limit = question.resolved.limit;
        let mut counter = self.counters.get(&key).copied().unwrap_or_default();
        match reservation.state_at(self.locked_at) {
            ReservationState::Held => {}
            ReservationState::Confirmed if reservation.confirmed_amount == Some(amount) => {
                let decision = question.answer(1, counter.used, counter.held);
                return Outcome::Reserved { reservation, decision };
            }
            _ => return Outcome::Settled { reservation },
        }
        if !counter.confirm(limit, reservation.amount, amount) {
            // What was held is not free for others, but it is for this one.
            let decision = question.answer(amount, counter.used, counter.held - reservation.amount);
            return Outcome::Refused { decision };
        }
        reservation.state = ReservationState::Confirmed;
        reservation.confirmed_amount = Some(amount);
        let decision = question.answer(1, counter.used, counter.held);
        self.settled.push(id);
        self.reservations.insert(id, reservation.clone());
        self.changed.insert(reservation.user);
        if amount > 0 {
            self.record(env, call, key, counter, UsageKind::Confirmed, amount, limit, Some(id));
        } else {
            self.counters.insert(key, counter);
        }
        Outcome::Reserved { reservation, decision }
    }

    fn release(&mut self, id: ReservationId) -> Outcome {
        let Some((mut reservation, question)) = self.held(id) else { return Outcome::NoSuchReservation };
        let (key, _) = key_of(&question);
        let mut counter = self.counters.get(&key).copied().unwrap_or_default();
        let state = reservation.state_at(self.locked_at);
        match state {
            ReservationState::Held => counter.release(reservation.amount),
            // Its units are free already, which is all that was wanted.
            ReservationState::Released | ReservationState::Lapsed => {}
            ReservationState::Confirmed => return Outcome::Settled { reservation },
        }
        let decision = question.answer(1, counter.used, counter.held);
        reservation.state = state;
        if state == ReservationState::Held {
            reservation.state = ReservationState::Released;
            self.settled.push(id);
            self.changed.insert(reservation.user);
            self.counters.insert(key, counter);
            self.reservations.insert(id, reservation.clone());
        }
        Outcome::Reserved { reservation, decision }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a column of the ledger")]
    fn record(
        &mut self,
        env: &Env,
        call: &UsageCall,
        key: CounterKey,
        counter: Counter,
        kind: UsageKind,
        amount: i64,
        limit: Limit,
        reservation: Option<ReservationId>,
    ) {
        self.events.push(UsageEvent {
            id: env.random.id(self.now),
            counter: key.clone(),
            kind,
            amount,
            used_after: counter.used,
            limit,
            reservation,
            actor: call.actor.clone(),
        });
        if kind != UsageKind::GivenBack {
            let resets_at = self.ends.get(&key).copied().flatten();
            self.reached.extend(limit.thresholds_between(counter.used - amount, counter.used).map(
                |(percent, limit)| {
                    let feature = key.feature.clone();
                    (key.user, Event::UsageLimitReached { feature, percent, used: counter.used, limit, resets_at })
                },
            ));
        }
        self.changed.insert(key.user);
        self.counters.insert(key.clone(), counter);
        self.written.insert(key);
    }

    /// Writes what has come of the calls. Returns `false` if another node has answered one of
    /// them meanwhile.
    async fn write(&mut self, conn: &mut Conn<'_>, calls: &[UsageCall]) -> Result<bool, StoreError> {
        let counters: Vec<_> = self
            .ends
            .iter()
            .filter(|(key, _)| self.written.contains(*key))
            .map(|(key, end)| (key.clone(), *end, self.counters[key].used))
            .collect();
        usage::write(conn, &counters, self.now).await?;
        usage::append(conn, &self.events, self.now).await?;
        usage::insert_reservations(conn, &self.made).await?;
        for id in &self.settled {
            let reservation = &self.reservations[id];
            let (state, amount) = (reservation.state, reservation.confirmed_amount);
            if !usage::settle_reservation(conn, *id, state, amount, self.now).await? {
                return Err(StoreError::Missing("reservations"));
            }
        }
        let mut answers: Vec<(IdempotencyKey, String)> = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let Some(key) = call.idempotency.filter(|_| !self.repeated.contains(&at)) else { continue };
            let outcome = self.outcomes[at].as_ref().expect("every call is settled");
            let response = serde_json::to_string(outcome).expect("an outcome is plain JSON");
            answers.push((key, response));
        }
        // In one order for all nodes, so that nobody waits in a circle.
        answers.sort_by_key(|(key, _)| *key);
        idempotency::insert(conn, &answers, self.now - ANSWERS_KEPT_FOR, self.now).await
    }
}

fn key_of(question: &Question<'_>) -> (CounterKey, PeriodEnd) {
    let key = CounterKey {
        user: question.user.id,
        period_start: question.period.start,
        feature: question.feature.id.clone(),
    };
    (key, question.period.end)
}

fn unknown(user: UserId, feature: &FeatureId, amount: i64, reason: Reason) -> Outcome {
    let user = (reason != Reason::UserUnknown).then_some(user);
    Outcome::Refused { decision: Decision::unknown(user, feature.clone(), amount, reason) }
}

fn reservation_of(act: &Act) -> Option<ReservationId> {
    match act {
        Act::Confirm { reservation, .. } | Act::Release { reservation } => Some(*reservation),
        Act::Consume { .. } | Act::Hold { .. } => None,
    }
}

/// Refuses calls under keys that have ended since the request was let in.
async fn refuse_revoked(
    conn: &mut Conn<'_>,
    calls: &[UsageCall],
    outcomes: &mut [Option<Outcome>],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut ids: Vec<_> = calls.iter().filter_map(|call| call.api_key).collect();
    ids.sort();
    ids.dedup();
    let good: HashSet<_> = api_keys::good(conn, &ids, now).await?.into_iter().collect();
    for (call, outcome) in calls.iter().zip(outcomes) {
        if call.api_key.is_some_and(|key| !good.contains(&key)) {
            *outcome = Some(Outcome::Revoked);
        }
    }
    Ok(())
}

/// Gives calls that were answered before the same answer again.
async fn repeat_answers(
    conn: &mut Conn<'_>,
    calls: &[UsageCall],
    outcomes: &mut [Option<Outcome>],
    repeated: &mut HashSet<usize>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<_> = calls.iter().filter_map(|call| call.idempotency).map(|key| key.id).collect();
    let kept = idempotency::find(conn, &ids, now - ANSWERS_KEPT_FOR).await?;
    let kept: HashMap<Vec<u8>, _> = kept.into_iter().map(|answer| (answer.id.clone(), answer)).collect();
    for (at, call) in calls.iter().enumerate() {
        let Some(key) = call.idempotency else { continue };
        let Some(answer) = kept.get(key.id.as_slice()) else {
            // What is refused for its key is not an answer to keep.
            if outcomes[at].is_some() {
                repeated.insert(at);
            }
            continue;
        };
        repeated.insert(at);
        if outcomes[at].is_none() {
            outcomes[at] = Some(if answer.fingerprint == key.fingerprint {
                serde_json::from_str(&answer.response).map_err(|problem| StoreError::Corrupt {
                    table: "idempotency_keys",
                    column: "response",
                    problem: problem.to_string(),
                })?
            } else {
                Outcome::KeyReused
            });
        }
    }
    Ok(())
}

/// Returns a reservation, as it stands.
pub async fn reservation(env: &Env, id: ReservationId) -> Result<Option<Reservation>, StoreError> {
    let mut reader = env.db.reader().await?;
    usage::find_reservation(&mut reader.conn(), id).await
}

/// Holds units for work that may fail, for [`HELD_FOR`].
pub async fn hold(
    env: &Env,
    user: UserId,
    feature: &FeatureId,
    amount: i64,
    actor: &str,
) -> Result<Outcome, UsageError> {
    let act = Act::Hold { user, feature: feature.clone(), amount, lifetime: HELD_FOR };
    call(env, UsageCall { act, actor: actor.to_owned(), api_key: None, idempotency: None }).await
}

/// Counts what was held.
pub async fn confirm(env: &Env, reservation: ReservationId, actor: &str) -> Result<Outcome, UsageError> {
    let act = Act::Confirm { reservation, amount: None };
    call(env, UsageCall { act, actor: actor.to_owned(), api_key: None, idempotency: None }).await
}

/// Frees what was held.
pub async fn release(env: &Env, reservation: ReservationId, actor: &str) -> Result<Outcome, UsageError> {
    let act = Act::Release { reservation };
    call(env, UsageCall { act, actor: actor.to_owned(), api_key: None, idempotency: None }).await
}
