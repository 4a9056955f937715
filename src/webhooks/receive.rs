//! `POST /webhooks/{provider}`: takes a delivery in and says so once that lasts.
//!
//! Any status but 2xx makes a provider send it again later, so what can never be taken in is
//! refused, and what cannot be taken in now is told to come back.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    domain::payment::Provider,
    platform::{caller::Site, guard::WEBHOOK_LIMIT},
    services::payments::{self, ReceiveError},
    webhooks::signature::{self, Headers},
};

/// Returns the routes that providers knock at.
pub fn routes() -> Router<Site> {
    Router::new().route("/webhooks/{provider}", post(receive))
}

async fn receive(State(site): State<Site>, Path(provider): Path<String>, request: Request) -> Response {
    let Ok(provider) = provider.parse::<Provider>() else { return StatusCode::NOT_FOUND.into_response() };
    let secrets = site.env.webhook_secrets(provider);
    if secrets.is_empty() {
        // Nobody who cannot prove who they are learns what is set up.
        return StatusCode::NOT_FOUND.into_response();
    }
    let (parts, body) = request.into_parts();
    let body: Bytes = match Limited::new(body, WEBHOOK_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return refuse(
                provider,
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("a delivery has at most {WEBHOOK_LIMIT} bytes"),
            );
        }
        Err(_) => return refuse(provider, StatusCode::BAD_REQUEST, "the body did not come completely"),
    };
    let headers = Headers::find(|name| parts.headers.get(name).and_then(|value| value.to_str().ok()));
    let delivery = match signature::verify(provider, &secrets, &headers, &body, site.env.clock.now()) {
        Ok(delivery) => delivery,
        Err(problem) => return refuse(provider, StatusCode::UNAUTHORIZED, &problem.to_string()),
    };
    match payments::receive(&site.env, provider, &body, delivery.id.as_deref()).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(problem @ (ReceiveError::Unreadable(_) | ReceiveError::NotText)) => {
            refuse(provider, StatusCode::BAD_REQUEST, &problem.to_string())
        }
        Err(ReceiveError::Store(error)) => {
            tracing::error!(%provider, %error, "a delivery cannot be taken in now");
            (StatusCode::SERVICE_UNAVAILABLE, "come back later\n").into_response()
        }
    }
}

/// Says what is wrong, to whoever looks at the provider's list of deliveries, and to the log.
fn refuse(provider: Provider, status: StatusCode, problem: &str) -> Response {
    tracing::warn!(%provider, http.status = status.as_u16(), problem, "a delivery is refused");
    metrics::counter!("payment_deliveries_refused_total", "provider" => provider.as_str()).increment(1);
    (status, format!("{problem}\n")).into_response()
}
