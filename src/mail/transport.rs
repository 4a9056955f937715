//! The ways by which a letter leaves the house, and its envelope and headers.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
};
use url::Url;

use crate::{
    domain::{email::EmailAddress, ids::MailId},
    mail::{
        render::{Rendered, one_line},
        smtp::{Smtp, SmtpUrlError},
    },
};

/// A way for letters to leave the house.
pub enum Transport {
    /// Hands them to a mail server.
    Smtp(Smtp),
    /// Sends nothing: they are kept where developers and tests read them.
    Preview,
}

/// What became of a letter that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// The mail server has taken it over.
    HandedOver,
    /// It did not leave: the caller keeps these words for the mailbox of the preview.
    ToKeep(Rendered),
}

/// Why a letter was not sent. Neither text holds the recipient's address or the letter's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It will never arrive: the address is not one, or the server refuses the recipient or the
    /// letter for good.
    #[error("{0}")]
    Permanent(String),
    /// It may arrive later: the server is away or busy, or refuses us rather than the letter.
    #[error("{0}")]
    Transient(String),
}

impl Transport {
    /// Makes a transport to the mail server of a URL, such as
    /// `smtps://user:password@mail.example.com`; see [`Smtp::from_url`]. Does not connect yet.
    pub fn smtp(url: &str) -> Result<Self, SmtpUrlError> {
        Smtp::from_url(url).map(Self::Smtp)
    }

    /// Sends a letter `from` us `to` an address, dated `now`.
    ///
    /// A letter whose acknowledgement is lost is sent again, so `message_id` (see [`message_id`])
    /// must be the same at each try: mailboxes show one message of an id once. `unsubscribe` is the
    /// address by which mail programs do without such letters for their reader (RFC 8058).
    pub async fn send(
        &self,
        from: &Mailbox,
        to: &str,
        message_id: &str,
        now: DateTime<Utc>,
        rendered: &Rendered,
        unsubscribe: Option<&str>,
    ) -> Result<Sent, SendError> {
        let smtp = match self {
            Self::Preview => return Ok(Sent::ToKeep(rendered.clone())),
            Self::Smtp(smtp) => smtp,
        };
        let to = recipient(to).ok_or_else(|| SendError::Permanent("the address is not one".to_owned()))?;
        let mut builder = Message::builder()
            // lettre panics at a line break in a name.
            .from(Mailbox::new(from.name.as_deref().map(one_line), with_ascii_domain(&from.email)))
            .to(to.into())
            .subject(&rendered.subject)
            .date(SystemTime::from(now))
            .message_id(Some(message_id.to_owned()))
            .header(AutoSubmitted);
        if let Some(address) = unsubscribe {
            builder = builder.header(ListUnsubscribe(one_line(address))).header(ListUnsubscribePost);
        }
        let message = builder
            .multipart(MultiPart::alternative_plain_html(rendered.text.clone(), rendered.html.clone()))
            .map_err(|error| SendError::Permanent(format!("the letter cannot be put into an envelope: {error}")))?;
        smtp.deliver(message.envelope(), &message.formatted(), now).await?;
        Ok(Sent::HandedOver)
    }
}

/// Reads a recipient, more strictly than `lettre`, which takes quoted names and bare IP addresses.
fn recipient(text: &str) -> Option<Address> {
    let address = EmailAddress::parse(text).ok()?;
    address.as_str().parse().ok().map(|address| with_ascii_domain(&address))
}

/// Puts a domain into ASCII (IDNA), which every server understands. The part before the `@` is
/// its server's affair and stays as it was typed.
fn with_ascii_domain(address: &Address) -> Address {
    let domain = idna::domain_to_ascii_strict(address.domain());
    domain.ok().and_then(|domain| Address::new(address.user(), domain).ok()).unwrap_or_else(|| address.clone())
}

/// Returns the `Message-ID` of a mail: the same at each try, unique beyond this installation
/// because it ends in the host of `public_url` (RFC 5322 §3.6.4).
pub fn message_id(mail: MailId, public_url: &str) -> String {
    let url = Url::parse(public_url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("localhost");
    format!("<{mail}@{host}>")
}

/// Tells automatic responders to keep quiet (RFC 3834 §5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Where a reader does without such letters (RFC 2369 §3.2).
#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.trim_matches(['<', '>']).to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), format!("<{}>", self.0))
    }
}

/// Tells mail programs that one request there is enough (RFC 8058 §3.1).
#[derive(Clone)]
struct ListUnsubscribePost;

impl Header for ListUnsubscribePost {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe-Post")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "List-Unsubscribe=One-Click".to_owned())
    }
}
