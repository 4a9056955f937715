//! Words of the admins' pages about payments. They are called by their own module: other pages
//! have events and providers, too.

use crate::{
    domain::{
        lang::Lang,
        payment::{BillingInterval, Provider, samples::Happening},
        subscription::{ScheduledAction, SubscriptionStatus},
    },
    words::{number, phrases},
};

phrases! {
    title: "Payments" | "Zahlungen";
    intro:
        "What Stripe, Paddle and Polar told us, and what became of it. Nothing is thrown away: what could not be applied waits here with its reason." |
        "Was Stripe, Paddle und Polar uns sagten, und was daraus wurde. Nichts geht verloren: Was nicht angewandt werden konnte, wartet hier mit seinem Grund.";
    parts: "Parts" | "Teile";
    events: "Events" | "Ereignisse";
    subscriptions: "Subscriptions" | "Abonnements";
    test_event: "Test event" | "Testereignis";
    which_events: "Which events" | "Welche Ereignisse";
    which_subscriptions: "Which subscriptions" | "Welche Abonnements";
    all: "All" | "Alle";
    done: "Applied" | "Angewandt";
    ignored: "Of no interest" | "Ohne Belang";
    failed: "Being tried again" | "Wird noch versucht";
    dead: "Waiting for you" | "Wartet auf Sie";
    received: "Just received" | "Eben empfangen";
    when: "When" | "Wann";
    event: "Event" | "Ereignis";
    whom: "Member" | "Mitglied";
    state: "State" | "Stand";
    nobody_yet: "not known" | "nicht bekannt";
    is_test: "test" | "Test";
    waits_for: "waits for" | "wartet auf";
    no_events: "There are no such events." | "Es gibt keine solchen Ereignisse.";
    no_events_hint:
        "Point a provider's webhook at this program, or send a test event." |
        "Richten Sie den Webhook eines Anbieters auf dieses Programm, oder senden Sie ein Testereignis.";
    older: "Older" | "Ältere";
    newest: "The newest" | "Die neuesten";
    replay: "Replay" | "Erneut anwenden";
    replay_dead: "Replay all that wait for you" | "Alle erneut anwenden, die auf Sie warten";
    was_applied: "The event is applied." | "Das Ereignis ist angewandt.";
    still_cannot: "It still cannot be applied; the reason is below." | "Es lässt sich noch immer nicht anwenden; der Grund steht unten.";
    no_difference: "No differences." | "Keine Unterschiede.";
    rest_is_compared: "The rest is being compared in the background; the log will say what is different." | "Der Rest wird im Hintergrund verglichen; das Protokoll sagt, was anders ist.";
    repaired: "repaired" | "behoben";
    not_repaired: "needs you" | "braucht Sie";
    subscription: "Subscription" | "Abonnement";
    provider: "Provider" | "Anbieter";
    its_type: "The provider's word" | "Das Wort des Anbieters";
    our_word: "Our word" | "Unser Wort";
    event_id: "The provider's id" | "Die Kennung des Anbieters";
    happened: "Happened" | "Geschehen";
    arrived: "Received" | "Empfangen";
    attempts: "Tries" | "Versuche";
    error: "Why it cannot be applied" | "Warum es sich nicht anwenden lässt";
    payload: "What was signed" | "Was unterschrieben war";
    by_their_clock: "by the provider's clock" | "nach der Uhr des Anbieters";
    tier: "Tier" | "Stufe";
    paid_until: "Paid until" | "Bezahlt bis";
    scheduled: "Scheduled" | "Geplant";
    open_ones: "Running" | "Laufende";
    no_subscriptions: "There are no such subscriptions." | "Es gibt keine solchen Abonnements.";
    no_subscriptions_hint: "They appear when a provider tells of them." | "Sie erscheinen, wenn ein Anbieter von ihnen erzählt.";
    deleted_account: "deleted account" | "gelöschtes Konto";
    test_intro:
        "See the whole way work without an account at a provider: we write an event as the provider would, sign it with your secret, and send it to our own endpoint. It does what a real one does, so take a member made for it. The log says that you sent it." |
        "Sehen Sie den ganzen Weg ohne ein Konto bei einem Anbieter: Wir schreiben ein Ereignis wie der Anbieter, unterschreiben es mit Ihrem Geheimnis und senden es an unseren eigenen Endpunkt. Es bewirkt, was ein echtes bewirkt; nehmen Sie also ein Mitglied, das dafür da ist. Das Protokoll sagt, dass Sie es gesendet haben.";
    member: "Member" | "Mitglied";
    member_hint: "E-mail address, id or external id." | "E-Mail-Adresse, Kennung oder externe Kennung.";
    tier_hint: "Counts when the member subscribes; later events are about the tier they have then." | "Zählt, wenn das Mitglied abonniert; spätere Ereignisse handeln von der Stufe, die es dann hat.";
    what_happens: "What happens" | "Was geschieht";
    make_price: "Make a test price if there is none" | "Testpreis anlegen, wenn es keinen gibt";
    make_price_hint: "A tier is sold by a price of that provider. Without one the event could not say what was bought." | "Eine Stufe wird über einen Preis des Anbieters verkauft. Ohne ihn könnte das Ereignis nicht sagen, was gekauft wurde.";
    send: "Send test event" | "Testereignis senden";
    sent: "What came of it" | "Was daraus wurde";
    answered: "our endpoint answered" | "unser Endpunkt antwortete";
    open_event: "Open the event" | "Ereignis öffnen";
    not_taken: "It was not taken in." | "Es wurde nicht angenommen.";
    to_member: "Open the member" | "Mitglied öffnen";
    error_member: "There is no such member." | "Ein solches Mitglied gibt es nicht.";
    error_provider: "Choose a provider with a secret." | "Wählen Sie einen Anbieter mit einem Geheimnis.";
    error_tier: "Choose a tier of the list." | "Wählen Sie eine Stufe der Liste.";
    error_happening: "Choose what happens." | "Wählen Sie, was geschieht.";
    error_no_price: "The tier has no price at this provider. Tick the box, or set one." | "Die Stufe hat keinen Preis bei diesem Anbieter. Kreuzen Sie das Feld an, oder setzen Sie einen.";
    error_nothing_begun:
        "This member has no running test subscription at this provider. Let them subscribe first." |
        "Dieses Mitglied hat kein laufendes Testabonnement bei diesem Anbieter. Lassen Sie es zuerst abonnieren.";
}

/// The name of the state of an event, by its word.
pub fn event_state(lang: Lang, state: &str) -> &'static str {
    match state {
        "done" => done(lang),
        "ignored" => ignored(lang),
        "failed" => failed(lang),
        "dead" => dead(lang),
        _ => received(lang),
    }
}

/// What an event is about, by our word for it; one that we do not know stands for itself.
pub fn kind(lang: Lang, kind: &str) -> String {
    let (en, de) = match kind {
        "customer_known" => ("A customer is known", "Ein Kunde ist bekannt"),
        "subscription" => ("About a subscription", "Über ein Abonnement"),
        "subscription_started" => ("Subscription started", "Abonnement begonnen"),
        "subscription_changed" => ("Subscription changed", "Abonnement geändert"),
        "subscription_past_due" => ("Payment failed", "Zahlung fehlgeschlagen"),
        "subscription_paused" => ("Subscription paused", "Abonnement pausiert"),
        "subscription_resumed" => ("Subscription goes on", "Abonnement geht weiter"),
        "subscription_ended" => ("Subscription ended", "Abonnement beendet"),
        "invoice_paid" => ("Invoice paid", "Rechnung bezahlt"),
        "payment_known" => ("A payment belongs to an invoice", "Eine Zahlung gehört zu einer Rechnung"),
        "invoice_refunded" => ("Money paid back", "Geld zurückgezahlt"),
        "invoice_disputed" => ("Payment disputed", "Zahlung angefochten"),
        "dispute_lost" => ("Dispute lost", "Anfechtung verloren"),
        "dispute_won" => ("Dispute won", "Anfechtung gewonnen"),
        other => return other.replace('_', " "),
    };
    match lang {
        Lang::En => en.to_owned(),
        Lang::De => de.to_owned(),
    }
}

/// How a subscription stands.
pub fn status(lang: Lang, status: SubscriptionStatus) -> &'static str {
    match (lang, status) {
        (Lang::En, SubscriptionStatus::Incomplete) => "not paid yet",
        (Lang::De, SubscriptionStatus::Incomplete) => "noch nicht bezahlt",
        (Lang::En, SubscriptionStatus::Trialing) => "in trial",
        (Lang::De, SubscriptionStatus::Trialing) => "in der Testzeit",
        (Lang::En, SubscriptionStatus::Active) => "active",
        (Lang::De, SubscriptionStatus::Active) => "aktiv",
        (Lang::En, SubscriptionStatus::PastDue) => "payment failed",
        (Lang::De, SubscriptionStatus::PastDue) => "Zahlung fehlgeschlagen",
        (Lang::En, SubscriptionStatus::Paused) => "paused",
        (Lang::De, SubscriptionStatus::Paused) => "pausiert",
        (Lang::En, SubscriptionStatus::Ended) => "ended",
        (Lang::De, SubscriptionStatus::Ended) => "beendet",
    }
}

/// “ends on 1 December 2026”.
pub fn scheduled_on(lang: Lang, action: ScheduledAction, date: &str) -> String {
    match (lang, action) {
        (Lang::En, ScheduledAction::End) => format!("ends on {date}"),
        (Lang::De, ScheduledAction::End) => format!("endet am {date}"),
        (Lang::En, ScheduledAction::Pause) => format!("pauses on {date}"),
        (Lang::De, ScheduledAction::Pause) => format!("pausiert ab {date}"),
        (Lang::En, ScheduledAction::Change) => format!("changes on {date}"),
        (Lang::De, ScheduledAction::Change) => format!("ändert sich am {date}"),
    }
}

/// How often it is paid.
pub fn interval(lang: Lang, interval: BillingInterval) -> &'static str {
    match (lang, interval) {
        (Lang::En, BillingInterval::Month) => "monthly",
        (Lang::De, BillingInterval::Month) => "monatlich",
        (Lang::En, BillingInterval::Year) => "yearly",
        (Lang::De, BillingInterval::Year) => "jährlich",
    }
}

/// What a test event may tell.
pub fn happening(lang: Lang, happening: Happening) -> &'static str {
    match (lang, happening) {
        (Lang::En, Happening::Subscribes) => "subscribes and pays",
        (Lang::De, Happening::Subscribes) => "abonniert und bezahlt",
        (Lang::En, Happening::Renews) => "renews",
        (Lang::De, Happening::Renews) => "verlängert",
        (Lang::En, Happening::PaymentFails) => "payment fails",
        (Lang::De, Happening::PaymentFails) => "Zahlung schlägt fehl",
        (Lang::En, Happening::Refunded) => "is refunded in full",
        (Lang::De, Happening::Refunded) => "bekommt alles zurück",
        (Lang::En, Happening::Ends) => "ends",
        (Lang::De, Happening::Ends) => "endet",
    }
}

/// What a button says that asks a provider.
pub fn ask_now(lang: Lang, provider: Provider) -> String {
    match lang {
        Lang::En => format!("Ask {} now", provider.name()),
        Lang::De => format!("{} jetzt fragen", provider.name()),
    }
}

/// How many subscriptions of a provider were compared.
pub fn compared(lang: Lang, provider: Provider, count: i64) -> String {
    let name = provider.name();
    match (lang, count) {
        (Lang::En, 1) => format!("1 subscription at {name} was compared."),
        (Lang::En, _) => format!("{} subscriptions at {name} were compared.", number(lang, count)),
        (Lang::De, 1) => format!("1 Abonnement bei {name} wurde verglichen."),
        (Lang::De, _) => format!("{} Abonnements bei {name} wurden verglichen.", number(lang, count)),
    }
}

/// How many events wait for a person, after the name of the page.
pub fn waiting_for_you(lang: Lang, count: i64) -> String {
    match (lang, count) {
        (Lang::En, 1) => "1 event waits for you".to_owned(),
        (Lang::En, _) => format!("{} events wait for you", number(lang, count)),
        (Lang::De, 1) => "1 Ereignis wartet auf Sie".to_owned(),
        (Lang::De, _) => format!("{} Ereignisse warten auf Sie", number(lang, count)),
    }
}

/// What came of replaying many.
pub fn replayed(lang: Lang, applied: i64, failed: i64) -> String {
    let (applied, failed) = (number(lang, applied), number(lang, failed));
    match lang {
        Lang::En => format!("Applied now: {applied}. Still not: {failed}."),
        Lang::De => format!("Jetzt angewandt: {applied}. Noch immer nicht: {failed}."),
    }
}

/// What is to be set before a provider's test events can be sent, and its webhooks come in.
pub fn set_the_secret(lang: Lang, variables: &str) -> String {
    match lang {
        Lang::En => format!(
            "There is no secret to sign with: set {variables} (any text of your own will do for tests) and start the program again."
        ),
        Lang::De => format!(
            "Es gibt kein Geheimnis zum Unterschreiben: Setzen Sie {variables} (für Tests genügt ein beliebiger eigener Text) und starten Sie das Programm neu."
        ),
    }
}

/// That a price cannot be made.
pub fn error_price(lang: Lang, problem: &str) -> String {
    match lang {
        Lang::En => format!("The test price cannot be made: {problem}."),
        Lang::De => format!("Der Testpreis lässt sich nicht anlegen: {problem}."),
    }
}

/// That our own endpoint was not reached.
pub fn error_not_reached(lang: Lang, problem: &str) -> String {
    match lang {
        Lang::En => format!("Our own endpoint did not answer: {problem}. Check server.listen (VOUCHSAFE_LISTEN)."),
        Lang::De => {
            format!("Unser eigener Endpunkt antwortete nicht: {problem}. Prüfen Sie server.listen (VOUCHSAFE_LISTEN).")
        }
    }
}
