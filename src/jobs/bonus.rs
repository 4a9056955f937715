//! Rewards: of one member after something happened, and of everybody who has done what a rule asks for.

use crate::{
    domain::ids::{BonusRuleId, JobId, UserId},
    jobs::runner::JobError,
    platform::env::Env,
    services::bonus,
};

/// Rewards a member.
pub(super) async fn award(env: &Env, user: UserId) -> Result<(), JobError> {
    bonus::award(env, user).await?;
    Ok(())
}

/// Rewards some of those who have done what a rule asks for.
pub(super) async fn sweep(env: &Env, job: JobId, rule: BonusRuleId, after: Option<UserId>) -> Result<(), JobError> {
    Ok(bonus::sweep(env, job, rule, after).await?)
}
