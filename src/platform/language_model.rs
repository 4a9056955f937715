//! A language model behind the chat call that many servers share (`POST …/chat/completions`, as
//! OpenAI documents it). What it writes is not trusted: it is text, and shown as text.

use std::time::Duration;

use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::LanguageModelConfig,
    platform::http_client::{self, BodyError},
};

/// The most bytes of an answer.
const LONGEST_ANSWER: usize = 256 * 1024;
/// How long to wait before the second try when the server does not say.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest that a server may make us wait: then a person waits, too.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a model did not answer. No message holds the key or what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not in time, twice.
    #[error("the language model did not answer in time")]
    Timeout,
    /// It is not there.
    #[error("the language model was not reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// It answered with an error.
    #[error("the language model answered with {0}")]
    Refused(StatusCode),
    /// Its answer holds no words.
    #[error("the answer of the language model holds no words")]
    Unreadable,
    /// Its answer has no end.
    #[error("the answer of the language model is too long")]
    TooLong,
}

impl ModelError {
    /// Returns whether it only took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }
}

/// What a failed try was, and whether another may help.
struct Failure {
    error: ModelError,
    /// How long to wait for the second try; nothing if it would not help.
    retry_after: Option<Duration>,
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let may_help = matches!(error, ModelError::Timeout | ModelError::Unreachable(_));
        Self { error, retry_after: may_help.then_some(PAUSE) }
    }
}

/// Asks the model and returns its words. Tries twice where the first failure may pass: no
/// connection, no answer in time, 429, 5xx.
pub async fn complete(model: &LanguageModelConfig, system: &str, user: &str) -> Result<String, ModelError> {
    match try_once(model, system, user).await {
        Ok(words) => Ok(words),
        Err(Failure { error, retry_after: None }) => Err(error),
        Err(Failure { error, retry_after: Some(pause) }) => {
            tracing::info!(%error, "the language model is asked once more");
            tokio::time::sleep(pause).await;
            try_once(model, system, user).await.map_err(|failure| failure.error)
        }
    }
}

async fn try_once(model: &LanguageModelConfig, system: &str, user: &str) -> Result<String, Failure> {
    match tokio::time::timeout(model.timeout, ask(model, system, user)).await {
        Ok(result) => result,
        Err(_) => Err(ModelError::Timeout.into()),
    }
}

async fn ask(model: &LanguageModelConfig, system: &str, user: &str) -> Result<String, Failure> {
    let mut request = http_client::client().post(model.url.clone()).json(&json!({
        "model": model.name,
        "messages": [{ "role": "system", "content": system }, { "role": "user", "content": user }],
        "stream": false,
    }));
    if let Some(key) = &model.key {
        request = request.bearer_auth(key.expose());
    }
    let response = request.send().await.map_err(|error| ModelError::Unreachable(error.without_url()))?;
    if !response.status().is_success() {
        return Err(refused(&response));
    }
    let body = http_client::read_body(response, LONGEST_ANSWER).await.map_err(|error| match error {
        BodyError::TooLong => ModelError::TooLong,
        BodyError::Lost(error) => ModelError::Unreachable(error),
    })?;
    Ok(words(&body).ok_or(ModelError::Unreadable)?)
}

fn refused(response: &Response) -> Failure {
    let status = response.status();
    let may_pass = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let asked_for = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let pause = asked_for.unwrap_or(PAUSE);
    Failure { error: ModelError::Refused(status), retry_after: (may_pass && pause <= LONGEST_PAUSE).then_some(pause) }
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

fn words(body: &[u8]) -> Option<String> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.choices.into_iter().next()?.message.content
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use axum::{
        Json, Router,
        body::Body,
        extract::State,
        http::HeaderMap,
        response::{IntoResponse, Response},
        routing::post,
    };
    use serde_json::Value;

    use super::*;
    use crate::config::Secret;

    /// One answer of the server, in the order in which it gives them.
    #[derive(Clone, Copy)]
    enum Says {
        Words,
        Status(u16),
        RetryAfter(&'static str),
        Nothing,
        Body(&'static str),
        Endless,
        Redirect,
    }

    /// The token and the body of a request.
    type Heard = (Option<String>, Value);

    #[derive(Clone)]
    struct Server {
        script: Arc<Vec<Says>>,
        asked: Arc<AtomicUsize>,
        heard: Arc<Mutex<Vec<Heard>>>,
    }

    async fn answer(State(server): State<Server>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
        let at = server.asked.fetch_add(1, Ordering::SeqCst);
        let token = headers.get("authorization").map(|token| token.to_str().expect("ASCII").to_owned());
        server.heard.lock().expect("nobody panicked").push((token, body));
        let with_status = |status: u16| axum::http::StatusCode::from_u16(status).expect("a status");
        match server.script[at] {
            Says::Words => {
                Json(json!({ "choices": [{ "message": { "role": "assistant", "content": "Calm." } }] })).into_response()
            }
            Says::Status(status) => (with_status(status), "the key hunter2 is no good").into_response(),
            Says::RetryAfter(seconds) => (with_status(429), [("retry-after", seconds)]).into_response(),
            Says::Nothing => pending().await,
            Says::Body(text) => text.into_response(),
            Says::Endless => Body::from("x".repeat(LONGEST_ANSWER + 1)).into_response(),
            Says::Redirect => (with_status(307), [("location", "/v1/chat/completions")]).into_response(),
        }
    }

    /// Runs a server that says these things, and asks it. Returns what came of it, and how often it
    /// was asked.
    async fn ask_server(script: &[Says]) -> (Result<String, ModelError>, usize, Server) {
        let server = Server { script: Arc::new(script.to_vec()), asked: Arc::default(), heard: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(server.clone());
        let running = tokio::spawn(async { axum::serve(listener, router).await });
        let model = LanguageModelConfig {
            url: format!("http://{address}/v1/chat/completions").parse().expect("an address"),
            key: Some(Secret::new("hunter2")),
            name: "calm-1".to_owned(),
            timeout: Duration::from_millis(500),
        };
        let result = complete(&model, "Be calm.", "{}").await;
        running.abort();
        (result, server.asked.load(Ordering::SeqCst), server)
    }

    #[tokio::test]
    async fn the_words_come_back_and_the_key_goes_as_a_token() {
        let (result, asked, server) = ask_server(&[Says::Words]).await;
        assert_eq!((result.expect("words"), asked), ("Calm.".to_owned(), 1));
        let (token, body) = server.heard.lock().expect("nobody panicked").remove(0);
        assert_eq!(token.as_deref(), Some("Bearer hunter2"));
        let expected = json!({
            "model": "calm-1",
            "messages": [{ "role": "system", "content": "Be calm." }, { "role": "user", "content": "{}" }],
            "stream": false,
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_once_more() {
        for first in [Says::Status(500), Says::Status(503), Says::Status(429), Says::RetryAfter("0"), Says::Nothing] {
            let (result, asked, _) = ask_server(&[first, Says::Words]).await;
            assert_eq!((result.expect("words"), asked), ("Calm.".to_owned(), 2));
        }
    }

    #[tokio::test]
    async fn two_failures_are_enough() {
        let (result, asked, _) = ask_server(&[Says::Status(502), Says::Status(500), Says::Words]).await;
        assert!(matches!(result, Err(ModelError::Refused(status)) if status == 500));
        assert_eq!(asked, 2);
        let (result, asked, _) = ask_server(&[Says::Nothing, Says::Nothing, Says::Words]).await;
        assert!(matches!(result, Err(ModelError::Timeout)));
        assert_eq!(asked, 2);
    }

    #[tokio::test]
    async fn what_does_not_pass_is_not_tried_again() {
        for (says, expected) in [
            (Says::Status(401), "the language model answered with 401 Unauthorized"),
            (Says::Redirect, "the language model answered with 307 Temporary Redirect"),
            // A person waits for it.
            (Says::RetryAfter("3600"), "the language model answered with 429 Too Many Requests"),
            (Says::Body("{"), "the answer of the language model holds no words"),
            (Says::Body("{\"choices\":[]}"), "the answer of the language model holds no words"),
            (
                Says::Body("{\"choices\":[{\"message\":{\"content\":null}}]}"),
                "the answer of the language model holds no words",
            ),
            (Says::Endless, "the answer of the language model is too long"),
        ] {
            let (result, asked, _) = ask_server(&[says, Says::Words]).await;
            let error = result.expect_err(expected);
            assert_eq!((error.to_string().as_str(), asked), (expected, 1));
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_no_mystery() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let model = LanguageModelConfig {
            url: format!("http://{free}/v1/chat/completions").parse().expect("an address"),
            key: None,
            name: "calm-1".to_owned(),
            timeout: Duration::from_secs(5),
        };
        let error = complete(&model, "", "").await.expect_err("nobody listens");
        assert!(matches!(error, ModelError::Unreachable(_)), "{error:?}");
        assert!(!error.to_string().contains(&free.to_string()), "{error}");
    }
}
