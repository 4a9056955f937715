//! `[ofrep]`: OpenFeature clients in browsers.

use crate::config::{
    gate::origins,
    layers::{ConfigError, Layers},
};

/// `[ofrep]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct OfrepConfig {
    /// The sites whose scripts may ask, each as browsers write an origin.
    pub origins: Vec<String>,
    /// How many clients hear of changes at once.
    pub streams: usize,
}

impl OfrepConfig {
    /// `max_connections`: a stream is a connection, and others must still find a place.
    pub(super) fn read(layers: &Layers, plain_is_fine: bool, max_connections: usize) -> Result<Self, ConfigError> {
        let setting = |key| layers.setting("ofrep", key);
        let streams: usize = setting("ofrep_streams").number(0..=1_000_000)?;
        Ok(Self {
            origins: origins(&setting("ofrep_origins"), plain_is_fine)?,
            streams: streams.min(max_connections / 2),
        })
    }
}
