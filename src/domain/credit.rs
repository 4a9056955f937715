//! Credit: days of paid access that someone was given.
//!
//! Source: seeds ("extends from max(now, current expiry)") and the design's §4.

use chrono::{DateTime, TimeDelta, Utc};

/// The most days that one entry may give: ten years.
pub const MOST_DAYS: i64 = 3650;

/// Returns until when credit lasts after `days` more: counted from now or from the end of what
/// is there, whichever is later, so that nothing already given is lost.
pub fn extend(now: DateTime<Utc>, current: Option<DateTime<Utc>>, days: i64) -> DateTime<Utc> {
    current.map_or(now, |until| until.max(now)) + TimeDelta::days(days)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
