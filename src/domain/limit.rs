//! Limits, and the cells of the matrix in which they stand.
//!
//! `null` is unlimited, `0` is off, and a cell without a row is neither: the feature's default
//! shows through (design §4).

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The highest number that a limit may be; a JSON reader still holds it exactly.
pub const HIGHEST_LIMIT: i64 = 1_000_000_000_000;

/// The shares of a limit, in percent, of which others are told when they are used up.
const TOLD_SHARES: [i64; 2] = [80, 100];

/// How much of a feature there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// So many, 0 meaning off.
    At(i64),
    /// As many as one likes.
    Unlimited,
}

impl Limit {
    /// Not at all.
    pub const OFF: Self = Self::At(0);

    /// Reads what the database holds: `NULL` is unlimited.
    pub fn from_stored(value: Option<i64>) -> Self {
        value.map_or(Self::Unlimited, Self::At)
    }

    /// Returns what the database holds.
    pub fn to_stored(self) -> Option<i64> {
        match self {
            Self::At(count) => Some(count),
            Self::Unlimited => None,
        }
    }

    /// Returns the shares of this limit, in percent, that are reached by using more, each with the limit
    /// itself. None of what is off or without end.
    pub fn thresholds_between(self, before: i64, after: i64) -> impl Iterator<Item = (i64, i64)> {
        let limit = self.to_stored().filter(|limit| *limit > 0);
        let is_reached =
            |used: i64, percent: i64, limit: i64| used.saturating_mul(100) >= limit.saturating_mul(percent);
        limit.into_iter().flat_map(move |limit| {
            TOLD_SHARES
                .into_iter()
                .filter(move |percent| is_reached(after, *percent, limit) && !is_reached(before, *percent, limit))
                .map(move |percent| (percent, limit))
        })
    }

    /// Returns whether this is more than `other`.
    pub fn exceeds(self, other: Self) -> bool {
        match (self, other) {
            (Self::At(mine), Self::At(theirs)) => mine > theirs,
            (Self::Unlimited, Self::At(_)) => true,
            (_, Self::Unlimited) => false,
        }
    }
}

/// What kind of thing a feature's limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// Things, one by one.
    Count,
    /// Nothing: the feature is on or off.
    Boolean,
    /// An amount of something.
    Quota,
}

impl LimitKind {
    /// Returns the word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Boolean => "boolean",
            Self::Quota => "quota",
        }
    }
}

/// A word that names no kind of limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kind of limit is none of count, boolean and quota")]
pub struct UnknownLimitKind;

impl FromStr for LimitKind {
    type Err = UnknownLimitKind;

    fn from_str(text: &str) -> Result<Self, UnknownLimitKind> {
        match text {
            "count" => Ok(Self::Count),
            "boolean" => Ok(Self::Boolean),
            "quota" => Ok(Self::Quota),
            _ => Err(UnknownLimitKind),
        }
    }
}

/// What stands in one cell of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Nothing: the feature's default counts.
    Inherited,
    /// A limit of the tier's own.
    Own(Limit),
}

/// Why a text cannot stand in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellError {
    /// Not a limit in any spelling.
    #[error("type a number, off, ∞ or default")]
    Unreadable,
    /// Over [`HIGHEST_LIMIT`], or below zero.
    #[error("a limit is between 0 and 1,000,000,000,000")]
    OutOfRange,
    /// A number where only on or off makes sense.
    #[error("this feature is only on or off")]
    OnlyOnOrOff,
}

impl Cell {
    /// Returns the limit that counts, given the feature's default.
    pub fn or_default(self, default: Limit) -> Limit {
        match self {
            Self::Inherited => default,
            Self::Own(limit) => limit,
        }
    }

    /// Reads a cell as a person types it: `50`, `5k`, `1.5M`, `1,000`, `off`, `∞`, `default`,
    /// or nothing at all for the default; in English or German.
    pub fn parse(text: &str, kind: LimitKind) -> Result<Self, CellError> {
        // Our own words are ASCII, and the tables for all others would double this code in the browser.
        let word = text.trim().to_ascii_lowercase();
        let limit = match word.as_str() {
            "" | "inherit" | "inherited" | "default" | "geerbt" | "standard" => return Ok(Self::Inherited),
            "off" | "aus" | "no" | "nein" | "false" | "✗" => Limit::OFF,
            "on" | "an" | "ein" | "yes" | "ja" | "true" | "✓" if kind == LimitKind::Boolean => Limit::At(1),
            "∞" | "inf" | "infinity" | "infinite" | "unlimited" | "unbegrenzt" | "unendlich"
                if kind == LimitKind::Boolean =>
            {
                Limit::At(1)
            }
            "∞" | "inf" | "infinity" | "infinite" | "unlimited" | "unbegrenzt" | "unendlich" => Limit::Unlimited,
            number => Limit::At(parse_number(number)?),
        };
        Self::Own(limit).check(kind)
    }

    /// Returns the cell if a feature of this kind can have it.
    pub fn check(self, kind: LimitKind) -> Result<Self, CellError> {
        match (self, kind) {
            (Self::Own(Limit::At(count)), _) if !(0..=HIGHEST_LIMIT).contains(&count) => Err(CellError::OutOfRange),
            (Self::Own(Limit::At(0 | 1)) | Self::Inherited, LimitKind::Boolean) => Ok(self),
            (_, LimitKind::Boolean) => Err(CellError::OnlyOnOrOff),
            _ => Ok(self),
        }
    }

    /// Returns a spelling that [`Cell::parse`] reads as this cell again, for input fields and
    /// data attributes.
    pub fn to_input(self, kind: LimitKind) -> String {
        match (self, kind) {
            (Self::Inherited, _) => String::new(),
            (Self::Own(Limit::Unlimited), _) => "∞".to_owned(),
            (Self::Own(Limit::OFF), _) => "off".to_owned(),
            (Self::Own(Limit::At(_)), LimitKind::Boolean) => "on".to_owned(),
            (Self::Own(Limit::At(count)), _) => count.to_string(),
        }
    }
}

/// Reads `1000`, `1,000`, `1.000`, `1 000`, `5k`, `1.5M`, `2g`.
fn parse_number(text: &str) -> Result<i64, CellError> {
    if text.chars().count() > 24 {
        return Err(CellError::Unreadable);
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '\'' | '’')).collect();
    if let Some(rest) = compact.strip_prefix(['-', '−']) {
        return Err(if parse_number(rest).is_ok() { CellError::OutOfRange } else { CellError::Unreadable });
    }
    let (digits, factor) = match compact.char_indices().next_back() {
        Some((at, 'k')) => (&compact[..at], 1_000),
        Some((at, 'm')) => (&compact[..at], 1_000_000),
        Some((at, 'g')) => (&compact[..at], 1_000_000_000),
        _ => (compact.as_str(), 1),
    };
    let parts: Vec<&str> = digits.split(['.', ',']).collect();
    if parts.iter().any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(CellError::Unreadable);
    }
    let whole = |text: &str| text.parse::<i64>().map_err(|_| CellError::OutOfRange);
    let value = match parts.as_slice() {
        [number] => whole(number)?.checked_mul(factor),
        // With a letter behind it the mark is a decimal one: 1.5M, 1,5M.
        [number, fraction] if factor > 1 && fraction.len() <= 9 => {
            let scale = 10_i64.pow(u32::try_from(fraction.len()).unwrap_or(9));
            let fraction = whole(fraction)?.checked_mul(factor).ok_or(CellError::OutOfRange)?;
            if fraction % scale != 0 {
                return Err(CellError::Unreadable);
            }
            whole(number)?.checked_mul(factor).and_then(|whole| whole.checked_add(fraction / scale))
        }
        // Without one it groups thousands: 1,000 and 1.000.000.
        [first, groups @ ..] if factor == 1 && first.len() <= 3 && groups.iter().all(|group| group.len() == 3) => {
            Some(whole(&parts.concat())?)
        }
        _ => return Err(CellError::Unreadable),
    };
    value.filter(|value| *value <= HIGHEST_LIMIT).ok_or(CellError::OutOfRange)
}

// On the wire a limit is a number or null, and a cell may also be the word "inherit".

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_stored().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<i64>::deserialize(deserializer).map(Self::from_stored)
    }
}

/// The shapes that a cell has on the wire.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CellOnTheWire {
    Number(i64),
    Word(Inherit),
    Unlimited(()),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Inherit {
    Inherit,
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Inherited => CellOnTheWire::Word(Inherit::Inherit),
            Self::Own(Limit::At(count)) => CellOnTheWire::Number(*count),
            Self::Own(Limit::Unlimited) => CellOnTheWire::Unlimited(()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match CellOnTheWire::deserialize(deserializer)? {
            CellOnTheWire::Number(count) => Self::Own(Limit::At(count)),
            CellOnTheWire::Word(Inherit::Inherit) => Self::Inherited,
            CellOnTheWire::Unlimited(()) => Self::Own(Limit::Unlimited),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_are_read_as_people_type_them() {
        let at = |count| Ok(Cell::Own(Limit::At(count)));
        let cases = [
            ("50", at(50)),
            (" 5k ", at(5_000)),
            ("1.5M", at(1_500_000)),
            ("1,5m", at(1_500_000)),
            ("2g", at(2_000_000_000)),
            ("1,000", at(1_000)),
            ("1.000.000", at(1_000_000)),
            ("1 000", at(1_000)),
            ("1'000", at(1_000)),
            ("off", at(0)),
            ("Aus", at(0)),
            ("0", at(0)),
            ("∞", Ok(Cell::Own(Limit::Unlimited))),
            ("Unlimited", Ok(Cell::Own(Limit::Unlimited))),
            ("unbegrenzt", Ok(Cell::Own(Limit::Unlimited))),
            ("", Ok(Cell::Inherited)),
            ("default", Ok(Cell::Inherited)),
            ("geerbt", Ok(Cell::Inherited)),
            ("1000000000000", at(HIGHEST_LIMIT)),
            ("1000000000001", Err(CellError::OutOfRange)),
            ("99999999999999999999", Err(CellError::OutOfRange)),
            ("-1", Err(CellError::OutOfRange)),
            ("1.5", Err(CellError::Unreadable)),
            ("1.23456k", Err(CellError::Unreadable)),
            ("10,00", Err(CellError::Unreadable)),
            ("on", Err(CellError::Unreadable)),
            ("k", Err(CellError::Unreadable)),
            ("5kk", Err(CellError::Unreadable)),
            ("<b>", Err(CellError::Unreadable)),
            ("\0", Err(CellError::Unreadable)),
        ];
        for (text, expected) in cases {
            assert_eq!(Cell::parse(text, LimitKind::Count), expected, "{text:?}");
        }
        assert_eq!(Cell::parse(&"9".repeat(10_000), LimitKind::Count), Err(CellError::Unreadable));
    }

    #[test]
    fn a_switch_is_only_on_or_off() {
        for (text, expected) in [("on", 1), ("∞", 1), ("ja", 1), ("1", 1), ("off", 0), ("nein", 0)] {
            assert_eq!(Cell::parse(text, LimitKind::Boolean), Ok(Cell::Own(Limit::At(expected))), "{text}");
        }
        assert_eq!(Cell::parse("2", LimitKind::Boolean), Err(CellError::OnlyOnOrOff));
        assert_eq!(Cell::Own(Limit::Unlimited).check(LimitKind::Boolean), Err(CellError::OnlyOnOrOff));
    }

    #[test]
    fn a_cell_is_a_number_null_or_inherit_on_the_wire() {
        for (cell, json) in
            [(Cell::Own(Limit::At(3)), "3"), (Cell::Own(Limit::Unlimited), "null"), (Cell::Inherited, "\"inherit\"")]
        {
            assert_eq!(serde_json::to_string(&cell).expect("serialises"), json);
            assert_eq!(serde_json::from_str::<Cell>(json).expect("reads"), cell);
        }
        for bad in ["\"off\"", "1.5", "{}", "[]", "true"] {
            assert!(serde_json::from_str::<Cell>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_threshold_is_reached_by_the_unit_that_reaches_it_and_no_other() {
        let told = |limit: Limit, before, after| limit.thresholds_between(before, after).collect::<Vec<_>>();
        let ten = Limit::At(10);
        assert_eq!(told(ten, 0, 7), []);
        assert_eq!(told(ten, 7, 8), [(80, 10)]);
        assert_eq!(told(ten, 8, 9), []);
        assert_eq!(told(ten, 9, 10), [(100, 10)]);
        assert_eq!(told(ten, 10, 11), []);
        assert_eq!(told(ten, 0, 10), [(80, 10), (100, 10)]);
        assert_eq!(told(ten, 10, 7), []);
        // Of one, or of three, nothing lies at exactly four fifths.
        assert_eq!(told(Limit::At(1), 0, 1), [(80, 1), (100, 1)]);
        assert_eq!(told(Limit::At(3), 1, 2), []);
        assert_eq!(told(Limit::OFF, 0, 5), []);
        assert_eq!(told(Limit::Unlimited, 0, 5), []);
    }

    proptest! {
        #[test]
        fn what_a_field_shows_is_read_as_the_same_cell(
            count in 0..=HIGHEST_LIMIT, shape in 0..3, kind in prop_oneof![Just(LimitKind::Count), Just(LimitKind::Quota)],
        ) {
            let cell = match shape {
                0 => Cell::Own(Limit::At(count)),
                1 => Cell::Own(Limit::Unlimited),
                _ => Cell::Inherited,
            };
            prop_assert_eq!(Cell::parse(&cell.to_input(kind), kind), Ok(cell));
        }

        #[test]
        fn reading_a_cell_never_panics(text in "\\PC{0,32}") {
            let _ = Cell::parse(&text, LimitKind::Count);
        }
    }
}
