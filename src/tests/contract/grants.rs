//! `store::grants`.

use chrono::TimeDelta;
use vouchsafe::{
    domain::{
        grant::{Grant, GrantKind},
        ids::UserId,
    },
    store::{grants, users},
};

use super::{ROUNDS, Store, after, execute, name, on_both, won};
use crate::harness::beginning;

impl Store {
    /// An hour at a tier, given so many seconds after the beginning, that waits.
    pub(super) fn grant(&self, user: UserId, tier: &str, seconds: i64) -> Grant {
        Grant {
            id: self.id(),
            user: Some(user),
            tier: name(tier),
            kind: GrantKind::Admin,
            coupon: None,
            total: 3_600,
            remaining: 3_600,
            began_at: None,
            running_since: None,
            granted_at: after(seconds),
            granted_by: "operator".to_owned(),
            reason: None,
            ended_at: None,
            revoked_at: None,
        }
    }
}

on_both! {
    async fn a_grant_is_kept_as_it_stands(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let first = Grant { reason: Some("a favour".to_owned()), ..store.grant(ann, "premium", 0) };
        let second = Grant { kind: GrantKind::Partner, ..store.grant(ann, "basic", 1) };
        let others = store.grant(bob, "basic", 2);
        for grant in [&first, &second, &others] {
            grants::put(conn, grant, beginning()).await.unwrap();
        }
        assert_eq!(grants::find(conn, first.id).await.unwrap(), Some(first.clone()));
        assert_eq!(grants::find(conn, store.id()).await.unwrap(), None);
        assert_eq!(grants::open(conn, &[ann]).await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(grants::open(conn, &[bob, ann]).await.unwrap(), [first.clone(), second.clone(), others]);
        assert_eq!(grants::open(conn, &[]).await.unwrap(), []);

        let ended = Grant { remaining: 0, began_at: Some(after(5)), ended_at: Some(after(9)), ..first };
        let revoked = Grant { remaining: 7, began_at: Some(after(5)), revoked_at: Some(after(9)), ..second };
        for grant in [&ended, &revoked] {
            grants::put(conn, grant, after(9)).await.unwrap();
        }
        assert_eq!(grants::open(conn, &[ann]).await.unwrap(), []);
        assert_eq!(grants::list_by_user(conn, ann).await.unwrap(), [revoked, ended]);
        // Whose account is gone keeps nobody's name, and the row stays.
        execute(conn, "DELETE FROM users WHERE email = 'bob@example.com'").await.unwrap();
        assert_eq!(grants::list_by_user(conn, bob).await.unwrap(), []);
    }

    async fn members_are_due_when_what_ran_has_run_out(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let runs = |grant: Grant, since| Grant { began_at: Some(after(since)), running_since: Some(after(since)), ..grant };
        let hers = runs(store.grant(ann, "basic", 0), 60);
        let his = runs(store.grant(bob, "basic", 0), 30);
        for grant in [&hers, &his, &store.grant(ann, "free", 0)] {
            grants::put(conn, grant, beginning()).await.unwrap();
        }
        assert_eq!(grants::due(conn, after(3_629), 10).await.unwrap(), []);
        assert_eq!(grants::due(conn, after(3_630), 10).await.unwrap(), [bob]);
        assert_eq!(grants::due(conn, after(3_660), 10).await.unwrap(), [bob, ann]);
        assert_eq!(grants::due(conn, after(3_660), 1).await.unwrap(), [bob]);
        let halted = Grant { remaining: 1, running_since: None, ..his };
        grants::put(conn, &halted, after(1)).await.unwrap();
        assert_eq!(grants::due(conn, after(3_660), 10).await.unwrap(), [ann]);
        assert!(users::find(conn, ann).await.unwrap().is_some());
    }

    async fn of_grants_that_start_at_once_one_runs(store: Store) {
        let ann = store.member("ann@example.com").await;
        for round in 0..ROUNDS {
            let given: Vec<Grant> = (0..6).map(|_| store.grant(ann, "basic", round)).collect();
            let started = store.race(6, move |number, mut tx| {
                let mut grant = given[number].clone();
                async move {
                    let conn = &mut tx.conn();
                    // As a service does it: who holds the member sees what the one before has written.
                    users::lock(conn, ann).await.unwrap();
                    let is_free = grants::open(conn, &[ann]).await.unwrap().iter().all(|one| one.running_since.is_none());
                    if is_free {
                        grant.running_since = Some(grant.granted_at);
                    }
                    grants::put(conn, &grant, grant.granted_at).await.unwrap();
                    (tx, is_free)
                }
            }).await;
            assert_eq!(won(&started), usize::from(round == 0));
        }
    }

    async fn the_database_lets_one_run(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let running = |seconds| {
            let since = Some(beginning() + TimeDelta::seconds(seconds));
            Grant { began_at: since, running_since: since, ..store.grant(ann, "basic", 0) }
        };
        grants::put(conn, &running(0), beginning()).await.unwrap();
        assert!(grants::put(conn, &running(1), beginning()).await.is_err());
    }
}
