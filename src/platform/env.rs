//! What a journey takes along.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{
    config::Config,
    platform::{clock::Clock, keys::Keys, random::Random},
    store::db::Db,
};

/// The world of a service: the database, the time, chance, keys and the configuration. Cheap to
/// clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Env {
    /// The open database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
    /// What signs and encrypts.
    pub keys: Keys,
    /// What the operator decided.
    pub config: Arc<Config>,
    /// Wakes the job runner, after the commit of a transaction that left it work.
    pub work: Arc<Notify>,
}

impl Env {
    /// Tells the job runner that there is work, after the commit that queued it.
    pub fn wake_workers(&self) {
        self.work.notify_one();
    }
}
