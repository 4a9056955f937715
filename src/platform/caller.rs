//! Who is asking: proofs that a handler takes as arguments.
//!
//! A handler that takes a [`Member`] runs for members only, one that takes an [`Admin`] for
//! admins only. `Visit` is anybody.

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use leptos::{config::LeptosOptions, prelude::*};
use leptos_axum::ResponseOptions;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Deref,
    sync::Arc,
};

use crate::{
    calls::CallError,
    components::{Complaint, ConflictForm, ReviewForm},
    domain::{
        lang::Lang,
        matrix::{CellChange, Review},
        user::Role,
    },
    platform::{assets::Assets, cookies::Cookies, env::Env, network},
    services::{Origin, activity, matrix::CommitError, sessions, sessions::Identity},
    store::StoreError,
    words,
};

/// What every handler can reach. It is cloned several times for each request, so it is one pointer.
#[derive(Debug, Clone)]
pub struct Site(Arc<Rooms>);

impl Site {
    /// Puts it together.
    pub fn new(rooms: Rooms) -> Self {
        Self(Arc::new(rooms))
    }
}

impl Deref for Site {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

/// The parts of a [`Site`].
#[derive(Debug)]
pub struct Rooms {
    /// The world of the services.
    pub env: Env,
    /// Scripts, styles, fonts.
    pub assets: Assets,
    /// What Leptos needs to know to write its script tags.
    pub leptos: LeptosOptions,
    /// The cookies.
    pub cookies: Cookies,
}

/// A request, with who sent it as far as is known.
#[derive(Debug, Clone)]
pub struct Visit {
    /// From where, and in which language.
    pub origin: Origin,
    /// As whom the browser is signed in.
    pub identity: Option<Identity>,
    /// Path and query, to come back to; nothing for a form, which cannot be opened again.
    pub path: Option<String>,
    /// The headers, for cookies.
    pub headers: HeaderMap,
}

/// Why a request is not served.
#[derive(Debug)]
pub enum Refused {
    /// Sign in first, then come back to the path, or to the start.
    SignIn(Option<String>),
    /// Not for this visitor: for them there is no such page.
    NotFound,
    /// The database failed.
    Failed(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(None) => Redirect::to("/login").into_response(),
            Self::SignIn(Some(path)) => Redirect::to(&format!("/login?next={}", encode_query(&path))).into_response(),
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Failed(error) => failed(&error),
        }
    }
}

/// Logs a failure of the database that a request met.
pub fn log_failure(error: &StoreError) {
    tracing::error!(error = %error, "a request failed");
}

/// Answers a failure of the database: 503 when it may pass, 500 otherwise. Logged here, once.
pub fn failed(error: &StoreError) -> Response {
    log_failure(error);
    if error.is_temporary() {
        let wait = [(header::RETRY_AFTER, HeaderValue::from_static("2"))];
        return (StatusCode::SERVICE_UNAVAILABLE, wait).into_response();
    }
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Writes a text so that it can stand in a query.
pub fn encode_query(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Browsers say what they are at any length; this much is kept.
const LONGEST_USER_AGENT: usize = 200;

impl FromRequestParts<Site> for Visit {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Refused> {
        let identity = match site.cookies.session(&parts.headers) {
            Some(token) => sessions::identify(&site.env, &token).await?,
            None => None,
        };
        let lang = identity
            .as_ref()
            .map(|identity| identity.user.lang)
            .or_else(|| site.cookies.lang(&parts.headers))
            .unwrap_or_else(|| accepted_lang(&parts.headers));
        let path = parts.uri.path_and_query().filter(|_| parts.method == Method::GET);
        Ok(Self {
            origin: origin(site, parts, lang),
            identity,
            path: path.map(ToString::to_string),
            headers: parts.headers.clone(),
        })
    }
}

/// Returns the language that a browser asks for.
pub fn accepted_lang(headers: &HeaderMap) -> Lang {
    headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|header| header.to_str().ok())
        .and_then(Lang::from_accept_language)
        .unwrap_or_default()
}

fn origin(site: &Site, parts: &Parts, lang: Lang) -> Origin {
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let address = network::client_address(&parts.headers, peer, &site.env.config.server.trusted_proxies);
    let user_agent = parts
        .headers
        .get(header::USER_AGENT)
        .map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned())
        .unwrap_or_default();
    Origin {
        address,
        network: network::network_of(address),
        user_agent: user_agent.chars().filter(|c| !c.is_control()).take(LONGEST_USER_AGENT).collect(),
        lang,
    }
}

/// Answers a request of a page, or of an app. What is logged meanwhile says where it came from.
pub async fn from_outside(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let origin = origin(&site, &parts, Lang::default());
    activity::within(&origin, next.run(Request::from_parts(parts, body))).await
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Member {
    /// The request.
    pub visit: Visit,
    /// Who they are.
    pub identity: Identity,
}

impl FromRequestParts<Site> for Member {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Refused> {
        let visit = Visit::from_request_parts(parts, site).await?;
        match visit.identity.clone() {
            Some(identity) => Ok(Self { visit, identity }),
            None => Err(Refused::SignIn(visit.path)),
        }
    }
}

/// Somebody who is signed in as an admin. For members the page does not exist.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The request.
    pub visit: Visit,
    /// Who they are.
    pub identity: Identity,
}

impl FromRequestParts<Site> for Admin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Refused> {
        let Member { visit, identity } = Member::from_request_parts(parts, site).await?;
        match identity.user.role {
            Role::Admin => Ok(Self { visit, identity }),
            Role::Member => Err(Refused::NotFound),
        }
    }
}

/// Returns the world and the admin on whose behalf a server function runs.
pub async fn admin_of_call() -> Result<(Env, Identity), CallError> {
    let site = use_context::<Site>().ok_or(CallError::Unavailable)?;
    let mut parts = use_context::<Parts>().ok_or(CallError::Unavailable)?;
    match Admin::from_request_parts(&mut parts, &site).await {
        Ok(admin) => Ok((site.env.clone(), admin.identity)),
        Err(Refused::Failed(error)) => Err(unavailable(&error)),
        Err(Refused::SignIn(_) | Refused::NotFound) => {
            set_status(StatusCode::FORBIDDEN);
            Err(CallError::NotAllowed)
        }
    }
}

/// Writes the form in which changes are reviewed.
pub fn review_form(lang: Lang, review: Review, changes: Vec<CellChange>, complaint: Complaint) -> String {
    view! { <ReviewForm review changes complaint lang /> }.to_html()
}

/// Refuses a call until its form is filled in again.
pub fn ask_again(html: String) -> CallError {
    set_status(StatusCode::UNPROCESSABLE_ENTITY);
    CallError::Dialog { html }
}

/// Answers a call about a letter that does not exist. No page asks for one.
pub fn no_such_letter() -> CallError {
    set_status(StatusCode::NOT_FOUND);
    CallError::Unavailable
}

/// Puts a refused change of the matrix on the wire, with its status.
pub fn refuse_commit(lang: Lang, error: CommitError, changes: Vec<CellChange>) -> CallError {
    match error {
        CommitError::Change(error) => {
            set_status(StatusCode::UNPROCESSABLE_ENTITY);
            CallError::Said { message: words::change_error(lang, &error) }
        }
        CommitError::Conflicts(conflicts) => {
            set_status(StatusCode::CONFLICT);
            CallError::Dialog { html: view! { <ConflictForm conflicts changes lang /> }.to_html() }
        }
        CommitError::NoSuchChange => {
            set_status(StatusCode::NOT_FOUND);
            CallError::Said { message: words::no_such_change(lang).to_owned() }
        }
        CommitError::Store(error) => unavailable(&error),
    }
}

fn unavailable(error: &StoreError) -> CallError {
    set_status(failed(error).status());
    CallError::Unavailable
}

fn set_status(status: StatusCode) {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.set_status(status);
    }
}
