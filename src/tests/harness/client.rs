//! An app that asks the API: sends its key and JSON, reads JSON.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use chrono::TimeDelta;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use vouchsafe::{
    domain::{api_key::Scopes, ids::UserId},
    services::{
        api_keys::{self, NewApiKey},
        members,
    },
};

use super::{ADMIN_TOKEN, TestApp, description::assert_described};

/// An app with its key.
#[derive(Clone)]
pub struct Client {
    router: Router,
    pub token: Option<String>,
    headers: Vec<(String, String)>,
}

/// What it got.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl TestApp {
    /// An app with this token, or none.
    pub fn client(&self, token: Option<&str>) -> Client {
        Client { router: self.router.clone(), token: token.map(str::to_owned), headers: Vec::new() }
    }

    /// An app with the operator's token.
    pub fn operator(&self) -> Client {
        self.client(Some(ADMIN_TOKEN))
    }

    /// An app with a new key of these scopes.
    pub async fn app_with(&self, scopes: &str) -> Client {
        self.client(Some(&self.new_key(scopes, None).await))
    }

    /// A browser's app with a new key that is bound to one user and may check and consume.
    pub async fn app_of(&self, user: &str) -> Client {
        let user = members::find(&self.env, user).await.unwrap().unwrap();
        self.client(Some(&self.new_key("check consume", Some(user.id)).await))
    }

    async fn new_key(&self, scopes: &str, user: Option<UserId>) -> String {
        let new = NewApiKey {
            name: format!("the {scopes} key"),
            scopes: scopes.parse::<Scopes>().unwrap(),
            user,
            expires_at: user.map(|_| self.env.clock.now() + TimeDelta::days(1)),
        };
        api_keys::create(&self.env, new, "operator").await.unwrap().1
    }
}

impl Client {
    /// Asks another node.
    pub fn at(self, router: Router) -> Self {
        Self { router, ..self }
    }

    /// Sends a header with every request from now on.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "").await
    }

    /// Sends any body; an empty one is none.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<String>) -> Answer {
        let body = body.into();
        let mut request = Request::builder().method(method.clone()).uri(path);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        assert_described(&method, path, answer.status, answer.header("content-type"), &answer.body);
        answer
    }

    /// Reads a list from its first page to its last, so many items a page.
    pub async fn all_pages(&self, path: &str, a_page: usize) -> Vec<Value> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{mark}limit={a_page}{cursor}")).await.ok();
            let found = page["items"].as_array().unwrap();
            assert!(found.len() <= a_page, "{page}");
            items.extend(found.iter().cloned());
            assert!(items.len() < 1_000, "the list does not end");
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

impl Answer {
    /// Returns the JSON of an answer that is good.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Returns the problem of an answer that is none, after a look at its form.
    #[track_caller]
    pub fn problem(&self) -> (u16, String) {
        let status = self.status.as_u16();
        assert!((400..600).contains(&status), "{status} {}", self.body);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.body);
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].as_str().is_some_and(|title| title.ends_with('.')), "{problem}");
        (status, problem["code"].as_str().unwrap().to_owned())
    }

    /// Asserts that an answer is this problem.
    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(self.problem(), (status, code.to_owned()), "{}", self.body);
    }

    /// Returns a header as text; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
