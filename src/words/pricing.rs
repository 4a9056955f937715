//! Words about what there is to have: /pricing, and the meters of /settings.

use crate::{
    domain::lang::Lang,
    words::{monthly_price, number, phrases},
};

phrases! {
    pricing_intro: "What each tier gives, and what it costs." | "Was jede Stufe gibt und was sie kostet.";
    no_tiers_on_offer: "There is nothing on offer right now." | "Zurzeit gibt es kein Angebot.";
    free_of_charge: "Costs nothing" | "Kostet nichts";
    on_request: "On request" | "Auf Anfrage";
    a_month: "a month" | "im Monat";
    your_tier: "Your tier" | "Ihre Stufe";
    suggested: "Has what you need" | "Hat, was Sie brauchen";
    included: "included" | "enthalten";
    not_included: "not included" | "nicht enthalten";
    unlimited: "unlimited" | "unbegrenzt";
    how_to_get_it: "How to get a tier" | "So bekommen Sie eine Stufe";
    how_to_get_it_intro: "There is no checkout here yet. Today a tier comes by one of these ways:" | "Hier gibt es noch keine Kasse. Heute kommt eine Stufe auf einem dieser Wege:";
    way_invite: "Invite a friend." | "Laden Sie einen Freund ein.";
    how_to_get_it_or: "Subscribe to one of the tiers above, or take one of these ways:" | "Abonnieren Sie eine der Stufen oben, oder nehmen Sie einen dieser Wege:";
    way_ask: "Ask us." | "Fragen Sie uns.";
    way_ask_text:
        "The people who run this product can put a tier or days of one on your account, for a coupon or for a good reason." |
        "Die Betreiber dieses Produkts können Ihrem Konto eine Stufe oder Tage davon geben, für einen Gutschein oder aus gutem Grund.";
    way_try: "Try it." | "Probieren Sie es aus.";
    your_settings: "To your settings" | "Zu Ihren Einstellungen";

    your_usage: "Your usage" | "Ihre Nutzung";
    also_included: "Also included" | "Auch enthalten";
    not_in_your_tier: "Not in your tier" | "Nicht in Ihrer Stufe";
    see_pricing: "See what other tiers give" | "Sehen, was andere Stufen geben";
    used_up: "used up" | "aufgebraucht";
}

/// “€4.99 a month”.
pub fn price_a_month(lang: Lang, cents: i64) -> String {
    format!("{} {}", monthly_price(lang, cents), a_month(lang))
}

/// “or €49.90 a year”.
pub fn price_a_year(lang: Lang, cents: i64, is_only: bool) -> String {
    let price = monthly_price(lang, cents);
    match (lang, is_only) {
        (Lang::En, false) => format!("or {price} a year"),
        (Lang::De, false) => format!("oder {price} im Jahr"),
        (Lang::En, true) => format!("{price} a year"),
        (Lang::De, true) => format!("{price} im Jahr"),
    }
}

/// That new members have a tier for a while.
pub fn trial_offer(lang: Lang, tier: &str, days: i64) -> String {
    match (lang, days) {
        (Lang::En, 1) => format!("Everybody who is new has {tier} for a day, without paying and without a card."),
        (Lang::En, _) => format!("Everybody who is new has {tier} for {days} days, without paying and without a card."),
        (Lang::De, 1) => format!("Wer neu ist, hat {tier} für einen Tag, ohne zu zahlen und ohne Karte."),
        (Lang::De, _) => format!("Wer neu ist, hat {tier} für {days} Tage, ohne zu zahlen und ohne Karte."),
    }
}

/// “You have Self-Hosted, which is not on offer.”
pub fn tier_not_on_offer(lang: Lang, tier: &str) -> String {
    match lang {
        Lang::En => format!("You have {tier}, which is not on offer here."),
        Lang::De => format!("Sie haben {tier}; diese Stufe ist hier nicht im Angebot."),
    }
}

/// “2 of 3”, or “2 used” where there is no limit.
pub fn used_of(lang: Lang, used: i64, limit: Option<i64>) -> String {
    let used = number(lang, used);
    match (lang, limit) {
        (Lang::En, Some(limit)) => format!("{used} of {}", number(lang, limit)),
        (Lang::De, Some(limit)) => format!("{used} von {}", number(lang, limit)),
        (Lang::En, None) => format!("{used} of ∞"),
        (Lang::De, None) => format!("{used} von ∞"),
    }
}

/// “1 held”: units of work in progress.
pub fn units_held(lang: Lang, held: i64) -> String {
    match lang {
        Lang::En => format!("{} held", number(lang, held)),
        Lang::De => format!("{} vorgemerkt", number(lang, held)),
    }
}

/// “starts again on 1 December 2026”.
pub fn resets_on(lang: Lang, when: &str) -> String {
    match lang {
        Lang::En => format!("resets on {when}"),
        Lang::De => format!("beginnt neu am {when}"),
    }
}
