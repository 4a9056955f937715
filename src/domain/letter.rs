//! Letters: what a person is to be told by mail, before it is put into words.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::LoginAttemptId;

/// A letter as it waits to be sent, with what is needed to write it and nothing else.
///
/// A code is not in it: it is derived again when the letter is written, so that no copy of the
/// database holds one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// The code that completes a sign-in.
    LoginCode {
        /// The flow that the code belongs to.
        attempt: LoginAttemptId,
        /// Which sending of that flow it is; each has its own code.
        send: i64,
    },
    /// Anything else: what is stored is all there is to tell.
    #[serde(untagged)]
    Notice(Notice),
}

/// What is told in a letter that holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Notice {
    /// There is no account for the address, and none can be opened.
    NoAccount,
    /// A subscription has begun.
    SubscriptionStarted {
        /// The name of its tier.
        tier: String,
    },
    /// A subscription could not be paid.
    PaymentFailed {
        /// The name of its tier.
        tier: String,
        /// Until when it gives access all the same.
        until: DateTime<Utc>,
    },
    /// A subscription is over.
    SubscriptionEnded {
        /// The name of its tier.
        tier: String,
        /// Days of credit that ran beside it and came back; 0 for none.
        returned_days: i64,
    },
    /// A friend who was invited has paid, so both sides got their days.
    ReferralConverted {
        /// The days of each side.
        days: i64,
        /// Until when the reader's credit lasts since.
        until: DateTime<Utc>,
        /// Whether the reader invited; else they were invited.
        as_referrer: bool,
    },
    /// The friend's payment went back in full, and so did what was left of the days.
    ReferralTakenBack {
        /// Whether the reader invited; else they were invited.
        as_referrer: bool,
    },
    /// The reader was given time at a tier.
    AccessGranted {
        /// The name of the tier.
        tier: String,
        /// For how many days.
        days: i64,
        /// When it begins, if it has to wait for its turn.
        from: Option<DateTime<Utc>>,
        /// Until when it lasts, as far as is known now.
        until: DateTime<Utc>,
    },
    /// Time at a tier that the reader was given is used up.
    GrantEnded {
        /// The name of the tier.
        tier: String,
        /// The name of the tier that goes on, and until when.
        next: Option<(String, DateTime<Utc>)>,
    },
    /// To admins: what a provider told could not be applied, and nobody tries it again.
    PaymentEventFailed {
        /// The provider's name.
        provider: String,
        /// The provider's word for what happened.
        event_type: String,
        /// Why it failed the last time.
        error: String,
    },
}

impl From<Notice> for Letter {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::uuid_v7;

    #[test]
    fn letters_that_wait_in_a_database_keep_their_shape() {
        let attempt = uuid_v7(DateTime::UNIX_EPOCH, [7; 10]).into();
        let tier = || "Premium".to_owned();
        let until = DateTime::UNIX_EPOCH;
        let stored = [
            (
                Letter::LoginCode { attempt, send: 2 },
                format!(r#"{{"letter":"login_code","attempt":"{attempt}","send":2}}"#),
            ),
            (Notice::NoAccount.into(), r#"{"letter":"no_account"}"#.to_owned()),
            (
                Notice::SubscriptionStarted { tier: tier() }.into(),
                r#"{"letter":"subscription_started","tier":"Premium"}"#.to_owned(),
            ),
            (
                Notice::PaymentFailed { tier: tier(), until }.into(),
                r#"{"letter":"payment_failed","tier":"Premium","until":"1970-01-01T00:00:00Z"}"#.to_owned(),
            ),
            (
                Notice::SubscriptionEnded { tier: tier(), returned_days: 3 }.into(),
                r#"{"letter":"subscription_ended","tier":"Premium","returned_days":3}"#.to_owned(),
            ),
            (
                Notice::ReferralConverted { days: 45, until, as_referrer: true }.into(),
                r#"{"letter":"referral_converted","days":45,"until":"1970-01-01T00:00:00Z","as_referrer":true}"#
                    .to_owned(),
            ),
            (
                Notice::ReferralTakenBack { as_referrer: false }.into(),
                r#"{"letter":"referral_taken_back","as_referrer":false}"#.to_owned(),
            ),
            (
                Notice::AccessGranted { tier: tier(), days: 30, from: None, until }.into(),
                r#"{"letter":"access_granted","tier":"Premium","days":30,"from":null,"until":"1970-01-01T00:00:00Z"}"#
                    .to_owned(),
            ),
            (
                Notice::GrantEnded { tier: tier(), next: Some((tier(), until)) }.into(),
                r#"{"letter":"grant_ended","tier":"Premium","next":["Premium","1970-01-01T00:00:00Z"]}"#.to_owned(),
            ),
            (
                Notice::PaymentEventFailed {
                    provider: "Stripe".to_owned(),
                    event_type: "invoice.paid".to_owned(),
                    error: "no such price".to_owned(),
                }.into(),
                r#"{"letter":"payment_event_failed","provider":"Stripe","event_type":"invoice.paid","error":"no such price"}"#
                    .to_owned(),
            ),
        ];
        for (letter, json) in stored {
            assert_eq!(serde_json::to_string(&letter).expect("a letter is JSON"), json);
            assert_eq!(serde_json::from_str::<Letter>(&json).expect("JSON is a letter"), letter);
        }
    }
}
