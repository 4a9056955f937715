//! Words of the admins' overview.

use chrono::NaiveDate;

use crate::{
    domain::{lang::Lang, stats::Metric},
    words::{long_date, number, phrases},
};

phrases! {
    intro: "How the product stands today, and how it came here." | "Wie das Produkt heute steht und wie es dahin kam.";
    stretch: "How many days" | "Wie viele Tage";
    days_30: "30 days" | "30 Tage";
    days_90: "90 days" | "90 Tage";
    today: "Today" | "Heute";
    members_by_tier: "Members by tier" | "Mitglieder nach Stufe";
    new_and_active: "New and active members" | "Neue und aktive Mitglieder";
    conversions: "New paying members" | "Neue zahlende Mitglieder";
    redemptions: "Redeemed coupons" | "Eingelöste Gutscheine";
    usage: "Usage by feature" | "Nutzung nach Funktion";
    as_table: "As a table" | "Als Tabelle";
    day: "Day" | "Tag";
    not_counted: "not counted" | "nicht gezählt";
    nothing_yet: "Nothing in these days." | "Nichts in diesen Tagen.";
    not_yet: "Nothing was counted yet" | "Noch wurde nichts gezählt";
    not_yet_hint: "Days are counted every five minutes. Look again in a moment." | "Gezählt wird alle fünf Minuten. Sehen Sie gleich noch einmal nach.";
    welcome: "Welcome. Three steps to the first member" | "Willkommen. Drei Schritte zum ersten Mitglied";
    step_limits: "Decide what each tier may do" | "Legen Sie fest, was jede Stufe darf";
    step_limits_hint: "Tiers, features and limits stand in one table." | "Stufen, Funktionen und Limits stehen in einer Tabelle.";
    step_key: "Make a key for your app" | "Erstellen Sie einen Schlüssel für Ihre App";
    step_key_hint: "With it, the app asks whether somebody may do something." | "Damit fragt die App, ob jemand etwas darf.";
    step_invite: "Invite the first people" | "Laden Sie die ersten Leute ein";
    step_invite_hint: "Or send them the address of the sign-in." | "Oder schicken Sie ihnen die Adresse der Anmeldung.";
    single_use: "single use" | "einmalig";
    period: "period" | "Zeitraum";
    partner: "partner" | "Partner";
    friends: "invited friends" | "eingeladene Freunde";
    subscribers: "subscriptions" | "Abos";
    others: "others" | "andere";
}

/// What a metric is called.
pub fn metric(lang: Lang, metric: Metric) -> &'static str {
    match (lang, metric) {
        (Lang::En, Metric::Members) => "Members",
        (Lang::De, Metric::Members) => "Mitglieder",
        (Lang::En, Metric::New) => "New members",
        (Lang::De, Metric::New) => "Neue Mitglieder",
        (Lang::En, Metric::Active) => "Active members",
        (Lang::De, Metric::Active) => "Aktive Mitglieder",
        (Lang::En, Metric::SignIns) => "Sign-ins",
        (Lang::De, Metric::SignIns) => "Anmeldungen",
        (Lang::En, Metric::Conversions) => "Friends who paid",
        (Lang::De, Metric::Conversions) => "Zahlende Freunde",
        (Lang::En, Metric::Subscriptions) => "New subscriptions",
        (Lang::De, Metric::Subscriptions) => "Neue Abos",
        (Lang::En, Metric::Redemptions) => "Redeemed coupons",
        (Lang::De, Metric::Redemptions) => "Eingelöste Gutscheine",
        (Lang::En, Metric::Usage) => "Counted units",
        (Lang::De, Metric::Usage) => "Gezählte Einheiten",
    }
}

/// “+3 since a week ago”, “as a week ago”; nothing where a week ago is not known.
pub fn change(lang: Lang, now: i64, before: Option<i64>) -> Option<String> {
    let difference = now - before?;
    let sign = if difference > 0 { "+" } else { "" };
    Some(match (lang, difference) {
        (Lang::En, 0) => "as a week ago".to_owned(),
        (Lang::De, 0) => "wie vor einer Woche".to_owned(),
        (Lang::En, _) => format!("{sign}{} since a week ago", number(lang, difference)),
        (Lang::De, _) => format!("{sign}{} seit voriger Woche", number(lang, difference)),
    })
}

/// “Members by tier, 23 October 2026 to 21 November 2026. free: 3 on the last day, at most 5. …”
pub fn chart_text(lang: Lang, title: &str, days: (NaiveDate, NaiveDate), series: &[(String, i64, i64)]) -> String {
    let (from, to) = (long_date(lang, days.0), long_date(lang, days.1));
    let mut text = match lang {
        Lang::En => format!("{title}, {from} to {to}."),
        Lang::De => format!("{title}, {from} bis {to}."),
    };
    for (name, last, most) in series {
        let (last, most) = (number(lang, *last), number(lang, *most));
        text.push_str(&match lang {
            Lang::En => format!(" {name}: {last} on the last day, at most {most}."),
            Lang::De => format!(" {name}: {last} am letzten Tag, höchstens {most}."),
        });
    }
    text
}

/// “Counted until 21 November 2026, 10:00 UTC.”
pub fn counted_until(lang: Lang, time: &str) -> String {
    match lang {
        Lang::En => format!("Counted until {time}."),
        Lang::De => format!("Gezählt bis {time}."),
    }
}
