//! `vouchsafe bonus list | add | archive | awards`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, instant, say, say_json},
    domain::{
        bonus::{MOST_THRESHOLD, Reward, Terms, Trigger, badge_letter},
        grant::MOST_DAYS,
        ids::{BonusRuleId, TierId},
    },
    platform::env::Env,
    services::bonus::{self, ListedRule},
};

/// How many rows are read at once.
const PAGE: i64 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum BonusCommand {
    /// List rules, the newest first, tab-separated: id, trigger, threshold, reward, rewarded, active, name
    List(List),
    /// Make a rule: who fulfils it gets days at a tier or a badge, once
    Add(Box<Add>),
    /// Put a rule out of the way: nobody is rewarded by it any more, and what it gave stays
    Archive {
        /// The rule's id, as `bonus list` shows it
        id: BonusRuleId,
    },
    /// List who was rewarded by a rule, the newest first, tab-separated: when, member, reward
    Awards {
        /// The rule's id, as `bonus list` shows it
        id: BonusRuleId,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Those that are archived, instead of the others
    #[arg(long)]
    archived: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What it is called; members read it
    name: String,
    /// The same in German
    #[arg(long)]
    name_de: Option<String>,
    /// What it is about
    #[arg(long, default_value = "")]
    description: String,
    /// The same in German
    #[arg(long, default_value = "")]
    description_de: String,
    /// referrals_converted, coupons_redeemed, subscriptions_started, days_in_a_row or days_as_member
    #[arg(long)]
    trigger: Trigger,
    /// How much of it
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST_THRESHOLD))]
    threshold: i64,
    /// The tier that it gives
    #[arg(long, requires = "days", required_unless_present = "badge")]
    tier: Option<TierId>,
    /// For how many days
    #[arg(long, requires = "tier", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: Option<i64>,
    /// Instead of days: a badge with this letter or digit
    #[arg(long, conflicts_with_all = ["tier", "days"], value_parser = letter)]
    badge: Option<char>,
    /// Everything counts that ever happened: who has earned it already gets it too
    #[arg(long, conflicts_with = "from")]
    also_before: bool,
    /// From when on it counts, as 2027-01-01T00:00:00Z; without, from now
    #[arg(long, value_parser = instant)]
    from: Option<DateTime<Utc>>,
    /// Until when it is given
    #[arg(long, value_parser = instant)]
    until: Option<DateTime<Utc>>,
}

fn letter(raw: &str) -> Result<char, String> {
    badge_letter(raw).ok_or_else(|| "one letter or digit".to_owned())
}

impl BonusCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List(command) => command.run(env).await,
            Self::Add(command) => command.run(env).await,
            Self::Archive { id } => {
                let rule = bonus::archive(env, id, OPERATOR).await?;
                say(&format!("{} is archived", rule.terms.name_en))
            }
            Self::Awards { id, json } => awards(env, id, json).await,
        }
    }
}

impl Add {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let reward = match (self.tier, self.days, self.badge) {
            (Some(tier), Some(days), None) => Reward::Days { tier, days },
            (None, None, Some(letter)) => Reward::Badge { letter },
            _ => return Err(CliError::Wrong("a rule brings --tier and --days, or else a --badge".to_owned())),
        };
        let terms = Terms {
            name_en: self.name,
            name_de: self.name_de.unwrap_or_default(),
            description_en: self.description,
            description_de: self.description_de,
            trigger: self.trigger,
            threshold: self.threshold,
            reward,
            counts_from: self.from.or((!self.also_before).then(|| env.clock.now())),
            ends_at: self.until,
        };
        let rule = bonus::create(env, terms, true, OPERATOR).await?;
        say(&rule.id.to_string())
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let mut before = None;
        let mut found = Vec::new();
        loop {
            let page = bonus::list(env, self.archived, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.rule.id);
            if self.json {
                found.extend(page.iter().map(as_json));
                continue;
            }
            for listed in &page {
                say(&line(listed))?;
            }
        }
        if self.json { say_json(&found) } else { Ok(()) }
    }
}

async fn awards(env: &Env, id: BonusRuleId, as_json: bool) -> Result<(), CliError> {
    if bonus::find(env, id).await?.is_none() {
        return Err(bonus::BonusError::NoSuchRule.into());
    }
    let mut before = None;
    let mut found = Vec::new();
    loop {
        let page = bonus::awards(env, id, before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.award.id);
        for listed in &page {
            let (award, member) = (&listed.award, listed.member.as_deref());
            if as_json {
                found.push(json!({
                    "user": award.user, "member": member, "reward": reward_json(&award.reward),
                    "awarded_at": award.awarded_at,
                }));
                continue;
            }
            let when = award.awarded_at.format("%Y-%m-%dT%H:%M:%SZ");
            say(&format!("{when}\t{}\t{}", member.unwrap_or("-"), told(&award.reward)))?;
        }
    }
    if as_json { say_json(&found) } else { Ok(()) }
}

fn told(reward: &Reward) -> String {
    match reward {
        Reward::Days { tier, days } => format!("{days} days of {tier}"),
        Reward::Badge { letter } => format!("badge {letter}"),
    }
}

fn line(ListedRule { rule, awards }: &ListedRule) -> String {
    let terms = &rule.terms;
    let active = if rule.active { "yes" } else { "no" };
    let (trigger, threshold, reward) = (terms.trigger.as_str(), terms.threshold, told(&terms.reward));
    format!("{}\t{trigger}\t{threshold}\t{reward}\t{awards}\t{active}\t{}", rule.id, terms.name_en)
}

fn reward_json(reward: &Reward) -> Value {
    match reward {
        Reward::Days { tier, days } => json!({ "tier": tier, "days": days }),
        Reward::Badge { letter } => json!({ "badge": letter }),
    }
}

fn as_json(ListedRule { rule, awards }: &ListedRule) -> Value {
    let terms = &rule.terms;
    json!({
        "id": rule.id,
        "name_en": terms.name_en,
        "name_de": terms.name_de,
        "description_en": terms.description_en,
        "description_de": terms.description_de,
        "trigger": terms.trigger,
        "threshold": terms.threshold,
        "reward": reward_json(&terms.reward),
        "counts_from": terms.counts_from,
        "ends_at": terms.ends_at,
        "active": rule.active,
        "archived_at": rule.archived_at,
        "awards": awards,
        "created_by": rule.created_by,
        "created_at": rule.created_at,
    })
}
