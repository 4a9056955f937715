//! Bonus rules: what members do that is rewarded, and how far each of them is.
//!
//! An admin writes a rule without code: a trigger, how often or how long, and what it brings. A
//! member gets it once, when as much has happened as the rule asks for.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    event::Event,
    grant::MOST_DAYS,
    ids::{BonusAwardId, BonusRuleId, TierId, UserId},
    lang::Lang,
};

/// The longest name of a rule, in characters.
pub const LONGEST_NAME: usize = 80;
/// The longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 300;
/// The most that a rule may ask for.
pub const MOST_THRESHOLD: i64 = 10_000;
/// The longest row of days that a rule may ask for.
pub const MOST_IN_A_ROW: i64 = 365;
/// The most rules that are in use at once: each is looked at whenever something happens.
pub const MOST_RULES: usize = 50;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Friends whom the member invited, who have paid and for whom both were rewarded.
    ReferralsConverted,
    /// Coupons that the member has redeemed.
    CouponsRedeemed,
    /// Subscriptions that the member has begun.
    SubscriptionsStarted,
    /// Days in a row, up to today or yesterday, on which the member was there.
    DaysInARow,
    /// Whole days since the member came.
    DaysAsMember,
}

/// Not the name of a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trigger is referrals_converted, coupons_redeemed, subscriptions_started, days_in_a_row or days_as_member")]
pub struct NoSuchTrigger;

impl Trigger {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::ReferralsConverted,
        Self::CouponsRedeemed,
        Self::SubscriptionsStarted,
        Self::DaysInARow,
        Self::DaysAsMember,
    ];

    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReferralsConverted => "referrals_converted",
            Self::CouponsRedeemed => "coupons_redeemed",
            Self::SubscriptionsStarted => "subscriptions_started",
            Self::DaysInARow => "days_in_a_row",
            Self::DaysAsMember => "days_as_member",
        }
    }

    /// Returns whether it counts days: nothing happens when it is reached, so a job has to look.
    pub fn is_of_time(self) -> bool {
        matches!(self, Self::DaysInARow | Self::DaysAsMember)
    }

    /// Returns the trigger that an event may fulfil.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::ReferralConverted { .. } => Some(Self::ReferralsConverted),
            Event::CouponRedeemed { .. } => Some(Self::CouponsRedeemed),
            Event::SubscriptionChanged { .. } => Some(Self::SubscriptionsStarted),
            _ => None,
        }
    }
}

impl FromStr for Trigger {
    type Err = NoSuchTrigger;

    fn from_str(text: &str) -> Result<Self, NoSuchTrigger> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text).ok_or(NoSuchTrigger)
    }
}

/// What a rule brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reward {
    /// Days at a tier, as a grant.
    Days {
        /// The tier.
        tier: TierId,
        /// How many days.
        days: i64,
    },
    /// A badge, which is shown and gives nothing else.
    Badge {
        /// The letter or digit that is drawn on it.
        letter: char,
    },
}

/// Reads the letter of a badge: one letter or digit, made upper case.
pub fn badge_letter(raw: &str) -> Option<char> {
    let mut characters = raw.trim().chars();
    let letter = characters.next().filter(|letter| letter.is_alphanumeric())?;
    let mut upper = letter.to_uppercase();
    match (characters.next(), upper.next(), upper.next()) {
        (None, Some(upper), None) => Some(upper),
        // ß has no upper case of its own.
        (None, Some(_), Some(_)) => Some(letter),
        _ => None,
    }
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its name in English; of a badge, the name of the badge.
    pub name_en: String,
    /// Its name in German.
    pub name_de: String,
    /// What it is about, in English.
    pub description_en: String,
    /// What it is about, in German.
    pub description_de: String,
    /// What is counted.
    pub trigger: Trigger,
    /// How much of it the rule asks for.
    pub threshold: i64,
    /// What it brings.
    pub reward: Reward,
    /// From when on it counts; `None` counts everything that ever happened.
    pub counts_from: Option<DateTime<Utc>>,
    /// Until when it is given.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Terms that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    /// The name.
    #[error("a rule has a name in both languages, one line of at most {LONGEST_NAME} characters")]
    Name,
    /// The description.
    #[error("a description is one line of at most {LONGEST_DESCRIPTION} characters")]
    Description,
    /// The threshold.
    #[error("the threshold is a whole number from 1 to {MOST_THRESHOLD}, and to {MOST_IN_A_ROW} for days in a row")]
    Threshold,
    /// The days.
    #[error("the days are a whole number from 1 to {MOST_DAYS}")]
    Days,
    /// The window.
    #[error("a rule ends after it begins to count")]
    Window,
}

impl Terms {
    /// Checks them, and takes the blanks around texts away. A name that is missing in one language
    /// is the one of the other.
    pub fn checked(mut self) -> Result<Self, BadTerms> {
        for text in [&mut self.name_en, &mut self.name_de, &mut self.description_en, &mut self.description_de] {
            *text = text.trim().to_owned();
        }
        fill(&mut self.name_en, &mut self.name_de);
        fill(&mut self.description_en, &mut self.description_de);
        let is_line = |text: &String, most| text.chars().count() <= most && !text.chars().any(char::is_control);
        if [&self.name_en, &self.name_de].into_iter().any(|name| name.is_empty() || !is_line(name, LONGEST_NAME)) {
            return Err(BadTerms::Name);
        }
        if ![&self.description_en, &self.description_de].into_iter().all(|text| is_line(text, LONGEST_DESCRIPTION)) {
            return Err(BadTerms::Description);
        }
        let most = if self.trigger == Trigger::DaysInARow { MOST_IN_A_ROW } else { MOST_THRESHOLD };
        if !(1..=most).contains(&self.threshold) {
            return Err(BadTerms::Threshold);
        }
        if matches!(self.reward, Reward::Days { days, .. } if !(1..=MOST_DAYS).contains(&days)) {
            return Err(BadTerms::Days);
        }
        if self.counts_from.zip(self.ends_at).is_some_and(|(from, end)| from >= end) {
            return Err(BadTerms::Window);
        }
        Ok(self)
    }

    /// Returns whether another rule asks for the same and brings the same; words and the end do not
    /// count.
    pub fn is_same_deal(&self, other: &Self) -> bool {
        (self.trigger, self.threshold, &self.reward, self.counts_from)
            == (other.trigger, other.threshold, &other.reward, other.counts_from)
    }
}

/// What is said in one language only holds for both.
fn fill(one: &mut String, other: &mut String) {
    match (one.is_empty(), other.is_empty()) {
        (true, false) => one.clone_from(other),
        (false, true) => other.clone_from(one),
        _ => {}
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub id: BonusRuleId,
    /// What it says.
    pub terms: Terms,
    /// Whether it is given at all.
    pub active: bool,
    /// Since when it is out of the way.
    pub archived_at: Option<DateTime<Utc>>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl Rule {
    /// Returns its name in the reader's language.
    pub fn name(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.terms.name_en,
            Lang::De => &self.terms.name_de,
        }
    }

    /// Returns what it is about, in the reader's language; empty for nothing.
    pub fn description(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.terms.description_en,
            Lang::De => &self.terms.description_de,
        }
    }

    /// Returns whether it is given at `now`.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.active && self.archived_at.is_none() && self.terms.ends_at.is_none_or(|end| now < end)
    }

    /// Returns how far somebody is.
    pub fn progress(&self, current: i64) -> Progress {
        Progress { current: current.max(0), threshold: self.terms.threshold }
    }
}

/// How far a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How much has happened.
    pub current: i64,
    /// How much is asked for, above zero.
    pub threshold: i64,
}

impl Progress {
    /// Returns whether it is enough.
    pub fn is_reached(self) -> bool {
        self.current >= self.threshold
    }

    /// Returns how much of what is asked for is there: never more than that, never below zero.
    pub fn shown(self) -> i64 {
        self.current.clamp(0, self.threshold.max(0))
    }
}

/// A rule that was fulfilled, once by one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Award {
    /// Which.
    pub id: BonusAwardId,
    /// Which rule.
    pub rule: BonusRuleId,
    /// Who; nobody once the account is deleted.
    pub user: Option<UserId>,
    /// What it brought.
    pub reward: Reward,
    /// When.
    pub awarded_at: DateTime<Utc>,
}

/// Returns for how many whole days somebody has been a member, of those that count.
pub fn days_as_member(since: DateTime<Utc>, counts_from: Option<DateTime<Utc>>, now: DateTime<Utc>) -> i64 {
    let from = counts_from.map_or(since, |from| from.max(since));
    (now - from).num_days().max(0)
}

/// Returns how many days of a row count whose last day is `last`: none from before the day on which
/// counting begins.
pub fn days_that_count(row: i64, counts_from: Option<NaiveDate>, last: NaiveDate) -> i64 {
    let most = counts_from.map_or(i64::MAX, |from| ((last - from).num_days() + 1).max(0));
    row.clamp(0, most)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::uuid_v7;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    fn terms() -> Terms {
        Terms {
            name_en: "Five friends".to_owned(),
            name_de: "Fünf Freunde".to_owned(),
            description_en: String::new(),
            description_de: String::new(),
            trigger: Trigger::ReferralsConverted,
            threshold: 5,
            reward: Reward::Days { tier: "premium".parse().expect("a name"), days: 30 },
            counts_from: None,
            ends_at: None,
        }
    }

    #[test]
    fn terms_are_checked() {
        assert_eq!(terms().checked(), Ok(terms()));
        let one = Terms { name_de: " ".to_owned(), description_de: "So geht es.".to_owned(), ..terms() };
        let filled = one.checked().expect("good terms");
        assert_eq!((filled.name_de.as_str(), filled.description_en.as_str()), ("Five friends", "So geht es."));
        let days = |days| Reward::Days { tier: "premium".parse().expect("a name"), days };
        for (bad, why) in [
            (Terms { name_en: String::new(), name_de: " ".to_owned(), ..terms() }, BadTerms::Name),
            (Terms { name_en: "x".repeat(LONGEST_NAME + 1), ..terms() }, BadTerms::Name),
            (Terms { name_en: "a\nb".to_owned(), ..terms() }, BadTerms::Name),
            (Terms { description_en: "x".repeat(LONGEST_DESCRIPTION + 1), ..terms() }, BadTerms::Description),
            (Terms { threshold: 0, ..terms() }, BadTerms::Threshold),
            (Terms { threshold: MOST_THRESHOLD + 1, ..terms() }, BadTerms::Threshold),
            (Terms { trigger: Trigger::DaysInARow, threshold: MOST_IN_A_ROW + 1, ..terms() }, BadTerms::Threshold),
            (Terms { reward: days(0), ..terms() }, BadTerms::Days),
            (Terms { reward: days(MOST_DAYS + 1), ..terms() }, BadTerms::Days),
            (Terms { counts_from: Some(at(1)), ends_at: Some(at(1)), ..terms() }, BadTerms::Window),
        ] {
            assert_eq!(bad.clone().checked(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_rule_is_given_while_it_is_open() {
        let rule = Rule {
            id: uuid_v7(at(0), [0; 10]).into(),
            terms: Terms { ends_at: Some(at(10)), ..terms() },
            active: true,
            archived_at: None,
            created_by: "operator".to_owned(),
            created_at: at(0),
        };
        assert!(rule.is_open(at(9)) && !rule.is_open(at(10)));
        assert!(!Rule { active: false, ..rule.clone() }.is_open(at(0)));
        assert!(!Rule { archived_at: Some(at(0)), ..rule.clone() }.is_open(at(0)));
        assert_eq!((rule.name(Lang::En), rule.name(Lang::De)), ("Five friends", "Fünf Freunde"));
    }

    #[test]
    fn a_badge_has_one_letter() {
        for (raw, letter) in [("a", Some('A')), (" ä ", Some('Ä')), ("7", Some('7')), ("ß", Some('ß'))] {
            assert_eq!(badge_letter(raw), letter, "{raw}");
        }
        for bad in ["", " ", "ab", "-", "\u{1f600}", "<", "\0"] {
            assert_eq!(badge_letter(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn words_in_the_database_are_read_again() {
        for trigger in Trigger::ALL {
            assert_eq!(trigger.as_str().parse(), Ok(trigger));
            assert_eq!(serde_json::to_value(trigger).expect("a word"), trigger.as_str());
        }
        assert_eq!("pushups".parse::<Trigger>(), Err(NoSuchTrigger));
    }

    #[test]
    fn events_fulfil_what_they_are_about() {
        let tier: TierId = "premium".parse().expect("a name");
        let event = Event::CouponRedeemed { code: "SUMMER".to_owned(), tier, days: 30 };
        assert_eq!(Trigger::of(&event), Some(Trigger::CouponsRedeemed));
        assert_eq!(Trigger::of(&Event::AccessChanged), None);
        assert!(Trigger::ALL.into_iter().filter(|trigger| trigger.is_of_time()).count() == 2);
    }

    proptest! {
        #[test]
        fn progress_never_leaves_its_bar(current in any::<i64>(), more in 0..i64::MAX, threshold in 1..=MOST_THRESHOLD) {
            let progress = Progress { current, threshold };
            prop_assert!((0..=threshold).contains(&progress.shown()));
            prop_assert_eq!(progress.is_reached(), progress.shown() == threshold);
            let later = Progress { current: current.saturating_add(more), threshold };
            prop_assert!(later.shown() >= progress.shown(), "it never goes back by more");
        }

        #[test]
        fn days_grow_with_time_and_never_count_what_was_before(
            joined in 0..1_000i64, from in proptest::option::of(0..1_000i64), now in 0..2_000i64, later in 0..100i64,
        ) {
            let day = |days: i64| at(0) + TimeDelta::days(days);
            let count = |now| days_as_member(day(joined), from.map(day), day(now));
            prop_assert_eq!(count(now), (now - from.unwrap_or(joined).max(joined)).max(0));
            prop_assert!(count(now + later) >= count(now));
            let date = |days: i64| day(days).date_naive();
            let row = days_that_count(joined, from.map(date), date(now));
            prop_assert!(row <= joined && row >= 0);
            prop_assert!(from.is_none_or(|from| row <= (now - from + 1).max(0)));
        }

        #[test]
        fn checked_terms_stay_as_they_are(name in ".{0,100}", threshold in any::<i64>(), days in any::<i64>()) {
            let tier = "premium".parse().expect("a name");
            let made = Terms { name_en: name, threshold, reward: Reward::Days { tier, days }, ..terms() };
            if let Ok(checked) = made.checked() {
                prop_assert!(!checked.name_en.is_empty() && (1..=MOST_DAYS).contains(&days));
                prop_assert_eq!(checked.clone().checked(), Ok(checked));
            }
        }
    }
}
