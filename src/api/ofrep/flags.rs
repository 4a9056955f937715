//! Features as flags: one by one, and all at once, written down and kept until something changes.

use std::sync::Arc;

use axum::{body::Bytes, http::HeaderValue};
use chrono::{DateTime, Utc};
use quick_cache::{Weighter, sync::Cache};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    api::ofrep::events,
    domain::{
        access::Source,
        catalogue::{Catalogue, Feature},
        entitlement::{self, DecidedBy, Decision, Reason},
        ids::{TierId, UserId},
    },
    platform::{caller::Site, memory::Known},
    services::live,
};

/// The number that stands for no limit: more than any limit can be, and the highest that JavaScript
/// and everything else that reads numbers as doubles holds exactly.
///
/// Left out, as the protocol allows, a client would use its own default instead, and `0` is what
/// most people write there: who may do everything would be told that they may do nothing.
const UNLIMITED: i64 = (1 << 53) - 1;

/// Members of whom the answer is kept, if they are small.
const MOST_BULKS: usize = 10_000;
/// The bytes that all kept answers may have.
const MOST_BYTES: u64 = 32 << 20;

/// A feature as a flag.
#[derive(Serialize)]
pub(super) struct Flag<'a> {
    key: &'a str,
    reason: &'static str,
    value: FlagValue,
    variant: &'static str,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FlagValue {
    Switch(bool),
    Count(i64),
}

/// Flat, as the protocol wants it, and without `null`, which it does not know.
#[derive(Serialize)]
struct Metadata<'a> {
    allowed: bool,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'a TierId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<DecidedBy>,
}

impl<'a> Flag<'a> {
    /// Writes a decision about one unit as a flag.
    pub(super) fn new(feature: &'a Feature, decision: &'a Decision) -> Self {
        let is_counted = feature.is_counted();
        let is_closed = matches!(decision.reason, Reason::UserDisabled | Reason::FeatureInactive | Reason::UserUnknown);
        let (value, variant) = match decision.limit {
            _ if !is_counted => (FlagValue::Switch(decision.allowed), if decision.allowed { "on" } else { "off" }),
            _ if is_closed => (FlagValue::Count(0), "off"),
            None => (FlagValue::Count(UNLIMITED), "unlimited"),
            Some(0) => (FlagValue::Count(0), "off"),
            Some(limit) => (FlagValue::Count(limit), "limited"),
        };
        let reason = match (decision.reason, decision.decided_by) {
            (Reason::FeatureInactive, _) => "DISABLED",
            (Reason::UserUnknown, _) => "UNKNOWN",
            (Reason::UserDisabled, _) => "TARGETING_MATCH",
            (_, Some(DecidedBy::Restriction | DecidedBy::Tier)) => "TARGETING_MATCH",
            (_, Some(DecidedBy::Default) | None) => "STATIC",
        };
        let metadata = Metadata {
            allowed: decision.allowed,
            reason: decision.reason.as_str(),
            remaining: decision.remaining.filter(|_| is_counted),
            used: is_counted.then_some(decision.used),
            resets_at: decision.resets_at.filter(|_| is_counted),
            tier: decision.tier.as_ref(),
            source: decision.source,
            decided_by: decision.decided_by,
        };
        Self { key: feature.id.as_str(), reason, value, variant, metadata }
    }
}

/// Decides about one unit of a feature.
pub(super) fn decide(known: &Known, feature: &Feature, now: DateTime<Utc>) -> Decision {
    entitlement::decide_about(&known.catalogue, &known.standing, feature, 1, now)
}

/// Decides for somebody who is not a member, as everywhere: they may not. A client that asks for a
/// visitor who is not signed in, or whom nobody has told us about yet, gets flags that are off, and
/// not an error that stops it.
pub(super) fn decide_for_nobody(feature: &Feature) -> Decision {
    Decision::unknown(None, feature.id.clone(), 1, Reason::UserUnknown)
}

/// All flags of one member, written down.
#[derive(Debug)]
pub(super) struct Bulk {
    /// From what it was written, by which it is known to be good.
    from: Option<Arc<Known>>,
    window: u32,
    until: Option<DateTime<Utc>>,
    /// Another one for every other body.
    pub(super) etag: HeaderValue,
    /// The body.
    pub(super) body: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkBody<'a> {
    flags: Vec<Flag<'a>>,
    metadata: BulkMetadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_streams: Option<[EventStream; 1]>,
}

#[derive(Serialize)]
struct BulkMetadata {
    /// Of the configuration.
    version: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventStream {
    r#type: &'static str,
    url: String,
    inactivity_delay_sec: u32,
}

/// Answers that were written down. What is remembered of a member is read again every second, and
/// forgotten when they use something; until then the same question gets the same bytes.
#[derive(Debug)]
pub(super) struct Bulks(Cache<UserId, Arc<Bulk>, Weight>);

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<UserId, Arc<Bulk>> for Weight {
    fn weight(&self, _: &UserId, bulk: &Arc<Bulk>) -> u64 {
        // With about what the rest takes.
        bulk.body.len() as u64 + 1_024
    }
}

impl Default for Bulks {
    fn default() -> Self {
        Self(Cache::with_weighter(MOST_BULKS, MOST_BYTES, Weight))
    }
}

impl Bulks {
    /// Returns all flags of a member.
    pub(super) fn of(&self, site: &Site, known: Arc<Known>, now: DateTime<Utc>) -> Arc<Bulk> {
        let user = known.standing.user.id;
        let window = events::window(now);
        if let Some(bulk) = self.0.get(&user) {
            let is_same = bulk.from.as_ref().is_some_and(|from| Arc::ptr_eq(from, &known));
            if is_same && bulk.window == window && bulk.until.is_none_or(|until| now < until) {
                return bulk;
            }
        }
        let decisions: Vec<_> =
            known.catalogue.features().iter().map(|feature| (feature, decide(&known, feature, now))).collect();
        let event_streams = (site.env.config.ofrep.streams > 0).then(|| {
            [EventStream {
                r#type: "sse",
                url: events::address(site, user, window, &live::mark(&known, now)),
                inactivity_delay_sec: events::INACTIVITY_DELAY_SECONDS,
            }]
        });
        let body = BulkBody {
            flags: decisions.iter().map(|(feature, decision)| Flag::new(feature, decision)).collect(),
            metadata: BulkMetadata { version: known.catalogue.version },
            event_streams,
        };
        let until = live::next_change(&known, now);
        let bulk = Arc::new(write(&body, Some(known.clone()), window, until));
        self.0.insert(user, bulk.clone());
        bulk
    }
}

/// Returns all flags of somebody who is not a member.
pub(super) fn bulk_of_nobody(catalogue: &Catalogue) -> Arc<Bulk> {
    let decisions: Vec<_> = catalogue.features().iter().map(|feature| (feature, decide_for_nobody(feature))).collect();
    let body = BulkBody {
        flags: decisions.iter().map(|(feature, decision)| Flag::new(feature, decision)).collect(),
        metadata: BulkMetadata { version: catalogue.version },
        event_streams: None,
    };
    Arc::new(write(&body, None, 0, None))
}

fn write(body: &BulkBody<'_>, from: Option<Arc<Known>>, window: u32, until: Option<DateTime<Utc>>) -> Bulk {
    let body = serde_json::to_vec(body).expect("flags are plain JSON");
    // Over everything that is sent: a client that has these very bytes needs no others.
    let hash = Sha256::digest(&body);
    let (short, _) = hash.split_at(16);
    let mut etag = String::with_capacity(34);
    etag.push('"');
    short.iter().for_each(|byte| etag.push_str(&format!("{byte:02x}")));
    etag.push('"');
    let etag = HeaderValue::from_str(&etag).expect("digits are ASCII");
    Bulk { from, window, until, etag, body: body.into() }
}
