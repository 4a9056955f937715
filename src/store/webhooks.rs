//! Outgoing webhooks: `webhook_endpoints`, `webhook_deliveries`.
//!
//! Secrets come and go encrypted; nobody here can read them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{
        ids::{UserId, WebhookDeliveryId, WebhookEndpointId},
        schedule::CLOCK_TOLERANCE,
        webhook::{
            Delivery, DeliveryState, DisabledBecause, Endpoint, MOST_SECRETS, PUT_OFF_AT_MOST, QUIET_AT_MOST, Try,
            Wanted,
        },
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

/// How many rows go into one statement: both databases bound the number of values.
const ROWS_TOGETHER: usize = 1_000;

#[derive(FromRow)]
struct EndpointRow {
    id: WebhookEndpointId,
    url: String,
    description: String,
    events: Json<Vec<String>>,
    previous_until: Option<DateTime<Utc>>,
    disabled_at: Option<DateTime<Utc>>,
    disabled_because: Option<String>,
    failing_since: Option<DateTime<Utc>>,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<EndpointRow> for Endpoint {
    type Error = StoreError;

    fn try_from(row: EndpointRow) -> Result<Self> {
        let because = row.disabled_because.map(|word| word.parse::<DisabledBecause>()).transpose();
        let because = because.map_err(StoreError::corrupt("webhook_endpoints", "disabled_because"))?;
        Ok(Self {
            id: row.id,
            url: row.url,
            description: row.description,
            wanted: Wanted::of_stored(&row.events.0),
            disabled: row.disabled_at.zip(because),
            failing_since: row.failing_since,
            previous_until: row.previous_until,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}

macro_rules! endpoint_columns {
    () => {
        "id, url, description, events, previous_until, disabled_at, disabled_because, failing_since, created_by,
        created_at"
    };
}

/// Writes a new endpoint, which is enabled, with its secret.
pub async fn insert(conn: &mut Conn<'_>, endpoint: &Endpoint, sealed: &str) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO webhook_endpoints (id, url, description, events, secret, created_by, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"
    )
    .bind(endpoint.id)
    .bind(&endpoint.url)
    .bind(&endpoint.description)
    .bind(Json(endpoint.wanted.names()))
    .bind(sealed)
    .bind(&endpoint.created_by)
    .bind(endpoint.created_at)
    .execute(c))?;
    Ok(())
}

/// Returns an endpoint.
pub async fn find(conn: &mut Conn<'_>, id: WebhookEndpointId) -> Result<Option<Endpoint>> {
    run!(conn, |c| sqlx::query_as::<_, EndpointRow>(concat!(
        "SELECT ",
        endpoint_columns!(),
        " FROM webhook_endpoints WHERE id = $1"
    ))
    .bind(id)
    .fetch_optional(c))?
    .map(Endpoint::try_from)
    .transpose()
}

/// Returns all endpoints, the oldest first.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Endpoint>> {
    let rows: Vec<EndpointRow> =
        run!(conn, |c| sqlx::query_as(concat!("SELECT ", endpoint_columns!(), " FROM webhook_endpoints ORDER BY id"))
            .fetch_all(c))?;
    rows.into_iter().map(Endpoint::try_from).collect()
}

/// Returns which endpoints hear something, and of what. They stay until the transaction ends: on Postgres
/// whoever deletes one waits for it, and one that is just being deleted is waited for and is not among them.
pub async fn listening(conn: &mut Conn<'_>) -> Result<Vec<(WebhookEndpointId, Wanted)>> {
    let sql = conn.dialect(
        "SELECT id, events FROM webhook_endpoints WHERE disabled_at IS NULL ORDER BY id",
        "SELECT id, events FROM webhook_endpoints WHERE disabled_at IS NULL ORDER BY id FOR KEY SHARE",
    );
    let rows: Vec<(WebhookEndpointId, Json<Vec<String>>)> = run!(conn, |c| sqlx::query_as(sql).fetch_all(c))?;
    Ok(rows.into_iter().map(|(id, names)| (id, Wanted::of_stored(&names.0))).collect())
}

/// What deliveries of an endpoint are signed with, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The current secret.
    pub secret: String,
    /// Those before it, the newest first; some may have ended.
    pub previous: Vec<PreviousSecret>,
}

/// A secret of before, encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: String,
    /// Until when it signs too.
    pub until: DateTime<Utc>,
}

#[derive(FromRow)]
struct SealedRow {
    secret: String,
    previous_secret: Option<String>,
    previous_until: Option<DateTime<Utc>>,
    earlier_secrets: Option<Json<Vec<PreviousSecret>>>,
}

impl From<SealedRow> for Sealed {
    fn from(row: SealedRow) -> Self {
        let newest = row.previous_secret.zip(row.previous_until);
        let newest = newest.map(|(secret, until)| PreviousSecret { secret, until });
        let earlier = row.earlier_secrets.map(|Json(earlier)| earlier).unwrap_or_default();
        Self { secret: row.secret, previous: newest.into_iter().chain(earlier).collect() }
    }
}

/// Returns what deliveries of an endpoint are signed with.
pub async fn find_secrets(conn: &mut Conn<'_>, id: WebhookEndpointId) -> Result<Option<Sealed>> {
    let row: Option<SealedRow> = run!(conn, |c| sqlx::query_as(
        "SELECT secret, previous_secret, previous_until, earlier_secrets FROM webhook_endpoints WHERE id = $1"
    )
    .bind(id)
    .fetch_optional(c))?;
    Ok(row.map(Sealed::from))
}

/// What of an endpoint may change; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    /// Where it is.
    pub url: Option<&'a str>,
    /// What is to be remembered about it.
    pub description: Option<&'a str>,
    /// Of what it wants to hear.
    pub wanted: Option<Wanted>,
}

/// Changes an endpoint, and returns it as it is now.
pub async fn update(
    conn: &mut Conn<'_>,
    id: WebhookEndpointId,
    change: &Change<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Endpoint>> {
    let row: Option<EndpointRow> = run!(conn, |c| sqlx::query_as(concat!(
        "UPDATE webhook_endpoints SET
            url = COALESCE($2, url), description = COALESCE($3, description), events = COALESCE($4, events),
            updated_at = $5
        WHERE id = $1 RETURNING ",
        endpoint_columns!()
    ))
    .bind(id)
    .bind(change.url)
    .bind(change.description)
    .bind(change.wanted.as_ref().map(|wanted| Json(wanted.names())))
    .bind(now)
    .fetch_optional(c))?;
    row.map(Endpoint::try_from).transpose()
}

/// Puts another secret into the place of the current one, which signs too until `previous_until`. So do those
/// before it until they end, at most [`MOST_SECRETS`] of them.
pub async fn rotate(
    conn: &mut Conn<'_>,
    id: WebhookEndpointId,
    sealed: &str,
    previous_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Endpoint>> {
    // Of two at once the second waits here, and finds the secret of the first.
    let locked = execute!(conn, |c| sqlx::query("UPDATE webhook_endpoints SET updated_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(c))?;
    if locked == 0 {
        return Ok(None);
    }
    let Some(known) = find_secrets(conn, id).await? else { return Ok(None) };
    let earlier: Vec<PreviousSecret> =
        known.previous.into_iter().filter(|previous| previous.until > now).take(MOST_SECRETS - 1).collect();
    let row: Option<EndpointRow> = run!(conn, |c| sqlx::query_as(concat!(
        "UPDATE webhook_endpoints
        SET previous_secret = secret, secret = $2, previous_until = $3, earlier_secrets = $5, updated_at = $4
        WHERE id = $1 RETURNING ",
        endpoint_columns!()
    ))
    .bind(id)
    .bind(sealed)
    .bind(previous_until)
    .bind(now)
    .bind((!earlier.is_empty()).then_some(Json(&earlier)))
    .fetch_optional(c))?;
    row.map(Endpoint::try_from).transpose()
}

/// Disables an endpoint. Returns `false` if it was before: of many at once one does it.
pub async fn disable(
    conn: &mut Conn<'_>,
    id: WebhookEndpointId,
    because: DisabledBecause,
    now: DateTime<Utc>,
) -> Result<bool> {
    let disabled = execute!(conn, |c| sqlx::query(
        "UPDATE webhook_endpoints SET disabled_at = $3, disabled_because = $2, updated_at = $3
        WHERE id = $1 AND disabled_at IS NULL"
    )
    .bind(id)
    .bind(because.as_str())
    .bind(now)
    .execute(c))?;
    Ok(disabled == 1)
}

/// Enables an endpoint, as if it had never failed. Returns `false` if it was before.
pub async fn enable(conn: &mut Conn<'_>, id: WebhookEndpointId, now: DateTime<Utc>) -> Result<bool> {
    let enabled = execute!(conn, |c| sqlx::query(
        "UPDATE webhook_endpoints
        SET disabled_at = NULL, disabled_because = NULL, failing_since = NULL, failed_at = NULL, updated_at = $2
        WHERE id = $1 AND disabled_at IS NOT NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(enabled == 1)
}

/// Forgets at most `most` deliveries to an endpoint. Returns how many.
pub async fn delete_deliveries(conn: &mut Conn<'_>, endpoint: WebhookEndpointId, most: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM webhook_deliveries
        WHERE id IN (SELECT id FROM webhook_deliveries WHERE endpoint_id = $1 ORDER BY id LIMIT $2)"
    )
    .bind(endpoint)
    .bind(most)
    .execute(c))?)
}

/// Forgets an endpoint and what is left of what was told to it, see [`delete_deliveries`]. Returns whether
/// there was one.
pub async fn delete(conn: &mut Conn<'_>, id: WebhookEndpointId) -> Result<bool> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM webhook_endpoints WHERE id = $1").bind(id).execute(c))? == 1)
}

/// Notes that an endpoint has taken a delivery.
pub async fn note_success(conn: &mut Conn<'_>, id: WebhookEndpointId) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "UPDATE webhook_endpoints SET failing_since = NULL, failed_at = NULL
        WHERE id = $1 AND failing_since IS NOT NULL"
    )
    .bind(id)
    .execute(c))?;
    Ok(())
}

/// Notes that an endpoint has not taken a delivery. Returns since when it has taken none. It begins anew where
/// the failure before is longer ago than any wait between tries, because then nothing was sent meanwhile; and
/// where a clock that was ahead has noted it.
pub async fn note_failure(
    conn: &mut Conn<'_>,
    id: WebhookEndpointId,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "UPDATE webhook_endpoints SET
            failing_since = CASE WHEN failing_since <= $2 AND failed_at >= $3 AND failed_at <= $4
                THEN failing_since ELSE $2 END,
            failed_at = $2
        WHERE id = $1 RETURNING failing_since"
    )
    .bind(id)
    .bind(now)
    .bind(now - QUIET_AT_MOST)
    .bind(now + CLOCK_TOLERANCE)
    .fetch_optional(c))?)
}

#[derive(FromRow)]
struct DeliveryRow {
    id: WebhookDeliveryId,
    endpoint_id: WebhookEndpointId,
    event_id: String,
    kind: String,
    user_id: Option<UserId>,
    payload: String,
    state: String,
    attempts: i64,
    next_try_at: DateTime<Utc>,
    tried_at: Option<DateTime<Utc>>,
    request_headers: Option<Json<Vec<(String, String)>>>,
    status: Option<i64>,
    response: Option<String>,
    error: Option<String>,
    duration_ms: Option<i64>,
    created_at: DateTime<Utc>,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = StoreError;

    fn try_from(row: DeliveryRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            endpoint: row.endpoint_id,
            event_id: row.event_id,
            kind: row.kind,
            user: row.user_id,
            payload: row.payload,
            state: row.state.parse().map_err(StoreError::corrupt("webhook_deliveries", "state"))?,
            attempts: row.attempts,
            next_try_at: row.next_try_at,
            tried: row.tried_at.map(|at| Try {
                at,
                headers: row.request_headers.map(|headers| headers.0).unwrap_or_default(),
                status: row.status.and_then(|status| status.try_into().ok()),
                response: row.response,
                error: row.error,
                duration_ms: row.duration_ms.unwrap_or(0),
            }),
            created_at: row.created_at,
        })
    }
}

macro_rules! delivery_columns {
    () => {
        "id, endpoint_id, event_id, kind, user_id, payload, state, attempts, next_try_at, tried_at, request_headers,
        status, response, error, duration_ms, created_at"
    };
}

/// A delivery that was never tried.
#[derive(Debug, Clone)]
pub struct NewDelivery<'a> {
    /// Our id.
    pub id: WebhookDeliveryId,
    /// To whom.
    pub endpoint: WebhookEndpointId,
    /// What receivers tell repetitions by.
    pub event_id: &'a str,
    /// The kind of the event.
    pub kind: &'a str,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// The body.
    pub payload: &'a str,
}

/// Writes deliveries that are due at once, in the transaction of what they tell, without those of an
/// event that an endpoint is told already. Returns which were written.
pub async fn insert_deliveries(
    conn: &mut Conn<'_>,
    deliveries: &[NewDelivery<'_>],
    now: DateTime<Utc>,
) -> Result<Vec<WebhookDeliveryId>> {
    let mut written = Vec::with_capacity(deliveries.len());
    for rows in deliveries.chunks(ROWS_TOGETHER) {
        let ids: Vec<WebhookDeliveryId> = build!(conn, |query, c| {
            query.push(
                "INSERT INTO webhook_deliveries
                    (id, endpoint_id, event_id, kind, user_id, payload, state, attempts, next_try_at, created_at) ",
            );
            query.push_values(rows, |mut row, delivery| {
                row.push_bind(delivery.id)
                    .push_bind(delivery.endpoint)
                    .push_bind(delivery.event_id)
                    .push_bind(delivery.kind)
                    .push_bind(delivery.user)
                    .push_bind(delivery.payload)
                    .push("'pending'")
                    .push("0")
                    .push_bind(now)
                    .push_bind(now);
            });
            query.push(" ON CONFLICT (endpoint_id, event_id) DO NOTHING RETURNING id");
            query.build_query_scalar().fetch_all(c).await
        })?;
        written.extend(ids);
    }
    Ok(written)
}

/// Returns a delivery.
pub async fn find_delivery(conn: &mut Conn<'_>, id: WebhookDeliveryId) -> Result<Option<Delivery>> {
    run!(conn, |c| sqlx::query_as::<_, DeliveryRow>(concat!(
        "SELECT ",
        delivery_columns!(),
        " FROM webhook_deliveries WHERE id = $1"
    ))
    .bind(id)
    .fetch_optional(c))?
    .map(Delivery::try_from)
    .transpose()
}

/// Returns a page of an endpoint's deliveries, the newest first, from before `before`; those in one
/// state if one is named.
pub async fn page_deliveries(
    conn: &mut Conn<'_>,
    endpoint: WebhookEndpointId,
    state: Option<DeliveryState>,
    before: Option<WebhookDeliveryId>,
    count: i64,
) -> Result<Vec<Delivery>> {
    let rows: Vec<DeliveryRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", delivery_columns!(), " FROM webhook_deliveries WHERE endpoint_id = "));
        query.push_bind(endpoint);
        if let Some(state) = state {
            query.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Takes a delivery that is due into somebody's hands until `leased_until`, and counts the try. Of
/// many at once one gets it: the others find that it is not due. What was never tried is due whatever the
/// clock says that wrote it, and so is what waits for longer than a clock that is right puts anything off.
pub async fn claim_delivery(
    conn: &mut Conn<'_>,
    id: WebhookDeliveryId,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
) -> Result<Option<Delivery>> {
    let row: Option<DeliveryRow> = run!(conn, |c| sqlx::query_as(concat!(
        "UPDATE webhook_deliveries SET attempts = attempts + 1, next_try_at = $3
        WHERE id = $1 AND state = 'pending' AND (next_try_at <= $2 OR next_try_at > $4 OR attempts = 0) RETURNING ",
        delivery_columns!()
    ))
    .bind(id)
    .bind(now)
    .bind(leased_until)
    .bind(now + PUT_OFF_AT_MOST + CLOCK_TOLERANCE)
    .fetch_optional(c))?;
    row.map(Delivery::try_from).transpose()
}

/// Notes what came of a try of a delivery, as it was claimed. Returns `false` if somebody else has
/// taken it since.
pub async fn settle_delivery(
    conn: &mut Conn<'_>,
    claimed: &Delivery,
    state: DeliveryState,
    next_try_at: DateTime<Utc>,
    tried: &Try,
) -> Result<bool> {
    let settled = execute!(conn, |c| sqlx::query(
        "UPDATE webhook_deliveries SET
            state = $4, next_try_at = $5, tried_at = $6, request_headers = $7, status = $8, response = $9, error = $10,
            duration_ms = $11
        WHERE id = $1 AND state = 'pending' AND attempts = $2 AND next_try_at = $3"
    )
    .bind(claimed.id)
    .bind(claimed.attempts)
    .bind(claimed.next_try_at)
    .bind(state.as_str())
    .bind(next_try_at)
    .bind(tried.at)
    .bind(Json(&tried.headers))
    .bind(tried.status.map(i64::from))
    .bind(tried.response.as_deref())
    .bind(tried.error.as_deref())
    .bind(tried.duration_ms)
    .execute(c))?;
    Ok(settled == 1)
}

/// Puts a delivery back to be tried anew. Returns whether there is one.
pub async fn resend(conn: &mut Conn<'_>, id: WebhookDeliveryId, now: DateTime<Utc>) -> Result<bool> {
    let put_back = execute!(conn, |c| sqlx::query(
        "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_try_at = $2 WHERE id = $1"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(put_back == 1)
}

/// Puts at most `most` of an endpoint's failed deliveries of since `since` back to be tried anew, and
/// returns which.
pub async fn resend_failed(
    conn: &mut Conn<'_>,
    endpoint: WebhookEndpointId,
    since: DateTime<Utc>,
    most: i64,
    now: DateTime<Utc>,
) -> Result<Vec<WebhookDeliveryId>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_try_at = $4
        WHERE state = 'failed' AND id IN (
            SELECT id FROM webhook_deliveries
            WHERE endpoint_id = $1 AND state = 'failed' AND created_at >= $2 ORDER BY id LIMIT $3
        )
        RETURNING id"
    )
    .bind(endpoint)
    .bind(since)
    .bind(most)
    .bind(now)
    .fetch_all(c))?)
}

/// Forgets at most `most` deliveries made before `created_before`. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, created_before: DateTime<Utc>, most: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM webhook_deliveries
        WHERE id IN (SELECT id FROM webhook_deliveries WHERE created_at <= $1 ORDER BY created_at LIMIT $2)"
    )
    .bind(created_before)
    .bind(most)
    .execute(c))?)
}
