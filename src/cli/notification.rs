//! `vouchsafe notification list | read | settings | set`

use std::io::BufRead;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, moment, say, say_json, say_list, yes_or_no},
    domain::{
        ids::NotificationId,
        lang::Lang,
        notification::{Kind, Notification, Shape, Ways},
    },
    platform::env::Env,
    services::notifications::{self, Chat, ChatChange, Reader, Settings},
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
    /// Show how admins are told, tab-separated: kind, in the list, in the daily mail, in the chat; then the chat's host
    /// and shape, and the hour of the daily mail
    Settings {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change how admins are told of a kind, or which chat is told; what is left out stays
    Set(Set),
}

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("change").required(true).multiple(true),
    group = ArgGroup::new("way").multiple(true).requires("kind"),
)]
pub(super) struct Set {
    /// The kind, as `notification settings` names it
    #[arg(requires = "way")]
    kind: Option<Kind>,
    /// Whether it is in the list, with the count in the admins' bar
    #[arg(long, groups = ["way", "change"])]
    in_app: Option<bool>,
    /// Whether it is in the daily mail to admins who have something unread
    #[arg(long, groups = ["way", "change"])]
    digest: Option<bool>,
    /// Whether the chat is told
    #[arg(long, groups = ["way", "change"])]
    webhook: Option<bool>,
    /// The address of the chat's incoming webhook; it is a secret: - reads it from stdin, an empty one tells no chat
    #[arg(long, group = "change")]
    chat_url: Option<String>,
    /// In which shape the chat wants to be told: slack or discord; without, as its host does
    #[arg(long, requires = "chat_url")]
    chat_shape: Option<Shape>,
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
            Self::Settings { json } => say_settings(&notifications::settings(env).await?, json),
            Self::Set(command) => command.run(env).await,
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
        let is_read = (!self.all).then_some(false);
        let page = |before| notifications::list(env, Reader::All, is_read, before, PAGE);
        say_list(self.json, page, |one| one.id, as_json, line).await
    }
}

impl Set {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let typed = match self.chat_url.as_deref() {
            Some("-") => Some(std::io::stdin().lock().lines().next().transpose()?.unwrap_or_default()),
            typed => typed.map(str::to_owned),
        };
        let chat = match typed.as_deref().map(str::trim) {
            None => ChatChange::Keep,
            Some("") => ChatChange::Remove,
            Some(address) => ChatChange::Set(address, self.chat_shape),
        };
        let known = notifications::settings(env).await?;
        let known = |kind: Kind| known.ways.iter().find(|(of, _)| *of == kind).map_or(kind.ways(), |(_, ways)| *ways);
        let ways: Vec<(Kind, Ways)> = (self.kind.into_iter())
            .map(|kind| (kind, known(kind)))
            .map(|(kind, Ways { in_app, digest, webhook })| {
                let ways = Ways {
                    in_app: self.in_app.unwrap_or(in_app),
                    digest: self.digest.unwrap_or(digest),
                    webhook: self.webhook.unwrap_or(webhook),
                };
                (kind, ways)
            })
            .collect();
        say_settings(&notifications::change_settings(env, &ways, chat, OPERATOR).await?, false)
    }
}

fn say_settings(Settings { ways, chat, digest_hour }: &Settings, as_json: bool) -> Result<(), CliError> {
    if as_json {
        let kind = |(kind, Ways { in_app, digest, webhook }): &(Kind, Ways)| json!({ "kind": kind, "in_app": in_app, "digest": digest, "webhook": webhook });
        let chat = chat.as_ref().map(|Chat { host, shape }| json!({ "host": host, "shape": shape }));
        let kinds: Vec<Value> = ways.iter().map(kind).collect();
        return say_json(&json!({ "kinds": kinds, "chat": chat, "digest_hour": digest_hour }));
    }
    for (kind, Ways { in_app, digest, webhook }) in ways {
        let told = [in_app, digest, webhook].map(|told| yes_or_no(*told)).join("\t");
        say(&format!("{}\t{told}", kind.as_str()))?;
    }
    match chat {
        Some(Chat { host, shape }) => say(&format!("chat\t{host}\t{}", shape.as_str()))?,
        None => say("chat\t-")?,
    }
    say(&format!("digest\t{digest_hour}"))
}

fn line(one: &Notification) -> String {
    let (kind, about) = (one.occurrence.kind().as_str(), one.occurrence.about(Lang::En));
    format!("{}\t{}\t{kind}\t{}\t{about}", one.id, moment(Some(one.last_at)), one.count)
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
