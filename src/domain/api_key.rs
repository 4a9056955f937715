//! Keys by which apps ask: what they may do, and for whom.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{ApiKeyId, UserId};

/// What every token begins with, so that people and scanners know one when they see it.
pub const TOKEN_PREFIX: &str = "vs_";

/// The longest name of a key, in characters.
pub const LONGEST_NAME: usize = 100;

/// Something that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask whether somebody may do something.
    Check,
    /// Count usage.
    Consume,
    /// Read and change members and their access.
    Manage,
    /// Change tiers, features, limits and keys.
    Admin,
}

impl Scope {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Check, Self::Consume, Self::Manage, Self::Admin];

    /// Returns the word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Consume => "consume",
            Self::Manage => "manage",
            Self::Admin => "admin",
        }
    }
}

/// A word that names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one of check, consume, manage and admin")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// A set of scopes. `admin` includes `manage`, which includes `consume`, which includes `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Everything.
    pub const ALL: Self = Self(0b1111);

    /// Returns whether something may be done with it.
    pub fn allow(self, scope: Scope) -> bool {
        self.iter().any(|held| held >= scope)
    }

    /// Returns whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns those that were given, the least first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & bit(*scope) != 0)
    }
}

fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        out.write_str(&words.join(" "))
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    /// Reads words with spaces or commas between them.
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split([' ', ',']).filter(|word| !word.is_empty()).map(Scope::from_str).collect()
    }
}

/// A key, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// The first characters of the token.
    pub hint: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The one member it may ask about; nothing for a server's key.
    pub user: Option<UserId>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is no longer good.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Returns what the ledger and the log call a key.
pub fn label(name: &str, hint: &str) -> String {
    format!("key {name} ({hint})")
}

impl ApiKey {
    /// Returns whether it opens anything at `now`.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greater_scope_includes_the_lesser() {
        let scopes: Scopes = "consume".parse().expect("a scope");
        assert!(scopes.allow(Scope::Check) && scopes.allow(Scope::Consume));
        assert!(!scopes.allow(Scope::Manage) && !scopes.allow(Scope::Admin));
        assert!(Scope::ALL.into_iter().all(|scope| Scopes::ALL.allow(scope)));
        assert!(!Scope::ALL.into_iter().any(|scope| Scopes::default().allow(scope)));
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        let scopes: Scopes = "admin,check  consume".parse().expect("scopes");
        assert_eq!(scopes.to_string(), "check consume admin");
        assert_eq!(scopes.to_string().parse(), Ok(scopes));
        assert_eq!("root".parse::<Scopes>(), Err(UnknownScope));
    }
}
