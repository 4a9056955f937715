//! Calls to addresses that somebody typed in: webhooks and chat rooms. Nobody may make this program
//! knock at doors inside its own network by them (SSRF).
//!
//! An address is asked twice: as text, when it is typed, and as numbers, when it is called. A name
//! means whatever its owner says at that moment, so what it resolves to is looked at by the same
//! step that hands it to the connection; nothing is resolved again in between. Redirects are not
//! followed, and no proxy of the environment is used.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};
use url::{Host, Url};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the beginning of an answer may take once its status is there, which is what counts.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes of an answer that are read.
const MOST_READ: usize = 4 * 1024;
/// The most bytes of an answer that are kept.
pub const MOST_KEPT: usize = 2 * 1024;

/// Which addresses may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of the open internet, over https.
    Public,
    /// Any over https, and over http those that are not of the open internet. For development and
    /// closed networks only.
    Everywhere,
}

impl Reach {
    /// Returns what an operator allows: `webhooks_allow_private`.
    pub fn allowing_private(allowed: bool) -> Self {
        if allowed { Self::Everywhere } else { Self::Public }
    }
}

/// Why an address cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not an address of a web server.
    #[error("this is not an address like https://example.com/hooks")]
    NotAnAddress,
    /// Not `https`.
    #[error("it must start with https://")]
    NotHttps,
    /// It holds a name or a password.
    #[error("it must not hold a name or a password")]
    HasLogin,
    /// An address inside a network, or of this machine.
    #[error("it is not an address of the open internet")]
    NotPublic,
}

/// Why there is no answer. No message holds the address.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The address cannot be called.
    #[error("the address cannot be called: {0}")]
    Address(#[from] BadAddress),
    /// Its name leads to where nobody may be sent.
    #[error("the name does not lead to the open internet, so nothing was sent")]
    NotPublic,
    /// No answer in time.
    #[error("there was no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// No connection.
    #[error("it was not reached: {0}")]
    Unreachable(String),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The beginning of the answer, at most [`MOST_KEPT`] bytes, without control characters other
    /// than breaks of lines.
    pub body: String,
    /// How long it wants to be left alone, if it said so.
    pub retry_after: Option<RetryAfter>,
}

/// How long somebody wants to be left alone (RFC 9110 §10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// For so many seconds.
    Seconds(i64),
    /// Until then.
    At(DateTime<Utc>),
}

impl RetryAfter {
    /// Returns for how long, from `now` on; nothing if that is over or no span of time.
    pub fn wait(self, now: DateTime<Utc>) -> Option<TimeDelta> {
        match self {
            Self::Seconds(seconds) => TimeDelta::try_seconds(seconds),
            Self::At(at) => Some(at - now),
        }
        .filter(|wait| *wait >= TimeDelta::zero())
    }
}

impl Answered {
    /// Returns whether it was taken.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Reads an address that somebody typed in.
pub fn address(text: &str, reach: Reach) -> Result<Url, BadAddress> {
    let mut url = Url::parse(text.trim()).map_err(|_| BadAddress::NotAnAddress)?;
    let literal = match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        Some(Host::Domain(_)) => None,
        None => return Err(BadAddress::NotAnAddress),
    };
    match url.scheme() {
        "https" => {}
        "http" if reach == Reach::Everywhere => {}
        "http" => return Err(BadAddress::NotHttps),
        _ => return Err(BadAddress::NotAnAddress),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadAddress::HasLogin);
    }
    if literal.is_some_and(|ip| !gate(&url, reach).lets(ip)) {
        return Err(BadAddress::NotPublic);
    }
    url.set_fragment(None);
    Ok(url)
}

/// Posts JSON and returns what was answered, whatever its status. Headers are names and values.
pub async fn post(
    url: &str,
    reach: Reach,
    headers: &[(String, String)],
    body: String,
    timeout: Duration,
) -> Result<Answered, OutboundError> {
    let url = address(url, reach)?;
    let client = match gate(&url, reach) {
        Gate::Public => &*PUBLIC,
        Gate::Private => &*PRIVATE,
        Gate::Any => &*ANY,
    };
    let request =
        headers.iter().fold(client.post(url).header("content-type", "application/json"), |request, (name, value)| {
            request.header(name, value)
        });
    let sent = tokio::time::timeout(timeout, request.body(body).send()).await;
    let mut response = sent.map_err(|_| OutboundError::TimedOut(timeout))?.map_err(|error| failure(&error, timeout))?;
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    // What was answered counts even if the rest of it does not come.
    let mut read = Vec::new();
    let _ = tokio::time::timeout(BODY_TIMEOUT, read_beginning(&mut response, &mut read)).await;
    Ok(Answered { status, body: as_text(read), retry_after })
}

async fn read_beginning(response: &mut reqwest::Response, read: &mut Vec<u8>) {
    while read.len() < MOST_READ {
        match response.chunk().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
}

fn as_text(mut read: Vec<u8>) -> String {
    read.truncate(MOST_READ);
    let text = String::from_utf8_lossy(&read);
    // Databases keep no NUL, and nobody wants the rest on a terminal.
    let mut kept: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    if kept.len() > MOST_KEPT {
        kept.truncate(kept.floor_char_boundary(MOST_KEPT));
    }
    kept
}

fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(RetryAfter::Seconds(seconds)),
        // The form of dates that HTTP asks for is one of those of mails.
        Err(_) => DateTime::parse_from_rfc2822(text).ok().map(|at| RetryAfter::At(at.to_utc())),
    }
}

fn failure(error: &reqwest::Error, timeout: Duration) -> OutboundError {
    let first: &dyn std::error::Error = error;
    let causes = || std::iter::successors(Some(first), |error| error.source());
    if causes().any(|error| error.is::<NotPublic>()) {
        return OutboundError::NotPublic;
    }
    // An `io::Error` does not show what it was made of as its source.
    let inner = causes().filter_map(|error| error.downcast_ref::<io::Error>()).filter_map(io::Error::get_ref);
    if inner.into_iter().any(|error| error.is::<NotPublic>()) {
        return OutboundError::NotPublic;
    }
    if error.is_timeout() && !error.is_connect() {
        return OutboundError::TimedOut(timeout);
    }
    // What is above only says that something was sent, and where.
    OutboundError::Unreachable(causes().last().map(ToString::to_string).unwrap_or_default())
}

/// Which addresses a client connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Public,
    Private,
    Any,
}

fn gate(url: &Url, reach: Reach) -> Gate {
    match (reach, url.scheme()) {
        (Reach::Public, _) => Gate::Public,
        // Nobody sends in the clear over the open internet.
        (Reach::Everywhere, "http") => Gate::Private,
        (Reach::Everywhere, _) => Gate::Any,
    }
}

impl Gate {
    fn lets(self, ip: IpAddr) -> bool {
        match self {
            Self::Public => is_public(ip),
            Self::Private => !is_public(ip),
            Self::Any => true,
        }
    }
}

static PUBLIC: LazyLock<Client> = LazyLock::new(|| client(Gate::Public));
static PRIVATE: LazyLock<Client> = LazyLock::new(|| client(Gate::Private));
static ANY: LazyLock<Client> = LazyLock::new(|| client(Gate::Any));

fn client(gate: Gate) -> Client {
    Client::builder()
        .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(gate))
        .build()
        .expect("the certificates are inside the program, and nothing else can fail")
}

/// A name that leads to where nobody may be sent.
#[derive(Debug, thiserror::Error)]
#[error("not an address of the open internet")]
struct NotPublic;

impl Resolve for Gate {
    /// Resolves a name to the addresses that may be called: those are what the client connects to.
    fn resolve(&self, name: Name) -> Resolving {
        let gate = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| gate.lets(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Returns whether an address belongs to the open internet, by the registries of special-purpose
/// addresses of IANA. An IPv6 address that only carries an IPv4 one is not taken, whatever that is.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = match (a, b, c) {
        // This network, and this machine.
        (0 | 10 | 127, ..) => true,
        // Shared by customers of a provider (CGNAT).
        (100, 64..=127, _) => true,
        // Link-local, where clouds keep their metadata.
        (169, 254, _) => true,
        (172, 16..=31, _) | (192, 168, _) => true,
        // For protocols, documentation, 6to4 relays and measurements.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224.., ..) => true,
        _ => false,
    };
    !is_special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let is_special = match ip.segments() {
        // Teredo, ORCHID and other protocols; 2001:db8::/32 is for documentation.
        [0x2001, 0x0000..=0x01ff | 0x0db8, ..] => true,
        // 6to4.
        [0x2002, ..] => true,
        // Documentation.
        [0x3fff, 0x0000..=0x0fff, ..] => true,
        _ => false,
    };
    // Everything else that is given out is in 2000::/3: outside are loopback, IPv4-mapped and
    // -compatible, NAT64, unique local, link-local and multicast addresses.
    ip.segments()[0] & 0xe000 == 0x2000 && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_open_internet_are_public() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.215.14",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00:1450:4001:81b::200e",
            "3fff:1000::1",
        ];
        for ip in public {
            assert!(is_public(ip.parse().expect("an address")), "{ip}");
        }
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "169.254.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for ip in special {
            assert!(!is_public(ip.parse().expect("an address")), "{ip}");
        }
    }

    #[test]
    fn an_address_that_is_typed_is_read_or_refused() {
        let read = |text: &str| address(text, Reach::Public).map(|url| url.to_string());
        assert_eq!(read(" https://example.com/hooks?a=b#c "), Ok("https://example.com/hooks?a=b".to_owned()));
        assert_eq!(read("https://1.1.1.1:8443/"), Ok("https://1.1.1.1:8443/".to_owned()));
        for text in ["", "example.com", "/hooks", "mailto:ann@example.com", "ftp://example.com", "file:///etc/passwd"] {
            assert_eq!(read(text), Err(BadAddress::NotAnAddress), "{text}");
        }
        assert_eq!(read("http://example.com"), Err(BadAddress::NotHttps));
        assert_eq!(read("https://ann:secret@example.com"), Err(BadAddress::HasLogin));
        assert_eq!(read("https://ann@example.com"), Err(BadAddress::HasLogin));
        // However the number is written.
        for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254"]
        {
            assert_eq!(read(&format!("https://{host}/")), Err(BadAddress::NotPublic), "{host}");
        }
    }

    #[test]
    fn in_a_closed_network_plain_http_stays_inside() {
        let read = |text: &str| address(text, Reach::Everywhere).map(|url| url.to_string());
        assert_eq!(read("http://127.0.0.1:8080/a"), Ok("http://127.0.0.1:8080/a".to_owned()));
        assert_eq!(read("https://10.0.0.7/"), Ok("https://10.0.0.7/".to_owned()));
        assert_eq!(read("http://1.1.1.1/"), Err(BadAddress::NotPublic));
    }

    #[test]
    fn how_long_to_leave_alone_is_read_in_both_forms() {
        let now: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().expect("an instant");
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a header"))]);
            retry_after(&headers).and_then(|asked| asked.wait(now)).map(|wait| wait.num_seconds())
        };
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Sat, 21 Nov 2026 10:30:00 GMT"), Some(1_800));
        assert_eq!(wait("Sat, 21 Nov 2026 09:30:00 GMT"), None, "that is over");
        for text in ["-1", "soon", "", "9223372036854775807"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn what_was_answered_counts_even_if_the_rest_of_it_does_not_come() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthank y").await.expect("it listens");
            // And no more of it, for as long as the other one waits.
            let _ = stream.read(&mut request).await;
        });
        let answer = post(&url, Reach::Everywhere, &[], "{}".to_owned(), Duration::from_secs(2)).await;
        assert_eq!(answer.expect("an answer"), Answered { status: 200, body: "thank y".to_owned(), retry_after: None });
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_called() {
        let knocked = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = knocked.local_addr().expect("an address").port();
        let url = format!("https://localhost:{port}/");
        let refused = post(&url, Reach::Public, &[], "{}".to_owned(), Duration::from_secs(5)).await;
        assert!(matches!(refused, Err(OutboundError::NotPublic)), "{refused:?}");
        let nobody = tokio::time::timeout(Duration::from_millis(50), knocked.accept()).await;
        assert!(nobody.is_err(), "somebody connected");
    }
}
