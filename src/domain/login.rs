//! Signing in by a code from an e-mail: its parameters and rules.
//!
//! Source: reference "Reliability and security" §2, after OWASP ASVS 6.5 and NIST 800-63B.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::referral::ALPHABET;

/// How long a code can be used.
pub const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// How long a flow can be taken up again with a new code, and its cookie lives.
pub const FLOW_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How many tries a code has; each is counted before it is compared.
pub const TRIES_PER_CODE: i64 = 5;
/// How long to wait before the same flow sends another code.
pub const RESEND_AFTER: TimeDelta = TimeDelta::seconds(60);
/// Consecutive failures of an address after which its codes become long.
pub const FAILURES_BEFORE_LONG_CODES: i64 = 20;
/// The digits of a usual code.
pub const SHORT_CODE_LENGTH: usize = 6;
/// The letters and digits of a long code: 31^10, about 49 bits.
pub const LONG_CODE_LENGTH: usize = 10;

/// How many of something may happen in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The name under which it is counted.
    pub name: &'static str,
    /// How many.
    pub count: i64,
    /// In how long a time, counted from the first.
    pub window: TimeDelta,
}

/// Codes sent to one address.
pub const SENDS_PER_ADDRESS: [Allowance; 2] = [
    Allowance { name: "login_address", count: 3, window: TimeDelta::minutes(15) },
    Allowance { name: "login_address_day", count: 10, window: TimeDelta::days(1) },
];

/// Codes asked for from one network: an IPv4 address, or an IPv6 /64.
pub const SENDS_PER_NETWORK: Allowance = Allowance { name: "login_network", count: 10, window: TimeDelta::minutes(10) };

/// A code as a person types it, in its normal form.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginCode(String);

/// Why a text cannot be a code at all. It does not count as a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Nothing was typed.
    #[error("the code is missing")]
    Empty,
    /// Neither six digits nor ten letters and digits.
    #[error("a code has six digits, or ten letters and digits")]
    Shape,
}

impl LoginCode {
    /// Reads a code, whatever spaces and dashes it was pasted with.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if text.len() > 64 {
            return Err(CodeError::Shape);
        }
        let code: String =
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
        let is_short = code.len() == SHORT_CODE_LENGTH && code.bytes().all(|byte| byte.is_ascii_digit());
        let is_long = code.len() == LONG_CODE_LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
        match code.as_str() {
            "" => Err(CodeError::Empty),
            _ if is_short || is_long => Ok(Self(code)),
            _ => Err(CodeError::Shape),
        }
    }

    /// Makes a code from a number that is uniform over 128 bits: the bias of taking a remainder
    /// is below one in 2^78.
    pub fn from_number(mut number: u128, long: bool) -> Self {
        if !long {
            return Self(format!("{:06}", number % 1_000_000));
        }
        let base = ALPHABET.len() as u128;
        let mut code = String::with_capacity(LONG_CODE_LENGTH);
        for _ in 0..LONG_CODE_LENGTH {
            code.push(char::from(ALPHABET[usize::try_from(number % base).unwrap_or(0)]));
            number /= base;
        }
        Self(code)
    }

    /// Returns the code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether an address with so many consecutive failures gets long codes.
pub fn needs_long_code(consecutive_failures: i64) -> bool {
    consecutive_failures >= FAILURES_BEFORE_LONG_CODES
}

/// Returns how many seconds to wait before another code may be sent; 0 when it may be now.
pub fn seconds_until_resend(sent_at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let left = sent_at + RESEND_AFTER - now;
    (left.num_milliseconds().max(0) + 999) / 1000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_are_read_however_they_were_pasted() {
        let text = |raw| LoginCode::parse(raw).map(|code| code.0);
        assert_eq!(text(" 123 456 "), Ok("123456".into()));
        assert_eq!(text("123-456"), Ok("123456".into()));
        assert_eq!(text("abcde-fghj2"), Ok("ABCDEFGHJ2".into()));
        assert_eq!(text(""), Err(CodeError::Empty));
        for raw in ["12345", "1234567", "12345a", "１２３４５６", "ABCDEFGHI0", "\0\0\0\0\0\0"] {
            assert_eq!(text(raw), Err(CodeError::Shape), "{raw:?}");
        }
        assert_eq!(text(&"1".repeat(10_000)), Err(CodeError::Shape));
    }

    #[test]
    fn waiting_is_rounded_up_and_ends() {
        let sent = DateTime::from_timestamp(1_000, 0).expect("in range");
        assert_eq!(seconds_until_resend(sent, sent), 60);
        assert_eq!(seconds_until_resend(sent, sent + TimeDelta::milliseconds(500)), 60);
        assert_eq!(seconds_until_resend(sent, sent + TimeDelta::seconds(59)), 1);
        assert_eq!(seconds_until_resend(sent, sent + TimeDelta::seconds(60)), 0);
        assert_eq!(seconds_until_resend(sent, sent + TimeDelta::days(1)), 0);
    }

    proptest! {
        #[test]
        fn made_codes_can_be_typed(number in any::<u128>(), long in any::<bool>()) {
            let code = LoginCode::from_number(number, long);
            prop_assert!(LoginCode::parse(code.as_str()).is_ok_and(|read| read == code));
        }
    }
}
