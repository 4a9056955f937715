//! `vouchsafe payments events | show | replay | reconcile`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, say, say_json},
    domain::{ids::PaymentEventId, payment::Provider},
    platform::env::Env,
    services::{
        payment_views::{self, ListedEvent},
        payments::{EventState, Tried},
        replays, subscriptions,
    },
};

/// How many events are read at once.
const PAGE: i64 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum PaymentsCommand {
    /// List what the providers told, the newest first, tab-separated: id, time, provider, type, state, member, problem
    Events(Events),
    /// Show one event with what was signed
    Show(Show),
    /// Apply events that could not be applied; ends with 1 when one still cannot be
    Replay(Replay),
    /// Ask the providers how their subscriptions stand and put right what is different; ends with 1 when something
    /// needs a person
    Reconcile(Reconcile),
}

#[derive(Debug, Args)]
pub(super) struct Events {
    /// In this state only: received, done, ignored, failed or dead
    #[arg(long)]
    state: Option<EventState>,
    /// At most so many
    #[arg(long, default_value_t = PAGE, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The event's id, as `payments events` shows it
    id: PaymentEventId,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Replay {
    /// The event's id, as `payments events` shows it
    id: Option<PaymentEventId>,
    /// All that wait for a person
    #[arg(long)]
    dead: bool,
}

#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// This one only: stripe, paddle or polar. Else all that have an API key
    #[arg(long)]
    provider: Option<Provider>,
}

impl PaymentsCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Events(command) => command.run(env).await,
            Self::Show(command) => command.run(env).await,
            Self::Replay(Replay { id: Some(id), .. }) => replay_one(env, id).await,
            Self::Replay(Replay { id: None, .. }) => replay_dead(env).await,
            Self::Reconcile(command) => command.run(env).await,
        }
    }
}

impl Events {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let (mut before, mut left) = (None, self.limit);
        let mut found = Vec::new();
        while left > 0 {
            let page = payment_views::events(env, self.state, before, left.min(PAGE)).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.event.id);
            left -= i64::try_from(page.len()).unwrap_or(left);
            if self.json {
                found.extend(page.iter().map(as_json));
                continue;
            }
            for listed in &page {
                say(&line(listed))?;
            }
        }
        if self.json { say_json(&found) } else { Ok(()) }
    }
}

fn line(ListedEvent { event, member, .. }: &ListedEvent) -> String {
    let happened = event.occurred_at.format("%Y-%m-%d %H:%M:%S");
    let (member, error) = (member.as_deref().unwrap_or("-"), event.error.as_deref().unwrap_or("-"));
    let (id, provider, kind, state) = (event.id, event.provider, &event.event_type, event.state.as_str());
    format!("{id}\t{happened}\t{provider}\t{kind}\t{state}\t{member}\t{error}")
}

fn as_json(ListedEvent { event, member, is_sample }: &ListedEvent) -> Value {
    json!({
        "id": event.id,
        "provider": event.provider,
        "event_id": event.event_id,
        "event_type": event.event_type,
        "kind": event.kind,
        "state": event.state.as_str(),
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "attempts": event.attempts,
        "error": event.error,
        "waits_for": event.waits_for,
        "user": event.user,
        "member": member,
        "subscription": event.subscription,
        "test": is_sample,
    })
}

impl Show {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let listed = payment_views::event(env, self.id).await?.ok_or(CliError::NoSuchEvent)?;
        let payload = &listed.event.payload;
        if self.json {
            let mut shown = as_json(&listed);
            shown["payload"] = serde_json::from_str(payload).unwrap_or_else(|_| json!(payload));
            return say_json(&shown);
        }
        let event = &listed.event;
        let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        say(&format!("id         {}", event.id))?;
        say(&format!("provider   {}", event.provider))?;
        say(&format!("event      {} ({})", event.event_type, event.event_id))?;
        say(&format!("kind       {}{}", optional(&event.kind), if listed.is_sample { " (a test)" } else { "" }))?;
        say(&format!("happened   {}", event.occurred_at.format("%Y-%m-%d %H:%M:%S UTC")))?;
        say(&format!("received   {}", event.received_at.format("%Y-%m-%d %H:%M:%S UTC")))?;
        say(&format!("state      {}, after {} tries", event.state.as_str(), event.attempts))?;
        say(&format!("member     {}", optional(&listed.member)))?;
        if let Some(error) = &event.error {
            say(&format!("error      {error}"))?;
        }
        if let Some(waits_for) = &event.waits_for {
            say(&format!("waits for  {waits_for}"))?;
        }
        say("")?;
        match serde_json::from_str::<Value>(payload) {
            Ok(value) => say_json(&value),
            Err(_) => say(payload),
        }
    }
}

async fn replay_one(env: &Env, id: PaymentEventId) -> Result<(), CliError> {
    match replays::replay(env, id, OPERATOR).await? {
        Tried::Settled => say(&format!("{id} is applied")),
        Tried::Failed(problem) => {
            say(&format!("{id} cannot be applied: {problem}"))?;
            Err(CliError::NeedsPerson)
        }
        Tried::Unknown => Err(CliError::NoSuchEvent),
    }
}

async fn replay_dead(env: &Env) -> Result<(), CliError> {
    let (mut before, mut applied, mut failed) = (None, 0, 0);
    loop {
        let replayed = replays::replay_dead(env, before, OPERATOR).await?;
        for id in &replayed.applied {
            say(&format!("{id} is applied"))?;
        }
        for (id, problem) in &replayed.failed {
            say(&format!("{id} cannot be applied: {problem}"))?;
        }
        applied += replayed.applied.len();
        failed += replayed.failed.len();
        before = replayed.next;
        if before.is_none() {
            break;
        }
    }
    say(&format!("{applied} applied, {failed} not"))?;
    if failed > 0 { Err(CliError::NeedsPerson) } else { Ok(()) }
}

impl Reconcile {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let providers = match self.provider {
            Some(provider) => vec![provider],
            None => Provider::ALL.into_iter().filter(|provider| env.can_ask(*provider)).collect(),
        };
        if providers.is_empty() {
            return say("no provider has an API key: there is nobody to ask");
        }
        let mut needs_person = false;
        for provider in providers {
            let (mut after, mut compared, mut different) = (None, 0, 0);
            loop {
                let page = subscriptions::reconcile(env, provider, after.as_deref()).await?;
                for difference in &page.differences {
                    say(&format!("{provider} {difference}"))?;
                    needs_person |= !difference.is_repaired;
                }
                compared += page.compared;
                different += page.differences.len();
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            replays::note_compared(env, provider, OPERATOR, (compared, different)).await?;
            say(&format!("{provider}: {compared} compared, {different} different"))?;
        }
        if needs_person { Err(CliError::NeedsPerson) } else { Ok(()) }
    }
}
