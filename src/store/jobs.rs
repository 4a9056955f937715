//! Work outside the request: `jobs`.
//!
//! A job is committed with what causes it and done at least once. Whoever claims it holds a
//! lease and a fencing token; a result under an old token is refused.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{
        ids::{BonusRuleId, JobId, MailId, NotificationId, PaymentEventId, UserId, WebhookDeliveryId},
        payment::Provider,
        schedule::CLOCK_TOLERANCE,
    },
    store::{
        Conn, Result,
        db::{build, execute, run},
    },
};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Send a mail.
    SendMail {
        /// Which.
        mail: MailId,
    },
    /// Apply an event of a provider that could not be applied when it came.
    ApplyPaymentEvent {
        /// Which.
        event: PaymentEventId,
    },
    /// Ask a provider how all subscriptions stand, and put right what is different here.
    ReconcileSubscriptions {
        /// Whom to ask.
        provider: Provider,
        /// Where to go on; from the beginning without.
        after: Option<String>,
    },
    /// Ask a provider how a subscription stands: two events of one instant said different things.
    RefreshSubscription {
        /// Whom to ask.
        provider: Provider,
        /// The provider's id.
        subscription: String,
    },
    /// Tell an app what happened.
    DeliverWebhook {
        /// Which delivery.
        delivery: WebhookDeliveryId,
    },
    /// Reward a member for what they have done.
    AwardBonus {
        /// Whom.
        user: UserId,
    },
    /// Reward everybody who has done what a rule asks for, some at a time.
    SweepBonus {
        /// Which rule.
        rule: BonusRuleId,
        /// After whom to go on; from the beginning without.
        after: Option<UserId>,
    },
    /// Tell the admins' chat of a notification.
    TellChat {
        /// Which.
        notification: NotificationId,
    },
}

impl Work {
    /// Returns of which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::SendMail { .. } => Kind::SendMail,
            Self::ApplyPaymentEvent { .. } => Kind::ApplyPaymentEvent,
            Self::ReconcileSubscriptions { .. } => Kind::ReconcileSubscriptions,
            Self::RefreshSubscription { .. } => Kind::RefreshSubscription,
            Self::AwardBonus { .. } => Kind::AwardBonus,
            Self::SweepBonus { .. } => Kind::SweepBonus,
            Self::TellChat { .. } => Kind::TellChat,
            Self::DeliverWebhook { .. } => Kind::DeliverWebhook,
        }
    }

    /// Returns among which others it waits its turn, unless somebody waits for it, see [`insert_codes`].
    pub fn lane(&self) -> Lane {
        match self {
            Self::SendMail { .. } => Lane::Letters,
            Self::ApplyPaymentEvent { .. } | Self::ReconcileSubscriptions { .. } | Self::RefreshSubscription { .. } => {
                Lane::Providers
            }
            Self::AwardBonus { .. } | Self::SweepBonus { .. } => Lane::Work,
            Self::TellChat { .. } => Lane::Chat,
            Self::DeliverWebhook { .. } => Lane::Webhooks,
        }
    }
}

/// The kinds of [`Work`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// See [`Work::SendMail`].
    SendMail,
    /// See [`Work::ApplyPaymentEvent`].
    ApplyPaymentEvent,
    /// See [`Work::ReconcileSubscriptions`].
    ReconcileSubscriptions,
    /// See [`Work::RefreshSubscription`].
    RefreshSubscription,
    /// See [`Work::AwardBonus`].
    AwardBonus,
    /// See [`Work::SweepBonus`].
    SweepBonus,
    /// See [`Work::TellChat`].
    TellChat,
    /// See [`Work::DeliverWebhook`].
    DeliverWebhook,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SendMail,
        Self::ApplyPaymentEvent,
        Self::ReconcileSubscriptions,
        Self::RefreshSubscription,
        Self::AwardBonus,
        Self::SweepBonus,
        Self::TellChat,
        Self::DeliverWebhook,
    ];

    /// Returns the word by which jobs of this kind are found.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendMail => "send_mail",
            Self::ApplyPaymentEvent => "apply_payment_event",
            Self::ReconcileSubscriptions => "reconcile_subscriptions",
            Self::RefreshSubscription => "refresh_subscription",
            Self::AwardBonus => "award_bonus",
            Self::SweepBonus => "sweep_bonus",
            Self::TellChat => "tell_chat",
            Self::DeliverWebhook => "deliver_webhook",
        }
    }
}

/// Jobs that wait for each other, and not for those of another lane: somebody else's server may take all
/// the time that it has, and nobody's code to sign in shall wait for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Letters that somebody waits for: codes and invitations.
    Codes,
    /// All other letters.
    Letters,
    /// What the database alone is needed for.
    Work,
    /// What may have to ask a provider of payments.
    Providers,
    /// Deliveries to apps.
    Webhooks,
    /// The admins' chat.
    Chat,
}

impl Lane {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 6] = [Self::Codes, Self::Letters, Self::Work, Self::Providers, Self::Webhooks, Self::Chat];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Codes => "codes",
            Self::Letters => "letters",
            Self::Work => "work",
            Self::Providers => "providers",
            Self::Webhooks => "webhooks",
            Self::Chat => "chat",
        }
    }
}

/// A job in the hands of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Which.
    pub id: JobId,
    /// What is to be done, or why that cannot be read: a newer program may have queued it.
    pub work: std::result::Result<Work, String>,
    /// Which try this is, from 1.
    pub attempt: i64,
    /// What proves that the claim is the last one.
    pub fencing_token: i64,
}

#[derive(FromRow)]
struct ClaimedRow {
    id: JobId,
    payload: Json<serde_json::Value>,
    attempts: i64,
    fencing_token: i64,
}

/// Queues work, in the transaction that causes it, to be done at once. What is there under the same
/// id already is not queued twice.
pub async fn insert(conn: &mut Conn<'_>, jobs: &[(JobId, Work)], now: DateTime<Utc>) -> Result<()> {
    insert_into(conn, jobs, Work::lane, now).await
}

/// Queues letters that somebody waits for, ahead of all others, see [`insert`].
pub async fn insert_codes(conn: &mut Conn<'_>, jobs: &[(JobId, Work)], now: DateTime<Utc>) -> Result<()> {
    insert_into(conn, jobs, |_| Lane::Codes, now).await
}

async fn insert_into(
    conn: &mut Conn<'_>,
    jobs: &[(JobId, Work)],
    lane: fn(&Work) -> Lane,
    now: DateTime<Utc>,
) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("INSERT INTO jobs (id, kind, lane, payload, run_at, attempts, fencing_token, created_at) ");
        query.push_values(jobs, |mut row, (id, work)| {
            row.push_bind(*id)
                .push_bind(work.kind().as_str())
                .push_bind(lane(work).as_str())
                .push_bind(Json(work))
                .push_bind(now)
                .push("0")
                .push("0")
                .push_bind(now);
        });
        query.push(" ON CONFLICT (id) DO NOTHING");
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// The text by which jobs are claimed, on one of the databases.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE jobs SET attempts = attempts + 1, fencing_token = fencing_token + 1, leased_until = $2
            WHERE id IN (
                SELECT id FROM jobs
                WHERE finished_at IS NULL AND dead_at IS NULL AND lane = $4 AND run_at <= $1
                    AND (leased_until IS NULL OR leased_until <= $1 OR leased_until > $5)
                ORDER BY run_at, id LIMIT $3 ",
            $lock,
            ") RETURNING id, payload, attempts, fencing_token"
        )
    };
}

/// Claims up to `count` jobs of a lane that are due and in nobody's hands. Two who claim at once never
/// get the same job: Postgres skips what the other has locked, SQLite has one writer. A lease that ends
/// later than any lease can is from a clock that was ahead, and binds nobody.
pub async fn claim(
    conn: &mut Conn<'_>,
    lane: Lane,
    count: i64,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
) -> Result<Vec<ClaimedJob>> {
    let sql = conn.dialect(claim!(""), claim!("FOR UPDATE SKIP LOCKED"));
    let rows: Vec<ClaimedRow> = run!(conn, |c| sqlx::query_as(sql)
        .bind(now)
        .bind(leased_until)
        .bind(count)
        .bind(lane.as_str())
        .bind(leased_until + CLOCK_TOLERANCE)
        .fetch_all(c))?;
    Ok(rows
        .into_iter()
        .map(|row| ClaimedJob {
            id: row.id,
            work: serde_json::from_value(row.payload.0).map_err(|problem| problem.to_string()),
            attempt: row.attempts,
            fencing_token: row.fencing_token,
        })
        .collect())
}

/// Makes due what a clock that was ahead had put off: what was never tried, and what waits for a time
/// after `latest`, for which a clock that is right plans nothing. Returns how many jobs.
pub async fn replan(conn: &mut Conn<'_>, latest: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET run_at = $1
        WHERE finished_at IS NULL AND dead_at IS NULL
            AND lane IN ('codes', 'letters', 'work', 'providers', 'webhooks', 'chat')
            AND run_at > $1 AND (run_at > $2 OR (attempts = 0 AND last_error IS NULL))"
    )
    .bind(now)
    .bind(latest)
    .execute(c))?)
}

/// Notes that a job is done. Returns `false` when somebody else has claimed it since.
pub async fn finish(conn: &mut Conn<'_>, id: JobId, fencing_token: i64, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET finished_at = $3, leased_until = NULL, last_error = NULL
        WHERE id = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(id)
    .bind(fencing_token)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Puts a job back until `run_at`. Returns `false` when somebody else has claimed it since.
pub async fn retry(
    conn: &mut Conn<'_>,
    id: JobId,
    fencing_token: i64,
    error: &str,
    run_at: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET run_at = $4, leased_until = NULL, last_error = $3
        WHERE id = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(id)
    .bind(fencing_token)
    .bind(error)
    .bind(run_at)
    .execute(c))?;
    Ok(updated == 1)
}

/// Puts a job back until `run_at` as if it had not been claimed: it was not its fault. Returns `false` when
/// somebody else has claimed it since.
pub async fn postpone(
    conn: &mut Conn<'_>,
    id: JobId,
    fencing_token: i64,
    why: &str,
    run_at: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET run_at = $4, leased_until = NULL, last_error = $3, attempts = attempts - 1
        WHERE id = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(id)
    .bind(fencing_token)
    .bind(why)
    .bind(run_at)
    .execute(c))?;
    Ok(updated == 1)
}

/// Gives a job up. Returns `false` when somebody else has claimed it since.
pub async fn give_up(
    conn: &mut Conn<'_>,
    id: JobId,
    fencing_token: i64,
    error: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE jobs SET dead_at = $4, leased_until = NULL, last_error = $3
        WHERE id = $1 AND fencing_token = $2 AND leased_until IS NOT NULL"
    )
    .bind(id)
    .bind(fencing_token)
    .bind(error)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// How the queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct QueueState {
    /// Jobs not done yet.
    pub waiting: i64,
    /// Jobs given up.
    pub dead: i64,
}

/// Returns how the queue stands.
pub async fn state(conn: &mut Conn<'_>) -> Result<QueueState> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT
            COUNT(CASE WHEN finished_at IS NULL AND dead_at IS NULL THEN 1 END) AS waiting,
            COUNT(dead_at) AS dead
        FROM jobs"
    )
    .fetch_one(c))?)
}

/// How the jobs of one kind stand.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KindState {
    /// Which kind.
    pub kind: String,
    /// Those that wait and have not failed yet.
    pub waiting: i64,
    /// Those in somebody's hands.
    pub running: i64,
    /// Those that failed and are tried again.
    pub retried: i64,
    /// Those that were given up.
    pub dead: i64,
    /// Since when the one has been due that waits longest.
    pub oldest_due_at: Option<DateTime<Utc>>,
}

impl KindState {
    /// Returns how a kind stands of which all jobs are done.
    pub fn nothing(kind: &str) -> Self {
        Self { kind: kind.to_owned(), waiting: 0, running: 0, retried: 0, dead: 0, oldest_due_at: None }
    }
}

/// Returns how the jobs of every kind stand of which some are not done, in the order of their names.
pub async fn by_kind(conn: &mut Conn<'_>, now: DateTime<Utc>) -> Result<Vec<KindState>> {
    Ok(run!(conn, |c| sqlx::query_as(
        "SELECT kind,
            COUNT(CASE WHEN dead_at IS NULL AND last_error IS NULL
                AND (leased_until IS NULL OR leased_until <= $1) THEN 1 END) AS waiting,
            COUNT(CASE WHEN dead_at IS NULL AND leased_until > $1 THEN 1 END) AS running,
            COUNT(CASE WHEN dead_at IS NULL AND last_error IS NOT NULL
                AND (leased_until IS NULL OR leased_until <= $1) THEN 1 END) AS retried,
            COUNT(dead_at) AS dead,
            MIN(CASE WHEN dead_at IS NULL AND run_at <= $1 THEN run_at END) AS oldest_due_at
        FROM (
            SELECT kind, run_at, leased_until, last_error, dead_at FROM jobs
            WHERE finished_at IS NULL AND dead_at IS NULL
            UNION ALL
            SELECT kind, run_at, leased_until, last_error, dead_at FROM jobs WHERE dead_at IS NOT NULL
        ) AS open
        GROUP BY kind ORDER BY kind"
    )
    .bind(now)
    .fetch_all(c))?)
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DeadJob {
    /// Which.
    pub id: JobId,
    /// What was to be done, in a word.
    pub kind: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When it was given up.
    pub dead_at: DateTime<Utc>,
}

/// Returns jobs that were given up, the newest first, from before the one with the id `before`.
pub async fn dead(conn: &mut Conn<'_>, before: Option<JobId>, count: i64) -> Result<Vec<DeadJob>> {
    Ok(build!(conn, |query, c| {
        query.push("SELECT id, kind, attempts, last_error, created_at, dead_at FROM jobs WHERE dead_at IS NOT NULL ");
        if let Some(before) = before {
            query.push("AND (dead_at, id) < ((SELECT dead_at FROM jobs WHERE id = ");
            query.push_bind(before).push("), ").push_bind(before).push(") ");
        }
        query.push("ORDER BY dead_at DESC, id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Puts a job that was given up back into the queue, to be done at once, with all its tries. Returns
/// its kind; of two at once one gets it.
pub async fn revive(conn: &mut Conn<'_>, id: JobId, now: DateTime<Utc>) -> Result<Option<String>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "UPDATE jobs SET dead_at = NULL, leased_until = NULL, last_error = NULL, attempts = 0, run_at = $2
        WHERE id = $1 AND dead_at IS NOT NULL RETURNING kind"
    )
    .bind(id)
    .bind(now)
    .fetch_optional(c))?)
}

/// Deletes a job that was given up. Returns its kind; of two at once one gets it.
pub async fn discard(conn: &mut Conn<'_>, id: JobId) -> Result<Option<String>> {
    Ok(run!(conn, |c| sqlx::query_scalar("DELETE FROM jobs WHERE id = $1 AND dead_at IS NOT NULL RETURNING kind")
        .bind(id)
        .fetch_optional(c))?)
}

/// Forgets at most `most` jobs done before `finished_before`. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, finished_before: DateTime<Utc>, most: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(PURGE).bind(finished_before).bind(most).execute(c))?)
}

/// Forgets at most `most` jobs that made deliveries before `finished_before`. Returns how many.
pub async fn purge_told(conn: &mut Conn<'_>, finished_before: DateTime<Utc>, most: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(PURGE_TOLD).bind(finished_before).bind(most).execute(c))?)
}

/// The text of [`purge`].
pub const PURGE: &str = "DELETE FROM jobs
    WHERE id IN (SELECT id FROM jobs WHERE finished_at <= $1 ORDER BY finished_at LIMIT $2)";

/// The text of [`purge_told`].
pub const PURGE_TOLD: &str = "DELETE FROM jobs
    WHERE id IN (
        SELECT id FROM jobs WHERE finished_at <= $1 AND kind = 'deliver_webhook' ORDER BY finished_at LIMIT $2
    )";
