//! Stands before every room: gives each request a number, turns forgeries away, sets time limits,
//! catches panics, completes headers and counts.
//!
//! Every request pays for this, so it is written by hand where middleware of axum's would do:
//! each of those puts a request and its answer into boxes of their own and copies all that stands
//! behind it.

use std::{
    any::Any,
    convert::Infallible,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{Route, future::RouteFuture},
};
use hyper::body::{Frame, SizeHint};
use subtle::ConstantTimeEq;
use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep_until},
};
use tower::{Layer, Service};
use tracing::{Instrument, instrument::Instrumented};
use uuid::Uuid;

use crate::{
    config::{Config, Secret, ServerConfig},
    platform::{clock::Clock, headers::Always, keys::hash_token, observability::Figures, random::Random},
};

/// The most bytes of a form, which is the limit of every body unless its route sets another.
pub const FORM_LIMIT: usize = 64 * 1024;
/// The most bytes of a body to the API.
pub const API_LIMIT: usize = 16 * 1024;
/// The most bytes of an event from a payment provider.
pub const WEBHOOK_LIMIT: usize = 256 * 1024;

/// Carries the number of a request, in the response and in every line of the log about it. It is
/// always made here: one that came along could be anything, or twice the same.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Carries an API key where `Authorization` is taken.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The guard, to be put before all routes of a router, its fallback included. Routes that are
/// added afterwards are not guarded.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    origins: Origins,
    limits: ServerConfig,
    always: Always,
    clock: Clock,
    random: Random,
}

impl Guard {
    /// Returns the guard of a program with this configuration.
    pub fn new(config: &Config, clock: Clock, random: Random) -> Self {
        let limits = config.server.clone();
        let always = Always::new(limits.public_url.is_https());
        Self(Arc::new(Rules { origins: Origins::of(config), limits, always, clock, random }))
    }
}

impl Layer<Route> for Guard {
    type Service = Guarded;

    fn layer(&self, route: Route) -> Guarded {
        Guarded { post: Arc::new(Post { rules: self.0.clone(), figures: OnceLock::new() }), route }
    }
}

/// One route behind the guard.
#[derive(Debug, Clone)]
pub struct Guarded {
    post: Arc<Post>,
    route: Route,
}

/// Where the guard stands before one route.
#[derive(Debug)]
struct Post {
    rules: Arc<Rules>,
    /// Known from the first request on: a router layers each of its routes by itself, so the
    /// pattern is the same ever after.
    figures: OnceLock<Figures>,
}

impl Service<Request> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answering {
        let began = Instant::now();
        let rules = &*self.post.rules;
        let id: Uuid = rules.random.id(rules.clock.now());
        let figures = self.post.figures.get_or_init(|| {
            // The pattern of the route, never the path: paths and queries hold tokens and addresses.
            Figures::of(request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str))
        });
        let method = request.method().clone();
        let span =
            tracing::info_span!("request", request.id = %id, http.method = %method, http.route = figures.route());
        let limited = span.in_scope(|| Limited::start(rules, &mut self.route, request, began));
        Answering { limited: limited.instrument(span), post: self.post.clone(), began, id, method }
    }
}

/// The answer of a route, which is being made, and how it is completed.
pub struct Answering {
    limited: Instrumented<Limited>,
    post: Arc<Post>,
    began: Instant,
    id: Uuid,
    method: Method,
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = ready!(Pin::new(&mut self.limited).poll(context));
        let elapsed = self.began.elapsed();
        if let Some(figures) = self.post.figures.get() {
            figures.count(&self.method, response.status(), elapsed);
        }
        self.limited.span().in_scope(|| {
            let status = response.status().as_u16();
            tracing::debug!(http.status = status, elapsed_ms = elapsed.as_millis() as u64, "answered");
        });
        self.post.rules.always.complete(response.headers_mut());
        let id = HeaderValue::from_str(self.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        response.headers_mut().insert(REQUEST_ID, id.expect("a UUID is ASCII"));
        Poll::Ready(Ok(response))
    }
}

/// The answer of a route within the limits of time, for a request that may change something if it
/// wants to.
struct Limited {
    answer: Answer,
    /// When the body must have come; nothing once it was told, or if there is none.
    body_until: Option<Instant>,
    until: Instant,
    /// Only what cannot be answered at once pays for a timer, and for one only.
    timer: Option<Pin<Box<Sleep>>>,
}

enum Answer {
    /// Known without asking the route. Taken when it is given.
    Given(Option<Response>),
    Expected(RouteFuture<Infallible>),
}

impl Limited {
    fn start(rules: &Rules, route: &mut Route, mut request: Request, began: Instant) -> Self {
        let until = began + rules.limits.request_timeout;
        if !rules.origins.admit(request.method(), request.uri().path(), request.headers()) {
            tracing::info!("refused a request from another site");
            let refusal = refusal(request.uri().path());
            return Self { answer: Answer::Given(Some(refusal)), body_until: None, until, timer: None };
        }
        let mut body_until = None;
        if !request.body().is_end_stream() {
            // A body of a length that is told and small enough needs no counting: hyper reads no more.
            if request.body().size_hint().upper().is_none_or(|most| most > FORM_LIMIT as u64) {
                DefaultBodyLimit::max(FORM_LIMIT).apply(&mut request);
            }
            let until = began + rules.limits.body_timeout;
            body_until = Some(until);
            request = request.map(|body| Body::new(BodyUntil { body, until }));
        }
        Self { answer: Answer::Expected(route.call(request)), body_until, until, timer: None }
    }
}

impl Future for Limited {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let this = self.get_mut();
        loop {
            match &mut this.answer {
                Answer::Given(response) => {
                    return Poll::Ready(response.take().expect("not polled after it was ready"));
                }
                Answer::Expected(route) => match catch_unwind(AssertUnwindSafe(|| Pin::new(route).poll(context))) {
                    Ok(Poll::Ready(Ok(response))) => return Poll::Ready(response),
                    Ok(Poll::Ready(Err(never))) => match never {},
                    Ok(Poll::Pending) => {}
                    Err(panic) => return Poll::Ready(answer_to_panic(panic)),
                },
            }
            let body_until = this.body_until.filter(|until| *until < this.until);
            let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(body_until.unwrap_or(this.until))));
            // Also when the route has used up what Tokio lets a task do in one go.
            ready!(pin!(unconstrained(timer.as_mut())).poll(context));
            if body_until.is_none() {
                tracing::error!("no answer in time");
                let message = "This takes too long now. Try again in a moment.\n";
                return Poll::Ready((StatusCode::SERVICE_UNAVAILABLE, message).into_response());
            }
            // Whoever still reads the body finds out now that it does not come.
            this.body_until = None;
            timer.as_mut().reset(this.until);
        }
    }
}

/// A body that fails when it has not come whole until then. It does not wake who reads it: the
/// timer of the request does.
struct BodyUntil {
    body: Body,
    until: Instant,
}

impl HttpBody for BodyUntil {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if Instant::now() >= self.until {
            let error = io::Error::new(io::ErrorKind::TimedOut, "the body did not come in time");
            return Poll::Ready(Some(Err(error.into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
/// to the API, the signature of a provider, or the proof in a link by which mail programs unsubscribe
/// their reader. Version 1 and OFREP look at tokens only, and say for
/// themselves what is wrong without one. The gate is asked by proxies, on behalf of requests of any
/// kind to other sites, and judges for itself what may count.
fn is_exempt(path: &str, headers: &HeaderMap) -> bool {
    let is_under = |root| is_under(root, path);
    is_under("/webhooks")
        || is_under("/unsubscribe")
        || path == "/gate"
        || is_under("/api/v1")
        || is_under("/ofrep")
        || (is_under("/api") && bearer_token(headers).is_some())
}

/// Refuses a request of another site, in the form in which the API tells its problems where it is
/// one to the API.
fn refusal(path: &str) -> Response {
    if !is_under("/api", path) {
        let message = "This came from another site and was refused. Open the page again and retry.\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    let problem = r#"{"status":403,"code":"other_site","title":"This came from another site and was refused. An app sends a token: Authorization: Bearer …."}"#;
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/problem+json")], problem).into_response()
}

fn is_under(root: &str, path: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
    use std::{future, time::Duration};

    use axum::{
        Router,
        routing::{get, post},
    };
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::platform::observability;

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
            .route("/ofrep/v1/evaluate/flags", post(|| async { "flags" }))
            .route("/gate", post(|| async { "open" }))
            .route("/gate/more", post(|| async { "nothing" }))
            .route("/api/analyze", post(|| async { "figures" }))
            .route("/unsubscribe/token", post(|| async { "done" }))
            .route("/webhooks/stripe", post(|| async { "thanks" }));
        router.layer(Guard::new(config, Clock::system(), Random::system()))
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
    async fn a_body_that_came_in_time_may_be_thought_about() {
        let thinks = |body: Bytes| async move {
            tokio::time::sleep(Duration::from_millis(60)).await;
            body
        };
        let hangs = |_: Bytes| future::pending::<()>();
        let mut config = online();
        config.server.body_timeout = Duration::from_millis(20);
        for (request_timeout, expected) in [(500, [200, 503]), (40, [503, 503]), (10, [503, 503])] {
            config.server.request_timeout = Duration::from_millis(request_timeout);
            let router = Router::new().route("/thinks", post(thinks)).route("/hangs", post(hangs));
            let router = router.layer(Guard::new(&config, Clock::system(), Random::system()));
            for (path, expected) in ["/thinks", "/hangs"].into_iter().zip(expected) {
                let mut request = request("POST", path, &[("sec-fetch-site", "same-origin")]);
                *request.body_mut() = Body::from("thought");
                let response = router.clone().oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
                assert_eq!(response.status().as_u16(), expected, "{path} {request_timeout}");
            }
        }
    }

    #[tokio::test]
    async fn requests_are_counted_under_the_pattern_of_their_route() {
        observability::start();
        let ok = || async {};
        let router = Router::new()
            .route("/counted-here/{id}", get(ok).post(ok))
            .route("/counted-there/{id}", get(ok))
            .merge(observability::routes(Some(Secret::new("letmein")), || future::ready(Ok(()))))
            .layer(Guard::new(&online(), Clock::system(), Random::system()));
        let send = async |method, path, headers: &[_]| {
            let response = router.clone().oneshot(request(method, path, headers)).await;
            let body = response.unwrap_or_else(|never: Infallible| match never {}).into_body();
            String::from_utf8(body.collect().await.expect("a body").to_bytes().to_vec()).expect("text")
        };
        for (method, path) in [
            ("GET", "/counted-here/1"),
            ("GET", "/counted-here/2"),
            ("POST", "/counted-here/1"),
            ("GET", "/counted-there/1"),
            ("DELETE", "/counted-there/1"),
            ("GET", "/counted-nowhere"),
        ] {
            send(method, path, &[("sec-fetch-site", "same-origin")]).await;
        }
        let text = send("GET", "/metrics", &[("authorization", "Bearer letmein")]).await;
        for line in [
            r#"http_requests_total{method="GET",route="/counted-here/{id}",status="200"} 2"#,
            r#"http_requests_total{method="POST",route="/counted-here/{id}",status="200"} 1"#,
            r#"http_requests_total{method="GET",route="/counted-there/{id}",status="200"} 1"#,
            r#"http_requests_total{method="DELETE",route="/counted-there/{id}",status="405"} 1"#,
            r#"http_requests_total{method="GET",route="none",status="404"}"#,
            r#"http_request_duration_seconds_count{route="/counted-here/{id}"} 3"#,
            r#"http_request_duration_seconds_count{route="/counted-there/{id}"} 2"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("counted-nowhere"), "{text}");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        for (size, expected) in [(FORM_LIMIT, 200), (FORM_LIMIT + 1, 413)] {
            let mut request = request("POST", "/", &[("sec-fetch-site", "same-origin")]);
            *request.body_mut() = Body::from(vec![b'x'; size]);
            assert_eq!(send(&online(), request).await.0.as_u16(), expected);
        }
        for (size, expected) in [(FORM_LIMIT, 200), (FORM_LIMIT + 1, 413)] {
            let mut request = request("POST", "/", &[("sec-fetch-site", "same-origin")]);
            *request.body_mut() = Body::new(OfUnknownLength(vec![b'x'; size]));
            assert_eq!(send(&online(), request).await.0.as_u16(), expected);
        }
    }

    /// A body that does not tell its length, as chunked ones do not.
    struct OfUnknownLength(Vec<u8>);

    impl HttpBody for OfUnknownLength {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let bytes = std::mem::take(&mut self.0);
            Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes.into()))))
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
        assert_eq!(status(&config, "POST", "/api/analyze", &[("authorization", "bearer abc"), cross]).await, 200);
        assert_eq!(status(&config, "POST", "/api/analyze", &[cross]).await, 403);
        assert_eq!(status(&config, "POST", "/api/analyze", &[("authorization", "Basic abc"), cross]).await, 403);
        // No cookie counts there.
        assert_eq!(status(&config, "POST", "/api/v1/check", &[cross]).await, 200);
        assert_eq!(status(&config, "POST", "/api/v1check", &[cross]).await, 403);
        assert_eq!(status(&config, "POST", "/ofrep/v1/evaluate/flags", &[cross]).await, 200);
        // Nor is anything but counting done there, of which it takes care.
        assert_eq!(status(&config, "POST", "/gate", &[cross]).await, 200);
        assert_eq!(status(&config, "POST", "/gate/more", &[cross]).await, 403);
        assert_eq!(status(&config, "POST", "/apis", &[("authorization", "Bearer abc")]).await, 403);
        assert_eq!(status(&config, "POST", "/webhooksy", &[]).await, 403);
        assert_eq!(status(&config, "POST", "/unsubscribe/token", &[cross]).await, 200);
        assert_eq!(status(&config, "POST", "/unsubscribed", &[cross]).await, 403);
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
