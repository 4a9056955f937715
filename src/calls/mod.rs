//! Server functions: what islands ask the server. Compiled on both sides; the bodies run on the
//! server only and knock on the same services as forms, API and command line.
//!
//! Each is a public endpoint and authorises itself.

mod matrix;

pub use matrix::*;

use leptos::{
    prelude::{FromServerFnError, ServerFnErrorErr},
    server_fn::codec::JsonEncoding,
};
use serde::{Deserialize, Serialize};

use crate::domain::matrix::{CellConflict, ChangeError};

/// What goes wrong with a call, as a word that both sides know and no text from inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum CallError {
    /// Nobody is signed in, or not as an admin.
    NotAllowed,
    /// The changes make no sense as they are.
    Change {
        /// What is wrong.
        change: ChangeError,
    },
    /// Somebody else changed the same cells.
    Conflicts {
        /// Which.
        conflicts: Vec<CellConflict>,
    },
    /// The server could not, or was not reached.
    Unavailable,
}

impl FromServerFnError for CallError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(_: ServerFnErrorErr) -> Self {
        Self::Unavailable
    }
}
