//! Forgets what is over. Kept are the audit log and jobs that were given up: somebody may still
//! want to know.

use chrono::TimeDelta;

use crate::{
    domain::{session::Lifetime, user::Role},
    platform::env::Env,
    store::{StoreError, jobs, login, mails, rate_limits, sessions},
};

/// Longer than any window that is counted.
const KEEP_COUNTS: TimeDelta = TimeDelta::days(2);
/// Sign-ins, for those who ask what happened; and wrong codes in a row, so that a guesser who waits
/// until codes are short again has 20 tries a month.
const KEEP_ATTEMPTS: TimeDelta = TimeDelta::days(30);
/// Mails and finished jobs, for those who ask whether it was sent.
const KEEP_MAILS: TimeDelta = TimeDelta::days(30);

/// Forgets what nobody needs any more.
pub(super) async fn run(env: &Env) -> Result<(), StoreError> {
    let now = env.clock.now();
    let longest = Lifetime::of(Role::Member);
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let forgotten = rate_limits::purge(conn, now - KEEP_COUNTS).await?
        + login::purge(conn, now - KEEP_ATTEMPTS, now).await?
        + sessions::purge(conn, now - longest.absolute, now - longest.idle).await?
        + jobs::purge(conn, now - KEEP_MAILS).await?
        + mails::purge(conn, now - KEEP_MAILS).await?;
    tx.commit().await?;
    if forgotten > 0 {
        tracing::debug!(rows = forgotten, "forgot what is over");
    }
    Ok(())
}
