//! A member of the product.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    email::{EmailAddress, EmailKey},
    ids::{TierId, UserId},
    lang::Lang,
    referral::ReferralCode,
};

/// What someone may do in Vouchsafe itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees and changes what is their own.
    #[default]
    Member,
    /// Also opens `/admin`.
    Admin,
}

impl Role {
    /// Returns the word that is stored and shown to operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

/// A word that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the role is neither member nor admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "member" => Ok(Self::Member),
            "admin" => Ok(Self::Admin),
            _ => Err(UnknownRole),
        }
    }
}

/// A member, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// The address, as it was typed first; nothing for one who is known by an external id only.
    pub email: Option<String>,
    /// The name under which the product's own database knows them.
    pub external_id: Option<String>,
    /// What they may do here.
    pub role: Role,
    /// The language they chose or came with.
    pub lang: Lang,
    /// Their own tier: set by an admin, or what the trial leaves behind.
    pub tier: TierId,
    /// When the trial ends, for those who have one.
    pub trial_ends_at: Option<DateTime<Utc>>,
    /// When somebody first proved the address by a code from its mailbox.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Whether their own tier counts for nothing: they have what a trial, a subscription, a grant or
    /// credit gives, and without one of these no access at all.
    pub closes_after_trial: bool,
    /// Until when credit gives the credit tier.
    pub credit_until: Option<DateTime<Utc>>,
    /// Their referral code, made at the first visit to /settings.
    pub referral_code: Option<ReferralCode>,
    /// Since when they may not sign in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Since when they are a member.
    pub created_at: DateTime<Utc>,
}

impl User {
    /// Returns the key by which they are known again, even after they left: of their address, else of their
    /// external id.
    pub fn known_by(&self) -> Option<EmailKey> {
        match &self.email {
            Some(email) => EmailAddress::parse(email).ok().map(|email| email.key().clone()),
            None => self.external_id.as_deref().map(EmailKey::without_address),
        }
    }

    /// Returns what people and logs call them: the address, else the external id, else the id.
    pub fn label(&self) -> String {
        self.email.clone().or_else(|| self.external_id.clone()).unwrap_or_else(|| self.id.to_string())
    }
}

/// The longest external id, in bytes.
pub const LONGEST_EXTERNAL_ID: usize = 200;

/// A name that is not usable as an external id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an external id has 1 to 200 characters without spaces or control characters")]
pub struct BadExternalId;

/// Checks an external id: not empty, not too long, nothing invisible.
pub fn check_external_id(text: &str) -> Result<&str, BadExternalId> {
    let is_good = !text.is_empty()
        && text.len() <= LONGEST_EXTERNAL_ID
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_good { Ok(text) } else { Err(BadExternalId) }
}

/// Our ids are written with dashes; other forms of a UUID are somebody else's.
const UUID_LENGTH: usize = 36;

/// How somebody outside names a member: by id, by address or by external id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserRef {
    /// The text as it came, trimmed.
    pub text: String,
    /// The id, if it may be one.
    pub id: Option<UserId>,
    /// The address, if it may be one.
    pub email: Option<EmailKey>,
}

impl UserRef {
    /// Reads a name. Nothing if it can be none of the three.
    pub fn parse(text: &str) -> Option<Self> {
        let text = check_external_id(text.trim()).ok()?;
        let id = if text.len() == UUID_LENGTH { text.parse().ok() } else { None };
        let email = if text.contains('@') { EmailAddress::parse(text).ok() } else { None };
        Some(Self { text: text.to_owned(), id, email: email.map(|email| email.key().clone()) })
    }
}
