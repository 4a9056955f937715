//! May this member do this, and why?
//!
//! One function answers, [`decide`]; [`explain`] tells every layer that was looked at. A limit
//! comes from the member's restriction, else from the tier, else from the feature's default
//! (design §4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    access::{Access, Accesses, Source},
    catalogue::{Catalogue, Feature, NoSuchTier},
    ids::{FeatureId, TierId, UserId},
    limit::Limit,
    period::Period,
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
}

impl Standing {
    /// Puts together what is known of a member at `now`.
    pub fn new(
        catalogue: &Catalogue,
        user: User,
        mut restrictions: Vec<Restriction>,
        mut used: Vec<Used>,
        held: Vec<Held>,
        now: DateTime<Utc>,
    ) -> Result<Self, NoSuchTier> {
        let accesses = catalogue.accesses(&user.tier, user.trial_ends_at, user.credit_until, now)?;
        restrictions.sort_by(|a, b| a.feature.cmp(&b.feature));
        used.sort_by(|a, b| (&a.feature, a.period_start).cmp(&(&b.feature, b.period_start)));
        Ok(Self { user, accesses, restrictions, used, held })
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
        let accesses = self.accesses.all().iter().filter_map(|access| access.expires_at);
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
}

impl<'a> Question<'a> {
    /// Asks about a feature, with the restriction that there may be.
    pub fn new(
        catalogue: &'a Catalogue,
        user: &'a User,
        accesses: &'a Accesses,
        restriction: Option<&Restriction>,
        feature: &'a Feature,
        now: DateTime<Utc>,
    ) -> Self {
        let access = accesses.effective_at(now);
        Self {
            catalogue,
            user,
            access,
            feature,
            resolved: resolve(catalogue, &access.tier.id, restriction, feature, now),
            period: catalogue.period(feature, user.created_at, now),
        }
    }

    /// Answers for an amount, given what is used and held.
    pub fn answer(&self, amount: i64, used: i64, held: i64) -> Decision {
        let taken = used.saturating_add(held);
        let reason = if self.user.disabled_at.is_some() {
            Reason::UserDisabled
        } else if !self.feature.active {
            Reason::FeatureInactive
        } else if self.resolved.limit == Limit::OFF {
            Reason::FeatureOff
        } else if !fits(self.resolved.limit, taken, amount) {
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
            upgrade: self.upgrade(amount, taken, reason),
        }
    }

    /// Finds the weakest stronger tier on offer that would allow it. Where a restriction decides,
    /// no tier helps.
    fn upgrade(&self, amount: i64, taken: i64, reason: Reason) -> Option<Upgrade> {
        if !matches!(reason, Reason::LimitReached | Reason::FeatureOff)
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
    let question = Question::new(catalogue, &standing.user, &standing.accesses, restriction, feature, now);
    let (used, held) = if feature.is_counted() {
        let period = &question.period;
        (standing.used_in(&feature.id, period), standing.held_in(&feature.id, period, now))
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
    let mut trail =
        vec![Layer::User { disabled_at: standing.user.disabled_at }, Layer::Feature { active: feature.active }];
    trail.extend(standing.accesses.all().iter().map(|access| Layer::Access {
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
