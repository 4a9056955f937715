//! Invitations: somebody asks somebody else to open an account.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    email::EmailKey,
    ids::{InvitationId, TierId, UserId},
    lang::Lang,
    schedule::CLOCK_TOLERANCE,
};

/// The most mails that one address gets about invitations within [`MAILS_COUNTED_FOR`]: nobody is
/// pestered by means of this program.
pub const MOST_MAILS: i64 = 3;
/// For how long those mails count.
pub const MAILS_COUNTED_FOR: TimeDelta = TimeDelta::days(30);
/// How long after a mail the next can be sent.
pub const RESEND_AFTER: TimeDelta = TimeDelta::minutes(10);
/// The longest note, in characters.
pub const LONGEST_NOTE: usize = 500;
/// The most addresses that are invited with one form.
pub const MOST_TOGETHER: usize = 200;

/// What is given to who accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gift {
    /// Time at this tier.
    pub tier: TierId,
    /// For how many days.
    pub days: i64,
}

/// An invitation, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// The address, as it was typed.
    pub email: String,
    /// The address, as it is compared.
    pub email_key: EmailKey,
    /// The member who invites; nothing where an admin or an app does, or the account is gone.
    pub inviter: Option<UserId>,
    /// Who did it, as the log names them; empty where a member did.
    pub invited_by: String,
    /// What waits for who accepts.
    pub gift: Option<Gift>,
    /// What is written to the address; may be empty.
    pub note: String,
    /// The language of the mail.
    pub lang: Lang,
    /// How many mails went out.
    pub sends: i64,
    /// When the last one did.
    pub sent_at: DateTime<Utc>,
    /// From when on it cannot be accepted any more.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// By whom, while there is the account.
    pub accepted_by: Option<UserId>,
    /// When it was taken back.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When another one took its place, after it had expired.
    pub lapsed_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// How an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// It can be accepted.
    Open,
    /// Somebody came by it.
    Accepted,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl InvitationState {
    /// All states, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Open, Self::Accepted, Self::Expired, Self::Revoked];

    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A word that names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state is open, accepted, expired or revoked")]
pub struct UnknownState;

impl FromStr for InvitationState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

impl Invitation {
    /// Returns how it stands at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> InvitationState {
        if self.accepted_at.is_some() {
            InvitationState::Accepted
        } else if self.revoked_at.is_some() {
            InvitationState::Revoked
        } else if self.lapsed_at.is_some() || self.expires_at <= now {
            InvitationState::Expired
        } else {
            InvitationState::Open
        }
    }

    /// Returns when the next mail can be sent; nothing when it can be now. What a clock wrote that was
    /// ahead is not waited for.
    pub fn next_mail_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_known = self.sent_at <= now + CLOCK_TOLERANCE;
        Some(self.sent_at + RESEND_AFTER).filter(|next| is_known && *next > now)
    }
}

/// Returns whether a note can be sent: not too long, and nothing invisible in it.
pub fn is_good_note(note: &str) -> bool {
    note.chars().count() <= LONGEST_NOTE && !note.chars().any(|c| c.is_control() && c != '\n' && c != '\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{email::EmailAddress, ids::uuid_v7};

    #[test]
    fn an_invitation_is_open_until_one_thing_ends_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("in range");
        let open = Invitation {
            id: uuid_v7(at(0), [7; 10]).into(),
            email: "Ann@example.com".to_owned(),
            email_key: EmailAddress::parse("ann@example.com").expect("an address").key().clone(),
            inviter: None,
            invited_by: "operator".to_owned(),
            gift: None,
            note: String::new(),
            lang: Lang::En,
            sends: 1,
            sent_at: at(0),
            expires_at: at(10),
            accepted_at: None,
            accepted_by: None,
            revoked_at: None,
            lapsed_at: None,
            created_at: at(0),
        };
        assert_eq!((open.state(at(9)), open.state(at(10))), (InvitationState::Open, InvitationState::Expired));
        let lapsed = Invitation { lapsed_at: Some(at(11)), ..open.clone() };
        // A clock that goes back does not open what another one has replaced.
        assert_eq!(lapsed.state(at(5)), InvitationState::Expired);
        assert_eq!(Invitation { revoked_at: Some(at(1)), ..open.clone() }.state(at(20)), InvitationState::Revoked);
        let accepted = Invitation { accepted_at: Some(at(1)), ..open.clone() };
        assert_eq!(accepted.state(at(20)), InvitationState::Accepted);
        assert_eq!(open.next_mail_at(at(0)), Some(at(600)));
        assert_eq!(open.next_mail_at(at(600)), None);
        assert_eq!(open.next_mail_at(at(-7_200)), Some(at(600)));
        assert_eq!(open.next_mail_at(at(-7_201)), None, "by a clock that was ahead");
        for state in InvitationState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }

    #[test]
    fn a_note_is_short_and_visible() {
        assert!(is_good_note("") && is_good_note("Come in!\nIt is nice here.") && is_good_note(&"ü".repeat(500)));
        assert!(!is_good_note(&"x".repeat(501)) && !is_good_note("a\0b") && !is_good_note("a\u{1b}[31m"));
    }
}
