//! OpenFeature Remote Evaluation, version 0.3.0: features as flags, for any OpenFeature SDK.
//!
//! The shapes are the protocol's (<https://openfeature.dev/specification>), not ours: errors are
//! not problems, 401 and 403 have no body.

mod events;
mod flags;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{
        body::{is_known, json},
        caller::Caller,
    },
    domain::api_key::Scope,
    platform::{
        caller::{Site, failed},
        guard::API_LIMIT,
        memory::Known,
    },
    services::{catalogue, entitlements, live},
    store::StoreError,
};

use flags::Bulks;

/// Returns the routes of the protocol.
pub(super) fn routes() -> Router<Site> {
    let bulks = Arc::new(Bulks::default());
    let watch = live::Watch::default();
    Router::new()
        .route(
            "/ofrep/v1/evaluate/flags",
            post(async move |State(site): State<Site>, request: Request| {
                let headers = request.headers().clone();
                let response = evaluate_all(&site, &bulks, request).await.unwrap_or_else(Failure::without_key);
                shared(&site, &headers, response)
            })
            .options(preflight),
        )
        .route("/ofrep/v1/evaluate/flags/{key}", post(evaluate).options(preflight))
        .route(
            "/ofrep/v1/events/{token}",
            get(async move |State(site): State<Site>, request: Request| {
                let headers = request.headers().clone();
                let response = events::open(&site, &watch, request).await.unwrap_or_else(Failure::without_key);
                shared(&site, &headers, response)
            })
            .options(preflight),
        )
        .route("/ofrep/{*path}", any(async || Failure::NoSuchFlag.without_key()))
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// The body is not JSON.
    Unreadable(String),
    /// The context is not one.
    BadContext(&'static str),
    /// The context names nobody.
    NobodyNamed,
    /// There is no such flag.
    NoSuchFlag,
    /// No key, or none that is good.
    Unauthorized,
    /// A key that may not ask this.
    Forbidden,
    /// There are too many of these; try again after so many seconds.
    TooMany(i64),
    /// The database failed, which is logged already; it is said as everywhere, in other words.
    Broken(Box<Response>),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Broken(Box::new(failed(&error)))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    error_details: String,
}

impl Failure {
    /// Answers for all flags at once.
    fn without_key(self) -> Response {
        self.respond(None)
    }

    /// Answers for one flag.
    fn with_key(self, key: &str) -> Response {
        self.respond(Some(key))
    }

    fn respond(self, key: Option<&str>) -> Response {
        let failure = |status: StatusCode, code: &'static str, details: String| {
            let mut response = json(&FailureBody { key, error_code: Some(code), error_details: details });
            *response.status_mut() = status;
            response
        };
        match self {
            Self::Unreadable(details) => failure(StatusCode::BAD_REQUEST, "PARSE_ERROR", details),
            Self::BadContext(details) => failure(StatusCode::BAD_REQUEST, "INVALID_CONTEXT", details.to_owned()),
            Self::NobodyNamed => {
                let details = "context.targetingKey names the user: by id, external id or email.";
                failure(StatusCode::BAD_REQUEST, "TARGETING_KEY_MISSING", details.to_owned())
            }
            Self::NoSuchFlag => {
                failure(StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", "There is no such feature.".to_owned())
            }
            Self::Unauthorized => {
                let scheme = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
                (StatusCode::UNAUTHORIZED, scheme).into_response()
            }
            Self::Forbidden => StatusCode::FORBIDDEN.into_response(),
            Self::TooMany(seconds) => {
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, HeaderValue::from(seconds))]).into_response()
            }
            Self::Broken(problem) => {
                let (mut head, _) = problem.into_parts();
                let details = "The database does not answer now. Try again in a moment.".to_owned();
                let (like, body) =
                    json(&FailureBody { key: None, error_code: None, error_details: details }).into_parts();
                head.headers.extend(like.headers);
                Response::from_parts(head, body)
            }
        }
    }
}

/// What a client may say behind the `?` after it was told to ask again.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Trigger {
    flag_config_etag: Option<String>,
    flag_config_last_modified: Option<String>,
}

/// `POST /ofrep/v1/evaluate/flags`
async fn evaluate_all(site: &Site, bulks: &Bulks, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let Query(trigger) = Query::<Trigger>::try_from_uri(&parts.uri).unwrap_or_default();
    let known = subject(site, &parts, body, &trigger).await?;
    let now = site.env.clock.now();
    let bulk = match known {
        Some(known) => bulks.of(site, known, now),
        None => flags::bulk_of_nobody(&*catalogue::current(&site.env).await?),
    };
    // The tag of an event is never that of an answer: an event alone leaves nothing unchanged.
    let has_seen = |tag: &String| bulk.etag.to_str().is_ok_and(|etag| tag.trim_matches('"') == etag.trim_matches('"'));
    let mut response =
        if is_known(&parts.headers, &bulk.etag) || trigger.flag_config_etag.as_ref().is_some_and(has_seen) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Response::new(Body::from(bulk.body.clone()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        };
    response.headers_mut().insert(header::ETAG, bulk.etag.clone());
    Ok(response)
}

/// `POST /ofrep/v1/evaluate/flags/{key}`
async fn evaluate(State(site): State<Site>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let response = match Path::<String>::from_request_parts(&mut parts, &site).await {
        Ok(Path(key)) => match evaluate_one(&site, &key, &parts, body).await {
            Ok(response) => response,
            Err(failure) => failure.with_key(&key),
        },
        // Not even text.
        Err(_) => Failure::NoSuchFlag.with_key(""),
    };
    shared(&site, &headers, response)
}

async fn evaluate_one(site: &Site, key: &str, parts: &Parts, body: Body) -> Result<Response, Failure> {
    let known = subject(site, parts, body, &Trigger::default()).await?;
    let nobody = match &known {
        Some(_) => None,
        None => Some(catalogue::current(&site.env).await?),
    };
    let catalogue = known.as_ref().map(|known| &known.catalogue).or(nobody.as_ref()).expect("one of them is there");
    let feature = catalogue.feature_named(key).ok_or(Failure::NoSuchFlag)?;
    Ok(match &known {
        Some(known) => json(&flags::Flag::new(feature, &flags::decide(known, feature, site.env.clock.now()))),
        None => json(&flags::Flag::new(feature, &flags::decide_for_nobody(feature))),
    })
}

/// Finds out about whom a request asks, if the caller may know. Nothing if there is nobody with
/// that name.
async fn subject(site: &Site, parts: &Parts, body: Body, trigger: &Trigger) -> Result<Option<Arc<Known>>, Failure> {
    let caller = caller(site, parts).await?;
    let body = axum::body::to_bytes(body, API_LIMIT)
        .await
        .map_err(|_| Failure::Unreadable(format!("The body did not come, or has more than {API_LIMIT} bytes.")))?;
    let evaluation: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|error| Failure::Unreadable(format!("The body cannot be read: {error}.")))?;
    let Some(Value::Object(context)) = evaluation.get("context") else {
        return Err(Failure::BadContext("The body has a context, which is an object."));
    };
    let name = match context.get("targetingKey") {
        None | Some(Value::Null) => return Err(Failure::NobodyNamed),
        Some(Value::String(name)) if name.trim().is_empty() => return Err(Failure::NobodyNamed),
        Some(Value::String(name)) => name,
        Some(_) => return Err(Failure::BadContext("context.targetingKey is a text.")),
    };
    let found = entitlements::find(&site.env, name).await?;
    if let Some(bound) = caller.bound_to()
        && found.as_ref().is_none_or(|known| known.standing.user.id != bound)
    {
        return Err(Failure::Forbidden);
    }
    let Some(known) = found else { return Ok(None) };
    // Told by an event of something that this node has not seen yet, it reads again.
    let is_news = match trigger {
        Trigger { flag_config_etag: Some(tag), .. } => {
            tag.trim_matches('"') != live::mark(&known, site.env.clock.now())
        }
        Trigger { flag_config_last_modified, .. } => flag_config_last_modified.is_some(),
    };
    if is_news { Ok(live::fresh(&site.env, known.standing.user.id).await?) } else { Ok(Some(known)) }
}

async fn caller(site: &Site, parts: &Parts) -> Result<Caller, Failure> {
    let caller = match Caller::identify(parts, site).await {
        Ok(caller) => caller,
        Err(problem) => {
            let problem = problem.into_response();
            let is_ours = problem.status().is_server_error();
            return Err(if is_ours { Failure::Broken(Box::new(problem)) } else { Failure::Unauthorized });
        }
    };
    if !caller.may(Scope::Check) {
        return Err(Failure::Forbidden);
    }
    // A browser says where its script is from. A key that opens every user's flags has no business
    // in one, where everybody can read it.
    if parts.headers.contains_key(header::ORIGIN) && caller.bound_to().is_none() {
        tracing::warn!("refused a server's key that was sent by a browser: give it a key that is bound to its user");
        return Err(Failure::Forbidden);
    }
    Ok(caller)
}

/// `OPTIONS`, by which a browser asks whether a script may ask.
async fn preflight(State(site): State<Site>, headers: HeaderMap) -> Response {
    let mut response = shared(&site, &headers, StatusCode::NO_CONTENT.into_response());
    if response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, X-API-Key, Content-Type, If-None-Match, Last-Event-ID, Cache-Control",
            ),
            // The longest that Chromium remembers.
            (header::ACCESS_CONTROL_MAX_AGE, "7200"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Lets scripts of the sites that the operator named read an answer. Never with cookies.
fn shared(site: &Site, headers: &HeaderMap, mut response: Response) -> Response {
    const EXPOSED: (HeaderName, &str) = (header::ACCESS_CONTROL_EXPOSE_HEADERS, "ETag, Retry-After");
    let origins = &site.env.config.ofrep.origins;
    if origins.is_empty() {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = headers.get(header::ORIGIN)
        && origins.iter().any(|listed| origin == listed.as_str())
    {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.headers_mut().insert(EXPOSED.0, HeaderValue::from_static(EXPOSED.1));
    }
    response
}
