//! `[webhooks]`: what we tell others.

use crate::config::layers::{ConfigError, Layers};

/// `[webhooks]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// Whether endpoints may be inside this network.
    pub allow_private: bool,
}

impl WebhooksConfig {
    pub(super) fn read(layers: &Layers) -> Result<Self, ConfigError> {
        Ok(Self { allow_private: layers.setting("webhooks", "webhooks_allow_private").flag() })
    }
}
