//! Counting: what consuming, giving back, holding, confirming and releasing do to a counter.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    entitlement::{Decision, fits},
    ids::{ApiKeyId, FeatureId, ReservationId, UserId},
    limit::Limit,
};

/// The most units that one call counts.
pub const MOST_UNITS: i64 = 1_000_000_000;

/// How long units are held when nobody says how long.
pub const HELD_FOR: TimeDelta = TimeDelta::minutes(5);

/// The longest that units are held.
pub const LONGEST_HOLD: TimeDelta = TimeDelta::hours(24);

/// How long an answer is kept for a repeated Idempotency-Key.
pub const ANSWERS_KEPT_FOR: TimeDelta = TimeDelta::hours(48);

/// The longest Idempotency-Key, in bytes.
pub const LONGEST_KEY: usize = 255;

/// What happens when there is less left than is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnExceed {
    /// Nothing is counted.
    #[default]
    Reject,
    /// What is left is counted.
    Cap,
}

/// What is to be done to a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Count units; a negative amount gives back.
    Consume {
        /// Whose.
        user: UserId,
        /// Of what.
        feature: FeatureId,
        /// How many.
        amount: i64,
        /// What to do when they do not fit.
        on_exceed: OnExceed,
    },
    /// Hold units for work that may fail.
    Hold {
        /// Whose.
        user: UserId,
        /// Of what.
        feature: FeatureId,
        /// How many.
        amount: i64,
        /// For how long.
        lifetime: TimeDelta,
    },
    /// Count what was held, or another amount.
    Confirm {
        /// Which.
        reservation: ReservationId,
        /// How many, if not as many as were held.
        amount: Option<i64>,
    },
    /// Free what was held.
    Release {
        /// Which.
        reservation: ReservationId,
    },
}

/// What makes a repeated call the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey {
    /// SHA-256 of who asked, which call it was, and the key they sent.
    pub id: [u8; 32],
    /// SHA-256 of what was asked.
    pub fingerprint: [u8; 32],
}

/// An act, with who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageCall {
    /// What is to be done.
    pub act: Act,
    /// Who wants it, for the ledger.
    pub actor: String,
    /// The API key, which must not be revoked when it is done.
    pub api_key: Option<ApiKeyId>,
    /// What makes a repetition the same.
    pub idempotency: Option<IdempotencyKey>,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Its units are held.
    Held,
    /// They, or another amount, were counted.
    Confirmed,
    /// They are free again.
    Released,
    /// Nobody settled it in time.
    Lapsed,
}

impl ReservationState {
    /// Returns the word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Lapsed => "lapsed",
        }
    }
}

/// A word that names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state is none of held, confirmed, released and lapsed")]
pub struct UnknownState;

impl std::str::FromStr for ReservationState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        match text {
            "held" => Ok(Self::Held),
            "confirmed" => Ok(Self::Confirmed),
            "released" => Ok(Self::Released),
            "lapsed" => Ok(Self::Lapsed),
            _ => Err(UnknownState),
        }
    }
}

/// Units held for work that may fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Reservation {
    /// Which.
    pub id: ReservationId,
    /// Whose.
    pub user: UserId,
    /// Of what.
    pub feature: FeatureId,
    /// How many.
    pub amount: i64,
    /// Where it stands.
    pub state: ReservationState,
    /// What was counted in the end.
    pub confirmed_amount: Option<i64>,
    /// From when on the units are free again unless it is confirmed.
    pub expires_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The start of the period in which it counts.
    pub period_start: DateTime<Utc>,
    /// The end of that period.
    pub period_end: Option<DateTime<Utc>>,
}

impl Reservation {
    /// Returns where it stands at `now`: one whose time is over has lapsed, swept or not.
    pub fn state_at(&self, now: DateTime<Utc>) -> ReservationState {
        match self.state {
            ReservationState::Held if self.expires_at <= now => ReservationState::Lapsed,
            state => state,
        }
    }
}

/// What came of an act. It is what a repeated call gets again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Units were counted (or given back: then the number is negative, or 0 if there were none).
    Counted {
        /// What is true now.
        decision: Decision,
        /// How many.
        counted: i64,
    },
    /// Nothing was counted.
    Refused {
        /// Why.
        decision: Decision,
    },
    /// Units are held, or what was held is settled.
    Reserved {
        /// The reservation as it stands now.
        reservation: Reservation,
        /// What is true now.
        decision: Decision,
    },
    /// The feature is a switch.
    NotCounted,
    /// There is no such reservation.
    NoSuchReservation,
    /// The reservation was settled in another way before, or has lapsed.
    Settled {
        /// As it stands.
        reservation: Reservation,
    },
    /// The key was used with other content.
    KeyReused,
    /// A call with this key is being answered at this moment.
    KeyInFlight,
    /// The API key is no longer good.
    Revoked,
}

/// What kind of change an entry of the ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageKind {
    /// Units were consumed.
    Consumed,
    /// Units were given back.
    GivenBack,
    /// A reservation was confirmed.
    Confirmed,
}

impl UsageKind {
    /// Returns the word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consumed => "consumed",
            Self::GivenBack => "given_back",
            Self::Confirmed => "confirmed",
        }
    }
}

/// The units of one member, one feature and one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// Used up.
    pub used: i64,
    /// Held for work in progress.
    pub held: i64,
}

impl Counter {
    /// Counts units up to the limit. Returns how many; `None` if nothing was counted.
    pub fn consume(&mut self, limit: Limit, amount: i64, on_exceed: OnExceed) -> Option<i64> {
        let taken = self.used.checked_add(self.held)?;
        let counted = match (fits(limit, taken, amount), on_exceed, limit) {
            (true, _, _) => amount,
            (false, OnExceed::Cap, Limit::At(most)) if most > taken => most - taken,
            _ => return None,
        };
        self.used = self.used.checked_add(counted)?;
        Some(counted)
    }

    /// Gives units back, as far as there are any. Returns how many.
    pub fn give_back(&mut self, amount: i64) -> i64 {
        let given = amount.min(self.used);
        self.used -= given;
        given
    }

    /// Holds units. Returns whether they fit.
    pub fn hold(&mut self, limit: Limit, amount: i64) -> bool {
        let fits = fits(limit, self.used.saturating_add(self.held), amount);
        if fits {
            self.held += amount;
        }
        fits
    }

    /// Counts what was held, or another amount; what is more than was held has to fit the limit.
    /// Returns whether it does.
    pub fn confirm(&mut self, limit: Limit, held: i64, amount: i64) -> bool {
        let taken = self.used.saturating_add(self.held);
        let Some(used) = self.used.checked_add(amount) else { return false };
        if amount > held && !fits(limit, taken, amount - held) {
            return false;
        }
        self.used = used;
        self.release(held);
        true
    }

    /// Frees what was held.
    pub fn release(&mut self, held: i64) {
        self.held = (self.held - held).max(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Consume(i64, OnExceed),
        GiveBack(i64),
        Hold(i64),
        Confirm(usize, i64),
        Release(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let amount = 1i64..8;
        prop_oneof![
            (amount.clone(), prop_oneof![Just(OnExceed::Reject), Just(OnExceed::Cap)])
                .prop_map(|(amount, on_exceed)| Step::Consume(amount, on_exceed)),
            amount.clone().prop_map(Step::GiveBack),
            amount.clone().prop_map(Step::Hold),
            (any::<usize>(), 0i64..8).prop_map(|(which, amount)| Step::Confirm(which, amount)),
            any::<usize>().prop_map(Step::Release),
        ]
    }

    proptest! {
        /// The model counts single units: a list of those used and a list of holds.
        #[test]
        fn a_counter_does_what_single_units_do(
            most in 0i64..20,
            unlimited in any::<bool>(),
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let limit = if unlimited { Limit::Unlimited } else { Limit::At(most) };
            let room = |used: usize, holds: &[i64]| {
                if unlimited { i64::MAX } else { most - i64::try_from(used).expect("small") - holds.iter().sum::<i64>() }
            };
            let mut counter = Counter::default();
            let (mut used, mut holds) = (Vec::<()>::new(), Vec::<i64>::new());
            for step in steps {
                match step {
                    Step::Consume(amount, on_exceed) => {
                        let room = room(used.len(), &holds).max(0);
                        let expected = if amount <= room { amount } else if on_exceed == OnExceed::Cap { room } else { 0 };
                        let counted = counter.consume(limit, amount, on_exceed);
                        prop_assert_eq!(counted.unwrap_or(0), expected);
                        prop_assert_ne!(counted, Some(0));
                        (0..expected).for_each(|_| used.push(()));
                    }
                    Step::GiveBack(amount) => {
                        let given = counter.give_back(amount);
                        let mut expected = 0;
                        while expected < amount && used.pop().is_some() {
                            expected += 1;
                        }
                        prop_assert_eq!(given, expected);
                    }
                    Step::Hold(amount) => {
                        let fits = amount <= room(used.len(), &holds);
                        prop_assert_eq!(counter.hold(limit, amount), fits);
                        if fits {
                            holds.push(amount);
                        }
                    }
                    Step::Confirm(which, amount) if !holds.is_empty() => {
                        let which = which % holds.len();
                        let more = amount - holds[which];
                        let fits = more <= 0 || more <= room(used.len(), &holds);
                        prop_assert_eq!(counter.confirm(limit, holds[which], amount), fits);
                        if fits {
                            holds.remove(which);
                            (0..amount).for_each(|_| used.push(()));
                        }
                    }
                    Step::Release(which) if !holds.is_empty() => {
                        let held = holds.remove(which % holds.len());
                        counter.release(held);
                    }
                    Step::Confirm(..) | Step::Release(_) => {}
                }
                prop_assert_eq!(counter.used, i64::try_from(used.len()).expect("small"));
                prop_assert_eq!(counter.held, holds.iter().sum::<i64>());
                prop_assert!(unlimited || counter.used + counter.held <= most);
            }
        }
    }

    #[test]
    fn numbers_at_the_edge_neither_wrap_nor_panic() {
        let mut full = Counter { used: i64::MAX - 1, held: 0 };
        assert_eq!(full.consume(Limit::Unlimited, MOST_UNITS, OnExceed::Reject), None);
        assert_eq!(full.consume(Limit::Unlimited, 1, OnExceed::Reject), Some(1));
        assert!(!full.confirm(Limit::Unlimited, 1, 1));
        assert_eq!(full.used, i64::MAX);
        // A limit that was lowered below what is used: nothing more fits, and nothing is lost.
        let mut over = Counter { used: 10, held: 2 };
        assert_eq!(over.consume(Limit::At(5), 1, OnExceed::Cap), None);
        assert!(over.confirm(Limit::At(5), 2, 2), "what was promised is kept");
        assert_eq!(over, Counter { used: 12, held: 0 });
    }
}
