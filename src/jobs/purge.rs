//! Forgets what is over. Kept are the audit log and jobs that were given up: somebody may still
//! want to know.

use chrono::TimeDelta;

use crate::{
    domain::{session::Lifetime, usage::ANSWERS_KEPT_FOR, user::Role},
    platform::env::Env,
    store::{StoreError, api_keys, idempotency, jobs, login, mails, rate_limits, sessions, usage},
};

/// Longer than any window that is counted.
const KEEP_COUNTS: TimeDelta = TimeDelta::days(2);
/// Sign-ins, for those who ask what happened; and wrong codes in a row, so that a guesser who waits
/// until codes are short again has 20 tries a month.
const KEEP_ATTEMPTS: TimeDelta = TimeDelta::days(30);
/// Mails and finished jobs, for those who ask whether it was sent.
const KEEP_MAILS: TimeDelta = TimeDelta::days(30);
/// What was held once, for those who settle late and are told so; and members' keys that ended.
const KEEP_RESERVATIONS: TimeDelta = TimeDelta::days(30);
/// Rows that pile up by the million are forgotten so many at a time: on SQLite everybody who
/// counts waits meanwhile.
const AT_A_TIME: i64 = 5_000;

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
        + mails::purge(conn, now - KEEP_MAILS).await?
        + api_keys::purge(conn, now - KEEP_RESERVATIONS).await?;
    tx.commit().await?;
    let mut forgotten = forgotten;
    for pile in [Pile::LapsedReservations, Pile::OldReservations, Pile::OldAnswers] {
        forgotten += pile.clear(env).await?;
    }
    if forgotten > 0 {
        tracing::debug!(rows = forgotten, "forgot what is over");
    }
    Ok(())
}

/// What piles up by the million.
#[derive(Clone, Copy)]
enum Pile {
    LapsedReservations,
    OldReservations,
    OldAnswers,
}

impl Pile {
    /// Forgets some rows at a time, each time in a transaction of its own, until there are none.
    async fn clear(self, env: &Env) -> Result<u64, StoreError> {
        let now = env.clock.now();
        let mut all = 0;
        loop {
            let mut tx = env.db.begin().await?;
            let conn = &mut tx.conn();
            let done = match self {
                Self::LapsedReservations => usage::sweep_reservations(conn, now, AT_A_TIME).await?,
                Self::OldReservations => usage::purge_reservations(conn, now - KEEP_RESERVATIONS, AT_A_TIME).await?,
                Self::OldAnswers => idempotency::purge(conn, now - ANSWERS_KEPT_FOR, AT_A_TIME).await?,
            };
            tx.commit().await?;
            all += done;
            if done < AT_A_TIME.unsigned_abs() {
                return Ok(all);
            }
        }
    }
}
