//! What is counted of every day, and how days are compared.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::period::{Anchor, Period, ResetPeriod};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Members by the tier that they have, when the day was last counted.
    Members,
    /// Accounts that were opened.
    New,
    /// Members who signed in, were seen or used something.
    Active,
    /// Sign-ins.
    SignIns,
    /// Invited friends who paid for the first time.
    Conversions,
    /// Subscriptions that began.
    Subscriptions,
    /// Coupons that were redeemed, by their kind.
    Redemptions,
    /// Units that were counted, by their feature.
    Usage,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Members,
        Self::New,
        Self::Active,
        Self::SignIns,
        Self::Conversions,
        Self::Subscriptions,
        Self::Redemptions,
        Self::Usage,
    ];

    /// Returns the word under which it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::New => "new",
            Self::Active => "active",
            Self::SignIns => "sign_ins",
            Self::Conversions => "conversions",
            Self::Subscriptions => "subscriptions",
            Self::Redemptions => "redemptions",
            Self::Usage => "usage",
        }
    }
}

/// Returns the day of a zone on which an instant lies.
pub fn day_of(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// Returns the first instant of a day of a zone, and that of the next: 23 to 25 hours later.
pub fn bounds(day: NaiveDate, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
    // No clock is set back or forth at noon.
    let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default());
    let noon = zone.from_local_datetime(&noon).earliest().map_or(noon.and_utc(), |noon| noon.with_timezone(&Utc));
    let period = Period::of(ResetPeriod::Daily, Anchor::Calendar, &zone, noon);
    (period.start, period.end.unwrap_or(DateTime::<Utc>::MAX_UTC))
}

/// The figures of a stretch of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The first day.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
    figures: BTreeMap<(String, String), BTreeMap<NaiveDate, i64>>,
    /// The days on which anything was counted.
    counted: BTreeSet<NaiveDate>,
}

impl Stretch {
    /// Gathers figures: day, metric, subject, how many. Those of other days are left out.
    pub fn new(
        from: NaiveDate,
        to: NaiveDate,
        figures: impl IntoIterator<Item = (NaiveDate, String, String, i64)>,
    ) -> Self {
        let mut stretch = Self { from, to, figures: BTreeMap::new(), counted: BTreeSet::new() };
        for (day, metric, subject, value) in figures {
            if (from..=to).contains(&day) {
                stretch.counted.insert(day);
                stretch.figures.entry((metric, subject)).or_default().insert(day, value);
            }
        }
        stretch
    }

    /// Returns the days, the oldest first.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        let (from, to) = (self.from, self.to);
        from.iter_days().take_while(move |day| *day <= to)
    }

    /// Returns what a metric has figures about, the largest first.
    pub fn subjects(&self, metric: Metric) -> Vec<String> {
        let mut subjects: Vec<(i64, &String)> = self
            .figures
            .iter()
            .filter(|((of, _), _)| of == metric.as_str())
            .map(|((_, subject), values)| (values.values().sum(), subject))
            .collect();
        subjects.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
        subjects.into_iter().map(|(_, subject)| subject.clone()).collect()
    }

    /// Returns a figure of a day; nothing if that day was not counted. Where a day was counted and
    /// nothing happened, it is 0.
    pub fn value(&self, metric: Metric, subject: &str, day: NaiveDate) -> Option<i64> {
        let key = (metric.as_str().to_owned(), subject.to_owned());
        let found = self.figures.get(&key).and_then(|values| values.get(&day)).copied();
        // How many members there were on a day that is made up later, nobody knows any more.
        found.or_else(|| (metric != Metric::Members && self.counted.contains(&day)).then_some(0))
    }

    /// Returns the sum over everything that a metric has figures about; nothing if the day was not
    /// counted.
    pub fn total(&self, metric: Metric, day: NaiveDate) -> Option<i64> {
        let subjects = self.subjects(metric);
        let all: Vec<i64> = subjects.iter().filter_map(|subject| self.value(metric, subject, day)).collect();
        match all.is_empty() {
            true => self.value(metric, "", day),
            false => Some(all.into_iter().sum()),
        }
    }

    /// Returns the figure of the last day, and what it was a week before.
    pub fn with_last_week(&self, metric: Metric) -> (Option<i64>, Option<i64>) {
        let week_ago = self.to.checked_sub_days(Days::new(7));
        (self.total(metric, self.to), week_ago.and_then(|day| self.total(metric, day)))
    }

    /// Returns whether no day was counted.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    /// Returns the last days of it.
    pub fn last(&self, days: u64) -> Self {
        let from = self.to.checked_sub_days(Days::new(days.saturating_sub(1))).unwrap_or(self.from).max(self.from);
        let rows = self.figures.iter().flat_map(|((metric, subject), values)| {
            values.iter().map(|(day, value)| (*day, metric.clone(), subject.clone(), *value))
        });
        Self::new(from, self.to, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(day_of(at("2026-11-21T23:30:00Z"), berlin), day("2026-11-22"));
        assert_eq!(bounds(day("2026-11-22"), berlin), (at("2026-11-21T23:00:00Z"), at("2026-11-22T23:00:00Z")));
        let (start, end) = bounds(day("2026-10-25"), berlin);
        assert_eq!((end - start).num_hours(), 25);
        let (start, end) = bounds(day("2027-03-28"), berlin);
        assert_eq!((end - start).num_hours(), 23);
        assert_eq!(bounds(day("2028-02-29"), Tz::UTC), (at("2028-02-29T00:00:00Z"), at("2028-03-01T00:00:00Z")));
    }

    #[test]
    fn a_day_that_was_counted_has_zeros_and_one_that_was_not_has_nothing() {
        let row = |day_text: &str, metric: Metric, subject: &str, value| {
            (day(day_text), metric.as_str().to_owned(), subject.to_owned(), value)
        };
        let rows = [
            row("2026-11-14", Metric::Usage, "photos", 2),
            row("2026-11-21", Metric::Usage, "photos", 3),
            row("2026-11-21", Metric::Usage, "exports", 4),
            row("2026-11-21", Metric::New, "", 1),
            row("2026-12-24", Metric::New, "", 9),
        ];
        let stretch = Stretch::new(day("2026-11-01"), day("2026-11-21"), rows);
        assert_eq!(stretch.days().count(), 21);
        assert_eq!(stretch.subjects(Metric::Usage), ["photos", "exports"]);
        assert_eq!(stretch.with_last_week(Metric::Usage), (Some(7), Some(2)));
        assert_eq!(stretch.with_last_week(Metric::New), (Some(1), Some(0)));
        assert_eq!(stretch.with_last_week(Metric::Members), (None, None));
        assert_eq!(stretch.value(Metric::New, "", day("2026-11-20")), None);
        assert_eq!(stretch.last(7).with_last_week(Metric::Usage), (Some(7), None));
        assert!(stretch.last(7).subjects(Metric::Usage).len() == 2 && !stretch.is_empty());
    }
}
