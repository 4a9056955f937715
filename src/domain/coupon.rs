//! Coupons: codes that are redeemed for time at a tier.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::{
    activity::Place,
    grant::{GrantKind, MOST_DAYS},
    ids::{BatchId, CouponId, PartnerId, TierId, UserId},
    period::can_be_kept,
    referral::ALPHABET,
};

/// How many characters a code has that is made here.
pub const CODE_LENGTH: usize = 10;
/// The most coupons that are made in one go.
pub const MOST_AT_ONCE: i64 = 10_000;
/// The longest description and name of a partner, in characters.
pub const LONGEST_TEXT: usize = 200;

/// The shortest and the longest code that people choose.
const CHOSEN_LENGTH: std::ops::RangeInclusive<usize> = 4..=40;

/// The code of a coupon, always in its normal form: upper case, without spaces and dashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CouponCode(String);

impl CouponCode {
    /// Reads a code as pasted or typed: case, spaces and dashes do not count. Returns `None` unless
    /// 4 to 40 letters and digits remain.
    pub fn normalise(raw: &str) -> Option<Self> {
        let mut code = String::new();
        for letter in raw.chars().filter(|letter| !letter.is_whitespace() && !is_dash(*letter)) {
            if !letter.is_ascii_alphanumeric() || code.len() == *CHOSEN_LENGTH.end() {
                return None;
            }
            code.push(letter.to_ascii_uppercase());
        }
        CHOSEN_LENGTH.contains(&code.len()).then_some(Self(code))
    }

    /// Makes a code from random numbers below 31, drawn one a character.
    pub fn generate(mut below_31: impl FnMut() -> u8) -> Self {
        let letters = (0..CODE_LENGTH).map(|_| char::from(ALPHABET[usize::from(below_31()) % ALPHABET.len()]));
        Self(letters.collect())
    }

    /// Returns the code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_dash(letter: char) -> bool {
    matches!(letter, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// As people read it: one that was made here in two groups, one that somebody chose as it is.
impl fmt::Display for CouponCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_made_here = self.0.len() == CODE_LENGTH && self.0.bytes().all(|letter| ALPHABET.contains(&letter));
        if is_made_here {
            let (first, second) = self.0.split_at(CODE_LENGTH / 2);
            write!(out, "{first}-{second}")
        } else {
            out.write_str(&self.0)
        }
    }
}

/// What kind of coupon it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CouponKind {
    /// For one person.
    SingleUse,
    /// For many, each once.
    Period,
    /// A partner's pass, for many, each once: it pauses all other grants.
    Partner,
}

/// Not the name of a kind of coupon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the type is single_use, period or partner")]
pub struct NoSuchKind;

impl CouponKind {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::SingleUse, Self::Period, Self::Partner];

    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleUse => "single_use",
            Self::Period => "period",
            Self::Partner => "partner",
        }
    }

    /// Returns the kind of grant that it brings.
    pub fn grant(self) -> GrantKind {
        match self {
            Self::SingleUse | Self::Period => GrantKind::Coupon,
            Self::Partner => GrantKind::Partner,
        }
    }
}

impl FromStr for CouponKind {
    type Err = NoSuchKind;

    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(NoSuchKind)
    }
}

/// What a coupon brings, and to whom. It never changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What kind it is.
    pub kind: CouponKind,
    /// The tier that it gives.
    pub tier: TierId,
    /// For how many days.
    pub days: i64,
    /// From when it can be redeemed.
    pub valid_from: Option<DateTime<Utc>>,
    /// Until when.
    pub valid_until: Option<DateTime<Utc>>,
    /// How often in all; `None` for as often as somebody wants.
    pub max_redemptions: Option<i64>,
    /// Whose pass it is, by name.
    pub partner: Option<String>,
    /// For whom it is made: it can be redeemed while their contract runs.
    pub partner_id: Option<PartnerId>,
}

/// Terms that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    /// The days.
    #[error("the days are a whole number from 1 to {MOST_DAYS}")]
    Days,
    /// The maximum.
    #[error("the maximum is above zero; a single_use coupon is redeemed once")]
    Most,
    /// The window.
    #[error("a coupon ends after it begins, and before the year 10000")]
    Window,
    /// The partner.
    #[error("a partner is named for a partner's pass only, in at most {LONGEST_TEXT} characters")]
    Partner,
}

impl Terms {
    /// Checks them, and fills in what follows: a coupon for one person is redeemed once.
    pub fn checked(mut self) -> Result<Self, BadTerms> {
        if !(1..=MOST_DAYS).contains(&self.days) {
            return Err(BadTerms::Days);
        }
        if self.kind == CouponKind::SingleUse && *self.max_redemptions.get_or_insert(1) != 1 {
            return Err(BadTerms::Most);
        }
        if self.max_redemptions.is_some_and(|most| most < 1) {
            return Err(BadTerms::Most);
        }
        let is_turned = self.valid_from.zip(self.valid_until).is_some_and(|(from, until)| from >= until);
        if is_turned || [self.valid_from, self.valid_until].into_iter().flatten().any(|at| !can_be_kept(at)) {
            return Err(BadTerms::Window);
        }
        let is_name = |name: &str| {
            self.kind == CouponKind::Partner
                && !name.trim().is_empty()
                && name.chars().count() <= LONGEST_TEXT
                && !name.chars().any(char::is_control)
        };
        if self.partner.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(BadTerms::Partner);
        }
        Ok(self)
    }
}

/// A coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupon {
    /// Which.
    pub id: CouponId,
    /// Its code.
    pub code: CouponCode,
    /// What it brings.
    pub terms: Terms,
    /// How often it was redeemed.
    pub redemptions: i64,
    /// Whether it can be redeemed at all.
    pub active: bool,
    /// Since when it is out of the way.
    pub archived_at: Option<DateTime<Utc>>,
    /// What is to be remembered about it.
    pub description: String,
    /// With which others it was made.
    pub batch: Option<BatchId>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Coupons that were made in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which.
    pub id: BatchId,
    /// What they are for.
    pub label: String,
    /// How many they are.
    pub count: i64,
    /// Who made them.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// How coupons stand, as lists are filtered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CouponState {
    /// Somebody can redeem it.
    Open,
    /// It can be redeemed later.
    NotYet,
    /// It could be redeemed earlier.
    Expired,
    /// As many as may have redeemed it.
    UsedUp,
    /// It is switched off.
    Inactive,
}

/// Not how a coupon stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a state is open, not_yet, expired, used_up or inactive")]
pub struct NoSuchState;

impl CouponState {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::Open, Self::NotYet, Self::Expired, Self::UsedUp, Self::Inactive];

    /// Returns the word in links and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            Self::UsedUp => "used_up",
            Self::Inactive => "inactive",
        }
    }
}

impl FromStr for CouponState {
    type Err = NoSuchState;

    fn from_str(text: &str) -> Result<Self, NoSuchState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(NoSuchState)
    }
}

/// Why a coupon that there is cannot be redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is switched off or archived.
    Inactive,
    /// It can be from then on.
    NotYet(DateTime<Utc>),
    /// It could be until then.
    Expired(DateTime<Utc>),
    /// As many as may have redeemed it.
    UsedUp,
}

/// Why a coupon is not redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No coupon has that code.
    Unknown,
    /// Nobody can redeem it now.
    Closed(Closed),
    /// It is for a partner whose contract does not run.
    NoContract,
    /// This member has redeemed it, under this account or an earlier one.
    AlreadyYours,
    /// Nobody is that.
    NoSuchMember,
    /// Too many codes were tried that cannot be redeemed; the next is possible then.
    TooMany {
        /// When.
        until: DateTime<Utc>,
    },
}

/// Who may be guessing codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guesser {
    /// A person in a browser, in that network.
    Person(String),
    /// An app, which speaks for many members from one network.
    App,
    /// Who could read all codes.
    Operator,
}

impl Guesser {
    /// Returns the network against which a try in vain counts, if it counts against one.
    pub fn network(&self) -> Option<&str> {
        match self {
            Self::Person(network) => Some(network),
            Self::App | Self::Operator => None,
        }
    }
}

/// A coupon that somebody wants to redeem.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// Who.
    pub user: UserId,
    /// The code, if what was typed can be one.
    pub code: Option<CouponCode>,
    /// Who may be guessing.
    pub guesser: Guesser,
    /// Who does it, as the log says it.
    pub actor: String,
    /// From where.
    pub place: Option<Place>,
}

impl Coupon {
    /// Returns how it stands at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> CouponState {
        match self.closed(now) {
            None => CouponState::Open,
            Some(Closed::Inactive) => CouponState::Inactive,
            Some(Closed::NotYet(_)) => CouponState::NotYet,
            Some(Closed::Expired(_)) => CouponState::Expired,
            Some(Closed::UsedUp) => CouponState::UsedUp,
        }
    }

    /// Returns why nobody can redeem it at `now`; nothing if somebody can.
    pub fn closed(&self, now: DateTime<Utc>) -> Option<Closed> {
        if !self.active || self.archived_at.is_some() {
            return Some(Closed::Inactive);
        }
        if let Some(from) = self.terms.valid_from.filter(|from| *from > now) {
            return Some(Closed::NotYet(from));
        }
        if let Some(until) = self.terms.valid_until.filter(|until| *until <= now) {
            return Some(Closed::Expired(until));
        }
        self.terms.max_redemptions.is_some_and(|most| self.redemptions >= most).then_some(Closed::UsedUp)
    }
}

/// Writes coupons into a file that spreadsheets read, with times on the clocks of a zone and the link under which each
/// is redeemed. No field of it can hold a comma or a formula.
pub fn to_csv(coupons: &[Coupon], zone: Tz, link: impl Fn(&CouponCode) -> String) -> String {
    let mut csv = String::from("code,link,tier,days,until,redeemed\r\n");
    for Coupon { code, terms, redemptions, .. } in coupons {
        let until = terms.valid_until.map(|at| at.with_timezone(&zone).to_rfc3339()).unwrap_or_default();
        let _ = write!(csv, "{code},{},{},{},{until},{redemptions}\r\n", link(code), terms.tier, terms.days);
    }
    csv
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::uuid_v7;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    fn terms(kind: CouponKind) -> Terms {
        Terms {
            kind,
            tier: "premium".parse().expect("a name"),
            days: 30,
            valid_from: None,
            valid_until: None,
            max_redemptions: None,
            partner: None,
            partner_id: None,
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let read = |raw| CouponCode::normalise(raw).map(|code| code.to_string());
        for raw in ["k7mq2-xwab4", " K7MQ2 XWAB4 ", "K7-MQ-2X-WA-B4", "K7MQ2–XWAB4", "k7mq2\u{2011}xwab4"] {
            assert_eq!(read(raw).as_deref(), Some("K7MQ2-XWAB4"), "{raw}");
        }
        assert_eq!(read("summer 2026").as_deref(), Some("SUMMER2026"), "a word is not cut in two");
        for bad in ["", "abc", "a-b-c", "ÄPFEL2026", "code_1", "<code>", &"x".repeat(41)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn terms_are_checked() {
        let once = terms(CouponKind::SingleUse).checked().expect("good terms");
        assert_eq!(once.max_redemptions, Some(1));
        let pass = Terms { partner: Some("Wellpass".to_owned()), ..terms(CouponKind::Partner) };
        assert_eq!(pass.clone().checked(), Ok(pass));
        let period = || terms(CouponKind::Period);
        for (bad, why) in [
            (Terms { days: 0, ..period() }, BadTerms::Days),
            (Terms { days: MOST_DAYS + 1, ..period() }, BadTerms::Days),
            (Terms { max_redemptions: Some(0), ..period() }, BadTerms::Most),
            (Terms { max_redemptions: Some(2), ..terms(CouponKind::SingleUse) }, BadTerms::Most),
            (Terms { valid_from: Some(at(1)), valid_until: Some(at(1)), ..period() }, BadTerms::Window),
            (Terms { valid_until: Some(at(253_402_300_800)), ..period() }, BadTerms::Window),
            (Terms { partner: Some("Wellpass".to_owned()), ..period() }, BadTerms::Partner),
            (Terms { partner: Some(" ".to_owned()), ..terms(CouponKind::Partner) }, BadTerms::Partner),
            (Terms { partner: Some("x".repeat(201)), ..terms(CouponKind::Partner) }, BadTerms::Partner),
        ] {
            assert_eq!(bad.clone().checked(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_closed_coupon_says_why() {
        let coupon = |terms| Coupon {
            id: uuid_v7(at(0), [0; 10]).into(),
            code: CouponCode::normalise("SUMMER").expect("a code"),
            terms,
            redemptions: 3,
            active: true,
            archived_at: None,
            description: String::new(),
            batch: None,
            created_by: "operator".to_owned(),
            created_at: at(0),
        };
        let window = Terms { valid_from: Some(at(10)), valid_until: Some(at(20)), ..terms(CouponKind::Period) };
        let open = coupon(window.clone());
        for (second, why) in
            [(9, Some(Closed::NotYet(at(10)))), (10, None), (19, None), (20, Some(Closed::Expired(at(20))))]
        {
            assert_eq!(open.closed(at(second)), why, "{second}");
        }
        let full = |most| coupon(Terms { max_redemptions: Some(most), ..window.clone() });
        assert_eq!(full(4).closed(at(10)), None);
        assert_eq!(full(3).closed(at(10)), Some(Closed::UsedUp));
        assert_eq!(full(3).closed(at(20)), Some(Closed::Expired(at(20))));
        assert_eq!(Coupon { active: false, ..open.clone() }.closed(at(10)), Some(Closed::Inactive));
        assert_eq!(Coupon { archived_at: Some(at(1)), ..open }.closed(at(10)), Some(Closed::Inactive));
    }

    #[test]
    fn words_in_the_database_are_read_again() {
        for kind in CouponKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for state in CouponState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("closed".parse::<CouponState>(), Err(NoSuchState));
        assert_eq!("wellpass".parse::<CouponKind>(), Err(NoSuchKind));
    }

    proptest! {
        #[test]
        fn a_code_that_was_made_is_read_as_it_is_shown(letters in proptest::collection::vec(0u8..31, 10), raw in ".{0,60}") {
            let mut letters = letters.into_iter();
            let code = CouponCode::generate(|| letters.next().expect("enough"));
            prop_assert_eq!(CouponCode::normalise(&code.to_string().to_lowercase()), Some(code));
            if let Some(read) = CouponCode::normalise(&raw) {
                prop_assert_eq!(CouponCode::normalise(read.as_str()), Some(read));
            }
        }
    }
}
