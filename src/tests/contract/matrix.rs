//! `store::matrix`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use vouchsafe::{
    domain::{
        grant::{Grant, GrantKind},
        ids::{FeatureId, TierId},
        limit::Limit,
        matrix::MatrixCell,
    },
    store::{
        Conn, grants,
        matrix::{self, MemberGroup},
        users::{self, NewUser},
    },
};

use super::{ROUNDS, Store, after, email, name, new_user, on_both, won};
use crate::harness::beginning;

fn cell(tier: &str, feature: &str, limit: Limit, version: i64) -> MatrixCell {
    MatrixCell { tier: name(tier), feature: name(feature), limit, version }
}

fn photos_of_free() -> (TierId, FeatureId) {
    (name("free"), name("photos"))
}

on_both! {
    async fn members_are_grouped_by_what_gives_them_a_tier(store: Store) {
        let premium: TierId = name("premium");
        // Own tier, end of the trial, end of the credit, whether closed.
        let members = [
            (None, None, None, false),
            (None, Some(after(1)), None, false),
            (None, Some(after(1)), None, false),
            (None, Some(beginning()), None, false),
            (None, None, Some(after(1)), false),
            (None, Some(after(1)), Some(after(1)), false),
            (Some(&premium), None, Some(beginning()), false),
            (Some(&premium), None, Some(after(1)), true),
        ];
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for (number, (tier, trial_ends_at, credit_until, closed)) in members.into_iter().enumerate() {
            let (id, address) = (store.id(), email(&format!("member{number}@example.com")));
            let new = new_user(id, &address);
            let new = NewUser { tier: tier.unwrap_or(new.tier), trial_ends_at, ..new };
            users::insert(conn, &new, beginning()).await.unwrap();
            users::set_credit_until(conn, &[(id, credit_until, beginning())]).await.unwrap();
            if closed {
                users::disable(conn, id, beginning()).await.unwrap();
            }
        }
        let groups: BTreeMap<(String, bool, bool), i64> = matrix::member_groups(conn, beginning(), TimeDelta::days(7))
            .await
            .unwrap()
            .into_iter()
            .map(|MemberGroup { tier_id, on_trial, with_credit, members, .. }| {
                ((tier_id.to_string(), on_trial, with_credit), members)
            })
            .collect();
        let free = |on_trial, with_credit| ("free".to_owned(), on_trial, with_credit);
        let expected = [
            (free(false, false), 2),
            (free(true, false), 2),
            (free(false, true), 1),
            (free(true, true), 1),
            (("premium".to_owned(), false, false), 1),
        ];
        assert_eq!(groups, BTreeMap::from(expected));
    }

    async fn members_count_by_the_grant_whose_turn_it_is(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let runs = Grant { began_at: Some(beginning()), running_since: Some(beginning()), ..store.grant(ann, "premium", 0) };
        let waits = [store.grant(ann, "basic", 1), store.grant(ann, "free", 0)];
        let pass = Grant { kind: GrantKind::Partner, ..store.grant(ann, "free", 5) };
        for grant in [&runs, &waits[0], &waits[1]] {
            grants::put(conn, grant, beginning()).await.unwrap();
        }
        let counted = async |conn: &mut Conn<'_>, second| {
            let groups = matrix::member_groups(conn, after(second), TimeDelta::days(7)).await.unwrap();
            let mut told: Vec<_> = groups.into_iter().map(|group| (group.grant_tier.map(|tier| tier.to_string()), group.members)).collect();
            told.sort();
            told
        };
        let granted = |tier: &str| vec![(None, 1), (Some(tier.to_owned()), 1)];
        assert_eq!(counted(conn, 0).await, granted("premium"));
        assert_eq!(counted(conn, 3_599).await, granted("premium"));
        // It is used up, and nobody has written that down yet: the stronger of the two follows.
        assert_eq!(counted(conn, 3_600).await, granted("basic"));
        grants::put(conn, &pass, beginning()).await.unwrap();
        assert_eq!(counted(conn, 3_600).await, granted("free"), "a pass comes first");
        for grant in [runs, waits[0].clone(), waits[1].clone(), pass] {
            let ended = Grant { remaining: 0, running_since: None, began_at: Some(beginning()), ended_at: Some(after(1)), ..grant };
            grants::put(conn, &ended, after(1)).await.unwrap();
        }
        assert_eq!(counted(conn, 2).await, [(None, 2)]);
        let _ = bob;
    }

    async fn a_cell_is_found_with_who_wrote_it(store: Store) {
        let (tier, feature) = photos_of_free();
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let (seeded, (by, _)) = matrix::find_cell(conn, &tier, &feature).await.unwrap().unwrap();
        assert_eq!((seeded, by), (cell("free", "photos", Limit::At(5), 1), None));
        let wanted = cell("free", "photos", Limit::Unlimited, 2);
        assert!(matrix::update_cell(conn, &wanted, 1, "ann@example.com", after(1)).await.unwrap());
        let found = matrix::find_cell(conn, &tier, &feature).await.unwrap();
        assert_eq!(found, Some((wanted.clone(), (Some("ann@example.com".to_owned()), after(1)))));
        let cells = matrix::cells(conn).await.unwrap();
        assert_eq!(cells.len(), 44);
        assert!(cells.contains(&wanted));
        assert_eq!(matrix::find_cell(conn, &name("gone"), &feature).await.unwrap(), None);
    }

    async fn a_cell_is_changed_by_who_saw_what_stands_there(store: Store) {
        let (tier, feature) = photos_of_free();
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let six = cell("free", "photos", Limit::At(6), 2);
        assert!(!matrix::insert_cell(conn, &six, "ann", after(1)).await.unwrap());
        assert!(!matrix::update_cell(conn, &six, 0, "ann", after(1)).await.unwrap());
        assert!(matrix::update_cell(conn, &six, 1, "ann", after(1)).await.unwrap());
        // Version 1 is what the other had seen.
        let seven = cell("free", "photos", Limit::At(7), 3);
        assert!(!matrix::update_cell(conn, &seven, 1, "bob", after(2)).await.unwrap());
        assert!(!matrix::delete_cell(conn, &tier, &feature, 1).await.unwrap());
        assert_eq!(matrix::find_cell(conn, &tier, &feature).await.unwrap().unwrap().0, six);
        assert!(matrix::delete_cell(conn, &tier, &feature, 2).await.unwrap());
        assert!(!matrix::delete_cell(conn, &tier, &feature, 2).await.unwrap());
        assert_eq!(matrix::find_cell(conn, &tier, &feature).await.unwrap(), None);
        assert!(!matrix::update_cell(conn, &seven, 2, "bob", after(2)).await.unwrap());
        assert!(matrix::insert_cell(conn, &seven, "bob", after(2)).await.unwrap());
        assert_eq!(matrix::find_cell(conn, &tier, &feature).await.unwrap().unwrap().0, seven);
        // Its neighbours were not touched.
        assert_eq!(matrix::cells(conn).await.unwrap().iter().filter(|cell| cell.version == 1).count(), 43);
    }

    async fn of_many_who_saw_the_same_cell_one_changes_it(store: Store) {
        for _ in 0..ROUNDS {
            let (tier, feature) = photos_of_free();
            let (found, _) = matrix::find_cell(&mut store.reader().await.conn(), &tier, &feature).await.unwrap().unwrap();
            let seen = found.version;
            let results = store.race(20, move |number, mut tx| async move {
                let version = seen + 1 + i64::try_from(number).unwrap();
                let wanted = cell("free", "photos", Limit::At(100), version);
                let updated = matrix::update_cell(&mut tx.conn(), &wanted, seen, "ann", after(1)).await.unwrap();
                (tx, updated)
            });
            assert_eq!(won(&results.await), 1);
        }
    }

    async fn of_many_who_saw_an_empty_cell_one_fills_it(store: Store) {
        for _ in 0..ROUNDS {
            store.execute("DELETE FROM tier_limits WHERE tier_id = 'free' AND feature_id = 'photos'").await;
            let results = store.race(20, |number, mut tx| async move {
                let wanted = cell("free", "photos", Limit::At(100), 2 + i64::try_from(number).unwrap());
                let inserted = matrix::insert_cell(&mut tx.conn(), &wanted, "ann", after(1)).await.unwrap();
                (tx, inserted)
            });
            assert_eq!(won(&results.await), 1);
        }
    }

    async fn of_many_who_empty_the_same_cell_one_does(store: Store) {
        for version in 1..=ROUNDS {
            let results = store.race(12, move |_, mut tx| async move {
                let (tier, feature) = photos_of_free();
                let deleted = matrix::delete_cell(&mut tx.conn(), &tier, &feature, version).await.unwrap();
                (tx, deleted)
            });
            assert_eq!(won(&results.await), 1);
            let mut tx = store.begin().await;
            let again = cell("free", "photos", Limit::OFF, version + 1);
            assert!(matrix::insert_cell(&mut tx.conn(), &again, "ann", after(1)).await.unwrap());
            tx.commit().await.unwrap();
        }
    }

    async fn whoever_changes_configuration_gets_a_version_of_their_own(store: Store) {
        assert_eq!(matrix::version(&mut store.reader().await.conn()).await.unwrap(), 1);
        let versions = store.race(30, |_, mut tx| async move {
            let version = matrix::raise_version(&mut tx.conn()).await.unwrap();
            (tx, version)
        });
        let versions: BTreeSet<i64> = versions.await.into_iter().collect();
        assert_eq!(versions, (2..=31).collect());
        assert_eq!(matrix::version(&mut store.reader().await.conn()).await.unwrap(), 31);
    }

    async fn a_change_that_did_not_happen_takes_its_version_back(store: Store) {
        let mut tx = store.begin().await;
        assert_eq!(matrix::raise_version(&mut tx.conn()).await.unwrap(), 2);
        drop(tx);
        let mut tx = store.begin().await;
        assert_eq!(matrix::raise_version(&mut tx.conn()).await.unwrap(), 2);
    }
}
