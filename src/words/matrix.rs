//! Words of the matrix.

use crate::{
    domain::{
        lang::Lang,
        limit::{Cell, CellError, Limit, LimitKind},
        matrix::{ChangeError, Effect, Review},
        period::ResetPeriod,
    },
    words::{number, phrases},
};

phrases! {
    matrix_intro:
        "Arrows move, typing edits: off, 50, 5k, ∞, or nothing for the default. Nothing is saved before you review it." |
        "Pfeile bewegen, Tippen ändert: aus, 50, 5k, ∞, oder nichts für den Standard. Nichts wird gespeichert, bevor Sie es prüfen.";
    feature: "Feature" | "Funktion";
    edit: "Edit" | "Ändern";
    not_for_sale: "not for sale" | "nicht im Verkauf";
    review_action: "Review" | "Prüfen";
    discard: "Discard" | "Verwerfen";
    discard_one: "Leave out" | "Weglassen";
    review_title: "Review changes" | "Änderungen prüfen";
    reason: "Reason" | "Grund";
    reason_required: "required; it is kept in the log" | "erforderlich; er bleibt im Protokoll";
    reason_optional: "optional; it is kept in the log" | "freiwillig; er bleibt im Protokoll";
    save_changes: "Save changes" | "Änderungen speichern";
    undo: "Undo" | "Rückgängig machen";
    undone: "The change was taken back." | "Die Änderung wurde zurückgenommen.";
    inactive: "inactive: off for all" | "inaktiv: für alle aus";
    conflict_title: "Somebody else was here" | "Jemand war schneller";
    conflict_intro:
        "These cells were changed after you opened the page. Nothing is saved yet: choose for each." |
        "Diese Felder wurden geändert, nachdem Sie die Seite geöffnet haben. Noch ist nichts gespeichert: Wählen Sie je Feld.";
    keep_mine: "Mine" | "Meins";
    keep_theirs: "Theirs" | "Deren";
    somebody: "somebody" | "jemand";
    tier: "Tier" | "Stufe";
    now_word: "Now" | "Jetzt";
    then_word: "Then" | "Dann";
    members_word: "Members" | "Mitglieder";
    no_such_change: "That change cannot be undone: it is not there." | "Diese Änderung kann nicht rückgängig gemacht werden: Es gibt sie nicht.";
    network_failed: "The server did not answer. Your changes are still here: try again." | "Der Server hat nicht geantwortet. Ihre Änderungen sind noch da: Versuchen Sie es noch einmal.";
    signed_out_meanwhile: "You were signed out. Sign in again in another tab, then retry." | "Sie wurden abgemeldet. Melden Sie sich in einem anderen Tab an und versuchen Sie es dann noch einmal.";
    unsaved: "There are changes that are not saved." | "Es gibt ungespeicherte Änderungen.";
    loading: "One moment …" | "Einen Moment …";
    default_word: "default" | "Standard";
    no_features: "There are no features yet." | "Es gibt noch keine Funktionen.";
}

/// What a cell shows, and whether it is inherited.
pub fn cell(lang: Lang, cell: Cell, kind: LimitKind, default: Limit) -> String {
    match cell {
        Cell::Own(value) => limit(lang, value, kind),
        Cell::Inherited => format!("{} {}", limit(lang, default, kind), default_word(lang)),
    }
}

/// What a limit shows.
pub fn limit(lang: Lang, limit: Limit, kind: LimitKind) -> String {
    match (limit, kind, lang) {
        (Limit::OFF, _, Lang::En) => "off".to_owned(),
        (Limit::OFF, _, Lang::De) => "aus".to_owned(),
        (_, LimitKind::Boolean, Lang::En) => "on".to_owned(),
        (_, LimitKind::Boolean, Lang::De) => "an".to_owned(),
        (Limit::Unlimited, ..) => "∞".to_owned(),
        (Limit::At(count), ..) => number(lang, count),
    }
}

/// What is wrong with a typed cell.
pub fn cell_error(lang: Lang, error: CellError) -> &'static str {
    match (lang, error) {
        (Lang::En, CellError::Unreadable) => "Type a number, off, ∞, or nothing for the default.",
        (Lang::De, CellError::Unreadable) => "Tippen Sie eine Zahl, aus, ∞, oder nichts für den Standard.",
        (Lang::En, CellError::OutOfRange) => "A limit is between 0 and 1,000,000,000,000.",
        (Lang::De, CellError::OutOfRange) => "Ein Limit liegt zwischen 0 und 1.000.000.000.000.",
        (Lang::En, CellError::OnlyOnOrOff) => "This feature is only on or off.",
        (Lang::De, CellError::OnlyOnOrOff) => "Diese Funktion ist nur an oder aus.",
    }
}

/// What is wrong with a set of changes.
pub fn change_error(lang: Lang, error: &ChangeError) -> String {
    match (lang, error) {
        (Lang::En, ChangeError::Nothing) => "Nothing would change: the matrix already is as you want it.".to_owned(),
        (Lang::De, ChangeError::Nothing) => "Es würde sich nichts ändern: Die Tabelle ist schon so.".to_owned(),
        (Lang::En, ChangeError::TooMany) => "That is too much at once: save at most 2,000 cells together.".to_owned(),
        (Lang::De, ChangeError::TooMany) => {
            "Das ist zu viel auf einmal: Speichern Sie höchstens 2.000 Felder zusammen.".to_owned()
        }
        (Lang::En, ChangeError::NoSuchCell { .. } | ChangeError::Twice { .. }) => {
            "The tiers or features have changed since. Open the page again.".to_owned()
        }
        (Lang::De, ChangeError::NoSuchCell { .. } | ChangeError::Twice { .. }) => {
            "Die Stufen oder Funktionen haben sich geändert. Öffnen Sie die Seite neu.".to_owned()
        }
        (_, ChangeError::BadLimit { feature, error }) => format!("{feature}: {}", cell_error(lang, *error)),
        (Lang::En, ChangeError::ReasonMissing) => "Say why: a reason is required.".to_owned(),
        (Lang::De, ChangeError::ReasonMissing) => "Sagen Sie, warum: Ein Grund ist erforderlich.".to_owned(),
        (Lang::En, ChangeError::BadReason) => "A reason has at most 500 characters.".to_owned(),
        (Lang::De, ChangeError::BadReason) => "Ein Grund hat höchstens 500 Zeichen.".to_owned(),
    }
}

/// The name of a category; one that we do not know stands for itself.
pub fn category(lang: Lang, category: &str) -> String {
    match (lang, category) {
        (Lang::En, "data") => "Data".to_owned(),
        (Lang::De, "data") => "Daten".to_owned(),
        (Lang::En, "ai") => "AI".to_owned(),
        (Lang::De, "ai") => "KI".to_owned(),
        (_, "export") => "Export".to_owned(),
        (Lang::En, "integration") => "Integrations".to_owned(),
        (Lang::De, "integration") => "Anbindungen".to_owned(),
        (_, other) => other.to_owned(),
    }
}

/// What stands beside a feature's id: its period, or that it is a switch.
pub fn feature_hint(lang: Lang, kind: LimitKind, period: ResetPeriod) -> Option<&'static str> {
    match (lang, kind, period) {
        (Lang::En, LimitKind::Boolean, _) => Some("on/off"),
        (Lang::De, LimitKind::Boolean, _) => Some("an/aus"),
        (_, _, ResetPeriod::Never) => None,
        (Lang::En, _, ResetPeriod::Hourly) => Some("hourly"),
        (Lang::De, _, ResetPeriod::Hourly) => Some("stündlich"),
        (Lang::En, _, ResetPeriod::Daily) => Some("daily"),
        (Lang::De, _, ResetPeriod::Daily) => Some("täglich"),
        (Lang::En, _, ResetPeriod::Weekly) => Some("weekly"),
        (Lang::De, _, ResetPeriod::Weekly) => Some("wöchentlich"),
        (Lang::En, _, ResetPeriod::Monthly) => Some("monthly"),
        (Lang::De, _, ResetPeriod::Monthly) => Some("monatlich"),
        (Lang::En, _, ResetPeriod::Yearly) => Some("yearly"),
        (Lang::De, _, ResetPeriod::Yearly) => Some("jährlich"),
    }
}

/// “1,204 members”.
pub fn members(lang: Lang, count: i64) -> String {
    match (lang, count) {
        (Lang::En, 1) => "1 member".to_owned(),
        (Lang::En, _) => format!("{} members", number(lang, count)),
        (Lang::De, 1) => "1 Mitglied".to_owned(),
        (Lang::De, _) => format!("{} Mitglieder", number(lang, count)),
    }
}

/// A price per month in cents, as a column head shows it.
pub fn monthly_price(lang: Lang, cents: i64) -> String {
    match lang {
        Lang::En => format!("€{}.{:02}", number(lang, cents / 100), cents % 100),
        Lang::De => format!("{},{:02} €", number(lang, cents / 100), cents % 100),
    }
}

/// “3 changes”.
pub fn changes(lang: Lang, count: usize) -> String {
    match (lang, count) {
        (Lang::En, 1) => "1 change".to_owned(),
        (Lang::En, _) => format!("{count} changes"),
        (Lang::De, 1) => "1 Änderung".to_owned(),
        (Lang::De, _) => format!("{count} Änderungen"),
    }
}

/// “3 changes are saved.”
pub fn changes_saved(lang: Lang, count: usize) -> String {
    match (lang, count) {
        (Lang::En, 1) => "1 change is saved.".to_owned(),
        (Lang::En, _) => format!("{count} changes are saved."),
        (Lang::De, 1) => "1 Änderung ist gespeichert.".to_owned(),
        (Lang::De, _) => format!("{count} Änderungen sind gespeichert."),
    }
}

/// Who gains and who loses by a set of changes.
pub fn consequence(lang: Lang, review: &Review) -> String {
    let gain = || members_who(lang, review.gains, Effect::Gain);
    let lose = || members_who(lang, review.loses, Effect::Lose);
    match (lang, review.gains, review.loses) {
        (Lang::En, 0, 0) => "Nobody gains or loses.".to_owned(),
        (Lang::En, _, 0) => format!("{}, nobody loses.", gain()),
        (Lang::En, 0, _) => format!("Nobody gains, {}.", lose()),
        (Lang::En, _, _) => format!("{}, {}.", gain(), lose()),
        (Lang::De, 0, 0) => "Niemand gewinnt oder verliert.".to_owned(),
        (Lang::De, _, 0) => format!("{}, niemand verliert.", gain()),
        (Lang::De, 0, _) => format!("Niemand gewinnt, {}.", lose()),
        (Lang::De, _, _) => format!("{}, {}.", gain(), lose()),
    }
}

/// “5 members gain”: what a change means for the members on the tier.
pub fn members_who(lang: Lang, count: i64, effect: Effect) -> String {
    match (lang, count) {
        (Lang::En, 0) => return "nobody is on this tier".to_owned(),
        (Lang::De, 0) => return "niemand hat diese Stufe".to_owned(),
        _ => {}
    }
    let verb = match (lang, effect, count) {
        (Lang::En, Effect::Gain, 1) => "gains",
        (Lang::En, Effect::Gain, _) => "gain",
        (Lang::En, Effect::Lose, 1) => "loses",
        (Lang::En, Effect::Lose, _) => "lose",
        (Lang::De, Effect::Gain, 1) => "gewinnt",
        (Lang::De, Effect::Gain, _) => "gewinnen",
        (Lang::De, Effect::Lose, 1) => "verliert",
        (Lang::De, Effect::Lose, _) => "verlieren",
        (Lang::En, Effect::Same, _) => return format!("{}, no effect", members(lang, count)),
        (Lang::De, Effect::Same, _) => return format!("{}, ohne Wirkung", members(lang, count)),
    };
    format!("{} {verb}", members(lang, count))
}
