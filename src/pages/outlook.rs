//! What a member has, until when, and why: drawn as bars over time, and told in words beside them.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::{
    domain::{
        access::{Source, TierStanding},
        catalogue::{Catalogue, Tier},
        grant::{GrantKind, GrantState},
        ids::TierId,
        lang::Lang,
        outlook::{Span, outlook},
        subscription::{ScheduledAction, SubscriptionStatus},
    },
    services::{grants::days_left, members::SettingsView},
    words::{grants as text, long_date},
};

/// How a bar looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It counts now.
    Runs,
    /// It counts now, beside something stronger.
    Beside,
    /// Its turn comes.
    Waits,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Beside => "beside",
            Self::Waits => "waits",
        }
    }
}

/// One thing that gives a tier.
#[derive(Debug, Clone)]
struct Lane {
    /// The tier's name.
    tier: String,
    /// Why they have it.
    why: &'static str,
    /// From when, until when and how long, in words.
    line: String,
    look: Look,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

/// What a member has from now on.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// In one sentence.
    sentence: String,
    lanes: Vec<Lane>,
    now: DateTime<Utc>,
    /// Whether the sentence and what counts now are said elsewhere on the page.
    is_told: bool,
}

impl Outlook {
    /// Leaves out what a trial that counts has told already.
    pub fn told_by_trial(self) -> Self {
        Self { is_told: true, ..self }
    }
}

/// Lays out what a member has.
pub fn of(lang: Lang, catalogue: &Catalogue, view: &SettingsView) -> Outlook {
    let now = view.now;
    let name = |tier: &TierId| catalogue.tier_name(tier);
    let standing = |tier: &TierId| catalogue.tier(tier).map(Tier::standing);
    let decides = view.accesses.effective_at(now);
    let mut spans = Vec::new();
    let mut lanes = Vec::new();
    // One grant after the other; of these the first may be what counts.
    for (tier, listed) in &view.grants {
        let Some((from, until)) = listed.from.zip(listed.until) else { continue };
        let grant = &listed.grant;
        let Some(standing) = standing(&grant.tier) else { continue };
        let runs = grant.state() == GrantState::Running;
        let counts = runs && decides.source == Source::Grant;
        spans.push(Span { tier: standing, source: Source::Grant, from, until: Some(until) });
        lanes.push(Lane {
            tier: tier.clone(),
            why: text::because_granted(lang, grant.kind == GrantKind::Partner, grant.coupon.is_some()),
            line: text::turn(lang, tier, grant.state(), days_left(grant, now), (from, until)),
            look: match (counts, runs) {
                (true, _) => Look::Runs,
                (false, true) => Look::Beside,
                (false, false) => Look::Waits,
            },
            from: from.max(now),
            until: Some(until),
        });
    }
    for access in view.accesses.all() {
        let until = match access.source {
            Source::Grant | Source::OwnTier => continue,
            Source::Subscription if renews(view) => None,
            _ => access.expires_at,
        };
        spans.push(Span { tier: access.tier.clone(), source: access.source, from: now, until });
        let tier = name(&access.tier.id);
        lanes.push(Lane {
            line: match (until, access.expires_at) {
                (None, Some(end)) => text::renews(lang, &tier, end),
                _ => text::lasts(lang, &tier, until),
            },
            why: text::because(lang, access.source),
            tier,
            look: if access == decides { Look::Runs } else { Look::Beside },
            from: now,
            until,
        });
    }
    // What counts comes first, then what begins first.
    lanes.sort_by_key(|lane| (lane.look != Look::Runs, lane.from, lane.until.is_none(), lane.until));
    let own: TierStanding = match standing(&view.user.tier) {
        Some(own) => own,
        None => decides.tier.clone(),
    };
    let steps = outlook(&own, &spans, now);
    let steps: Vec<(String, Option<DateTime<Utc>>)> =
        steps.into_iter().map(|step| (name(&step.tier), step.until)).collect();
    Outlook { sentence: text::outlook(lang, &steps), lanes, now, is_told: false }
}

/// Returns whether the subscription goes on unless somebody ends it.
pub(super) fn renews(view: &SettingsView) -> bool {
    view.billing.held.as_ref().is_some_and(|held| {
        let subscription = &held.subscription;
        let is_ending = subscription
            .scheduled
            .as_ref()
            .is_some_and(|scheduled| matches!(scheduled.action, ScheduledAction::End | ScheduledAction::Pause));
        matches!(subscription.status, SubscriptionStatus::Active | SubscriptionStatus::Trialing) && !is_ending
    })
}

/// The bars are drawn over so many units.
const WIDTH: i64 = 1_000;
/// The least that is seen of a bar.
const LEAST: i64 = 12;

/// Draws what a member has; nothing if that is their own tier alone.
pub fn drawn(lang: Lang, outlook: Outlook) -> impl IntoView {
    let Outlook { sentence, lanes, now, is_told } = outlook;
    let end = lanes.iter().filter_map(|lane| lane.until).max();
    let scale = (end.unwrap_or(now) - now).num_seconds().max(1);
    let place = move |at: DateTime<Utc>| (at - now).num_seconds().clamp(0, scale) * WIDTH / scale;
    let has_lanes = lanes.len() > usize::from(is_told);
    // What goes on until somebody ends it is not used up.
    let is_used_up = lanes.iter().any(|lane| lane.look == Look::Beside && lane.until.is_some());
    let has_legend = lanes.len() > 1;
    let looks: Vec<Look> = [Look::Runs, Look::Beside, Look::Waits]
        .into_iter()
        .filter(|look| lanes.iter().any(|lane| lane.look == *look))
        .collect();
    let rows = lanes.into_iter().map(|lane| {
        let from = place(lane.from).min(WIDTH - LEAST);
        let width = (lane.until.map_or(WIDTH, place) - from).max(LEAST);
        view! {
            <li>
                <span><b>{lane.tier}</b>" "<small class="soft">{lane.why}</small></span>
                <svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
                    <rect class="track" width="1000" height="10" rx="5" ry="5" />
                    <rect class=lane.look.class() x=from.to_string() width=width.to_string() height="10" />
                </svg>
                <span class="num">{lane.line}</span>
            </li>
        }
    });
    let rows = rows.collect_view();
    let legend = looks.into_iter().map(|look| {
        let name = match look {
            Look::Runs => text::counts_now(lang),
            Look::Beside if is_used_up => text::runs_beside(lang),
            Look::Beside => text::goes_beside(lang),
            Look::Waits => text::waits_its_turn(lang),
        };
        view! { <li><i class=look.class() aria-hidden="true"></i>{name}</li> }
    });
    let legend = legend.collect_view();
    let last = end.map(|end| long_date(lang, end.date_naive()));
    view! {
        {(!is_told).then(|| view! { <p class="outlook-said">{sentence}</p> })}
        {has_lanes.then(|| view! {
            <div class="outlook">
                <div class="axis" aria-hidden="true"><span>{text::today(lang)}</span><span>{last}</span></div>
                <ol>{rows}</ol>
                {has_legend.then(|| view! { <ul class="legend" aria-label=text::legend(lang)>{legend}</ul> })}
            </div>
        })}
    }
}
