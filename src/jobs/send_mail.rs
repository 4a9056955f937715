//! Sends one mail.

use std::sync::Arc;

use crate::{
    config::MailTransport,
    domain::{
        ids::{LoginAttemptId, MailId},
        letter::Letter,
    },
    jobs::runner::{JobError, StartError},
    mail::{Contents, Letters, SendError, Sent, Transport, message_id},
    platform::env::Env,
    store::{
        StoreError, login,
        mails::{self, PreviewMail},
    },
};

/// Puts letters into words and sends them.
#[derive(Clone)]
pub(super) struct Mailer(Arc<(Letters, Transport)>);

impl Mailer {
    pub(super) fn new(env: &Env) -> Result<Self, StartError> {
        let config = &env.config;
        let transport = match &config.mail.transport {
            MailTransport::Smtp { url } => Transport::smtp(url.expose())?,
            MailTransport::Preview => Transport::Preview,
        };
        Ok(Self(Arc::new((Letters::new(&config.product.name, config.server.public_url.as_str()), transport))))
    }

    /// Sends a mail that is queued. One that is sent already, or whose code is void by now, is
    /// done without sending.
    pub(super) async fn send(&self, env: &Env, id: MailId) -> Result<(), JobError> {
        let (letters, transport) = &*self.0;
        let mut reader = env.db.reader().await?;
        let Some(mail) = mails::find_queued(&mut reader.conn(), id).await? else { return Ok(()) };
        drop(reader);
        let contents = match mail.letter {
            Letter::LoginCode { attempt, send } => match login_code(env, attempt, send).await? {
                Some(contents) => contents,
                None => return Ok(()),
            },
            // Nobody invites yet.
            Letter::Invitation { .. } => return Ok(()),
            Letter::Notice(notice) => notice.into(),
        };
        let rendered = letters.render(&contents, mail.lang);
        let message_id = message_id(id, env.config.server.public_url.as_str());
        let now = env.clock.now();
        // No transaction is open here: a slow mail server holds up nobody else.
        let sent = transport.send(&env.config.mail.from, &mail.recipient, &message_id, now, &rendered).await;
        let sent = sent.map_err(|error| match error {
            SendError::Permanent(problem) => JobError::GiveUp(problem),
            SendError::Transient(problem) => JobError::Retry(problem),
        })?;
        let mut tx = env.db.begin().await?;
        let conn = &mut tx.conn();
        match sent {
            Sent::HandedOver => mails::mark_sent(conn, id, now).await?,
            Sent::ToKeep(rendered) => {
                let preview = PreviewMail {
                    id,
                    to: mail.recipient,
                    subject: rendered.subject,
                    text: rendered.text,
                    html: rendered.html,
                    sent_at: now,
                };
                mails::keep_preview(conn, &preview).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Returns what a letter with a code says, unless that code is void by now.
async fn login_code(env: &Env, attempt: LoginAttemptId, send: i64) -> Result<Option<Contents>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let attempt = login::find_attempt(&mut reader.conn(), attempt).await?;
    let good = attempt.filter(|flow| flow.used_at.is_none() && flow.expires_at > now && flow.sends == send);
    Ok(good.map(|flow| Contents::LoginCode(env.keys.login_code(flow.id, &flow.email_key, send, flow.long_code))))
}
