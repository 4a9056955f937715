//! Words of the admins' page about the log of activity.

use crate::{domain::lang::Lang, words::phrases};

phrases! {
    intro: "Who did what, when and from where. Lines are never changed." | "Wer wann was von wo getan hat. Zeilen ändern sich nie.";
    member: "Member" | "Mitglied";
    member_hint: "Address, id or external id: whom it concerns." | "Adresse, ID oder externe ID: wen es betrifft.";
    actor: "By" | "Von";
    actor_hint: "An address, operator, system." | "Eine Adresse, operator, system.";
    action: "Action" | "Vorgang";
    any: "All" | "Alle";
    from: "From" | "Von Tag";
    to: "Through" | "Bis Tag";
    address: "IP address" | "IP-Adresse";
    address_hint: "Of older lines the network is left, as 203.0.113.0/24." | "Von älteren Zeilen bleibt das Netz, etwa 203.0.113.0/24.";
    filter: "Filter" | "Filtern";
    show_all: "Show all" | "Alle zeigen";
    when: "When" | "Wann";
    what: "What" | "Was";
    whom: "Member" | "Mitglied";
    details: "Details" | "Einzelheiten";
    from_where: "From where" | "Von wo";
    none: "No line fits." | "Keine Zeile passt.";
    none_hint: "Ask for less, or for more days." | "Fragen Sie nach weniger, oder nach mehr Tagen.";
    empty: "Nothing has happened yet." | "Noch ist nichts geschehen.";
    empty_hint: "Sign-ins, changes and rewards will stand here." | "Anmeldungen, Änderungen und Belohnungen werden hier stehen.";
    older: "Older" | "Ältere";
    newest: "Newest" | "Neueste";
    export: "Export what is shown and all that is older" | "Exportieren, was hier steht, und alles Ältere";
    as_csv: "Table (CSV)" | "Tabelle (CSV)";
    as_lines: "JSON lines" | "JSON-Zeilen";
    error_day: "Enter a day, as 2027-12-31." | "Geben Sie einen Tag ein, etwa 2027-12-31.";
    error_days: "The last day comes before the first." | "Der letzte Tag liegt vor dem ersten.";
    error_member: "There is no such member." | "Dieses Mitglied gibt es nicht.";
    gone: "deleted" | "gelöscht";
}

/// What a particular of a line is called; one that nobody worded stands for itself.
pub fn detail(lang: Lang, name: &str) -> String {
    let (en, de) = match name {
        "tier" => ("tier", "Stufe"),
        "days" => ("days", "Tage"),
        "at" => ("at", "am"),
        "until" => ("until", "bis"),
        "note" => ("note", "Notiz"),
        "new" => ("new member", "neues Mitglied"),
        "name" => ("name", "Name"),
        "code" => ("code", "Code"),
        "count" => ("how many", "Anzahl"),
        "type" | "kind" => ("kind", "Art"),
        "description" => ("note", "Notiz"),
        "batch" => ("batch", "Serie"),
        "partner" => ("partner", "Partner"),
        "grant" => ("grant", "Freischaltung"),
        "reason" => ("reason", "Grund"),
        "because" => ("because of", "wegen"),
        "before" => ("before", "vorher"),
        "after" => ("after", "nachher"),
        "provider" => ("provider", "Anbieter"),
        "invoice" => ("invoice", "Rechnung"),
        "amount" => ("amount", "Betrag"),
        "interval" => ("interval", "Zeitraum"),
        "price_id" => ("price", "Preis"),
        "referral" => ("referral", "Empfehlung"),
        "as_referrer" => ("as the one who invited", "als Einladender"),
        "invitation" => ("invitation", "Einladung"),
        "invited_by" => ("invited by", "eingeladen von"),
        "referred_by" => ("referred by", "geworben von"),
        "gift" => ("gift", "Geschenk"),
        "due_at" => ("due", "fällig"),
        "held_until" => ("held until", "zurückgehalten bis"),
        "lost_seconds" => ("lost seconds", "verlorene Sekunden"),
        "lang" => ("language", "Sprache"),
        "letter" => ("letter", "Art der E-Mail"),
        "mail" => ("e-mail", "E-Mail"),
        "key" => ("key", "Schlüssel"),
        "scopes" => ("may", "darf"),
        "feature" => ("feature", "Funktion"),
        "limit" => ("limit", "Limit"),
        "role" => ("role", "Rolle"),
        "external_id" => ("external id", "externe ID"),
        "email" => ("e-mail address", "E-Mail-Adresse"),
        "user" => ("member", "Mitglied"),
        "event" => ("event", "Ereignis"),
        "endpoint" => ("endpoint", "Endpunkt"),
        "host" => ("host", "Host"),
        "job" => ("job", "Aufgabe"),
        "rule" => ("bonus", "Bonus"),
        "badge" => ("badge", "Auszeichnung"),
        "session" => ("browser", "Browser"),
        "sessions" => ("browsers", "Browser"),
        "setting" => ("setting", "Einstellung"),
        "subscription" => ("subscription", "Abonnement"),
        "version" => ("version", "Fassung"),
        "active" => ("active", "aktiv"),
        "archived" => ("put away", "abgelegt"),
        "contract_from" => ("contract from", "Vertrag ab"),
        "contract_until" => ("contract until", "Vertrag bis"),
        "category" => ("kind", "Art"),
        "wanted" => ("wanted", "gewünscht"),
        "since" => ("since", "seit"),
        "difference" => ("difference", "Unterschied"),
        "flags" => ("what stands out", "Auffälliges"),
        "digest" => ("in the daily mail", "in der täglichen E-Mail"),
        "in_app" => ("in the list", "in der Liste"),
        "webhook" => ("in the chat", "im Chat"),
        "ways" => ("ways", "Wege"),
        other => return other.replace('_', " "),
    };
    match lang {
        Lang::En => en.to_owned(),
        Lang::De => de.to_owned(),
    }
}

/// Yes or no.
pub fn yes_or_no(lang: Lang, is_so: bool) -> &'static str {
    match (lang, is_so) {
        (Lang::En, true) => "yes",
        (Lang::De, true) => "ja",
        (Lang::En, false) => "no",
        (Lang::De, false) => "nein",
    }
}
