//! Words of the admins' page about the log of activity.

use crate::words::phrases;

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
