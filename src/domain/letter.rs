//! Letters: what a person is to be told by mail, before it is put into words.

use serde::{Deserialize, Serialize};

use crate::domain::ids::LoginAttemptId;

/// A letter as it waits to be sent, with what is needed to write it and nothing else.
///
/// A code is not in it: it is derived again when the letter is written, so that no copy of the
/// database holds one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// The code that completes a sign-in.
    LoginCode {
        /// The flow that the code belongs to.
        attempt: LoginAttemptId,
        /// Which sending of that flow it is; each has its own code.
        send: i64,
    },
    /// There is no account for the address, and none can be opened.
    NoAccount,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::uuid_v7;

    #[test]
    fn letters_that_wait_in_a_database_keep_their_shape() {
        let attempt = uuid_v7(chrono::DateTime::UNIX_EPOCH, [7; 10]).into();
        let stored = [
            (
                Letter::LoginCode { attempt, send: 2 },
                format!(r#"{{"letter":"login_code","attempt":"{attempt}","send":2}}"#),
            ),
            (Letter::NoAccount, r#"{"letter":"no_account"}"#.to_owned()),
        ];
        for (letter, json) in stored {
            assert_eq!(serde_json::to_string(&letter).expect("a letter is JSON"), json);
            assert_eq!(serde_json::from_str::<Letter>(&json).expect("JSON is a letter"), letter);
        }
    }
}
