//! Typed identifiers.
//!
//! Rows are known by UUIDv7 behind a newtype each, so a session can never be passed where a
//! user is meant. Tiers and features are known by short names that people choose.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Returns a UUIDv7 (RFC 9562 §5.7) for the instant `now`, filled up with `random`.
pub fn uuid_v7(now: DateTime<Utc>, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
        #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema), schema(value_type = String, format = Uuid))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl $name {
            /// Returns the sixteen bytes, as they enter signatures.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

row_id! {
    /// A member, an admin among them.
    UserId;
    /// A signed-in browser.
    SessionId;
    /// One sign-in flow, from the request of a code to its use.
    LoginAttemptId;
    /// Who invited whom.
    ReferralId;
    /// A change of someone's credit.
    CreditEntryId;
    /// A line of the audit log.
    ActivityId;
    /// Work to be done outside the request.
    JobId;
    /// A message to a person.
    MailId;
    /// Units held for work that may fail.
    ReservationId;
    /// An entry of the ledger of usage.
    UsageEventId;
    /// A key by which an app asks.
    ApiKeyId;
    /// What a provider of payments sent.
    PaymentEventId;
    /// What somebody pays for again and again.
    SubscriptionId;
    /// Time at a tier that somebody was given.
    GrantId;
    /// What can be redeemed for such a time.
    CouponId;
    /// That somebody redeemed one.
    RedemptionId;
    /// What is rewarded by itself.
    BonusRuleId;
    /// That somebody was rewarded for it.
    BonusAwardId;
    /// Something that admins were told.
    NotificationId;
    /// That somebody is invited.
    InvitationId;
    /// Coupons that were made in one go.
    BatchId;
    /// For whom coupons are made: a gym, a company.
    PartnerId;
    /// Where an app wants to hear what happened.
    WebhookEndpointId;
    /// An event on its way to one of those.
    WebhookDeliveryId;
}

/// A name that is not usable as the id of a tier or a feature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id starts with a letter and holds at most 40 of a-z, 0-9 and _")]
pub struct BadName;

fn is_name(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

macro_rules! name_id {
    ($($(#[$doc:meta])* $name:ident, as $example:tt;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
        #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[a-z][a-z0-9_]{0,39}$", example = $example))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                if is_name(&text) { Ok(Self(text)) } else { Err(BadName) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                text.to_owned().try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    )+};
}

name_id! {
    /// A tier: `free`, `basic`, `premium`, …
    TierId, as "basic";
    /// A feature: `photos`, `ai_calls`, …
    FeatureId, as "ai_calls";
}

impl JobId {
    /// Returns the id of the job that goes on from this one: who does this one again leaves no second one.
    pub fn following(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().wrapping_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = uuid_v7(DateTime::from_timestamp_millis(1_000).expect("in range"), [255; 10]);
        let late = uuid_v7(DateTime::from_timestamp_millis(1_001).expect("in range"), [0; 10]);
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
    }

    #[test]
    fn names_are_short_and_plain() {
        assert!("ai_calls".parse::<FeatureId>().is_ok());
        for bad in ["", "1st", "Photos", "a b", "a-b", "ü", &"x".repeat(41)] {
            assert_eq!(bad.parse::<FeatureId>(), Err(BadName), "{bad}");
        }
    }
}
