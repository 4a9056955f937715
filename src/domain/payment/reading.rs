//! Reading the JSON of others: only what is needed, with the path of what is missing.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::{
    email::{EmailAddress, EmailKey},
    subscription::SubscriptionStatus,
};

/// An event that cannot be read: it will not get better, but a newer program may read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// Something that every event of this type has is not there or not what it should be.
    #[error("the event has no usable {0}")]
    Missing(String),
}

/// A place in somebody's JSON, which knows its own path.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// Makes one of what did not come in the body.
    pub(super) fn named(value: &'a Value, name: &str) -> Self {
        Self { value, path: name.to_owned() }
    }

    /// Returns where it is, or would be.
    pub(super) fn path(&self) -> String {
        self.path.clone()
    }

    /// Returns what is under a path of names with dots between them; `null` where there is nothing.
    pub(super) fn at(&self, path: &str) -> Self {
        const NULL: &Value = &Value::Null;
        let value = path.split('.').fold(self.value, |value, name| value.get(name).unwrap_or(NULL));
        let path = if self.path.is_empty() { path.to_owned() } else { format!("{}.{path}", self.path) };
        Self { value, path }
    }

    /// Returns the elements of a list; none if it is no list.
    pub(super) fn elements(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let path = self.path.clone();
        let elements = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        elements.iter().enumerate().map(move |(at, value)| Node { value, path: format!("{path}[{at}]") })
    }

    /// Returns a text that can be kept: PostgreSQL takes none with a zero byte in it.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.as_str().filter(|text| !text.is_empty() && text.len() <= LONGEST_TEXT && !text.contains('\0'))
    }

    pub(super) fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// Returns an id: a text, or the `id` of the object that stands in its place.
    pub(super) fn id(&self) -> Option<String> {
        self.owned().or_else(|| self.at("id").owned())
    }

    fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// Returns an amount of money in the smallest unit of its currency: a whole number, or one that
    /// is written as a text, as Paddle does.
    fn signed_amount(&self) -> Option<i64> {
        let amount = self.number().or_else(|| self.text().and_then(|text| text.parse().ok()))?;
        (-LARGEST_AMOUNT..=LARGEST_AMOUNT).contains(&amount).then_some(amount)
    }

    /// Returns an amount that was paid. One below zero is credit: nobody paid it.
    pub(super) fn amount(&self) -> Option<i64> {
        self.signed_amount().map(|amount| amount.max(0))
    }

    /// Returns an amount whose direction is told elsewhere.
    pub(super) fn magnitude(&self) -> Option<i64> {
        self.signed_amount().map(i64::abs)
    }

    /// Returns a currency's three letters, small.
    pub(super) fn currency(&self) -> Option<String> {
        let is_code = |text: &&str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        self.text().filter(is_code).map(str::to_ascii_lowercase)
    }

    pub(super) fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or(false)
    }

    /// Returns an instant in seconds since 1970.
    pub(super) fn seconds(&self) -> Option<DateTime<Utc>> {
        self.number().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).filter(is_plausible)
    }

    /// Returns an instant in RFC 3339.
    pub(super) fn instant(&self) -> Option<DateTime<Utc>> {
        let at = DateTime::parse_from_rfc3339(self.text()?).ok()?.to_utc();
        // Databases keep microseconds.
        let at = DateTime::from_timestamp_micros(at.timestamp_micros())?;
        Some(at).filter(is_plausible)
    }

    pub(super) fn email(&self) -> Option<EmailKey> {
        self.text().and_then(|text| EmailAddress::parse(text).ok()).map(|email| email.key().clone())
    }

    /// Takes what was found, or says what is missing.
    pub(super) fn need<T>(&self, found: impl FnOnce(&Self) -> Option<T>) -> Result<T, Unreadable> {
        found(self).ok_or_else(|| Unreadable::Missing(self.path.clone()))
    }
}

/// Ids and types of providers are a few dozen characters.
const LONGEST_TEXT: usize = 500;
/// More than anybody pays, and so little that thousands of them can be added up.
const LARGEST_AMOUNT: i64 = 1_000_000_000_000_000;
/// A subscription has a handful of prices, an invoice a handful of payments.
const MOST_IDS: usize = 100;

/// Collects ids, each once, in the order in which they come.
pub(super) fn each_once(ids: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    ids.into_iter().flatten().take(MOST_IDS).fold(Vec::new(), |mut known, id| {
        if !known.contains(&id) {
            known.push(id);
        }
        known
    })
}

/// The rank of a subscription that was asked for, rather than told: nothing of that instant is newer.
pub(super) const RANK_OF_AN_ANSWER: i64 = 4;

/// Returns the rank of an event about a subscription. Stripe's clock has whole seconds, and a
/// checkout brings several events within one: nothing goes back to being incomplete, or on from its end.
pub(super) fn rank(begins: bool, status: SubscriptionStatus) -> i64 {
    match status {
        SubscriptionStatus::Ended => 3,
        _ if begins => 0,
        SubscriptionStatus::Incomplete => 1,
        _ => 2,
    }
}

/// The databases' texts of instants sort by time within these years only.
fn is_plausible(at: &DateTime<Utc>) -> bool {
    (0..253_402_300_800).contains(&at.timestamp())
}

/// Parses a body.
pub(super) fn parse(body: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(body).map_err(|problem| Unreadable::NotJson(problem.to_string()))
}
