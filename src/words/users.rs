//! Words of the admins' pages about members.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    domain::{entitlement::DecidedBy, lang::Lang, limit::CellError, period::ResetPeriod, user::Role},
    words::{cell_error, day_count, long_date, long_time, number, phrases},
};

phrases! {
    members_intro: "Who is here, what they have and from where." | "Wer hier ist, was sie haben und woher.";
    find_member: "Find a member" | "Mitglied suchen";
    find_member_hint: "A part of an e-mail address or of an external id, or a whole id." | "Ein Teil einer E-Mail-Adresse oder externen ID, oder eine ganze ID.";
    search: "Search" | "Suchen";
    show_all: "Show all" | "Alle zeigen";
    no_members_yet: "Nobody is here yet" | "Noch ist niemand hier";
    no_members_yet_hint:
        "Members appear when they first sign in, or when an app creates them through the API." |
        "Mitglieder erscheinen, wenn sie sich zum ersten Mal anmelden oder eine App sie über die API anlegt.";
    nobody_found: "Nobody was found" | "Niemand gefunden";
    nobody_found_hint: "Check the spelling, or search for a shorter part." | "Prüfen Sie die Schreibweise, oder suchen Sie nach einem kürzeren Teil.";
    next_page: "Next page" | "Nächste Seite";
    first_page: "First page" | "Erste Seite";
    pages: "Pages" | "Seiten";
    member: "Member" | "Mitglied";
    external_id: "External id" | "Externe ID";
    id: "Id" | "ID";
    role: "Role" | "Rolle";
    member_since: "Member since" | "Mitglied seit";
    sign_ins: "Sign-ins" | "Anmeldungen";
    state: "State" | "Zustand";
    account_open: "active" | "aktiv";
    account_closed: "disabled" | "gesperrt";
    none: "none" | "keine";
    about_member: "Account" | "Konto";
    access: "Access" | "Zugang";
    effective_tier: "Effective tier" | "Geltende Stufe";
    own_tier: "Own tier" | "Eigene Stufe";
    own_tier_hint: "It counts as long as nothing stronger runs." | "Sie gilt, solange nichts Stärkeres läuft.";
    disable_account: "Disable account" | "Konto sperren";
    disable_account_ask:
        "They are signed out everywhere and cannot sign in until you enable the account again. Apps are told no. Nothing is deleted." |
        "Das Mitglied wird überall abgemeldet und kann sich nicht anmelden, bis Sie das Konto wieder öffnen. Apps bekommen ein Nein. Nichts wird gelöscht.";
    enable_account: "Enable account" | "Konto wieder öffnen";
    own_account: "This is you: another admin can disable this account." | "Das sind Sie: Ein anderer Admin kann dieses Konto sperren.";
    entitlements: "Entitlements" | "Ansprüche";
    entitlements_intro:
        "What this member may use right now. Open a row to see every layer that was looked at." |
        "Was dieses Mitglied jetzt nutzen darf. Öffnen Sie eine Zeile, um jede betrachtete Ebene zu sehen.";
    limit_word: "Limit" | "Limit";
    used: "Used" | "Verbraucht";
    held: "held" | "vorgemerkt";
    remaining: "Left" | "Übrig";
    resets: "Starts again" | "Beginnt neu";
    decided_by: "Decided by" | "Entschieden durch";
    why: "Why" | "Warum";
    decides: "decides" | "entscheidet";
    may: "allowed" | "erlaubt";
    may_not: "refused" | "verweigert";
    restrictions: "Exceptions" | "Ausnahmen";
    restrictions_intro:
        "A limit for this member alone, more or less than the tier gives. It goes before the tier." |
        "Ein Limit nur für dieses Mitglied, mehr oder weniger als die Stufe gibt. Es geht der Stufe vor.";
    no_restrictions: "There are none." | "Es gibt keine.";
    choose_feature: "Choose a feature" | "Funktion wählen";
    restriction_limit_hint: "50, 5k, off, on or ∞." | "50, 5k, aus, an oder ∞.";
    restriction_reason_hint: "It is kept in the log and shown here." | "Er bleibt im Protokoll und steht hier.";
    last_day: "Last day" | "Letzter Tag";
    last_day_hint: "Empty: without end." | "Leer: ohne Ende.";
    set_restriction: "Set exception" | "Ausnahme setzen";
    remove: "Remove" | "Entfernen";
    ended: "ended" | "beendet";
    credit: "Credit" | "Guthaben";
    no_credit: "No credit is left." | "Es ist kein Guthaben übrig.";
    days: "Days" | "Tage";
    days_hint: "1 to 3,650, added to what is left." | "1 bis 3.650, zusätzlich zum Rest.";
    note: "Note" | "Notiz";
    note_hint: "Optional; it stays in the ledger." | "Freiwillig; sie bleibt im Kontobuch.";
    give_days: "Give days" | "Tage geben";
    end_credit: "End credit" | "Guthaben beenden";
    end_credit_ask: "What is left is lost now. The ledger keeps a line about it." | "Der Rest verfällt sofort. Im Kontobuch bleibt eine Zeile darüber.";
    ledger: "Ledger" | "Kontobuch";
    no_sessions: "They are not signed in anywhere." | "Das Mitglied ist nirgends angemeldet.";
    end_session: "Sign out" | "Abmelden";
    end_sessions_ask: "Every browser of this member is signed out at once." | "Jeder Browser dieses Mitglieds wird sofort abgemeldet.";
    activity: "Activity" | "Protokoll";
    no_activity: "Nothing has happened yet." | "Noch ist nichts geschehen.";
    particulars: "Particulars" | "Einzelheiten";
    tier_is_set: "The own tier is set." | "Die eigene Stufe ist gesetzt.";
    account_is_disabled: "The account is disabled and signed out everywhere." | "Das Konto ist gesperrt und überall abgemeldet.";
    account_is_enabled: "The account is open again." | "Das Konto ist wieder offen.";
    restriction_is_set: "The exception is set." | "Die Ausnahme ist gesetzt.";
    restriction_is_removed: "The exception is removed." | "Die Ausnahme ist entfernt.";
    credit_is_given: "The days are on the account." | "Die Tage sind auf dem Konto.";
    credit_was_given: "These days were given already; nothing was added twice." | "Diese Tage waren schon gegeben; nichts wurde doppelt gegeben.";
    credit_is_ended: "The credit has ended." | "Das Guthaben ist beendet.";
    session_is_ended: "That browser is signed out." | "Dieser Browser ist abgemeldet.";
    sessions_are_ended: "Every browser of this member is signed out." | "Jeder Browser dieses Mitglieds ist abgemeldet.";
    nothing_changed: "Nothing changed: it was so already." | "Nichts hat sich geändert: Es war schon so.";
    error_choose_feature: "Choose a feature of the list." | "Wählen Sie eine Funktion der Liste.";
    error_choose_tier: "Choose a tier of the list." | "Wählen Sie eine Stufe der Liste.";
    error_limit_missing: "Type a number, off, on or ∞." | "Tippen Sie eine Zahl, aus, an oder ∞.";
    error_reason: "Say why, in at most 500 characters." | "Sagen Sie, warum, in höchstens 500 Zeichen.";
    error_day: "A day is written as 2026-12-31." | "Ein Tag wird so geschrieben: 2026-12-31.";
    error_day_past: "The last day lies ahead." | "Der letzte Tag liegt in der Zukunft.";
    error_days: "A number of days from 1 to 3,650." | "Eine Zahl von Tagen von 1 bis 3.650.";
    error_note: "A note has at most 500 characters." | "Eine Notiz hat höchstens 500 Zeichen.";
    error_own_account: "You cannot disable the account you are signed in with." | "Sie können das Konto nicht sperren, mit dem Sie angemeldet sind.";
}

/// What is wrong with a typed limit where there is no default to fall back on.
pub fn own_limit_error(lang: Lang, error: CellError) -> &'static str {
    match error {
        CellError::Unreadable => error_limit_missing(lang),
        CellError::OutOfRange | CellError::OnlyOnOrOff => cell_error(lang, error),
    }
}

/// The name of a role.
pub fn role_name(lang: Lang, role: Role) -> &'static str {
    match (lang, role) {
        (Lang::En, Role::Member) => "member",
        (Lang::De, Role::Member) => "Mitglied",
        (_, Role::Admin) => "Admin",
    }
}

/// “Disabled since 1 December 2026”.
pub fn disabled_since(lang: Lang, since: DateTime<Utc>) -> String {
    let date = long_date(lang, since.date_naive());
    match lang {
        Lang::En => format!("disabled since {date}"),
        Lang::De => format!("gesperrt seit {date}"),
    }
}

/// “through 31 December 2026” where it ends with a day of the product's zone, else the instant.
pub fn through(lang: Lang, until: DateTime<Utc>, zone: Tz) -> String {
    let local = until.with_timezone(&zone).naive_local();
    let is_midnight = local.time() == chrono::NaiveTime::MIN;
    match (lang, local.date().pred_opt().filter(|_| is_midnight)) {
        (Lang::En, Some(last)) => format!("through {}", long_date(lang, last)),
        (Lang::De, Some(last)) => format!("bis einschließlich {}", long_date(lang, last)),
        (Lang::En, None) => format!("until {}", long_time(lang, until)),
        (Lang::De, None) => format!("bis {}", long_time(lang, until)),
    }
}

/// When a counter starts again: a date of the product's zone, or a time where hours count.
pub fn starts_again(lang: Lang, at: DateTime<Utc>, period: ResetPeriod, zone: Tz) -> String {
    match period {
        ResetPeriod::Hourly => long_time(lang, at),
        _ => long_date(lang, at.with_timezone(&zone).date_naive()),
    }
}

/// The word for the layer that decided.
pub fn layer_name(lang: Lang, decided_by: DecidedBy) -> &'static str {
    match (lang, decided_by) {
        (Lang::En, DecidedBy::Restriction) => "exception",
        (Lang::De, DecidedBy::Restriction) => "Ausnahme",
        (Lang::En, DecidedBy::Tier) => "tier",
        (Lang::De, DecidedBy::Tier) => "Stufe",
        (Lang::En, DecidedBy::Default) => "default",
        (Lang::De, DecidedBy::Default) => "Standard",
    }
}

/// “45 days are left, through 5 January 2027.”
pub fn credit_left(lang: Lang, days: i64, until: DateTime<Utc>) -> String {
    let until = long_time(lang, until);
    match (lang, days) {
        (Lang::En, 1) => format!("1 day is left, until {until}."),
        (Lang::En, _) => format!("{} days are left, until {until}.", number(lang, days)),
        (Lang::De, 1) => format!("1 Tag ist übrig, bis {until}."),
        (Lang::De, _) => format!("{} Tage sind übrig, bis {until}.", number(lang, days)),
    }
}

/// What an entry of the ledger of credit did: “+45 days”.
pub fn credit_entry(lang: Lang, source: &str, days: i64) -> String {
    match (lang, source) {
        (Lang::En, "revoked") => "ended".to_owned(),
        (Lang::De, "revoked") => "beendet".to_owned(),
        _ => format!("{}{}", if days < 0 { "" } else { "+" }, day_count(lang, days)),
    }
}

/// What a line of the log says happened; an action that we do not know stands for itself.
pub fn action(lang: Lang, action: &str) -> String {
    match (ACTIONS.iter().find(|(name, ..)| *name == action), lang) {
        (Some((_, en, _)), Lang::En) => (*en).to_owned(),
        (Some((.., de)), Lang::De) => (*de).to_owned(),
        (None, _) => {
            let spaced = action.replace('_', " ");
            let mut letters = spaced.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

/// Every action that a line of the log can tell of, and what it is called in English and German.
pub const ACTIONS: &[(&str, &str, &str)] = &[
    ("login", "Signed in", "Angemeldet"),
    ("logout", "Signed out", "Abgemeldet"),
    ("signed_out_everywhere", "Signed out everywhere", "Überall abgemeldet"),
    ("session_revoked", "Signed out another browser", "Anderen Browser abgemeldet"),
    ("session_replaced", "Signed in anew", "Neu angemeldet"),
    ("sessions_ended", "Signed out by an admin", "Von einem Admin abgemeldet"),
    ("admin_claimed", "Became the first admin", "Wurde erster Admin"),
    ("role_changed", "Role changed", "Rolle geändert"),
    ("account_disabled", "Account disabled", "Konto gesperrt"),
    ("account_enabled", "Account enabled", "Konto wieder geöffnet"),
    ("deletion_scheduled", "Asked to be deleted", "Löschung beauftragt"),
    ("deletion_postponed", "Deletion postponed", "Löschung verschoben"),
    ("deletion_cancelled", "Account stays after all", "Konto bleibt doch"),
    ("account_deleted", "Account deleted", "Konto gelöscht"),
    ("data_exported", "Data exported", "Daten ausgegeben"),
    ("user_created", "Created", "Angelegt"),
    ("user_changed", "Changed", "Geändert"),
    ("credit_granted", "Credit given", "Guthaben gegeben"),
    ("credit_revoked", "Credit ended", "Guthaben beendet"),
    ("restriction_set", "Exception set", "Ausnahme gesetzt"),
    ("restriction_removed", "Exception removed", "Ausnahme entfernt"),
    ("invoice_refunded", "Money paid back", "Geld zurückgezahlt"),
    ("invoice_disputed", "Payment disputed", "Zahlung angefochten"),
    ("dispute_lost", "Dispute lost", "Anfechtung verloren"),
    ("dispute_won", "Dispute won", "Anfechtung gewonnen"),
    ("payment_event_replayed", "Payment event applied again", "Zahlungsereignis erneut angewandt"),
    ("test_event_sent", "Test event sent", "Testereignis gesendet"),
    ("checkout_started", "Went to a checkout", "Ging zur Kasse"),
    ("subscription_started", "Subscription began", "Abonnement begann"),
    ("subscription_changed", "Subscription changed", "Abonnement geändert"),
    ("subscription_past_due", "Payment failed", "Zahlung fehlgeschlagen"),
    ("subscription_paused", "Subscription paused", "Abonnement pausiert"),
    ("subscription_resumed", "Subscription goes on", "Abonnement geht weiter"),
    ("subscription_ended", "Subscription ended", "Abonnement beendet"),
    ("subscription_reconciled", "Subscription corrected", "Abonnement richtiggestellt"),
    ("invoice_paid", "Invoice paid", "Rechnung bezahlt"),
    ("credit_returned", "Credit came back", "Guthaben kam zurück"),
    ("referral_converted", "Invitation brought a payment", "Einladung brachte eine Zahlung"),
    ("referral_credited", "Days for an invitation", "Tage für eine Einladung"),
    ("referral_taken_back", "Days for an invitation taken back", "Tage für eine Einladung zurückgenommen"),
    ("referral_given_back", "Days for an invitation given back", "Tage für eine Einladung zurückgegeben"),
    ("referral_released", "Reward for an invitation released", "Belohnung einer Einladung freigegeben"),
    ("referral_rejected", "Reward for an invitation rejected", "Belohnung einer Einladung abgelehnt"),
    ("coupons_created", "Coupons made", "Gutscheine erstellt"),
    ("coupon_changed", "Coupon changed", "Gutschein geändert"),
    ("coupon_redeemed", "Coupon redeemed", "Gutschein eingelöst"),
    ("grant_given", "Days at a tier given", "Tage in einer Stufe gegeben"),
    ("grant_revoked", "Days at a tier taken back", "Tage in einer Stufe zurückgenommen"),
    ("grant_started", "Days at a tier began", "Tage in einer Stufe begannen"),
    ("grant_paused", "Days at a tier paused", "Tage in einer Stufe pausiert"),
    ("grant_resumed", "Days at a tier go on", "Tage in einer Stufe gehen weiter"),
    ("grant_ended", "Days at a tier used up", "Tage in einer Stufe aufgebraucht"),
    ("partner_added", "Partner added", "Partner hinzugefügt"),
    ("partner_changed", "Partner changed", "Partner geändert"),
    ("partner_link_made", "Partner's link made", "Link eines Partners erstellt"),
    ("partner_link_ended", "Partner's link ended", "Link eines Partners beendet"),
    ("mail_preference_changed", "Choice of e-mails changed", "Auswahl der E-Mails geändert"),
    ("mail_template_changed", "E-mail worded anew", "E-Mail neu gefasst"),
    ("mail_template_reset", "E-mail as built in again", "E-Mail wieder wie eingebaut"),
    ("mail_resent", "E-mail sent again", "E-Mail noch einmal gesendet"),
    ("mail_test_sent", "Test of an e-mail sent", "E-Mail zur Probe gesendet"),
    ("login_failed", "Signing in failed", "Anmeldung misslang"),
    ("trial_started", "Trial began", "Testzeit begann"),
    ("trial_ended", "Trial over", "Testzeit vorbei"),
    ("portfolio_saved", "Portfolio saved", "Depot gespeichert"),
    ("portfolio_restored", "Portfolio brought back", "Depot wiederhergestellt"),
    ("quotes_imported", "Prices read in", "Kurse eingelesen"),
    ("subscriptions_compared", "Subscriptions compared", "Abonnements abgeglichen"),
    ("portal_opened", "Went to the subscription's portal", "Ging zum Portal des Abonnements"),
    ("admin_claim_issued", "Link for the first admin made", "Link für den ersten Admin erstellt"),
    ("matrix_changed", "Limits changed", "Limits geändert"),
    ("feature_changed", "Feature changed", "Funktion geändert"),
    ("tier_changed", "Tier changed", "Stufe geändert"),
    ("setting_changed", "Setting changed", "Einstellung geändert"),
    ("prices_changed", "Prices changed", "Preise geändert"),
    ("api_key_created", "API key made", "API-Schlüssel erstellt"),
    ("api_key_revoked", "API key ended", "API-Schlüssel beendet"),
    ("invitation_sent", "Invited somebody", "Jemanden eingeladen"),
    ("invitation_sent_again", "Invitation sent again", "Einladung noch einmal gesendet"),
    ("invitation_revoked", "Invitation taken back", "Einladung zurückgenommen"),
    ("invitation_accepted", "Invitation accepted", "Einladung angenommen"),
    ("bonus_rule_created", "Bonus made", "Bonus erstellt"),
    ("bonus_rule_changed", "Bonus changed", "Bonus geändert"),
    ("bonus_rule_archived", "Bonus put away", "Bonus abgelegt"),
    ("bonus_awarded", "Earned a bonus", "Bonus bekommen"),
    ("notification_settings_changed", "Choice of notifications changed", "Auswahl der Meldungen geändert"),
    ("payment_event_given_up", "Payment event failed for good", "Zahlungsereignis endgültig gescheitert"),
    ("job_ordered", "Job begun by hand", "Aufgabe von Hand begonnen"),
    ("job_retried", "Job tried again", "Aufgabe noch einmal versucht"),
    ("job_discarded", "Job deleted", "Aufgabe gelöscht"),
    ("webhook_created", "Webhook set up", "Webhook eingerichtet"),
    ("webhook_changed", "Webhook changed", "Webhook geändert"),
    ("webhook_deleted", "Webhook deleted", "Webhook gelöscht"),
    ("webhook_enabled", "Webhook enabled", "Webhook eingeschaltet"),
    ("webhook_disabled", "Webhook disabled", "Webhook abgeschaltet"),
    ("webhook_tested", "Webhook tried out", "Webhook ausprobiert"),
    ("webhook_resent", "Webhook sent again", "Webhook noch einmal gesendet"),
    ("webhook_secret_rotated", "Webhook's secret made anew", "Geheimnis eines Webhooks erneuert"),
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Whether a name in the code tells that something was done.
    fn tells_a_deed(name: &str) -> bool {
        let deeds = [
            "sent",
            "resent",
            "made",
            "given",
            "set",
            "reset",
            "lost",
            "won",
            "paid",
            "up",
            "back",
            "again",
            "everywhere",
        ];
        name.contains('_')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && name.rsplit('_').next().is_some_and(|last| last.ends_with("ed") || deeds.contains(&last))
    }

    /// The names that `code` holds as texts, outside of its tests and comments.
    fn deeds(code: &str) -> Vec<&str> {
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.flat_map(|line| line.split('"').skip(1).step_by(2)).filter(|name| tells_a_deed(name)).collect()
    }

    #[test]
    fn whatever_the_log_says_was_done_has_its_words() {
        assert_eq!(deeds("note(env, \"coat_lost\", \"days\", \"sort_order\")"), ["coat_lost"]);
        let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/services");
        let mut written = vec!["login".to_owned(), "logout".to_owned()];
        let grants = ["started", "paused", "resumed", "ended"].map(|change| format!("grant_{change}"));
        let subscriptions = ["started", "changed", "past_due", "paused", "resumed", "ended"];
        written.extend(grants.into_iter().chain(subscriptions.map(|change| format!("subscription_{change}"))));
        for file in fs::read_dir(services).expect("the services") {
            let path = file.expect("a file").path();
            if path.is_file() {
                let code = fs::read_to_string(path).expect("text");
                written.extend(deeds(&code).into_iter().map(str::to_owned));
            }
        }
        assert!(written.len() > 80, "{written:?}");
        let is_known = |name: &str| ACTIONS.iter().any(|(known, ..)| *known == name);
        let mute: Vec<_> = written.iter().filter(|name| !is_known(name)).collect();
        assert!(mute.is_empty(), "ACTIONS does not know {mute:?}");
        let never: Vec<_> = ACTIONS.iter().filter(|(known, ..)| !written.iter().any(|name| name == known)).collect();
        assert!(never.is_empty(), "nobody writes {never:?}");
        assert!(ACTIONS.iter().all(|(_, en, de)| !en.is_empty() && !de.is_empty()));
        assert_eq!(action(Lang::De, "coat_lost"), "Coat lost", "what nobody worded can be read");
    }
}
