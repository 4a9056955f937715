//! Leaving: how long an account waits, and what stands in the way.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::subscription::{ScheduledAction, Subscription, SubscriptionStatus};

/// How long an account waits before it is deleted, so that whoever changes their mind can keep it.
pub const GRACE: TimeDelta = TimeDelta::days(7);
/// The longest that somebody else may let it wait, in days.
pub const MOST_GRACE_DAYS: i64 = 90;
/// How long to wait before it is tried again where something stands in the way.
pub const TRY_AGAIN_AFTER: TimeDelta = TimeDelta::days(1);
/// How long the last letter is kept when it cannot be sent.
pub const FAREWELL_KEPT_FOR: TimeDelta = TimeDelta::days(7);
/// The version of the shape of an export. It is raised when a field is renamed or goes.
pub const EXPORT_VERSION: i64 = 1;
/// What stands where a name of somebody stood who is deleted.
pub const NOBODY: &str = "deleted";

/// What stands in the way of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// The provider would go on taking money, and nobody here could answer for it.
    Subscription,
    /// Nobody else could open `/admin`.
    LastAdmin,
}

/// That somebody asked for an account to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// When they asked.
    pub asked_at: DateTime<Utc>,
    /// When it happens.
    pub due_at: DateTime<Utc>,
}

/// Returns whether a subscription would take money again if nobody did anything. One that is to end
/// does not, and gives no reason to wait for its end.
pub fn goes_on(subscription: &Subscription) -> bool {
    let ends = subscription.scheduled.as_ref().is_some_and(|scheduled| scheduled.action == ScheduledAction::End);
    match subscription.status {
        // Nothing was ever paid.
        SubscriptionStatus::Incomplete | SubscriptionStatus::Ended => false,
        SubscriptionStatus::Trialing
        | SubscriptionStatus::Active
        | SubscriptionStatus::PastDue
        | SubscriptionStatus::Paused => !ends,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::uuid_v7,
        payment::{BillingInterval, Provider},
        subscription::{Scheduled, Version},
    };

    #[test]
    fn what_takes_no_more_money_stands_in_nobodys_way() {
        let at = DateTime::UNIX_EPOCH;
        let subscription = |status, action: Option<ScheduledAction>| Subscription {
            id: uuid_v7(at, [1; 10]).into(),
            provider: Provider::Stripe,
            provider_id: "sub_1".to_owned(),
            user: None,
            tier: "premium".parse().expect("a tier"),
            interval: BillingInterval::Month,
            status,
            started_at: at,
            period_end: None,
            past_due_since: None,
            scheduled: action.map(|action| Scheduled { action, at }),
            ended_at: None,
            version: Version { at, rank: 0, event_id: String::new() },
        };
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        for status in [Trialing, Active, PastDue, Paused] {
            assert!(goes_on(&subscription(status, None)), "{status:?}");
            assert!(goes_on(&subscription(status, Some(ScheduledAction::Pause))), "{status:?}");
            assert!(goes_on(&subscription(status, Some(ScheduledAction::Change))), "{status:?}");
            assert!(!goes_on(&subscription(status, Some(ScheduledAction::End))), "{status:?}");
        }
        assert!(!goes_on(&subscription(Incomplete, None)));
        assert!(!goes_on(&subscription(Ended, None)));
    }
}
