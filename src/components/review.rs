//! A set of changes before it is made, on the page without JavaScript and in the dialog.

use leptos::prelude::*;

use crate::{
    domain::{
        lang::Lang,
        matrix::{CellConflict, Effect, Review},
    },
    words,
};

/// Every change of a review, with what it means for whom.
#[component]
pub fn ReviewList(
    /// The review.
    review: Review,
    /// The reader's language.
    lang: Lang,
) -> impl IntoView {
    let rows = review
        .changes
        .iter()
        .map(|change| {
            let (class, sign) = match change.effect {
                Effect::Gain => ("effect gain", "▲"),
                Effect::Lose => ("effect lose", "▼"),
                Effect::Same => ("effect", "·"),
            };
            view! {
                <li>
                    <span class="what">
                        <b>{change.feature_name(lang).to_owned()}</b>
                        " "
                        <span class="soft">{change.tier_name.clone()}</span>
                    </span>
                    <span class="num">
                        <del>{words::cell(lang, change.before, change.kind, change.default_limit)}</del>
                        " → "
                        <ins>{words::cell(lang, change.after, change.kind, change.default_limit)}</ins>
                    </span>
                    <span class=class>
                        <span aria-hidden="true">{sign}</span>
                        " "
                        {words::members(lang, change.members)}
                        " "
                        {words::effect(lang, change.effect)}
                    </span>
                </li>
            }
        })
        .collect_view();
    view! {
        <p class="consequence"><b>{words::changes(lang, review.changes.len())}</b>" · "{words::consequence(lang, &review)}</p>
        <ul class="changes">{rows}</ul>
    }
}

/// Cells that somebody else changed, with a choice for each. The choice of cell n is posted as
/// `choice.n`: `mine` or `theirs`.
#[component]
pub fn ConflictList(
    /// The cells.
    conflicts: Vec<CellConflict>,
    /// The reader's language.
    lang: Lang,
) -> impl IntoView {
    let rows = conflicts
        .into_iter()
        .enumerate()
        .map(|(at, conflict)| {
            let name = format!("choice.{at}");
            let value = |cell| words::cell(lang, cell, conflict.kind, conflict.default_limit);
            let who = conflict.changed_by.clone().unwrap_or_else(|| words::somebody(lang).to_owned());
            let when = conflict.changed_at.map(|at| words::long_time(lang, at));
            view! {
                <li>
                    <fieldset>
                        <legend>
                            <b>{conflict.feature_name(lang).to_owned()}</b>
                            " "
                            <span class="soft">{conflict.tier_name.clone()}</span>
                        </legend>
                        <label class="choice">
                            <input type="radio" name=name.clone() value="theirs" checked />
                            <span>{words::keep_theirs(lang)}": "<b class="num">{value(conflict.theirs)}</b></span>
                            <small class="soft">{who}{when.map(|when| format!(", {when}"))}</small>
                        </label>
                        <label class="choice">
                            <input type="radio" name=name value="mine" />
                            <span>{words::keep_mine(lang)}": "<b class="num">{value(conflict.yours)}</b></span>
                        </label>
                    </fieldset>
                </li>
            }
        })
        .collect_view();
    view! {
        <p>{words::conflict_intro(lang)}</p>
        <ul class="conflicts">{rows}</ul>
    }
}

/// The field for the reason of a change.
#[component]
pub fn ReasonField(
    /// Whether it must be filled in.
    required: bool,
    /// What stands in it.
    #[prop(optional, into)]
    value: String,
    /// What is wrong with it.
    #[prop(default = None)]
    error: Option<String>,
    /// The reader's language.
    lang: Lang,
) -> impl IntoView {
    let hint = if required { words::reason_required(lang) } else { words::reason_optional(lang) };
    let described_by = super::described_by("reason", true, error.is_some());
    let is_invalid = error.is_some();
    view! {
        <super::Field name="reason" label=words::reason(lang) hint=hint error=error>
            <input
                id="reason" name="reason" type="text" maxlength="500" autocomplete="off"
                value=value required=required
                aria-invalid=is_invalid.then_some("true") aria-describedby=described_by
            />
        </super::Field>
    }
}
