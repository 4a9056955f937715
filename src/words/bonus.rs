//! Words about bonus rules and badges. They are called by their own module, as those about coupons
//! are.

use crate::{
    domain::{bonus::Trigger, lang::Lang},
    words::{number, phrases},
};

phrases! {
    title: "Bonus" | "Bonus";
    intro:
        "A rule rewards members by itself: when they have done what it asks for, they get days at a tier or a badge, each once." |
        "Eine Regel belohnt Mitglieder von selbst: Wer getan hat, was sie verlangt, bekommt Tage in einer Stufe oder ein Abzeichen, jeder einmal.";
    which: "Which rules" | "Welche Regeln";
    in_use: "In use" | "In Gebrauch";
    archived: "Archived" | "Abgelegte";
    rule: "Rule" | "Regel";
    asks_for: "Asks for" | "Verlangt";
    brings: "Brings" | "Bringt";
    rewarded: "Rewarded" | "Belohnt";
    window: "Counts" | "Zählt";
    state: "State" | "Stand";
    none: "There are no rules." | "Es gibt keine Regeln.";
    none_hint: "Make the first below: five friends who pay, seven days in a row, the first coupon." | "Erstellen Sie unten die erste: fünf Freunde, die zahlen, sieben Tage in Folge, der erste Gutschein.";
    none_archived: "Nothing is archived." | "Nichts ist abgelegt.";
    none_archived_hint: "What you archive is kept here, with who was rewarded." | "Was Sie ablegen, bleibt hier, samt denen, die belohnt wurden.";
    older: "Older" | "Ältere";
    given: "given" | "läuft";
    switched_off: "off" | "aus";
    over: "over" | "vorbei";
    is_archived: "archived" | "abgelegt";
    everything: "everything so far" | "alles bisher";
    made: "The rule is made. Whoever has earned it gets it within a minute." | "Die Regel ist erstellt. Wer sie schon erfüllt, wird binnen einer Minute belohnt.";
    changed: "The rule is saved." | "Die Regel ist gespeichert.";
    put_away: "The rule is archived." | "Die Regel ist abgelegt.";
    gone: "There is no such rule." | "Diese Regel gibt es nicht.";
    archive: "Archive" | "Ablegen";
    archive_ask: "Nobody is rewarded by it any more. What it gave stays." | "Niemand wird mehr danach belohnt. Was sie gab, bleibt.";
    new: "New rule" | "Neue Regel";
    edit: "Change the rule" | "Regel ändern";
    frozen_hint:
        "Members were rewarded by it, so what it asks for and brings stays. Archive it and make another for a different deal." |
        "Es wurden schon Mitglieder danach belohnt, daher bleibt, was sie verlangt und bringt. Legen Sie sie ab und erstellen Sie eine andere, wenn etwas anderes gelten soll.";
    archived_hint: "This rule is archived: nobody is rewarded by it any more." | "Diese Regel ist abgelegt: Niemand wird mehr danach belohnt.";
    name_en: "Name, English" | "Name, englisch";
    name_de: "Name, German" | "Name, deutsch";
    name_hint: "Members read it; a badge is called so. One language is enough." | "Mitglieder lesen ihn; so heißt auch das Abzeichen. Eine Sprache genügt.";
    description_en: "What it is about, English" | "Worum es geht, englisch";
    description_de: "What it is about, German" | "Worum es geht, deutsch";
    description_hint: "One sentence, or nothing." | "Ein Satz oder nichts.";
    what_it_asks: "What it asks for" | "Was sie verlangt";
    what_it_brings: "What it brings" | "Was sie bringt";
    how_it_is_called: "How it is called" | "Wie sie heißt";
    trigger: "When" | "Wenn";
    threshold: "How many" | "Wie viele";
    threshold_hint: "Days in a row: up to 365." | "Tage in Folge: bis 365.";
    reward: "Reward" | "Belohnung";
    reward_days: "Days at a tier" | "Tage in einer Stufe";
    reward_badge: "A badge" | "Ein Abzeichen";
    tier: "Tier" | "Stufe";
    tier_hint: "For days." | "Für Tage.";
    days: "Days" | "Tage";
    days_hint: "For days: 1 to 3,650." | "Für Tage: 1 bis 3.650.";
    letter: "Letter" | "Buchstabe";
    letter_hint: "For a badge: one letter or digit." | "Für ein Abzeichen: ein Buchstabe oder eine Ziffer.";
    since: "Counts from" | "Zählt ab";
    since_hint: "Empty: from now, unless everything counts." | "Leer: ab jetzt, außer wenn alles zählt.";
    until: "Last day" | "Letzter Tag";
    until_hint: "Empty: without end." | "Leer: ohne Ende.";
    also_before: "Also what was before" | "Auch was vorher war";
    also_before_hint: "Those who have earned it already get it too." | "Auch wer sie schon erfüllt, wird belohnt.";
    active: "In use" | "In Gebrauch";
    active_hint: "Off: nobody is rewarded for now." | "Aus: Vorerst wird niemand belohnt.";
    preview: "Preview" | "Vorschau";
    make: "Make the rule" | "Regel erstellen";
    save: "Save" | "Speichern";
    awards: "Who was rewarded" | "Wer belohnt wurde";
    no_awards: "Nobody yet." | "Noch niemand.";
    member: "Member" | "Mitglied";
    on: "On" | "Am";
    deleted_account: "deleted account" | "gelöschtes Konto";
    back: "All rules" | "Alle Regeln";
    error_name: "Give it a name of at most 80 characters." | "Geben Sie einen Namen mit höchstens 80 Zeichen ein.";
    error_description: "One line of at most 300 characters." | "Eine Zeile mit höchstens 300 Zeichen.";
    error_threshold: "Enter a whole number from 1 to 10,000; for days in a row up to 365." | "Geben Sie eine ganze Zahl von 1 bis 10.000 ein, für Tage in Folge bis 365.";
    error_trigger: "Choose what counts." | "Wählen Sie, was zählt.";
    error_days: "Enter a whole number from 1 to 3,650." | "Geben Sie eine ganze Zahl von 1 bis 3.650 ein.";
    error_letter: "Enter one letter or digit." | "Geben Sie einen Buchstaben oder eine Ziffer ein.";
    error_tier: "There is no such tier." | "Diese Stufe gibt es nicht.";
    error_day: "Enter a day, as 2027-12-31." | "Geben Sie einen Tag ein, etwa 2027-12-31.";
    error_window: "The last day comes after counting begins." | "Der letzte Tag liegt nach dem Beginn der Zählung.";
    error_frozen: "What this rule asks for and brings cannot change any more." | "Was diese Regel verlangt und bringt, kann sich nicht mehr ändern.";
    error_too_many: "At most 50 rules are in use at once. Archive one first." | "Höchstens 50 Regeln gelten zugleich. Legen Sie erst eine ab.";

    your_bonus: "Your bonus" | "Ihr Bonus";
    badges: "Badges" | "Abzeichen";
    earned: "Earned" | "Verdient";
    to_earn: "To earn" | "Zu verdienen";
}

/// What a trigger is called in a form.
pub fn trigger_name(lang: Lang, trigger: Trigger) -> &'static str {
    match (lang, trigger) {
        (Lang::En, Trigger::ReferralsConverted) => "invited friends have paid",
        (Lang::De, Trigger::ReferralsConverted) => "eingeladene Freunde gezahlt haben",
        (Lang::En, Trigger::CouponsRedeemed) => "coupons are redeemed",
        (Lang::De, Trigger::CouponsRedeemed) => "Gutscheine eingelöst sind",
        (Lang::En, Trigger::SubscriptionsStarted) => "subscriptions have begun",
        (Lang::De, Trigger::SubscriptionsStarted) => "Abonnements begonnen haben",
        (Lang::En, Trigger::DaysInARow) => "days in a row were active",
        (Lang::De, Trigger::DaysInARow) => "Tage in Folge aktiv waren",
        (Lang::En, Trigger::DaysAsMember) => "days have passed as a member",
        (Lang::De, Trigger::DaysAsMember) => "Tage als Mitglied vergangen sind",
    }
}

/// “5 friends who have paid”.
pub fn asked(lang: Lang, trigger: Trigger, threshold: i64) -> String {
    let many = number(lang, threshold);
    match (lang, trigger, threshold) {
        (Lang::En, Trigger::ReferralsConverted, 1) => "the first friend who pays".to_owned(),
        (Lang::En, Trigger::ReferralsConverted, _) => format!("{many} friends who pay"),
        (Lang::De, Trigger::ReferralsConverted, 1) => "der erste Freund, der zahlt".to_owned(),
        (Lang::De, Trigger::ReferralsConverted, _) => format!("{many} Freunde, die zahlen"),
        (Lang::En, Trigger::CouponsRedeemed, 1) => "the first coupon".to_owned(),
        (Lang::En, Trigger::CouponsRedeemed, _) => format!("{many} coupons"),
        (Lang::De, Trigger::CouponsRedeemed, 1) => "der erste Gutschein".to_owned(),
        (Lang::De, Trigger::CouponsRedeemed, _) => format!("{many} Gutscheine"),
        (Lang::En, Trigger::SubscriptionsStarted, 1) => "the first subscription".to_owned(),
        (Lang::En, Trigger::SubscriptionsStarted, _) => format!("{many} subscriptions"),
        (Lang::De, Trigger::SubscriptionsStarted, 1) => "das erste Abonnement".to_owned(),
        (Lang::De, Trigger::SubscriptionsStarted, _) => format!("{many} Abonnements"),
        (Lang::En, Trigger::DaysInARow, 1) => "a day of activity".to_owned(),
        (Lang::En, Trigger::DaysInARow, _) => format!("{many} days in a row"),
        (Lang::De, Trigger::DaysInARow, 1) => "ein aktiver Tag".to_owned(),
        (Lang::De, Trigger::DaysInARow, _) => format!("{many} Tage in Folge"),
        (Lang::En, Trigger::DaysAsMember, 1) => "a day as a member".to_owned(),
        (Lang::En, Trigger::DaysAsMember, _) => format!("{many} days as a member"),
        (Lang::De, Trigger::DaysAsMember, 1) => "ein Tag als Mitglied".to_owned(),
        (Lang::De, Trigger::DaysAsMember, _) => format!("{many} Tage als Mitglied"),
    }
}

/// “3 of 5”.
pub fn so_far(lang: Lang, done: i64, threshold: i64) -> String {
    let (done, threshold) = (number(lang, done), number(lang, threshold));
    match lang {
        Lang::En => format!("{done} of {threshold}"),
        Lang::De => format!("{done} von {threshold}"),
    }
}

/// “badge K”.
pub fn badge(lang: Lang, letter: char) -> String {
    match lang {
        Lang::En => format!("badge {letter}"),
        Lang::De => format!("Abzeichen {letter}"),
    }
}

/// “from 1 December 2026”.
pub fn counts_from(lang: Lang, day: &str) -> String {
    match lang {
        Lang::En => format!("from {day}"),
        Lang::De => format!("ab {day}"),
    }
}

/// Who has earned it already.
pub fn have_earned(lang: Lang, count: i64) -> String {
    match (lang, count) {
        (Lang::En, 0) => "Nobody has earned it yet.".to_owned(),
        (Lang::De, 0) => "Noch niemand erfüllt sie.".to_owned(),
        (Lang::En, 1) => "1 member has earned it already.".to_owned(),
        (Lang::De, 1) => "1 Mitglied erfüllt sie schon.".to_owned(),
        (Lang::En, _) => format!("{} members have earned it already.", number(lang, count)),
        (Lang::De, _) => format!("{} Mitglieder erfüllen sie schon.", number(lang, count)),
    }
}

/// What becomes of those.
pub fn would_get(lang: Lang, also_before: bool) -> &'static str {
    match (lang, also_before) {
        (Lang::En, true) => "They get it as soon as the rule is made.",
        (Lang::De, true) => "Sie werden belohnt, sobald die Regel erstellt ist.",
        (Lang::En, false) => {
            "They get nothing for it: only what happens from now on counts. Tick “Also what was before” to reward them too."
        }
        (Lang::De, false) => {
            "Sie bekommen nichts dafür: Es zählt nur, was ab jetzt geschieht. Kreuzen Sie „Auch was vorher war“ an, um auch sie zu belohnen."
        }
    }
}

/// “and 12 more”.
pub fn and_more(lang: Lang, count: i64) -> String {
    match lang {
        Lang::En => format!("and {} more", number(lang, count)),
        Lang::De => format!("und {} weitere", number(lang, count)),
    }
}
