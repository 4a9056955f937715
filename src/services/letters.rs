//! Writing to people: a letter is queued in the transaction that causes it.

use crate::{
    domain::{
        ids::{JobId, MailId},
        lang::Lang,
        letter::Letter,
    },
    platform::env::Env,
    store::{
        Conn, StoreError,
        jobs::{self, Work},
        mails::{self, QueuedMail},
    },
};

pub use crate::store::mails::PreviewMail;

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
    let jobs: Vec<(JobId, Work)> =
        letters.iter().map(|letter| (env.random.id(now), Work::SendMail { mail: letter.id })).collect();
    jobs::insert(conn, &jobs, now).await
}

/// How many mails the preview mailbox shows.
const MAILBOX_SIZE: i64 = 100;

/// Returns the preview mailbox, the newest first.
pub async fn previews(env: &Env) -> Result<Vec<PreviewMail>, StoreError> {
    let mut reader = env.db.reader().await?;
    mails::list_previews(&mut reader.conn(), MAILBOX_SIZE).await
}
