//! Work that comes again by the clock: what there is, when it is due, and when it is tried again.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

/// How far a clock may have been ahead before what it wrote is waited for. Whatever is planned later
/// than the next time and this, or counted from later than now and this, was written by a clock that
/// was wrong.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(2);

/// The longest wait after a failure.
const LONGEST_BACK_OFF: TimeDelta = TimeDelta::hours(1);

/// What a run did, in numbers: what was counted, and how many.
pub type Counts = BTreeMap<String, i64>;

/// Makes the counts of a run.
pub fn counts<const N: usize>(all: [(&str, u64); N]) -> Counts {
    all.into_iter().map(|(name, count)| (name.to_owned(), i64::try_from(count).unwrap_or(i64::MAX))).collect()
}

/// When something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So often, counted from the beginning of 1970: every ten minutes is at ten, twenty, thirty past.
    Every(TimeDelta),
    /// Once a day, at this time of day in UTC, where no hour is missing and none comes twice.
    DailyAt(NaiveTime),
}

impl When {
    /// Returns the first time it is due after an instant.
    pub fn after(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let (period, offset) = match self {
            Self::Every(period) => (period, TimeDelta::zero()),
            Self::DailyAt(time) => (TimeDelta::days(1), time - NaiveTime::MIN),
        };
        let period = period.num_seconds().max(1);
        let seconds = (instant - offset).timestamp();
        let next = seconds.div_euclid(period).saturating_add(1).saturating_mul(period);
        DateTime::from_timestamp(next, 0).map_or(instant + self.period(), |next| next + offset)
    }

    /// Returns when what has never run is due: at once, or at today's time if that is still to come.
    pub fn first(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Every(_) => now,
            Self::DailyAt(time) => now.date_naive().and_time(time).and_utc().max(now),
        }
    }

    /// Returns the time from one to the next.
    pub fn period(self) -> TimeDelta {
        match self {
            Self::Every(period) => period,
            Self::DailyAt(_) => TimeDelta::days(1),
        }
    }

    /// Returns when a run that failed is tried again: after n⁴ seconds, but no later than the next
    /// would be due, and within the hour.
    pub fn retry(self, failures: i64, now: DateTime<Utc>) -> DateTime<Utc> {
        let wait = TimeDelta::seconds(failures.clamp(1, 8).pow(4));
        now + wait.min(LONGEST_BACK_OFF).min(self.period())
    }
}

/// What is done again and again. A variant here is all that is needed for a new one, and the arms
/// that the compiler then asks for: its rules below, its work in `jobs/schedule.rs`, its words in
/// `words/jobs.rs`.
///
/// Whatever a run does must be safe to be done twice and to be left half done: a worker may be
/// killed at any step, and another one begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Routine {
    /// Whose turn it is among grants is written down.
    SettleGrants,
    /// Apps are told of what has ended by itself.
    TellEndings,
    /// Rewards for invitations that were held are given.
    GiveRewards,
    /// Members are told that a trial or given time ends, or that a trial has ended.
    SendReminders,
    /// Providers of payments are asked how subscriptions stand.
    ReconcilePayments,
    /// What is over is forgotten: sign-ins, sessions, mails, jobs, reservations, answers.
    ForgetOver,
    /// Addresses of old lines and sessions are cut down to their network.
    CutAddresses,
    /// Old lines of the log are deleted.
    ForgetActivity,
    /// Days are counted.
    CountDays,
    /// Members are rewarded whom days alone have brought what a rule asks for.
    AwardBonuses,
    /// Admins get by mail what they have not read.
    SendDigests,
    /// Accounts whose members asked for it are deleted, and what is left of those that went before.
    DeleteAccounts,
}

impl Routine {
    /// All of them, in the order in which they are shown, and done when several are due.
    pub const ALL: [Self; 12] = [
        Self::SettleGrants,
        Self::TellEndings,
        Self::GiveRewards,
        Self::SendReminders,
        Self::ReconcilePayments,
        Self::CountDays,
        Self::AwardBonuses,
        Self::SendDigests,
        Self::DeleteAccounts,
        Self::ForgetOver,
        Self::CutAddresses,
        Self::ForgetActivity,
    ];

    /// Returns the name by which it is stored and called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SettleGrants => "settle_grants",
            Self::TellEndings => "tell_endings",
            Self::GiveRewards => "give_rewards",
            Self::SendReminders => "send_reminders",
            Self::ReconcilePayments => "reconcile_payments",
            Self::ForgetOver => "forget_over",
            Self::CutAddresses => "cut_addresses",
            Self::ForgetActivity => "forget_activity",
            Self::CountDays => "count_days",
            Self::AwardBonuses => "award_bonuses",
            Self::SendDigests => "send_digests",
            Self::DeleteAccounts => "delete_accounts",
        }
    }

    /// Returns when it is due. Nightly work has a time of its own each: not all at once.
    pub fn when(self) -> When {
        let night = |hour, minute| When::DailyAt(NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default());
        match self {
            Self::SettleGrants | Self::TellEndings | Self::GiveRewards | Self::SendReminders => {
                When::Every(TimeDelta::minutes(1))
            }
            Self::ForgetOver | Self::AwardBonuses | Self::SendDigests => When::Every(TimeDelta::hours(1)),
            Self::CountDays | Self::DeleteAccounts => When::Every(TimeDelta::minutes(5)),
            Self::CutAddresses => night(2, 10),
            Self::ForgetActivity => night(2, 40),
            // Most people are asleep somewhere else.
            Self::ReconcilePayments => night(3, 30),
        }
    }

    /// Returns how long a run may take; what it has not done then is done by the next one.
    pub fn time_limit(self) -> Duration {
        match self {
            Self::SettleGrants | Self::TellEndings | Self::GiveRewards | Self::SendReminders => Duration::from_secs(60),
            Self::AwardBonuses | Self::SendDigests => Duration::from_secs(60),
            Self::DeleteAccounts => Duration::from_secs(300),
            Self::ReconcilePayments => Duration::from_secs(45),
            Self::ForgetOver | Self::CutAddresses | Self::ForgetActivity | Self::CountDays => Duration::from_secs(600),
        }
    }

    /// Returns how long a run belongs to who claimed it: longer than it may take, so that no two
    /// work on it at once. Who is killed loses it after that.
    pub fn lease(self) -> TimeDelta {
        TimeDelta::from_std(self.time_limit()).unwrap_or_default() + TimeDelta::seconds(30)
    }
}

impl fmt::Display for Routine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A name of nothing that is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no scheduled job of this name")]
pub struct UnknownRoutine;

impl FromStr for Routine {
    type Err = UnknownRoutine;

    fn from_str(name: &str) -> Result<Self, UnknownRoutine> {
        Self::ALL.into_iter().find(|routine| routine.name() == name).ok_or(UnknownRoutine)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn every_hour_and_every_night_are_due_by_the_clock() {
        let hourly = When::Every(TimeDelta::hours(1));
        assert_eq!(hourly.after(at("2026-11-21T10:00:00Z")), at("2026-11-21T11:00:00Z"));
        assert_eq!(hourly.after(at("2026-11-21T10:59:59.999Z")), at("2026-11-21T11:00:00Z"));
        let nightly = Routine::ReconcilePayments.when();
        assert_eq!(nightly.after(at("2026-11-21T03:29:59Z")), at("2026-11-21T03:30:00Z"));
        assert_eq!(nightly.after(at("2026-11-21T03:30:00Z")), at("2026-11-22T03:30:00Z"));
        assert_eq!(nightly.after(at("2028-02-28T12:00:00Z")), at("2028-02-29T03:30:00Z"), "there is a 29th");
        assert_eq!(nightly.after(at("2027-02-28T12:00:00Z")), at("2027-03-01T03:30:00Z"));
        // Berlin's clocks leap at 01:00 UTC.
        assert_eq!(nightly.after(at("2027-03-28T00:59:59Z")), at("2027-03-28T03:30:00Z"));
        assert_eq!(nightly.after(at("2026-10-25T03:31:00Z")), at("2026-10-26T03:30:00Z"));
    }

    #[test]
    fn what_never_ran_is_done_at_once_but_no_night_is_made_up() {
        let now = at("2026-11-21T10:00:12Z");
        assert_eq!(Routine::SettleGrants.when().first(now), now);
        assert_eq!(Routine::ReconcilePayments.when().first(now), now);
        let early = at("2026-11-21T01:00:00Z");
        assert_eq!(Routine::ReconcilePayments.when().first(early), at("2026-11-21T03:30:00Z"));
    }

    #[test]
    fn a_failure_waits_longer_and_longer_but_never_past_the_next_time() {
        let now = at("2026-11-21T10:00:00Z");
        let waits = |when: When| [1, 2, 3, 7, 8, 99].map(|failures| (when.retry(failures, now) - now).num_seconds());
        assert_eq!(waits(Routine::ReconcilePayments.when()), [1, 16, 81, 2_401, 3_600, 3_600]);
        assert_eq!(waits(Routine::SettleGrants.when()), [1, 16, 60, 60, 60, 60]);
    }

    #[test]
    fn names_are_read_as_they_are_written_and_leases_outlast_runs() {
        for routine in Routine::ALL {
            assert_eq!(routine.name().parse(), Ok(routine));
            assert!(routine.lease().to_std().expect("positive") > routine.time_limit());
        }
        assert_eq!("fly".parse::<Routine>(), Err(UnknownRoutine));
    }

    proptest! {
        #[test]
        fn times_follow_each_other_without_a_gap(seconds in 0_i64..4_000_000_000, micros in 0_u32..1_000_000, which in 0..Routine::ALL.len()) {
            let when = Routine::ALL[which].when();
            let now = DateTime::from_timestamp(seconds, micros * 1_000).expect("in range");
            let next = when.after(now);
            prop_assert!(next > now && next - now <= when.period());
            prop_assert_eq!(when.after(next) - next, when.period());
            // Nothing lies between: just before the next one is due, it is still the next one.
            prop_assert_eq!(when.after(next - TimeDelta::microseconds(1)), next);
        }
    }
}
