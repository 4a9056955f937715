//! Every word that a person reads on a page, in English and German side by side.
//!
//! A phrase is a function of the language, so one that is missing in either language, or
//! misspelled where it is used, does not compile. Mails have their own templates in `mail`.

pub mod activity;
mod api_keys;
pub mod app_settings;
mod billing;
pub mod bonus;
pub mod coupons;
pub mod explain;
mod features;
pub mod grants;
pub mod invitations;
pub mod jobs;
pub mod mails;
mod matrix;
mod members;
pub mod notifications;
pub mod partners;
pub mod payments;
mod portfolio;
mod pricing;
pub mod privacy;
pub mod referrals;
pub mod stats;
mod users;
pub mod webhooks;

pub use api_keys::*;
pub use billing::*;
pub use features::*;
pub use matrix::*;
pub use members::*;
pub use portfolio::*;
pub use pricing::*;
pub use users::*;

use crate::domain::lang::Lang;

/// Declares phrases: `name: "English" | "German";`.
macro_rules! phrases {
    ($($name:ident: $en:literal | $de:literal;)+) => {$(
        #[doc = concat!("“", $en, "”")]
        pub fn $name(lang: $crate::domain::lang::Lang) -> &'static str {
            match lang {
                $crate::domain::lang::Lang::En => $en,
                $crate::domain::lang::Lang::De => $de,
            }
        }
    )+};
}
pub(crate) use phrases;

phrases! {
    language: "Language" | "Sprache";
    skip_to_content: "Skip to content" | "Zum Inhalt springen";
    sign_in: "Sign in" | "Anmelden";
    sign_out: "Sign out" | "Abmelden";
    settings: "Settings" | "Einstellungen";
    tiers_and_limits: "Tiers and limits" | "Stufen und Limits";
    admin: "Admin" | "Admin";
    administration: "Administration" | "Verwaltung";
    overview: "Overview" | "Überblick";
    notifications_word: "Notifications" | "Meldungen";
    activity_word: "Activity" | "Protokoll";
    invitations_word: "Invitations" | "Einladungen";
    partners_word: "Partners" | "Partner";
    bonus_word: "Bonus" | "Bonus";
    operations: "Operations" | "Betrieb";
    mails_word: "E-mails" | "E-Mails";
    webhooks_word: "Webhooks" | "Webhooks";
    jobs_word: "Jobs" | "Aufgaben";
    pricing: "Pricing" | "Preise";
    mailbox: "Mailbox" | "Postfach";
    main_navigation: "Main" | "Haupt";
    cancel: "Cancel" | "Abbrechen";
    back: "Back" | "Zurück";
    on_this_page: "On this page" | "Auf dieser Seite";
    not_found: "Nothing here" | "Hier ist nichts";
    not_found_hint: "The address may be old or mistyped." | "Die Adresse ist vielleicht alt oder vertippt.";
    refused: "Not accepted" | "Nicht angenommen";
    refused_hint:
        "The request came from another site, or your browser left out where it came from. Open the page again and retry." |
        "Die Anfrage kam von einer anderen Seite, oder Ihr Browser hat die Herkunft weggelassen. Öffnen Sie die Seite neu und versuchen Sie es noch einmal.";
    bad_request: "That could not be read" | "Das war nicht lesbar";
    bad_request_hint: "Go back, check what you entered, and try again." | "Gehen Sie zurück, prüfen Sie Ihre Eingaben und versuchen Sie es noch einmal.";
    too_large: "That was too much at once" | "Das war zu viel auf einmal";
    too_many: "Too many requests" | "Zu viele Anfragen";
    too_many_hint: "Wait a little, then try again." | "Warten Sie kurz und versuchen Sie es dann noch einmal.";
    unavailable: "One moment, please" | "Einen Moment, bitte";
    unavailable_hint: "We cannot answer right now. Try again in a few seconds." | "Wir können gerade nicht antworten. Versuchen Sie es in ein paar Sekunden noch einmal.";
    failed: "Something went wrong" | "Etwas ist schiefgegangen";
    failed_hint: "It was noted. Try again; if it happens again, tell us the request number:" | "Es wurde vermerkt. Versuchen Sie es noch einmal; wenn es wieder geschieht, nennen Sie uns die Nummer der Anfrage:";
    to_start: "To the start" | "Zum Anfang";
}

/// Returns a date in full: “1 December 2026”.
pub fn long_date(lang: Lang, date: chrono::NaiveDate) -> String {
    use chrono::Datelike;
    const EN: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DE: [&str; 12] = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ];
    let month = usize::try_from(date.month0()).unwrap_or(0);
    match lang {
        Lang::En => format!("{} {} {}", date.day(), EN[month], date.year()),
        Lang::De => format!("{}. {} {}", date.day(), DE[month], date.year()),
    }
}

/// Returns an instant to the minute, in UTC: “1 December 2026, 14:05 UTC”.
pub fn long_time(lang: Lang, time: chrono::DateTime<chrono::Utc>) -> String {
    use chrono::Timelike;
    format!("{}, {:02}:{:02} UTC", long_date(lang, time.date_naive()), time.hour(), time.minute())
}

/// Returns the BCP 47 tag by which a browser writes dates as [`long_date`] does.
pub fn date_locale(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "en-GB",
        Lang::De => "de",
    }
}

/// Returns a number with its thousands grouped: 1,204 or 1.204.
pub fn number(lang: Lang, number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let separator = match lang {
        Lang::En => ',',
        Lang::De => '.',
    };
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        grouped.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(separator);
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_follow_the_language() {
        assert_eq!(number(Lang::En, 1_234_567), "1,234,567");
        assert_eq!(number(Lang::De, 1204), "1.204");
        assert_eq!(number(Lang::En, 999), "999");
        assert_eq!(number(Lang::En, -1000), "−1,000");
        let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date");
        assert_eq!(long_date(Lang::En, date), "1 March 2026");
        assert_eq!(long_date(Lang::De, date), "1. März 2026");
    }
}
