//! Where apps want to hear what happened, and what they were told.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, PageParameters, Parameters, instant, json},
        caller::{Administer, Manage, May},
        problem::{ProblemShape, sentence},
    },
    domain::{
        ids::{UserId, WebhookDeliveryId, WebhookEndpointId},
        webhook::{Delivery, DeliveryState, Endpoint, KEPT_FOR, Wanted, WebhookSecret},
    },
    platform::caller::Site,
    services::webhooks::{self, Change, NewEndpoint, WebhookError},
};

/// An endpoint to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EndpointRequest {
    /// Where it is: https, and an address of the open internet.
    #[schema(max_length = 2000, example = "https://example.com/hooks")]
    url: String,
    /// What is to be remembered about it, 200 characters at most.
    description: Option<String>,
    /// The kinds of events that it wants to hear of; without, or empty: all, also those that are added one day.
    #[schema(example = json!(["access.changed", "usage.limit_reached"]))]
    events: Option<Vec<String>>,
}

/// What of an endpoint shall change. What is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EndpointChange {
    /// Where it is.
    #[schema(max_length = 2000, example = "https://example.com/hooks")]
    url: Option<String>,
    /// What is to be remembered about it, 200 characters at most.
    description: Option<String>,
    /// The kinds of events that it wants to hear of; empty for all.
    events: Option<Vec<String>>,
    /// Whether it hears anything.
    enabled: Option<bool>,
}

/// An endpoint, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointResponse {
    /// Which.
    id: WebhookEndpointId,
    /// Where it is.
    url: String,
    /// What is to be remembered about it.
    description: String,
    /// The kinds of events that it wants to hear of; empty for all. Those that only another version of the program
    /// knows are among them, and cannot be set.
    events: Vec<String>,
    /// Whether it hears anything.
    enabled: bool,
    /// Since when it does not.
    disabled_at: Option<DateTime<Utc>>,
    /// Why: `admin`, `gone` (it answered 410) or `failing` (five days of nothing but failures).
    disabled_because: Option<&'static str>,
    /// Since when every delivery has failed.
    failing_since: Option<DateTime<Utc>>,
    /// Until when the secret before the current one signs, too.
    previous_secret_until: Option<DateTime<Utc>>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Endpoint> for EndpointResponse {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.wanted.names().into_iter().map(str::to_owned).collect(),
            enabled: endpoint.disabled.is_none(),
            disabled_at: endpoint.disabled.map(|(at, _)| at),
            disabled_because: endpoint.disabled.map(|(_, because)| because.as_str()),
            failing_since: endpoint.failing_since,
            previous_secret_until: endpoint.previous_until,
            created_by: endpoint.created_by,
            created_at: endpoint.created_at,
        }
    }
}

/// An endpoint with a new secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewEndpointResponse {
    /// What deliveries are signed with. It is shown this once.
    #[schema(example = "whsec_…")]
    secret: String,
    /// The endpoint.
    #[serde(flatten)]
    endpoint: EndpointResponse,
}

impl From<(Endpoint, WebhookSecret)> for NewEndpointResponse {
    fn from((endpoint, secret): (Endpoint, WebhookSecret)) -> Self {
        Self { secret: secret.expose().to_owned(), endpoint: endpoint.into() }
    }
}

/// An event on its way to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryResponse {
    /// Which.
    id: WebhookDeliveryId,
    /// The header `webhook-id`, by which receivers tell repetitions.
    event_id: String,
    /// The kind of the event.
    #[schema(example = "access.changed")]
    r#type: String,
    /// Whom it is about.
    user: Option<UserId>,
    /// The body, as it is signed.
    payload: String,
    /// `pending`, `delivered` or `failed`.
    state: &'static str,
    /// How often it was tried.
    attempts: i64,
    /// When it is tried next, while it is pending.
    next_try_at: Option<DateTime<Utc>>,
    /// The last try.
    last_try: Option<TryResponse>,
    /// When it happened.
    created_at: DateTime<Utc>,
}

/// A try to deliver, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TryResponse {
    /// When.
    at: DateTime<Utc>,
    /// The headers that were sent, as name and value, those that matter to receivers.
    request_headers: Vec<(String, String)>,
    /// The status of the answer, if there was one.
    status: Option<u16>,
    /// The beginning of the answer.
    response: Option<String>,
    /// Why it failed, if it did.
    error: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: i64,
}

impl From<Delivery> for DeliveryResponse {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            r#type: delivery.kind,
            user: delivery.user,
            payload: delivery.payload,
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_try_at: (delivery.state == DeliveryState::Pending).then_some(delivery.next_try_at),
            last_try: delivery.tried.map(|tried| TryResponse {
                at: tried.at,
                request_headers: tried.headers,
                status: tried.status,
                response: tried.response,
                error: tried.error,
                duration_ms: tried.duration_ms,
            }),
            created_at: delivery.created_at,
        }
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParameters {
    /// Only those that are `pending`, `delivered` or `failed`.
    state: Option<String>,
}

/// Which failed deliveries are sent again.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ResendRequest {
    /// Those of events since then; without, of the last 30 days.
    #[serde(default, deserialize_with = "instant")]
    since: Option<DateTime<Utc>>,
}

/// How many are sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResendResponse {
    /// So many.
    count: usize,
}

/// Make a webhook endpoint
///
/// Up to 100. Deliveries follow Standard Webhooks: libraries for many languages verify them.
#[utoipa::path(
    post, path = "/api/v1/webhook-endpoints", operation_id = "create_webhook_endpoint", tag = "Webhooks",
    security(("bearer" = ["admin"])),
    request_body = EndpointRequest,
    responses(
        (status = 201, description = "Made; the secret is shown this once", body = NewEndpointResponse),
        (status = 409, description = "too_many_endpoints", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_url, invalid_events or invalid_text", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn create(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    JsonBody(request): JsonBody<EndpointRequest>,
) -> Result<Response, Problem> {
    let wanted = wanted(request.events.as_deref().unwrap_or_default())?;
    let description = request.description.as_deref().unwrap_or_default();
    let new = NewEndpoint { url: &request.url, description, wanted };
    let made = webhooks::create(&site.env, new, &caller.actor()).await.map_err(failed)?;
    let mut response = json(&NewEndpointResponse::from(made));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// List webhook endpoints
#[utoipa::path(
    get, path = "/api/v1/webhook-endpoints", operation_id = "list_webhook_endpoints", tag = "Webhooks",
    security(("bearer" = ["manage"])),
    responses((status = 200, description = "All, on one page", body = Page<EndpointResponse>)),
)]
pub(super) async fn list(State(site): State<Site>, _: May<Manage>) -> Result<Answer<Page<EndpointResponse>>, Problem> {
    let endpoints = webhooks::list(&site.env).await?;
    Ok(Answer(Page::all(endpoints.into_iter().map(EndpointResponse::from).collect())))
}

/// Read a webhook endpoint
#[utoipa::path(
    get, path = "/api/v1/webhook-endpoints/{id}", operation_id = "read_webhook_endpoint", tag = "Webhooks",
    security(("bearer" = ["manage"])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    responses(
        (status = 200, description = "The endpoint", body = EndpointResponse),
        (status = 404, description = "endpoint_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<WebhookEndpointId>,
) -> Result<Answer<EndpointResponse>, Problem> {
    let endpoint = webhooks::find(&site.env, id).await?.ok_or_else(unknown)?;
    Ok(Answer(endpoint.into()))
}

/// Change a webhook endpoint
///
/// What failed before is forgotten when it is enabled again.
#[utoipa::path(
    patch, path = "/api/v1/webhook-endpoints/{id}", operation_id = "change_webhook_endpoint", tag = "Webhooks",
    security(("bearer" = ["admin"])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    request_body = EndpointChange,
    responses(
        (status = 200, description = "As it is now", body = EndpointResponse),
        (status = 404, description = "endpoint_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_url, invalid_events or invalid_text", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<WebhookEndpointId>,
    JsonBody(request): JsonBody<EndpointChange>,
) -> Result<Answer<EndpointResponse>, Problem> {
    let wanted = request.events.as_deref().map(wanted).transpose()?;
    let change = Change { url: request.url.as_deref(), description: request.description.as_deref(), wanted };
    let mut endpoint = webhooks::change(&site.env, id, change, &caller.actor()).await.map_err(failed)?;
    if let Some(enabled) = request.enabled {
        webhooks::set_enabled(&site.env, id, enabled, &caller.actor()).await.map_err(failed)?;
        endpoint = webhooks::find(&site.env, id).await?.ok_or_else(unknown)?;
    }
    Ok(Answer(endpoint.into()))
}

/// Delete a webhook endpoint
///
/// The log of its deliveries goes with it.
#[utoipa::path(
    delete, path = "/api/v1/webhook-endpoints/{id}", operation_id = "delete_webhook_endpoint", tag = "Webhooks",
    security(("bearer" = ["admin"])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "endpoint_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn delete(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<WebhookEndpointId>,
) -> Result<Response, Problem> {
    if webhooks::delete(&site.env, id, &caller.actor()).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(unknown())
    }
}

/// Give a webhook endpoint another secret
///
/// For 24 hours the one before it signs, too: each delivery then has two signatures.
#[utoipa::path(
    post, path = "/api/v1/webhook-endpoints/{id}/rotate", operation_id = "rotate_webhook_secret", tag = "Webhooks",
    security(("bearer" = ["admin"])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    responses(
        (status = 200, description = "The new secret is shown this once", body = NewEndpointResponse),
        (status = 404, description = "endpoint_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn rotate(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<WebhookEndpointId>,
) -> Result<Answer<NewEndpointResponse>, Problem> {
    let rotated = webhooks::rotate(&site.env, id, &caller.actor()).await.map_err(failed)?;
    Ok(Answer(rotated.into()))
}

/// Send a test event
///
/// Of the type `webhook.test`, whatever the endpoint wants to hear, and even if it is disabled. It is tried once.
#[utoipa::path(
    post, path = "/api/v1/webhook-endpoints/{id}/test", operation_id = "test_webhook_endpoint", tag = "Webhooks",
    security(("bearer" = ["admin"])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    responses(
        (status = 202, description = "On its way", body = DeliveryResponse),
        (status = 404, description = "endpoint_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn test(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<WebhookEndpointId>,
) -> Result<Response, Problem> {
    let delivery = webhooks::send_test(&site.env, id, &caller.actor()).await.map_err(failed)?;
    let delivery = webhooks::delivery(&site.env, delivery).await?.ok_or_else(delivery_unknown)?;
    let mut response = json(&DeliveryResponse::from(delivery));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// List deliveries
///
/// The newest first; they are kept for 30 days.
#[utoipa::path(
    get, path = "/api/v1/webhook-endpoints/{id}/deliveries", operation_id = "list_webhook_deliveries", tag = "Webhooks",
    security(("bearer" = ["manage"])),
    params(
        ("id" = WebhookEndpointId, Path, description = "The endpoint"),
        DeliveryParameters,
        PageParameters,
    ),
    responses(
        (status = 200, description = "A page of them", body = Page<DeliveryResponse>),
        (status = 404, description = "endpoint_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_deliveries(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<WebhookEndpointId>,
    Parameters(parameters): Parameters<DeliveryParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<DeliveryResponse>>, Problem> {
    let state = parameters.state.as_deref().map(|state| {
        state
            .parse::<DeliveryState>()
            .map_err(|_| Problem::unprocessable("invalid_parameter", "state is pending, delivered or failed."))
    });
    let (count, before) = (page.count()?, page.cursor()?);
    let state = state.transpose()?;
    webhooks::find(&site.env, id).await?.ok_or_else(unknown)?;
    let found = webhooks::deliveries(&site.env, id, state, before, count + 1).await?;
    Ok(Answer(Page::new(found, count, |delivery: &Delivery| delivery.id.to_string(), DeliveryResponse::from)))
}

/// Read a delivery
#[utoipa::path(
    get, path = "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}", operation_id = "read_webhook_delivery",
    tag = "Webhooks",
    security(("bearer" = ["manage"])),
    params(
        ("id" = WebhookEndpointId, Path, description = "The endpoint"),
        ("delivery" = WebhookDeliveryId, Path, description = "The delivery"),
    ),
    responses(
        (status = 200, description = "The delivery", body = DeliveryResponse),
        (status = 404, description = "delivery_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read_delivery(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(path): InPath<(WebhookEndpointId, WebhookDeliveryId)>,
) -> Result<Answer<DeliveryResponse>, Problem> {
    Ok(Answer(of_endpoint(&site, path).await?.into()))
}

/// Send a delivery again
///
/// Whatever became of it, under the same `webhook-id`, from the first try on.
#[utoipa::path(
    post, path = "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend", operation_id = "resend_webhook_delivery",
    tag = "Webhooks",
    security(("bearer" = ["admin"])),
    params(
        ("id" = WebhookEndpointId, Path, description = "The endpoint"),
        ("delivery" = WebhookDeliveryId, Path, description = "The delivery"),
    ),
    responses(
        (status = 202, description = "On its way", body = DeliveryResponse),
        (status = 404, description = "delivery_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "endpoint_disabled", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn resend(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(path): InPath<(WebhookEndpointId, WebhookDeliveryId)>,
) -> Result<Response, Problem> {
    let delivery = of_endpoint(&site, path).await?;
    let delivery = webhooks::resend(&site.env, delivery.id, &caller.actor()).await.map_err(failed)?;
    let mut response = json(&DeliveryResponse::from(delivery));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Send failed deliveries again
///
/// All of an endpoint since a moment, at most 10,000 with one call.
#[utoipa::path(
    post, path = "/api/v1/webhook-endpoints/{id}/resend", operation_id = "resend_failed_webhooks", tag = "Webhooks",
    security(("bearer" = ["admin"])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    request_body = ResendRequest,
    responses(
        (status = 202, description = "On their way", body = ResendResponse),
        (status = 404, description = "endpoint_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "endpoint_disabled", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn resend_failed(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(id): InPath<WebhookEndpointId>,
    JsonBody(request): JsonBody<ResendRequest>,
) -> Result<Response, Problem> {
    let since = request.since.unwrap_or_else(|| site.env.clock.now() - KEPT_FOR);
    let count = webhooks::resend_failed(&site.env, id, since, &caller.actor()).await.map_err(failed)?;
    let mut response = json(&ResendResponse { count });
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Returns a delivery, if it is one of the endpoint that the path names.
async fn of_endpoint(
    site: &Site,
    (endpoint, delivery): (WebhookEndpointId, WebhookDeliveryId),
) -> Result<Delivery, Problem> {
    let found = webhooks::delivery(&site.env, delivery).await?;
    found.filter(|found| found.endpoint == endpoint).ok_or_else(delivery_unknown)
}

fn wanted(names: &[String]) -> Result<Wanted, Problem> {
    Wanted::read(names).map_err(|error| Problem::unprocessable("invalid_events", sentence(&error)))
}

fn unknown() -> Problem {
    Problem::not_found("endpoint_unknown", "There is no such webhook endpoint.")
}

fn delivery_unknown() -> Problem {
    Problem::not_found("delivery_unknown", "This endpoint has no such delivery; they are kept for 30 days.")
}

fn failed(error: WebhookError) -> Problem {
    let title = sentence(&error);
    match error {
        WebhookError::Store(error) => error.into(),
        WebhookError::NoSuchEndpoint => unknown(),
        WebhookError::NoSuchDelivery => delivery_unknown(),
        WebhookError::TooMany => Problem::conflict("too_many_endpoints", title),
        WebhookError::Disabled => Problem::conflict("endpoint_disabled", title),
        WebhookError::Address(_) | WebhookError::LongAddress => Problem::unprocessable("invalid_url", title),
        WebhookError::Description => Problem::unprocessable("invalid_text", title),
    }
}
