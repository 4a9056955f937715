//! `store::endings`.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::{
        entitlement::Restriction,
        ids::UserId,
        limit::Limit,
        subscription::{NEWS_MAY_BE_LATE, Scheduled, ScheduledAction, SubscriptionStatus},
    },
    store::{endings, restrictions, subscriptions, users},
};

use super::{Store, after, name, on_both};

const GRACE: TimeDelta = TimeDelta::hours(5);

impl Store {
    /// What ended after one instant and not after another, in seconds.
    async fn ended(&self, since: i64, until: i64) -> Vec<(UserId, DateTime<Utc>)> {
        endings::list(&mut self.reader().await.conn(), after(since), after(until), GRACE).await.unwrap()
    }
}

on_both! {
    async fn what_has_ended_between_two_instants_is_found_once(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let restriction = |feature: &str, end: Option<i64>| Restriction {
            feature: name(feature),
            limit: Limit::OFF,
            reason: "fair use".to_owned(),
            expires_at: end.map(after),
            created_by: "ann@example.com".to_owned(),
            updated_at: after(0),
        };
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        users::set_credit_until(conn, &[(ann, Some(after(10)), after(0))]).await.unwrap();
        restrictions::put(conn, ann, &restriction("photos", Some(20))).await.unwrap();
        restrictions::put(conn, ann, &restriction("ai_calls", Some(20))).await.unwrap();
        restrictions::put(conn, bob, &restriction("photos", Some(10))).await.unwrap();
        restrictions::put(conn, bob, &restriction("ai_calls", None)).await.unwrap();
        tx.commit().await.unwrap();
        let mut at_ten = vec![(ann, after(10)), (bob, after(10))];
        at_ten.sort();
        assert_eq!(store.ended(0, 9).await, []);
        assert_eq!(store.ended(9, 10).await, at_ten);
        assert_eq!(store.ended(10, 20).await, [(ann, after(20))], "two at once are one");
        at_ten.push((ann, after(20)));
        assert_eq!(store.ended(0, 1_000_000).await, at_ten);
    }

    async fn what_is_paid_for_ends_as_the_rules_say(store: Store) {
        use ScheduledAction::{Change, End, Pause};
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        let plans = [None, Some((End, 100)), Some((Pause, 200)), Some((Change, 300))];
        let mut expected = Vec::new();
        let mut number = 0;
        for status in [Incomplete, Trialing, Active, PastDue, Paused, Ended] {
            for plan in plans {
                for (period_end, past_due_since) in [(None, None), (Some(400), Some(after(50)))] {
                    number += 1;
                    let user = store.member(&format!("member{number}@example.com")).await;
                    let mut subscription = store.subscription(user, &format!("sub_{number}"), status, number);
                    subscription.scheduled = plan.map(|(action, at)| Scheduled { action, at: after(at) });
                    subscription.period_end = period_end.map(after);
                    subscription.past_due_since = past_due_since;
                    let mut tx = store.begin().await;
                    subscriptions::put(&mut tx.conn(), &subscription, after(0)).await.unwrap();
                    tx.commit().await.unwrap();
                    if let Some(end) = subscription.lasts(GRACE).and_then(|lasts| lasts.ends_at) {
                        expected.push((user, end));
                    }
                }
            }
        }
        expected.sort_by_key(|(user, at)| (*at, *user));
        assert!(expected.len() > 15, "{expected:?}");
        let all = NEWS_MAY_BE_LATE.num_seconds() + 1_000;
        let found = store.ended(0, all).await;
        for ending in &expected {
            assert!(found.contains(ending), "{ending:?} is missing");
        }
        // Nobody else: at most the grace that a plan cuts short is told of once more.
        let users: Vec<UserId> = expected.iter().map(|(user, _)| *user).collect();
        assert!(found.iter().all(|(user, _)| users.contains(user)), "{found:?}");
        // Of each instant, the one before is not it.
        for (user, at) in expected {
            let at = (at - after(0)).num_seconds();
            assert!(store.ended(at - 1, at).await.contains(&(user, after(at))));
            assert!(!store.ended(at, all).await.contains(&(user, after(at))));
        }
    }
}
