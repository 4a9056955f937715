//! `store::payments`.

use vouchsafe::{
    domain::{
        ids::PaymentEventId,
        payment::{FirstPayment, Loss, LossKind, LostFrom, PaidInvoice, Payer, Provider},
        subscription::{Moment, SubscriptionStatus},
    },
    store::payments::{self, EventState, NewEvent, Settled},
};

use super::{Store, after, email, execute, on_both, won};
use crate::harness::beginning;

fn event(id: PaymentEventId, event_id: &str, seconds: i64) -> NewEvent<'_> {
    NewEvent {
        id,
        provider: Provider::Stripe,
        event_id,
        event_type: "invoice.paid",
        occurred_at: after(seconds),
        payload: "{\"Zahl\": 1, \"ä\": \"\\u0000\"}",
    }
}

fn invoice(id: &str, amount: i64, seconds: i64) -> PaidInvoice {
    PaidInvoice {
        id: id.to_owned(),
        payer: Payer::default(),
        subscription: Some("sub_1".to_owned()),
        payments: Vec::new(),
        amount,
        currency: "eur".to_owned(),
        paid_at: after(seconds),
    }
}

fn loss(id: &str, kind: LossKind, amount: i64) -> Loss {
    Loss { id: id.to_owned(), from: LostFrom::Invoice(String::new()), kind, amount }
}

on_both! {
    async fn an_event_is_taken_in_once_and_settled_once(store: Store) {
        let ann = store.member("ann@example.com").await;
        let (one, two, again): (PaymentEventId, PaymentEventId, PaymentEventId) = (store.id(), store.id(), store.id());
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let mut new = payments::insert_events(conn, &[event(one, "evt_1", 0), event(two, "evt_2", 1)], after(5)).await.unwrap();
        new.sort();
        assert_eq!(new, [one.min(two), one.max(two)]);
        assert_eq!(payments::insert_events(conn, &[event(again, "evt_1", 0)], after(6)).await.unwrap(), []);
        // The same id at another provider is another event.
        let elsewhere = NewEvent { provider: Provider::Paddle, ..event(again, "evt_1", 0) };
        assert_eq!(payments::insert_events(conn, &[elsewhere], after(6)).await.unwrap(), [again]);
        assert_eq!(payments::insert_events(conn, &[], after(6)).await.unwrap(), []);

        let failed = Settled {
            error: Some("nobody is that"),
            waits_for: Some("customer:cus_1"),
            kind: Some("invoice_paid"),
            ..Settled::of(EventState::Failed)
        };
        let cus_1 = ["customer:cus_1".to_owned(), "customer:cus_0".to_owned()];
        assert_eq!(payments::settle_events(conn, &[(one, failed)], after(7)).await.unwrap(), 1);
        let found = payments::lock_event(conn, one).await.unwrap().unwrap();
        assert_eq!((found.state, found.attempts, found.error.as_deref()), (EventState::Failed, 1, Some("nobody is that")));
        assert_eq!(found.payload, event(one, "", 0).payload);
        assert_eq!((found.occurred_at, found.received_at), (after(0), after(5)));
        assert_eq!(payments::waiting_for(conn, Provider::Stripe, &cus_1, 9).await.unwrap(), [one]);
        assert_eq!(payments::waiting_for(conn, Provider::Paddle, &cus_1, 9).await.unwrap(), []);
        assert_eq!(payments::waiting_for(conn, Provider::Stripe, &cus_1[1..], 9).await.unwrap(), []);
        assert_eq!(payments::waiting_for(conn, Provider::Stripe, &[], 9).await.unwrap(), []);

        assert!(payments::bury_event(conn, one, after(8)).await.unwrap());
        assert!(!payments::bury_event(conn, one, after(8)).await.unwrap());
        assert_eq!(payments::count_dead(conn).await.unwrap(), 1);
        assert_eq!(payments::waiting_for(conn, Provider::Stripe, &cus_1, 9).await.unwrap(), [one]);
        let done = Settled {
            user: Some(ann),
            subscription: Some(("sub_1", SubscriptionStatus::Active)),
            ..Settled::of(EventState::Done)
        };
        assert_eq!(payments::settle_events(conn, &[(one, done)], after(9)).await.unwrap(), 1);
        let found = payments::find_event(conn, one).await.unwrap().unwrap();
        assert_eq!((found.state, found.attempts, found.error, found.waits_for), (EventState::Done, 2, None, None));
        assert_eq!((found.user, found.subscription.as_deref()), (Some(ann), Some("sub_1")));
        // What is done stays done.
        assert_eq!(payments::settle_events(conn, &[(one, failed)], after(10)).await.unwrap(), 0);
        assert!(!payments::bury_event(conn, one, after(10)).await.unwrap());
        assert_eq!(payments::count_dead(conn).await.unwrap(), 0);

        // Several at once, whatever came of each.
        let ignored = (again, Settled::of(EventState::Ignored));
        assert_eq!(payments::settle_events(conn, &[(one, failed), (two, failed), ignored], after(11)).await.unwrap(), 2);
        for (id, expected) in [(one, EventState::Done), (two, EventState::Failed), (again, EventState::Ignored)] {
            assert_eq!(payments::find_event(conn, id).await.unwrap().unwrap().state, expected);
        }
        assert_eq!(payments::settle_events(conn, &[], after(11)).await.unwrap(), 0);

        let ids = |events: Vec<payments::StoredEvent>| events.into_iter().map(|event| event.id).collect::<Vec<_>>();
        let mut all = vec![one, two, again];
        all.sort();
        all.reverse();
        assert_eq!(ids(payments::list_events(conn, None, None, 9).await.unwrap()), all);
        assert_eq!(ids(payments::list_events(conn, None, Some(all[0]), 1).await.unwrap()), [all[1]]);
        assert_eq!(ids(payments::list_events(conn, Some(EventState::Done), None, 9).await.unwrap()), [one]);
        assert_eq!(payments::find_event(conn, store.id()).await.unwrap(), None);
        assert_eq!(payments::lock_event(conn, store.id()).await.unwrap(), None);
    }

    async fn of_many_who_deliver_one_event_one_is_taken_in(store: Store) {
        let ids: Vec<PaymentEventId> = (0..12).map(|_| store.id()).collect();
        let results = store.race(12, move |number, mut tx| {
            let id = ids[number];
            async move {
                let new = payments::insert_events(&mut tx.conn(), &[event(id, "evt_1", 0)], beginning()).await.unwrap();
                (tx, !new.is_empty())
            }
        });
        assert_eq!(won(&results.await), 1);
        assert_eq!(store.count("payment_events").await, 1);
    }

    async fn the_history_of_a_subscription_is_in_the_providers_order(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        use SubscriptionStatus::{Active, PastDue, Paused};
        let told = [("evt_3", 30, PastDue, EventState::Done), ("evt_1", 10, Active, EventState::Done),
            ("evt_2", 20, Paused, EventState::Done), ("evt_4", 40, Active, EventState::Failed)];
        for (event_id, seconds, status, state) in told {
            let id = store.id();
            payments::insert_events(conn, &[event(id, event_id, seconds)], beginning()).await.unwrap();
            let settled = Settled { subscription: Some(("sub_1", status)), ..Settled::of(state) };
            payments::settle_events(conn, &[(id, settled)], beginning()).await.unwrap();
        }
        let history = payments::history(conn, Provider::Stripe, "sub_1").await.unwrap();
        let moment = |seconds, event_id: &str, status| Moment { at: after(seconds), event_id: event_id.to_owned(), status };
        assert_eq!(history, [moment(10, "evt_1", Active), moment(20, "evt_2", Paused), moment(30, "evt_3", PastDue)]);
        assert_eq!(payments::history(conn, Provider::Paddle, "sub_1").await.unwrap(), []);
    }

    async fn a_customer_is_who_they_were_first(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(payments::put_customer(conn, Provider::Stripe, "cus_1", ann, after(1)).await.unwrap());
        assert!(!payments::put_customer(conn, Provider::Stripe, "cus_1", bob, after(2)).await.unwrap());
        assert!(payments::put_customer(conn, Provider::Polar, "cus_1", bob, after(2)).await.unwrap());
        assert!(payments::put_customer(conn, Provider::Stripe, "cus_2", ann, after(3)).await.unwrap());
        assert_eq!(payments::customer_user(conn, Provider::Stripe, "cus_1").await.unwrap(), Some(ann));
        assert_eq!(payments::customer_user(conn, Provider::Polar, "cus_1").await.unwrap(), Some(bob));
        assert_eq!(payments::customer_user(conn, Provider::Paddle, "cus_1").await.unwrap(), None);
        let theirs = payments::customers_of(conn, ann).await.unwrap();
        assert_eq!(theirs, [(Provider::Stripe, "cus_2".to_owned()), (Provider::Stripe, "cus_1".to_owned())]);
        let customers = [(Provider::Polar, "cus_1".to_owned()), (Provider::Stripe, "cus_9".to_owned())];
        let found = payments::members_of(conn, &customers, &[email("Ann@example.com").key().clone()]).await.unwrap();
        assert_eq!(found, [bob, ann]);
        assert_eq!(payments::members_of(conn, &[], &[]).await.unwrap(), []);
        // Whose account is gone is whoever comes next.
        execute(conn, "DELETE FROM users WHERE email = 'ann@example.com'").await.unwrap();
        assert_eq!(payments::customer_user(conn, Provider::Stripe, "cus_1").await.unwrap(), None);
        assert!(payments::put_customer(conn, Provider::Stripe, "cus_1", bob, after(4)).await.unwrap());
        assert_eq!(payments::customer_user(conn, Provider::Stripe, "cus_1").await.unwrap(), Some(bob));
    }

    async fn the_first_payment_is_the_first_by_the_providers_clock(store: Store) {
        let (ann, bob) = (store.member("ann@example.com").await, store.member("bob@example.com").await);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(payments::first_payment(conn, ann).await.unwrap(), None);
        for (user, id, amount, seconds) in [(ann, "in_2", 500, 20), (ann, "in_0", 0, 5), (bob, "in_b", 100, 1), (ann, "in_1", 999, 10)] {
            assert!(payments::insert_payment(conn, Provider::Stripe, user, &invoice(id, amount, seconds), after(50)).await.unwrap());
        }
        assert!(!payments::insert_payment(conn, Provider::Stripe, bob, &invoice("in_1", 1, 0), after(51)).await.unwrap());
        let first = FirstPayment {
            provider: Provider::Stripe,
            invoice: "in_1".to_owned(),
            amount: 999,
            paid_at: after(10),
            lost: 0,
            lost_at: None,
        };
        assert_eq!(payments::first_payment(conn, ann).await.unwrap(), Some(first.clone()));
        assert_eq!(payments::payment_user(conn, Provider::Stripe, "in_1").await.unwrap(), Some(Some(ann)));
        assert_eq!(payments::payment_user(conn, Provider::Polar, "in_1").await.unwrap(), None);

        // The later word on a loss holds, in whatever order they come; losses add up.
        let words = [(loss("ch_1", LossKind::Refund, 300), 30), (loss("ch_1", LossKind::Refund, 100), 25),
            (loss("dp_1", LossKind::DisputeOpened, 0), 35), (loss("dp_1", LossKind::DisputeLost, 699), 40)];
        let expected = [true, false, true, true];
        for ((loss, seconds), expected) in words.iter().zip(expected) {
            assert_eq!(payments::put_loss(conn, Provider::Stripe, "in_1", loss, after(*seconds)).await.unwrap(), expected);
        }
        let lost = FirstPayment { lost: 999, lost_at: Some(after(40)), ..first.clone() };
        assert_eq!(payments::first_payment(conn, ann).await.unwrap(), Some(lost));
        // Another id gives some of it back.
        payments::put_loss(conn, Provider::Stripe, "in_1", &loss("rev_1", LossKind::DisputeWon, -699), after(60)).await.unwrap();
        let rest = FirstPayment { lost: 300, lost_at: Some(after(40)), ..first };
        assert_eq!(payments::first_payment(conn, ann).await.unwrap(), Some(rest.clone()));
        assert_eq!(payments::first_payment(conn, bob).await.unwrap().unwrap().lost, 0);
        // The same by its invoice, whosever it was; of nothing there is none.
        assert_eq!(payments::payment(conn, Provider::Stripe, "in_1").await.unwrap(), Some(rest));
        assert_eq!(payments::payment(conn, Provider::Stripe, "in_2").await.unwrap().unwrap().amount, 500);
        for (provider, id) in [(Provider::Stripe, "in_0"), (Provider::Polar, "in_1"), (Provider::Stripe, "in_9")] {
            assert_eq!(payments::payment(conn, provider, id).await.unwrap(), None);
        }
    }

    async fn a_payment_pays_one_invoice(store: Store) {
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(payments::insert_link(conn, Provider::Stripe, "pi_1", "in_1").await.unwrap());
        assert!(!payments::insert_link(conn, Provider::Stripe, "pi_1", "in_2").await.unwrap());
        assert_eq!(payments::invoice_of(conn, Provider::Stripe, "pi_1").await.unwrap().as_deref(), Some("in_1"));
        assert_eq!(payments::invoice_of(conn, Provider::Paddle, "pi_1").await.unwrap(), None);
    }
}
