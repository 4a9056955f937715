//! `store::webhooks`.

use chrono::{DateTime, TimeDelta, Utc};
use vouchsafe::{
    domain::{
        ids::{UserId, WebhookDeliveryId, WebhookEndpointId},
        webhook::{Delivery, DeliveryState, DisabledBecause, Endpoint, MOST_SECRETS, Try, Wanted},
    },
    store::webhooks::{self, Change, NewDelivery, PreviousSecret, Sealed},
};

use super::{ROUNDS, Store, after, on_both, won};
use crate::harness::beginning;

impl Store {
    /// An endpoint that wants to hear of everything.
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint {
            id: self.id(),
            url: "https://example.com/hooks".to_owned(),
            description: "the app".to_owned(),
            wanted: Wanted::ALL,
            disabled: None,
            failing_since: None,
            previous_until: None,
            created_by: "operator".to_owned(),
            created_at: beginning(),
        }
    }

    async fn with_endpoint(&self) -> Endpoint {
        let endpoint = self.endpoint();
        let mut tx = self.begin().await;
        webhooks::insert(&mut tx.conn(), &endpoint, "sealed").await.unwrap();
        tx.commit().await.unwrap();
        endpoint
    }

    async fn with_delivery(&self, endpoint: WebhookEndpointId, event: &str, at: DateTime<Utc>) -> WebhookDeliveryId {
        let delivery = delivery(self.id_at(at), endpoint, event, None);
        let mut tx = self.begin().await;
        webhooks::insert_deliveries(&mut tx.conn(), std::slice::from_ref(&delivery), at).await.unwrap();
        tx.commit().await.unwrap();
        delivery.id
    }
}

/// An event that was not told yet.
pub(super) fn delivery(
    id: WebhookDeliveryId,
    endpoint: WebhookEndpointId,
    event: &str,
    user: Option<UserId>,
) -> NewDelivery<'_> {
    NewDelivery { id, endpoint, event_id: event, kind: "access.changed", user, payload: r#"{ "a":  1}"# }
}

fn tried(at: DateTime<Utc>, status: Option<u16>) -> Try {
    Try {
        at,
        headers: vec![("webhook-id".to_owned(), "msg_1".to_owned())],
        status,
        response: status.map(|_| "so so".to_owned()),
        error: status.is_none().then(|| "nobody there".to_owned()),
        duration_ms: 12,
    }
}

on_both! {
    async fn an_endpoint_is_kept_and_changed(store: Store) {
        let endpoint = store.with_endpoint().await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(webhooks::find(conn, endpoint.id).await.unwrap(), Some(endpoint.clone()));
        assert_eq!(webhooks::find(conn, store.id()).await.unwrap(), None);
        let same = webhooks::update(conn, endpoint.id, &Change::default(), after(1)).await.unwrap();
        assert_eq!(same, Some(endpoint.clone()));
        let wanted = Wanted::read(["user.created", "coupon.redeemed"]).unwrap();
        let change = Change { url: Some("https://other.example"), description: Some(""), wanted: Some(wanted.clone()) };
        let changed = Endpoint { url: "https://other.example".to_owned(), description: String::new(), wanted: wanted.clone(), ..endpoint.clone() };
        assert_eq!(webhooks::update(conn, endpoint.id, &change, after(1)).await.unwrap(), Some(changed.clone()));
        assert_eq!(webhooks::update(conn, store.id(), &change, after(1)).await.unwrap(), None);
        let other = Endpoint { id: store.id_at(after(9)), ..store.endpoint() };
        webhooks::insert(conn, &other, "sealed").await.unwrap();
        assert_eq!(webhooks::list(conn).await.unwrap(), [changed, other.clone()]);
        assert_eq!(webhooks::listening(conn).await.unwrap(), [(endpoint.id, wanted), (other.id, Wanted::ALL)]);
        assert!(webhooks::delete(conn, other.id).await.unwrap());
        assert!(!webhooks::delete(conn, other.id).await.unwrap());
    }

    async fn the_secret_before_stays_until_the_next_one_comes(store: Store) {
        let endpoint = store.with_endpoint().await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let sealed = |secret: &str, previous: &[(&str, i64)]| Some(Sealed {
            secret: secret.to_owned(),
            previous: previous.iter().map(|(secret, second)| PreviousSecret { secret: (*secret).to_owned(), until: after(*second) }).collect(),
        });
        assert_eq!(webhooks::find_secrets(conn, endpoint.id).await.unwrap(), sealed("sealed", &[]));
        assert_eq!(webhooks::find_secrets(conn, store.id()).await.unwrap(), None);
        let rotated = webhooks::rotate(conn, endpoint.id, "second", after(60), after(1)).await.unwrap();
        assert_eq!(rotated, Some(Endpoint { previous_until: Some(after(60)), ..endpoint.clone() }));
        assert_eq!(webhooks::find_secrets(conn, endpoint.id).await.unwrap(), sealed("second", &[("sealed", 60)]));
        webhooks::rotate(conn, endpoint.id, "third", after(70), after(2)).await.unwrap();
        let all = sealed("third", &[("second", 70), ("sealed", 60)]);
        assert_eq!(webhooks::find_secrets(conn, endpoint.id).await.unwrap(), all);
        // What has ended goes.
        webhooks::rotate(conn, endpoint.id, "fourth", after(120), after(65)).await.unwrap();
        let all = sealed("fourth", &[("third", 120), ("second", 70)]);
        assert_eq!(webhooks::find_secrets(conn, endpoint.id).await.unwrap(), all);
        for number in 0..20 {
            webhooks::rotate(conn, endpoint.id, "another", after(200 + number), after(66)).await.unwrap();
        }
        let many = webhooks::find_secrets(conn, endpoint.id).await.unwrap().unwrap();
        assert_eq!((many.previous.len(), many.previous[0].until), (MOST_SECRETS, after(219)));
        assert_eq!(webhooks::rotate(conn, store.id(), "x", after(70), after(2)).await.unwrap(), None);
    }

    async fn of_two_who_change_the_secret_at_once_neither_is_lost(store: Store) {
        let endpoint = store.with_endpoint().await;
        let rotated = store.race(4, move |number, mut tx| async move {
            let secret = format!("secret {number}");
            let rotated = webhooks::rotate(&mut tx.conn(), endpoint.id, &secret, after(60), after(1)).await.unwrap();
            (tx, rotated.is_some())
        });
        assert_eq!(won(&rotated.await), 4);
        let sealed = webhooks::find_secrets(&mut store.reader().await.conn(), endpoint.id).await.unwrap().unwrap();
        let mut all: Vec<String> = sealed.previous.into_iter().map(|previous| previous.secret).collect();
        all.push(sealed.secret);
        all.sort();
        assert_eq!(all, ["sealed", "secret 0", "secret 1", "secret 2", "secret 3"]);
    }

    async fn who_fails_after_a_quiet_time_begins_anew(store: Store) {
        let endpoint = store.with_endpoint().await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let mut fails = async |at| webhooks::note_failure(conn, endpoint.id, at).await.unwrap();
        let hours = |hours| beginning() + TimeDelta::hours(hours);
        assert_eq!(fails(hours(0)).await, Some(hours(0)));
        assert_eq!(fails(hours(29)).await, Some(hours(0)), "it is tried again within such a time");
        assert_eq!(fails(hours(58)).await, Some(hours(0)));
        assert_eq!(fails(hours(95)).await, Some(hours(95)), "nothing was sent meanwhile");
        // A clock leaps, and is put right.
        assert_eq!(fails(hours(95 + 45 * 24)).await, Some(hours(95 + 45 * 24)));
        assert_eq!(fails(hours(96)).await, Some(hours(96)));
        assert_eq!(fails(hours(95)).await, Some(hours(95)), "an hour back is no failure of the future");
    }

    async fn a_delivery_put_off_by_a_clock_that_was_ahead_is_due_now(store: Store) {
        let endpoint = store.with_endpoint().await.id;
        let ahead = beginning() + TimeDelta::days(45);
        let fresh = store.with_delivery(endpoint, "msg_1", ahead).await;
        let held = store.with_delivery(endpoint, "msg_2", after(0)).await;
        let waiting = store.with_delivery(endpoint, "msg_3", after(0)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(webhooks::claim_delivery(conn, held, ahead, ahead + TimeDelta::seconds(60)).await.unwrap().is_some());
        let claimed = webhooks::claim_delivery(conn, waiting, after(0), after(60)).await.unwrap().unwrap();
        let later = after(0) + TimeDelta::hours(28);
        assert!(webhooks::settle_delivery(conn, &claimed, DeliveryState::Pending, later, &tried(after(1), None)).await.unwrap());
        for id in [fresh, held] {
            assert!(webhooks::claim_delivery(conn, id, after(2), after(62)).await.unwrap().is_some());
            assert!(webhooks::claim_delivery(conn, id, after(3), after(63)).await.unwrap().is_none(), "it is in somebody's hands");
        }
        assert!(webhooks::claim_delivery(conn, waiting, after(2), after(62)).await.unwrap().is_none(), "it waits as long as it may");
    }

    async fn what_a_newer_program_lets_an_endpoint_hear_of_is_kept_and_not_told(store: Store) {
        let one = store.with_endpoint().await;
        let other = Endpoint { id: store.id_at(after(9)), wanted: Wanted::read(["user.created"]).unwrap(), ..store.endpoint() };
        let mut tx = store.begin().await;
        webhooks::insert(&mut tx.conn(), &other, "sealed").await.unwrap();
        tx.commit().await.unwrap();
        store.execute(r#"UPDATE webhook_endpoints SET events = '["user.born"]' WHERE CAST(events AS TEXT) = '[]'"#).await;
        store.execute(r#"UPDATE webhook_endpoints SET events = '["user.created", "user.born"]' WHERE CAST(events AS TEXT) = '["user.created"]'"#).await;
        let mut reader = store.reader().await;
        let listening = webhooks::listening(&mut reader.conn()).await.unwrap();
        assert_eq!(listening[1].0, other.id);
        assert_eq!(listening[1].1.names(), ["user.created", "user.born"]);
        assert!(listening[1].1.wants("user.created") && !listening[1].1.wants("access.changed"));
        assert_eq!(listening[0].0, one.id);
        assert!(["user.created", "user.born", "access.changed"].iter().all(|kind| !listening[0].1.wants(kind)));
        assert_eq!(webhooks::list(&mut reader.conn()).await.unwrap()[1].wanted, listening[1].1);
    }

    async fn what_an_endpoint_was_told_is_forgotten_in_pieces(store: Store) {
        let (one, other) = (store.with_endpoint().await.id, store.with_endpoint().await.id);
        for number in 0..5 {
            store.with_delivery(one, &format!("msg_{number}"), after(number)).await;
        }
        store.with_delivery(other, "msg_0", after(0)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(webhooks::delete_deliveries(conn, one, 3).await.unwrap(), 3);
        assert_eq!(webhooks::page_deliveries(conn, one, None, None, 9).await.unwrap().len(), 2, "the oldest went");
        assert_eq!(webhooks::delete_deliveries(conn, one, 3).await.unwrap(), 2);
        assert_eq!(webhooks::delete_deliveries(conn, one, 3).await.unwrap(), 0);
        assert_eq!(webhooks::page_deliveries(conn, other, None, None, 9).await.unwrap().len(), 1);
    }

    async fn who_is_disabled_hears_nothing_until_enabled(store: Store) {
        let endpoint = store.with_endpoint().await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(webhooks::note_failure(conn, endpoint.id, after(1)).await.unwrap(), Some(after(1)));
        assert_eq!(webhooks::note_failure(conn, endpoint.id, after(2)).await.unwrap(), Some(after(1)));
        webhooks::note_success(conn, endpoint.id).await.unwrap();
        assert_eq!(webhooks::note_failure(conn, endpoint.id, after(3)).await.unwrap(), Some(after(3)));
        assert_eq!(webhooks::note_failure(conn, store.id(), after(3)).await.unwrap(), None);
        assert!(!webhooks::enable(conn, endpoint.id, after(4)).await.unwrap());
        assert!(webhooks::disable(conn, endpoint.id, DisabledBecause::Gone, after(5)).await.unwrap());
        assert!(!webhooks::disable(conn, endpoint.id, DisabledBecause::Admin, after(6)).await.unwrap());
        assert_eq!(webhooks::listening(conn).await.unwrap(), []);
        let disabled = webhooks::find(conn, endpoint.id).await.unwrap().unwrap();
        assert_eq!((disabled.disabled, disabled.failing_since), (Some((after(5), DisabledBecause::Gone)), Some(after(3))));
        assert!(webhooks::enable(conn, endpoint.id, after(7)).await.unwrap());
        assert_eq!(webhooks::find(conn, endpoint.id).await.unwrap(), Some(endpoint));
    }

    async fn an_event_is_told_once_to_each_endpoint(store: Store) {
        let (one, other) = (store.with_endpoint().await.id, store.with_endpoint().await.id);
        let ann = store.member("ann@example.com").await;
        let (first, second): (WebhookDeliveryId, WebhookDeliveryId) = (store.id(), store.id());
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let rows = [delivery(first, one, "msg_1", Some(ann)), delivery(second, other, "msg_1", None)];
        let mut written = webhooks::insert_deliveries(conn, &rows, after(1)).await.unwrap();
        written.sort();
        let mut expected = [first, second];
        expected.sort();
        assert_eq!(written, expected);
        let again = [delivery(store.id(), one, "msg_1", Some(ann)), delivery(store.id(), one, "msg_2", Some(ann))];
        assert_eq!(webhooks::insert_deliveries(conn, &again, after(2)).await.unwrap(), [again[1].id]);
        assert_eq!(webhooks::insert_deliveries(conn, &[], after(2)).await.unwrap(), []);
        let kept = Delivery {
            id: first,
            endpoint: one,
            event_id: "msg_1".to_owned(),
            kind: "access.changed".to_owned(),
            user: Some(ann),
            // Byte for byte.
            payload: r#"{ "a":  1}"#.to_owned(),
            state: DeliveryState::Pending,
            attempts: 0,
            next_try_at: after(1),
            tried: None,
            created_at: after(1),
        };
        assert_eq!(webhooks::find_delivery(conn, first).await.unwrap(), Some(kept));
        assert_eq!(webhooks::find_delivery(conn, store.id()).await.unwrap(), None);
        // With its endpoint goes what it was told.
        assert!(webhooks::delete(conn, one).await.unwrap());
        assert_eq!(webhooks::find_delivery(conn, first).await.unwrap(), None);
        assert!(webhooks::find_delivery(conn, second).await.unwrap().is_some());
    }

    async fn of_many_who_tell_of_one_event_one_writes_it(store: Store) {
        let endpoint = store.with_endpoint().await.id;
        for round in 0..ROUNDS {
            let ids: Vec<WebhookDeliveryId> = (0..12).map(|_| store.id()).collect();
            let written = store.race(12, move |number, mut tx| {
                let id = ids[number];
                async move {
                    let event = format!("msg_{round}");
                    let rows = [delivery(id, endpoint, &event, None)];
                    let written = webhooks::insert_deliveries(&mut tx.conn(), &rows, beginning()).await.unwrap();
                    (tx, written == [id])
                }
            }).await;
            assert_eq!(won(&written), 1);
        }
        assert_eq!(store.count("webhook_deliveries").await, ROUNDS);
    }

    async fn a_delivery_that_is_due_is_claimed_by_one_of_many(store: Store) {
        let endpoint = store.with_endpoint().await.id;
        for round in 0..ROUNDS {
            let id = store.with_delivery(endpoint, &format!("msg_{round}"), after(10)).await;
            let claimed = store.race(12, move |_, mut tx| async move {
                let claimed = webhooks::claim_delivery(&mut tx.conn(), id, after(10), after(60)).await.unwrap();
                (tx, claimed.is_some_and(|claimed| claimed.attempts == 1 && claimed.next_try_at == after(60)))
            }).await;
            assert_eq!(won(&claimed), 1);
            // Whoever had it died: it is due again.
            let mut tx = store.begin().await;
            assert_eq!(webhooks::claim_delivery(&mut tx.conn(), id, after(59), after(120)).await.unwrap(), None);
            let again = webhooks::claim_delivery(&mut tx.conn(), id, after(60), after(120)).await.unwrap();
            assert_eq!(again.map(|claimed| claimed.attempts), Some(2));
            tx.commit().await.unwrap();
        }
    }

    async fn what_came_of_a_try_is_noted_by_who_has_it(store: Store) {
        let endpoint = store.with_endpoint().await.id;
        let id = store.with_delivery(endpoint, "msg_1", beginning()).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let first = webhooks::claim_delivery(conn, id, after(0), after(60)).await.unwrap().unwrap();
        let second = webhooks::claim_delivery(conn, id, after(60), after(120)).await.unwrap().unwrap();
        let late = tried(after(61), Some(200));
        assert!(!webhooks::settle_delivery(conn, &first, DeliveryState::Delivered, after(61), &late).await.unwrap());
        let failed = tried(after(62), None);
        assert!(webhooks::settle_delivery(conn, &second, DeliveryState::Pending, after(65), &failed).await.unwrap());
        let waiting = webhooks::find_delivery(conn, id).await.unwrap().unwrap();
        assert_eq!((waiting.state, waiting.next_try_at, waiting.attempts), (DeliveryState::Pending, after(65), 2));
        assert_eq!(waiting.tried, Some(failed));
        let third = webhooks::claim_delivery(conn, id, after(65), after(125)).await.unwrap().unwrap();
        let taken = tried(after(66), Some(204));
        assert!(webhooks::settle_delivery(conn, &third, DeliveryState::Delivered, after(66), &taken).await.unwrap());
        // What is delivered is delivered.
        assert!(!webhooks::settle_delivery(conn, &third, DeliveryState::Failed, after(67), &late).await.unwrap());
        assert_eq!(webhooks::claim_delivery(conn, id, after(1_000), after(2_000)).await.unwrap(), None);
        assert_eq!(webhooks::find_delivery(conn, id).await.unwrap().unwrap().tried, Some(taken));
        // Until somebody wants it again.
        assert!(webhooks::resend(conn, id, after(70)).await.unwrap());
        assert!(!webhooks::resend(conn, store.id(), after(70)).await.unwrap());
        let again = webhooks::claim_delivery(conn, id, after(70), after(130)).await.unwrap().unwrap();
        assert_eq!(again.attempts, 1);
    }

    async fn deliveries_are_listed_by_page_and_state_and_failed_ones_sent_again(store: Store) {
        let (endpoint, other) = (store.with_endpoint().await.id, store.with_endpoint().await.id);
        let mut ids = Vec::new();
        for number in 0..6 {
            ids.push(store.with_delivery(endpoint, &format!("msg_{number}"), after(number)).await);
        }
        let elsewhere = store.with_delivery(other, "msg_0", after(0)).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for id in ids[..4].iter().chain([&elsewhere]) {
            let claimed = webhooks::claim_delivery(conn, *id, after(10), after(70)).await.unwrap().unwrap();
            let state = DeliveryState::Failed;
            assert!(webhooks::settle_delivery(conn, &claimed, state, after(11), &tried(after(11), None)).await.unwrap());
        }
        let page = async |conn: &mut _, state, before, count| {
            let found: Vec<Delivery> = webhooks::page_deliveries(conn, endpoint, state, before, count).await.unwrap();
            found.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>()
        };
        assert_eq!(page(conn, None, None, 4).await, [ids[5], ids[4], ids[3], ids[2]]);
        assert_eq!(page(conn, None, Some(ids[2]), 4).await, [ids[1], ids[0]]);
        assert_eq!(page(conn, Some(DeliveryState::Failed), None, 2).await, [ids[3], ids[2]]);
        assert_eq!(page(conn, Some(DeliveryState::Delivered), None, 2).await, []);
        let mut again = webhooks::resend_failed(conn, endpoint, after(1), 2, after(20)).await.unwrap();
        again.sort();
        assert_eq!(again, [ids[1], ids[2]], "the oldest first, and no older ones");
        assert_eq!(webhooks::resend_failed(conn, endpoint, after(1), 9, after(20)).await.unwrap(), [ids[3]]);
        assert_eq!(webhooks::resend_failed(conn, endpoint, after(1), 9, after(20)).await.unwrap(), []);
        let found = webhooks::find_delivery(conn, ids[1]).await.unwrap().unwrap();
        assert_eq!((found.state, found.attempts, found.next_try_at), (DeliveryState::Pending, 0, after(20)));
    }

    async fn what_is_over_is_forgotten(store: Store) {
        let endpoint = store.with_endpoint().await.id;
        for (number, event) in ["msg_1", "msg_2", "msg_3"].into_iter().enumerate() {
            store.with_delivery(endpoint, event, after(5 * i64::from(number == 2))).await;
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(webhooks::purge(conn, after(-1), 9).await.unwrap(), 0);
        assert_eq!(webhooks::purge(conn, after(4), 1).await.unwrap(), 1);
        assert_eq!(webhooks::purge(conn, after(4), 9).await.unwrap(), 1);
        assert_eq!(webhooks::purge(conn, after(5), 9).await.unwrap(), 1);
    }
}
