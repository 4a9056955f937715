//! How long a decision takes about a member whom the node remembers, see docs/benchmarks.md.

use std::{
    fs,
    future::Future,
    hint::black_box,
    path::Path,
    pin::pin,
    process,
    task::{Context, Poll, Waker},
};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use uuid::Uuid;
use vouchsafe::{
    config::Config,
    domain::{
        email::EmailAddress,
        entitlement::{Decision, decide_about},
        ids::TierId,
        lang::Lang,
        user::Role,
    },
    platform::{clock::Clock, env::Env, keys::Keys, random::Random},
    services::entitlements,
    store::{self, Db, migrations, users::NewUser},
};

/// A name of everyday length, and one that counts by the month.
const NAME: &str = "customer-4711";
const FEATURE: &str = "ai_calls";

/// A new database with one member. The clock stands still, so that what is remembered stays fresh.
async fn world(folder: &Path) -> Env {
    let url = format!("sqlite:{}", folder.join("vouchsafe.db").display());
    let db = Db::open(&url, 1).await.expect("a database");
    migrations::up(&db).await.expect("a schema");
    let config = Config::load(Some(Path::new("/dev/null")), std::iter::empty()).expect("the defaults");
    let clock = Clock::manual(Clock::system().now());
    let env = Env::new(db, clock, Random::seeded(1), Keys::from_secret("the secret of a bench"), config);
    let email = EmailAddress::parse("ann@example.com").expect("an address");
    let tier: TierId = "basic".parse().expect("a name");
    let user = NewUser {
        id: Uuid::from_u128(1).into(),
        email: Some(&email),
        external_id: Some(NAME),
        role: Role::Member,
        lang: Lang::En,
        tier: &tier,
        trial_ends_at: None,
        referred_by: None,
    };
    let mut tx = env.db.begin().await.expect("a transaction");
    store::users::insert(&mut tx.conn(), &user, env.clock.now()).await.expect("a member");
    tx.commit().await.expect("a commit");
    env
}

/// What an answer to `POST /api/v1/check` needs beside HTTP: the clock, the member by name, the feature, the decision.
fn decide(env: &Env, clock: &Clock, name: &str, feature: &str) -> Decision {
    let now = clock.now();
    let found = pin!(entitlements::find(env, name));
    let Poll::Ready(Ok(Some(known))) = found.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the member is not remembered");
    };
    let feature = known.catalogue.feature_named(feature).expect("a feature");
    decide_about(&known.catalogue, &known.standing, feature, 1, now)
}

fn decision(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = std::env::temp_dir().join(format!("vouchsafe-decision-{}", process::id()));
    fs::create_dir(&folder).expect("a folder");
    let env = runtime.block_on(world(&folder));
    // From here on the member is remembered.
    runtime.block_on(entitlements::find(&env, NAME)).expect("an answer").expect("a member");
    let clock = Clock::system();
    let answer = decide(&env, &clock, NAME, FEATURE);
    assert!(answer.allowed, "{answer:?}");

    criterion.bench_function("decision", |bencher| {
        bencher.iter(|| decide(&env, &clock, black_box(NAME), black_box(FEATURE)));
    });
    criterion.bench_function("decision as JSON", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&answer)).expect("JSON"));
    });
    fs::remove_dir_all(&folder).expect("the folder is ours");
}

criterion_group!(benches, decision);
criterion_main!(benches);
