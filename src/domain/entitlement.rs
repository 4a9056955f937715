//! May this member do this, and why?
//!
//! One function answers, [`decide`]; [`explain`] tells every layer that was looked at. A limit
//! comes from the member's restriction, else from the tier, else from the feature's default
//! (design §4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    access::{Access, Accesses, Source},
    catalogue::{Catalogue, Claims, Feature, NoSuchTier},
    ids::{FeatureId, TierId, UserId},
    limit::Limit,
    period::{Period, ResetPeriod},
    user::User,
};

/// Where somebody goes who wants more than their tier gives.
pub const PRICING_PATH: &str = "/pricing";

/// A limit of one member's own, which an admin set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Restriction {
    /// Of what.
    pub feature: FeatureId,
    /// How much; `null` is unlimited, 0 is off.
    #[cfg_attr(feature = "ssr", schema(value_type = Option<i64>))]
    pub limit: Limit,
    /// Why.
    pub reason: String,
    /// Until when; without, it stays.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who set it.
    pub created_by: String,
    /// When it was set.
    pub updated_at: DateTime<Utc>,
}

impl Restriction {
    /// Returns whether it counts at `now`.
    pub fn is_in_force(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|until| until > now)
    }
}

/// What has been used in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Of what.
    pub feature: FeatureId,
    /// In the period that starts here.
    pub period_start: DateTime<Utc>,
    /// How much.
    pub used: i64,
}

/// Units that are held for work in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of what.
    pub feature: FeatureId,
    /// In the period that starts here.
    pub period_start: DateTime<Utc>,
    /// How many.
    pub amount: i64,
    /// From when on they are free again.
    pub expires_at: DateTime<Utc>,
}

/// Everything about one member that decisions depend on.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The member.
    pub user: User,
    /// What gives them a tier.
    pub accesses: Accesses,
    restrictions: Vec<Restriction>,
    used: Vec<Used>,
    held: Vec<Held>,
    /// Those that were running when this was put together: most questions are about them.
    periods: Vec<(ResetPeriod, Period)>,
}

impl Standing {
    /// Puts together what is known of a member at `now`, under a configuration.
    pub fn new(
        catalogue: &Catalogue,
        user: User,
        claims: &Claims,
        mut restrictions: Vec<Restriction>,
        mut used: Vec<Used>,
        held: Vec<Held>,
        now: DateTime<Utc>,
    ) -> Result<Self, NoSuchTier> {
        let accesses = catalogue.accesses(&user.tier, catalogue.holdings(&user, claims, now), now)?;
        restrictions.sort_by(|a, b| a.feature.cmp(&b.feature));
        used.sort_by(|a, b| (&a.feature, a.period_start).cmp(&(&b.feature, b.period_start)));
        let periods = catalogue.periods(user.created_at, now);
        Ok(Self { user, accesses, restrictions, used, held, periods })
    }

    /// Returns the restriction on a feature, in force or not.
    pub fn restriction(&self, feature: &FeatureId) -> Option<&Restriction> {
        let at = self.restrictions.binary_search_by(|restriction| restriction.feature.cmp(feature)).ok()?;
        Some(&self.restrictions[at])
    }

    /// Returns all restrictions, those no longer in force among them.
    pub fn restrictions(&self) -> &[Restriction] {
        &self.restrictions
    }

    /// Returns the period of a feature's usage that `now` lies in, under the configuration that this was
    /// put together with.
    fn period(&self, catalogue: &Catalogue, feature: &Feature, now: DateTime<Utc>) -> Period {
        let known = self.periods.iter().find(|(reset, period)| *reset == feature.reset_period && period.contains(now));
        known.map_or_else(|| catalogue.period(feature, self.user.created_at, now), |(_, period)| *period)
    }

    fn used_in(&self, feature: &FeatureId, period: &Period) -> i64 {
        let found = self.used.binary_search_by(|used| (&used.feature, used.period_start).cmp(&(feature, period.start)));
        found.map_or(0, |at| self.used[at].used)
    }

    fn held_in(&self, feature: &FeatureId, period: &Period, now: DateTime<Utc>) -> i64 {
        self.held
            .iter()
            .filter(|held| held.period_start == period.start && held.expires_at > now && held.feature == *feature)
            .map(|held| held.amount)
            .sum()
    }

    /// Returns the first instant after `now` at which something ends by itself that a decision
    /// may depend on: an access, a restriction, units held. Periods are not among them.
    pub fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let accesses = self.accesses.all().iter().filter_map(|access| access.ends_at);
        let restrictions = self.restrictions.iter().filter_map(|restriction| restriction.expires_at);
        let held = self.held.iter().map(|held| held.expires_at);
        accesses.chain(restrictions).chain(held).filter(|at| *at > now).min()
    }
}

/// Which layer the limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// The member's own restriction.
    Restriction,
    /// The cell of the matrix.
    Tier,
    /// The feature's default.
    Default,
}

impl DecidedBy {
    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restriction => "restriction",
            Self::Tier => "tier",
            Self::Default => "default",
        }
    }
}

/// Why something is allowed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is allowed.
    Ok,
    /// There is less left than was asked for.
    LimitReached,
    /// The limit is 0.
    FeatureOff,
    /// The feature is out of use.
    FeatureInactive,
    /// There is no such feature.
    FeatureUnknown,
    /// There is no such member.
    UserUnknown,
    /// The account is closed.
    UserDisabled,
}

impl Reason {
    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::LimitReached => "limit_reached",
            Self::FeatureOff => "feature_off",
            Self::FeatureInactive => "feature_inactive",
            Self::FeatureUnknown => "feature_unknown",
            Self::UserUnknown => "user_unknown",
            Self::UserDisabled => "user_disabled",
        }
    }
}

/// The weakest tier that would allow what is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Upgrade {
    /// Which.
    pub tier: TierId,
    /// Where to get it, on this server.
    pub url: String,
}

/// The answer to every question whether somebody may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Decision {
    /// Whether they may.
    pub allowed: bool,
    /// Who; `null` if there is no such member.
    pub user: Option<UserId>,
    /// What.
    pub feature: FeatureId,
    /// How much was asked for.
    pub requested: i64,
    /// How much there is in a period; `null` when it is unlimited or unknown.
    pub limit: Option<i64>,
    /// Whether there is no limit.
    pub unlimited: bool,
    /// What has been used in this period.
    pub used: i64,
    /// What is held for work in progress.
    pub reserved: i64,
    /// What is left; `null` when it is unlimited.
    pub remaining: Option<i64>,
    /// When usage starts again; `null` when it does not.
    pub resets_at: Option<DateTime<Utc>>,
    /// The effective tier.
    pub tier: Option<TierId>,
    /// What gives that tier.
    pub source: Option<Source>,
    /// Which layer the limit comes from.
    pub decided_by: Option<DecidedBy>,
    /// Why.
    pub reason: Reason,
    /// What would help, if a tier would.
    pub upgrade: Option<Upgrade>,
}

impl Decision {
    /// Returns the answer about somebody or something that does not exist.
    pub fn unknown(user: Option<UserId>, feature: FeatureId, requested: i64, reason: Reason) -> Self {
        Self {
            allowed: false,
            user,
            feature,
            requested,
            limit: None,
            unlimited: false,
            used: 0,
            reserved: 0,
            remaining: Some(0),
            resets_at: None,
            tier: None,
            source: None,
            decided_by: None,
            reason,
            upgrade: None,
        }
    }
}

/// A limit, and the layer it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// How much.
    pub limit: Limit,
    /// From where.
    pub decided_by: DecidedBy,
}

/// Resolves a limit: restriction, else tier, else default. An inactive feature is off.
pub fn resolve(
    catalogue: &Catalogue,
    tier: &TierId,
    restriction: Option<&Restriction>,
    feature: &Feature,
    now: DateTime<Utc>,
) -> Resolved {
    let (limit, decided_by) = match restriction.filter(|restriction| restriction.is_in_force(now)) {
        Some(restriction) => (restriction.limit, DecidedBy::Restriction),
        None => match catalogue.limit(tier, &feature.id) {
            Some(limit) => (limit, DecidedBy::Tier),
            None => (feature.default_limit, DecidedBy::Default),
        },
    };
    Resolved { limit: if feature.active { limit } else { Limit::OFF }, decided_by }
}

/// What one decision is about, before anything is counted.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The configuration.
    pub catalogue: &'a Catalogue,
    /// The member.
    pub user: &'a User,
    /// What gives the member's tier.
    pub access: &'a Access,
    /// The feature.
    pub feature: &'a Feature,
    /// The limit in force.
    pub resolved: Resolved,
    /// The period that counts.
    pub period: Period,
    /// Whether the account is worth nothing by now, because the trial was all it had.
    is_over: bool,
}

impl<'a> Question<'a> {
    /// Asks about a feature, with the restriction that there may be, in the period that `now` lies in.
    pub fn new(
        catalogue: &'a Catalogue,
        user: &'a User,
        accesses: &'a Accesses,
        restriction: Option<&Restriction>,
        feature: &'a Feature,
        period: Period,
        now: DateTime<Utc>,
    ) -> Self {
        let access = accesses.effective_at(now);
        Self {
            catalogue,
            user,
            access,
            feature,
            resolved: resolve(catalogue, &access.tier.id, restriction, feature, now),
            period,
            is_over: is_over(user, accesses, now),
        }
    }

    /// Answers for an amount, given what is used and held. A switch that is on is on for any amount.
    pub fn answer(&self, amount: i64, used: i64, held: i64) -> Decision {
        let taken = used.saturating_add(held);
        let wanted = if self.feature.is_counted() { amount } else { amount.min(1) };
        let reason = if self.user.disabled_at.is_some() || self.is_over {
            Reason::UserDisabled
        } else if !self.feature.active {
            Reason::FeatureInactive
        } else if self.resolved.limit == Limit::OFF {
            Reason::FeatureOff
        } else if !fits(self.resolved.limit, taken, wanted) {
            Reason::LimitReached
        } else {
            Reason::Ok
        };
        let limit = self.resolved.limit.to_stored();
        Decision {
            allowed: reason == Reason::Ok,
            user: Some(self.user.id),
            feature: self.feature.id.clone(),
            requested: amount,
            limit,
            unlimited: limit.is_none(),
            used,
            reserved: held,
            remaining: limit.map(|limit| limit.saturating_sub(taken).max(0)),
            resets_at: self.period.end,
            tier: Some(self.access.tier.id.clone()),
            source: Some(self.access.source),
            decided_by: Some(self.resolved.decided_by),
            reason,
            upgrade: self.upgrade(wanted, taken, reason),
        }
    }

    /// Answers that an amount was allowed, given what is used and held after it.
    pub fn granted(&self, amount: i64, used: i64, held: i64) -> Decision {
        let after = self.answer(1, used, held);
        Decision { allowed: true, reason: Reason::Ok, requested: amount, upgrade: None, ..after }
    }

    /// Finds the weakest stronger tier on offer that would allow it. Where a restriction decides,
    /// no tier helps.
    fn upgrade(&self, amount: i64, taken: i64, reason: Reason) -> Option<Upgrade> {
        let is_for_sale = self.is_over && self.user.disabled_at.is_none() && self.feature.active;
        if !(is_for_sale || matches!(reason, Reason::LimitReached | Reason::FeatureOff))
            || self.resolved.decided_by == DecidedBy::Restriction
        {
            return None;
        }
        self.catalogue
            .tiers()
            .iter()
            .filter(|tier| tier.active && tier.sort_order > self.access.tier.sort_order)
            .find(|tier| fits(self.catalogue.limit_or_default(&tier.id, self.feature), taken, amount))
            .map(|tier| Upgrade { tier: tier.id.clone(), url: PRICING_PATH.to_owned() })
    }
}

/// Returns whether a member has no access at all, because their own tier counts for nothing and there
/// is nothing else.
pub fn is_over(user: &User, accesses: &Accesses, now: DateTime<Utc>) -> bool {
    user.closes_after_trial
        && accesses.all().iter().all(|access| access.source == Source::OwnTier || !access.is_running(now))
}

/// Returns whether an amount fits a limit of which something is taken. Of nothing, nothing fits.
pub fn fits(limit: Limit, taken: i64, amount: i64) -> bool {
    match limit {
        Limit::Unlimited => true,
        Limit::OFF => false,
        Limit::At(most) => taken.checked_add(amount).is_some_and(|sum| sum <= most),
    }
}

/// Decides whether a member may use so much of a feature at `now`.
pub fn decide(
    catalogue: &Catalogue,
    standing: &Standing,
    feature: &FeatureId,
    amount: i64,
    now: DateTime<Utc>,
) -> Decision {
    match catalogue.feature(feature) {
        Some(feature) => decide_about(catalogue, standing, feature, amount, now),
        None => Decision::unknown(Some(standing.user.id), feature.clone(), amount, Reason::FeatureUnknown),
    }
}

/// Decides about a feature of the catalogue.
pub fn decide_about(
    catalogue: &Catalogue,
    standing: &Standing,
    feature: &Feature,
    amount: i64,
    now: DateTime<Utc>,
) -> Decision {
    let restriction = standing.restriction(&feature.id);
    let period = standing.period(catalogue, feature, now);
    let question = Question::new(catalogue, &standing.user, &standing.accesses, restriction, feature, period, now);
    let (used, held) = if feature.is_counted() {
        (standing.used_in(&feature.id, &period), standing.held_in(&feature.id, &period, now))
    } else {
        (0, 0)
    };
    question.answer(amount, used, held)
}

/// One layer that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(tag = "layer", rename_all = "snake_case")]
pub enum Layer {
    /// The account.
    User {
        /// Since when it is closed, if it is.
        disabled_at: Option<DateTime<Utc>>,
        /// Whether the trial was all it had, and is over.
        #[serde(default)]
        is_over: bool,
    },
    /// The feature.
    Feature {
        /// Whether it is in use.
        active: bool,
    },
    /// Something that gives a tier.
    Access {
        /// What.
        source: Source,
        /// Which tier.
        tier: TierId,
        /// Whether that tier counts as paid.
        paid: bool,
        /// When it ends.
        expires_at: Option<DateTime<Utc>>,
        /// Whether it is the one that wins.
        wins: bool,
    },
    /// The member's own restriction.
    Restriction {
        /// What it says; nothing if there is none.
        restriction: Option<Restriction>,
        /// Whether it has ended.
        expired: bool,
        /// Whether the limit comes from here.
        decides: bool,
    },
    /// The cell of the matrix.
    Tier {
        /// In which column.
        tier: TierId,
        /// Whether it has a row; without one the default counts.
        present: bool,
        /// What it says; `null` is unlimited if it is present.
        limit: Option<i64>,
        /// Whether the limit comes from here.
        decides: bool,
    },
    /// The feature's default.
    Default {
        /// What it says; `null` is unlimited.
        limit: Option<i64>,
        /// Whether the limit comes from here.
        decides: bool,
    },
    /// What is used.
    Usage {
        /// Since when it is counted.
        period_start: DateTime<Utc>,
        /// When it starts again.
        resets_at: Option<DateTime<Utc>>,
        /// How much is used.
        used: i64,
        /// How much is held.
        reserved: i64,
    },
}

/// A decision with everything that was looked at, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// The answer.
    pub decision: Decision,
    /// The layers, in the order in which they were looked at.
    pub trail: Vec<Layer>,
}

/// Decides and tells why.
pub fn explain(
    catalogue: &Catalogue,
    standing: &Standing,
    feature: &Feature,
    amount: i64,
    now: DateTime<Utc>,
) -> Explanation {
    let decision = decide_about(catalogue, standing, feature, amount, now);
    let effective = standing.accesses.effective_at(now);
    let restriction = standing.restriction(&feature.id);
    let cell = catalogue.limit(&effective.tier.id, &feature.id);
    let decides = |layer| decision.decided_by == Some(layer);
    let period = catalogue.period(feature, standing.user.created_at, now);
    let mut trail = vec![
        Layer::User {
            disabled_at: standing.user.disabled_at,
            is_over: is_over(&standing.user, &standing.accesses, now),
        },
        Layer::Feature { active: feature.active },
    ];
    let running = |access: &&Access| access.expires_at.is_none_or(|until| until > now);
    trail.extend(standing.accesses.all().iter().filter(running).map(|access| Layer::Access {
        source: access.source,
        tier: access.tier.id.clone(),
        paid: access.tier.paid,
        expires_at: access.expires_at,
        wins: std::ptr::eq(access, effective),
    }));
    trail.extend([
        Layer::Restriction {
            restriction: restriction.cloned(),
            expired: restriction.is_some_and(|restriction| !restriction.is_in_force(now)),
            decides: decides(DecidedBy::Restriction),
        },
        Layer::Tier {
            tier: effective.tier.id.clone(),
            present: cell.is_some(),
            limit: cell.and_then(Limit::to_stored),
            decides: decides(DecidedBy::Tier),
        },
        Layer::Default { limit: feature.default_limit.to_stored(), decides: decides(DecidedBy::Default) },
    ]);
    if feature.is_counted() {
        trail.push(Layer::Usage {
            period_start: period.start,
            resets_at: period.end,
            used: decision.used,
            reserved: decision.reserved,
        });
    }
    Explanation { decision, trail }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;
    use proptest::{collection::vec, option, prelude::*, sample::select};
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        catalogue::Tier, lang::Lang, limit::LimitKind, matrix::MatrixCell, period::ResetPeriod, settings::AppSettings,
        user::Role,
    };

    /// Everything that there is, as plain as it can be written down: tiers and features by their
    /// number, moments in hours from now.
    #[derive(Debug, Clone)]
    struct World {
        /// Strength, active, paid.
        tiers: Vec<(i64, bool, bool)>,
        features: Vec<PlainFeature>,
        /// By tier and feature.
        cells: BTreeMap<(usize, usize), Limit>,
        own: usize,
        trial: (usize, Option<i64>),
        credit: (usize, Option<i64>),
        disabled: bool,
        /// By feature: how much, and until when.
        restrictions: BTreeMap<usize, (Limit, Option<i64>)>,
        /// Of which feature, in the current period or the one before, how much.
        used: BTreeMap<(usize, bool), i64>,
        /// Of which feature, in the current period or the one before, how much, and until when.
        held: Vec<(usize, bool, i64, i64)>,
    }

    #[derive(Debug, Clone)]
    struct PlainFeature {
        is_switch: bool,
        default: Limit,
        active: bool,
        reset: ResetPeriod,
    }

    fn now() -> DateTime<Utc> {
        // Far from every change of a period.
        "2026-11-18T12:30:00Z".parse().expect("a moment")
    }

    fn hours(count: i64) -> DateTime<Utc> {
        now() + TimeDelta::hours(count)
    }

    fn tier_id(number: usize) -> TierId {
        format!("t{number}").parse().expect("a name")
    }

    fn feature_id(number: usize) -> FeatureId {
        format!("f{number}").parse().expect("a name")
    }

    impl World {
        fn catalogue(&self) -> Catalogue {
            let text = String::new;
            let tier = |(number, (strength, active, paid)): (usize, &(i64, bool, bool))| Tier {
                id: tier_id(number),
                name: text(),
                description_en: text(),
                description_de: text(),
                price_monthly_cents: None,
                price_yearly_cents: None,
                active: *active,
                paid: *paid,
                sort_order: *strength,
            };
            let feature = |(number, plain): (usize, &PlainFeature)| Feature {
                id: feature_id(number),
                name_en: text(),
                name_de: text(),
                description_en: text(),
                description_de: text(),
                category: text(),
                kind: if plain.is_switch { LimitKind::Boolean } else { LimitKind::Count },
                reset_period: plain.reset,
                default_limit: plain.default,
                active: plain.active,
                sort_order: 0,
            };
            let cell = |((tier, feature), limit): (&(usize, usize), &Limit)| MatrixCell {
                tier: tier_id(*tier),
                feature: feature_id(*feature),
                limit: *limit,
                version: 1,
            };
            let settings = AppSettings {
                trial_tier: tier_id(self.trial.0),
                credit_tier: tier_id(self.credit.0),
                ..AppSettings::default()
            };
            let tiers = self.tiers.iter().enumerate().map(tier).collect();
            let features = self.features.iter().enumerate().map(feature).collect();
            Catalogue::new(1, settings, tiers, features, self.cells.iter().map(cell))
        }

        fn user(&self) -> User {
            User {
                id: Uuid::from_u128(1).into(),
                email: None,
                external_id: None,
                role: Role::Member,
                lang: Lang::En,
                tier: tier_id(self.own),
                trial_ends_at: self.trial.1.map(hours),
                email_verified_at: None,
                closes_after_trial: false,
                credit_until: self.credit.1.map(hours),
                referral_code: None,
                disabled_at: self.disabled.then(now),
                created_at: now() - TimeDelta::days(400),
            }
        }

        /// What is known of the member, put together a while ago.
        fn standing(&self, catalogue: &Catalogue, read_at: DateTime<Utc>) -> Standing {
            let user = self.user();
            let start = |feature: usize, is_current: bool| {
                let feature = catalogue.feature(&feature_id(feature)).expect("a feature");
                let period = catalogue.period(feature, user.created_at, now());
                if is_current { period.start } else { period.start - TimeDelta::days(1) }
            };
            let restrictions = self.restrictions.iter().rev().map(|(feature, (limit, until))| Restriction {
                feature: feature_id(*feature),
                limit: *limit,
                reason: "a reason".to_owned(),
                expires_at: until.map(hours),
                created_by: "an admin".to_owned(),
                updated_at: now(),
            });
            let used = self.used.iter().rev().map(|((feature, is_current), used)| Used {
                feature: feature_id(*feature),
                period_start: start(*feature, *is_current),
                used: *used,
            });
            let held = self.held.iter().map(|(feature, is_current, amount, until)| Held {
                feature: feature_id(*feature),
                period_start: start(*feature, *is_current),
                amount: *amount,
                expires_at: hours(*until),
            });
            Standing::new(
                catalogue,
                user.clone(),
                &Claims::default(),
                restrictions.collect(),
                used.collect(),
                held.collect(),
                read_at,
            )
            .expect("every tier exists")
        }
    }

    /// What the model says: the naive reading of the rules, one unit after the other.
    #[derive(Debug, PartialEq)]
    struct Said {
        reason: Reason,
        limit: Limit,
        used: i64,
        held: i64,
        remaining: Option<i64>,
        tier: usize,
        source: Source,
        decided_by: DecidedBy,
        upgrade: Option<usize>,
    }

    impl World {
        fn effective(&self) -> (usize, Source) {
            let lies_ahead = |until: Option<i64>| until.is_some_and(|hours| hours > 0);
            for strength in (0..10).rev() {
                if self.tiers[self.own].0 == strength {
                    return (self.own, Source::OwnTier);
                }
                if lies_ahead(self.credit.1) && self.tiers[self.credit.0].0 == strength {
                    return (self.credit.0, Source::Credit);
                }
                if lies_ahead(self.trial.1) && self.tiers[self.trial.0].0 == strength {
                    return (self.trial.0, Source::Trial);
                }
            }
            unreachable!("an own tier has some strength")
        }

        fn limit_of(&self, tier: usize, feature: usize) -> (Limit, DecidedBy) {
            match self.cells.get(&(tier, feature)) {
                Some(limit) => (*limit, DecidedBy::Tier),
                None => (self.features[feature].default, DecidedBy::Default),
            }
        }

        fn has_room(limit: Limit, mut taken: i64, amount: i64) -> bool {
            let Limit::At(most) = limit else { return true };
            for _ in 0..amount {
                taken += 1;
                if taken > most {
                    return false;
                }
            }
            most > 0
        }

        fn says(&self, feature: usize, amount: i64) -> Said {
            let plain = &self.features[feature];
            let (tier, source) = self.effective();
            let (mut limit, mut decided_by) = self.limit_of(tier, feature);
            if let Some((own, until)) = self.restrictions.get(&feature)
                && (until.is_none() || *until > Some(0))
            {
                (limit, decided_by) = (*own, DecidedBy::Restriction);
            }
            if !plain.active {
                limit = Limit::At(0);
            }
            let (mut used, mut held, mut wanted) = (0, 0, amount);
            if plain.is_switch {
                wanted = 1;
            } else {
                used = self.used.get(&(feature, true)).copied().unwrap_or(0);
                for (of, is_current, amount, until) in &self.held {
                    if *of == feature && *is_current && *until > 0 {
                        held += amount;
                    }
                }
            }
            let reason = if self.disabled {
                Reason::UserDisabled
            } else if !plain.active {
                Reason::FeatureInactive
            } else if limit == Limit::At(0) {
                Reason::FeatureOff
            } else if !Self::has_room(limit, used + held, wanted) {
                Reason::LimitReached
            } else {
                Reason::Ok
            };
            let mut upgrade: Option<usize> = None;
            if [Reason::LimitReached, Reason::FeatureOff].contains(&reason) && decided_by != DecidedBy::Restriction {
                for (number, (strength, active, _)) in self.tiers.iter().enumerate() {
                    let is_stronger = *strength > self.tiers[tier].0;
                    let helps = Self::has_room(self.limit_of(number, feature).0, used + held, wanted);
                    let is_weaker_than_found = upgrade.is_none_or(|found| *strength < self.tiers[found].0);
                    if *active && is_stronger && helps && is_weaker_than_found {
                        upgrade = Some(number);
                    }
                }
            }
            let remaining = match limit {
                Limit::Unlimited => None,
                Limit::At(most) => Some(if most > used + held { most - used - held } else { 0 }),
            };
            Said { reason, limit, used, held, remaining, tier, source, decided_by, upgrade }
        }
    }

    fn a_limit() -> impl Strategy<Value = Limit> {
        prop_oneof![Just(Limit::Unlimited), Just(Limit::OFF), (0i64..8).prop_map(Limit::At)]
    }

    fn until() -> impl Strategy<Value = i64> {
        // Now itself is over.
        -2i64..3
    }

    fn a_world() -> impl Strategy<Value = World> {
        // Few strengths, so that some are equal.
        let tiers = vec((0i64..4, any::<bool>(), any::<bool>()), 1..5);
        let plain = (any::<bool>(), a_limit(), prop::bool::weighted(0.8), select(&ResetPeriod::ALL[..]))
            .prop_map(|(is_switch, default, active, reset)| PlainFeature { is_switch, default, active, reset });
        (tiers, vec(plain, 1..4)).prop_flat_map(|(tiers, features)| {
            let (tier, feature) = (0..tiers.len(), 0..features.len());
            let cells = prop::collection::btree_map((tier.clone(), feature.clone()), a_limit(), 0..8);
            let restrictions = prop::collection::btree_map(feature.clone(), (a_limit(), option::of(until())), 0..3);
            let used = prop::collection::btree_map((feature.clone(), any::<bool>()), 0i64..8, 0..4);
            let held = vec((feature, any::<bool>(), 1i64..4, until()), 0..4);
            let accesses = (tier.clone(), (tier.clone(), option::of(until())), (tier, option::of(until())));
            (Just(tiers), Just(features), cells, accesses, prop::bool::weighted(0.1), restrictions, used, held)
                .prop_map(|(tiers, features, cells, (own, trial, credit), disabled, restrictions, used, held)| World {
                    tiers,
                    features,
                    cells,
                    own,
                    trial,
                    credit,
                    disabled,
                    restrictions,
                    used,
                    held,
                })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

        #[test]
        fn a_decision_is_what_the_rules_say(world in a_world(), amount in 1i64..5, read_before in 0i64..4) {
            let catalogue = world.catalogue();
            let standing = world.standing(&catalogue, hours(-read_before));
            for number in 0..world.features.len() {
                let decision = decide(&catalogue, &standing, &feature_id(number), amount, now());
                let said = world.says(number, amount);
                let found = Said {
                    reason: decision.reason,
                    limit: Limit::from_stored(decision.limit),
                    used: decision.used,
                    held: decision.reserved,
                    remaining: decision.remaining,
                    tier: (0..world.tiers.len()).find(|tier| decision.tier == Some(tier_id(*tier))).expect("a tier"),
                    source: decision.source.expect("a source"),
                    decided_by: decision.decided_by.expect("a layer"),
                    // Of equally strong ones the first by name.
                    upgrade: decision.upgrade.as_ref().map(|upgrade| {
                        (0..world.tiers.len()).find(|tier| upgrade.tier == tier_id(*tier)).expect("a tier")
                    }),
                };
                prop_assert_eq!(&found, &said);
                prop_assert_eq!(decision.allowed, said.reason == Reason::Ok);
                prop_assert_eq!(decision.unlimited, said.limit == Limit::Unlimited);
                prop_assert_eq!((decision.requested, decision.user), (amount, Some(standing.user.id)));
                prop_assert_eq!(decision.feature, feature_id(number));
            }
            let unknown = decide(&catalogue, &standing, &feature_id(9), amount, now());
            prop_assert_eq!((unknown.allowed, unknown.reason), (false, Reason::FeatureUnknown));
        }

        #[test]
        fn an_explanation_agrees_with_its_decision(world in a_world(), amount in 1i64..5, read_before in 0i64..4) {
            let catalogue = world.catalogue();
            let standing = world.standing(&catalogue, hours(-read_before));
            for feature in catalogue.features() {
                let Explanation { decision, trail } = explain(&catalogue, &standing, feature, amount, now());
                prop_assert_eq!(&decision, &decide(&catalogue, &standing, &feature.id, amount, now()));
                let rank = |layer: &Layer| match layer {
                    Layer::User { .. } => 0,
                    Layer::Feature { .. } => 1,
                    Layer::Access { .. } => 2,
                    Layer::Restriction { .. } => 3,
                    Layer::Tier { .. } => 4,
                    Layer::Default { .. } => 5,
                    Layer::Usage { .. } => 6,
                };
                prop_assert!(trail.is_sorted_by_key(rank), "{:?}", trail);
                prop_assert_eq!(matches!(trail.last(), Some(Layer::Usage { .. })), feature.is_counted());
                let mut wins = Vec::new();
                let mut deciders = Vec::new();
                for layer in &trail {
                    match layer {
                        Layer::User { disabled_at, .. } => prop_assert_eq!(disabled_at.is_some(), world.disabled),
                        Layer::Feature { active } => prop_assert_eq!(*active, feature.active),
                        Layer::Access { source, tier, expires_at, wins: true, .. } => {
                            wins.push((Some(*source), Some(tier.clone())));
                            prop_assert!(expires_at.is_none_or(|until| until > now()));
                        }
                        Layer::Access { expires_at, .. } => {
                            prop_assert!(expires_at.is_none_or(|until| until > now()), "{:?}", trail);
                        }
                        Layer::Restriction { restriction, expired, decides: true } => {
                            prop_assert!(!expired);
                            let restriction = restriction.as_ref().expect("it decides");
                            deciders.push((DecidedBy::Restriction, restriction.limit));
                        }
                        Layer::Restriction { restriction, expired, .. } => {
                            prop_assert_eq!(restriction.is_some(), *expired);
                        }
                        Layer::Tier { tier, present, limit, decides } => {
                            prop_assert_eq!(Some(tier), decision.tier.as_ref());
                            prop_assert_eq!(*present, catalogue.limit(tier, &feature.id).is_some());
                            prop_assert!(*present || limit.is_none() && !decides);
                            if *decides {
                                deciders.push((DecidedBy::Tier, Limit::from_stored(*limit)));
                            }
                        }
                        Layer::Default { limit, decides: true } => {
                            deciders.push((DecidedBy::Default, Limit::from_stored(*limit)));
                        }
                        Layer::Default { .. } => {}
                        Layer::Usage { used, reserved, resets_at, .. } => {
                            prop_assert_eq!((*used, *reserved), (decision.used, decision.reserved));
                            prop_assert_eq!(*resets_at, decision.resets_at);
                        }
                    }
                }
                prop_assert_eq!(wins, vec![(decision.source, decision.tier.clone())]);
                prop_assert_eq!(deciders.len(), 1, "{:?}", trail);
                prop_assert_eq!(Some(deciders[0].0), decision.decided_by);
                let limit = if feature.active { deciders[0].1 } else { Limit::OFF };
                prop_assert_eq!(limit.to_stored(), decision.limit);
            }
        }

        #[test]
        fn until_the_next_change_the_answer_stays_the_same(world in a_world(), amount in 1i64..5) {
            let catalogue = world.catalogue();
            let standing = world.standing(&catalogue, now());
            let end = standing.next_change(now()).unwrap_or(hours(2));
            prop_assert!(end > now());
            let last = end - TimeDelta::microseconds(1);
            for feature in catalogue.features() {
                // Periods are not among the changes.
                if catalogue.period(feature, standing.user.created_at, now()).contains(last) {
                    let decide = |at| decide(&catalogue, &standing, &feature.id, amount, at);
                    prop_assert_eq!(decide(last), decide(now()));
                }
            }
        }
    }

    fn plain(default: Limit) -> World {
        World {
            tiers: vec![(1, true, false), (2, true, true), (3, false, true), (4, true, true)],
            features: vec![PlainFeature { is_switch: false, default, active: true, reset: ResetPeriod::Never }],
            cells: BTreeMap::new(),
            own: 0,
            trial: (1, None),
            credit: (1, None),
            disabled: false,
            restrictions: BTreeMap::new(),
            used: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn decided(world: &World, amount: i64) -> Decision {
        let catalogue = world.catalogue();
        decide(&catalogue, &world.standing(&catalogue, now()), &feature_id(0), amount, now())
    }

    #[test]
    fn unlimited_is_not_a_missing_row() {
        let mut world = plain(Limit::OFF);
        assert_eq!(
            (decided(&world, 1).reason, decided(&world, 1).decided_by),
            (Reason::FeatureOff, Some(DecidedBy::Default))
        );
        world.cells.insert((0, 0), Limit::Unlimited);
        let decision = decided(&world, 1_000_000);
        assert_eq!((decision.allowed, decision.limit, decision.decided_by), (true, None, Some(DecidedBy::Tier)));
        world.restrictions.insert(0, (Limit::OFF, Some(1)));
        assert_eq!(
            (decided(&world, 1).reason, decided(&world, 1).decided_by),
            (Reason::FeatureOff, Some(DecidedBy::Restriction))
        );
        world.restrictions.insert(0, (Limit::OFF, Some(0)));
        assert!(decided(&world, 1).allowed, "a restriction ends on the instant");
    }

    #[test]
    fn the_weakest_tier_on_offer_that_helps_is_named() {
        let mut world = plain(Limit::At(2));
        world.used.insert((0, true), 2);
        world.cells.extend([((1, 0), Limit::At(2)), ((2, 0), Limit::Unlimited), ((3, 0), Limit::At(3))]);
        let upgrade = |world: &World, amount| decided(world, amount).upgrade.map(|upgrade| upgrade.tier);
        // One gives no more, one is not on offer.
        assert_eq!(upgrade(&world, 1), Some(tier_id(3)));
        assert_eq!(upgrade(&world, 2), None);
        world.restrictions.insert(0, (Limit::At(2), None));
        assert_eq!(upgrade(&world, 1), None, "no tier helps against a restriction");
    }

    #[test]
    fn a_switch_that_is_on_is_on_for_any_amount() {
        let mut world = plain(Limit::At(1));
        world.features[0].is_switch = true;
        assert!(decided(&world, 5).allowed);
        world.features[0].default = Limit::OFF;
        assert_eq!(decided(&world, 5).reason, Reason::FeatureOff);
    }

    #[test]
    fn numbers_at_the_edge_do_not_wrap() {
        let mut world = plain(Limit::At(crate::domain::limit::HIGHEST_LIMIT));
        world.used.insert((0, true), i64::MAX);
        let decision = decided(&world, i64::MAX);
        assert_eq!((decision.reason, decision.remaining), (Reason::LimitReached, Some(0)));
    }
}
