//! Words of the admins' page about coupons. They are called by their own module, as those about
//! referrals are.

use crate::{
    domain::{
        coupon::{Closed, CouponKind, CouponState},
        lang::Lang,
    },
    words::{number, phrases},
};

phrases! {
    title: "Coupons" | "Gutscheine";
    intro:
        "A code that gives days at a tier. What a coupon brings never changes; archive one that nobody is to redeem any more." |
        "Ein Code, der Tage in einer Stufe gibt. Was ein Gutschein bringt, ändert sich nie; legen Sie ab, was niemand mehr einlösen soll.";
    which: "Which coupons" | "Welche Gutscheine";
    current: "Current" | "Aktuelle";
    archived: "Archived" | "Abgelegte";
    code: "Code" | "Code";
    gives: "Gives" | "Gibt";
    redeemed: "Redeemed" | "Eingelöst";
    window: "Valid" | "Gültig";
    state: "State" | "Stand";
    none: "There are no such coupons." | "Es gibt keine solchen Gutscheine.";
    none_hint: "Make one below." | "Erstellen Sie unten einen.";
    older: "Older" | "Ältere";
    archive: "Archive" | "Ablegen";
    archive_ask: "Nobody can redeem it any more. What it gave stays." | "Niemand kann ihn mehr einlösen. Was er gab, bleibt.";
    is_archived: "The coupon is archived." | "Der Gutschein ist abgelegt.";
    is_gone: "There is no such coupon." | "Diesen Gutschein gibt es nicht.";
    is_made: "The coupon is made." | "Der Gutschein ist erstellt.";
    new: "New coupons" | "Neue Gutscheine";
    kind: "Kind" | "Art";
    tier: "Tier" | "Stufe";
    days: "Days" | "Tage";
    days_hint: "1 to 3,650." | "1 bis 3.650.";
    own_code: "Code of your own" | "Eigener Code";
    own_code_hint: "4 to 40 letters and digits. Empty: we make one up." | "4 bis 40 Buchstaben und Ziffern. Leer: Wir erzeugen einen.";
    count: "How many" | "Wie viele";
    count_hint: "Up to 10,000, each with a code of its own." | "Bis 10.000, jeder mit eigenem Code.";
    most: "Redemptions at most" | "Höchstens eingelöst";
    most_hint: "Empty: as many as want, each once." | "Leer: beliebig viele, jeder einmal.";
    last_day: "Last day" | "Letzter Tag";
    last_day_hint: "Empty: without end." | "Leer: ohne Ende.";
    partner: "Partner" | "Partner";
    partner_hint: "They can be redeemed while the partner's contract runs." | "Sie lassen sich einlösen, solange der Vertrag des Partners läuft.";
    no_partner: "none" | "keiner";
    first_day: "First day" | "Erster Tag";
    first_day_hint: "Empty: at once." | "Leer: sofort.";
    filter: "Filter" | "Filtern";
    show_all: "Show all" | "Alle anzeigen";
    any_state: "in any state" | "in jedem Stand";
    any_kind: "of any kind" | "jeder Art";
    find: "Code, note or partner" | "Code, Notiz oder Partner";
    none_found: "No coupon is like that." | "Kein Gutschein ist so.";
    none_found_hint: "Change the filter, or show all." | "Ändern Sie den Filter, oder zeigen Sie alle an.";
    what_it_gives: "What it gives" | "Was er gibt";
    how_many_codes: "How many, and which code" | "Wie viele und welcher Code";
    when_and_for_whom: "When and for whom" | "Wann und für wen";
    batches: "Batches" | "Serien";
    batches_intro:
        "Coupons that were made together: their file and their sheet for printing can be had again at any time." |
        "Gutscheine, die zusammen erstellt wurden: Ihre Datei und ihr Druckbogen sind jederzeit wieder zu haben.";
    no_batches: "Nothing was made in one go yet." | "Noch wurde nichts auf einmal erstellt.";
    no_batches_hint: "Make more than one coupon at once, and they are listed here." | "Erstellen Sie mehrere Gutscheine auf einmal, dann stehen sie hier.";
    without_note: "without a note" | "ohne Notiz";
    coupons_made: "The coupons are made." | "Die Gutscheine sind erstellt.";
    how_many: "Coupons" | "Gutscheine";
    created: "Made" | "Erstellt";
    files: "Files" | "Dateien";
    copy_link: "Copy link" | "Link kopieren";
    copied: "Copied" | "Kopiert";
    file: "CSV file" | "CSV-Datei";
    sheet: "Sheet for printing" | "Druckbogen";
    sheet_hint: "Print it from your browser: what is not for paper is left out. Cut along the lines." |
        "Drucken Sie ihn mit Ihrem Browser: Was nicht aufs Papier gehört, fällt weg. Schneiden Sie an den Linien.";
    next_sheet: "Next sheet" | "Nächster Bogen";
    first_sheet: "First sheet" | "Erster Bogen";
    redeem_at: "Redeem at" | "Einlösen unter";
    terms: "Terms" | "Was er bringt";
    link: "Link to redeem it" | "Link zum Einlösen";
    qr_code: "QR code" | "QR-Code";
    qr_file: "As an SVG file" | "Als SVG-Datei";
    made_together: "Made together with" | "Zusammen erstellt mit";
    others_of: "all of this batch" | "allen dieser Menge";
    change: "Note and switch" | "Notiz und Schalter";
    can_be_redeemed: "Can be redeemed" | "Kann eingelöst werden";
    can_be_redeemed_hint: "Without it, the coupon is off until you switch it on again." | "Ohne Haken ist der Gutschein aus, bis Sie ihn wieder einschalten.";
    save: "Save" | "Speichern";
    is_saved: "The coupon is saved." | "Der Gutschein ist gespeichert.";
    is_back: "The coupon is back." | "Der Gutschein ist wieder da.";
    bring_back: "Bring back" | "Zurückholen";
    redemptions: "Redemptions" | "Einlösungen";
    no_redemptions: "Nobody has redeemed it yet." | "Noch niemand hat ihn eingelöst.";
    member: "Member" | "Mitglied";
    deleted_member: "deleted account" | "gelöschtes Konto";
    when: "When" | "Wann";
    grant_open: "runs or waits" | "läuft oder wartet";
    grant_ended: "used up" | "aufgebraucht";
    grant_revoked: "taken back" | "zurückgenommen";
    description: "Note" | "Notiz";
    description_hint: "For admins only, 200 characters at most." | "Nur für Admins, höchstens 200 Zeichen.";
    make: "Make" | "Erstellen";
    open: "open" | "offen";
    archived_one: "archived" | "abgelegt";
    without_end: "without end" | "ohne Ende";
    error_days: "Enter a whole number from 1 to 3,650." | "Geben Sie eine ganze Zahl von 1 bis 3.650 ein.";
    error_count: "Enter 1 to 10,000, and 1 with a code of your own." | "Geben Sie 1 bis 10.000 ein, und 1 bei eigenem Code.";
    error_code: "Enter 4 to 40 letters and digits." | "Geben Sie 4 bis 40 Buchstaben und Ziffern ein.";
    error_taken: "There is a coupon with this code." | "Es gibt einen Gutschein mit diesem Code.";
    error_most: "Enter a whole number above 0; a coupon for one person is redeemed once." | "Geben Sie eine ganze Zahl über 0 ein; ein Gutschein für eine Person wird einmal eingelöst.";
    error_day: "Enter a day, as 2027-12-31." | "Geben Sie einen Tag ein, etwa 2027-12-31.";
    error_partner: "There is no such partner." | "Diesen Partner gibt es nicht.";
    error_window: "The last day comes after the first." | "Der letzte Tag kommt nach dem ersten.";
    error_description: "One line of at most 200 characters." | "Eine Zeile mit höchstens 200 Zeichen.";
    error_kind: "There is no such kind of coupon." | "Diese Art von Gutschein gibt es nicht.";
    error_tier: "There is no such tier." | "Diese Stufe gibt es nicht.";
}

/// What kind of coupon it is.
pub fn kind_name(lang: Lang, kind: CouponKind) -> &'static str {
    match (lang, kind) {
        (Lang::En, CouponKind::SingleUse) => "for one person",
        (Lang::De, CouponKind::SingleUse) => "für eine Person",
        (Lang::En, CouponKind::Period) => "for many",
        (Lang::De, CouponKind::Period) => "für viele",
        (Lang::En, CouponKind::Partner) => "partner's pass",
        (Lang::De, CouponKind::Partner) => "Partnerpass",
    }
}

/// “30 days of Premium”.
pub fn days_of(lang: Lang, days: i64, tier: &str) -> String {
    match (lang, days) {
        (Lang::En, 1) => format!("1 day of {tier}"),
        (Lang::En, _) => format!("{} days of {tier}", number(lang, days)),
        (Lang::De, 1) => format!("1 Tag {tier}"),
        (Lang::De, _) => format!("{} Tage {tier}", number(lang, days)),
    }
}

/// “3 of 20”, or “3”.
pub fn redeemed_of(lang: Lang, redeemed: i64, most: Option<i64>) -> String {
    match (lang, most) {
        (_, None) => number(lang, redeemed),
        (Lang::En, Some(most)) => format!("{} of {}", number(lang, redeemed), number(lang, most)),
        (Lang::De, Some(most)) => format!("{} von {}", number(lang, redeemed), number(lang, most)),
    }
}

/// Why nobody can redeem it.
pub fn closed(lang: Lang, why: Closed) -> &'static str {
    match (lang, why) {
        (Lang::En, Closed::Inactive) => "off",
        (Lang::De, Closed::Inactive) => "aus",
        (Lang::En, Closed::NotYet(_)) => "not yet",
        (Lang::De, Closed::NotYet(_)) => "noch nicht",
        (Lang::En, Closed::Expired(_)) => "expired",
        (Lang::De, Closed::Expired(_)) => "abgelaufen",
        (Lang::En, Closed::UsedUp) => "used up",
        (Lang::De, Closed::UsedUp) => "aufgebraucht",
    }
}

/// How a coupon stands, as a filter says it.
pub fn state_name(lang: Lang, state: CouponState) -> &'static str {
    match (lang, state) {
        (_, CouponState::Open) => open(lang),
        (Lang::En, CouponState::NotYet) => "not yet",
        (Lang::De, CouponState::NotYet) => "noch nicht",
        (Lang::En, CouponState::Expired) => "expired",
        (Lang::De, CouponState::Expired) => "abgelaufen",
        (Lang::En, CouponState::UsedUp) => "used up",
        (Lang::De, CouponState::UsedUp) => "aufgebraucht",
        (Lang::En, CouponState::Inactive) => "off",
        (Lang::De, CouponState::Inactive) => "aus",
    }
}

/// “QR code of SUMMER2027”.
pub fn qr_of(lang: Lang, code: &str) -> String {
    match lang {
        Lang::En => format!("QR code of {code}"),
        Lang::De => format!("QR-Code von {code}"),
    }
}

/// “from 1 December 2026”.
pub fn from_day(lang: Lang, day: &str) -> String {
    match lang {
        Lang::En => format!("from {day}"),
        Lang::De => format!("ab {day}"),
    }
}

/// “250 coupons, made on 1 December 2026 by ann@example.com”.
pub fn batch_of(lang: Lang, count: i64, day: &str, who: &str) -> String {
    let count = number(lang, count);
    match lang {
        Lang::En => format!("{count} coupons, made on {day} by {who}"),
        Lang::De => format!("{count} Gutscheine, erstellt am {day} von {who}"),
    }
}
