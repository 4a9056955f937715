//! Signed-in browsers.
//!
//! The token is 256 random bits in a cookie; the database knows its SHA-256. A new one is made
//! at every sign-in.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    domain::{
        ids::SessionId,
        session::{FRESH_FOR, Lifetime, SEEN_EVERY},
        user::User,
    },
    platform::{env::Env, keys::hash_token},
    services::{Origin, stats},
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        sessions::{self, Session},
        users,
    },
};

/// Who a browser is signed in as.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The member.
    pub user: User,
    /// The session.
    pub session: SessionId,
    /// When a code last proved them in this browser.
    pub signed_in_at: DateTime<Utc>,
}

impl Identity {
    /// Returns whether the proof is recent enough for what asks for a fresh one.
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now < self.signed_in_at + FRESH_FOR
    }
}

/// Signs a user in, inside the transaction that proved them: counts it, logs it as `action`, opens
/// a session and returns its token.
pub(super) async fn begin(
    env: &Env,
    conn: &mut Conn<'_>,
    user: &User,
    action: &'static str,
    is_new: bool,
    origin: &Origin,
) -> Result<String, StoreError> {
    let now = env.clock.now();
    users::count_login(conn, user.id, now).await?;
    stats::count_sign_in(env, conn, user.id).await?;
    log(env, conn, user, action, json!({ "new": is_new }), origin).await?;
    let token = BASE64_URL_SAFE_NO_PAD.encode(env.random.bytes::<32>());
    let session = Session {
        id: env.random.id(now),
        user_id: user.id,
        user_agent: origin.user_agent.clone(),
        ip_address: origin.address.to_string(),
        created_at: now,
        last_seen_at: now,
    };
    sessions::insert(conn, &session, &hash_token(token.as_bytes())).await?;
    Ok(token)
}

/// Returns who holds the token, unless the session has ended or the account is closed.
pub async fn identify(env: &Env, token: &str) -> Result<Option<Identity>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(session) = sessions::find_by_token(conn, &hash_token(token.as_bytes())).await? else {
        return Ok(None);
    };
    let Some(user) = users::find(conn, session.user_id).await? else { return Ok(None) };
    drop(reader);
    let is_alive = Lifetime::of(user.role).is_alive(session.created_at, session.last_seen_at, now);
    if !is_alive || user.disabled_at.is_some() {
        return Ok(None);
    }
    if now - session.last_seen_at >= SEEN_EVERY {
        let mut tx = env.db.begin().await?;
        sessions::touch(&mut tx.conn(), session.id, now).await?;
        stats::mark_active(env, &mut tx.conn(), user.id).await?;
        tx.commit().await?;
    }
    Ok(Some(Identity { user, session: session.id, signed_in_at: session.created_at }))
}

/// Returns the user's sessions that are still alive, the last seen first.
pub async fn list(env: &Env, user: &User) -> Result<Vec<Session>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let mut all = sessions::list(&mut reader.conn(), user.id).await?;
    let lifetime = Lifetime::of(user.role);
    all.retain(|session| lifetime.is_alive(session.created_at, session.last_seen_at, now));
    Ok(all)
}

/// Ends one of the user's sessions. Returns `false` if it is none of theirs.
pub async fn revoke(env: &Env, user: &User, session: SessionId, origin: &Origin) -> Result<bool, StoreError> {
    let mut tx = env.db.begin().await?;
    let ended = sessions::delete(&mut tx.conn(), user.id, session).await?;
    if ended {
        log(env, &mut tx.conn(), user, "session_revoked", json!({ "session": session }), origin).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

/// Ends all of the user's sessions. Returns how many.
pub async fn revoke_all(env: &Env, user: &User, origin: &Origin) -> Result<u64, StoreError> {
    let mut tx = env.db.begin().await?;
    let ended = sessions::delete_all(&mut tx.conn(), user.id).await?;
    log(env, &mut tx.conn(), user, "signed_out_everywhere", json!({ "sessions": ended }), origin).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Ends the session that is asking.
pub async fn sign_out(env: &Env, identity: &Identity, origin: &Origin) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    if sessions::delete(&mut tx.conn(), identity.user.id, identity.session).await? {
        log(env, &mut tx.conn(), &identity.user, "logout", json!({}), origin).await?;
    }
    tx.commit().await
}

/// Ends the session that a new one in the same browser replaces.
pub async fn replace(env: &Env, identity: &Identity, origin: &Origin) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    if sessions::delete(&mut tx.conn(), identity.user.id, identity.session).await? {
        log(env, &mut tx.conn(), &identity.user, "session_replaced", json!({}), origin).await?;
    }
    tx.commit().await
}

/// Ends one of a member's sessions, or all of them, by the hand of an admin. Returns how many.
pub async fn end(
    env: &Env,
    user: &User,
    session: Option<SessionId>,
    actor: &str,
    origin: &Origin,
) -> Result<u64, StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let ended = match session {
        Some(session) => u64::from(sessions::delete(conn, user.id, session).await?),
        None => sessions::delete_all(conn, user.id).await?,
    };
    if ended > 0 {
        let details = json!({ "sessions": ended });
        log_as(env, conn, user, actor, "sessions_ended", details, origin).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

async fn log(
    env: &Env,
    conn: &mut Conn<'_>,
    user: &User,
    action: &'static str,
    details: serde_json::Value,
    origin: &Origin,
) -> Result<(), StoreError> {
    log_as(env, conn, user, &user.label(), action, details, origin).await
}

async fn log_as(
    env: &Env,
    conn: &mut Conn<'_>,
    user: &User,
    actor: &str,
    action: &'static str,
    details: serde_json::Value,
    origin: &Origin,
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let address = origin.address.to_string();
    let line = NewActivity {
        id: env.random.id(now),
        user: Some(user.id),
        actor,
        action,
        details,
        ip_address: Some(&address),
        user_agent: Some(&origin.user_agent),
    };
    activity::insert(conn, &line, now).await
}
