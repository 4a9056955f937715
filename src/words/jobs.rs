//! Words of the admins' page about jobs.

use crate::{
    domain::{
        lang::Lang,
        schedule::{Counts, Routine},
    },
    words::{number, phrases},
};

phrases! {
    intro:
        "What the program does outside of requests. One of the nodes does each of these, and what fails is tried again." |
        "Was das Programm neben den Anfragen tut. Jeweils einer der Knoten erledigt es, und was misslingt, wird noch einmal versucht.";
    scheduled: "By the clock" | "Nach der Uhr";
    queue: "Queue" | "Warteschlange";
    given_up: "Failed for good" | "Endgültig gescheitert";
    job: "Job" | "Aufgabe";
    last_run: "Last run" | "Zuletzt";
    next_run: "Next run" | "Nächstes Mal";
    state: "State" | "Stand";
    never: "never yet" | "noch nie";
    running: "running" | "läuft";
    fine: "in order" | "in Ordnung";
    late: "late" | "überfällig";
    waits: "waits for its first time" | "wartet auf das erste Mal";
    run_now: "Run now" | "Jetzt ausführen";
    kind: "Kind" | "Art";
    waiting: "Waiting" | "Wartend";
    in_work: "In work" | "In Arbeit";
    retried: "Failed, tried again" | "Misslungen, wird wiederholt";
    oldest: "Waits since" | "Wartet seit";
    queue_empty: "Nothing waits." | "Nichts wartet.";
    queue_empty_hint: "Mails, webhooks and events appear here until they are done." | "Mails, Webhooks und Ereignisse stehen hier, bis sie erledigt sind.";
    none_given_up: "Nothing failed for good." | "Nichts ist endgültig gescheitert.";
    none_given_up_hint: "What failed too often, or cannot work at all, would wait here for you." | "Was zu oft misslang oder gar nicht gelingen kann, würde hier auf Sie warten.";
    tries: "Tries" | "Versuche";
    error: "Error" | "Fehler";
    retry: "Try again" | "Noch einmal versuchen";
    discard: "Delete" | "Löschen";
    discard_ask: "It is never done, and nobody can bring it back." | "Sie wird nie erledigt, und niemand kann sie zurückholen.";
    older: "Older" | "Ältere";
    is_ordered: "It is due now; one of the nodes begins within a second or two." | "Sie ist jetzt fällig; einer der Knoten beginnt in ein, zwei Sekunden.";
    is_running: "It is due already or under way." | "Sie ist schon fällig oder läuft gerade.";
    is_retried: "It waits in the queue again." | "Sie wartet wieder in der Schlange.";
    is_discarded: "It is deleted." | "Sie ist gelöscht.";
    is_gone: "There is no such job any more." | "Diese Aufgabe gibt es nicht mehr.";
    nothing_counted: "nothing to do" | "nichts zu tun";
}

/// What something that comes by the clock does.
pub fn about(lang: Lang, routine: Routine) -> &'static str {
    match (lang, routine) {
        (Lang::En, Routine::SettleGrants) => "Writes down whose turn it is among given time",
        (Lang::De, Routine::SettleGrants) => "Schreibt auf, welche geschenkte Zeit an der Reihe ist",
        (Lang::En, Routine::TellEndings) => "Tells your apps of what has ended by itself",
        (Lang::De, Routine::TellEndings) => "Sagt Ihren Apps, was von selbst geendet hat",
        (Lang::En, Routine::GiveRewards) => "Gives rewards for invitations that were held",
        (Lang::De, Routine::GiveRewards) => "Gibt zurückgehaltene Belohnungen für Einladungen",
        (Lang::En, Routine::SendReminders) => "Reminds members of what ends",
        (Lang::De, Routine::SendReminders) => "Erinnert Mitglieder an das, was endet",
        (Lang::En, Routine::ReconcilePayments) => "Asks the payment providers how subscriptions stand",
        (Lang::De, Routine::ReconcilePayments) => "Fragt die Zahlungsanbieter nach dem Stand der Abos",
        (Lang::En, Routine::CountDays) => "Counts today, and days that were missed",
        (Lang::De, Routine::CountDays) => "Zählt heute und versäumte Tage",
        (Lang::En, Routine::AwardBonuses) => "Gives bonuses that days have earned",
        (Lang::De, Routine::AwardBonuses) => "Vergibt Boni, die Tage eingebracht haben",
        (Lang::En, Routine::SendDigests) => "Mails admins what they have not read",
        (Lang::De, Routine::SendDigests) => "Mailt Admins, was sie nicht gelesen haben",
        (Lang::En, Routine::DeleteAccounts) => "Deletes accounts whose members asked for it",
        (Lang::De, Routine::DeleteAccounts) => "Löscht Konten, deren Mitglieder darum baten",
        (Lang::En, Routine::ForgetOver) => "Forgets what is over: sign-ins, sessions, mails, answers",
        (Lang::De, Routine::ForgetOver) => "Vergisst, was vorbei ist: Anmeldungen, Sitzungen, Mails, Antworten",
        (Lang::En, Routine::CutAddresses) => "Cuts old IP addresses down to their network",
        (Lang::De, Routine::CutAddresses) => "Kürzt alte IP-Adressen auf ihr Netz",
        (Lang::En, Routine::ForgetActivity) => "Deletes old lines of the log of activity",
        (Lang::De, Routine::ForgetActivity) => "Löscht alte Zeilen des Aktivitätsprotokolls",
    }
}

/// One thing that was counted: “12 forgotten”. What nobody worded keeps its name.
fn counted(lang: Lang, name: &str, count: i64) -> String {
    let is_one = count == 1;
    let (en, de) = match name {
        "admins" => (if is_one { "admin" } else { "admins" }, if is_one { "Admin" } else { "Admins" }),
        "days" => (if is_one { "day" } else { "days" }, if is_one { "Tag" } else { "Tage" }),
        "deleted" => ("deleted", "gelöscht"),
        "deliveries" => {
            (if is_one { "delivery" } else { "deliveries" }, if is_one { "Zustellung" } else { "Zustellungen" })
        }
        "forgotten" => ("forgotten", "vergessen"),
        "postponed" => ("postponed", "verschoben"),
        "lines" => (if is_one { "line" } else { "lines" }, if is_one { "Zeile" } else { "Zeilen" }),
        "members" => (if is_one { "member" } else { "members" }, if is_one { "Mitglied" } else { "Mitglieder" }),
        "providers" => (if is_one { "provider" } else { "providers" }, "Anbieter"),
        "referrals" => {
            (if is_one { "referral" } else { "referrals" }, if is_one { "Empfehlung" } else { "Empfehlungen" })
        }
        "rules" => (if is_one { "bonus" } else { "bonuses" }, if is_one { "Bonus" } else { "Boni" }),
        "sessions" => (if is_one { "session" } else { "sessions" }, if is_one { "Sitzung" } else { "Sitzungen" }),
        other => return format!("{} {}", number(lang, count), other.replace('_', " ")),
    };
    let word = match lang {
        Lang::En => en,
        Lang::De => de,
    };
    format!("{} {word}", number(lang, count))
}

/// “12 forgotten, 3 deleted”; “nothing to do” when all are 0.
pub fn outcome(lang: Lang, counts: &Counts) -> String {
    let some: Vec<String> =
        counts.iter().filter(|(_, count)| **count != 0).map(|(name, count)| counted(lang, name, *count)).collect();
    if some.is_empty() { nothing_counted(lang).to_owned() } else { some.join(", ") }
}

/// “took 1,204 ms”
pub fn took(lang: Lang, milliseconds: i64) -> String {
    match lang {
        Lang::En => format!("took {} ms", number(lang, milliseconds)),
        Lang::De => format!("dauerte {} ms", number(lang, milliseconds)),
    }
}

/// “failed 3 times in a row”
pub fn failed_in_a_row(lang: Lang, failures: i64) -> String {
    match (lang, failures) {
        (Lang::En, 1) => "failed".to_owned(),
        (Lang::De, 1) => "misslungen".to_owned(),
        (Lang::En, _) => format!("failed {} times in a row", number(lang, failures)),
        (Lang::De, _) => format!("{}-mal nacheinander misslungen", number(lang, failures)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_did_is_told_in_words() {
        let counts = Counts::from([("forgotten".to_owned(), 1204), ("lines".to_owned(), 1), ("days".to_owned(), 0)]);
        assert_eq!(outcome(Lang::En, &counts), "1,204 forgotten, 1 line");
        assert_eq!(outcome(Lang::De, &counts), "1.204 vergessen, 1 Zeile");
        assert_eq!(outcome(Lang::De, &Counts::from([("sent_out".to_owned(), 2)])), "2 sent out");
        assert_eq!(outcome(Lang::De, &Counts::new()), "nichts zu tun");
    }
}
