//! What comes alive in the browser. Every island sets `data-ready` once it listens; until then,
//! and without JavaScript, the HTML around it works as it is.
#![expect(missing_docs, reason = "the island macro makes structs that it does not document")]

mod code_field;
mod copy_button;
mod live_preview;
mod local_time;
mod matrix_editor;
mod resend_button;

pub use code_field::*;
pub use copy_button::*;
pub use live_preview::*;
pub use local_time::*;
pub use matrix_editor::*;
pub use resend_button::*;

use leptos::prelude::*;

/// The value of `data-ready`.
type Ready = RwSignal<Option<&'static str>>;

/// Begins what an island does as soon as it is alive. Returns what becomes its `data-ready` then.
///
/// The same types for every island: each more would put an effect and an attribute of its own into the wasm file.
fn ready_after(begin: Box<dyn FnOnce()>) -> Ready {
    let ready = Ready::new(None);
    let mut begin = Some(begin);
    Effect::new(move |_| {
        if let Some(begin) = begin.take() {
            begin();
        }
        ready.set(Some("true"));
    });
    ready
}

/// The same for an island that only listens.
fn ready_at_once() -> Ready {
    ready_after(Box::new(|| ()))
}
