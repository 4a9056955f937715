//! Words about mails: which ones members want, and the admins' pages about the outbox and the
//! wording of letters. They are called by their own module.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        lang::Lang,
        letter::{LetterName, MailCategory},
        mail::{MailState, SkipReason},
        mail_template::WordingProblem,
    },
    words::{long_time, number, phrases},
};

phrases! {
    title: "E-mails" | "E-Mails";
    intro:
        "What was written to members, and what became of it. What a mail says is not kept, and codes are never shown." |
        "Was Mitgliedern geschrieben wurde und was daraus geworden ist. Was eine E-Mail sagt, wird nicht aufbewahrt, und Codes werden nie gezeigt.";
    parts: "Outbox or wording" | "Postausgang oder Texte";
    outbox: "Outbox" | "Postausgang";
    wording: "Wording" | "Texte";
    which: "Which e-mails" | "Welche E-Mails";
    all: "All" | "Alle";
    recipient: "Recipient" | "Empfänger";
    recipient_hint: "The whole address." | "Die ganze Adresse.";
    find: "Find" | "Suchen";
    letter: "E-mail" | "E-Mail";
    written: "Written" | "Geschrieben";
    state: "State" | "Stand";
    none: "There are no such e-mails." | "Es gibt keine solchen E-Mails.";
    none_hint:
        "They are written when something happens, such as a sign-in. The Jobs page shows whether any wait." |
        "Sie werden geschrieben, wenn etwas geschieht, etwa bei einer Anmeldung. Die Seite „Aufgaben“ zeigt, ob welche warten.";
    older: "Older" | "Ältere";
    newest: "The newest" | "Die neuesten";
    mail: "E-mail" | "E-Mail";
    back_to_outbox: "Back to the outbox" | "Zurück zum Postausgang";
    language_of: "Language" | "Sprache";
    sent_at: "Taken over by the mail server" | "Vom Mailserver übernommen";
    tries: "Tries" | "Versuche";
    next_try: "Next try" | "Nächster Versuch";
    last_error: "Last error" | "Letzter Fehler";
    why_skipped: "Why it is not sent" | "Warum sie nicht gesendet wird";
    unknown_letter: "unknown" | "unbekannt";
    resend: "Send again" | "Noch einmal senden";
    resend_hint:
        "It failed for good. Remove the cause first; then it is tried again at once, and later if need be." |
        "Sie ist endgültig gescheitert. Beheben Sie erst die Ursache; dann wird sie sofort wieder versucht und bei Bedarf später noch einmal.";
    resend_all: "Send all again" | "Alle noch einmal senden";
    resend_all_hint:
        "All that failed for good, whoever they are to. Remove the cause first." |
        "Alle endgültig gescheiterten, an wen sie auch gehen. Beheben Sie erst die Ursache.";
    is_resent: "It is tried again." | "Sie wird noch einmal versucht.";
    not_resent: "Only an e-mail that failed for good is sent again." | "Nur eine endgültig gescheiterte E-Mail wird noch einmal gesendet.";
    templates_intro:
        "Every e-mail in every language. Change what you like; the built-in wording can be had back at any time." |
        "Jede E-Mail in jeder Sprache. Ändern Sie, was Sie möchten; den eingebauten Text gibt es jederzeit zurück.";
    kind: "Kind" | "Art";
    essential: "always sent" | "immer gesendet";
    optional: "members can switch it off" | "abbestellbar";
    edit: "Edit" | "Bearbeiten";
    is_built_in: "built in" | "eingebaut";
    is_edited: "edited" | "geändert";
    back_to_templates: "All e-mails" | "Alle E-Mails";
    languages: "Language of the e-mail" | "Sprache der E-Mail";
    subject: "Subject" | "Betreff";
    text: "Plain text" | "Nur Text";
    text_hint: "A paragraph on one line; long lines are broken when it is sent." | "Ein Absatz in einer Zeile; lange Zeilen werden beim Senden umbrochen.";
    html: "HTML" | "HTML";
    html_hint:
        "Extends the layout by its block “letter”. What is filled in is escaped." |
        "Erweitert das Layout um den Block „letter“. Was eingesetzt wird, ist maskiert.";
    save: "Save" | "Speichern";
    preview_html: "Preview as HTML" | "Vorschau als HTML";
    preview_text: "Preview as text" | "Vorschau als Text";
    preview: "Preview with sample values" | "Vorschau mit Beispielwerten";
    names: "What can be filled in" | "Was eingesetzt werden kann";
    names_hint:
        "Write {{ name }}; also {% if %}, {% for %} and the filters upper, lower, default and length. Nothing else can be done here." |
        "Schreiben Sie {{ name }}; außerdem {% if %}, {% for %} und die Filter upper, lower, default und length. Mehr geht hier nicht.";
    name: "Name" | "Name";
    meaning_word: "Meaning" | "Bedeutung";
    reset: "Back to the built-in wording" | "Zurück zum eingebauten Text";
    reset_ask: "What was written here is given up." | "Was hier geschrieben wurde, geht verloren.";
    is_saved: "The wording is saved. The next such e-mail says so." | "Der Text ist gespeichert. Die nächste solche E-Mail lautet so.";
    is_reset: "The wording is the built-in one again." | "Der Text ist wieder der eingebaute.";
    test: "Send a test" | "Zur Probe senden";
    test_hint:
        "With sample values, as it is saved, and without waiting in the outbox." |
        "Mit Beispielwerten, so wie gespeichert, und ohne im Postausgang zu warten.";
    test_recipient: "Send it to" | "Senden an";
    test_send: "Send test" | "Probe senden";
    is_tested: "The mail server has taken the test over. It should be in the mailbox in a moment." | "Der Mailserver hat die Probe übernommen. Sie sollte gleich im Postfach sein.";
    test_no_server:
        "No mail server is configured (mail.smtp_url), so nothing leaves. The preview shows what would." |
        "Kein Mailserver ist eingerichtet (mail.smtp_url), also geht nichts hinaus. Die Vorschau zeigt, was es wäre.";
    is_changed_meanwhile:
        "Somebody has changed this e-mail since you opened it. Below is what you wrote; open the page anew to see what is there now, then save again." |
        "Jemand hat diese E-Mail geändert, seit Sie sie geöffnet haben. Unten steht, was Sie geschrieben haben; öffnen Sie die Seite neu, um den jetzigen Stand zu sehen, und speichern Sie dann noch einmal.";
    your_mails: "E-mails to you" | "E-Mails an Sie";
    your_mails_intro:
        "Choose what we write to you about. Codes, and what concerns money or your account, always come." |
        "Wählen Sie, worüber wir Ihnen schreiben. Codes und was Geld oder Ihr Konto betrifft, kommen immer.";
    save_choice: "Save choice" | "Auswahl speichern";
    choice_saved: "Your choice of e-mails is saved." | "Ihre Auswahl der E-Mails ist gespeichert.";
    unsubscribe_title: "E-mails from us" | "E-Mails von uns";
    unsubscribe: "Unsubscribe" | "Abbestellen";
    subscribe_again: "Get them again" | "Wieder bekommen";
    bad_link: "This link is not complete" | "Dieser Link ist nicht vollständig";
    bad_link_hint:
        "Open it from the e-mail once more, or sign in and choose your e-mails in the settings." |
        "Öffnen Sie ihn noch einmal aus der E-Mail, oder melden Sie sich an und wählen Sie Ihre E-Mails in den Einstellungen.";
    more_in_settings: "All choices are in your settings." | "Alle Möglichkeiten stehen in Ihren Einstellungen.";
}

/// The name of a kind of letters.
pub fn category(lang: Lang, category: MailCategory) -> &'static str {
    match (lang, category) {
        (Lang::En, MailCategory::Access) => "Your access",
        (Lang::De, MailCategory::Access) => "Ihr Zugang",
        (Lang::En, MailCategory::Referrals) => "Friends you invited",
        (Lang::De, MailCategory::Referrals) => "Eingeladene Freunde",
        (Lang::En, MailCategory::Bonus) => "Bonus and badges",
        (Lang::De, MailCategory::Bonus) => "Bonus und Auszeichnungen",
        (Lang::En, MailCategory::Digest) => "What happens here (admins)",
        (Lang::De, MailCategory::Digest) => "Was hier geschieht (Admins)",
    }
}

/// What a kind of letters is about.
pub fn category_hint(lang: Lang, category: MailCategory) -> &'static str {
    match (lang, category) {
        (Lang::En, MailCategory::Access) => "Coupons, days you were given, the end of a trial, and reminders of it.",
        (Lang::De, MailCategory::Access) => {
            "Gutscheine, geschenkte Tage, das Ende der Testzeit und Erinnerungen daran."
        }
        (Lang::En, MailCategory::Referrals) => "When a friend opens an account or subscribes.",
        (Lang::De, MailCategory::Referrals) => "Wenn jemand ein Konto eröffnet oder ein Abonnement abschließt.",
        (Lang::En, MailCategory::Bonus) => "When you have earned something.",
        (Lang::De, MailCategory::Bonus) => "Wenn Sie etwas bekommen haben.",
        (Lang::En, MailCategory::Digest) => "A summary of what happened since the last one.",
        (Lang::De, MailCategory::Digest) => "Eine Zusammenfassung dessen, was seit der letzten geschah.",
    }
}

/// What the page of a link says before anybody unsubscribes.
pub fn ask_unsubscribe(lang: Lang, about: MailCategory) -> String {
    let about = category(lang, about);
    match lang {
        Lang::En => format!("You get e-mails about: {about}. Do you want to do without them?"),
        Lang::De => format!("Sie bekommen E-Mails zu: {about}. Möchten Sie darauf verzichten?"),
    }
}

/// What it says afterwards.
pub fn is_unsubscribed(lang: Lang, about: MailCategory) -> String {
    let about = category(lang, about);
    match lang {
        Lang::En => format!("You get no more e-mails about: {about}. Codes, and what concerns money, still come."),
        Lang::De => {
            format!("Sie bekommen keine E-Mails mehr zu: {about}. Codes und was Geld betrifft, kommen weiterhin.")
        }
    }
}

/// How a mail stands.
pub fn state_name(lang: Lang, state: MailState) -> &'static str {
    match (lang, state) {
        (Lang::En, MailState::Waiting) => "waiting",
        (Lang::De, MailState::Waiting) => "wartet",
        (Lang::En, MailState::Sent) => "sent",
        (Lang::De, MailState::Sent) => "gesendet",
        (Lang::En, MailState::Failed) => "failed for good",
        (Lang::De, MailState::Failed) => "endgültig gescheitert",
        (Lang::En, MailState::Skipped) => "not sent",
        (Lang::De, MailState::Skipped) => "nicht gesendet",
    }
}

/// Why a mail is not sent.
pub fn skip_reason(lang: Lang, reason: SkipReason) -> &'static str {
    match (lang, reason) {
        (Lang::En, SkipReason::Unsubscribed) => "its reader unsubscribed",
        (Lang::De, SkipReason::Unsubscribed) => "abbestellt",
        (Lang::En, SkipReason::Void) => "what it holds had run out",
        (Lang::De, SkipReason::Void) => "der Inhalt war abgelaufen",
        (Lang::En, SkipReason::Nobody) => "the account is gone",
        (Lang::De, SkipReason::Nobody) => "das Konto ist weg",
    }
}

/// “Try 3, next on 1 December 2026, 14:05 UTC”.
pub fn tried(lang: Lang, tries: i64, next: Option<DateTime<Utc>>) -> String {
    let tries = number(lang, tries);
    match (lang, next) {
        (Lang::En, Some(next)) => format!("tries: {tries}, next {}", long_time(lang, next)),
        (Lang::De, Some(next)) => format!("Versuche: {tries}, nächster {}", long_time(lang, next)),
        (Lang::En, None) => format!("tries: {tries}"),
        (Lang::De, None) => format!("Versuche: {tries}"),
    }
}

/// How many mails are tried again.
pub fn are_resent(lang: Lang, count: i64) -> String {
    match (lang, count) {
        (Lang::En, 1) => "1 e-mail is tried again.".to_owned(),
        (Lang::De, 1) => "1 E-Mail wird noch einmal versucht.".to_owned(),
        (Lang::En, _) => format!("{} e-mails are tried again.", number(lang, count)),
        (Lang::De, _) => format!("{} E-Mails werden noch einmal versucht.", number(lang, count)),
    }
}

/// Where a wording is broken; the reason is in English.
pub fn broken(lang: Lang, problem: &WordingProblem) -> String {
    match (lang, problem.line) {
        (Lang::En, Some(line)) => format!("Line {line}: {}", problem.reason),
        (Lang::De, Some(line)) => format!("Zeile {line}: {}", problem.reason),
        (Lang::En, None) => format!("This does not work: {}", problem.reason),
        (Lang::De, None) => format!("Das geht nicht: {}", problem.reason),
    }
}

/// Why a test did not leave; the reason is in English.
pub fn test_not_sent(lang: Lang, reason: &str) -> String {
    match lang {
        Lang::En => format!("The test was not sent: {reason}"),
        Lang::De => format!("Die Probe wurde nicht gesendet: {reason}"),
    }
}

/// “Changed by ann@example.com, 1 December 2026, 14:05 UTC”.
pub fn changed_by(lang: Lang, who: &str, when: DateTime<Utc>) -> String {
    let when = long_time(lang, when);
    match lang {
        Lang::En => format!("Changed by {who}, {when}"),
        Lang::De => format!("Geändert von {who}, {when}"),
    }
}

/// The name of a letter.
pub fn letter_name(lang: Lang, letter: LetterName) -> &'static str {
    let (en, de) = match letter {
        LetterName::LoginCode => ("Code for signing in", "Code für die Anmeldung"),
        LetterName::Invitation => ("Invitation", "Einladung"),
        LetterName::Welcome => ("Welcome", "Willkommen"),
        LetterName::NoAccount => ("No account for this address", "Kein Konto für diese Adresse"),
        LetterName::SubscriptionStarted => ("Subscription begun", "Abonnement begonnen"),
        LetterName::PaymentFailed => ("Payment failed", "Zahlung fehlgeschlagen"),
        LetterName::SubscriptionEnded => ("Subscription ended", "Abonnement beendet"),
        LetterName::AccessGranted => ("Days given by an admin", "Von einem Admin geschenkte Tage"),
        LetterName::CouponRedeemed => ("Coupon redeemed", "Gutschein eingelöst"),
        LetterName::GrantStarted => ("Grant begun", "Zugang begonnen"),
        LetterName::GrantPaused => ("Grant paused", "Zugang pausiert"),
        LetterName::GrantResumed => ("Grant goes on", "Zugang läuft weiter"),
        LetterName::GrantEnding => ("Grant ends soon", "Zugang endet bald"),
        LetterName::GrantEnded => ("Grant used up", "Zugang aufgebraucht"),
        LetterName::TrialEnding => ("Trial ends soon", "Testzeit endet bald"),
        LetterName::TrialEnded => ("Trial over", "Testzeit vorbei"),
        LetterName::ReferralJoined => ("Friend has an account", "Eingeladene Person hat ein Konto"),
        LetterName::ReferralConverted => ("Friend has subscribed", "Eingeladene Person hat abonniert"),
        LetterName::ReferralTakenBack => ("Reward taken back", "Belohnung zurückgenommen"),
        LetterName::BadgeAwarded => ("Badge", "Auszeichnung"),
        LetterName::BonusAwarded => ("Bonus", "Bonus"),
        LetterName::DeletionScheduled => ("Account will be deleted", "Konto wird gelöscht"),
        LetterName::DeletionPostponed => ("Account not deleted yet", "Konto noch nicht gelöscht"),
        LetterName::AccountDeleted => ("Account deleted", "Konto gelöscht"),
        LetterName::AdminDigest => ("Summary for admins", "Zusammenfassung für Admins"),
        LetterName::PaymentEventFailed => ("Payment event failed (admins)", "Zahlungsereignis fehlgeschlagen (Admins)"),
    };
    match lang {
        Lang::En => en,
        Lang::De => de,
    }
}

/// What stands behind a name in a template; nothing for a name without an explanation.
pub fn meaning(lang: Lang, name: &str) -> Option<&'static str> {
    let (en, de) = match name {
        "product" => ("The product’s name", "Der Name des Produkts"),
        "site" => (
            "The address of these pages, without a slash at the end",
            "Die Adresse dieser Seiten, ohne Schrägstrich am Ende",
        ),
        "lang" => ("en or de", "en oder de"),
        "code" => {
            ("The code; a coupon’s in “Coupon redeemed”", "Der Code; in „Gutschein eingelöst“ der des Gutscheins")
        }
        "long" => ("Whether the code is longer than usual", "Ob der Code länger ist als sonst"),
        "minutes" => ("For how many minutes it is good", "Wie viele Minuten er gilt"),
        "inviter" => ("Who invites, if known", "Wer einlädt, falls bekannt"),
        "note" => ("What they write, if anything", "Was sie dazu schreiben, falls etwas"),
        "gift_tier" => ("The name of the tier that waits, if any", "Der Name der Stufe, die wartet, falls eine"),
        "gift_days" => ("For how many days", "Für wie viele Tage"),
        "link" => ("The address that accepts the invitation", "Die Adresse, die die Einladung annimmt"),
        "expires_at" => ("The day until which it can be accepted", "Der Tag, bis zu dem sie gilt"),
        "trial_tier" => {
            ("The name of the tier that can be tried, if any", "Der Name der Stufe der Testzeit, falls es eine gibt")
        }
        "trial_until" => ("The day on which the trial ends", "Der Tag, an dem die Testzeit endet"),
        "tier" => ("The name of the tier", "Der Name der Stufe"),
        "until" => ("The day on which it ends", "Der Tag, an dem es endet"),
        "days" => ("How many days", "Wie viele Tage"),
        "from" => ("The day on which it begins, if it waits", "Der Tag, an dem es beginnt, falls es wartet"),
        "next_tier" => ("The name of the tier that goes on, if any", "Der Name der Stufe, die weiterläuft, falls eine"),
        "next_until" => ("The day on which that ends", "Der Tag, an dem diese endet"),
        "by" => ("The name of what runs first", "Der Name dessen, was vorher läuft"),
        "days_left" => ("How many days are left", "Wie viele Tage übrig sind"),
        "next" => ("The name of the tier that applies now", "Der Name der Stufe, die jetzt gilt"),
        "as_referrer" => (
            "Whether the reader invited; else they were invited",
            "Ob die lesende Person eingeladen hat; sonst wurde sie eingeladen",
        ),
        "badge" => ("The badge’s name", "Der Name der Auszeichnung"),
        "rule" => ("What the bonus is for", "Wofür es den Bonus gibt"),
        "on" => ("The day on which the account is deleted", "Der Tag, an dem das Konto gelöscht wird"),
        "since" => ("The day of the last summary", "Der Tag der letzten Zusammenfassung"),
        "lines" => ("What happened: each with text and count", "Was geschah: je mit text und count"),
        "more" => ("The path of the page that shows more", "Der Pfad der Seite, die mehr zeigt"),
        "provider" => ("The provider’s name", "Der Name des Anbieters"),
        "event_type" => ("The provider’s word for what happened", "Das Wort des Anbieters für das, was geschah"),
        "error" => ("Why it failed", "Woran es lag"),
        _ => return None,
    };
    Some(match lang {
        Lang::En => en,
        Lang::De => de,
    })
}
