//! Bodies, queries and answers: JSON in, JSON out, and a problem for what cannot be read.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error, IgnoredAny, Unexpected},
};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::Problem,
    platform::{caller::Site, guard::API_LIMIT},
};

/// A body in JSON, of at most so many bytes.
#[derive(Debug)]
pub struct JsonBody<T, const MOST: usize = API_LIMIT>(pub T);

impl<T: DeserializeOwned, const MOST: usize> FromRequest<Site> for JsonBody<T, MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Problem> {
        let bytes = read(request, MOST).await?;
        // An absent body is `null`: an `Option` takes it, an object does not.
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        // An array would be read as an object without names.
        let is_array = bytes.trim_ascii_start().starts_with(b"[");
        let read = if is_array { Err(no_object(bytes)) } else { serde_json::from_slice(bytes).map(Self) };
        read.map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let title = format!("The body cannot be read: {error}.");
    if error.is_data() {
        Problem::unprocessable("invalid_body", title)
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_json", title)
    }
}

/// A body that is a list of objects in JSON.
#[derive(Debug)]
pub struct JsonList<T>(pub Vec<T>);

impl<T: DeserializeOwned> FromRequest<Site> for JsonList<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Problem> {
        let bytes = read(request, API_LIMIT).await?;
        let elements: Vec<Value> = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
        let object = |element: Value| match element {
            // An array would be read as an object without names.
            Value::Array(_) => Err(no_object(b"[]")),
            element => serde_json::from_value(element),
        };
        elements.into_iter().map(object).collect::<Result<_, _>>().map(Self).map_err(|error| unreadable(&error))
    }
}

fn no_object(bytes: &[u8]) -> serde_json::Error {
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => serde_json::Error::invalid_type(Unexpected::Seq, &"an object"),
        Err(error) => error,
    }
}

async fn read(request: Request, most: usize) -> Result<Bytes, Problem> {
    Limited::new(request.into_body(), most).collect().await.map(|body| body.to_bytes()).map_err(|error| {
        if error.is::<LengthLimitError>() {
            let title = format!("A body has at most {most} bytes.");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", title)
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "The body did not come completely.")
        }
    })
}

/// Reads a member of a body that must be there, even if it may be `null`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer)
}

/// Reads an instant (RFC 3339) to the microsecond, which is what databases keep. Years have four
/// digits there.
pub fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let instant = DateTime::parse_from_rfc3339(&text).ok().map(|instant| instant.to_utc().trunc_subsecs(6));
    let instant = instant.filter(|instant| (0..=9999).contains(&instant.year()));
    instant.map(Some).ok_or_else(|| D::Error::custom(format!("{text:?} is no time as 2026-12-31T23:59:59Z")))
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

/// How long most answers are not: they are written without moving what is written already.
const SHORT_ANSWER: usize = 512;

/// Writes an answer.
pub fn json<T: Serialize>(value: &T) -> Response {
    let mut text = Vec::with_capacity(SHORT_ANSWER);
    serde_json::to_writer(&mut text, value).expect("an answer is plain JSON");
    let mut response = Response::new(Body::from(text));
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

/// Reads a text that people wrote about something: trimmed, `None` if there is none.
pub fn note<'a>(name: &str, text: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > LONGEST_NOTE || text.chars().any(char::is_control)) {
        let title = format!("{name} has at most {LONGEST_NOTE} characters, without control characters.");
        return Err(Problem::unprocessable("invalid_text", title));
    }
    Ok(text)
}

/// The longest note or search, in characters.
pub const LONGEST_NOTE: usize = 500;

/// Returns whether a client has that version already. Tags are accepted quoted, bare and weak.
pub fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    let Some(known) = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()) else { return false };
    let tag = bare(tag.to_str().unwrap_or_default());
    known.split(',').any(|known| known.trim() == "*" || bare(known) == tag)
}

/// As what a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As JSON.
    Json,
    /// As a file that spreadsheets read.
    Csv,
}

/// As what the answer is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FormatParameters {
    /// `csv` is a file that spreadsheets read; `json` without it.
    #[param(inline, example = "csv")]
    format: Option<Format>,
}

impl FormatParameters {
    /// Returns whether a file for spreadsheets is asked for.
    pub fn is_csv(&self) -> bool {
        self.format == Some(Format::Csv)
    }
}

/// Answers with a file.
pub fn file(content_type: &'static str, name: &str, content: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, content_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)], content)
        .into_response()
}

/// The type of a file that spreadsheets read.
pub const CSV: &str = "text/csv; charset=utf-8";

/// The most items on a page.
pub const LONGEST_PAGE: i64 = 100;

/// Which page of a list.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// What `next_cursor` of the page before said; nothing for the first page.
    #[param(format = Uuid)]
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
    /// Makes the only page of a list that is short.
    pub fn all(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// Makes a page of what was fetched, which is one more than `count` if there is another page.
    pub fn new<R>(mut rows: Vec<R>, count: i64, cursor: impl Fn(&R) -> String, item: impl Fn(R) -> T) -> Self {
        let count = usize::try_from(count).unwrap_or(0);
        let more = rows.len() > count;
        rows.truncate(count);
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Self { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}
