//! What must be true of everything that is kept. Each rule is one statement, so that it sees one
//! moment even while others write, and the database does the counting.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::store::{Conn, Result, db::run};

/// A rule that rows may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A counter shows the sum of its entries in the ledger, and entries have their counter.
    CountersAreSums,
    /// From zero, each entry of a counter begins where another ended.
    LedgerIsUnbroken,
    /// No units were consumed above the limit in force.
    NothingAboveItsLimit,
    /// What is consumed and confirmed is more than nothing, what is given back less.
    LedgerHasSigns,
    /// A reservation was counted once, as it was confirmed, or not at all.
    ReservationsCountedOnce,
    /// A member's credit is what its newest entry says.
    CreditIsItsLedger,
    /// Both sides of a rewarded referral have their entry, once.
    ReferralsRewarded,
    /// A coupon counts as many redemptions as there are.
    CouponsAreCounted,
    /// A member's redemption has its grant, for that coupon and that member.
    RedemptionsHaveGrants,
    /// What of a grant has run and what is left is what was given, and no more ran than time passed.
    GrantsAddUp,
    /// Of a member's open grants exactly one runs.
    OneGrantRuns,
    /// An event of a provider is applied, ignored, failed or given up, never in between.
    EventsAreSettled,
    /// A job that is finished or given up is in nobody's hands.
    NoLeaseOnFinishedJobs,
    /// A restriction of a switch is on or off.
    SwitchesAreRestrictedToOnOrOff,
    /// What happened to grants is written down within minutes.
    GrantsAreWrittenDown,
    /// Reservations that nobody settled are swept within hours.
    LapsedReservationsAreSwept,
    /// What is left of a claim is claimed again within minutes.
    LeasesAreTakenOver,
    /// Events that were given up have been seen to by a person.
    DeadEventsAreSeenTo,
    /// Answers to repeated calls are forgotten in time.
    OldAnswersAreForgotten,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::CountersAreSums,
        Self::LedgerIsUnbroken,
        Self::NothingAboveItsLimit,
        Self::LedgerHasSigns,
        Self::ReservationsCountedOnce,
        Self::CreditIsItsLedger,
        Self::ReferralsRewarded,
        Self::CouponsAreCounted,
        Self::RedemptionsHaveGrants,
        Self::GrantsAddUp,
        Self::OneGrantRuns,
        Self::EventsAreSettled,
        Self::NoLeaseOnFinishedJobs,
        Self::SwitchesAreRestrictedToOnOrOff,
        Self::GrantsAreWrittenDown,
        Self::LapsedReservationsAreSwept,
        Self::LeasesAreTakenOver,
        Self::DeadEventsAreSeenTo,
        Self::OldAnswersAreForgotten,
    ];

    /// Returns how long before now something must have been to break the rule.
    fn patience(self) -> TimeDelta {
        match self {
            Self::GrantsAreWrittenDown => TimeDelta::minutes(10),
            Self::LapsedReservationsAreSwept => TimeDelta::hours(2),
            Self::LeasesAreTakenOver => TimeDelta::minutes(5),
            Self::OldAnswersAreForgotten => TimeDelta::hours(50),
            _ => TimeDelta::zero(),
        }
    }
}

/// What breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offenders {
    /// How many.
    pub count: i64,
    /// The first of them: whose row it is, and what is wrong with it.
    pub first: Vec<(String, String)>,
}

#[derive(FromRow)]
struct OffenderRow {
    id: Vec<u8>,
    what: String,
    total: i64,
}

/// Counts what breaks the rule of a statement, and takes the first of it.
macro_rules! broken {
    ($id:literal, $what:literal, $from:literal) => {
        (
            concat!(
                "SELECT CAST(",
                $id,
                " AS BLOB) AS id, what, COUNT(*) OVER () AS total FROM (SELECT ",
                $id,
                ", ",
                $what,
                " AS what FROM ",
                $from,
                ") AS offenders WHERE $1 IS NOT NULL LIMIT $2"
            ),
            concat!(
                "SELECT uuid_send(",
                $id,
                ") AS id, what, COUNT(*) OVER () AS total FROM (SELECT ",
                $id,
                ", ",
                $what,
                " AS what FROM ",
                $from,
                ") AS offenders WHERE $1 IS NOT NULL LIMIT $2"
            ),
        )
    };
}

/// Returns what breaks a rule at `now`, with at most `most` examples.
pub async fn offenders(conn: &mut Conn<'_>, rule: Rule, now: DateTime<Utc>, most: i64) -> Result<Offenders> {
    let (sqlite, postgres) = match rule {
        Rule::CountersAreSums => broken!(
            "user_id",
            "feature_id || ' since ' || CAST(period_start AS TEXT) || ': the counter shows '
                || CAST(CAST(SUM(used) AS BIGINT) AS TEXT) || ', the ledger '
                || CAST(CAST(SUM(counted) AS BIGINT) AS TEXT)",
            "(
                SELECT user_id, feature_id, period_start, used, 0 AS counted FROM user_feature_usage
                UNION ALL
                SELECT user_id, feature_id, period_start, 0, amount FROM usage_events
                WHERE EXISTS (SELECT 1 FROM users WHERE users.id = usage_events.user_id)
            ) AS both_sides
            GROUP BY user_id, feature_id, period_start HAVING SUM(used) <> SUM(counted)"
        ),
        // Entries of one instant have no order. But in a chain from zero to what the counter shows,
        // each number in between is reached as often as it is left.
        Rule::LedgerIsUnbroken => broken!(
            "user_id",
            "feature_id || ' since ' || CAST(period_start AS TEXT) || ': '
                || CASE WHEN SUM(step) > 0 THEN 'nothing begins at ' ELSE 'nothing leads to ' END
                || CAST(shown AS TEXT)",
            "(
                SELECT user_id, feature_id, period_start, used_after AS shown, 1 AS step FROM usage_events
                WHERE EXISTS (SELECT 1 FROM users WHERE users.id = usage_events.user_id)
                UNION ALL
                SELECT user_id, feature_id, period_start, used_after - amount, -1 FROM usage_events
                WHERE EXISTS (SELECT 1 FROM users WHERE users.id = usage_events.user_id)
                UNION ALL
                SELECT user_id, feature_id, period_start, 0, 1 FROM user_feature_usage
                UNION ALL
                SELECT user_id, feature_id, period_start, used, -1 FROM user_feature_usage
            ) AS steps
            GROUP BY user_id, feature_id, period_start, shown HAVING SUM(step) <> 0"
        ),
        Rule::NothingAboveItsLimit => broken!(
            "user_id",
            "feature_id || ': ' || CAST(used_after AS TEXT) || ' with a limit of ' || CAST(limit_value AS TEXT)",
            "usage_events WHERE kind = 'consumed' AND used_after > limit_value"
        ),
        Rule::LedgerHasSigns => broken!(
            "user_id",
            "feature_id || ': ' || kind || ' ' || CAST(amount AS TEXT)",
            "usage_events WHERE (kind = 'given_back') <> (amount < 0)
                OR (kind = 'confirmed') <> (reservation_id IS NOT NULL)"
        ),
        Rule::ReservationsCountedOnce => broken!(
            "id",
            "'confirmed with ' || CAST(CAST(SUM(confirmed) AS BIGINT) AS TEXT) || ', counted '
                || CAST(CAST(SUM(counted) AS BIGINT) AS TEXT)",
            "(
                SELECT id, COALESCE(confirmed_amount, 0) AS confirmed, 0 AS counted,
                    CASE WHEN (state = 'confirmed') = (confirmed_amount IS NOT NULL) THEN 0 ELSE 1 END AS wrong
                FROM reservations
                UNION ALL
                SELECT reservation_id, 0, amount, 0 FROM usage_events
                WHERE EXISTS (SELECT 1 FROM reservations WHERE reservations.id = usage_events.reservation_id)
            ) AS both_sides
            GROUP BY id HAVING SUM(confirmed) <> SUM(counted) OR SUM(wrong) > 0"
        ),
        // Of entries of one instant any may be the newest.
        Rule::CreditIsItsLedger => broken!(
            "id",
            "'credit until ' || COALESCE(CAST(credit_until AS TEXT), 'never')
                || CASE WHEN newest IS NULL THEN ', without an entry' ELSE ', which is not what the newest entry says' END",
            "users
            LEFT JOIN (
                SELECT user_id, MAX(created_at) AS newest FROM credit_entries
                WHERE user_id IS NOT NULL GROUP BY user_id
            ) AS last ON last.user_id = users.id
            WHERE CASE
                WHEN newest IS NULL THEN credit_until IS NOT NULL
                ELSE NOT EXISTS (
                    SELECT 1 FROM credit_entries
                    WHERE credit_entries.user_id = users.id AND credit_entries.created_at = newest
                        AND credit_entries.until_after IS NOT DISTINCT FROM users.credit_until
                )
            END"
        ),
        Rule::ReferralsRewarded => broken!(
            "user_id",
            "CAST(CAST(SUM(converted) AS BIGINT) AS TEXT) || ' rewarded referrals, '
                || CAST(CAST(SUM(entries) AS BIGINT) AS TEXT) || ' entries of credit'",
            "(
                SELECT referrer_user_id AS user_id, 1 AS converted, 0 AS entries FROM referrals
                WHERE credited_at IS NOT NULL AND referrer_user_id IS NOT NULL
                UNION ALL
                SELECT referred_user_id, 1, 0 FROM referrals
                WHERE credited_at IS NOT NULL AND referred_user_id IS NOT NULL
                UNION ALL
                SELECT user_id, 0, 1 FROM credit_entries WHERE source = 'referral' AND user_id IS NOT NULL
            ) AS both_sides
            GROUP BY user_id HAVING SUM(converted) <> SUM(entries)"
        ),
        Rule::CouponsAreCounted => broken!(
            "id",
            "code || ' counts ' || CAST(redemption_count AS TEXT) || ', there are ' || CAST(found AS TEXT)",
            "(
                SELECT id, code, redemption_count,
                    (SELECT COUNT(*) FROM coupon_redemptions WHERE coupon_id = coupons.id) AS found
                FROM coupons
            ) AS counted
            WHERE redemption_count <> found"
        ),
        // Of who is gone nothing needs to be there.
        Rule::RedemptionsHaveGrants => broken!(
            "id",
            "CASE WHEN grant_id IS NULL THEN 'without a grant' ELSE 'with the grant of something else' END",
            "coupon_redemptions WHERE user_id IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM access_grants
                WHERE access_grants.id = coupon_redemptions.grant_id
                    AND access_grants.user_id = coupon_redemptions.user_id
                    AND access_grants.coupon_id = coupon_redemptions.coupon_id
            )"
        ),
        // The databases read a time each in its own words.
        Rule::GrantsAddUp => (
            broken!(
                "id",
                "'given ' || CAST(total_seconds AS TEXT) || ' s, left ' || CAST(remaining_seconds AS TEXT) || ' s'",
                "access_grants WHERE began_at IS NULL AND remaining_seconds <> total_seconds
                    OR ended_at IS NOT NULL AND revoked_at IS NULL AND remaining_seconds <> 0
                    OR ended_at IS NULL AND revoked_at IS NULL AND remaining_seconds = 0
                    OR running_since IS NULL AND runs_until IS NOT NULL
                    OR running_since IS NOT NULL AND (ended_at IS NOT NULL OR revoked_at IS NOT NULL
                        OR UNIXEPOCH(runs_until) - UNIXEPOCH(running_since)
                            <> remaining_seconds)
                    OR remaining_seconds < total_seconds AND total_seconds - remaining_seconds
                        > UNIXEPOCH(COALESCE(ended_at, revoked_at, running_since, updated_at))
                            - UNIXEPOCH(began_at)"
            )
            .0,
            broken!(
                "id",
                "'given ' || CAST(total_seconds AS TEXT) || ' s, left ' || CAST(remaining_seconds AS TEXT) || ' s'",
                "access_grants WHERE began_at IS NULL AND remaining_seconds <> total_seconds
                    OR ended_at IS NOT NULL AND revoked_at IS NULL AND remaining_seconds <> 0
                    OR ended_at IS NULL AND revoked_at IS NULL AND remaining_seconds = 0
                    OR running_since IS NULL AND runs_until IS NOT NULL
                    OR running_since IS NOT NULL AND (ended_at IS NOT NULL OR revoked_at IS NOT NULL
                        OR EXTRACT(EPOCH FROM runs_until - running_since) <> remaining_seconds)
                    OR remaining_seconds < total_seconds AND total_seconds - remaining_seconds
                        > EXTRACT(EPOCH FROM COALESCE(ended_at, revoked_at, running_since, updated_at) - began_at)"
            )
            .1,
        ),
        Rule::OneGrantRuns => broken!(
            "user_id",
            "CAST(CAST(SUM(runs) AS BIGINT) AS TEXT) || ' run of ' || CAST(COUNT(*) AS TEXT)",
            "(
                SELECT user_id, CASE WHEN running_since IS NULL THEN 0 ELSE 1 END AS runs FROM access_grants
                WHERE user_id IS NOT NULL AND ended_at IS NULL AND revoked_at IS NULL
            ) AS open_grants
            GROUP BY user_id HAVING SUM(runs) <> 1"
        ),
        Rule::GrantsAreWrittenDown => broken!(
            "id",
            "'used up at ' || CAST(runs_until AS TEXT)",
            "access_grants WHERE runs_until <= $1 AND user_id IS NOT NULL"
        ),
        Rule::EventsAreSettled => broken!(
            "id",
            "provider || ' ' || event_type || ' ' || event_id",
            "payment_events WHERE state = 'received'"
        ),
        Rule::DeadEventsAreSeenTo => broken!(
            "id",
            "provider || ' ' || event_type || ' ' || event_id || ': ' || COALESCE(error, '')",
            "payment_events WHERE state = 'dead'"
        ),
        Rule::NoLeaseOnFinishedJobs => broken!(
            "id",
            "kind || ': leased until ' || CAST(leased_until AS TEXT)",
            "jobs WHERE leased_until IS NOT NULL AND (finished_at IS NOT NULL OR dead_at IS NOT NULL)"
        ),
        Rule::SwitchesAreRestrictedToOnOrOff => broken!(
            "user_id",
            "feature_id || ': ' || COALESCE(CAST(limit_value AS TEXT), 'unlimited')",
            "user_feature_restrictions
            WHERE (limit_value IS NULL OR limit_value > 1)
                AND feature_id IN (SELECT id FROM features WHERE limit_type = 'boolean')"
        ),
        Rule::LapsedReservationsAreSwept => broken!(
            "id",
            "'lapsed at ' || CAST(expires_at AS TEXT)",
            "reservations WHERE state = 'held' AND expires_at <= $1"
        ),
        Rule::LeasesAreTakenOver => broken!(
            "id",
            "kind || ': leased until ' || CAST(leased_until AS TEXT)",
            "jobs WHERE finished_at IS NULL AND dead_at IS NULL AND leased_until <= $1"
        ),
        // The id is a hash; what is shown is its beginning.
        Rule::OldAnswersAreForgotten => (
            "SELECT SUBSTR(id, 1, 16) AS id, 'given at ' || created_at AS what, COUNT(*) OVER () AS total
            FROM idempotency_keys WHERE created_at <= $1 LIMIT $2",
            "SELECT SUBSTRING(id FROM 1 FOR 16) AS id, 'given at ' || CAST(created_at AS TEXT) AS what,
                COUNT(*) OVER () AS total
            FROM idempotency_keys WHERE created_at <= $1 LIMIT $2",
        ),
    };
    let sql = conn.dialect(sqlite, postgres);
    let rows: Vec<OffenderRow> =
        run!(conn, |c| sqlx::query_as(sql).bind(now - rule.patience()).bind(most).fetch_all(c))?;
    Ok(Offenders {
        count: rows.first().map_or(0, |row| row.total),
        first: rows
            .into_iter()
            .map(|row| (Uuid::from_slice(&row.id).unwrap_or_default().to_string(), row.what))
            .collect(),
    })
}
