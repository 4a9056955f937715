//! A member of the product.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{TierId, UserId},
    lang::Lang,
    referral::ReferralCode,
};

/// What someone may do in Vouchsafe itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// The address, as it was typed first.
    pub email: String,
    /// What they may do here.
    pub role: Role,
    /// The language they chose or came with.
    pub lang: Lang,
    /// Their own tier: set by an admin, or what the trial leaves behind.
    pub tier: TierId,
    /// When the trial ends, for those who have one.
    pub trial_ends_at: Option<DateTime<Utc>>,
    /// Until when credit gives the credit tier.
    pub credit_until: Option<DateTime<Utc>>,
    /// Their referral code, made at the first visit to /settings.
    pub referral_code: Option<ReferralCode>,
    /// Since when they may not sign in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Since when they are a member.
    pub created_at: DateTime<Utc>,
}
