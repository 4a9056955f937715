//! Sample events, in the shape in which a provider sends them, so that the whole way of an event can
//! be tried without an account there.
//!
//! What they tell hangs together: a member's test subscriptions are numbered, and the ids of their
//! invoices follow from the number, so that a refund is one of the invoice that was paid before. No
//! sample names a customer: such an id would be kept, and asked for at the provider, who does not
//! know it.

use std::str::FromStr;

use chrono::{DateTime, Months, SecondsFormat, SubsecRound, Utc};
use serde_json::{Value, json};

use crate::domain::{
    ids::UserId,
    payment::{BillingInterval, Provider},
};

/// What each test invoice is over, in the smallest unit of [`CURRENCY`]. The same for all, so that
/// a refund of it is a full one whatever the tiers cost by then.
const AMOUNT: i64 = 900;
const CURRENCY: &str = "eur";
/// By this a sample is known, in what the provider lets a shop write into its objects.
const MARK: &str = "vouchsafe_test";

/// What a sample tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    /// A subscription begins, and its first invoice is paid.
    Subscribes,
    /// The next period begins, and its invoice is paid.
    Renews,
    /// A payment fails.
    PaymentFails,
    /// The first invoice is paid back, all of it.
    Refunded,
    /// The subscription is over.
    Ends,
}

impl Happening {
    /// All of them, in the order in which they may happen.
    pub const ALL: [Self; 5] = [Self::Subscribes, Self::Renews, Self::PaymentFails, Self::Refunded, Self::Ends];

    /// Returns the word in forms and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscribes => "subscribes",
            Self::Renews => "renews",
            Self::PaymentFails => "payment_fails",
            Self::Refunded => "refunded",
            Self::Ends => "ends",
        }
    }
}

/// Not the name of something that a sample can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample tells of subscribes, renews, payment_fails, refunded or ends")]
pub struct NoSuchHappening;

impl FromStr for Happening {
    type Err = NoSuchHappening;

    fn from_str(text: &str) -> Result<Self, NoSuchHappening> {
        Self::ALL.into_iter().find(|happening| happening.as_str() == text).ok_or(NoSuchHappening)
    }
}

/// An event that nobody but us sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The id of the event. Polar says it in a header alone.
    pub event_id: String,
    /// The provider's word for what happened.
    pub event_type: &'static str,
    /// What is signed.
    pub body: String,
}

/// A subscription that only samples tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSubscription {
    /// Where it would be.
    pub provider: Provider,
    /// Whose.
    pub user: UserId,
    /// Which of theirs there, from 1 on.
    pub number: u32,
    /// What it is for.
    pub price_id: String,
    /// How often it is paid.
    pub interval: BillingInterval,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Until when it is paid.
    pub period_end: DateTime<Utc>,
}

/// Returns the end of a period that begins at `begin`.
pub fn period_end(begin: DateTime<Utc>, interval: BillingInterval) -> DateTime<Utc> {
    let months = match interval {
        BillingInterval::Month => 1,
        BillingInterval::Year => 12,
    };
    begin.checked_add_months(Months::new(months)).unwrap_or(begin)
}

/// Returns whether an event that was taken in is a sample.
pub fn is_sample(payload: &str) -> bool {
    // Most are not, and reading them all only to know would be a waste.
    payload.contains(MARK)
        && serde_json::from_str::<Value>(payload).is_ok_and(|event| {
            ["/data/object/metadata", "/data/custom_data", "/data/metadata"]
                .iter()
                .filter_map(|pointer| event.pointer(pointer))
                .any(|notes| notes[MARK] == json!(true))
        })
}

impl TestSubscription {
    /// Returns the number of a subscription by its id, if it is a test subscription of the member.
    pub fn number_of(user: UserId, subscription: &str) -> Option<u32> {
        subscription.strip_prefix(&Self::prefix(user))?.parse().ok()
    }

    fn prefix(user: UserId) -> String {
        format!("sub_test_{}_", short(user))
    }

    /// Returns the id of the subscription.
    pub fn id(&self) -> String {
        format!("{}{}", Self::prefix(self.user), self.number)
    }

    /// Returns the id of something that belongs to one of its invoices; the first one is `1`.
    fn id_of(&self, kind: &str, invoice: &str) -> String {
        format!("{kind}_test_{}_{}_{invoice}", short(self.user), self.number)
    }

    /// Returns the events by which the provider would tell it, in their order. For what renews,
    /// `period_end` is that of the new period. `key` makes their ids: unlike those of the objects,
    /// they are new each time, or the second would be taken for the first once more.
    pub fn tell(&self, happening: Happening, now: DateTime<Utc>, key: &str) -> Vec<Sample> {
        // Stripe's clock has no more.
        let now = now.trunc_subsecs(0);
        // Renewals are known by their time: nobody counts them.
        let next = now.timestamp().to_string();
        let told = match self.provider {
            Provider::Stripe => match happening {
                Happening::Subscribes => vec![
                    ("customer.subscription.created", self.stripe_subscription("active", now)),
                    ("invoice.paid", self.stripe_invoice("1", "subscription_create", now)),
                    ("invoice_payment.paid", self.stripe_payment("1")),
                ],
                Happening::Renews => vec![
                    ("customer.subscription.updated", self.stripe_subscription("active", now)),
                    ("invoice.paid", self.stripe_invoice(&next, "subscription_cycle", now)),
                    ("invoice_payment.paid", self.stripe_payment(&next)),
                ],
                Happening::PaymentFails => {
                    vec![("customer.subscription.updated", self.stripe_subscription("past_due", now))]
                }
                Happening::Refunded => vec![("charge.refunded", self.stripe_refund(now))],
                Happening::Ends => vec![("customer.subscription.deleted", self.stripe_subscription("canceled", now))],
            },
            Provider::Paddle => match happening {
                Happening::Subscribes => vec![
                    ("subscription.created", self.paddle_subscription("active", now)),
                    ("transaction.completed", self.paddle_transaction("1", "web", now)),
                ],
                Happening::Renews => vec![
                    ("subscription.updated", self.paddle_subscription("active", now)),
                    ("transaction.completed", self.paddle_transaction(&next, "subscription_recurring", now)),
                ],
                Happening::PaymentFails => vec![("subscription.past_due", self.paddle_subscription("past_due", now))],
                Happening::Refunded => vec![("adjustment.created", self.paddle_refund(now))],
                Happening::Ends => vec![("subscription.canceled", self.paddle_subscription("canceled", now))],
            },
            Provider::Polar => match happening {
                Happening::Subscribes => vec![
                    ("subscription.created", self.polar_subscription("active", now)),
                    ("order.paid", self.polar_order("1", "subscription_create", false, now)),
                ],
                Happening::Renews => vec![
                    ("subscription.cycled", self.polar_subscription("active", now)),
                    ("order.paid", self.polar_order(&next, "subscription_cycle", false, now)),
                ],
                Happening::PaymentFails => vec![("subscription.past_due", self.polar_subscription("past_due", now))],
                Happening::Refunded => {
                    vec![("order.refunded", self.polar_order("1", "subscription_create", true, now))]
                }
                Happening::Ends => vec![("subscription.revoked", self.polar_subscription("canceled", now))],
            },
        };
        let sample = |(at, (event_type, data)): (usize, (&'static str, Value))| {
            let event_id = format!("evt_test_{key}_{at}");
            let body = self.envelope(&event_id, event_type, data, now).to_string();
            Sample { event_id, event_type, body }
        };
        told.into_iter().enumerate().map(sample).collect()
    }

    fn envelope(&self, event_id: &str, event_type: &str, data: Value, now: DateTime<Utc>) -> Value {
        match self.provider {
            Provider::Stripe => json!({
                "id": event_id,
                "object": "event",
                "api_version": "2025-09-30.clover",
                "created": now.timestamp(),
                "type": event_type,
                "data": { "object": data },
                "livemode": false,
                "pending_webhooks": 1,
                "request": { "id": null, "idempotency_key": null },
            }),
            Provider::Paddle => json!({
                "event_id": event_id,
                "event_type": event_type,
                "occurred_at": written(now),
                "notification_id": event_id.replace("evt_", "ntf_"),
                "data": data,
            }),
            Provider::Polar => json!({ "type": event_type, "timestamp": written(now), "data": data }),
        }
    }

    /// What the checkout would have written into everything that follows from it.
    fn notes(&self) -> Value {
        json!({ "user_id": self.user, MARK: true })
    }

    fn stripe_subscription(&self, status: &str, now: DateTime<Utc>) -> Value {
        let (id, started) = (self.id(), self.started_at.timestamp());
        let over = (status == "canceled").then(|| now.timestamp());
        let price = json!({
            "id": self.price_id,
            "object": "price",
            "active": true,
            "currency": CURRENCY,
            "livemode": false,
            "recurring": { "interval": self.interval.as_str(), "interval_count": 1, "usage_type": "licensed" },
            "type": "recurring",
            "unit_amount": AMOUNT,
        });
        let item = json!({
            "id": self.id_of("si", "1"),
            "object": "subscription_item",
            "created": started,
            "current_period_end": self.period_end.timestamp(),
            "current_period_start": now.timestamp(),
            "metadata": {},
            "price": price,
            "quantity": 1,
            "subscription": id,
        });
        json!({
            "id": id,
            "object": "subscription",
            "billing_cycle_anchor": started,
            "cancel_at": null,
            "cancel_at_period_end": false,
            "canceled_at": over,
            "collection_method": "charge_automatically",
            "created": started,
            "currency": CURRENCY,
            "customer": null,
            "ended_at": over,
            "items": { "object": "list", "data": [item], "has_more": false },
            "livemode": false,
            "metadata": self.notes(),
            "start_date": started,
            "status": status,
        })
    }

    fn stripe_invoice(&self, number: &str, reason: &str, now: DateTime<Utc>) -> Value {
        let details = json!({ "metadata": self.notes(), "subscription": self.id() });
        json!({
            "id": self.id_of("in", number),
            "object": "invoice",
            "amount_due": AMOUNT,
            "amount_paid": AMOUNT,
            "amount_remaining": 0,
            "billing_reason": reason,
            "created": now.timestamp(),
            "currency": CURRENCY,
            "customer": null,
            "customer_email": null,
            "livemode": false,
            "metadata": { MARK: true },
            "parent": { "subscription_details": details, "type": "subscription_details" },
            "status": "paid",
            "status_transitions": { "paid_at": now.timestamp() },
            "total": AMOUNT,
        })
    }

    /// With what an invoice was paid, which the invoice does not say itself.
    fn stripe_payment(&self, number: &str) -> Value {
        json!({
            "id": self.id_of("inpay", number),
            "object": "invoice_payment",
            "amount_paid": AMOUNT,
            "currency": CURRENCY,
            "invoice": self.id_of("in", number),
            "is_default": true,
            "livemode": false,
            // No payment of Stripe's has this, and nothing reads it but the list of events.
            "metadata": { MARK: true },
            "payment": { "payment_intent": self.id_of("pi", number), "type": "payment_intent" },
            "status": "paid",
        })
    }

    fn stripe_refund(&self, now: DateTime<Utc>) -> Value {
        json!({
            "id": self.id_of("ch", "1"),
            "object": "charge",
            "amount": AMOUNT,
            "amount_captured": AMOUNT,
            "amount_refunded": AMOUNT,
            "captured": true,
            "created": now.timestamp(),
            "currency": CURRENCY,
            "customer": null,
            "disputed": false,
            "livemode": false,
            "metadata": self.notes(),
            "paid": true,
            "payment_intent": self.id_of("pi", "1"),
            "refunded": true,
            "status": "succeeded",
        })
    }

    fn paddle_subscription(&self, status: &str, now: DateTime<Utc>) -> Value {
        let over = (status == "canceled").then(|| written(now));
        let cycle = json!({ "interval": self.interval.as_str(), "frequency": 1 });
        let period = json!({ "starts_at": written(now), "ends_at": written(self.period_end) });
        json!({
            "id": self.id(),
            "status": status,
            "customer_id": null,
            "currency_code": CURRENCY.to_ascii_uppercase(),
            "created_at": written(self.started_at),
            "updated_at": written(now),
            "started_at": written(self.started_at),
            "first_billed_at": written(self.started_at),
            "next_billed_at": if over.is_some() { Value::Null } else { json!(written(self.period_end)) },
            "paused_at": null,
            "canceled_at": over,
            "collection_mode": "automatic",
            "current_billing_period": if over.is_some() { Value::Null } else { period },
            "billing_cycle": cycle,
            "scheduled_change": null,
            "items": [{
                "status": "active",
                "quantity": 1,
                "recurring": true,
                "price": {
                    "id": self.price_id,
                    "type": "standard",
                    "billing_cycle": cycle,
                    "unit_price": { "amount": AMOUNT.to_string(), "currency_code": CURRENCY.to_ascii_uppercase() },
                    "status": "active",
                },
            }],
            "custom_data": self.notes(),
        })
    }

    fn paddle_transaction(&self, number: &str, origin: &str, now: DateTime<Utc>) -> Value {
        let amount = AMOUNT.to_string();
        json!({
            "id": self.id_of("txn", number),
            "status": "completed",
            "customer_id": null,
            "custom_data": self.notes(),
            "currency_code": CURRENCY.to_ascii_uppercase(),
            "origin": origin,
            "subscription_id": self.id(),
            "collection_mode": "automatic",
            "billing_period": { "starts_at": written(now), "ends_at": written(self.period_end) },
            "items": [{ "price": { "id": self.price_id }, "price_id": self.price_id, "quantity": 1 }],
            "details": { "totals": {
                "subtotal": amount, "discount": "0", "tax": "0", "total": amount, "credit": "0", "balance": "0",
                "grand_total": amount, "currency_code": CURRENCY.to_ascii_uppercase(),
            } },
            "payments": [{ "amount": amount, "status": "captured", "captured_at": written(now) }],
            "created_at": written(now),
            "updated_at": written(now),
            "billed_at": written(now),
        })
    }

    fn paddle_refund(&self, now: DateTime<Utc>) -> Value {
        let amount = AMOUNT.to_string();
        json!({
            "id": self.id_of("adj", "1"),
            "action": "refund",
            "type": "full",
            "transaction_id": self.id_of("txn", "1"),
            "subscription_id": self.id(),
            "customer_id": null,
            "reason": "a test",
            "currency_code": CURRENCY.to_ascii_uppercase(),
            "status": "approved",
            "totals": {
                "subtotal": amount, "tax": "0", "total": amount, "currency_code": CURRENCY.to_ascii_uppercase(),
            },
            // No adjustment of Paddle's has this, and nothing reads it but the list of events.
            "custom_data": { MARK: true },
            "created_at": written(now),
            "updated_at": written(now),
        })
    }

    fn polar_subscription(&self, status: &str, now: DateTime<Utc>) -> Value {
        let over = (status == "canceled").then(|| written(now));
        json!({
            "created_at": written(self.started_at),
            "modified_at": written(now),
            "id": self.id(),
            "amount": AMOUNT,
            "currency": CURRENCY,
            "recurring_interval": self.interval.as_str(),
            "recurring_interval_count": 1,
            "status": status,
            "current_period_start": written(now),
            "current_period_end": written(self.period_end),
            "cancel_at_period_end": false,
            "canceled_at": over,
            "started_at": written(self.started_at),
            "ends_at": over,
            "ended_at": over,
            "customer_id": null,
            "product_id": self.price_id,
            "metadata": self.notes(),
            "customer": null,
            "prices": [],
            "pending_update": null,
        })
    }

    fn polar_order(&self, number: &str, reason: &str, is_refunded: bool, now: DateTime<Utc>) -> Value {
        json!({
            "id": self.id_of("order", number),
            "created_at": written(now),
            "modified_at": written(now),
            "status": if is_refunded { "refunded" } else { "paid" },
            "paid": true,
            "subtotal_amount": AMOUNT,
            "discount_amount": 0,
            "net_amount": AMOUNT,
            "tax_amount": 0,
            "total_amount": AMOUNT,
            "applied_balance_amount": 0,
            "due_amount": AMOUNT,
            "refunded_amount": if is_refunded { AMOUNT } else { 0 },
            "refunded_tax_amount": 0,
            "currency": CURRENCY,
            "billing_reason": reason,
            "customer_id": null,
            "product_id": self.price_id,
            "subscription_id": self.id(),
            "metadata": self.notes(),
            "customer": null,
        })
    }
}

/// Writes an id without dashes, as the providers' own ids are one word.
fn short(user: UserId) -> String {
    user.to_string().replace('-', "")
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        payment::{Envelope, Loss, LossKind, LostFrom, PaidInvoice, PaymentEvent},
        subscription::{Snapshot, SubscriptionStatus},
    };

    const USER: &str = "0192f5a0-0000-7000-8000-000000000001";

    fn now() -> DateTime<Utc> {
        "2026-11-21T10:00:00.5Z".parse().expect("an instant")
    }

    fn at_provider(provider: Provider) -> TestSubscription {
        let started_at: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().expect("an instant");
        TestSubscription {
            provider,
            user: USER.parse().expect("an id"),
            number: 3,
            price_id: "price_test_premium".to_owned(),
            interval: BillingInterval::Month,
            started_at,
            period_end: period_end(started_at, BillingInterval::Month),
        }
    }

    fn read(provider: Provider, sample: &Sample) -> Envelope {
        let envelope =
            Envelope::read(provider, sample.body.as_bytes(), Some(&sample.event_id)).expect("an event of the provider");
        assert_eq!((envelope.event_id.as_str(), envelope.event_type.as_str()), (&*sample.event_id, sample.event_type));
        assert_eq!(envelope.occurred_at, now().trunc_subsecs(0));
        assert!(is_sample(&sample.body), "{}", sample.body);
        envelope
    }

    fn events(provider: Provider, happening: Happening) -> Vec<PaymentEvent> {
        let samples = at_provider(provider).tell(happening, now(), "k");
        let event = |sample| read(provider, sample).event.expect("readable").expect("of interest");
        samples.iter().map(event).collect()
    }

    fn snapshot(event: &PaymentEvent) -> &Snapshot {
        match event {
            PaymentEvent::Subscription { payer, snapshot } => {
                assert_eq!(payer.reference.as_deref(), Some(USER));
                assert_eq!((&payer.customer, &payer.email), (&None, &None), "nothing is kept that a provider knows");
                snapshot
            }
            other => panic!("{other:?}"),
        }
    }

    fn invoice(event: &PaymentEvent) -> &PaidInvoice {
        match event {
            PaymentEvent::InvoicePaid(invoice) => {
                assert_eq!(invoice.payer.reference.as_deref(), Some(USER));
                assert_eq!(invoice.payer.customer, None);
                invoice
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_provider_tells_of_a_subscription_from_its_begin_to_its_end() {
        for provider in Provider::ALL {
            let subscription = at_provider(provider);
            let begun = events(provider, Happening::Subscribes);
            let first = snapshot(&begun[0]);
            assert_eq!(first.subscription, subscription.id());
            assert_eq!(first.status, SubscriptionStatus::Active);
            assert_eq!(first.prices, ["price_test_premium"]);
            assert_eq!(first.started_at, subscription.started_at);
            assert_eq!(first.period_end, Some(subscription.period_end));
            assert_eq!(first.rank, 0, "it begins");
            let paid = invoice(&begun[1]);
            assert_eq!(paid.subscription.as_deref(), Some(subscription.id().as_str()));
            assert_eq!((paid.amount, paid.currency.as_str()), (AMOUNT, CURRENCY));
            assert_eq!(paid.paid_at, now().trunc_subsecs(0));

            let renewed = events(provider, Happening::Renews);
            assert_eq!(snapshot(&renewed[0]).status, SubscriptionStatus::Active);
            assert!(snapshot(&renewed[0]).rank > 0, "it goes on");
            assert_ne!(invoice(&renewed[1]).id, paid.id);

            let failed = events(provider, Happening::PaymentFails);
            assert_eq!((failed.len(), snapshot(&failed[0]).status), (1, SubscriptionStatus::PastDue));

            let ended = events(provider, Happening::Ends);
            assert_eq!((ended.len(), snapshot(&ended[0]).status), (1, SubscriptionStatus::Ended));
            assert_eq!(snapshot(&ended[0]).ended_at, Some(now().trunc_subsecs(0)), "{provider}");
        }
    }

    #[test]
    fn a_refund_is_one_of_the_first_invoice_and_of_all_of_it() {
        for provider in Provider::ALL {
            let begun = events(provider, Happening::Subscribes);
            let paid = invoice(&begun[1]);
            let refunded = events(provider, Happening::Refunded);
            let [PaymentEvent::Loss(Loss { from, kind: LossKind::Refund, amount, .. })] = refunded.as_slice() else {
                panic!("{refunded:?}");
            };
            assert_eq!(*amount, paid.amount);
            match from {
                LostFrom::Invoice(id) => assert_eq!(*id, paid.id),
                LostFrom::Payment(id) => {
                    let told = PaymentEvent::PaymentOfInvoice { invoice: paid.id.clone(), payment: id.clone() };
                    assert_eq!(begun[2], told);
                }
            }
        }
    }

    #[test]
    fn no_two_events_have_one_id() {
        for provider in Provider::ALL {
            let subscription = at_provider(provider);
            let tell = |key| subscription.tell(Happening::Subscribes, now(), key);
            let samples = [tell("a"), tell("b")].concat();
            let ids: std::collections::BTreeSet<_> = samples.iter().map(|sample| &sample.event_id).collect();
            assert_eq!(ids.len(), samples.len());
            // Polar's header allows no full stop.
            assert!(ids.iter().all(|id| !id.contains('.')));
        }
    }

    #[test]
    fn a_test_subscription_is_known_by_its_id() {
        let subscription = at_provider(Provider::Stripe);
        assert_eq!(TestSubscription::number_of(subscription.user, &subscription.id()), Some(3));
        let other = "0192f5a0-0000-7000-8000-000000000002".parse().expect("an id");
        assert_eq!(TestSubscription::number_of(other, &subscription.id()), None);
        for id in ["sub_1QIDd0B7WZ01zgkWtQzMHN4q", "sub_test_", ""] {
            assert_eq!(TestSubscription::number_of(subscription.user, id), None);
        }
    }

    #[test]
    fn what_a_provider_sends_is_no_sample() {
        for payload in [
            include_str!("../../tests/payloads/stripe_invoice_2025.json"),
            include_str!("../../tests/payloads/paddle_subscription.json"),
            include_str!("../../tests/payloads/polar_order.json"),
            "vouchsafe_test",
            r#"{"data":{"metadata":{"note":"vouchsafe_test"}}}"#,
        ] {
            assert!(!is_sample(payload), "{payload:.60}");
        }
    }

    #[test]
    fn a_period_ends_on_the_same_day_of_a_month() {
        let begin = "2027-01-31T10:00:00Z".parse().expect("an instant");
        let ends = |interval| period_end(begin, interval).date_naive().to_string();
        assert_eq!(ends(BillingInterval::Month), "2027-02-28");
        assert_eq!(ends(BillingInterval::Year), "2028-01-31");
    }
}
