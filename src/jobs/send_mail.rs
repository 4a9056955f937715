//! Sends one mail.

use std::sync::Arc;

use crate::{
    config::MailTransport,
    domain::{
        ids::{InvitationId, LoginAttemptId, MailId},
        letter::Letter,
        mail::SkipReason,
    },
    jobs::runner::{JobError, StartError},
    mail::{Contents, InvitationLetter, Letters, SendError, Sent, Transport, message_id},
    platform::env::Env,
    services::{
        invitations,
        mail_preferences::{self, Wanted},
        mail_templates,
    },
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

    /// Sends a mail that is queued. One that is sent already, whose reader does not want such mails,
    /// or whose code is void by now, is done without sending.
    pub(super) async fn send(&self, env: &Env, id: MailId) -> Result<(), JobError> {
        let (letters, transport) = &*self.0;
        let mut reader = env.db.reader().await?;
        let Some(mail) = mails::find_queued(&mut reader.conn(), id).await? else { return Ok(()) };
        drop(reader);
        let name = mail.letter.name();
        let unsubscribe = match mail_preferences::for_mail(env, &mail.recipient, name).await? {
            Wanted::No(why) => return skip(env, id, why).await,
            Wanted::Yes { unsubscribe } => unsubscribe,
        };
        let contents = match mail.letter {
            Letter::LoginCode { attempt, send } => login_code(env, attempt, send).await?,
            Letter::Invitation { invitation, send } => self.invitation(env, invitation, send).await?,
            Letter::Notice(notice) => Some(notice.into()),
        };
        let Some(contents) = contents else { return skip(env, id, SkipReason::Void).await };
        // Read for each mail: what an admin writes counts for the next one.
        let template = mail_templates::find(env, name, mail.lang).await?;
        let rendered = letters.render_for(&contents, mail.lang, template.edited.as_ref(), unsubscribe.as_deref());
        let message_id = message_id(id, env.config.server.public_url.as_str());
        let now = env.clock.now();
        // No transaction is open here: a slow mail server holds up nobody else.
        let from = &env.config.mail.from;
        let sent = transport.send(from, &mail.recipient, &message_id, now, &rendered, unsubscribe.as_deref()).await;
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

    /// Returns what a letter with an invitation says, unless that is void by now.
    async fn invitation(&self, env: &Env, invitation: InvitationId, send: i64) -> Result<Option<Contents>, StoreError> {
        let Some(words) = invitations::words(env, invitation, send).await? else { return Ok(None) };
        let site = env.config.server.public_url.as_str().trim_end_matches('/');
        Ok(Some(Contents::Invitation(InvitationLetter {
            inviter: words.inviter,
            note: words.note,
            gift: words.gift,
            link: format!("{site}{}", words.path),
            expires_at: words.expires_at,
        })))
    }
}

/// Notes that a mail is not sent, which is done by that.
async fn skip(env: &Env, id: MailId, why: SkipReason) -> Result<(), JobError> {
    let mut tx = env.db.begin().await?;
    mails::skip(&mut tx.conn(), id, why, env.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns what a letter with a code says, unless that code is void by now.
async fn login_code(env: &Env, attempt: LoginAttemptId, send: i64) -> Result<Option<Contents>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let attempt = login::find_attempt(&mut reader.conn(), attempt).await?;
    let good = attempt.filter(|flow| flow.used_at.is_none() && flow.expires_at > now && flow.sends == send);
    Ok(good.map(|flow| Contents::LoginCode(env.keys.login_code(flow.id, &flow.email_key, send, flow.long_code))))
}
