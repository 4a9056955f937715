//! `[gate]`: where members come back to after signing in.

use crate::config::{
    PublicUrl,
    layers::{ConfigError, Layers, Setting},
};

/// `[gate]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// The sites behind the gate whose addresses differ from ours, each as browsers write an origin.
    pub origins: Vec<String>,
}

impl GateConfig {
    pub(super) fn read(layers: &Layers, plain_is_fine: bool) -> Result<Self, ConfigError> {
        Ok(Self { origins: origins(&layers.setting("gate", "gate_origins"), plain_is_fine)? })
    }
}

/// Reads a list of origins, each exactly as browsers write it, so that they can be compared letter
/// by letter.
pub(super) fn origins(setting: &Setting<'_>, plain_is_fine: bool) -> Result<Vec<String>, ConfigError> {
    let example = "origins as browsers write them, like https://app.example.com or http://localhost:8080";
    setting
        .texts()
        .map(|text| {
            let url: PublicUrl =
                text.parse().map_err(|error| setting.refuse(format!("holds {text:?}: {error}"), example))?;
            if url.as_str() != text {
                return Err(setting.refuse(format!("holds {text:?}, which browsers write {url}"), example));
            }
            if !url.is_https() && !url.is_local() && !plain_is_fine {
                let problem = format!("holds {url}: what is sent there travels in the clear");
                let allowed = "https:// on any host but this machine, unless server.danger_insecure_http = true";
                return Err(setting.refuse(problem, allowed));
            }
            Ok(text.to_owned())
        })
        .collect()
}
