//! Reads what Paddle Billing sends: <https://developer.paddle.com/webhooks/overview>.
//!
//! An event is known by `event_id`: `notification_id` is that of the delivery, and differs for each
//! endpoint. A transaction is an invoice and its payment in one.

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
    let event_id = event.at("event_id").need(Node::owned)?;
    let event_type = event.at("event_type").need(Node::owned)?;
    let occurred_at = event.at("occurred_at").need(Node::instant)?;
    let event = read_data(&event_type, &event.at("data"), occurred_at);
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
        | "subscription.imported"
        | "subscription.trialing"
        | "subscription.activated"
        | "subscription.updated"
        | "subscription.past_due"
        | "subscription.paused"
        | "subscription.resumed"
        | "subscription.canceled" => {
            let (payer, mut snapshot) = subscription(data)?;
            let begins = matches!(event_type, "subscription.created" | "subscription.imported");
            snapshot.rank = rank(begins, snapshot.status);
            Some(PaymentEvent::Subscription { payer, snapshot: Box::new(snapshot) })
        }
        // `transaction.paid` comes before the fees and the invoice number are known, and says no more.
        "transaction.completed" => Some(PaymentEvent::InvoicePaid(transaction(data, occurred_at)?)),
        "adjustment.created" | "adjustment.updated" => adjustment(data)?.map(PaymentEvent::Loss),
        "customer.created" | "customer.updated" | "customer.imported" => Some(PaymentEvent::Customer(Payer {
            reference: reference(data),
            customer: Some(data.at("id").need(Node::owned)?),
            email: data.at("email").email(),
        })),
        _ => None,
    })
}

fn subscription(data: &Node<'_>) -> Result<(Payer, Snapshot), Unreadable> {
    let subscription = data.at("id").need(Node::owned)?;
    let status = data.at("status").need(status)?;
    let items = data.at("items").elements();
    let prices = each_once(items.flat_map(|item| {
        // Both where it was only mentioned and where it is told.
        ["price.id", "price_id", "price.product_id", "product.id"].map(|path| item.at(path).owned())
    }));
    // What has ended needs no tier any more, and must be able to end whatever it was.
    if prices.is_empty() && status != SubscriptionStatus::Ended {
        return Err(Unreadable::Missing(data.at("items").path() + "[0].price.id"));
    }
    let began = ["started_at", "first_billed_at", "created_at"].map(|name| data.at(name).instant());
    let snapshot = Snapshot {
        subscription,
        status,
        prices,
        started_at: data.at("started_at").need(|_| began.into_iter().flatten().next())?,
        // While it is paused there is no period.
        period_end: data.at("current_billing_period.ends_at").instant().or_else(|| data.at("next_billed_at").instant()),
        scheduled: scheduled(data)?.filter(|_| status != SubscriptionStatus::Ended),
        ended_at: data.at("canceled_at").instant().filter(|_| status == SubscriptionStatus::Ended),
        rank: RANK_OF_AN_ANSWER,
    };
    Ok((payer(data), snapshot))
}

/// <https://developer.paddle.com/api-reference/subscriptions/overview>
fn status(node: &Node<'_>) -> Option<SubscriptionStatus> {
    Some(match node.text()? {
        "trialing" => SubscriptionStatus::Trialing,
        "active" => SubscriptionStatus::Active,
        "past_due" => SubscriptionStatus::PastDue,
        "paused" => SubscriptionStatus::Paused,
        "canceled" => SubscriptionStatus::Ended,
        _ => return None,
    })
}

fn scheduled(data: &Node<'_>) -> Result<Option<Scheduled>, Unreadable> {
    let change = data.at("scheduled_change");
    let action = match change.at("action").text() {
        Some("cancel") => ScheduledAction::End,
        Some("pause") => ScheduledAction::Pause,
        // One that will be resumed is paused, and gives nothing until it is.
        _ => return Ok(None),
    };
    Ok(Some(Scheduled { action, at: change.at("effective_at").need(Node::instant)? }))
}

fn transaction(data: &Node<'_>, occurred_at: DateTime<Utc>) -> Result<PaidInvoice, Unreadable> {
    let id = data.at("id").need(Node::owned)?;
    let captured = data
        .at("payments")
        .elements()
        .filter(|payment| payment.at("status").text() == Some("captured"))
        .filter_map(|payment| payment.at("captured_at").instant());
    // An invoice is billed long before it is paid.
    let paid_at = captured.max().or_else(|| data.at("billed_at").instant()).unwrap_or(occurred_at);
    Ok(PaidInvoice {
        payments: vec![id.clone()],
        id,
        payer: payer(data),
        subscription: data.at("subscription_id").owned(),
        // After discount, tax and credit, before any payment. `total` still holds what credit pays,
        // `balance` is 0 by now: https://developer.paddle.com/changelog/2023/transaction-totals-grand-total
        amount: data.at("details.totals.grand_total").need(Node::amount)?,
        currency: data.at("currency_code").need(Node::currency)?,
        paid_at,
    })
}

/// Most refunds wait for Paddle's approval. What a bank took back stays an adjustment of its own
/// when it comes back: it is then called reversed, and a second one reverses it.
fn adjustment(data: &Node<'_>) -> Result<Option<Loss>, Unreadable> {
    let status = data.at("status").need(Node::text)?;
    let is_approved = status == "approved";
    let (kind, counts, sign) = match data.at("action").need(Node::text)? {
        "refund" => (LossKind::Refund, is_approved, 1),
        "chargeback" if is_approved || status == "reversed" => (LossKind::DisputeLost, true, 1),
        "chargeback_warning" if status == "reversed" => (LossKind::DisputeWon, false, 1),
        "chargeback" | "chargeback_warning" => (LossKind::DisputeOpened, false, 1),
        "chargeback_reverse" => (LossKind::DisputeWon, is_approved, -1),
        "chargeback_warning_reverse" => (LossKind::DisputeWon, false, 1),
        // Credit is spent on later transactions, whose totals are less for it.
        _ => return Ok(None),
    };
    let total = data.at("totals.total").need(Node::magnitude)?;
    Ok(Some(Loss {
        id: data.at("id").need(Node::owned)?,
        from: LostFrom::Invoice(data.at("transaction_id").need(Node::owned)?),
        kind,
        amount: if counts { sign * total } else { 0 },
    }))
}

fn payer(data: &Node<'_>) -> Payer {
    let customer = data.at("customer_id").owned().or_else(|| data.at("customer.id").owned());
    Payer { reference: reference(data), customer, email: data.at("customer.email").email() }
}

/// Our own id of the member, as the checkout gave it along.
fn reference(data: &Node<'_>) -> Option<String> {
    data.at("custom_data.user_id").owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::payment::{
        Provider,
        reading::recorded::{self, ALL},
    };

    const CUSTOMER: &str = ALL[8].1;
    const SUBSCRIPTION: &str = ALL[9].1;
    const TRANSACTION: &str = ALL[10].1;
    const ADJUSTMENT: &str = ALL[11].1;

    const USER: &str = "0192f5a0-0000-7000-8000-000000000001";

    fn event(payload: &str, changes: &[(&str, Value)]) -> PaymentEvent {
        recorded::event(Provider::Paddle, payload, changes)
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

    #[test]
    fn a_subscription_is_read() {
        let envelope = recorded::read(Provider::Paddle, SUBSCRIPTION, &[]);
        assert_eq!(envelope.event_id, "evt_01jc1b6y8j8n1m9n2k9v5qv1rd", "not that of the delivery");
        assert_eq!(envelope.occurred_at, at("2024-11-06T13:33:23.171Z"));
        let expected = Snapshot {
            subscription: "sub_01jc1b6qf2ch9tvjhz8z7bn6s1".to_owned(),
            status: SubscriptionStatus::Active,
            prices: vec!["pri_01gsz8x8sawmvhz1pv30nge1ke".to_owned(), "pro_01gsz4t5hdjse780zja8vvr7jg".to_owned()],
            started_at: at("2024-11-06T13:33:19.9Z"),
            period_end: Some(at("2024-12-06T13:33:19.9Z")),
            scheduled: None,
            ended_at: None,
            rank: 2,
        };
        let payer = Payer {
            reference: Some(USER.to_owned()),
            customer: Some("ctm_01jc1b6k8c6a3e4yzk2xw9a0fd".to_owned()),
            email: None,
        };
        let expected = PaymentEvent::Subscription { payer, snapshot: Box::new(expected) };
        assert_eq!(envelope.event, Ok(Some(expected)));
    }

    #[test]
    fn every_status_has_its_meaning() {
        use SubscriptionStatus::{Active, Ended, PastDue, Paused, Trialing};
        let statuses = [
            ("trialing", Trialing),
            ("active", Active),
            ("past_due", PastDue),
            ("paused", Paused),
            ("canceled", Ended),
        ];
        for (word, status) in statuses {
            assert_eq!(snapshot(&[("/data/status", json!(word))]).status, status, "{word}");
        }
    }

    #[test]
    fn every_type_of_event_about_a_subscription_has_its_rank() {
        let ranks = [
            ("created", "active", 0),
            ("imported", "active", 0),
            ("trialing", "trialing", 2),
            ("activated", "active", 2),
            ("updated", "active", 2),
            ("past_due", "past_due", 2),
            ("paused", "paused", 2),
            ("resumed", "active", 2),
            ("canceled", "canceled", 3),
        ];
        for (word, status, rank) in ranks {
            let changes = [("/event_type", json!(format!("subscription.{word}"))), ("/data/status", json!(status))];
            assert_eq!(snapshot(&changes).rank, rank, "{word}");
        }
        let event: Value = serde_json::from_str(SUBSCRIPTION).expect("recorded JSON");
        assert_eq!(read_subscription(&event["data"]).expect("readable").1.rank, 4);
    }

    #[test]
    fn what_is_scheduled_is_an_end_or_a_pause() {
        use ScheduledAction::{End, Pause};
        for (action, expected) in [("cancel", Some(End)), ("pause", Some(Pause)), ("resume", None)] {
            let change = json!({ "action": action, "effective_at": "2024-12-06T13:33:19.9Z", "resume_at": null });
            let expected = expected.map(|action| Scheduled { action, at: at("2024-12-06T13:33:19.9Z") });
            assert_eq!(snapshot(&[("/data/scheduled_change", change)]).scheduled, expected, "{action}");
        }
    }

    #[test]
    fn it_ends_when_it_is_canceled_and_has_no_period_while_it_is_paused() {
        let over = [("/data/status", json!("canceled")), ("/data/canceled_at", json!("2024-12-06T13:33:19.9Z"))];
        assert_eq!(snapshot(&over).ended_at, Some(at("2024-12-06T13:33:19.9Z")));
        let paused = [
            ("/data/status", json!("paused")),
            ("/data/current_billing_period", json!(null)),
            ("/data/next_billed_at", json!(null)),
            ("/data/started_at", json!(null)),
        ];
        let paused = snapshot(&paused);
        assert_eq!((paused.period_end, paused.started_at), (None, at("2024-11-06T13:33:19.9Z")));
    }

    #[test]
    fn a_transaction_is_an_invoice_and_its_payment() {
        let invoice = |changes: &[_]| match event(TRANSACTION, changes) {
            PaymentEvent::InvoicePaid(invoice) => invoice,
            other => panic!("{other:?}"),
        };
        let paid = invoice(&[]);
        assert_eq!(paid.id, "txn_01jc1b5xwsk1r0m5h0a6n2w7z4");
        assert_eq!(paid.payments, ["txn_01jc1b5xwsk1r0m5h0a6n2w7z4"]);
        assert_eq!(paid.subscription.as_deref(), Some("sub_01jc1b6qf2ch9tvjhz8z7bn6s1"));
        assert_eq!(paid.payer.reference.as_deref(), Some(USER));
        assert_eq!(paid.payer.customer.as_deref(), Some("ctm_01jc1b6k8c6a3e4yzk2xw9a0fd"));
        assert_eq!((paid.amount, paid.currency.as_str()), (700, "eur"), "credit paid the rest");
        assert_eq!(paid.paid_at, at("2024-11-06T13:33:19.2Z"));
        let free = invoice(&[
            ("/data/details/totals/grand_total", json!("0")),
            ("/data/payments", json!([])),
            ("/data/subscription_id", json!(null)),
        ]);
        assert_eq!((free.amount, free.subscription, free.paid_at), (0, None, at("2024-11-06T13:33:19.3Z")));
        assert_eq!(invoice(&[("/data/details/totals/grand_total", json!("-5"))]).amount, 0);
    }

    #[test]
    fn an_adjustment_counts_once_it_is_approved() {
        use LossKind::{DisputeLost, DisputeOpened, DisputeWon, Refund};
        let cases = [
            ("refund", "pending_approval", Some((Refund, 0))),
            ("refund", "approved", Some((Refund, 700))),
            ("refund", "rejected", Some((Refund, 0))),
            ("chargeback", "approved", Some((DisputeLost, 700))),
            // The one that reverses it comes under an id of its own, with what it gives back.
            ("chargeback", "reversed", Some((DisputeLost, 700))),
            ("chargeback_reverse", "approved", Some((DisputeWon, -700))),
            ("chargeback_warning", "approved", Some((DisputeOpened, 0))),
            ("chargeback_warning", "reversed", Some((DisputeWon, 0))),
            ("chargeback_warning_reverse", "approved", Some((DisputeWon, 0))),
            ("credit", "approved", None),
            ("credit_reverse", "approved", None),
            ("seashell", "approved", None),
        ];
        for (action, status, expected) in cases {
            for word in ["adjustment.created", "adjustment.updated"] {
                let changes =
                    [("/event_type", json!(word)), ("/data/action", json!(action)), ("/data/status", json!(status))];
                let expected = expected.map(|(kind, amount)| {
                    PaymentEvent::Loss(Loss {
                        id: "adj_01jc9z4jc7s8q1x9d2k5m3v0m5".to_owned(),
                        from: LostFrom::Invoice("txn_01jc1b5xwsk1r0m5h0a6n2w7z4".to_owned()),
                        kind,
                        amount,
                    })
                });
                let found = recorded::read(Provider::Paddle, ADJUSTMENT, &changes).event;
                assert_eq!(found, Ok(expected), "{action} {status}");
            }
        }
        let negative = [("/data/action", json!("chargeback_reverse")), ("/data/totals/total", json!("-700"))];
        assert!(matches!(event(ADJUSTMENT, &negative), PaymentEvent::Loss(Loss { amount: -700, .. })));
    }

    #[test]
    fn a_customer_has_an_address() {
        let expected = Payer {
            reference: None,
            customer: Some("ctm_01jc1b6k8c6a3e4yzk2xw9a0fd".to_owned()),
            email: crate::domain::email::EmailAddress::parse("ann@example.com").ok().map(|email| email.key().clone()),
        };
        assert_eq!(event(CUSTOMER, &[]), PaymentEvent::Customer(expected.clone()));
        let ours = [("/event_type", json!("customer.updated")), ("/data/custom_data", json!({ "user_id": USER }))];
        let expected = Payer { reference: Some(USER.to_owned()), ..expected };
        assert_eq!(event(CUSTOMER, &ours), PaymentEvent::Customer(expected));
    }

    #[test]
    fn other_events_are_of_no_interest() {
        for word in ["transaction.paid", "transaction.billed", "address.created", "seashell.found"] {
            let envelope = recorded::read(Provider::Paddle, TRANSACTION, &[("/event_type", json!(word))]);
            assert_eq!(envelope.event, Ok(None), "{word}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            (SUBSCRIPTION, "/data/id", "data.id"),
            (SUBSCRIPTION, "/data/status", "data.status"),
            (SUBSCRIPTION, "/data/items", "data.items[0].price.id"),
            (TRANSACTION, "/data/details", "data.details.totals.grand_total"),
            (TRANSACTION, "/data/currency_code", "data.currency_code"),
            (ADJUSTMENT, "/data/transaction_id", "data.transaction_id"),
            (ADJUSTMENT, "/data/totals", "data.totals.total"),
            (ADJUSTMENT, "/data/action", "data.action"),
            (CUSTOMER, "/data/id", "data.id"),
        ];
        for (payload, pointer, path) in cases {
            let found = recorded::read(Provider::Paddle, payload, &[(pointer, json!(null))]).event;
            assert_eq!(found, Err(Unreadable::Missing(path.to_owned())));
        }
        let change = [("/data/scheduled_change", json!({ "action": "cancel" }))];
        let found = recorded::read(Provider::Paddle, SUBSCRIPTION, &change).event;
        assert_eq!(found, Err(Unreadable::Missing("data.scheduled_change.effective_at".to_owned())));
        for path in ["event_id", "event_type", "occurred_at"] {
            let body = recorded::changed(CUSTOMER, &[(&format!("/{path}"), json!(null))]);
            assert_eq!(read_event(&body), Err(Unreadable::Missing(path.to_owned())));
        }
    }
}
