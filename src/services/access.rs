//! What a member may use right now, and from where.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        access::{Access, Accesses, PaidStatus, Source, TierStanding},
        ids::TierId,
        settings::AppSettings,
        user::User,
    },
    platform::env::Env,
    store::{Conn, StoreError, matrix, settings},
};

/// Everything that is needed to tell a member's access, read once.
#[derive(Debug)]
pub struct AccessRules {
    standings: Vec<TierStanding>,
    settings: AppSettings,
}

impl AccessRules {
    /// Reads the tiers and the settings.
    pub async fn read(conn: &mut Conn<'_>) -> Result<Self, StoreError> {
        Ok(Self { standings: matrix::standings(conn).await?, settings: settings::read(conn).await? })
    }

    fn standing(&self, tier: &TierId) -> Result<TierStanding, StoreError> {
        self.standings.iter().find(|standing| standing.id == *tier).cloned().ok_or(StoreError::Missing("tiers"))
    }

    /// Returns what somebody with that own tier, trial and credit may use at `now`.
    pub fn accesses(
        &self,
        own: &TierId,
        trial_ends_at: Option<DateTime<Utc>>,
        credit_until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Accesses, StoreError> {
        let mut others = Vec::new();
        if let Some(until) = trial_ends_at {
            let tier = self.standing(&self.settings.trial_tier)?;
            others.push(Access { tier, source: Source::Trial, expires_at: Some(until) });
        }
        if let Some(until) = credit_until {
            let tier = self.standing(&self.settings.credit_tier)?;
            others.push(Access { tier, source: Source::Credit, expires_at: Some(until) });
        }
        Ok(Accesses::new(self.standing(own)?, others, now))
    }

    /// Returns what a member may use at `now`.
    pub fn of(&self, user: &User, now: DateTime<Utc>) -> Result<Accesses, StoreError> {
        self.accesses(&user.tier, user.trial_ends_at, user.credit_until, now)
    }
}

/// Returns whether a gate for paying members opens for this one.
pub async fn paid_status(env: &Env, user: &User) -> Result<PaidStatus, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let rules = AccessRules::read(&mut reader.conn()).await?;
    Ok(rules.of(user, now)?.paid_status(now))
}
