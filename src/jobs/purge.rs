//! Forgets what is over. Kept are the audit log and jobs that were given up: somebody may still
//! want to know.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        activity::network_of,
        schedule::{Counts, counts},
        session::Lifetime,
        usage::ANSWERS_KEPT_FOR,
        user::Role,
        webhook,
    },
    platform::env::Env,
    services::catalogue,
    store::{
        Conn, StoreError, activity, address_marks, api_keys, idempotency, invitations, jobs, login, mails, rate_limits,
        reminders, sessions, usage, webhooks,
    },
};

/// Longer than any window that is counted.
const KEEP_COUNTS: TimeDelta = TimeDelta::days(2);
/// Sign-ins, for those who ask what happened; and wrong codes in a row, so that a guesser who waits
/// until codes are short again has 20 tries a month.
const KEEP_ATTEMPTS: TimeDelta = TimeDelta::days(30);
/// Mails and finished jobs, for those who ask whether it was sent.
const KEEP_MAILS: TimeDelta = TimeDelta::days(30);
/// Jobs that made deliveries: those tell by themselves what became of them.
const KEEP_TOLD: TimeDelta = TimeDelta::days(1);
/// What was held once, for those who settle late and are told so; and members' keys that ended.
const KEEP_RESERVATIONS: TimeDelta = TimeDelta::days(30);
/// Invitations that nobody accepted, for those who ask what became of them; longer than their mails are
/// counted.
const KEEP_INVITATIONS: TimeDelta = TimeDelta::days(60);
/// What somebody was told: longer than it could be told again.
const KEEP_REMINDERS: TimeDelta = TimeDelta::days(800);
/// Rows that pile up by the million are forgotten so many at a time: on SQLite everybody who
/// counts waits meanwhile.
const AT_A_TIME: i64 = 5_000;
/// Addresses are cut so many at a time.
const CUT_AT_A_TIME: i64 = 1_000;
/// What is left of an address that could not be read.
const NO_NETWORK: &str = "0.0.0.0/0";

/// Forgets what nobody needs any more.
pub(super) async fn run(env: &Env) -> Result<Counts, StoreError> {
    let now = env.clock.now();
    let longest = Lifetime::of(Role::Member);
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let forgotten = rate_limits::purge(conn, now - KEEP_COUNTS, now).await?
        + login::purge(conn, now - KEEP_ATTEMPTS, now).await?
        + sessions::purge(conn, now - longest.absolute, now - longest.idle).await?
        + api_keys::purge(conn, now - KEEP_RESERVATIONS).await?
        + invitations::purge(conn, now - KEEP_INVITATIONS).await?
        + reminders::purge(conn, now - KEEP_REMINDERS).await?
        + address_marks::purge(conn, now).await?;
    tx.commit().await?;
    let mut forgotten = forgotten;
    for pile in Pile::ALL {
        forgotten += pile.clear(env).await?;
    }
    Ok(counts([("forgotten", forgotten)]))
}

/// Cuts addresses that are old enough down to their network, in the log and in sessions.
pub(super) async fn cut_addresses(env: &Env) -> Result<Counts, StoreError> {
    let days = catalogue::newest(env).await?.settings.ip_retention_days;
    let before = env.clock.now() - TimeDelta::days(days);
    let (mut lines, mut open) = (0, 0);
    loop {
        let mut tx = env.db.begin().await?;
        let conn = &mut tx.conn();
        let whole = activity::uncut(conn, before, CUT_AT_A_TIME).await?;
        let count = whole.len();
        let cut: Vec<_> = whole.into_iter().map(|(id, address)| (id, network_of(&address))).collect();
        activity::cut(conn, &cut).await?;
        let sessions_cut = cut_sessions(conn, before).await?;
        tx.commit().await?;
        lines += u64::try_from(count).unwrap_or(0);
        open += sessions_cut;
        if i64::try_from(count).unwrap_or(0) < CUT_AT_A_TIME && sessions_cut == 0 {
            return Ok(counts([("lines", lines), ("sessions", open)]));
        }
    }
}

async fn cut_sessions(conn: &mut Conn<'_>, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let whole = sessions::uncut(conn, before, CUT_AT_A_TIME).await?;
    let cut: Vec<_> = whole
        .iter()
        // What cannot be read is no address, and is not kept as one.
        .map(|(id, address)| (*id, network_of(address).unwrap_or_else(|| NO_NETWORK.to_owned())))
        .collect();
    sessions::cut(conn, &cut).await?;
    Ok(u64::try_from(cut.len()).unwrap_or(0))
}

/// Deletes lines of the log that are old enough. What concerns money is in ledgers of its own.
pub(super) async fn forget_activity(env: &Env) -> Result<Counts, StoreError> {
    let days = catalogue::newest(env).await?.settings.activity_retention_days;
    let before = env.clock.now() - TimeDelta::days(days);
    let mut all = 0;
    loop {
        let mut tx = env.db.begin().await?;
        let done = activity::purge(&mut tx.conn(), before, AT_A_TIME).await?;
        tx.commit().await?;
        all += done;
        if done < AT_A_TIME.unsigned_abs() {
            return Ok(counts([("lines", all)]));
        }
    }
}

/// What piles up by the million.
#[derive(Clone, Copy)]
enum Pile {
    LapsedReservations,
    OldReservations,
    OldAnswers,
    OldDeliveries,
    OldJobs,
    OldTold,
    OldMails,
}

impl Pile {
    const ALL: [Self; 7] = [
        Self::LapsedReservations,
        Self::OldReservations,
        Self::OldAnswers,
        Self::OldDeliveries,
        Self::OldJobs,
        Self::OldTold,
        Self::OldMails,
    ];

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
                Self::OldDeliveries => webhooks::purge(conn, now - webhook::KEPT_FOR, AT_A_TIME).await?,
                Self::OldJobs => jobs::purge(conn, now - KEEP_MAILS, AT_A_TIME).await?,
                Self::OldTold => jobs::purge_told(conn, now - KEEP_TOLD, AT_A_TIME).await?,
                Self::OldMails => mails::purge(conn, now - KEEP_MAILS, AT_A_TIME).await?,
            };
            tx.commit().await?;
            all += done;
            if done < AT_A_TIME.unsigned_abs() {
                return Ok(all);
            }
        }
    }
}
