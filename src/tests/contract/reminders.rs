//! `store::reminders`.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::{
        grant::{Grant, Timeline},
        ids::UserId,
    },
    store::{grants, reminders, users},
};

use super::{ROUNDS, Store, after, on_both, won};

impl Store {
    async fn with_trial(&self, address: &str, end: DateTime<Utc>) -> UserId {
        let user = self.member(address).await;
        let mut tx = self.begin().await;
        assert!(users::begin_trial(&mut tx.conn(), user, end, after(0)).await.unwrap());
        tx.commit().await.unwrap();
        user
    }

    /// A grant of thirty days that runs since a moment.
    async fn with_running_grant(&self, user: UserId, since: i64) -> Grant {
        let grant = self.grant(user, "premium", since);
        let timeline = Timeline::new(vec![grant], |_| 1, after(since));
        let mut tx = self.begin().await;
        grants::put(&mut tx.conn(), &timeline.grants[0], after(since)).await.unwrap();
        tx.commit().await.unwrap();
        timeline.grants[0].clone()
    }
}

on_both! {
    async fn of_many_who_tell_the_same_one_may(store: Store) {
        for round in 0..ROUNDS {
            let ann = store.member(&format!("ann{round}@example.com")).await;
            let claimed = store.race(12, move |_, mut tx| async move {
                let is_ours = reminders::claim_trial(&mut tx.conn(), reminders::TRIAL_ENDED, ann, after(0)).await;
                (tx, is_ours.unwrap())
            }).await;
            assert_eq!(won(&claimed), 1);
            let mut tx = store.begin().await;
            let conn = &mut tx.conn();
            assert!(reminders::claim_trial(conn, reminders::TRIAL_ENDING, ann, after(0)).await.unwrap(), "another kind");
        }
        let bob = store.member("bob@example.com").await;
        let grant = store.with_running_grant(bob, 0).await.id;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(reminders::claim_grant(conn, grant, after(0)).await.unwrap());
        assert!(!reminders::claim_grant(conn, grant, after(1)).await.unwrap());
        let partner = store.id();
        assert!(reminders::claim_partner(conn, partner, after(60), after(0)).await.unwrap());
        assert!(!reminders::claim_partner(conn, partner, after(60), after(0)).await.unwrap());
        assert!(reminders::claim_partner(conn, partner, after(90), after(0)).await.unwrap(), "another end");
        tx.commit().await.unwrap();
        assert_eq!(store.count("reminders").await, ROUNDS + 3);
        let mut tx = store.begin().await;
        assert_eq!(reminders::purge(&mut tx.conn(), after(-1)).await.unwrap(), 0);
        assert_eq!(reminders::purge(&mut tx.conn(), after(0)).await.unwrap(), u64::try_from(ROUNDS + 3).unwrap());
    }

    async fn those_whose_trial_ends_in_time_are_found_until_they_are_told(store: Store) {
        let ann = store.with_trial("ann@example.com", after(10)).await;
        let bob = store.with_trial("bob@example.com", after(20)).await;
        store.member("cem@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let kind = reminders::TRIAL_ENDING;
        assert_eq!(reminders::trials(conn, kind, after(9), after(20), 10).await.unwrap(), [ann, bob]);
        assert_eq!(reminders::trials(conn, kind, after(10), after(19), 10).await.unwrap(), []);
        assert_eq!(reminders::trials(conn, kind, after(0), after(20), 1).await.unwrap(), [ann]);
        reminders::claim_trial(conn, kind, ann, after(5)).await.unwrap();
        assert_eq!(reminders::trials(conn, kind, after(0), after(20), 10).await.unwrap(), [bob]);
        assert_eq!(reminders::trials(conn, reminders::TRIAL_ENDED, after(0), after(20), 10).await.unwrap(), [ann, bob]);
    }

    async fn grants_that_run_out_in_time_are_found_until_their_owners_are_told(store: Store) {
        let ann = store.member("ann@example.com").await;
        let grant = store.with_running_grant(ann, 0).await;
        let end = after(0) + TimeDelta::seconds(grant.total);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let second = TimeDelta::seconds(1);
        assert_eq!(reminders::grants(conn, end - second, end, 10).await.unwrap(), [(grant.id, ann)]);
        assert_eq!(reminders::grants(conn, end, end + second, 10).await.unwrap(), []);
        assert_eq!(reminders::grants(conn, after(0), end - second, 10).await.unwrap(), []);
        reminders::claim_grant(conn, grant.id, after(5)).await.unwrap();
        assert_eq!(reminders::grants(conn, after(0), end, 10).await.unwrap(), []);
    }
}
