//! Why somebody may or may not: every layer of a decision as a sentence.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        entitlement::{Decision, Layer, Reason},
        ids::TierId,
        lang::Lang,
        limit::{Limit, LimitKind},
    },
    words::{limit, long_time, number, source},
};

fn amount(lang: Lang, stored: Option<i64>, kind: LimitKind) -> String {
    limit(lang, Limit::from_stored(stored), kind)
}

/// One layer that was looked at; `name` tells what a tier is called.
pub fn layer(lang: Lang, layer: &Layer, kind: LimitKind, name: impl Fn(&TierId) -> String) -> String {
    let en = lang == Lang::En;
    let instant = |at: DateTime<Utc>| long_time(lang, at);
    match layer {
        Layer::User { disabled_at: None, is_over: true } if en => {
            "The trial is over, and there is nothing else that gives access.".to_owned()
        }
        Layer::User { disabled_at: None, is_over: true } => {
            "Die Testzeit ist vorbei, und nichts anderes gibt Zugang.".to_owned()
        }
        Layer::User { disabled_at: None, .. } if en => "The account is open.".to_owned(),
        Layer::User { disabled_at: None, .. } => "Das Konto ist offen.".to_owned(),
        Layer::User { disabled_at: Some(at), .. } if en => format!("The account is closed since {}.", instant(*at)),
        Layer::User { disabled_at: Some(at), .. } => format!("Das Konto ist seit {} geschlossen.", instant(*at)),
        Layer::Feature { active: true } if en => "The feature is in use.".to_owned(),
        Layer::Feature { active: true } => "Die Funktion ist in Gebrauch.".to_owned(),
        Layer::Feature { active: false } if en => "The feature is out of use: off for everybody.".to_owned(),
        Layer::Feature { active: false } => "Die Funktion ist stillgelegt: für alle aus.".to_owned(),
        Layer::Access { source: from, tier, expires_at, wins, .. } => {
            let end = match (expires_at, en) {
                (None, _) => String::new(),
                (Some(at), true) => format!(" until {}", instant(*at)),
                (Some(at), false) => format!(" bis {}", instant(*at)),
            };
            let wins = match (wins, en) {
                (false, _) => "",
                (true, true) => ": the strongest",
                (true, false) => ": am stärksten",
            };
            let (from, tier) = (source(lang, *from), name(tier));
            if en { format!("{tier} by {from}{end}{wins}.") } else { format!("{tier} durch {from}{end}{wins}.") }
        }
        Layer::Restriction { restriction: None, .. } if en => "No exception of the member's own.".to_owned(),
        Layer::Restriction { restriction: None, .. } => "Keine eigene Ausnahme.".to_owned(),
        Layer::Restriction { restriction: Some(own), expired, .. } => {
            let limit = limit(lang, own.limit, kind);
            let end = match (own.expires_at, expired, en) {
                (None, ..) => String::new(),
                (Some(at), true, true) => format!(", ended {}", instant(at)),
                (Some(at), true, false) => format!(", beendet {}", instant(at)),
                (Some(at), false, true) => format!(", until {}", instant(at)),
                (Some(at), false, false) => format!(", bis {}", instant(at)),
            };
            let (by, reason) = (&own.created_by, &own.reason);
            if en {
                format!("An exception by {by}: {limit}{end}. “{reason}”")
            } else {
                format!("Eine Ausnahme von {by}: {limit}{end}. „{reason}“")
            }
        }
        Layer::Tier { tier, present: false, .. } if en => format!("{} has no limit of its own here.", name(tier)),
        Layer::Tier { tier, present: false, .. } => format!("{} hat hier kein eigenes Limit.", name(tier)),
        Layer::Tier { tier, limit, .. } if en => format!("{} has {}.", name(tier), amount(lang, *limit, kind)),
        Layer::Tier { tier, limit, .. } => format!("{} hat {}.", name(tier), amount(lang, *limit, kind)),
        Layer::Default { limit, .. } if en => format!("The default of the feature is {}.", amount(lang, *limit, kind)),
        Layer::Default { limit, .. } => format!("Der Standard der Funktion ist {}.", amount(lang, *limit, kind)),
        Layer::Usage { period_start, resets_at, used, reserved } => {
            let (used, reserved) = (number(lang, *used), number(lang, *reserved));
            match (resets_at, en) {
                (None, true) => format!("Used in all: {used}, held: {reserved}. It does not start again."),
                (None, false) => {
                    format!("Insgesamt verbraucht: {used}, vorgemerkt: {reserved}. Es beginnt nicht von vorn.")
                }
                (Some(end), true) => format!(
                    "Used since {}: {used}, held: {reserved}. It starts again {}.",
                    instant(*period_start),
                    instant(*end)
                ),
                (Some(end), false) => format!(
                    "Verbraucht seit {}: {used}, vorgemerkt: {reserved}. Es beginnt von vorn {}.",
                    instant(*period_start),
                    instant(*end)
                ),
            }
        }
    }
}

/// Whether a layer is the one that decides, or the access that wins.
pub fn layer_counts(layer: &Layer) -> bool {
    match layer {
        Layer::User { disabled_at, is_over } => disabled_at.is_some() || *is_over,
        Layer::Feature { active } => !active,
        Layer::Access { wins, .. } => *wins,
        Layer::Restriction { decides, .. } | Layer::Tier { decides, .. } | Layer::Default { decides, .. } => *decides,
        Layer::Usage { .. } => false,
    }
}

/// The answer.
pub fn verdict(lang: Lang, decision: &Decision) -> String {
    let text = match (decision.reason, lang) {
        (Reason::Ok, Lang::En) => "allowed",
        (Reason::Ok, Lang::De) => "erlaubt",
        (Reason::LimitReached, Lang::En) => "not allowed: the limit is reached",
        (Reason::LimitReached, Lang::De) => "nicht erlaubt: Das Limit ist erreicht",
        (Reason::FeatureOff, Lang::En) => "not allowed: the feature is off",
        (Reason::FeatureOff, Lang::De) => "nicht erlaubt: Die Funktion ist aus",
        (Reason::FeatureInactive, Lang::En) => "not allowed: the feature is out of use",
        (Reason::FeatureInactive, Lang::De) => "nicht erlaubt: Die Funktion ist stillgelegt",
        (Reason::FeatureUnknown, Lang::En) => "not allowed: there is no such feature",
        (Reason::FeatureUnknown, Lang::De) => "nicht erlaubt: Es gibt diese Funktion nicht",
        (Reason::UserUnknown, Lang::En) => "not allowed: there is no such user",
        (Reason::UserUnknown, Lang::De) => "nicht erlaubt: Es gibt dieses Mitglied nicht",
        (Reason::UserDisabled, Lang::En) => "not allowed: the account is closed",
        (Reason::UserDisabled, Lang::De) => "nicht erlaubt: Das Konto ist geschlossen",
    };
    text.to_owned()
}
