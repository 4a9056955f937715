//! The wording of letters that admins have changed: `mail_templates`.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        lang::Lang,
        letter::LetterName,
        mail_template::{MailTemplate, Wording},
    },
    store::{
        Conn, Result, StoreError,
        db::{execute, run},
    },
};

#[derive(FromRow)]
struct TemplateRow {
    letter: String,
    lang: String,
    subject: Option<String>,
    text_body: Option<String>,
    html_body: Option<String>,
    version: i64,
    updated_by: String,
    updated_at: DateTime<Utc>,
}

impl TryFrom<TemplateRow> for MailTemplate {
    type Error = StoreError;

    fn try_from(row: TemplateRow) -> Result<Self> {
        let edited = match (row.subject, row.text_body, row.html_body) {
            (Some(subject), Some(text), Some(html)) => Some(Wording { subject, text, html }),
            _ => None,
        };
        Ok(Self {
            letter: row.letter.parse().map_err(StoreError::corrupt("mail_templates", "letter"))?,
            lang: row.lang.parse().map_err(StoreError::corrupt("mail_templates", "lang"))?,
            edited,
            version: row.version,
            updated_by: Some(row.updated_by),
            updated_at: Some(row.updated_at),
        })
    }
}

/// Returns every letter that was ever changed, by name and language.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<MailTemplate>> {
    let rows: Vec<TemplateRow> = run!(conn, |c| sqlx::query_as(
        "SELECT letter, lang, subject, text_body, html_body, version, updated_by, updated_at
        FROM mail_templates ORDER BY letter, lang"
    )
    .fetch_all(c))?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Returns how a letter is worded; nothing if it was never changed.
pub async fn find(conn: &mut Conn<'_>, letter: LetterName, lang: Lang) -> Result<Option<MailTemplate>> {
    let row: Option<TemplateRow> = run!(conn, |c| sqlx::query_as(
        "SELECT letter, lang, subject, text_body, html_body, version, updated_by, updated_at
        FROM mail_templates WHERE letter = $1 AND lang = $2"
    )
    .bind(letter.as_str())
    .bind(lang.tag())
    .fetch_optional(c))?;
    row.map(TryInto::try_into).transpose()
}

/// Writes how a letter is worded, or that it is as built in, if its version is still the one that was
/// seen (0: never changed). Returns `false` when it is not: of two at once, one is too late.
pub async fn put(conn: &mut Conn<'_>, template: &MailTemplate, seen: i64, now: DateTime<Utc>) -> Result<bool> {
    let sql = if seen == 0 {
        "INSERT INTO mail_templates (letter, lang, subject, text_body, html_body, version, updated_by, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6 + 1, $7, $8) ON CONFLICT (letter, lang) DO NOTHING"
    } else {
        "UPDATE mail_templates SET subject = $3, text_body = $4, html_body = $5, version = version + 1,
            updated_by = $7, updated_at = $8
        WHERE letter = $1 AND lang = $2 AND version = $6"
    };
    let edited = template.edited.as_ref();
    let written = execute!(conn, |c| sqlx::query(sql)
        .bind(template.letter.as_str())
        .bind(template.lang.tag())
        .bind(edited.map(|wording| &wording.subject))
        .bind(edited.map(|wording| &wording.text))
        .bind(edited.map(|wording| &wording.html))
        .bind(seen)
        .bind(template.updated_by.as_deref().unwrap_or_default())
        .bind(now)
        .execute(c))?;
    Ok(written == 1)
}
