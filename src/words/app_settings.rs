//! Words of the admins' page of the product's settings. They are called by their own module, as those
//! about referrals are.

use chrono::{DateTime, Utc};

use crate::{
    domain::{lang::Lang, settings::AppSettings},
    words::{long_time, phrases},
};

phrases! {
    title: "Settings of the product" | "Einstellungen des Produkts";
    intro:
        "They count from the moment you save them, for everybody. What members have already, as a trial that runs, stays as it is." |
        "Sie gelten für alle, sobald Sie speichern. Was Mitglieder schon haben, etwa eine laufende Testzeit, bleibt, wie es ist.";
    save: "Save" | "Speichern";
    is_saved: "The settings are saved." | "Die Einstellungen sind gespeichert.";
    is_unchanged: "Nothing was changed." | "Nichts wurde geändert.";
    not_saved: "Nothing was saved: some of it cannot be so. See the fields." | "Nichts wurde gespeichert: Manches kann so nicht sein. Siehe die Felder.";
    yes: "Yes" | "Ja";
    no: "No" | "Nein";
    no_access: "No access at all" | "Gar kein Zugang";
    calendar: "With the calendar" | "Nach dem Kalender";
    anniversary: "From the day on which somebody came" | "Ab dem Tag, an dem jemand kam";
    returned: "It comes back when the subscription ends" | "Es kommt zurück, wenn das Abonnement endet";
    burns: "It is gone" | "Es ist verbraucht";
    sign_up: "Sign-up and trials" | "Registrierung und Testzeit";
    invitations: "Invitations and reminders" | "Einladungen und Erinnerungen";
    rewards: "Referrals and credit" | "Empfehlungen und Guthaben";
    payments: "Subscriptions" | "Abonnements";
    limits: "Limits and usage" | "Limits und Nutzung";
    operation: "Operation and privacy" | "Betrieb und Datenschutz";
    error_tier: "There is no such tier." | "Diese Stufe gibt es nicht.";
    error_flag: "Choose yes or no." | "Wählen Sie Ja oder Nein.";
    error_zone: "Enter the name of a time zone, as Europe/Berlin." | "Geben Sie den Namen einer Zeitzone ein, etwa Europe/Berlin.";
    error_choice: "Choose one of them." | "Wählen Sie eines davon.";
}

/// A section of the page.
pub const SECTIONS: [fn(Lang) -> &'static str; 6] = [sign_up, invitations, rewards, payments, limits, operation];

/// Returns the section of a setting, as a place in [`SECTIONS`].
pub fn section(key: &str) -> usize {
    match key {
        "trial_duration_days"
        | "trial_tier"
        | "post_trial_tier"
        | "self_registration_enabled"
        | "require_email_verification" => 0,
        _ if key.starts_with("invitation") || key.starts_with("reminder") => 1,
        _ if key.starts_with("referral") || key == "credit_tier" || key.starts_with("bonus") => 2,
        "past_due_grace_days" | "credit_during_subscription" => 3,
        "matrix_reason_required" | "timezone" | "usage_periods" => 4,
        _ => 5,
    }
}

/// Returns what a setting is called, and what it does.
pub fn about(lang: Lang, key: &str) -> Option<(&'static str, &'static str)> {
    let both: [(&'static str, &'static str); 2] = match key {
        "trial_duration_days" => [
            ("Days of trial", "For a new member, once for each address; 0 for none."),
            ("Testtage", "Für neue Mitglieder, einmal je Adresse; 0 für keine."),
        ],
        "trial_tier" => [
            ("Tier of the trial", "What new members can try."),
            ("Stufe der Testzeit", "Was neue Mitglieder testen können."),
        ],
        "post_trial_tier" => [
            (
                "Tier after the trial",
                "For those who come from now on. With no access at all, they sign in and see their pages, but every check refuses them until they have something paid for or given.",
            ),
            (
                "Stufe nach der Testzeit",
                "Für alle, die von jetzt an kommen. Ohne Zugang melden sie sich an und sehen ihre Seiten, aber jede Prüfung lehnt sie ab, bis sie etwas bezahlt oder bekommen haben.",
            ),
        ],
        "self_registration_enabled" => [
            (
                "Open for everybody",
                "Whether an unknown address becomes a member by signing in. If not, those who are invited still do.",
            ),
            (
                "Offen für alle",
                "Ob eine unbekannte Adresse durch Anmeldung Mitglied wird. Wenn nicht, werden es Eingeladene trotzdem.",
            ),
        ],
        "require_email_verification" => [
            (
                "Addresses have to be proved",
                "Concerns accounts that an app or an operator makes with nothing but an address: their trial waits until a code from the mailbox came back. Signing in by code proves an address anyway.",
            ),
            (
                "Adressen müssen bestätigt sein",
                "Betrifft Konten, die eine App oder der Betrieb mit nichts als einer Adresse anlegt: Die Testzeit wartet, bis ein Code aus dem Postfach zurückkam. Die Anmeldung mit Code bestätigt eine Adresse ohnehin.",
            ),
        ],
        "invitations_by_members" => [
            ("Members may invite", "By e-mail, beside their link. It counts as a referral."),
            ("Mitglieder dürfen einladen", "Per E-Mail, neben ihrem Link. Es zählt als Empfehlung."),
        ],
        "invitation_lifetime_days" => [
            ("Days for which an invitation is good", "1 to 365, from the last mail on."),
            ("Tage, die eine Einladung gilt", "1 bis 365, ab der letzten E-Mail."),
        ],
        "invitations_per_member" => [
            ("Invitations of one member in a day", "0 to 1,000."),
            ("Einladungen eines Mitglieds am Tag", "0 bis 1.000."),
        ],
        "reminder_days" => [
            (
                "Days before the end at which we remind",
                "Of a trial or of given days; 0 for never. Who was given less is not reminded.",
            ),
            (
                "Tage vor dem Ende, an denen wir erinnern",
                "An eine Testzeit oder an gegebene Tage; 0 für nie. Wer weniger bekam, wird nicht erinnert.",
            ),
        ],
        "credit_tier" => {
            [("Tier of credit", "What days of credit give."), ("Stufe des Guthabens", "Was Guthabentage geben.")]
        }
        "matrix_reason_required" => [
            ("Changes of limits need a reason", "It stands in the log of activity."),
            ("Änderungen an Limits brauchen einen Grund", "Er steht im Protokoll."),
        ],
        "timezone" => [
            ("Time zone", "Its midnight ends a day of usage; as Europe/Berlin."),
            ("Zeitzone", "Ihre Mitternacht beendet einen Tag der Nutzung; etwa Europe/Berlin."),
        ],
        "usage_periods" => [
            ("Usage starts again", "When the months and years of limits begin."),
            ("Nutzung beginnt neu", "Wann Monate und Jahre von Limits anfangen."),
        ],
        "referral_credit_days" => [
            ("Days for both sides of a referral", "1 to 3,650, once the friend has paid."),
            ("Tage für beide Seiten einer Empfehlung", "1 bis 3.650, sobald der Kontakt bezahlt hat."),
        ],
        "referral_hold_days" => [
            ("Days for which that reward is held", "0 for none."),
            ("Tage, die diese Belohnung zurückgehalten wird", "0 für keine."),
        ],
        "referral_clawback_days" => [
            ("Days within which it is taken back", "If the payment goes back in full."),
            ("Tage, in denen sie zurückgenommen wird", "Wenn die Zahlung ganz zurückgeht."),
        ],
        "referral_hold_flagged" => [
            ("Odd rewards wait for you", "Otherwise they are marked and given."),
            ("Auffällige Belohnungen warten auf Sie", "Sonst werden sie markiert und gegeben."),
        ],
        "referral_daily_conversions" => [
            ("Friends who pay in a day, above which it looks odd", "1 to 100,000."),
            ("Zahlende Kontakte am Tag, über denen es auffällt", "1 bis 100.000."),
        ],
        "past_due_grace_days" => [
            ("Days of access after a failed payment", "0 to 365."),
            ("Tage Zugang nach einer gescheiterten Zahlung", "0 bis 365."),
        ],
        "credit_during_subscription" => [
            ("Credit that runs beside a subscription", "What becomes of it."),
            ("Guthaben, das neben einem Abonnement läuft", "Was daraus wird."),
        ],
        "admin_digest_hour" => [
            ("Hour of the admins' daily mail", "0 to 23, in the time zone above."),
            ("Stunde der täglichen E-Mail an Admins", "0 bis 23, in der Zeitzone oben."),
        ],
        "ip_retention_days" => [
            ("Days for which network addresses stay whole", "After that they are cut down to their network."),
            ("Tage, die Netzadressen ganz bleiben", "Danach werden sie auf ihr Netz gekürzt."),
        ],
        "activity_retention_days" => [
            ("Days for which the log of activity is kept", "1 to 3,650."),
            ("Tage, die das Protokoll aufgehoben wird", "1 bis 3.650."),
        ],
        _ => return None,
    };
    let [english, german] = both;
    Some(match lang {
        Lang::En => english,
        Lang::De => german,
    })
}

/// Who changed a setting last.
pub fn changed_by(lang: Lang, who: &str, at: DateTime<Utc>) -> String {
    let at = long_time(lang, at);
    match lang {
        Lang::En => format!("Last changed by {who} on {at}."),
        Lang::De => format!("Zuletzt geändert von {who} am {at}."),
    }
}

/// What a setting is if nobody has said anything else.
pub fn usually(lang: Lang, value: &str) -> String {
    match lang {
        Lang::En => format!("Usually {value}."),
        Lang::De => format!("Üblich: {value}."),
    }
}

/// What a number can be.
pub fn error_number(lang: Lang, expected: &str) -> String {
    match lang {
        Lang::En => format!("This has to be {expected}."),
        // The rule says it in English; its numbers are all that is needed.
        Lang::De => {
            let numbers: Vec<_> = expected.split_whitespace().filter(|word| word.parse::<i64>().is_ok()).collect();
            match numbers[..] {
                [least, most] => format!("Geben Sie eine ganze Zahl von {least} bis {most} ein."),
                _ => "Das kann es nicht sein.".to_owned(),
            }
        }
    }
}

/// Returns what the default of a setting is.
pub fn default_of(key: &str) -> Option<String> {
    AppSettings::default().value(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_explained_in_both_languages() {
        for key in AppSettings::KEYS {
            let (english, german) = (about(Lang::En, key), about(Lang::De, key));
            let (english, german) =
                (english.unwrap_or_else(|| panic!("{key}")), german.unwrap_or_else(|| panic!("{key}")));
            assert!(english.0 != german.0 && english.1 != german.1, "{key}");
            assert!(section(key) < SECTIONS.len());
        }
        assert_eq!(about(Lang::En, "no_such_setting"), None);
    }

    #[test]
    fn a_number_that_cannot_be_is_told_in_the_readers_language() {
        assert_eq!(
            error_number(Lang::De, "a number of days from 0 to 3650"),
            "Geben Sie eine ganze Zahl von 0 bis 3650 ein."
        );
        assert_eq!(error_number(Lang::En, "an hour from 0 to 23"), "This has to be an hour from 0 to 23.");
    }
}
