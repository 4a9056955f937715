//! E-mail addresses.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// An address that can be written to, as it was typed, with the key by which it is compared.
///
/// The key is the local part in NFC and lower case, and the domain in lower-case ASCII (IDNA).
/// `+tags` and dots stay: whether they matter is the receiving server's affair.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    typed: String,
    key: EmailKey,
}

/// The form of an address by which two spellings of it are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[serde(transparent)]
pub struct EmailKey(String);

impl EmailKey {
    /// Returns the key of who has no address: it is unique by the external id, and no address looks like it.
    pub fn without_address(external_id: &str) -> Self {
        Self(format!("external:{external_id}"))
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing was typed.
    #[error("an e-mail address is needed")]
    Empty,
    /// Over 254 characters in all or 64 before the `@` (RFC 5321 §4.5.3.1).
    #[error("the address is too long")]
    TooLong,
    /// No `@`, or nothing before it.
    #[error("the address needs a name, an @ and a domain")]
    NoAt,
    /// The domain has no dot, or its ending is not one.
    #[error("the domain after the @ needs an ending, like example.com")]
    NoEnding,
    /// A character that no mail server takes unquoted.
    #[error("the address holds a character that cannot be part of it")]
    BadCharacter,
}

impl EmailAddress {
    /// Reads an address as a person typed it.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.chars().count() > 254 {
            return Err(EmailError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || "\"(),:;<>[\\]\u{feff}\u{200b}".contains(c)) {
            return Err(EmailError::BadCharacter);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::NoAt)?;
        if local.is_empty() || domain.is_empty() {
            return Err(EmailError::NoAt);
        }
        if local.len() > 64 {
            return Err(EmailError::TooLong);
        }
        if local.contains('@') || local.starts_with('.') || local.ends_with('.') || local.contains("..") {
            return Err(EmailError::BadCharacter);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError::BadCharacter)?;
        let ending = domain.rsplit_once('.').map(|(_, ending)| ending).ok_or(EmailError::NoEnding)?;
        if ending.len() < 2 || ending.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EmailError::NoEnding);
        }
        let local: String = local.nfc().collect::<String>().to_lowercase();
        Ok(Self { typed: text.nfc().collect(), key: EmailKey(format!("{local}@{domain}")) })
    }

    /// Returns the key by which the address is compared.
    pub fn key(&self) -> &EmailKey {
        &self.key
    }

    /// Returns the address as it was typed.
    pub fn as_str(&self) -> &str {
        &self.typed
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.typed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_has_no_address_has_a_key_that_no_address_has() {
        assert_eq!(EmailKey::without_address("17").as_str(), "external:17");
        // Whatever the external id looks like: a colon ends no local part.
        let lookalike = EmailKey::without_address("ann@example.com");
        assert_eq!(EmailAddress::parse(lookalike.as_str()), Err(EmailError::BadCharacter));
    }

    #[test]
    fn spellings_of_one_address_share_a_key() {
        let key = |text| EmailAddress::parse(text).map(|address| address.key.0);
        assert_eq!(key("  Ann@Example.COM "), Ok("ann@example.com".into()));
        assert_eq!(key("ann+news@example.com"), Ok("ann+news@example.com".into()));
        assert_eq!(key("jörg@bücher.example"), key("JO\u{308}RG@xn--bcher-kva.example"));
    }

    #[test]
    fn what_is_no_address_says_why() {
        let long = format!("{}@example.com", "a".repeat(65));
        let cases = [
            ("", EmailError::Empty),
            ("   ", EmailError::Empty),
            ("ann", EmailError::NoAt),
            ("@example.com", EmailError::NoAt),
            ("ann@", EmailError::NoAt),
            ("ann@example", EmailError::NoEnding),
            ("ann@127.0.0.1", EmailError::NoEnding),
            ("a nn@example.com", EmailError::BadCharacter),
            ("ann\0@example.com", EmailError::BadCharacter),
            ("ann@exa\nmple.com", EmailError::BadCharacter),
            ("a@b@example.com", EmailError::BadCharacter),
            (".ann@example.com", EmailError::BadCharacter),
            ("<ann@example.com>", EmailError::BadCharacter),
            ("ann@exam_ple.com", EmailError::BadCharacter),
            (long.as_str(), EmailError::TooLong),
        ];
        for (text, expected) in cases {
            assert_eq!(EmailAddress::parse(text), Err(expected), "{text:?}");
        }
        assert_eq!(EmailAddress::parse(&"x".repeat(10_000)), Err(EmailError::TooLong));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_stable(text in "\\PC{0,40}(@\\PC{0,20})?") {
            if let Ok(address) = EmailAddress::parse(&text) {
                let again = EmailAddress::parse(address.as_str()).expect("what was typed parses again");
                prop_assert_eq!(again.key(), address.key());
            }
        }
    }
}
