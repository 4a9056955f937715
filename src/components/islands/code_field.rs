//! The field for a sign-in code.

use leptos::prelude::*;

use crate::components::islands::ready_at_once;

/// Takes a code and submits its form as soon as all six digits are there.
#[island]
pub fn CodeField(
    /// Whether the code is a long one, with letters; its end is not guessed.
    long: bool,
    /// Whether what was typed is wrong.
    invalid: bool,
    /// The ids of what describes the field.
    described_by: Option<String>,
) -> impl IntoView {
    let submitted = RwSignal::new(false);
    let submit_when_complete = move |event: leptos::ev::Event| {
        let field = event_target::<web_sys::HtmlInputElement>(&event);
        let typed: String = field.value().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let is_complete = typed.len() == 6 && typed.bytes().all(|byte| byte.is_ascii_digit());
        let may_submit = is_complete && !long && !submitted.get_untracked();
        if let (true, Some(form)) = (may_submit, field.form()) {
            submitted.set(form.request_submit().is_ok());
        }
    };
    view! {
        <input
            id="code" name="code" type="text" class="code-input" required
            inputmode=if long { "text" } else { "numeric" }
            autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" maxlength="32" autofocus
            aria-invalid=invalid.then_some("true") aria-describedby=described_by
            data-ready=ready_at_once()
            on:input=submit_when_complete
        />
    }
}
