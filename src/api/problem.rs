//! Errors of the API: problem details (RFC 9457) with a code that never changes.

use std::fmt::Display;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    domain::entitlement::{Decision, Reason},
    platform::caller::log_failure,
    store::StoreError,
};

/// An error, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// The status, again in the body.
    status: u16,
    /// What apps tell errors apart by.
    code: &'static str,
    /// One sentence for people: what happened and what to do.
    title: String,
    /// Members of this kind of error alone.
    #[serde(flatten)]
    more: Map<String, Value>,
    /// Behind a pointer, because most problems have none and every result carries the room for it.
    #[serde(skip)]
    headers: Option<Box<HeaderMap>>,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it only describes the shape")]
pub struct ProblemShape {
    /// The status, again in the body.
    status: u16,
    /// What apps tell errors apart by; it never changes.
    #[schema(example = "limit_reached")]
    code: String,
    /// One sentence for people: what happened and what to do.
    title: String,
}

/// A refusal to count, with the decision.
#[derive(ToSchema)]
#[schema(as = Refusal)]
#[expect(dead_code, reason = "it only describes the shape")]
pub struct RefusalShape {
    /// The status, again in the body.
    status: u16,
    /// Why: `limit_reached`, `feature_off`, `feature_inactive` or `user_disabled`.
    code: String,
    /// One sentence for people.
    title: String,
    /// What is true now.
    decision: Decision,
}

impl Problem {
    /// Makes an error.
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self { status: status.as_u16(), code, title: title.into(), more: Map::new(), headers: None }
    }

    /// The body was read, and says something that cannot be.
    pub fn unprocessable(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title)
    }

    /// There is no such thing.
    pub fn not_found(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, title)
    }

    /// What is there stands in the way.
    pub fn conflict(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, title)
    }

    /// There is no such user.
    pub fn user_unknown() -> Self {
        Self::not_found(
            "user_unknown",
            "There is no such user. Create them first, or name them by id, external id or email.",
        )
    }

    /// The key is bound to one user, and this is about another, if there is one.
    pub fn other_user() -> Self {
        let title = "This key is bound to one user and may ask about them only.";
        Self::new(StatusCode::FORBIDDEN, "other_user", title)
    }

    /// There is no such feature.
    pub fn feature_unknown() -> Self {
        Self::not_found("feature_unknown", "There is no such feature. GET /api/v1/features lists them.")
    }

    /// There is no such tier.
    pub fn tier_unknown() -> Self {
        Self::not_found("tier_unknown", "There is no such tier. GET /api/v1/tiers lists them.")
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the decision that is the reason, and when it will be another one by itself.
    #[must_use]
    pub fn about(self, decision: &Decision, now: DateTime<Utc>) -> Self {
        let problem = self.with("decision", json!(decision));
        match decision.resets_at.filter(|_| decision.reason == Reason::LimitReached) {
            Some(at) => problem.retry_after((at - now).num_seconds()),
            None => problem,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(self, seconds: i64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

/// Turns what an error says into a sentence.
pub fn sentence(error: &impl Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        log_failure(error);
        if error.is_temporary() {
            let title = "The database does not answer now. Try again in a moment.";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title).retry_after(2);
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here. The log has the details.")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        (&error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("a problem is plain JSON");
        let mut response = (status, body).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.headers_mut().extend(self.headers.map(|headers| *headers).unwrap_or_default());
        response
    }
}
