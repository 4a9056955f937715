//! `vouchsafe key create | list | revoke`

use chrono::TimeDelta;
use clap::{Args, Subcommand};

use crate::{
    cli::{CliError, OPERATOR, say},
    domain::{api_key::Scopes, ids::ApiKeyId},
    platform::env::Env,
    services::{
        api_keys::{self, NewApiKey},
        entitlements::EntitlementError,
        members,
    },
};

/// How many keys are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a key and print its token, once and alone
    Create(Create),
    /// List keys, the newest first, tab-separated
    List,
    /// End a key
    Revoke {
        /// The key's id, as `key list` shows it
        id: ApiKeyId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What you call it
    name: String,
    /// What it may do: check, consume, manage, admin, with commas between
    #[arg(long, default_value = "check,consume")]
    scopes: Scopes,
    /// The one member it may ask about, for a browser
    #[arg(long)]
    user: Option<String>,
    /// After how many days it ends
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: Option<i64>,
}

impl Key {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Create(Create { name, scopes, user, days }) => {
                let user = match user {
                    Some(user) => Some(members::find(env, &user).await?.ok_or(EntitlementError::UserUnknown)?.id),
                    None => None,
                };
                let expires_at = days.map(|days| env.clock.now() + TimeDelta::days(days));
                let (_, token) = api_keys::create(env, NewApiKey { name, scopes, user, expires_at }, OPERATOR).await?;
                say(&token)
            }
            Self::List => list(env).await,
            Self::Revoke { id } => {
                let ended = api_keys::revoke(env, id, OPERATOR).await?;
                say(&format!("{id} {}", if ended { "opens nothing any more" } else { "opens nothing" }))
            }
        }
    }
}

async fn list(env: &Env) -> Result<(), CliError> {
    let now = env.clock.now();
    let mut before = None;
    loop {
        let page = api_keys::list(env, before, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        for key in page {
            let state = match (key.revoked_at, key.is_good(now)) {
                (Some(_), _) => "revoked",
                (None, true) => "good",
                (None, false) => "expired",
            };
            let used =
                key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
            say(&format!("{}\t{}\t{}…\t{}\t{state}\t{used}", key.id, key.name, key.hint, key.scopes))?;
        }
    }
}
