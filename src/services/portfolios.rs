//! What a member holds: saved in versions, restored from any of them.
//!
//! Saving states the version it was based on. One that has moved on is a conflict, never
//! overwritten.

use serde_json::json;

use crate::{
    domain::{
        analysis::Figures,
        ids::UserId,
        portfolio::{MOST_VERSIONS, Portfolio},
    },
    platform::env::Env,
    services::{activity, analysis},
    store::{
        Conn, StoreError,
        portfolios::{self, SavedAnalysis, SavedPortfolio, VersionLine},
        users,
    },
};

/// Why a portfolio is not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Something else was saved since; this is there now.
    #[error("the portfolio was changed meanwhile")]
    Conflict(Option<Box<SavedPortfolio>>),
    /// That version is not kept.
    #[error("there is no such version")]
    NoSuchVersion,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that /portfolio shows.
#[derive(Debug, Clone)]
pub struct PortfolioView {
    /// What is held now; nothing if nothing was ever saved.
    pub current: Option<SavedPortfolio>,
    /// What that amounts to.
    pub figures: Figures,
    /// The versions that are kept, the newest first.
    pub versions: Vec<VersionLine>,
    /// The newest words about it, of this version or an earlier one.
    pub analysis: Option<SavedAnalysis>,
}

impl PortfolioView {
    /// Returns the version that saving is based on; 0 if nothing was ever saved.
    pub fn version(&self) -> i64 {
        self.current.as_ref().map_or(0, |current| current.version)
    }
}

/// Returns what a member holds, and what it amounts to.
pub async fn view(env: &Env, user: UserId) -> Result<PortfolioView, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let current = portfolios::find_current(conn, user).await?;
    let nothing = Portfolio::default();
    let held = current.as_ref().map_or(&nothing, |current| &current.portfolio);
    let figures = analysis::figures(conn, held, env.clock.now()).await?;
    let versions = portfolios::list_versions(conn, user).await?;
    let analysis = portfolios::find_analysis(conn, user).await?;
    Ok(PortfolioView { current, figures, versions, analysis })
}

/// Returns the number of the version that is current; 0 if nothing was ever saved.
pub async fn version(env: &Env, user: UserId) -> Result<i64, StoreError> {
    let mut reader = env.db.reader().await?;
    let current = portfolios::find_current(&mut reader.conn(), user).await?;
    Ok(current.map_or(0, |current| current.version))
}

/// Returns a version, if it is kept.
pub async fn find(env: &Env, user: UserId, version: i64) -> Result<Option<SavedPortfolio>, StoreError> {
    let mut reader = env.db.reader().await?;
    portfolios::find_version(&mut reader.conn(), user, version).await
}

/// Saves what a member holds, based on the version they saw. Returns the number of the version
/// that holds it; saving what is there already makes no new one, whoever saved it.
pub async fn save(env: &Env, user: UserId, base: i64, portfolio: Portfolio) -> Result<i64, SaveError> {
    let mut tx = env.db.begin().await?;
    let version = write(env, &mut tx.conn(), user, base, portfolio, None).await?;
    tx.commit().await?;
    Ok(version)
}

/// Saves what an earlier version held, as a new one. Returns its number.
pub async fn restore(env: &Env, user: UserId, base: i64, version: i64) -> Result<i64, SaveError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let earlier = portfolios::find_version(conn, user, version).await?.ok_or(SaveError::NoSuchVersion)?;
    let version = write(env, conn, user, base, earlier.portfolio, Some(version)).await?;
    tx.commit().await?;
    Ok(version)
}

async fn write(
    env: &Env,
    conn: &mut Conn<'_>,
    user: UserId,
    base: i64,
    portfolio: Portfolio,
    restored_from: Option<i64>,
) -> Result<i64, SaveError> {
    let now = env.clock.now();
    let current = portfolios::find_current(conn, user).await?;
    // A button that was pressed twice is no conflict.
    if let Some(current) = current.as_ref().filter(|current| current.portfolio == portfolio) {
        return Ok(current.version);
    }
    let Some(version) = portfolios::raise_version(conn, user, base, now).await? else {
        // Not what was read above: somebody may have saved since.
        let current = portfolios::find_current(conn, user).await?;
        return Err(SaveError::Conflict(current.map(Box::new)));
    };
    let saved = SavedPortfolio { version, portfolio, restored_from, created_at: now };
    portfolios::insert_version(conn, user, &saved).await?;
    portfolios::delete_before(conn, user, version - MOST_VERSIONS + 1).await?;
    if let Some(member) = users::find(conn, user).await? {
        let (action, details) = match restored_from {
            None => ("portfolio_saved", json!({ "version": version })),
            Some(from) => ("portfolio_restored", json!({ "version": version, "from": from })),
        };
        activity::note(env, conn, (&*member.label(), None), Some(user), action, details).await?;
    }
    Ok(version)
}
