//! Words of the admins' page about referrals. They are called by their own module, as those about
//! payments are.

use crate::{
    domain::{
        lang::Lang,
        referral::{Flag, ReferralState},
    },
    words::{number, phrases},
};

phrases! {
    title: "Referrals" | "Empfehlungen";
    intro:
        "Who invited whom, and what became of the reward. Held rewards wait for their time, or for you." |
        "Wer wen eingeladen hat, und was aus der Belohnung wurde. Zurückgehaltene Belohnungen warten auf ihre Zeit oder auf Sie.";
    which: "Which referrals" | "Welche Empfehlungen";
    all: "All" | "Alle";
    flagged: "Flagged" | "Auffällige";
    friend: "Invited" | "Eingeladen";
    referrer: "By" | "Von";
    came: "Came" | "Gekommen";
    paid: "First paid" | "Zuerst bezahlt";
    reward: "Reward" | "Belohnung";
    flags: "Looks odd" | "Auffällig";
    state_word: "State" | "Stand";
    invoice: "Invoice" | "Rechnung";
    deleted_account: "deleted account" | "gelöschtes Konto";
    not_yet: "not yet" | "noch nicht";
    release: "Release" | "Freigeben";
    release_ask: "Both get their days now." | "Beide bekommen ihre Tage jetzt.";
    reject: "Reject" | "Ablehnen";
    reject_ask: "Nobody gets days for this invitation, for good." | "Für diese Einladung bekommt niemand Tage, endgültig.";
    waits_for_you: "waits for you" | "wartet auf Sie";
    none: "There are no such referrals." | "Es gibt keine solchen Empfehlungen.";
    none_hint: "One appears when somebody signs up from a member's link." | "Eine erscheint, wenn sich jemand über den Link eines Mitglieds anmeldet.";
    older: "Older" | "Ältere";
    newest: "The newest" | "Die neuesten";
    is_released: "The reward is released." | "Die Belohnung ist freigegeben.";
    is_rejected: "The reward is rejected." | "Die Belohnung ist abgelehnt.";
    is_unknown: "There is no such referral." | "Eine solche Empfehlung gibt es nicht.";
}

/// How a referral stands.
pub fn state(lang: Lang, state: ReferralState) -> &'static str {
    match (lang, state) {
        (Lang::En, ReferralState::Pending) => "Not paid yet",
        (Lang::De, ReferralState::Pending) => "Noch nicht bezahlt",
        (Lang::En, ReferralState::Held) => "Held",
        (Lang::De, ReferralState::Held) => "Zurückgehalten",
        (Lang::En, ReferralState::Converted) => "Rewarded",
        (Lang::De, ReferralState::Converted) => "Belohnt",
        (Lang::En, ReferralState::Rejected) => "Rejected",
        (Lang::De, ReferralState::Rejected) => "Abgelehnt",
        (Lang::En, ReferralState::TakenBack) => "Taken back",
        (Lang::De, ReferralState::TakenBack) => "Zurückgenommen",
    }
}

/// What looks odd.
pub fn flag(lang: Lang, flag: Flag) -> &'static str {
    match (lang, flag) {
        (Lang::En, Flag::SameMailbox) => "both addresses are one mailbox",
        (Lang::De, Flag::SameMailbox) => "beide Adressen sind ein Postfach",
        (Lang::En, Flag::DisposableDomain) => "throw-away address",
        (Lang::De, Flag::DisposableDomain) => "Wegwerfadresse",
        (Lang::En, Flag::SameBrowser) => "same network and browser within a day",
        (Lang::De, Flag::SameBrowser) => "gleiches Netz und gleicher Browser an einem Tag",
        (Lang::En, Flag::ManyConversions) => "unusually many friends paid in a day",
        (Lang::De, Flag::ManyConversions) => "ungewöhnlich viele Freunde zahlten an einem Tag",
    }
}

/// “45 days each”.
pub fn days_each(lang: Lang, days: i64) -> String {
    match (lang, days) {
        (Lang::En, 1) => "1 day each".to_owned(),
        (Lang::En, _) => format!("{} days each", number(lang, days)),
        (Lang::De, 1) => "je 1 Tag".to_owned(),
        (Lang::De, _) => format!("je {} Tage", number(lang, days)),
    }
}

/// “until 1 December 2026”.
pub fn held_until(lang: Lang, date: &str) -> String {
    match lang {
        Lang::En => format!("until {date}"),
        Lang::De => format!("bis {date}"),
    }
}

/// That somebody else has decided, and how.
pub fn was_decided(lang: Lang, state: ReferralState) -> String {
    let word = self::state(lang, state);
    match lang {
        Lang::En => format!("Somebody else was quicker, or it is not held any more. It stands so: {word}."),
        Lang::De => {
            format!("Jemand anderes war schneller, oder sie wird nicht mehr zurückgehalten. Sie steht so: {word}.")
        }
    }
}
