//! `vouchsafe user export | delete | keep`

use clap::Args;

use crate::{
    cli::{CliError, OPERATOR, say, say_json},
    domain::{privacy::GRACE, user::User},
    platform::env::Env,
    services::{
        members::{self, MemberError},
        privacy::{self, Outcome},
    },
};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The member's address, id or external id
    member: String,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The member's address, id or external id
    member: String,
    /// The days until it is done, in which the account can be kept; 0 is at once and for good
    #[arg(long, default_value_t = GRACE.num_days())]
    grace_days: i64,
}

#[derive(Debug, Args)]
pub(super) struct Keep {
    /// The member's address, id or external id
    member: String,
}

/// Returns whom a name means. After a backup is brought back, a deletion is repeated by id.
async fn named(env: &Env, name: &str) -> Result<User, CliError> {
    Ok(members::find(env, name).await?.ok_or(MemberError::NoSuchMember)?)
}

impl Export {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let user = named(env, &self.member).await?;
        privacy::note_export(env, user.id, OPERATOR).await?;
        say_json(&privacy::export(env, &user).whole().await?)
    }
}

impl Delete {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let user = named(env, &self.member).await?;
        match privacy::delete_after(env, user.id, self.grace_days, OPERATOR).await? {
            Outcome::Due(at) => say(&format!("{} will be deleted at {}", user.id, at.format("%Y-%m-%d %H:%M UTC"))),
            Outcome::Deleted => say(&format!("{} is deleted", user.id)),
        }
    }
}

impl Keep {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let user = named(env, &self.member).await?;
        let was_leaving = privacy::keep(env, user.id, OPERATOR).await?;
        say(&format!("{} {}", user.id, if was_leaving { "stays" } else { "was not to be deleted" }))
    }
}
