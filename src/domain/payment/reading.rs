//! Reading the JSON of others: only what is needed, with the path of what is missing.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::{
    email::{EmailAddress, EmailKey},
    subscription::SubscriptionStatus,
};

/// An event that cannot be read: it will not get better, but a newer program may read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// Something that every event of this type has is not there or not what it should be.
    #[error("the event has no usable {0}")]
    Missing(String),
}

/// A place in somebody's JSON, which knows its own path.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// Makes one of what did not come in the body.
    pub(super) fn named(value: &'a Value, name: &str) -> Self {
        Self { value, path: name.to_owned() }
    }

    /// Returns where it is, or would be.
    pub(super) fn path(&self) -> String {
        self.path.clone()
    }

    /// Returns what is under a path of names with dots between them; `null` where there is nothing.
    pub(super) fn at(&self, path: &str) -> Self {
        const NULL: &Value = &Value::Null;
        let value = path.split('.').fold(self.value, |value, name| value.get(name).unwrap_or(NULL));
        let path = if self.path.is_empty() { path.to_owned() } else { format!("{}.{path}", self.path) };
        Self { value, path }
    }

    /// Returns the elements of a list; none if it is no list.
    pub(super) fn elements(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let path = self.path.clone();
        let elements = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        elements.iter().enumerate().map(move |(at, value)| Node { value, path: format!("{path}[{at}]") })
    }

    /// Returns a text that can be kept: PostgreSQL takes none with a zero byte in it.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.as_str().filter(|text| !text.is_empty() && text.len() <= LONGEST_TEXT && !text.contains('\0'))
    }

    pub(super) fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// Returns an id: a text, or the `id` of the object that stands in its place.
    pub(super) fn id(&self) -> Option<String> {
        self.owned().or_else(|| self.at("id").owned())
    }

    fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// Returns an amount of money in the smallest unit of its currency: a whole number, or one that
    /// is written as a text, as Paddle does.
    fn signed_amount(&self) -> Option<i64> {
        let amount = self.number().or_else(|| self.text().and_then(|text| text.parse().ok()))?;
        (-LARGEST_AMOUNT..=LARGEST_AMOUNT).contains(&amount).then_some(amount)
    }

    /// Returns an amount that was paid. One below zero is credit: nobody paid it.
    pub(super) fn amount(&self) -> Option<i64> {
        self.signed_amount().map(|amount| amount.max(0))
    }

    /// Returns an amount whose direction is told elsewhere.
    pub(super) fn magnitude(&self) -> Option<i64> {
        self.signed_amount().map(i64::abs)
    }

    /// Returns a currency's three letters, small.
    pub(super) fn currency(&self) -> Option<String> {
        let is_code = |text: &&str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        self.text().filter(is_code).map(str::to_ascii_lowercase)
    }

    pub(super) fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or(false)
    }

    /// Returns an instant in seconds since 1970.
    pub(super) fn seconds(&self) -> Option<DateTime<Utc>> {
        self.number().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).filter(is_plausible)
    }

    /// Returns an instant in RFC 3339.
    pub(super) fn instant(&self) -> Option<DateTime<Utc>> {
        let at = DateTime::parse_from_rfc3339(self.text()?).ok()?.to_utc();
        // Databases keep microseconds.
        let at = DateTime::from_timestamp_micros(at.timestamp_micros())?;
        Some(at).filter(is_plausible)
    }

    pub(super) fn email(&self) -> Option<EmailKey> {
        self.text().and_then(|text| EmailAddress::parse(text).ok()).map(|email| email.key().clone())
    }

    /// Takes what was found, or says what is missing.
    pub(super) fn need<T>(&self, found: impl FnOnce(&Self) -> Option<T>) -> Result<T, Unreadable> {
        found(self).ok_or_else(|| Unreadable::Missing(self.path.clone()))
    }
}

/// Ids and types of providers are a few dozen characters.
const LONGEST_TEXT: usize = 500;
/// More than anybody pays, and so little that thousands of them can be added up.
const LARGEST_AMOUNT: i64 = 1_000_000_000_000_000;
/// A subscription has a handful of prices, an invoice a handful of payments.
const MOST_IDS: usize = 100;

/// Collects ids, each once, in the order in which they come.
pub(super) fn each_once(ids: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    ids.into_iter().flatten().take(MOST_IDS).fold(Vec::new(), |mut known, id| {
        if !known.contains(&id) {
            known.push(id);
        }
        known
    })
}

/// The rank of a subscription that was asked for, rather than told: nothing of that instant is newer.
pub(super) const RANK_OF_AN_ANSWER: i64 = 4;

/// Returns the rank of an event about a subscription. Stripe's clock has whole seconds, and a
/// checkout brings several events within one: nothing goes back to being incomplete, or on from its end.
pub(super) fn rank(begins: bool, status: SubscriptionStatus) -> i64 {
    match status {
        SubscriptionStatus::Ended => 3,
        _ if begins => 0,
        SubscriptionStatus::Incomplete => 1,
        _ => 2,
    }
}

/// The databases' texts of instants sort by time within these years only.
fn is_plausible(at: &DateTime<Utc>) -> bool {
    (0..253_402_300_800).contains(&at.timestamp())
}

/// Parses a body.
pub(super) fn parse(body: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(body).map_err(|problem| Unreadable::NotJson(problem.to_string()))
}

/// Payloads as the vendors send them, for tests.
#[cfg(test)]
pub(super) mod recorded {
    use serde_json::Value;

    use crate::domain::payment::{Envelope, PaymentEvent, Provider};

    /// Everything that is recorded, with whose it is.
    pub(crate) const ALL: [(Provider, &str); 15] = [
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_checkout.json")),
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_subscription_2024.json")),
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_subscription_2025.json")),
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_invoice_2024.json")),
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_invoice_2025.json")),
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_invoice_payment.json")),
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_refund.json")),
        (Provider::Stripe, include_str!("../../tests/payloads/stripe_dispute.json")),
        (Provider::Paddle, include_str!("../../tests/payloads/paddle_customer.json")),
        (Provider::Paddle, include_str!("../../tests/payloads/paddle_subscription.json")),
        (Provider::Paddle, include_str!("../../tests/payloads/paddle_transaction.json")),
        (Provider::Paddle, include_str!("../../tests/payloads/paddle_adjustment.json")),
        (Provider::Polar, include_str!("../../tests/payloads/polar_customer.json")),
        (Provider::Polar, include_str!("../../tests/payloads/polar_subscription.json")),
        (Provider::Polar, include_str!("../../tests/payloads/polar_order.json")),
    ];

    /// Returns a payload with other values under some JSON pointers (RFC 6901). `null` is what the
    /// readers also see where nothing is.
    pub(crate) fn changed(payload: &str, changes: &[(&str, Value)]) -> Vec<u8> {
        let mut payload: Value = serde_json::from_str(payload).expect("recorded JSON");
        for (pointer, value) in changes {
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            match payload.pointer_mut(parent).expect("a place in it") {
                Value::Object(fields) => drop(fields.insert(name.to_owned(), value.clone())),
                list => list[name.parse::<usize>().expect("an index")] = value.clone(),
            }
        }
        payload.to_string().into_bytes()
    }

    /// Reads a payload with changes.
    pub(crate) fn read(provider: Provider, payload: &str, changes: &[(&str, Value)]) -> Envelope {
        Envelope::read(provider, &changed(payload, changes), Some("msg_1")).expect("an event")
    }

    /// Reads what a payload with changes means.
    pub(crate) fn event(provider: Provider, payload: &str, changes: &[(&str, Value)]) -> PaymentEvent {
        read(provider, payload, changes).event.expect("readable").expect("of interest")
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};
    use serde_json::json;

    use super::{recorded, *};
    use crate::domain::payment::{Envelope, PaymentEvent, Provider, paddle, polar, stripe};

    #[test]
    fn a_place_knows_its_path() {
        let value = json!({ "a": { "list": [{ "b": 1 }, { "b": "x" }] } });
        let root = Node::root(&value);
        let second = root.at("a.list").elements().nth(1).expect("two");
        assert_eq!(second.at("b").owned().as_deref(), Some("x"));
        assert_eq!(
            second.at("c.d").need(Node::owned),
            Err(Unreadable::Missing("a.list[1].c.d".to_owned())),
            "it is said where it should be"
        );
        assert_eq!(root.at("a").elements().count(), 0);
    }

    #[test]
    fn what_cannot_be_kept_is_not_there() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        let value = json!({
            "empty": "", "zero": "a\0b", "long": long, "number": 7, "fraction": 7.5, "text": "-12", "huge": i64::MAX,
            "huge_text": "99999999999999999999", "least": i64::MIN, "eur": "EUR", "four": "EURO", "umlaut": "ä€",
            "early": "0000-01-01T00:00:00-01:00", "late": "9999-12-31T23:59:59-23:00", "leap": "2016-12-31T23:59:60Z",
            "day": "2024-11-06",
        });
        let at = |path| Node::root(&value).at(path);
        for path in ["empty", "zero", "long", "number", "nothing"] {
            assert_eq!(at(path).text(), None, "{path}");
        }
        for path in ["fraction", "huge", "huge_text", "least", "eur", "nothing"] {
            assert_eq!((at(path).amount(), at(path).magnitude()), (None, None), "{path}");
        }
        assert_eq!((at("number").amount(), at("text").amount(), at("text").magnitude()), (Some(7), Some(0), Some(12)));
        assert_eq!(at("eur").currency().as_deref(), Some("eur"));
        assert_eq!((at("four").currency(), at("umlaut").currency()), (None, None));
        for path in ["early", "late", "day", "eur"] {
            assert_eq!(at(path).instant(), None, "{path}");
        }
        assert!(at("leap").instant().is_some());
        for path in ["huge", "least", "text"] {
            assert_eq!(at(path).seconds(), None, "{path}");
        }
    }

    #[test]
    fn ids_are_collected_once_and_not_without_end() {
        let ids = ["b", "", "a", "b"].map(|id| Some(id.to_owned()).filter(|id| !id.is_empty()));
        assert_eq!(each_once(ids), ["b", "a"]);
        assert_eq!(each_once((0..100_000).map(|id| Some(id.to_string()))).len(), MOST_IDS);
    }

    #[test]
    fn what_follows_in_one_second_ranks_higher() {
        use SubscriptionStatus::{Active, Ended, Incomplete, Trialing};
        let ranks =
            [rank(true, Active), rank(false, Incomplete), rank(false, Trialing), rank(true, Ended), RANK_OF_AN_ANSWER];
        assert!(ranks.is_sorted_by(|earlier, later| earlier < later), "{ranks:?}");
        assert_eq!(rank(true, Incomplete), rank(true, Trialing));
    }

    #[test]
    fn every_recorded_payload_is_of_interest() {
        for (provider, payload) in recorded::ALL {
            let envelope = recorded::read(provider, payload, &[]);
            assert!(matches!(envelope.event, Ok(Some(_))), "{envelope:?}");
        }
    }

    #[test]
    fn what_has_ended_needs_no_price() {
        let bare = [
            (recorded::ALL[2], "/data/object/status", vec!["/data/object/items"]),
            (recorded::ALL[9], "/data/status", vec!["/data/items"]),
            (recorded::ALL[13], "/data/status", vec!["/data/prices", "/data/product_id", "/data/product"]),
        ];
        for ((provider, payload), status, places) in bare {
            let without: Vec<_> = places.into_iter().map(|place| (place, Value::Null)).collect();
            assert!(matches!(recorded::read(provider, payload, &without).event, Err(Unreadable::Missing(_))));
            let over = [without, vec![(status, json!("canceled"))]].concat();
            let PaymentEvent::Subscription { snapshot, .. } = recorded::event(provider, payload, &over) else {
                panic!("{provider}");
            };
            assert_eq!((snapshot.status, snapshot.prices), (SubscriptionStatus::Ended, vec![]));
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for provider in Provider::ALL {
            let read = |body: &[u8]| Envelope::read(provider, body, Some("msg_1"));
            for body in [&b""[..], b"{", b"\xff", b"null {}", "[".repeat(100_000).as_bytes()] {
                assert!(matches!(read(body), Err(Unreadable::NotJson(_))), "{provider}");
            }
            for body in [&b"null"[..], b"[]", b"{}", b"\"evt\"", b"0"] {
                assert!(matches!(read(body), Err(Unreadable::Missing(_))), "{provider}");
            }
        }
        let without_id = polar::read_event(recorded::ALL[14].1.as_bytes(), None);
        assert_eq!(without_id, Err(Unreadable::Missing("webhook-id".to_owned())));
    }

    /// Any JSON, not too large.
    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            prop_oneof![Just("active"), Just("paid"), Just("approved"), Just("lost"), Just("2024-11-06T13:33:16Z")]
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name = prop_oneof![Just("id".to_owned()), Just("data".to_owned()), "[a-z_]{1,8}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// Puts a value somewhere into another one.
    fn put(into: &mut Value, way: &[Index], value: Value) {
        let count = match into {
            Value::Array(elements) => elements.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        };
        let (Some((step, way)), 1..) = (way.split_first(), count) else {
            *into = value;
            return;
        };
        match into {
            Value::Array(elements) => put(&mut elements[step.index(count)], way, value),
            Value::Object(fields) => {
                put(fields.values_mut().nth(step.index(count)).expect("one of them"), way, value);
            }
            _ => {}
        }
    }

    /// Whatever was read keeps its promises.
    fn is_sound(envelope: &Envelope) -> bool {
        match &envelope.event {
            Ok(Some(PaymentEvent::Subscription { snapshot, .. })) => {
                let is_over = snapshot.status == SubscriptionStatus::Ended;
                (is_over || !snapshot.prices.is_empty()) && !(is_over && snapshot.scheduled.is_some())
            }
            Ok(Some(PaymentEvent::InvoicePaid(invoice))) => {
                (0..=LARGEST_AMOUNT).contains(&invoice.amount) && invoice.currency.len() == 3
            }
            Ok(Some(PaymentEvent::Loss(loss))) => loss.amount.abs() <= 2 * LARGEST_AMOUNT && !loss.id.is_empty(),
            _ => true,
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for provider in Provider::ALL {
                let _ = Envelope::read(provider, &body, None);
            }
        }

        #[test]
        fn any_json_is_read_or_refused(value in json_value()) {
            let body = value.to_string();
            for provider in Provider::ALL {
                if let Ok(envelope) = Envelope::read(provider, body.as_bytes(), Some("msg_1")) {
                    prop_assert!(is_sound(&envelope), "{envelope:?}");
                }
            }
            let _ = (stripe::read_subscription(&value), paddle::read_subscription(&value), polar::read_subscription(&value));
        }

        #[test]
        fn a_recorded_payload_with_something_else_in_it_is_read_or_refused(
            recorded in prop::sample::select(recorded::ALL.to_vec()),
            changes in prop::collection::vec((prop::collection::vec(any::<Index>(), 0..7), json_value()), 1..4),
        ) {
            let (provider, payload) = recorded;
            let mut payload: Value = serde_json::from_str(payload).expect("recorded JSON");
            for (way, value) in changes {
                put(&mut payload, &way, value);
            }
            if let Ok(envelope) = Envelope::read(provider, payload.to_string().as_bytes(), Some("msg_1")) {
                prop_assert!(is_sound(&envelope), "{envelope:?}");
            }
        }

        #[test]
        fn a_payload_that_was_cut_off_or_garbled_is_read_or_refused(
            recorded in prop::sample::select(recorded::ALL.to_vec()),
            end in any::<Index>(),
            garbled in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        ) {
            let (provider, payload) = recorded;
            let mut body = payload.as_bytes().to_vec();
            prop_assert!(Envelope::read(provider, &body[..end.index(body.len() - 1)], Some("msg_1")).is_err());
            for (place, byte) in garbled {
                let place = place.index(body.len());
                body[place] = byte;
            }
            if let Ok(envelope) = Envelope::read(provider, &body, Some("msg_1")) {
                prop_assert!(is_sound(&envelope), "{envelope:?}");
            }
        }
    }
}
