//! `[mail]`: how mails leave.

use lettre::message::Mailbox;
use url::Url;

use crate::config::{
    Secret,
    layers::{ConfigError, Layers, Setting},
};

/// `[mail]` of `Leptos.toml`, which says what each value means.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// How mails leave.
    pub transport: MailTransport,
    /// The sender of every mail.
    pub from: Mailbox,
}

/// How mails leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailTransport {
    /// Through a mail server.
    Smtp {
        /// `smtp://…` or `smtps://…`, as `lettre` reads it. Hidden, because it may hold a password.
        url: Secret,
    },
    /// Not at all: they are kept for `/dev/mailbox`.
    Preview,
}

impl MailConfig {
    /// Returns the address of the mail server, if mails leave.
    pub fn smtp_url(&self) -> Option<&str> {
        match &self.transport {
            MailTransport::Smtp { url } => Some(url.expose()),
            MailTransport::Preview => None,
        }
    }

    pub(super) fn read(layers: &Layers, is_development: bool) -> Result<Self, ConfigError> {
        let setting = |key| layers.setting("mail", key);
        Ok(Self {
            transport: transport(&setting("mail_transport"), &setting("smtp_url"), is_development)?,
            from: setting("mail_from").parse("an address, like Vouchsafe <no-reply@example.com>")?,
        })
    }
}

fn transport(chosen: &Setting<'_>, smtp_url: &Setting<'_>, is_development: bool) -> Result<MailTransport, ConfigError> {
    match chosen.text() {
        "smtp" => smtp(smtp_url),
        "" if !smtp_url.text().is_empty() => smtp(smtp_url),
        "preview" => Ok(MailTransport::Preview),
        "" if is_development => Ok(MailTransport::Preview),
        "" => {
            let problem = "is empty, and so is mail.smtp_url: nobody could be sent a code";
            Err(chosen.refuse(problem, "\"preview\", unless mail.smtp_url (VOUCHSAFE_SMTP_URL) names a mail server"))
        }
        _ => Err(chosen.refuse_text("empty, \"smtp\" or \"preview\"")),
    }
}

fn smtp(setting: &Setting<'_>) -> Result<MailTransport, ConfigError> {
    let allowed = "smtps://USER:PASSWORD@HOST or smtp://HOST:587?tls=required";
    if setting.text().is_empty() {
        return Err(setting.refuse("is empty, but mail.mail_transport is \"smtp\"", allowed));
    }
    let is_usable =
        Url::parse(setting.text()).is_ok_and(|url| matches!(url.scheme(), "smtp" | "smtps") && url.has_host());
    if !is_usable {
        return Err(setting.refuse("is not the address of a mail server", allowed));
    }
    Ok(MailTransport::Smtp { url: Secret::new(setting.text()) })
}
