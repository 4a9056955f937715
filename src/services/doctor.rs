//! Looks whether everything that is kept agrees with itself.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::limit::Cell,
    services::catalogue,
    store::{
        Conn, Db, StoreError,
        doctor::{self, Rule},
        migrations,
    },
};

/// How many examples are told of what breaks a rule.
const EXAMPLES: i64 = 5;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it must be.
    Sound,
    /// Nothing is wrong by it, but somebody has not done their work.
    Neglected,
    /// Not as it must be.
    Broken,
}

/// What came of one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word.
    pub name: &'static str,
    /// What must be true.
    pub rule: &'static str,
    /// How it is.
    pub health: Health,
    /// How many break the rule.
    pub count: i64,
    /// The first of them.
    pub first: Vec<String>,
}

/// What came of all looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How the worst is.
    pub health: Health,
    /// What was found, in the order in which it was looked at.
    pub findings: Vec<Finding>,
}

/// Looks at everything. Nothing is changed, and nobody has to wait.
pub async fn examine(db: &Db, now: DateTime<Utc>) -> Result<Report, StoreError> {
    let mut findings = vec![schema(db).await?];
    // Without its tables nothing else can be asked.
    if findings[0].health == Health::Sound {
        let mut reader = db.reader().await?;
        let conn = &mut reader.conn();
        findings.push(configuration(conn).await?);
        for rule in Rule::ALL {
            let (name, text, worst) = describe(rule);
            let offenders = doctor::offenders(conn, rule, now, EXAMPLES).await?;
            let first = offenders.first.into_iter().map(|(id, what)| format!("{id}: {what}")).collect();
            findings.push(finding(name, text, worst, offenders.count, first));
        }
    }
    let health = if findings.iter().any(|finding| finding.health == Health::Broken) {
        Health::Broken
    } else if findings.iter().any(|finding| finding.health == Health::Neglected) {
        Health::Neglected
    } else {
        Health::Sound
    };
    Ok(Report { health, findings })
}

fn finding(name: &'static str, rule: &'static str, worst: Health, count: i64, first: Vec<String>) -> Finding {
    Finding { name, rule, health: if count == 0 { Health::Sound } else { worst }, count, first }
}

fn describe(rule: Rule) -> (&'static str, &'static str, Health) {
    use Health::{Broken, Neglected};
    match rule {
        Rule::CountersAreSums => ("counters", "every counter is the sum of its entries in the ledger", Broken),
        Rule::LedgerIsUnbroken => ("ledger", "entries of a counter follow each other from zero", Broken),
        Rule::NothingAboveItsLimit => ("limits", "nothing was consumed above the limit in force", Broken),
        Rule::LedgerHasSigns => ("signs", "entries add and take away as their kind says", Broken),
        Rule::ReservationsCountedOnce => ("reservations", "what was confirmed was counted once", Broken),
        Rule::CreditIsItsLedger => ("credit", "a member's credit is what the newest entry says", Broken),
        Rule::ReferralsRewarded => ("referrals", "both sides of a rewarded referral have their entry once", Broken),
        Rule::CouponsAreCounted => ("coupons", "every coupon counts as many redemptions as there are", Broken),
        Rule::RedemptionsHaveGrants => ("redemptions", "every redemption has its grant", Broken),
        Rule::GrantsAddUp => ("grants", "what of a grant has run and what is left is what was given", Broken),
        Rule::OneGrantRuns => ("turns", "of a member's grants that are not over exactly one runs", Broken),
        Rule::GrantsAreWrittenDown => {
            ("turns written", "what happened to grants is written down (does `vouchsafe serve` run?)", Neglected)
        }
        Rule::EventsAreSettled => {
            ("payments", "every event of a provider is applied, ignored or kept as failed", Broken)
        }
        Rule::NoLeaseOnFinishedJobs => ("jobs", "finished jobs are in nobody's hands", Broken),
        Rule::SwitchesAreRestrictedToOnOrOff => {
            ("restrictions", "restrictions of switches say on or off; others count as on", Neglected)
        }
        Rule::LapsedReservationsAreSwept => {
            ("lapsed", "lapsed reservations are swept (does `vouchsafe serve` run?)", Neglected)
        }
        Rule::LeasesAreTakenOver => {
            ("leases", "jobs that were dropped are taken up again (does `vouchsafe serve` run?)", Neglected)
        }
        Rule::DeadEventsAreSeenTo => {
            ("dead letters", "events that could not be applied were seen to (see /admin/payments)", Neglected)
        }
        Rule::OldAnswersAreForgotten => {
            ("answers", "answers to repeated calls are forgotten after two days", Neglected)
        }
    }
}

async fn schema(db: &Db) -> Result<Finding, StoreError> {
    let missing: Vec<String> = if migrations::is_current(db).await? {
        Vec::new()
    } else {
        let steps = migrations::status(db).await?.into_iter().filter(|step| !step.applied);
        steps.map(|step| format!("{:04} {}", step.version, step.description)).collect()
    };
    let count = i64::try_from(missing.len()).unwrap_or(i64::MAX);
    Ok(finding("schema", "the schema is the one that this program needs", Health::Broken, count, missing))
}

/// The configuration is small; it is read as everybody reads it.
async fn configuration(conn: &mut Conn<'_>) -> Result<Finding, StoreError> {
    let problems = match catalogue::read(conn).await {
        Ok(catalogue) => {
            let mut problems = Vec::new();
            let settings = &catalogue.settings;
            for tier in [&settings.trial_tier, &settings.post_trial_tier, &settings.credit_tier] {
                if catalogue.tier(tier).is_none() {
                    problems.push(format!("a setting names the tier {tier}, which does not exist"));
                }
            }
            for feature in catalogue.features() {
                let mut look = |place: &str, limit| {
                    if let Err(problem) = Cell::Own(limit).check(feature.kind) {
                        problems.push(format!("{}, {place}: {problem}", feature.id));
                    }
                };
                look("default", feature.default_limit);
                for tier in catalogue.tiers() {
                    if let Some(limit) = catalogue.limit(&tier.id, &feature.id) {
                        look(tier.id.as_str(), limit);
                    }
                }
            }
            problems
        }
        Err(error @ StoreError::Corrupt { .. }) => vec![error.to_string()],
        Err(error) => return Err(error),
    };
    let count = i64::try_from(problems.len()).unwrap_or(i64::MAX);
    let first = problems.into_iter().take(usize::try_from(EXAMPLES).unwrap_or(usize::MAX)).collect();
    Ok(finding(
        "configuration",
        "tiers, features, limits and settings can be read and used",
        Health::Broken,
        count,
        first,
    ))
}
