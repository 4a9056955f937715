//! The queue, as those who look after it see it.

use serde_json::json;

use crate::{
    domain::ids::JobId,
    platform::env::Env,
    services::activity::{self, By},
    store::{StoreError, jobs},
};

pub use crate::store::jobs::{DeadJob, KindState};

/// Returns how the jobs of every kind stand of which some are not done.
pub async fn by_kind(env: &Env) -> Result<Vec<KindState>, StoreError> {
    let mut reader = env.db.reader().await?;
    jobs::by_kind(&mut reader.conn(), env.clock.now()).await
}

/// Returns jobs that were given up, the newest first, from before `before`.
pub async fn dead(env: &Env, before: Option<JobId>, count: i64) -> Result<Vec<DeadJob>, StoreError> {
    let mut reader = env.db.reader().await?;
    jobs::dead(&mut reader.conn(), before, count).await
}

/// Puts a job that was given up back into the queue, with all its tries. Returns whether it was there.
pub async fn revive(env: &Env, id: JobId, by: By<'_>) -> Result<bool, StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let kind = jobs::revive(conn, id, env.clock.now()).await?;
    if let Some(kind) = &kind {
        let details = json!({ "job": id, "kind": kind });
        activity::note(env, conn, by, None, "job_retried", details).await?;
    }
    tx.commit().await?;
    env.wake_workers();
    Ok(kind.is_some())
}

/// Deletes a job that was given up. Returns whether it was there.
pub async fn discard(env: &Env, id: JobId, by: By<'_>) -> Result<bool, StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let kind = jobs::discard(conn, id).await?;
    if let Some(kind) = &kind {
        let details = json!({ "job": id, "kind": kind });
        activity::note(env, conn, by, None, "job_discarded", details).await?;
    }
    tx.commit().await?;
    Ok(kind.is_some())
}
