//! How much of something is used.

use leptos::prelude::*;

use crate::{
    domain::{entitlement::Decision, lang::Lang},
    words,
};

/// One counted feature: its name, how much of it is used and when that starts again, and a bar
/// where there is a limit.
#[component]
pub fn UsageMeter(
    /// The feature's name.
    name: String,
    /// What stands there.
    decision: Decision,
    /// When it starts again, as a person reads it.
    resets: Option<String>,
    /// The reader's language.
    lang: Lang,
) -> impl IntoView {
    let taken = decision.used.saturating_add(decision.reserved);
    let amounts = words::used_of(lang, decision.used, decision.limit);
    let is_used_up = decision.remaining == Some(0);
    let held = (decision.reserved > 0).then(|| words::units_held(lang, decision.reserved));
    let resets = resets.map(|when| words::resets_on(lang, &when));
    let rest: Vec<String> =
        [is_used_up.then(|| words::used_up(lang).to_owned()), held, resets].into_iter().flatten().collect();
    let bar = decision.limit.map(|limit| {
        // A plain number, so that no browser rounds it, and never more than there is.
        let value = taken.clamp(0, limit).to_string();
        let id = format!("usage-{}", decision.feature);
        view! { <meter min="0" max=limit.to_string() value=value aria-labelledby=id>{amounts.clone()}</meter> }
    });
    view! {
        <li class="usage" class:full=is_used_up>
            <span id=format!("usage-{}", decision.feature)>{name}</span>
            <span class="num">
                <b>{amounts.clone()}</b>
                {(!rest.is_empty()).then(|| view! { <span class="soft">" · "{rest.join(" · ")}</span> })}
            </span>
            {bar}
        </li>
    }
}
