//! `store::referrals`.

use vouchsafe::{domain::referral::ReferralStats, store::referrals};

use super::{Store, after, on_both, won};
use crate::harness::beginning;

on_both! {
    async fn the_first_touch_wins(store: Store) {
        let (ann, bob, cid) = (
            store.member("ann@example.com").await,
            store.member("bob@example.com").await,
            store.member("cid@example.com").await,
        );
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(referrals::insert(conn, store.id(), ann, cid, beginning()).await.unwrap());
        assert!(!referrals::insert(conn, store.id(), bob, cid, after(1)).await.unwrap());
        assert!(!referrals::insert(conn, store.id(), ann, cid, after(1)).await.unwrap());
        // A friend may invite in turn.
        assert!(referrals::insert(conn, store.id(), cid, bob, after(2)).await.unwrap());
        assert_eq!(referrals::stats(conn, ann, beginning()).await.unwrap().pending, 1);
        assert_eq!(referrals::stats(conn, bob, beginning()).await.unwrap(), ReferralStats::default());
    }

    async fn of_many_who_invite_one_friend_at_once_one_did(store: Store) {
        let friend = store.member("friend@example.com").await;
        let mut inviters = Vec::new();
        for number in 0..12 {
            inviters.push((store.id(), store.member(&format!("inviter{number}@example.com")).await));
        }
        let results = store.race(12, move |number, mut tx| {
            let (id, inviter) = inviters[number];
            async move {
                let inserted = referrals::insert(&mut tx.conn(), id, inviter, friend, beginning()).await.unwrap();
                (tx, inserted)
            }
        });
        assert_eq!(won(&results.await), 1);
        assert_eq!(store.count("referrals").await, 1);
    }

    async fn invitations_are_counted_by_what_became_of_them(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut friends = Vec::new();
        for number in 0..6 {
            friends.push(store.member(&format!("friend{number}@example.com")).await);
        }
        // One that is no longer, one that is just not, one that is still running; in this order,
        // so that each statement meets the rows that the one before left alone.
        for (friend, converted_at) in friends.iter().zip([after(-1), beginning(), after(1)]) {
            let mut tx = store.begin().await;
            assert!(referrals::insert(&mut tx.conn(), store.id(), ann, *friend, after(-10)).await.unwrap());
            tx.commit().await.unwrap();
            let moment = converted_at.format("%Y-%m-%dT%H:%M:%S+00:00");
            let convert = format!(
                "UPDATE referrals SET converted_at = '{moment}', credited_at = '{moment}' WHERE converted_at IS NULL"
            );
            assert_eq!(store.execute(&convert).await, 1);
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for friend in &friends[3..5] {
            referrals::insert(conn, store.id(), ann, *friend, after(2)).await.unwrap();
        }
        referrals::insert(conn, store.id(), bob, friends[5], after(2)).await.unwrap();
        let stats = referrals::stats(conn, ann, beginning()).await.unwrap();
        assert_eq!(stats, ReferralStats { pending: 2, converted: 3, active_credits: 1 });
    }
}
