//! The product's own settings: the rows of `app_settings`, with defaults for what is not there.

use std::{ops::RangeInclusive, str::FromStr};

use chrono_tz::Tz;

use crate::domain::ids::TierId;

/// What `post_trial_tier` says where the access of a new member ends with the trial.
pub const DISABLED: &str = "disabled";

/// How the periods of usage are laid over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsagePeriods {
    /// With the calendar: a month is a month.
    #[default]
    Calendar,
    /// From the day on which the member came.
    Anniversary,
}

/// What becomes of credit that ran beside a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CreditDuringSubscription {
    /// It comes back when the subscription ends.
    #[default]
    Returned,
    /// It is gone.
    Burns,
}

/// All settings, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// Days of trial for a new member; 0 for none (`trial_duration_days`, 14).
    pub trial_duration_days: i64,
    /// The tier of the trial (`trial_tier`, premium).
    pub trial_tier: TierId,
    /// The tier after the trial (`post_trial_tier`, free), or [`DISABLED`] for none: see
    /// [`AppSettings::closes_after_trial`].
    pub post_trial_tier: TierId,
    /// Whether an unknown address may become a member (`self_registration_enabled`, true).
    pub self_registration_enabled: bool,
    /// Whether an address that was only typed by somebody waits for its trial until a code proved it
    /// (`require_email_verification`, true).
    pub require_email_verification: bool,
    /// Whether members may invite others (`invitations_by_members`, true).
    pub invitations_by_members: bool,
    /// Days for which an invitation can be accepted (`invitation_lifetime_days`, 14).
    pub invitation_lifetime_days: i64,
    /// Invitations that one member may send in a day (`invitations_per_member`, 5).
    pub invitations_per_member: i64,
    /// Days before the end of a trial or of given time at which people are reminded; 0 for never
    /// (`reminder_days`, 3).
    pub reminder_days: i64,
    /// The tier that credit gives (`credit_tier`, premium).
    pub credit_tier: TierId,
    /// Whether a change of the matrix needs a reason (`matrix_reason_required`, false).
    pub matrix_reason_required: bool,
    /// The zone whose midnight ends a day of usage (`timezone`, UTC).
    pub timezone: Tz,
    /// How usage is laid over time (`usage_periods`, calendar).
    pub usage_periods: UsagePeriods,
    /// Days of credit for both sides of an invitation (`referral_credit_days`, 45).
    pub referral_credit_days: i64,
    /// Days for which that reward is held (`referral_hold_days`, 0).
    pub referral_hold_days: i64,
    /// Days after a payment within which its loss takes the reward back
    /// (`referral_clawback_days`, 30).
    pub referral_clawback_days: i64,
    /// Whether a reward that looks like fraud waits for an admin (`referral_hold_flagged`, false).
    pub referral_hold_flagged: bool,
    /// Conversions of one member a day above which they look like fraud
    /// (`referral_daily_conversions`, 10).
    pub referral_daily_conversions: i64,
    /// Days for which a subscription gives access after a payment failed
    /// (`past_due_grace_days`, 7).
    pub past_due_grace_days: i64,
    /// What becomes of credit that ran beside a subscription (`credit_during_subscription`,
    /// returned).
    pub credit_during_subscription: CreditDuringSubscription,
    /// The hour of the day from which on admins get their daily mail, in `timezone`
    /// (`admin_digest_hour`, 7).
    pub admin_digest_hour: i64,
    /// Days after which addresses in the log and in sessions are cut down to their network
    /// (`ip_retention_days`, 30).
    pub ip_retention_days: i64,
    /// Days after which lines of the log are deleted (`activity_retention_days`, 180).
    pub activity_retention_days: i64,
}

/// A row of `app_settings` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting {key} cannot be {value:?}: it is {expected}")]
pub struct BadSetting {
    key: String,
    value: String,
    expected: &'static str,
}

impl BadSetting {
    /// Returns what it has to be, in a few words.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

impl Default for AppSettings {
    fn default() -> Self {
        let tier = |name: &str| TierId::from_str(name).expect("a literal that is a name");
        Self {
            trial_duration_days: 14,
            trial_tier: tier("premium"),
            post_trial_tier: tier("free"),
            self_registration_enabled: true,
            require_email_verification: true,
            invitations_by_members: true,
            invitation_lifetime_days: 14,
            invitations_per_member: 5,
            reminder_days: 3,
            credit_tier: tier("premium"),
            matrix_reason_required: false,
            timezone: Tz::UTC,
            usage_periods: UsagePeriods::Calendar,
            referral_credit_days: 45,
            referral_hold_days: 0,
            referral_clawback_days: 30,
            referral_hold_flagged: false,
            referral_daily_conversions: 10,
            past_due_grace_days: 7,
            credit_during_subscription: CreditDuringSubscription::Returned,
            admin_digest_hour: 7,
            ip_retention_days: 30,
            activity_retention_days: 180,
        }
    }
}

impl AppSettings {
    /// The keys of all settings, in the order in which they are shown.
    pub const KEYS: [&str; 23] = [
        "trial_duration_days",
        "trial_tier",
        "post_trial_tier",
        "self_registration_enabled",
        "require_email_verification",
        "invitations_by_members",
        "invitation_lifetime_days",
        "invitations_per_member",
        "reminder_days",
        "credit_tier",
        "matrix_reason_required",
        "timezone",
        "usage_periods",
        "referral_credit_days",
        "referral_hold_days",
        "referral_clawback_days",
        "referral_hold_flagged",
        "referral_daily_conversions",
        "past_due_grace_days",
        "credit_during_subscription",
        "admin_digest_hour",
        "ip_retention_days",
        "activity_retention_days",
    ];

    /// Returns whether a new member has nothing once the trial is over, until they have something
    /// paid for or given: then their own tier counts for nothing.
    pub fn closes_after_trial(&self) -> bool {
        self.post_trial_tier.as_str() == DISABLED
    }

    /// Returns the value of a setting as it is stored; nothing if there is no such setting.
    pub fn value(&self, key: &str) -> Option<String> {
        Some(match key {
            "trial_duration_days" => self.trial_duration_days.to_string(),
            "trial_tier" => self.trial_tier.to_string(),
            "post_trial_tier" => self.post_trial_tier.to_string(),
            "self_registration_enabled" => self.self_registration_enabled.to_string(),
            "require_email_verification" => self.require_email_verification.to_string(),
            "invitations_by_members" => self.invitations_by_members.to_string(),
            "invitation_lifetime_days" => self.invitation_lifetime_days.to_string(),
            "invitations_per_member" => self.invitations_per_member.to_string(),
            "reminder_days" => self.reminder_days.to_string(),
            "credit_tier" => self.credit_tier.to_string(),
            "matrix_reason_required" => self.matrix_reason_required.to_string(),
            "timezone" => self.timezone.name().to_owned(),
            "usage_periods" => match self.usage_periods {
                UsagePeriods::Calendar => "calendar".to_owned(),
                UsagePeriods::Anniversary => "anniversary".to_owned(),
            },
            "referral_credit_days" => self.referral_credit_days.to_string(),
            "referral_hold_days" => self.referral_hold_days.to_string(),
            "referral_clawback_days" => self.referral_clawback_days.to_string(),
            "referral_hold_flagged" => self.referral_hold_flagged.to_string(),
            "referral_daily_conversions" => self.referral_daily_conversions.to_string(),
            "past_due_grace_days" => self.past_due_grace_days.to_string(),
            "ip_retention_days" => self.ip_retention_days.to_string(),
            "activity_retention_days" => self.activity_retention_days.to_string(),
            "admin_digest_hour" => self.admin_digest_hour.to_string(),
            "credit_during_subscription" => match self.credit_during_subscription {
                CreditDuringSubscription::Returned => "returned".to_owned(),
                CreditDuringSubscription::Burns => "burns".to_owned(),
            },
            _ => return None,
        })
    }

    /// Reads the rows. A key that this version does not know is left alone: a newer one may.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BadSetting> {
        let mut settings = Self::default();
        for (key, value) in rows {
            match key {
                "trial_duration_days" => {
                    settings.trial_duration_days = number(key, value, 0..=3650, "a number of days from 0 to 3650")?;
                }
                "trial_tier" => settings.trial_tier = tier(key, value)?,
                "post_trial_tier" => settings.post_trial_tier = tier(key, value)?,
                "credit_tier" => settings.credit_tier = tier(key, value)?,
                "self_registration_enabled" => settings.self_registration_enabled = flag(key, value)?,
                "require_email_verification" => settings.require_email_verification = flag(key, value)?,
                "invitations_by_members" => settings.invitations_by_members = flag(key, value)?,
                "invitation_lifetime_days" => {
                    settings.invitation_lifetime_days = number(key, value, 1..=365, "a number of days from 1 to 365")?;
                }
                "invitations_per_member" => {
                    settings.invitations_per_member = number(key, value, 0..=1000, "a number from 0 to 1000")?;
                }
                "reminder_days" => {
                    settings.reminder_days = number(key, value, 0..=365, "a number of days from 0 to 365")?;
                }
                "matrix_reason_required" => settings.matrix_reason_required = flag(key, value)?,
                "timezone" => {
                    settings.timezone =
                        value.parse().map_err(|_| bad(key, value, "the name of a time zone, as Europe/Berlin"))?;
                }
                "usage_periods" => {
                    settings.usage_periods = match value {
                        "calendar" => UsagePeriods::Calendar,
                        "anniversary" => UsagePeriods::Anniversary,
                        _ => return Err(bad(key, value, "calendar or anniversary")),
                    }
                }
                "referral_credit_days" => {
                    settings.referral_credit_days = number(key, value, 1..=3650, "a number of days from 1 to 3650")?;
                }
                "referral_hold_days" => {
                    settings.referral_hold_days = number(key, value, 0..=365, "a number of days from 0 to 365")?;
                }
                "referral_clawback_days" => {
                    settings.referral_clawback_days = number(key, value, 0..=3650, "a number of days from 0 to 3650")?;
                }
                "referral_hold_flagged" => settings.referral_hold_flagged = flag(key, value)?,
                "referral_daily_conversions" => {
                    settings.referral_daily_conversions = number(key, value, 1..=100_000, "a number from 1 to 100000")?;
                }
                "past_due_grace_days" => {
                    settings.past_due_grace_days = number(key, value, 0..=365, "a number of days from 0 to 365")?;
                }
                "ip_retention_days" => {
                    settings.ip_retention_days = number(key, value, 0..=3650, "a number of days from 0 to 3650")?;
                }
                "activity_retention_days" => {
                    settings.activity_retention_days = number(key, value, 1..=3650, "a number of days from 1 to 3650")?;
                }
                "admin_digest_hour" => {
                    settings.admin_digest_hour = number(key, value, 0..=23, "an hour from 0 to 23")?;
                }
                "credit_during_subscription" => {
                    settings.credit_during_subscription = match value {
                        "returned" => CreditDuringSubscription::Returned,
                        "burns" => CreditDuringSubscription::Burns,
                        _ => return Err(bad(key, value, "returned or burns")),
                    }
                }
                _ => {}
            }
        }
        Ok(settings)
    }
}

fn bad(key: &str, value: &str, expected: &'static str) -> BadSetting {
    BadSetting { key: key.to_owned(), value: value.to_owned(), expected }
}

fn tier(key: &str, value: &str) -> Result<TierId, BadSetting> {
    value.parse().map_err(|_| bad(key, value, "the id of a tier"))
}

fn number(key: &str, value: &str, allowed: RangeInclusive<i64>, expected: &'static str) -> Result<i64, BadSetting> {
    value.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| bad(key, value, expected))
}

fn flag(key: &str, value: &str) -> Result<bool, BadSetting> {
    value.parse().map_err(|_| bad(key, value, "true or false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_replace_defaults_and_nonsense_is_named() {
        let settings = AppSettings::from_rows([("trial_duration_days", "7"), ("from_the_future", "x")]);
        assert_eq!(settings, Ok(AppSettings { trial_duration_days: 7, ..AppSettings::default() }));
        for (key, value) in [
            ("trial_duration_days", "-1"),
            ("self_registration_enabled", "maybe"),
            ("credit_tier", ""),
            ("timezone", "Mars/Olympus"),
            ("usage_periods", "lunar"),
        ] {
            let error = AppSettings::from_rows([(key, value)]).expect_err(key);
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
