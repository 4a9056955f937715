//! Tells those who listen that the answers about a member may be others now.
//!
//! What this process changes is heard of at once, through the memory. What another one changes is
//! found by looking every second, as long as somebody listens: at the version of the configuration
//! and at the last change of each member who is listened to. What ends by itself has a time, which
//! [`next_change`] tells.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    domain::ids::UserId,
    platform::{
        env::Env,
        memory::{Change, Known},
    },
    services::{catalogue, entitlements},
    store::{StoreError, matrix, users},
};

/// How often changes by other processes are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Members in one statement.
const MEMBERS_AT_ONCE: usize = 500;

/// Who listens in this process. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    members: HashMap<UserId, Watching>,
    listeners: usize,
    is_looking: bool,
}

#[derive(Debug, Default)]
struct Watching {
    listeners: usize,
    seen: Seen,
}

/// What was last seen of a member.
#[derive(Debug, Default, PartialEq)]
enum Seen {
    #[default]
    Nothing,
    /// Changed then; nothing if there is no such member.
    Changed(Option<DateTime<Utc>>),
}

/// How many may listen.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// In all.
    pub all: usize,
    /// To one member.
    pub for_one: usize,
}

/// There is no place for another listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many listen already")]
pub struct Full;

/// Somebody who listens; dropped, they no longer do.
#[derive(Debug)]
pub struct Listener {
    watch: Watch,
    user: UserId,
    changes: Receiver<Change>,
}

impl Watch {
    /// Listens from now on to what may change the answers about a member.
    pub fn listen(&self, env: &Env, user: UserId, places: Places) -> Result<Listener, Full> {
        let mut watched = self.watched();
        let for_one = watched.members.get(&user).map_or(0, |watching| watching.listeners);
        if watched.listeners >= places.all || for_one >= places.for_one {
            return Err(Full);
        }
        watched.listeners += 1;
        watched.members.entry(user).or_default().listeners += 1;
        if !std::mem::replace(&mut watched.is_looking, true) {
            tokio::spawn(keep_looking(env.clone(), self.clone()));
        }
        Ok(Listener { watch: self.clone(), user, changes: env.memory.listen() })
    }

    /// Returns how many listen.
    pub fn listeners(&self) -> usize {
        self.watched().listeners
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns who is listened to. Of nobody at all, nobody looks any longer.
    fn members(&self) -> Vec<UserId> {
        let mut watched = self.watched();
        watched.is_looking = watched.listeners > 0;
        watched.members.keys().copied().collect()
    }

    /// Returns those of whom something else is seen than before.
    fn note(&self, members: &[UserId], mut changed: HashMap<UserId, DateTime<Utc>>) -> Vec<UserId> {
        let mut watched = self.watched();
        let is_news = |member: &&UserId| {
            let seen = Seen::Changed(changed.remove(member));
            watched
                .members
                .get_mut(*member)
                .is_some_and(|watching| std::mem::replace(&mut watching.seen, seen) != watching.seen)
        };
        members.iter().filter(is_news).copied().collect()
    }
}

impl Listener {
    /// Waits for the next change. It may turn out to be none for this member.
    pub async fn changed(&mut self) {
        loop {
            match self.changes.recv().await {
                Ok(Change::Access(user)) if user != self.user => {}
                // Of those that were missed, one may have been about this member.
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut watched = self.watch.watched();
        watched.listeners -= 1;
        if let Some(watching) = watched.members.get_mut(&self.user) {
            watching.listeners -= 1;
            if watching.listeners == 0 {
                watched.members.remove(&self.user);
            }
        }
    }
}

async fn keep_looking(env: Env, watch: Watch) {
    let mut version = None;
    let mut fails = false;
    let mut stopped = std::pin::pin!(env.stopped());
    loop {
        let members = watch.members();
        if members.is_empty() {
            return;
        }
        match look(&env, &watch, &members, &mut version).await {
            Ok(()) => fails = false,
            // Once is enough to say it.
            Err(error) if !std::mem::replace(&mut fails, true) => {
                tracing::warn!(%error, "changes by other processes are not seen now");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = &mut stopped => return,
        }
    }
}

/// Looks once. What is seen for the first time counts as changed: it may have changed between the
/// moment when its listener was told and now.
async fn look(env: &Env, watch: &Watch, members: &[UserId], seen: &mut Option<i64>) -> Result<(), StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let version = matrix::version(conn).await?;
    let mut changed = HashMap::new();
    for some in members.chunks(MEMBERS_AT_ONCE) {
        changed.extend(users::changed_at(conn, some).await?);
    }
    drop(reader);
    if seen.replace(version) != Some(version) {
        env.configuration_changed();
    }
    for member in watch.note(members, changed) {
        env.access_changed(member);
    }
    Ok(())
}

/// Returns what is known of a member, read now: not a second old, as memory may be.
pub async fn fresh(env: &Env, user: UserId) -> Result<Option<Arc<Known>>, StoreError> {
    env.memory.usage_changed(user);
    let mut reader = env.db.reader().await?;
    catalogue::latest(env, &mut reader.conn()).await?;
    drop(reader);
    entitlements::known(env, user).await
}

/// Returns the first instant after `now` at which the answers about a member change by themselves:
/// an access or a restriction ends, or usage starts again.
pub fn next_change(known: &Known, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let periods = known.catalogue.periods(known.standing.user.created_at, now);
    let ends = periods.into_iter().filter_map(|(_, period)| period.end);
    ends.chain(known.standing.next_change(now)).min()
}

/// Returns a short text that is another one when the answers about a member may be others for a
/// reason other than usage. It is the same on every node.
pub fn mark(known: &Known, now: DateTime<Utc>) -> String {
    let standing = &known.standing;
    let access = standing.accesses.effective_at(now);
    let restrictions: Vec<_> = standing
        .restrictions()
        .iter()
        .filter(|restriction| restriction.is_in_force(now))
        .map(|restriction| (&restriction.feature, restriction.limit.to_stored()))
        .collect();
    let periods = known.catalogue.periods(standing.user.created_at, now);
    let starts: Vec<_> = periods.into_iter().map(|(_, period)| period.start).collect();
    let all = (&access.tier.id, access.source, standing.user.disabled_at, restrictions, starts);
    let hash = Sha256::digest(serde_json::to_vec(&all).expect("plain values are JSON"));
    let (short, _) = hash.split_at(8);
    let mut mark = format!("{}-", known.catalogue.version);
    short.iter().for_each(|byte| mark.push_str(&format!("{byte:02x}")));
    mark
}
