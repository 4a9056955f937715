//! Words about what admins are told. They are called by their own module. What a kind is called stands
//! with the kind itself: mails and chats need it too.

use crate::{
    domain::{
        lang::Lang,
        notification::{Kind, Shape},
    },
    words::{number, phrases},
};

phrases! {
    title: "Notifications" | "Meldungen";
    intro:
        "What needs your attention. The same again is counted until somebody has read it." |
        "Was Ihre Aufmerksamkeit braucht. Wiederholungen werden gezählt, bis jemand sie gelesen hat.";
    which: "Which notifications" | "Welche Meldungen";
    all: "All" | "Alle";
    unread_ones: "Unread" | "Ungelesene";
    settings_tab: "Settings" | "Einstellungen";
    what: "What" | "Was";
    when: "When" | "Wann";
    state: "State" | "Stand";
    new: "new" | "neu";
    read: "read" | "gelesen";
    mark_read: "Mark as read" | "Als gelesen markieren";
    mark_all_read: "Mark all as read" | "Alle als gelesen markieren";
    look: "Look" | "Ansehen";
    older: "Older" | "Ältere";
    none: "Nothing needs you." | "Nichts braucht Sie.";
    none_hint: "What is told here, by mail and in your chat is chosen under Settings." | "Was hier, per E-Mail und in Ihrem Chat gemeldet wird, wählen Sie unter Einstellungen.";
    is_read: "It is marked as read." | "Sie ist als gelesen markiert.";
    all_read: "All are marked as read." | "Alle sind als gelesen markiert.";
    gone: "There is no such notification." | "Diese Meldung gibt es nicht.";
    saved: "The settings are saved." | "Die Einstellungen sind gespeichert.";
    kind: "Kind" | "Art";
    in_app: "In the list" | "In der Liste";
    digest: "In the daily mail" | "In der täglichen E-Mail";
    webhook: "In the chat" | "Im Chat";
    ways: "Who is told how" | "Was wie gemeldet wird";
    chat: "Chat" | "Chat";
    chat_intro:
        "Each new notification goes to a room of Slack, Mattermost or Discord as well. Make an incoming webhook there and paste its address. It is a secret: from then on only its host is shown." |
        "Jede neue Meldung geht zusätzlich in einen Raum von Slack, Mattermost oder Discord. Legen Sie dort einen eingehenden Webhook an und fügen Sie seine Adresse ein. Sie ist geheim: Danach wird nur noch der Host gezeigt.";
    no_chat: "No chat is told." | "Kein Chat wird benachrichtigt.";
    address: "Address" | "Adresse";
    address_hint: "Empty: it stays as it is." | "Leer: Sie bleibt, wie sie ist.";
    shape: "Shape" | "Format";
    by_host: "as the host wants it" | "wie der Host es braucht";
    remove_chat: "Tell no chat any more" | "Keinen Chat mehr benachrichtigen";
    remove_chat_hint: "The address is forgotten." | "Die Adresse wird vergessen.";
    save: "Save" | "Speichern";
    error_address: "Enter an address that begins with https:// and leads to the open internet." | "Geben Sie eine Adresse ein, die mit https:// beginnt und ins offene Internet führt.";
    by_letter: "Also told at once by a mail of its own." | "Wird außerdem sofort mit einer eigenen E-Mail gemeldet.";
}

/// “4 unread”, in the admins' bar.
pub fn unread(lang: Lang, count: i64) -> String {
    match lang {
        Lang::En => format!("{} unread", number(lang, count)),
        Lang::De => format!("{} ungelesen", number(lang, count)),
    }
}

/// “5 times since 1 December 2026, 14:05 UTC”.
pub fn times_since(lang: Lang, count: i64, since: &str) -> String {
    match lang {
        Lang::En => format!("{} times since {since}", number(lang, count)),
        Lang::De => format!("{}-mal seit {since}", number(lang, count)),
    }
}

/// “hooks.slack.com is told.”
pub fn is_told(lang: Lang, host: &str) -> String {
    match lang {
        Lang::En => format!("{host} is told."),
        Lang::De => format!("{host} wird benachrichtigt."),
    }
}

/// When the digest comes.
pub fn digest_hour(lang: Lang, hour: i64, zone: &str) -> String {
    match lang {
        Lang::En => format!(
            "The mail comes once a day after {hour}:00 ({zone}) to every admin who has something unread. The hour is the setting admin_digest_hour."
        ),
        Lang::De => format!(
            "Die E-Mail kommt einmal am Tag nach {hour} Uhr ({zone}) an jeden Admin, der etwas nicht gelesen hat. Die Stunde ist die Einstellung admin_digest_hour."
        ),
    }
}

/// What a box of the settings says to those who do not see the table.
pub fn way_of(kind: Kind, lang: Lang, way: &str) -> String {
    format!("{}: {way}", kind.title(lang))
}

/// What a shape is called.
pub fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Slack => "Slack, Mattermost",
        Shape::Discord => "Discord",
    }
}
