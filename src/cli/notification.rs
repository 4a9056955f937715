//! `vouchsafe notification list | read`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, say, say_json},
    domain::{ids::NotificationId, lang::Lang, notification::Notification},
    platform::env::Env,
    services::notifications::{self, Reader},
};

/// How many are read at once.
const PAGE: i64 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum NotificationCommand {
    /// List what was not marked as read for all, the newest first, tab-separated: id, last, kind, how often, about
    List(List),
    /// Mark a notification as read for all admins, or all of them
    Read {
        /// The notification's id, as `notification list` shows it
        #[arg(required_unless_present = "all")]
        id: Option<NotificationId>,
        /// All of them
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Those that are read as well
    #[arg(long)]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl NotificationCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List(command) => command.run(env).await,
            Self::Read { id: Some(id), .. } => {
                notifications::mark_read(env, Reader::All, id).await?.ok_or(CliError::NoSuchNotification)?;
                say(&format!("{id} is marked as read"))
            }
            Self::Read { id: None, .. } => {
                let marked = notifications::mark_all_read(env, Reader::All, env.clock.now()).await?;
                say(&format!("{marked} marked as read"))
            }
        }
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let mut before = None;
        let mut found = Vec::new();
        let is_read = (!self.all).then_some(false);
        loop {
            let page = notifications::list(env, Reader::All, is_read, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            if self.json {
                found.extend(page.iter().map(as_json));
                continue;
            }
            for one in &page {
                let (kind, when) = (one.occurrence.kind().as_str(), one.last_at.format("%Y-%m-%dT%H:%M:%SZ"));
                say(&format!("{}\t{when}\t{kind}\t{}\t{}", one.id, one.count, one.occurrence.about(Lang::En)))?;
            }
        }
        if self.json { say_json(&found) } else { Ok(()) }
    }
}

fn as_json(one: &Notification) -> Value {
    json!({
        "id": one.id,
        "kind": one.occurrence.kind(),
        "about": one.occurrence.about(Lang::En),
        "path": one.occurrence.path(),
        "count": one.count,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "read": one.is_read,
    })
}
