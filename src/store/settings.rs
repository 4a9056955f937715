//! The product's settings: `app_settings`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::settings::AppSettings,
    store::{
        Conn, Result, StoreError,
        db::{execute, run},
    },
};

/// Returns the settings.
pub async fn read(conn: &mut Conn<'_>) -> Result<AppSettings> {
    let rows: Vec<(String, String)> =
        run!(conn, |c| sqlx::query_as("SELECT key, value FROM app_settings").fetch_all(c))?;
    AppSettings::from_rows(rows.iter().map(|(key, value)| (key.as_str(), value.as_str())))
        .map_err(StoreError::corrupt("app_settings", "value"))
}

/// Sets one of them, in somebody's name.
pub async fn set(conn: &mut Conn<'_>, key: &str, value: &str, actor: &str, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO app_settings (key, value, updated_by, updated_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (key) DO UPDATE
        SET value = excluded.value, updated_by = excluded.updated_by, updated_at = excluded.updated_at"
    )
    .bind(key)
    .bind(value)
    .bind(actor)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Who last changed a setting, and when.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LastChange {
    /// Which.
    pub key: String,
    /// Who, as the log names them.
    pub updated_by: String,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// Returns the last change of every setting that somebody has changed, by key.
pub async fn changes(conn: &mut Conn<'_>) -> Result<Vec<LastChange>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT key, updated_by, updated_at FROM app_settings WHERE updated_by IS NOT NULL ORDER BY key"
    )
    .fetch_all(c))?)
}
