//! Words about leaving and taking along. They are called by their own module.

use chrono::{DateTime, Utc};

use crate::{
    domain::lang::Lang,
    words::{long_date, phrases},
};

phrases! {
    your_data: "Your data" | "Ihre Daten";
    your_data_intro:
        "Everything that we keep about you, in one file, and the way out." |
        "Alles, was wir über Sie gespeichert haben, in einer Datei, und der Weg hinaus.";
    export: "Download my data" | "Meine Daten herunterladen";
    export_hint:
        "A JSON file. If you signed in a while ago, we ask for a fresh code first." |
        "Eine JSON-Datei. Liegt Ihre Anmeldung eine Weile zurück, fragen wir erst nach einem frischen Code.";
    delete_account: "Delete my account" | "Mein Konto löschen";
    keep_account: "Keep my account" | "Mein Konto behalten";
    is_kept: "Your account stays." | "Ihr Konto bleibt bestehen.";
    delete_intro:
        "Your account is deleted seven days after you ask. Until then you can sign in as always and keep it." |
        "Ihr Konto wird sieben Tage nach Ihrem Auftrag gelöscht. Bis dahin melden Sie sich wie immer an und können es behalten.";
    what_goes: "What is erased" | "Was gelöscht wird";
    goes_person: "Your address, your sessions, IP addresses and browsers" | "Ihre Adresse, Ihre Sitzungen, IP-Adressen und Browser";
    goes_contents: "Your portfolio with all its versions, notes and e-mails to you" | "Ihr Depot mit allen Fassungen, Notizen und E-Mails an Sie";
    goes_access: "What is left of credit, passes and coupons: nothing of it comes back" | "Was von Guthaben, Pässen und Gutscheinen übrig ist: Nichts davon kommt zurück";
    what_stays: "What stays, without your name" | "Was bleibt, ohne Ihren Namen";
    stays_sums: "Sums: how much was used, paid and given" | "Summen: wie viel genutzt, bezahlt und gegeben wurde";
    stays_friends: "What friends got because you invited them, or still get" | "Was Freunde durch Ihre Einladung bekamen oder noch bekommen";
    stays_marks:
        "A keyed hash of your address for coupons until they expire, and for the trial, so that nobody gets them twice" |
        "Ein mit Schlüssel gebildeter Hashwert Ihrer Adresse für Gutscheine, bis sie ablaufen, und für die Testzeit, damit niemand sie zweimal bekommt";
    sure: "I want my account deleted" | "Ich möchte, dass mein Konto gelöscht wird";
    sure_hint: "After the seven days nobody can bring it back." | "Nach den sieben Tagen kann es niemand zurückholen.";
    error_sure: "Tick the box, so that nothing is deleted by accident." | "Setzen Sie den Haken, damit nichts aus Versehen gelöscht wird.";
    step_up: "To delete your account, sign in again: we mail you a fresh code." | "Um Ihr Konto zu löschen, melden Sie sich noch einmal an: Wir senden Ihnen einen frischen Code.";
    subscription_runs:
        "Your subscription is running. Cancel it first: once your account is deleted, nobody here could stop the payments." |
        "Ihr Abonnement läuft. Kündigen Sie es zuerst: Ist Ihr Konto gelöscht, könnte hier niemand die Zahlungen stoppen.";
    subscription_ends:
        "As soon as it is cancelled, even if paid time is left, you can delete your account here." |
        "Sobald es gekündigt ist, auch wenn bezahlte Zeit übrig ist, können Sie Ihr Konto hier löschen.";
    last_admin:
        "You are the last admin. Make somebody else an admin first, or nobody could open the administration." |
        "Sie sind der letzte Admin. Machen Sie zuerst jemand anderen zum Admin, sonst könnte niemand mehr die Verwaltung öffnen.";
    to_settings: "Back to the settings" | "Zurück zu den Einstellungen";
    download_first: "Download your data first" | "Laden Sie zuerst Ihre Daten herunter";

    // The admins' side.
    erase_member: "Delete this account" | "Dieses Konto löschen";
    erase_intro:
        "What identifies the person is erased for good; sums stay. They get a letter." |
        "Was die Person erkennbar macht, wird endgültig gelöscht; Summen bleiben. Sie bekommt eine E-Mail.";
    type_the_name: "Type their address to confirm" | "Tippen Sie zur Bestätigung ihre Adresse";
    type_the_name_hint: "Exactly as it stands above." | "Genau so, wie sie oben steht.";
    error_name: "That is not what stands above." | "Das ist nicht, was oben steht.";
    when: "When" | "Wann";
    in_seven_days: "In seven days; they can keep it until then" | "In sieben Tagen; bis dahin kann sie es behalten";
    at_once: "At once, for good" | "Sofort und endgültig";
    is_due: "The account will be deleted." | "Das Konto wird gelöscht werden.";
    is_deleted: "The account is deleted." | "Das Konto ist gelöscht.";
    stays: "The account stays." | "Das Konto bleibt bestehen.";
    keep_this: "Keep this account" | "Dieses Konto behalten";
    their_subscription_runs:
        "Their subscription is running. Cancel it at the provider first; then the account can be deleted." |
        "Ihr Abonnement läuft. Kündigen Sie es zuerst beim Anbieter; dann kann das Konto gelöscht werden.";
    is_the_last_admin:
        "This is the last admin. Make somebody else an admin first." |
        "Das ist der letzte Admin. Machen Sie zuerst jemand anderen zum Admin.";
}

/// When the reader's account is deleted.
pub fn due_on(lang: Lang, at: DateTime<Utc>) -> String {
    let day = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("Your account will be deleted on {day}."),
        Lang::De => format!("Ihr Konto wird am {day} gelöscht."),
    }
}

/// When a member's account is deleted.
pub fn their_account_due_on(lang: Lang, at: DateTime<Utc>) -> String {
    let day = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("This account will be deleted on {day}."),
        Lang::De => format!("Dieses Konto wird am {day} gelöscht."),
    }
}
