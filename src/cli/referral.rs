//! `vouchsafe referral list | release | reject`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, say, say_list},
    domain::{ids::ReferralId, referral::ReferralState},
    platform::env::Env,
    services::{
        payment_views,
        referrals::{self, ListedReferral, Verdict},
    },
};

/// How many referrals are read at once.
const PAGE: i64 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum ReferralCommand {
    /// List who invited whom, the newest first, tab-separated: id, came, state, friend, referrer, days, flags
    List(List),
    /// Give a held reward now
    Release {
        /// The referral's id, as `referral list` shows it
        id: ReferralId,
    },
    /// Decide that a held reward is not given, for good
    Reject {
        /// The referral's id, as `referral list` shows it
        id: ReferralId,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// In this state only: pending, held, converted, rejected or taken_back
    #[arg(long, conflicts_with = "flagged")]
    state: Option<ReferralState>,
    /// Those that look odd only
    #[arg(long)]
    flagged: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl ReferralCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List(command) => command.run(env).await,
            Self::Release { id } => decide(env, id, Verdict::Release).await,
            Self::Reject { id } => decide(env, id, Verdict::Reject).await,
        }
    }
}

async fn decide(env: &Env, id: ReferralId, verdict: Verdict) -> Result<(), CliError> {
    let referral = referrals::decide(env, id, verdict, OPERATOR).await?;
    say(&format!("{id} is {} now", referral.state().as_str()))
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let page = async |before| match self.flagged {
            true => payment_views::flagged_referrals(env, before, PAGE).await,
            false => referrals::list(env, self.state, before, PAGE).await,
        };
        say_list(self.json, page, |listed| listed.referral.id, as_json, line).await
    }
}

fn line(ListedReferral { referral, referrer, referred }: &ListedReferral) -> String {
    let came = referral.created_at.format("%Y-%m-%d");
    let days = referral.reward_days.map_or_else(|| "-".to_owned(), |days| days.to_string());
    let flags: Vec<_> = referral.flags.iter().map(|flag| flag.as_str()).collect();
    let flags = if flags.is_empty() { "-".to_owned() } else { flags.join(",") };
    let (friend, referrer) = (referred.as_deref().unwrap_or("-"), referrer.as_deref().unwrap_or("-"));
    format!("{}\t{came}\t{}\t{friend}\t{referrer}\t{days}\t{flags}", referral.id, referral.state().as_str())
}

fn as_json(ListedReferral { referral, referrer, referred }: &ListedReferral) -> Value {
    let invoice = referral.invoice.as_ref().map(|(provider, id)| json!({ "provider": provider, "id": id }));
    json!({
        "id": referral.id,
        "state": referral.state(),
        "referrer": referrer,
        "referred": referred,
        "created_at": referral.created_at,
        "converted_at": referral.converted_at,
        "credited_at": referral.credited_at,
        "held_until": referral.held_until,
        "reward_days": referral.reward_days,
        "flags": referral.flags,
        "invoice": invoice,
    })
}
