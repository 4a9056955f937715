//! The trial of a new member: given once to an address, even if its account goes and comes back.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{
    domain::{
        activity::SYSTEM,
        email::EmailKey,
        ids::{TierId, UserId},
        settings::AppSettings,
    },
    platform::env::Env,
    services::activity,
    store::{Conn, StoreError, address_marks, catalogue, reminders, users},
};

/// Returns the own tier with which a new member starts.
pub(super) async fn own_tier(conn: &mut Conn<'_>, settings: &AppSettings) -> Result<TierId, StoreError> {
    if !settings.closes_after_trial() {
        return Ok(settings.post_trial_tier.clone());
    }
    // It counts for nothing, but there has to be one: the weakest promises least where it is shown.
    let tiers = catalogue::tiers(conn).await?;
    let weakest = tiers.into_iter().min_by_key(|tier| tier.sort_order);
    weakest.map(|tier| tier.id).ok_or(StoreError::Missing("tiers"))
}

/// Begins the trial of a member who is new here, or whose address has just been proved. Returns when it
/// ends; nothing if there are no trials, or the member has had one, or the address, or the external id of
/// who has none.
pub(super) async fn begin(
    env: &Env,
    conn: &mut Conn<'_>,
    settings: &AppSettings,
    user: UserId,
    key: &EmailKey,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    if settings.trial_duration_days == 0 {
        return Ok(None);
    }
    if !address_marks::mark(conn, address_marks::TRIAL, &env.keys.address_hash(key), None, now).await? {
        return Ok(None);
    }
    let ends_at = now + TimeDelta::days(settings.trial_duration_days);
    if !users::begin_trial(conn, user, ends_at, now).await? {
        return Ok(None);
    }
    activity::note(env, conn, (SYSTEM, None), Some(user), "trial_started", json!({ "until": ends_at })).await?;
    if settings.trial_duration_days <= settings.reminder_days {
        // The welcome says when it ends; another letter within the minute would say the same.
        reminders::claim_trial(conn, reminders::TRIAL_ENDING, user, now).await?;
    }
    Ok(Some(ends_at))
}
