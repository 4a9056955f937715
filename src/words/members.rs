//! Words of the pages for members: signing in and settings.

use chrono::{DateTime, Utc};

use crate::{
    domain::{access::Source, email::EmailError, ids::TierId, lang::Lang, login::CodeError},
    words::phrases,
};

phrases! {
    email_address: "E-mail address" | "E-Mail-Adresse";
    login_intro:
        "We send a six-digit code to your address. No password to remember." |
        "Wir senden einen sechsstelligen Code an Ihre Adresse. Kein Passwort zu merken.";
    send_code: "Send code" | "Code senden";
    invited: "You were invited." | "Sie sind eingeladen.";
    check_your_mail: "Check your mail" | "Sehen Sie in Ihre E-Mails";
    code: "Code" | "Code";
    continue_: "Continue" | "Weiter";
    code_hint: "Six digits, good for ten minutes." | "Sechs Ziffern, zehn Minuten gültig.";
    long_code_hint:
        "Ten letters and digits, good for ten minutes. It is longer because wrong codes were typed for this address." |
        "Zehn Buchstaben und Ziffern, zehn Minuten gültig. Er ist länger, weil für diese Adresse falsche Codes eingegeben wurden.";
    no_mail_yet: "No mail yet?" | "Noch keine E-Mail?";
    send_another: "Send another code" | "Neuen Code senden";
    other_address: "Use another address" | "Andere Adresse verwenden";
    code_sent_again: "A new code is on its way. The old one is void." | "Ein neuer Code ist unterwegs. Der alte gilt nicht mehr.";
    code_tried_too_often:
        "That code was tried too often and is void. Ask for another." |
        "Dieser Code wurde zu oft versucht und gilt nicht mehr. Fordern Sie einen neuen an.";
    code_expired: "That code has expired. Ask for another." | "Dieser Code ist abgelaufen. Fordern Sie einen neuen an.";
    sign_in_ended: "This sign-in has ended. Enter your address to start again." | "Diese Anmeldung ist beendet. Geben Sie Ihre Adresse ein, um neu zu beginnen.";
    account_disabled: "This account is disabled. Ask the people who run this product." | "Dieses Konto ist gesperrt. Fragen Sie die Betreiber dieses Produkts.";
    sign_up_closed:
        "There is no account for this address, and new ones are by invitation only at the moment." |
        "Zu dieser Adresse gibt es kein Konto, und neue gibt es zurzeit nur auf Einladung.";
    claim_title: "Become the first admin" | "Der erste Admin werden";
    claim_intro:
        "This link works once. The address you enter becomes an admin and is signed in here." |
        "Dieser Link gilt einmal. Die Adresse, die Sie eingeben, wird Admin und hier angemeldet.";
    claim_submit: "Become admin" | "Admin werden";
    claim_void: "This link is not good any more" | "Dieser Link gilt nicht mehr";
    claim_void_hint:
        "It was used, it is older than a day, or there is an admin already. Restart the program for another, or sign in." |
        "Er wurde benutzt, ist älter als ein Tag, oder es gibt schon einen Admin. Starten Sie das Programm neu, um einen weiteren zu bekommen, oder melden Sie sich an.";
    your_access: "Your access" | "Ihr Zugang";
    invite_a_friend: "Invite a friend" | "Einen Freund einladen";
    your_code: "Your code" | "Ihr Code";
    copy_code: "Copy code" | "Code kopieren";
    invite_link: "Invite link" | "Einladungslink";
    copy_link: "Copy link" | "Link kopieren";
    copied: "Copied" | "Kopiert";
    pending: "Pending" | "Offen";
    converted: "Subscribed" | "Abonniert";
    active_credits: "Rewards running" | "Laufende Belohnungen";
    save: "Save" | "Speichern";
    language_saved: "The language is saved." | "Die Sprache ist gespeichert.";
    sessions: "Signed-in browsers" | "Angemeldete Browser";
    this_browser: "this browser" | "dieser Browser";
    last_seen: "last seen" | "zuletzt";
    revoke: "Sign out" | "Abmelden";
    sign_out_everywhere: "Sign out everywhere" | "Überall abmelden";
    session_revoked: "That browser is signed out." | "Dieser Browser ist abgemeldet.";
    session_gone: "That browser was signed out already." | "Dieser Browser war schon abgemeldet.";
    unknown_browser: "Unknown browser" | "Unbekannter Browser";
    signed_out: "You are signed out." | "Sie sind abgemeldet.";
    signed_out_everywhere: "You are signed out everywhere." | "Sie sind überall abgemeldet.";
    mailbox_title: "Preview mailbox" | "Vorschau-Postfach";
    mailbox_intro:
        "No mail leaves this machine: what would be sent is shown here, the newest first." |
        "Keine E-Mail verlässt diesen Rechner: Was gesendet würde, steht hier, das Neueste zuerst.";
    mailbox_empty: "No mail yet. Ask for a code and it appears here." | "Noch keine E-Mail. Fordern Sie einen Code an, dann erscheint er hier.";
    to_whom: "To" | "An";
}

/// Where the code went: “We sent a code to …”.
pub fn code_sent_to(lang: Lang) -> (&'static str, &'static str) {
    match lang {
        Lang::En => ("If that address can sign in, a code is on its way to ", "."),
        Lang::De => ("Wenn sich diese Adresse anmelden kann, ist ein Code unterwegs an ", "."),
    }
}

/// What is wrong with a typed address, and what to do about it.
pub fn email_error(lang: Lang, error: EmailError) -> &'static str {
    match (lang, error) {
        (Lang::En, EmailError::Empty) => "Enter your e-mail address.",
        (Lang::De, EmailError::Empty) => "Geben Sie Ihre E-Mail-Adresse ein.",
        (Lang::En, EmailError::TooLong) => "That address is too long to be one. Check it.",
        (Lang::De, EmailError::TooLong) => "Diese Adresse ist zu lang. Prüfen Sie sie.",
        (Lang::En, EmailError::NoAt) => "An address looks like ann@example.com.",
        (Lang::De, EmailError::NoAt) => "Eine Adresse sieht aus wie ann@example.com.",
        (Lang::En, EmailError::NoEnding) => "The part after the @ has no ending, like .com.",
        (Lang::De, EmailError::NoEnding) => "Dem Teil nach dem @ fehlt die Endung, etwa .de.",
        (Lang::En, EmailError::BadCharacter) => "There is a character in it that an address cannot have.",
        (Lang::De, EmailError::BadCharacter) => "Darin steht ein Zeichen, das eine Adresse nicht haben kann.",
    }
}

/// What is wrong with a typed code.
pub fn code_error(lang: Lang, error: CodeError) -> &'static str {
    match (lang, error) {
        (Lang::En, CodeError::Empty) => "Enter the code from the mail.",
        (Lang::De, CodeError::Empty) => "Geben Sie den Code aus der E-Mail ein.",
        (Lang::En, CodeError::Shape) => "That is no code: it has six digits, or ten letters and digits.",
        (Lang::De, CodeError::Shape) => "Das ist kein Code: Er hat sechs Ziffern oder zehn Buchstaben und Ziffern.",
    }
}

/// That a code is wrong, and how many tries are left.
pub fn code_wrong(lang: Lang, tries_left: i64) -> String {
    match (lang, tries_left) {
        (Lang::En, 1) => "That code is wrong. You have one more try.".to_owned(),
        (Lang::En, _) => format!("That code is wrong. You have {tries_left} more tries."),
        (Lang::De, 1) => "Dieser Code ist falsch. Sie haben noch einen Versuch.".to_owned(),
        (Lang::De, _) => format!("Dieser Code ist falsch. Sie haben noch {tries_left} Versuche."),
    }
}

/// That codes were asked for too often, and when the next is possible.
pub fn too_many_codes(lang: Lang, seconds: i64) -> String {
    let minutes = (seconds + 59) / 60;
    match (lang, seconds, minutes) {
        (Lang::En, ..=60, _) => format!("Too soon. You can ask for another code in {seconds} seconds."),
        (Lang::En, _, ..=60) => format!("Too many codes were asked for. Try again in {minutes} minutes."),
        (Lang::En, ..) => "Too many codes were asked for. Try again tomorrow.".to_owned(),
        (Lang::De, ..=60, _) => format!("Zu früh. In {seconds} Sekunden können Sie einen neuen Code anfordern."),
        (Lang::De, _, ..=60) => {
            format!("Es wurden zu viele Codes angefordert. Versuchen Sie es in {minutes} Minuten noch einmal.")
        }
        (Lang::De, ..) => "Es wurden zu viele Codes angefordert. Versuchen Sie es morgen noch einmal.".to_owned(),
    }
}

/// The label of the resend button while it waits, before the seconds and after.
pub fn send_another_in(lang: Lang) -> (&'static str, &'static str) {
    match lang {
        Lang::En => ("Send another code in ", " s"),
        Lang::De => ("Neuer Code in ", " s"),
    }
}

/// The word for where access comes from.
pub fn source(lang: Lang, source: Source) -> &'static str {
    match (lang, source) {
        (Lang::En, Source::OwnTier) => "own tier",
        (Lang::De, Source::OwnTier) => "eigene Stufe",
        (Lang::En, Source::Subscription) => "subscription",
        (Lang::De, Source::Subscription) => "Abonnement",
        (Lang::En, Source::Grant) => "grant",
        (Lang::De, Source::Grant) => "Freischaltung",
        (Lang::En, Source::Credit) => "credit",
        (Lang::De, Source::Credit) => "Guthaben",
        (Lang::En, Source::Trial) => "trial",
        (Lang::De, Source::Trial) => "Testzeit",
    }
}

/// One line about one source of access: `free · credit · 45 day(s) remaining (expires
/// 2027-01-05)`, the member's own tier first.
pub fn access_line(lang: Lang, own: &TierId, from: Source, time: &TimeLeft) -> String {
    format!("{own} · {}", access_of(lang, from, time))
}

/// The same without the member's own tier.
pub fn access_of(lang: Lang, from: Source, time: &TimeLeft) -> String {
    let source = source(lang, from);
    let TimeLeft { days: Some(days), until: Some(until), renews } = time else {
        return source.to_owned();
    };
    let until = until.format("%Y-%m-%d");
    match (lang, renews) {
        (Lang::En, false) => format!("{source} · {days} day(s) remaining (expires {until})"),
        (Lang::De, false) => format!("{source} · noch {days} Tag(e) (läuft ab am {until})"),
        (Lang::En, true) => format!("{source} · {days} day(s) remaining (renews {until})"),
        (Lang::De, true) => format!("{source} · noch {days} Tag(e) (verlängert sich am {until})"),
    }
}

/// How long something goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeLeft {
    /// Days, rounded up.
    pub days: Option<i64>,
    /// The end of what is paid or given.
    pub until: Option<DateTime<Utc>>,
    /// Whether it goes on after that unless somebody ends it.
    pub renews: bool,
}

/// “+45 days on your account”.
pub fn days_on_account(lang: Lang, days: i64) -> String {
    match (lang, days) {
        (Lang::En, 1) => "+1 day on your account".to_owned(),
        (Lang::En, _) => format!("+{days} days on your account"),
        (Lang::De, 1) => "+1 Tag auf Ihrem Konto".to_owned(),
        (Lang::De, _) => format!("+{days} Tage auf Ihrem Konto"),
    }
}
