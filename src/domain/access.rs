//! What a member may use, and from where: effective tier and paid status.
//!
//! The strongest tier wins; among equals own tier, subscription, grant, credit, trial
//! (design §4).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::TierId;

/// Where access comes from, in the order in which equals are preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The tier that an admin set, or that the trial left behind.
    OwnTier,
    /// A running subscription.
    Subscription,
    /// The access grant whose turn it is.
    Grant,
    /// Credit that has not run out.
    Credit,
    /// The trial of a new member.
    Trial,
}

/// A tier, as far as access needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierStanding {
    /// Which.
    pub id: TierId,
    /// Its strength: the higher the stronger.
    pub sort_order: i64,
    /// Whether it counts as paid.
    pub paid: bool,
}

/// One reason why someone has a tier right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The tier it gives.
    pub tier: TierStanding,
    /// Where it comes from.
    pub source: Source,
    /// When it ends by itself, as people are told; `None` for an own tier.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it really ends without further news: a subscription outlives the end of its period
    /// for a while, because news of its renewal may be late.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Something that gives a tier for a time, before the tier is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The tier it gives.
    pub tier: TierId,
    /// Where it comes from.
    pub source: Source,
    /// When it ends by itself, as people are told.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it really ends without further news.
    pub ends_at: Option<DateTime<Utc>>,
}

impl Holding {
    /// Makes one that ends at a known moment.
    pub fn until(tier: TierId, source: Source, end: DateTime<Utc>) -> Self {
        Self { tier, source, expires_at: Some(end), ends_at: Some(end) }
    }
}

impl Access {
    /// Returns whether it has not ended at `now`.
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.ends_at.is_none_or(|end| end > now)
    }

    /// Returns the days left at `now`, rounded up; `None` when it does not end.
    pub fn days_remaining(&self, now: DateTime<Utc>) -> Option<i64> {
        self.expires_at.map(|until| days_between(now, until))
    }
}

/// Whether someone may pass a gate for paying members, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PaidStatus {
    /// Whether the effective tier is marked as paid.
    pub active: bool,
    /// What gives the effective tier.
    pub source: Source,
    /// The effective tier.
    pub tier: TierId,
    /// When that source ends; `None` for an own tier.
    pub expires_at: Option<DateTime<Utc>>,
    /// The days until then, rounded up.
    pub days_remaining: Option<i64>,
}

/// Everything that gives someone access at one moment: at least their own tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accesses(Vec<Access>);

impl Accesses {
    /// Puts an own tier and whatever else is there into order and leaves out what has ended.
    pub fn new(own: TierStanding, others: impl IntoIterator<Item = Access>, now: DateTime<Utc>) -> Self {
        let own = Access { tier: own, source: Source::OwnTier, expires_at: None, ends_at: None };
        let mut all: Vec<Access> = others.into_iter().filter(|access| access.is_running(now)).chain([own]).collect();
        all.sort_by_key(|access| (-access.tier.sort_order, access.source));
        Self(all)
    }

    /// Returns the one that decides at `now`, which is not before the instant they were put together.
    pub fn effective_at(&self, now: DateTime<Utc>) -> &Access {
        let running = self.0.iter().find(|access| access.is_running(now));
        running.expect("an own tier does not end")
    }

    /// Returns the one that decides.
    pub fn effective(&self) -> &Access {
        &self.0[0]
    }

    /// Returns all, the one that decides first.
    pub fn all(&self) -> &[Access] {
        &self.0
    }

    /// Returns whether a gate for paying members opens.
    pub fn paid_status(&self, now: DateTime<Utc>) -> PaidStatus {
        let effective = self.effective();
        PaidStatus {
            active: effective.tier.paid,
            source: effective.source,
            tier: effective.tier.id.clone(),
            expires_at: effective.expires_at,
            days_remaining: effective.days_remaining(now),
        }
    }
}

/// Returns the days from one instant to another, rounded up, never below zero.
pub fn days_between(from: DateTime<Utc>, until: DateTime<Utc>) -> i64 {
    let day = TimeDelta::days(1).num_milliseconds();
    let left = (until - from).num_milliseconds().max(0);
    (left + day - 1) / day
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("in range")
    }

    fn tier(sort_order: i64) -> TierStanding {
        TierStanding { id: format!("tier{sort_order}").parse().expect("a name"), sort_order, paid: sort_order > 1 }
    }

    #[test]
    fn the_truth_table_of_paid_status() {
        let now = at(1_000_000);
        let credit = |seconds| Access {
            tier: tier(3),
            source: Source::Credit,
            expires_at: Some(now + TimeDelta::seconds(seconds)),
            ends_at: Some(now + TimeDelta::seconds(seconds)),
        };
        let cases = [
            (tier(1), vec![], (false, Source::OwnTier, None)),
            (tier(2), vec![], (true, Source::OwnTier, None)),
            (tier(1), vec![credit(1)], (true, Source::Credit, Some(1))),
            (tier(1), vec![credit(86_400)], (true, Source::Credit, Some(1))),
            (tier(1), vec![credit(86_401)], (true, Source::Credit, Some(2))),
            (tier(1), vec![credit(0)], (false, Source::OwnTier, None)),
            (tier(1), vec![credit(-1)], (false, Source::OwnTier, None)),
            (tier(3), vec![credit(86_400)], (true, Source::OwnTier, None)),
            (tier(4), vec![credit(86_400)], (true, Source::OwnTier, None)),
        ];
        for (own, others, expected) in cases {
            let status = Accesses::new(own.clone(), others.clone(), now).paid_status(now);
            assert_eq!((status.active, status.source, status.days_remaining), expected, "{own:?} {others:?}");
        }
    }

    fn source() -> impl Strategy<Value = Source> {
        prop_oneof![Just(Source::Subscription), Just(Source::Grant), Just(Source::Credit), Just(Source::Trial)]
    }

    proptest! {
        #[test]
        fn the_strongest_running_source_decides_in_any_order(
            own in 1i64..5,
            others in proptest::collection::vec((1i64..5, source(), -5i64..5), 0..6),
            seed in any::<usize>(),
        ) {
            let now = at(1_000_000);
            let mut others: Vec<Access> = others
                .into_iter()
                .map(|(order, source, left)| {
                    let end = Some(now + TimeDelta::seconds(left));
                    Access { tier: tier(order), source, expires_at: end, ends_at: end }
                })
                .collect();
            let found = Accesses::new(tier(own), others.clone(), now);
            let strongest = others
                .iter()
                .filter(|access| access.expires_at > Some(now))
                .map(|access| access.tier.sort_order)
                .chain([own])
                .max();
            prop_assert_eq!(Some(found.effective().tier.sort_order), strongest);
            let equals = others.iter().filter(|access| access.expires_at > Some(now) && Some(access.tier.sort_order) == strongest);
            let preferred = if strongest == Some(own) { Some(Source::OwnTier) } else { equals.map(|access| access.source).min() };
            prop_assert_eq!(Some(found.effective().source), preferred);
            let turn = seed % others.len().max(1);
            others.rotate_left(turn);
            let again = Accesses::new(tier(own), others, now);
            prop_assert_eq!(again.effective().source, found.effective().source);
        }
    }
}
