//! What comes alive in the browser. Every island sets `data-ready` once it listens; until then,
//! and without JavaScript, the HTML around it works as it is.
#![expect(missing_docs, reason = "the island macro makes structs that it does not document")]

mod code_field;
mod copy_button;
mod local_time;
mod matrix_editor;
mod resend_button;

pub use code_field::*;
pub use copy_button::*;
pub use local_time::*;
pub use matrix_editor::*;
pub use resend_button::*;
