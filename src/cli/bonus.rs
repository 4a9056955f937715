//! `vouchsafe bonus list | add | show | set | archive | awards | preview | standing`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{
        CliError, Moment, OPERATOR, instant, member, moment, moment_or_nothing, say, say_facts, say_json, say_list,
        yes_or_no,
    },
    domain::{
        bonus::{MOST_THRESHOLD, Reward, Terms, Trigger, badge_letter},
        grant::MOST_DAYS,
        ids::{BonusRuleId, TierId},
    },
    platform::env::Env,
    services::bonus::{self, BonusError, ListedAward, ListedRule},
};

/// How many rows are read at once.
const PAGE: i64 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum BonusCommand {
    /// List rules, the newest first, tab-separated: id, trigger, threshold, reward, rewarded, active, name
    List(List),
    /// Make a rule: who fulfils it gets days at a tier or a badge, once
    Add(Box<Add>),
    /// Show a rule
    Show {
        /// The rule's id, as `bonus list` shows it
        id: BonusRuleId,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a rule; what is left out stays, and what it asks for and brings changes only until somebody was rewarded
    Set(Box<Set>),
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
    /// Tell how many have done already what a rule would ask for, and the first of them, one a line
    Preview {
        /// referrals_converted, coupons_redeemed, subscriptions_started, days_in_a_row or days_as_member
        #[arg(long)]
        trigger: Trigger,
        /// How much of it
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST_THRESHOLD))]
        threshold: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell what a member has earned and how far they are with what they can still earn, tab-separated:
    /// earned, when, reward, name; or open, how much of how much, reward, name
    Standing {
        /// The member's address
        email: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(super) struct Set {
    /// The rule's id, as `bonus list` shows it
    id: BonusRuleId,
    /// What it is called; members read it
    #[arg(long, group = "change")]
    name: Option<String>,
    /// The same in German
    #[arg(long, group = "change")]
    name_de: Option<String>,
    /// What it is about
    #[arg(long, group = "change")]
    description: Option<String>,
    /// The same in German
    #[arg(long, group = "change")]
    description_de: Option<String>,
    /// referrals_converted, coupons_redeemed, subscriptions_started, days_in_a_row or days_as_member
    #[arg(long, group = "change")]
    trigger: Option<Trigger>,
    /// How much of it
    #[arg(long, group = "change", value_parser = clap::value_parser!(i64).range(1..=MOST_THRESHOLD))]
    threshold: Option<i64>,
    /// The tier that it gives
    #[arg(long, group = "change", requires = "days")]
    tier: Option<TierId>,
    /// For how many days
    #[arg(long, group = "change", requires = "tier", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: Option<i64>,
    /// Instead of days: a badge with this letter or digit
    #[arg(long, group = "change", conflicts_with_all = ["tier", "days"], value_parser = letter)]
    badge: Option<char>,
    /// From when on it counts, as 2027-01-01T00:00:00Z; none counts everything that ever happened
    #[arg(long, group = "change")]
    from: Option<Moment>,
    /// Until when it is given, or none
    #[arg(long, group = "change")]
    until: Option<Moment>,
    /// Whether it is given
    #[arg(long, group = "change")]
    active: Option<bool>,
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
            Self::Show { id, json } => {
                let listed = found(env, id).await?;
                if json { say_json(&as_json(&listed)) } else { show(&listed) }
            }
            Self::Set(command) => command.run(env).await,
            Self::Preview { trigger, threshold, json } => preview(env, trigger, threshold, json).await,
            Self::Standing { email, json } => standing(env, &email, json).await,
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

impl Set {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let ListedRule { rule, awards } = found(env, self.id).await?;
        let known = rule.terms;
        let terms = Terms {
            name_en: self.name.unwrap_or(known.name_en),
            name_de: self.name_de.unwrap_or(known.name_de),
            description_en: self.description.unwrap_or(known.description_en),
            description_de: self.description_de.unwrap_or(known.description_de),
            trigger: self.trigger.unwrap_or(known.trigger),
            threshold: self.threshold.unwrap_or(known.threshold),
            reward: match (self.tier, self.days, self.badge) {
                (Some(tier), Some(days), _) => Reward::Days { tier, days },
                (_, _, Some(letter)) => Reward::Badge { letter },
                _ => known.reward,
            },
            counts_from: self.from.map_or(known.counts_from, |Moment(from)| from),
            ends_at: self.until.map_or(known.ends_at, |Moment(until)| until),
        };
        let rule = bonus::change(env, self.id, terms, self.active.unwrap_or(rule.active), OPERATOR).await?;
        say(&line(&ListedRule { rule, awards }))
    }
}

async fn found(env: &Env, id: BonusRuleId) -> Result<ListedRule, CliError> {
    Ok(bonus::find(env, id).await?.ok_or(BonusError::NoSuchRule)?)
}

fn show(ListedRule { rule, awards }: &ListedRule) -> Result<(), CliError> {
    let terms = &rule.terms;
    say_facts(&[
        ("name", terms.name_en.clone()),
        ("in German", terms.name_de.clone()),
        ("id", rule.id.to_string()),
        ("about", terms.description_en.clone()),
        ("in German", terms.description_de.clone()),
        ("asks for", format!("{} {}", terms.threshold, terms.trigger.as_str())),
        ("brings", told(&terms.reward)),
        (
            "counts",
            terms.counts_from.map_or_else(|| "everything".to_owned(), |from| format!("from {}", moment(Some(from)))),
        ),
        ("until", moment_or_nothing(terms.ends_at)),
        ("active", yes_or_no(rule.active).to_owned()),
        ("rewarded", awards.to_string()),
        ("archived", moment_or_nothing(rule.archived_at)),
        ("made", format!("{} by {}", moment(Some(rule.created_at)), rule.created_by)),
    ])
}

async fn preview(env: &Env, trigger: Trigger, threshold: i64, as_json: bool) -> Result<(), CliError> {
    // Who would be rewarded follows from neither the name nor the reward.
    let terms = Terms {
        name_en: "preview".to_owned(),
        name_de: String::new(),
        description_en: String::new(),
        description_de: String::new(),
        trigger,
        threshold,
        reward: Reward::Badge { letter: 'P' },
        counts_from: None,
        ends_at: None,
    };
    let terms = terms.checked().map_err(BonusError::from)?;
    let preview = bonus::preview(env, None, &terms).await?;
    if as_json {
        return say_json(&json!({ "count": preview.count, "first": preview.first }));
    }
    say(&preview.count.to_string())?;
    preview.first.iter().try_for_each(|member| say(member))
}

async fn standing(env: &Env, email: &str, as_json: bool) -> Result<(), CliError> {
    let user = member(env, email).await?;
    let standing = bonus::standing(env, &user).await?;
    if as_json {
        let earned = standing.awards.iter().map(|(award, rule, _)| {
            json!({
                "rule": rule.id, "name": rule.name(user.lang), "reward": reward_json(&award.reward),
                "awarded_at": award.awarded_at,
            })
        });
        let open = standing.open.iter().map(|(rule, progress, _)| {
            json!({
                "rule": rule.id, "name": rule.name(user.lang), "trigger": rule.terms.trigger,
                "current": progress.current, "threshold": progress.threshold, "reward": reward_json(&rule.terms.reward),
            })
        });
        return say_json(&json!({ "earned": earned.collect::<Vec<_>>(), "open": open.collect::<Vec<_>>() }));
    }
    for (award, rule, _) in &standing.awards {
        let (at, reward) = (moment(Some(award.awarded_at)), told(&award.reward));
        say(&format!("earned\t{at}\t{reward}\t{}", rule.name(user.lang)))?;
    }
    for (rule, progress, _) in &standing.open {
        let (current, threshold, reward) = (progress.current, progress.threshold, told(&rule.terms.reward));
        say(&format!("open\t{current} of {threshold}\t{reward}\t{}", rule.name(user.lang)))?;
    }
    Ok(())
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let page = |before| bonus::list(env, self.archived, before, PAGE);
        say_list(self.json, page, |listed| listed.rule.id, as_json, line).await
    }
}

async fn awards(env: &Env, id: BonusRuleId, as_json: bool) -> Result<(), CliError> {
    found(env, id).await?;
    let page = |before| bonus::awards(env, id, before, PAGE);
    say_list(as_json, page, |listed| listed.award.id, award_as_json, award_line).await
}

fn award_line(ListedAward { award, member }: &ListedAward) -> String {
    let (at, member) = (moment(Some(award.awarded_at)), member.as_deref().unwrap_or("-"));
    format!("{at}\t{member}\t{}", told(&award.reward))
}

fn award_as_json(ListedAward { award, member }: &ListedAward) -> Value {
    json!({
        "user": award.user, "member": member, "reward": reward_json(&award.reward), "awarded_at": award.awarded_at,
    })
}

fn told(reward: &Reward) -> String {
    match reward {
        Reward::Days { tier, days } => format!("{days} days of {tier}"),
        Reward::Badge { letter } => format!("badge {letter}"),
    }
}

fn line(ListedRule { rule, awards }: &ListedRule) -> String {
    let terms = &rule.terms;
    let active = yes_or_no(rule.active);
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
