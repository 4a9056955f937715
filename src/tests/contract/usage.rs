//! `store::usage`.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::{
        entitlement::{Held, Used},
        ids::{ReservationId, UserId},
        limit::Limit,
        usage::{Counter, Reservation, ReservationState, UsageKind},
    },
    store::{
        Conn,
        usage::{self, CounterKey, UsageEvent},
    },
};

use super::{ROUNDS, Store, after, name, on_both, won};

type KeyAndEnd = (CounterKey, Option<DateTime<Utc>>);

fn counter(user: UserId, feature: &str) -> CounterKey {
    CounterKey { user, period_start: after(0), feature: name(feature) }
}

fn sorted(mut keys: Vec<CounterKey>) -> Vec<KeyAndEnd> {
    keys.sort();
    keys.into_iter().map(|key| (key, None)).collect()
}

fn reservation(id: ReservationId, key: &CounterKey, amount: i64) -> Reservation {
    Reservation {
        id,
        user: key.user,
        feature: key.feature.clone(),
        amount,
        state: ReservationState::Held,
        confirmed_amount: None,
        expires_at: after(300),
        created_at: after(0),
        period_start: key.period_start,
        period_end: None,
    }
}

impl Store {
    async fn hold(&self, reservations: &[Reservation]) {
        let mut tx = self.begin().await;
        let new: Vec<_> = reservations.iter().map(|held| (held.clone(), "an app".to_owned())).collect();
        usage::insert_reservations(&mut tx.conn(), &new).await.unwrap();
        tx.commit().await.unwrap();
    }
}

on_both! {
    async fn what_is_written_is_locked_and_read_again(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let (photos, calls) = (counter(ann, "photos"), counter(ann, "ai_calls"));
        // The same in another period, and another's.
        let later = CounterKey { period_start: after(3600), ..photos.clone() };
        let others = counter(bob, "photos");
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        usage::write(conn, &[], after(0)).await.unwrap();
        let rows = [(photos.clone(), Some(after(3600)), 3), (later.clone(), None, 5), (others.clone(), None, 7)];
        usage::write(conn, &rows, after(0)).await.unwrap();
        usage::write(conn, &[(photos.clone(), Some(after(3600)), 4)], after(1)).await.unwrap();
        let keys = sorted(vec![photos.clone(), calls.clone(), later.clone()]);
        let found = usage::lock(conn, &keys, after(2)).await.unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[&photos], Counter { used: 4, held: 0 });
        assert_eq!(found[&calls], Counter::default());
        assert_eq!(found[&later], Counter { used: 5, held: 0 });
        assert!(usage::lock(conn, &[], after(2)).await.unwrap().is_empty());

        let used = async |conn: &mut Conn<'_>, users: &[UserId], starts: &[DateTime<Utc>]| {
            let mut used = usage::used(conn, users, starts).await.unwrap();
            // A counter that was locked only may have a row by now, of nothing.
            used.retain(|(_, used)| used.used > 0);
            used.sort_by_key(|(user, _)| *user);
            used
        };
        let of = |user, used| (user, Used { feature: name("photos"), period_start: after(0), used });
        assert_eq!(used(conn, &[ann], &[after(0), after(7200)]).await, [of(ann, 4)]);
        let mut both = [of(ann, 4), of(bob, 7)];
        both.sort_by_key(|(user, _)| *user);
        assert_eq!(used(conn, &[bob, ann], &[after(0), after(1800)]).await, both);
        assert_eq!(used(conn, &[ann], &[]).await, []);
        assert_eq!(used(conn, &[], &[after(0)]).await, []);
    }

    async fn a_counter_is_never_below_zero_and_has_a_member(store: Store) {
        let ann = store.member("ann@example.com").await;
        for (key, used) in [(counter(ann, "photos"), -1), (counter(store.id(), "photos"), 1)] {
            let mut tx = store.begin().await;
            assert!(usage::write(&mut tx.conn(), &[(key, None, used)], after(0)).await.is_err());
        }
    }

    async fn what_is_held_counts_until_its_time_is_over(store: Store) {
        let ann = store.member("ann@example.com").await;
        let (photos, calls) = (counter(ann, "photos"), counter(ann, "ai_calls"));
        let later = CounterKey { period_start: after(3600), ..photos.clone() };
        let short = Reservation { expires_at: after(60), ..reservation(store.id(), &photos, 2) };
        let released = Reservation { state: ReservationState::Released, ..reservation(store.id(), &photos, 100) };
        store.hold(&[
            reservation(store.id(), &photos, 3),
            short,
            released,
            reservation(store.id(), &calls, 5),
            reservation(store.id(), &later, 7),
        ]).await;
        store.hold(&[]).await;
        for (now, expected) in [(0, 5), (59, 5), (60, 3), (299, 3), (300, 0)] {
            let mut tx = store.begin().await;
            let conn = &mut tx.conn();
            let found = usage::lock(conn, &sorted(vec![photos.clone(), calls.clone()]), after(now)).await.unwrap();
            assert_eq!(found[&photos].held, expected, "{now}");
            assert_eq!(found[&calls].held, if now < 300 { 5 } else { 0 }, "{now}");
            let held = usage::held(conn, &[ann], after(now)).await.unwrap();
            let of_photos = |(_, held): &&(UserId, Held)| {
                held.feature == photos.feature && held.period_start == photos.period_start
            };
            assert_eq!(held.iter().filter(of_photos).map(|(_, held)| held.amount).sum::<i64>(), expected, "{now}");
        }
        let bob = store.member("bob@example.com").await;
        let theirs = reservation(store.id(), &counter(bob, "photos"), 11);
        store.hold(&[theirs]).await;
        let conn = &mut store.reader().await;
        let held = usage::held(&mut conn.conn(), &[ann, bob], after(60)).await.unwrap();
        assert_eq!(held.len(), 4);
        let of = |amount| held.iter().find(|(_, held)| held.amount == amount).map(|(user, held)| (*user, held.period_start));
        assert_eq!((of(7), of(11)), (Some((ann, after(3600))), Some((bob, after(0)))));
        assert_eq!(usage::held(&mut conn.conn(), &[bob], after(60)).await.unwrap().len(), 1);
        assert_eq!(usage::held(&mut conn.conn(), &[], after(60)).await.unwrap(), []);
    }

    async fn who_locks_a_counter_loses_no_unit_of_another(store: Store) {
        for round in 0..ROUNDS {
            // The first time there is no row yet: the race is for making it.
            let ann = store.member(&format!("ann{round}@example.com")).await;
            let key = counter(ann, "photos");
            let raced = key.clone();
            let counted = store.race(30, move |_, mut tx| {
                let key = raced.clone();
                async move {
                    let conn = &mut tx.conn();
                    let used = usage::lock(conn, &[(key.clone(), None)], after(1)).await.unwrap()[&key].used;
                    let fits = used < 20;
                    if fits {
                        usage::write(conn, &[(key, None, used + 1)], after(1)).await.unwrap();
                    }
                    (tx, fits)
                }
            });
            assert_eq!(won(&counted.await), 20);
            let mut tx = store.begin().await;
            let found = usage::lock(&mut tx.conn(), &[(key.clone(), None)], after(2)).await.unwrap();
            assert_eq!(found[&key].used, 20);
        }
    }

    async fn who_locks_a_counter_sees_what_was_held_meanwhile(store: Store) {
        let ann = store.member("ann@example.com").await;
        let key = counter(ann, "photos");
        let ids: Vec<ReservationId> = (0..30).map(|_| store.id()).collect();
        let held = store.race(30, move |number, mut tx| {
            let (key, id) = (key.clone(), ids[number]);
            async move {
                let conn = &mut tx.conn();
                let found = usage::lock(conn, &[(key.clone(), None)], after(1)).await.unwrap()[&key];
                let fits = found.held < 20;
                if fits {
                    usage::insert_reservations(conn, &[(reservation(id, &key, 1), String::new())]).await.unwrap();
                }
                (tx, fits)
            }
        });
        assert_eq!(won(&held.await), 20);
    }

    async fn many_counters_are_locked_in_one_order(store: Store) {
        let mut keys = Vec::new();
        for number in 0..4 {
            let user = store.member(&format!("member{number}@example.com")).await;
            keys.extend(["photos", "ai_calls", "weight_entries"].map(|feature| counter(user, feature)));
        }
        // All there are, so that nobody makes one.
        let rows: Vec<_> = keys.iter().map(|key| (key.clone(), None, 0)).collect();
        let mut tx = store.begin().await;
        usage::write(&mut tx.conn(), &rows, after(0)).await.unwrap();
        tx.commit().await.unwrap();
        let all = keys.clone();
        store.race(24, move |number, mut tx| {
            // Each takes some of them.
            let some = keys.iter().enumerate().filter(|(at, _)| (number + at * at) % 3 != 0).map(|(_, key)| key.clone());
            let some = sorted(some.collect());
            async move {
                let conn = &mut tx.conn();
                let found = usage::lock(conn, &some, after(1)).await.unwrap();
                let rows: Vec<_> = some.into_iter().map(|(key, end)| { let used = found[&key].used; (key, end, used + 1) }).collect();
                usage::write(conn, &rows, after(1)).await.unwrap();
                (tx, ())
            }
        }).await;
        let mut tx = store.begin().await;
        let found = usage::lock(&mut tx.conn(), &sorted(all.clone()), after(2)).await.unwrap();
        for (at, key) in all.iter().enumerate() {
            let expected = (0..24).filter(|number| (number + at * at) % 3 != 0).count();
            assert_eq!(found[key].used, i64::try_from(expected).unwrap());
        }
    }

    async fn the_ledger_is_appended_to_and_outlives_its_member(store: Store) {
        let ann = store.member("ann@example.com").await;
        let of = |kind, amount, used_after, limit, reservation| UsageEvent {
            id: store.id(),
            counter: counter(ann, "photos"),
            kind,
            amount,
            used_after,
            limit,
            reservation,
            actor: "an app".to_owned(),
        };
        let events = [
            of(UsageKind::Consumed, 3, 3, Limit::At(5), None),
            of(UsageKind::GivenBack, -1, 2, Limit::Unlimited, None),
            of(UsageKind::Confirmed, 2, 4, Limit::OFF, Some(store.id())),
        ];
        let mut tx = store.begin().await;
        usage::append(&mut tx.conn(), &events, after(0)).await.unwrap();
        usage::append(&mut tx.conn(), &[], after(0)).await.unwrap();
        tx.commit().await.unwrap();
        store.execute("DELETE FROM users").await;
        let lines = store.texts(
            "SELECT kind || ' ' || CAST(amount AS TEXT) || ' ' || CAST(used_after AS TEXT) || ' '
                || COALESCE(CAST(limit_value AS TEXT), '-') || CASE WHEN reservation_id IS NULL THEN '' ELSE ' held' END
            FROM usage_events ORDER BY kind",
        );
        assert_eq!(lines.await, ["confirmed 2 4 0 held", "consumed 3 3 5", "given_back -1 2 -"]);
        let mut tx = store.begin().await;
        let nothing = of(UsageKind::Consumed, 0, 0, Limit::OFF, None);
        assert!(usage::append(&mut tx.conn(), &[nothing], after(0)).await.is_err());
    }

    async fn a_reservation_is_found_as_written_and_settled_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        let (one, other) = (store.id(), store.id());
        let held = Reservation { period_end: Some(after(3600)), ..reservation(one, &counter(ann, "photos"), 3) };
        store.hold(&[held.clone(), reservation(other, &counter(ann, "ai_calls"), 1)]).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(usage::lock_reservations(conn, &[one, store.id()]).await.unwrap(), std::slice::from_ref(&held));
        assert_eq!(usage::lock_reservations(conn, &[]).await.unwrap(), []);
        assert_eq!(usage::find_reservation(conn, one).await.unwrap(), Some(held.clone()));
        assert_eq!(usage::find_reservation(conn, store.id()).await.unwrap(), None);
        let (confirmed, released) = (ReservationState::Confirmed, ReservationState::Released);
        assert!(usage::settle_reservation(conn, one, confirmed, Some(2), after(5)).await.unwrap());
        assert!(!usage::settle_reservation(conn, one, confirmed, Some(3), after(6)).await.unwrap());
        assert!(!usage::settle_reservation(conn, one, released, None, after(6)).await.unwrap());
        assert!(!usage::settle_reservation(conn, store.id(), released, None, after(6)).await.unwrap());
        let found = usage::lock_reservations(conn, &[one, other]).await.unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.contains(&Reservation { state: confirmed, confirmed_amount: Some(2), ..held }));
        assert!(found.iter().any(|found| found.id == other && found.state == ReservationState::Held));
    }

    async fn of_many_who_settle_one_reservation_at_once_one_does(store: Store) {
        let ann = store.member("ann@example.com").await;
        for _ in 0..ROUNDS {
            let id = store.id();
            store.hold(&[reservation(id, &counter(ann, "photos"), 3)]).await;
            let results = store.race(12, move |number, mut tx| async move {
                let conn = &mut tx.conn();
                let state = usage::lock_reservations(conn, &[id]).await.unwrap()[0].state;
                let (to, amount) = match number % 2 {
                    0 => (ReservationState::Confirmed, Some(1)),
                    _ => (ReservationState::Released, None),
                };
                let settled = usage::settle_reservation(conn, id, to, amount, after(1)).await.unwrap();
                // Whoever has the lock knows before.
                assert_eq!(settled, state == ReservationState::Held);
                (tx, settled)
            });
            assert_eq!(won(&results.await), 1);
        }
    }

    async fn lapsed_reservations_are_swept_and_old_ones_forgotten(store: Store) {
        let ann = store.member("ann@example.com").await;
        let key = counter(ann, "photos");
        let ids: Vec<ReservationId> = (0..5).map(|_| store.id()).collect();
        let settled = Reservation { state: ReservationState::Confirmed, ..reservation(ids[3], &key, 1) };
        let young = Reservation { created_at: after(100), expires_at: after(100), ..reservation(ids[4], &key, 1) };
        store.hold(&[
            Reservation { expires_at: after(10), ..reservation(ids[0], &key, 1) },
            Reservation { expires_at: after(11), ..reservation(ids[1], &key, 1) },
            reservation(ids[2], &key, 1),
            settled,
            young,
        ]).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(usage::sweep_reservations(conn, after(9), 10).await.unwrap(), 0);
        assert_eq!(usage::sweep_reservations(conn, after(10), 10).await.unwrap(), 1);
        assert_eq!(usage::find_reservation(conn, ids[0]).await.unwrap().unwrap().state, ReservationState::Lapsed);
        // At most as many as wanted.
        assert_eq!(usage::sweep_reservations(conn, after(200), 1).await.unwrap(), 1);
        assert_eq!(usage::sweep_reservations(conn, after(200), 10).await.unwrap(), 1);
        assert_eq!(usage::find_reservation(conn, ids[2]).await.unwrap().unwrap().state, ReservationState::Held);
        assert_eq!(usage::purge_reservations(conn, after(0), 10).await.unwrap(), 0);
        assert_eq!(usage::purge_reservations(conn, after(1), 2).await.unwrap(), 2);
        assert_eq!(usage::purge_reservations(conn, after(1), 2).await.unwrap(), 1);
        assert_eq!(usage::purge_reservations(conn, after(1), 2).await.unwrap(), 0);
        tx.commit().await.unwrap();
        // The one that is held and the young one.
        assert_eq!(store.count("reservations").await, 2);
    }
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_somebody_is_settling() {
    let Some(store) = Store::new(crate::harness::Backend::Postgres).await else { return };
    let ann = store.member("ann@example.com").await;
    let (one, other) = (store.id(), store.id());
    let key = counter(ann, "photos");
    store.hold(&[reservation(one, &key, 1), reservation(other, &key, 1)]).await;
    let mut settling = store.begin().await;
    usage::lock_reservations(&mut settling.conn(), &[one]).await.unwrap();
    let mut sweeping = store.begin().await;
    let end = after(300) + TimeDelta::days(1);
    assert_eq!(usage::sweep_reservations(&mut sweeping.conn(), end, 10).await.unwrap(), 1);
    sweeping.commit().await.unwrap();
    let state = usage::find_reservation(&mut settling.conn(), one).await.unwrap().unwrap().state;
    assert_eq!(state, ReservationState::Held);
}
