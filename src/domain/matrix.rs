//! The matrix of tiers and features, and what a set of changes to it means.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{ActivityId, FeatureId, TierId},
    lang::Lang,
    limit::{Cell, CellError, Limit, LimitKind},
    period::ResetPeriod,
};

/// The most changes that one review takes.
pub const MOST_CHANGES: usize = 2_000;

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 500;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixTier {
    /// Which.
    pub id: TierId,
    /// Its name.
    pub name: String,
    /// The price of a month in cents of the product's currency, if it is for sale.
    pub price_monthly_cents: Option<i64>,
    /// Whether new members can subscribe to it.
    pub active: bool,
    /// Members whose effective tier it is at this moment.
    pub members: i64,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixFeature {
    /// Which.
    pub id: FeatureId,
    /// Its name in English.
    pub name_en: String,
    /// Its name in German.
    pub name_de: String,
    /// The group in which it stands.
    pub category: String,
    /// What its limit counts.
    pub kind: LimitKind,
    /// How often usage starts again.
    pub reset_period: ResetPeriod,
    /// What an empty cell means.
    pub default_limit: Limit,
    /// Whether it is in use; an inactive feature is off for all.
    pub active: bool,
}

impl MatrixFeature {
    /// Returns the name in the reader's language.
    pub fn name(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.name_en,
            Lang::De => &self.name_de,
        }
    }
}

/// A cell that has a row of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MatrixCell {
    /// Whose limit.
    pub tier: TierId,
    /// Of what.
    pub feature: FeatureId,
    /// How much.
    pub limit: Limit,
    /// The configuration version that wrote it.
    pub version: i64,
}

/// The whole matrix at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// The configuration version; it grows with every change.
    pub version: i64,
    /// The columns, from the weakest.
    pub tiers: Vec<MatrixTier>,
    /// The rows, by category.
    pub features: Vec<MatrixFeature>,
    /// The cells that are not inherited, sorted by tier, then by feature.
    pub limits: Vec<MatrixCell>,
}

/// The version of a cell that has no row.
pub const NO_ROW: i64 = 0;

impl Matrix {
    /// Returns what stands in a cell, and its version.
    pub fn cell(&self, tier: &TierId, feature: &FeatureId) -> (Cell, i64) {
        match self.limits.binary_search_by(|cell| (&cell.tier, &cell.feature).cmp(&(tier, feature))) {
            Ok(at) => (Cell::Own(self.limits[at].limit), self.limits[at].version),
            Err(_) => (Cell::Inherited, NO_ROW),
        }
    }

    /// Returns the row of a feature.
    pub fn feature(&self, id: &FeatureId) -> Option<&MatrixFeature> {
        self.features.iter().find(|feature| feature.id == *id)
    }

    /// Returns the column of a tier.
    pub fn tier(&self, id: &TierId) -> Option<&MatrixTier> {
        self.tiers.iter().find(|tier| tier.id == *id)
    }
}

/// What someone wants a cell to be, and which version of it they saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CellChange {
    /// Whose limit.
    pub tier: TierId,
    /// Of what.
    pub feature: FeatureId,
    /// What it shall be: a number, `null` for unlimited, `"inherit"` for the default.
    pub limit: Cell,
    /// The version that was seen; 0 for a cell without a row.
    pub version: i64,
}

/// What a change means for those on the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// They get more.
    Gain,
    /// They get less.
    Lose,
    /// The limit that counts stays what it is.
    Same,
}

/// One change, next to what it replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ReviewedChange {
    /// Whose limit.
    pub tier: TierId,
    /// The tier's name.
    pub tier_name: String,
    /// Of what.
    pub feature: FeatureId,
    /// The feature's name in English.
    pub feature_name_en: String,
    /// The feature's name in German.
    pub feature_name_de: String,
    /// What the limit counts.
    pub kind: LimitKind,
    /// What an empty cell means.
    pub default_limit: Limit,
    /// What stands there now.
    pub before: Cell,
    /// What shall stand there.
    pub after: Cell,
    /// The version that was seen.
    pub version: i64,
    /// Members on that tier.
    pub members: i64,
    /// What it means for them.
    pub effect: Effect,
}

impl ReviewedChange {
    /// Returns the feature's name in the reader's language.
    pub fn feature_name(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.feature_name_en,
            Lang::De => &self.feature_name_de,
        }
    }
}

/// A set of changes, ready to be read once more before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Review {
    /// The changes, in the order of the matrix.
    pub changes: Vec<ReviewedChange>,
    /// Members who get more of something.
    pub gains: i64,
    /// Members who get less of something.
    pub loses: i64,
    /// Whether a reason must be given.
    pub reason_required: bool,
}

/// A cell that someone else changed in the meantime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CellConflict {
    /// Whose limit.
    pub tier: TierId,
    /// The tier's name.
    pub tier_name: String,
    /// Of what.
    pub feature: FeatureId,
    /// The feature's name in English.
    pub feature_name_en: String,
    /// The feature's name in German.
    pub feature_name_de: String,
    /// What the limit counts.
    pub kind: LimitKind,
    /// What an empty cell means.
    pub default_limit: Limit,
    /// What was wanted.
    pub yours: Cell,
    /// What stands there now.
    pub theirs: Cell,
    /// The version that stands there now.
    pub version: i64,
    /// Who put it there, when it is known.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Option<DateTime<Utc>>,
}

impl CellConflict {
    /// Returns the feature's name in the reader's language.
    pub fn feature_name(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.feature_name_en,
            Lang::De => &self.feature_name_de,
        }
    }
}

/// Why a set of changes is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum ChangeError {
    /// Nothing would change.
    #[error("there is nothing to change")]
    Nothing,
    /// More than [`MOST_CHANGES`].
    #[error("at most 2,000 cells can be changed at once")]
    TooMany,
    /// A tier or feature that does not exist.
    #[error("there is no cell for tier {tier} and feature {feature}")]
    NoSuchCell {
        /// The tier that was named.
        tier: TierId,
        /// The feature that was named.
        feature: FeatureId,
    },
    /// The same cell twice.
    #[error("the cell of tier {tier} and feature {feature} is changed twice")]
    Twice {
        /// The tier that was named.
        tier: TierId,
        /// The feature that was named.
        feature: FeatureId,
    },
    /// A limit that the feature cannot have.
    #[error("feature {feature}: {error}")]
    BadLimit {
        /// The feature that was named.
        feature: FeatureId,
        /// What is wrong.
        error: CellError,
    },
    /// No reason, where one is required.
    #[error("say why: a reason is required")]
    ReasonMissing,
    /// A reason over [`LONGEST_REASON`] or with control characters.
    #[error("a reason has at most 500 characters, without control characters")]
    BadReason,
}

/// Lays changes beside what they replace. Changes that change nothing are left out.
pub fn review(matrix: &Matrix, changes: &[CellChange], reason_required: bool) -> Result<Review, ChangeError> {
    if changes.len() > MOST_CHANGES {
        return Err(ChangeError::TooMany);
    }
    let mut wanted = BTreeMap::new();
    for change in changes {
        if wanted.insert((&change.tier, &change.feature), change).is_some() {
            return Err(ChangeError::Twice { tier: change.tier.clone(), feature: change.feature.clone() });
        }
        if matrix.tier(&change.tier).is_none() || matrix.feature(&change.feature).is_none() {
            return Err(ChangeError::NoSuchCell { tier: change.tier.clone(), feature: change.feature.clone() });
        }
    }
    let mut reviewed = Vec::new();
    for feature in &matrix.features {
        for tier in &matrix.tiers {
            let Some(change) = wanted.get(&(&tier.id, &feature.id)) else { continue };
            let after = change
                .limit
                .check(feature.kind)
                .map_err(|error| ChangeError::BadLimit { feature: feature.id.clone(), error })?;
            let (before, _) = matrix.cell(&tier.id, &feature.id);
            // Whoever made it so, it is as wanted.
            if before == after {
                continue;
            }
            let (was, will) = (before.or_default(feature.default_limit), after.or_default(feature.default_limit));
            let effect = if !feature.active || was == will {
                Effect::Same
            } else if will.exceeds(was) {
                Effect::Gain
            } else {
                Effect::Lose
            };
            reviewed.push(ReviewedChange {
                tier: tier.id.clone(),
                tier_name: tier.name.clone(),
                feature: feature.id.clone(),
                feature_name_en: feature.name_en.clone(),
                feature_name_de: feature.name_de.clone(),
                kind: feature.kind,
                default_limit: feature.default_limit,
                before,
                after,
                version: change.version,
                members: tier.members,
                effect,
            });
        }
    }
    if reviewed.is_empty() {
        return Err(ChangeError::Nothing);
    }
    let members_with = |effect| {
        let tiers: BTreeSet<&TierId> =
            reviewed.iter().filter(|change| change.effect == effect).map(|change| &change.tier).collect();
        matrix.tiers.iter().filter(|tier| tiers.contains(&tier.id)).map(|tier| tier.members).sum()
    };
    let (gains, loses) = (members_with(Effect::Gain), members_with(Effect::Lose));
    Ok(Review { changes: reviewed, gains, loses, reason_required })
}

/// Returns the reason as it is kept: trimmed, `None` when there is none.
pub fn check_reason(reason: &str, required: bool) -> Result<Option<String>, ChangeError> {
    let reason = reason.trim();
    if reason.chars().count() > LONGEST_REASON
        || reason.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(ChangeError::BadReason);
    }
    match reason {
        "" if required => Err(ChangeError::ReasonMissing),
        "" => Ok(None),
        _ => Ok(Some(reason.to_owned())),
    }
}

/// One cell of a committed change, as the audit log keeps it and as it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedChange {
    /// Whose limit.
    pub tier: TierId,
    /// Of what.
    pub feature: FeatureId,
    /// What stood there.
    pub before: Cell,
    /// What stands there since.
    pub after: Cell,
}

/// The details of an audit row about the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedChanges {
    /// The configuration version that the change made.
    pub version: i64,
    /// The cells.
    pub changes: Vec<RecordedChange>,
    /// Why.
    pub reason: Option<String>,
    /// The change that this one takes back.
    pub undoes: Option<ActivityId>,
}

impl RecordedChanges {
    /// Returns the changes that take this set back, if nobody has touched its cells since.
    pub fn taken_back(self) -> Vec<CellChange> {
        self.changes
            .into_iter()
            .map(|cell| CellChange {
                tier: cell.tier,
                feature: cell.feature,
                limit: cell.before,
                // What the set wrote has its version; what it emptied has none.
                version: if cell.after == Cell::Inherited { NO_ROW } else { self.version },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix() -> Matrix {
        let tier = |name: &str, members| MatrixTier {
            id: name.parse().expect("a name"),
            name: name.to_owned(),
            price_monthly_cents: None,
            active: true,
            members,
        };
        let feature = |name: &str, kind, default_limit| MatrixFeature {
            id: name.parse().expect("a name"),
            name_en: name.to_owned(),
            name_de: name.to_owned(),
            category: "data".to_owned(),
            kind,
            reset_period: ResetPeriod::Never,
            default_limit,
            active: true,
        };
        Matrix {
            version: 7,
            tiers: vec![tier("free", 10), tier("basic", 5), tier("premium", 2)],
            features: vec![
                feature("photos", LimitKind::Count, Limit::Unlimited),
                feature("export", LimitKind::Boolean, Limit::OFF),
            ],
            limits: vec![MatrixCell {
                tier: "free".parse().expect("a name"),
                feature: "photos".parse().expect("a name"),
                limit: Limit::At(5),
                version: 3,
            }],
        }
    }

    fn change(tier: &str, feature: &str, limit: Cell, version: i64) -> CellChange {
        CellChange { tier: tier.parse().expect("a name"), feature: feature.parse().expect("a name"), limit, version }
    }

    #[test]
    fn a_review_says_who_gains_and_who_loses() {
        let changes = [
            change("free", "photos", Cell::Own(Limit::At(8)), 3),
            change("basic", "photos", Cell::Own(Limit::At(50)), NO_ROW),
            change("basic", "export", Cell::Own(Limit::At(1)), NO_ROW),
            change("premium", "photos", Cell::Own(Limit::Unlimited), NO_ROW),
        ];
        let review = review(&matrix(), &changes, false).expect("a good set");
        let effects: Vec<_> = review.changes.iter().map(|change| (change.tier.as_str(), change.effect)).collect();
        assert_eq!(
            effects,
            [("free", Effect::Gain), ("basic", Effect::Lose), ("premium", Effect::Same), ("basic", Effect::Gain)],
        );
        assert_eq!((review.gains, review.loses), (15, 5));
    }

    #[test]
    fn a_set_that_makes_no_sense_is_refused() {
        let fives = |version| change("free", "photos", Cell::Own(Limit::At(5)), version);
        assert_eq!(review(&matrix(), &[], false), Err(ChangeError::Nothing));
        assert_eq!(review(&matrix(), &[fives(3)], false), Err(ChangeError::Nothing));
        assert_eq!(review(&matrix(), &[fives(2)], false), Err(ChangeError::Nothing));
        assert!(matches!(review(&matrix(), &[fives(3), fives(3)], false), Err(ChangeError::Twice { .. })));
        let nowhere = change("gold", "photos", Cell::Inherited, NO_ROW);
        assert!(matches!(review(&matrix(), &[nowhere], false), Err(ChangeError::NoSuchCell { .. })));
        let many = change("free", "export", Cell::Own(Limit::At(2)), NO_ROW);
        assert!(matches!(review(&matrix(), &[many], false), Err(ChangeError::BadLimit { .. })));
        assert_eq!(review(&matrix(), &vec![fives(3); MOST_CHANGES + 1], false), Err(ChangeError::TooMany));
    }

    #[test]
    fn reasons_are_trimmed_and_bounded() {
        assert_eq!(check_reason("  ", false), Ok(None));
        assert_eq!(check_reason("  ", true), Err(ChangeError::ReasonMissing));
        assert_eq!(check_reason(" spring \n", true), Ok(Some("spring".into())));
        assert_eq!(check_reason(&"x".repeat(501), false), Err(ChangeError::BadReason));
        assert_eq!(check_reason("a\0b", false), Err(ChangeError::BadReason));
    }

    proptest! {
        #[test]
        fn taking_a_change_back_turns_gains_into_losses(to in 0i64..20) {
            let mut matrix = matrix();
            let forth = review(&matrix, &[change("free", "photos", Cell::Own(Limit::At(to)), 3)], false);
            if to == 5 {
                prop_assert_eq!(forth, Err(ChangeError::Nothing));
            } else {
                let forth = forth.expect("a change");
                matrix.limits[0].limit = Limit::At(to);
                let back = review(&matrix, &[change("free", "photos", Cell::Own(Limit::At(5)), 3)], false).expect("a change");
                prop_assert_eq!((forth.gains, forth.loses), (back.loses, back.gains));
            }
        }
    }
}
