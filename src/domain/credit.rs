//! Credit: days of paid access that someone was given.
//!
//! Source: seeds ("extends from max(now, current expiry)") and the design's §4.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::period::{LAST_INSTANT, can_be_kept};

/// The most days that one entry may give: ten years.
pub const MOST_DAYS: i64 = 3650;

/// Returns until when credit lasts after `days` more: counted from now or from the end of what
/// is there, whichever is later, so that nothing already given is lost. It ends with the last instant that can be
/// kept, however much is given.
pub fn extend(now: DateTime<Utc>, current: Option<DateTime<Utc>>, days: i64) -> DateTime<Utc> {
    let from = current.map_or(now, |until| until.max(now));
    from.checked_add_signed(TimeDelta::days(days)).filter(|until| can_be_kept(*until)).unwrap_or(LAST_INSTANT)
}

/// A change of somebody's credit, as the ledger holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// What makes the change the same: its source and the key there.
    pub name: (&'a str, &'a str),
    /// What of an earlier change it takes back; without, it takes from all that is there.
    pub takes_back: Option<(&'a str, &'a str)>,
    /// Until when credit lasted.
    pub until_before: Option<DateTime<Utc>>,
    /// Until when it lasts since.
    pub until_after: Option<DateTime<Utc>>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Days of one change that are not used up yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion<'a> {
    /// Of which change.
    pub name: (&'a str, &'a str),
    /// How much of it is left.
    pub left: TimeDelta,
}

/// Returns what is left of each change at `now`: credit is used up in the order in which it was
/// given. The changes come in the order of the ledger. What is left of all of them is what is left
/// of the credit.
pub fn portions<'a>(changes: impl IntoIterator<Item = Change<'a>>, now: DateTime<Utc>) -> Vec<Portion<'a>> {
    let mut portions: VecDeque<Portion<'a>> = VecDeque::new();
    let mut reached: Option<DateTime<Utc>> = None;
    for change in changes {
        burn(&mut portions, reached, change.at);
        reached = Some(change.at);
        let left = |until: Option<DateTime<Utc>>| {
            until.map_or(TimeDelta::zero(), |until| (until - change.at).max(TimeDelta::zero()))
        };
        let difference = left(change.until_after) - left(change.until_before);
        if difference > TimeDelta::zero() {
            portions.push_back(Portion { name: change.name, left: difference });
            continue;
        }
        let mut to_take = -difference;
        // From what it names, then from what came last.
        let named = (0..portions.len()).filter(|at| Some(portions[*at].name) == change.takes_back);
        for at in named.collect::<Vec<_>>().into_iter().chain((0..portions.len()).rev()) {
            let taken = portions[at].left.min(to_take);
            portions[at].left -= taken;
            to_take -= taken;
        }
        portions.retain(|portion| portion.left > TimeDelta::zero());
    }
    burn(&mut portions, reached, now);
    portions.into()
}

fn burn(portions: &mut VecDeque<Portion<'_>>, from: Option<DateTime<Utc>>, to: DateTime<Utc>) {
    let mut passed = from.map_or(TimeDelta::zero(), |from| (to - from).max(TimeDelta::zero()));
    while let Some(first) = portions.front_mut() {
        let burnt = first.left.min(passed);
        first.left -= burnt;
        passed -= burnt;
        if first.left > TimeDelta::zero() {
            return;
        }
        portions.pop_front();
    }
}

/// Returns for how long credit ran between `from` and `until`. The changes come in the order of the
/// ledger.
pub fn ran<'a>(changes: impl IntoIterator<Item = Change<'a>>, from: DateTime<Utc>, until: DateTime<Utc>) -> TimeDelta {
    let mut ran = TimeDelta::zero();
    let mut stretch: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
    let mut add = |stretch: Option<(DateTime<Utc>, DateTime<Utc>)>, next: DateTime<Utc>| {
        if let Some((begin, end)) = stretch {
            ran += (end.min(next).min(until) - begin.max(from)).max(TimeDelta::zero());
        }
    };
    for change in changes {
        add(stretch, change.at);
        stretch = change.until_after.map(|end| (change.at, end));
    }
    add(stretch, until);
    ran
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Days given (above zero) or ended, and how many hours later the next thing happens.
    fn ledger() -> impl Strategy<Value = Vec<(i64, i64)>> {
        proptest::collection::vec((-1i64..40, 0i64..1_000), 1..12)
    }

    #[test]
    fn credit_ends_with_the_last_instant_that_can_be_kept() {
        let now = DateTime::UNIX_EPOCH;
        let mut until = None;
        for _ in 0..3_000 {
            until = Some(extend(now, until, MOST_DAYS));
        }
        assert_eq!(until, Some(LAST_INSTANT));
        assert_eq!(until.map(|until| until.to_rfc3339()), Some("9999-12-31T23:59:59+00:00".to_owned()));
        assert_eq!(extend(now, until, i64::from(i32::MAX)), LAST_INSTANT);
    }

    proptest! {
        #[test]
        fn what_is_left_of_the_portions_is_what_is_left_of_the_credit(steps in ledger(), later in 0i64..2_000) {
            let at = |hours: i64| DateTime::from_timestamp(hours * 3600, 0).expect("in range");
            let names: Vec<String> = (0..steps.len()).map(|number| number.to_string()).collect();
            let (mut hour, mut until, mut changes) = (1_000_000, None, Vec::new());
            for ((days, pause), name) in steps.iter().zip(&names) {
                let until_after = (*days > 0).then(|| extend(at(hour), until, *days));
                changes.push(Change { name: ("admin", name), takes_back: None, until_before: until, until_after, at: at(hour) });
                until = until_after;
                hour += pause;
            }
            let now = at(hour + later);
            let left: TimeDelta = portions(changes.iter().copied(), now).iter().map(|portion| portion.left).sum();
            let expected = until.map_or(TimeDelta::zero(), |until| (until - now).max(TimeDelta::zero()));
            prop_assert_eq!(left, expected);
            // What was given has run, or is left, or was ended.
            let given: TimeDelta = changes.iter().zip(&steps).filter(|(_, (days, _))| *days > 0).map(|(_, (days, _))| TimeDelta::days(*days)).sum();
            let ended: TimeDelta = changes.iter().filter(|change| change.until_after.is_none())
                .filter_map(|change| change.until_before.map(|until| (until - change.at).max(TimeDelta::zero()))).sum();
            prop_assert_eq!(ran(changes.iter().copied(), at(0), now) + left + ended, given);
        }
    }

    #[test]
    fn what_is_taken_back_leaves_the_rest_alone() {
        let at = |days: i64| DateTime::from_timestamp(days * 86_400, 0).expect("in range");
        let (reward, gift) = (("referral", "r"), ("admin", "g"));
        let given = |name, before, after, day| Change {
            name,
            takes_back: None,
            until_before: before,
            until_after: Some(after),
            at: day,
        };
        // 45 days of reward, then 30 as a gift: after 20 days, 25 of the reward are left.
        let changes = vec![given(reward, None, at(145), at(100)), given(gift, Some(at(145)), at(175), at(110))];
        let left = portions(changes.clone(), at(120));
        assert_eq!(
            left,
            [Portion { name: reward, left: TimeDelta::days(25) }, Portion { name: gift, left: TimeDelta::days(30) }]
        );
        let taken = Change {
            name: ("referral_taken_back", "r/1"),
            takes_back: Some(reward),
            until_before: Some(at(175)),
            until_after: Some(at(150)),
            at: at(120),
        };
        let left = portions(changes.into_iter().chain([taken]), at(130));
        assert_eq!(left, [Portion { name: gift, left: TimeDelta::days(20) }]);
    }

    proptest! {
        #[test]
        fn credit_never_shrinks_and_stacks(
            now in 0i64..4_000_000_000, until in proptest::option::of(0i64..4_000_000_000), days in 1..=MOST_DAYS,
        ) {
            let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("in range");
            let (now, until) = (at(now), until.map(at));
            let extended = extend(now, until, days);
            prop_assert!(extended - now >= TimeDelta::days(days));
            prop_assert!(until.is_none_or(|until| extended - until >= TimeDelta::days(days)));
            prop_assert_eq!(extend(now, Some(extended), days), extended + TimeDelta::days(days));
        }
    }
}
