//! How letters are worded: as built in, or as an admin has written it. Whatever is kept was tried with
//! everything that its letter may have to tell.

use serde_json::json;

use crate::{
    domain::{
        email::EmailAddress,
        lang::Lang,
        letter::LetterName,
        mail_template::{MailTemplate, Wording, WordingProblem},
    },
    mail::{Letters, SendError, SmtpUrlError, Transport, message_id, samples},
    platform::env::Env,
    services::aftermath::Aftermath,
    store::{StoreError, mail_templates},
};

pub use crate::mail::{Rendered, Sent};

/// Why a wording is not kept.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It does not work.
    #[error(transparent)]
    Broken(#[from] WordingProblem),
    /// Somebody has changed it since it was seen.
    #[error("somebody has changed this letter meanwhile")]
    Changed,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a test did not leave.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The mail server refuses it, is away, or does not answer in time.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The address of the mail server is not one.
    #[error("mail.smtp_url (VOUCHSAFE_SMTP_URL): {0}")]
    Server(#[from] SmtpUrlError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns how every letter is worded in every language.
pub async fn list(env: &Env) -> Result<Vec<MailTemplate>, StoreError> {
    let mut reader = env.db.reader().await?;
    let changed = mail_templates::list(&mut reader.conn()).await?;
    let all = LetterName::ALL.iter().flat_map(|letter| Lang::ALL.map(|lang| (*letter, lang)));
    let template = |(letter, lang)| {
        let known = changed.iter().find(|template| template.letter == letter && template.lang == lang);
        known.cloned().unwrap_or_else(|| MailTemplate::built_in(letter, lang))
    };
    Ok(all.map(template).collect())
}

/// Returns how a letter is worded in a language.
pub async fn find(env: &Env, letter: LetterName, lang: Lang) -> Result<MailTemplate, StoreError> {
    let mut reader = env.db.reader().await?;
    let known = mail_templates::find(&mut reader.conn(), letter, lang).await?;
    Ok(known.unwrap_or_else(|| MailTemplate::built_in(letter, lang)))
}

/// Returns the wording that is built in.
pub fn built_in(letter: LetterName, lang: Lang) -> Wording {
    Letters::built_in(letter, lang)
}

/// Returns the names that the templates of a letter may use.
pub fn names(env: &Env, letter: LetterName) -> Vec<String> {
    letters(env).names(letter)
}

/// Returns the letter with sample values, or what is wrong with the wording.
pub fn preview(env: &Env, letter: LetterName, lang: Lang, wording: &Wording) -> Result<Rendered, WordingProblem> {
    letters(env).try_out(letter, lang, wording)
}

/// Keeps a wording, if it works and the letter's version is still the one that was seen; without one
/// that was seen, whatever it is.
pub async fn save(
    env: &Env,
    (letter, lang): (LetterName, Lang),
    wording: Wording,
    seen: Option<i64>,
    actor: &str,
) -> Result<MailTemplate, TemplateError> {
    let wording = wording.tidied();
    preview(env, letter, lang, &wording)?;
    put(env, (letter, lang), Some(wording), seen, actor).await
}

/// Goes back to the wording that is built in.
pub async fn reset(
    env: &Env,
    (letter, lang): (LetterName, Lang),
    seen: Option<i64>,
    actor: &str,
) -> Result<MailTemplate, TemplateError> {
    put(env, (letter, lang), None, seen, actor).await
}

/// Sends a letter with sample values, as it is worded now, and waits for what the mail server says: half a minute at
/// most. Without a server it is [`Sent::ToKeep`].
pub async fn send_test(
    env: &Env,
    (letter, lang): (LetterName, Lang),
    recipient: &EmailAddress,
    actor: &str,
) -> Result<Sent, TestError> {
    let template = find(env, letter, lang).await?;
    let contents = samples(letter).pop().expect("every letter has samples: the tests ask for each");
    let rendered = letters(env).render_for(&contents, lang, template.edited.as_ref(), None);
    let Some(url) = env.config.mail.smtp_url() else { return Ok(Sent::ToKeep(rendered)) };
    let transport = Transport::smtp(url)?;
    let now = env.clock.now();
    let id = message_id(env.random.id(now), env.config.server.public_url.as_str());
    let sent = transport.send(&env.config.mail.from, recipient.as_str(), &id, now, &rendered, None).await;
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let mut aftermath = Aftermath::new(now);
    let details = json!({ "letter": letter.as_str(), "lang": lang.tag(), "taken": sent.is_ok() });
    aftermath.log_by(actor, None, "mail_test_sent", details);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(sent?)
}

async fn put(
    env: &Env,
    (letter, lang): (LetterName, Lang),
    edited: Option<Wording>,
    seen: Option<i64>,
    actor: &str,
) -> Result<MailTemplate, TemplateError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let stands = mail_templates::find(conn, letter, lang).await?;
    let stands = stands.unwrap_or_else(|| MailTemplate::built_in(letter, lang));
    if seen.is_some_and(|seen| seen != stands.version) {
        return Err(TemplateError::Changed);
    }
    if stands.edited == edited {
        return Ok(stands);
    }
    let action = if edited.is_some() { "mail_template_changed" } else { "mail_template_reset" };
    let template = MailTemplate {
        letter,
        lang,
        edited,
        version: stands.version + 1,
        updated_by: Some(actor.to_owned()),
        updated_at: Some(now),
    };
    // Two at once: the statement lets one of them through.
    if !mail_templates::put(conn, &template, stands.version, now).await? {
        return Err(TemplateError::Changed);
    }
    let mut aftermath = Aftermath::new(now);
    let details = json!({ "letter": letter.as_str(), "lang": lang.tag(), "version": template.version });
    aftermath.log_by(actor, None, action, details);
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(template)
}

fn letters(env: &Env) -> Letters {
    Letters::new(&env.config.product.name, env.config.server.public_url.as_str())
}
