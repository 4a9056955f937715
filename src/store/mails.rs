//! Messages to people: `mails`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{
        ids::MailId,
        lang::Lang,
        letter::{Letter, LetterName},
        mail::{MailState, SkipReason},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
        jobs::Work,
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

/// Returns a message that is to be sent and is not yet.
pub async fn find_queued(conn: &mut Conn<'_>, id: MailId) -> Result<Option<QueuedMail>> {
    let row: Option<QueuedRow> = run!(conn, |c| sqlx::query_as(
        "SELECT id, recipient, lang, letter FROM mails WHERE id = $1 AND sent_at IS NULL AND skipped_at IS NULL"
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

/// Notes that a message is not to be sent any more, and why.
pub async fn skip(conn: &mut Conn<'_>, id: MailId, why: SkipReason, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "UPDATE mails SET skipped_at = $3, skipped_because = $2
        WHERE id = $1 AND sent_at IS NULL AND skipped_at IS NULL"
    )
    .bind(id)
    .bind(why.as_str())
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// A message and what became of it. What it says is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMail {
    /// Which.
    pub id: MailId,
    /// To whom.
    pub recipient: String,
    /// In which language.
    pub lang: Lang,
    /// Which letter; nothing for one that only a newer program knows.
    pub letter: Option<LetterName>,
    /// How it stands.
    pub state: MailState,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When a mail server took it over.
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it is not sent.
    pub skipped: Option<SkipReason>,
    /// How often it was tried since it was written, or since it was last sent again by hand.
    pub tries: i64,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it is tried next.
    pub next_try_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct ListedRow {
    id: MailId,
    recipient: String,
    lang: String,
    letter: Json<serde_json::Value>,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    skipped_because: Option<String>,
    attempts: Option<i64>,
    last_error: Option<String>,
    run_at: Option<DateTime<Utc>>,
    is_open: bool,
}

impl TryFrom<ListedRow> for ListedMail {
    type Error = StoreError;

    fn try_from(row: ListedRow) -> Result<Self> {
        let skipped = row.skipped_because.map(|why| why.parse()).transpose();
        let skipped = skipped.map_err(StoreError::corrupt("mails", "skipped_because"))?;
        let state = match (row.sent_at, skipped) {
            (Some(_), _) => MailState::Sent,
            (None, Some(_)) => MailState::Skipped,
            (None, None) if row.is_open => MailState::Waiting,
            (None, None) => MailState::Failed,
        };
        Ok(Self {
            id: row.id,
            recipient: row.recipient,
            lang: row.lang.parse().map_err(StoreError::corrupt("mails", "lang"))?,
            letter: row.letter.0.get("letter").and_then(|name| name.as_str()?.parse().ok()),
            state,
            created_at: row.created_at,
            sent_at: row.sent_at,
            skipped,
            tries: row.attempts.unwrap_or(0),
            last_error: row.last_error,
            next_try_at: row.run_at.filter(|_| state == MailState::Waiting),
        })
    }
}

/// Which messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhichMails<'a> {
    /// Those that stand so.
    pub state: Option<MailState>,
    /// Those to this address; case does not count.
    pub recipient: Option<&'a str>,
    /// Those written before this one.
    pub before: Option<MailId>,
    /// This one.
    pub id: Option<MailId>,
}

/// Returns messages, the newest first, each with the job that sends it, which has its id.
pub async fn list(conn: &mut Conn<'_>, which: WhichMails<'_>, count: i64) -> Result<Vec<ListedMail>> {
    let rows: Vec<ListedRow> = build!(conn, |query, c| {
        query.push(
            "SELECT m.id, m.recipient, m.lang, m.letter, m.created_at, m.sent_at, m.skipped_because,
                j.attempts, j.last_error, j.run_at,
                (j.id IS NOT NULL AND j.finished_at IS NULL AND j.dead_at IS NULL) AS is_open
            FROM mails m LEFT JOIN jobs j ON j.id = m.id WHERE TRUE",
        );
        match which.state {
            None => {}
            Some(MailState::Sent) => {
                query.push(" AND m.sent_at IS NOT NULL");
            }
            Some(MailState::Skipped) => {
                query.push(" AND m.sent_at IS NULL AND m.skipped_at IS NOT NULL");
            }
            Some(MailState::Waiting) => {
                query.push(
                    " AND m.sent_at IS NULL AND m.skipped_at IS NULL
                    AND j.id IS NOT NULL AND j.finished_at IS NULL AND j.dead_at IS NULL",
                );
            }
            Some(MailState::Failed) => {
                query.push(
                    " AND m.sent_at IS NULL AND m.skipped_at IS NULL
                    AND (j.id IS NULL OR j.finished_at IS NOT NULL OR j.dead_at IS NOT NULL)",
                );
            }
        }
        if let Some(recipient) = which.recipient {
            query.push(" AND lower(m.recipient) = lower(").push_bind(recipient).push(")");
        }
        if let Some(before) = which.before {
            query.push(" AND m.id < ").push_bind(before);
        }
        if let Some(id) = which.id {
            query.push(" AND m.id = ").push_bind(id);
        }
        query.push(" ORDER BY m.id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Has a message tried again that was given up. Returns `false` when it was not: of two at once, the
/// second finds it waiting.
pub async fn resend(conn: &mut Conn<'_>, id: MailId, now: DateTime<Utc>) -> Result<bool> {
    let work = Work::SendMail { mail: id };
    let queued = execute!(conn, |c| sqlx::query(
        "INSERT INTO jobs (id, kind, lane, payload, run_at, attempts, fencing_token, created_at)
        SELECT m.id, $2, $5, $3, $4, 0, 0, $4 FROM mails m
        WHERE m.id = $1 AND m.sent_at IS NULL AND m.skipped_at IS NULL
        ON CONFLICT (id) DO UPDATE SET run_at = excluded.run_at, attempts = 0, dead_at = NULL, finished_at = NULL,
            leased_until = NULL, fencing_token = jobs.fencing_token + 1
        WHERE jobs.dead_at IS NOT NULL OR jobs.finished_at IS NOT NULL"
    )
    .bind(id)
    .bind(work.kind().as_str())
    .bind(Json(&work))
    .bind(now)
    .bind(work.lane().as_str())
    .execute(c))?;
    Ok(queued == 1)
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

/// Forgets at most `most` messages made before `created_before`. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, created_before: DateTime<Utc>, most: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM mails
        WHERE id IN (SELECT id FROM mails WHERE created_at <= $1 ORDER BY created_at LIMIT $2)"
    )
    .bind(created_before)
    .bind(most)
    .execute(c))?)
}
