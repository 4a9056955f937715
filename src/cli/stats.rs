//! `vouchsafe stats`

use clap::Args;
use serde_json::json;

use crate::{
    cli::{CliError, say, say_json},
    domain::stats::Metric,
    platform::env::Env,
    services::stats::{self, MOST_DAYS},
};

/// Show what was counted of the last days, tab-separated: day, metric, of what, how many
#[derive(Debug, Args)]
pub(super) struct Stats {
    /// How many days, today among them
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: i64,
    /// Count today first
    #[arg(long)]
    fresh: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        if self.fresh {
            stats::count_days(env).await?;
        }
        let overview = stats::overview(env, self.days).await?;
        let stretch = &overview.stretch;
        let mut figures = Vec::new();
        for day in stretch.days() {
            for metric in Metric::ALL {
                for subject in stretch.subjects(metric) {
                    let Some(value) = stretch.value(metric, &subject, day) else { continue };
                    if self.json {
                        figures
                            .push(json!({ "day": day, "metric": metric.as_str(), "subject": subject, "value": value }));
                    } else {
                        let subject = if subject.is_empty() { "-" } else { subject.as_str() };
                        say(&format!("{day}\t{}\t{subject}\t{value}", metric.as_str()))?;
                    }
                }
            }
        }
        if self.json {
            let answer = json!({
                "from": stretch.from, "to": stretch.to, "timezone": overview.zone.name(),
                "counted_until": overview.counted_until, "figures": figures,
            });
            return say_json(&answer);
        }
        Ok(())
    }
}
