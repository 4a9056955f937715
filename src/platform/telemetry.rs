//! The log.

use std::{
    env,
    io::{self, IsTerminal},
    panic,
};

use tracing_subscriber::{EnvFilter, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// What nobody wants to hear unless they ask for it: PostgreSQL notes at every start that a table is there already, and
/// commands would say so each time.
const QUIET: &str = "sqlx::postgres::notice=warn";

/// Why the log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one; [`crate::config::Config::load`] refuses it earlier.
    #[error("log.log is not a filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It was started before.
    #[error("the log was already started: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log of this process, on stderr: stdout belongs to the answers of commands.
///
/// A panic becomes a line of it, with the fields of the request it happened in.
pub fn start(log: &LogConfig) -> Result<(), TelemetryError> {
    let is_terminal = io::stderr().is_terminal();
    let is_human = match log.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => is_terminal,
    };
    let has_colours = is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse(format!("{QUIET},{}", log.filter))?)
        .with_writer(io::stderr)
        .with_ansi(has_colours);
    if is_human {
        lines.finish().try_init()?;
    } else {
        lines.json().flatten_event(true).with_span_list(false).finish().try_init()?;
    }
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("without words");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.message = message, panic.location = location, "a panic");
    }));
    Ok(())
}
