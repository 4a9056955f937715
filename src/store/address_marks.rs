//! What an address has had, kept without the address: `address_marks`.
//!
//! The hash is [`Keys::address_hash`](crate::platform::keys::Keys::address_hash). It outlives the
//! account, so that nobody gets the same twice by leaving and coming back.

use chrono::{DateTime, Utc};

use crate::store::{
    Conn, Result,
    db::{execute, run},
};

/// That an address has had a trial.
pub const TRIAL: &str = "trial";
/// What stands before the code of a coupon that somebody has redeemed under another address, before they left with this.
pub(super) const COUPON: &str = "coupon ";

/// Marks an address with `kind` until `kept_until`, or for good. One that is marked already keeps the
/// later end of the two. Returns whether it was not marked: of two at once one gets `true`.
pub async fn mark(
    conn: &mut Conn<'_>,
    kind: &str,
    hash: &[u8; 32],
    kept_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool> {
    // A mark whose time is over is as good as none, and its row is taken over.
    let written = execute!(conn, |c| sqlx::query(
        "INSERT INTO address_marks (kind, address_hash, kept_until, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, address_hash) DO UPDATE
        SET kept_until = excluded.kept_until, created_at = excluded.created_at
        WHERE address_marks.kept_until <= excluded.created_at"
    )
    .bind(kind)
    .bind(hash.as_slice())
    .bind(kept_until)
    .bind(now)
    .execute(c))?;
    if written == 1 {
        return Ok(true);
    }
    execute!(conn, |c| sqlx::query(
        "UPDATE address_marks SET kept_until = $3
        WHERE kind = $1 AND address_hash = $2 AND kept_until IS NOT NULL
            AND ($4 OR kept_until < $3)"
    )
    .bind(kind)
    .bind(hash.as_slice())
    .bind(kept_until)
    .bind(kept_until.is_none())
    .execute(c))?;
    Ok(false)
}

/// Returns whether an address has a mark that still holds.
pub async fn is_marked(conn: &mut Conn<'_>, kind: &str, hash: &[u8; 32], now: DateTime<Utc>) -> Result<bool> {
    let count: i64 = run!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM address_marks
        WHERE kind = $1 AND address_hash = $2 AND (kept_until IS NULL OR kept_until > $3)"
    )
    .bind(kind)
    .bind(hash.as_slice())
    .bind(now)
    .fetch_one(c))?;
    Ok(count > 0)
}

/// Forgets marks whose time is over. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query("DELETE FROM address_marks WHERE kept_until <= $1").bind(now).execute(c))?)
}
