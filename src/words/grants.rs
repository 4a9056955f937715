//! Words about grants and coupons. They are called by their own module, as those about referrals
//! are.

use chrono::{DateTime, Utc};

use crate::{
    domain::{access::Source, grant::GrantState, lang::Lang},
    words::{long_date, phrases},
};

phrases! {
    redeem: "Redeem" | "Einlösen";
    redeem_title: "Redeem a coupon" | "Gutschein einlösen";
    redeem_intro:
        "It gives you days at a tier. Coupons and gifts take turns. A trial, credit or subscription runs on meanwhile." |
        "Er gibt Ihnen Tage in einer Stufe. Gutscheine und Geschenke wechseln sich ab. Testzeit, Guthaben oder Abonnement laufen währenddessen weiter.";
    grants: "Days at a tier" | "Tage in einer Stufe";
    grants_intro:
        "At most one runs: a partner's pass first, then the strongest tier, then the oldest. The others wait and lose nothing." |
        "Höchstens eine Freischaltung läuft: zuerst ein Partnerpass, dann die stärkste Stufe, dann die älteste. Die anderen warten und verlieren nichts.";
    no_grants: "Nothing runs or waits." | "Nichts läuft oder wartet.";
    grant_tier: "Tier" | "Stufe";
    grant_days: "Days, 1 to 3,650" | "Tage, 1 bis 3.650";
    grant_reason: "Reason" | "Grund";
    give: "Give" | "Geben";
    take_back: "Take back" | "Zurücknehmen";
    take_back_ask: "What has run stays, what is left is lost." | "Was gelaufen ist, bleibt; was übrig ist, geht verloren.";
    is_given: "The days are given." | "Die Tage sind gegeben.";
    is_taken_back: "The days are taken back." | "Die Tage sind zurückgenommen.";
    today: "today" | "heute";
    legend: "Legend" | "Legende";
    counts_now: "counts now" | "zählt jetzt";
    runs_beside: "runs beside it and is being used up" | "läuft daneben und wird verbraucht";
    goes_beside: "goes on beside it" | "läuft daneben weiter";
    waits_its_turn: "waits for its turn, and loses nothing" | "wartet, bis es an der Reihe ist, und verliert nichts";
    coupon_code: "Coupon code" | "Gutscheincode";
    coupon_hint: "Capitals, spaces and dashes do not matter." | "Großschreibung, Leerzeichen und Striche sind egal.";
    is_redeemed: "The coupon is redeemed." | "Der Gutschein ist eingelöst.";
    unknown: "There is no such coupon. Check the code." | "Diesen Gutschein gibt es nicht. Prüfen Sie den Code.";
    inactive: "This coupon is not good any more." | "Dieser Gutschein gilt nicht mehr.";
    used_up: "This coupon is used up." | "Dieser Gutschein ist aufgebraucht.";
    no_contract:
        "This coupon belongs to a partner whose contract does not run at the moment. Ask there." |
        "Dieser Gutschein gehört zu einem Partner, dessen Vertrag zurzeit nicht läuft. Fragen Sie dort nach.";
    already_yours: "You have redeemed this coupon already." | "Sie haben diesen Gutschein schon eingelöst.";
}

/// From when a coupon can be redeemed.
pub fn not_yet(lang: Lang, from: DateTime<Utc>) -> String {
    let day = long_date(lang, from.date_naive());
    match lang {
        Lang::En => format!("This coupon is good from {day}."),
        Lang::De => format!("Dieser Gutschein gilt ab {day}."),
    }
}

/// Until when a coupon could be redeemed.
pub fn expired(lang: Lang, until: DateTime<Utc>) -> String {
    let day = long_date(lang, until.date_naive());
    match lang {
        Lang::En => format!("This coupon was good until {day}."),
        Lang::De => format!("Dieser Gutschein galt bis {day}."),
    }
}

/// That too many codes were tried, and when the next may be.
pub fn too_many_tries(lang: Lang, seconds: i64) -> String {
    let minutes = (seconds + 59) / 60;
    match lang {
        Lang::En => format!("Too many codes were tried. Try again in {minutes} min."),
        Lang::De => format!("Es wurden zu viele Codes versucht. Versuchen Sie es in {minutes} Min. noch einmal."),
    }
}

/// Who gave it, and when.
pub fn given_by(lang: Lang, at: DateTime<Utc>, who: &str) -> String {
    let day = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("given on {day} by {who}"),
        Lang::De => format!("gegeben am {day} von {who}"),
    }
}

/// One line of what a member was given: what runs or waits, how much is left, and until when.
pub fn turn(
    lang: Lang,
    tier: &str,
    state: GrantState,
    days: i64,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> String {
    let (from, until) = (long_date(lang, from.date_naive()), long_date(lang, until.date_naive()));
    let left = match (lang, days) {
        (Lang::En, 1) => "1 day".to_owned(),
        (Lang::En, _) => format!("{days} days"),
        (Lang::De, 1) => "1 Tag".to_owned(),
        (Lang::De, _) => format!("{days} Tagen"),
    };
    match (lang, state) {
        (Lang::En, GrantState::Running) => format!("{tier} runs until {until}"),
        (Lang::De, GrantState::Running) => format!("{tier} läuft bis {until}"),
        (Lang::En, GrantState::Paused) => format!("{tier} is paused with {left} left: {from} to {until}"),
        (Lang::De, GrantState::Paused) => format!("{tier} pausiert mit noch {left}: {from} bis {until}"),
        (Lang::En, _) => format!("{tier} waits with {left}: {from} to {until}"),
        (Lang::De, _) => format!("{tier} wartet mit {left}: {from} bis {until}"),
    }
}

/// Why somebody has a grant.
pub fn because_granted(lang: Lang, is_pass: bool, is_coupon: bool) -> &'static str {
    match (lang, is_pass, is_coupon) {
        (Lang::En, true, _) => "by a partner's pass",
        (Lang::De, true, _) => "durch einen Partnerpass",
        (Lang::En, false, true) => "by a coupon",
        (Lang::De, false, true) => "durch einen Gutschein",
        (Lang::En, false, false) => "as a gift",
        (Lang::De, false, false) => "als Geschenk",
    }
}

/// Why somebody has a tier.
pub fn because(lang: Lang, source: Source) -> &'static str {
    match (lang, source) {
        (Lang::En, Source::OwnTier) => "as your own tier",
        (Lang::De, Source::OwnTier) => "als Ihre eigene Stufe",
        (Lang::En, Source::Subscription) => "by your subscription",
        (Lang::De, Source::Subscription) => "durch Ihr Abonnement",
        (Lang::En, Source::Grant) => "as a gift",
        (Lang::De, Source::Grant) => "als Geschenk",
        (Lang::En, Source::Credit) => "by your credit",
        (Lang::De, Source::Credit) => "durch Ihr Guthaben",
        (Lang::En, Source::Trial) => "to try it out",
        (Lang::De, Source::Trial) => "zum Ausprobieren",
    }
}

/// What a coupon brought, and when it runs: “30 days of Premium. They run from 22 December 2026 to 21 January 2027.”
pub fn brought(lang: Lang, tier: &str, days: i64, (from, until): (DateTime<Utc>, DateTime<Utc>)) -> String {
    let (from, until) = (long_date(lang, from.date_naive()), long_date(lang, until.date_naive()));
    match (lang, days) {
        (Lang::En, 1) => format!("1 day of {tier}. It runs from {from} to {until}."),
        (Lang::En, _) => format!("{days} days of {tier}. They run from {from} to {until}."),
        (Lang::De, 1) => format!("1 Tag {tier}. Er läuft vom {from} bis {until}."),
        (Lang::De, _) => format!("{days} Tage {tier}. Sie laufen vom {from} bis {until}."),
    }
}

/// When a subscription goes on by itself: “Premium renews on 21 December 2026”.
pub fn renews(lang: Lang, tier: &str, at: DateTime<Utc>) -> String {
    let day = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("{tier} renews on {day}"),
        Lang::De => format!("{tier} verlängert sich am {day}"),
    }
}

/// How long something lasts: “Premium lasts until 21 December 2026”.
pub fn lasts(lang: Lang, tier: &str, until: Option<DateTime<Utc>>) -> String {
    let until = until.map(|until| long_date(lang, until.date_naive()));
    match (lang, until) {
        (Lang::En, Some(until)) => format!("{tier} lasts until {until}"),
        (Lang::De, Some(until)) => format!("{tier} gilt bis {until}"),
        (Lang::En, None) => format!("{tier} goes on until you end it"),
        (Lang::De, None) => format!("{tier} gilt, bis Sie es beenden"),
    }
}

/// What somebody has and will have: “You have Premium until 21 December 2026, then Free.”
pub fn outlook(lang: Lang, steps: &[(String, Option<DateTime<Utc>>)]) -> String {
    let mut said = match lang {
        Lang::En => "You have ".to_owned(),
        Lang::De => "Sie haben ".to_owned(),
    };
    for (number, (tier, until)) in steps.iter().enumerate() {
        if number > 0 {
            said.push_str(match lang {
                Lang::En => ", then ",
                Lang::De => ", danach ",
            });
        }
        said.push_str(tier);
        if let Some(until) = until {
            let day = long_date(lang, until.date_naive());
            said.push_str(&match lang {
                Lang::En => format!(" until {day}"),
                Lang::De => format!(" bis {day}"),
            });
        }
    }
    said.push('.');
    said
}
