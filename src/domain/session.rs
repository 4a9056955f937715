//! How long a browser stays signed in.
//!
//! Source: reference "Reliability and security" §2: members 7 days idle and 30 in all, admins
//! 30 minutes idle and 12 hours in all.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::user::Role;

/// How often at most `last_seen_at` is written, so that reading a page does not always write.
pub const SEEN_EVERY: TimeDelta = TimeDelta::minutes(1);

/// How old a sign-in may be for what opens more than a page: making an API key.
pub const FRESH_FOR: TimeDelta = TimeDelta::minutes(15);

/// The two clocks of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// How long it may rest.
    pub idle: TimeDelta,
    /// How long it may last.
    pub absolute: TimeDelta,
}

impl Lifetime {
    /// Returns how long a session of such a user lives.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Member => Self { idle: TimeDelta::days(7), absolute: TimeDelta::days(30) },
            Role::Admin => Self { idle: TimeDelta::minutes(30), absolute: TimeDelta::hours(12) },
        }
    }

    /// Returns whether a session is still good at `now`.
    pub fn is_alive(self, created_at: DateTime<Utc>, last_seen_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now < created_at + self.absolute && now < last_seen_at + self.idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_rest_and_by_age() {
        let start = DateTime::from_timestamp(0, 0).expect("in range");
        let member = Lifetime::of(Role::Member);
        assert!(member.is_alive(start, start, start + TimeDelta::days(7) - TimeDelta::seconds(1)));
        assert!(!member.is_alive(start, start, start + TimeDelta::days(7)));
        assert!(!member.is_alive(start, start + TimeDelta::days(29), start + TimeDelta::days(30)));
        let admin = Lifetime::of(Role::Admin);
        assert!(!admin.is_alive(start, start, start + TimeDelta::minutes(30)));
        assert!(!admin.is_alive(start, start + TimeDelta::hours(12), start + TimeDelta::hours(12)));
    }
}
