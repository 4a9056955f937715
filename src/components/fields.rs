//! Inputs with everything that belongs to them.

use leptos::prelude::*;

use crate::components::{Field, described_by};

/// A line of text with its label, hint and error.
#[component]
pub fn TextField(
    /// The id and name of the input.
    name: &'static str,
    /// The label.
    label: &'static str,
    /// What helps to fill it in.
    #[prop(optional)]
    hint: Option<&'static str>,
    /// What stands in it.
    value: String,
    /// What is wrong with that.
    #[prop(default = None)]
    error: Option<String>,
    /// The type of the input.
    #[prop(default = "text")]
    kind: &'static str,
    /// Which keyboard a phone shows.
    #[prop(optional)]
    inputmode: Option<&'static str>,
    /// The most characters.
    #[prop(optional)]
    most: Option<&'static str>,
    /// The id of a list of suggestions.
    #[prop(optional)]
    list: Option<&'static str>,
    /// Whether it has to be filled in.
    #[prop(default = false)]
    required: bool,
    /// Whether something may turn out to be wrong while it is typed.
    #[prop(default = false)]
    live: bool,
) -> impl IntoView {
    let is_invalid = error.is_some();
    let described = described_by(name, hint.is_some(), live || is_invalid);
    view! {
        <FieldOf name=name label=label hint=hint error=error live=live>
            <input
                id=name name=name r#type=kind value=value autocomplete="off" required=required inputmode=inputmode
                maxlength=most list=list aria-invalid=is_invalid.then_some("true") aria-describedby=described
            />
        </FieldOf>
    }
}

/// A choice with its label, hint and error.
#[component]
pub fn SelectField(
    /// The id and name of the choice.
    name: &'static str,
    /// The label.
    label: &'static str,
    /// What helps to choose.
    #[prop(optional)]
    hint: Option<&'static str>,
    /// Value and text of each option.
    options: Vec<(String, String)>,
    /// The value that is chosen.
    chosen: String,
    /// What is wrong with it.
    #[prop(default = None)]
    error: Option<String>,
) -> impl IntoView {
    let is_invalid = error.is_some();
    let described = described_by(name, hint.is_some(), is_invalid);
    let options = options
        .into_iter()
        .map(|(value, text)| {
            let is_chosen = value == chosen;
            view! { <option value=value selected=is_chosen>{text}</option> }
        })
        .collect_view();
    view! {
        <FieldOf name=name label=label hint=hint error=error>
            <select id=name name=name aria-invalid=is_invalid.then_some("true") aria-describedby=described>
                {options}
            </select>
        </FieldOf>
    }
}

/// A box to tick, with what it means.
#[component]
pub fn CheckField(
    /// The name of the box.
    name: &'static str,
    /// What it sends when it is ticked.
    #[prop(default = "on")]
    value: &'static str,
    /// The label.
    label: &'static str,
    /// What it means.
    hint: &'static str,
    /// Whether it is ticked.
    checked: bool,
) -> impl IntoView {
    view! {
        <label class="check">
            <input type="checkbox" name=name value=value checked=checked />
            <span><b>{label}</b><small class="soft">{hint}</small></span>
        </label>
    }
}

#[component]
fn FieldOf(
    name: &'static str,
    label: &'static str,
    hint: Option<&'static str>,
    error: Option<String>,
    #[prop(default = false)] live: bool,
    children: Children,
) -> impl IntoView {
    match hint {
        Some(hint) => {
            view! { <Field name=name label=label hint=hint error=error live=live>{children()}</Field> }.into_any()
        }
        None => view! { <Field name=name label=label error=error live=live>{children()}</Field> }.into_any(),
    }
}
