//! `vouchsafe partner add | list | link | statement`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, instant, say, say_json},
    domain::partner::{Figures, Month, Partner, PartnerDetails, StatementLine},
    platform::env::Env,
    services::partners::{self, PartnerError},
};

/// How many partners are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum PartnerCommand {
    /// Add somebody for whom coupons are made, and print their id
    Add(Add),
    /// List partners, the newest first, tab-separated: id, name, coupons, redemptions, active passes
    List(List),
    /// Make the link under which a partner reads, and print it; the link before shows nothing any more
    Link {
        /// The partner's id or name
        partner: String,
        /// End the link instead
        #[arg(long)]
        end: bool,
    },
    /// Tell what was redeemed in a month, tab-separated: time, code, tier, days, state of the pass
    Statement(Statement),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What they are called
    name: String,
    /// Whom to talk to
    #[arg(long, default_value = "")]
    contact: String,
    /// Where to write
    #[arg(long)]
    email: Option<String>,
    /// From when their coupons can be redeemed, as 2027-01-01T00:00:00Z
    #[arg(long, value_parser = instant)]
    from: Option<DateTime<Utc>>,
    /// Until when
    #[arg(long, value_parser = instant)]
    until: Option<DateTime<Utc>>,
    /// What is to be remembered about them
    #[arg(long, default_value = "")]
    note: String,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Those that are archived, instead of the others
    #[arg(long)]
    archived: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Statement {
    /// The partner's id or name
    partner: String,
    /// The month, as 2026-11
    month: Month,
    /// As JSON
    #[arg(long)]
    json: bool,
}

async fn named(env: &Env, name: &str) -> Result<Partner, CliError> {
    Ok(partners::find_named(env, name).await?.ok_or(PartnerError::NoSuchPartner)?)
}

impl PartnerCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Add(command) => command.run(env).await,
            Self::List(command) => command.run(env).await,
            Self::Link { partner, end: true } => {
                let partner = named(env, &partner).await?;
                partners::end_link(env, partner.id, OPERATOR).await?;
                say(&format!("{}: the link is ended", partner.details.name))
            }
            Self::Link { partner, end: false } => {
                let partner = named(env, &partner).await?;
                let token = partners::make_link(env, partner.id, OPERATOR).await?;
                let origin = env.config.server.public_url.as_str().trim_end_matches('/');
                say(&format!("{origin}/partner/{token}"))
            }
            Self::Statement(command) => command.run(env).await,
        }
    }
}

impl Add {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let details = PartnerDetails {
            name: self.name,
            contact: self.contact,
            email: self.email,
            contract_from: self.from,
            contract_until: self.until,
            note: self.note,
        };
        let partner = partners::create(env, details, OPERATOR).await?;
        say(&partner.id.to_string())
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let mut before = None;
        let mut found = Vec::new();
        loop {
            let page = partners::list(env, self.archived, before, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            before = Some(last.id);
            if self.json {
                found.extend(page.iter().map(as_json));
                continue;
            }
            for (partner, Figures { coupons, redemptions, active }) in &page {
                let name = &partner.details.name;
                say(&format!("{}\t{name}\t{coupons}\t{redemptions}\t{active}", partner.id))?;
            }
        }
        if self.json { say_json(&found) } else { Ok(()) }
    }
}

impl Statement {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let partner = named(env, &self.partner).await?;
        let lines = partners::statement(env, partner.id, self.month).await?;
        if self.json {
            return say_json(&lines.iter().map(line_as_json).collect::<Vec<_>>());
        }
        for line in &lines {
            let state = line.state.map_or_else(|| "-".to_owned(), |state| format!("{state:?}").to_lowercase());
            let at = line.redeemed_at.to_rfc3339();
            say(&format!("{at}\t{}\t{}\t{}\t{state}", line.code, line.tier, line.days))?;
        }
        Ok(())
    }
}

fn as_json((partner, figures): &(Partner, Figures)) -> Value {
    let details = &partner.details;
    json!({
        "id": partner.id,
        "name": details.name,
        "contact": details.contact,
        "email": details.email,
        "contract_from": details.contract_from,
        "contract_until": details.contract_until,
        "note": details.note,
        "coupons": figures.coupons,
        "redemptions": figures.redemptions,
        "active_passes": figures.active,
        "linked_at": partner.linked_at,
        "archived_at": partner.archived_at,
        "created_at": partner.created_at,
    })
}

fn line_as_json(line: &StatementLine) -> Value {
    json!({
        "id": line.id,
        "redeemed_at": line.redeemed_at,
        "code": line.code.to_string(),
        "tier": line.tier,
        "duration_days": line.days,
        "state": line.state,
    })
}
