//! What /settings says of a trial: until when, and what then; and that there is nothing left.

use axum::response::Response;
use leptos::prelude::*;

use crate::{
    components::Alert,
    domain::{access::Source, entitlement::is_over, lang::Lang},
    platform::caller::{Member, Site, failed},
    services::entitlements,
    words::invitations as text,
};

/// What there is to say.
#[derive(Debug, Clone)]
pub(super) enum TrialView {
    /// It runs.
    Running(String),
    /// It was all they had.
    Over,
}

/// Returns what there is to say; nothing where it is not the trial that counts, and there is other access.
pub(super) async fn load(site: &Site, member: &Member) -> Result<Option<TrialView>, Response> {
    let known = match entitlements::known(&site.env, member.identity.user.id).await {
        Ok(Some(known)) => known,
        Ok(None) => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let now = site.env.clock.now();
    let (catalogue, standing) = (&known.catalogue, &known.standing);
    let accesses = standing.accesses.all();
    let trial = accesses.iter().find(|access| access.source == Source::Trial && access.is_running(now));
    let Some((trial, until)) = trial.and_then(|trial| Some((trial, trial.expires_at?))) else {
        return Ok(is_over(&standing.user, &standing.accesses, now).then_some(TrialView::Over));
    };
    if standing.accesses.effective_at(now).source != Source::Trial {
        return Ok(None);
    }
    // What goes on without it: the strongest of what lasts longer. An own tier may count for nothing.
    let next = accesses.iter().find(|access| match access.source {
        Source::Trial => false,
        Source::OwnTier => !standing.user.closes_after_trial,
        _ => access.expires_at.is_none_or(|end| end > until),
    });
    let name = |tier| catalogue.tier(tier).map(|tier| tier.name.clone());
    let next = next.and_then(|next| name(&next.tier.id));
    let tier = name(&trial.tier.id).unwrap_or_else(|| trial.tier.id.to_string());
    Ok(Some(TrialView::Running(text::trial(member.visit.origin.lang, &tier, until, next.as_deref()))))
}

/// Says it.
pub(super) fn trial_line(lang: Lang, trial: Option<TrialView>) -> Option<AnyView> {
    Some(match trial? {
        TrialView::Running(line) => view! { <p class="trial">{line}</p> }.into_any(),
        TrialView::Over => view! {
            <Alert><span>{text::trial_is_over(lang)}</span>" "<a href="/pricing">{text::see_pricing(lang)}</a></Alert>
        }
        .into_any(),
    })
}
