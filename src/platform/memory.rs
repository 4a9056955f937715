//! What a node remembers of the database, so that a question costs no statement.
//!
//! Nothing here is the truth: whoever counts or changes reads the database. What this process
//! changes is forgotten at once, after the commit; what another one changes is noticed within
//! [`REMEMBERED_FOR`], because everything is looked up again when it is older.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use quick_cache::sync::Cache;
use tokio::sync::broadcast;

use crate::domain::{api_key::ApiKey, catalogue::Catalogue, entitlement::Standing, ids::UserId};

/// How old something remembered may be: the longest that a change by another process goes unseen.
pub const REMEMBERED_FOR: TimeDelta = TimeDelta::seconds(1);
/// How old it is when the first who asks looks it up again, while the others take the old.
const LOOKED_UP_AFTER: TimeDelta = TimeDelta::milliseconds(900);

/// Members of whom the standing is kept, and names by which members were asked for. What is older than
/// [`REMEMBERED_FOR`] is worth nothing, and two cores read some 9,000 members in that time (docs/benchmarks.md):
/// keeping more would only take memory.
const MOST_MEMBERS: usize = 12_000;
/// API keys that were shown.
const MOST_KEYS: usize = 10_000;
/// One for each end that the id of a member may have: many more than changes a second, so that members seldom share one.
const EPOCHS: usize = 1 << 16;

/// A change that browsers and other listeners want to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Tiers, features, limits or settings.
    Configuration,
    /// The access of one member.
    Access(UserId),
}

/// A member's standing, with the configuration under which it was put together.
#[derive(Debug)]
pub struct Known {
    /// The configuration.
    pub catalogue: Arc<Catalogue>,
    /// The standing.
    pub standing: Standing,
    epoch: u32,
    read_at: ReadAt,
}

/// When something was read. Of several who find it rather old, one is told to look it up; the
/// others take the old for a little longer, so that a popular entry is not read by all at once.
/// Should that one never come back, nobody takes what is too old.
#[derive(Debug)]
struct ReadAt {
    at: DateTime<Utc>,
    /// Whether somebody is looking it up again.
    is_renewed: AtomicBool,
}

impl ReadAt {
    fn new(at: DateTime<Utc>) -> Self {
        Self { at, is_renewed: AtomicBool::new(false) }
    }

    /// Returns how old it is; nothing when it is too old.
    fn age(&self, now: DateTime<Utc>) -> Option<Age> {
        // A clock that was set back is no reason to remember for longer.
        let age = (now - self.at).abs();
        if age >= REMEMBERED_FOR {
            return None;
        }
        let is_first = age >= LOOKED_UP_AFTER && !self.is_renewed.swap(true, Ordering::Relaxed);
        Some(if is_first { Age::Old } else { Age::Fresh })
    }

    /// Returns whether it can be taken by one who looks it up at once when it is old.
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.age(now) == Some(Age::Fresh)
    }
}

/// How old something remembered is that can still be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It needs no looking up.
    Fresh,
    /// It soon cannot be taken any more, and nobody looks it up yet: whoever is told this should.
    Old,
}

type KnownCatalogue = Arc<(Arc<Catalogue>, ReadAt)>;

#[derive(Debug)]
struct Name {
    user: UserId,
    /// What was read together with the name.
    known: Option<Arc<Known>>,
    epoch: u32,
    read_at: ReadAt,
}

#[derive(Debug)]
struct KnownKey {
    key: Option<Arc<ApiKey>>,
    epoch: u32,
    read_at: ReadAt,
}

/// A moment in the life of the memory: what was read since is not yet forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Epoch(u32);

/// What a node remembers.
#[derive(Debug)]
pub struct Memory {
    catalogue: RwLock<Option<KnownCatalogue>>,
    /// Grows when the configuration changes here.
    catalogue_epoch: AtomicU32,
    standings: Cache<UserId, Arc<Known>>,
    names: Cache<String, Arc<Name>>,
    /// Grows when somebody's names may have changed here.
    names_epoch: AtomicU32,
    /// Each grows when something about one of its members changes here.
    epochs: Box<[AtomicU32]>,
    keys: Cache<Vec<u8>, Arc<KnownKey>>,
    keys_epoch: AtomicU32,
    changes: broadcast::Sender<Change>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            catalogue: RwLock::new(None),
            catalogue_epoch: AtomicU32::new(0),
            standings: Cache::new(MOST_MEMBERS),
            names: Cache::new(MOST_MEMBERS),
            names_epoch: AtomicU32::new(0),
            epochs: (0..EPOCHS).map(|_| AtomicU32::new(0)).collect(),
            keys: Cache::new(MOST_KEYS),
            keys_epoch: AtomicU32::new(0),
            // Those who fall behind look everything up again.
            changes: broadcast::Sender::new(1_024),
        }
    }
}

impl Memory {
    /// Returns the configuration, unless it is time to ask for its version again.
    pub fn catalogue(&self, now: DateTime<Utc>) -> Option<Arc<Catalogue>> {
        let remembered = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        remembered.as_ref().filter(|known| known.1.is_fresh(now)).map(|known| known.0.clone())
    }

    /// Returns the configuration, however old.
    pub fn last_catalogue(&self) -> Option<Arc<Catalogue>> {
        let remembered = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        remembered.as_ref().map(|known| known.0.clone())
    }

    /// Returns the moment before the configuration is read.
    pub fn catalogue_epoch(&self) -> Epoch {
        Epoch(self.catalogue_epoch.load(Ordering::Acquire))
    }

    /// Remembers the configuration that was read since `epoch`, unless it has changed since.
    pub fn remember_catalogue(&self, epoch: Epoch, catalogue: &Arc<Catalogue>, now: DateTime<Utc>) {
        let mut remembered = self.catalogue.write().unwrap_or_else(PoisonError::into_inner);
        let is_newer = remembered.as_ref().is_none_or(|known| known.0.version <= catalogue.version);
        if self.catalogue_epoch.load(Ordering::Acquire) == epoch.0 && is_newer {
            *remembered = Some(Arc::new((catalogue.clone(), ReadAt::new(now))));
        }
    }

    /// Forgets the configuration, which this process has changed.
    pub fn configuration_changed(&self) {
        let mut remembered = self.catalogue.write().unwrap_or_else(PoisonError::into_inner);
        self.catalogue_epoch.fetch_add(1, Ordering::AcqRel);
        *remembered = None;
        drop(remembered);
        // Without a listener there is nobody to tell.
        let _ = self.changes.send(Change::Configuration);
    }

    /// Hears of changes from now on.
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Returns how many listen to changes.
    pub fn listeners(&self) -> usize {
        self.changes.receiver_count()
    }

    fn epoch_of(&self, user: UserId) -> &AtomicU32 {
        // Ids end in chance (RFC 9562 §5.7).
        let [.., high, low] = *user.as_bytes();
        &self.epochs[usize::from(u16::from_be_bytes([high, low]))]
    }

    /// Returns the moment before a member's standing is read.
    pub fn standing_epoch(&self, user: UserId) -> Epoch {
        Epoch(self.epoch_of(user).load(Ordering::Acquire))
    }

    /// Returns the standing of a member if it is remembered, under this configuration.
    pub fn standing(&self, user: UserId, catalogue: &Arc<Catalogue>, now: DateTime<Utc>) -> Option<(Arc<Known>, Age)> {
        let known = self.standings.get(&user)?;
        let age = known.read_at.age(now).filter(|_| self.is_good(&known, catalogue))?;
        Some((known, age))
    }

    /// Returns whether nothing has changed here since a standing was read, however long that is ago.
    fn is_good(&self, known: &Known, catalogue: &Arc<Catalogue>) -> bool {
        let epoch = self.epoch_of(known.standing.user.id).load(Ordering::Acquire);
        Arc::ptr_eq(&known.catalogue, catalogue) && known.epoch == epoch
    }

    /// Remembers a standing that was read since `epoch`.
    pub fn remember_standing(
        &self,
        epoch: Epoch,
        catalogue: Arc<Catalogue>,
        standing: Standing,
        now: DateTime<Utc>,
    ) -> Arc<Known> {
        let user = standing.user.id;
        let known = Arc::new(Known { catalogue, standing, epoch: epoch.0, read_at: ReadAt::new(now) });
        self.standings.insert(user, known.clone());
        known
    }

    /// Forgets what a member has used, which this process has changed.
    pub fn usage_changed(&self, user: UserId) {
        self.epoch_of(user).fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets a member's standing, which this process has changed.
    pub fn access_changed(&self, user: UserId) {
        self.usage_changed(user);
        // A name that this one got may have been another's.
        self.names_epoch.fetch_add(1, Ordering::AcqRel);
        let _ = self.changes.send(Change::Access(user));
    }

    /// Returns the moment before a name is looked up.
    pub fn names_epoch(&self) -> Epoch {
        Epoch(self.names_epoch.load(Ordering::Acquire))
    }

    fn name(&self, name: &str, now: DateTime<Utc>) -> Option<(Arc<Name>, Age)> {
        let name = self.names.get(name)?;
        let is_good = name.epoch == self.names_epoch.load(Ordering::Acquire);
        let age = name.read_at.age(now).filter(|_| is_good)?;
        Some((name, age))
    }

    /// Returns whom a name means, if it is remembered.
    pub fn named(&self, name: &str, now: DateTime<Utc>) -> Option<(UserId, Age)> {
        self.name(name, now).map(|(name, age)| (name.user, age))
    }

    /// Returns the standing of whom a name means if both are remembered, and how old each of them is.
    pub fn standing_of(
        &self,
        name: &str,
        catalogue: &Arc<Catalogue>,
        now: DateTime<Utc>,
    ) -> Option<(Arc<Known>, Age, Age)> {
        let (name, age) = self.name(name, now)?;
        match name.known.as_ref().filter(|known| self.is_good(known, catalogue)) {
            // As old as the name, with which it was read.
            Some(known) => Some((known.clone(), age, Age::Fresh)),
            None => self.standing(name.user, catalogue, now).map(|(known, own)| (known, age, own)),
        }
    }

    /// Remembers whom a name means, which was looked up since `epoch`, and what else was read of them
    /// at `now`.
    pub fn remember_name(&self, epoch: Epoch, name: &str, user: UserId, known: Option<Arc<Known>>, now: DateTime<Utc>) {
        let remembered = Name { user, known, epoch: epoch.0, read_at: ReadAt::new(now) };
        self.names.insert(name.to_owned(), Arc::new(remembered));
    }

    /// Returns the moment before a key is read.
    pub fn keys_epoch(&self) -> Epoch {
        Epoch(self.keys_epoch.load(Ordering::Acquire))
    }

    /// Returns the key with that token, if it is remembered; the inner value is empty if there is
    /// no such key.
    pub fn api_key(&self, token_hash: &[u8], now: DateTime<Utc>) -> Option<Option<Arc<ApiKey>>> {
        let known = self.keys.get(token_hash)?;
        let is_good = known.epoch == self.keys_epoch.load(Ordering::Acquire) && known.read_at.is_fresh(now);
        is_good.then(|| known.key.clone())
    }

    /// Remembers a key that was read since `epoch`.
    pub fn remember_api_key(&self, epoch: Epoch, token_hash: Vec<u8>, key: Option<Arc<ApiKey>>, now: DateTime<Utc>) {
        let known = KnownKey { key, epoch: epoch.0, read_at: ReadAt::new(now) };
        self.keys.insert(token_hash, Arc::new(known));
    }

    /// Forgets all keys, of which this process has ended one.
    pub fn keys_changed(&self) {
        self.keys_epoch.fetch_add(1, Ordering::AcqRel);
    }
}
