//! What a product offers, at one version of its configuration: tiers, features, the limits
//! between them and the settings.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    access::{Access, Accesses, Holding, Source, TierStanding},
    grant::{Grant, Timeline},
    ids::{FeatureId, TierId},
    lang::Lang,
    limit::{Limit, LimitKind},
    matrix::MatrixCell,
    period::{Anchor, Period, ResetPeriod},
    settings::{AppSettings, UsagePeriods},
    subscription::{Lasts, Subscription},
    user::User,
};

/// A tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Tier {
    /// Which.
    pub id: TierId,
    /// Its name.
    pub name: String,
    /// What it is, in English.
    pub description_en: String,
    /// What it is, in German.
    pub description_de: String,
    /// The price of a month in cents of the product's currency, if it is for sale.
    pub price_monthly_cents: Option<i64>,
    /// The price of a year in cents.
    pub price_yearly_cents: Option<i64>,
    /// Whether new members can subscribe to it.
    pub active: bool,
    /// Whether it opens gates for paying members.
    pub paid: bool,
    /// Its strength: the highest of several tiers wins.
    pub sort_order: i64,
}

impl Tier {
    /// Returns the description in the reader's language.
    pub fn description(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.description_en,
            Lang::De => &self.description_de,
        }
    }

    /// Returns what access needs to know of it.
    pub fn standing(&self) -> TierStanding {
        TierStanding { id: self.id.clone(), sort_order: self.sort_order, paid: self.paid }
    }
}

/// A feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Feature {
    /// Which.
    pub id: FeatureId,
    /// Its name in English.
    pub name_en: String,
    /// Its name in German.
    pub name_de: String,
    /// What it is, in English.
    pub description_en: String,
    /// What it is, in German.
    pub description_de: String,
    /// The group in which it stands.
    pub category: String,
    /// What its limit counts.
    pub kind: LimitKind,
    /// How often usage starts again.
    pub reset_period: ResetPeriod,
    /// What a tier without a limit of its own gets; `null` is unlimited.
    #[cfg_attr(feature = "ssr", schema(value_type = Option<i64>))]
    pub default_limit: Limit,
    /// Whether it is in use; an inactive feature is off for all.
    pub active: bool,
    /// Its place in lists.
    pub sort_order: i64,
}

impl Feature {
    /// Returns the name in the reader's language.
    pub fn name(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.name_en,
            Lang::De => &self.name_de,
        }
    }

    /// Returns whether using it can be counted: a switch is only on or off.
    pub fn is_counted(&self) -> bool {
        self.kind != LimitKind::Boolean
    }
}

/// What a member pays for or was given, as it is kept.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Subscriptions that may give access.
    pub subscriptions: Vec<Subscription>,
    /// Grants that may run or wait.
    pub grants: Vec<Grant>,
}

/// A setting names a tier that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no tier {0}, which a member or a setting names")]
pub struct NoSuchTier(pub TierId);

/// Tiers, features, limits and settings of one version, with fast lookups.
#[derive(Debug)]
pub struct Catalogue {
    /// The version of the configuration.
    pub version: i64,
    /// The product's settings.
    pub settings: AppSettings,
    tiers: Vec<Tier>,
    features: Vec<Feature>,
    tier_index: HashMap<TierId, usize>,
    feature_index: HashMap<FeatureId, usize>,
    /// By tier, then by feature, with the version that wrote it; nothing where the matrix has no row.
    limits: Vec<Option<(Limit, i64)>>,
}

impl Catalogue {
    /// Puts a configuration together. Cells of unknown tiers or features are left out.
    pub fn new(
        version: i64,
        settings: AppSettings,
        mut tiers: Vec<Tier>,
        features: Vec<Feature>,
        cells: impl IntoIterator<Item = MatrixCell>,
    ) -> Self {
        tiers.sort_by(|a, b| (a.sort_order, &a.id).cmp(&(b.sort_order, &b.id)));
        let tier_index: HashMap<_, _> = tiers.iter().enumerate().map(|(at, tier)| (tier.id.clone(), at)).collect();
        let feature_index: HashMap<_, _> =
            features.iter().enumerate().map(|(at, feature)| (feature.id.clone(), at)).collect();
        let mut limits = vec![None; tiers.len() * features.len()];
        for cell in cells {
            if let (Some(tier), Some(feature)) = (tier_index.get(&cell.tier), feature_index.get(&cell.feature)) {
                limits[tier * features.len() + feature] = Some((cell.limit, cell.version));
            }
        }
        Self { version, settings, tiers, features, tier_index, feature_index, limits }
    }

    /// Returns the tiers, the weakest first.
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// Returns the features in their order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Returns a tier.
    pub fn tier(&self, id: &TierId) -> Option<&Tier> {
        self.tier_index.get(id).map(|at| &self.tiers[*at])
    }

    /// Returns what a tier is called; its id, should it be gone.
    pub fn tier_name(&self, id: &TierId) -> String {
        self.tier(id).map_or_else(|| id.to_string(), |tier| tier.name.clone())
    }

    /// Returns a feature.
    pub fn feature(&self, id: &FeatureId) -> Option<&Feature> {
        self.feature_index.get(id).map(|at| &self.features[*at])
    }

    /// Returns the feature of that name.
    pub fn feature_named(&self, name: &str) -> Option<&Feature> {
        self.feature_index.get(name).map(|at| &self.features[*at])
    }

    /// Returns the limit in a cell of the matrix; nothing if the cell has no row.
    pub fn limit(&self, tier: &TierId, feature: &FeatureId) -> Option<Limit> {
        let at = self.tier_index.get(tier)? * self.features.len() + self.feature_index.get(feature)?;
        self.limits[at].map(|(limit, _)| limit)
    }

    /// Returns the cells of the matrix that have a row, sorted by tier, then by feature.
    pub fn cells(&self) -> Vec<MatrixCell> {
        let mut tiers: Vec<_> = self.tier_index.iter().collect();
        let mut features: Vec<_> = self.feature_index.iter().collect();
        tiers.sort();
        features.sort();
        let mut cells = Vec::with_capacity(self.limits.len());
        for (tier, column) in tiers {
            for &(feature, row) in &features {
                if let Some((limit, version)) = self.limits[column * self.features.len() + row] {
                    cells.push(MatrixCell { tier: tier.clone(), feature: feature.clone(), limit, version });
                }
            }
        }
        cells
    }

    /// Returns the limit that a tier has, by its cell or by the feature's default.
    pub fn limit_or_default(&self, tier: &TierId, feature: &Feature) -> Limit {
        self.limit(tier, &feature.id).unwrap_or(feature.default_limit)
    }

    /// Returns the period of a feature's usage that `now` lies in, for a member who came at `since`.
    pub fn period(&self, feature: &Feature, since: DateTime<Utc>, now: DateTime<Utc>) -> Period {
        let anchor = match self.settings.usage_periods {
            UsagePeriods::Calendar => Anchor::Calendar,
            UsagePeriods::Anniversary => Anchor::Anniversary(since),
        };
        Period::of(feature.reset_period, anchor, &self.settings.timezone, now)
    }

    /// Returns the periods that `now` lies in, one for each way in which counted features reset.
    pub fn periods(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<(ResetPeriod, Period)> {
        let mut periods: Vec<(ResetPeriod, Period)> = Vec::new();
        for feature in self.features.iter().filter(|feature| feature.is_counted()) {
            if periods.iter().all(|(reset, _)| *reset != feature.reset_period) {
                periods.push((feature.reset_period, self.period(feature, since, now)));
            }
        }
        periods
    }

    /// Returns how strong a tier is; one that there is not is the weakest.
    pub fn strength(&self, tier: &TierId) -> i64 {
        self.tier(tier).map_or(i64::MIN, |tier| tier.sort_order)
    }

    /// Returns what gives a member a tier beside their own at `now`, what has ended among it.
    pub fn holdings(&self, user: &User, claims: &Claims, now: DateTime<Utc>) -> Vec<Holding> {
        let trial = user.trial_ends_at.map(|end| Holding::until(self.settings.trial_tier.clone(), Source::Trial, end));
        let credit =
            user.credit_until.map(|end| Holding::until(self.settings.credit_tier.clone(), Source::Credit, end));
        let grace = TimeDelta::days(self.settings.past_due_grace_days);
        let subscriptions = claims.subscriptions.iter().filter_map(|subscription| {
            let Lasts { expires_at, ends_at } = subscription.lasts(grace)?;
            Some(Holding { tier: subscription.tier.clone(), source: Source::Subscription, expires_at, ends_at })
        });
        let timeline = Timeline::new(claims.grants.clone(), |tier| self.strength(tier), now);
        let grant = timeline.access().map(|(tier, end)| Holding::until(tier.clone(), Source::Grant, end));
        subscriptions.chain(grant).chain(credit).chain(trial).collect()
    }

    /// Returns what somebody with that own tier and those holdings may use at `now`.
    pub fn accesses(
        &self,
        own: &TierId,
        holdings: impl IntoIterator<Item = Holding>,
        now: DateTime<Utc>,
    ) -> Result<Accesses, NoSuchTier> {
        let standing = |tier: &TierId| self.tier(tier).map(Tier::standing).ok_or_else(|| NoSuchTier(tier.clone()));
        let mut others = Vec::new();
        for Holding { tier, source, expires_at, ends_at } in holdings {
            if ends_at.is_none_or(|end| end > now) {
                others.push(Access { tier: standing(&tier)?, source, expires_at, ends_at });
            }
        }
        Ok(Accesses::new(standing(own)?, others, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_sorted_with_the_version_that_wrote_them() {
        let tier = |id: &str, sort_order| Tier {
            id: id.parse().expect("a name"),
            name: id.to_owned(),
            description_en: String::new(),
            description_de: String::new(),
            price_monthly_cents: None,
            price_yearly_cents: None,
            active: true,
            paid: false,
            sort_order,
        };
        let feature = |id: &str, sort_order| Feature {
            id: id.parse().expect("a name"),
            name_en: id.to_owned(),
            name_de: id.to_owned(),
            description_en: String::new(),
            description_de: String::new(),
            category: "data".to_owned(),
            kind: LimitKind::Count,
            reset_period: ResetPeriod::Never,
            default_limit: Limit::OFF,
            active: true,
            sort_order,
        };
        let cell = |tier: &str, feature: &str, limit, version| MatrixCell {
            tier: tier.parse().expect("a name"),
            feature: feature.parse().expect("a name"),
            limit,
            version,
        };
        let sorted = [
            cell("basic", "entries", Limit::At(1), 4),
            cell("basic", "photos", Limit::Unlimited, 2),
            cell("free", "photos", Limit::OFF, 3),
        ];
        let tiers = vec![tier("free", 1), tier("basic", 2), tier("premium", 3)];
        let features = vec![feature("photos", 1), feature("entries", 2)];
        let given = sorted.iter().rev().cloned().chain([cell("gone", "photos", Limit::OFF, 1)]);
        let catalogue = Catalogue::new(9, AppSettings::default(), tiers, features, given);
        assert_eq!(catalogue.cells(), sorted);
        for cell in &sorted {
            assert_eq!(catalogue.limit(&cell.tier, &cell.feature), Some(cell.limit));
        }
        assert_eq!(catalogue.limit(&sorted[2].tier, &sorted[0].feature), None);
    }
}
