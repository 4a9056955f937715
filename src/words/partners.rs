//! Words about partners, on the admins' pages and on the one that a partner reads. They are called by
//! their own module, as those about coupons are.

use chrono::{DateTime, Datelike, Utc};

use crate::{
    domain::{
        grant::GrantState,
        lang::Lang,
        partner::{BadDetails, ContractState, Month, pass_word},
    },
    words::{long_date, number, phrases},
};

phrases! {
    title: "Partners" | "Partner";
    intro:
        "Gyms, companies and others for whom you make coupons. Their coupons can be redeemed while their contract runs." |
        "Studios, Firmen und andere, für die Sie Gutscheine erstellen. Ihre Gutscheine lassen sich einlösen, solange ihr Vertrag läuft.";
    which: "Which partners" | "Welche Partner";
    current: "Current" | "Aktuelle";
    archived: "Archived" | "Abgelegte";
    none: "There are no such partners." | "Es gibt keine solchen Partner.";
    none_hint: "Add one below, then make coupons for them." | "Fügen Sie unten einen hinzu, und erstellen Sie dann Gutscheine für ihn.";
    name: "Name" | "Name";
    contact: "Contact" | "Ansprechperson";
    email: "E-mail" | "E-Mail";
    contract: "Contract" | "Vertrag";
    contract_from: "First day of the contract" | "Erster Tag des Vertrags";
    contract_until: "Last day of the contract" | "Letzter Tag des Vertrags";
    no_bound: "Empty: without bound." | "Leer: ohne Grenze.";
    note: "Note" | "Notiz";
    note_hint: "For admins only, 500 characters at most." | "Nur für Admins, höchstens 500 Zeichen.";
    coupons: "Coupons" | "Gutscheine";
    redemptions: "Redemptions" | "Einlösungen";
    active: "Active passes" | "Aktive Pässe";
    active_hint: "An active pass runs, or waits for its turn." | "Ein aktiver Pass läuft oder wartet, bis er an der Reihe ist.";
    new: "New partner" | "Neuer Partner";
    add: "Add" | "Hinzufügen";
    details: "Details" | "Angaben";
    save: "Save" | "Speichern";
    is_added: "The partner is added." | "Der Partner ist hinzugefügt.";
    is_saved: "The partner is saved." | "Der Partner ist gespeichert.";
    is_gone: "There is no such partner." | "Diesen Partner gibt es nicht.";
    put_away: "Archived" | "Abgelegt";
    put_away_hint:
        "An archived partner's coupons cannot be redeemed, and their link shows nothing." |
        "Die Gutscheine eines abgelegten Partners lassen sich nicht einlösen, und sein Link zeigt nichts.";
    no_coupons: "No coupons are made for them yet." | "Für ihn sind noch keine Gutscheine erstellt.";
    make_coupons: "Make coupons" | "Gutscheine erstellen";
    statements: "Monthly statements" | "Monatsabrechnungen";
    csv: "as CSV" | "als CSV";
    link: "Link for the partner" | "Link für den Partner";
    link_intro:
        "Who has the link reads the figures and the statements, without signing in. It shows no names and no addresses of members." |
        "Wer den Link hat, liest die Zahlen und die Abrechnungen, ohne Anmeldung. Er zeigt keine Namen und keine Adressen von Mitgliedern.";
    no_link: "There is no link yet." | "Es gibt noch keinen Link.";
    make_link: "Make a link" | "Link erstellen";
    make_another: "Make another link" | "Neuen Link erstellen";
    make_another_ask: "The link there is shows nothing any more." | "Der bisherige Link zeigt dann nichts mehr.";
    end_link: "End the link" | "Link beenden";
    end_link_ask: "Nobody reads anything under it any more." | "Niemand liest darunter noch etwas.";
    link_ended: "The link is ended." | "Der Link ist beendet.";
    link_made: "The link is made" | "Der Link ist erstellt";
    link_once:
        "Copy it now: it is kept as a fingerprint only and is never shown again. Send it to the partner in private." |
        "Kopieren Sie ihn jetzt: Aufbewahrt wird nur ein Fingerabdruck, und er wird nie wieder gezeigt. Schicken Sie ihn dem Partner vertraulich.";
    statement: "Statement" | "Abrechnung";
    no_lines: "Nothing was redeemed in this month." | "In diesem Monat wurde nichts eingelöst.";
    when: "When" | "Wann";
    code: "Code" | "Code";
    gives: "Gives" | "Gibt";
    state: "Pass" | "Pass";
    earlier: "Month before" | "Monat davor";
    later: "Month after" | "Monat danach";
    figures: "Figures" | "Zahlen";
    what_is_shown:
        "This page is for you alone. It shows how often your coupons were redeemed, and never who redeemed them." |
        "Diese Seite ist nur für Sie. Sie zeigt, wie oft Ihre Gutscheine eingelöst wurden, und nie, von wem.";
    error_name: "Enter a name of at most 200 characters." | "Geben Sie einen Namen mit höchstens 200 Zeichen ein.";
    error_taken: "There is a partner of this name." | "Es gibt einen Partner mit diesem Namen.";
    error_contact: "One line of at most 200 characters." | "Eine Zeile mit höchstens 200 Zeichen.";
    error_email: "Enter an address as name@example.com." | "Geben Sie eine Adresse wie name@example.com ein.";
    error_contract: "The last day comes after the first." | "Der letzte Tag kommt nach dem ersten.";
    error_note: "One line of at most 500 characters." | "Eine Zeile mit höchstens 500 Zeichen.";
    error_day: "Enter a day, as 2027-12-31." | "Geben Sie einen Tag ein, etwa 2027-12-31.";
}

/// Returns what is wrong with the details of a partner.
pub fn bad_details(lang: Lang, problem: BadDetails) -> &'static str {
    match problem {
        BadDetails::Name => error_name(lang),
        BadDetails::Contact => error_contact(lang),
        BadDetails::Email => error_email(lang),
        BadDetails::Contract => error_contract(lang),
        BadDetails::Note => error_note(lang),
    }
}

/// How a contract stands.
pub fn contract_state(lang: Lang, state: ContractState) -> &'static str {
    match (lang, state) {
        (Lang::En, ContractState::Running) => "running",
        (Lang::De, ContractState::Running) => "läuft",
        (Lang::En, ContractState::NotYet(_)) => "not yet",
        (Lang::De, ContractState::NotYet(_)) => "noch nicht",
        (Lang::En, ContractState::Over(_)) => "over",
        (Lang::De, ContractState::Over(_)) => "vorbei",
        (Lang::En, ContractState::Archived) => "archived",
        (Lang::De, ContractState::Archived) => "abgelegt",
    }
}

/// How a pass stands.
pub fn pass_state(lang: Lang, state: Option<GrantState>) -> &'static str {
    match (lang, state) {
        (Lang::En, state) => pass_word(state),
        (Lang::De, Some(GrantState::Running)) => "läuft",
        (Lang::De, Some(GrantState::Waiting)) => "wartet",
        (Lang::De, Some(GrantState::Paused)) => "pausiert",
        (Lang::De, Some(GrantState::Ended)) => "aufgebraucht",
        (Lang::De, Some(GrantState::Revoked)) => "zurückgenommen",
        (Lang::De, None) => "nicht mehr da",
    }
}

/// “November 2026”.
pub fn month(lang: Lang, month: Month) -> String {
    let day = month.first_day();
    let full = long_date(lang, day);
    // The day stands first in both languages.
    let name = full.split_once(' ').map_or(full.as_str(), |(_, rest)| rest);
    debug_assert!(day.day() == 1);
    name.to_owned()
}

/// “12 redemptions, 360 days in all”.
pub fn sum(lang: Lang, redemptions: i64, days: i64) -> String {
    let (count, all) = (number(lang, redemptions), number(lang, days));
    match (lang, redemptions) {
        (Lang::En, 1) => format!("1 redemption, {all} days in all"),
        (Lang::En, _) => format!("{count} redemptions, {all} days in all"),
        (Lang::De, 1) => format!("1 Einlösung, insgesamt {all} Tage"),
        (Lang::De, _) => format!("{count} Einlösungen, insgesamt {all} Tage"),
    }
}

/// “The link was made on 1 December 2026.”
pub fn linked_since(lang: Lang, at: DateTime<Utc>) -> String {
    let day = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("The link was made on {day}."),
        Lang::De => format!("Der Link wurde am {day} erstellt."),
    }
}

/// That too many pages were opened, and when the next may be.
pub fn too_many_looks(lang: Lang, seconds: i64) -> String {
    let minutes = (seconds + 59) / 60;
    match lang {
        Lang::En => format!("This page was opened too often. Try again in {minutes} min."),
        Lang::De => format!("Diese Seite wurde zu oft geöffnet. Versuchen Sie es in {minutes} Min. noch einmal."),
    }
}
