//! `vouchsafe partner add | list | show | set | link | statement`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, Moment, OPERATOR, instant, moment, moment_or_nothing, say, say_facts, say_json, say_list},
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
    /// Show a partner: what is known of them, and what came of their coupons
    Show {
        /// The partner's id or name
        partner: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change what is known of a partner, or put them out of the way; what is left out stays
    Set(Box<Set>),
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
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(super) struct Set {
    /// The partner's id or name
    partner: String,
    /// What they are called
    #[arg(long, group = "change")]
    name: Option<String>,
    /// Whom to talk to
    #[arg(long, group = "change")]
    contact: Option<String>,
    /// Where to write; an empty one is none
    #[arg(long, group = "change")]
    email: Option<String>,
    /// From when their coupons can be redeemed, as 2027-01-01T00:00:00Z, or none
    #[arg(long, group = "change")]
    from: Option<Moment>,
    /// Until when, or none
    #[arg(long, group = "change")]
    until: Option<Moment>,
    /// What is to be remembered about them
    #[arg(long, group = "change")]
    note: Option<String>,
    /// Whether they are out of the way: then their coupons cannot be redeemed, and their link shows nothing
    #[arg(long, group = "change")]
    archived: Option<bool>,
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
    /// As CSV, the file that the partner gets
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

async fn named(env: &Env, name: &str) -> Result<Partner, CliError> {
    Ok(partners::find_named(env, name).await?.ok_or(PartnerError::NoSuchPartner)?)
}

impl PartnerCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Add(command) => command.run(env).await,
            Self::List(command) => command.run(env).await,
            Self::Show { partner, json } => {
                let account = partners::account(env, named(env, &partner).await?).await?;
                let shown = (account.partner, account.figures);
                if json { say_json(&as_json(&shown)) } else { show(&shown) }
            }
            Self::Set(command) => command.run(env).await,
            Self::Link { partner, end: true } => {
                let partner = named(env, &partner).await?;
                partners::end_link(env, partner.id, OPERATOR).await?;
                say(&format!("{}: the link is ended", partner.details.name))
            }
            Self::Link { partner, end: false } => {
                let partner = named(env, &partner).await?;
                let token = partners::make_link(env, partner.id, OPERATOR).await?;
                say(&partners::link(env, &token))
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

impl Set {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let Partner { id, details: known, archived_at, .. } = named(env, &self.partner).await?;
        let details = PartnerDetails {
            name: self.name.unwrap_or(known.name),
            contact: self.contact.unwrap_or(known.contact),
            email: self.email.or(known.email),
            contract_from: self.from.map_or(known.contract_from, |Moment(from)| from),
            contract_until: self.until.map_or(known.contract_until, |Moment(until)| until),
            note: self.note.unwrap_or(known.note),
        };
        let archived = self.archived.unwrap_or(archived_at.is_some());
        let partner = partners::change(env, id, details, archived, OPERATOR).await?;
        let account = partners::account(env, partner).await?;
        say(&line(&(account.partner, account.figures)))
    }
}

fn show((partner, figures): &(Partner, Figures)) -> Result<(), CliError> {
    let details = &partner.details;
    say_facts(&[
        ("name", details.name.clone()),
        ("id", partner.id.to_string()),
        ("contact", details.contact.clone()),
        ("email", details.email.clone().unwrap_or_default()),
        ("from", moment_or_nothing(details.contract_from)),
        ("until", moment_or_nothing(details.contract_until)),
        ("note", details.note.clone()),
        ("coupons", figures.coupons.to_string()),
        ("redeemed", figures.redemptions.to_string()),
        ("passes", format!("{} active", figures.active)),
        ("link since", moment_or_nothing(partner.linked_at)),
        ("archived", moment_or_nothing(partner.archived_at)),
        ("added", format!("{} by {}", moment(Some(partner.created_at)), partner.created_by)),
    ])
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let page = |before| partners::list(env, self.archived, before, PAGE);
        say_list(self.json, page, |(partner, _)| partner.id, as_json, line).await
    }
}

impl Statement {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let partner = named(env, &self.partner).await?;
        if self.csv {
            return say(partners::statement_file(env, partner.id, self.month).await?.trim_end());
        }
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

fn line((partner, Figures { coupons, redemptions, active }): &(Partner, Figures)) -> String {
    format!("{}\t{}\t{coupons}\t{redemptions}\t{active}", partner.id, partner.details.name)
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
