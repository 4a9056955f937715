//! Streams by which clients hear that they should ask again (server-sent events).
//!
//! An event says nothing but that. A browser cannot send a key along when it opens a stream, so the
//! address itself holds a proof that is good for this member and for some hours.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{FromRequestParts, Path, Query, Request},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    api::ofrep::Failure,
    domain::ids::UserId,
    platform::caller::{Site, encode_query},
    services::{
        entitlements,
        live::{self, Listener, Places, Watch},
    },
    store::StoreError,
};

/// How long a client may hide before it should close its stream.
pub(super) const INACTIVITY_DELAY_SECONDS: u32 = 120;
/// The time for which addresses are made. Each is good until the end of the next such time.
const WINDOW: i64 = 12 * 60 * 60;
/// Streams of one member: their tabs and devices.
const MOST_FOR_ONE: usize = 10;
/// How often something is sent, if only to find out who has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// When a client that was cut off should come back, in milliseconds.
const RETRY: u32 = 2_000;
/// When a client for which there is no place should come back, in seconds.
const RETRY_WHEN_FULL: i64 = 30;
/// How long to wait when the database did not say what is true now.
const RETRY_TO_READ: TimeDelta = TimeDelta::seconds(1);
/// Events that wait to be read. Each says the same, so more would be of no use.
const MOST_WAITING: usize = 4;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Returns the window of time that `now` lies in.
pub(super) fn window(now: DateTime<Utc>) -> u32 {
    u32::try_from(now.timestamp().div_euclid(WINDOW)).unwrap_or(0)
}

/// Returns the address at which a client hears of changes since `mark`.
pub(super) fn address(site: &Site, user: UserId, window: u32, mark: &str) -> String {
    let token = token(site, user, window);
    format!("{}/ofrep/v1/events/{token}?since={}", site.env.config.server.public_url, encode_query(mark))
}

fn token(site: &Site, user: UserId, window: u32) -> String {
    let mut token = [0; 36];
    token[..16].copy_from_slice(user.as_bytes());
    token[16..20].copy_from_slice(&window.to_be_bytes());
    token[20..].copy_from_slice(&site.env.keys.event_stream(user, window));
    BASE64_URL_SAFE_NO_PAD.encode(token)
}

/// Returns for whom a token is good, and until when; nothing if it is forged or too old.
fn read_token(site: &Site, token: &str, now: DateTime<Utc>) -> Option<(UserId, DateTime<Utc>)> {
    let token: [u8; 36] = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (user, rest) = token.split_first_chunk::<16>()?;
    let (window, proof) = rest.split_first_chunk::<4>()?;
    let (user, window) = (UserId::from(Uuid::from_bytes(*user)), u32::from_be_bytes(*window));
    let is_genuine: bool = site.env.keys.event_stream(user, window).as_slice().ct_eq(proof).into();
    let until = DateTime::from_timestamp((i64::from(window) + 2) * WINDOW, 0)?;
    (is_genuine && now < until).then_some((user, until))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Since {
    since: Option<String>,
}

/// `GET /ofrep/v1/events/{token}`
pub(super) async fn open(site: &Site, watch: &Watch, request: Request) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let Ok(Path(token)) = Path::<String>::from_request_parts(&mut parts, site).await else {
        return Err(Failure::Forbidden);
    };
    let Query(Since { since }) = Query::try_from_uri(&parts.uri).unwrap_or_default();
    let last_event = parts.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let (user, until) = read_token(site, &token, site.env.clock.now()).ok_or(Failure::Forbidden)?;
    // Before it is read what is true now: what changes afterwards is then heard of.
    let places = Places { all: site.env.config.ofrep.streams, for_one: MOST_FOR_ONE };
    let listener = watch.listen(&site.env, user, places).map_err(|_| Failure::TooMany(RETRY_WHEN_FULL))?;
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    let stream = Stream { site: site.clone(), user, until, listener, sender, mark: last_event.or(since) };
    let Some(first) = stream.read().await? else { return Err(Failure::Forbidden) };
    tokio::spawn(stream.run(first));
    let mut response = Response::new(Body::new(Events(receiver)));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        // nginx would otherwise collect events until they are worth sending.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response.into_response())
}

/// One client that listens.
struct Stream {
    site: Site,
    user: UserId,
    until: DateTime<Utc>,
    listener: Listener,
    sender: mpsc::Sender<Bytes>,
    /// What the client has seen, if it says so.
    mark: Option<String>,
}

/// What is true now.
struct Now {
    mark: String,
    next_change: Option<DateTime<Utc>>,
}

impl Stream {
    async fn read(&self) -> Result<Option<Now>, StoreError> {
        let now = self.site.env.clock.now();
        let known = entitlements::known(&self.site.env, self.user).await?;
        Ok(known.map(|known| Now { mark: live::mark(&known, now), next_change: live::next_change(&known, now) }))
    }

    /// Tells the client of changes until it goes, its address is too old, or the process ends.
    async fn run(mut self, first: Now) {
        let stopped = self.site.env.stopped();
        let mut stopped = std::pin::pin!(stopped);
        // Nothing happens to an event without data, but its id is kept and comes back as Last-Event-ID.
        let hello = format!("retry: {RETRY}\nid: {}\n\n", first.mark);
        if self.sender.send(hello.into()).await.is_err() {
            return;
        }
        let mark = self.mark.get_or_insert_with(|| first.mark.clone());
        let mut now = first;
        let mut is_behind = *mark != now.mark;
        loop {
            if is_behind && self.tell(&now.mark).await.is_err() {
                return;
            }
            let instant = self.site.env.clock.now();
            let next = now.next_change.map_or(self.until, |next| next.min(self.until));
            // To the full millisecond after it, or it would be just before.
            let wait = (next - instant + TimeDelta::milliseconds(1)).to_std().unwrap_or_default();
            tokio::select! {
                () = self.listener.changed() => {}
                () = tokio::time::sleep(wait.min(KEEP_ALIVE)) => {
                    if self.sender.send(Bytes::from_static(b":\n\n")).await.is_err() {
                        return;
                    }
                }
                () = self.sender.closed() => return,
                () = &mut stopped => return,
            }
            let instant = self.site.env.clock.now();
            if instant >= self.until {
                return;
            }
            let before = std::mem::take(&mut now.mark);
            now = match self.read().await {
                Ok(Some(now)) => now,
                Ok(None) => return,
                // Nothing is known to have changed; ask again soon. Whoever asks meanwhile logs why.
                Err(_) => Now { mark: before.clone(), next_change: Some(instant + RETRY_TO_READ) },
            };
            is_behind = now.mark != before;
        }
    }

    async fn tell(&self, mark: &str) -> Result<(), mpsc::error::SendError<Bytes>> {
        let data = json!({ "type": "refetchEvaluation", "etag": format!("\"{mark}\"") });
        self.sender.send(format!("id: {mark}\nevent: message\ndata: {data}\n\n").into()).await
    }
}

/// The body of a stream. It ends when nobody sends any longer; dropped, it ends who does.
struct Events(mpsc::Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
