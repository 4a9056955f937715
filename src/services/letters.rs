//! Writing to people: a letter is queued in the transaction that causes it. The outbox shows what
//! became of it.

use serde_json::json;
use uuid::Uuid;

use crate::{
    domain::{
        ids::{JobId, MailId},
        lang::Lang,
        letter::Letter,
        mail::MailState,
    },
    platform::env::Env,
    services::aftermath::Aftermath,
    store::{
        Conn, StoreError,
        jobs::{self, Work},
        mails::{self, QueuedMail},
    },
};

pub use crate::store::mails::{ListedMail, PreviewMail, WhichMails};

/// Queues a letter and the job that sends it. Call [`Env::wake_workers`] after the commit.
pub async fn queue(
    env: &Env,
    conn: &mut Conn<'_>,
    recipient: &str,
    lang: Lang,
    letter: Letter,
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let id: MailId = env.random.id(now);
    queue_all(env, conn, &[QueuedMail { id, recipient: recipient.to_owned(), lang, letter }]).await
}

/// Queues letters. Call [`Env::wake_workers`] after the commit.
pub async fn queue_all(env: &Env, conn: &mut Conn<'_>, letters: &[QueuedMail]) -> Result<(), StoreError> {
    let now = env.clock.now();
    mails::insert(conn, letters, now).await?;
    // The job has the mail's id, by which the outbox finds it.
    let job =
        |mail: &QueuedMail| (JobId::from(Uuid::from_bytes(*mail.id.as_bytes())), Work::SendMail { mail: mail.id });
    let (waited_for, others): (Vec<&QueuedMail>, Vec<&QueuedMail>) =
        letters.iter().partition(|mail| matches!(mail.letter, Letter::LoginCode { .. } | Letter::Invitation { .. }));
    let jobs_of = |mails: Vec<&QueuedMail>| mails.into_iter().map(job).collect::<Vec<(JobId, Work)>>();
    jobs::insert_codes(conn, &jobs_of(waited_for), now).await?;
    jobs::insert(conn, &jobs_of(others), now).await
}

/// How many mails the preview mailbox shows.
const MAILBOX_SIZE: i64 = 100;

/// Returns the preview mailbox, the newest first.
pub async fn previews(env: &Env) -> Result<Vec<PreviewMail>, StoreError> {
    let mut reader = env.db.reader().await?;
    mails::list_previews(&mut reader.conn(), MAILBOX_SIZE).await
}

/// Returns a page of the outbox, the newest first.
pub async fn outbox(env: &Env, which: WhichMails<'_>, count: i64) -> Result<Vec<ListedMail>, StoreError> {
    let mut reader = env.db.reader().await?;
    mails::list(&mut reader.conn(), which, count).await
}

/// Returns one mail of the outbox.
pub async fn find(env: &Env, id: MailId) -> Result<Option<ListedMail>, StoreError> {
    Ok(outbox(env, WhichMails { id: Some(id), ..WhichMails::default() }, 1).await?.pop())
}

/// Why a mail is not sent again.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// There is no such mail.
    #[error("there is no such mail")]
    NoSuchMail,
    /// It was not given up: it is sent, waits, or is not to be sent.
    #[error("only a mail that was given up is sent again")]
    NotGivenUp,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Mails that are tried again in one go.
const RESENT_TOGETHER: i64 = 500;

/// Has every mail tried again that was given up. Returns how many.
pub async fn resend_all(env: &Env, actor: &str) -> Result<u64, StoreError> {
    let (mut resent, mut before) = (0, None);
    loop {
        // Each once: one that is refused again meanwhile is not tried for ever.
        let given_up = WhichMails { state: Some(MailState::Failed), before, ..WhichMails::default() };
        let page = outbox(env, given_up, RESENT_TOGETHER).await?;
        let Some(last) = page.last() else { return Ok(resent) };
        before = Some(last.id);
        for mail in page {
            match resend(env, mail.id, actor).await {
                Ok(_) => resent += 1,
                // Somebody else was quicker.
                Err(ResendError::NoSuchMail | ResendError::NotGivenUp) => {}
                Err(ResendError::Store(error)) => return Err(error),
            }
        }
    }
}

/// Has a mail tried again that was given up.
pub async fn resend(env: &Env, id: MailId, actor: &str) -> Result<ListedMail, ResendError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if !mails::resend(conn, id, now).await? {
        tx.rollback().await?;
        return Err(find(env, id).await?.map_or(ResendError::NoSuchMail, |_| ResendError::NotGivenUp));
    }
    let mut aftermath = Aftermath::new(now);
    aftermath.log_by(actor, None, "mail_resent", json!({ "mail": id }));
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    find(env, id).await?.ok_or(ResendError::NoSuchMail)
}
