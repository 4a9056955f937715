//! Words of the admins' page about coupons. They are called by their own module, as those about
//! referrals are.

use crate::{
    domain::{
        coupon::{Closed, CouponKind},
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
    window: "Good" | "Gültig";
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
    own_code_hint: "4 to 40 letters and digits. Empty: it is drawn." | "4 bis 40 Buchstaben und Ziffern. Leer: Er wird gezogen.";
    count: "How many" | "Wie viele";
    count_hint: "Up to 10,000. More than one come as a CSV file." | "Bis 10.000. Mehrere kommen als CSV-Datei.";
    most: "Redemptions at most" | "Höchstens eingelöst";
    most_hint: "Empty: as many as want, each once." | "Leer: beliebig viele, jeder einmal.";
    last_day: "Last day" | "Letzter Tag";
    last_day_hint: "Empty: without end." | "Leer: ohne Ende.";
    partner: "Partner" | "Partner";
    partner_hint: "For a partner's pass only." | "Nur für den Pass eines Partners.";
    description: "Note" | "Notiz";
    description_hint: "For admins only, 200 characters at most." | "Nur für Admins, höchstens 200 Zeichen.";
    make: "Make" | "Erstellen";
    open: "open" | "offen";
    without_end: "without end" | "ohne Ende";
    error_days: "Enter a whole number from 1 to 3,650." | "Geben Sie eine ganze Zahl von 1 bis 3.650 ein.";
    error_count: "Enter 1 to 10,000, and 1 with a code of your own." | "Geben Sie 1 bis 10.000 ein, und 1 bei eigenem Code.";
    error_code: "Enter 4 to 40 letters and digits." | "Geben Sie 4 bis 40 Buchstaben und Ziffern ein.";
    error_taken: "There is a coupon with this code." | "Es gibt einen Gutschein mit diesem Code.";
    error_most: "Enter a whole number above 0; a coupon for one person is redeemed once." | "Geben Sie eine ganze Zahl über 0 ein; ein Gutschein für eine Person wird einmal eingelöst.";
    error_day: "Enter a day, as 2027-12-31." | "Geben Sie einen Tag ein, etwa 2027-12-31.";
    error_partner: "A partner is named for a partner's pass only." | "Ein Partner steht nur bei einem Partnerpass.";
    error_description: "One line of at most 200 characters." | "Eine Zeile mit höchstens 200 Zeichen.";
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
