//! Small pieces that several pages share.

use leptos::prelude::*;

/// A sheet: one matter with one title.
#[component]
pub fn Sheet(
    /// The title.
    title: &'static str,
    /// The id of the title, by which the sheet is named.
    id: &'static str,
    /// What stands under the title.
    children: Children,
) -> impl IntoView {
    view! {
        <section class="sheet stack" aria-labelledby=id>
            <h2 id=id>{title}</h2>
            {children()}
        </section>
    }
}

/// The way back to what a page belongs to.
#[component]
pub fn Crumb(
    /// Where it leads.
    #[prop(into)]
    path: String,
    /// What that is called.
    #[prop(into)]
    name: String,
) -> impl IntoView {
    view! { <p class="crumb"><a class="address" href=path>{name}</a></p> }
}

/// A good thing to know, said once.
#[component]
pub fn Note(
    /// What is said.
    children: Children,
) -> impl IntoView {
    view! { <div class="note" role="status">{children()}</div> }
}

/// Something that stands in the way, said above the form it concerns.
#[component]
pub fn Alert(
    /// What is said.
    children: Children,
) -> impl IntoView {
    view! { <div class="alert" role="alert">{children()}</div> }
}

/// A labelled input with its hint and its error.
#[component]
pub fn Field(
    /// The id and name of the input.
    name: &'static str,
    /// The label.
    label: &'static str,
    /// What helps to fill it in.
    #[prop(optional, into)]
    hint: Option<String>,
    /// What is wrong with what was typed.
    #[prop(default = None)]
    error: Option<String>,
    /// Whether something may turn out to be wrong while it is typed: an island writes it there.
    #[prop(default = false)]
    live: bool,
    /// The input itself, with `id`, `name` and [`described_by`].
    children: Children,
) -> impl IntoView {
    let error = (live || error.is_some()).then(|| {
        view! { <p class="err" id=format!("{name}-error") aria-live=live.then_some("polite")>{error}</p> }
    });
    view! {
        <div class="field">
            <label for=name>{label}</label>
            {children()}
            {error}
            {hint.map(|hint| view! { <p class="hint" id=format!("{name}-hint")>{hint}</p> })}
        </div>
    }
}

/// A field of several lines. Leptos 0.8 writes the text of a `<textarea>` as it is, markup and all,
/// so nothing but this may make one.
#[component]
pub fn TextArea(
    /// The id and name.
    name: &'static str,
    /// How many lines are in sight.
    rows: u32,
    /// What stands in it.
    text: String,
    /// The ids of what describes it.
    #[prop(default = None)]
    described_by: Option<String>,
    /// Whether something is wrong with it.
    #[prop(default = false)]
    invalid: bool,
) -> impl IntoView {
    // A line break right after the tag is dropped by every browser; this one is.
    let text = format!("\n{}", text.replace('&', "&amp;").replace('<', "&lt;"));
    view! {
        <textarea
            id=name name=name rows=rows spellcheck="false" autocomplete="off" aria-describedby=described_by
            aria-invalid=invalid.then_some("true") inner_html=text
        ></textarea>
    }
}

/// Returns the ids that describe a field, for `aria-describedby`.
pub fn described_by(name: &str, has_hint: bool, has_error: bool) -> Option<String> {
    let ids: Vec<String> = [(has_error, "error"), (has_hint, "hint")]
        .into_iter()
        .filter(|(is_there, _)| *is_there)
        .map(|(_, what)| format!("{name}-{what}"))
        .collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}
