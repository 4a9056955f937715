//! A log of activity of any length, and how long its pages take.

use std::{collections::BTreeMap, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::ids::UserId,
    platform::env::Env,
    store::activity::{self, NewActivity, Which},
};

use crate::{Result, say, user_id};

/// Lines that are added in one transaction, of one instant each.
const TOGETHER: u64 = 1_000;
/// Between one such instant and the next: a million lines are of half a year.
const APART: TimeDelta = TimeDelta::minutes(260);
/// Lines of a page, and one that tells whether there is another.
const PAGE: i64 = 51;
/// How often each page is read.
const TIMES: usize = 11;

const APP: &str = "key app (vs_abcdef)";
const APPS_ADDRESS: &str = "10.0.0.5";

fn begin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_272_000, 0).expect("an instant")
}

/// Adds lines: one member has every thousandth, most are sign-ins of 5,000 people, some are the system's, some an app's
/// from one address, one action is rare.
pub async fn fill(env: &Env, count: u64) -> Result<()> {
    let details = BTreeMap::from([("number", 1)]);
    let actions: Vec<&'static str> =
        vec!["coupon_redeemed", "credit_granted", "grant_started", "logout", "tier_changed", "user_created"];
    for start in (0..count).step_by(usize::try_from(TOGETHER)?) {
        let now = begin() + APART * i32::try_from(start / TOGETHER)?;
        let numbers = start..count.min(start + TOGETHER);
        let people: Vec<(String, String)> = numbers
            .clone()
            .map(|i| (format!("member{}@example.com", i % 5_000), format!("203.0.{}.{}", i % 200, i % 251)))
            .collect();
        let lines: Vec<_> = numbers
            .zip(&people)
            .map(|(i, (member, address))| {
                let (actor, address) = match i % 10 {
                    0 | 1 => ("system", None),
                    2 => (APP, Some(APPS_ADDRESS)),
                    _ => (member.as_str(), Some(address.as_str())),
                };
                let action = match i {
                    _ if i % 10_000 == 7 => "rare",
                    _ if i % 10 < 7 => "login",
                    _ => actions[usize::try_from(i).unwrap_or(0) % actions.len()],
                };
                NewActivity {
                    id: env.random.id(now),
                    user: (i % 1_000 == 0).then(|| user_id(1)),
                    actor,
                    action,
                    details: &details,
                    ip_address: address,
                    user_agent: Some("Firefox"),
                }
            })
            .collect();
        let mut tx = env.db.begin().await?;
        activity::insert_all(&mut tx.conn(), &lines, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Reads pages with every kind of filter, and says how many milliseconds each took: the median, and the longest.
pub async fn read(env: &Env) -> Result<()> {
    let ann: UserId = user_id(1);
    let middle = begin() + TimeDelta::days(90);
    let a_day = Which { from: Some(middle), to: Some(middle + TimeDelta::days(1)), ..Which::default() };
    let everything = Which {
        user: Some(ann),
        actor: Some("system"),
        action: Some("login"),
        address: Some("203.0.117.64"),
        from: Some(middle),
        to: Some(middle + TimeDelta::days(30)),
        before: None,
    };
    let all = Which::default();
    let filters = [
        ("no filter", all),
        ("a member", Which { user: Some(ann), ..all }),
        ("a frequent action", Which { action: Some("login"), ..all }),
        ("a rare action", Which { action: Some("rare"), ..all }),
        ("an actor", Which { actor: Some("member4711@example.com"), ..all }),
        ("the system", Which { actor: Some("system"), ..all }),
        ("an address", Which { address: Some("203.0.117.64"), ..all }),
        ("the system's rare action", Which { actor: Some("system"), action: Some("rare"), ..all }),
        ("an app's rare action", Which { actor: Some(APP), action: Some("rare"), ..all }),
        ("a rare action from an app's address", Which { address: Some(APPS_ADDRESS), action: Some("rare"), ..all }),
        ("an actor's frequent action", Which { actor: Some("member4713@example.com"), action: Some("login"), ..all }),
        ("a day", a_day),
        ("everything at once", everything),
    ];
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let half = activity::list(conn, Which { to: Some(middle), ..all }, 1).await?;
    let half = half.first().map(|line| line.id).ok_or("the log is empty")?;
    for (name, which) in filters {
        for (place, before) in [("first page", None), ("a page in the middle", Some(half))] {
            let which = Which { before, ..which };
            let mut times = Vec::with_capacity(TIMES);
            for _ in 0..TIMES {
                let began = Instant::now();
                activity::list(conn, which, PAGE).await?;
                times.push(began.elapsed().as_secs_f64() * 1_000.0);
            }
            times.sort_by(f64::total_cmp);
            say(&format!("{name}, {place}\t{:.3}\t{:.3}", times[TIMES / 2], times[TIMES - 1]))?;
        }
    }
    Ok(())
}
