//! Reads what Polar sends: <https://polar.sh/docs/integrate/webhooks/events>.
//!
//! An event's id is in the header `webhook-id` alone. Polar tells of no disputes: it ends the
//! subscription, and refunds the order if it paid the money back itself.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::{
    payment::{
        Envelope, Loss, LossKind, LostFrom, PaidInvoice, Payer, PaymentEvent, Unreadable,
        reading::{Node, RANK_OF_AN_ANSWER, each_once, parse, rank},
    },
    subscription::{Scheduled, ScheduledAction, Snapshot, SubscriptionStatus},
};

/// Reads an event. `delivery_id` is the header `webhook-id`, which stays the same when it is sent again.
pub fn read_event(body: &[u8], delivery_id: Option<&str>) -> Result<Envelope, Unreadable> {
    let header = Value::from(delivery_id);
    let event_id = Node::named(&header, "webhook-id").need(Node::owned)?;
    let body = parse(body)?;
    let event = Node::root(&body);
    let event_type = event.at("type").need(Node::owned)?;
    let data = event.at("data");
    // Events have told their time since 2025; the header's is that of the delivery, new at each try.
    let told = [event.at("timestamp"), data.at("modified_at"), data.at("created_at")];
    let occurred_at = event.at("timestamp").need(|_| told.iter().find_map(Node::instant))?;
    let event = read_data(&event_type, &data, occurred_at);
    Ok(Envelope { event_id, event_type, occurred_at, event })
}

/// Reads a subscription as the API returns it.
pub fn read_subscription(object: &Value) -> Result<(Payer, Snapshot), Unreadable> {
    subscription(&Node::root(object))
}

fn read_data(
    event_type: &str,
    data: &Node<'_>,
    occurred_at: DateTime<Utc>,
) -> Result<Option<PaymentEvent>, Unreadable> {
    Ok(match event_type {
        "subscription.created"
        | "subscription.migrated"
        | "subscription.active"
        | "subscription.updated"
        | "subscription.cycled"
        | "subscription.past_due"
        | "subscription.canceled"
        | "subscription.uncanceled"
        | "subscription.paused"
        | "subscription.resumed"
        | "subscription.revoked" => {
            let (payer, mut snapshot) = subscription(data)?;
            if event_type == "subscription.revoked" {
                snapshot.status = revoked(snapshot.status);
                snapshot.scheduled = None;
            }
            snapshot.rank = rank(event_type == "subscription.created", snapshot.status);
            Some(PaymentEvent::Subscription { payer, snapshot: Box::new(snapshot) })
        }
        "order.paid" => Some(PaymentEvent::InvoicePaid(order(data, occurred_at)?)),
        // Of the same refund `refund.*` tells only what it added.
        "order.refunded" | "order.updated" => refund(data)?.map(PaymentEvent::Loss),
        "customer.created" | "customer.updated" | "customer.state_changed" => Some(PaymentEvent::Customer(Payer {
            reference: metadata(data).or_else(|| data.at("external_id").owned()),
            customer: Some(data.at("id").need(Node::owned)?),
            email: data.at("email").email(),
        })),
        _ => None,
    })
}

fn subscription(data: &Node<'_>) -> Result<(Payer, Snapshot), Unreadable> {
    let subscription = data.at("id").need(Node::owned)?;
    let status = data.at("status").need(status)?;
    let period_end = data.at("current_period_end").instant();
    // The prices that the product has by now may be others.
    let prices = data.at("prices").elements().map(|price| price.at("id").owned());
    let prices = each_once(prices.chain([data.at("product_id").owned(), data.at("product.id").owned()]));
    // What has ended needs no tier any more, and must be able to end whatever it was.
    if prices.is_empty() && status != SubscriptionStatus::Ended {
        return Err(Unreadable::Missing(data.at("product_id").path()));
    }
    let began = ["started_at", "created_at"].map(|name| data.at(name).instant());
    let snapshot = Snapshot {
        subscription,
        status,
        prices,
        started_at: data.at("started_at").need(|_| began.into_iter().flatten().next())?,
        period_end,
        scheduled: scheduled(data, period_end)?.filter(|_| status != SubscriptionStatus::Ended),
        ended_at: data.at("ended_at").instant(),
        rank: RANK_OF_AN_ANSWER,
    };
    Ok((payer(data), snapshot))
}

/// The event `subscription.canceled` ends nothing: until the period is over the status stays what it was.
fn status(node: &Node<'_>) -> Option<SubscriptionStatus> {
    Some(match node.text()? {
        "incomplete" => SubscriptionStatus::Incomplete,
        "trialing" => SubscriptionStatus::Trialing,
        "active" => SubscriptionStatus::Active,
        "past_due" => SubscriptionStatus::PastDue,
        // It gives nothing, but a payment brings it back.
        "unpaid" | "paused" => SubscriptionStatus::Paused,
        "incomplete_expired" | "canceled" => SubscriptionStatus::Ended,
        _ => return None,
    })
}

/// What is revoked is over, except where the status says that it can be paid for yet: a payment that
/// failed was once told so too (<https://github.com/polarsource/polar/issues/8325>).
fn revoked(status: SubscriptionStatus) -> SubscriptionStatus {
    match status {
        SubscriptionStatus::PastDue | SubscriptionStatus::Paused => status,
        _ => SubscriptionStatus::Ended,
    }
}

fn scheduled(data: &Node<'_>, period_end: Option<DateTime<Utc>>) -> Result<Option<Scheduled>, Unreadable> {
    let update = data.at("pending_update");
    let (action, at) = if data.at("cancel_at_period_end").flag() {
        (ScheduledAction::End, data.at("ends_at").instant().or(period_end))
    } else if data.at("pause_at_period_end").flag() {
        (ScheduledAction::Pause, period_end)
    } else if update.at("product_id").text().is_some() {
        (ScheduledAction::Change, Some(update.at("applies_at").need(Node::instant)?))
    } else {
        return Ok(None);
    };
    Ok(at.map(|at| Scheduled { action, at }))
}

fn order(data: &Node<'_>, occurred_at: DateTime<Utc>) -> Result<PaidInvoice, Unreadable> {
    let id = data.at("id").need(Node::owned)?;
    Ok(PaidInvoice {
        payments: vec![id.clone()],
        id,
        payer: payer(data),
        subscription: data.at("subscription_id").owned().or_else(|| data.at("subscription.id").owned()),
        amount: charged(data)?,
        currency: data.at("currency").need(Node::currency)?,
        paid_at: occurred_at,
    })
}

/// What was really charged: the total with tax, less what the customer's balance paid of it.
fn charged(order: &Node<'_>) -> Result<i64, Unreadable> {
    let due = order.at("due_amount").amount();
    due.map_or_else(|| order.at("total_amount").need(Node::amount), Ok)
}

/// What was refunded of an order so far. Tax is told apart, and counts: a whole refund is what was
/// charged.
fn refund(data: &Node<'_>) -> Result<Option<Loss>, Unreadable> {
    let net = data.at("refunded_amount").need(Node::amount)?;
    let sum = net + data.at("refunded_tax_amount").amount().unwrap_or(0);
    let is_whole = data.at("status").text() == Some("refunded");
    let amount = if is_whole { sum.max(charged(data)?) } else { sum };
    // Orders are updated for other reasons too.
    if amount == 0 {
        return Ok(None);
    }
    let id = data.at("id").need(Node::owned)?;
    Ok(Some(Loss { from: LostFrom::Invoice(id.clone()), id, kind: LossKind::Refund, amount }))
}

fn payer(data: &Node<'_>) -> Payer {
    let customer = data.at("customer");
    Payer {
        reference: metadata(data).or_else(|| customer.at("external_id").owned()),
        customer: data.at("customer_id").owned().or_else(|| customer.at("id").owned()),
        email: customer.at("email").email(),
    }
}

/// Our own id of the member, as the checkout gave it along.
fn metadata(data: &Node<'_>) -> Option<String> {
    data.at("metadata.user_id").owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::payment::{
        Provider,
        reading::recorded::{self, ALL},
    };

    const CUSTOMER: &str = ALL[12].1;
    const SUBSCRIPTION: &str = ALL[13].1;
    const ORDER: &str = ALL[14].1;

    const USER: &str = "0192f5a0-0000-7000-8000-000000000001";
    const BUYER: &str = "992fae2a-2a17-4b7a-8d9e-e287cf90131b";

    fn event(payload: &str, changes: &[(&str, Value)]) -> PaymentEvent {
        recorded::event(Provider::Polar, payload, changes)
    }

    fn snapshot(changes: &[(&str, Value)]) -> Snapshot {
        match event(SUBSCRIPTION, changes) {
            PaymentEvent::Subscription { snapshot, .. } => *snapshot,
            other => panic!("{other:?}"),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn ann() -> Payer {
        Payer {
            reference: Some(USER.to_owned()),
            customer: Some(BUYER.to_owned()),
            email: crate::domain::email::EmailAddress::parse("ann@example.com").ok().map(|email| email.key().clone()),
        }
    }

    #[test]
    fn a_subscription_is_read() {
        let envelope = recorded::read(Provider::Polar, SUBSCRIPTION, &[]);
        assert_eq!((envelope.event_id.as_str(), envelope.event_type.as_str()), ("msg_1", "subscription.updated"));
        assert_eq!(envelope.occurred_at, at("2024-11-06T13:33:20.612345Z"));
        let expected = Snapshot {
            subscription: "e5149aae-e521-42b9-b24c-abb3d71eea2e".to_owned(),
            status: SubscriptionStatus::Active,
            prices: vec![
                "5b3a0f7e-8f67-4f0c-9d6e-0d8f7f3f1d11".to_owned(),
                "d8dd2de1-21b7-4a41-8bc3-ce909c0cfe23".to_owned(),
            ],
            started_at: at("2024-11-06T13:33:19Z"),
            period_end: Some(at("2024-12-06T13:33:18Z")),
            scheduled: None,
            ended_at: None,
            rank: 2,
        };
        let expected = PaymentEvent::Subscription { payer: ann(), snapshot: Box::new(expected) };
        assert_eq!(envelope.event, Ok(Some(expected.clone())));
        let by_customer = [("/data/metadata", json!({})), ("/data/customer_id", json!(null))];
        assert_eq!(event(SUBSCRIPTION, &by_customer), expected, "the customer says both too");
    }

    #[test]
    fn every_status_has_its_meaning() {
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        // The status, its meaning, and its meaning once it is revoked.
        let statuses = [
            ("incomplete", Incomplete, Ended),
            ("incomplete_expired", Ended, Ended),
            ("trialing", Trialing, Ended),
            ("active", Active, Ended),
            ("past_due", PastDue, PastDue),
            ("canceled", Ended, Ended),
            ("unpaid", Paused, Paused),
            ("paused", Paused, Paused),
        ];
        for (word, status, revoked) in statuses {
            let word = ("/data/status", json!(word));
            for event in ["updated", "canceled"] {
                let event = ("/type", json!(format!("subscription.{event}")));
                assert_eq!(snapshot(&[word.clone(), event]).status, status, "{word:?}");
            }
            let event = ("/type", json!("subscription.revoked"));
            assert_eq!(snapshot(&[word.clone(), event]).status, revoked, "{word:?} revoked");
        }
    }

    #[test]
    fn every_type_of_event_about_a_subscription_has_its_rank() {
        let ranks = [
            ("created", "incomplete", 0),
            ("updated", "incomplete", 1),
            ("active", "active", 2),
            ("migrated", "active", 2),
            ("cycled", "active", 2),
            ("canceled", "active", 2),
            ("uncanceled", "active", 2),
            ("past_due", "past_due", 2),
            ("paused", "paused", 2),
            ("resumed", "active", 2),
            ("updated", "canceled", 3),
            ("revoked", "canceled", 3),
        ];
        for (word, status, rank) in ranks {
            let changes = [("/type", json!(format!("subscription.{word}"))), ("/data/status", json!(status))];
            assert_eq!(snapshot(&changes).rank, rank, "{word}");
        }
        let event: Value = serde_json::from_str(SUBSCRIPTION).expect("recorded JSON");
        assert_eq!(read_subscription(&event["data"]).expect("readable").1.rank, 4);
    }

    #[test]
    fn what_is_scheduled_is_an_end_a_pause_or_a_change() {
        use ScheduledAction::{Change, End, Pause};
        let scheduled = |action, text| Some(Scheduled { action, at: at(text) });
        let period_end = "2024-12-06T13:33:18Z";
        let cancel = ("/data/cancel_at_period_end", json!(true));
        let pause = ("/data/pause_at_period_end", json!(true));
        let change = ("/data/pending_update", json!({ "applies_at": period_end, "product_id": "p", "seats": null }));
        assert_eq!(snapshot(std::slice::from_ref(&cancel)).scheduled, scheduled(End, period_end));
        let sooner = ("/data/ends_at", json!("2024-12-01T00:00:00Z"));
        assert_eq!(snapshot(&[cancel.clone(), sooner]).scheduled, scheduled(End, "2024-12-01T00:00:00Z"));
        assert_eq!(snapshot(std::slice::from_ref(&pause)).scheduled, scheduled(Pause, period_end));
        assert_eq!(snapshot(std::slice::from_ref(&change)).scheduled, scheduled(Change, period_end));
        assert_eq!(snapshot(&[change, pause, cancel.clone()]).scheduled, scheduled(End, period_end));
        let seats = ("/data/pending_update", json!({ "applies_at": period_end, "product_id": null, "seats": 3 }));
        assert_eq!(snapshot(&[seats]).scheduled, None);
        for over in [("/data/status", json!("canceled")), ("/type", json!("subscription.revoked"))] {
            assert_eq!(snapshot(&[cancel.clone(), over]).scheduled, None);
        }
    }

    #[test]
    fn an_order_is_an_invoice_and_its_payment() {
        let invoice = |changes: &[_]| match event(ORDER, changes) {
            PaymentEvent::InvoicePaid(invoice) => invoice,
            other => panic!("{other:?}"),
        };
        let expected = PaidInvoice {
            id: "57107b74-8400-4d80-a2fc-54c2b4239cb3".to_owned(),
            payer: ann(),
            subscription: Some("e5149aae-e521-42b9-b24c-abb3d71eea2e".to_owned()),
            payments: vec!["57107b74-8400-4d80-a2fc-54c2b4239cb3".to_owned()],
            amount: 971,
            currency: "eur".to_owned(),
            paid_at: at("2024-11-06T13:33:20.712345Z"),
        };
        assert_eq!(invoice(&[]), expected);
        let old = invoice(&[("/data/due_amount", json!(null)), ("/data/subscription_id", json!(null))]);
        assert_eq!(old, PaidInvoice { amount: 1071, ..expected });
    }

    #[test]
    fn a_refund_is_the_sum_of_what_went_back_with_its_tax() {
        let refund = |word: &str, status: &str, net: i64, tax: i64| {
            let changes = [
                ("/type", json!(word)),
                ("/data/status", json!(status)),
                ("/data/refunded_amount", json!(net)),
                ("/data/refunded_tax_amount", json!(tax)),
            ];
            match recorded::read(Provider::Polar, ORDER, &changes).event {
                Ok(Some(PaymentEvent::Loss(loss))) => Some((loss.from, loss.kind, loss.amount)),
                Ok(None) => None,
                other => panic!("{other:?}"),
            }
        };
        let lost = |amount| {
            Some((LostFrom::Invoice("57107b74-8400-4d80-a2fc-54c2b4239cb3".to_owned()), LossKind::Refund, amount))
        };
        for word in ["order.refunded", "order.updated"] {
            assert_eq!(refund(word, "partially_refunded", 400, 76), lost(476));
            assert_eq!(refund(word, "refunded", 800, 171), lost(971), "all that was charged");
            assert_eq!(refund(word, "refunded", 800, 0), lost(971), "it says that it is all");
            assert_eq!(refund(word, "paid", 0, 0), None);
        }
        assert_eq!(refund("refund.created", "refunded", 800, 171), None);
    }

    #[test]
    fn a_customer_may_have_our_id() {
        assert_eq!(event(CUSTOMER, &[]), PaymentEvent::Customer(ann()));
        let ours = [("/data/external_id", json!("x")), ("/data/metadata", json!({ "user_id": USER }))];
        assert_eq!(event(CUSTOMER, &ours), PaymentEvent::Customer(ann()));
    }

    #[test]
    fn other_events_are_of_no_interest() {
        for word in ["order.created", "checkout.updated", "benefit_grant.created", "customer.deleted", "seashell.found"]
        {
            let envelope = recorded::read(Provider::Polar, ORDER, &[("/type", json!(word))]);
            assert_eq!(envelope.event, Ok(None), "{word}");
        }
    }

    #[test]
    fn an_event_without_a_time_has_that_of_its_object() {
        let changes = [("/timestamp", json!(null))];
        let envelope = recorded::read(Provider::Polar, SUBSCRIPTION, &changes);
        assert_eq!(envelope.occurred_at, at("2024-11-06T13:33:20.5Z"));
        let changes = [("/timestamp", json!(null)), ("/data/modified_at", json!(null))];
        assert_eq!(
            recorded::read(Provider::Polar, SUBSCRIPTION, &changes).occurred_at,
            at("2024-11-06T13:33:18.000001Z")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases: &[(&str, &[&str], &str)] = &[
            (SUBSCRIPTION, &["/data/id"], "data.id"),
            (SUBSCRIPTION, &["/data/status"], "data.status"),
            (SUBSCRIPTION, &["/data/started_at", "/data/created_at"], "data.started_at"),
            (SUBSCRIPTION, &["/data/prices", "/data/product_id", "/data/product"], "data.product_id"),
            (ORDER, &["/data/id"], "data.id"),
            (ORDER, &["/data/due_amount", "/data/total_amount"], "data.total_amount"),
            (ORDER, &["/data/currency"], "data.currency"),
            (CUSTOMER, &["/data/id"], "data.id"),
        ];
        for (payload, pointers, path) in cases {
            let changes: Vec<_> = pointers.iter().map(|pointer| (*pointer, json!(null))).collect();
            let found = recorded::read(Provider::Polar, payload, &changes).event;
            assert_eq!(found, Err(Unreadable::Missing((*path).to_owned())));
        }
        for path in ["type", "timestamp"] {
            let body = recorded::changed(CUSTOMER, &[(&format!("/{path}"), json!(null)), ("/data", json!(null))]);
            assert_eq!(read_event(&body, Some("msg_1")), Err(Unreadable::Missing(path.to_owned())));
        }
    }
}
