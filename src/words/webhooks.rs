//! Words of the admins' pages about outgoing webhooks. They are called by their own module, as those
//! about coupons are.

use crate::{
    domain::{
        lang::Lang,
        webhook::{DeliveryState, DisabledBecause},
    },
    words::{number, phrases},
};

phrases! {
    title: "Webhooks" | "Webhooks";
    intro:
        "Where your apps hear what happened here. Every delivery is signed as Standard Webhooks says, and tried again for three days." |
        "Wo Ihre Apps hören, was hier geschah. Jede Zustellung ist nach Standard Webhooks signiert und wird drei Tage lang wiederholt.";
    address: "Address" | "Adresse";
    address_hint: "It starts with https://." | "Sie beginnt mit https://.";
    description: "Note" | "Notiz";
    description_hint: "For admins only, 200 characters at most." | "Nur für Admins, höchstens 200 Zeichen.";
    events: "Events" | "Ereignisse";
    events_hint: "All ticked: also those that are added one day." | "Alle angekreuzt: auch solche, die eines Tages dazukommen.";
    all_events: "all" | "alle";
    state: "State" | "Stand";
    none: "Nobody hears what happens here." | "Niemand hört, was hier geschieht.";
    none_hint: "Make an endpoint below, then send it a test event." | "Richten Sie unten einen Endpunkt ein und senden Sie ihm dann ein Testereignis.";
    new: "New endpoint" | "Neuer Endpunkt";
    make: "Make" | "Einrichten";
    made: "The endpoint is made" | "Der Endpunkt ist eingerichtet";
    rotated: "There is a new secret" | "Es gibt ein neues Geheimnis";
    shown_once:
        "This is the secret with which deliveries are signed. It is shown this once: give it to the receiver now." |
        "Mit diesem Geheimnis werden Zustellungen signiert. Es wird nur dieses eine Mal gezeigt: Geben Sie es jetzt dem Empfänger.";
    overlap: "For 24 hours the secret before it signs, too, so nothing is refused meanwhile." | "24 Stunden lang signiert auch das vorige, damit inzwischen nichts abgelehnt wird.";
    secret: "Secret" | "Geheimnis";
    copy_secret: "Copy secret" | "Geheimnis kopieren";
    to_endpoint: "To the endpoint" | "Zum Endpunkt";
    step_up: "Secrets are shown shortly after signing in only." | "Geheimnisse werden nur kurz nach dem Anmelden gezeigt.";
    active: "active" | "aktiv";
    failing: "failing" | "schlägt fehl";
    disabled: "disabled" | "abgeschaltet";
    since: "since" | "seit";
    made_by: "Made by" | "Eingerichtet von";
    made_at: "Made" | "Eingerichtet";
    previous_signs_until: "The secret before signs until" | "Das vorige Geheimnis signiert bis";
    settings: "Settings" | "Einstellungen";
    save: "Save" | "Speichern";
    send_test: "Send a test event" | "Testereignis senden";
    rotate: "New secret" | "Neues Geheimnis";
    rotate_ask: "The current one signs for 24 more hours." | "Das jetzige signiert noch 24 Stunden lang.";
    enable: "Enable" | "Einschalten";
    disable: "Disable" | "Abschalten";
    disable_ask: "What happens meanwhile is not told, and what is on its way is not sent." | "Was inzwischen geschieht, wird nicht gemeldet, und was unterwegs ist, nicht gesendet.";
    delete: "Delete" | "Löschen";
    delete_ask: "The endpoint and the log of its deliveries are gone for good." | "Der Endpunkt und das Protokoll seiner Zustellungen sind endgültig weg.";
    deliveries: "Deliveries" | "Zustellungen";
    which: "Which deliveries" | "Welche Zustellungen";
    all: "All" | "Alle";
    no_deliveries: "There are no such deliveries." | "Es gibt keine solchen Zustellungen.";
    no_deliveries_hint: "Send a test event to see one." | "Senden Sie ein Testereignis, um eine zu sehen.";
    event: "Event" | "Ereignis";
    when: "When" | "Wann";
    answer: "Answer" | "Antwort";
    older: "Older" | "Ältere";
    newest: "Newest" | "Neueste";
    resend: "Send again" | "Noch einmal senden";
    resend_failed: "Send failed ones again" | "Fehlgeschlagene noch einmal senden";
    from_day: "Those since" | "Die seit";
    from_day_hint: "Empty: of the last 30 days." | "Leer: die der letzten 30 Tage.";
    delivery: "Delivery" | "Zustellung";
    message_id: "Message" | "Nachricht";
    whom: "About" | "Über";
    happened: "Happened" | "Geschehen";
    attempts: "Tries" | "Versuche";
    next_try: "Next try" | "Nächster Versuch";
    last_try: "Last try" | "Letzter Versuch";
    not_tried: "not tried yet" | "noch nicht versucht";
    error: "Error" | "Fehler";
    request: "Request" | "Anfrage";
    response: "Response" | "Antwort";
    status: "Status" | "Status";
    no_response: "There was no answer." | "Es kam keine Antwort.";
    empty_response: "The answer was empty." | "Die Antwort war leer.";
    is_saved: "The endpoint is changed." | "Der Endpunkt ist geändert.";
    is_enabled: "The endpoint is enabled." | "Der Endpunkt ist eingeschaltet.";
    is_disabled: "The endpoint is disabled." | "Der Endpunkt ist abgeschaltet.";
    is_deleted: "The endpoint is deleted." | "Der Endpunkt ist gelöscht.";
    is_gone: "There is no such endpoint." | "Diesen Endpunkt gibt es nicht.";
    is_tested: "A test event is on its way. Open this page again to see what came of it." | "Ein Testereignis ist unterwegs. Öffnen Sie die Seite neu, um zu sehen, was daraus wurde.";
    is_resent: "It is sent again." | "Es wird noch einmal gesendet.";
    enable_first: "The endpoint is disabled; enable it first." | "Der Endpunkt ist abgeschaltet; schalten Sie ihn zuerst ein.";
    error_address: "Enter an address like https://example.com/hooks." | "Geben Sie eine Adresse wie https://example.com/hooks ein.";
    error_https: "The address must start with https://." | "Die Adresse muss mit https:// beginnen.";
    error_login: "Enter it without a name and a password." | "Geben Sie sie ohne Namen und Passwort ein.";
    error_not_public: "This address is not of the open internet." | "Diese Adresse gehört nicht zum offenen Internet.";
    error_long: "An address has at most 2,000 characters." | "Eine Adresse hat höchstens 2.000 Zeichen.";
    error_description: "One line of at most 200 characters." | "Eine Zeile mit höchstens 200 Zeichen.";
    error_events: "Tick at least one." | "Kreuzen Sie mindestens eines an.";
    error_many: "There are 100 endpoints already; delete one first." | "Es gibt schon 100 Endpunkte; löschen Sie zuerst einen.";
    error_day: "Enter a day, as 2027-12-31." | "Geben Sie einen Tag ein, etwa 2027-12-31.";
}

/// Returns what an event of a kind says.
pub fn kind(lang: Lang, kind: &str) -> &'static str {
    match (lang, kind) {
        (Lang::En, "user.created") => "An account was opened.",
        (Lang::De, "user.created") => "Ein Konto wurde eröffnet.",
        (Lang::En, "user.deleted") => "An account was deleted.",
        (Lang::De, "user.deleted") => "Ein Konto wurde gelöscht.",
        (Lang::En, "access.changed") => "What a member may use is not as it was.",
        (Lang::De, "access.changed") => "Was ein Mitglied nutzen darf, ist nicht mehr wie zuvor.",
        (Lang::En, "usage.limit_reached") => "80 % or all of a limit is used up.",
        (Lang::De, "usage.limit_reached") => "80 % oder alles eines Limits ist verbraucht.",
        (Lang::En, "coupon.redeemed") => "A coupon was redeemed.",
        (Lang::De, "coupon.redeemed") => "Ein Gutschein wurde eingelöst.",
        (Lang::En, "referral.converted") => "An invited friend has paid for the first time.",
        (Lang::De, "referral.converted") => "Ein eingeladener Freund hat zum ersten Mal bezahlt.",
        (Lang::En, "subscription.changed") => "A subscription began, changed or ended.",
        (Lang::De, "subscription.changed") => "Ein Abo begann, änderte sich oder endete.",
        (Lang::En, "webhook.test") => "An admin tried the endpoint out.",
        (Lang::De, "webhook.test") => "Ein Admin hat den Endpunkt ausprobiert.",
        (Lang::En, _) => "Something else happened.",
        (Lang::De, _) => "Etwas anderes geschah.",
    }
}

/// Returns how a delivery stands.
pub fn delivery_state(lang: Lang, state: DeliveryState) -> &'static str {
    match (lang, state) {
        (Lang::En, DeliveryState::Pending) => "pending",
        (Lang::De, DeliveryState::Pending) => "unterwegs",
        (Lang::En, DeliveryState::Delivered) => "delivered",
        (Lang::De, DeliveryState::Delivered) => "zugestellt",
        (Lang::En, DeliveryState::Failed) => "failed",
        (Lang::De, DeliveryState::Failed) => "fehlgeschlagen",
    }
}

/// Returns why an endpoint is disabled.
pub fn because(lang: Lang, because: DisabledBecause) -> &'static str {
    match (lang, because) {
        (Lang::En, DisabledBecause::Admin) => "by an admin",
        (Lang::De, DisabledBecause::Admin) => "von einem Admin",
        (Lang::En, DisabledBecause::Gone) => "it answered 410, gone for good",
        (Lang::De, DisabledBecause::Gone) => "er antwortete 410, für immer weg",
        (Lang::En, DisabledBecause::Failing) => "five days of nothing but failures",
        (Lang::De, DisabledBecause::Failing) => "fünf Tage lang nur Fehlschläge",
    }
}

/// “12 deliveries are sent again.”
pub fn resent(lang: Lang, count: i64) -> String {
    match (lang, count) {
        (Lang::En, 0) => "There was nothing to send again.".to_owned(),
        (Lang::De, 0) => "Es gab nichts noch einmal zu senden.".to_owned(),
        (Lang::En, 1) => "One delivery is sent again.".to_owned(),
        (Lang::De, 1) => "Eine Zustellung wird noch einmal gesendet.".to_owned(),
        (Lang::En, _) => format!("{} deliveries are sent again.", number(lang, count)),
        (Lang::De, _) => format!("{} Zustellungen werden noch einmal gesendet.", number(lang, count)),
    }
}

/// “500 after 120 ms”
pub fn answered(lang: Lang, status: u16, milliseconds: i64) -> String {
    let milliseconds = number(lang, milliseconds);
    match lang {
        Lang::En => format!("{status} after {milliseconds} ms"),
        Lang::De => format!("{status} nach {milliseconds} ms"),
    }
}

/// Why a delivery reached nobody, from what the client of outgoing calls said; nothing for what nobody worded.
pub fn problem(lang: Lang, raw: &str) -> Option<String> {
    if let Some(rest) = raw.strip_prefix("there was no answer within ") {
        return Some(match lang {
            Lang::En => format!("no answer within {rest}"),
            Lang::De => format!("keine Antwort innerhalb von {rest}"),
        });
    }
    let has = |part: &str| raw.contains(part);
    let (en, de) = if has("does not lead to the open internet") {
        ("not sent: the name leads into a private network", "nicht gesendet: Der Name führt in ein privates Netz")
    } else if has("the address cannot be called") {
        ("not sent: the address cannot be called", "nicht gesendet: Die Adresse lässt sich nicht aufrufen")
    } else if !raw.starts_with("it was not reached") {
        return None;
    } else if has("dns error") || has("lookup address") {
        ("not reached: there is no such name", "nicht erreicht: Den Namen gibt es nicht")
    } else if has("refused") {
        ("not reached: nobody listens there", "nicht erreicht: Dort nimmt niemand an")
    } else if has("certificate") {
        ("not reached: its certificate cannot be trusted", "nicht erreicht: Dem Zertifikat ist nicht zu trauen")
    } else {
        ("not reached", "nicht erreicht")
    };
    Some(match lang {
        Lang::En => en.to_owned(),
        Lang::De => de.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_nobody_was_reached_is_told_in_the_readers_language() {
        let dns =
            "it was not reached: error sending request: client error (Connect): dns error: failed to lookup address";
        assert_eq!(problem(Lang::De, dns).as_deref(), Some("nicht erreicht: Den Namen gibt es nicht"));
        let refused = "it was not reached: Connection refused (os error 111)";
        assert_eq!(problem(Lang::En, refused).as_deref(), Some("not reached: nobody listens there"));
        assert_eq!(
            problem(Lang::De, "there was no answer within 15 s").as_deref(),
            Some("keine Antwort innerhalb von 15 s")
        );
        assert_eq!(problem(Lang::De, "it answered with 500"), None);
    }
}
