//! Usage periods: when the count of a feature starts again.
//!
//! The start of a period is part of the key under which usage is counted, so nothing has to
//! be reset and no reset can be missed. Each instant belongs to exactly one period, the end
//! of a period is the start of the next one, and every boundary is computed from a fixed
//! origin, never from the boundary before it: what began on the 31st comes back to the 31st
//! after each short month.

use chrono::{
    DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc,
};
use serde::{Deserialize, Serialize};

/// The origin of all calendar periods: midnight of a Monday that begins a year.
const CALENDAR_ORIGIN: NaiveDateTime =
    NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day of the calendar").and_time(NaiveTime::MIN);

/// The last year that is written with four digits, as all instants are in the database: what comes later
/// would sort before.
const LAST_YEAR: i32 = 9_999;

/// The last second that can be kept.
pub const LAST_INSTANT: DateTime<Utc> = NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31)
    .expect("a day of the calendar")
    .and_hms_opt(23, 59, 59)
    .expect("a time of day")
    .and_utc();

/// Returns whether an instant can be kept: its year has four digits.
pub fn can_be_kept(instant: DateTime<Utc>) -> bool {
    (0..=LAST_YEAR).contains(&instant.year())
}

/// Seconds in an hour.
const HOUR: i64 = 3_600;

/// Seconds in a day, and more than any offset from UTC.
const DAY: i64 = 86_400;

/// How often the usage of a feature starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum ResetPeriod {
    /// It does not.
    Never,
    /// With the hour.
    Hourly,
    /// With the day.
    Daily,
    /// With the week.
    Weekly,
    /// With the month.
    Monthly,
    /// With the year.
    Yearly,
}

impl ResetPeriod {
    /// All of them, from never to yearly.
    pub const ALL: [Self; 6] = [Self::Never, Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    /// Returns the word under which it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }
}

/// A word that names no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the period is none of never, hourly, daily, weekly, monthly and yearly")]
pub struct UnknownPeriod;

impl std::str::FromStr for ResetPeriod {
    type Err = UnknownPeriod;

    fn from_str(text: &str) -> Result<Self, UnknownPeriod> {
        Self::ALL.into_iter().find(|period| period.as_str() == text).ok_or(UnknownPeriod)
    }
}

/// How periods are laid over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// With the calendar of the zone: full hours, midnights, Mondays, firsts of the month and of the year.
    Calendar,
    /// Counted from one instant of the user's own, by the wall clock of the zone.
    Anniversary(DateTime<Utc>),
}

/// A half-open interval of time: the start belongs to it, the end does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first instant. Usage that never resets is counted from the Unix epoch.
    pub start: DateTime<Utc>,
    /// The first instant of the next period; `None` when there is none.
    pub end: Option<DateTime<Utc>>,
}

impl Period {
    /// Returns the period in which `now` lies.
    ///
    /// A boundary that the zone's clocks leap over falls on the first instant after the leap;
    /// one that they show twice, on the earlier of the two. At the ends of what a date can
    /// express, a period starts with the first date or has no end.
    pub fn of<Tz: TimeZone>(reset: ResetPeriod, anchor: Anchor, zone: &Tz, now: DateTime<Utc>) -> Self {
        let step = match reset {
            ResetPeriod::Never => return Self { start: DateTime::UNIX_EPOCH, end: None },
            ResetPeriod::Hourly => {
                return match anchor {
                    Anchor::Calendar => Self::hour_of_the_clock(zone, now),
                    Anchor::Anniversary(anchor) => Self::hour_since(anchor, now),
                };
            }
            ResetPeriod::Daily => Step::Days(1),
            ResetPeriod::Weekly => Step::Days(7),
            ResetPeriod::Monthly => Step::Months(1),
            ResetPeriod::Yearly => Step::Months(12),
        };
        match anchor {
            Anchor::Calendar => Boundaries { step, zone, origin: CALENDAR_ORIGIN, anchor: None },
            Anchor::Anniversary(anchor) => {
                Boundaries { step, zone, origin: wall_clock(zone, anchor), anchor: Some(anchor) }
            }
        }
        .around(now)
    }

    /// Returns whether an instant lies in it.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }

    /// Returns the hour that the clocks of the zone show.
    fn hour_of_the_clock<Tz: TimeZone>(zone: &Tz, now: DateTime<Utc>) -> Self {
        // How far the full hours of the zone lie before those of UTC. Where the clocks change by
        // full hours they stay where they are, and every hour has its sixty minutes.
        let phase = |second: i64| {
            instant(second, 0).map_or(0, |at| i64::from(offset(zone, at).local_minus_utc()).rem_euclid(HOUR))
        };
        let second = now.timestamp();
        let current = phase(second);
        let mut start = second - (second + current).rem_euclid(HOUR);
        let mut end = start + HOUR;
        // Elsewhere (Lord Howe Island changes by half an hour) the change cuts the hour short.
        if phase(start) != current {
            start = first_second(start, second, |second| phase(second) == current);
        }
        if phase(end) != current {
            end = first_second(second, end, |second| phase(second) != current);
        }
        Self { start: instant(start, 0).unwrap_or(DateTime::<Utc>::MIN_UTC), end: instant(end, 0) }
    }

    /// Returns the hour since an instant, counted by a clock that is never changed.
    fn hour_since(anchor: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let nanos = anchor.timestamp_subsec_nanos();
        let seconds = now.timestamp() - anchor.timestamp() - i64::from(now.timestamp_subsec_nanos() < nanos);
        let start = anchor.timestamp() + seconds - seconds.rem_euclid(HOUR);
        Self { start: instant(start, nanos).unwrap_or(DateTime::<Utc>::MIN_UTC), end: instant(start + HOUR, nanos) }
    }
}

/// What lies between two boundaries.
#[derive(Clone, Copy)]
enum Step {
    /// So many days.
    Days(i64),
    /// So many months.
    Months(i64),
}

/// Boundaries at equal steps of a wall clock.
struct Boundaries<'a, Tz> {
    step: Step,
    zone: &'a Tz,
    /// What the clock shows at boundary 0.
    origin: NaiveDateTime,
    /// The instant of boundary 0 where the clock alone does not tell: it may show the origin twice.
    anchor: Option<DateTime<Utc>>,
}

impl<Tz: TimeZone> Boundaries<'_, Tz> {
    /// Returns the period in which `now` lies.
    fn around(&self, now: DateTime<Utc>) -> Period {
        let mut n = self.last_shown(wall_clock(self.zone, now));
        let (mut start, mut end) = (self.boundary(n), self.boundary(n + 1));
        // A clock that was set back shows again what lay before a boundary that has passed; and the
        // last day of a short month stands for a later one. Both loops make a step or two.
        while end.is_some_and(|end| end <= now) {
            n += 1;
            (start, end) = (end, self.boundary(n + 1));
        }
        while start.is_some_and(|start| start > now) {
            n -= 1;
            (start, end) = (self.boundary(n), start);
        }
        Period { start: start.unwrap_or(DateTime::<Utc>::MIN_UTC), end }
    }

    /// Returns about which boundary the clock has shown last.
    fn last_shown(&self, wall: NaiveDateTime) -> i64 {
        match self.step {
            Step::Days(days) => (wall - self.origin).num_seconds().div_euclid(days * DAY),
            Step::Months(months) => (month_number(wall) - month_number(self.origin)).div_euclid(months),
        }
    }

    /// Returns the instant of a boundary, unless it is beyond what a date can express.
    fn boundary(&self, n: i64) -> Option<DateTime<Utc>> {
        match self.anchor {
            Some(anchor) if n == 0 => Some(anchor),
            _ => first_instant(self.zone, self.shown_at(n)?),
        }
    }

    /// Returns what the clock shows at a boundary; in a month without that day, its last day.
    fn shown_at(&self, n: i64) -> Option<NaiveDateTime> {
        match self.step {
            Step::Days(days) => {
                let days = n.checked_mul(days)?;
                let distance = Days::new(days.unsigned_abs());
                if days < 0 { self.origin.checked_sub_days(distance) } else { self.origin.checked_add_days(distance) }
            }
            Step::Months(months) => {
                let months = n.checked_mul(months)?;
                let distance = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                if months < 0 {
                    self.origin.checked_sub_months(distance)
                } else {
                    self.origin.checked_add_months(distance)
                }
            }
        }
    }
}

/// Returns the first instant at which the clocks of the zone show this or a later time.
fn first_instant<Tz: TimeZone>(zone: &Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    if let Some(at) = zone.from_local_datetime(&wall).earliest() {
        return Some(at.to_utc());
    }
    // The clocks leap over it. They are never a day before or after UTC.
    let second = wall.and_utc().timestamp();
    instant(second - DAY, 0)?;
    instant(second + DAY, 0)?;
    let leapt = first_second(second - DAY, second + DAY, |second| {
        instant(second, 0).is_some_and(|at| wall_clock(zone, at) >= wall)
    });
    instant(leapt, 0)
}

/// Returns the first second at which something holds that does not hold yet at `before`, but at `after`.
///
/// Clocks are changed at full seconds.
fn first_second(mut before: i64, mut after: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while after - before > 1 {
        let middle = before.midpoint(after);
        if holds(middle) {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

/// Returns what the clocks of the zone show; at the ends of what a date can express, those of UTC.
fn wall_clock<Tz: TimeZone>(zone: &Tz, at: DateTime<Utc>) -> NaiveDateTime {
    let utc = at.naive_utc();
    utc.checked_add_offset(offset(zone, at)).unwrap_or(utc)
}

/// Returns how far the clocks of the zone are ahead of UTC.
fn offset<Tz: TimeZone>(zone: &Tz, at: DateTime<Utc>) -> FixedOffset {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix()
}

/// Returns the instant so many seconds and nanoseconds after the Unix epoch, if a date can express it.
fn instant(second: i64, nanos: u32) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(second, nanos)
}

/// Returns the months since the year 0.
fn month_number(wall: NaiveDateTime) -> i64 {
    i64::from(wall.year()) * 12 + i64::from(wall.month0())
}

#[cfg(test)]
mod tests {
    use Anchor::{Anniversary, Calendar};
    use ResetPeriod::{Daily, Hourly, Monthly, Never, Weekly, Yearly};
    use chrono::TimeDelta;
    use chrono_tz::{TZ_VARIANTS, Tz};
    use proptest::{prelude::*, sample::select};

    use super::*;

    /// Zones whose clocks have been changed at midnight, by half an hour, by a day or by odd seconds.
    const ODD_ZONES: [Tz; 16] = [
        Tz::Africa__Cairo,
        Tz::Africa__Monrovia,
        Tz::America__Juneau,
        Tz::America__Sao_Paulo,
        Tz::America__St_Johns,
        Tz::Antarctica__Troll,
        Tz::Asia__Beirut,
        Tz::Asia__Kolkata,
        Tz::Asia__Manila,
        Tz::Asia__Pyongyang,
        Tz::Asia__Tehran,
        Tz::Australia__Lord_Howe,
        Tz::Europe__Amsterdam,
        Tz::Europe__Berlin,
        Tz::Pacific__Apia,
        Tz::Pacific__Kwajalein,
    ];

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    /// Asserts that `now` lies in `start..end`, and that so do both ends of that period.
    #[track_caller]
    fn assert_period(reset: ResetPeriod, anchor: Anchor, zone: Tz, now: &str, (start, end): (&str, &str)) {
        let expected = Period { start: at(start), end: Some(at(end)) };
        for now in [at(now), at(start), at(end) - TimeDelta::microseconds(1)] {
            assert_eq!(Period::of(reset, anchor, &zone, now), expected, "{reset:?} {anchor:?} {zone} {now}");
        }
    }

    #[test]
    fn periods_have_the_words_under_which_they_are_stored() {
        for reset in ResetPeriod::ALL {
            assert_eq!(reset.as_str().parse(), Ok(reset));
            assert_eq!(serde_json::to_value(reset).expect("a word"), reset.as_str());
        }
        assert_eq!("Daily".parse::<ResetPeriod>(), Err(UnknownPeriod));
    }

    #[test]
    fn what_never_resets_is_counted_from_the_epoch() {
        let never = Period::of(Never, Anniversary(at("2026-01-31T12:00:00Z")), &Tz::UTC, at("2026-05-01T00:00:00Z"));
        assert_eq!(never, Period { start: DateTime::UNIX_EPOCH, end: None });
        assert!(never.contains(DateTime::<Utc>::MAX_UTC));
    }

    #[test]
    fn calendar_periods_follow_the_clocks_of_the_zone() {
        let now = "2026-12-31T22:59:59.999999Z";
        for (reset, zone, period) in [
            (Hourly, Tz::UTC, ("2026-12-31T22:00:00Z", "2026-12-31T23:00:00Z")),
            (Hourly, Tz::Asia__Kolkata, ("2026-12-31T22:30:00Z", "2026-12-31T23:30:00Z")),
            (Hourly, Tz::Asia__Kathmandu, ("2026-12-31T22:15:00Z", "2026-12-31T23:15:00Z")),
            (Hourly, Tz::America__St_Johns, ("2026-12-31T22:30:00Z", "2026-12-31T23:30:00Z")),
            (Daily, Tz::UTC, ("2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z")),
            (Daily, Tz::Europe__Berlin, ("2026-12-30T23:00:00Z", "2026-12-31T23:00:00Z")),
            (Daily, Tz::Asia__Kolkata, ("2026-12-31T18:30:00Z", "2027-01-01T18:30:00Z")),
            // 28 December 2026 is a Monday; its week is the 53rd of the year.
            (Weekly, Tz::UTC, ("2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z")),
            (Weekly, Tz::Asia__Kolkata, ("2026-12-27T18:30:00Z", "2027-01-03T18:30:00Z")),
            (Monthly, Tz::UTC, ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")),
            (Monthly, Tz::Europe__Berlin, ("2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z")),
            (Monthly, Tz::Asia__Kolkata, ("2026-12-31T18:30:00Z", "2027-01-31T18:30:00Z")),
            (Yearly, Tz::UTC, ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")),
            (Yearly, Tz::Europe__Berlin, ("2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z")),
            (Yearly, Tz::Asia__Kolkata, ("2026-12-31T18:30:00Z", "2027-12-31T18:30:00Z")),
        ] {
            assert_period(reset, Calendar, zone, now, period);
        }
    }

    #[test]
    fn days_are_as_long_as_the_clocks_make_them() {
        for (zone, now, period) in [
            // 23 and 25 hours.
            (Tz::Europe__Berlin, "2026-03-29T12:00:00Z", ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")),
            (Tz::Europe__Berlin, "2026-10-25T00:30:00Z", ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")),
            // There is no midnight: the day begins at 01:00.
            (Tz::Asia__Beirut, "2026-03-29T12:00:00Z", ("2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z")),
            (Tz::America__Sao_Paulo, "2018-11-04T12:00:00Z", ("2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z")),
            (Tz::Asia__Tehran, "2022-03-22T12:00:00Z", ("2022-03-21T20:30:00Z", "2022-03-22T19:30:00Z")),
            (Tz::Africa__Cairo, "2026-04-24T12:00:00Z", ("2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z")),
            // At midnight it is 23:00 again: the day before goes on.
            (Tz::America__Sao_Paulo, "2018-02-18T02:30:00Z", ("2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z")),
            // At 00:01 it is 23:01 again, with the next day begun: it has begun for good.
            (Tz::America__St_Johns, "2010-11-07T03:00:00Z", ("2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z")),
            // 30 December 2011 was left out.
            (Tz::Pacific__Apia, "2011-12-30T09:00:00Z", ("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z")),
            (Tz::Pacific__Apia, "2011-12-30T11:00:00Z", ("2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z")),
        ] {
            assert_period(Daily, Calendar, zone, now, period);
        }
    }

    #[test]
    fn longer_periods_begin_with_a_day_without_midnight_too() {
        // Paraguay changed its clocks on Sunday, 1 October 2023, at midnight.
        let zone = Tz::America__Asuncion;
        assert_period(
            Monthly,
            Calendar,
            zone,
            "2023-10-02T00:00:00Z",
            ("2023-10-01T04:00:00Z", "2023-11-01T03:00:00Z"),
        );
        assert_period(
            Monthly,
            Calendar,
            zone,
            "2023-09-30T00:00:00Z",
            ("2023-09-01T04:00:00Z", "2023-10-01T04:00:00Z"),
        );
    }

    #[test]
    fn hours_last_an_hour_unless_the_clocks_change_by_less() {
        for (zone, now, period) in [
            // 02:00 to 03:00 in summer time, and once more in winter time.
            (Tz::Europe__Berlin, "2026-10-25T00:30:00Z", ("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z")),
            (Tz::Europe__Berlin, "2026-10-25T01:30:00Z", ("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z")),
            (Tz::Europe__Berlin, "2026-03-29T01:30:00Z", ("2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z")),
            // A change in the midst of an hour, by an hour, leaves the hours where they were.
            (Tz::America__St_Johns, "2010-11-07T02:31:00Z", ("2010-11-07T02:30:00Z", "2010-11-07T03:30:00Z")),
            // From 02:00 to 02:30: what is left of the hour counts as one.
            (Tz::Australia__Lord_Howe, "2026-10-03T15:00:00Z", ("2026-10-03T14:30:00Z", "2026-10-03T15:30:00Z")),
            (Tz::Australia__Lord_Howe, "2026-10-03T15:45:00Z", ("2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z")),
            (Tz::Australia__Lord_Howe, "2026-10-03T16:00:00Z", ("2026-10-03T16:00:00Z", "2026-10-03T17:00:00Z")),
            // From 23:30 to 00:00, in the midst of an hour.
            (Tz::Asia__Pyongyang, "2018-05-04T14:45:00Z", ("2018-05-04T14:30:00Z", "2018-05-04T15:00:00Z")),
            (Tz::Asia__Pyongyang, "2018-05-04T15:45:00Z", ("2018-05-04T15:00:00Z", "2018-05-04T16:00:00Z")),
            // From 02:00 back to 01:30.
            (Tz::Australia__Lord_Howe, "2026-04-04T14:30:00Z", ("2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z")),
            (Tz::Australia__Lord_Howe, "2026-04-04T15:15:00Z", ("2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z")),
            (Tz::Australia__Lord_Howe, "2026-04-04T15:30:00Z", ("2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z")),
        ] {
            assert_period(Hourly, Calendar, zone, now, period);
        }
    }

    #[test]
    fn anniversaries_are_counted_from_the_day_it_began() {
        let january = "2026-01-31T10:15:30.5Z";
        let leap_day = "2024-02-29T12:00:00Z";
        for (reset, anchor, now, period) in [
            (Monthly, january, "2026-02-01T00:00:00Z", (january, "2026-02-28T10:15:30.5Z")),
            (Monthly, january, "2026-03-01T00:00:00Z", ("2026-02-28T10:15:30.5Z", "2026-03-31T10:15:30.5Z")),
            (Monthly, january, "2026-04-01T00:00:00Z", ("2026-03-31T10:15:30.5Z", "2026-04-30T10:15:30.5Z")),
            (Monthly, january, "2026-05-31T00:00:00Z", ("2026-04-30T10:15:30.5Z", "2026-05-31T10:15:30.5Z")),
            (Monthly, january, "2028-02-29T11:00:00Z", ("2028-02-29T10:15:30.5Z", "2028-03-31T10:15:30.5Z")),
            (Monthly, january, "2026-01-01T00:00:00Z", ("2025-12-31T10:15:30.5Z", january)),
            (Monthly, january, "2025-02-28T11:00:00Z", ("2025-02-28T10:15:30.5Z", "2025-03-31T10:15:30.5Z")),
            (Yearly, leap_day, "2024-12-31T00:00:00Z", (leap_day, "2025-02-28T12:00:00Z")),
            (Yearly, leap_day, "2025-02-28T12:00:00Z", ("2025-02-28T12:00:00Z", "2026-02-28T12:00:00Z")),
            (Yearly, leap_day, "2028-02-29T11:00:00Z", ("2027-02-28T12:00:00Z", "2028-02-29T12:00:00Z")),
            (Yearly, leap_day, "2020-03-01T00:00:00Z", ("2020-02-29T12:00:00Z", "2021-02-28T12:00:00Z")),
            (Monthly, leap_day, "2025-02-28T12:00:00Z", ("2025-02-28T12:00:00Z", "2025-03-29T12:00:00Z")),
            (Weekly, leap_day, "2024-03-07T11:00:00Z", (leap_day, "2024-03-07T12:00:00Z")),
            (Weekly, leap_day, "2024-02-29T11:00:00Z", ("2024-02-22T12:00:00Z", leap_day)),
            (Daily, january, "2026-02-01T10:00:00Z", (january, "2026-02-01T10:15:30.5Z")),
            (Hourly, january, "2026-01-31T12:15:30.4Z", ("2026-01-31T11:15:30.5Z", "2026-01-31T12:15:30.5Z")),
            (Hourly, january, "2026-01-31T10:00:00Z", ("2026-01-31T09:15:30.5Z", january)),
        ] {
            assert_period(reset, Anniversary(at(anchor)), Tz::UTC, now, period);
        }
    }

    #[test]
    fn anniversaries_follow_the_clock_on_the_wall() {
        let zone = Tz::Europe__Berlin;
        // 02:30 in Berlin, a time that 29 March leaves out and 25 October shows twice.
        let early = "2026-01-29T01:30:00Z";
        for (reset, anchor, now, period) in [
            (Daily, early, "2026-03-28T12:00:00Z", ("2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z")),
            (Daily, early, "2026-03-29T12:00:00Z", ("2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z")),
            (Daily, early, "2026-10-25T01:00:00Z", ("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")),
            (Monthly, early, "2026-03-29T01:00:00Z", ("2026-03-29T01:00:00Z", "2026-04-29T00:30:00Z")),
            // Born when it was 02:30 for the second time.
            (Daily, "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", ("2026-10-24T00:30:00Z", "2026-10-25T01:30:00Z")),
            (Daily, "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z", ("2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z")),
            // The 31st in Berlin is the 30th in UTC.
            (Monthly, "2026-01-30T23:30:00Z", "2026-03-01T00:00:00Z", ("2026-02-27T23:30:00Z", "2026-03-30T22:30:00Z")),
            // Hours are exact, whatever the clocks do.
            (Hourly, early, "2026-03-29T01:00:00Z", ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z")),
        ] {
            assert_period(reset, Anniversary(at(anchor)), zone, now, period);
        }
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let extremes = [
            DateTime::<Utc>::MIN_UTC,
            DateTime::<Utc>::MIN_UTC + TimeDelta::days(400),
            at("-0001-12-31T23:59:59Z"),
            at("0000-01-01T00:00:00Z"),
            at("9999-12-31T23:59:59.999999Z"),
            // A leap second.
            at("2016-12-31T23:59:60.5Z"),
            DateTime::<Utc>::MAX_UTC - TimeDelta::days(400),
            DateTime::<Utc>::MAX_UTC,
        ];
        let zones = [Tz::UTC, Tz::Pacific__Kiritimati, Tz::Etc__GMTPlus12, Tz::Asia__Kathmandu];
        for now in extremes {
            for anchor in extremes.map(Anniversary).into_iter().chain([Calendar]) {
                for (zone, reset) in zones.iter().flat_map(|zone| ResetPeriod::ALL.map(|reset| (zone, reset))) {
                    let period = Period::of(reset, anchor, zone, now);
                    assert!(reset == Never || period.contains(now), "{reset:?} {anchor:?} {zone} {now} {period:?}");
                }
            }
        }
    }

    /// Returns the first change of the clocks after a moment, if there is one within 120 years.
    fn next_change(zone: Tz, from: i64) -> Option<i64> {
        let shown = |second| offset(&zone, instant(second, 0).expect("an instant"));
        let week = (0..120 * 52).find(|week| shown(from + week * 7 * DAY) != shown(from + (week + 1) * 7 * DAY))?;
        let (before, after) = (from + week * 7 * DAY, from + (week + 1) * 7 * DAY);
        Some(first_second(before, after, |second| shown(second) != shown(before)))
    }

    /// A zone, and two moments between 1840 and 2100, more often than not around changes of its clocks.
    fn zone_and_moments() -> impl Strategy<Value = (Tz, DateTime<Utc>, DateTime<Utc>)> {
        let zone = prop_oneof![select(&ODD_ZONES[..]), select(&TZ_VARIANTS[..])];
        let distance = || prop_oneof![-2 * DAY..2 * DAY, -2 * HOUR..2 * HOUR];
        let moment = || (-4_102_444_800..4_102_444_800_i64, any::<bool>(), distance());
        (zone, moment(), moment(), -40 * DAY..40 * DAY, any::<bool>()).prop_map(|(zone, now, anchor, apart, close)| {
            let settle = |(second, around_change, distance)| match next_change(zone, second) {
                Some(change) if around_change => change + distance,
                _ => second,
            };
            let now = settle(now);
            let anchor = if close { now + apart } else { settle(anchor) };
            (zone, instant(now, 0).expect("an instant"), instant(anchor, 0).expect("an instant"))
        })
    }

    fn fraction() -> impl Strategy<Value = TimeDelta> {
        prop_oneof![Just(0), 0..1_000_000_i64].prop_map(TimeDelta::microseconds)
    }

    /// Walks through the minutes, then the seconds, until the clocks show this time or a later one.
    fn walk_to(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
        let shows = |at: &DateTime<Utc>| at.with_timezone(&zone).naive_local() >= wall;
        let mut at = wall.and_utc() - TimeDelta::hours(26);
        while !shows(&at) {
            at += TimeDelta::minutes(1);
        }
        while shows(&(at - TimeDelta::seconds(1))) {
            at -= TimeDelta::seconds(1);
        }
        at
    }

    /// Lists what the clock shows at the boundaries around a day, by looking at each day on its own.
    fn boundaries_around(reset: ResetPeriod, anchor: Option<NaiveDateTime>, day: NaiveDate) -> Vec<NaiveDateTime> {
        let reach = match reset {
            Daily => 3,
            Weekly => 14,
            Monthly => 70,
            _ => 800,
        };
        let origin = anchor.unwrap_or(NaiveDate::from_ymd_opt(1900, 1, 1).expect("a Monday").into());
        let begins = |day: &NaiveDate| {
            let same_day = |day: &NaiveDate| {
                let last = (28..=31).rev().find_map(|last| day.with_day(last)).expect("each month ends");
                day.day() == origin.day().min(last.day())
            };
            match reset {
                Daily => true,
                Weekly => day.weekday() == origin.weekday(),
                Monthly => same_day(day),
                _ => day.month() == origin.month() && same_day(day),
            }
        };
        let days: Vec<NaiveDate> =
            (day - Days::new(reach)).iter_days().take(2 * reach as usize).filter(begins).collect();
        // The walk is slow: only those that can matter.
        let next = days.partition_point(|begun| *begun <= day);
        days[next.saturating_sub(3)..days.len().min(next + 3)].iter().map(|day| day.and_time(origin.time())).collect()
    }

    proptest! {
        #[test]
        fn each_instant_belongs_to_exactly_one_period(
            (zone, now, anchor) in zone_and_moments(),
            (past, anchor_past) in (fraction(), fraction()),
            reset in select(&ResetPeriod::ALL[1..]),
        ) {
            let now = now + past;
            for anchor in [Calendar, Anniversary(anchor + anchor_past)] {
                let of = |at| Period::of(reset, anchor, &zone, at);
                let period = of(now);
                let end = period.end.expect("an end");
                let moment = TimeDelta::nanoseconds(1);
                prop_assert!(period.contains(now) && !period.contains(end) && !period.contains(period.start - moment));
                prop_assert_eq!(of(period.start), period);
                prop_assert_eq!(of(period.start + (end - period.start) / 2), period);
                prop_assert_eq!(of(end - moment), period);
                prop_assert_eq!(of(end).start, end);
                prop_assert_eq!(of(period.start - moment).end, Some(period.start));
            }
        }

        #[test]
        fn a_walk_through_the_minutes_comes_to_the_same_boundaries(
            (zone, now, anchor) in zone_and_moments(),
            reset in select(&[Daily, Weekly, Monthly, Yearly][..]),
        ) {
            let shown = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
            for anniversary in [None, Some(anchor)] {
                let mut boundaries = boundaries_around(reset, anniversary.map(shown), shown(now).date()).into_iter();
                let mut walk = || {
                    let wall = boundaries.next().expect("far enough");
                    anniversary.filter(|anchor| shown(*anchor) == wall).unwrap_or_else(|| walk_to(zone, wall))
                };
                let (mut start, mut end) = (walk(), walk());
                while end <= now {
                    (start, end) = (end, walk());
                }
                let period = Period::of(reset, anniversary.map_or(Calendar, Anniversary), &zone, now);
                prop_assert_eq!(period, Period { start, end: Some(end) });
            }
        }

        #[test]
        fn hours_begin_when_the_clock_shows_full_hours_or_is_changed(
            (zone, now, anchor) in zone_and_moments(),
        ) {
            let hour = Period::of(Hourly, Calendar, &zone, now);
            let end = hour.end.expect("an end");
            let full_hour = |at: DateTime<Utc>| wall_clock(&zone, at).and_utc().timestamp() % HOUR == 0;
            let changed = |at: DateTime<Utc>| offset(&zone, at) != offset(&zone, at - TimeDelta::seconds(1));
            for boundary in [hour.start, end] {
                prop_assert!(full_hour(boundary) || changed(boundary), "{}", boundary);
            }
            prop_assert!(end - hour.start <= TimeDelta::hours(1));
            let mut at = hour.start + TimeDelta::seconds(1);
            while at < end {
                prop_assert!(!full_hour(at), "{}", at);
                at += TimeDelta::seconds(1);
            }
            let hour = Period::of(Hourly, Anniversary(anchor), &zone, now);
            prop_assert_eq!((hour.start - anchor).num_seconds() % HOUR, 0);
            prop_assert_eq!(hour.end.expect("an end") - hour.start, TimeDelta::hours(1));
        }
    }
}
