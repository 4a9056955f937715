//! `vouchsafe activity list | export`

use std::io::Write;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    cli::{CliError, day, member, say, say_json},
    domain::stats::bounds,
    platform::env::Env,
    services::{
        activity::{self, Filter, Format},
        catalogue,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum ActivityCommand {
    /// List lines of the log, the newest first, tab-separated: time, actor, action, member, address, details
    List(List),
    /// Write all lines that fit to stdout
    Export(Export),
}

#[derive(Debug, Args)]
struct Which {
    /// About the member with this address
    #[arg(long = "for", value_name = "EMAIL")]
    email: Option<String>,
    /// By this one: an address, operator, system, …
    #[arg(long = "by", value_name = "ACTOR")]
    actor: Option<String>,
    /// About this action, as login
    #[arg(long)]
    action: Option<String>,
    /// From this address; of older lines the network is left, as 203.0.113.0/24
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// From this day on, as 2026-11-01
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<NaiveDate>,
    /// Until the end of this day
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<NaiveDate>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    which: Which,
    /// How many lines
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    count: i64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: Which,
    /// csv or jsonl
    #[arg(long, default_value = "jsonl")]
    format: Format,
}

impl Which {
    async fn read(self, env: &Env) -> Result<Filter, CliError> {
        let zone = catalogue::current(env).await?.settings.timezone;
        let user = match &self.email {
            Some(email) => Some(member(env, email).await?.id),
            None => None,
        };
        Ok(Filter {
            user,
            actor: self.actor,
            action: self.action,
            address: self.ip,
            from: self.from.map(|day| bounds(day, zone).0),
            to: self.to.map(|day| bounds(day, zone).1),
        })
    }
}

impl ActivityCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List(command) => command.run(env).await,
            Self::Export(command) => command.run(env).await,
        }
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let filter = self.which.read(env).await?;
        let lines = activity::list(env, filter.which(None), self.count).await?;
        if self.json {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| {
                    json!({
                        "id": line.id, "created_at": line.created_at, "actor": line.actor, "action": line.action,
                        "user": line.user_id, "ip_address": line.ip_address, "user_agent": line.user_agent,
                        "details": line.details,
                    })
                })
                .collect();
            return say_json(&lines);
        }
        for line in &lines {
            let user = line.user_id.map_or_else(|| "-".to_owned(), |user| user.to_string());
            let address = line.ip_address.as_deref().unwrap_or("-");
            say(&format!(
                "{}\t{}\t{}\t{user}\t{address}\t{}",
                time(line.created_at),
                line.actor,
                line.action,
                line.details
            ))?;
        }
        Ok(())
    }
}

impl Export {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let filter = self.which.read(env).await?;
        let (sender, mut pieces) = mpsc::channel(1);
        let read = activity::export(env, &filter, self.format, sender);
        let write = async move {
            while let Some(piece) = pieces.recv().await {
                match std::io::stdout().write_all(piece?.as_bytes()) {
                    // A reader that has gone away wants no more.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                    result => result?,
                }
            }
            Ok(())
        };
        let ((), written) = tokio::join!(read, write);
        written
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
