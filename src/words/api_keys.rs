//! Words of the admins' page about API keys.

use crate::{
    domain::{api_key::Scope, lang::Lang},
    words::phrases,
};

phrases! {
    api_keys: "API keys" | "API-Schlüssel";
    api_keys_intro:
        "An app sends its key as a bearer token. Give each app its own, with no more than it needs." |
        "Eine App sendet ihren Schlüssel als Bearer-Token. Geben Sie jeder App einen eigenen, mit nicht mehr, als sie braucht.";
    no_keys: "There are no keys yet." | "Es gibt noch keine Schlüssel.";
    new_key: "New key" | "Neuer Schlüssel";
    key_name_hint: "What you call it: the app, and where it runs." | "Wie Sie ihn nennen: die App, und wo sie läuft.";
    scopes: "Scopes" | "Rechte";
    scopes_hint: "Each includes those above it." | "Jedes schließt die darüber ein.";
    create_key: "Create key" | "Schlüssel erstellen";
    created: "Created" | "Erstellt";
    last_used: "Last used" | "Zuletzt benutzt";
    never_used: "never" | "nie";
    expires: "Ends" | "Endet";
    without_end: "without end" | "ohne Ende";
    key_good: "good" | "gültig";
    key_revoked: "revoked" | "widerrufen";
    key_expired: "expired" | "abgelaufen";
    revoke_key: "Revoke" | "Widerrufen";
    revoke_key_ask: "Every app that uses this key is refused from now on. It cannot be undone." | "Jede App mit diesem Schlüssel wird ab sofort abgewiesen. Das lässt sich nicht rückgängig machen.";
    key_is_revoked: "The key is revoked." | "Der Schlüssel ist widerrufen.";
    key_was_gone: "That key had ended already." | "Dieser Schlüssel war schon beendet.";
    key_made: "The key is made" | "Der Schlüssel ist erstellt";
    key_shown_once:
        "Copy it now: it is shown this once and kept nowhere. If it is lost, revoke it and make another." |
        "Kopieren Sie ihn jetzt: Er wird nur dieses eine Mal gezeigt und nirgends aufbewahrt. Geht er verloren, widerrufen Sie ihn und erstellen einen neuen.";
    token: "Token" | "Token";
    copy_token: "Copy token" | "Token kopieren";
    to_the_keys: "Back to the keys" | "Zurück zu den Schlüsseln";
    step_up_for_keys:
        "A key opens a lot, so creating one asks for a sign-in that is less than 15 minutes old." |
        "Ein Schlüssel öffnet viel, darum braucht es dafür eine Anmeldung, die keine 15 Minuten alt ist.";
    sign_in_again: "Sign in again" | "Neu anmelden";
    step_up_intro:
        "To be safe, please sign in once more. We send a code to your address." |
        "Zur Sicherheit melden Sie sich bitte noch einmal an. Wir senden einen Code an Ihre Adresse.";
    older: "Older keys" | "Ältere Schlüssel";
    error_key_name: "A name has 1 to 100 characters." | "Ein Name hat 1 bis 100 Zeichen.";
    error_no_scopes: "Choose at least one." | "Wählen Sie mindestens eines.";
}

/// What a scope allows.
pub fn scope(lang: Lang, scope: Scope) -> &'static str {
    match (lang, scope) {
        (Lang::En, Scope::Check) => "Ask whether a member may do something.",
        (Lang::De, Scope::Check) => "Fragen, ob ein Mitglied etwas darf.",
        (Lang::En, Scope::Consume) => "Count usage, hold it and give it back.",
        (Lang::De, Scope::Consume) => "Nutzung zählen, vormerken und zurückgeben.",
        (Lang::En, Scope::Manage) => "Read and change members, their credit and their restrictions.",
        (Lang::De, Scope::Manage) => "Mitglieder, ihr Guthaben und ihre Einschränkungen lesen und ändern.",
        (Lang::En, Scope::Admin) => "Everything: tiers, features, limits and keys, too.",
        (Lang::De, Scope::Admin) => "Alles: auch Stufen, Funktionen, Limits und Schlüssel.",
    }
}
