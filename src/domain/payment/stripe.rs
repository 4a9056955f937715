//! Reads what Stripe sends: <https://docs.stripe.com/api/events/types>.
//!
//! An endpoint keeps the version of the API with which it was made, so both shapes of the change of
//! 2025-03-31 ("basil") come: the end of the period was the subscription's and is now each item's,
//! and an invoice's link to its subscription has moved. With what it was paid is told by
//! `invoice_payment.paid` since then, without which nothing can be said of a refund.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::{
    payment::{
        Envelope, Loss, LossKind, LostFrom, PaidInvoice, Payer, PaymentEvent, Unreadable,
        reading::{Node, RANK_OF_AN_ANSWER, each_once, parse, rank},
    },
    subscription::{Scheduled, ScheduledAction, Snapshot, SubscriptionStatus},
};

/// Reads an event.
pub fn read_event(body: &[u8]) -> Result<Envelope, Unreadable> {
    let body = parse(body)?;
    let event = Node::root(&body);
    let event_id = event.at("id").need(Node::owned)?;
    let event_type = event.at("type").need(Node::owned)?;
    // Events of the second generation, of which none concerns us, write the time out.
    let occurred_at = event.at("created").need(|created| created.seconds().or_else(|| created.instant()))?;
    let event = read_object(&event_type, &event.at("data.object"), occurred_at);
    Ok(Envelope { event_id, event_type, occurred_at, event })
}

/// Reads a subscription as the API returns it.
pub fn read_subscription(object: &Value) -> Result<(Payer, Snapshot), Unreadable> {
    subscription(&Node::root(object))
}

fn read_object(
    event_type: &str,
    object: &Node<'_>,
    occurred_at: DateTime<Utc>,
) -> Result<Option<PaymentEvent>, Unreadable> {
    Ok(match event_type {
        "checkout.session.completed" => checkout(object),
        "customer.subscription.created"
        | "customer.subscription.updated"
        | "customer.subscription.deleted"
        | "customer.subscription.paused"
        | "customer.subscription.resumed" => {
            let (payer, mut snapshot) = subscription(object)?;
            snapshot.rank = rank(event_type.ends_with("created"), snapshot.status);
            Some(PaymentEvent::Subscription { payer, snapshot: Box::new(snapshot) })
        }
        // `invoice.payment_succeeded` says the same again, except of invoices that were paid elsewhere.
        "invoice.paid" => Some(PaymentEvent::InvoicePaid(invoice(object, occurred_at)?)),
        "invoice_payment.paid" => payment_of_invoice(object)?,
        "charge.refunded" => Some(PaymentEvent::Loss(refund(object)?)),
        "charge.dispute.created" => Some(dispute(object, LossKind::DisputeOpened)?),
        "charge.dispute.closed" => Some(dispute(object, outcome(object)?)?),
        "charge.dispute.funds_reinstated" => Some(dispute(object, LossKind::DisputeWon)?),
        _ => None,
    })
}

/// A checkout without a customer ties nobody to anything.
fn checkout(session: &Node<'_>) -> Option<PaymentEvent> {
    let customer = session.at("customer").id()?;
    let email = session.at("customer_details.email").email().or_else(|| session.at("customer_email").email());
    let reference = session.at("client_reference_id").owned().or_else(|| reference(session));
    Some(PaymentEvent::Customer(Payer { reference, customer: Some(customer), email }))
}

fn subscription(object: &Node<'_>) -> Result<(Payer, Snapshot), Unreadable> {
    let subscription = object.at("id").need(Node::owned)?;
    let status = object.at("status").need(status)?;
    let items: Vec<_> = object.at("items.data").elements().collect();
    let ends_of_items = items.iter().filter_map(|item| item.at("current_period_end").seconds());
    let period_end = object.at("current_period_end").seconds().or_else(|| ends_of_items.max());
    let prices = each_once(
        items.iter().flat_map(|item| [item.at("price").id(), item.at("plan").id()]).chain([object.at("plan").id()]),
    );
    // What has ended needs no tier any more, and must be able to end whatever it was.
    if prices.is_empty() && status != SubscriptionStatus::Ended {
        return Err(Unreadable::Missing(object.at("items.data").path() + "[0].price.id"));
    }
    let snapshot = Snapshot {
        subscription,
        status,
        prices,
        started_at: object.at("start_date").need(|date| date.seconds().or_else(|| object.at("created").seconds()))?,
        period_end,
        scheduled: scheduled(object, period_end).filter(|_| status != SubscriptionStatus::Ended),
        ended_at: object.at("ended_at").seconds(),
        rank: RANK_OF_AN_ANSWER,
    };
    // The customer is an object where the API was asked to expand it.
    let email = object.at("customer.email").email();
    Ok((Payer { reference: reference(object), customer: object.at("customer").id(), email }, snapshot))
}

/// <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>
fn status(node: &Node<'_>) -> Option<SubscriptionStatus> {
    Some(match node.text()? {
        "incomplete" => SubscriptionStatus::Incomplete,
        "trialing" => SubscriptionStatus::Trialing,
        "active" => SubscriptionStatus::Active,
        "past_due" => SubscriptionStatus::PastDue,
        // It gives nothing, but goes on when the open invoice is paid.
        "unpaid" | "paused" => SubscriptionStatus::Paused,
        "incomplete_expired" | "canceled" => SubscriptionStatus::Ended,
        _ => return None,
    })
}

fn scheduled(object: &Node<'_>, period_end: Option<DateTime<Utc>>) -> Option<Scheduled> {
    let at_period_end = period_end.filter(|_| object.at("cancel_at_period_end").flag());
    let at = object.at("cancel_at").seconds().or(at_period_end)?;
    Some(Scheduled { action: ScheduledAction::End, at })
}

fn invoice(object: &Node<'_>, occurred_at: DateTime<Utc>) -> Result<PaidInvoice, Unreadable> {
    let old = object.at("subscription_details");
    let new = object.at("parent.subscription_details");
    let reference = reference(&new).or_else(|| reference(&old)).or_else(|| reference(object));
    let payments = object.at("payments.data").elements().flat_map(|payment| ids_of_payment(&payment.at("payment")));
    Ok(PaidInvoice {
        id: object.at("id").need(Node::owned)?,
        payer: Payer { reference, customer: object.at("customer").id(), email: object.at("customer_email").email() },
        subscription: new.at("subscription").id().or_else(|| object.at("subscription").id()),
        payments: each_once(ids_of_payment(object).into_iter().chain(payments)),
        amount: object.at("amount_paid").need(Node::amount)?,
        currency: object.at("currency").need(Node::currency)?,
        paid_at: object.at("status_transitions.paid_at").seconds().unwrap_or(occurred_at),
    })
}

/// A payment is told with one of three ids; the first is what refunds and disputes know.
fn ids_of_payment(payment: &Node<'_>) -> [Option<String>; 3] {
    ["payment_intent", "charge", "payment_record"].map(|name| payment.at(name).id())
}

fn payment_of_invoice(object: &Node<'_>) -> Result<Option<PaymentEvent>, Unreadable> {
    let invoice = object.at("invoice").need(Node::id)?;
    let payment = ids_of_payment(&object.at("payment")).into_iter().flatten().next();
    Ok(payment.map(|payment| PaymentEvent::PaymentOfInvoice { invoice, payment }))
}

/// What was refunded of a charge so far: the next event about it has the new sum.
fn refund(charge: &Node<'_>) -> Result<Loss, Unreadable> {
    let id = charge.at("id").need(Node::owned)?;
    let invoice = charge.at("invoice").id().map(LostFrom::Invoice);
    let payment = charge.at("payment_intent").id().map(LostFrom::Payment);
    Ok(Loss {
        from: invoice.or(payment).unwrap_or_else(|| LostFrom::Payment(id.clone())),
        id,
        kind: LossKind::Refund,
        amount: charge.at("amount_refunded").need(Node::amount)?,
    })
}

fn dispute(object: &Node<'_>, kind: LossKind) -> Result<PaymentEvent, Unreadable> {
    let amount = object.at("amount").need(Node::amount)?;
    let payment = object.at("payment_intent").id();
    Ok(PaymentEvent::Loss(Loss {
        id: object.at("id").need(Node::owned)?,
        from: LostFrom::Payment(payment.map_or_else(|| object.at("charge").need(Node::id), Ok)?),
        kind,
        amount: if kind == LossKind::DisputeLost { amount } else { 0 },
    }))
}

/// How a dispute ended. One that was prevented was paid back before the bank had to.
fn outcome(dispute: &Node<'_>) -> Result<LossKind, Unreadable> {
    dispute.at("status").need(|status| match status.text()? {
        "lost" | "prevented" => Some(LossKind::DisputeLost),
        // A refund in its course is told as a refund.
        "won" | "warning_closed" | "charge_refunded" => Some(LossKind::DisputeWon),
        _ => None,
    })
}

/// Our own id of the member, as the checkout gave it along.
fn reference(object: &Node<'_>) -> Option<String> {
    object.at("metadata.user_id").owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::payment::{
        Provider,
        reading::recorded::{self, ALL},
    };

    const CHECKOUT: &str = ALL[0].1;
    const SUBSCRIPTION_2024: &str = ALL[1].1;
    const SUBSCRIPTION_2025: &str = ALL[2].1;
    const INVOICE_2024: &str = ALL[3].1;
    const INVOICE_2025: &str = ALL[4].1;
    const INVOICE_PAYMENT: &str = ALL[5].1;
    const REFUND: &str = ALL[6].1;
    const DISPUTE: &str = ALL[7].1;

    const USER: &str = "0192f5a0-0000-7000-8000-000000000001";

    fn event(payload: &str, changes: &[(&str, Value)]) -> PaymentEvent {
        recorded::event(Provider::Stripe, payload, changes)
    }

    fn snapshot(payload: &str, changes: &[(&str, Value)]) -> Snapshot {
        match event(payload, changes) {
            PaymentEvent::Subscription { snapshot, .. } => *snapshot,
            other => panic!("{other:?}"),
        }
    }

    fn missing(payload: &str, changes: &[(&str, Value)]) -> String {
        match recorded::read(Provider::Stripe, payload, changes).event {
            Err(Unreadable::Missing(path)) => path,
            other => panic!("{other:?}"),
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("in range")
    }

    #[test]
    fn both_shapes_of_a_subscription_are_read_alike() {
        let envelope = recorded::read(Provider::Stripe, SUBSCRIPTION_2025, &[]);
        assert_eq!(envelope.event_id, "evt_1QIDd4B7WZ01zgkW4jDKmdqT");
        assert_eq!(envelope.event_type, "customer.subscription.updated");
        assert_eq!(envelope.occurred_at, at(1_730_900_003));
        let expected = Snapshot {
            subscription: "sub_1QIDd0B7WZ01zgkWtQzMHN4q".to_owned(),
            status: SubscriptionStatus::Active,
            prices: vec!["price_1PgafmB7WZ01zgkW6dKueIc5".to_owned()],
            started_at: at(1_730_900_000),
            period_end: Some(at(1_733_492_000)),
            scheduled: None,
            ended_at: None,
            rank: 2,
        };
        let payer =
            Payer { reference: Some(USER.to_owned()), customer: Some("cus_RGzwNvDNIxDRMk".to_owned()), email: None };
        let expected = PaymentEvent::Subscription { payer, snapshot: Box::new(expected) };
        assert_eq!(envelope.event, Ok(Some(expected.clone())));
        assert_eq!(event(SUBSCRIPTION_2024, &[]), expected);
        // The list of plans was once all there was.
        let only_plan = [("/data/object/items", json!(null))];
        assert_eq!(event(SUBSCRIPTION_2024, &only_plan), expected);
    }

    #[test]
    fn every_status_has_its_meaning() {
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        let statuses = [
            ("incomplete", Incomplete),
            ("incomplete_expired", Ended),
            ("trialing", Trialing),
            ("active", Active),
            ("past_due", PastDue),
            ("unpaid", Paused),
            ("paused", Paused),
            ("canceled", Ended),
        ];
        for payload in [SUBSCRIPTION_2024, SUBSCRIPTION_2025] {
            for (word, status) in statuses {
                assert_eq!(snapshot(payload, &[("/data/object/status", json!(word))]).status, status, "{word}");
            }
        }
        let unknown = [("/data/object/status", json!("resting"))];
        assert_eq!(missing(SUBSCRIPTION_2025, &unknown), "data.object.status");
    }

    #[test]
    fn every_type_of_event_about_a_subscription_has_its_rank() {
        let ranks = [
            ("customer.subscription.created", "active", 0),
            ("customer.subscription.created", "incomplete", 0),
            ("customer.subscription.updated", "incomplete", 1),
            ("customer.subscription.updated", "active", 2),
            ("customer.subscription.paused", "paused", 2),
            ("customer.subscription.resumed", "active", 2),
            ("customer.subscription.updated", "canceled", 3),
            ("customer.subscription.deleted", "canceled", 3),
        ];
        for (word, status, rank) in ranks {
            let changes = [("/type", json!(word)), ("/data/object/status", json!(status))];
            assert_eq!(snapshot(SUBSCRIPTION_2025, &changes).rank, rank, "{word} {status}");
        }
    }

    #[test]
    fn what_is_scheduled_is_its_end() {
        let end = |at| Some(Scheduled { action: ScheduledAction::End, at });
        let (flag, date) = ("/data/object/cancel_at_period_end", "/data/object/cancel_at");
        let sooner = at(1_732_000_000);
        for payload in [SUBSCRIPTION_2024, SUBSCRIPTION_2025] {
            assert_eq!(snapshot(payload, &[(flag, json!(true))]).scheduled, end(at(1_733_492_000)));
            assert_eq!(snapshot(payload, &[(date, json!(1_732_000_000))]).scheduled, end(sooner));
            assert_eq!(snapshot(payload, &[(flag, json!(true)), (date, json!(1_732_000_000))]).scheduled, end(sooner));
            let over = [
                (flag, json!(true)),
                ("/data/object/status", json!("canceled")),
                ("/data/object/ended_at", json!(1_733_492_000)),
            ];
            let over = snapshot(payload, &over);
            assert_eq!((over.scheduled, over.ended_at), (None, Some(at(1_733_492_000))));
        }
    }

    #[test]
    fn items_may_have_periods_of_their_own() {
        let items = json!({ "data": [
            { "price": { "id": "price_a" }, "current_period_end": 1_733_492_000 },
            { "price": "price_b", "plan": { "id": "price_b" }, "current_period_end": 1_762_436_000 },
            { "price": { "id": "price_a" } },
        ] });
        let snapshot = snapshot(SUBSCRIPTION_2025, &[("/data/object/items", items)]);
        assert_eq!(snapshot.prices, ["price_a", "price_b"]);
        assert_eq!(snapshot.period_end, Some(at(1_762_436_000)));
    }

    #[test]
    fn a_subscription_from_the_api_is_the_newest() {
        for payload in [SUBSCRIPTION_2024, SUBSCRIPTION_2025] {
            let event: Value = serde_json::from_str(payload).expect("recorded JSON");
            let mut object = event["data"]["object"].clone();
            object["customer"] = json!({ "id": "cus_RGzwNvDNIxDRMk", "email": "Ann@Example.com" });
            let (payer, snapshot) = read_subscription(&object).expect("readable");
            assert_eq!(snapshot.rank, 4);
            assert_eq!(payer.customer.as_deref(), Some("cus_RGzwNvDNIxDRMk"));
            assert_eq!(payer.email.map(|key| key.as_str().to_owned()).as_deref(), Some("ann@example.com"));
        }
        assert_eq!(read_subscription(&json!(null)), Err(Unreadable::Missing("id".to_owned())));
    }

    #[test]
    fn both_shapes_of_an_invoice_are_read_alike() {
        let invoice = |payload, changes: &[_]| match event(payload, changes) {
            PaymentEvent::InvoicePaid(invoice) => invoice,
            other => panic!("{other:?}"),
        };
        let new = invoice(INVOICE_2025, &[]);
        assert_eq!(new.id, "in_1QIDd0B7WZ01zgkW0rLrFTl5");
        assert_eq!(new.payer.reference.as_deref(), Some(USER));
        assert_eq!(new.payer.customer.as_deref(), Some("cus_RGzwNvDNIxDRMk"));
        assert_eq!(new.payer.email.as_ref().map(|key| key.as_str()), Some("ann@example.com"));
        assert_eq!(new.subscription.as_deref(), Some("sub_1QIDd0B7WZ01zgkWtQzMHN4q"));
        // Webhooks do not have them, and tell them apart; where the API is asked to, it lists them.
        assert_eq!(new.payments, Vec::<String>::new());
        let listed = json!({ "data": [
            { "payment": { "type": "payment_intent", "payment_intent": { "id": "pi_1" } } },
            { "payment": { "type": "charge", "charge": "ch_1" } },
        ] });
        assert_eq!(invoice(INVOICE_2025, &[("/data/object/payments", listed)]).payments, ["pi_1", "ch_1"]);
        assert_eq!((new.amount, new.currency.as_str(), new.paid_at), (900, "eur", at(1_730_900_002)));

        let old = invoice(INVOICE_2024, &[]);
        let both = ["pi_3QIDd0B7WZ01zgkW1wEvGZyD", "ch_3QIDd0B7WZ01zgkW1sVqzBLy"];
        assert_eq!(PaidInvoice { payments: new.payments.clone(), ..old.clone() }, new);
        assert_eq!(old.payments, both);

        let trial = invoice(INVOICE_2025, &[("/data/object/amount_paid", json!(0))]);
        assert_eq!(trial.amount, 0);
        let alone = invoice(
            INVOICE_2025,
            &[
                ("/data/object/parent", json!(null)),
                ("/data/object/status_transitions", json!(null)),
                ("/data/object/metadata", json!({ "user_id": "x" })),
            ],
        );
        assert_eq!((alone.subscription, alone.payments), (None, vec![]));
        assert_eq!((alone.payer.reference.as_deref(), alone.paid_at), (Some("x"), at(1_730_900_003)));
    }

    #[test]
    fn a_payment_of_an_invoice_is_known_by_one_of_three_ids() {
        let of_invoice = |payment: &str| {
            let invoice = "in_1QIDd0B7WZ01zgkW0rLrFTl5".to_owned();
            PaymentEvent::PaymentOfInvoice { invoice, payment: payment.to_owned() }
        };
        assert_eq!(event(INVOICE_PAYMENT, &[]), of_invoice("pi_3QIDd0B7WZ01zgkW1wEvGZyD"));
        for (field, id) in [("charge", "ch_1"), ("payment_record", "prec_1")] {
            let payment = json!({ "type": field, field: { "id": id } });
            assert_eq!(event(INVOICE_PAYMENT, &[("/data/object/payment", payment)]), of_invoice(id));
        }
        let other = [("/data/object/payment", json!({ "type": "seashells", "seashells": "sea_1" }))];
        assert_eq!(recorded::read(Provider::Stripe, INVOICE_PAYMENT, &other).event, Ok(None));
    }

    #[test]
    fn a_checkout_ties_a_member_to_a_customer() {
        let payer = |changes: &[_]| match event(CHECKOUT, changes) {
            PaymentEvent::Customer(payer) => payer,
            other => panic!("{other:?}"),
        };
        let known = payer(&[]);
        assert_eq!(known.reference.as_deref(), Some(USER));
        assert_eq!(known.customer.as_deref(), Some("cus_RGzwNvDNIxDRMk"));
        assert_eq!(known.email.as_ref().map(|key| key.as_str()), Some("ann@example.com"));
        assert_eq!(payer(&[("/data/object/client_reference_id", json!(null))]), known, "the metadata says it too");
        let nobody = [("/data/object/customer", json!(null))];
        assert_eq!(recorded::read(Provider::Stripe, CHECKOUT, &nobody).event, Ok(None));
    }

    fn loss(payload: &str, changes: &[(&str, Value)]) -> (String, LostFrom, LossKind, i64) {
        match event(payload, changes) {
            PaymentEvent::Loss(loss) => (loss.id, loss.from, loss.kind, loss.amount),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refund_is_the_sum_of_what_went_back() {
        let charge = "ch_3QIDd0B7WZ01zgkW1sVqzBLy".to_owned();
        let payment = LostFrom::Payment("pi_3QIDd0B7WZ01zgkW1wEvGZyD".to_owned());
        let refund = |from| (charge.clone(), from, LossKind::Refund, 300);
        assert_eq!(loss(REFUND, &[]), refund(payment));
        let invoice = [("/data/object/invoice", json!("in_1"))];
        assert_eq!(loss(REFUND, &invoice), refund(LostFrom::Invoice("in_1".to_owned())));
        let neither = [("/data/object/payment_intent", json!(null))];
        assert_eq!(loss(REFUND, &neither), refund(LostFrom::Payment(charge.clone())));
    }

    #[test]
    fn a_dispute_costs_what_was_lost() {
        use LossKind::{DisputeLost, DisputeOpened, DisputeWon};
        let cases = [
            ("charge.dispute.created", "needs_response", DisputeOpened, 0),
            ("charge.dispute.created", "warning_needs_response", DisputeOpened, 0),
            ("charge.dispute.closed", "lost", DisputeLost, 900),
            ("charge.dispute.closed", "prevented", DisputeLost, 900),
            ("charge.dispute.closed", "won", DisputeWon, 0),
            ("charge.dispute.closed", "warning_closed", DisputeWon, 0),
            ("charge.dispute.funds_reinstated", "won", DisputeWon, 0),
        ];
        for (word, status, kind, amount) in cases {
            let changes = [("/type", json!(word)), ("/data/object/status", json!(status))];
            let from = LostFrom::Payment("pi_3QIDd0B7WZ01zgkW1wEvGZyD".to_owned());
            let expected = ("du_1QKd00B7WZ01zgkWv9MSrvY7".to_owned(), from, kind, amount);
            assert_eq!(loss(DISPUTE, &changes), expected, "{word} {status}");
        }
        let by_charge = loss(DISPUTE, &[("/data/object/payment_intent", json!(null))]);
        assert_eq!(by_charge.1, LostFrom::Payment("ch_3QIDd0B7WZ01zgkW1sVqzBLy".to_owned()));
        assert_eq!(missing(DISPUTE, &[("/data/object/status", json!("shelved"))]), "data.object.status");
    }

    #[test]
    fn other_events_are_of_no_interest() {
        for word in ["invoice.payment_succeeded", "invoice.created", "charge.dispute.updated", "seashell.found"] {
            let envelope = recorded::read(Provider::Stripe, INVOICE_2025, &[("/type", json!(word))]);
            assert_eq!(envelope.event, Ok(None), "{word}");
        }
        let second_generation = json!({
            "id": "evt_test_65R2GzRs", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found",
            "created": "2024-09-17T06:20:52.246Z", "data": {},
        });
        let envelope = read_event(second_generation.to_string().as_bytes()).expect("an event");
        assert_eq!(envelope.event, Ok(None));
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases: &[(&str, &str, &str)] = &[
            (SUBSCRIPTION_2025, "/data/object/id", "data.object.id"),
            (SUBSCRIPTION_2025, "/data/object/status", "data.object.status"),
            (SUBSCRIPTION_2025, "/data/object/items", "data.object.items.data[0].price.id"),
            (INVOICE_2025, "/data/object/id", "data.object.id"),
            (INVOICE_2025, "/data/object/amount_paid", "data.object.amount_paid"),
            (INVOICE_2025, "/data/object/currency", "data.object.currency"),
            (INVOICE_PAYMENT, "/data/object/invoice", "data.object.invoice"),
            (REFUND, "/data/object/amount_refunded", "data.object.amount_refunded"),
            (DISPUTE, "/data/object/amount", "data.object.amount"),
            (DISPUTE, "/data/object", "data.object.status"),
        ];
        for (payload, pointer, path) in cases {
            assert_eq!(missing(payload, &[(pointer, json!(null))]), *path);
        }
        let dates = [("/data/object/start_date", json!(null)), ("/data/object/created", json!(null))];
        assert_eq!(missing(SUBSCRIPTION_2025, &dates), "data.object.start_date");
        for (pointer, path) in [("/id", "id"), ("/type", "type"), ("/created", "created")] {
            let body = recorded::changed(CHECKOUT, &[(pointer, json!(null))]);
            assert_eq!(read_event(&body), Err(Unreadable::Missing(path.to_owned())));
        }
    }
}
