//! What the measuring of entitlements, payments and membership needs of the inside, see docs/benchmarks.md: fills databases fast, runs
//! the statements of counting in a plain loop, without HTTP, and says what came of deliveries. The database is that of
//! `DATABASE_URL`.

mod activity;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;
use vouchsafe::{
    config::{self, Config},
    domain::{
        api_key::Scope,
        catalogue::{Feature, Tier},
        email::EmailAddress,
        ids::{FeatureId, TierId, UserId},
        lang::Lang,
        limit::{Limit, LimitKind},
        matrix::MatrixCell,
        payment::{BillingInterval, Provider},
        period::ResetPeriod,
        referral::ReferralState,
        usage::{Act, OnExceed, Outcome, UsageCall},
        user::Role,
    },
    platform::{env::Env, server},
    services::{
        api_keys::{self, NewApiKey},
        matrix, payments,
        payments::EventState,
        prices::{self, NewPrice},
        referrals, usage,
    },
    store::{self, users::NewUser},
};

/// What is counted, and on which tier: one that counts by the month, without a limit that is ever reached.
const FEATURE: &str = "ai_calls";
const TIER: &str = "basic";
const LIMIT: Limit = Limit::At(1_000_000_000_000);
/// Members that are added in one transaction.
const TOGETHER: u64 = 20_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let config = Config::load(Some(Path::new("/dev/null")), config::environment())?;
    let env = server::open(config).await?;
    match words.as_slice() {
        ["users", count] => add_users(&env, count.parse()?).await,
        ["key"] => make_key(&env).await,
        ["catalogue", tiers, features] => add_catalogue(&env, tiers.parse()?, features.parse()?).await,
        ["consume", together, users, seconds] => {
            consume(&env, together.parse()?, users.parse()?, Duration::from_secs_f64(seconds.parse()?)).await
        }
        ["matrix", times] => read_matrix(&env, times.parse()?).await,
        ["friends", count] => add_friends(&env, count.parse()?).await,
        ["payments"] => count_payments(&env).await,
        ["log", count] => activity::fill(&env, count.parse()?).await,
        ["pages"] => activity::read(&env).await,
        _ => Err("users COUNT | key | catalogue TIERS FEATURES | consume TOGETHER USERS SECONDS | matrix TIMES | \
            friends COUNT | payments | log COUNT | pages"
            .into()),
    }
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// The id of a member by number, so that a script in SQL can name it, too.
fn user_id(number: u64) -> UserId {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number)).into()
}

/// Adds members, known as `user-1`, `user-2` and so on, and gives their tier a limit.
async fn add_users(env: &Env, count: u64) -> Result<()> {
    let now = env.clock.now();
    let tier: TierId = TIER.parse()?;
    set_limit(env, &tier, now).await?;
    let began = Instant::now();
    let mut number = 0;
    while number < count {
        let mut tx = env.db.begin().await?;
        let conn = &mut tx.conn();
        for _ in 0..TOGETHER.min(count - number) {
            number += 1;
            let name = format!("user-{number}");
            let email = EmailAddress::parse(&format!("{name}@example.com"))?;
            let user = NewUser {
                id: user_id(number),
                email: Some(&email),
                external_id: Some(&name),
                role: Role::Member,
                lang: Lang::En,
                tier: &tier,
                trial_ends_at: None,
                referred_by: None,
            };
            store::users::insert(conn, &user, now).await?;
        }
        tx.commit().await?;
        if count > TOGETHER && (number == count || number % (10 * TOGETHER) == 0) {
            eprintln!("      {number} of {count} users after {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

async fn set_limit(env: &Env, tier: &TierId, now: DateTime<Utc>) -> Result<()> {
    let feature: FeatureId = FEATURE.parse()?;
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let version = store::matrix::raise_version(conn).await?;
    if let Some((cell, _)) = store::matrix::find_cell(conn, tier, &feature).await? {
        store::matrix::delete_cell(conn, tier, &feature, cell.version).await?;
    }
    let cell = MatrixCell { tier: tier.clone(), feature, limit: LIMIT, version };
    store::matrix::insert_cell(conn, &cell, "bench", now).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes a key to check and count with and says its token.
async fn make_key(env: &Env) -> Result<()> {
    let scopes = [Scope::Check, Scope::Consume].into_iter().collect();
    let key = NewApiKey { name: "bench".to_owned(), scopes, user: None, expires_at: None };
    let (_, token) = api_keys::create(env, key, "bench").await?;
    Ok(say(&token)?)
}

/// Adds tiers and features until there are so many, with a limit in every cell.
async fn add_catalogue(env: &Env, tiers: usize, features: usize) -> Result<()> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let version = store::matrix::raise_version(conn).await?;
    let mut all_tiers = store::catalogue::tiers(conn).await?;
    for number in all_tiers.len()..tiers {
        let tier = Tier {
            id: format!("tier_{number}").parse()?,
            name: format!("Tier {number}"),
            description_en: "For teams of this size".to_owned(),
            description_de: "Für Teams dieser Größe".to_owned(),
            price_monthly_cents: Some(999),
            price_yearly_cents: Some(9_990),
            active: true,
            paid: true,
            sort_order: i64::try_from(number)? + 100,
        };
        store::catalogue::put_tier(conn, &tier, now).await?;
        all_tiers.push(tier);
    }
    let mut all_features = store::catalogue::features(conn).await?;
    for number in all_features.len()..features {
        let feature = Feature {
            id: format!("feature_{number}").parse()?,
            name_en: format!("Feature number {number}"),
            name_de: format!("Funktion Nummer {number}"),
            description_en: "Something that a product can do".to_owned(),
            description_de: "Etwas, das ein Produkt kann".to_owned(),
            category: format!("group {}", number % 20),
            kind: [LimitKind::Count, LimitKind::Boolean, LimitKind::Quota][number % 3],
            reset_period: if number % 3 == 1 { ResetPeriod::Never } else { ResetPeriod::Monthly },
            default_limit: Limit::OFF,
            active: true,
            sort_order: i64::try_from(number)? + 100,
        };
        store::catalogue::put_feature(conn, &feature, now).await?;
        all_features.push(feature);
    }
    for (row, feature) in all_features.iter().enumerate() {
        for (column, tier) in all_tiers.iter().enumerate() {
            let limit = match (feature.kind, (row + column) % 4) {
                (_, 0) => Limit::OFF,
                (LimitKind::Boolean, _) => Limit::At(1),
                (_, 1) => Limit::Unlimited,
                (_, _) => Limit::At(100 * i64::try_from(column)? + 50),
            };
            let cell = MatrixCell { tier: tier.id.clone(), feature: feature.id.clone(), limit, version };
            store::matrix::insert_cell(conn, &cell, "bench", now).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Counts one unit each for so many members in one transaction, again and again, and says how many units a second.
async fn consume(env: &Env, together: u64, users: u64, duration: Duration) -> Result<()> {
    let feature: FeatureId = FEATURE.parse()?;
    let mut next = 0;
    let mut calls = || -> Vec<UsageCall> {
        let act = |user| Act::Consume { user, feature: feature.clone(), amount: 1, on_exceed: OnExceed::Reject };
        (0..together)
            .map(|_| {
                next = next % users + 1;
                UsageCall { act: act(user_id(next)), actor: "bench".to_owned(), api_key: None, idempotency: None }
            })
            .collect()
    };
    let mut counted: u64 = 0;
    let began = Instant::now();
    while began.elapsed() < duration {
        for outcome in usage::do_together(env, &calls()).await {
            match outcome? {
                Outcome::Counted { counted: 1, .. } => counted += 1,
                other => return Err(format!("not counted: {other:?}").into()),
            }
        }
    }
    Ok(say(&format!("{:.1}", counted as f64 / began.elapsed().as_secs_f64()))?)
}

/// Reads the matrix as its page does and says how many milliseconds each time took.
async fn read_matrix(env: &Env, times: usize) -> Result<()> {
    for _ in 0..times {
        let began = Instant::now();
        let matrix = matrix::read(env).await?;
        assert!(!matrix.limits.is_empty() || io::stdout().is_terminal(), "a matrix without limits");
        say(&format!("{:.2}", began.elapsed().as_secs_f64() * 1_000.0))?;
    }
    Ok(())
}

/// Adds members in pairs: by odd numbers who invited somebody, by even numbers who came. And the price that those buy
/// in the recorded events.
async fn add_friends(env: &Env, count: u64) -> Result<()> {
    let price = NewPrice {
        provider: Provider::Stripe,
        price_id: "price_1PgafmB7WZ01zgkW6dKueIc5".to_owned(),
        interval: BillingInterval::Month,
    };
    prices::set(env, &"premium".parse()?, &[price], "bench").await?;
    let now = env.clock.now();
    let tier: TierId = "free".parse()?;
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    for pair in 1..=count {
        let (referrer, friend) = (user_id(2 * pair - 1), user_id(2 * pair));
        for (id, name, referred_by) in [(referrer, "referrer", None), (friend, "friend", Some(referrer))] {
            let email = EmailAddress::parse(&format!("{name}-{pair}@example.com"))?;
            let user = NewUser {
                id,
                email: Some(&email),
                external_id: None,
                role: Role::Member,
                lang: Lang::En,
                tier: &tier,
                trial_ends_at: None,
                referred_by,
            };
            store::users::insert(conn, &user, now).await?;
        }
        store::referrals::insert(conn, env.random.id(now), referrer, friend, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Says how many events are applied, how many could not be, and how many referrals were rewarded.
async fn count_payments(env: &Env) -> Result<()> {
    const PAGE: i64 = 1_000;
    let mut counts = [0, 0, 0];
    for (at, state) in [EventState::Done, EventState::Failed].into_iter().enumerate() {
        let mut before = None;
        loop {
            let page = payments::events(env, Some(state), before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            counts[at] += page.len();
        }
    }
    let mut before = None;
    loop {
        let page = referrals::list(env, Some(ReferralState::Converted), before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.referral.id);
        counts[2] += page.len();
    }
    let [done, failed, rewarded] = counts;
    Ok(say(&format!("{done} {failed} {rewarded}"))?)
}
