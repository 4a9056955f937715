//! Leaving: how long an account waits, and what stands in the way.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::domain::{
    activity::{OPERATOR, RESERVED_ACTORS, SYSTEM},
    subscription::{Scheduled, ScheduledAction, Subscription, SubscriptionStatus},
};

/// How long an account waits before it is deleted, so that whoever changes their mind can keep it.
pub const GRACE: TimeDelta = TimeDelta::days(7);
/// The longest that somebody else may let it wait, in days.
pub const MOST_GRACE_DAYS: i64 = 90;
/// How long to wait before it is tried again where something stands in the way.
pub const TRY_AGAIN_AFTER: TimeDelta = TimeDelta::days(1);
/// How long the last letter is kept when it cannot be sent.
pub const FAREWELL_KEPT_FOR: TimeDelta = TimeDelta::days(7);
/// The version of the shape of an export. It is raised when a field is renamed or goes.
pub const EXPORT_VERSION: i64 = 1;
/// What stands where a name of somebody stood who is deleted.
pub const NOBODY: &str = "deleted";

/// What stands in the way of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// The provider would go on taking money, and nobody here could answer for it.
    Subscription,
    /// Nobody else could open `/admin`.
    LastAdmin,
}

/// That somebody asked for an account to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// When they asked.
    pub asked_at: DateTime<Utc>,
    /// When it happens.
    pub due_at: DateTime<Utc>,
}

/// Returns whether a subscription would take money again if nobody did anything. One that is to end
/// does not, and gives no reason to wait for its end.
pub fn goes_on(subscription: &Subscription) -> bool {
    takes_money(subscription.status, subscription.scheduled.as_ref())
}

/// The same of one that stands so.
pub fn takes_money(status: SubscriptionStatus, scheduled: Option<&Scheduled>) -> bool {
    let ends = scheduled.is_some_and(|scheduled| scheduled.action == ScheduledAction::End);
    match status {
        // Nothing was ever paid.
        SubscriptionStatus::Incomplete | SubscriptionStatus::Ended => false,
        SubscriptionStatus::Trialing
        | SubscriptionStatus::Active
        | SubscriptionStatus::PastDue
        | SubscriptionStatus::Paused => !ends,
    }
}

/// Returns what somebody is called in the export of somebody else: what they are, and not who.
pub fn stranger(actor: &str) -> &'static str {
    match actor {
        OPERATOR => OPERATOR,
        NOBODY => NOBODY,
        _ if RESERVED_ACTORS.contains(&actor) => SYSTEM,
        _ if actor.starts_with("key ") => "an app",
        _ => "an admin",
    }
}

/// Returns whether two texts are the same but for small and capital letters.
pub fn is_same_text(one: &str, other: &str) -> bool {
    one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
}

/// Puts [`NOBODY`] where one of these addresses stands in a text, in any spelling of capitals. Nothing if none
/// does. An address that only ends or begins like one of them is somebody else's, and stays.
pub fn without(text: &str, addresses: &[String]) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut addresses: Vec<Vec<char>> = addresses.iter().map(|address| address.chars().collect()).collect();
    // Of two that begin alike the longer one is meant.
    addresses.sort_by_key(|address| std::cmp::Reverse(address.len()));
    let mut left = String::new();
    let mut is_there = false;
    let mut at = 0;
    while let Some(char) = chars.get(at) {
        let found = addresses.iter().find(|address| stands_at(&chars, at, address));
        match found {
            Some(address) => {
                left.push_str(NOBODY);
                is_there = true;
                at += address.len();
            }
            None => {
                left.push(*char);
                at += 1;
            }
        }
    }
    is_there.then_some(left)
}

/// Returns whether an address stands there, as a word of its own.
fn stands_at(text: &[char], at: usize, address: &[char]) -> bool {
    let Some(here) = text.get(at..at + address.len()).filter(|here| !here.is_empty()) else { return false };
    let is_same = |(one, other): (&char, &char)| one == other || one.to_lowercase().eq(other.to_lowercase());
    here.iter().zip(address).all(is_same) && !is_continued_before(text, at) && !is_continued(text, at + address.len())
}

/// Returns whether what stands before belongs to the same address. No address begins with a dot, or has two.
fn is_continued_before(text: &[char], at: usize) -> bool {
    let before = |steps: usize| at.checked_sub(steps).and_then(|at| text.get(at));
    match before(1) {
        Some('.') => before(2).is_some_and(|c| c.is_alphanumeric() || "_-+%".contains(*c)),
        Some(c) => c.is_alphanumeric() || "_-+%".contains(*c),
        None => false,
    }
}

/// Returns whether what follows belongs to the same domain. None ends with a dot or a dash, as sentences do.
fn is_continued(text: &[char], at: usize) -> bool {
    match text.get(at) {
        Some('.' | '-') => text.get(at + 1).is_some_and(|c| c.is_alphanumeric()),
        Some(c) => c.is_alphanumeric() || *c == '_',
        None => false,
    }
}

/// The same in all texts of a JSON value, in place. Returns whether one of them stood there.
pub fn without_in(value: &mut Value, addresses: &[String]) -> bool {
    match value {
        Value::String(text) => match without(text, addresses) {
            Some(left) => {
                *text = left;
                true
            }
            None => false,
        },
        Value::Array(values) => without_in_all(values.iter_mut(), addresses),
        Value::Object(members) => without_in_all(members.values_mut(), addresses),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn without_in_all<'a>(values: impl Iterator<Item = &'a mut Value>, addresses: &[String]) -> bool {
    let mut is_there = false;
    for value in values {
        is_there |= without_in(value, addresses);
    }
    is_there
}

/// Returns whether a text of a JSON value is meant, as a whole.
pub fn holds_any(value: &Value, is_meant: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_meant(text),
        Value::Array(values) => values.iter().any(|value| holds_any(value, is_meant)),
        Value::Object(members) => members.values().any(|value| holds_any(value, is_meant)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Leaves members of those names out of a JSON value, however deep they are.
pub fn leave_out(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| leave_out(value, names)),
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            members.values_mut().for_each(|value| leave_out(value, names));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::uuid_v7,
        payment::{BillingInterval, Provider},
        subscription::{Scheduled, Version},
    };

    #[test]
    fn an_address_is_taken_out_of_a_text_and_no_other_with_it() {
        let ann = ["ann@x.de".to_owned(), "jörg@bücher.example".to_owned()];
        for (text, left) in [
            ("ann@x.de", Some("deleted")),
            ("ask Ann@X.de, or ANN@x.DE.", Some("ask deleted, or deleted.")),
            (
                "<ann@x.de> (ann@x.de) 'ann@x.de' mailto:ann@x.de?a",
                Some("<deleted> (deleted) 'deleted' mailto:deleted?a"),
            ),
            ("well...ann@x.de - yes", Some("well...deleted - yes")),
            ("JÖRG@BÜCHER.example!", Some("deleted!")),
            ("joann@x.de", None),
            ("jo.ann@x.de", None),
            ("jo-ann@x.de jo_ann@x.de jo+ann@x.de", None),
            ("ann@x.dev ann@x.de.example ann@x.de-mail.example", None),
            ("joann@x.de and ann@x.de", Some("joann@x.de and deleted")),
            ("", None),
        ] {
            assert_eq!(without(text, &ann).as_deref(), left, "{text}");
        }
        assert_eq!(without("ann@x.de", &[]), None);
        assert_eq!(without("ann@x.de", &[String::new()]), None);
        let mut json = serde_json::json!({ "a": ["ann@x.de", { "b": "by\nann@x.de", "c": "joann@x.de" }], "d": 1 });
        assert!(without_in(&mut json, &ann));
        assert_eq!(json, serde_json::json!({ "a": ["deleted", { "b": "by\ndeleted", "c": "joann@x.de" }], "d": 1 }));
        assert!(!without_in(&mut json, &ann));
        assert!(holds_any(&json, &|text| text == "joann@x.de") && !holds_any(&json, &|text| text == "ann@x.de"));
        leave_out(&mut json, &["b", "d"]);
        assert_eq!(json, serde_json::json!({ "a": ["deleted", { "c": "joann@x.de" }] }));
    }

    #[test]
    fn others_are_told_by_what_they_are() {
        for (actor, told) in [
            ("operator", "operator"),
            ("system", "system"),
            ("bonus", "system"),
            ("unsubscribe link", "system"),
            ("deleted", "deleted"),
            ("key Backend (vs_abc)", "an app"),
            ("root@example.com", "an admin"),
        ] {
            assert_eq!(stranger(actor), told, "{actor}");
        }
    }

    #[test]
    fn what_takes_no_more_money_stands_in_nobodys_way() {
        let at = DateTime::UNIX_EPOCH;
        let subscription = |status, action: Option<ScheduledAction>| Subscription {
            id: uuid_v7(at, [1; 10]).into(),
            provider: Provider::Stripe,
            provider_id: "sub_1".to_owned(),
            user: None,
            tier: "premium".parse().expect("a tier"),
            interval: BillingInterval::Month,
            status,
            started_at: at,
            period_end: None,
            past_due_since: None,
            scheduled: action.map(|action| Scheduled { action, at }),
            ended_at: None,
            version: Version { at, rank: 0, event_id: String::new() },
        };
        use SubscriptionStatus::{Active, Ended, Incomplete, PastDue, Paused, Trialing};
        for status in [Trialing, Active, PastDue, Paused] {
            assert!(goes_on(&subscription(status, None)), "{status:?}");
            assert!(goes_on(&subscription(status, Some(ScheduledAction::Pause))), "{status:?}");
            assert!(goes_on(&subscription(status, Some(ScheduledAction::Change))), "{status:?}");
            assert!(!goes_on(&subscription(status, Some(ScheduledAction::End))), "{status:?}");
        }
        assert!(!goes_on(&subscription(Incomplete, None)));
        assert!(!goes_on(&subscription(Ended, None)));
    }
}
