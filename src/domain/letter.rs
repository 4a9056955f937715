//! Letters: what a person is to be told by mail, before it is put into words.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{InvitationId, LoginAttemptId};

/// A letter as it waits to be sent, with what is needed to write it and nothing else.
///
/// A code is not in it: it is derived again when the letter is written, so that no copy of the
/// database holds one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// The code that completes a sign-in.
    LoginCode {
        /// The flow that the code belongs to.
        attempt: LoginAttemptId,
        /// Which sending of that flow it is; each has its own code.
        send: i64,
    },
    /// An invitation to open an account. The token in its link is derived when it is written.
    Invitation {
        /// Which.
        invitation: InvitationId,
        /// Which sending of it this is; each has its own token.
        send: i64,
    },
    /// Anything else: what is stored is all there is to tell.
    #[serde(untagged)]
    Notice(Notice),
}

/// What is told in a letter that holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Notice {
    /// There is no account for the address, and none can be opened.
    NoAccount,
    /// The reader has opened an account.
    Welcome {
        /// The name of the tier that can be tried, and until when.
        trial: Option<(String, DateTime<Utc>)>,
    },
    /// A subscription has begun.
    SubscriptionStarted {
        /// The name of its tier.
        tier: String,
    },
    /// A subscription could not be paid.
    PaymentFailed {
        /// The name of its tier.
        tier: String,
        /// Until when it gives access all the same.
        until: DateTime<Utc>,
    },
    /// A subscription is over.
    SubscriptionEnded {
        /// The name of its tier.
        tier: String,
        /// Days of credit that ran beside it and came back; 0 for none.
        returned_days: i64,
    },
    /// A friend who was invited has paid, so both sides got their days.
    ReferralConverted {
        /// The days of each side.
        days: i64,
        /// Until when the reader's credit lasts since.
        until: DateTime<Utc>,
        /// Whether the reader invited; else they were invited.
        as_referrer: bool,
    },
    /// A friend who was invited has opened an account.
    ReferralJoined,
    /// The friend's payment went back in full, and so did what was left of the days.
    ReferralTakenBack {
        /// Whether the reader invited; else they were invited.
        as_referrer: bool,
    },
    /// The reader was given time at a tier.
    AccessGranted {
        /// The name of the tier.
        tier: String,
        /// For how many days.
        days: i64,
        /// When it begins, if it has to wait for its turn.
        from: Option<DateTime<Utc>>,
        /// Until when it lasts, as far as is known now.
        until: DateTime<Utc>,
    },
    /// The reader has redeemed a coupon.
    CouponRedeemed {
        /// Its code.
        code: String,
        /// The name of the tier that it gives.
        tier: String,
        /// For how many days.
        days: i64,
        /// When they begin, if they have to wait for their turn.
        from: Option<DateTime<Utc>>,
        /// Until when they last, as far as is known now.
        until: DateTime<Utc>,
    },
    /// It is the turn of time at a tier that had waited.
    GrantStarted {
        /// The name of the tier.
        tier: String,
        /// Until when it lasts, as far as is known now.
        until: DateTime<Utc>,
    },
    /// Time at a tier waits, because something else comes first.
    GrantPaused {
        /// The name of the tier.
        tier: String,
        /// The name of what comes first.
        by: String,
        /// The days that are left of it, rounded up.
        days_left: i64,
    },
    /// Time at a tier that had been paused goes on.
    GrantResumed {
        /// The name of the tier.
        tier: String,
        /// Until when it lasts, as far as is known now.
        until: DateTime<Utc>,
    },
    /// Time at a tier will soon be used up.
    GrantEnding {
        /// The name of the tier.
        tier: String,
        /// Until when it lasts.
        until: DateTime<Utc>,
    },
    /// Time at a tier that the reader was given is used up.
    GrantEnded {
        /// The name of the tier.
        tier: String,
        /// The name of the tier that goes on, and until when.
        next: Option<(String, DateTime<Utc>)>,
    },
    /// The trial will soon be over.
    TrialEnding {
        /// The name of the tier that is tried.
        tier: String,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The trial is over.
    TrialEnded {
        /// The name of the tier that was tried.
        tier: String,
        /// The name of the tier that applies now.
        next: String,
    },
    /// The reader has earned a badge.
    BadgeAwarded {
        /// Its name.
        badge: String,
    },
    /// The reader has earned time at a tier.
    BonusAwarded {
        /// What for: the name of the rule.
        rule: String,
        /// The name of the tier.
        tier: String,
        /// For how many days.
        days: i64,
    },
    /// The reader's account will be deleted.
    DeletionScheduled {
        /// When.
        on: DateTime<Utc>,
    },
    /// The reader's account is not deleted yet, because a subscription goes on.
    DeletionPostponed,
    /// The reader's account is deleted.
    AccountDeleted,
    /// To admins: what happened since the last such letter.
    AdminDigest {
        /// Since when.
        since: DateTime<Utc>,
        /// What, and how often, in the reader's language.
        lines: Vec<(String, i64)>,
        /// The path of the page that shows more, `/admin/notifications`.
        more: String,
    },
    /// To admins: what a provider told could not be applied, and nobody tries it again.
    PaymentEventFailed {
        /// The provider's name.
        provider: String,
        /// The provider's word for what happened.
        event_type: String,
        /// Why it failed the last time.
        error: String,
    },
}

impl From<Notice> for Letter {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

/// What some letters have in common, which members can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MailCategory {
    /// About grants, coupons and the trial.
    Access,
    /// About friends who were invited.
    Referrals,
    /// About bonus and badges.
    Bonus,
    /// To admins: what happened.
    Digest,
}

/// Not the name of a category of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a category of mails")]
pub struct NoSuchCategory;

impl MailCategory {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Access, Self::Referrals, Self::Bonus, Self::Digest];

    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Referrals => "referrals",
            Self::Bonus => "bonus",
            Self::Digest => "digest",
        }
    }

    /// Returns whether only admins get such letters.
    pub fn is_for_admins(self) -> bool {
        self == Self::Digest
    }
}

impl FromStr for MailCategory {
    type Err = NoSuchCategory;

    fn from_str(text: &str) -> Result<Self, NoSuchCategory> {
        Self::ALL.into_iter().find(|category| category.as_str() == text).ok_or(NoSuchCategory)
    }
}

impl fmt::Display for MailCategory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Makes the names of letters.
macro_rules! letter_names {
    ($($name:ident $word:literal $category:expr;)+) => {
        /// Which letter it is, whatever it tells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LetterName {
            $(
                #[doc = concat!("`", $word, "`")]
                $name,
            )+
        }

        impl LetterName {
            /// All of them, in the order in which admins see them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the word in the database and on the wire, which is also the folder of its words.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// Returns what kind of letter it is; nothing for one that nobody can do without.
            pub fn category(self) -> Option<MailCategory> {
                match self {
                    $(Self::$name => $category,)+
                }
            }
        }
    };
}

letter_names! {
    LoginCode "login_code" None;
    Invitation "invitation" None;
    Welcome "welcome" None;
    NoAccount "no_account" None;
    SubscriptionStarted "subscription_started" None;
    PaymentFailed "payment_failed" None;
    SubscriptionEnded "subscription_ended" None;
    AccessGranted "access_granted" Some(MailCategory::Access);
    CouponRedeemed "coupon_redeemed" Some(MailCategory::Access);
    GrantStarted "grant_started" Some(MailCategory::Access);
    GrantPaused "grant_paused" Some(MailCategory::Access);
    GrantResumed "grant_resumed" Some(MailCategory::Access);
    GrantEnding "grant_ending" Some(MailCategory::Access);
    GrantEnded "grant_ended" Some(MailCategory::Access);
    TrialEnding "trial_ending" Some(MailCategory::Access);
    TrialEnded "trial_ended" Some(MailCategory::Access);
    ReferralJoined "referral_joined" Some(MailCategory::Referrals);
    ReferralConverted "referral_converted" Some(MailCategory::Referrals);
    ReferralTakenBack "referral_taken_back" Some(MailCategory::Referrals);
    BadgeAwarded "badge_awarded" Some(MailCategory::Bonus);
    BonusAwarded "bonus_awarded" Some(MailCategory::Bonus);
    DeletionScheduled "deletion_scheduled" None;
    DeletionPostponed "deletion_postponed" None;
    AccountDeleted "account_deleted" None;
    AdminDigest "admin_digest" Some(MailCategory::Digest);
    PaymentEventFailed "payment_event_failed" None;
}

/// Not the name of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a letter")]
pub struct NoSuchLetter;

impl FromStr for LetterName {
    type Err = NoSuchLetter;

    fn from_str(text: &str) -> Result<Self, NoSuchLetter> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text).ok_or(NoSuchLetter)
    }
}

impl fmt::Display for LetterName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Letter {
    /// Returns which letter it is.
    pub fn name(&self) -> LetterName {
        match self {
            Self::LoginCode { .. } => LetterName::LoginCode,
            Self::Invitation { .. } => LetterName::Invitation,
            Self::Notice(notice) => notice.name(),
        }
    }
}

impl Notice {
    /// Returns which letter it is.
    pub fn name(&self) -> LetterName {
        match self {
            Self::NoAccount => LetterName::NoAccount,
            Self::Welcome { .. } => LetterName::Welcome,
            Self::SubscriptionStarted { .. } => LetterName::SubscriptionStarted,
            Self::PaymentFailed { .. } => LetterName::PaymentFailed,
            Self::SubscriptionEnded { .. } => LetterName::SubscriptionEnded,
            Self::ReferralConverted { .. } => LetterName::ReferralConverted,
            Self::ReferralJoined => LetterName::ReferralJoined,
            Self::ReferralTakenBack { .. } => LetterName::ReferralTakenBack,
            Self::AccessGranted { .. } => LetterName::AccessGranted,
            Self::CouponRedeemed { .. } => LetterName::CouponRedeemed,
            Self::GrantStarted { .. } => LetterName::GrantStarted,
            Self::GrantPaused { .. } => LetterName::GrantPaused,
            Self::GrantResumed { .. } => LetterName::GrantResumed,
            Self::GrantEnding { .. } => LetterName::GrantEnding,
            Self::GrantEnded { .. } => LetterName::GrantEnded,
            Self::TrialEnding { .. } => LetterName::TrialEnding,
            Self::TrialEnded { .. } => LetterName::TrialEnded,
            Self::BadgeAwarded { .. } => LetterName::BadgeAwarded,
            Self::BonusAwarded { .. } => LetterName::BonusAwarded,
            Self::DeletionScheduled { .. } => LetterName::DeletionScheduled,
            Self::DeletionPostponed => LetterName::DeletionPostponed,
            Self::AccountDeleted => LetterName::AccountDeleted,
            Self::AdminDigest { .. } => LetterName::AdminDigest,
            Self::PaymentEventFailed { .. } => LetterName::PaymentEventFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::uuid_v7;

    #[test]
    fn letters_that_wait_in_a_database_keep_their_shape() {
        let attempt = uuid_v7(DateTime::UNIX_EPOCH, [7; 10]).into();
        let invitation: InvitationId = uuid_v7(DateTime::UNIX_EPOCH, [8; 10]).into();
        let tier = || "Premium".to_owned();
        let until = DateTime::UNIX_EPOCH;
        let stored = [
            (
                Letter::LoginCode { attempt, send: 2 },
                format!(r#"{{"letter":"login_code","attempt":"{attempt}","send":2}}"#),
            ),
            (
                Letter::Invitation { invitation, send: 1 },
                format!(r#"{{"letter":"invitation","invitation":"{invitation}","send":1}}"#),
            ),
            (Notice::NoAccount.into(), r#"{"letter":"no_account"}"#.to_owned()),
            (Notice::Welcome { trial: None }.into(), r#"{"letter":"welcome","trial":null}"#.to_owned()),
            (Notice::ReferralJoined.into(), r#"{"letter":"referral_joined"}"#.to_owned()),
            (
                Notice::CouponRedeemed { code: "SUMMER".to_owned(), tier: tier(), days: 30, from: None, until }.into(),
                r#"{"letter":"coupon_redeemed","code":"SUMMER","tier":"Premium","days":30,"from":null,"until":"1970-01-01T00:00:00Z"}"#
                    .to_owned(),
            ),
            (
                Notice::GrantStarted { tier: tier(), until }.into(),
                r#"{"letter":"grant_started","tier":"Premium","until":"1970-01-01T00:00:00Z"}"#.to_owned(),
            ),
            (
                Notice::GrantPaused { tier: tier(), by: "Pass".to_owned(), days_left: 3 }.into(),
                r#"{"letter":"grant_paused","tier":"Premium","by":"Pass","days_left":3}"#.to_owned(),
            ),
            (
                Notice::GrantResumed { tier: tier(), until }.into(),
                r#"{"letter":"grant_resumed","tier":"Premium","until":"1970-01-01T00:00:00Z"}"#.to_owned(),
            ),
            (
                Notice::GrantEnding { tier: tier(), until }.into(),
                r#"{"letter":"grant_ending","tier":"Premium","until":"1970-01-01T00:00:00Z"}"#.to_owned(),
            ),
            (
                Notice::TrialEnding { tier: tier(), until }.into(),
                r#"{"letter":"trial_ending","tier":"Premium","until":"1970-01-01T00:00:00Z"}"#.to_owned(),
            ),
            (
                Notice::TrialEnded { tier: tier(), next: "Free".to_owned() }.into(),
                r#"{"letter":"trial_ended","tier":"Premium","next":"Free"}"#.to_owned(),
            ),
            (
                Notice::BadgeAwarded { badge: "Early bird".to_owned() }.into(),
                r#"{"letter":"badge_awarded","badge":"Early bird"}"#.to_owned(),
            ),
            (
                Notice::BonusAwarded { rule: "Five friends".to_owned(), tier: tier(), days: 30 }.into(),
                r#"{"letter":"bonus_awarded","rule":"Five friends","tier":"Premium","days":30}"#.to_owned(),
            ),
            (
                Notice::DeletionScheduled { on: until }.into(),
                r#"{"letter":"deletion_scheduled","on":"1970-01-01T00:00:00Z"}"#.to_owned(),
            ),
            (Notice::DeletionPostponed.into(), r#"{"letter":"deletion_postponed"}"#.to_owned()),
            (Notice::AccountDeleted.into(), r#"{"letter":"account_deleted"}"#.to_owned()),
            (
                Notice::AdminDigest {
                    since: until,
                    lines: vec![("New members".to_owned(), 3)],
                    more: "/admin/notifications".to_owned(),
                }
                .into(),
                r#"{"letter":"admin_digest","since":"1970-01-01T00:00:00Z","lines":[["New members",3]],"more":"/admin/notifications"}"#
                    .to_owned(),
            ),
            (
                Notice::SubscriptionStarted { tier: tier() }.into(),
                r#"{"letter":"subscription_started","tier":"Premium"}"#.to_owned(),
            ),
            (
                Notice::PaymentFailed { tier: tier(), until }.into(),
                r#"{"letter":"payment_failed","tier":"Premium","until":"1970-01-01T00:00:00Z"}"#.to_owned(),
            ),
            (
                Notice::SubscriptionEnded { tier: tier(), returned_days: 3 }.into(),
                r#"{"letter":"subscription_ended","tier":"Premium","returned_days":3}"#.to_owned(),
            ),
            (
                Notice::ReferralConverted { days: 45, until, as_referrer: true }.into(),
                r#"{"letter":"referral_converted","days":45,"until":"1970-01-01T00:00:00Z","as_referrer":true}"#
                    .to_owned(),
            ),
            (
                Notice::ReferralTakenBack { as_referrer: false }.into(),
                r#"{"letter":"referral_taken_back","as_referrer":false}"#.to_owned(),
            ),
            (
                Notice::AccessGranted { tier: tier(), days: 30, from: None, until }.into(),
                r#"{"letter":"access_granted","tier":"Premium","days":30,"from":null,"until":"1970-01-01T00:00:00Z"}"#
                    .to_owned(),
            ),
            (
                Notice::GrantEnded { tier: tier(), next: Some((tier(), until)) }.into(),
                r#"{"letter":"grant_ended","tier":"Premium","next":["Premium","1970-01-01T00:00:00Z"]}"#.to_owned(),
            ),
            (
                Notice::PaymentEventFailed {
                    provider: "Stripe".to_owned(),
                    event_type: "invoice.paid".to_owned(),
                    error: "no such price".to_owned(),
                }.into(),
                r#"{"letter":"payment_event_failed","provider":"Stripe","event_type":"invoice.paid","error":"no such price"}"#
                    .to_owned(),
            ),
        ];
        for (letter, json) in stored {
            assert_eq!(serde_json::to_string(&letter).expect("a letter is JSON"), json);
            assert_eq!(serde_json::from_str::<Letter>(&json).expect("JSON is a letter"), letter);
            let value = serde_json::to_value(&letter).expect("a letter is JSON");
            assert_eq!(value["letter"], letter.name().as_str(), "the name is the word that is stored");
        }
    }

    #[test]
    fn names_and_categories_are_read_as_they_are_written() {
        for &name in LetterName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        for category in MailCategory::ALL {
            assert_eq!(category.as_str().parse(), Ok(category));
            assert!(LetterName::ALL.iter().any(|name| name.category() == Some(category)), "{category}");
        }
        assert_eq!("welcome ".parse::<LetterName>(), Err(NoSuchLetter));
        assert_eq!("news".parse::<MailCategory>(), Err(NoSuchCategory));
    }

    #[test]
    fn nobody_can_do_without_codes_and_what_concerns_money() {
        for name in [LetterName::LoginCode, LetterName::PaymentFailed, LetterName::AccountDeleted] {
            assert_eq!(name.category(), None, "{name}");
        }
    }
}
