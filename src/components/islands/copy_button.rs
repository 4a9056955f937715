//! The copy button.

use leptos::prelude::*;

use crate::components::islands::ready_at_once;

/// Copies a text. Hidden until it can: without JavaScript the text can be selected.
#[island]
pub fn CopyButton(
    /// What is copied.
    text: String,
    /// What the button says.
    label: String,
    /// What it says for a moment afterwards.
    done: String,
    /// Whether it is the main button of its sheet.
    main: bool,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let clipboard = window().navigator().clipboard();
        let text = text.clone();
        leptos::task::spawn_local(async move {
            if copy_text(&clipboard, &text).await {
                copied.set(true);
                set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
            }
        });
    };
    view! {
        <button
            type="button"
            class=if main { "btn main copy" } else { "btn copy" }
            data-ready=ready_at_once()
            on:click=copy
        >
            <span aria-live="polite">{move || if copied.get() { done.clone() } else { label.clone() }}</span>
        </button>
    }
}

async fn copy_text(clipboard: &web_sys::Clipboard, text: &str) -> bool {
    wasm_bindgen_futures::JsFuture::from(clipboard.write_text(text)).await.is_ok()
}
