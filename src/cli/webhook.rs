//! `vouchsafe webhook list | add | show | set | remove | rotate | enable | disable | test | deliveries | resend`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, moment, moment_or_nothing, say, say_facts, say_json},
    domain::{
        ids::{WebhookDeliveryId, WebhookEndpointId},
        webhook::{Delivery, DeliveryState, Endpoint, KEPT_FOR, Wanted},
    },
    platform::env::Env,
    services::webhooks::{self, Change, NewEndpoint, WebhookError},
};

/// How many deliveries are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// List endpoints, the oldest first, tab-separated: id, state, events, address, note
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an endpoint; prints its id and, once, its secret
    Add(Add),
    /// Show an endpoint
    Show {
        /// The endpoint's id
        id: WebhookEndpointId,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change where an endpoint is, what it hears of or what is remembered about it; what is left out stays
    Set(Set),
    /// Delete an endpoint and the log of its deliveries
    Remove {
        /// The endpoint's id
        id: WebhookEndpointId,
    },
    /// Make another secret and print it, once; the one before it signs for 24 more hours
    Rotate {
        /// The endpoint's id
        id: WebhookEndpointId,
    },
    /// Let an endpoint hear again what happens
    Enable {
        /// The endpoint's id
        id: WebhookEndpointId,
    },
    /// Tell an endpoint nothing for now
    Disable {
        /// The endpoint's id
        id: WebhookEndpointId,
    },
    /// Queue a test event, which the running server sends; prints the delivery's id
    Test {
        /// The endpoint's id
        id: WebhookEndpointId,
    },
    /// List deliveries, the newest first, tab-separated: id, time, event, state, tries, status, error
    Deliveries(Deliveries),
    /// Send a delivery again, or all failed ones of an endpoint
    Resend(Resend),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Where it is, as https://example.com/hooks
    url: String,
    /// The events that it wants to hear of, with commas between; without, all
    #[arg(long, value_delimiter = ',')]
    events: Vec<String>,
    /// What is to be remembered about it
    #[arg(long, default_value = "")]
    description: String,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The endpoint's id
    id: WebhookEndpointId,
    /// Where it is, as https://example.com/hooks
    #[arg(long, required_unless_present_any = ["events", "description"])]
    url: Option<String>,
    /// The events that it wants to hear of, with commas between; all for all
    #[arg(long, value_delimiter = ',')]
    events: Option<Vec<String>>,
    /// What is to be remembered about it
    #[arg(long)]
    description: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Deliveries {
    /// The endpoint's id
    id: WebhookEndpointId,
    /// Only those that are pending, delivered or failed
    #[arg(long)]
    state: Option<DeliveryState>,
    /// How many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    most: i64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Resend {
    /// The delivery's id
    #[arg(required_unless_present = "failed_of", conflicts_with = "failed_of")]
    id: Option<WebhookDeliveryId>,
    /// All failed ones of this endpoint instead
    #[arg(long, value_name = "ENDPOINT")]
    failed_of: Option<WebhookEndpointId>,
    /// Of those only the ones of events since then, as 2027-01-01T00:00:00Z
    #[arg(long, requires = "failed_of")]
    since: Option<DateTime<Utc>>,
}

impl WebhookCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List { json } => list(env, json).await,
            Self::Add(command) => command.run(env).await,
            Self::Show { id, json } => {
                let endpoint = webhooks::find(env, id).await?.ok_or(WebhookError::NoSuchEndpoint)?;
                if json { say_json(&endpoint_json(&endpoint)) } else { show(&endpoint) }
            }
            Self::Set(command) => command.run(env).await,
            Self::Remove { id } => {
                if !webhooks::delete(env, id, OPERATOR).await? {
                    return Err(WebhookError::NoSuchEndpoint.into());
                }
                say(&format!("{id} is deleted"))
            }
            Self::Rotate { id } => {
                let (_, secret) = webhooks::rotate(env, id, OPERATOR).await?;
                say(secret.expose())
            }
            Self::Enable { id } => {
                webhooks::set_enabled(env, id, true, OPERATOR).await?;
                say(&format!("{id} is enabled"))
            }
            Self::Disable { id } => {
                webhooks::set_enabled(env, id, false, OPERATOR).await?;
                say(&format!("{id} is disabled"))
            }
            Self::Test { id } => say(&webhooks::send_test(env, id, OPERATOR).await?.to_string()),
            Self::Deliveries(command) => command.run(env).await,
            Self::Resend(command) => command.run(env).await,
        }
    }
}

impl Add {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let wanted = wanted(&self.events)?;
        let new = NewEndpoint { url: &self.url, description: &self.description, wanted };
        let (endpoint, secret) = webhooks::create(env, new, OPERATOR).await?;
        say(&format!("{}\t{}", endpoint.id, secret.expose()))
    }
}

impl Set {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let wanted = self.events.as_deref().map(wanted).transpose()?;
        let change = Change { url: self.url.as_deref(), description: self.description.as_deref(), wanted };
        say(&endpoint_line(&webhooks::change(env, self.id, change, OPERATOR).await?))
    }
}

/// Reads names of events; `all` and none at all stand for everything.
fn wanted(names: &[String]) -> Result<Wanted, CliError> {
    match names {
        [all] if all == "all" => Ok(Wanted::ALL),
        names => Wanted::read(names).map_err(|error| CliError::Wrong(error.to_string())),
    }
}

fn show(endpoint: &Endpoint) -> Result<(), CliError> {
    say_facts(&[
        ("id", endpoint.id.to_string()),
        ("address", endpoint.url.clone()),
        ("state", state(endpoint)),
        ("events", events(endpoint)),
        ("note", endpoint.description.clone()),
        ("old secret until", moment_or_nothing(endpoint.previous_until)),
        ("made", format!("{} by {}", moment(Some(endpoint.created_at)), endpoint.created_by)),
    ])
}

async fn list(env: &Env, as_json: bool) -> Result<(), CliError> {
    let endpoints = webhooks::list(env).await?;
    if as_json {
        return say_json(&endpoints.iter().map(endpoint_json).collect::<Vec<_>>());
    }
    for endpoint in &endpoints {
        say(&endpoint_line(endpoint))?;
    }
    Ok(())
}

fn endpoint_line(endpoint: &Endpoint) -> String {
    let Endpoint { id, url, description, .. } = endpoint;
    format!("{id}\t{}\t{}\t{url}\t{description}", state(endpoint), events(endpoint))
}

fn events(endpoint: &Endpoint) -> String {
    if endpoint.wanted.is_all() { "all".to_owned() } else { endpoint.wanted.names().join(",") }
}

fn state(endpoint: &Endpoint) -> String {
    match (endpoint.disabled, endpoint.failing_since) {
        (Some((_, because)), _) => format!("disabled ({})", because.as_str()),
        (None, Some(since)) => format!("failing since {}", since.format("%Y-%m-%d %H:%M")),
        (None, None) => "active".to_owned(),
    }
}

fn endpoint_json(endpoint: &Endpoint) -> Value {
    json!({
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.wanted,
        "enabled": endpoint.disabled.is_none(),
        "disabled_at": endpoint.disabled.map(|(at, _)| at),
        "disabled_because": endpoint.disabled.map(|(_, because)| because),
        "failing_since": endpoint.failing_since,
        "previous_secret_until": endpoint.previous_until,
        "created_by": endpoint.created_by,
        "created_at": endpoint.created_at,
    })
}

impl Deliveries {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        if webhooks::find(env, self.id).await?.is_none() {
            return Err(WebhookError::NoSuchEndpoint.into());
        }
        let (mut before, mut left, mut found) = (None, self.most, Vec::new());
        while left > 0 {
            let page = webhooks::deliveries(env, self.id, self.state, before, PAGE.min(left)).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            left -= i64::try_from(page.len()).unwrap_or(left);
            if self.json {
                found.extend(page.iter().map(delivery_json));
                continue;
            }
            for delivery in &page {
                say(&line(delivery))?;
            }
        }
        if self.json { say_json(&found) } else { Ok(()) }
    }
}

fn line(delivery: &Delivery) -> String {
    let tried = delivery.tried.as_ref();
    let status = tried.and_then(|tried| tried.status).map_or_else(|| "-".to_owned(), |status| status.to_string());
    let error = tried.and_then(|tried| tried.error.as_deref()).unwrap_or("-");
    let (at, state) = (delivery.created_at.format("%Y-%m-%d %H:%M:%S"), delivery.state.as_str());
    format!("{}\t{at}\t{}\t{state}\t{}\t{status}\t{error}", delivery.id, delivery.kind, delivery.attempts)
}

fn delivery_json(delivery: &Delivery) -> Value {
    let tried = delivery.tried.as_ref();
    json!({
        "id": delivery.id,
        "event_id": delivery.event_id,
        "type": delivery.kind,
        "user": delivery.user,
        "payload": delivery.payload,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_try_at": (delivery.state == DeliveryState::Pending).then_some(delivery.next_try_at),
        "tried_at": tried.map(|tried| tried.at),
        "status": tried.and_then(|tried| tried.status),
        "error": tried.and_then(|tried| tried.error.as_deref()),
        "request_headers": tried.map(|tried| &tried.headers),
        "response": tried.and_then(|tried| tried.response.as_deref()),
        "duration_ms": tried.map(|tried| tried.duration_ms),
        "created_at": delivery.created_at,
    })
}

impl Resend {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        if let Some(endpoint) = self.failed_of {
            let since = self.since.unwrap_or_else(|| env.clock.now() - KEPT_FOR);
            let count = webhooks::resend_failed(env, endpoint, since, OPERATOR).await?;
            return say(&format!("{count} on their way"));
        }
        let Some(id) = self.id else { return Err(WebhookError::NoSuchDelivery.into()) };
        webhooks::resend(env, id, OPERATOR).await?;
        say(&format!("{id} is on its way"))
    }
}
