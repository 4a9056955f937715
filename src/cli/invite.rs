//! `vouchsafe invite add | list | revoke | resend`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, say, say_list},
    domain::{
        email::EmailAddress,
        grant::MOST_DAYS,
        ids::{InvitationId, TierId},
        invitation::{Gift, InvitationState},
        lang::Lang,
    },
    platform::env::Env,
    services::invitations::{self, InvitationError, Inviter, ListedInvitation, NewInvitation},
};

/// How many invitations are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum InviteCommand {
    /// Invite addresses by mail; who has an open invitation or an account is left alone
    Add(Add),
    /// List invitations, the newest first, tab-separated: id, made, state, address, by, tier, days, mails, good until
    List(List),
    /// Take an invitation back: the link in its mail stops working
    Revoke(Which),
    /// Send an invitation again; it is good for as long as a new one from then on
    Resend(Which),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The addresses
    #[arg(required = true)]
    emails: Vec<String>,
    /// A tier of which who accepts gets some days
    #[arg(long, requires = "days")]
    tier: Option<TierId>,
    /// How many
    #[arg(long, requires = "tier", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: Option<i64>,
    /// What the mail says beside, at most 500 characters
    #[arg(long, default_value = "")]
    note: String,
    /// The language of the mail: en or de
    #[arg(long, default_value = "en")]
    lang: Lang,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// In this state only: open, accepted, expired or revoked
    #[arg(long)]
    state: Option<InvitationState>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The invitation's id, as `invite list` shows it
    id: InvitationId,
}

impl InviteCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let by = Inviter::Office(OPERATOR);
        match self {
            Self::Add(command) => command.run(env).await,
            Self::List(command) => command.run(env).await,
            Self::Revoke(Which { id }) => {
                let invitation = invitations::revoke(env, by, id).await?;
                say(&format!("the invitation of {} is taken back", invitation.email))
            }
            Self::Resend(Which { id }) => {
                let invitation = invitations::resend(env, by, id).await?;
                say(&format!("{} gets the invitation again, mail {}", invitation.email, invitation.sends))
            }
        }
    }
}

impl Add {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let read = |text: &String| EmailAddress::parse(text).map_err(|error| CliError::Address(text.clone(), error));
        // All are read before the first is invited.
        let emails: Vec<EmailAddress> = self.emails.iter().map(read).collect::<Result<_, _>>()?;
        let gift = self.tier.zip(self.days).map(|(tier, days)| Gift { tier, days });
        let mut refused = None;
        for email in &emails {
            let new = NewInvitation { email, gift: gift.clone(), note: &self.note, lang: self.lang };
            match invitations::invite(env, Inviter::Office(OPERATOR), &new).await {
                Ok(invitation) => say(&format!("{}\t{email} is invited", invitation.id))?,
                // A script that runs twice ends with 0 twice.
                Err(InvitationError::AlreadyOpen) => say(&format!("-\t{email} is invited already"))?,
                Err(InvitationError::IsMember) => say(&format!("-\t{email} is a member already"))?,
                Err(error @ InvitationError::TooManyMails) => {
                    say(&format!("-\t{email}: {error}"))?;
                    refused = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        refused.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let page = |before| invitations::list(env, self.state, before, PAGE);
        let id = |listed: &ListedInvitation| listed.invitation.id;
        say_list(self.json, page, id, |listed| as_json(env, listed), |listed| line(env, listed)).await
    }
}

fn line(env: &Env, ListedInvitation { invitation, inviter }: &ListedInvitation) -> String {
    let (made, until) = (invitation.created_at.format("%Y-%m-%d"), invitation.expires_at.format("%Y-%m-%d"));
    let state = invitation.state(env.clock.now()).as_str();
    let by = inviter.as_deref().unwrap_or("-");
    let (tier, days) = invitation
        .gift
        .as_ref()
        .map_or_else(|| ("-".to_owned(), "-".to_owned()), |gift| (gift.tier.to_string(), gift.days.to_string()));
    let (id, email, sends) = (invitation.id, &invitation.email, invitation.sends);
    format!("{id}\t{made}\t{state}\t{email}\t{by}\t{tier}\t{days}\t{sends}\t{until}")
}

fn as_json(env: &Env, ListedInvitation { invitation, inviter }: &ListedInvitation) -> Value {
    json!({
        "id": invitation.id,
        "email": invitation.email,
        "state": invitation.state(env.clock.now()),
        "invited_by": inviter,
        "tier": invitation.gift.as_ref().map(|gift| &gift.tier),
        "days": invitation.gift.as_ref().map(|gift| gift.days),
        "note": invitation.note,
        "lang": invitation.lang,
        "sends": invitation.sends,
        "sent_at": invitation.sent_at,
        "expires_at": invitation.expires_at,
        "accepted_at": invitation.accepted_at,
        "accepted_by": invitation.accepted_by,
        "revoked_at": invitation.revoked_at,
        "created_at": invitation.created_at,
    })
}
