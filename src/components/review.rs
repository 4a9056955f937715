//! A set of changes before it is made. Written on the server, for the page without JavaScript and
//! for the dialog alike.

use leptos::prelude::*;

use crate::{
    components::{Alert, Field, described_by},
    domain::{
        lang::Lang,
        matrix::{CellChange, CellConflict, Effect, Review},
    },
    words,
};

/// What is wrong with what was posted.
#[derive(Debug, Clone, Default)]
pub struct Complaint {
    /// The reason, as it was typed.
    pub reason: String,
    /// What is wrong with it.
    pub reason_error: Option<String>,
}

fn as_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data is JSON")
}

/// The review, with the field for a reason and the button that saves.
#[component]
pub fn ReviewForm(
    /// The review.
    review: Review,
    /// The changes, as they are posted.
    changes: Vec<CellChange>,
    /// What is wrong with what was posted.
    complaint: Complaint,
    /// The reader's language.
    lang: Lang,
) -> impl IntoView {
    let required = review.reason_required;
    view! {
        <form class="stack" method="post" action="/admin/matrix/commit" data-step="save">
            <h1 id="review-title">{words::review_title(lang)}</h1>
            <ReviewList review=review lang=lang />
            <ReasonField required=required value=complaint.reason error=complaint.reason_error lang=lang />
            <input type="hidden" name="changes" value=as_json(&changes) />
            <div class="row end">
                <a class="btn" href="/admin/matrix" data-step="close">{words::cancel(lang)}</a>
                <button class="btn main">{words::save_changes(lang)}</button>
            </div>
        </form>
    }
}

/// The choice between what one wanted and what somebody else has saved meanwhile.
#[component]
pub fn ConflictForm(
    /// The cells that were changed.
    conflicts: Vec<CellConflict>,
    /// All changes, as they are posted.
    changes: Vec<CellChange>,
    /// The reader's language.
    lang: Lang,
) -> impl IntoView {
    let seen = as_json(&conflicts);
    view! {
        <form class="stack" method="post" action="/admin/matrix/review" data-step="settle">
            <h1 id="review-title">{words::conflict_title(lang)}</h1>
            <Alert>{words::conflict_intro(lang)}</Alert>
            <ConflictList conflicts=conflicts lang=lang />
            <input type="hidden" name="changes" value=as_json(&changes) />
            <input type="hidden" name="conflicts" value=seen />
            <div class="row end">
                <a class="btn" href="/admin/matrix" data-step="close">{words::cancel(lang)}</a>
                <button class="btn main">{words::continue_(lang)}</button>
            </div>
        </form>
    }
}

/// Every change of a review, with what it means for whom.
#[component]
fn ReviewList(
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
                        {words::members_who(lang, change.members, change.effect)}
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
fn ConflictList(
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
                // What the island needs to know to settle without loading the page again.
                <li
                    data-tier=conflict.tier.to_string() data-feature=conflict.feature.to_string()
                    data-version=conflict.version.to_string()
                    data-theirs=conflict.theirs.to_input(conflict.kind)
                    data-yours=conflict.yours.to_input(conflict.kind)
                >
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
    view! { <ul class="conflicts">{rows}</ul> }
}

/// The field for the reason of a change.
#[component]
fn ReasonField(
    /// Whether it must be filled in.
    required: bool,
    /// What stands in it.
    value: String,
    /// What is wrong with it.
    error: Option<String>,
    /// The reader's language.
    lang: Lang,
) -> impl IntoView {
    let hint = if required { words::reason_required(lang) } else { words::reason_optional(lang) };
    let described_by = described_by("reason", true, error.is_some());
    let is_invalid = error.is_some();
    view! {
        <Field name="reason" label=words::reason(lang) hint=hint error=error>
            <input
                id="reason" name="reason" type="text" maxlength="500" autocomplete="off"
                value=value required=required
                aria-invalid=is_invalid.then_some("true") aria-describedby=described_by
            />
        </Field>
    }
}
