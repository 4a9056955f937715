//! The product's settings: `app_settings`.

use chrono::{DateTime, Utc};

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

/// Sets one of them.
pub async fn set(conn: &mut Conn<'_>, key: &str, value: &str, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO app_settings (key, value, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
    )
    .bind(key)
    .bind(value)
    .bind(now)
    .execute(c))?;
    Ok(())
}
