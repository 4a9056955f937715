//! Bodies, queries and answers: JSON in, JSON out, and a problem for what cannot be read.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::Problem,
    platform::{caller::Site, guard::API_LIMIT},
};

/// A body in JSON.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Site> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Problem> {
        let bytes = read(request).await?;
        // An absent body is an empty object, for calls in which everything is optional.
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(bytes).map(Self).map_err(|error| {
            let title = format!("The body cannot be read: {error}.");
            if error.is_data() {
                Problem::unprocessable("invalid_body", title)
            } else {
                Problem::new(StatusCode::BAD_REQUEST, "invalid_json", title)
            }
        })
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    Limited::new(request.into_body(), API_LIMIT).collect().await.map(|body| body.to_bytes()).map_err(|error| {
        if error.is::<LengthLimitError>() {
            let title = format!("A body has at most {API_LIMIT} bytes.");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", title)
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "The body did not come completely.")
        }
    })
}

/// The parameters behind the `?`.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Site> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(parameters)| Self(parameters))
            .map_err(|error| Problem::unprocessable("invalid_parameter", format!("The query cannot be read: {error}.")))
    }
}

/// Something in the path.
#[derive(Debug)]
pub struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Site> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        Path::from_request_parts(parts, site)
            .await
            .map(|Path(part)| Self(part))
            .map_err(|_| Problem::not_found("not_found", "There is nothing with that id."))
    }
}

/// An answer in JSON.
#[derive(Debug)]
pub struct Answer<T>(pub T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        json(&self.0)
    }
}

/// Writes an answer.
pub fn json<T: Serialize>(value: &T) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(value).expect("an answer is plain JSON")));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Writes an answer that a client may keep until its version changes, or says that what it has is
/// still right.
pub fn versioned<T: Serialize>(headers: &HeaderMap, version: i64, value: &T) -> Response {
    let tag = format!("\"{version}\"");
    let tag = HeaderValue::from_str(&tag).expect("a number is ASCII");
    let mut response = if is_known(headers, &tag) { StatusCode::NOT_MODIFIED.into_response() } else { json(value) };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// Returns whether a client has that version already. Tags are accepted quoted, bare and weak.
pub fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    let Some(known) = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()) else { return false };
    let tag = bare(tag.to_str().unwrap_or_default());
    known.split(',').any(|known| known.trim() == "*" || bare(known) == tag)
}

/// The most items on a page.
pub const LONGEST_PAGE: i64 = 100;

/// Which page of a list.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// What `next_cursor` of the page before said; nothing for the first page.
    pub cursor: Option<String>,
    /// How many items, from 1 to 100; 50 without it.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<i64>,
}

impl PageParameters {
    /// Returns how many items to fetch: one more than the page holds, to know whether there are
    /// more.
    pub fn count(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(50) {
            count if (1..=LONGEST_PAGE).contains(&count) => Ok(count),
            _ => Err(Problem::unprocessable("invalid_parameter", "limit is between 1 and 100.")),
        }
    }

    /// Returns where the page begins.
    pub fn cursor<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let parse = |cursor: &String| {
            cursor.parse().map_err(|_| Problem::unprocessable("invalid_parameter", "cursor is what next_cursor said."))
        };
        self.cursor.as_ref().map(parse).transpose()
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of what was fetched, which is one more than `count` if there is another page.
    pub fn new<R>(mut rows: Vec<R>, count: i64, cursor: impl Fn(&R) -> String, item: impl Fn(R) -> T) -> Self {
        let count = usize::try_from(count).unwrap_or(0);
        let more = rows.len() > count;
        rows.truncate(count);
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Self { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}
