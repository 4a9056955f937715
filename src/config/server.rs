//! `[server]`: addresses, limits and time-outs.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;
use url::{Host, Url};

use crate::config::layers::{ConfigError, Layers, Setting};

/// `[server]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// How people reach the program.
    pub public_url: PublicUrl,
    /// The proxies that are believed when they name a client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// How many connections are served at once.
    pub max_connections: usize,
    /// How long a request's head may take, and a connection idle.
    pub header_timeout: Duration,
    /// How long a request's body may take, and an answer wait for its reader.
    pub body_timeout: Duration,
    /// How long an answer may take to be made.
    pub request_timeout: Duration,
    /// How long requests under way may go on after the program is told to stop.
    pub shutdown_timeout: Duration,
    /// Whether plain HTTP beyond this machine is accepted.
    pub danger_insecure_http: bool,
}

impl ServerConfig {
    pub(super) fn read(layers: &Layers) -> Result<Self, ConfigError> {
        let setting = |key| layers.setting("server", key);
        let listen = setting("listen").parse("an address and a port, like 127.0.0.1:3000 or [::1]:3000")?;
        let danger_insecure_http = setting("danger_insecure_http").flag();
        Ok(Self {
            listen,
            public_url: public_url(&setting("public_url"), listen, danger_insecure_http)?,
            trusted_proxies: trusted_proxies(&setting("trusted_proxies"))?,
            max_connections: setting("max_connections").number(1..=1_000_000)?,
            header_timeout: setting("header_timeout_seconds").seconds(1..=3600)?,
            body_timeout: setting("body_timeout_seconds").seconds(1..=3600)?,
            request_timeout: setting("request_timeout_seconds").seconds(1..=3600)?,
            shutdown_timeout: setting("shutdown_seconds").seconds(0..=3600)?,
            danger_insecure_http,
        })
    }

    /// Returns whether only this machine can reach the program.
    pub(super) fn is_development(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback() && self.public_url.is_local()
    }
}

fn public_url(setting: &Setting<'_>, listen: SocketAddr, plain_is_fine: bool) -> Result<PublicUrl, ConfigError> {
    let example = "how people reach the program, like https://members.example.com";
    let text = setting.text();
    let derived = text.is_empty();
    if derived && listen.ip().is_unspecified() {
        let problem = format!("is empty, and server.listen = {listen} is not an address that anyone can open");
        return Err(setting.refuse(problem, example));
    }
    let url: PublicUrl = if derived { format!("http://{listen}").parse() } else { text.parse() }
        .map_err(|error: PublicUrlError| setting.refuse(format!("is {text:?}: {error}"), example))?;
    if !url.is_https() && !url.is_local() && !plain_is_fine {
        let problem = format!("means {url}: cookies and codes would travel in the clear");
        let allowed = "https:// on any host but this machine, unless server.danger_insecure_http = true";
        return Err(setting.refuse(problem, allowed));
    }
    Ok(url)
}

fn trusted_proxies(setting: &Setting<'_>) -> Result<Vec<IpNet>, ConfigError> {
    setting
        .texts()
        .map(|text| {
            text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                setting.refuse(format!("holds {text:?}"), "networks or addresses, like 10.0.0.0/8 or 192.168.1.7")
            })
        })
        .collect()
}

/// How people reach the program: an origin as browsers write it, without a slash at the end, so
/// that a path can follow: `format!("{public_url}/login")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    is_https: bool,
    is_local: bool,
}

/// Why a text is not a public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// Not an address at all.
    #[error("this is not an address")]
    NotAnAddress,
    /// Neither `http` nor `https`.
    #[error("it must start with http:// or https://")]
    Scheme,
    /// More than scheme, host and port.
    #[error("it must end after the host or the port, without a slash, path, name or password")]
    TooMuch,
}

impl PublicUrl {
    /// Returns the origin: scheme, host in lower-case ASCII, and the port unless it is the usual.
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Returns whether it is reached over HTTPS.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Returns whether its host is this machine: a loopback address or `localhost`.
    pub fn is_local(&self) -> bool {
        self.is_local
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text).map_err(|_| PublicUrlError::NotAnAddress)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(PublicUrlError::Scheme);
        }
        let has_login = !url.username().is_empty() || url.password().is_some();
        let has_more = url.path() != "/" || url.query().is_some() || url.fragment().is_some();
        // A bare slash leaves no trace in the parsed URL.
        if has_login || has_more || text.ends_with('/') {
            return Err(PublicUrlError::TooMuch);
        }
        let is_local = match url.host().ok_or(PublicUrlError::NotAnAddress)? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        Ok(Self { origin: url.origin().ascii_serialization(), is_https: url.scheme() == "https", is_local })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.origin)
    }
}
