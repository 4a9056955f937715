//! The page for what went wrong.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use leptos::prelude::*;

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
/// read pages.
pub async fn with_error_pages(State(site): State<Site>, request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.method(), request.uri().path(), request.headers());
    let path = request.uri().path_and_query().filter(|_| *request.method() == Method::GET).map(ToString::to_string);
    let lang = site.cookies.lang(request.headers()).unwrap_or_else(|| accepted_lang(request.headers()));
    let response = next.run(request).await;
    let status = response.status();
    let is_wordless = !response.headers().contains_key(header::CONTENT_TYPE)
        || response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !wants_page || !is_wordless || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
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
    let mut page = frame::render(&site, &visit, status, frame, page).await;
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH && !page.headers().contains_key(name) {
            page.headers_mut().insert(name.clone(), value.clone());
        }
    }
    page
}

fn wants_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    accepts && *method != Method::HEAD && !path.starts_with("/api/") && !path.starts_with("/calls/")
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
