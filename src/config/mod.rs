//! What an operator decides: one file per section, every key with its default in `Leptos.toml`.
//!
//! The environment wins over a file, a file over the defaults inside the program. Whatever is not
//! known or cannot be used is refused at start by the name of its key, so that a slip of the pen
//! never turns into a default.

mod analyze;
mod database;
mod gate;
mod layers;
mod log;
mod mail;
mod ofrep;
mod payments;
mod product;
mod secret;
mod security;
mod server;
mod webhooks;

use std::path::Path;

use layers::Layers;

pub use analyze::{AnalyzeConfig, LanguageModelConfig};
pub use database::DatabaseConfig;
pub use gate::GateConfig;
pub use layers::{ConfigError, Origin};
pub use log::{LogConfig, LogFormat};
pub use mail::{MailConfig, MailTransport};
pub use ofrep::OfrepConfig;
pub use payments::{PaymentsConfig, ProviderConfig};
pub use product::ProductConfig;
pub use secret::Secret;
pub use security::{MINIMUM_SECRET_LENGTH, SecurityConfig};
pub use server::{PublicUrl, PublicUrlError, ServerConfig};
pub use webhooks::WebhooksConfig;

/// The defaults, as text with comments: `Leptos.toml` as it was when the program was built.
pub const DEFAULTS: &str = include_str!("../../Leptos.toml");

/// The file that is read when no other is named, if it is there.
pub const USUAL_FILE: &str = "Leptos.toml";

/// Everything an operator can decide, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses, limits and time-outs.
    pub server: ServerConfig,
    /// Where the data is.
    pub database: DatabaseConfig,
    /// Keys and tokens.
    pub security: SecurityConfig,
    /// How mails leave.
    pub mail: MailConfig,
    /// How the product presents itself.
    pub product: ProductConfig,
    /// The providers that take the money.
    pub payments: PaymentsConfig,
    /// What we tell others.
    pub webhooks: WebhooksConfig,
    /// Who writes about portfolios.
    pub analyze: AnalyzeConfig,
    /// OpenFeature clients in browsers.
    pub ofrep: OfrepConfig,
    /// Where members come back to after signing in.
    pub gate: GateConfig,
    /// What is logged.
    pub log: LogConfig,
}

impl Config {
    /// Reads the configuration from the defaults, a file and the environment.
    ///
    /// `file` is what the command line names; without it `VOUCHSAFE_CONFIG` in the environment does,
    /// without that [`USUAL_FILE`] is read if it is there. Fails with the name of the first key that
    /// is unknown or has a value that cannot be used.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let layers = Layers::read(file, environment)?;
        let server = ServerConfig::read(&layers)?;
        let is_development = server.is_development();
        Ok(Self {
            database: DatabaseConfig::read(&layers)?,
            security: SecurityConfig::read(&layers, is_development)?,
            mail: MailConfig::read(&layers, is_development)?,
            product: ProductConfig::read(&layers)?,
            payments: PaymentsConfig::read(&layers, server.request_timeout)?,
            webhooks: WebhooksConfig::read(&layers)?,
            analyze: AnalyzeConfig::read(&layers, server.request_timeout)?,
            ofrep: OfrepConfig::read(&layers, server.danger_insecure_http, server.max_connections)?,
            gate: GateConfig::read(&layers, server.danger_insecure_http)?,
            log: LogConfig::read(&layers)?,
            server,
        })
    }

    /// Returns whether the program serves this machine alone: both the address it listens on and
    /// the host people open are local.
    pub fn is_development(&self) -> bool {
        self.server.is_development()
    }

    /// Returns whether cookies are sent over HTTPS only.
    pub fn secure_cookies(&self) -> bool {
        self.server.public_url.is_https()
    }
}

/// Returns the variables of this process for [`Config::load`]. What is not UTF-8 in them is
/// replaced, where [`std::env::vars`] would panic.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests;
