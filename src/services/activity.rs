//! Reading the audit log.

use crate::{
    platform::env::Env,
    store::{StoreError, activity},
};

pub use crate::store::activity::{Activity, Which};

/// Returns a page of the log, the newest line first.
pub async fn list(env: &Env, which: Which<'_>, count: i64) -> Result<Vec<Activity>, StoreError> {
    let mut reader = env.db.reader().await?;
    activity::list(&mut reader.conn(), which, count).await
}
