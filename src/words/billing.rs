//! Words about buying: the buttons of /pricing, the pages around a provider's, the subscription in
//! /settings, and what an invitation brings.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        lang::Lang,
        payment::{BillingInterval, Provider},
    },
    words::{long_date, monthly_price, number, phrases},
};

phrases! {
    sign_in_to_subscribe: "Sign in to subscribe" | "Zum Abonnieren anmelden";
    manage_subscription: "Manage subscription" | "Abonnement verwalten";
    change_there:
        "To change to this tier, manage your subscription." |
        "Zu dieser Stufe wechseln Sie, indem Sie Ihr Abonnement verwalten.";
    checkout: "To the checkout" | "Zur Kasse";
    your_subscription: "Your subscription" | "Ihr Abonnement";
    subscription: "Subscription" | "Abonnement";
    thank_you: "Thank you!" | "Vielen Dank!";
    bought:
        "If you have paid, your access appears here in a moment, and we tell you by mail." |
        "Wenn Sie bezahlt haben, erscheint Ihr Zugang gleich hier, und wir sagen es Ihnen per E-Mail.";
    present_tier: "Your tier right now:" | "Ihre Stufe im Moment:";
    look_again: "Look again" | "Noch einmal nachsehen";
    not_sent: "That did not work" | "Das hat nicht geklappt";
    to_pricing: "To the prices" | "Zu den Preisen";
    try_again: "Try again" | "Noch einmal versuchen";
    nothing_to_buy:
        "This is not for sale right now. See what is on offer." |
        "Das ist zurzeit nicht zu kaufen. Sehen Sie nach, was es gibt.";
    subscribed_already:
        "You have a subscription already, and nobody pays twice. You change it where you manage it." |
        "Sie haben schon ein Abonnement, und niemand zahlt doppelt. Sie ändern es dort, wo Sie es verwalten.";
    keep_before_you_buy:
        "Your account is to be deleted. Keep it first; then you can buy." |
        "Ihr Konto soll gelöscht werden. Behalten Sie es zuerst; dann können Sie kaufen.";
    no_provider:
        "Payments are not set up at the moment. Ask the people who run this product." |
        "Zahlungen sind zurzeit nicht eingerichtet. Fragen Sie die Betreiber dieses Produkts.";
    no_customer:
        "There is nothing to manage yet, because you have bought nothing so far." |
        "Es gibt noch nichts zu verwalten, denn Sie haben bisher nichts gekauft.";
    too_many_checkouts:
        "That was asked for very often. Wait a little, then try again." |
        "Das wurde sehr oft angefordert. Warten Sie etwas und versuchen Sie es dann noch einmal.";
    provider_away:
        "Nothing was charged, and nothing has changed here. Try again in a few minutes." |
        "Es wurde nichts abgebucht, und hier hat sich nichts geändert. Versuchen Sie es in ein paar Minuten noch einmal.";
    provider_refused:
        "Nothing was charged, and nothing has changed here. The people who run this product find the reason in their log: tell them if it stays so." |
        "Es wurde nichts abgebucht, und hier hat sich nichts geändert. Die Betreiber dieses Produkts finden den Grund in ihrem Protokoll: Sagen Sie es ihnen, wenn es so bleibt.";
    no_subscription_left:
        "You have none at the moment. Your invoices are still there:" |
        "Zurzeit haben Sie keines. Ihre Rechnungen sind noch da:";
    is_paused: "It is paused, and gives no access until it goes on." | "Es ist pausiert und gibt keinen Zugang, bis es weitergeht.";
    ask_to_change:
        "To change or cancel it, ask the people who run this product." |
        "Um es zu ändern oder zu kündigen, fragen Sie die Betreiber dieses Produkts.";
}

/// “45 days”.
pub fn day_count(lang: Lang, days: i64) -> String {
    let count = number(lang, days);
    match (lang, days) {
        (Lang::En, -1 | 1) => format!("{count} day"),
        (Lang::De, -1 | 1) => format!("{count} Tag"),
        (Lang::En, _) => format!("{count} days"),
        (Lang::De, _) => format!("{count} Tage"),
    }
}

/// What the visitor gets who was invited.
pub fn invited_reward(lang: Lang, days: i64) -> String {
    let days = day_count(lang, days);
    match lang {
        Lang::En => format!("{days} of paid access for both of you, when you first subscribe."),
        Lang::De => format!("{days} bezahlter Zugang für Sie beide, wenn Sie zum ersten Mal abonnieren."),
    }
}

/// What a member gets who invites.
pub fn invite_reward(lang: Lang, days: i64) -> String {
    let days = day_count(lang, days);
    match lang {
        Lang::En => format!("{days} of paid access for both of you, when they first subscribe."),
        Lang::De => format!("{days} bezahlter Zugang für Sie beide, wenn er zum ersten Mal abonniert."),
    }
}

/// What a member without paid access can do.
pub fn no_access_hint(lang: Lang, days: i64) -> String {
    let days = day_count(lang, days);
    match lang {
        Lang::En => format!(
            "You are on the free tier. Invite a friend: when they first subscribe, both of you get {days} of paid access."
        ),
        Lang::De => format!(
            "Sie nutzen die kostenlose Stufe. Laden Sie einen Freund ein: Wenn er zum ersten Mal abonniert, bekommen Sie beide {days} bezahlten Zugang."
        ),
    }
}

/// What an invitation brings, among the ways to a tier.
pub fn way_invite_text(lang: Lang, days: i64) -> String {
    let days = day_count(lang, days);
    match lang {
        Lang::En => {
            format!("When they first subscribe, both of you get {days} of paid access. Your link is in your settings.")
        }
        Lang::De => format!(
            "Wenn er zum ersten Mal abonniert, bekommen Sie beide {days} bezahlten Zugang. Ihr Link steht in Ihren Einstellungen."
        ),
    }
}

/// What an invitation brings, among the ways to an analysis.
pub fn by_invitation_reward(lang: Lang, days: i64) -> String {
    let days = day_count(lang, days);
    match lang {
        Lang::En => format!("when they first subscribe, both of you get {days}."),
        Lang::De => format!("wenn er zum ersten Mal abonniert, bekommen Sie beide {days}."),
    }
}

/// “Subscribe monthly for €9.99”.
pub fn subscribe_for(lang: Lang, interval: BillingInterval, cents: Option<i64>) -> String {
    let subscribe = match (lang, interval) {
        (Lang::En, BillingInterval::Month) => "Subscribe monthly",
        (Lang::De, BillingInterval::Month) => "Monatlich abonnieren",
        (Lang::En, BillingInterval::Year) => "Subscribe yearly",
        (Lang::De, BillingInterval::Year) => "Jährlich abonnieren",
    };
    match (lang, cents) {
        (_, None) => subscribe.to_owned(),
        (Lang::En, Some(cents)) => format!("{subscribe} for {}", monthly_price(lang, cents)),
        (Lang::De, Some(cents)) => format!("{subscribe} für {}", monthly_price(lang, cents)),
    }
}

/// “Continue to Stripe”.
pub fn continue_to(lang: Lang, provider: Provider) -> String {
    match lang {
        Lang::En => format!("Continue to {}", provider.name()),
        Lang::De => format!("Weiter zu {}", provider.name()),
    }
}

/// Why there is a page in between.
pub fn leaving_to_pay(lang: Lang, provider: Provider) -> String {
    let name = provider.name();
    match lang {
        Lang::En => format!("{name} takes the payment for us. If you are not there in a moment, continue here:"),
        Lang::De => {
            format!("{name} nimmt die Zahlung für uns an. Wenn Sie nicht gleich dort sind, geht es hier weiter:")
        }
    }
}

/// Why there is a page in between.
pub fn leaving_to_manage(lang: Lang, provider: Provider) -> String {
    let name = provider.name();
    match lang {
        Lang::En => {
            format!("{name} keeps your invoices and payment methods. If you are not there in a moment, continue here:")
        }
        Lang::De => {
            format!(
                "{name} verwahrt Ihre Rechnungen und Zahlungsarten. Wenn Sie nicht gleich dort sind, geht es hier weiter:"
            )
        }
    }
}

/// Which subscription it is: “Premium, monthly, paid through Stripe”.
pub fn subscription_line(lang: Lang, tier: &str, interval: BillingInterval, provider: Provider) -> String {
    let interval = match (lang, interval) {
        (Lang::En, BillingInterval::Month) => "monthly",
        (Lang::De, BillingInterval::Month) => "monatlich",
        (Lang::En, BillingInterval::Year) => "yearly",
        (Lang::De, BillingInterval::Year) => "jährlich",
    };
    let name = provider.name();
    match lang {
        Lang::En => format!("{tier}, {interval}, paid through {name}"),
        Lang::De => format!("{tier}, {interval}, bezahlt über {name}"),
    }
}

/// “It renews on 1 December 2026.”
pub fn renews_on(lang: Lang, at: DateTime<Utc>) -> String {
    let date = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("It renews on {date}."),
        Lang::De => format!("Es verlängert sich am {date}."),
    }
}

/// “The first payment is on 1 December 2026.”
pub fn first_payment_on(lang: Lang, at: DateTime<Utc>) -> String {
    let date = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("It is being tried; the first payment is on {date}."),
        Lang::De => format!("Es wird ausprobiert; die erste Zahlung ist am {date}."),
    }
}

/// “It ends on 1 December 2026 and is not renewed.”
pub fn ends_on(lang: Lang, at: DateTime<Utc>) -> String {
    let date = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("It ends on {date} and is not renewed."),
        Lang::De => format!("Es endet am {date} und wird nicht verlängert."),
    }
}

/// “It pauses on 1 December 2026.”
pub fn pauses_on(lang: Lang, at: DateTime<Utc>) -> String {
    let date = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("It pauses on {date}."),
        Lang::De => format!("Es pausiert ab dem {date}."),
    }
}

/// “It changes on 1 December 2026.”
pub fn changes_on(lang: Lang, at: DateTime<Utc>) -> String {
    let date = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("It changes on {date}, as you chose."),
        Lang::De => format!("Es ändert sich am {date}, wie Sie es gewählt haben."),
    }
}

/// That a payment failed, and until when that does no harm, or since when it does.
pub fn payment_is_due(lang: Lang, until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let date = long_date(lang, until.date_naive());
    match (lang, until > now) {
        (Lang::En, true) => {
            format!("The last payment failed. You keep your access until {date}: please update your payment method.")
        }
        (Lang::De, true) => {
            format!(
                "Die letzte Zahlung ist fehlgeschlagen. Ihren Zugang behalten Sie bis zum {date}: Bitte aktualisieren Sie Ihre Zahlungsart."
            )
        }
        (Lang::En, false) => {
            format!(
                "The last payment failed, and your access ended on {date}. Update your payment method, and it goes on."
            )
        }
        (Lang::De, false) => {
            format!(
                "Die letzte Zahlung ist fehlgeschlagen, und Ihr Zugang endete am {date}. Aktualisieren Sie Ihre Zahlungsart, dann geht es weiter."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::credit_entry;

    #[test]
    fn one_day_is_one_day_and_a_price_may_be_missing() {
        assert_eq!((day_count(Lang::En, 1), day_count(Lang::De, 45)), ("1 day".to_owned(), "45 Tage".to_owned()));
        let entries = [-30, -1, 1, 1_000].map(|days| credit_entry(Lang::En, "referral", days));
        assert_eq!(entries, ["−30 days", "−1 day", "+1 day", "+1,000 days"]);
        assert_eq!(subscribe_for(Lang::De, BillingInterval::Year, Some(9990)), "Jährlich abonnieren für 99,90 €");
        assert_eq!(subscribe_for(Lang::En, BillingInterval::Month, None), "Subscribe monthly");
    }

    #[test]
    fn a_due_payment_harms_from_the_moment_on_at_which_access_ends() {
        let until = DateTime::from_timestamp(1_796_126_400, 0).expect("in range");
        let told = |lang, seconds| payment_is_due(lang, until, until + chrono::TimeDelta::seconds(seconds));
        assert!(told(Lang::En, -1).contains("You keep your access until 1 December 2026"));
        assert!(told(Lang::En, 0).contains("your access ended on 1 December 2026"));
        assert!(told(Lang::De, -1).contains("behalten Sie bis zum 1. Dezember 2026"));
        assert!(told(Lang::De, 0).contains("endete am 1. Dezember 2026"));
    }
}
