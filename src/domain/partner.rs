//! Partners: gyms, companies and their kind, for whom coupons are made.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::{
    coupon::CouponCode,
    email::EmailAddress,
    grant::GrantState,
    ids::{PartnerId, RedemptionId, TierId},
    period::can_be_kept,
};

/// The longest name and contact, in characters.
pub const LONGEST_NAME: usize = 200;
/// The longest note, in characters.
pub const LONGEST_NOTE: usize = 500;

/// What is known of a partner and may change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartnerDetails {
    /// What they are called. Each name is there once.
    pub name: String,
    /// Whom to talk to.
    pub contact: String,
    /// Where to write.
    pub email: Option<String>,
    /// From when their coupons can be redeemed.
    pub contract_from: Option<DateTime<Utc>>,
    /// Until when.
    pub contract_until: Option<DateTime<Utc>>,
    /// What is to be remembered about them.
    pub note: String,
}

/// Details that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDetails {
    /// The name.
    #[error("a name has 1 to {LONGEST_NAME} characters")]
    Name,
    /// The contact.
    #[error("a contact is one line of at most {LONGEST_NAME} characters")]
    Contact,
    /// The address.
    #[error("the e-mail address cannot be one")]
    Email,
    /// The contract.
    #[error("a contract ends after it begins, and before the year 10000")]
    Contract,
    /// The note.
    #[error("a note is one line of at most {LONGEST_NOTE} characters")]
    Note,
}

impl PartnerDetails {
    /// Checks them and takes off what stands around them.
    pub fn checked(mut self) -> Result<Self, BadDetails> {
        let is_line = |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
        for text in [&mut self.name, &mut self.contact, &mut self.note] {
            *text = text.trim().to_owned();
        }
        if self.name.is_empty() || !is_line(&self.name, LONGEST_NAME) {
            return Err(BadDetails::Name);
        }
        if !is_line(&self.contact, LONGEST_NAME) {
            return Err(BadDetails::Contact);
        }
        if !is_line(&self.note, LONGEST_NOTE) {
            return Err(BadDetails::Note);
        }
        self.email = self.email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
        if self.email.as_deref().is_some_and(|email| EmailAddress::parse(email).is_err()) {
            return Err(BadDetails::Email);
        }
        let is_turned = self.contract_from.zip(self.contract_until).is_some_and(|(from, until)| from >= until);
        if is_turned || [self.contract_from, self.contract_until].into_iter().flatten().any(|at| !can_be_kept(at)) {
            return Err(BadDetails::Contract);
        }
        Ok(self)
    }
}

/// Somebody for whom coupons are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Which.
    pub id: PartnerId,
    /// What is known of them.
    pub details: PartnerDetails,
    /// Since when the link lasts under which they read; `None` for no link.
    pub linked_at: Option<DateTime<Utc>>,
    /// Since when they are out of the way.
    pub archived_at: Option<DateTime<Utc>>,
    /// Who added them.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// How a contract stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractState {
    /// Their coupons can be redeemed.
    Running,
    /// From then on.
    NotYet(DateTime<Utc>),
    /// Until then they could.
    Over(DateTime<Utc>),
    /// They are archived.
    Archived,
}

impl Partner {
    /// Returns how the contract stands at `now`.
    pub fn contract(&self, now: DateTime<Utc>) -> ContractState {
        if self.archived_at.is_some() {
            return ContractState::Archived;
        }
        if let Some(from) = self.details.contract_from.filter(|from| *from > now) {
            return ContractState::NotYet(from);
        }
        self.details.contract_until.filter(|until| *until <= now).map_or(ContractState::Running, ContractState::Over)
    }
}

/// What came of a partner's coupons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Coupons that are not archived.
    pub coupons: i64,
    /// Redemptions of all their coupons.
    pub redemptions: i64,
    /// Passes that run, wait or are paused.
    pub active: i64,
}

/// A month of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    year: i32,
    month: u32,
}

/// Not a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a month is written as 2026-11")]
pub struct NoMonth;

impl Month {
    /// Returns the month of an instant, as the clocks of a zone show it.
    pub fn of(at: DateTime<Utc>, zone: Tz) -> Self {
        let day = at.with_timezone(&zone).date_naive();
        Self { year: day.year(), month: day.month() }
    }

    /// Returns the one before.
    pub fn before(self) -> Self {
        if self.month == 1 { Self { year: self.year - 1, month: 12 } } else { Self { month: self.month - 1, ..self } }
    }

    /// Returns the one after.
    pub fn after(self) -> Self {
        if self.month == 12 { Self { year: self.year + 1, month: 1 } } else { Self { month: self.month + 1, ..self } }
    }

    /// Returns when it begins on the clocks of a zone.
    pub fn begins(self, zone: Tz) -> DateTime<Utc> {
        let first = NaiveDate::from_ymd_opt(self.year, self.month, 1).expect("a month has a first day");
        let midnight = first.and_time(NaiveTime::MIN);
        // Where midnight is left out, the day begins at the first hour that there is.
        let hours = (0..24).map(|hour| midnight + chrono::TimeDelta::hours(hour));
        let begins = hours.filter_map(|at| zone.from_local_datetime(&at).earliest()).next();
        begins.map_or_else(|| midnight.and_utc(), |at| at.with_timezone(&Utc))
    }

    /// Returns its first day.
    pub fn first_day(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year, self.month, 1).expect("a month has a first day")
    }
}

impl fmt::Display for Month {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let (year, month) = text.split_once('-').ok_or(NoMonth)?;
        let is_plain = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        if !is_plain(year, 4) || !is_plain(month, 2) {
            return Err(NoMonth);
        }
        let (year, month) = (year.parse().map_err(|_| NoMonth)?, month.parse().map_err(|_| NoMonth)?);
        if (1970..=9998).contains(&year) && (1..=12).contains(&month) { Ok(Self { year, month }) } else { Err(NoMonth) }
    }
}

/// One redemption of a partner's coupon, without who it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// Which redemption.
    pub id: RedemptionId,
    /// When it was.
    pub redeemed_at: DateTime<Utc>,
    /// Of which coupon.
    pub code: CouponCode,
    /// The tier that it gave.
    pub tier: TierId,
    /// For how many days.
    pub days: i64,
    /// How the pass stands; nothing once there is none.
    pub state: Option<GrantState>,
}

/// Returns how a pass stands, in a word as it is written into files.
pub fn pass_word(state: Option<GrantState>) -> &'static str {
    match state {
        Some(GrantState::Running) => "runs",
        Some(GrantState::Waiting) => "waits",
        Some(GrantState::Paused) => "paused",
        Some(GrantState::Ended) => "used up",
        Some(GrantState::Revoked) => "taken back",
        None => "gone",
    }
}

/// Writes a statement into a file that spreadsheets read, with times on the clocks of a zone. No field of it can hold
/// a comma or a formula.
pub fn statement_csv(lines: &[StatementLine], zone: Tz) -> String {
    let mut csv = String::from("redemption,redeemed_at,code,tier,days,pass\r\n");
    for StatementLine { id, redeemed_at, code, tier, days, state } in lines {
        let (at, pass) = (redeemed_at.with_timezone(&zone).to_rfc3339(), pass_word(*state));
        let _ = write!(csv, "{id},{at},{code},{tier},{days},{pass}\r\n");
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::uuid_v7;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn details_are_checked() {
        let gym = || PartnerDetails { name: " Wellpass ".to_owned(), ..PartnerDetails::default() };
        assert_eq!(gym().checked().expect("good details").name, "Wellpass");
        let empty = PartnerDetails { email: Some(" ".to_owned()), ..gym() };
        assert_eq!(empty.checked().expect("good details").email, None);
        let (early, late) = (Some(at("2026-01-01T00:00:00Z")), Some(at("2027-01-01T00:00:00Z")));
        for (bad, why) in [
            (PartnerDetails { name: " ".to_owned(), ..gym() }, BadDetails::Name),
            (PartnerDetails { name: "a\nb".to_owned(), ..gym() }, BadDetails::Name),
            (PartnerDetails { name: "x".repeat(201), ..gym() }, BadDetails::Name),
            (PartnerDetails { contact: "x".repeat(201), ..gym() }, BadDetails::Contact),
            (PartnerDetails { note: "x".repeat(501), ..gym() }, BadDetails::Note),
            (PartnerDetails { email: Some("ann@".to_owned()), ..gym() }, BadDetails::Email),
            (PartnerDetails { contract_from: late, contract_until: early, ..gym() }, BadDetails::Contract),
            (PartnerDetails { contract_from: late, contract_until: late, ..gym() }, BadDetails::Contract),
            (PartnerDetails { contract_until: Some(at("+10000-01-01T00:00:00Z")), ..gym() }, BadDetails::Contract),
        ] {
            assert_eq!(bad.clone().checked(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_contract_runs_from_its_first_moment_to_before_its_last() {
        let gym = Partner {
            id: uuid_v7(at("2026-01-01T00:00:00Z"), [0; 10]).into(),
            details: PartnerDetails {
                contract_from: Some(at("2026-02-01T00:00:00Z")),
                contract_until: Some(at("2026-03-01T00:00:00Z")),
                ..PartnerDetails::default()
            },
            linked_at: None,
            archived_at: None,
            created_by: "operator".to_owned(),
            created_at: at("2026-01-01T00:00:00Z"),
        };
        let (from, until) = (at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        for (now, state) in [
            ("2026-01-31T23:59:59Z", ContractState::NotYet(from)),
            ("2026-02-01T00:00:00Z", ContractState::Running),
            ("2026-02-28T23:59:59Z", ContractState::Running),
            ("2026-03-01T00:00:00Z", ContractState::Over(until)),
        ] {
            assert_eq!(gym.contract(at(now)), state, "{now}");
        }
        let archived = Partner { archived_at: Some(from), ..gym };
        assert_eq!(archived.contract(at("2026-02-02T00:00:00Z")), ContractState::Archived);
    }

    #[test]
    fn months_follow_each_other_on_the_clocks_of_a_zone() {
        let month = |text: &str| text.parse::<Month>();
        let december: Month = month("2026-12").expect("a month");
        assert_eq!((december.after().to_string(), december.after().before()), ("2027-01".to_owned(), december));
        assert_eq!(december.begins(Tz::UTC), at("2026-12-01T00:00:00Z"));
        assert_eq!(december.begins(Tz::Europe__Berlin), at("2026-11-30T23:00:00Z"));
        assert_eq!(Month::of(at("2026-11-30T23:00:00Z"), Tz::Europe__Berlin), december);
        assert_eq!(Month::of(at("2026-11-30T22:59:59Z"), Tz::Europe__Berlin), december.before());
        // On 1 October 2023 midnight was left out in Asunción.
        let spring = month("2023-10").expect("a month");
        assert_eq!(spring.begins(Tz::America__Asuncion), at("2023-10-01T04:00:00Z"));
        for bad in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "+026-11", "1969-12", "9999-01", "2026-11-01"]
        {
            assert_eq!(month(bad), Err(NoMonth), "{bad}");
        }
    }
}
