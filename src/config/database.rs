//! `[database]`: where the data is.

use std::path::{Path, PathBuf};

use crate::config::{
    Secret,
    layers::{ConfigError, Layers},
};

/// `[database]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `sqlite:PATH` or `postgres://…`. Hidden, because it may hold a password.
    pub url: Secret,
    /// Whether missing migrations are applied at start.
    pub auto_migrate: bool,
    /// The most connections that are open at once.
    pub pool_size: u32,
}

impl DatabaseConfig {
    pub(super) fn read(layers: &Layers) -> Result<Self, ConfigError> {
        let setting = |key| layers.setting("database", key);
        let url = setting("url");
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.text().starts_with(scheme)) {
            return Err(
                url.refuse("names no database that is known", "sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME")
            );
        }
        Ok(Self {
            url: Secret::new(url.text()),
            auto_migrate: setting("auto_migrate").flag(),
            pool_size: setting("pool_size").number(1..=10_000)?,
        })
    }

    /// Returns the folder of an SQLite file; `None` for other databases and for one in memory.
    pub fn folder(&self) -> Option<PathBuf> {
        let path = self.url.expose().strip_prefix("sqlite:")?;
        let (path, options) = path.split_once('?').unwrap_or((path, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path == ":memory:" || options.contains("mode=memory") {
            return None;
        }
        match Path::new(path).parent() {
            Some(folder) if folder != Path::new("") => Some(folder.to_owned()),
            _ => Some(PathBuf::from(".")),
        }
    }
}
