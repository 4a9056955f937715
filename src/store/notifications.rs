//! What admins are told, who has read it and by which ways it is told: `notifications`,
//! `notification_reads`, `notification_ways`, `notification_chats`, `admin_digests`.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, types::Json};

use crate::{
    domain::{
        ids::{NotificationId, UserId},
        notification::{Kind, Notification, Occurrence, Shape, Ways},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

#[derive(FromRow)]
struct NotificationRow {
    id: NotificationId,
    details: Json<serde_json::Value>,
    occurrences: i64,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    is_read: bool,
}

impl TryFrom<NotificationRow> for Notification {
    type Error = StoreError;

    fn try_from(row: NotificationRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            occurrence: serde_json::from_value(row.details.0)
                .map_err(StoreError::corrupt("notifications", "details"))?,
            count: row.occurrences,
            first_at: row.first_at,
            last_at: row.last_at,
            is_read: row.is_read,
        })
    }
}

/// Tells admins of something. While nobody has read one of the same kind and key, it is counted there:
/// two at once wait for each other. Returns the notification and whether it is a new one.
pub async fn raise(
    conn: &mut Conn<'_>,
    id: NotificationId,
    occurrence: &Occurrence,
    now: DateTime<Utc>,
) -> Result<(NotificationId, bool)> {
    let raised: NotificationId = run!(conn, |c| sqlx::query_scalar(
        "INSERT INTO notifications (id, kind, dedupe_key, details, occurrences, first_at, last_at)
        VALUES ($1, $2, $3, $4, 1, $5, $5)
        ON CONFLICT (kind, dedupe_key) WHERE closed_at IS NULL DO UPDATE SET
            details = excluded.details, occurrences = notifications.occurrences + 1, last_at = excluded.last_at
        RETURNING id"
    )
    .bind(id)
    .bind(occurrence.kind().as_str())
    .bind(occurrence.key())
    .bind(Json(occurrence))
    .bind(now)
    .fetch_one(c))?;
    Ok((raised, raised == id))
}

/// Whose notifications are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// An admin's.
    Admin(UserId),
    /// Everybody's: what counts as read is what was marked as read for all.
    All,
}

/// Says whether somebody has read it.
macro_rules! push_is_read {
    ($query:ident, $reader:expr) => {
        match $reader {
            Reader::All => {
                $query.push("read_at IS NOT NULL");
            }
            Reader::Admin(user) => {
                $query.push(
                    "(read_at IS NOT NULL OR EXISTS (
                        SELECT 1 FROM notification_reads WHERE notification_id = notifications.id AND user_id = ",
                );
                $query.push_bind(user).push("))");
            }
        }
    };
}

/// Keeps to some kinds.
macro_rules! push_kinds {
    ($query:ident, $kinds:ident) => {{
        $query.push("kind IN (");
        let mut list = $query.separated(", ");
        for kind in $kinds {
            list.push_bind(kind.as_str());
        }
        $query.push(")");
    }};
}

/// Which notifications are listed.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// For whom.
    pub reader: Reader,
    /// Of these kinds.
    pub kinds: &'a [Kind],
    /// Those that are unread or those that are read; both without.
    pub is_read: Option<bool>,
    /// Made before this one.
    pub before: Option<NotificationId>,
}

/// Returns a page of notifications, the newest first.
pub async fn page(conn: &mut Conn<'_>, which: Which<'_>, count: i64) -> Result<Vec<Notification>> {
    let Which { reader, kinds, is_read, before } = which;
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<NotificationRow> = build!(conn, |query, c| {
        query.push("SELECT id, details, occurrences, first_at, last_at, ");
        push_is_read!(query, reader);
        query.push(" AS is_read FROM notifications WHERE ");
        push_kinds!(query, kinds);
        if let Some(is_read) = is_read {
            query.push(if is_read { " AND " } else { " AND NOT " });
            push_is_read!(query, reader);
        }
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// Returns a notification, as somebody sees it.
pub async fn find(conn: &mut Conn<'_>, reader: Reader, id: NotificationId) -> Result<Option<Notification>> {
    let row: Option<NotificationRow> = build!(conn, |query, c| {
        query.push("SELECT id, details, occurrences, first_at, last_at, ");
        push_is_read!(query, reader);
        query.push(" AS is_read FROM notifications WHERE id = ").push_bind(id);
        query.build_query_as().fetch_optional(c).await
    })?;
    row.map(Notification::try_from).transpose()
}

/// Returns how many of each of some kinds somebody has not read, and since when they are there; kinds
/// without any are left out.
pub async fn unread(conn: &mut Conn<'_>, reader: Reader, kinds: &[Kind]) -> Result<Vec<(Kind, i64, DateTime<Utc>)>> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, i64, DateTime<Utc>)> = build!(conn, |query, c| {
        query.push("SELECT kind, COUNT(*), MIN(first_at) AS since FROM notifications WHERE read_at IS NULL AND ");
        push_kinds!(query, kinds);
        query.push(" AND NOT ");
        push_is_read!(query, reader);
        query.push(" GROUP BY kind ORDER BY kind");
        query.build_query_as().fetch_all(c).await
    })?;
    let read = |(kind, count, since): (String, i64, DateTime<Utc>)| {
        Ok((kind.parse().map_err(StoreError::corrupt("notifications", "kind"))?, count, since))
    };
    rows.into_iter().map(read).collect()
}

/// Marks a notification as read, for an admin or for all. What happens again is a new one for
/// everybody. Returns `false` if there is no such notification.
pub async fn mark_read(conn: &mut Conn<'_>, reader: Reader, id: NotificationId, now: DateTime<Utc>) -> Result<bool> {
    let closed = execute!(conn, |c| sqlx::query(
        "UPDATE notifications SET closed_at = COALESCE(closed_at, $2),
            read_at = CASE WHEN $3 THEN COALESCE(read_at, $2) ELSE read_at END
        WHERE id = $1"
    )
    .bind(id)
    .bind(now)
    .bind(reader == Reader::All)
    .execute(c))?;
    if let (1, Reader::Admin(user)) = (closed, reader) {
        execute!(conn, |c| sqlx::query(
            "INSERT INTO notification_reads (notification_id, user_id, read_at) VALUES ($1, $2, $3)
            ON CONFLICT (notification_id, user_id) DO NOTHING"
        )
        .bind(id)
        .bind(user)
        .bind(now)
        .execute(c))?;
    }
    Ok(closed == 1)
}

/// Marks what is open under a kind and key as read for one who knows it already.
pub async fn mark_own_read(conn: &mut Conn<'_>, kind: Kind, key: &str, user: UserId, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO notification_reads (notification_id, user_id, read_at)
        SELECT id, $3, $4 FROM notifications WHERE kind = $1 AND dedupe_key = $2 AND closed_at IS NULL
        ON CONFLICT (notification_id, user_id) DO NOTHING"
    )
    .bind(kind.as_str())
    .bind(key)
    .bind(user)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Marks everything as read that was there up to `until`, for an admin or for all. Returns how much was
/// unread.
pub async fn mark_all_read(
    conn: &mut Conn<'_>,
    reader: Reader,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<u64> {
    let marked = match reader {
        Reader::All => execute!(conn, |c| sqlx::query(
            "UPDATE notifications SET read_at = $2, closed_at = COALESCE(closed_at, $2)
            WHERE read_at IS NULL AND last_at <= $1"
        )
        .bind(until)
        .bind(now)
        .execute(c))?,
        Reader::Admin(user) => execute!(conn, |c| sqlx::query(
            "INSERT INTO notification_reads (notification_id, user_id, read_at)
            SELECT id, $2, $3 FROM notifications WHERE read_at IS NULL AND last_at <= $1
            ON CONFLICT (notification_id, user_id) DO NOTHING"
        )
        .bind(until)
        .bind(user)
        .bind(now)
        .execute(c))?,
    };
    execute!(conn, |c| sqlx::query(
        "UPDATE notifications SET closed_at = $2 WHERE closed_at IS NULL AND last_at <= $1"
    )
    .bind(until)
    .bind(now)
    .execute(c))?;
    Ok(marked)
}

/// Returns by which ways each kind is told for which somebody has chosen.
pub async fn ways(conn: &mut Conn<'_>) -> Result<Vec<(Kind, Ways)>> {
    let rows: Vec<(String, bool, bool, bool)> =
        run!(conn, |c| sqlx::query_as("SELECT kind, in_app, digest, webhook FROM notification_ways").fetch_all(c))?;
    // A kind that only another version of the program knows is none of ours.
    Ok(rows
        .into_iter()
        .filter_map(|(kind, in_app, digest, webhook)| Some((kind.parse().ok()?, Ways { in_app, digest, webhook })))
        .collect())
}

/// Chooses by which ways a kind is told.
pub async fn set_ways(conn: &mut Conn<'_>, kind: Kind, ways: Ways, now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "INSERT INTO notification_ways (kind, in_app, digest, webhook, updated_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (kind) DO UPDATE SET in_app = excluded.in_app, digest = excluded.digest,
            webhook = excluded.webhook, updated_at = excluded.updated_at"
    )
    .bind(kind.as_str())
    .bind(ways.in_app)
    .bind(ways.digest)
    .bind(ways.webhook)
    .bind(now)
    .execute(c))?;
    Ok(())
}

/// Returns the address of the chat that is told, as it was stored, and its shape.
pub async fn chat(conn: &mut Conn<'_>) -> Result<Option<(String, Shape)>> {
    let row: Option<(String, String)> =
        run!(conn, |c| sqlx::query_as("SELECT url, shape FROM notification_chats WHERE id = 1").fetch_optional(c))?;
    let read = |(url, shape): (String, String)| {
        Ok((url, shape.parse().map_err(StoreError::corrupt("notification_chats", "shape"))?))
    };
    row.map(read).transpose()
}

/// Sets the chat that is told; none without.
pub async fn set_chat(conn: &mut Conn<'_>, chat: Option<(&str, Shape)>, now: DateTime<Utc>) -> Result<()> {
    match chat {
        Some((url, shape)) => execute!(conn, |c| {
            sqlx::query(
            "INSERT INTO notification_chats (id, url, shape, updated_at) VALUES (1, $1, $2, $3)
            ON CONFLICT (id) DO UPDATE SET url = excluded.url, shape = excluded.shape, updated_at = excluded.updated_at"
        )
        .bind(url)
        .bind(shape.as_str())
        .bind(now)
        .execute(c)
        })?,
        None => execute!(conn, |c| sqlx::query("DELETE FROM notification_chats").execute(c))?,
    };
    Ok(())
}

/// Notes that an admin gets the mail of a day. Returns `false` if they got it before, whoever of two
/// comes first.
pub async fn insert_digest(conn: &mut Conn<'_>, user: UserId, day: NaiveDate, now: DateTime<Utc>) -> Result<bool> {
    let inserted = execute!(conn, |c| {
        sqlx::query(
        "INSERT INTO admin_digests (user_id, day, sent_at) VALUES ($1, $2, $3) ON CONFLICT (user_id, day) DO NOTHING"
    )
    .bind(user)
    .bind(day)
    .bind(now)
    .execute(c)
    })?;
    Ok(inserted == 1)
}

/// Forgets notifications that last happened before `last_before`, and whose mail was sent before it.
/// Returns how many rows.
pub async fn purge(conn: &mut Conn<'_>, last_before: DateTime<Utc>) -> Result<u64> {
    let notifications =
        execute!(conn, |c| sqlx::query("DELETE FROM notifications WHERE last_at <= $1").bind(last_before).execute(c))?;
    let digests =
        execute!(conn, |c| sqlx::query("DELETE FROM admin_digests WHERE sent_at <= $1").bind(last_before).execute(c))?;
    Ok(notifications + digests)
}
