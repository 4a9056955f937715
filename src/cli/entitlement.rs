//! `vouchsafe check | consume | explain`

use clap::Args;

use crate::{
    cli::{CliError, OPERATOR, say, say_json},
    domain::{
        entitlement::{Decision, Reason},
        ids::{FeatureId, TierId},
        lang::Lang,
        limit::LimitKind,
        usage::{Act, MOST_UNITS, OnExceed, Outcome, UsageCall},
    },
    platform::env::Env,
    services::{catalogue, entitlements, entitlements::EntitlementError, usage},
    words::{self, explain},
};

#[derive(Debug, Args)]
struct About {
    /// The member's address, external id or id
    user: String,
    /// The feature
    feature: FeatureId,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    about: About,
    /// How much of it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=MOST_UNITS))]
    amount: i64,
    /// As JSON, the same object as the API's
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let About { user, feature } = self.about;
        let decision = entitlements::check(env, &user, &feature, self.amount).await?;
        tell(&decision, self.json)
    }
}

#[derive(Debug, Args)]
pub(super) struct Consume {
    #[command(flatten)]
    about: About,
    /// How many units; a negative number gives back
    #[arg(long, default_value_t = 1, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-MOST_UNITS..=MOST_UNITS))]
    amount: i64,
    /// Count what is left when they do not fit, instead of nothing
    #[arg(long)]
    cap: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Consume {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let About { user, feature } = self.about;
        let known = entitlements::find(env, &user).await?.ok_or(EntitlementError::UserUnknown)?;
        let act = Act::Consume {
            user: known.standing.user.id,
            feature,
            amount: self.amount,
            on_exceed: if self.cap { OnExceed::Cap } else { OnExceed::Reject },
        };
        let call = UsageCall { act, actor: OPERATOR.to_owned(), api_key: None, idempotency: None };
        match usage::call(env, call).await? {
            Outcome::Counted { decision, counted } => {
                if !self.json {
                    say(&format!("counted {counted}"))?;
                }
                tell(&decision, self.json)
            }
            Outcome::Refused { decision } if decision.reason == Reason::FeatureUnknown => {
                Err(EntitlementError::FeatureUnknown.into())
            }
            Outcome::Refused { decision } => tell(&decision, self.json),
            _ => Err(CliError::NotCounted),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    about: About,
    /// How much of it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=MOST_UNITS))]
    amount: i64,
    /// As JSON, the same object as the API's
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let About { user, feature } = self.about;
        let explanation = entitlements::explain(env, &user, &feature, self.amount).await?;
        if self.json {
            return say_json(&explanation);
        }
        let catalogue = catalogue::current(env).await?;
        let kind = catalogue.feature(&feature).map_or(LimitKind::Count, |feature| feature.kind);
        let name = |tier: &TierId| catalogue.tier_name(tier);
        for layer in &explanation.trail {
            let mark = if explain::layer_counts(layer) { "→" } else { " " };
            say(&format!("{mark} {}", explain::layer(Lang::En, layer, kind, name)))?;
        }
        // A question for why is answered, whatever the answer is.
        for line in lines(&explanation.decision) {
            say(&line)?;
        }
        Ok(())
    }
}

/// Says what was decided; what is not allowed ends with its own exit code.
fn tell(decision: &Decision, json: bool) -> Result<(), CliError> {
    if json {
        say_json(decision)?;
    } else {
        for line in lines(decision) {
            say(&line)?;
        }
    }
    if decision.allowed { Ok(()) } else { Err(CliError::NotAllowed) }
}

fn lines(decision: &Decision) -> Vec<String> {
    let mut lines = vec![explain::verdict(Lang::En, decision)];
    let limit = decision.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
    let mut state = format!("{limit}, used {}, held {}", decision.used, decision.reserved);
    if let Some(remaining) = decision.remaining {
        state.push_str(&format!(", left {remaining}"));
    }
    if let Some(at) = decision.resets_at {
        state.push_str(&format!(", starts again {}", at.format("%Y-%m-%d %H:%M UTC")));
    }
    lines.push(state);
    if let (Some(tier), Some(source), Some(decided_by)) = (&decision.tier, decision.source, decision.decided_by) {
        let source = words::source(Lang::En, source);
        lines.push(format!("tier {tier} by {source}; the limit is from the {}", decided_by.as_str()));
    }
    if let Some(upgrade) = &decision.upgrade {
        lines.push(format!("{} would allow it", upgrade.tier));
    }
    lines
}
