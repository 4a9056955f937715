//! `[log]`: what is logged.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::config::layers::{ConfigError, Layers};

/// `[log]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// What is logged, in the syntax of [`EnvFilter`]; checked.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, for machines otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogConfig {
    pub(super) fn read(layers: &Layers) -> Result<Self, ConfigError> {
        let filter = layers.setting("log", "log");
        if !is_filter(filter.text()) {
            return Err(
                filter.refuse_text("a level (error, warn, info, debug, trace) or like \"warn,vouchsafe=debug\"")
            );
        }
        let format = layers.setting("log", "log_format");
        Ok(Self {
            filter: filter.text().to_owned(),
            format: match format.text() {
                "auto" => LogFormat::Auto,
                "human" => LogFormat::Human,
                "json" => LogFormat::Json,
                _ => return Err(format.refuse_text("\"auto\", \"human\" or \"json\"")),
            },
        })
    }
}

fn is_filter(text: &str) -> bool {
    // A word alone means the module of that name to EnvFilter: "infos" would log nothing at all.
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let has_fields = text.contains('[');
    (has_fields || text.split(',').all(|part| part.contains('=') || is_level(part.trim())))
        && EnvFilter::builder().parse(text).is_ok()
}
