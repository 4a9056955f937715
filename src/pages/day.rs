//! Days as forms send them.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::period::{Anchor, Period, ResetPeriod, can_be_kept};

/// A text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDay;

/// Reads the last day of something, as `<input type="date">` sends it, and returns the end of that
/// day in the product's zone; nothing for an empty field. A day that ends in the year 10000 is none.
pub fn end_of_day(typed: &str, zone: Tz) -> Result<Option<DateTime<Utc>>, NoDay> {
    let Some(day) = day(typed, zone)? else { return Ok(None) };
    day.end.filter(|end| can_be_kept(*end)).map(Some).ok_or(NoDay)
}

/// Reads the first day of something and returns the beginning of that day in the product's zone;
/// nothing for an empty field.
pub fn start_of_day(typed: &str, zone: Tz) -> Result<Option<DateTime<Utc>>, NoDay> {
    Ok(day(typed, zone)?.map(|day| day.start))
}

fn day(typed: &str, zone: Tz) -> Result<Option<Period>, NoDay> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    let is_plain = typed.len() == "2026-12-31".len();
    let day = NaiveDate::parse_from_str(typed, "%Y-%m-%d").ok().filter(|_| is_plain).ok_or(NoDay)?;
    // No clock is set back or forth at noon.
    let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0).expect("a time of day"));
    let noon = zone.from_local_datetime(&noon).earliest().ok_or(NoDay)?;
    Ok(Some(Period::of(ResetPeriod::Daily, Anchor::Calendar, &zone, noon.with_timezone(&Utc))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_counts_to_its_end() {
        let at = |text: &str| Ok(Some(text.parse().expect("an instant")));
        assert_eq!(end_of_day(" ", Tz::UTC), Ok(None));
        assert_eq!(end_of_day("2026-12-31", Tz::UTC), at("2027-01-01T00:00:00Z"));
        assert_eq!(end_of_day("2026-12-31", Tz::Europe__Berlin), at("2026-12-31T23:00:00Z"));
        assert_eq!(end_of_day("2026-10-25", Tz::Europe__Berlin), at("2026-10-25T23:00:00Z"), "a day of 25 hours");
        assert_eq!(start_of_day("2026-12-31", Tz::Europe__Berlin), at("2026-12-30T23:00:00Z"));
        assert_eq!(start_of_day("", Tz::UTC), Ok(None));
        assert_eq!(end_of_day("9999-12-30", Tz::UTC), at("9999-12-31T00:00:00Z"));
        assert_eq!(start_of_day("9999-12-31", Tz::UTC), at("9999-12-31T00:00:00Z"));
        assert_eq!(end_of_day("9999-12-31", Tz::UTC), Err(NoDay), "it ends in the year 10000");
        assert_eq!(end_of_day("9999-12-31", Tz::America__New_York), Err(NoDay));
        assert_eq!(end_of_day("9999-12-31", Tz::Asia__Tokyo), at("9999-12-31T15:00:00Z"));
        for bad in ["31.12.2026", "2026-02-30", "2026-13-01", "tomorrow", "+262142-12-31", "0000-00-00", "2026-1-001"] {
            assert_eq!(end_of_day(bad, Tz::UTC), Err(NoDay), "{bad}");
            assert_eq!(start_of_day(bad, Tz::UTC), Err(NoDay), "{bad}");
        }
    }
}
