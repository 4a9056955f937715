//! `vouchsafe grant-credit | revoke-credit | show-status`

use clap::Args;

use crate::{
    cli::{CliError, OPERATOR, member, say, say_json},
    domain::{access::PaidStatus, credit::MOST_DAYS, lang::Lang, user::Role},
    platform::env::Env,
    services::{
        credits::{self, Grant},
        members::{self, MemberStatus},
    },
    words::{self, TimeLeft},
};

#[derive(Debug, Args)]
pub(super) struct GrantCredit {
    /// The member's address
    email: String,
    /// How many days, counted from now or from the end of what is there
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: i64,
    /// A name for this grant: run again with the same key, nothing is given twice
    #[arg(long, value_parser = short_text)]
    key: Option<String>,
    /// What to remember about it
    #[arg(long, value_parser = short_text)]
    note: Option<String>,
}

pub(super) fn short_text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err("1 to 200 characters, without control characters".to_owned());
    }
    Ok(text.to_owned())
}

impl GrantCredit {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let user = member(env, &self.email).await?;
        let grant = Grant { days: self.days, key: self.key.as_deref(), note: self.note.as_deref(), actor: OPERATOR };
        let granted = credits::grant(env, user.id, &grant).await?;
        let until = granted.until.format("%Y-%m-%d %H:%M UTC");
        if granted.is_new {
            say(&format!("{}: {} day(s) of credit given, lasting until {until}", self.email, self.days))
        } else {
            say(&format!("{}: this key was used before; credit lasts until {until}", self.email))
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct RevokeCredit {
    /// The member's address
    email: String,
}

impl RevokeCredit {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match credits::revoke(env, member(env, &self.email).await?.id, OPERATOR).await? {
            Some(until) => {
                let until = until.format("%Y-%m-%d %H:%M UTC");
                say(&format!("{}: credit ended; it would have lasted until {until}", self.email))
            }
            None => say(&format!("{}: there is no credit to end", self.email)),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ShowStatus {
    /// The member's address
    email: String,
    /// As JSON, the same object as the API's
    #[arg(long)]
    json: bool,
}

impl ShowStatus {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let status = members::status(env, member(env, &self.email).await?).await?;
        if self.json {
            say_json(&status)?;
        } else {
            for line in human(&status) {
                say(&line)?;
            }
        }
        Ok(())
    }
}

fn human(status: &MemberStatus) -> Vec<String> {
    let paid = if status.paid.active { "yes" } else { "no" };
    let PaidStatus { source, days_remaining, expires_at, .. } = status.paid;
    let access = words::access_line(
        Lang::En,
        &status.tier,
        source,
        &TimeLeft { days: days_remaining, until: expires_at, renews: false },
    );
    let mut lines = vec![
        format!("member     {}", status.email.as_deref().unwrap_or("-")),
        format!("id         {}", status.id),
        format!("tier       {}", status.tier),
        format!("paid       {paid}"),
        format!("access     {access}"),
    ];
    if let Some(at) = status.last_sign_in_at {
        lines.push(format!("sign-ins   {}, the last on {}", status.sign_ins, at.format("%Y-%m-%d %H:%M UTC")));
    }
    if status.role == Role::Admin {
        lines.push("role       admin".to_owned());
    }
    if let Some(at) = status.disabled_at {
        lines.push(format!("disabled   since {}", at.format("%Y-%m-%d %H:%M UTC")));
    }
    if let Some(until) = status.credit_until {
        lines.push(format!("credit     until {}", until.format("%Y-%m-%d %H:%M UTC")));
    }
    if let Some(code) = &status.referral_code {
        let stats = status.referrals;
        lines.push(format!(
            "referrals  {code}: {} pending, {} converted, {} active credit(s)",
            stats.pending, stats.converted, stats.active_credits
        ));
    }
    lines
}
