//! Referral codes: how a member's code looks, and how a pasted one is read.
//!
//! Source: seed "referral_service" (alphabet, length, normalisation). Its comment counts 32
//! characters; the alphabet has 31, and the alphabet stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The letters and digits of codes: none that is mistaken for another (no 0/O, 1/I/L).
pub const ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";

/// How many characters a referral code has.
pub const CODE_LENGTH: usize = 8;

/// How long an invitation rewards both sides, in days, and how long a conversion counts as an
/// active credit in the statistics.
pub const REWARD_DAYS: i64 = 45;

/// A member's referral code, always in its normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema), schema(value_type = String, example = "K7MQ2XWA"))]
#[serde(transparent)]
pub struct ReferralCode(String);

impl ReferralCode {
    /// Reads a code as pasted or typed: upper-cased, with everything outside the alphabet left
    /// out. Returns `None` unless exactly eight characters remain.
    pub fn normalise(raw: &str) -> Option<Self> {
        let mut code = String::with_capacity(CODE_LENGTH);
        for letter in raw.chars().map(|c| c.to_ascii_uppercase()) {
            if !letter.is_ascii() || !ALPHABET.contains(&(letter as u8)) {
                continue;
            }
            if code.len() == CODE_LENGTH {
                return None;
            }
            code.push(letter);
        }
        (code.len() == CODE_LENGTH).then_some(Self(code))
    }

    /// Makes a code from random numbers below 31, drawn one a character.
    pub fn generate(mut below_31: impl FnMut() -> u8) -> Self {
        let letters = (0..CODE_LENGTH).map(|_| char::from(ALPHABET[usize::from(below_31()) % ALPHABET.len()]));
        Self(letters.collect())
    }

    /// Returns the code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReferralCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What became of a member's invitations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ReferralStats {
    /// Friends who signed in and have not paid yet.
    pub pending: i64,
    /// Friends who have paid.
    pub converted: i64,
    /// Conversions whose 45 days are still running.
    pub active_credits: i64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pasted_codes_are_read_generously() {
        let code = ReferralCode::normalise("K7MQ2XWA");
        assert!(code.is_some());
        for raw in ["k7mq2xwa", " K7MQ 2XWA\n", "k7mq-2xwa", "K7MQ2XWA\u{200b}", "«K7MQ2XWA»"] {
            assert_eq!(ReferralCode::normalise(raw), code, "{raw:?}");
        }
        for raw in ["", "K7MQ2XW", "K7MQ2XWAA", "00000000", "IIIIllll", &"A".repeat(10_000)] {
            assert_eq!(ReferralCode::normalise(raw), None, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn generated_codes_are_normal(numbers in proptest::collection::vec(0u8..31, CODE_LENGTH)) {
            let mut numbers = numbers.into_iter();
            let code = ReferralCode::generate(|| numbers.next().expect("eight are drawn"));
            prop_assert_eq!(ReferralCode::normalise(code.as_str()), Some(code));
        }

        #[test]
        fn normalising_never_panics(raw in "\\PC{0,64}") {
            let _ = ReferralCode::normalise(&raw);
        }
    }
}
