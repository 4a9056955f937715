//! What providers tell, in any order, any number of times, to two nodes at once: the state in the
//! end is that of a model which is told each thing once and in order.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vouchsafe::{
    domain::{
        ids::UserId,
        payment::Provider,
        referral::ReferralState,
        subscription::{SubscriptionStatus, Version},
    },
    jobs::Runner,
    platform::env::Env,
    services::{
        doctor::{self, Health},
        members::{self, MemberDetails},
        payments::{self, EventState},
        subscriptions,
    },
    store,
};

use crate::harness::{Backend, StripeCustomer, TestApp};

const PRICE: i64 = 999;

/// Something that happens to one customer, so many minutes after the customer came.
#[derive(Debug, Clone)]
enum Happening {
    Subscription { minute: i64, status: &'static str },
    Paid { minute: i64, invoice: usize, amount: i64 },
    Refunded { minute: i64, invoice: usize, amount: i64 },
    Disputed { minute: i64, invoice: usize, is_lost: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    // Few minutes, so that some things happen at the same time.
    let (minute, invoice) = (0..12i64, 0..3usize);
    let status = prop_oneof![
        4 => Just("active"), 1 => Just("incomplete"), 1 => Just("trialing"), 3 => Just("past_due"), 1 => Just("paused"),
        1 => Just("canceled"),
    ];
    prop_oneof![
        4 => (minute.clone(), status).prop_map(|(minute, status)| Happening::Subscription { minute, status }),
        3 => (minute.clone(), invoice.clone(), prop_oneof![Just(0), Just(PRICE)])
            .prop_map(|(minute, invoice, amount)| Happening::Paid { minute, invoice, amount }),
        2 => (minute.clone(), invoice.clone(), prop_oneof![Just(PRICE / 3), Just(PRICE)])
            .prop_map(|(minute, invoice, amount)| Happening::Refunded { minute, invoice, amount }),
        1 => (minute, invoice, any::<bool>())
            .prop_map(|(minute, invoice, is_lost)| Happening::Disputed { minute, invoice, is_lost }),
    ]
}

/// Returns what happens to each of three customers, and the order in which it is told: which of the
/// events, and to which node.
fn scenario() -> impl Strategy<Value = (Vec<Vec<Happening>>, u64)> {
    (proptest::collection::vec(proptest::collection::vec(happening(), 0..10), 3), any::<u64>())
}

/// The events that Stripe makes of it. An invoice is paid once, at the first word.
fn told(customer: &StripeCustomer, happenings: &[Happening]) -> Vec<Value> {
    let at = |minute| customer.started_at + TimeDelta::minutes(minute);
    let mut paid = BTreeMap::new();
    let mut events = Vec::new();
    for happening in happenings {
        match *happening {
            Happening::Subscription { minute, status } => {
                let kind = if status == "canceled" { "deleted" } else { "updated" };
                let more = if status == "canceled" { json!({ "ended_at": at(minute).timestamp() }) } else { json!({}) };
                events.push(customer.subscription_with(kind, status, at(minute), more));
            }
            Happening::Paid { minute, invoice, amount } => {
                if paid.insert(invoice, amount).is_none() {
                    events.push(customer.invoice(invoice, amount, at(minute)));
                    events.push(customer.payment(invoice, at(minute)));
                }
            }
            Happening::Refunded { .. } | Happening::Disputed { .. } => {}
        }
    }
    for happening in happenings {
        match *happening {
            Happening::Refunded { minute, invoice, amount } if paid.get(&invoice) == Some(&PRICE) => {
                events.push(customer.refund(invoice, PRICE, amount, at(minute)));
            }
            Happening::Disputed { minute, invoice, is_lost } if paid.get(&invoice) == Some(&PRICE) => {
                let status = if is_lost { "lost" } else { "won" };
                events.push(customer.dispute(invoice, PRICE, "closed", status, at(minute)));
            }
            _ => {}
        }
    }
    events
}

/// Status, since when payment is due, when it ended.
type Subscribed = (SubscriptionStatus, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// How everything stands in the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct State {
    /// By customer.
    subscriptions: Vec<Option<Subscribed>>,
    /// By customer.
    referrals: Vec<(ReferralState, Option<String>)>,
    /// Days of credit of who invited all, and of each customer.
    credit: Vec<i64>,
}

/// The model: it is told each event once, in the order in which they happened.
fn model(customers: &[StripeCustomer], events: &[Vec<Value>]) -> State {
    let mut state = State { credit: vec![0; customers.len() + 1], ..State::default() };
    for (number, (customer, events)) in customers.iter().zip(events).enumerate() {
        let at = |event: &Value| DateTime::from_timestamp(event["created"].as_i64().unwrap(), 0).unwrap();
        let of =
            |kind: &'static str| events.iter().filter(move |event| event["type"].as_str().unwrap().starts_with(kind));
        let status_of = |event: &Value| match event["data"]["object"]["status"].as_str().unwrap() {
            "canceled" => SubscriptionStatus::Ended,
            other => other.parse().unwrap(),
        };
        let mut words: Vec<(Version, SubscriptionStatus)> = of("customer.subscription")
            .map(|event| {
                let status = status_of(event);
                let rank = match status {
                    SubscriptionStatus::Ended => 3,
                    SubscriptionStatus::Incomplete => 1,
                    _ => 2,
                };
                (Version { at: at(event), rank, event_id: event["id"].as_str().unwrap().to_owned() }, status)
            })
            .collect();
        words.sort();
        let ended = words.iter().rev().find(|(_, status)| *status == SubscriptionStatus::Ended);
        let newest = ended.or(words.last());
        state.subscriptions.push(newest.map(|(version, status)| {
            let mut in_order: Vec<_> =
                words.iter().map(|(version, status)| (version.at, &version.event_id, *status)).collect();
            in_order.sort();
            let stretch = in_order.iter().rev().take_while(|(_, _, status)| *status == SubscriptionStatus::PastDue);
            let since = stretch.last().map(|(at, _, _)| *at).filter(|_| *status == SubscriptionStatus::PastDue);
            (*status, since, (*status == SubscriptionStatus::Ended).then_some(version.at))
        }));

        let mut paid: Vec<(DateTime<Utc>, &str)> = of("invoice.paid")
            .filter(|event| event["data"]["object"]["amount_paid"] == PRICE)
            .map(|event| (at(event), event["data"]["object"]["id"].as_str().unwrap()))
            .collect();
        paid.sort();
        let Some((_, first)) = paid.first() else {
            state.referrals.push((ReferralState::Pending, None));
            continue;
        };
        let payment = first.replace("in_", "pi_");
        let newest_amount = |kind: &'static str, amount: &dyn Fn(&Value) -> i64, word: &dyn Fn(&Value) -> String| {
            let mut words: Vec<_> = of(kind)
                .filter(|event| event["data"]["object"]["payment_intent"] == payment)
                .map(|event| (at(event), amount(event), word(event)))
                .collect();
            words.sort();
            words.last().map_or(0, |(_, amount, _)| *amount)
        };
        let refunded = newest_amount(
            "charge.refunded",
            &|event| event["data"]["object"]["amount_refunded"].as_i64().unwrap(),
            &|_| String::new(),
        );
        let disputed = newest_amount(
            "charge.dispute",
            &|event| if event["data"]["object"]["status"] == "lost" { PRICE } else { 0 },
            &|event| event["data"]["object"]["status"].as_str().unwrap().to_owned(),
        );
        let is_lost = refunded + disputed >= PRICE;
        let outcome = if is_lost { ReferralState::TakenBack } else { ReferralState::Converted };
        state.referrals.push((outcome, Some((*first).to_owned())));
        if !is_lost {
            state.credit[0] += 45;
            state.credit[number + 1] += 45;
        }
        let _ = customer;
    }
    state
}

/// Reads how everything stands.
async fn actual(env: &Env, referrer: UserId, customers: &[StripeCustomer]) -> State {
    let now = env.clock.now();
    let mut state = State::default();
    let mut reader = env.db.reader().await.unwrap();
    let mut people = vec![referrer];
    for customer in customers {
        let user = customer.user.unwrap();
        people.push(user);
        let found = subscriptions::of_member(env, user).await.unwrap();
        assert!(found.len() <= 1);
        state.subscriptions.push(found.into_iter().next().map(|one| (one.status, one.past_due_since, one.ended_at)));
        let referral = store::referrals::find_by_referred(&mut reader.conn(), user).await.unwrap().unwrap();
        state.referrals.push((referral.state(), referral.invoice.map(|(_, id)| id)));
    }
    for user in people {
        let user = store::users::find(&mut reader.conn(), user).await.unwrap().unwrap();
        let left = user.credit_until.map_or(TimeDelta::zero(), |until| until - now);
        // Entries of one instant are some microseconds apart.
        let days = (DateTime::UNIX_EPOCH + left).duration_round(TimeDelta::days(1)).unwrap() - DateTime::UNIX_EPOCH;
        assert!((days - left).abs() < TimeDelta::seconds(1), "{left}");
        state.credit.push(days.num_days());
    }
    state
}

struct World {
    app: TestApp,
    nodes: Vec<Env>,
}

impl World {
    async fn new(backend: Backend) -> Option<Self> {
        let app = TestApp::new(backend).await?.with_prices().await;
        let nodes = vec![app.env.clone(), app.another_node()];
        Some(Self { app, nodes })
    }

    async fn member(&self, name: &str) -> UserId {
        let details = MemberDetails { external_id: Some(name.to_owned()), ..MemberDetails::default() };
        members::put(&self.app.env, &details, "operator").await.unwrap().0.id
    }

    /// Members who were all invited by the first one.
    async fn customers(&self, case: usize, count: usize) -> (UserId, Vec<StripeCustomer>) {
        let referrer = self.member(&format!("referrer{case}")).await;
        let started_at = self.app.env.clock.now() - TimeDelta::hours(1);
        let mut customers = Vec::new();
        for number in 0..count {
            let user = self.member(&format!("friend{case}x{number}")).await;
            let mut tx = self.app.env.db.begin().await.unwrap();
            let id = self.app.env.random.id(started_at);
            assert!(store::referrals::insert(&mut tx.conn(), id, referrer, user, started_at).await.unwrap());
            tx.commit().await.unwrap();
            customers.push(StripeCustomer::new(user, case * 1_000 + number, started_at));
        }
        (referrer, customers)
    }

    /// Delivers events to whichever node, so many at a time, and does what they leave to be done.
    async fn deliver(&self, events: Vec<(usize, Arc<str>)>, at_once: usize) {
        for together in events.chunks(at_once) {
            let mut running = JoinSet::new();
            for (node, event) in together {
                let (env, event) = (self.nodes[*node].clone(), event.clone());
                running.spawn(async move {
                    payments::receive(&env, Provider::Stripe, event.as_bytes(), None).await.unwrap();
                });
            }
            running.join_all().await;
        }
        // A try that fails again falls due later, but what it waits for arrives and calls it.
        for env in &self.nodes {
            Runner::new(env.clone()).unwrap().run_until_idle().await.unwrap();
        }
    }

    async fn assert_sound(&self) {
        for state in [EventState::Failed, EventState::Dead, EventState::Received] {
            let left = payments::events(&self.app.env, Some(state), None, 10).await.unwrap();
            assert!(left.is_empty(), "{left:#?}");
        }
        let report = doctor::examine(&self.app.env.db, self.app.env.clock.now()).await.unwrap();
        assert_eq!(report.health, Health::Sound, "{report:#?}");
    }
}

/// Tells everything up to three times, in an order that the seed decides.
fn shuffled(events: &[Vec<Value>], seed: u64, times: usize) -> Vec<(usize, Arc<str>)> {
    let mut random = seed;
    let mut next = move || {
        // SplitMix64: the order only has to be another with every seed.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap()
    };
    let all: Vec<Arc<str>> = events.iter().flatten().map(|event| event.to_string().into()).collect();
    let mut told = Vec::new();
    for event in &all {
        for _ in 0..1 + next() % times {
            told.push((next() % 2, event.clone()));
        }
    }
    for at in (1..told.len()).rev() {
        told.swap(at, next() % (at + 1));
    }
    told
}

async fn play(world: &World, case: usize, happenings: &[Vec<Happening>], seed: u64) -> Result<(), TestCaseError> {
    let (referrer, customers) = world.customers(case, happenings.len()).await;
    let events: Vec<Vec<Value>> =
        customers.iter().zip(happenings).map(|(customer, happenings)| told(customer, happenings)).collect();
    world.deliver(shuffled(&events, seed, 3), 1 + usize::try_from(seed % 7).unwrap()).await;
    let (expected, found) = (model(&customers, &events), actual(&world.app.env, referrer, &customers).await);
    prop_assert_eq!(found, expected, "{:#?}", events);
    world.assert_sound().await;
    Ok(())
}

/// `PROPTEST_CASES` makes it longer.
fn any_order_ends_in_the_state_of_the_model(backend: Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(world) = runtime.block_on(World::new(backend)) else { return };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40);
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let case = std::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&scenario(), |(happenings, seed)| {
        case.set(case.get() + 1);
        runtime.block_on(play(&world, case.get(), &happenings, seed))
    });
    if let Err(problem) = outcome {
        panic!("{problem}");
    }
}

#[test]
fn any_order_ends_in_the_state_of_the_model_on_sqlite() {
    any_order_ends_in_the_state_of_the_model(Backend::Sqlite);
}

#[test]
fn any_order_ends_in_the_state_of_the_model_on_postgres() {
    any_order_ends_in_the_state_of_the_model(Backend::Postgres);
}

/// Two hundred events of thirty customers, told five times each, to two nodes, many at a time.
async fn two_hundred_events_five_times(backend: Backend, seeds: u64) {
    let Some(world) = World::new(backend).await else { return };
    for seed in 0..seeds {
        let (referrer, customers) = world.customers(usize::try_from(seed).unwrap() + 1, 30).await;
        let happenings = |number: usize| {
            let lost = number.is_multiple_of(5);
            let mut all = vec![
                Happening::Subscription { minute: 0, status: "active" },
                Happening::Paid { minute: 1, invoice: 0, amount: if number.is_multiple_of(7) { 0 } else { PRICE } },
                Happening::Subscription { minute: 5, status: "past_due" },
                Happening::Paid { minute: 6, invoice: 1, amount: PRICE },
                Happening::Subscription {
                    minute: 7,
                    status: if number.is_multiple_of(3) { "canceled" } else { "active" },
                },
            ];
            if lost {
                all.push(Happening::Refunded { minute: 9, invoice: 0, amount: PRICE });
            }
            all
        };
        let events: Vec<Vec<Value>> =
            customers.iter().enumerate().map(|(number, customer)| told(customer, &happenings(number))).collect();
        let count: usize = events.iter().map(Vec::len).sum();
        assert!(count >= 200, "{count}");
        let five_times: Vec<Vec<Value>> =
            events.iter().map(|events| events.iter().cycle().take(5 * events.len()).cloned().collect()).collect();
        world.deliver(shuffled(&five_times, seed, 1), 64).await;
        assert_eq!(actual(&world.app.env, referrer, &customers).await, model(&customers, &events));
        world.assert_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_events_five_times_on_sqlite() {
    two_hundred_events_five_times(Backend::Sqlite, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_events_five_times_on_postgres() {
    two_hundred_events_five_times(Backend::Postgres, 20).await;
}
