//! What members hold: `portfolios`, `portfolio_versions`, `portfolio_analyses`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{analysis::Author, ids::UserId, portfolio::Portfolio},
    store::{
        Conn, Result, StoreError,
        db::{execute, run},
    },
};

/// A portfolio as it was saved once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPortfolio {
    /// Its number, from 1.
    pub version: i64,
    /// What was held.
    pub portfolio: Portfolio,
    /// The version that it brought back.
    pub restored_from: Option<i64>,
    /// When it was saved.
    pub created_at: DateTime<Utc>,
}

/// A line in the list of versions.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct VersionLine {
    /// Its number, from 1.
    pub number: i64,
    /// How many positions it has.
    pub position_count: i64,
    /// The version that it brought back.
    pub restored_from: Option<i64>,
    /// When it was saved.
    pub created_at: DateTime<Utc>,
}

/// Words about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedAnalysis {
    /// Of which version.
    pub version: i64,
    /// What was asked.
    pub question: Option<String>,
    /// The words: paragraphs with an empty line between.
    pub commentary: String,
    /// Who wrote them.
    pub author: Author,
    /// When.
    pub created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct VersionRow {
    number: i64,
    positions: Json<serde_json::Value>,
    restored_from: Option<i64>,
    created_at: DateTime<Utc>,
}

impl TryFrom<VersionRow> for SavedPortfolio {
    type Error = StoreError;

    fn try_from(row: VersionRow) -> Result<Self> {
        let corrupt = StoreError::corrupt("portfolio_versions", "positions");
        Ok(Self {
            version: row.number,
            portfolio: serde_json::from_value(row.positions.0).map_err(corrupt)?,
            restored_from: row.restored_from,
            created_at: row.created_at,
        })
    }
}

/// Raises the version of a member's portfolio from `base`, which is 0 for one that was never
/// saved. Returns the new number; nothing if it has moved on. Of two at once from the same base
/// one gets a number.
pub async fn raise_version(conn: &mut Conn<'_>, user: UserId, base: i64, now: DateTime<Utc>) -> Result<Option<i64>> {
    if base == 0 {
        return Ok(run!(conn, |c| sqlx::query_scalar(
            "INSERT INTO portfolios (user_id, version, updated_at) VALUES ($1, 1, $2)
            ON CONFLICT (user_id) DO NOTHING
            RETURNING version"
        )
        .bind(user)
        .bind(now)
        .fetch_optional(c))?);
    }
    Ok(run!(conn, |c| sqlx::query_scalar(
        "UPDATE portfolios SET version = version + 1, updated_at = $3 WHERE user_id = $1 AND version = $2
        RETURNING version"
    )
    .bind(user)
    .bind(base)
    .bind(now)
    .fetch_optional(c))?)
}

/// Writes what a version holds, after [`raise_version`] gave its number.
pub async fn insert_version(conn: &mut Conn<'_>, user: UserId, saved: &SavedPortfolio) -> Result<()> {
    let count = i64::try_from(saved.portfolio.positions().len()).unwrap_or(i64::MAX);
    execute!(conn, |c| sqlx::query(
        "INSERT INTO portfolio_versions (user_id, number, positions, position_count, restored_from, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(user)
    .bind(saved.version)
    .bind(Json(&saved.portfolio))
    .bind(count)
    .bind(saved.restored_from)
    .bind(saved.created_at)
    .execute(c))?;
    Ok(())
}

/// Forgets the versions before `first`. Returns how many.
pub async fn delete_before(conn: &mut Conn<'_>, user: UserId, first: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM portfolio_versions WHERE user_id = $1 AND number < $2")
        .bind(user)
        .bind(first)
        .execute(c))?)
}

/// Returns what a member holds now; nothing if they never saved.
pub async fn find_current(conn: &mut Conn<'_>, user: UserId) -> Result<Option<SavedPortfolio>> {
    let row: Option<VersionRow> = run!(conn, |c| sqlx::query_as(
        "SELECT number, positions, restored_from, created_at FROM portfolio_versions
        WHERE user_id = $1 AND number = (SELECT version FROM portfolios WHERE user_id = $1)"
    )
    .bind(user)
    .fetch_optional(c))?;
    row.map(SavedPortfolio::try_from).transpose()
}

/// Returns a version of a member's portfolio, if it is kept.
pub async fn find_version(conn: &mut Conn<'_>, user: UserId, number: i64) -> Result<Option<SavedPortfolio>> {
    let row: Option<VersionRow> = run!(conn, |c| sqlx::query_as(
        "SELECT number, positions, restored_from, created_at FROM portfolio_versions
        WHERE user_id = $1 AND number = $2"
    )
    .bind(user)
    .bind(number)
    .fetch_optional(c))?;
    row.map(SavedPortfolio::try_from).transpose()
}

/// Returns the versions that are kept, the newest first.
pub async fn list_versions(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<VersionLine>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT number, position_count, restored_from, created_at FROM portfolio_versions
        WHERE user_id = $1 ORDER BY number DESC"
    )
    .bind(user)
    .fetch_all(c))?)
}

/// Keeps words about a member's portfolio instead of those before. Of two at once the later stay.
pub async fn replace_analysis(conn: &mut Conn<'_>, user: UserId, analysis: &SavedAnalysis) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO portfolio_analyses (user_id, version, question, commentary, written_by, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (user_id) DO UPDATE
        SET version = excluded.version, question = excluded.question, commentary = excluded.commentary,
            written_by = excluded.written_by, created_at = excluded.created_at"
    )
    .bind(user)
    .bind(analysis.version)
    .bind(&analysis.question)
    .bind(&analysis.commentary)
    .bind(analysis.author.as_str())
    .bind(analysis.created_at)
    .execute(c))?;
    Ok(())
}

#[derive(FromRow)]
struct AnalysisRow {
    version: i64,
    question: Option<String>,
    commentary: String,
    written_by: String,
    created_at: DateTime<Utc>,
}

/// Returns the newest words about a member's portfolio.
pub async fn find_analysis(conn: &mut Conn<'_>, user: UserId) -> Result<Option<SavedAnalysis>> {
    let row: Option<AnalysisRow> = run!(conn, |c| sqlx::query_as(
        "SELECT version, question, commentary, written_by, created_at FROM portfolio_analyses WHERE user_id = $1"
    )
    .bind(user)
    .fetch_optional(c))?;
    row.map(|row| {
        Ok(SavedAnalysis {
            version: row.version,
            question: row.question,
            commentary: row.commentary,
            author: row.written_by.parse().map_err(StoreError::corrupt("portfolio_analyses", "written_by"))?,
            created_at: row.created_at,
        })
    })
    .transpose()
}
