//! Knocks at our own door, as a provider of payments would: over HTTP, through everything that
//! stands before a webhook.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::header;

use crate::{config::ServerConfig, platform::http_client};

/// The most bytes of an answer that are of interest.
const LONGEST_ANSWER: usize = 4 * 1024;

/// What the door answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorAnswer {
    /// The status.
    pub status: u16,
    /// What it says, if it says anything.
    pub body: String,
}

/// Nobody opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("http://{address} was not reached: {problem}")]
pub struct NobodyOpens {
    /// Where we knocked.
    pub address: SocketAddr,
    /// What happened.
    pub problem: String,
}

/// Posts a delivery to a path of this program and returns what it answers.
///
/// We knock where the program listens, and not at the public address: that one may lead through a
/// proxy which this machine cannot reach from the inside, or by a name that is not known here. The
/// header `Host` is that of the public address, so that nobody inside can tell the difference.
pub async fn knock(
    config: &ServerConfig,
    path: &str,
    headers: &[(&'static str, String)],
    body: String,
) -> Result<DoorAnswer, NobodyOpens> {
    let address = reachable(config.listen);
    let failed = |problem: String| NobodyOpens { address, problem };
    let host = config.public_url.as_str().split_once("://").map_or("localhost", |(_, host)| host);
    let request = headers.iter().fold(
        http_client::client()
            .post(format!("http://{address}{path}"))
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .timeout(patience(config.request_timeout)),
        |request, (name, value)| request.header(*name, value),
    );
    let response = request.body(body).send().await.map_err(|error| failed(innermost(&error.without_url())))?;
    let status = response.status().as_u16();
    let body = http_client::read_body(response, LONGEST_ANSWER).await.map_err(|error| failed(error.to_string()))?;
    Ok(DoorAnswer { status, body: String::from_utf8_lossy(&body).trim().to_owned() })
}

/// Three events have to find their way before the page that waits for all of them gives up.
fn patience(request_timeout: Duration) -> Duration {
    request_timeout / 4
}

/// Returns where a listener can be reached from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// What is above only says that something was sent.
fn innermost(error: &reqwest::Error) -> String {
    let first: &dyn std::error::Error = error;
    let last = std::iter::successors(Some(first), |error| error.source()).last();
    last.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everywhere_is_reached_at_home() {
        for (listen, expected) in [
            ("0.0.0.0:3000", "127.0.0.1:3000"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.7:3000", "192.0.2.7:3000"),
            ("[::1]:3000", "[::1]:3000"),
        ] {
            let listen = listen.parse().expect("an address");
            assert_eq!(reachable(listen).to_string(), expected);
        }
    }
}
