//! Outgoing webhooks: endpoints are made, changed and tried out, and deliveries are made.
//!
//! A delivery is claimed in one transaction, sent while none is open, and settled in another. If the
//! program dies in between, the claim runs out and it is sent again, under the same `webhook-id`.

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

pub use crate::platform::outbound::BadAddress;
pub use crate::store::webhooks::Change;

use crate::{
    domain::{
        activity::SYSTEM,
        ids::{WebhookDeliveryId, WebhookEndpointId},
        notification::Occurrence,
        webhook::{
            Delivery, DeliveryState, DisabledBecause, Endpoint, FAILING_AT_MOST, LONGEST_DESCRIPTION, LONGEST_URL,
            MOST_ENDPOINTS, OVERLAP, SECRET_PREFIX, TEST_KIND, Try, Wanted, WebhookSecret, test_payload, wait_after,
        },
    },
    platform::{
        env::Env,
        outbound::{self, Answered, OutboundError, Reach},
    },
    services::{aftermath::Aftermath, collisions::until_through, events, notifications},
    store::{
        Conn, StoreError,
        webhooks::{self, NewDelivery, Sealed},
    },
};

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a delivery belongs to who claimed it: longer than a try may take.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How many tries may be under way to one endpoint at once, on each node.
const AT_ONCE: usize = 4;
/// How long a delivery waits for others to its endpoint before it comes back later.
const BRIEFLY: Duration = Duration::from_secs(1);
/// How soon one comes back that had to wait for others, how much later each further one, and at the latest.
const SOON: TimeDelta = TimeDelta::seconds(1);
const APART: TimeDelta = TimeDelta::milliseconds(50);
const AT_LATEST: TimeDelta = TimeDelta::minutes(10);
/// So many deliveries are deleted at a time.
const DELETED_AT_A_TIME: i64 = 5_000;
/// How many failed deliveries are sent again at once.
pub const MOST_RESENT: i64 = 10_000;

/// Why an endpoint is not made, changed or used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It cannot be called.
    #[error("the address cannot be used: {0}")]
    Address(#[from] BadAddress),
    /// Nobody has such a long one.
    #[error("an address has at most {LONGEST_URL} characters")]
    LongAddress,
    /// Too long, or not one line.
    #[error("a description is one line of at most {LONGEST_DESCRIPTION} characters")]
    Description,
    /// Every event would be told to all of them.
    #[error("there are {MOST_ENDPOINTS} endpoints already; delete one first")]
    TooMany,
    /// There is no such endpoint.
    #[error("there is no such webhook endpoint")]
    NoSuchEndpoint,
    /// There is no such delivery.
    #[error("there is no such delivery")]
    NoSuchDelivery,
    /// It hears nothing now.
    #[error("the endpoint is disabled; enable it first")]
    Disabled,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct NewEndpoint<'a> {
    /// Where it is.
    pub url: &'a str,
    /// What is to be remembered about it.
    pub description: &'a str,
    /// Of what it wants to hear.
    pub wanted: Wanted,
}

fn reach(env: &Env) -> Reach {
    Reach::allowing_private(env.config.webhooks.allow_private)
}

fn check_url(env: &Env, text: &str) -> Result<String, WebhookError> {
    if text.trim().chars().count() > LONGEST_URL {
        return Err(WebhookError::LongAddress);
    }
    let url = outbound::address(text, reach(env))?.to_string();
    if url.len() > 2 * LONGEST_URL { Err(WebhookError::LongAddress) } else { Ok(url) }
}

fn check_description(text: &str) -> Result<(), WebhookError> {
    let is_line = text.chars().count() <= LONGEST_DESCRIPTION && !text.chars().any(char::is_control);
    if is_line { Ok(()) } else { Err(WebhookError::Description) }
}

fn new_secret(env: &Env) -> WebhookSecret {
    WebhookSecret::new(format!("{SECRET_PREFIX}{}", BASE64.encode(env.random.bytes::<32>())))
}

/// What the log says about where an endpoint is: a path may hold what opens it.
fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

async fn note(
    env: &Env,
    conn: &mut Conn<'_>,
    actor: &str,
    action: &'static str,
    details: serde_json::Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut aftermath = Aftermath::new(now);
    aftermath.log_by(actor, None, action, details);
    aftermath.write(env, conn).await
}

/// Makes an endpoint. The secret, the second value, is shown once.
pub async fn create(env: &Env, new: NewEndpoint<'_>, actor: &str) -> Result<(Endpoint, WebhookSecret), WebhookError> {
    let url = check_url(env, new.url)?;
    check_description(new.description)?;
    let now = env.clock.now();
    let endpoint = Endpoint {
        id: env.random.id(now),
        url,
        description: new.description.to_owned(),
        wanted: new.wanted,
        disabled: None,
        failing_since: None,
        previous_until: None,
        created_by: actor.to_owned(),
        created_at: now,
    };
    let secret = new_secret(env);
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if webhooks::list(conn).await?.len() >= usize::try_from(MOST_ENDPOINTS).unwrap_or(0) {
        return Err(WebhookError::TooMany);
    }
    webhooks::insert(conn, &endpoint, &env.keys.seal(endpoint.id, &secret)).await?;
    let details = json!({ "endpoint": endpoint.id, "host": host(&endpoint.url), "events": endpoint.wanted });
    note(env, conn, actor, "webhook_created", details, now).await?;
    tx.commit().await?;
    Ok((endpoint, secret))
}

/// Returns all endpoints, the oldest first.
pub async fn list(env: &Env) -> Result<Vec<Endpoint>, StoreError> {
    let mut reader = env.db.reader().await?;
    webhooks::list(&mut reader.conn()).await
}

/// Returns an endpoint.
pub async fn find(env: &Env, id: WebhookEndpointId) -> Result<Option<Endpoint>, StoreError> {
    let mut reader = env.db.reader().await?;
    webhooks::find(&mut reader.conn(), id).await
}

/// Changes where an endpoint is, what it is called or of what it wants to hear.
pub async fn change(
    env: &Env,
    id: WebhookEndpointId,
    change: Change<'_>,
    actor: &str,
) -> Result<Endpoint, WebhookError> {
    let url = change.url.map(|url| check_url(env, url)).transpose()?;
    check_description(change.description.unwrap_or_default())?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let change = Change { url: url.as_deref(), ..change };
    let endpoint = webhooks::update(conn, id, &change, now).await?.ok_or(WebhookError::NoSuchEndpoint)?;
    let details = json!({ "endpoint": id, "host": host(&endpoint.url), "events": endpoint.wanted });
    note(env, conn, actor, "webhook_changed", details, now).await?;
    tx.commit().await?;
    Ok(endpoint)
}

/// Gives an endpoint another secret, the second value, which is shown once. The one before it signs
/// too for [`OVERLAP`].
pub async fn rotate(env: &Env, id: WebhookEndpointId, actor: &str) -> Result<(Endpoint, WebhookSecret), WebhookError> {
    let now = env.clock.now();
    let secret = new_secret(env);
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let rotated = webhooks::rotate(conn, id, &env.keys.seal(id, &secret), now + OVERLAP, now).await?;
    let endpoint = rotated.ok_or(WebhookError::NoSuchEndpoint)?;
    note(env, conn, actor, "webhook_secret_rotated", json!({ "endpoint": id }), now).await?;
    tx.commit().await?;
    Ok((endpoint, secret))
}

/// Enables or disables an endpoint. Returns whether anything changed.
pub async fn set_enabled(env: &Env, id: WebhookEndpointId, enabled: bool, actor: &str) -> Result<bool, WebhookError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    webhooks::find(conn, id).await?.ok_or(WebhookError::NoSuchEndpoint)?;
    let (has_changed, action) = match enabled {
        true => (webhooks::enable(conn, id, now).await?, "webhook_enabled"),
        false => (webhooks::disable(conn, id, DisabledBecause::Admin, now).await?, "webhook_disabled"),
    };
    if has_changed {
        note(env, conn, actor, action, json!({ "endpoint": id }), now).await?;
        tx.commit().await?;
    }
    Ok(has_changed)
}

/// Forgets an endpoint and everything that was told to it. Returns whether there was one. What was told goes
/// first and in pieces; from the beginning on it hears nothing.
pub async fn delete(env: &Env, id: WebhookEndpointId, actor: &str) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    if webhooks::disable(&mut tx.conn(), id, DisabledBecause::Admin, now).await? {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    while until_through(|| delete_some(env, id)).await? == DELETED_AT_A_TIME.unsigned_abs() {}
    until_through(|| delete_rest(env, id, actor, now)).await
}

async fn delete_some(env: &Env, id: WebhookEndpointId) -> Result<u64, StoreError> {
    let mut tx = env.db.begin().await?;
    let deleted = webhooks::delete_deliveries(&mut tx.conn(), id, DELETED_AT_A_TIME).await?;
    tx.commit().await?;
    Ok(deleted)
}

async fn delete_rest(env: &Env, id: WebhookEndpointId, actor: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let was_there = webhooks::delete(conn, id).await?;
    if was_there {
        note(env, conn, actor, "webhook_deleted", json!({ "endpoint": id }), now).await?;
        tx.commit().await?;
    }
    Ok(was_there)
}

/// Returns a page of an endpoint's deliveries, the newest first, from before `before`; those in one
/// state if one is named.
pub async fn deliveries(
    env: &Env,
    endpoint: WebhookEndpointId,
    state: Option<DeliveryState>,
    before: Option<WebhookDeliveryId>,
    count: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let mut reader = env.db.reader().await?;
    webhooks::page_deliveries(&mut reader.conn(), endpoint, state, before, count).await
}

/// Returns a delivery.
pub async fn delivery(env: &Env, id: WebhookDeliveryId) -> Result<Option<Delivery>, StoreError> {
    let mut reader = env.db.reader().await?;
    webhooks::find_delivery(&mut reader.conn(), id).await
}

/// Leaves a delivery of a test event, which goes to an endpoint that is disabled, too.
pub async fn send_test(env: &Env, id: WebhookEndpointId, actor: &str) -> Result<WebhookDeliveryId, WebhookError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    webhooks::find(conn, id).await?.ok_or(WebhookError::NoSuchEndpoint)?;
    let delivery = NewDelivery {
        id: env.random.id(now),
        endpoint: id,
        event_id: &events::message_id(env, now),
        kind: TEST_KIND,
        user: None,
        payload: &test_payload(now),
    };
    let written = webhooks::insert_deliveries(conn, std::slice::from_ref(&delivery), now).await?;
    events::queue(env, conn, &written, now).await?;
    note(env, conn, actor, "webhook_tested", json!({ "endpoint": id }), now).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(delivery.id)
}

/// Sends a delivery once more, whatever became of it, from the first try on.
pub async fn resend(env: &Env, id: WebhookDeliveryId, actor: &str) -> Result<Delivery, WebhookError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let delivery = webhooks::find_delivery(conn, id).await?.ok_or(WebhookError::NoSuchDelivery)?;
    must_hear(conn, delivery.endpoint).await?;
    webhooks::resend(conn, id, now).await?;
    events::queue(env, conn, &[id], now).await?;
    let details = json!({ "endpoint": delivery.endpoint, "event": delivery.event_id });
    note(env, conn, actor, "webhook_resent", details, now).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(Delivery { state: DeliveryState::Pending, attempts: 0, next_try_at: now, ..delivery })
}

/// Sends an endpoint's failed deliveries of since `since` once more, at most [`MOST_RESENT`] of them.
/// Returns how many.
pub async fn resend_failed(
    env: &Env,
    endpoint: WebhookEndpointId,
    since: DateTime<Utc>,
    actor: &str,
) -> Result<usize, WebhookError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    must_hear(conn, endpoint).await?;
    let again = webhooks::resend_failed(conn, endpoint, since, MOST_RESENT, now).await?;
    if again.is_empty() {
        return Ok(0);
    }
    events::queue(env, conn, &again, now).await?;
    let details = json!({ "endpoint": endpoint, "since": since, "count": again.len() });
    note(env, conn, actor, "webhook_resent", details, now).await?;
    tx.commit().await?;
    env.wake_workers();
    Ok(again.len())
}

async fn must_hear(conn: &mut Conn<'_>, id: WebhookEndpointId) -> Result<(), WebhookError> {
    match webhooks::find(conn, id).await? {
        None => Err(WebhookError::NoSuchEndpoint),
        Some(endpoint) if endpoint.disabled.is_some() => Err(WebhookError::Disabled),
        Some(_) => Ok(()),
    }
}

/// The doors of endpoints, on this node: before each a few tries may be under way at once. One that does not
/// answer keeps those few busy, and nobody else.
#[derive(Debug, Default)]
pub struct Doors(Mutex<HashMap<WebhookEndpointId, Arc<Door>>>);

#[derive(Debug)]
struct Door {
    places: Arc<Semaphore>,
    /// Whether somebody has waited in vain for a place since a delivery was last taken.
    is_slow: AtomicBool,
    /// When the last comes back of those who found no place.
    last_turn: Mutex<DateTime<Utc>>,
}

impl Doors {
    fn of(&self, endpoint: WebhookEndpointId) -> Arc<Door> {
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let door = || Door {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            is_slow: AtomicBool::new(false),
            last_turn: Mutex::new(DateTime::UNIX_EPOCH),
        };
        Arc::clone(doors.entry(endpoint).or_insert_with(|| Arc::new(door())))
    }
}

impl Door {
    /// Takes a place, and waits a moment for it where answers come quickly. Without one it says when to come back.
    async fn enter(&self, env: &Env) -> Result<OwnedSemaphorePermit, DateTime<Utc>> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        if !self.is_slow.load(Ordering::Relaxed) {
            if let Ok(Ok(place)) = tokio::time::timeout(BRIEFLY, Arc::clone(&self.places).acquire_owned()).await {
                return Ok(place);
            }
            self.is_slow.store(true, Ordering::Relaxed);
        }
        Err(self.turn(env.clock.now()))
    }

    /// Returns when the next one comes back: one after the other, so that many do not come in vain all the time.
    fn turn(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut last = self.last_turn.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last + APART).clamp(now + SOON, now + AT_LATEST);
        *last
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// Nothing more is to be done about it.
    Settled,
    /// It is to be tried then; or somebody else has it until then.
    Later {
        /// When.
        at: DateTime<Utc>,
        /// Why it was not taken.
        problem: String,
    },
}

/// Tries to make a delivery, if it is due and its endpoint has room for another one.
pub async fn deliver(env: &Env, doors: &Doors, id: WebhookDeliveryId) -> Result<Delivered, StoreError> {
    let Some(delivery) = delivery(env, id).await?.filter(|delivery| delivery.state == DeliveryState::Pending) else {
        return Ok(Delivered::Settled);
    };
    let door = doors.of(delivery.endpoint);
    // No try is counted for who finds no place.
    let _place = match door.enter(env).await {
        Ok(place) => place,
        Err(at) => return Ok(Delivered::Later { at, problem: "others to the same endpoint come first".to_owned() }),
    };
    deliver_now(env, &door, id).await
}

async fn deliver_now(env: &Env, door: &Door, id: WebhookDeliveryId) -> Result<Delivered, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(claimed) = webhooks::claim_delivery(conn, id, now, now + LEASE).await? else {
        let waiting = webhooks::find_delivery(conn, id).await?;
        let waiting = waiting.filter(|delivery| delivery.state == DeliveryState::Pending);
        return Ok(match waiting {
            Some(delivery) => {
                let problem = delivery.tried.and_then(|tried| tried.error);
                let problem = problem.unwrap_or_else(|| "somebody else is trying".to_owned());
                Delivered::Later { at: delivery.next_try_at, problem }
            }
            None => Delivered::Settled,
        });
    };
    let endpoint = webhooks::find(conn, claimed.endpoint).await?;
    let endpoint = endpoint.ok_or(StoreError::Missing("webhook_endpoints"))?;
    let sealed = webhooks::find_secrets(conn, claimed.endpoint).await?;
    let sealed = sealed.ok_or(StoreError::Missing("webhook_endpoints"))?;
    if endpoint.disabled.is_some() && claimed.kind != TEST_KIND {
        let tried = Try {
            at: now,
            headers: Vec::new(),
            status: None,
            response: None,
            error: Some("the endpoint is disabled, so nothing was sent".to_owned()),
            duration_ms: 0,
        };
        webhooks::settle_delivery(conn, &claimed, DeliveryState::Failed, now, &tried).await?;
        tx.commit().await?;
        return Ok(Delivered::Settled);
    }
    tx.commit().await?;

    let (tried, answer) = send(env, &endpoint, &sealed, &claimed).await;
    if tried.error.is_none() {
        door.is_slow.store(false, Ordering::Relaxed);
    }
    settle(env, &endpoint, &claimed, tried, answer).await
}

/// Sends a delivery, and returns how that went.
async fn send(env: &Env, endpoint: &Endpoint, sealed: &Sealed, delivery: &Delivery) -> (Try, Option<Answered>) {
    let at = env.clock.now();
    let mut tried = Try { at, headers: Vec::new(), status: None, response: None, error: None, duration_ms: 0 };
    let Some(signatures) = signatures(env, endpoint, sealed, delivery, at) else {
        tried.error = Some(
            "the endpoint's secret cannot be read, because VOUCHSAFE_SECRET has changed: rotate it and tell the receiver"
                .to_owned(),
        );
        return (tried, None);
    };
    tried.headers = vec![
        ("webhook-id".to_owned(), delivery.event_id.clone()),
        ("webhook-timestamp".to_owned(), at.timestamp().to_string()),
        ("webhook-signature".to_owned(), signatures),
    ];
    let sent = outbound::post(&endpoint.url, reach(env), &tried.headers, delivery.payload.clone(), PATIENCE).await;
    tried.duration_ms = (env.clock.now() - at).num_milliseconds().max(0);
    match sent {
        Ok(answer) => {
            tried.status = Some(answer.status);
            tried.response = Some(answer.body.clone());
            tried.error = match answer.status {
                _ if answer.is_success() => None,
                300..=399 => Some(format!("it answered {}; redirects are not followed", answer.status)),
                status => Some(format!("it answered {status}")),
            };
            (tried, Some(answer))
        }
        Err(error) => {
            let hint = match &error {
                OutboundError::NotPublic | OutboundError::Address(BadAddress::NotPublic) => {
                    ". webhooks_allow_private lets endpoints be inside this network"
                }
                _ => "",
            };
            tried.error = Some(format!("{error}{hint}"));
            (tried, None)
        }
    }
}

/// Returns the signatures of a delivery by every secret that is good, as the header has them.
fn signatures(
    env: &Env,
    endpoint: &Endpoint,
    sealed: &Sealed,
    delivery: &Delivery,
    at: DateTime<Utc>,
) -> Option<String> {
    let current = env.keys.open(endpoint.id, &sealed.secret)?;
    let sign = |secret: &WebhookSecret| sign(secret, &delivery.event_id, at, &delivery.payload);
    let mut signatures = sign(&current)?;
    let previous = sealed.previous.iter().filter(|previous| previous.until > at);
    for previous in previous.filter_map(|previous| env.keys.open(endpoint.id, &previous.secret)) {
        signatures = format!("{signatures} {}", sign(&previous)?);
    }
    Some(signatures)
}

/// Signs a delivery as Standard Webhooks says: `v1,` and the base64 of HMAC-SHA256 over
/// `id.timestamp.body`. Nothing if the secret is none.
fn sign(secret: &WebhookSecret, id: &str, at: DateTime<Utc>, body: &str) -> Option<String> {
    let key = BASE64.decode(secret.expose().strip_prefix(SECRET_PREFIX)?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{}.", at.timestamp()).as_bytes());
    mac.update(body.as_bytes());
    Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}

/// Writes down what came of a try, about the delivery and about the endpoint.
async fn settle(
    env: &Env,
    endpoint: &Endpoint,
    claimed: &Delivery,
    tried: Try,
    answer: Option<Answered>,
) -> Result<Delivered, StoreError> {
    let now = env.clock.now();
    let is_taken = tried.error.is_none();
    let is_gone = tried.status == Some(410);
    let asked = answer.and_then(|answer| answer.retry_after).and_then(|asked| asked.wait(now));
    let wait = wait_after(claimed.attempts, env.random.below(201), asked).filter(|_| !is_taken && !is_gone);
    // Nobody waits for what an admin tries out.
    let wait = wait.filter(|_| claimed.kind != TEST_KIND);
    let (state, next_try_at) = match wait {
        _ if is_taken => (DeliveryState::Delivered, now),
        Some(wait) => (DeliveryState::Pending, now + wait),
        None => (DeliveryState::Failed, now),
    };
    let outcome = Outcome { claimed, state, next_try_at, tried: &tried };
    let (is_ours, disabled) = until_through(|| write_down(env, endpoint, &outcome, now)).await?;
    metrics::counter!("webhook_deliveries_total", "outcome" => state.as_str()).increment(1);
    if let Some(because) = disabled {
        tracing::warn!(endpoint.id = %endpoint.id, because = because.as_str(), "a webhook endpoint is disabled");
    }
    Ok(match wait {
        Some(_) if is_ours => Delivered::Later { at: next_try_at, problem: tried.error.unwrap_or_default() },
        _ => Delivered::Settled,
    })
}

/// What came of a try.
struct Outcome<'a> {
    claimed: &'a Delivery,
    state: DeliveryState,
    next_try_at: DateTime<Utc>,
    tried: &'a Try,
}

/// Writes down what came of a try. Returns whether the delivery was still in these hands, and why the endpoint
/// is disabled if it is by that.
async fn write_down(
    env: &Env,
    endpoint: &Endpoint,
    outcome: &Outcome<'_>,
    now: DateTime<Utc>,
) -> Result<(bool, Option<DisabledBecause>), StoreError> {
    let Outcome { claimed, state, next_try_at, tried } = outcome;
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let is_ours = webhooks::settle_delivery(conn, claimed, *state, *next_try_at, tried).await?;
    let mut disabled = None;
    if *state == DeliveryState::Delivered {
        webhooks::note_success(conn, endpoint.id).await?;
    } else if claimed.kind != TEST_KIND {
        let failing_since = webhooks::note_failure(conn, endpoint.id, now).await?;
        let because = match failing_since {
            _ if tried.status == Some(410) => Some(DisabledBecause::Gone),
            Some(since) if now - since >= FAILING_AT_MOST => Some(DisabledBecause::Failing),
            _ => None,
        };
        if let Some(because) = because
            && webhooks::disable(conn, endpoint.id, because, now).await?
        {
            let details = json!({ "endpoint": endpoint.id, "host": host(&endpoint.url), "because": because });
            note(env, conn, SYSTEM, "webhook_disabled", details, now).await?;
            let host = host(&endpoint.url).unwrap_or_default();
            let occurrence = Occurrence::WebhookDisabled { endpoint: endpoint.id.to_string(), host };
            notifications::raise(env, conn, occurrence).await?;
            disabled = Some(because);
        }
    }
    tx.commit().await?;
    Ok((is_ours, disabled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_signed_as_the_standard_says() {
        // The example of <https://github.com/standard-webhooks/standard-webhooks>, libraries' own tests.
        let secret = WebhookSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let at = DateTime::from_timestamp(1_614_265_330, 0).expect("in range");
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(sign(&WebhookSecret::new("none".to_owned()), "msg_1", at, ""), None);
    }
}
