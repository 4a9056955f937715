//! The conversation with a mail server (RFC 5321), on lettre's connection and commands.
//!
//! lettre's own pooled transport is not used, for three reasons: it waits for answers without a
//! limit; a send that is given up half-way goes back into its pool, where the next letter would
//! read the answers to this one; and its errors don't say at which step the server refused, so
//! that a wrong password looks like a recipient who does not exist.

use std::{
    error::Error,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use lettre::{
    address::Envelope,
    transport::smtp::{
        self,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Tls, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::mail::transport::SendError;

/// How long a letter may take from the first packet to the last answer.
const TIME_OUT: Duration = Duration::from_secs(20);
/// How long a connection stays usable after a letter. Servers hang up after minutes, and address
/// translation forgets idle connections without telling either side.
const REST: TimeDelta = TimeDelta::seconds(60);
/// How many letters are to be on their way at once: as many connections are kept for the next ones.
pub const AT_ONCE: usize = 8;

/// A mail server, with connections at rest for the next letters.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
    time_out: Duration,
    resting: Mutex<Vec<Resting>>,
}

struct Resting {
    connection: AsyncSmtpConnection,
    since: DateTime<Utc>,
}

/// Why a URL does not lead to a mail server. No text holds the URL, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmtpUrlError {
    /// Not a URL, or without a host.
    #[error("a mail server is written as smtps://user:password@mail.example.com or smtp://localhost:25")]
    Shape,
    /// Neither `smtp` nor `smtps`.
    #[error("a mail server's URL begins with smtps:// or smtp://")]
    Scheme,
    /// A parameter or a value that is not known here.
    #[error("the only parameter is tls, for smtp://, and its values are required and none")]
    Parameter,
    /// Codes would travel in the clear without anyone having said so.
    #[error("beyond this machine say how to encrypt: smtps://, or smtp:// with ?tls=required (or ?tls=none)")]
    Unencrypted,
    /// A user without a password, or a byte sequence that is not UTF-8.
    #[error("user and password belong together, each percent-encoded where needed")]
    Credentials,
    /// The path, which is the name in the greeting, is not a host name.
    #[error("the path is the name to greet with, a host name")]
    Hello,
}

/// Where the conversation is when the server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connect,
    SignIn,
    From,
    To,
    Start,
    Letter,
}

impl Smtp {
    /// Reads a URL `scheme://[user:password@]host[:port][/hello-name][?tls=…]`, with lettre's
    /// meanings but without its silent ways of sending in the clear:
    ///
    /// | URL | encryption | port |
    /// |---|---|---|
    /// | `smtps://host` | TLS from the start | 465 |
    /// | `smtp://host?tls=required` | STARTTLS, or nothing is sent | 587 |
    /// | `smtp://localhost` | none; this machine only | 25 |
    /// | `smtp://host?tls=none` | none; for a network that is trusted | 25 |
    ///
    /// The `hello-name` is what EHLO says; without one it is the literal `[127.0.0.1]`.
    pub fn from_url(text: &str) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(text).map_err(|_| SmtpUrlError::Shape)?;
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_address = host.parse::<IpAddr>().is_ok();
        if !is_address && !is_host_name(&host) {
            return Err(SmtpUrlError::Shape);
        }

        let mut wish = None;
        for (key, value) in url.query_pairs() {
            match (key.as_ref(), value.as_ref()) {
                ("tls", "required" | "none") if wish.is_none() => wish = Some(value.into_owned()),
                _ => return Err(SmtpUrlError::Parameter),
            }
        }
        let parameters = || TlsParameters::new(host.clone()).map_err(|_| SmtpUrlError::Shape);
        let (tls, usual_port) = match (url.scheme(), wish.as_deref()) {
            ("smtps", None) => (Tls::Wrapper(parameters()?), smtp::SUBMISSIONS_PORT),
            ("smtps", Some(_)) => return Err(SmtpUrlError::Parameter),
            ("smtp", Some("required")) => (Tls::Required(parameters()?), smtp::SUBMISSION_PORT),
            ("smtp", None) if !is_this_machine(&host) => return Err(SmtpUrlError::Unencrypted),
            ("smtp", _) => (Tls::None, smtp::SMTP_PORT),
            _ => return Err(SmtpUrlError::Scheme),
        };

        let hello = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name if is_host_name(name) => ClientId::Domain(name.to_owned()),
            _ => return Err(SmtpUrlError::Hello),
        };
        let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err(SmtpUrlError::Credentials),
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => return Err(SmtpUrlError::Credentials),
            (user, Some(password)) => Some(Credentials::new(decoded(user)?, decoded(password)?)),
        };

        let port = url.port().unwrap_or(usual_port);
        Ok(Self { host, port, tls, hello, credentials, time_out: TIME_OUT, resting: Mutex::default() })
    }

    /// Gives up a letter after that time instead of 20 seconds.
    #[cfg(test)]
    pub(super) fn with_time_out(self, time_out: Duration) -> Self {
        Self { time_out, ..self }
    }

    /// Hands a message to the server. When this returns, the server has taken the responsibility
    /// for it (RFC 5321 §4.2.5).
    pub(super) async fn deliver(
        &self,
        envelope: &Envelope,
        message: &[u8],
        now: DateTime<Utc>,
    ) -> Result<(), SendError> {
        // A connection that is dropped here, refused or too late, is closed: nobody else can
        // read the rest of its conversation.
        let conversation = async {
            let mut connection = self.connection(now).await?;
            converse(&mut connection, envelope, message).await?;
            Ok(connection)
        };
        let connection = tokio::time::timeout(self.time_out, conversation)
            .await
            .map_err(|_| SendError::Transient(format!("the mail server took longer than {:?}", self.time_out)))??;
        self.rest(connection, now);
        Ok(())
    }

    async fn connection(&self, now: DateTime<Utc>) -> Result<AsyncSmtpConnection, SendError> {
        while let Some(mut connection) = self.rested(now) {
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        // Per address, so that one that swallows packets leaves time for the next.
        let patience = Some(self.time_out / 4);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, patience, &self.hello, wrapper, None)
            .await
            .map_err(|error| failure(Step::Connect, &error))?;
        if let Tls::Required(parameters) = &self.tls {
            let upgrade = connection.starttls(parameters.clone(), &self.hello).await;
            upgrade.map_err(|error| failure(Step::Connect, &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let answer = connection.auth(DEFAULT_MECHANISMS, credentials).await;
            answer.map_err(|error| failure(Step::SignIn, &error))?;
        }
        Ok(connection)
    }

    fn rested(&self, now: DateTime<Utc>) -> Option<AsyncSmtpConnection> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|resting| now - resting.since < REST);
        resting.pop().map(|resting| resting.connection)
    }

    fn rest(&self, connection: AsyncSmtpConnection, since: DateTime<Utc>) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < AT_ONCE {
            resting.push(Resting { connection, since });
        }
    }
}

/// Takes one message through MAIL, RCPT and DATA.
async fn converse(connection: &mut AsyncSmtpConnection, envelope: &Envelope, message: &[u8]) -> Result<(), SendError> {
    let mut parameters = Vec::new();
    // Everything is encoded to ASCII but addresses, which cannot be (RFC 6531 §3.2).
    if !message.is_ascii() {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let reason = "the mail server does not know addresses beyond ASCII (SMTPUTF8)".to_owned();
            let is_recipients = envelope.to().iter().any(|to| !AsRef::<str>::as_ref(to).is_ascii());
            return Err(if is_recipients { SendError::Permanent(reason) } else { SendError::Transient(reason) });
        }
        parameters = vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)];
    }
    let answer = connection.command(Mail::new(envelope.from().cloned(), parameters)).await;
    answer.map_err(|error| failure(Step::From, &error))?;
    for to in envelope.to() {
        let answer = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
        answer.map_err(|error| failure(Step::To, &error))?;
    }
    connection.command(Data).await.map_err(|error| failure(Step::Start, &error))?;
    connection.message(message).await.map_err(|error| failure(Step::Letter, &error))?;
    Ok(())
}

/// Says what went wrong at a step. Only a refusal of the recipient or of the letter is for good:
/// every other step fails the same for all letters, until someone repairs it.
fn failure(step: Step, error: &smtp::Error) -> SendError {
    let what = match step {
        Step::Connect => "the greeting",
        Step::SignIn => "the user and password",
        Step::From => "the sender",
        Step::To => "the recipient",
        Step::Start => "the start of the letter",
        Step::Letter => "the letter",
    };
    // The server's own words are left out: they usually repeat the recipient's address.
    let reason = match error.status() {
        Some(status) => match enhanced_status(error) {
            Some(enhanced) => format!("the mail server answered {status} {enhanced} to {what}"),
            None => format!("the mail server answered {status} to {what}"),
        },
        None if error.is_response() => format!("the mail server's answer to {what} makes no sense"),
        None => format!("{what} did not reach the mail server: {error}"),
    };
    if error.is_permanent() && matches!(step, Step::To | Step::Letter) {
        SendError::Permanent(reason)
    } else {
        SendError::Transient(reason)
    }
}

/// Returns the status code of RFC 3463 at the start of the server's words: `5.1.1`.
fn enhanced_status(error: &smtp::Error) -> Option<String> {
    let words = error.source()?.to_string();
    let first = words.split_whitespace().next()?;
    let is_status = first.len() <= 9 && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_status && first.split('.').count() == 3).then(|| first.to_owned())
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_')
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
