//! `vouchsafe user list | add | promote | demote | disable | enable | export | delete | keep`

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cli::{CliError, OPERATOR, member, privacy, say},
    domain::{email::EmailAddress, ids::TierId, user::Role},
    platform::env::Env,
    services::members::{self, MemberDetails},
};

/// How many members are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// List all members, the oldest first, tab-separated
    List,
    /// Make a member, or change the one with that address
    Add(Add),
    /// Make a member an admin; their sessions end
    Promote(Who),
    /// Make an admin a member again; their sessions end
    Demote(Who),
    /// Close an account for signing in; its sessions end
    Disable(Who),
    /// Open a closed account again
    Enable(Who),
    /// Print everything that is kept of a member, as JSON
    Export(privacy::Export),
    /// Have an account deleted: what identifies the person is erased, sums stay
    Delete(privacy::Delete),
    /// Keep an account that was to be deleted
    Keep(privacy::Keep),
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// The member's address
    email: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The member's address
    email: String,
    /// The name under which your own database knows them
    #[arg(long)]
    external_id: Option<String>,
    /// Their own tier
    #[arg(long)]
    tier: Option<TierId>,
    /// That the address is known to be theirs, so that a trial begins at once
    #[arg(long)]
    verified: bool,
}

impl Add {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let email = EmailAddress::parse(&self.email).map_err(|error| CliError::Address(self.email.clone(), error))?;
        let details = MemberDetails {
            email: Some(email),
            external_id: self.external_id,
            tier: self.tier,
            email_verified: self.verified.then_some(true),
            ..MemberDetails::default()
        };
        let (user, is_new) = members::put(env, &details, OPERATOR).await?;
        say(&format!("{} {}", user.id, if is_new { "is a new member" } else { "is a member already" }))
    }
}

impl User {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let (email, changed, done, already) = match self {
            Self::List => return list(env).await,
            Self::Add(add) => return add.run(env).await,
            Self::Export(export) => return export.run(env).await,
            Self::Delete(delete) => return delete.run(env).await,
            Self::Keep(keep) => return keep.run(env).await,
            Self::Promote(Who { email }) => {
                let changed = members::set_role(env, member(env, &email).await?.id, Role::Admin, OPERATOR).await?;
                (email, changed, "is an admin now", "is an admin already")
            }
            Self::Demote(Who { email }) => {
                let changed = members::set_role(env, member(env, &email).await?.id, Role::Member, OPERATOR).await?;
                (email, changed, "is a member now", "is no admin")
            }
            Self::Disable(Who { email }) => {
                let changed = members::set_disabled(env, member(env, &email).await?.id, true, OPERATOR).await?;
                (email, changed, "is disabled and signed out everywhere", "is disabled already")
            }
            Self::Enable(Who { email }) => {
                let changed = members::set_disabled(env, member(env, &email).await?.id, false, OPERATOR).await?;
                (email, changed, "may sign in again", "is not disabled")
            }
        };
        say(&format!("{email} {}", if changed { done } else { already }))
    }
}

async fn list(env: &Env) -> Result<(), CliError> {
    let count = members::count(env).await?;
    // Drawn on stderr, and only on a terminal.
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} members").expect("a literal template");
    let progress = ProgressBar::new(u64::try_from(count).unwrap_or(0)).with_style(style);
    let mut after = None;
    loop {
        let page = members::page(env, "", after, PAGE).await?;
        for (user, _) in &page.members {
            let state = if user.disabled_at.is_some() { "disabled" } else { "active" };
            let since = user.created_at.format("%Y-%m-%d");
            let line =
                format!("{}\t{}\t{}\t{}\t{state}\t{since}", user.id, user.label(), user.role.as_str(), user.tier);
            progress.suspend(|| say(&line))?;
        }
        progress.inc(page.members.len() as u64);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    progress.finish_and_clear();
    Ok(())
}
