//! Messages to people: `mails`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{ids::MailId, lang::Lang, letter::Letter},
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

/// A message that waits to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedMail {
    /// Which.
    pub id: MailId,
    /// To whom.
    pub recipient: String,
    /// In which language.
    pub lang: Lang,
    /// What it says.
    pub letter: Letter,
}

#[derive(FromRow)]
struct QueuedRow {
    id: MailId,
    recipient: String,
    lang: String,
    letter: Json<serde_json::Value>,
}

/// Queues messages, in the transaction that causes them.
pub async fn insert(conn: &mut Conn<'_>, mails: &[QueuedMail], now: DateTime<Utc>) -> Result<()> {
    if mails.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("INSERT INTO mails (id, recipient, lang, letter, created_at) ");
        query.push_values(mails, |mut row, mail| {
            row.push_bind(mail.id)
                .push_bind(&mail.recipient)
                .push_bind(mail.lang.tag())
                .push_bind(Json(&mail.letter))
                .push_bind(now);
        });
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Returns a message that is not sent yet.
pub async fn find_queued(conn: &mut Conn<'_>, id: MailId) -> Result<Option<QueuedMail>> {
    let row: Option<QueuedRow> = run!(conn, |c| sqlx::query_as(
        "SELECT id, recipient, lang, letter FROM mails WHERE id = $1 AND sent_at IS NULL"
    )
    .bind(id)
    .fetch_optional(c))?;
    row.map(|row| {
        Ok(QueuedMail {
            id: row.id,
            recipient: row.recipient,
            lang: row.lang.parse().map_err(StoreError::corrupt("mails", "lang"))?,
            letter: serde_json::from_value(row.letter.0).map_err(StoreError::corrupt("mails", "letter"))?,
        })
    })
    .transpose()
}

/// Notes that a message was handed to a mail server.
pub async fn mark_sent(conn: &mut Conn<'_>, id: MailId, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query("UPDATE mails SET sent_at = $2 WHERE id = $1 AND sent_at IS NULL")
        .bind(id)
        .bind(now)
        .execute(c))?;
    Ok(())
}

/// A message in the preview mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct PreviewMail {
    /// Which.
    pub id: MailId,
    /// To whom.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
}

/// Keeps a message in the preview mailbox instead of sending it.
pub async fn keep_preview(conn: &mut Conn<'_>, mail: &PreviewMail) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "UPDATE mails SET sent_at = $2, subject = $3, text_body = $4, html_body = $5
        WHERE id = $1 AND sent_at IS NULL"
    )
    .bind(mail.id)
    .bind(mail.sent_at)
    .bind(&mail.subject)
    .bind(&mail.text)
    .bind(&mail.html)
    .execute(c))?;
    Ok(())
}

/// Returns the preview mailbox, the newest first.
pub async fn list_previews(conn: &mut Conn<'_>, count: i64) -> Result<Vec<PreviewMail>> {
    Ok(run!(conn, |c| sqlx::query_as(
        r#"SELECT id, recipient AS "to", subject, text_body AS text, html_body AS html, sent_at
        FROM mails WHERE sent_at IS NOT NULL AND subject IS NOT NULL
        ORDER BY sent_at DESC, id DESC LIMIT $1"#
    )
    .bind(count)
    .fetch_all(c))?)
}

/// Forgets messages made before `created_before`. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, created_before: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM mails WHERE created_at <= $1").bind(created_before).execute(c))?)
}
