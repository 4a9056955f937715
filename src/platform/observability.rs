//! What operators and their machines ask: is it alive, is it ready, how much does it do?

use std::{fs, future::Future, net::SocketAddr, sync::OnceLock, thread, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, State},
    http::{Extensions, HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{
    config::Secret,
    platform::{env::Env, guard::bears},
    store::migrations,
};

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";
const MEMORY: &str = "process_resident_memory_bytes";
/// Upper bounds of the classes of durations, in seconds.
const DURATION_BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// How often single durations are summed up, which frees their memory.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long the database may take to answer before the program calls itself not ready.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// Why requests should not be sent here now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The database gives no answer, or not in time.
    #[error("the database does not answer")]
    Database,
    /// Its schema lacks a step.
    #[error("migrations are missing")]
    Migrations,
}

/// Returns whether requests can be answered: the database speaks, and its schema is current.
pub async fn readiness(env: &Env) -> Result<(), NotReady> {
    let check = async {
        env.db.ping().await.ok()?;
        migrations::is_current(&env.db).await.ok()
    };
    match tokio::time::timeout(READY_WITHIN, check).await {
        Ok(Some(true)) => Ok(()),
        Ok(Some(false)) => Err(NotReady::Migrations),
        Ok(None) | Err(_) => Err(NotReady::Database),
    }
}

/// Returns the routes `/healthz`, `/readyz` and `/metrics`.
///
/// `/healthz` says only that the process answers: a broken database is no reason to restart it.
/// `/metrics` needs the admin token; without one configured, only this machine may read it, and not
/// through a proxy.
pub fn routes<S, Check, Answer>(admin_token: Option<Secret>, ready: Check) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Check: Fn() -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Result<(), NotReady>> + Send,
{
    let readyz = move || async move {
        match ready().await {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .with_state(admin_token)
}

/// The figures of one route, looked up once: by name that costs more than many an answer.
#[derive(Debug)]
pub struct Figures {
    route: String,
    durations: Histogram,
    counts: OnceLock<Box<Count>>,
}

/// How often a route answered one method with one status, and the next such pair. What was added
/// once stays, so that none needs a lock; there are few.
#[derive(Debug)]
struct Count {
    method: &'static str,
    status: StatusCode,
    counter: Counter,
    next: OnceLock<Box<Count>>,
}

impl Figures {
    /// Returns the figures of a route. `route` is the pattern, never the path: every path ever
    /// asked for would be kept. Before [`start`] they count nothing, and never will.
    pub fn of(route: &str) -> Self {
        let durations = metrics::histogram!(DURATION, "route" => route.to_owned());
        Self { route: route.to_owned(), durations, counts: OnceLock::new() }
    }

    /// Returns the pattern of the route.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Counts one answered request.
    pub fn count(&self, method: &Method, status: StatusCode, elapsed: Duration) {
        let method = usual(method);
        let mut place = &self.counts;
        loop {
            let count = place.get_or_init(|| Box::new(Count::new(&self.route, method, status)));
            if count.method == method && count.status == status {
                count.counter.increment(1);
                break;
            }
            place = &count.next;
        }
        self.durations.record(elapsed);
    }
}

impl Count {
    fn new(route: &str, method: &'static str, status: StatusCode) -> Self {
        let labels =
            [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
        Self { method, status, counter: metrics::counter!(REQUESTS, &labels), next: OnceLock::new() }
    }
}

/// Starts collecting figures in this process; what is counted before is lost. May be called again.
pub fn start() {
    recorder();
}

async fn metrics_page(
    State(admin_token): State<Option<Secret>>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    if !may_read_metrics(admin_token.as_ref(), &headers, peer) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let figures = recorder();
    if let Some(bytes) = resident_memory() {
        metrics::gauge!(MEMORY).set(bytes);
    }
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], figures.render()).into_response()
}

fn may_read_metrics(admin_token: Option<&Secret>, headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    if let Some(token) = admin_token {
        return bears(headers, token);
    }
    let came_by_proxy = headers.keys().any(|name| {
        let name = name.as_str();
        matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
    });
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) && !came_by_proxy
}

/// Returns the collector of this process, which there can be only one of.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &DURATION_BOUNDS)
            .expect("there are bounds")
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("figures are already collected elsewhere; /metrics stays empty");
        }
        metrics::describe_counter!(REQUESTS, "Answered requests, by method, pattern of the route and status.");
        metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "Time to the answer, by pattern of the route.");
        metrics::describe_gauge!(MEMORY, metrics::Unit::Bytes, "Memory of the process that is in RAM.");
        let kept = handle.clone();
        let upkeep = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            loop {
                thread::sleep(UPKEEP);
                kept.run_upkeep();
            }
        });
        if let Err(error) = upkeep {
            tracing::error!(%error, "figures are summed up only when they are read");
        }
        handle
    })
}

/// Returns a method as a label. A client may send any word, and every word would be kept.
fn usual(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Returns the bytes of RAM that the process holds; `None` where the system does not tell as Linux
/// does. `/proc/self/statm` has the same figure in pages, of a size that it does not tell.
fn resident_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future};

    use axum::{body::Body, extract::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    const HERE: &str = "127.0.0.1:5000";

    async fn fetch(
        (token, ready): (Option<&str>, Result<(), NotReady>),
        path: &str,
        headers: &[(&str, &str)],
        peer: Option<&str>,
    ) -> (u16, String) {
        let request = Request::builder().uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(Body::empty()).expect("a request");
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().expect("an address")));
        }
        let routes: Router = routes(token.map(Secret::new), move || future::ready(ready));
        let response: Result<Response, Infallible> = routes.oneshot(request).await;
        let response = response.expect("infallible");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn health_is_constant_and_readiness_says_what_is_missing() {
        for ready in [Ok(()), Err(NotReady::Database)] {
            assert_eq!(fetch((None, ready), "/healthz", &[], None).await, (200, "ok\n".into()));
        }
        assert_eq!(fetch((None, Ok(())), "/readyz", &[], None).await, (200, "ready\n".into()));
        let (status, text) = fetch((None, Err(NotReady::Migrations)), "/readyz", &[], None).await;
        assert_eq!((status, text.as_str()), (503, "migrations are missing\n"));
        assert_eq!(fetch((None, Err(NotReady::Database)), "/readyz", &[], None).await.0, 503);
    }

    #[tokio::test]
    async fn figures_need_the_admin_token() {
        let app = (Some("letmein"), Ok(()));
        for (authorization, expected) in [
            ("Bearer letmein", 200),
            ("bearer letmein", 200),
            ("Bearer letmeinn", 404),
            ("Bearer letmei", 404),
            ("Bearer ", 404),
            ("Basic letmein", 404),
            ("letmein", 404),
        ] {
            let (status, _) = fetch(app, "/metrics", &[("authorization", authorization)], Some(HERE)).await;
            assert_eq!(status, expected, "{authorization}");
        }
        assert_eq!(fetch(app, "/metrics", &[], Some(HERE)).await.0, 404);
    }

    #[tokio::test]
    async fn without_a_token_figures_stay_on_this_machine() {
        let app = (None, Ok(()));
        for peer in [HERE, "[::1]:5000", "[::ffff:127.0.0.1]:5000"] {
            assert_eq!(fetch(app, "/metrics", &[], Some(peer)).await.0, 200, "{peer}");
        }
        assert_eq!(fetch(app, "/metrics", &[], Some("198.51.100.1:5000")).await.0, 404);
        assert_eq!(fetch(app, "/metrics", &[], None).await.0, 404);
        for sign in ["x-forwarded-for", "forwarded", "x-forwarded-proto", "x-real-ip", "via"] {
            assert_eq!(fetch(app, "/metrics", &[(sign, "127.0.0.1")], Some(HERE)).await.0, 404, "{sign}");
        }
    }

    #[tokio::test]
    async fn requests_are_counted_by_pattern() {
        start();
        start();
        let elapsed = Duration::from_millis(3);
        let odd = Method::from_bytes(b"ODD").expect("a method");
        let figures = Figures::of("/counted/{id}");
        figures.count(&Method::GET, StatusCode::OK, elapsed);
        figures.count(&odd, StatusCode::NOT_FOUND, elapsed);
        // The same route, found again, and the same figure, found again.
        for figures in [&Figures::of("/counted/{id}"), &figures] {
            figures.count(&Method::POST, StatusCode::OK, elapsed);
        }
        let (_, text) = fetch((None, Ok(())), "/metrics", &[], Some(HERE)).await;
        for line in [
            r#"http_requests_total{method="GET",route="/counted/{id}",status="200"} 1"#,
            r#"http_requests_total{method="POST",route="/counted/{id}",status="200"} 2"#,
            r#"http_requests_total{method="other",route="/counted/{id}",status="404"} 1"#,
            r#"http_request_duration_seconds_bucket{route="/counted/{id}",le="0.0025"} 0"#,
            r#"http_request_duration_seconds_bucket{route="/counted/{id}",le="0.005"} 4"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }
}
