//! Keys by which apps ask: made, shown once, used, ended.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{
    domain::{
        api_key::{ApiKey, LONGEST_NAME, Scope, Scopes, TOKEN_PREFIX},
        ids::{ApiKeyId, UserId},
    },
    platform::{env::Env, keys::hash_token},
    services::activity::note,
    store::{StoreError, api_keys, users},
};

/// Characters of a token that are kept to know it again.
const HINT_LENGTH: usize = TOKEN_PREFIX.len() + 6;
/// The longest that a member's key is good, in a browser.
pub const LONGEST_MEMBER_KEY: TimeDelta = TimeDelta::days(30);

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The one member it may ask about.
    pub user: Option<UserId>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why a key is not made.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Empty, too long, or not plain.
    #[error("a name has 1 to {LONGEST_NAME} characters")]
    BadName,
    /// None at all.
    #[error("a key needs at least one scope: check, consume, manage or admin")]
    NoScopes,
    /// It would have ended already, or a member's key would be good for too long.
    #[error("the end lies ahead; a key that is bound to one user ends within {} days", LONGEST_MEMBER_KEY.num_days())]
    BadEnd,
    /// A member's key is for checking and counting only.
    #[error("a key that is bound to one user has the scopes check and consume at most")]
    TooMuchForMember,
    /// Nobody is that.
    #[error("there is no such user")]
    NoSuchUser,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a key. The token, the second value, is shown once and kept nowhere.
pub async fn create(env: &Env, new: NewApiKey, actor: &str) -> Result<(ApiKey, String), ApiKeyError> {
    let now = env.clock.now();
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(ApiKeyError::BadName);
    }
    if new.scopes.is_empty() {
        return Err(ApiKeyError::NoScopes);
    }
    if new.expires_at.is_some_and(|until| until <= now) {
        return Err(ApiKeyError::BadEnd);
    }
    if new.user.is_some() {
        if new.scopes.allow(Scope::Manage) {
            return Err(ApiKeyError::TooMuchForMember);
        }
        if new.expires_at.is_none_or(|until| until > now + LONGEST_MEMBER_KEY) {
            return Err(ApiKeyError::BadEnd);
        }
    }
    let token = format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(env.random.bytes::<32>()));
    let key = ApiKey {
        id: env.random.id(now),
        name: name.to_owned(),
        hint: token.chars().take(HINT_LENGTH).collect(),
        scopes: new.scopes,
        user: new.user,
        created_by: actor.to_owned(),
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if let Some(user) = key.user
        && users::find(conn, user).await?.is_none()
    {
        return Err(ApiKeyError::NoSuchUser);
    }
    api_keys::insert(conn, &key, &hash_token(token.as_bytes())).await?;
    let details = json!({ "key": key.id, "name": key.name, "scopes": key.scopes.to_string() });
    note(env, conn, (actor, None), key.user, "api_key_created", details).await?;
    tx.commit().await?;
    // Somebody may have tried this very token before it was one.
    env.memory.keys_changed();
    Ok((key, token))
}

/// Returns the key with that token, if it is good now.
pub async fn identify(env: &Env, token: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
    let now = env.clock.now();
    if !token.starts_with(TOKEN_PREFIX) {
        return Ok(None);
    }
    let hash = hash_token(token.as_bytes());
    if let Some(known) = env.memory.api_key(&hash, now) {
        return Ok(known.filter(|key| key.is_good(now)));
    }
    Box::pin(look_up(env, hash, now)).await
}

/// Reads the key with that token, notes its use, and remembers it.
async fn look_up(env: &Env, hash: Vec<u8>, now: DateTime<Utc>) -> Result<Option<Arc<ApiKey>>, StoreError> {
    let epoch = env.memory.keys_epoch();
    let mut reader = env.db.reader().await?;
    let key = api_keys::find_by_token(&mut reader.conn(), &hash).await?.map(Arc::new);
    drop(reader);
    if let Some(key) = key.as_ref().filter(|key| key.is_good(now))
        && key.last_used_at.is_none_or(|last| now - last >= TimeDelta::minutes(1))
        && let Err(error) = touch(env, key.id, now).await
    {
        // Not worth an answer: with a full disk questions can still be answered.
        tracing::warn!(%error, "the last use of an API key was not noted");
    }
    env.memory.remember_api_key(epoch, hash, key.clone(), now);
    Ok(key.filter(|key| key.is_good(now)))
}

async fn touch(env: &Env, key: ApiKeyId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    api_keys::touch(&mut tx.conn(), key, now).await?;
    tx.commit().await
}

/// Returns a page of the servers' keys, the newest first, from before `before`.
pub async fn list(env: &Env, before: Option<ApiKeyId>, count: i64) -> Result<Vec<ApiKey>, StoreError> {
    let mut reader = env.db.reader().await?;
    api_keys::list(&mut reader.conn(), before, count).await
}

/// Ends a key. Returns `false` if there is no such key, or it had ended before.
pub async fn revoke(env: &Env, key: ApiKeyId, actor: &str) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(key) = api_keys::revoke(conn, key, now).await? else { return Ok(false) };
    let details = json!({ "key": key.id, "name": key.name });
    note(env, conn, (actor, None), key.user, "api_key_revoked", details).await?;
    tx.commit().await?;
    env.memory.keys_changed();
    Ok(true)
}
