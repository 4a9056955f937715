//! Which letters members want, and the links by which they do without.
//!
//! Whether a letter is wanted is asked when it is sent: what was queued before somebody unsubscribed
//! does not reach them either.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    domain::{
        activity::UNSUBSCRIBE_LINK,
        email::EmailAddress,
        ids::UserId,
        letter::{LetterName, MailCategory},
        mail::SkipReason,
        user::{Role, User},
    },
    platform::env::Env,
    services::aftermath::Aftermath,
    store::{Conn, StoreError, mail_preferences, users},
};

/// Why nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum PreferenceError {
    /// Nobody is that.
    #[error("there is no such member")]
    NoSuchMember,
    /// The address was not made here, or was changed on its way.
    #[error("this address is not one by which somebody unsubscribes")]
    BadToken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a letter is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// It is.
    Yes {
        /// The address by which its reader does without such letters, where that is possible.
        unsubscribe: Option<String>,
    },
    /// It is not.
    No(SkipReason),
}

/// Returns whether a letter is to be sent to an address.
pub async fn for_mail(env: &Env, recipient: &str, name: LetterName) -> Result<Wanted, StoreError> {
    let Some(category) = name.category() else { return Ok(Wanted::Yes { unsubscribe: None }) };
    let Ok(address) = EmailAddress::parse(recipient) else { return Ok(Wanted::Yes { unsubscribe: None }) };
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(user) = users::find_by_email(conn, address.key()).await? else {
        return Ok(Wanted::No(SkipReason::Nobody));
    };
    if mail_preferences::unwanted(conn, user.id).await?.contains(&category) {
        return Ok(Wanted::No(SkipReason::Unsubscribed));
    }
    let site = env.config.server.public_url.as_str().trim_end_matches('/');
    let unsubscribe = Some(format!("{site}/unsubscribe/{}", token(env, user.id, category)));
    Ok(Wanted::Yes { unsubscribe })
}

/// Returns the kinds of letters that a member may do without, and whether they get them.
pub async fn choices(env: &Env, user: &User) -> Result<Vec<(MailCategory, bool)>, StoreError> {
    let mut reader = env.db.reader().await?;
    read_choices(&mut reader.conn(), user).await
}

async fn read_choices(conn: &mut Conn<'_>, user: &User) -> Result<Vec<(MailCategory, bool)>, StoreError> {
    let unwanted = mail_preferences::unwanted(conn, user.id).await?;
    let theirs = MailCategory::ALL.into_iter().filter(|category| user.role == Role::Admin || !category.is_for_admins());
    Ok(theirs.map(|category| (category, !unwanted.contains(&category))).collect())
}

/// Notes which letters a member wants; kinds that are not named stay as they are. Returns all.
pub async fn set(
    env: &Env,
    user: UserId,
    wanted: &[(MailCategory, bool)],
    actor: &str,
) -> Result<Vec<(MailCategory, bool)>, PreferenceError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let user = users::find(conn, user).await?.ok_or(PreferenceError::NoSuchMember)?;
    let mut aftermath = Aftermath::new(now);
    for (category, wanted) in wanted.iter().copied() {
        if mail_preferences::put(conn, user.id, category, wanted, now).await? {
            let details = json!({ "category": category, "wanted": wanted });
            aftermath.log_by(actor, Some(user.id), "mail_preference_changed", details);
        }
    }
    let choices = read_choices(conn, &user).await?;
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    Ok(choices)
}

/// Returns whose choice an address is about, which kind of letters, and whether they want it.
pub async fn by_token(env: &Env, token: &str) -> Result<(UserId, MailCategory, bool), PreferenceError> {
    let (user, category) = read_token(env, token).ok_or(PreferenceError::BadToken)?;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    // For somebody who is gone there is nothing to choose: no mail reaches them.
    let is_reached = users::find(conn, user).await?.is_some_and(|user| user.email.is_some());
    if !is_reached {
        return Err(PreferenceError::BadToken);
    }
    let unwanted = mail_preferences::unwanted(conn, user).await?;
    Ok((user, category, !unwanted.contains(&category)))
}

/// Notes what whoever has the address of a letter wants. Twice is as good as once.
pub async fn set_by_token(env: &Env, token: &str, wanted: bool) -> Result<MailCategory, PreferenceError> {
    let (user, category, _) = by_token(env, token).await?;
    match set(env, user, &[(category, wanted)], UNSUBSCRIBE_LINK).await {
        Ok(_) => Ok(category),
        Err(PreferenceError::NoSuchMember) => Err(PreferenceError::BadToken),
        Err(error) => Err(error),
    }
}

/// Returns what stands at the end of the address: who, which kind, and the proof. It is derived, so
/// the database need not know it, and it stays good for as long as the mail is kept.
fn token(env: &Env, user: UserId, category: MailCategory) -> String {
    let mut bytes = Vec::with_capacity(33);
    bytes.extend_from_slice(user.as_bytes());
    bytes.push(letter_of(category));
    bytes.extend_from_slice(&env.keys.unsubscribe(user, category));
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn read_token(env: &Env, token: &str) -> Option<(UserId, MailCategory)> {
    let bytes: [u8; 33] = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (user, rest) = bytes.split_first_chunk::<16>()?;
    let (letter, proof) = rest.split_first()?;
    let user = UserId::from(Uuid::from_bytes(*user));
    let category = MailCategory::ALL.into_iter().find(|category| letter_of(*category) == *letter)?;
    let is_proved = bool::from(env.keys.unsubscribe(user, category).as_slice().ct_eq(proof));
    is_proved.then_some((user, category))
}

/// Returns the letter that stands for a kind; it never changes, because mails hold it.
fn letter_of(category: MailCategory) -> u8 {
    match category {
        MailCategory::Access => b'a',
        MailCategory::Referrals => b'r',
        MailCategory::Bonus => b'b',
        MailCategory::Digest => b'd',
    }
}
