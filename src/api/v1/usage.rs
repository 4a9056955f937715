//! Counting, and holding units for work that may fail.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, json},
        caller::{Caller, Consume, May},
        problem::{ProblemShape, RefusalShape, sentence},
        v1::decisions::{amount, identified},
    },
    domain::{
        entitlement::{self, Decision, Reason},
        ids::{FeatureId, ReservationId, UserId},
        usage::{
            Act, HELD_FOR, IdempotencyKey, LONGEST_HOLD, LONGEST_KEY, MOST_UNITS, OnExceed, Outcome, Reservation,
            ReservationState, UsageCall,
        },
    },
    platform::caller::Site,
    services::{
        entitlements,
        usage::{self, UsageError},
    },
};

/// Units to be counted.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ConsumeRequest {
    /// The user's id, external id or email.
    #[schema(example = "ann@example.com")]
    user: String,
    /// The feature.
    #[schema(value_type = FeatureId, example = "ai_calls")]
    feature: String,
    /// How many units; 1 without it. A negative amount gives back, never below zero.
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000)]
    amount: Option<i64>,
    /// What happens when they do not fit.
    on_exceed: Option<OnExceed>,
}

/// What was counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsumeResponse {
    /// How many units; negative when they were given back.
    consumed: i64,
    /// What is true now.
    #[serde(flatten)]
    decision: Decision,
}

/// Units to be held.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ReservationRequest {
    /// The user's id, external id or email.
    #[schema(example = "ann@example.com")]
    user: String,
    /// The feature.
    #[schema(value_type = FeatureId, example = "ai_calls")]
    feature: String,
    /// How many units; 1 without it.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    amount: Option<i64>,
    /// For how many seconds; 300 without it.
    #[schema(minimum = 1, maximum = 86_400)]
    expires_in: Option<i64>,
}

/// What was used in the end.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ConfirmRequest {
    /// How many units; as many as were held without it. More have to fit the limit.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    amount: Option<i64>,
}

/// A reservation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReservationResponse {
    /// Which.
    id: ReservationId,
    /// Whose.
    user: UserId,
    /// Of what.
    feature: FeatureId,
    /// Where it stands.
    state: ReservationState,
    /// How many units were held.
    held: i64,
    /// How many were counted in the end.
    confirmed_amount: Option<i64>,
    /// From when on they are free again, unless it is confirmed.
    expires_at: DateTime<Utc>,
    /// What is true now.
    decision: Decision,
}

impl ReservationResponse {
    fn new(reservation: Reservation, decision: Decision) -> Self {
        Self {
            id: reservation.id,
            user: reservation.user,
            feature: reservation.feature,
            state: reservation.state,
            held: reservation.amount,
            confirmed_amount: reservation.confirmed_amount,
            expires_at: reservation.expires_at,
            decision,
        }
    }
}

/// Reads the Idempotency-Key of a request.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    if key.is_empty() || key.len() > LONGEST_KEY {
        let title = format!("An Idempotency-Key has 1 to {LONGEST_KEY} characters.");
        return Err(Problem::unprocessable("invalid_idempotency_key", title));
    }
    Ok(Some(key.as_bytes()))
}

/// The key came before, with another call.
pub(super) fn key_reused() -> Problem {
    Problem::unprocessable(
        "idempotency_key_reused",
        "This Idempotency-Key was used with other content. Take a new key for a new call.",
    )
}

/// Reads the Idempotency-Key of a call. It is the caller's own: two keys never meet.
pub(super) fn idempotency<T: Serialize>(
    headers: &HeaderMap,
    caller: &Caller,
    route: &str,
    content: &T,
) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = idempotency_key(headers)? else { return Ok(None) };
    let principal = caller.key().map(|key| key.id.to_string()).unwrap_or_default();
    // What was understood, not the bytes: spaces and the order of members make no other call.
    let content = serde_json::to_vec(content).expect("a request is plain JSON");
    Ok(Some(usage::idempotency_key(&principal, route, key, &content)))
}

async fn call(site: &Site, caller: &Caller, act: Act, idempotency: Option<IdempotencyKey>) -> Result<Outcome, Problem> {
    let api_key = caller.key().map(|key| key.id);
    let call = UsageCall { act, actor: caller.actor(), api_key, idempotency };
    usage::call(&site.env, call).await.map_err(|error| match error {
        UsageError::Store(error) => (&*error).into(),
        UsageError::BadAmount => Problem::unprocessable("invalid_amount", sentence(&error)),
        UsageError::BadLifetime => Problem::unprocessable("invalid_expires_in", sentence(&error)),
    })
}

/// Turns what was not done into its problem.
fn refused(site: &Site, outcome: Outcome) -> Problem {
    match outcome {
        Outcome::Refused { decision } => match decision.reason {
            Reason::UserUnknown => Problem::user_unknown(),
            Reason::FeatureUnknown => Problem::feature_unknown(),
            _ => payment_required(site, &decision),
        },
        Outcome::NotCounted => Problem::unprocessable(
            "feature_not_counted",
            "This feature is a switch, on or off: there is nothing to count. Ask POST /api/v1/check.",
        ),
        Outcome::NoSuchReservation => no_such_reservation(),
        Outcome::Settled { reservation } => match reservation.state_at(site.env.clock.now()) {
            ReservationState::Lapsed => Problem::new(
                StatusCode::GONE,
                "reservation_lapsed",
                "Nobody settled this reservation in time; its units are free again. Consume them anew.",
            ),
            state => {
                Problem::conflict("reservation_settled", format!("This reservation was {} before.", state.as_str()))
                    .with("state", state.as_str())
                    .with("confirmed_amount", json!(reservation.confirmed_amount))
            }
        },
        Outcome::KeyReused => key_reused(),
        Outcome::KeyInFlight => Problem::conflict(
            "idempotency_key_in_flight",
            "A call with this Idempotency-Key is being answered. Try again in a second.",
        )
        .retry_after(1),
        Outcome::Revoked => crate::api::caller::unauthorized(),
        Outcome::Counted { .. } | Outcome::Reserved { .. } => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here.")
        }
    }
}

/// Refuses what the limit does not allow, with the decision inside.
fn payment_required(site: &Site, decision: &Decision) -> Problem {
    let (code, title) = match decision.reason {
        Reason::FeatureOff => ("feature_off", "This feature is not part of the user's tier."),
        Reason::FeatureInactive => ("feature_inactive", "This feature is out of use."),
        Reason::UserDisabled => ("user_disabled", "This account is closed."),
        _ => ("limit_reached", "The limit is reached."),
    };
    Problem::new(StatusCode::PAYMENT_REQUIRED, code, title).about(decision, site.env.clock.now())
}

fn no_such_reservation() -> Problem {
    Problem::not_found("reservation_unknown", "There is no such reservation.")
}

/// Count units
///
/// Atomic up to the limit: of any number of calls at once, never more pass than fit. The answer
/// comes after it lasts. With an `Idempotency-Key` a repeated call is counted once and gets the
/// same answer for 48 hours.
#[utoipa::path(
    post, path = "/api/v1/consume", tag = "Usage",
    security(("bearer" = ["consume"])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "1 to 255 characters that make a repeated call the same call")),
    request_body = ConsumeRequest,
    responses(
        (status = 200, description = "Counted", body = ConsumeResponse),
        (status = 400, description = "Not JSON", body = ProblemShape, content_type = "application/problem+json"),
        (status = 402, description = "Nothing was counted", body = RefusalShape, content_type = "application/problem+json"),
        (status = 404, description = "user_unknown or feature_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "idempotency_key_in_flight", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_amount, feature_not_counted, idempotency_key_reused, …", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn consume(
    State(site): State<Site>,
    May { caller, .. }: May<Consume>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ConsumeRequest>,
) -> Result<Response, Problem> {
    let idempotency = idempotency(&headers, &caller, "consume", &request)?;
    let act = Act::Consume {
        user: identified(&site, &caller, &request.user).await?,
        feature: feature(&request.feature)?,
        amount: request.amount.unwrap_or(1),
        on_exceed: request.on_exceed.unwrap_or_default(),
    };
    // A bound key lives in a browser; what was used is given back by a server.
    if caller.bound_to().is_some() && request.amount.is_some_and(|amount| amount < 0) {
        let title = "A key that is bound to one user cannot give units back.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", title));
    }
    match call(&site, &caller, act, idempotency).await? {
        Outcome::Counted { decision, counted } => Ok(json(&ConsumeResponse { consumed: counted, decision })),
        outcome => Err(refused(&site, outcome)),
    }
}

fn feature(name: &str) -> Result<FeatureId, Problem> {
    name.parse().map_err(|_| Problem::feature_unknown())
}

/// Hold units
///
/// For work that may fail: hold first, then confirm what was used, or release. What is held
/// counts against the limit; what nobody settles in time is free again.
#[utoipa::path(
    post, path = "/api/v1/reservations", tag = "Usage",
    security(("bearer" = ["consume"])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, description = "1 to 255 characters that make a repeated call the same call")),
    request_body = ReservationRequest,
    responses(
        (
            status = 201, description = "Held", body = ReservationResponse,
            headers(("Location" = String, description = "Where to read it")),
            links(
                ("read" = (operation_id = "read_reservation", parameters(("id" = "$response.body#/id")))),
                ("confirm" = (operation_id = "confirm_reservation", parameters(("id" = "$response.body#/id")))),
                ("release" = (operation_id = "release_reservation", parameters(("id" = "$response.body#/id")))),
            ),
        ),
        (status = 400, description = "Not JSON", body = ProblemShape, content_type = "application/problem+json"),
        (status = 402, description = "Nothing is held", body = RefusalShape, content_type = "application/problem+json"),
        (status = 404, description = "user_unknown or feature_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "idempotency_key_in_flight", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_amount, invalid_expires_in, feature_not_counted, …", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn reserve(
    State(site): State<Site>,
    May { caller, .. }: May<Consume>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ReservationRequest>,
) -> Result<Response, Problem> {
    let idempotency = idempotency(&headers, &caller, "reserve", &request)?;
    let amount = amount(request.amount)?;
    let seconds = request.expires_in.unwrap_or(HELD_FOR.num_seconds());
    let act = Act::Hold {
        user: identified(&site, &caller, &request.user).await?,
        feature: feature(&request.feature)?,
        amount,
        // Out of range is refused behind the door; here it only must not overflow.
        lifetime: TimeDelta::seconds(seconds.clamp(0, LONGEST_HOLD.num_seconds() + 1)),
    };
    match call(&site, &caller, act, idempotency).await? {
        Outcome::Reserved { reservation, decision } => {
            let location = format!("/api/v1/reservations/{}", reservation.id);
            let mut response = json(&ReservationResponse::new(reservation, decision));
            *response.status_mut() = StatusCode::CREATED;
            let location = HeaderValue::from_str(&location).expect("a UUID is ASCII");
            response.headers_mut().insert(header::LOCATION, location);
            Ok(response)
        }
        outcome => Err(refused(&site, outcome)),
    }
}

/// Keeps a key that is bound to one user away from the reservations of others.
async fn check_owner(site: &Site, caller: &Caller, reservation: ReservationId) -> Result<(), Problem> {
    let Some(bound) = caller.bound_to() else { return Ok(()) };
    match usage::reservation(&site.env, reservation).await? {
        Some(reservation) if reservation.user == bound => Ok(()),
        _ => Err(no_such_reservation()),
    }
}

/// Read a reservation
#[utoipa::path(
    get, path = "/api/v1/reservations/{id}", operation_id = "read_reservation", tag = "Usage",
    security(("bearer" = ["consume"])),
    params(("id" = ReservationId, Path, description = "The reservation")),
    responses(
        (status = 200, description = "As it stands now", body = ReservationResponse),
        (status = 404, description = "reservation_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    May { caller, .. }: May<Consume>,
    InPath(id): InPath<ReservationId>,
) -> Result<Answer<ReservationResponse>, Problem> {
    check_owner(&site, &caller, id).await?;
    let mut reservation = usage::reservation(&site.env, id).await?.ok_or_else(no_such_reservation)?;
    reservation.state = reservation.state_at(site.env.clock.now());
    // The feature may be gone from the configuration, the user may not: their reservations go with them.
    let known = entitlements::known(&site.env, reservation.user).await?.ok_or_else(no_such_reservation)?;
    let now = site.env.clock.now();
    let decision = entitlement::decide(&known.catalogue, &known.standing, &reservation.feature, 1, now);
    Ok(Answer(ReservationResponse::new(reservation, decision)))
}

/// Count what was held
///
/// Or another amount: the rest of a smaller one is free again, what is more has to fit the limit.
/// Confirming the same again changes nothing and gets the same answer.
#[utoipa::path(
    post, path = "/api/v1/reservations/{id}/confirm", operation_id = "confirm_reservation", tag = "Usage",
    security(("bearer" = ["consume"])),
    params(("id" = ReservationId, Path, description = "The reservation")),
    request_body = Option<ConfirmRequest>,
    responses(
        (status = 200, description = "Counted", body = ReservationResponse),
        (status = 400, description = "Not JSON", body = ProblemShape, content_type = "application/problem+json"),
        (status = 402, description = "More than was held does not fit; the units are still held", body = RefusalShape, content_type = "application/problem+json"),
        (status = 404, description = "reservation_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "reservation_settled: released, or confirmed with another amount", body = ProblemShape, content_type = "application/problem+json"),
        (status = 410, description = "reservation_lapsed", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_amount or invalid_body", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn confirm(
    State(site): State<Site>,
    May { caller, .. }: May<Consume>,
    InPath(id): InPath<ReservationId>,
    JsonBody(request): JsonBody<Option<ConfirmRequest>>,
) -> Result<Answer<ReservationResponse>, Problem> {
    let amount = request.and_then(|request| request.amount);
    if amount.is_some_and(|amount| !(0..=MOST_UNITS).contains(&amount)) {
        let title = format!("amount is a whole number from 0 to {MOST_UNITS}.");
        return Err(Problem::unprocessable("invalid_amount", title));
    }
    check_owner(&site, &caller, id).await?;
    let act = Act::Confirm { reservation: id, amount };
    match call(&site, &caller, act, None).await? {
        Outcome::Reserved { reservation, decision } => Ok(Answer(ReservationResponse::new(reservation, decision))),
        outcome => Err(refused(&site, outcome)),
    }
}

/// Free what was held
///
/// Releasing again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/reservations/{id}/release", operation_id = "release_reservation", tag = "Usage",
    security(("bearer" = ["consume"])),
    params(("id" = ReservationId, Path, description = "The reservation")),
    responses(
        (status = 200, description = "Free", body = ReservationResponse),
        (status = 404, description = "reservation_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "reservation_settled: it was confirmed", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn release(
    State(site): State<Site>,
    May { caller, .. }: May<Consume>,
    InPath(id): InPath<ReservationId>,
) -> Result<Response, Problem> {
    check_owner(&site, &caller, id).await?;
    match call(&site, &caller, Act::Release { reservation: id }, None).await? {
        Outcome::Reserved { reservation, decision } => {
            Ok(Answer(ReservationResponse::new(reservation, decision)).into_response())
        }
        outcome => Err(refused(&site, outcome)),
    }
}
