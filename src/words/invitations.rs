//! Words about invitations. They are called by their own module, as those about referrals are.

use chrono::{DateTime, Utc};

use crate::{
    domain::{email::EmailError, invitation::InvitationState, lang::Lang},
    words::{email_error, long_date, number, phrases},
};

phrases! {
    title: "Invitations" | "Einladungen";
    intro:
        "Who is invited by e-mail. Invited people come in even while sign-up is closed, and what you give waits for them." |
        "Wer per E-Mail eingeladen ist. Eingeladene kommen auch herein, solange die Registrierung geschlossen ist, und was Sie geben, wartet auf sie.";
    which: "Which invitations" | "Welche Einladungen";
    all: "All" | "Alle";
    address: "Address" | "Adresse";
    by: "By" | "Von";
    gives: "Gives" | "Gibt";
    nothing_extra: "nothing extra" | "nichts dazu";
    mails: "Mails" | "E-Mails";
    until: "Good until" | "Gilt bis";
    state_word: "State" | "Stand";
    deleted_account: "deleted account" | "gelöschtes Konto";
    forgotten_address: "forgotten address" | "vergessene Adresse";
    none: "There are no such invitations." | "Es gibt keine solchen Einladungen.";
    none_hint: "Invite somebody below, or let members do it." | "Laden Sie unten jemanden ein, oder lassen Sie Mitglieder einladen.";
    older: "Older" | "Ältere";
    newest: "The newest" | "Die neuesten";
    invite: "Invite" | "Einladen";
    invite_people: "Invite people" | "Leute einladen";
    addresses: "E-mail addresses" | "E-Mail-Adressen";
    addresses_hint: "One a line, or with commas between them; at most 200." | "Eine pro Zeile oder durch Kommas getrennt; höchstens 200.";
    tier: "Tier as a gift" | "Stufe als Geschenk";
    no_gift: "No gift" | "Kein Geschenk";
    days: "Days of it" | "Tage davon";
    days_hint: "Only with a tier: 1 to 3,650." | "Nur mit einer Stufe: 1 bis 3.650.";
    note: "Note" | "Nachricht";
    note_hint: "Stands in the mail; at most 500 characters." | "Steht in der E-Mail; höchstens 500 Zeichen.";
    mail_language: "Language of the mail" | "Sprache der E-Mail";
    resend: "Send again" | "Noch einmal senden";
    revoke: "Take back" | "Zurücknehmen";
    revoke_ask: "The link in the mail stops working." | "Der Link in der E-Mail gilt nicht mehr.";
    is_sent: "The invitation is sent." | "Die Einladung ist verschickt.";
    is_sent_again: "The invitation is sent once more." | "Die Einladung ist noch einmal verschickt.";
    is_revoked: "The invitation is taken back." | "Die Einladung ist zurückgenommen.";
    by_mail: "Invite by e-mail" | "Per E-Mail einladen";
    by_mail_hint:
        "We write to the address and name yours, so that your friend knows who asks. Both of you get the reward as with your link." |
        "Wir schreiben an die Adresse und nennen Ihre, damit Ihr Kontakt weiß, wer fragt. Beide bekommen die Belohnung wie bei Ihrem Link.";
    friends_address: "Your friend's e-mail address" | "E-Mail-Adresse Ihres Kontakts";
    open_invitations: "Open invitations" | "Offene Einladungen";
    no_open_invitations: "Nobody has an open invitation from you. Enter an address above." | "Von Ihnen ist keine Einladung offen. Geben Sie oben eine Adresse ein.";
    error_no_address: "Enter at least one address." | "Geben Sie mindestens eine Adresse ein.";
    error_too_many_addresses: "That is more than 200 addresses. Send them in parts." | "Das sind mehr als 200 Adressen. Teilen Sie sie auf.";
    error_tier: "There is no such tier." | "Diese Stufe gibt es nicht.";
    error_days: "Enter a whole number from 1 to 3,650." | "Geben Sie eine ganze Zahl von 1 bis 3.650 ein.";
    error_half: "A gift has a tier and days: fill in both, or neither." | "Ein Geschenk hat Stufe und Tage: füllen Sie beides aus oder keines.";
    error_note: "At most 500 characters, please." | "Bitte höchstens 500 Zeichen.";
    error_open: "There is an open invitation for this address already." | "Für diese Adresse ist schon eine Einladung offen.";
    error_member: "This address is a member's already." | "Diese Adresse gehört schon einem Mitglied.";
    error_mails: "This address has had three mails about invitations this month. It gets no more for now." | "Diese Adresse hat diesen Monat schon drei E-Mails über Einladungen bekommen. Vorerst bekommt sie keine weitere.";
    error_not_by_members: "Members do not send invitations here at the moment." | "Mitglieder verschicken hier zurzeit keine Einladungen.";
    error_unknown: "There is no such invitation any more." | "Diese Einladung gibt es nicht mehr.";
    you_are_invited: "You are invited" | "Sie sind eingeladen";
    accept: "Accept and sign in" | "Annehmen und anmelden";
    wrong_address_title: "This invitation is for another address" | "Diese Einladung gilt einer anderen Adresse";
    wrong_address_hint: "Sign out, then open the link in the mail once more." | "Melden Sie sich ab, und öffnen Sie dann den Link in der E-Mail noch einmal.";
    used_title: "This invitation has been accepted" | "Diese Einladung wurde schon angenommen";
    used_hint: "Was it you? Then sign in as usual." | "Waren Sie das? Dann melden Sie sich wie gewohnt an.";
    expired_title: "This invitation has expired" | "Diese Einladung ist abgelaufen";
    expired_hint: "Ask whoever invited you to send another one." | "Bitten Sie, wer Sie eingeladen hat, um eine neue.";
    revoked_title: "This invitation was taken back" | "Diese Einladung wurde zurückgenommen";
    revoked_hint: "Ask whoever invited you whether it was meant so." | "Fragen Sie, wer Sie eingeladen hat, ob das so gemeint war.";
    no_such_title: "This link leads nowhere" | "Dieser Link führt nirgendwohin";
    no_such_hint: "Check that you have opened all of it, or ask for another invitation." | "Prüfen Sie, ob Sie ihn ganz geöffnet haben, oder bitten Sie um eine neue Einladung.";
    is_accepted: "Welcome! You have accepted the invitation." | "Willkommen! Sie haben die Einladung angenommen.";
    was_over: "You are signed in, but the invitation was over by then." | "Sie sind angemeldet, aber die Einladung galt nicht mehr.";
    closed_note:
        "New accounts are by invitation only at the moment. Members and invited people sign in here as usual." |
        "Neue Konten gibt es zurzeit nur auf Einladung. Mitglieder und Eingeladene melden sich hier wie gewohnt an.";
    trial_is_over:
        "Your trial is over, and nothing else gives you access. Choose a tier, or redeem a coupon." |
        "Ihre Testzeit ist vorbei, und nichts anderes gibt Ihnen Zugang. Wählen Sie eine Stufe, oder lösen Sie einen Gutschein ein.";
    see_pricing: "See the tiers" | "Stufen ansehen";
}

/// How an invitation stands.
pub fn state(lang: Lang, state: InvitationState) -> &'static str {
    match (lang, state) {
        (Lang::En, InvitationState::Open) => "Open",
        (Lang::De, InvitationState::Open) => "Offen",
        (Lang::En, InvitationState::Accepted) => "Accepted",
        (Lang::De, InvitationState::Accepted) => "Angenommen",
        (Lang::En, InvitationState::Expired) => "Expired",
        (Lang::De, InvitationState::Expired) => "Abgelaufen",
        (Lang::En, InvitationState::Revoked) => "Taken back",
        (Lang::De, InvitationState::Revoked) => "Zurückgenommen",
    }
}

/// That an invitation cannot be sent again, because it is over.
pub fn error_over(lang: Lang, state: InvitationState) -> &'static str {
    match (lang, state) {
        (Lang::En, InvitationState::Accepted) => "This invitation has been accepted.",
        (Lang::De, InvitationState::Accepted) => "Diese Einladung wurde angenommen.",
        (Lang::En, InvitationState::Expired) => "This invitation has expired. Invite the address again.",
        (Lang::De, InvitationState::Expired) => "Diese Einladung ist abgelaufen. Laden Sie die Adresse neu ein.",
        (Lang::En, _) => "This invitation was taken back.",
        (Lang::De, _) => "Diese Einladung wurde zurückgenommen.",
    }
}

/// What is wrong with an address in a list of them.
pub fn error_address(lang: Lang, address: &str, error: EmailError) -> String {
    format!("{address}: {}", email_error(lang, error))
}

/// “3 invitations are sent.”
pub fn are_sent(lang: Lang, count: i64) -> String {
    match (lang, count) {
        (_, 1) => is_sent(lang).to_owned(),
        (Lang::En, _) => format!("{} invitations are sent.", number(lang, count)),
        (Lang::De, _) => format!("{} Einladungen sind verschickt.", number(lang, count)),
    }
}

/// That some of several were not sent.
pub fn some_not_sent(lang: Lang, sent: i64) -> String {
    let sent = number(lang, sent);
    match lang {
        Lang::En => format!("{sent} sent. These were not, and stand in the field again:"),
        Lang::De => format!("{sent} verschickt. Diese nicht, sie stehen wieder im Feld:"),
    }
}

/// When the next mail of an invitation can be sent.
pub fn error_too_soon(lang: Lang, seconds: i64) -> String {
    let minutes = (seconds + 59) / 60;
    match lang {
        Lang::En => format!("The last mail has just gone out. Send the next in {minutes} min."),
        Lang::De => {
            format!("Die letzte E-Mail ist gerade erst hinausgegangen. Senden Sie die nächste in {minutes} Min.")
        }
    }
}

/// When a member can invite again.
pub fn error_too_many_today(lang: Lang, seconds: i64) -> String {
    let hours = (seconds + 3599) / 3600;
    match lang {
        Lang::En => format!("That was enough for today. You can invite again in {hours} h."),
        Lang::De => format!("Für heute war das genug. Sie können in {hours} Std. wieder einladen."),
    }
}

/// “30 days of Premium”.
pub fn gift(lang: Lang, tier: &str, days: i64) -> String {
    match (lang, days) {
        (Lang::En, 1) => format!("1 day of {tier}"),
        (Lang::En, _) => format!("{} days of {tier}", number(lang, days)),
        (Lang::De, 1) => format!("1 Tag {tier}"),
        (Lang::De, _) => format!("{} Tage {tier}", number(lang, days)),
    }
}

/// “sent 2 times, last on 1 December 2026”.
pub fn sent(lang: Lang, times: i64, last: DateTime<Utc>) -> String {
    let day = long_date(lang, last.date_naive());
    match (lang, times) {
        (Lang::En, 1) => format!("sent on {day}"),
        (Lang::En, _) => format!("sent {times} times, last on {day}"),
        (Lang::De, 1) => format!("gesendet am {day}"),
        (Lang::De, _) => format!("{times}-mal gesendet, zuletzt am {day}"),
    }
}

/// Who invites, and to what; where nobody is named, the product does.
pub fn invited_by(lang: Lang, inviter: Option<&str>, product: &str) -> String {
    match (lang, inviter) {
        (Lang::En, Some(inviter)) => format!("{inviter} invites you to open an account at {product}."),
        (Lang::De, Some(inviter)) => format!("{inviter} lädt Sie ein, ein Konto bei {product} zu eröffnen."),
        (Lang::En, None) => format!("{product} invites you to open an account."),
        (Lang::De, None) => format!("{product} lädt Sie ein, ein Konto zu eröffnen."),
    }
}

/// What waits.
pub fn gift_waits(lang: Lang, tier: &str, days: i64) -> String {
    let gift = gift(lang, tier, days);
    match (lang, days) {
        (Lang::En, 1) => format!("{gift} is waiting for you."),
        (Lang::En, _) => format!("{gift} are waiting for you."),
        (Lang::De, 1) => format!("{gift} wartet auf Sie."),
        (Lang::De, _) => format!("{gift} warten auf Sie."),
    }
}

/// What the button does, with the address between.
pub fn code_goes_to(lang: Lang) -> (&'static str, &'static str) {
    match lang {
        Lang::En => ("We send a code to ", ", with which you sign in. No password is needed."),
        Lang::De => ("Wir senden einen Code an ", ", mit dem Sie sich anmelden. Sie brauchen kein Passwort."),
    }
}

/// Until when.
pub fn good_until(lang: Lang, at: DateTime<Utc>) -> String {
    let day = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("The invitation is good until {day}."),
        Lang::De => format!("Die Einladung gilt bis {day}."),
    }
}

/// For whom it is, and who is signed in.
pub fn wrong_address(lang: Lang, meant: &str, signed_in: &str) -> String {
    match lang {
        Lang::En => format!("It was sent to {meant}, and you are signed in as {signed_in}."),
        Lang::De => format!("Sie ging an {meant}, und Sie sind als {signed_in} angemeldet."),
    }
}

/// Until when somebody can try a tier, and what comes then.
pub fn trial(lang: Lang, tier: &str, until: DateTime<Utc>, next: Option<&str>) -> String {
    let day = long_date(lang, until.date_naive());
    match (lang, next) {
        (Lang::En, Some(next)) => {
            format!(
                "You are trying {tier} free of charge until {day}. After that you have {next}; nothing is charged by itself."
            )
        }
        (Lang::De, Some(next)) => {
            format!("Sie testen {tier} kostenlos bis {day}. Danach haben Sie {next}; nichts wird von selbst berechnet.")
        }
        (Lang::En, None) => {
            format!(
                "You are trying {tier} free of charge until {day}. After that your access ends unless you choose a tier; nothing is charged by itself."
            )
        }
        (Lang::De, None) => {
            format!(
                "Sie testen {tier} kostenlos bis {day}. Danach endet Ihr Zugang, wenn Sie keine Stufe wählen; nichts wird von selbst berechnet."
            )
        }
    }
}
