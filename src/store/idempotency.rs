//! Answers that were given, to be given again: `idempotency_keys`.

use chrono::{DateTime, Utc};

use crate::{
    domain::usage::IdempotencyKey,
    store::{
        Conn, Result,
        db::{build, execute},
    },
};

/// An answer that was given under a key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeptAnswer {
    /// Of which call.
    pub id: Vec<u8>,
    /// To what content.
    pub fingerprint: Vec<u8>,
    /// The answer, as JSON.
    pub response: String,
}

/// Returns the answers that were given to some calls after `since`.
pub async fn find(conn: &mut Conn<'_>, ids: &[[u8; 32]], since: DateTime<Utc>) -> Result<Vec<KeptAnswer>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT id, fingerprint, response FROM idempotency_keys WHERE created_at > ");
        query.push_bind(since);
        query.push(" AND id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id.to_vec());
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Keeps answers, in the transaction of what they tell; one of before `since` is written over.
/// Returns `false` if somebody else has answered one of these calls meanwhile: then nothing of
/// this transaction may stay.
pub async fn insert(
    conn: &mut Conn<'_>,
    answers: &[(IdempotencyKey, String)],
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    if answers.is_empty() {
        return Ok(true);
    }
    let written = build!(conn, |query, c| {
        query.push("INSERT INTO idempotency_keys (id, fingerprint, response, created_at) ");
        query.push_values(answers, |mut row, (key, response)| {
            row.push_bind(key.id.to_vec())
                .push_bind(key.fingerprint.to_vec())
                .push_bind(response.clone())
                .push_bind(now);
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET
                fingerprint = excluded.fingerprint, response = excluded.response, created_at = excluded.created_at
            WHERE idempotency_keys.created_at <= ",
        );
        query.push_bind(since);
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?;
    Ok(written == answers.len() as u64)
}

/// Forgets at most `most` answers that were not given after an instant. Returns how many.
pub async fn purge(conn: &mut Conn<'_>, given_before: DateTime<Utc>, most: i64) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE created_at <= $1 LIMIT $2)"
    )
    .bind(given_before)
    .bind(most)
    .execute(c))?)
}
