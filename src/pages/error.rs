//! The page for what went wrong.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::Response,
};
use leptos::prelude::*;
use tower::{Layer, Service};

use crate::{
    domain::lang::Lang,
    pages::frame::{self, Frame, Width},
    platform::{
        caller::{Site, Visit, accepted_lang},
        guard::REQUEST_ID,
    },
    services::Origin,
    words,
};

/// Gives every error without words of its own a page that says what to do next, for those who
/// read pages. Everybody else's requests pass untouched.
#[derive(Debug, Clone)]
pub struct ErrorPages(Arc<Site>);

impl ErrorPages {
    /// Returns the layer that makes these pages.
    pub fn new(site: Site) -> Self {
        Self(Arc::new(site))
    }
}

impl<S> Layer<S> for ErrorPages {
    type Service = WithErrorPages<S>;

    fn layer(&self, inner: S) -> WithErrorPages<S> {
        WithErrorPages { site: self.0.clone(), inner }
    }
}

/// A service whose errors become pages.
#[derive(Debug, Clone)]
pub struct WithErrorPages<S> {
    site: Arc<Site>,
    inner: S,
}

impl<S> Service<Request> for WithErrorPages<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + Unpin + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = MaybePage<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> MaybePage<S::Future> {
        if !wants_page(request.method(), request.uri().path(), request.headers()) {
            return MaybePage::Untouched(self.inner.call(request));
        }
        let site = self.site.clone();
        let path = request.uri().path_and_query().filter(|_| *request.method() == Method::GET).map(ToString::to_string);
        let lang = site.cookies.lang(request.headers()).unwrap_or_else(|| accepted_lang(request.headers()));
        let response = self.inner.call(request);
        MaybePage::Page(Box::pin(async move {
            let Ok(response) = response.await;
            Ok(if is_wordless_error(&response) { page_for(&site, path, lang, response).await } else { response })
        }))
    }
}

/// An answer, as it is or as a page.
pub enum MaybePage<F> {
    /// For who reads no pages.
    Untouched(F),
    /// For who does.
    Page(Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>),
}

impl<F: Future<Output = Result<Response, Infallible>> + Unpin> Future for MaybePage<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Untouched(answer) => Pin::new(answer).poll(context),
            Self::Page(answer) => answer.as_mut().poll(context),
        }
    }
}

fn is_wordless_error(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_wordless = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    is_wordless && (status.is_client_error() || status.is_server_error())
}

async fn page_for(site: &Site, path: Option<String>, lang: Lang, response: Response) -> Response {
    let status = response.status();
    // Who is asking is not looked up: the database may be what failed.
    let visit = Visit {
        origin: Origin {
            address: std::net::Ipv4Addr::UNSPECIFIED.into(),
            network: String::new(),
            user_agent: String::new(),
            lang,
        },
        identity: None,
        path,
        headers: HeaderMap::new(),
    };
    let (title, hint) = say(lang, status);
    let number = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let number = number.filter(|_| status == StatusCode::INTERNAL_SERVER_ERROR);
    let frame = Frame { title, address: "/", width: Width::Tiny, section: None, islands: false };
    let page = move || {
        view! {
            <div class="sheet stack">
                <div>
                    <h1>{title}</h1>
                    <p class="soft">{hint}</p>
                    {number.clone().map(|number| view! { <p><code>{number}</code></p> })}
                </div>
                <div class="row"><a class="btn" href="/">{words::to_start(lang)}</a></div>
            </div>
        }
    };
    let mut page = frame::render(site, &visit, status, frame, page).await;
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH && !page.headers().contains_key(name) {
            page.headers_mut().insert(name.clone(), value.clone());
        }
    }
    page
}

/// Where nobody reads pages, whatever they say they accept: programs ask here, and get problems as
/// they understand them.
const FOR_PROGRAMS: [&str; 5] = ["/api", "/calls", "/gate", "/healthz", "/ofrep"];

fn wants_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    let is_under = |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    accepts && *method != Method::HEAD && !FOR_PROGRAMS.iter().any(is_under)
}

fn say(lang: Lang, status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => (words::not_found(lang), words::not_found_hint(lang)),
        StatusCode::FORBIDDEN => (words::refused(lang), words::refused_hint(lang)),
        StatusCode::PAYLOAD_TOO_LARGE => (words::too_large(lang), words::bad_request_hint(lang)),
        StatusCode::TOO_MANY_REQUESTS => (words::too_many(lang), words::too_many_hint(lang)),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => {
            (words::unavailable(lang), words::unavailable_hint(lang))
        }
        status if status.is_client_error() => (words::bad_request(lang), words::bad_request_hint(lang)),
        _ => (words::failed(lang), words::failed_hint(lang)),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_readers_of_pages_get_pages() {
        let mut headers = HeaderMap::new();
        assert!(!wants_page(&Method::GET, "/nowhere", &headers));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8"));
        for path in ["/", "/nowhere", "/apis", "/gates"] {
            assert!(wants_page(&Method::POST, path, &headers), "{path}");
            assert!(!wants_page(&Method::HEAD, path, &headers), "{path}");
        }
        for path in ["/api", "/api/v1/check", "/calls/commit", "/gate", "/healthz", "/ofrep/v1/evaluate/flags"] {
            assert!(!wants_page(&Method::GET, path, &headers), "{path}");
        }
    }
}
