//! What the providers of payments told, and what is bought.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, Page, PageParameters, Parameters},
        caller::{Manage, May},
        problem::ProblemShape,
        v1::users::user,
    },
    domain::{
        ids::{PaymentEventId, SubscriptionId, TierId, UserId},
        payment::{BillingInterval, Provider},
        subscription::{ScheduledAction, Subscription, SubscriptionStatus},
    },
    platform::caller::Site,
    services::{
        payment_views::{self, ListedEvent},
        payments::{EventState, Tried},
        replays, subscriptions,
    },
};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParameters {
    /// In this state only: `received`, `done`, `ignored`, `failed` (is tried again) or `dead` (waits for a person).
    #[param(pattern = "^(received|done|ignored|failed|dead)$", example = "dead")]
    state: Option<String>,
}

/// Something that a provider told.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventResponse {
    /// Which.
    id: PaymentEventId,
    /// From whom.
    provider: Provider,
    /// The provider's id.
    event_id: String,
    /// The provider's word for what happened.
    #[schema(example = "invoice.paid")]
    event_type: String,
    /// Our word for it; `null` until it was tried, and when it is of no interest.
    #[schema(example = "invoice_paid")]
    kind: Option<String>,
    /// What came of it: `received`, `done`, `ignored`, `failed` or `dead`.
    #[schema(example = "done")]
    state: &'static str,
    /// When it happened, by the provider's clock.
    occurred_at: DateTime<Utc>,
    /// When it came.
    received_at: DateTime<Utc>,
    /// How often it was tried.
    attempts: i64,
    /// Why it cannot be applied.
    error: Option<String>,
    /// What it lacks: when that comes, it is tried again by itself.
    waits_for: Option<String>,
    /// Whom it concerns, as far as that is known.
    user: Option<UserId>,
    /// The provider's id of the subscription that it is about.
    subscription: Option<String>,
    /// Whether an admin sent it to try things out.
    test: bool,
}

impl From<ListedEvent> for EventResponse {
    fn from(ListedEvent { event, is_sample, .. }: ListedEvent) -> Self {
        Self {
            id: event.id,
            provider: event.provider,
            event_id: event.event_id,
            event_type: event.event_type,
            kind: event.kind,
            state: event.state.as_str(),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            attempts: event.attempts,
            error: event.error,
            waits_for: event.waits_for,
            user: event.user,
            subscription: event.subscription,
            test: is_sample,
        }
    }
}

/// Something that a provider told, with what was signed.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeEventResponse {
    /// The event.
    #[serde(flatten)]
    event: EventResponse,
    /// The text that was signed, as it came.
    payload: String,
}

fn no_event() -> Problem {
    Problem::not_found("event_unknown", "There is no such event. GET /api/v1/payments/events lists them.")
}

fn event_id(text: &str) -> Result<PaymentEventId, Problem> {
    text.parse().map_err(|_| no_event())
}

async fn found(site: &Site, id: PaymentEventId) -> Result<ListedEvent, Problem> {
    payment_views::event(&site.env, id).await?.ok_or_else(no_event)
}

/// List what the providers told
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/payments/events", operation_id = "list_payment_events", tag = "Payments",
    security(("bearer" = ["manage"])),
    params(EventParameters, PageParameters),
    responses(
        (status = 200, description = "A page of the inbox", body = Page<EventResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_events(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<EventParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<EventResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let state: Option<EventState> = parameters.state.map(|state| state.parse()).transpose().map_err(|_| {
        Problem::unprocessable("invalid_parameter", "state is received, done, ignored, failed or dead.")
    })?;
    let events = payment_views::events(&site.env, state, before, count + 1).await?;
    Ok(Answer(Page::new(events, count, |listed| listed.event.id.to_string(), EventResponse::from)))
}

/// Read what a provider told
#[utoipa::path(
    get, path = "/api/v1/payments/events/{id}", operation_id = "read_payment_event", tag = "Payments",
    security(("bearer" = ["manage"])),
    params(("id" = PaymentEventId, Path, description = "The event")),
    responses(
        (status = 200, description = "The event, with what was signed", body = WholeEventResponse),
        (status = 404, description = "event_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read_event(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<WholeEventResponse>, Problem> {
    let listed = found(&site, event_id(&id)?).await?;
    let payload = listed.event.payload.clone();
    Ok(Answer(WholeEventResponse { event: listed.into(), payload }))
}

/// Apply an event that could not be applied
///
/// One that is applied already stays so: asking twice is no harm.
#[utoipa::path(
    post, path = "/api/v1/payments/events/{id}/replay", operation_id = "replay_payment_event", tag = "Payments",
    security(("bearer" = ["manage"])),
    params(("id" = PaymentEventId, Path, description = "The event")),
    responses(
        (status = 200, description = "It is applied, or of no interest", body = EventResponse),
        (status = 404, description = "event_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "not_applied: it still cannot be, and the title says why", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn replay_event(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<String>,
) -> Result<Answer<EventResponse>, Problem> {
    let id = event_id(&id)?;
    match replays::replay(&site.env, id, &caller.actor()).await? {
        Tried::Settled => Ok(Answer(found(&site, id).await?.into())),
        Tried::Failed(problem) => {
            let problem = problem.trim_end_matches('.');
            Err(Problem::conflict("not_applied", format!("It still cannot be applied: {problem}.")))
        }
        Tried::Unknown => Err(no_event()),
    }
}

/// Which subscriptions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SubscriptionParameters {
    /// At this provider only.
    #[param(inline)]
    provider: Option<Provider>,
    /// Without those that have ended.
    open: Option<bool>,
}

/// What is going to happen to a subscription.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduledResponse {
    /// What.
    action: ScheduledAction,
    /// When.
    at: DateTime<Utc>,
}

/// Something that a user pays for again and again.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionResponse {
    /// Which.
    id: SubscriptionId,
    /// Who takes the money.
    provider: Provider,
    /// The provider's id.
    provider_id: String,
    /// Whose; `null` once the account is deleted.
    user: Option<UserId>,
    /// The tier that it gives.
    tier: TierId,
    /// How often it is paid.
    interval: BillingInterval,
    /// How it stands.
    status: SubscriptionStatus,
    /// When it began.
    started_at: DateTime<Utc>,
    /// Until when it is paid.
    period_end: Option<DateTime<Utc>>,
    /// Since when payment is due.
    past_due_since: Option<DateTime<Utc>>,
    /// What is going to happen to it.
    scheduled: Option<ScheduledResponse>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
}

impl From<Subscription> for SubscriptionResponse {
    fn from(subscription: Subscription) -> Self {
        Self {
            id: subscription.id,
            provider: subscription.provider,
            provider_id: subscription.provider_id,
            user: subscription.user,
            tier: subscription.tier,
            interval: subscription.interval,
            status: subscription.status,
            started_at: subscription.started_at,
            period_end: subscription.period_end,
            past_due_since: subscription.past_due_since,
            scheduled: subscription
                .scheduled
                .map(|scheduled| ScheduledResponse { action: scheduled.action, at: scheduled.at }),
            ended_at: subscription.ended_at,
        }
    }
}

/// List subscriptions
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/v1/subscriptions", operation_id = "list_subscriptions", tag = "Payments",
    security(("bearer" = ["manage"])),
    params(SubscriptionParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<SubscriptionResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_subscriptions(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<SubscriptionParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<SubscriptionResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let SubscriptionParameters { provider, open } = parameters;
    let found = payment_views::subscriptions(&site.env, provider, open == Some(true), before, count + 1).await?;
    let found = found.into_iter().map(|listed| listed.subscription).collect();
    Ok(Answer(Page::new(found, count, |subscription: &Subscription| subscription.id.to_string(), Into::into)))
}

/// List the subscriptions of a user
///
/// All of them, the newest first.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/subscriptions", operation_id = "list_subscriptions_of_user", tag = "Payments",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "All of them", body = Page<SubscriptionResponse>),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list_of_user(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<Page<SubscriptionResponse>>, Problem> {
    let user = user(&site, &name).await?;
    let found = subscriptions::of_member(&site.env, user.id).await?;
    Ok(Answer(Page::all(found.into_iter().map(SubscriptionResponse::from).collect())))
}
