//! An app that hears what happened: it keeps what it is sent, and answers as it is told to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use vouchsafe::{
    domain::payment::Provider,
    jobs::Runner,
    platform::{env::Env, server},
    webhooks::signature::{self, Headers},
};

use super::TestApp;

/// Something that was sent.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    /// Returns a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Returns whether somebody with this secret believes it at a moment. The judge is the one that
    /// believes Polar, who signs alike; the vendors' own libraries agree with it.
    pub fn is_signed_with(&self, secret: &str, now: DateTime<Utc>) -> bool {
        let headers = Headers::find(|name| self.headers.get(name).map(|value| value.to_str().unwrap()));
        signature::verify(Provider::Polar, &[secret], &headers, self.body.as_bytes(), now).is_ok()
    }
}

/// How it answers.
type Told = (u16, Vec<(&'static str, String)>, String);

/// An app that listens.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<Told>>>,
    always: Arc<Mutex<Option<Told>>>,
}

impl Receiver {
    /// Starts one, and returns its address.
    pub async fn start() -> (Self, String) {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (receiver, url)
    }

    /// Answers the next request with this status.
    pub fn next(&self, status: u16) {
        self.next_with(status, &[], "");
    }

    /// Answers the next request like this.
    pub fn next_with(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.answers.lock().unwrap().push_back((status, headers, body.to_owned()));
    }

    /// Answers every request with this status, unless it was told otherwise about the next.
    pub fn always(&self, status: u16) {
        *self.always.lock().unwrap() = Some((status, Vec::new(), String::new()));
    }

    /// Returns what was sent, and forgets it.
    pub fn taken(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

async fn take(State(receiver): State<Receiver>, uri: axum::http::Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    receiver.received.lock().unwrap().push(Received { path: uri.path().to_owned(), headers, body });
    let next = receiver.answers.lock().unwrap().pop_front().or_else(|| receiver.always.lock().unwrap().clone());
    let (status, headers, body) = next.unwrap_or((200, Vec::new(), "thank you".to_owned()));
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

impl TestApp {
    /// The same program, which may call addresses inside its own network.
    pub fn reaching_inside(mut self) -> Self {
        let Env { db, clock, random, keys, config, .. } = self.env.clone();
        let mut config = (*config).clone();
        config.webhooks.allow_private = true;
        self.env = Env::new(db, clock, random, keys, config);
        self.router = server::router(self.env.clone()).unwrap();
        self.runner = Runner::new(self.env.clone()).unwrap();
        self
    }
}
