//! What the targets do with what libFuzzer makes up.
//!
//! The rooms are compiled here from their own files, without the server around them: that takes half a
//! minute instead of ten, and what libFuzzer watches is what is asked.

#[allow(missing_docs, reason = "it is documented where it lives")]
#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/webhooks/signature.rs"]
pub mod signature;

use std::str;

use chrono::DateTime;

use crate::{
    domain::{
        payment::{Envelope, PaymentEvent, Provider, paddle, polar, stripe},
        subscription::SubscriptionStatus,
    },
    signature::{Headers, SignatureError, sign, verify},
};

const SECRET: &str = "whsec_dGhpcnR5LXR3byBieXRlcyB0aGF0IG5vYm9keSBoYXM=";
/// Ten thousand of the largest amounts can be added up.
const LARGEST_AMOUNT: i64 = i64::MAX / 10_000;

/// Reads a body as a provider's event, and as one of its subscriptions.
///
/// # Panics
/// Where a reader broke a promise.
pub fn read(provider: Provider, body: &[u8]) {
    if let Ok(envelope) = Envelope::read(provider, body, Some("msg_1")) {
        assert_eq!(Envelope::read(provider, body, Some("msg_1")).as_ref(), Ok(&envelope));
        assert!(!envelope.event_id.is_empty() && !envelope.event_type.is_empty());
        match envelope.event {
            Ok(Some(PaymentEvent::Subscription { snapshot, .. })) => {
                let is_over = snapshot.status == SubscriptionStatus::Ended;
                assert!(is_over || !snapshot.prices.is_empty());
                assert!(!(is_over && snapshot.scheduled.is_some()));
            }
            Ok(Some(PaymentEvent::InvoicePaid(invoice))) => {
                assert!((0..LARGEST_AMOUNT).contains(&invoice.amount));
                assert_eq!(invoice.currency.len(), 3);
            }
            Ok(Some(PaymentEvent::Loss(loss))) => assert!(loss.amount.abs() < LARGEST_AMOUNT),
            _ => {}
        }
    }
    if let Ok(object) = serde_json::from_slice(body) {
        let _ = match provider {
            Provider::Stripe => stripe::read_subscription(&object),
            Provider::Paddle => paddle::read_subscription(&object),
            Provider::Polar => polar::read_subscription(&object),
        };
    }
}

/// Takes lines as headers, and what follows the third as a body: nobody is believed without the secret,
/// and whatever stands around a right signature, nothing falls over.
///
/// # Panics
/// Where somebody is believed who does not know the secret.
pub fn verify_headers(input: &[u8]) {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let texts = [line(), line(), line()].map(|line| str::from_utf8(line).ok());
    let body = line();
    let now = DateTime::from_timestamp(1_730_900_000, 0).expect("in range");
    for provider in Provider::ALL {
        let names = match provider {
            Provider::Stripe => ["stripe-signature", "", ""],
            Provider::Paddle => ["paddle-signature", "", ""],
            Provider::Polar => ["webhook-signature", "webhook-timestamp", "webhook-id"],
        };
        let text = |name: &str| names.iter().position(|known| *known == name).and_then(|at| texts[at]);
        assert!(verify(provider, &[SECRET, ""], &Headers::find(text), body, now).is_err());

        let Some(around) = texts[0] else { continue };
        let signed = sign(provider, SECRET, "msg_1", now, body);
        let beside: Vec<_> = signed
            .iter()
            .map(|(name, value)| (*name, if *name == names[0] { format!("{around}{value}") } else { value.clone() }))
            .collect();
        let find = |name: &str| beside.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        let found = verify(provider, &["x", SECRET], &Headers::find(find), body, now);
        if around.is_empty() {
            assert!(found.is_ok());
        }
        let altered = [body, b" "].concat();
        let found = verify(provider, &["x", SECRET], &Headers::find(find), &altered, now);
        assert!(matches!(found, Err(SignatureError::Wrong | SignatureError::Malformed)));
    }
}
