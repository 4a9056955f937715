//! Mails: what became of a letter after it was written.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// It will be sent, or tried again.
    Waiting,
    /// A mail server has taken it over.
    Sent,
    /// It was given up.
    Failed,
    /// It was not to be sent any more.
    Skipped,
}

/// Not how a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a state is waiting, sent, failed or skipped")]
pub struct NoSuchState;

impl MailState {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Failed, Self::Sent, Self::Skipped];

    /// Returns the word in links and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl FromStr for MailState {
    type Err = NoSuchState;

    fn from_str(text: &str) -> Result<Self, NoSuchState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(NoSuchState)
    }
}

/// Why a mail is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its reader does not want such mails.
    Unsubscribed,
    /// What it holds is good for nothing by now, such as a code that has run out.
    Void,
    /// Its reader's account is gone.
    Nobody,
}

/// Not a reason for not sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reason for not sending a mail")]
pub struct NoSuchReason;

impl SkipReason {
    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Void => "void",
            Self::Nobody => "nobody",
        }
    }
}

impl FromStr for SkipReason {
    type Err = NoSuchReason;

    fn from_str(text: &str) -> Result<Self, NoSuchReason> {
        let all = [Self::Unsubscribed, Self::Void, Self::Nobody];
        all.into_iter().find(|reason| reason.as_str() == text).ok_or(NoSuchReason)
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for state in MailState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for reason in [SkipReason::Unsubscribed, SkipReason::Void, SkipReason::Nobody] {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        assert_eq!("".parse::<MailState>(), Err(NoSuchState));
        assert_eq!("".parse::<SkipReason>(), Err(NoSuchReason));
    }
}
