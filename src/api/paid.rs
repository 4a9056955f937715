//! The gate for paying members.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    api::Problem,
    domain::access::PaidStatus,
    platform::{
        caller::{Refused, Site, Visit, failed},
        guard::{bearer_token, bears},
    },
    services::{access, catalogue, sessions::Identity},
};

/// Proof that the gate is open: for a paying member, or for the operator's token.
#[derive(Debug, Clone)]
pub enum Paid {
    /// A member with paid access.
    Member {
        /// Who.
        identity: Box<Identity>,
        /// Why the gate is open.
        status: PaidStatus,
    },
    /// Whoever holds `VOUCHSAFE_ADMIN_TOKEN`.
    Operator,
}

impl FromRequestParts<Site> for Paid {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        if bearer_token(&parts.headers).is_some() {
            let expected = site.env.config.security.admin_token.as_ref();
            let is_operator = expected.is_some_and(|expected| bears(&parts.headers, expected));
            return if is_operator { Ok(Self::Operator) } else { Err(unauthorized()) };
        }
        let visit = match Visit::from_request_parts(parts, site).await {
            Ok(visit) => visit,
            Err(Refused::Failed(error)) => return Err(failed(&error)),
            Err(_) => return Err(unauthorized()),
        };
        let identity = visit.identity.ok_or_else(unauthorized)?;
        let status = access::paid_status(&site.env, &identity.user).await.map_err(|error| failed(&error))?;
        if status.active {
            Ok(Self::Member { identity: Box::new(identity), status })
        } else {
            let catalogue = catalogue::current(&site.env).await.map_err(|error| failed(&error))?;
            Err(payment_required(&status, catalogue.settings.referral_credit_days))
        }
    }
}

fn unauthorized() -> Response {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in, or send a valid token.").into_response()
}

fn payment_required(status: &PaidStatus, reward_days: i64) -> Response {
    let days = if reward_days == 1 { "day" } else { "days" };
    Problem::new(
        StatusCode::PAYMENT_REQUIRED,
        "payment_required",
        format!("This is for paying members. Subscribe, or invite a friend: both of you get {reward_days} {days}."),
    )
    .with("paid", json!(status))
    .with("upgrade", json!({ "url": "/pricing" }))
    .into_response()
}

/// Lets only paying members and the operator's token through to a route; everybody else gets
/// 401 or 402.
pub async fn require_paid(State(_): State<Site>, _: Paid, request: Request, next: Next) -> Response {
    next.run(request).await
}
