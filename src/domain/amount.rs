//! Exact decimal numbers: quantities, prices and what they make together.
//!
//! Eight places after the point, as the smallest quoted prices need them; more are rounded. What
//! a person types is read by the habits of their language, and refused where it could mean two
//! things: a misread thousand would be a misread portfolio.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Sub},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::lang::Lang;

/// How many places there are after the point.
const PLACES: usize = 8;
/// One, in the smallest units.
const ONE: i128 = 100_000_000;
/// A decimal number, exact to eight places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "ssr", schema(value_type = String, pattern = r"^-?[0-9]+(\.[0-9]{1,8})?$", example = "1234.5"))]
pub struct Amount(i128);

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing there.
    #[error("a number is missing")]
    Missing,
    /// Not a number in any spelling.
    #[error("that is not a number")]
    Unreadable,
    /// `1.234` may be a thousand or a little more than one.
    #[error("that could be read in two ways: write it without a separator of thousands")]
    Ambiguous,
    /// Below zero.
    #[error("the number is below zero")]
    Negative,
    /// Zero, where that makes no sense.
    #[error("the number must be more than zero")]
    Zero,
    /// Too much to be true.
    #[error("the number is over 10,000,000,000")]
    TooLarge,
}

/// Which sign separates the fraction where both could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `1,234.5`
    Point,
    /// `1.234,5`
    Comma,
    /// Either.
    Unknown,
}

impl From<Lang> for Spelling {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::Point,
            Lang::De => Self::Comma,
        }
    }
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that may be typed. A product of two of these, five hundred times, stays far below
    /// what the type holds.
    pub const HIGHEST: Self = Self(10_000_000_000 * ONE);

    /// Makes an amount of smallest units, of which a hundred million are one.
    pub fn from_units(units: i64) -> Self {
        Self(units.into())
    }

    /// Returns the smallest units, if they are few enough for a column.
    pub fn units(self) -> Option<i64> {
        i64::try_from(self.0).ok()
    }

    /// Reads what a person typed or a file holds: `1,234.50`, `1.234,50 €`, `12`.
    pub fn parse(text: &str, spelling: Spelling) -> Result<Self, AmountError> {
        // Signs of money and blanks, narrow and unbreakable ones too, and the apostrophe of the Swiss.
        let is_dressing = |c: char| c.is_whitespace() || matches!(c, '$' | '€' | '£' | '¥' | '\'' | '’');
        let plain: String = text.chars().filter(|c| !is_dressing(*c)).collect();
        if plain.is_empty() {
            return Err(AmountError::Missing);
        }
        let (is_negative, digits) = match plain.strip_prefix(['-', '−']) {
            Some(rest) => (true, rest),
            None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
        };
        let amount = Self::from_plain(&to_plain(digits, spelling)?)?;
        if is_negative && amount != Self::ZERO { Err(AmountError::Negative) } else { Ok(amount) }
    }

    /// Reads digits with at most one point.
    fn from_plain(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || whole.len() + fraction.len() == 0 {
            return Err(AmountError::Unreadable);
        }
        let whole = whole.trim_start_matches('0');
        // Eleven digits are over the highest already, and any number of them must not overflow.
        if whole.len() > 11 {
            return Err(AmountError::TooLarge);
        }
        let number = |digits: &str| digits.bytes().fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let kept = &fraction[..fraction.len().min(PLACES)];
        let scale = 10i128.pow(u32::try_from(PLACES - kept.len()).unwrap_or(0));
        let rounds_up = fraction.as_bytes().get(PLACES).is_some_and(|digit| *digit >= b'5');
        let units = number(whole) * ONE + number(kept) * scale + i128::from(rounds_up);
        if units > Self::HIGHEST.0 { Err(AmountError::TooLarge) } else { Ok(Self(units)) }
    }

    /// Returns the product, rounded to the places there are.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        Self((self.0 * other.0 + ONE / 2).div_euclid(ONE))
    }

    /// Returns what share of `whole` this is, to six places; 0 of nothing.
    pub fn share_of(self, whole: Self) -> f64 {
        if whole.0 == 0 {
            return 0.0;
        }
        round(self.to_f64() / whole.to_f64())
    }

    /// Returns the nearest floating number, for figures that are estimates anyway.
    #[expect(clippy::cast_precision_loss, reason = "an estimate does not need the last places")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// Returns the text by which [`Amount::parse`] reads it back in that language.
    pub fn to_input(self, lang: Lang) -> String {
        match lang {
            Lang::En => self.to_string(),
            Lang::De => self.to_string().replace('.', ","),
        }
    }

    /// Writes it for reading, thousands grouped, with so many places at least and at most.
    pub fn to_text(self, lang: Lang, places: std::ops::RangeInclusive<usize>) -> String {
        let (point, comma) = match lang {
            Lang::En => ('.', ','),
            Lang::De => (',', '.'),
        };
        let (least, most) = (*places.start(), (*places.end()).min(PLACES));
        let step = 10u128.pow(u32::try_from(PLACES - most).unwrap_or(0));
        let rounded = (self.0.unsigned_abs() + step / 2) / step * step;
        let one = ONE.unsigned_abs();
        let whole = (rounded / one).to_string();
        let mut text = String::new();
        if self.0 < 0 && rounded > 0 {
            text.push('−');
        }
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                text.push(comma);
            }
            text.push(digit);
        }
        let fraction = format!("{:0PLACES$}", rounded % one);
        let needed = fraction.trim_end_matches('0').len().clamp(least, most.max(least));
        if needed > 0 {
            text.push(point);
            text.push_str(&fraction[..needed]);
        }
        text
    }
}

/// Returns a figure to six places: what comes after them is noise of the arithmetic.
pub fn round(figure: f64) -> f64 {
    let rounded = (figure * 1e6).round() / 1e6;
    // There is no minus zero in figures.
    if rounded == 0.0 { 0.0 } else { rounded }
}

/// Takes out what groups thousands, and makes a point of what separates the fraction.
fn to_plain(text: &str, spelling: Spelling) -> Result<String, AmountError> {
    let count = |sign: char| text.matches(sign).count();
    let as_fraction = |sign: char| text.replace(sign, ".");
    match (count('.'), count(',')) {
        (0, 0) => Ok(text.to_owned()),
        (points, commas) if points > 0 && commas > 0 => {
            let (group, fraction) = if text.rfind('.') > text.rfind(',') { (',', '.') } else { ('.', ',') };
            let (whole, rest) = text.split_once(fraction).unwrap_or((text, ""));
            if rest.contains([group, fraction]) {
                return Err(AmountError::Unreadable);
            }
            Ok(format!("{}.{rest}", ungrouped(whole, group)?))
        }
        (1, 0) | (0, 1) => {
            let sign = if text.contains('.') { '.' } else { ',' };
            let could_group = ungrouped(text, sign).is_ok();
            match (spelling, sign) {
                (Spelling::Point, '.') | (Spelling::Comma, ',') => Ok(as_fraction(sign)),
                _ if !could_group => Ok(as_fraction(sign)),
                // Nobody who writes a point for the fraction writes a comma for it, too. The other way
                // round it happens, in every file that a program wrote.
                (Spelling::Point, _) => ungrouped(text, sign),
                _ => Err(AmountError::Ambiguous),
            }
        }
        (_, 0) => ungrouped(text, '.'),
        _ => ungrouped(text, ','),
    }
}

/// Returns the digits without the sign between groups of three; an error if they are no such
/// groups.
fn ungrouped(text: &str, sign: char) -> Result<String, AmountError> {
    let mut groups = text.split(sign);
    let first = groups.next().unwrap_or_default();
    let is_head = (1..=3).contains(&first.len()) && !first.starts_with('0');
    if is_head && groups.all(|group| group.len() == 3) {
        Ok(text.replace(sign, ""))
    } else {
        Err(AmountError::Unreadable)
    }
}

impl fmt::Display for Amount {
    /// Writes digits, and a point if there is a fraction: what every program reads.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.0.unsigned_abs();
        let one = ONE.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{:0PLACES$}", units % one);
        match fraction.trim_end_matches('0') {
            "" => write!(out, "{sign}{}", units / one),
            fraction => write!(out, "{sign}{}.{fraction}", units / one),
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    /// Reads what [`fmt::Display`] writes, unless it is below zero.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let has_both_sides = text.split_once('.').is_none_or(|(whole, rest)| !whole.is_empty() && !rest.is_empty());
        match text.strip_prefix('-') {
            Some(_) => Err(AmountError::Negative),
            None if has_both_sides => Self::from_plain(text),
            None => Err(AmountError::Unreadable),
        }
    }
}

impl Serialize for Amount {
    /// Writes a text: a JSON number would be a float on the other side.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    /// Reads a text or a number, zero or more.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Amount;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a number from 0 to 10,000,000,000")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            // Written without an exponent, and shortest: 0.1 comes back as 0.1.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    #[test]
    fn people_write_numbers_in_many_ways() {
        use AmountError::{Ambiguous, Missing, Negative, TooLarge, Unreadable};
        use Spelling::{Comma, Point, Unknown};
        for (text, spelling, expected) in [
            ("12", Point, Ok("12")),
            (" 1,234.50 ", Point, Ok("1234.5")),
            ("1.234,50", Point, Ok("1234.5")),
            ("1,234.50", Comma, Ok("1234.5")),
            ("$1,234", Point, Ok("1234")),
            ("1,234", Comma, Ok("1.234")),
            ("1,234", Unknown, Err(Ambiguous)),
            ("1.234", Point, Ok("1.234")),
            ("1.234", Comma, Err(Ambiguous)),
            ("1.234", Unknown, Err(Ambiguous)),
            ("0.123", Comma, Ok("0.123")),
            ("0,123", Point, Ok("0.123")),
            ("12.5", Comma, Ok("12.5")),
            ("12,5", Point, Ok("12.5")),
            ("1234.567", Unknown, Ok("1234.567")),
            ("1.234.567", Point, Ok("1234567")),
            ("1,234,567", Comma, Ok("1234567")),
            ("1\u{a0}234,5 €", Comma, Ok("1234.5")),
            ("1’234.50", Comma, Ok("1234.5")),
            (".5", Point, Ok("0.5")),
            ("+7", Point, Ok("7")),
            ("0.00000001", Point, Ok("0.00000001")),
            ("0.000000014", Point, Ok("0.00000001")),
            ("0.000000015", Point, Ok("0.00000002")),
            ("10000000000", Point, Ok("10000000000")),
            ("10000000000.01", Point, Err(TooLarge)),
            ("99999999999999999999999999999999999999999999", Point, Err(TooLarge)),
            ("-1", Point, Err(Negative)),
            ("−0.5", Point, Err(Negative)),
            ("-0", Point, Ok("0")),
            ("", Point, Err(Missing)),
            (" € ", Point, Err(Missing)),
            (".", Point, Err(Unreadable)),
            ("1e3", Point, Err(Unreadable)),
            ("1.2.3", Point, Err(Unreadable)),
            ("12,34,567", Comma, Err(Unreadable)),
            ("1,23.4,5", Point, Err(Unreadable)),
            ("NaN", Point, Err(Unreadable)),
            ("٣", Point, Err(Unreadable)),
        ] {
            let found = Amount::parse(text, spelling).map(|amount| amount.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{text:?} {spelling:?}");
        }
    }

    #[test]
    fn they_are_written_for_readers() {
        assert_eq!(amount("1234567.5").to_text(Lang::En, 2..=2), "1,234,567.50");
        assert_eq!(amount("1234567.5").to_text(Lang::De, 2..=2), "1.234.567,50");
        assert_eq!(amount("0.00001234").to_text(Lang::En, 2..=8), "0.00001234");
        assert_eq!(amount("3").to_text(Lang::En, 0..=8), "3");
        assert_eq!(amount("0.995").to_text(Lang::En, 2..=2), "1.00");
        assert_eq!((amount("1") - amount("2.345")).to_text(Lang::De, 2..=2), "−1,35");
        assert_eq!((amount("1") - amount("1.001")).to_text(Lang::En, 2..=2), "0.00");
        assert_eq!((amount("1") - amount("2.5")).to_string(), "-1.5");
    }

    #[test]
    fn json_has_texts_and_takes_numbers() {
        for (json, expected) in [("\"1.5\"", "1.5"), ("1.5", "1.5"), ("0.1", "0.1"), ("7", "7"), ("1e2", "100")] {
            let read: Amount = serde_json::from_str(json).expect(json);
            assert_eq!(serde_json::to_string(&read).expect("JSON"), format!("\"{expected}\""), "{json}");
        }
        for json in [
            "\".5\"",
            "\"5.\"",
            "-1",
            "-0.5",
            "\"-1\"",
            "\"1,5\"",
            "\"\"",
            "null",
            "[]",
            "true",
            "1e30",
            "18446744073709551615",
        ] {
            assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_largest_products_fit() {
        let most = amount("10000000000");
        let all: Amount = (0..500).map(|_| most.times(most)).sum();
        assert_eq!(all.to_string(), format!("5{}", "0".repeat(22)));
        assert_eq!(all.units(), None);
        assert_eq!(most.times(most).share_of(all), 0.002);
        assert_eq!(amount("0.00000001").times(amount("0.5")).to_string(), "0.00000001");
        assert_eq!(amount("0.00000001").times(amount("0.49")), Amount::ZERO);
        assert_eq!(amount("1").share_of(Amount::ZERO), 0.0);
        assert_eq!(amount("1").share_of(amount("3")), 0.333_333);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units in 0i64..=1_000_000_000_000_000_000) {
            let amount = Amount::from_units(units);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
            for lang in Lang::ALL {
                prop_assert_eq!(Amount::parse(&amount.to_input(lang), lang.into()), Ok(amount));
                prop_assert_eq!(Amount::parse(&amount.to_text(lang, 2..=8), lang.into()), Ok(amount));
            }
            prop_assert_eq!(amount.units(), Some(units));
        }

        #[test]
        fn nothing_typed_breaks_it(text in ".{0,40}") {
            for spelling in [Spelling::Point, Spelling::Comma, Spelling::Unknown] {
                let _ = Amount::parse(&text, spelling);
            }
        }

        #[test]
        fn products_are_those_of_whole_numbers(a in 0i64..100_000, b in 0i64..100_000) {
            let of = |number: i64| Amount::from_units(number * 100_000_000);
            prop_assert_eq!(of(a).times(of(b)), Amount(i128::from(a) * i128::from(b) * ONE));
        }
    }
}
