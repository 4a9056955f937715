//! Referral codes: how a member's code looks, and how a pasted one is read.
//!
//! Source: seed "referral_service" (alphabet, length, normalisation). Its comment counts 32
//! characters; the alphabet has 31, and the alphabet stands.

use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    email::EmailKey,
    ids::{ReferralId, UserId},
    payment::{FirstPayment, Provider},
    settings::AppSettings,
};

/// The letters and digits of codes: none that is mistaken for another (no 0/O, 1/I/L).
pub const ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";

/// How many characters a referral code has.
pub const CODE_LENGTH: usize = 8;

/// A member's referral code, always in its normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema), schema(value_type = String, example = "K7MQ2XWA"))]
#[serde(transparent)]
pub struct ReferralCode(String);

impl ReferralCode {
    /// Reads a code as pasted or typed: upper-cased, with everything outside the alphabet left
    /// out. Returns `None` unless exactly eight characters remain.
    pub fn normalise(raw: &str) -> Option<Self> {
        let mut code = String::with_capacity(CODE_LENGTH);
        for letter in raw.chars().map(|c| c.to_ascii_uppercase()) {
            if !letter.is_ascii() || !ALPHABET.contains(&(letter as u8)) {
                continue;
            }
            if code.len() == CODE_LENGTH {
                return None;
            }
            code.push(letter);
        }
        (code.len() == CODE_LENGTH).then_some(Self(code))
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

impl fmt::Display for ReferralCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What became of a member's invitations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ReferralStats {
    /// Friends who signed in and have not paid yet, or whose reward is still held.
    pub pending: i64,
    /// Friends who have paid.
    pub converted: i64,
    /// Conversions whose days of credit are still running.
    pub active_credits: i64,
}

/// Something that looks like fraud about a referral. An admin sees it; whether the reward waits
/// for them is a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Both addresses are one mailbox: they differ by a tag or by dots that do not count.
    SameMailbox,
    /// The friend's address is of the kind that is thrown away.
    DisposableDomain,
    /// Both signed in from one network with the same browser within a day.
    SameBrowser,
    /// The member converts more friends a day than is usual.
    ManyConversions,
}

impl Flag {
    const ALL: [Self; 4] = [Self::SameMailbox, Self::DisposableDomain, Self::SameBrowser, Self::ManyConversions];

    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameMailbox => "same_mailbox",
            Self::DisposableDomain => "disposable_domain",
            Self::SameBrowser => "same_browser",
            Self::ManyConversions => "many_conversions",
        }
    }
}

/// Not the name of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a flag of a referral")]
pub struct NoSuchFlag;

impl FromStr for Flag {
    type Err = NoSuchFlag;

    fn from_str(text: &str) -> Result<Self, NoSuchFlag> {
        Self::ALL.into_iter().find(|flag| flag.as_str() == text).ok_or(NoSuchFlag)
    }
}

/// Who invited whom, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// Which.
    pub id: ReferralId,
    /// Who invited; nobody once that account is deleted.
    pub referrer: Option<UserId>,
    /// Who was invited.
    pub referred: Option<UserId>,
    /// When the friend came.
    pub created_at: DateTime<Utc>,
    /// When the friend's first payment was noticed.
    pub converted_at: Option<DateTime<Utc>>,
    /// When both sides got their days.
    pub credited_at: Option<DateTime<Utc>>,
    /// The invoice that converted it.
    pub invoice: Option<(Provider, String)>,
    /// The days that each side gets.
    pub reward_days: Option<i64>,
    /// What looked like fraud.
    pub flags: Vec<Flag>,
    /// Until when the reward waits by itself; with neither this nor `credited_at`, a converted one
    /// waits for an admin.
    pub held_until: Option<DateTime<Utc>>,
    /// When an admin decided that there is no reward.
    pub rejected_at: Option<DateTime<Utc>>,
    /// Since when the reward is void because the money went back.
    pub taken_back_at: Option<DateTime<Utc>>,
    /// How often it was.
    pub times_taken_back: i64,
}

/// How a referral stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReferralState {
    /// The friend has not paid.
    Pending,
    /// The friend has paid, and the reward waits.
    Held,
    /// Both have their days.
    Converted,
    /// An admin decided that there is no reward.
    Rejected,
    /// The money went back, and the days with it.
    TakenBack,
}

impl ReferralState {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Held, Self::Converted, Self::Rejected, Self::TakenBack];

    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Converted => "converted",
            Self::Rejected => "rejected",
            Self::TakenBack => "taken_back",
        }
    }
}

/// Not the name of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a referral is pending, held, converted, rejected or taken_back")]
pub struct NoSuchState;

impl FromStr for ReferralState {
    type Err = NoSuchState;

    fn from_str(text: &str) -> Result<Self, NoSuchState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(NoSuchState)
    }
}

/// What is to be done about a referral next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The friend has paid for the first time.
    Convert,
    /// Another payment turned out to be the first.
    ChangeInvoice,
    /// Both get their days.
    Credit,
    /// The money went back: so do the days that are left.
    TakeBack,
    /// The money came back after all: so do the days.
    GiveBack,
}

impl Referral {
    /// Returns how it stands.
    pub fn state(&self) -> ReferralState {
        match self {
            Self { converted_at: None, .. } => ReferralState::Pending,
            Self { rejected_at: Some(_), .. } => ReferralState::Rejected,
            Self { taken_back_at: Some(_), .. } => ReferralState::TakenBack,
            Self { credited_at: None, .. } => ReferralState::Held,
            _ => ReferralState::Converted,
        }
    }

    /// Returns what is to be done next, given the friend's first payment; nothing when all is
    /// done. It depends on what is known and not on the order in which it became known, so that
    /// whoever repeats it until there is nothing to do always ends in the same state.
    pub fn next_step(&self, first: Option<&FirstPayment>, settings: &AppSettings, now: DateTime<Utc>) -> Option<Step> {
        let first = first?;
        if self.converted_at.is_none() {
            return Some(Step::Convert);
        }
        let is_other =
            self.invoice.as_ref().is_none_or(|(provider, id)| (*provider, id) != (first.provider, &first.invoice));
        if is_other {
            return Some(Step::ChangeInvoice);
        }
        if self.rejected_at.is_some() {
            return None;
        }
        let is_lost = first.is_lost(TimeDelta::days(settings.referral_clawback_days));
        match (is_lost, self.taken_back_at.is_some()) {
            (true, false) => Some(Step::TakeBack),
            (false, true) => Some(Step::GiveBack),
            (true, true) => None,
            (false, false) => {
                let is_due = self.credited_at.is_none() && self.held_until.is_some_and(|until| until <= now);
                is_due.then_some(Step::Credit)
            }
        }
    }
}

/// A sign-in, as far as it tells two people apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFrom {
    /// Who.
    pub user: UserId,
    /// From where.
    pub address: String,
    /// With what browser.
    pub user_agent: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Returns what looks like fraud about a friend, from what is known of both when the friend pays.
pub fn suspicious(
    friend: Option<&EmailKey>,
    referrer: Option<&EmailKey>,
    is_disposable: bool,
    seen: &[SeenFrom],
    conversions_within_a_day: i64,
    settings: &AppSettings,
) -> Vec<Flag> {
    let mut flags = BTreeSet::new();
    if let (Some(friend), Some(referrer)) = (friend, referrer)
        && mailbox(friend) == mailbox(referrer)
    {
        flags.insert(Flag::SameMailbox);
    }
    if is_disposable {
        flags.insert(Flag::DisposableDomain);
    }
    let is_one_browser = |a: &SeenFrom, b: &SeenFrom| {
        a.user != b.user
            && !a.user_agent.is_empty()
            && a.user_agent == b.user_agent
            && (a.at - b.at).abs() <= TimeDelta::days(1)
            && network(&a.address).is_some_and(|one| Some(one) == network(&b.address))
    };
    if seen.iter().enumerate().any(|(at, a)| seen[at + 1..].iter().any(|b| is_one_browser(a, b))) {
        flags.insert(Flag::SameBrowser);
    }
    if conversions_within_a_day >= settings.referral_daily_conversions {
        flags.insert(Flag::ManyConversions);
    }
    flags.into_iter().collect()
}

/// Returns the mailbox behind an address, as far as it can be told: without a tag, and at Gmail
/// without the dots, which do not count there.
fn mailbox(email: &EmailKey) -> String {
    let (local, domain) = email.as_str().rsplit_once('@').unwrap_or((email.as_str(), ""));
    let local = local.split('+').next().unwrap_or(local);
    match domain {
        "gmail.com" | "googlemail.com" => format!("{}@gmail.com", local.replace('.', "")),
        _ => format!("{local}@{domain}"),
    }
}

/// Returns the part of an address that one household shares: IPv4 whole, of IPv6 the first 64 bits.
fn network(address: &str) -> Option<u128> {
    match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => Some(u128::from(address.to_bits())),
        IpAddr::V6(address) => Some(address.to_bits() >> 64 << 64),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{email::EmailAddress, ids::uuid_v7};

    #[test]
    fn pasted_codes_are_read_generously() {
        let code = ReferralCode::normalise("K7MQ2XWA");
        assert!(code.is_some());
        for raw in ["k7mq2xwa", " K7MQ 2XWA\n", "k7mq-2xwa", "K7MQ2XWA\u{200b}", "«K7MQ2XWA»"] {
            assert_eq!(ReferralCode::normalise(raw), code, "{raw:?}");
        }
        for raw in ["", "K7MQ2XW", "K7MQ2XWAA", "00000000", "IIIIllll", &"A".repeat(10_000)] {
            assert_eq!(ReferralCode::normalise(raw), None, "{raw:?}");
        }
    }

    fn at(days: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + days * 86_400, 0).expect("in range")
    }

    fn referral() -> Referral {
        Referral {
            id: uuid_v7(at(0), [0; 10]).into(),
            referrer: None,
            referred: None,
            created_at: at(0),
            converted_at: None,
            credited_at: None,
            invoice: None,
            reward_days: None,
            flags: Vec::new(),
            held_until: None,
            rejected_at: None,
            taken_back_at: None,
            times_taken_back: 0,
        }
    }

    fn first(lost: i64, lost_at: Option<i64>) -> FirstPayment {
        let invoice = "in_1".to_owned();
        let lost_at = lost_at.map(at);
        FirstPayment { provider: Provider::Stripe, invoice, amount: 999, paid_at: at(0), lost, lost_at }
    }

    #[test]
    fn each_state_has_its_next_step() {
        let settings = AppSettings::default();
        let invoice = Some((Provider::Stripe, "in_1".to_owned()));
        let converted = Referral { converted_at: Some(at(1)), invoice, held_until: Some(at(1)), ..referral() };
        let credited = Referral { credited_at: Some(at(1)), ..converted.clone() };
        let taken = Referral { taken_back_at: Some(at(2)), ..credited.clone() };
        let rejected = Referral { rejected_at: Some(at(2)), ..converted.clone() };
        let held = Referral { held_until: Some(at(5)), ..converted.clone() };
        let for_an_admin = Referral { held_until: None, ..converted.clone() };
        let elsewhere = Referral { invoice: Some((Provider::Polar, "in_1".to_owned())), ..credited.clone() };
        let (whole, lost) = (first(0, None), first(999, Some(30)));
        for (referral, first, state, step) in [
            (&referral(), &whole, ReferralState::Pending, Some(Step::Convert)),
            (&converted, &whole, ReferralState::Held, Some(Step::Credit)),
            (&held, &whole, ReferralState::Held, None),
            (&held, &lost, ReferralState::Held, Some(Step::TakeBack)),
            (&for_an_admin, &whole, ReferralState::Held, None),
            (&credited, &whole, ReferralState::Converted, None),
            (&credited, &lost, ReferralState::Converted, Some(Step::TakeBack)),
            (&credited, &first(998, Some(3)), ReferralState::Converted, None),
            // A day too late.
            (&credited, &self::first(999, Some(31)), ReferralState::Converted, None),
            (&taken, &lost, ReferralState::TakenBack, None),
            (&taken, &whole, ReferralState::TakenBack, Some(Step::GiveBack)),
            (&rejected, &lost, ReferralState::Rejected, None),
            (&rejected, &whole, ReferralState::Rejected, None),
            (&elsewhere, &whole, ReferralState::Converted, Some(Step::ChangeInvoice)),
        ] {
            assert_eq!(referral.state(), state, "{referral:?}");
            assert_eq!(referral.next_step(Some(first), &settings, at(4)), step, "{referral:?} {first:?}");
        }
        assert_eq!(referral().next_step(None, &settings, at(4)), None);
    }

    #[test]
    fn fraud_is_seen_by_what_both_share() {
        let key = |text: &str| EmailAddress::parse(text).expect("an address").key().clone();
        let settings = AppSettings::default();
        let flags = |friend: &str, referrer: &str| {
            suspicious(Some(&key(friend)), Some(&key(referrer)), false, &[], 0, &settings)
        };
        assert_eq!(flags("ann+2@example.com", "ann@example.com"), [Flag::SameMailbox]);
        assert_eq!(flags("a.n.n@gmail.com", "ann+x@googlemail.com"), [Flag::SameMailbox]);
        assert_eq!(flags("a.nn@example.com", "ann@example.com"), []);
        assert_eq!(suspicious(None, None, true, &[], 9, &settings), [Flag::DisposableDomain]);
        assert_eq!(suspicious(None, None, false, &[], 10, &settings), [Flag::ManyConversions]);

        let (ann, bob): (UserId, UserId) = (uuid_v7(at(0), [1; 10]).into(), uuid_v7(at(0), [2; 10]).into());
        let seen = |user, address: &str, user_agent: &str, day| SeenFrom {
            user,
            address: address.to_owned(),
            user_agent: user_agent.to_owned(),
            at: at(day),
        };
        let from = |a: SeenFrom, b: SeenFrom| suspicious(None, None, false, &[a, b], 0, &settings);
        let first = seen(ann, "2001:db8:1:2:3::4", "Firefox", 0);
        assert_eq!(from(first.clone(), seen(bob, "2001:db8:1:2:9::9", "Firefox", 1)), [Flag::SameBrowser]);
        for other in [
            seen(bob, "2001:db8:1:2:9::9", "Firefox", 2),
            seen(bob, "2001:db8:1:2:9::9", "Chromium", 1),
            seen(bob, "2001:db8:1:3:3::4", "Firefox", 1),
            seen(bob, "nowhere", "Firefox", 1),
            seen(ann, "2001:db8:1:2:3::4", "Firefox", 1),
        ] {
            assert_eq!(from(first.clone(), other.clone()), [], "{other:?}");
        }
        let nameless = |user| seen(user, "1.2.3.4", "", 0);
        assert_eq!(from(nameless(ann), nameless(bob)), [], "many things send no name");
    }

    #[test]
    fn words_in_the_database_are_read_again() {
        for flag in Flag::ALL {
            assert_eq!(flag.as_str().parse(), Ok(flag));
        }
        for state in ReferralState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }

    proptest! {
        #[test]
        fn generated_codes_are_normal(numbers in proptest::collection::vec(0u8..31, CODE_LENGTH)) {
            let mut numbers = numbers.into_iter();
            let code = ReferralCode::generate(|| numbers.next().expect("eight are drawn"));
            prop_assert_eq!(ReferralCode::normalise(code.as_str()), Some(code));
        }

        #[test]
        fn normalising_never_panics(raw in "\\PC{0,64}") {
            let _ = ReferralCode::normalise(&raw);
        }
    }
}
