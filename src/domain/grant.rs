//! Access grants: time at a tier that somebody was given, and whose turn it is.
//!
//! At any moment at most one grant of a member runs: a partner's pass first, then the highest tier,
//! then the oldest. The others wait with what they have left and go on by themselves. Everything
//! happens on whole seconds, so that what has run and what is left add up to what was given.
//!
//! What is stored is how it stood when something last happened. Everything since follows from that
//! and the time: a reader after weeks sees what a job that ran every minute would have written.

use std::{cmp::Reverse, fmt, str::FromStr};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{CouponId, GrantId, TierId, UserId};

/// The most days that one grant may give: ten years.
pub const MOST_DAYS: i64 = 3650;

const SECONDS_A_DAY: i64 = 86_400;

/// Where a grant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// An admin or an app gave it.
    Admin,
    /// A coupon was redeemed.
    Coupon,
    /// A partner's pass was redeemed: all others wait for it.
    Partner,
}

/// Not the name of a kind of grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of grant")]
pub struct NoSuchKind;

impl GrantKind {
    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Coupon => "coupon",
            Self::Partner => "partner",
        }
    }
}

impl FromStr for GrantKind {
    type Err = NoSuchKind;

    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        let all = [Self::Admin, Self::Coupon, Self::Partner];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or(NoSuchKind)
    }
}

impl fmt::Display for GrantKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// How a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// It gives access.
    Running,
    /// Its turn has not come yet.
    Waiting,
    /// It has run and waits for one that comes before it.
    Paused,
    /// It is used up.
    Ended,
    /// It was taken back.
    Revoked,
}

impl GrantState {
    /// Returns how a grant stands to which these happened: each of them decides before those that come after it.
    pub fn of(
        revoked_at: Option<DateTime<Utc>>,
        ended_at: Option<DateTime<Utc>>,
        running_since: Option<DateTime<Utc>>,
        began_at: Option<DateTime<Utc>>,
    ) -> Self {
        match (revoked_at, ended_at, running_since, began_at) {
            (Some(_), ..) => Self::Revoked,
            (None, Some(_), ..) => Self::Ended,
            (None, None, Some(_), _) => Self::Running,
            (None, None, None, Some(_)) => Self::Paused,
            (None, None, None, None) => Self::Waiting,
        }
    }
}

/// Time at a tier that somebody was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which.
    pub id: GrantId,
    /// Whose; nobody's once the account is deleted.
    pub user: Option<UserId>,
    /// The tier that it gives.
    pub tier: TierId,
    /// Where it comes from.
    pub kind: GrantKind,
    /// The coupon that was redeemed.
    pub coupon: Option<CouponId>,
    /// Seconds that were given.
    pub total: i64,
    /// Seconds that were left when something last happened to it: since `running_since` they run.
    pub remaining: i64,
    /// When it ran for the first time.
    pub began_at: Option<DateTime<Utc>>,
    /// Since when it runs; `None` when it does not.
    pub running_since: Option<DateTime<Utc>>,
    /// When it was given.
    pub granted_at: DateTime<Utc>,
    /// Who gave it.
    pub granted_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When it was used up.
    pub ended_at: Option<DateTime<Utc>>,
    /// When it was taken back; `remaining` is what was lost.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Grant {
    /// Returns whether it is neither used up nor taken back.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none() && self.revoked_at.is_none()
    }

    /// Returns when it ends if nothing comes between; nothing when it does not run.
    pub fn runs_until(&self) -> Option<DateTime<Utc>> {
        self.running_since.map(|since| since + TimeDelta::seconds(self.remaining))
    }

    /// Returns the seconds left at `now`.
    pub fn left(&self, now: DateTime<Utc>) -> i64 {
        let run = self.running_since.map_or(0, |since| (now - since).num_seconds().max(0));
        (self.remaining - run).max(0)
    }

    /// Returns how it stands.
    pub fn state(&self) -> GrantState {
        GrantState::of(self.revoked_at, self.ended_at, self.running_since, self.began_at)
    }

    fn start(&mut self, at: DateTime<Utc>) -> TransitionKind {
        self.running_since = Some(at);
        let kind = if self.began_at.is_some() { TransitionKind::Resumed } else { TransitionKind::Started };
        self.began_at.get_or_insert(at);
        kind
    }

    fn halt(&mut self, at: DateTime<Utc>) {
        self.remaining = self.left(at);
        self.running_since = None;
    }
}

/// What happened to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// It runs for the first time.
    Started,
    /// Another comes before it.
    Paused,
    /// It goes on.
    Resumed,
    /// It is used up.
    Ended,
}

impl TransitionKind {
    /// Returns the word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "grant_started",
            Self::Paused => "grant_paused",
            Self::Resumed => "grant_resumed",
            Self::Ended => "grant_ended",
        }
    }
}

/// Something that happened to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// To which.
    pub grant: GrantId,
    /// When exactly.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: TransitionKind,
}

/// A stretch of time in which a grant runs, as far as is known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Which.
    pub grant: GrantId,
    /// The tier that it gives.
    pub tier: TierId,
    /// From when, which may lie behind.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// A grant with what a member is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGrant {
    /// The grant, as it stands now.
    pub grant: Grant,
    /// When its turn comes, or came last.
    pub from: Option<DateTime<Utc>>,
    /// When it will be used up, as far as is known now, or was.
    pub until: Option<DateTime<Utc>>,
}

/// The grants of a member at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// Every grant as it stands, in the order in which they were given to [`Timeline::new`].
    pub grants: Vec<Grant>,
    /// What is running and what follows, until all is used up.
    pub plan: Vec<Stretch>,
    /// What happened since it was stored, in its order.
    pub transitions: Vec<Transition>,
}

/// Whose turn it is: the least comes first.
type Rank = (bool, Reverse<i64>, DateTime<Utc>, bool, GrantId);

/// Returns the moment on the clock of grants, which knows whole seconds only.
pub fn whole_second(now: DateTime<Utc>) -> DateTime<Utc> {
    now.trunc_subsecs(0)
}

/// Returns the seconds of so many days.
pub fn seconds_of(days: i64) -> i64 {
    days * SECONDS_A_DAY
}

/// Returns the seconds that were given with a grant and with those of the same tier that ran before it, one
/// after the other without a break.
pub fn unbroken(grants: &[Grant], last: GrantId) -> i64 {
    let mut seconds = 0;
    let mut next = grants.iter().find(|grant| grant.id == last);
    // Each began after the one before it, so this ends.
    while let Some(grant) = next {
        seconds += grant.total;
        let came_before = |other: &&Grant| {
            other.tier == grant.tier && other.ended_at == grant.began_at && other.began_at < grant.began_at
        };
        next = grants.iter().filter(|other| other.ended_at.is_some()).find(came_before);
    }
    seconds
}

impl Timeline {
    /// Returns how a member's grants stand at `now`, from how they were stored. `strength` is the
    /// tier's: a change of that order counts from when something next happens to the grants.
    pub fn new(grants: Vec<Grant>, strength: impl Fn(&TierId) -> i64, now: DateTime<Utc>) -> Self {
        let mut timeline = Self { grants, plan: Vec::new(), transitions: Vec::new() };
        timeline.advance(&strength, now);
        timeline
    }

    /// Adds one that is given at `now`. It runs at once if it comes before the one that runs. It comes after
    /// what was given before, even if the clock was put back meanwhile.
    pub fn give(&mut self, mut grant: Grant, strength: impl Fn(&TierId) -> i64, now: DateTime<Utc>) {
        self.advance(&strength, now);
        let newest = self.grants.iter().filter(|given| given.is_open()).map(|given| given.granted_at).max();
        if let Some(newest) = newest.filter(|newest| *newest > grant.granted_at) {
            // Ids are of their time, too, so the same instant would not do.
            grant.granted_at = newest + TimeDelta::microseconds(1);
        }
        self.grants.push(grant);
        self.choose(&strength, whole_second(now));
        self.advance(&strength, now);
    }

    /// Takes one back at `now`. Returns whether there was anything to take.
    pub fn revoke(&mut self, id: GrantId, strength: impl Fn(&TierId) -> i64, now: DateTime<Utc>) -> bool {
        self.advance(&strength, now);
        let at = whole_second(now);
        let Some(grant) = self.grants.iter_mut().find(|grant| grant.id == id && grant.is_open()) else { return false };
        grant.halt(at);
        grant.revoked_at = Some(at);
        self.choose(&strength, at);
        self.advance(&strength, now);
        true
    }

    /// Returns the one that runs.
    pub fn running(&self) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.state() == GrantState::Running)
    }

    /// Returns the tier that runs and until when it does without a break: one grant after the other
    /// of the same tier is one.
    pub fn access(&self) -> Option<(&TierId, DateTime<Utc>)> {
        let first = self.plan.first()?;
        let same = self.plan.iter().take_while(|stretch| stretch.tier == first.tier);
        Some((&first.tier, same.last().map_or(first.until, |stretch| stretch.until)))
    }

    /// Lets time pass until `now`.
    fn advance(&mut self, strength: &impl Fn(&TierId) -> i64, now: DateTime<Utc>) {
        let now = whole_second(now);
        self.plan.clear();
        let line = self.in_turn(strength);
        let running = line.first().and_then(|first| self.grants[*first].running_since);
        let mut cursor = running.unwrap_or(now);
        for at in line {
            let grant = &mut self.grants[at];
            let (from, until) = (cursor, cursor + TimeDelta::seconds(grant.remaining));
            // Somebody runs from the first second on, and the next from when that one has ended. A
            // clock that was put back leaves whoever runs running.
            if from <= now && grant.running_since.is_none() {
                let kind = grant.start(from);
                self.transitions.push(Transition { grant: grant.id, at: from, kind });
            }
            if until <= now {
                grant.remaining = 0;
                grant.running_since = None;
                grant.ended_at = Some(until);
                self.transitions.push(Transition { grant: grant.id, at: until, kind: TransitionKind::Ended });
            } else {
                self.plan.push(Stretch { grant: grant.id, tier: grant.tier.clone(), from, until });
            }
            cursor = until;
        }
    }

    /// Gives the turn to whose it is at `at`, where it may be another's.
    fn choose(&mut self, strength: &impl Fn(&TierId) -> i64, at: DateTime<Utc>) {
        let running = self.grants.iter().position(|grant| grant.state() == GrantState::Running);
        let first = (0..self.grants.len())
            .filter(|number| self.grants[*number].is_open())
            .min_by_key(|number| self.rank(*number, strength));
        if running == first {
            return;
        }
        // A clock that was put back does not make time run backwards.
        let at = running.and_then(|number| self.grants[number].running_since).map_or(at, |since| since.max(at));
        if let Some(running) = running {
            let grant = &mut self.grants[running];
            grant.halt(at);
            self.transitions.push(Transition { grant: grant.id, at, kind: TransitionKind::Paused });
        }
        if let Some(first) = first {
            let grant = &mut self.grants[first];
            let kind = grant.start(at);
            self.transitions.push(Transition { grant: grant.id, at, kind });
        }
    }

    /// Returns the open grants in the order in which they run: the one that does, then the others.
    fn in_turn(&self, strength: &impl Fn(&TierId) -> i64) -> Vec<usize> {
        let mut line: Vec<usize> = (0..self.grants.len()).filter(|number| self.grants[*number].is_open()).collect();
        line.sort_by_cached_key(|number| (self.grants[*number].running_since.is_none(), self.rank(*number, strength)));
        line
    }

    fn rank(&self, number: usize, strength: &impl Fn(&TierId) -> i64) -> Rank {
        let grant = &self.grants[number];
        // Of two of one instant, the one that has begun goes on.
        let is_new = grant.began_at.is_none();
        (grant.kind != GrantKind::Partner, Reverse(strength(&grant.tier)), grant.granted_at, is_new, grant.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::uuid_v7;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    fn tier(strength: i64) -> TierId {
        format!("tier{strength}").parse().expect("a name")
    }

    fn strength(tier: &TierId) -> i64 {
        tier.as_str()["tier".len()..].parse().expect("a number")
    }

    fn id(number: usize) -> GrantId {
        let number = u8::try_from(number).expect("few");
        uuid_v7(at(0), [number; 10]).into()
    }

    fn grant(number: usize, tier_strength: i64, kind: GrantKind, seconds: i64, given: i64) -> Grant {
        Grant {
            id: id(number),
            user: None,
            tier: tier(tier_strength),
            kind,
            coupon: None,
            total: seconds,
            remaining: seconds,
            began_at: None,
            running_since: None,
            granted_at: at(given),
            granted_by: "operator".to_owned(),
            reason: None,
            ended_at: None,
            revoked_at: None,
        }
    }

    fn told(timeline: &Timeline) -> Vec<(GrantId, i64, TransitionKind)> {
        let seconds = |when: DateTime<Utc>| (when - at(0)).num_seconds();
        timeline.transitions.iter().map(|what| (what.grant, seconds(what.at), what.kind)).collect()
    }

    #[test]
    fn a_stronger_one_pauses_a_weaker_and_a_pass_pauses_all() {
        use TransitionKind::{Ended, Paused, Resumed, Started};
        let mut line = Timeline::default();
        line.give(grant(0, 1, GrantKind::Coupon, 100, 0), strength, at(0));
        line.give(grant(1, 3, GrantKind::Admin, 50, 10), strength, at(10));
        line.give(grant(2, 1, GrantKind::Partner, 20, 30), strength, at(30));
        line.give(grant(3, 3, GrantKind::Coupon, 5, 31), strength, at(31));
        let states = |line: &Timeline| line.grants.iter().map(Grant::state).collect::<Vec<_>>();
        assert_eq!(states(&line), [GrantState::Paused, GrantState::Paused, GrantState::Running, GrantState::Waiting]);
        let plan: Vec<_> = line.plan.iter().map(|stretch| (stretch.grant, stretch.from, stretch.until)).collect();
        assert_eq!(
            plan,
            [(id(2), at(30), at(50)), (id(1), at(50), at(80)), (id(3), at(80), at(85)), (id(0), at(85), at(175))]
        );
        let later = Timeline::new(line.grants.clone(), strength, at(1_000));
        assert_eq!(
            told(&later),
            [
                (id(2), 50, Ended),
                (id(1), 50, Resumed),
                (id(1), 80, Ended),
                (id(3), 80, Started),
                (id(3), 85, Ended),
                (id(0), 85, Resumed),
                (id(0), 175, Ended)
            ]
        );
        assert_eq!(
            told(&line),
            [(id(0), 0, Started), (id(0), 10, Paused), (id(1), 10, Started), (id(1), 30, Paused), (id(2), 30, Started)]
        );
        assert!(later.grants.iter().all(|grant| grant.state() == GrantState::Ended && grant.remaining == 0));
        assert_eq!(later.access(), None);
    }

    #[test]
    fn what_follows_of_the_same_tier_counts_as_one() {
        let mut line = Timeline::default();
        for (number, tier, seconds) in [(0, 2, 10), (1, 2, 20), (2, 1, 40)] {
            line.give(grant(number, tier, GrantKind::Coupon, seconds, 0), strength, at(0));
        }
        assert_eq!(line.access(), Some((&tier(2), at(30))));
        let late = Timeline::new(line.grants, strength, at(30));
        assert_eq!(late.access(), Some((&tier(1), at(70))));
    }

    #[test]
    fn what_ran_before_of_the_same_tier_counts_as_one() {
        let mut line = Timeline::default();
        for (number, tier, seconds) in [(0, 2, 10), (1, 2, 20), (2, 1, 40), (3, 1, 5)] {
            line.give(grant(number, tier, GrantKind::Coupon, seconds, 0), strength, at(0));
        }
        let late = Timeline::new(line.grants, strength, at(72));
        let lengths: Vec<_> = (0..4).map(|number| unbroken(&late.grants, id(number))).collect();
        assert_eq!(lengths, [10, 30, 40, 45]);
        assert_eq!(unbroken(&late.grants, id(7)), 0, "there is none");
        // What was taken back did not run to its end.
        let mut line = Timeline::default();
        line.give(grant(0, 1, GrantKind::Admin, 100, 0), strength, at(0));
        line.give(grant(1, 1, GrantKind::Admin, 5, 0), strength, at(0));
        line.revoke(id(0), strength, at(40));
        assert_eq!(unbroken(&line.grants, id(1)), 5);
    }

    #[test]
    fn what_is_taken_back_makes_room_and_is_gone() {
        let mut line = Timeline::default();
        line.give(grant(0, 2, GrantKind::Admin, 100, 0), strength, at(0));
        line.give(grant(1, 1, GrantKind::Admin, 100, 0), strength, at(0));
        assert!(line.revoke(id(0), strength, at(40)));
        assert_eq!((line.grants[0].state(), line.grants[0].remaining), (GrantState::Revoked, 60));
        assert_eq!(line.access(), Some((&tier(1), at(140))));
        assert!(!line.revoke(id(0), strength, at(41)), "it is gone already");
        assert!(!line.revoke(id(7), strength, at(41)), "there is none");
    }

    #[test]
    fn a_clock_that_is_put_back_takes_nothing() {
        let mut line = Timeline::default();
        line.give(grant(0, 1, GrantKind::Admin, 100, 0), strength, at(0));
        let early = Timeline::new(line.grants.clone(), strength, at(-3_600));
        assert_eq!((early.grants.clone(), early.transitions), (line.grants, Vec::new()));
        assert_eq!(early.grants[0].left(at(-3_600)), 100);
    }

    #[test]
    fn a_new_order_of_tiers_counts_from_the_next_thing_that_happens() {
        let mut line = Timeline::default();
        line.give(grant(0, 2, GrantKind::Admin, 100, 0), strength, at(0));
        line.give(grant(1, 1, GrantKind::Admin, 100, 0), strength, at(0));
        let turned = |tier: &TierId| -strength(tier);
        let mut later = Timeline::new(line.grants, turned, at(50));
        assert_eq!(later.running().map(|grant| grant.id), Some(id(0)));
        later.give(grant(2, 2, GrantKind::Admin, 5, 60), turned, at(60));
        assert_eq!(later.running().map(|grant| grant.id), Some(id(1)));
        assert_eq!(later.grants[0].remaining, 40);
    }

    #[test]
    fn parts_of_a_second_make_no_difference() {
        let almost = TimeDelta::microseconds(999_999);
        let mut line = Timeline::default();
        line.give(grant(0, 1, GrantKind::Admin, 10, 0), strength, at(0) + almost);
        assert_eq!(line.plan[0].until, at(10));
        let late = Timeline::new(line.grants.clone(), strength, at(9) + almost);
        assert_eq!(late.running().map(|grant| grant.id), Some(id(0)));
        assert_eq!(Timeline::new(line.grants, strength, at(10)).running(), None);
    }

    #[test]
    fn words_in_the_database_are_read_again() {
        for kind in [GrantKind::Admin, GrantKind::Coupon, GrantKind::Partner] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("trial".parse::<GrantKind>(), Err(NoSuchKind));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Give(i64, GrantKind, i64),
        Revoke(usize),
        Look,
    }

    /// Steps, each with the seconds until the next.
    fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
        let kind =
            prop_oneof![3 => Just(GrantKind::Coupon), 2 => Just(GrantKind::Admin), 1 => Just(GrantKind::Partner)];
        let step = prop_oneof![
            4 => (1i64..4, kind, 1i64..60).prop_map(|(tier, kind, seconds)| Step::Give(tier, kind, seconds)),
            1 => (0usize..12).prop_map(Step::Revoke),
            2 => Just(Step::Look),
        ];
        proptest::collection::vec((step, 0i64..40), 1..24)
    }

    fn give_number(line: &Timeline, step: &(i64, GrantKind, i64), now: i64) -> Grant {
        grant(line.grants.len(), step.0, step.1, step.2, now)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        // A naive reader lets every second go to whoever comes first in it.
        #[test]
        fn every_second_goes_to_whose_turn_it_is(steps in steps()) {
            let (mut line, mut now) = (Timeline::default(), 0i64);
            // Of each grant: what is left, and whether it is open.
            let mut naive: Vec<(i64, bool)> = Vec::new();
            let rank = |line: &Timeline, number: usize| {
                let grant = &line.grants[number];
                (grant.kind != GrantKind::Partner, Reverse(strength(&grant.tier)), grant.granted_at, grant.id)
            };
            for (step, pause) in &steps {
                match step {
                    Step::Give(tier, kind, seconds) => {
                        let new = give_number(&line, &(*tier, *kind, *seconds), now);
                        line.give(new, strength, at(now));
                        naive.push((*seconds, true));
                    }
                    Step::Revoke(number) => {
                        let is_open = naive.get(*number).is_some_and(|one| one.1 && one.0 > 0);
                        prop_assert_eq!(line.revoke(id(*number), strength, at(now)), is_open);
                        if is_open {
                            naive[*number].1 = false;
                        }
                    }
                    Step::Look => line = Timeline { transitions: line.transitions.clone(), ..Timeline::new(line.grants.clone(), strength, at(now)) },
                }
                for _ in 0..*pause {
                    let open = (0..naive.len()).filter(|number| naive[*number].1 && naive[*number].0 > 0);
                    if let Some(first) = open.min_by_key(|number| rank(&line, *number)) {
                        naive[first].0 -= 1;
                    }
                    now += 1;
                }
                let seen = Timeline::new(line.grants.clone(), strength, at(now));
                prop_assert!(seen.grants.iter().filter(|grant| grant.running_since.is_some()).count() <= 1);
                let left: Vec<i64> = seen.grants.iter().map(|grant| grant.left(at(now))).collect();
                prop_assert_eq!(left, naive.iter().map(|one| one.0).collect::<Vec<_>>(), "at {}", now);
                let first = (0..naive.len()).filter(|number| naive[*number].1 && naive[*number].0 > 0).min_by_key(|number| rank(&line, *number));
                prop_assert_eq!(seen.running().map(|grant| grant.id), first.map(id));
                // The plan uses up all that is left, one after the other, without a gap.
                let open: i64 = naive.iter().filter(|one| one.1).map(|one| one.0).sum();
                let planned: i64 = seen.plan.iter().map(|stretch| (stretch.until - stretch.from.max(at(now))).num_seconds()).sum();
                prop_assert_eq!(planned, open);
                prop_assert!(seen.plan.windows(2).all(|pair| pair[0].until == pair[1].from));
            }
        }

        #[test]
        fn who_looks_often_sees_what_who_looks_once_sees(steps in steps()) {
            let play = |looks: bool| {
                let (mut line, mut now, mut transitions) = (Timeline::default(), 0, Vec::new());
                for (step, pause) in &steps {
                    match step {
                        Step::Give(tier, kind, seconds) => {
                            let new = give_number(&line, &(*tier, *kind, *seconds), now);
                            line.give(new, strength, at(now));
                        }
                        Step::Revoke(number) => {
                            line.revoke(id(*number), strength, at(now));
                        }
                        Step::Look if looks => line = {
                            transitions.append(&mut line.transitions);
                            Timeline::new(line.grants.clone(), strength, at(now))
                        },
                        Step::Look => {}
                    }
                    now += pause;
                }
                transitions.append(&mut line.transitions);
                let end = Timeline::new(line.grants, strength, at(now));
                transitions.extend(end.transitions);
                (end.grants, end.plan, transitions)
            };
            prop_assert_eq!(play(true), play(false));
        }

        #[test]
        fn equals_run_in_the_order_in_which_they_came(
            seconds in proptest::collection::vec((1i64..50, -40i64..40), 1..10),
        ) {
            let (mut line, mut now) = (Timeline::default(), 0);
            for (number, (seconds, gap)) in seconds.iter().enumerate() {
                // The clock may be put back.
                now += gap;
                line.give(grant(number, 2, GrantKind::Coupon, *seconds, now), strength, at(now));
            }
            let end = Timeline::new(line.grants, strength, at(10_000));
            let happened: Vec<_> = line.transitions.iter().chain(&end.transitions).collect();
            let of = |kind| happened.iter().filter(|what| what.kind == kind).map(|what| what.grant).collect::<Vec<_>>();
            let given: Vec<_> = end.grants.iter().map(|grant| grant.id).collect();
            prop_assert_eq!(of(TransitionKind::Started), given.clone());
            prop_assert_eq!(of(TransitionKind::Ended), given);
            prop_assert_eq!(of(TransitionKind::Paused), []);
        }
    }
}
