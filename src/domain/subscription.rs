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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

/// What an event did to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionChange {
    /// It gives access for the first time.
    Started,
    /// Something else about it is different, or nothing is.
    Changed,
    /// A payment failed.
    PastDue,
    /// It is halted.
    Paused,
    /// It goes on after it was halted, or is paid after payment was due.
    Resumed,
    /// It is over.
    Ended,
}

impl SubscriptionChange {
    /// Returns what it was, from how it stood before and stands now.
    pub fn between(before: Option<SubscriptionStatus>, now: SubscriptionStatus) -> Self {
        use SubscriptionStatus as Status;
        match (before, now) {
            (Some(before), now) if before == now => Self::Changed,
            (_, Status::Ended) => Self::Ended,
            (_, Status::Paused) => Self::Paused,
            (_, Status::PastDue) => Self::PastDue,
            (None | Some(Status::Incomplete), Status::Trialing | Status::Active) => Self::Started,
            (Some(Status::Paused | Status::PastDue), Status::Trialing | Status::Active) => Self::Resumed,
            _ => Self::Changed,
        }
    }

    /// Returns our word for it, as the list of events and the log show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "subscription_started",
            Self::Changed => "subscription_changed",
            Self::PastDue => "subscription_past_due",
            Self::Paused => "subscription_paused",
            Self::Resumed => "subscription_resumed",
            Self::Ended => "subscription_ended",
        }
    }
}

/// How a subscription stood at an event. Sorted, they are in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When, by the provider's clock.
    pub at: DateTime<Utc>,
    /// The provider's id of the event.
    pub event_id: String,
    /// How it stood.
    pub status: SubscriptionStatus,
}

/// Returns since when payment is due: the begin of the last stretch in which it was, nothing if
/// that is over. The history is in order.
pub fn past_due_since(history: &[Moment]) -> Option<DateTime<Utc>> {
    let is_due = |moment: &&Moment| moment.status == SubscriptionStatus::PastDue;
    history.iter().rev().take_while(is_due).last().map(|moment| moment.at)
}

/// A stretch of time, from one instant until another.
pub type Span = (DateTime<Utc>, DateTime<Utc>);

/// Returns the stretches within `whole` in which a subscription gave no access because it was
/// halted or not paid yet. The history is in order.
pub fn idle(history: &[Moment], whole: Span) -> Vec<Span> {
    let ends = history.iter().skip(1).map(|moment| moment.at).chain([whole.1]);
    let is_idle = |status| matches!(status, SubscriptionStatus::Paused | SubscriptionStatus::Incomplete);
    history
        .iter()
        .zip(ends)
        .filter(|(moment, _)| is_idle(moment.status))
        .map(|(moment, end)| (moment.at, end))
        .collect()
}

/// Returns what is left of a stretch when others are cut out of it.
pub fn cut(whole: Span, holes: &[Span]) -> Vec<Span> {
    let mut pieces = vec![whole];
    for (from, until) in holes {
        pieces = pieces
            .into_iter()
            .flat_map(|(begin, end)| [(begin, end.min(*from)), (begin.max(*until), end)])
            .filter(|(begin, end)| begin < end)
            .collect();
    }
    pieces
}
