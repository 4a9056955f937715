//! What happened to members, as others want to hear it: apps by webhook, admins in their list, and
//! the rules that reward it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{FeatureId, TierId, UserId};

/// Something that happened to a member.
///
/// Its JSON is the `data` of outgoing webhooks: fields may be added and never change their meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    /// An account was opened.
    #[serde(rename = "user.created")]
    UserCreated {
        /// Who invited them, if anybody did.
        referred_by: Option<UserId>,
    },
    /// An account was deleted, and what identified the person is gone.
    #[serde(rename = "user.deleted")]
    UserDeleted,
    /// What a member may use, or until when, is not as it was: ask again.
    #[serde(rename = "access.changed")]
    AccessChanged,
    /// So much of a limit is used up.
    #[serde(rename = "usage.limit_reached")]
    UsageLimitReached {
        /// Of what.
        feature: FeatureId,
        /// The threshold in percent: 80 or 100.
        percent: i64,
        /// How much is used.
        used: i64,
        /// How much there is.
        limit: i64,
        /// When it begins anew, if it does.
        resets_at: Option<DateTime<Utc>>,
    },
    /// A coupon was redeemed.
    #[serde(rename = "coupon.redeemed")]
    CouponRedeemed {
        /// Its code.
        code: String,
        /// The tier that it gives.
        tier: TierId,
        /// For how many days.
        days: i64,
    },
    /// A friend whom the member invited has paid for the first time, and both were rewarded.
    #[serde(rename = "referral.converted")]
    ReferralConverted {
        /// The friend.
        friend: UserId,
        /// The days of each side.
        days: i64,
    },
    /// A subscription began, changed or ended.
    #[serde(rename = "subscription.changed")]
    SubscriptionChanged {
        /// The provider's id of it.
        subscription: String,
        /// What of these happened, as the log of activity says it: `subscription_started`, …
        change: String,
        /// Its tier.
        tier: TierId,
    },
}

impl Event {
    /// The names of all kinds, in the order in which they are shown.
    pub const KINDS: [&str; 7] = [
        "user.created",
        "user.deleted",
        "access.changed",
        "usage.limit_reached",
        "coupon.redeemed",
        "referral.converted",
        "subscription.changed",
    ];

    /// Returns the name of its kind, by which subscribers choose.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UserCreated { .. } => "user.created",
            Self::UserDeleted => "user.deleted",
            Self::AccessChanged => "access.changed",
            Self::UsageLimitReached { .. } => "usage.limit_reached",
            Self::CouponRedeemed { .. } => "coupon.redeemed",
            Self::ReferralConverted { .. } => "referral.converted",
            Self::SubscriptionChanged { .. } => "subscription.changed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_under_the_name_of_its_kind() {
        let user = crate::domain::ids::uuid_v7(DateTime::UNIX_EPOCH, [7; 10]).into();
        let tier: TierId = "premium".parse().expect("a tier");
        let events = [
            Event::UserCreated { referred_by: Some(user) },
            Event::UserDeleted,
            Event::AccessChanged,
            Event::UsageLimitReached {
                feature: "photos".parse().expect("a feature"),
                percent: 80,
                used: 8,
                limit: 10,
                resets_at: None,
            },
            Event::CouponRedeemed { code: "SUMMER".to_owned(), tier: tier.clone(), days: 30 },
            Event::ReferralConverted { friend: user, days: 45 },
            Event::SubscriptionChanged { subscription: "sub_1".to_owned(), change: "started".to_owned(), tier },
        ];
        assert_eq!(events.each_ref().map(Event::kind), Event::KINDS);
        for event in events {
            let json = serde_json::to_value(&event).expect("an event is JSON");
            assert_eq!(json["type"], event.kind());
            assert_eq!(serde_json::from_value::<Event>(json).expect("JSON is an event"), event);
        }
    }
}
