//! The review as a page, for those without JavaScript.

use leptos::prelude::*;

use crate::{
    components::{Alert, ConflictList, ReasonField, ReviewList},
    domain::{
        lang::Lang,
        matrix::{CellChange, CellConflict, Review},
    },
    words,
};

/// What is wrong with what was posted.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaint {
    pub(super) reason: String,
    pub(super) reason_error: Option<String>,
    pub(super) alert: Option<String>,
}

fn as_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data is JSON")
}

pub(super) fn review_page(
    lang: Lang,
    review: Review,
    changes: &[CellChange],
    complaint: Complaint,
) -> impl IntoView + use<> {
    let changes = as_json(&changes);
    let required = review.reason_required;
    view! {
        <form class="sheet stack" method="post" action="/admin/matrix/commit">
            <h1>{words::review_title(lang)}</h1>
            {complaint.alert.map(|alert| view! { <Alert>{alert}</Alert> })}
            <ReviewList review=review lang=lang />
            <ReasonField
                required=required value=complaint.reason error=complaint.reason_error lang=lang
            />
            <input type="hidden" name="changes" value=changes />
            <div class="row end">
                <a class="btn" href="/admin/matrix">{words::cancel(lang)}</a>
                <button class="btn main">{words::save_changes(lang)}</button>
            </div>
        </form>
    }
}

pub(super) fn conflict_page(lang: Lang, conflicts: Vec<CellConflict>, changes: &[CellChange]) -> impl IntoView + use<> {
    let changes = as_json(&changes);
    let seen = as_json(&conflicts);
    view! {
        <form class="sheet stack" method="post" action="/admin/matrix/review">
            <h1>{words::conflict_title(lang)}</h1>
            <ConflictList conflicts=conflicts lang=lang />
            <input type="hidden" name="changes" value=changes />
            <input type="hidden" name="conflicts" value=seen />
            <div class="row end">
                <a class="btn" href="/admin/matrix">{words::cancel(lang)}</a>
                <button class="btn main">{words::continue_(lang)}</button>
            </div>
        </form>
    }
}
