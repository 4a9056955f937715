//! What a provider tells the real program: two of it are told everything five times in any order,
//! and one is killed while it is told. In the end everything has happened once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vouchsafe::{
    domain::{
        email::EmailAddress,
        ids::{PaymentEventId, TierId, UserId},
        lang::Lang,
        payment::{BillingInterval, Provider},
        referral::ReferralState,
        subscription::SubscriptionStatus,
        user::Role,
    },
    platform::random::Random,
    services::{
        payments::{self, EventState},
        prices::{self, NewPrice},
        subscriptions,
    },
    store::{self, users::NewUser},
    webhooks::signature,
};

use super::{CLIENTS, Connection, Place, READY_WITHIN};
use crate::harness::{Backend, STRIPE_SECRET, StripeCustomer};

const PRICE: i64 = 999;
/// Days that each side of an invitation gets.
const REWARD: i64 = 45;
/// How long what has come is tried again. A job that a killed program had in its hands is taken up by the next one
/// after a minute.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// Sets what the customers of the harness buy.
async fn set_prices(place: &Place) {
    let price =
        NewPrice { provider: Provider::Stripe, price_id: "price_premium".to_owned(), interval: BillingInterval::Month };
    let tier: TierId = "premium".parse().unwrap();
    prices::set(&place.env, &tier, &[price], "operator").await.unwrap();
}

/// Somebody, and the friends who came by their invitation.
struct Circle {
    referrer: UserId,
    friends: Vec<StripeCustomer>,
}

/// Adds a member who has invited others. The numbers of customers begin at `from`.
async fn add_circle(place: &Place, from: usize, count: usize) -> Circle {
    let now = place.env.clock.now();
    let started_at = now.duration_trunc(TimeDelta::seconds(1)).unwrap() - TimeDelta::hours(1);
    let tier: TierId = "free".parse().unwrap();
    let mut tx = place.env.db.begin().await.unwrap();
    let conn = &mut tx.conn();
    let mut added = Vec::new();
    for name in (0..=count).map(|number| format!("member{}", from + number)) {
        let name = if added.is_empty() { format!("referrer{from}") } else { name };
        let email = EmailAddress::parse(&format!("{name}@example.com")).unwrap();
        let user = NewUser {
            id: place.env.random.id(now),
            email: Some(&email),
            external_id: Some(&name),
            role: Role::Member,
            lang: Lang::En,
            tier: &tier,
            trial_ends_at: None,
            referred_by: added.first().copied(),
        };
        assert!(store::users::insert(conn, &user, now).await.unwrap());
        if let Some(referrer) = added.first() {
            let id = place.env.random.id(now);
            assert!(store::referrals::insert(conn, id, *referrer, user.id, now).await.unwrap());
        }
        added.push(user.id);
    }
    tx.commit().await.unwrap();
    let friends = added[1..].iter().enumerate();
    let friends = friends.map(|(number, user)| StripeCustomer::new(*user, from + number, started_at)).collect();
    Circle { referrer: added[0], friends }
}

fn shuffle<T>(all: &mut [T], random: &Random) {
    for at in (1..all.len()).rev() {
        let chance = u32::from_le_bytes(random.bytes());
        all.swap(at, usize::try_from(chance).unwrap() % (at + 1));
    }
}

impl Connection {
    /// Delivers an event, signed now.
    async fn deliver(&mut self, event: &str) -> std::io::Result<u16> {
        let signed = signature::sign(Provider::Stripe, STRIPE_SECRET, "", Utc::now(), event.as_bytes());
        let headers: String = signed.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.send("POST", "/webhooks/stripe", &headers, event).await
    }
}

/// Returns the state of every event in the inbox, by the provider's id.
async fn inbox(place: &Place) -> BTreeMap<String, EventState> {
    let mut states = BTreeMap::new();
    let mut before: Option<PaymentEventId> = None;
    loop {
        let page = payments::events(&place.env, None, before, 1_000).await.unwrap();
        let Some(last) = page.last() else { return states };
        before = Some(last.id);
        for event in page {
            assert!(states.insert(event.event_id, event.state).is_none(), "an event is there twice");
        }
    }
}

/// Waits until the programs have applied what came too early, and returns how long that took.
async fn settled(place: &Place) -> Duration {
    let begun = Instant::now();
    loop {
        let failed = payments::events(&place.env, Some(EventState::Failed), None, 10).await.unwrap();
        if failed.is_empty() {
            assert_eq!(payments::dead_count(&place.env).await.unwrap(), 0);
            return begun.elapsed();
        }
        assert!(begun.elapsed() < SETTLED_WITHIN, "still not applied: {failed:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns a member's ledger, the oldest entry first: why, and how many days.
async fn ledger(place: &Place, user: UserId) -> Vec<(String, i64)> {
    let mut reader = place.env.db.reader().await.unwrap();
    let entries = store::credit::list(&mut reader.conn(), user).await.unwrap();
    entries.into_iter().rev().map(|entry| (entry.source, entry.days)).collect()
}

/// Returns the days of credit that a member has left.
async fn days_left(place: &Place, user: UserId) -> i64 {
    let mut reader = place.env.db.reader().await.unwrap();
    let user = store::users::find(&mut reader.conn(), user).await.unwrap().unwrap();
    let left = user.credit_until.map_or(TimeDelta::zero(), |until| until - place.env.clock.now());
    let days = (DateTime::UNIX_EPOCH + left).duration_round(TimeDelta::days(1)).unwrap() - DateTime::UNIX_EPOCH;
    assert!((days - left).abs() < TimeDelta::hours(1), "{left}");
    days.num_days()
}

/// How a friend stands: the subscription and, in minutes after it began, when it ended; the referral
/// and the number of the invoice that converted it; the ledger, and the days that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    subscription: (SubscriptionStatus, Option<i64>),
    referral: (ReferralState, Option<String>),
    ledger: Vec<(String, i64)>,
    days_left: i64,
}

async fn standing(place: &Place, customer: &StripeCustomer) -> Standing {
    let user = customer.user.unwrap();
    let found = subscriptions::of_member(&place.env, user).await.unwrap();
    let [subscription] = found.as_slice() else { panic!("{} subscriptions", found.len()) };
    assert_eq!(subscription.past_due_since, None);
    let ended = subscription.ended_at.map(|at| (at - customer.started_at).num_minutes());
    let mut reader = place.env.db.reader().await.unwrap();
    let referral = store::referrals::find_by_referred(&mut reader.conn(), user).await.unwrap().unwrap();
    drop(reader);
    let invoice = referral.invoice.as_ref().and_then(|(_, id)| id.rsplit('_').next()).map(str::to_owned);
    Standing {
        subscription: (subscription.status, ended),
        referral: (referral.state(), invoice),
        ledger: ledger(place, user).await,
        days_left: days_left(place, user).await,
    }
}

fn entry(source: &str, days: i64) -> (String, i64) {
    (source.to_owned(), days)
}

/// Friends of whom two hundred events tell, eight of each.
const FRIENDS: usize = 25;

/// What happens to one of the friends, and how they have to stand afterwards, whatever the order.
fn story(number: usize, customer: &StripeCustomer) -> (Vec<Value>, Standing) {
    let at = |minute| customer.started_at + TimeDelta::minutes(minute);
    let is_ended = number.is_multiple_of(3);
    // The invoice of a trial does not count.
    let had_trial = number.is_multiple_of(7);
    let first_paid = usize::from(had_trial);
    let refunded = match (number % 3, number % 2) {
        (1, 0) => Some(PRICE),
        (1, _) => Some(PRICE / 3),
        _ => None,
    };
    let last = if is_ended {
        customer.subscription_with("deleted", "canceled", at(7), json!({ "ended_at": at(7).timestamp() }))
    } else {
        customer.subscription("updated", "active", at(7))
    };
    let events = vec![
        customer.subscription("created", "active", at(0)),
        customer.invoice(0, if had_trial { 0 } else { PRICE }, at(1)),
        customer.payment(0, at(1)),
        customer.subscription("updated", "past_due", at(5)),
        customer.invoice(1, PRICE, at(6)),
        customer.payment(1, at(6)),
        last,
        match refunded {
            Some(amount) => customer.refund(first_paid, PRICE, amount, at(9)),
            None => customer.checkout(customer.user, "somebody@example.org", at(0)),
        },
    ];
    let is_lost = refunded == Some(PRICE);
    let mut ledger = vec![entry("referral", REWARD)];
    if is_lost {
        ledger.push(entry("referral_taken_back", -REWARD));
    }
    let standing = Standing {
        subscription: if is_ended { (SubscriptionStatus::Ended, Some(7)) } else { (SubscriptionStatus::Active, None) },
        referral: (
            if is_lost { ReferralState::TakenBack } else { ReferralState::Converted },
            Some(first_paid.to_string()),
        ),
        ledger,
        days_left: if is_lost { 0 } else { REWARD },
    };
    (events, standing)
}

/// Two hundred events, each delivered five times in an order that the seed decides, to so many
/// programs at once: whatever the order, it ends alike.
async fn two_hundred_events_five_times(backend: Backend, programs: usize, seeds: u64) {
    let Some(place) = Place::empty(backend).await else { return };
    set_prices(&place).await;
    let mut servers = Vec::new();
    for _ in 0..programs {
        servers.push(place.serve().await);
    }
    let (mut delivering, mut slowest) = (Duration::ZERO, Duration::ZERO);
    for seed in 0..seeds {
        let circle = add_circle(&place, usize::try_from(seed).unwrap() * 1_000, FRIENDS).await;
        let (stories, expected): (Vec<_>, Vec<_>) =
            circle.friends.iter().enumerate().map(|(number, customer)| story(number, customer)).unzip();
        let events: Vec<Arc<str>> = stories.into_iter().flatten().map(|event| event.to_string().into()).collect();
        assert_eq!(events.len(), 200);
        let mut deliveries: Vec<Arc<str>> = events.iter().flat_map(|event| vec![event.clone(); 5]).collect();
        shuffle(&mut deliveries, &Random::seeded(seed));
        let (deliveries, next) = (Arc::new(deliveries), Arc::new(AtomicUsize::new(0)));
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for number in 0..2 * CLIENTS {
            let address = servers[number % programs].address.clone();
            let (deliveries, next) = (deliveries.clone(), next.clone());
            clients.spawn(async move {
                let mut connection = Connection::open(&address).await.unwrap();
                while let Some(event) = deliveries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_eq!(connection.deliver(event).await.unwrap(), 200);
                }
            });
        }
        clients.join_all().await;
        delivering += begun.elapsed();
        slowest = slowest.max(settled(&place).await);
        for (customer, expected) in circle.friends.iter().zip(&expected) {
            assert_eq!(standing(&place, customer).await, *expected, "{}, seed {seed}", customer.customer);
        }
        let of = |source: &'static str| expected.iter().flat_map(|one| &one.ledger).filter(move |(of, _)| of == source);
        let mut given: Vec<_> = of("referral").chain(of("referral_taken_back")).cloned().collect();
        let mut ledger = ledger(&place, circle.referrer).await;
        given.sort();
        ledger.sort();
        assert_eq!(ledger, given, "seed {seed}");
        let days = expected.iter().map(|one| one.days_left).sum::<i64>();
        assert_eq!(days_left(&place, circle.referrer).await, days, "seed {seed}");
        place.assert_sound().await;
    }
    let states = inbox(&place).await;
    assert_eq!(states.len(), 200 * usize::try_from(seeds).unwrap());
    assert!(states.values().all(|state| *state == EventState::Done));
    eprintln!(
        "{backend:?}: 200 events five times, {seeds} orders, {programs} programs: one state; {} deliveries in {:.1} s, \
         all applied within {} ms after the last answer",
        1_000 * seeds,
        delivering.as_secs_f64(),
        slowest.as_millis(),
    );
}

/// What a provider knows when the server is gone: which of its deliveries were answered with 200.
#[derive(Default)]
struct Log {
    acknowledged: Vec<usize>,
    unanswered: Vec<usize>,
}

/// Delivers until told to stop or cut off; deliveries from before come first, again.
async fn load(
    address: String,
    events: Arc<Vec<Value>>,
    next: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    mut again: Vec<usize>,
) -> Log {
    let mut log = Log::default();
    let Ok(mut connection) = Connection::open(&address).await else {
        log.unanswered = again;
        return log;
    };
    loop {
        let number = match again.pop() {
            Some(number) => number,
            None if stop.load(Ordering::Relaxed) => return log,
            None => next.fetch_add(1, Ordering::Relaxed),
        };
        let event = events.get(number).expect("more events than any machine takes in").to_string();
        match connection.deliver(&event).await {
            Ok(200) => {
                log.acknowledged.push(number);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(503) => again.push(number),
            Ok(status) => panic!("an answer of {status}"),
            Err(_) => {
                log.unanswered.push(number);
                log.unanswered.append(&mut again);
                return log;
            }
        }
    }
}

/// Friends of one member in the tests with kills.
const CIRCLE: usize = 25;
/// Circles for each time that the program is killed.
const CIRCLES: usize = 16;
/// Events that are told in any order.
const SHUFFLED: usize = 40;

fn id_of(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

/// Kills a program again and again while it is told things. What it acknowledged is in the inbox and
/// is applied, and nothing is applied twice. With `refunds`, some of it comes too early.
async fn kill_under_deliveries(backend: Backend, kills: usize, refunds: bool) {
    let Some(place) = Place::empty(backend).await else { return };
    set_prices(&place).await;
    let mut circles = Vec::new();
    for number in 0..CIRCLES * kills {
        circles.push(add_circle(&place, number * 1_000, CIRCLE).await);
    }
    // A few friends at a time, and what happens to these in any order.
    let mut events = Vec::new();
    for circle in &circles {
        for (number, customer) in circle.friends.iter().enumerate() {
            let at = |minute| customer.started_at + TimeDelta::minutes(minute);
            events.push(customer.subscription("created", "active", at(0)));
            events.push(customer.invoice(0, PRICE, at(0)));
            events.push(customer.payment(0, at(0)));
            events.push(customer.invoice(1, PRICE, at(5)));
            if refunds && number.is_multiple_of(5) {
                events.push(customer.refund(0, PRICE, PRICE, at(9)));
            }
        }
    }
    for some in events.chunks_mut(SHUFFLED) {
        shuffle(some, &Random::seeded(7));
    }
    let (events, next) = (Arc::new(events), Arc::new(AtomicUsize::new(0)));
    let (mut acknowledged, mut unanswered) = (BTreeSet::new(), Vec::new());
    let (mut slowest, mut settling) = (Duration::ZERO, Duration::ZERO);
    let (mut cut_off, mut arrived, mut repeated) = (0, 0, 0);
    for round in 0..=kills {
        let server = place.serve().await;
        slowest = slowest.max(server.ready_after);
        assert!(server.ready_after < READY_WITHIN, "ready after {:?}", server.ready_after);
        let is_last = round == kills;
        let stop = Arc::new(AtomicBool::new(is_last));
        // What is unknown is delivered again; and some of what is known, which must not count twice.
        let mut again: Vec<Vec<usize>> = vec![Vec::new(); CLIENTS];
        let known: Vec<usize> = acknowledged.iter().rev().take(10).copied().collect();
        repeated += known.len();
        // What some of them wait for is told, too.
        let begun = next.load(Ordering::Relaxed);
        let rest = if is_last { begun..begun.next_multiple_of(SHUFFLED).min(events.len()) } else { begun..begun };
        next.store(rest.end, Ordering::Relaxed);
        for (number, delivery) in rest.chain(unanswered.drain(..)).chain(known).enumerate() {
            again[number % CLIENTS].push(delivery);
        }
        let (mut clients, answered) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for again in again {
            let (next, answered, stop) = (next.clone(), answered.clone(), stop.clone());
            clients.spawn(load(server.address.clone(), events.clone(), next, answered, stop, again));
        }
        if is_last {
            for log in clients.join_all().await {
                acknowledged.extend(log.acknowledged);
                assert!(log.unanswered.is_empty());
            }
            settling = settled(&place).await;
        } else {
            let begun = Instant::now();
            while answered.load(Ordering::Relaxed) < CLIENTS {
                assert!(begun.elapsed() < Duration::from_secs(20), "nothing is taken in");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // At another moment each time.
            let chance: [u8; 1] = place.env.random.bytes();
            tokio::time::sleep(Duration::from_millis(2 * u64::from(chance[0]))).await;
            drop(server);
            for log in clients.join_all().await {
                acknowledged.extend(log.acknowledged);
                cut_off += log.unanswered.len();
                unanswered.extend(log.unanswered);
            }
        }
        let states = inbox(&place).await;
        for number in &acknowledged {
            let id = id_of(&events[*number]);
            assert!(states.contains_key(id), "{id} was acknowledged and is gone after kill {round}");
        }
        arrived += unanswered.iter().filter(|number| states.contains_key(id_of(&events[**number]))).count();
        place.assert_sound().await;
    }
    let all = next.load(Ordering::Relaxed);
    // Every delivery was acknowledged in the end, and is applied.
    assert_eq!(acknowledged.len(), all);
    let states = inbox(&place).await;
    assert_eq!(states.len(), all);
    assert!(states.values().all(|state| *state == EventState::Done), "{states:#?}");
    let told: BTreeSet<&str> = events[..all].iter().map(id_of).collect();
    assert_eq!(told, states.keys().map(String::as_str).collect());
    let converted = assert_rewarded_once(&place, &circles, &events[..all]).await;
    eprintln!(
        "{backend:?}: killed {kills} times: {all} deliveries, {converted} referrals converted, {cut_off} cut off and \
         sent again, of which {arrived} had been taken in, {repeated} sent twice; ready again within {} ms, all \
         applied {} ms after the last answer",
        slowest.as_millis(),
        settling.as_millis(),
    );
    assert!(all >= CLIENTS * kills, "only {all} deliveries: that was no load");
}

/// Compares what was given with what was told: each reward is there once for both sides, and each
/// paid invoice stands in the log once. Returns how many friends converted.
async fn assert_rewarded_once(place: &Place, circles: &[Circle], told: &[Value]) -> usize {
    let mut happened: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for event in told {
        let customer = event["data"]["object"]["customer"].as_str().unwrap_or_default();
        *happened.entry((customer, event["type"].as_str().unwrap())).or_default() += 1;
    }
    let mut converted = 0;
    for circle in circles {
        let mut of_referrer = Vec::new();
        for friend in &circle.friends {
            let has = |kind| happened.contains_key(&(friend.customer.as_str(), kind));
            let mut expected = Vec::new();
            if has("invoice.paid") {
                expected.push(entry("referral", REWARD));
                converted += 1;
            }
            if has("charge.refunded") {
                expected.push(entry("referral_taken_back", -REWARD));
            }
            let user = friend.user.unwrap();
            assert_eq!(ledger(place, user).await, expected, "{}", friend.customer);
            let subscriptions = subscriptions::of_member(&place.env, user).await.unwrap();
            assert_eq!(subscriptions.len(), usize::from(has("customer.subscription.created")));
            of_referrer.extend(expected);
        }
        let mut ledger = ledger(place, circle.referrer).await;
        ledger.sort();
        of_referrer.sort();
        assert_eq!(ledger, of_referrer);
    }
    let mut reader = place.env.db.reader().await.unwrap();
    let lines = store::activity::list_by_action(&mut reader.conn(), "invoice_paid", 1_000_000).await.unwrap();
    let invoices: BTreeSet<&str> = lines.iter().map(|line| line.details["invoice"].as_str().unwrap()).collect();
    let paid: usize = happened.iter().filter(|((_, kind), _)| *kind == "invoice.paid").map(|(_, count)| count).sum();
    assert_eq!((lines.len(), invoices.len()), (paid, paid), "an invoice is in the log twice, or not at all");
    converted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_events_five_times_end_alike_on_sqlite() {
    two_hundred_events_five_times(Backend::Sqlite, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_events_five_times_to_two_programs_end_alike() {
    two_hundred_events_five_times(Backend::Postgres, 2, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_program_acknowledged_is_applied_once_on_sqlite() {
    kill_under_deliveries(Backend::Sqlite, 2, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_program_acknowledged_is_applied_once_on_postgres() {
    kill_under_deliveries(Backend::Postgres, 2, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn two_hundred_events_in_twenty_orders_end_alike_on_sqlite() {
    two_hundred_events_five_times(Backend::Sqlite, 1, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn two_hundred_events_in_twenty_orders_to_two_programs_end_alike() {
    two_hundred_events_five_times(Backend::Postgres, 2, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn twenty_kills_lose_no_delivery_and_apply_none_twice_on_sqlite() {
    kill_under_deliveries(Backend::Sqlite, 20, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn twenty_kills_lose_no_delivery_and_apply_none_twice_on_postgres() {
    kill_under_deliveries(Backend::Postgres, 20, true).await;
}
