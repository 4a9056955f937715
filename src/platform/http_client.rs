//! Calls that leave the house. One client for all: it keeps connections open and is cheap to
//! share.

use std::{sync::LazyLock, time::Duration};

use reqwest::{Client, Response, redirect::Policy};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    Client::builder()
        .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect could carry a key or a member's figures to somebody else.
        .redirect(Policy::none())
        // The environment is read once, in `config`.
        .no_proxy()
        .build()
        .expect("the certificates are inside the program, and nothing else can fail")
});

/// Returns the client. It has no time limit of its own: whoever calls knows how long to wait.
pub fn client() -> &'static Client {
    &CLIENT
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the body is too long")]
    TooLong,
    /// The connection ended.
    #[error("the body did not come: {0}")]
    Lost(#[source] reqwest::Error),
}

/// Reads a body of at most `most` bytes; what is longer is not even received.
pub async fn read_body(mut response: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Lost(error.without_url()))? {
        if body.len() + chunk.len() > most {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
