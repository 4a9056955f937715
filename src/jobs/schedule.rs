//! Does what comes again by the clock.
//!
//! To add something: a variant of [`Routine`] with its rules in `domain/schedule.rs`, an arm here that
//! calls a service, and its words in `words/jobs.rs`. The compiler asks for each. It then has a row in
//! `schedules`, is done once each time by one of the nodes, is tried again when it fails, and stands in
//! `/admin/jobs` and `/metrics`.
//!
//! A run may be killed at any step, and another one begins again: commit in pieces, decide inside
//! statements what must happen once, and return what was done in numbers.

use crate::{
    domain::schedule::{Counts, Routine, counts},
    jobs::{payments, purge, reminders, runner::JobError},
    platform::env::Env,
    services::{bonus, endings, grants, notifications, privacy, referrals, schedules::ClaimedRun, stats},
};

/// Does one run, and returns what it did.
pub(super) async fn perform(env: &Env, run: &ClaimedRun) -> Result<Counts, JobError> {
    Ok(match run.routine {
        Routine::SettleGrants => counts([("members", number(grants::settle_due(env).await?))]),
        Routine::TellEndings => {
            let last = run.succeeded_at.unwrap_or(run.due_at);
            counts([("deliveries", number(endings::tell_since(env, last).await?))])
        }
        Routine::GiveRewards => counts([("referrals", number(referrals::give_due(env).await?))]),
        Routine::SendReminders => reminders::run(env).await?,
        Routine::ReconcilePayments => payments::ask_all(env, run.due_at).await?,
        Routine::CountDays => stats::count_days(env).await?,
        Routine::AwardBonuses => counts([("rules", bonus::sweep_all(env, run.due_at).await?)]),
        Routine::SendDigests => {
            let admins = notifications::send_digests(env).await?;
            counts([("admins", admins), ("forgotten", notifications::forget(env).await?)])
        }
        Routine::DeleteAccounts => {
            let run = privacy::run_due(env).await?;
            counts([("deleted", run.deleted), ("postponed", run.postponed), ("forgotten", run.forgotten)])
        }
        Routine::ForgetOver => purge::run(env).await?,
        Routine::CutAddresses => purge::cut_addresses(env).await?,
        Routine::ForgetActivity => purge::forget_activity(env).await?,
    })
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
