//! `store::subscriptions`.

use vouchsafe::{
    domain::{
        ids::UserId,
        payment::{BillingInterval, Provider},
        subscription::{Scheduled, ScheduledAction, Subscription, SubscriptionStatus, Version},
    },
    store::subscriptions,
};

use super::{Store, after, name, on_both};
use crate::harness::beginning;

impl Store {
    /// A subscription as it was so many seconds after the beginning.
    pub(super) fn subscription(
        &self,
        user: UserId,
        id: &str,
        status: SubscriptionStatus,
        seconds: i64,
    ) -> Subscription {
        Subscription {
            id: self.id(),
            provider: Provider::Stripe,
            provider_id: id.to_owned(),
            user: Some(user),
            tier: name("premium"),
            interval: BillingInterval::Month,
            status,
            started_at: beginning(),
            period_end: Some(after(86_400)),
            past_due_since: None,
            scheduled: None,
            ended_at: (status == SubscriptionStatus::Ended).then(|| after(seconds)),
            version: Version { at: after(seconds), rank: 1, event_id: format!("evt_{seconds}") },
        }
    }
}

on_both! {
    async fn the_newest_version_holds_and_what_ended_stays_ended(store: Store) {
        use SubscriptionStatus::{Active, Ended, PastDue, Paused};
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let first = Subscription {
            scheduled: Some(Scheduled { action: ScheduledAction::End, at: after(99) }),
            past_due_since: Some(after(3)),
            ..store.subscription(ann, "sub_1", PastDue, 10)
        };
        assert!(subscriptions::put(conn, &first, beginning()).await.unwrap());
        assert_eq!(subscriptions::find(conn, Provider::Stripe, "sub_1").await.unwrap(), Some(first.clone()));
        assert_eq!(subscriptions::find(conn, Provider::Paddle, "sub_1").await.unwrap(), None);

        // The same again, and what is older, change nothing.
        for old in [first.clone(), store.subscription(ann, "sub_1", Active, 9)] {
            assert!(!subscriptions::put(conn, &old, after(1)).await.unwrap());
        }
        // Of one instant, the rank decides, then the id.
        let with = |rank, event_id: &str| {
            let version = Version { at: after(10), rank, event_id: event_id.to_owned() };
            Subscription { id: first.id, version, ..store.subscription(ann, "sub_1", Active, 10) }
        };
        assert!(!subscriptions::put(conn, &with(0, "evt_z"), after(1)).await.unwrap());
        assert!(!subscriptions::put(conn, &with(1, "evt_0"), after(1)).await.unwrap());
        assert!(subscriptions::put(conn, &with(1, "evt_a"), after(1)).await.unwrap());
        assert!(subscriptions::put(conn, &with(2, "evt_0"), after(1)).await.unwrap());
        let newest = subscriptions::find(conn, Provider::Stripe, "sub_1").await.unwrap().unwrap();
        assert_eq!(newest, with(2, "evt_0"), "it keeps its id");

        // An end holds, also one that happened before what is known; then a later word on the end.
        let ended = Subscription { id: first.id, ..store.subscription(ann, "sub_1", Ended, 5) };
        assert!(subscriptions::put(conn, &ended, after(2)).await.unwrap());
        assert!(!subscriptions::put(conn, &store.subscription(ann, "sub_1", Paused, 50), after(3)).await.unwrap());
        let later = Subscription { id: first.id, ..store.subscription(ann, "sub_1", Ended, 60) };
        assert!(subscriptions::put(conn, &later, after(3)).await.unwrap());
        assert_eq!(subscriptions::find(conn, Provider::Stripe, "sub_1").await.unwrap(), Some(later));
    }

    async fn of_many_words_at_once_the_newest_holds(store: Store) {
        let ann = store.member("ann@example.com").await;
        let states: Vec<_> = (0..12).map(|at| store.subscription(ann, "sub_1", SubscriptionStatus::Active, at)).collect();
        store.race(12, move |number, mut tx| {
            let state = states[(number * 5) % 12].clone();
            async move {
                let written = subscriptions::put(&mut tx.conn(), &state, beginning()).await.unwrap();
                (tx, written)
            }
        }).await;
        let mut reader = store.reader().await;
        let found = subscriptions::find(&mut reader.conn(), Provider::Stripe, "sub_1").await.unwrap().unwrap();
        assert_eq!(found.version.at, after(11));
    }

    async fn members_have_theirs_and_lists_have_all(store: Store) {
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let mut all = Vec::new();
        for (number, status) in [Incomplete, Trialing, Active, PastDue, Paused, Ended].into_iter().enumerate() {
            let seconds = i64::try_from(number).unwrap();
            let one = Subscription {
                started_at: after(seconds),
                ..store.subscription(if number == 2 { bob } else { ann }, &format!("sub_{number}"), status, seconds)
            };
            subscriptions::put(conn, &one, beginning()).await.unwrap();
            all.push(one);
        }
        let ids = |found: Vec<Subscription>| found.into_iter().map(|one| one.provider_id).collect::<Vec<_>>();
        assert_eq!(ids(subscriptions::running(conn, &[ann]).await.unwrap()), ["sub_1", "sub_3"]);
        assert_eq!(ids(subscriptions::running(conn, &[ann, bob]).await.unwrap()), ["sub_1", "sub_2", "sub_3"]);
        assert_eq!(subscriptions::running(conn, &[]).await.unwrap(), []);
        assert_eq!(ids(subscriptions::list_by_user(conn, ann).await.unwrap()), ["sub_5", "sub_4", "sub_3", "sub_1", "sub_0"]);

        all.sort_by_key(|one| std::cmp::Reverse(one.id));
        let mut found = Vec::new();
        while let Ok(page) = subscriptions::page(conn, None, false, found.last().map(|one: &Subscription| one.id), 2).await
            && !page.is_empty()
        {
            found.extend(page);
        }
        assert_eq!(found, all);
        assert_eq!(subscriptions::page(conn, Some(Provider::Stripe), true, None, 10).await.unwrap().len(), 5);
        assert_eq!(subscriptions::page(conn, Some(Provider::Polar), false, None, 10).await.unwrap(), []);

        let due = all.iter().find(|one| one.status == PastDue).unwrap();
        let active = all.iter().find(|one| one.status == Active).unwrap();
        for one in [due, active] {
            subscriptions::set_past_due_since(conn, one.id, Some(after(-9)), after(9)).await.unwrap();
        }
        let since = async |conn: &mut _, id: &str| {
            subscriptions::find(conn, Provider::Stripe, id).await.unwrap().unwrap().past_due_since
        };
        assert_eq!(since(conn, "sub_3").await, Some(after(-9)));
        assert_eq!(since(conn, "sub_2").await, None);
    }
}
