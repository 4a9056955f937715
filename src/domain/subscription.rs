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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::uuid_v7;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + hours * 3_600, 0).expect("in range")
    }

    fn subscription(status: SubscriptionStatus) -> Subscription {
        Subscription {
            id: uuid_v7(at(0), [0; 10]).into(),
            provider: Provider::Stripe,
            provider_id: "sub_1".to_owned(),
            user: None,
            tier: "premium".parse().expect("a name"),
            interval: BillingInterval::Month,
            status,
            started_at: at(0),
            period_end: Some(at(100)),
            past_due_since: None,
            scheduled: None,
            ended_at: None,
            version: Version { at: at(10), rank: 2, event_id: "evt_5".to_owned() },
        }
    }

    #[test]
    fn each_status_lasts_as_long_as_it_should() {
        use ScheduledAction::{Change, End, Pause};
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        let grace = TimeDelta::hours(7);
        let scheduled = |action, hour| Some(Scheduled { action, at: at(hour) });
        let exactly = |hour| Some(Lasts { expires_at: Some(at(hour)), ends_at: Some(at(hour)) });
        let renewing = Some(Lasts { expires_at: Some(at(100)), ends_at: Some(at(100) + NEWS_MAY_BE_LATE) });
        for (status, scheduled, past_due_since, expected) in [
            (Active, None, None, renewing),
            (Trialing, None, None, renewing),
            (Active, scheduled(End, 50), None, exactly(50)),
            (Active, scheduled(Pause, 50), None, exactly(50)),
            (Active, scheduled(Change, 50), None, renewing),
            (PastDue, None, Some(at(20)), exactly(27)),
            (PastDue, None, None, exactly(17)),
            (PastDue, scheduled(End, 21), Some(at(20)), exactly(21)),
            (PastDue, scheduled(End, 90), Some(at(20)), exactly(27)),
            (Incomplete, None, None, None),
            (Paused, None, None, None),
            (Ended, None, None, None),
        ] {
            let found =
                Subscription { scheduled: scheduled.clone(), past_due_since, ..subscription(status) }.lasts(grace);
            assert_eq!(found, expected, "{status:?} {scheduled:?} {past_due_since:?}");
        }
        let without_end = Subscription { period_end: None, ..subscription(Active) };
        assert_eq!(without_end.lasts(grace), Some(Lasts { expires_at: None, ends_at: None }));
    }

    #[test]
    fn words_in_the_database_are_read_again() {
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        for status in [Incomplete, Trialing, Active, PastDue, Paused, Ended] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for action in [ScheduledAction::End, ScheduledAction::Pause, ScheduledAction::Change] {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        assert_eq!("gone".parse::<SubscriptionStatus>(), Err(NoSuchStatus));
    }

    #[test]
    fn what_an_event_did_is_told_by_before_and_after() {
        use SubscriptionChange as Change;
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        for (before, now, expected) in [
            (None, Incomplete, Change::Changed),
            (None, Trialing, Change::Started),
            (Some(Incomplete), Active, Change::Started),
            (Some(Trialing), Active, Change::Changed),
            (Some(Active), Active, Change::Changed),
            (Some(Active), PastDue, Change::PastDue),
            (Some(PastDue), Active, Change::Resumed),
            (Some(Active), Paused, Change::Paused),
            (Some(Paused), Active, Change::Resumed),
            (Some(PastDue), Ended, Change::Ended),
            (None, Ended, Change::Ended),
            (Some(Ended), Ended, Change::Changed),
        ] {
            assert_eq!(SubscriptionChange::between(before, now), expected, "{before:?} {now:?}");
        }
    }

    fn moments() -> impl Strategy<Value = Vec<Moment>> {
        use SubscriptionStatus::{Active, Incomplete, PastDue, Paused};
        let status = prop_oneof![Just(Active), Just(PastDue), Just(Paused), Just(Incomplete)];
        proptest::collection::vec((0i64..50, status), 0..10).prop_map(|moments| {
            let mut history: Vec<_> = moments
                .into_iter()
                .enumerate()
                .map(|(number, (hour, status))| Moment { at: at(hour), event_id: format!("evt_{number}"), status })
                .collect();
            history.sort();
            history
        })
    }

    proptest! {
        #[test]
        fn payment_is_due_since_the_first_word_of_the_last_stretch(history in moments()) {
            match past_due_since(&history) {
                None => prop_assert!(history.last().is_none_or(|last| last.status != SubscriptionStatus::PastDue)),
                Some(since) => {
                    let begin = history.iter().rposition(|moment| moment.status != SubscriptionStatus::PastDue);
                    prop_assert_eq!(history[begin.map_or(0, |at| at + 1)].at, since);
                }
            }
        }

        #[test]
        fn what_is_cut_out_is_gone_and_the_rest_is_there(
            from in 0i64..40, long in 1i64..40, holes in proptest::collection::vec((0i64..80, 0i64..30), 0..6),
        ) {
            let whole = (at(from), at(from + long));
            let holes: Vec<Span> = holes.into_iter().map(|(begin, long)| (at(begin), at(begin + long))).collect();
            let pieces = cut(whole, &holes);
            // Hour by hour, as a naive reader would do it.
            let is_in = |span: &Span, hour| span.0 <= at(hour) && at(hour) < span.1;
            for hour in 0..90 {
                let expected = is_in(&whole, hour) && !holes.iter().any(|hole| is_in(hole, hour));
                prop_assert_eq!(pieces.iter().filter(|piece| is_in(piece, hour)).count(), usize::from(expected), "hour {}", hour);
            }
        }

        #[test]
        fn it_is_idle_from_a_word_that_says_so_to_the_next(history in moments()) {
            let whole = (at(0), at(60));
            let idle = idle(&history, whole);
            for hour in 0..60 {
                let last = history.iter().rev().find(|moment| moment.at <= at(hour));
                let expected = last.is_some_and(|moment| {
                    matches!(moment.status, SubscriptionStatus::Paused | SubscriptionStatus::Incomplete)
                });
                let found = idle.iter().any(|(begin, end)| *begin <= at(hour) && at(hour) < *end);
                prop_assert_eq!(found, expected, "hour {} of {:?}", hour, history);
            }
        }

        #[test]
        fn the_newest_word_holds_in_any_order(
            words in proptest::collection::vec((0i64..5, 0i64..3, 0u8..5, any::<bool>()), 1..8), turn in any::<usize>(),
        ) {
            let mut states: Vec<Subscription> = words
                .into_iter()
                .map(|(hour, rank, id, ends)| Subscription {
                    version: Version { at: at(hour), rank, event_id: format!("evt_{id}") },
                    ..subscription(if ends { SubscriptionStatus::Ended } else { SubscriptionStatus::Active })
                })
                .collect();
            let told = |states: &[Subscription]| {
                let mut known = states[0].clone();
                for state in &states[1..] {
                    if known.is_news(&state.version, state.status) {
                        known = state.clone();
                    }
                }
                (known.status, known.version)
            };
            let expected = told(&states);
            let middle = turn % states.len();
            states.rotate_left(middle);
            prop_assert_eq!(told(&states), expected.clone());
            states.reverse();
            prop_assert_eq!(told(&states), expected);
        }
    }
}
