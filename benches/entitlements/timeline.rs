//! How long it takes to work out whose turn it is among a thousand grants, see docs/benchmarks.md.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use uuid::Uuid;
use vouchsafe::domain::{
    grant::{Grant, GrantKind, Timeline},
    ids::TierId,
};

const GRANTS: u128 = 1_000;

fn beginning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("in range")
}

/// Grants of one member, of three tiers and all kinds, given one an hour.
fn grants() -> Vec<Grant> {
    let tiers: Vec<TierId> = ["free", "basic", "premium"].map(|name| name.parse().expect("a name")).to_vec();
    let grant = |number: u128| {
        let at = beginning() + TimeDelta::hours(i64::try_from(number).expect("small"));
        let kind =
            [GrantKind::Admin, GrantKind::Coupon, GrantKind::Partner][usize::try_from(number % 7 % 3).expect("small")];
        Grant {
            id: Uuid::from_u128(number + 1).into(),
            user: None,
            tier: tiers[usize::try_from(number % 3).expect("small")].clone(),
            kind,
            coupon: None,
            total: 86_400,
            remaining: 86_400,
            began_at: None,
            running_since: None,
            granted_at: at,
            granted_by: "bench".to_owned(),
            reason: None,
            ended_at: None,
            revoked_at: None,
        }
    };
    (0..GRANTS).map(grant).collect()
}

fn timeline(criterion: &mut Criterion) {
    let strength = |tier: &TierId| match tier.as_str() {
        "premium" => 2,
        "basic" => 1,
        _ => 0,
    };
    // One is running, and a few have ended unseen.
    let stored = Timeline::new(grants(), strength, beginning()).grants;
    let now = beginning() + TimeDelta::days(10);
    criterion.bench_function("timeline of 1000 grants", |bencher| {
        bencher.iter_batched(
            || stored.clone(),
            |stored| Timeline::new(black_box(stored), strength, black_box(now)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, timeline);
criterion_main!(benches);
