//! Tells members in time what ends.

use crate::{
    domain::schedule::{Counts, counts},
    platform::env::Env,
    services::reminders,
    store::StoreError,
};

/// Tells all who are to be told something now. Who was told is not told again, and what is over by the
/// time this runs is not reminded of.
pub(super) async fn run(env: &Env) -> Result<Counts, StoreError> {
    let told = reminders::send_due(env).await?;
    Ok(counts([("members", u64::try_from(told).unwrap_or(u64::MAX))]))
}
