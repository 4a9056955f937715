//! Subscriptions: what a provider says of one, and what follows from it.
//!
//! A provider's events come late, twice and in any order. Each carries the subscription as it was
//! at the event's time, so the state is that of the newest one ([`Version`]), however they arrive.
//! What has ended stays ended.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{SubscriptionId, TierId, UserId},
    payment::{BillingInterval, Provider},
};

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Begun, but nothing was paid yet: it gives nothing.
    Incomplete,
    /// In the provider's own trial.
    Trialing,
    /// Paid.
    Active,
    /// The last payment failed; it gives access for a while.
    PastDue,
    /// Halted. It gives nothing until it goes on.
    Paused,
    /// Over, for good.
    Ended,
}

impl SubscriptionStatus {
    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }

    /// Returns our word for an event that found it so.
    pub fn event_kind(self) -> &'static str {
        match self {
            Self::Incomplete => "subscription_incomplete",
            Self::Trialing => "subscription_trialing",
            Self::Active => "subscription_active",
            Self::PastDue => "subscription_past_due",
            Self::Paused => "subscription_paused",
            Self::Ended => "subscription_ended",
        }
    }
}

/// Not the name of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a status of a subscription")]
pub struct NoSuchStatus;

impl std::str::FromStr for SubscriptionStatus {
    type Err = NoSuchStatus;

    fn from_str(text: &str) -> Result<Self, NoSuchStatus> {
        [Self::Incomplete, Self::Trialing, Self::Active, Self::PastDue, Self::Paused, Self::Ended]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(NoSuchStatus)
    }
}

/// How new something about a subscription is: the newer one holds. Two of one instant are told
/// apart by the rank of their type, then by their id, so that every node prefers the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// When it was true, by the provider's clock.
    pub at: DateTime<Utc>,
    /// The rank of the event's type: what begins comes before what changes, which comes before
    /// what ends.
    pub rank: i64,
    /// The provider's id of the event.
    pub event_id: String,
}

/// What is going to happen to a subscription at the end of its period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScheduledAction {
    /// It ends.
    End,
    /// It is paused.
    Pause,
    /// It changes to another price.
    Change,
}

impl ScheduledAction {
    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Pause => "pause",
            Self::Change => "change",
        }
    }
}

impl std::str::FromStr for ScheduledAction {
    type Err = NoSuchStatus;

    fn from_str(text: &str) -> Result<Self, NoSuchStatus> {
        [Self::End, Self::Pause, Self::Change].into_iter().find(|action| action.as_str() == text).ok_or(NoSuchStatus)
    }
}

/// What is going to happen, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// What.
    pub action: ScheduledAction,
    /// When.
    pub at: DateTime<Utc>,
}

/// A subscription as a provider describes it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The provider's id.
    pub subscription: String,
    /// How it stands.
    pub status: SubscriptionStatus,
    /// What was bought: ids of prices, and of products where the provider sells those.
    pub prices: Vec<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Until when it is paid, or the provider's trial lasts.
    pub period_end: Option<DateTime<Utc>>,
    /// What is going to happen.
    pub scheduled: Option<Scheduled>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The rank of the event's type, see [`Version`].
    pub rank: i64,
}

/// A subscription, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Which.
    pub id: SubscriptionId,
    /// Who takes the money.
    pub provider: Provider,
    /// The provider's id.
    pub provider_id: String,
    /// Whose; nobody's once the account is deleted.
    pub user: Option<UserId>,
    /// The tier that it gives.
    pub tier: TierId,
    /// How often it is paid.
    pub interval: BillingInterval,
    /// How it stands.
    pub status: SubscriptionStatus,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Until when it is paid.
    pub period_end: Option<DateTime<Utc>>,
    /// Since when payment is due.
    pub past_due_since: Option<DateTime<Utc>>,
    /// What is going to happen.
    pub scheduled: Option<Scheduled>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How new this is.
    pub version: Version,
}

/// How long a subscription that should have been renewed gives access without a word from the
/// provider: news may be late, and a member who pays is not to wait for it.
pub const NEWS_MAY_BE_LATE: TimeDelta = TimeDelta::days(7);

/// Until when a subscription gives access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasts {
    /// The end that people are told; `None` when none is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// When access really ends without further news; `None` for not at all.
    pub ends_at: Option<DateTime<Utc>>,
}

impl Subscription {
    /// Returns whether a snapshot of that version is news.
    pub fn is_news(&self, version: &Version, status: SubscriptionStatus) -> bool {
        match (self.status == SubscriptionStatus::Ended, status == SubscriptionStatus::Ended) {
            (true, false) => false,
            (false, true) => true,
            _ => *version > self.version,
        }
    }

    /// Returns until when it gives access, whether or not that lies ahead; nothing when it gives
    /// none. `grace` is how long it does after a payment failed.
    pub fn lasts(&self, grace: TimeDelta) -> Option<Lasts> {
        let scheduled = self.scheduled.as_ref().filter(|scheduled| scheduled.action != ScheduledAction::Change);
        let exactly = |at| Lasts { expires_at: Some(at), ends_at: Some(at) };
        match self.status {
            SubscriptionStatus::Incomplete | SubscriptionStatus::Paused | SubscriptionStatus::Ended => None,
            SubscriptionStatus::PastDue => {
                let grace_ends = self.past_due_since.unwrap_or(self.version.at) + grace;
                Some(exactly(scheduled.map_or(grace_ends, |scheduled| scheduled.at.min(grace_ends))))
            }
            SubscriptionStatus::Trialing | SubscriptionStatus::Active => Some(match (scheduled, self.period_end) {
                (Some(scheduled), _) => exactly(scheduled.at),
                (None, Some(end)) => Lasts { expires_at: Some(end), ends_at: Some(end + NEWS_MAY_BE_LATE) },
                (None, None) => Lasts { expires_at: None, ends_at: None },
            }),
        }
    }
}
