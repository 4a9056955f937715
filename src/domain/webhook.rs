//! Outgoing webhooks: who wants to hear what, how often it is tried, and how it is said.
//!
//! The form of deliveries is that of Standard Webhooks, <https://www.standardwebhooks.com>; the
//! times between tries are those that it recommends.

use std::{fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    event::Event,
    ids::{UserId, WebhookDeliveryId, WebhookEndpointId},
};

/// The longest address, in characters.
pub const LONGEST_URL: usize = 2_000;
/// The longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 200;
/// How many endpoints there may be.
pub const MOST_ENDPOINTS: i64 = 100;
/// What every secret begins with; the rest is base64.
pub const SECRET_PREFIX: &str = "whsec_";
/// How long the secret before the current one signs too.
pub const OVERLAP: TimeDelta = TimeDelta::hours(24);
/// After how long of nothing but failures an endpoint is disabled.
pub const FAILING_AT_MOST: TimeDelta = TimeDelta::days(5);
/// How long an endpoint that fails may go without being tried: longer than any wait between two tries. Who fails
/// again after that has been told nothing meanwhile, and begins anew.
pub const QUIET_AT_MOST: TimeDelta = TimeDelta::hours(36);
/// How many secrets of before sign at once.
pub const MOST_SECRETS: usize = 10;
/// How long deliveries are kept to be looked at.
pub const KEPT_FOR: TimeDelta = TimeDelta::days(30);
/// The kind of the event by which an admin tries an endpoint out.
pub const TEST_KIND: &str = "webhook.test";

/// How long to wait after the first failure, the second and so on.
const WAITS: [TimeDelta; 9] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(14),
    TimeDelta::hours(20),
    TimeDelta::hours(24),
];

/// How often a delivery is tried by itself.
pub const MOST_ATTEMPTS: i64 = 1 + WAITS.len() as i64;

/// The longest that a receiver is listened to when it says when to come again.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(24);

/// The latest that a delivery is put off by a clock that is right: the longest wait and what it is spread by.
pub const PUT_OFF_AT_MOST: TimeDelta = TimeDelta::hours(29);

/// Returns how long to wait after the attempt-th try has failed, from 1; nothing after the last.
/// `chance` from 0 to 200 spreads it by ±20 %, so that what failed together does not come back
/// together. `asked` is for how long the receiver wants to be left alone.
pub fn wait_after(attempt: i64, chance: u8, asked: Option<TimeDelta>) -> Option<TimeDelta> {
    let wait = *WAITS.get(usize::try_from(attempt).ok()?.checked_sub(1)?)?;
    let spread = wait * (800 + 2 * i32::from(chance)) / 1000;
    Some(asked.map_or(spread, |asked| spread.max(asked.min(LONGEST_WAIT))))
}

/// The kinds of events that an endpoint wants to hear of. Its JSON is the list of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    kinds: Vec<&'static str>,
    /// Kinds that only another version of the program tells of. They stay, or their endpoint would want everything
    /// once there are no others.
    strangers: Vec<String>,
}

/// Not the name of a kind of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of {list}", list = Event::KINDS.join(", "))]
pub struct UnknownKind(pub String);

impl Wanted {
    /// Everything, also what will be told one day.
    pub const ALL: Self = Self { kinds: Vec::new(), strangers: Vec::new() };

    /// Reads names. None at all stands for everything.
    pub fn read(names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, UnknownKind> {
        let mut wanted = Vec::new();
        for name in names {
            let kind = Event::KINDS.into_iter().find(|kind| *kind == name.as_ref());
            wanted.push(kind.ok_or_else(|| UnknownKind(name.as_ref().chars().take(60).collect()))?);
        }
        wanted.sort_by_key(|kind| Event::KINDS.iter().position(|known| known == kind));
        wanted.dedup();
        Ok(Self { kinds: wanted, strangers: Vec::new() })
    }

    /// Reads names that were stored. A newer program may have written some that this one never tells of: if
    /// there are no others, nothing is wanted.
    pub fn of_stored(names: &[String]) -> Self {
        let kinds: Vec<&'static str> =
            Event::KINDS.into_iter().filter(|kind| names.iter().any(|name| name == kind)).collect();
        let strangers = names.iter().filter(|name| !Event::KINDS.contains(&name.as_str())).cloned().collect();
        Self { kinds, strangers }
    }

    /// Returns whether events of a kind are wanted.
    pub fn wants(&self, kind: &str) -> bool {
        self.is_all() || self.kinds.contains(&kind)
    }

    /// Returns whether everything is wanted.
    pub fn is_all(&self) -> bool {
        self.kinds.is_empty() && self.strangers.is_empty()
    }

    /// Returns the names; none for everything.
    pub fn names(&self) -> Vec<&str> {
        self.kinds.iter().copied().chain(self.strangers.iter().map(String::as_str)).collect()
    }
}

impl Serialize for Wanted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

/// Why an endpoint hears nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledBecause {
    /// An admin wants it so.
    Admin,
    /// It said that it is gone for good: 410.
    Gone,
    /// Nothing but failures for days.
    Failing,
}

impl DisabledBecause {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// Not a word for why an endpoint is disabled, or for how a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such word")]
pub struct UnknownWord;

impl FromStr for DisabledBecause {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Admin, Self::Gone, Self::Failing].into_iter().find(|word| word.as_str() == text).ok_or(UnknownWord)
    }
}

/// Where an app wants to hear what happened. Its secrets are elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Which.
    pub id: WebhookEndpointId,
    /// Where.
    pub url: String,
    /// What is to be remembered about it.
    pub description: String,
    /// Of what it wants to hear.
    pub wanted: Wanted,
    /// Since when it hears nothing, and why.
    pub disabled: Option<(DateTime<Utc>, DisabledBecause)>,
    /// Since when every delivery has failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// Until when the secret before the current one signs too.
    pub previous_until: Option<DateTime<Utc>>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What an endpoint's deliveries are signed with: `whsec_` and base64. It is shown when it is made,
/// and never again.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// Takes the text of one.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns it, for whoever signs and for its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("WebhookSecret")
    }
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It will be tried, or is just being.
    Pending,
    /// It was taken.
    Delivered,
    /// Nobody tries any more.
    Failed,
}

impl DeliveryState {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownWord)
    }
}

/// An event on its way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which.
    pub id: WebhookDeliveryId,
    /// To whom.
    pub endpoint: WebhookEndpointId,
    /// What receivers tell repetitions by.
    pub event_id: String,
    /// The kind of the event.
    pub kind: String,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// The body, as it is signed.
    pub payload: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, while it is pending.
    pub next_try_at: DateTime<Utc>,
    /// The last try.
    pub tried: Option<Try>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

/// A try to deliver, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// When.
    pub at: DateTime<Utc>,
    /// The headers that were sent, those that matter to receivers.
    pub headers: Vec<(String, String)>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The beginning of the answer.
    pub response: Option<String>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

/// Returns the body of a delivery: what happened, when, and to whom. `external_id` is the name under
/// which the product's own database knows the member.
pub fn payload(event: &Event, user: UserId, external_id: Option<&str>, at: DateTime<Utc>) -> String {
    let mut data = serde_json::to_value(event).expect("an event is plain JSON");
    if let Some(fields) = data.as_object_mut() {
        fields.remove("type");
        fields.insert("user".to_owned(), user.to_string().into());
        fields.insert("external_id".to_owned(), external_id.map(str::to_owned).into());
    }
    body(event.kind(), at, &data)
}

/// Returns the body of the event by which an endpoint is tried out.
pub fn test_payload(at: DateTime<Utc>) -> String {
    let data = serde_json::json!({ "message": "An admin of Vouchsafe sent this to try the endpoint out." });
    body(TEST_KIND, at, &data)
}

fn body(kind: &str, at: DateTime<Utc>, data: &serde_json::Value) -> String {
    serde_json::json!({ "type": kind, "timestamp": at.to_rfc3339_opts(SecondsFormat::Millis, true), "data": data })
        .to_string()
}

#[derive(Deserialize)]
struct Kinds(Vec<String>);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Kinds(names) = Kinds::deserialize(deserializer)?;
        Self::read(names).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_are_those_of_the_standard_give_or_take_a_fifth() {
        assert_eq!(wait_after(0, 100, None), None);
        assert_eq!(wait_after(1, 100, None), Some(TimeDelta::seconds(5)));
        assert_eq!(wait_after(2, 0, None), Some(TimeDelta::minutes(4)));
        assert_eq!(wait_after(2, 200, None), Some(TimeDelta::minutes(6)));
        assert_eq!(wait_after(9, 100, None), Some(TimeDelta::hours(24)));
        assert_eq!(wait_after(MOST_ATTEMPTS, 100, None), None);
        let longest = wait_after(MOST_ATTEMPTS - 1, 200, Some(TimeDelta::days(400))).expect("a wait");
        assert!(longest < PUT_OFF_AT_MOST && PUT_OFF_AT_MOST < QUIET_AT_MOST && QUIET_AT_MOST < FAILING_AT_MOST);
        let all: TimeDelta = (1..MOST_ATTEMPTS).filter_map(|attempt| wait_after(attempt, 100, None)).sum();
        assert_eq!(all, TimeDelta::hours(75) + TimeDelta::minutes(35) + TimeDelta::seconds(5));
    }

    #[test]
    fn a_receiver_is_left_alone_as_long_as_it_asks_but_not_for_good() {
        assert_eq!(wait_after(1, 100, Some(TimeDelta::minutes(10))), Some(TimeDelta::minutes(10)));
        assert_eq!(wait_after(3, 100, Some(TimeDelta::minutes(10))), Some(TimeDelta::minutes(30)));
        assert_eq!(wait_after(1, 100, Some(TimeDelta::days(400))), Some(TimeDelta::hours(24)));
    }

    #[test]
    fn who_names_nothing_wants_everything() {
        let all = Wanted::read([""; 0]).expect("no names");
        assert!(all.is_all() && all.wants("user.created") && all.wants("what.comes_one_day"));
        let some = Wanted::read(["user.deleted", "user.created", "user.deleted"]).expect("names");
        assert_eq!(some.names(), ["user.created", "user.deleted"]);
        assert!(some.wants("user.deleted") && !some.wants("access.changed"));
        assert_eq!(Wanted::read(["user.born"]), Err(UnknownKind("user.born".to_owned())));
        let stored =
            |names: &[&str]| Wanted::of_stored(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let newer = stored(&["user.deleted", "user.born", "user.created"]);
        assert_eq!(newer.names(), ["user.created", "user.deleted", "user.born"], "what is not known is kept");
        assert!(newer.wants("user.deleted") && !newer.wants("user.born") && !newer.wants("access.changed"));
        assert_eq!(stored(&[]), all);
        let nothing = stored(&["user.born"]);
        assert!(!nothing.is_all() && !nothing.wants("user.created") && !nothing.wants("user.born"));
        let json = serde_json::to_string(&some).expect("JSON");
        assert_eq!(serde_json::from_str::<Wanted>(&json).expect("read"), some);
    }

    #[test]
    fn a_body_says_what_when_and_to_whom() {
        let user: UserId = crate::domain::ids::uuid_v7(DateTime::UNIX_EPOCH, [7; 10]).into();
        let text = payload(&Event::AccessChanged, user, Some("42"), DateTime::UNIX_EPOCH);
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let data = serde_json::json!({ "user": user, "external_id": "42" });
        let expected =
            serde_json::json!({ "type": "access.changed", "timestamp": "1970-01-01T00:00:00.000Z", "data": data });
        assert_eq!(read, expected);
        assert!(test_payload(DateTime::UNIX_EPOCH).contains(TEST_KIND));
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let secret = WebhookSecret::new("whsec_c2VjcmV0".to_owned());
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
    }
}
