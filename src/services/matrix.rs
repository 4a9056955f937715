//! The matrix: reading it, laying changes beside it, making and undoing them.
//!
//! A set of changes is one transaction: all cells or none. Every cell carries the version that
//! was seen; one that has moved on is a conflict, never overwritten.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        access::{Holding, Source},
        catalogue::{Catalogue, Feature, Tier},
        ids::{ActivityId, FeatureId, TierId},
        limit::{Cell, Limit},
        matrix::{
            CellChange, CellConflict, ChangeError, Matrix, MatrixCell, MatrixFeature, MatrixTier, NO_ROW,
            RecordedChange, RecordedChanges, Review, ReviewedChange, check_reason, review,
        },
    },
    platform::env::Env,
    services::catalogue,
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        matrix, settings,
    },
};

/// The word under which changes of the matrix stand in the audit log.
pub const ACTION: &str = "matrix_changed";

/// How far back the audit log is read to tell who emptied a cell.
const LINES_READ_FOR_AUTHORS: i64 = 200;

/// Why a set of changes is not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The set makes no sense.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Somebody else changed some of the cells since they were seen.
    #[error("some cells were changed by somebody else")]
    Conflicts(Vec<CellConflict>),
    /// There is no such change to undo.
    #[error("there is no such change")]
    NoSuchChange,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A set of changes that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The audit line, by which the set can be undone.
    pub activity: ActivityId,
    /// How many cells changed.
    pub cells: usize,
}

/// Returns the matrix, with how many members every tier has.
pub async fn read(env: &Env) -> Result<Matrix, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    // A large one takes long to read, and rarely changes.
    let catalogue = catalogue::latest(env, conn).await?;
    of_catalogue(conn, &catalogue, env.clock.now()).await
}

/// Returns the cells that have a row, by tier and feature.
pub async fn cells(env: &Env) -> Result<Vec<MatrixCell>, StoreError> {
    let mut reader = env.db.reader().await?;
    Ok(catalogue::latest(env, &mut reader.conn()).await?.cells())
}

async fn of_catalogue(conn: &mut Conn<'_>, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Matrix, StoreError> {
    let mut tiers: Vec<MatrixTier> = catalogue.tiers().iter().map(column).collect();
    let settings = &catalogue.settings;
    for group in matrix::member_groups(conn, now, TimeDelta::days(settings.past_due_grace_days)).await? {
        // Any instant ahead stands for "running".
        let running = |tier: &TierId, source| Holding::until(tier.clone(), source, now + TimeDelta::days(1));
        let holdings = [
            group.subscription_tier.as_ref().map(|tier| running(tier, Source::Subscription)),
            group.grant_tier.as_ref().map(|tier| running(tier, Source::Grant)),
            group.on_trial.then(|| running(&settings.trial_tier, Source::Trial)),
            group.with_credit.then(|| running(&settings.credit_tier, Source::Credit)),
        ];
        let accesses = catalogue
            .accesses(&group.tier_id, holdings.into_iter().flatten(), now)
            .map_err(|_| StoreError::Missing("tiers"))?;
        let effective = &accesses.effective().tier.id;
        if let Some(tier) = tiers.iter_mut().find(|tier| tier.id == *effective) {
            tier.members += group.members;
        }
    }
    Ok(Matrix {
        version: catalogue.version,
        tiers,
        features: catalogue.features().iter().map(row).collect(),
        limits: catalogue.cells(),
    })
}

fn column(tier: &Tier) -> MatrixTier {
    MatrixTier {
        id: tier.id.clone(),
        name: tier.name.clone(),
        price_monthly_cents: tier.price_monthly_cents,
        active: tier.active,
        members: 0,
    }
}

fn row(feature: &Feature) -> MatrixFeature {
    MatrixFeature {
        id: feature.id.clone(),
        name_en: feature.name_en.clone(),
        name_de: feature.name_de.clone(),
        category: feature.category.clone(),
        kind: feature.kind,
        reset_period: feature.reset_period,
        default_limit: feature.default_limit,
        active: feature.active,
    }
}

/// Lays changes beside what they would replace.
pub async fn preview(env: &Env, changes: &[CellChange]) -> Result<Review, CommitError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let matrix = of_catalogue(conn, &catalogue, env.clock.now()).await?;
    Ok(review(&matrix, changes, catalogue.settings.matrix_reason_required)?)
}

/// Makes a set of changes.
pub async fn commit(env: &Env, actor: &str, changes: &[CellChange], reason: &str) -> Result<Committed, CommitError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let required = settings::read(conn).await?.matrix_reason_required;
    let reason = check_reason(reason, required)?;
    let committed = write(env, conn, actor, changes, reason, None).await?;
    tx.commit().await?;
    env.configuration_changed();
    Ok(committed)
}

/// Takes a set of changes back, by a set of its own.
pub async fn undo(env: &Env, actor: &str, change: ActivityId) -> Result<Committed, CommitError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let recorded = find_recorded(conn, change).await?.ok_or(CommitError::NoSuchChange)?;
    let back = recorded.taken_back();
    let committed = write(env, conn, actor, &back, None, Some(change)).await?;
    tx.commit().await?;
    env.configuration_changed();
    Ok(committed)
}

/// Returns what a set of changes was; nothing if there is no such set.
pub async fn recorded(env: &Env, change: ActivityId) -> Result<Option<RecordedChanges>, StoreError> {
    let mut reader = env.db.reader().await?;
    find_recorded(&mut reader.conn(), change).await
}

async fn find_recorded(conn: &mut Conn<'_>, change: ActivityId) -> Result<Option<RecordedChanges>, StoreError> {
    let line = activity::find(conn, change).await?.filter(|line| line.action == ACTION);
    Ok(line.and_then(|line| serde_json::from_value(line.details).ok()))
}

async fn write(
    env: &Env,
    conn: &mut Conn<'_>,
    actor: &str,
    changes: &[CellChange],
    reason: Option<String>,
    undoes: Option<ActivityId>,
) -> Result<Committed, CommitError> {
    let now = env.clock.now();
    // First of all, so that changes of configuration queue up here.
    let version = matrix::raise_version(conn).await?;
    // Not what the node remembers, nor for it to remember: this is not committed yet.
    let catalogue = catalogue::read(conn).await?;
    let before = of_catalogue(conn, &catalogue, now).await?;
    let review = review(&before, changes, false)?;
    let mut conflicts = Vec::new();
    for change in &review.changes {
        if !write_cell(conn, change, version, actor, now).await? {
            conflicts.push(conflict(conn, change).await?);
        }
    }
    if !conflicts.is_empty() {
        return Err(CommitError::Conflicts(conflicts));
    }
    let id: ActivityId = env.random.id(now);
    let cells = review.changes.len();
    let recorded = RecordedChanges {
        version,
        changes: review
            .changes
            .into_iter()
            .map(|change| RecordedChange {
                tier: change.tier,
                feature: change.feature,
                before: change.before,
                after: change.after,
            })
            .collect(),
        reason,
        undoes,
    };
    let line =
        NewActivity { id, user: None, actor, action: ACTION, details: recorded, ip_address: None, user_agent: None };
    activity::insert(conn, &line, now).await?;
    Ok(Committed { activity: id, cells })
}

/// Writes one cell if it still has the version that was seen.
async fn write_cell(
    conn: &mut Conn<'_>,
    change: &ReviewedChange,
    version: i64,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let cell = |limit: Limit| MatrixCell { tier: change.tier.clone(), feature: change.feature.clone(), limit, version };
    match (change.after, change.version) {
        (Cell::Own(limit), NO_ROW) => matrix::insert_cell(conn, &cell(limit), actor, now).await,
        (Cell::Own(limit), seen) => matrix::update_cell(conn, &cell(limit), seen, actor, now).await,
        // Emptying an empty cell: somebody else has filled it since, or it is nothing to do.
        (Cell::Inherited, NO_ROW) => Ok(change.before == Cell::Inherited),
        (Cell::Inherited, seen) => matrix::delete_cell(conn, &change.tier, &change.feature, seen).await,
    }
}

async fn conflict(conn: &mut Conn<'_>, change: &ReviewedChange) -> Result<CellConflict, StoreError> {
    let current = matrix::find_cell(conn, &change.tier, &change.feature).await?;
    let (theirs, version, changed_by, changed_at) = match current {
        Some((cell, (author, at))) => (Cell::Own(cell.limit), cell.version, author, Some(at)),
        None => {
            let (author, at) = who_emptied(conn, &change.tier, &change.feature).await?;
            (Cell::Inherited, NO_ROW, author, at)
        }
    };
    Ok(CellConflict {
        tier: change.tier.clone(),
        tier_name: change.tier_name.clone(),
        feature: change.feature.clone(),
        feature_name_en: change.feature_name_en.clone(),
        feature_name_de: change.feature_name_de.clone(),
        kind: change.kind,
        default_limit: change.default_limit,
        yours: change.after,
        theirs,
        version,
        changed_by,
        changed_at,
    })
}

/// An emptied cell has no row that could tell its author; the audit log does.
async fn who_emptied(
    conn: &mut Conn<'_>,
    tier: &TierId,
    feature: &FeatureId,
) -> Result<(Option<String>, Option<DateTime<Utc>>), StoreError> {
    let lines = activity::list_by_action(conn, ACTION, LINES_READ_FOR_AUTHORS).await?;
    Ok(lines
        .into_iter()
        .find(|line| {
            serde_json::from_value::<RecordedChanges>(line.details.clone()).is_ok_and(|recorded| {
                recorded.changes.iter().any(|cell| cell.tier == *tier && cell.feature == *feature)
            })
        })
        .map_or((None, None), |line| (Some(line.actor), Some(line.created_at))))
}
