//! `vouchsafe feature | tier | limit | setting`

use clap::{Args, Subcommand};

use crate::{
    cli::{CliError, OPERATOR, say, say_json},
    domain::{
        catalogue::{Feature, Tier},
        ids::{FeatureId, TierId},
        limit::{Cell, Limit, LimitKind},
        matrix::CellChange,
        period::ResetPeriod,
        settings::AppSettings,
    },
    platform::env::Env,
    services::{catalogue, matrix},
};

#[derive(Debug, Subcommand)]
pub(super) enum FeatureCommand {
    /// List all features, tab-separated
    List(List),
    /// Make a feature, or change what you name of it
    Set(SetFeature),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SetFeature {
    /// The feature
    feature: FeatureId,
    /// Its name in English
    #[arg(long)]
    name: Option<String>,
    /// Its name in German; the English one without it, for a new feature
    #[arg(long)]
    name_de: Option<String>,
    /// What it is, in English
    #[arg(long)]
    description: Option<String>,
    /// What it is, in German
    #[arg(long)]
    description_de: Option<String>,
    /// The group in which it stands
    #[arg(long)]
    category: Option<String>,
    /// What its limit counts: count, boolean or quota
    #[arg(long)]
    kind: Option<LimitKind>,
    /// How often usage starts again: never, hourly, daily, weekly, monthly or yearly
    #[arg(long)]
    reset: Option<ResetPeriod>,
    /// What a tier without a limit of its own gets: a number, off or unlimited
    #[arg(long)]
    default: Option<String>,
    /// Whether it is in use
    #[arg(long)]
    active: Option<bool>,
    /// Its place in lists
    #[arg(long)]
    order: Option<i64>,
}

impl FeatureCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let catalogue = catalogue::current(env).await?;
        match self {
            Self::List(List { json: true }) => say_json(&catalogue.features()),
            Self::List(_) => {
                for feature in catalogue.features() {
                    let Feature { id, name_en, category, kind, reset_period, active, .. } = feature;
                    let default = shown(Cell::Own(feature.default_limit), *kind);
                    let state = if *active { "active" } else { "inactive" };
                    let (kind, reset) = (kind.as_str(), reset_period.as_str());
                    say(&format!("{id}\t{name_en}\t{category}\t{kind}\t{reset}\t{default}\t{state}"))?;
                }
                Ok(())
            }
            Self::Set(set) => {
                let known = catalogue.feature(&set.feature).cloned();
                let last = catalogue.features().iter().map(|feature| feature.sort_order).max().unwrap_or(0);
                let feature = set.apply(known, last + 1)?;
                let is_new = catalogue::put_feature(env, OPERATOR, &feature).await?;
                say(&format!("{} is {}", feature.id, if is_new { "made" } else { "as you want it" }))
            }
        }
    }
}

impl SetFeature {
    fn apply(self, known: Option<Feature>, next: i64) -> Result<Feature, CliError> {
        let new = || {
            let name_en = self.name.clone().unwrap_or_else(|| self.feature.to_string());
            Feature {
                id: self.feature.clone(),
                name_de: name_en.clone(),
                name_en,
                description_en: String::new(),
                description_de: String::new(),
                category: "data".to_owned(),
                kind: LimitKind::Count,
                reset_period: ResetPeriod::Never,
                default_limit: Limit::OFF,
                active: true,
                sort_order: next,
            }
        };
        let mut feature = known.unwrap_or_else(new);
        feature.kind = self.kind.unwrap_or(feature.kind);
        if let Some(text) = &self.default {
            feature.default_limit = match Cell::parse(text, feature.kind) {
                Ok(Cell::Own(limit)) => limit,
                Ok(Cell::Inherited) => return Err(CliError::Wrong("a default is a number, off or unlimited".into())),
                Err(error) => return Err(CliError::Wrong(format!("--default: {error}"))),
            };
        }
        feature.name_en = self.name.unwrap_or(feature.name_en);
        feature.name_de = self.name_de.unwrap_or(feature.name_de);
        feature.description_en = self.description.unwrap_or(feature.description_en);
        feature.description_de = self.description_de.unwrap_or(feature.description_de);
        feature.category = self.category.unwrap_or(feature.category);
        feature.reset_period = self.reset.unwrap_or(feature.reset_period);
        feature.active = self.active.unwrap_or(feature.active);
        feature.sort_order = self.order.unwrap_or(feature.sort_order);
        Ok(feature)
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum TierCommand {
    /// List all tiers, the weakest first, tab-separated
    List(List),
    /// Make a tier, or change what you name of it
    Set(SetTier),
}

#[derive(Debug, Args)]
pub(super) struct SetTier {
    /// The tier
    tier: TierId,
    /// Its name
    #[arg(long)]
    name: Option<String>,
    /// What it is, in English
    #[arg(long)]
    description: Option<String>,
    /// What it is, in German
    #[arg(long)]
    description_de: Option<String>,
    /// The price of a month, in cents
    #[arg(long)]
    monthly: Option<i64>,
    /// The price of a year, in cents
    #[arg(long)]
    yearly: Option<i64>,
    /// Whether new members can subscribe to it
    #[arg(long)]
    active: Option<bool>,
    /// Whether it opens gates for paying members
    #[arg(long)]
    paid: Option<bool>,
    /// Its strength: the highest of several wins
    #[arg(long)]
    order: Option<i64>,
}

impl TierCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let catalogue = catalogue::current(env).await?;
        match self {
            Self::List(List { json: true }) => say_json(&catalogue.tiers()),
            Self::List(_) => {
                for tier in catalogue.tiers() {
                    let Tier { id, name, active, paid, sort_order, .. } = tier;
                    let price = |cents: Option<i64>| cents.map_or_else(|| "-".to_owned(), |cents| cents.to_string());
                    let (monthly, yearly) = (price(tier.price_monthly_cents), price(tier.price_yearly_cents));
                    let state = if *active { "active" } else { "inactive" };
                    let paid = if *paid { "paid" } else { "free" };
                    say(&format!("{id}\t{name}\t{sort_order}\t{paid}\t{monthly}\t{yearly}\t{state}"))?;
                }
                Ok(())
            }
            Self::Set(set) => {
                let known = catalogue.tier(&set.tier).cloned();
                let last = catalogue.tiers().last().map_or(0, |tier| tier.sort_order);
                let tier = set.apply(known, last + 1);
                let is_new = catalogue::put_tier(env, OPERATOR, &tier).await?;
                say(&format!("{} is {}", tier.id, if is_new { "made" } else { "as you want it" }))
            }
        }
    }
}

impl SetTier {
    fn apply(self, known: Option<Tier>, next: i64) -> Tier {
        let mut tier = known.unwrap_or_else(|| Tier {
            id: self.tier.clone(),
            name: self.tier.to_string(),
            description_en: String::new(),
            description_de: String::new(),
            price_monthly_cents: None,
            price_yearly_cents: None,
            active: true,
            paid: true,
            sort_order: next,
        });
        tier.name = self.name.unwrap_or(tier.name);
        tier.description_en = self.description.unwrap_or(tier.description_en);
        tier.description_de = self.description_de.unwrap_or(tier.description_de);
        tier.price_monthly_cents = self.monthly.or(tier.price_monthly_cents);
        tier.price_yearly_cents = self.yearly.or(tier.price_yearly_cents);
        tier.active = self.active.unwrap_or(tier.active);
        tier.paid = self.paid.unwrap_or(tier.paid);
        tier.sort_order = self.order.unwrap_or(tier.sort_order);
        tier
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum LimitCommand {
    /// List all limits, tab-separated: tier, feature, limit, whether it is the tier's own
    List(ListLimits),
    /// Set a limit of a tier
    Set(SetLimit),
}

#[derive(Debug, Args)]
pub(super) struct ListLimits {
    /// Of this tier only
    #[arg(long)]
    tier: Option<TierId>,
}

#[derive(Debug, Args)]
pub(super) struct SetLimit {
    /// The tier
    tier: TierId,
    /// The feature
    feature: FeatureId,
    /// A number, off, on, unlimited, or default
    limit: String,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
}

impl LimitCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let matrix = matrix::read(env).await?;
        match self {
            Self::List(ListLimits { tier: only }) => {
                if let Some(tier) = only.as_ref().filter(|tier| matrix.tier(tier).is_none()) {
                    return Err(CliError::Wrong(format!("there is no tier {tier}")));
                }
                let tiers = matrix.tiers.iter().filter(|tier| only.as_ref().is_none_or(|only| tier.id == *only));
                for tier in tiers {
                    for feature in &matrix.features {
                        let (cell, _) = matrix.cell(&tier.id, &feature.id);
                        let limit = shown(Cell::Own(cell.or_default(feature.default_limit)), feature.kind);
                        let from = if cell == Cell::Inherited { "default" } else { "tier" };
                        say(&format!("{}\t{}\t{limit}\t{from}", tier.id, feature.id))?;
                    }
                }
                Ok(())
            }
            Self::Set(SetLimit { tier, feature, limit, reason }) => {
                let kind = matrix.feature(&feature).map(|feature| feature.kind);
                let kind = kind.ok_or_else(|| CliError::Wrong(format!("there is no feature {feature}")))?;
                let cell = Cell::parse(&limit, kind).map_err(|error| CliError::Wrong(error.to_string()))?;
                let (now, version) = matrix.cell(&tier, &feature);
                if now == cell {
                    return say(&format!("{tier} {feature} is {} already", shown(cell, kind)));
                }
                let said = format!("{tier} {feature} is {}, was {}", shown(cell, kind), shown(now, kind));
                let change = CellChange { tier, feature, limit: cell, version };
                matrix::commit(env, OPERATOR, &[change], &reason).await?;
                say(&said)
            }
        }
    }
}

/// A cell in words that can be typed again.
pub(super) fn shown(cell: Cell, kind: LimitKind) -> String {
    match cell {
        Cell::Inherited => "default".to_owned(),
        Cell::Own(Limit::Unlimited) => "unlimited".to_owned(),
        cell => cell.to_input(kind),
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum SettingCommand {
    /// List the product's settings, tab-separated
    List,
    /// Set one of them
    Set {
        /// Which
        key: String,
        /// To what
        value: String,
    },
}

impl SettingCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List => {
                let settings = catalogue::current(env).await?;
                for key in AppSettings::KEYS {
                    say(&format!("{key}\t{}", settings.settings.value(key).unwrap_or_default()))?;
                }
                Ok(())
            }
            Self::Set { key, value } => {
                catalogue::set_setting(env, OPERATOR, &key, &value).await?;
                say(&format!("{key} is {value}"))
            }
        }
    }
}
