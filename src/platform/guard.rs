//! Stands before every room: gives each request a number, turns forgeries away, sets time limits,
//! catches panics, completes headers and counts.

use std::{any::Any, sync::Arc, time::Instant};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;
use tower_http::{catch_panic::CatchPanicLayer, timeout::DeadlineBody};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    config::{Config, Secret, ServerConfig},
    platform::{clock::Clock, headers, keys::hash_token, observability, random::Random},
};

/// The most bytes of a form, which is the limit of every body unless its route sets another.
pub const FORM_LIMIT: usize = 64 * 1024;
/// The most bytes of a body to the API.
pub const API_LIMIT: usize = 16 * 1024;
/// The most bytes of an event from a payment provider.
pub const WEBHOOK_LIMIT: usize = 256 * 1024;

/// Carries the number of a request, in the response and in every line of the log about it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The number of a request, among its extensions. It is always made here: one that came along
/// could be anything, or twice the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

/// Puts the guard before all routes of `router`, its fallback included. Routes that are added
/// afterwards are not guarded.
pub fn protect(router: Router, config: &Config, clock: Clock, random: Random) -> Router {
    let guard = Guard { origins: Origins::of(config), limits: config.server.clone(), clock, random };
    router
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .layer(CatchPanicLayer::custom(answer_to_panic))
        .layer(middleware::from_fn_with_state(Arc::new(guard), stand_before))
}

struct Guard {
    origins: Origins,
    limits: ServerConfig,
    clock: Clock,
    random: Random,
}

async fn stand_before(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id: Uuid = guard.random.id(guard.clock.now());
    request.extensions_mut().insert(RequestId(id));
    // The pattern of the route, never the path: paths and queries hold tokens and addresses.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let method = request.method().clone();

    let span = tracing::info_span!("request", request.id = %id, http.method = %method, http.route = route);
    let mut response = answer(&guard, request, next).instrument(span.clone()).await;

    let elapsed = began.elapsed();
    observability::count_request(&method, route, response.status(), elapsed);
    span.in_scope(|| {
        tracing::debug!(http.status = response.status().as_u16(), elapsed_ms = elapsed.as_millis() as u64, "answered");
    });
    headers::complete(response.headers_mut(), guard.limits.public_url.is_https());
    let id = HeaderValue::from_str(&id.to_string()).expect("a UUID is ASCII");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn answer(guard: &Guard, request: Request, next: Next) -> Response {
    if !guard.origins.admit(request.method(), request.uri().path(), request.headers()) {
        tracing::info!("refused a request from another site");
        let message = "This came from another site and was refused. Open the page again and retry.\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    let request = if request.body().is_end_stream() {
        request
    } else {
        request.map(|body| Body::new(DeadlineBody::new(guard.limits.body_timeout, body)))
    };
    match tokio::time::timeout(guard.limits.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("no answer in time");
            (StatusCode::SERVICE_UNAVAILABLE, "This takes too long now. Try again in a moment.\n").into_response()
        }
    }
}

fn answer_to_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    // The panic hook has already logged what happened, within the span of the request.
    (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.\n").into_response()
}

/// Tells requests of our own pages from those that another site makes a browser send.
///
/// `tower_http::csrf` follows Go's rule and is laxer than ours in three ways: it lets
/// `Sec-Fetch-Site: none` pass, it lets pass what has neither of the two headers, and it compares
/// `Origin` with `Host`, which a proxy or a rebound name may choose.
#[derive(Debug, Clone)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Returns the origins of the public address and, in development, of the port on this machine.
    pub fn of(config: &Config) -> Self {
        let mut origins = vec![config.server.public_url.as_str().to_owned()];
        if config.is_development() {
            let port = config.server.listen.port();
            origins.extend([format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}")]);
        }
        Self(origins)
    }

    /// Returns whether a request may change something.
    ///
    /// One that only reads always may. Otherwise `Sec-Fetch-Site`, which no script can set, decides:
    /// `same-origin` and nothing else. Where a browser does not send it (an old one, or plain HTTP
    /// to another host), `Origin` must be ours. With neither, no.
    pub fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || is_exempt(path, headers) {
            return true;
        }
        match (headers.get(SEC_FETCH_SITE), headers.get(header::ORIGIN)) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => self.0.iter().any(|ours| origin == ours.as_str()),
            (None, None) => false,
        }
    }
}

/// Returns whether a request proves itself in a way that a browser does not add by itself: a token
/// to the API, or the signature of a provider.
fn is_exempt(path: &str, headers: &HeaderMap) -> bool {
    let is_under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_under("/webhooks") || ((is_under("/api") || is_under("/ofrep")) && bearer_token(headers).is_some())
}

/// Returns the token of `Authorization: Bearer …` (RFC 6750).
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Returns whether a request bears that token.
pub fn bears(headers: &HeaderMap, token: &Secret) -> bool {
    // Hashes are equally long, so that not even the length of the token shows in the time.
    let same = |given: &str| hash_token(given.as_bytes()).ct_eq(&hash_token(token.expose().as_bytes()));
    bearer_token(headers).is_some_and(|given| same(given).into())
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future,
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use axum::{
        body::Bytes,
        routing::{get, post},
    };
    use http_body_util::BodyExt;
    use hyper::body::Frame;
    use tower::ServiceExt;

    use super::*;

    fn config(settings: &[(&str, &str)]) -> Config {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(None, settings).expect("a configuration")
    }

    fn online() -> Config {
        config(&[
            ("VOUCHSAFE_PUBLIC_URL", "https://members.example.com"),
            ("VOUCHSAFE_SECRET", "0123456789abcdef0123456789abcdef"),
            ("VOUCHSAFE_SMTP_URL", "smtp://localhost"),
        ])
    }

    fn router(config: &Config) -> Router {
        let panics = || async {
            if true {
                panic!("the reason, which nobody outside learns");
            }
        };
        let router = Router::new()
            .route("/", get(|| async { "page" }).post(|body: Bytes| async move { body }))
            .route("/panics", get(panics))
            .route("/hangs", get(future::pending::<()>))
            .route("/api/v1/check", post(|| async { "decision" }))
            .route("/webhooks/stripe", post(|| async { "thanks" }));
        protect(router, config, Clock::system(), Random::system())
    }

    async fn send(config: &Config, request: Request) -> (StatusCode, HeaderMap, String) {
        let response = router(config).oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let request = Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Body::empty()).expect("a request")
    }

    async fn status(config: &Config, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        send(config, request(method, path, headers)).await.0.as_u16()
    }

    #[tokio::test]
    async fn every_response_has_the_headers_and_its_own_number() {
        let config = online();
        let mut numbers = Vec::new();
        for (path, expected) in [("/", 200), ("/missing", 404), ("/panics", 500)] {
            let (status, headers, _) = send(&config, request("GET", path, &[("x-request-id", "mine")])).await;
            assert_eq!(status, expected, "{path}");
            for name in
                ["content-security-policy", "strict-transport-security", "x-content-type-options", "cache-control"]
            {
                assert!(headers.contains_key(name), "{path} {name}");
            }
            numbers.push(headers[REQUEST_ID].to_str().expect("ASCII").parse::<Uuid>().expect("a UUID"));
        }
        let (status, headers, _) = send(&config, request("DELETE", "/", &[("sec-fetch-site", "same-origin")])).await;
        assert_eq!((status.as_u16(), &headers["x-frame-options"]), (405, &HeaderValue::from_static("DENY")));
        let (status, headers, _) = send(&config, request("POST", "/", &[])).await;
        assert_eq!((status.as_u16(), &headers["x-frame-options"]), (403, &HeaderValue::from_static("DENY")));
        numbers.dedup();
        assert_eq!(numbers.len(), 3);
    }

    #[tokio::test]
    async fn a_panic_tells_nothing() {
        let (status, _, text) = send(&online(), request("GET", "/panics", &[])).await;
        assert_eq!((status.as_u16(), text.as_str()), (500, "Something went wrong.\n"));
    }

    #[tokio::test]
    async fn what_hangs_is_given_up() {
        let mut config = online();
        config.server.request_timeout = Duration::from_millis(20);
        assert_eq!(status(&config, "GET", "/hangs", &[]).await, 503);
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up() {
        let mut config = online();
        config.server.body_timeout = Duration::from_millis(20);
        let request = Request::builder().method("POST").uri("/").header("sec-fetch-site", "same-origin");
        let (status, ..) = send(&config, request.body(Body::new(Silence)).expect("a request")).await;
        assert_eq!(status, 400);
    }

    /// A body of which nothing ever comes.
    struct Silence;

    impl HttpBody for Silence {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        for (size, expected) in [(FORM_LIMIT, 200), (FORM_LIMIT + 1, 413)] {
            let mut request = request("POST", "/", &[("sec-fetch-site", "same-origin")]);
            *request.body_mut() = Body::from(vec![b'x'; size]);
            assert_eq!(send(&online(), request).await.0.as_u16(), expected);
        }
    }

    #[tokio::test]
    async fn only_our_own_pages_may_change_something() {
        let config = online();
        let ours = ("origin", "https://members.example.com");
        let site = |site| ("sec-fetch-site", site);
        assert_eq!(status(&config, "POST", "/", &[site("same-origin")]).await, 200);
        assert_eq!(status(&config, "POST", "/", &[ours]).await, 200);
        for refused in [
            &[][..],
            &[site("cross-site")],
            &[site("same-site")],
            &[site("none")],
            &[site("")],
            // What `Origin` says does not matter once the better header is there.
            &[site("cross-site"), ours],
            &[("origin", "null")],
            &[("origin", "http://members.example.com")],
            &[("origin", "https://members.example.com:8443")],
            &[("origin", "https://members.example.com.evil.example")],
            &[("origin", "https://evil.example"), ("host", "evil.example")],
            &[("origin", "http://localhost:3000")],
            &[("authorization", "Bearer abc")],
        ] {
            assert_eq!(status(&config, "POST", "/", refused).await, 403, "{refused:?}");
        }
        for method in ["PUT", "PATCH", "DELETE", "TRACE", "ODD"] {
            assert_eq!(status(&config, method, "/", &[site("cross-site")]).await, 403, "{method}");
        }
        assert_eq!(status(&config, "GET", "/", &[site("cross-site")]).await, 200);
    }

    #[tokio::test]
    async fn tokens_and_signatures_need_no_origin() {
        let config = online();
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(status(&config, "POST", "/webhooks/stripe", &[]).await, 200);
        assert_eq!(status(&config, "POST", "/api/v1/check", &[("authorization", "bearer abc"), cross]).await, 200);
        assert_eq!(status(&config, "POST", "/api/v1/check", &[cross]).await, 403);
        assert_eq!(status(&config, "POST", "/api/v1/check", &[("authorization", "Basic abc"), cross]).await, 403);
        assert_eq!(status(&config, "POST", "/apis", &[("authorization", "Bearer abc")]).await, 403);
        assert_eq!(status(&config, "POST", "/webhooksy", &[]).await, 403);
    }

    #[tokio::test]
    async fn development_is_reached_by_both_names_of_this_machine() {
        let config = config(&[("VOUCHSAFE_LISTEN", "127.0.0.1:3007")]);
        for (origin, expected) in [
            ("http://127.0.0.1:3007", 200),
            ("http://localhost:3007", 200),
            ("http://localhost:3000", 403),
            ("https://localhost:3007", 403),
        ] {
            assert_eq!(status(&config, "POST", "/", &[("origin", origin)]).await, expected, "{origin}");
        }
        let (_, headers, _) = send(&config, request("GET", "/", &[])).await;
        assert!(!headers.contains_key("strict-transport-security"));
    }
}
