//! A step before something that hurts.

use leptos::prelude::*;

/// A button that first opens what it would do, and then the button that does it. Without
/// JavaScript, too.
#[component]
pub fn Confirm(
    /// What the buttons say.
    label: &'static str,
    /// What is meant, where several buttons say the same: read to those who do not see.
    #[prop(optional, into)]
    about: Option<String>,
    /// What would happen.
    question: &'static str,
    /// Where the form is sent.
    action: String,
    /// Hidden fields of the form.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let described = about.map(|about| format!("{label}: {about}"));
    view! {
        <details class="confirm">
            <summary class="btn" aria-label=described.clone()>{label}" …"</summary>
            <form method="post" action=action>
                <p>{question}</p>
                {children.map(|children| children())}
                <button class="btn danger" aria-label=described>{label}</button>
            </form>
        </details>
    }
}
