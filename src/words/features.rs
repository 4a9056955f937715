//! Words of the admins' pages about features and tiers.

use crate::{
    domain::{lang::Lang, limit::LimitKind, period::ResetPeriod},
    words::phrases,
};

phrases! {
    features: "Features" | "Funktionen";
    features_intro:
        "What tiers give: how it is counted, and what a tier without a limit of its own gets." |
        "Was Stufen geben: wie gezählt wird und was eine Stufe ohne eigenes Limit bekommt.";
    new_feature: "New feature" | "Neue Funktion";
    no_features_hint: "Make the first one; then set its limits in the matrix." | "Legen Sie die erste an; dann setzen Sie ihre Limits in der Tabelle.";
    kind: "Kind" | "Art";
    period: "Period" | "Zeitraum";
    default_limit: "Default" | "Standard";
    in_use: "in use" | "in Gebrauch";
    out_of_use: "inactive" | "inaktiv";
    feature_id_hint: "Apps ask by this name. a–z, 0–9 and _, from a letter; it cannot change later." | "Apps fragen unter diesem Namen. a–z, 0–9 und _, mit einem Buchstaben am Anfang; er bleibt für immer.";
    name_en: "Name in English" | "Name auf Englisch";
    name_de: "Name in German" | "Name auf Deutsch";
    description_en: "Description in English" | "Beschreibung auf Englisch";
    description_de: "Description in German" | "Beschreibung auf Deutsch";
    category_word: "Category" | "Kategorie";
    category_hint: "The group in which it stands, in the matrix and on the pricing page." | "Die Gruppe, in der sie steht, in der Tabelle und auf der Preisseite.";
    kind_hint:
        "Before a counted feature becomes a switch, its limits must be on, off or default." |
        "Bevor eine gezählte Funktion ein Schalter wird, müssen ihre Limits an, aus oder Standard sein.";
    period_hint:
        "Usage is counted per period. Another period begins a new count for everybody; what was counted stays in the ledger and comes back with the old period." |
        "Gezählt wird je Zeitraum. Ein anderer Zeitraum beginnt für alle eine neue Zählung; was gezählt wurde, bleibt im Kontobuch und kommt mit dem alten Zeitraum wieder.";
    default_hint: "50, 5k, off, on or ∞: for tiers whose cell is empty." | "50, 5k, aus, an oder ∞: für Stufen, deren Feld leer ist.";
    order: "Order" | "Reihenfolge";
    order_hint: "Lower comes first." | "Kleinere stehen vorn.";
    in_use_label: "In use" | "In Gebrauch";
    in_use_hint: "A feature out of use is off for all, at once." | "Eine Funktion außer Gebrauch ist sofort für alle aus.";
    save_feature: "Save feature" | "Funktion speichern";
    feature_saved: "The feature is saved." | "Die Funktion ist gespeichert.";
    feature_made: "The feature is made. Set its limits in the matrix." | "Die Funktion ist angelegt. Setzen Sie ihre Limits in der Tabelle.";
    to_the_matrix: "To the matrix" | "Zur Tabelle";

    tiers: "Tiers" | "Stufen";
    tiers_intro: "What members can have. The strongest tier that somebody has counts." | "Was Mitglieder haben können. Es gilt die stärkste Stufe, die jemand hat.";
    new_tier: "New tier" | "Neue Stufe";
    name: "Name" | "Name";
    price_monthly: "Price a month" | "Preis im Monat";
    price_yearly: "Price a year" | "Preis im Jahr";
    price_hint: "In euros, as 4.99; empty: no price." | "In Euro, wie 4,99; leer: kein Preis.";
    strength: "Strength" | "Stärke";
    strength_hint: "The higher wins where a member has several; it is also the order of the columns." | "Die höhere gewinnt, wo ein Mitglied mehrere hat; sie ordnet auch die Spalten.";
    on_offer: "on offer" | "im Angebot";
    on_offer_label: "On offer" | "Im Angebot";
    on_offer_hint: "Shown on the pricing page. Members who have it keep it either way." | "Steht auf der Preisseite. Wer sie hat, behält sie so oder so.";
    paid: "paid" | "bezahlt";
    paid_label: "Counts as paid" | "Gilt als bezahlt";
    paid_hint: "Opens gates for paying members." | "Öffnet Schranken für zahlende Mitglieder.";
    tier_id_hint: "a–z, 0–9 and _, from a letter; it cannot change later." | "a–z, 0–9 und _, mit einem Buchstaben am Anfang; er bleibt für immer.";
    save_tier: "Save tier" | "Stufe speichern";
    tier_saved: "The tier is saved." | "Die Stufe ist gespeichert.";
    tier_made: "The tier is made. Set its limits in the matrix." | "Die Stufe ist angelegt. Setzen Sie ihre Limits in der Tabelle.";

    error_id: "An id starts with a letter and has at most 40 of a–z, 0–9 and _." | "Eine ID beginnt mit einem Buchstaben und hat höchstens 40 Zeichen aus a–z, 0–9 und _.";
    error_id_taken: "There is one with this id already." | "Es gibt schon eine mit dieser ID.";
    error_name: "1 to 100 characters." | "1 bis 100 Zeichen.";
    error_description: "At most 500 characters in one line." | "Höchstens 500 Zeichen in einer Zeile.";
    error_choose: "Choose from the list." | "Wählen Sie aus der Liste.";
    error_order: "A whole number from 0 to 1,000,000,000." | "Eine ganze Zahl von 0 bis 1.000.000.000.";
    error_price: "A price is written as 4.99, or left out." | "Ein Preis wird wie 4,99 geschrieben oder weggelassen.";
    error_cells_in_the_way:
        "Some tiers have numbers as limits. Change them to on, off or default in the matrix first." |
        "Einige Stufen haben Zahlen als Limits. Ändern Sie diese zuerst in der Tabelle auf an, aus oder Standard.";
}

/// What a kind of limit counts.
pub fn kind_name(lang: Lang, kind: LimitKind) -> &'static str {
    match (lang, kind) {
        (Lang::En, LimitKind::Count) => "count",
        (Lang::De, LimitKind::Count) => "Anzahl",
        (Lang::En, LimitKind::Boolean) => "on/off",
        (Lang::De, LimitKind::Boolean) => "an/aus",
        (Lang::En, LimitKind::Quota) => "quota",
        (Lang::De, LimitKind::Quota) => "Menge",
    }
}

/// How often usage starts again.
pub fn period_name(lang: Lang, period: ResetPeriod) -> &'static str {
    match (lang, period) {
        (Lang::En, ResetPeriod::Never) => "never",
        (Lang::De, ResetPeriod::Never) => "nie",
        (Lang::En, ResetPeriod::Hourly) => "hourly",
        (Lang::De, ResetPeriod::Hourly) => "stündlich",
        (Lang::En, ResetPeriod::Daily) => "daily",
        (Lang::De, ResetPeriod::Daily) => "täglich",
        (Lang::En, ResetPeriod::Weekly) => "weekly",
        (Lang::De, ResetPeriod::Weekly) => "wöchentlich",
        (Lang::En, ResetPeriod::Monthly) => "monthly",
        (Lang::De, ResetPeriod::Monthly) => "monatlich",
        (Lang::En, ResetPeriod::Yearly) => "yearly",
        (Lang::De, ResetPeriod::Yearly) => "jährlich",
    }
}
