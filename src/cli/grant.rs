//! `vouchsafe grant give | list | revoke`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, credit::short_text, member, moment, say, say_json},
    domain::{
        grant::MOST_DAYS,
        ids::{GrantId, TierId},
    },
    platform::env::Env,
    services::{
        grants::{self, Gift, ListedGrant, days_left},
        usage::idempotency_key,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum GrantCommand {
    /// Give a member days at a tier: they begin at once, or wait for their turn
    Give(Give),
    /// List a member's grants, the newest first, tab-separated: id, state, tier, kind, days left, from, until
    List(List),
    /// Take a grant back: what has run stays, what is left is lost
    Revoke {
        /// The grant's id, as `grant list` shows it
        id: GrantId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Give {
    /// The member's address
    email: String,
    /// At which tier
    #[arg(long)]
    tier: TierId,
    /// How many days
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: i64,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// A name for this gift: run again with the same key within a day, nothing is given twice
    #[arg(long, value_parser = short_text)]
    key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The member's address
    email: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl GrantCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Give(command) => command.run(env).await,
            Self::List(command) => command.run(env).await,
            Self::Revoke { id } => {
                let revoked = grants::revoke(env, id, OPERATOR).await?;
                say(&format!("{id} is taken back; {} day(s) were left", days_left(&revoked, env.clock.now())))
            }
        }
    }
}

impl Give {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let user = member(env, &self.email).await?;
        let gift = Gift { tier: self.tier, days: self.days, reason: self.reason.as_deref(), actor: OPERATOR };
        let asked = json!([user.id, gift.tier, gift.days, gift.reason]).to_string();
        let key = self.key.map(|key| idempotency_key(OPERATOR, "grant give", key.as_bytes(), asked.as_bytes()));
        let given = grants::give_once(env, user.id, &gift, key).await?;
        say(&format!("{}: {}", self.email, told(&given)))
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let found = grants::list(env, member(env, &self.email).await?.id).await?;
        let now = env.clock.now();
        if self.json {
            let found: Vec<Value> = found.iter().map(|listed| as_json(listed, now)).collect();
            return say_json(&found);
        }
        for ListedGrant { grant, from, until } in &found {
            let state = serde_json::to_value(grant.state()).map_err(std::io::Error::from)?;
            say(&format!(
                "{}\t{}\t{}\t{}\t{}\t{}\t{}",
                grant.id,
                state.as_str().unwrap_or_default(),
                grant.tier,
                grant.kind,
                days_left(grant, now),
                moment(*from),
                moment(*until)
            ))?;
        }
        Ok(())
    }
}

/// Says in words what was given.
pub(super) fn told(ListedGrant { grant, from, until }: &ListedGrant) -> String {
    let day =
        |at: &Option<DateTime<Utc>>| at.map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
    format!("{} from {} until {}", grant.tier, day(from), day(until))
}

fn as_json(ListedGrant { grant, from, until }: &ListedGrant, now: DateTime<Utc>) -> Value {
    json!({
        "id": grant.id,
        "tier": grant.tier,
        "kind": grant.kind,
        "state": grant.state(),
        "total_seconds": grant.total,
        "remaining_seconds": grant.left(now),
        "from": from,
        "until": until,
        "granted_at": grant.granted_at,
        "granted_by": grant.granted_by,
        "reason": grant.reason,
    })
}
