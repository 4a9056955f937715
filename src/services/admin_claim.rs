//! The first admin: a one-time link that the program prints while there is none.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    domain::{activity::SYSTEM, email::EmailAddress, ids::UserId, user::Role},
    platform::{env::Env, keys::hash_token},
    services::{Origin, activity, login::SignedIn, sessions, trials},
    store::{
        StoreError, login, settings,
        users::{self, NewUser},
    },
};

/// How long the link is good.
pub const CLAIM_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Why a link makes nobody an admin.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Used, run out, never there, or there is an admin by now.
    #[error("this link is not good any more; restart the program for another")]
    Void,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a link while there is no admin, voiding older ones. Returns its path.
pub async fn issue(env: &Env) -> Result<Option<String>, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if users::any_admin(conn).await? {
        return Ok(None);
    }
    let token = BASE64_URL_SAFE_NO_PAD.encode(env.random.bytes::<32>());
    login::replace_admin_claim(conn, &hash_token(token.as_bytes()), now, now + CLAIM_LIFETIME).await?;
    let details = json!({ "until": now + CLAIM_LIFETIME });
    activity::note(env, conn, (SYSTEM, None), None, "admin_claim_issued", details).await?;
    tx.commit().await?;
    Ok(Some(format!("/admin/claim?token={token}")))
}

/// Returns whether a link is still good.
pub async fn is_good(env: &Env, token: &str) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    Ok(login::has_admin_claim(conn, &hash_token(token.as_bytes()), now).await? && !users::any_admin(conn).await?)
}

/// Makes the holder of the link an admin under that address, and signs them in. Who can read
/// the program's output owns the machine, so the address needs no further proof.
pub async fn redeem(env: &Env, token: &str, email: &EmailAddress, origin: &Origin) -> Result<SignedIn, ClaimError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    // The deletion decides between two who hold the same link.
    if !login::use_admin_claim(conn, &hash_token(token.as_bytes()), now).await? || users::any_admin(conn).await? {
        return Err(ClaimError::Void);
    }
    let settings = settings::read(conn).await?;
    let tier = trials::own_tier(conn, &settings).await?;
    let id: UserId = env.random.id(now);
    let new = NewUser {
        id,
        email: Some(email),
        external_id: None,
        role: Role::Admin,
        lang: origin.lang,
        tier: &tier,
        trial_ends_at: None,
        referred_by: None,
    };
    let is_new = users::insert(conn, &new, now).await?;
    let user = users::find_by_email(conn, email.key()).await?.ok_or(StoreError::Missing("users"))?;
    users::set_role(conn, user.id, Role::Admin, now).await?;
    // An admin's sessions live shorter, and nobody becomes one by a browser left open somewhere.
    crate::store::sessions::delete_all(conn, user.id).await?;
    users::enable(conn, user.id, now).await?;
    users::verify_email(conn, user.id, now).await?;
    let token = sessions::begin(env, conn, &user, "admin_claimed", is_new, origin).await?;
    tx.commit().await?;
    tracing::info!(user.id = %user.id, "the first admin signed in");
    Ok(SignedIn { token, user: user.id, role: Role::Admin, is_new, accepted: None })
}
