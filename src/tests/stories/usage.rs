//! Counting, by two nodes on one database.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{TestCaseError, TestRunner},
};
use tokio::task::JoinSet;
use vouchsafe::{
    domain::{
        api_key::{Scope, Scopes},
        entitlement::{Decision, Reason},
        ids::{ApiKeyId, FeatureId, ReservationId, UserId},
        limit::Limit,
        usage::{Act, IdempotencyKey, OnExceed, Outcome, Reservation, ReservationState, UsageCall},
    },
    platform::{env::Env, memory::Age},
    services::{
        api_keys::{self, NewApiKey},
        catalogue,
        doctor::{self, Health},
        entitlements,
        members::{self, MemberDetails},
        restrictions::{self, NewRestriction},
        usage::{self, UsageError},
    },
    store::usage as ledger,
};

use crate::harness::{Backend, TestApp, on_both};

fn feature(name: &str) -> FeatureId {
    name.parse().unwrap()
}

fn call(act: Act) -> UsageCall {
    UsageCall { act, actor: "an app".to_owned(), api_key: None, idempotency: None }
}

fn consume(user: UserId, of: &str, amount: i64, on_exceed: OnExceed) -> UsageCall {
    call(Act::Consume { user, feature: feature(of), amount, on_exceed })
}

fn one(user: UserId) -> UsageCall {
    consume(user, "ai_calls", 1, OnExceed::Reject)
}

fn keyed(call: UsageCall, number: u8, content: u8) -> UsageCall {
    UsageCall { idempotency: Some(IdempotencyKey { id: [number; 32], fingerprint: [content; 32] }), ..call }
}

async fn done(env: &Env, call: UsageCall) -> Outcome {
    usage::call(env, call).await.unwrap()
}

/// Returns how many units were counted; nothing if it was refused.
fn counted(outcome: &Outcome) -> Option<i64> {
    match outcome {
        Outcome::Counted { counted, .. } => Some(*counted),
        _ => None,
    }
}

fn refused(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Refused { decision } => Some(decision.reason),
        _ => None,
    }
}

fn reserved(outcome: Outcome) -> (Reservation, Decision) {
    match outcome {
        Outcome::Reserved { reservation, decision } => (reservation, decision),
        other => panic!("{other:?}"),
    }
}

async fn hold(env: &Env, user: UserId, amount: i64, seconds: i64) -> ReservationId {
    let act = Act::Hold { user, feature: feature("ai_calls"), amount, lifetime: TimeDelta::seconds(seconds) };
    reserved(done(env, call(act)).await).0.id
}

async fn confirm(env: &Env, reservation: ReservationId, amount: Option<i64>) -> Outcome {
    done(env, call(Act::Confirm { reservation, amount })).await
}

async fn release(env: &Env, reservation: ReservationId) -> Outcome {
    done(env, call(Act::Release { reservation })).await
}

async fn member(env: &Env, external_id: &str) -> UserId {
    let details = MemberDetails {
        external_id: Some(external_id.to_owned()),
        tier: Some("basic".parse().unwrap()),
        ..MemberDetails::default()
    };
    members::put(env, &details, "operator").await.unwrap().0.id
}

async fn restrict(env: &Env, user: UserId, of: &str, limit: Limit) {
    let new = NewRestriction { feature: feature(of), limit, reason: "a test".to_owned(), expires_at: None };
    restrictions::put(env, user, new, "operator").await.unwrap();
}

/// A member with so many calls in a month.
async fn ann(app: &TestApp, limit: i64) -> UserId {
    let ann = member(&app.env, "ann").await;
    restrict(&app.env, ann, "ai_calls", Limit::At(limit)).await;
    ann
}

/// What the database says: used and held.
async fn used(env: &Env, user: UserId) -> (i64, i64) {
    let explained = entitlements::explain(env, &user.to_string(), &feature("ai_calls"), 1).await.unwrap();
    (explained.decision.used, explained.decision.reserved)
}

/// Everything that is kept agrees with itself.
async fn assert_sound(env: &Env) {
    let report = doctor::examine(&env.db, env.clock.now()).await.unwrap();
    assert_ne!(report.health, Health::Broken, "{report:#?}");
}

async fn all(nodes: [&Env; 2], calls: impl IntoIterator<Item = UsageCall>) -> Vec<Outcome> {
    let mut running = JoinSet::new();
    for (number, call) in calls.into_iter().enumerate() {
        let env = nodes[number % 2].clone();
        running.spawn(async move { (number, done(&env, call).await) });
    }
    let mut outcomes = running.join_all().await;
    outcomes.sort_by_key(|(number, _)| *number);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

on_both! {
    async fn of_500_calls_from_two_nodes_exactly_as_many_pass_as_fit(app: TestApp) {
        let (ann, other) = (ann(&app, 100).await, app.another_node());
        let outcomes = all([&app.env, &other], (0..500).map(|_| one(ann))).await;
        let passed = outcomes.iter().filter(|outcome| counted(outcome) == Some(1)).count();
        let turned_away = outcomes.iter().filter(|outcome| refused(outcome) == Some(Reason::LimitReached)).count();
        assert_eq!((passed, turned_away), (100, 400));
        assert_eq!(used(&app.env, ann).await, (100, 0));
        assert_sound(&app.env).await;
    }

    async fn what_is_held_by_one_node_is_not_there_for_the_other(app: TestApp) {
        let (ann, other) = (ann(&app, 100).await, app.another_node());
        let act = Act::Hold { user: ann, feature: feature("ai_calls"), amount: 3, lifetime: TimeDelta::minutes(5) };
        let mix = (0..200).map(|number| if number % 3 == 0 { one(ann) } else { call(act.clone()) });
        let outcomes = all([&app.env, &other], mix).await;
        let (used, held) = used(&app.env, ann).await;
        let ids: Vec<_> = outcomes.into_iter().filter_map(|outcome| match outcome {
            Outcome::Reserved { reservation, .. } => Some(reservation.id),
            _ => None,
        }).collect();
        assert_eq!(held, 3 * i64::try_from(ids.len()).unwrap());
        assert!((98..=100).contains(&(used + held)), "{used} + {held}");
        // Each is settled twice, here and there, once as confirmed and once as released.
        let settling = ids.iter().flat_map(|id| [
            call(Act::Confirm { reservation: *id, amount: None }),
            call(Act::Release { reservation: *id }),
        ]);
        let settled = all([&app.env, &other], settling).await;
        for pair in settled.chunks(2) {
            let good = pair.iter().filter(|outcome| matches!(outcome, Outcome::Reserved { .. })).count();
            let late = pair.iter().filter(|outcome| matches!(outcome, Outcome::Settled { .. })).count();
            assert_eq!((good, late), (1, 1), "{pair:?}");
        }
        let confirmed = settled.iter().filter(|outcome| matches!(outcome, Outcome::Reserved { reservation, .. }
            if reservation.state == ReservationState::Confirmed)).count();
        assert_eq!(self::used(&app.env, ann).await, (used + 3 * i64::try_from(confirmed).unwrap(), 0));
        assert_sound(&app.env).await;
    }

    async fn a_reservation_that_two_confirm_at_once_counts_once(app: TestApp) {
        let (ann, other) = (ann(&app, 1000).await, app.another_node());
        for round in 1..=10 {
            let id = hold(&app.env, ann, 5, 60).await;
            let act = Act::Confirm { reservation: id, amount: Some(4) };
            let outcomes = all([&app.env, &other], (0..6).map(|_| call(act.clone()))).await;
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Reserved { .. })), "{outcomes:?}");
            assert_eq!(used(&app.env, ann).await, (4 * round, 0));
        }
        assert_sound(&app.env).await;
    }

    async fn what_does_not_fit_is_refused_or_cut(app: TestApp) {
        let ann = ann(&app, 10).await;
        assert_eq!(counted(&done(&app.env, consume(ann, "ai_calls", 7, OnExceed::Reject)).await), Some(7));
        let outcome = done(&app.env, consume(ann, "ai_calls", 4, OnExceed::Reject)).await;
        let Outcome::Refused { decision } = outcome else { panic!("{outcome:?}") };
        assert_eq!((decision.used, decision.remaining, decision.requested), (7, Some(3), 4));
        let outcome = done(&app.env, consume(ann, "ai_calls", 4, OnExceed::Cap)).await;
        assert_eq!(counted(&outcome), Some(3));
        assert_eq!(refused(&done(&app.env, consume(ann, "ai_calls", 4, OnExceed::Cap)).await), Some(Reason::LimitReached));
        assert_eq!(used(&app.env, ann).await, (10, 0));
        assert_sound(&app.env).await;
    }

    async fn giving_back_goes_to_nothing_and_no_further(app: TestApp) {
        let ann = ann(&app, 10).await;
        let give_back = |amount: i64| consume(ann, "ai_calls", -amount, OnExceed::Reject);
        assert_eq!(counted(&done(&app.env, give_back(3)).await), Some(0));
        done(&app.env, consume(ann, "ai_calls", 5, OnExceed::Reject)).await;
        assert_eq!(counted(&done(&app.env, give_back(3)).await), Some(-3));
        // Even of what the tier no longer has.
        restrict(&app.env, ann, "ai_calls", Limit::OFF).await;
        assert_eq!(counted(&done(&app.env, give_back(3)).await), Some(-2));
        assert_eq!(used(&app.env, ann).await, (0, 0));
        assert_sound(&app.env).await;
    }

    async fn amounts_and_times_out_of_range_count_nothing(app: TestApp) {
        let ann = ann(&app, 10).await;
        for amount in [0, 1_000_000_001, -1_000_000_001, i64::MAX, i64::MIN] {
            let refused = usage::call(&app.env, consume(ann, "ai_calls", amount, OnExceed::Cap)).await;
            assert!(matches!(refused, Err(UsageError::BadAmount)), "{amount}");
        }
        for (amount, seconds) in [(0, 60), (-1, 60), (i64::MIN, 60), (1, 0), (1, -1), (1, 86_401)] {
            let lifetime = TimeDelta::seconds(seconds);
            let act = Act::Hold { user: ann, feature: feature("ai_calls"), amount, lifetime };
            assert!(usage::call(&app.env, call(act)).await.is_err(), "{amount} {seconds}");
        }
        let id = hold(&app.env, ann, 1, 60).await;
        for amount in [-1, 1_000_000_001] {
            let act = Act::Confirm { reservation: id, amount: Some(amount) };
            assert!(matches!(usage::call(&app.env, call(act)).await, Err(UsageError::BadAmount)));
        }
        assert_eq!(used(&app.env, ann).await, (0, 1));
    }

    async fn who_or_what_is_unknown_closed_or_a_switch_counts_nothing(app: TestApp) {
        let ann = ann(&app, 10).await;
        let nobody: UserId = app.env.random.id(app.env.clock.now());
        assert_eq!(refused(&done(&app.env, one(nobody)).await), Some(Reason::UserUnknown));
        assert_eq!(refused(&done(&app.env, consume(ann, "gone", 1, OnExceed::Cap)).await), Some(Reason::FeatureUnknown));
        assert_eq!(done(&app.env, consume(ann, "export_csv", 1, OnExceed::Cap)).await, Outcome::NotCounted);
        let unknown: ReservationId = app.env.random.id(app.env.clock.now());
        assert_eq!(confirm(&app.env, unknown, None).await, Outcome::NoSuchReservation);
        assert_eq!(release(&app.env, unknown).await, Outcome::NoSuchReservation);
        let id = hold(&app.env, ann, 2, 600).await;
        members::set_disabled(&app.env, ann, true, "operator").await.unwrap();
        assert_eq!(refused(&done(&app.env, one(ann)).await), Some(Reason::UserDisabled));
        assert_eq!(refused(&done(&app.env, consume(ann, "ai_calls", -1, OnExceed::Cap)).await), Some(Reason::UserDisabled));
        // Work that had begun is counted.
        reserved(confirm(&app.env, id, None).await);
        assert_eq!(used(&app.env, ann).await, (2, 0));
        assert_sound(&app.env).await;
    }

    async fn a_reservation_is_confirmed_with_less_or_more_or_nothing(app: TestApp) {
        let ann = ann(&app, 10).await;
        let id = hold(&app.env, ann, 6, 60).await;
        assert_eq!(refused(&done(&app.env, consume(ann, "ai_calls", 5, OnExceed::Reject)).await), Some(Reason::LimitReached));
        let (reservation, decision) = reserved(confirm(&app.env, id, Some(4)).await);
        assert_eq!((reservation.state, reservation.confirmed_amount), (ReservationState::Confirmed, Some(4)));
        assert_eq!((decision.used, decision.reserved, decision.remaining), (4, 0, Some(6)));
        // The same again is the same, another amount is not.
        reserved(confirm(&app.env, id, Some(4)).await);
        assert!(matches!(confirm(&app.env, id, Some(5)).await, Outcome::Settled { .. }));
        assert!(matches!(release(&app.env, id).await, Outcome::Settled { .. }));

        let id = hold(&app.env, ann, 2, 60).await;
        let refusal = confirm(&app.env, id, Some(7)).await;
        let Outcome::Refused { decision } = refusal else { panic!("{refusal:?}") };
        assert_eq!((decision.reason, decision.remaining), (Reason::LimitReached, Some(6)));
        // It is still held, and more may fit.
        assert_eq!(used(&app.env, ann).await, (4, 2));
        reserved(confirm(&app.env, id, Some(6)).await);
        assert_eq!(used(&app.env, ann).await, (10, 0));

        restrict(&app.env, ann, "ai_calls", Limit::At(20)).await;
        let id = hold(&app.env, ann, 5, 60).await;
        reserved(confirm(&app.env, id, Some(0)).await);
        let id = hold(&app.env, ann, 5, 60).await;
        // What was promised is kept when the limit is lowered.
        restrict(&app.env, ann, "ai_calls", Limit::At(1)).await;
        reserved(confirm(&app.env, id, None).await);
        assert_eq!(used(&app.env, ann).await, (15, 0));
        assert_sound(&app.env).await;
    }

    async fn what_is_released_is_free_again(app: TestApp) {
        let ann = ann(&app, 5).await;
        let id = hold(&app.env, ann, 5, 60).await;
        assert_eq!(refused(&done(&app.env, one(ann)).await), Some(Reason::LimitReached));
        for _ in 0..2 {
            let (reservation, decision) = reserved(release(&app.env, id).await);
            assert_eq!((reservation.state, decision.remaining), (ReservationState::Released, Some(5)));
        }
        assert!(matches!(confirm(&app.env, id, None).await, Outcome::Settled { .. }));
        assert_eq!(counted(&done(&app.env, one(ann)).await), Some(1));
        assert_sound(&app.env).await;
    }

    async fn what_nobody_settles_is_free_in_time_swept_or_not(app: TestApp) {
        let ann = ann(&app, 5).await;
        let id = hold(&app.env, ann, 5, 60).await;
        app.env.clock.advance(TimeDelta::milliseconds(59_999));
        assert_eq!(refused(&done(&app.env, one(ann)).await), Some(Reason::LimitReached));
        app.env.clock.advance(TimeDelta::milliseconds(1));
        // What this node remembers is told to be over, too.
        let decision = entitlements::check(&app.env, "ann", &feature("ai_calls"), 5).await.unwrap();
        assert_eq!((decision.allowed, decision.reserved), (true, 0));
        let outcome = confirm(&app.env, id, None).await;
        assert!(matches!(&outcome, Outcome::Settled { reservation }
            if reservation.state_at(app.env.clock.now()) == ReservationState::Lapsed), "{outcome:?}");
        assert_eq!(counted(&done(&app.env, consume(ann, "ai_calls", 5, OnExceed::Reject)).await), Some(5));
        app.runner.purge().await.unwrap();
        let swept = usage::reservation(&app.env, id).await.unwrap().unwrap();
        assert_eq!(swept.state, ReservationState::Lapsed);
        let (reservation, _) = reserved(release(&app.env, id).await);
        assert_eq!(reservation.state, ReservationState::Lapsed);
        assert_eq!(used(&app.env, ann).await, (5, 0));
        assert_sound(&app.env).await;
        app.env.clock.advance(TimeDelta::days(30));
        app.runner.purge().await.unwrap();
        assert_eq!(usage::reservation(&app.env, id).await.unwrap(), None);
        assert_sound(&app.env).await;
    }

    async fn a_new_period_begins_with_nothing_used(app: TestApp) {
        let ann = ann(&app, 3).await;
        let of_november = hold(&app.env, ann, 1, 86_400).await;
        done(&app.env, consume(ann, "ai_calls", 2, OnExceed::Reject)).await;
        assert_eq!(refused(&done(&app.env, one(ann)).await), Some(Reason::LimitReached));
        // To the last moment of November.
        let end: DateTime<Utc> = "2026-12-01T00:00:00Z".parse().unwrap();
        app.env.clock.advance(end - app.env.clock.now() - TimeDelta::hours(1));
        let late = hold(&app.env, ann, 1, 86_400).await;
        assert_ne!(of_november, late);
        app.env.clock.advance(TimeDelta::hours(1) - TimeDelta::microseconds(1));
        assert_eq!(refused(&done(&app.env, one(ann)).await), Some(Reason::LimitReached));
        app.env.clock.advance(TimeDelta::microseconds(1));
        let outcome = done(&app.env, consume(ann, "ai_calls", 3, OnExceed::Reject)).await;
        let Outcome::Counted { decision, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(decision.resets_at, Some("2027-01-01T00:00:00Z".parse().unwrap()));
        // What was held in November counts there.
        let (_, decision) = reserved(confirm(&app.env, late, None).await);
        assert_eq!((decision.used, decision.resets_at), (3, Some(end)));
        assert_eq!(used(&app.env, ann).await, (3, 0));
        assert_sound(&app.env).await;
    }

    async fn a_repeated_call_gets_the_same_answer_and_counts_once(app: TestApp) {
        let (ann, other) = (ann(&app, 2).await, app.another_node());
        let first = done(&app.env, keyed(one(ann), 1, 1)).await;
        assert_eq!(counted(&first), Some(1));
        done(&app.env, one(ann)).await;
        for env in [&app.env, &other] {
            assert_eq!(done(env, keyed(one(ann), 1, 1)).await, first);
            assert_eq!(done(env, keyed(one(ann), 1, 2)).await, Outcome::KeyReused);
        }
        // A refusal is an answer, too, and stays one when the limit is raised.
        let refusal = done(&app.env, keyed(one(ann), 2, 1)).await;
        assert_eq!(refused(&refusal), Some(Reason::LimitReached));
        restrict(&app.env, ann, "ai_calls", Limit::At(10)).await;
        assert_eq!(done(&other, keyed(one(ann), 2, 1)).await, refusal);
        let act = Act::Hold { user: ann, feature: feature("ai_calls"), amount: 1, lifetime: TimeDelta::minutes(1) };
        let held = done(&app.env, keyed(call(act.clone()), 3, 1)).await;
        assert_eq!(done(&other, keyed(call(act), 3, 1)).await, held);
        assert_eq!(used(&app.env, ann).await, (2, 1));
        app.env.clock.advance(TimeDelta::hours(48) - TimeDelta::microseconds(1));
        assert_eq!(done(&other, keyed(one(ann), 1, 1)).await, first);
        // After two days it is a new call, forgotten or not.
        app.env.clock.advance(TimeDelta::microseconds(1));
        assert_eq!(done(&app.env, keyed(one(ann), 1, 2)).await, done(&other, keyed(one(ann), 1, 2)).await);
        app.runner.purge().await.unwrap();
        assert_eq!(counted(&done(&app.env, keyed(one(ann), 2, 1)).await), Some(1));
        assert_eq!(used(&app.env, ann).await, (4, 0));
        assert_sound(&app.env).await;
    }

    async fn a_call_that_is_being_answered_is_not_begun_again(app: TestApp) {
        let (ann, other) = (ann(&app, 1000).await, app.another_node());
        for round in 1..=20 {
            let calls = (0..2).map(|_| usage::call(&app.env, keyed(one(ann), round, 1)));
            let [one, two] = <[_; 2]>::try_from(calls.collect::<Vec<_>>()).ok().unwrap();
            let (one, two) = tokio::join!(one, two);
            assert_eq!((counted(&one.unwrap()), two.unwrap()), (Some(1), Outcome::KeyInFlight));
        }
        // Another node waits for the answer, and gives it.
        for round in 21..=40 {
            let outcomes = all([&app.env, &other], (0..2).map(|_| keyed(one(ann), round, 1))).await;
            assert_eq!(counted(&outcomes[0]), Some(1));
            assert_eq!(outcomes[0], outcomes[1]);
        }
        // Many keys at once on both.
        let outcomes = all([&app.env, &other], (0..80).map(|number| keyed(one(ann), 100 + number / 2, 1))).await;
        assert!(outcomes.iter().all(|outcome| counted(outcome) == Some(1)), "{outcomes:?}");
        assert_eq!(used(&app.env, ann).await, (80, 0));
        assert_sound(&app.env).await;
    }

    async fn who_hangs_up_takes_nothing_back(app: TestApp) {
        let ann = ann(&app, 10).await;
        tokio::select! {
            biased;
            _ = usage::call(&app.env, keyed(one(ann), 1, 1)) => panic!("that was quick"),
            () = std::future::ready(()) => {}
        }
        // The key is not in flight for good.
        let answer = loop {
            match done(&app.env, keyed(one(ann), 1, 1)).await {
                Outcome::KeyInFlight => tokio::task::yield_now().await,
                answer => break answer,
            }
        };
        assert_eq!(counted(&answer), Some(1));
        assert_eq!(used(&app.env, ann).await, (1, 0));
    }

    async fn a_key_that_has_ended_counts_nothing_beside_good_ones(app: TestApp) {
        let (ann, other) = (ann(&app, 100).await, app.another_node());
        let mut ids: Vec<ApiKeyId> = Vec::new();
        let mut tokens = Vec::new();
        let soon = app.env.clock.now() + TimeDelta::hours(1);
        for (name, expires_at) in [("good", None), ("revoked", None), ("ended", Some(soon))] {
            let scopes: Scopes = [Scope::Consume].into_iter().collect();
            let new = NewApiKey { name: name.to_owned(), scopes, user: None, expires_at };
            let (key, token) = api_keys::create(&app.env, new, "operator").await.unwrap();
            ids.push(key.id);
            tokens.push(token);
        }
        // The other node has let its request in a moment before.
        assert!(api_keys::identify(&other, &tokens[1]).await.unwrap().is_some());
        assert!(api_keys::revoke(&app.env, ids[1], "operator").await.unwrap());
        assert!(api_keys::identify(&app.env, &tokens[1]).await.unwrap().is_none(), "this node knows at once");
        app.env.clock.advance(TimeDelta::hours(1));
        let with = |number: usize| UsageCall { api_key: Some(ids[number % 3]), ..keyed(one(ann), number.try_into().unwrap(), 1) };
        let outcomes = all([&other, &other], (0..30).map(with)).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            if number % 3 == 0 {
                assert_eq!(counted(outcome), Some(1));
            } else {
                assert_eq!(*outcome, Outcome::Revoked);
            }
        }
        // No answer was kept under its keys.
        let again = UsageCall { api_key: Some(ids[0]), ..keyed(one(ann), 1, 1) };
        assert_eq!(counted(&done(&app.env, again).await), Some(1));
        assert_eq!(used(&app.env, ann).await, (11, 0));
        assert_sound(&app.env).await;
    }

    async fn a_call_that_cannot_be_done_harms_no_other(app: TestApp) {
        let ann = ann(&app, 100).await;
        let broken = member(&app.env, "bob").await;
        let mut tx = app.env.db.begin().await.unwrap();
        match tx.conn() {
            vouchsafe::store::Conn::Sqlite(c) => {
                sqlx::query("UPDATE users SET lang = 'tlh' WHERE external_id = 'bob'").execute(c).await.map(|_| ())
            }
            vouchsafe::store::Conn::Postgres(c) => {
                sqlx::query("UPDATE users SET lang = 'tlh' WHERE external_id = 'bob'").execute(c).await.map(|_| ())
            }
        }.unwrap();
        tx.commit().await.unwrap();
        let mut running = JoinSet::new();
        for number in 0..20 {
            let env = app.env.clone();
            let user = if number == 7 { broken } else { ann };
            running.spawn(async move { (number, usage::call(&env, keyed(one(user), number, 1)).await) });
        }
        for (number, outcome) in running.join_all().await {
            match outcome {
                Ok(outcome) => assert_eq!((number == 7, counted(&outcome)), (false, Some(1))),
                Err(error) => assert_eq!(number, 7, "{error}"),
            }
        }
        assert_eq!(used(&app.env, ann).await, (19, 0));
        // Its key is free: the call did not happen.
        assert!(usage::call(&app.env, keyed(one(broken), 7, 1)).await.is_err());
        assert_sound(&app.env).await;
    }

    async fn a_change_is_seen_here_at_once_and_there_within_a_second(app: TestApp) {
        let (ann, other) = (ann(&app, 10).await, app.another_node());
        let calls = feature("ai_calls");
        let seen = async |env: &Env| {
            let decision = entitlements::check(env, "ann", &calls, 1).await.unwrap();
            (decision.used, decision.limit)
        };
        let nearly = TimeDelta::milliseconds(899);
        for env in [&app.env, &other] {
            assert_eq!(seen(env).await, (0, Some(10)));
        }
        done(&app.env, consume(ann, "ai_calls", 4, OnExceed::Reject)).await;
        assert_eq!(seen(&app.env).await, (4, Some(10)));
        app.env.clock.advance(nearly);
        assert_eq!(seen(&other).await, (0, Some(10)), "it is remembered, or every question would cost a statement");
        app.env.clock.advance(TimeDelta::seconds(1) - nearly);
        assert_eq!(seen(&other).await, (4, Some(10)));

        restrict(&app.env, ann, "ai_calls", Limit::At(7)).await;
        assert_eq!(seen(&app.env).await, (4, Some(7)));
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(seen(&other).await, (4, Some(7)));

        // The configuration: what the tier gives.
        restrictions::delete(&app.env, ann, &calls, "operator").await.unwrap();
        catalogue::set_setting(&app.env, "operator", "timezone", "Asia/Tokyo").await.unwrap();
        let resets_at = async |env: &Env| {
            entitlements::check(env, "ann", &calls, 1).await.unwrap().resets_at.unwrap().to_rfc3339()
        };
        assert_eq!(resets_at(&app.env).await, "2026-11-30T15:00:00+00:00");
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(resets_at(&other).await, "2026-11-30T15:00:00+00:00");

        // A name that becomes somebody else's.
        let bob = member(&app.env, "bob").await;
        for env in [&app.env, &other] {
            assert_eq!(entitlements::find(env, "bob").await.unwrap().unwrap().standing.user.id, bob);
        }
        let renamed = MemberDetails { external_id: Some("robert".to_owned()), ..MemberDetails::default() };
        members::update(&app.env, bob, &renamed, "operator").await.unwrap();
        let new_bob = member(&app.env, "bob").await;
        assert_eq!(entitlements::find(&app.env, "bob").await.unwrap().unwrap().standing.user.id, new_bob);
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(entitlements::find(&other, "bob").await.unwrap().unwrap().standing.user.id, new_bob);
        // Counting asks nobody's memory.
        restrict(&app.env, new_bob, "ai_calls", Limit::OFF).await;
        assert_eq!(refused(&done(&other, one(new_bob)).await), Some(Reason::FeatureOff));
    }

    async fn what_was_read_before_a_change_is_not_remembered_after_it(app: TestApp) {
        let ann = ann(&app, 10).await;
        let (memory, now) = (&app.env.memory, app.env.clock.now());
        let known = entitlements::known(&app.env, ann).await.unwrap().unwrap();
        let epoch = memory.standing_epoch(ann);
        app.env.access_changed(ann);
        memory.remember_standing(epoch, known.catalogue.clone(), known.standing.clone(), now);
        assert!(memory.standing(ann, &known.catalogue, now).is_none());

        let epoch = memory.standing_epoch(ann);
        memory.usage_changed(ann);
        memory.remember_standing(epoch, known.catalogue.clone(), known.standing.clone(), now);
        assert!(memory.standing(ann, &known.catalogue, now).is_none());

        let newer = entitlements::find(&app.env, "ann").await.unwrap().unwrap();
        let by_name = || memory.standing_of("ann", &known.catalogue, now).map(|(known, ..)| known);
        assert!(Arc::ptr_eq(&by_name().unwrap(), &newer));
        memory.usage_changed(ann);
        assert!(by_name().is_none(), "the name is still good, and what was read with it is not");

        let epoch = memory.names_epoch();
        app.env.access_changed(ann);
        memory.remember_name(epoch, "ann", ann, None, now);
        assert_eq!(memory.named("ann", now), None);

        let epoch = memory.catalogue_epoch();
        app.env.configuration_changed();
        memory.remember_catalogue(epoch, &known.catalogue, now);
        assert!(memory.last_catalogue().is_none());

        let epoch = memory.keys_epoch();
        memory.keys_changed();
        memory.remember_api_key(epoch, b"hash".to_vec(), None, now);
        assert_eq!(memory.api_key(b"hash", now), None);
    }

    async fn one_of_many_looks_up_again_what_is_old_and_nobody_takes_what_is_too_old(app: TestApp) {
        let ann = ann(&app, 10).await;
        let known = entitlements::known(&app.env, ann).await.unwrap().unwrap();
        let begun = app.env.clock.now();
        let age = |milliseconds| {
            let now = begun + TimeDelta::milliseconds(milliseconds);
            app.env.memory.standing(ann, &known.catalogue, now).map(|(_, age)| age)
        };
        assert_eq!((age(0), age(899)), (Some(Age::Fresh), Some(Age::Fresh)));
        assert_eq!(age(900), Some(Age::Old), "the first has it looked up");
        assert_eq!((age(900), age(999)), (Some(Age::Fresh), Some(Age::Fresh)), "the others need not");
        assert_eq!((age(1_000), age(1_000)), (None, None), "whether or not the first came back");
        assert_eq!(age(-1_000), None, "a clock that was set back is no excuse");
    }

    async fn what_is_old_is_read_again_before_somebody_has_to_wait(app: TestApp) {
        let ann = ann(&app, 10).await;
        let name = ann.to_string();
        let read = async || entitlements::find(&app.env, &name).await.unwrap().unwrap();
        let first = read().await;
        app.env.clock.advance(TimeDelta::milliseconds(900));
        assert!(Arc::ptr_eq(&first, &read().await), "whoever finds it old does not wait");
        // Both the name and the standing were old.
        let replaced = async {
            while Arc::ptr_eq(&first, &read().await) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), replaced).await.expect("it is read again");
        let second = read().await;
        app.env.clock.advance(TimeDelta::milliseconds(800));
        assert!(Arc::ptr_eq(&second, &read().await), "it is good for a second of its own");
    }

    async fn a_question_does_not_carry_along_what_reading_the_database_takes(app: TestApp) {
        let user = ann(&app, 10).await;
        for size in [
            size_of_val(&api_keys::identify(&app.env, "vs_token")),
            size_of_val(&entitlements::find(&app.env, "ann")),
            size_of_val(&entitlements::identify(&app.env, "ann")),
            size_of_val(&entitlements::known(&app.env, user)),
        ] {
            assert!(size <= 1_024, "{size} bytes are copied several times for each answer");
        }
    }

    async fn many_who_are_asked_for_at_once_get_their_own(app: TestApp) {
        let mut people = Vec::new();
        for number in 0..20 {
            let user = member(&app.env, &format!("member{number}")).await;
            restrict(&app.env, user, "ai_calls", Limit::from_stored(Some(number))).await;
            people.push((number, user));
        }
        let mut asked = JoinSet::new();
        for (number, user) in people {
            let env = app.env.clone();
            asked.spawn(async move {
                let by_name = entitlements::find(&env, &format!("member{number}")).await.unwrap().unwrap();
                let by_id = entitlements::known(&env, user).await.unwrap().unwrap();
                let calls: FeatureId = "ai_calls".parse().unwrap();
                for known in [by_name, by_id] {
                    assert_eq!(known.standing.user.id, user);
                    assert_eq!(known.standing.restriction(&calls).unwrap().limit, Limit::from_stored(Some(number)));
                }
                assert!(entitlements::find(&env, &format!("nobody{number}")).await.unwrap().is_none());
            });
        }
        asked.join_all().await;
    }
}

/// What may happen, in numbers.
#[derive(Debug, Clone)]
enum Step {
    Consume { user: usize, of: usize, amount: i64, cap: bool, key: Option<u8> },
    Hold { user: usize, of: usize, amount: i64, seconds: i64 },
    Confirm { which: Index, amount: Option<i64> },
    Release { which: Index },
    Limit { user: usize, of: usize, limit: Option<i64> },
    Wait { seconds: i64 },
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let (user, of, amount) = (0..2usize, 0..2usize, 1..6i64);
    // Keys are few, so that they meet: the same content, another one, and after two days.
    let key = proptest::option::weighted(0.4, 0..3u8);
    let signed = prop_oneof![4 => 1..6i64, 1 => -4..0i64];
    prop_oneof![
        8 => (user.clone(), of.clone(), signed, any::<bool>(), key)
            .prop_map(|(user, of, amount, cap, key)| Step::Consume { user, of, amount, cap, key }),
        4 => (user.clone(), of.clone(), amount.clone(), prop_oneof![Just(30), Just(600), Just(86_400)])
            .prop_map(|(user, of, amount, seconds)| Step::Hold { user, of, amount, seconds }),
        4 => (any::<Index>(), proptest::option::of(0..8i64)).prop_map(|(which, amount)| Step::Confirm { which, amount }),
        2 => any::<Index>().prop_map(|which| Step::Release { which }),
        2 => (user, of, proptest::option::weighted(0.9, 0..12i64))
            .prop_map(|(user, of, limit)| Step::Limit { user, of, limit }),
        3 => prop_oneof![Just(29), Just(31), Just(601), Just(86_400), Just(172_800), Just(1_300_000)]
            .prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Sweep),
    ]
}

/// One is never counted anew, one with every month.
const FEATURES: [&str; 2] = ["photos", "ai_calls"];

/// A counter: whose, of what, and in which month.
type Counter = (usize, usize, Option<(i32, u32)>);

#[derive(Debug, Clone)]
struct ModelHold {
    id: ReservationId,
    counter: Counter,
    amount: i64,
    made: DateTime<Utc>,
    ends: DateTime<Utc>,
    state: ReservationState,
    confirmed: Option<i64>,
}

/// Whose, of what, how much, and whether what is left will do.
type Asked = (usize, usize, i64, bool);

/// The same in memory, the plain way.
#[derive(Debug, Default)]
struct Model {
    used: BTreeMap<Counter, i64>,
    holds: Vec<ModelHold>,
    limits: BTreeMap<(usize, usize), Option<i64>>,
    /// By key: when, what was asked, what was answered.
    answers: BTreeMap<u8, (DateTime<Utc>, Asked, Outcome)>,
}

impl Model {
    fn counter(user: usize, of: usize, now: DateTime<Utc>) -> Counter {
        (user, of, (of == 1).then(|| (now.year(), now.month())))
    }

    fn used(&self, counter: Counter) -> i64 {
        self.used.get(&counter).copied().unwrap_or(0)
    }

    fn held(&self, counter: Counter, now: DateTime<Utc>) -> i64 {
        let held =
            |hold: &&ModelHold| hold.counter == counter && hold.state == ReservationState::Held && hold.ends > now;
        self.holds.iter().filter(held).map(|hold| hold.amount).sum()
    }

    fn room(&self, counter: Counter, now: DateTime<Utc>) -> i64 {
        match self.limits[&(counter.0, counter.1)] {
            Some(limit) => (limit - self.used(counter) - self.held(counter, now)).max(0),
            None => i64::MAX,
        }
    }

    /// Returns how many units are counted; nothing if it is refused.
    fn consume(&mut self, counter: Counter, amount: i64, cap: bool, now: DateTime<Utc>) -> Option<i64> {
        let room = self.room(counter, now);
        let counted = if amount < 0 {
            -(-amount).min(self.used(counter))
        } else if amount <= room {
            amount
        } else if cap && room > 0 {
            room
        } else {
            return None;
        };
        *self.used.entry(counter).or_default() += counted;
        Some(counted)
    }
}

/// What the program did agrees with the model.
fn agrees(found: bool, step: &Step, outcome: &Outcome, model: &Model) -> Result<(), TestCaseError> {
    if found { Ok(()) } else { Err(TestCaseError::fail(format!("{step:?}: {outcome:?}\n{model:#?}"))) }
}

async fn walk(app: &TestApp, nodes: [&Env; 2], round: u32, steps: &[(Step, usize)]) -> Result<(), TestCaseError> {
    let mut users = Vec::new();
    let mut model = Model::default();
    for user in 0..2 {
        let id = member(&app.env, &format!("walker {round} {user}").replace(' ', "-")).await;
        for (of, name) in FEATURES.iter().enumerate() {
            restrict(&app.env, id, name, Limit::At(8)).await;
            model.limits.insert((user, of), Some(8));
        }
        users.push(id);
    }
    for (step, node) in steps {
        let (env, now) = (nodes[*node], app.env.clock.now());
        match step.clone() {
            Step::Consume { user, of, amount, cap, key } => {
                let on_exceed = if cap { OnExceed::Cap } else { OnExceed::Reject };
                let asked = (user, of, amount, cap);
                let mut call = consume(users[user], FEATURES[of], amount, on_exceed);
                if let Some(key) = key {
                    let mut id = [key; 32];
                    id[..4].copy_from_slice(&round.to_be_bytes());
                    let mut fingerprint = [0; 32];
                    let text = format!("{asked:?}");
                    fingerprint[..text.len().min(32)].copy_from_slice(&text.as_bytes()[..text.len().min(32)]);
                    call.idempotency = Some(IdempotencyKey { id, fingerprint });
                }
                let outcome = done(env, call).await;
                let kept =
                    key.and_then(|key| model.answers.get(&key)).filter(|kept| now - kept.0 < TimeDelta::hours(48));
                if let Some((_, before, answer)) = kept {
                    let expected = if *before == asked { answer.clone() } else { Outcome::KeyReused };
                    agrees(outcome == expected, step, &outcome, &model)?;
                    continue;
                }
                let counter = Model::counter(user, of, now);
                let expected = model.consume(counter, amount, cap, now);
                let (used, held) = (model.used(counter), model.held(counter, now));
                let limit = model.limits[&(user, of)];
                let is_right = match &outcome {
                    Outcome::Counted { decision, counted } => {
                        expected == Some(*counted)
                            && (decision.used, decision.reserved, decision.limit) == (used, held, limit)
                    }
                    Outcome::Refused { decision } => {
                        expected.is_none() && (decision.used, decision.reserved) == (used, held)
                    }
                    _ => false,
                };
                agrees(is_right, step, &outcome, &model)?;
                if let Some(key) = key {
                    model.answers.insert(key, (now, asked, outcome));
                }
            }
            Step::Hold { user, of, amount, seconds } => {
                let lifetime = TimeDelta::seconds(seconds);
                let act = Act::Hold { user: users[user], feature: feature(FEATURES[of]), amount, lifetime };
                let outcome = done(env, call(act)).await;
                let counter = Model::counter(user, of, now);
                let fits = amount <= model.room(counter, now);
                match &outcome {
                    Outcome::Reserved { reservation, decision } if fits => {
                        let id = reservation.id;
                        let (state, ends) = (ReservationState::Held, now + lifetime);
                        model.holds.push(ModelHold { id, counter, amount, made: now, ends, state, confirmed: None });
                        agrees(decision.reserved == model.held(counter, now), step, &outcome, &model)?;
                    }
                    _ => agrees(!fits && refused(&outcome).is_some(), step, &outcome, &model)?,
                }
            }
            Step::Confirm { which, amount } if !model.holds.is_empty() => {
                let at = which.index(model.holds.len());
                let hold = model.holds[at].clone();
                let outcome = confirm(env, hold.id, amount).await;
                let amount = amount.unwrap_or(hold.amount);
                let is_held = hold.state == ReservationState::Held && hold.ends > now;
                let is_right = if !is_held {
                    let again = hold.state == ReservationState::Confirmed && hold.confirmed == Some(amount);
                    matches!(outcome, Outcome::Reserved { .. }) == again
                        && matches!(outcome, Outcome::Settled { .. }) != again
                } else if amount <= hold.amount || amount - hold.amount <= model.room(hold.counter, now) {
                    *model.used.entry(hold.counter).or_default() += amount;
                    model.holds[at].state = ReservationState::Confirmed;
                    model.holds[at].confirmed = Some(amount);
                    matches!(&outcome, Outcome::Reserved { decision, .. }
                        if decision.used == model.used(hold.counter) && decision.reserved == model.held(hold.counter, now))
                } else {
                    refused(&outcome).is_some()
                };
                agrees(is_right, step, &outcome, &model)?;
            }
            Step::Release { which } if !model.holds.is_empty() => {
                let at = which.index(model.holds.len());
                let outcome = release(env, model.holds[at].id).await;
                let was_confirmed = model.holds[at].state == ReservationState::Confirmed;
                if model.holds[at].state == ReservationState::Held && model.holds[at].ends > now {
                    model.holds[at].state = ReservationState::Released;
                }
                let is_right = matches!(outcome, Outcome::Settled { .. }) == was_confirmed
                    && matches!(outcome, Outcome::Reserved { .. }) != was_confirmed;
                agrees(is_right, step, &outcome, &model)?;
            }
            Step::Confirm { .. } | Step::Release { .. } => {}
            Step::Limit { user, of, limit } => {
                restrict(env, users[user], FEATURES[of], Limit::from_stored(limit)).await;
                model.limits.insert((user, of), limit);
            }
            Step::Wait { seconds } => app.env.clock.advance(TimeDelta::seconds(seconds)),
            Step::Sweep => {
                app.runner.purge().await.unwrap();
                // After a month nobody knows what was held once.
                let is_held = |hold: &ModelHold| hold.state == ReservationState::Held && hold.ends > now;
                model.holds.retain(|hold| is_held(hold) || now - hold.made <= TimeDelta::days(30));
            }
        }
        // What this node tells without counting is the same; it has changed it, or read it just now.
        let now = app.env.clock.now();
        for (user, id) in users.iter().enumerate() {
            for (of, name) in FEATURES.iter().enumerate() {
                let explained = entitlements::explain(env, &id.to_string(), &feature(name), 1).await.unwrap();
                let counter = Model::counter(user, of, now);
                let found = (explained.decision.used, explained.decision.reserved, explained.decision.limit);
                prop_assert_eq!(
                    found,
                    (model.used(counter), model.held(counter, now), model.limits[&(user, of)]),
                    "{:?} {:#?}",
                    step,
                    model
                );
            }
        }
    }
    // Every period, those that are over too.
    let mut reader = app.env.db.reader().await.unwrap();
    for ((user, of, month), expected) in &model.used {
        let start = match month {
            Some((year, month)) => format!("{year}-{month:02}-01T00:00:00Z").parse().unwrap(),
            None => DateTime::UNIX_EPOCH,
        };
        let found = ledger::used(&mut reader.conn(), &[users[*user]], &[start]).await.unwrap();
        let of_feature = found.iter().find(|(_, used)| used.feature == feature(FEATURES[*of]));
        let found = of_feature.map_or(0, |(_, used)| used.used);
        prop_assert_eq!(found, *expected, "{:#?}", model);
    }
    Ok(())
}

/// Walks at random beside the model. `PROPTEST_CASES` makes it longer.
fn compare_with_the_model(backend: Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(app) = runtime.block_on(TestApp::new(backend)) else { return };
    let other = app.another_node();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(30);
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let round = std::cell::Cell::new(0);
    let steps = proptest::collection::vec((step(), 0..2usize), 1..40);
    let result = runner.run(&steps, |steps| {
        round.set(round.get() + 1);
        runtime.block_on(walk(&app, [&app.env, &other], round.get(), &steps))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    runtime.block_on(assert_sound(&app.env));
}

#[test]
fn two_nodes_do_what_the_model_does_on_sqlite() {
    compare_with_the_model(Backend::Sqlite);
}

#[test]
fn two_nodes_do_what_the_model_does_on_postgres() {
    compare_with_the_model(Backend::Postgres);
}
