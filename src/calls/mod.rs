//! Server functions: what islands ask the server. Compiled on both sides; the bodies run on the
//! server only and knock on the same services as forms, API and command line.
//!
//! Each is a public endpoint and authorises itself. Answers are words and markup in the reader's
//! language, written by the components that the pages use: the wasm file needs no types for them.

mod mail_templates;
mod matrix;

pub use mail_templates::*;
pub use matrix::*;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use leptos::{
    prelude::{FromServerFnError, ServerFnErrorErr, use_context},
    server_fn::codec::JsonEncoding,
};
use serde::{Deserialize, Serialize};

/// What goes wrong with a call. Nothing from inside the program is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallError {
    /// Nobody is signed in, or not as an admin.
    NotAllowed,
    /// It cannot be done; what stands in the way, in a sentence.
    Said {
        /// The sentence.
        message: String,
    },
    /// Something must be decided or filled in first.
    Dialog {
        /// The form for it, as markup.
        html: String,
    },
    /// The server could not, or was not reached.
    Unavailable,
}

impl FromServerFnError for CallError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let is_unreadable = matches!(
            error,
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) | ServerFnErrorErr::Deserialization(_)
        );
        if let (true, Some(unreadable)) = (is_unreadable, use_context::<Unreadable>()) {
            unreadable.0.store(true, Ordering::Relaxed);
        }
        Self::Unavailable
    }
}

/// Notes, in the context of a call on the server, that what was sent could not be read. Leptos 0.8
/// answers 500 to that; whoever provides this can answer better.
#[derive(Debug, Clone, Default)]
pub struct Unreadable(Arc<AtomicBool>);

impl Unreadable {
    /// Returns whether it was noted.
    pub fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
