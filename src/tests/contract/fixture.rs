//! A database to test, what to put into it, and races.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::AssertSqlSafe;
use tokio::{sync::Barrier, task::JoinSet};
use uuid::Uuid;
use vouchsafe::{
    domain::{
        email::EmailAddress,
        ids::{TierId, UserId},
        lang::Lang,
        user::Role,
    },
    platform::random::Random,
    store::{
        Conn, Db, Reader, Tx,
        users::{self, NewUser},
    },
};

use crate::harness::{Backend, TestDb, beginning};

/// Writes a test for each database: `on_both! { async fn a_sentence(store: Store) { … } }`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: $fixture:ty) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn contract($store: $fixture) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                if let Some(store) = <$fixture>::new($crate::harness::Backend::Sqlite).await {
                    contract(store).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(store) = <$fixture>::new($crate::harness::Backend::Postgres).await {
                    contract(store).await;
                }
            }
        }
    )+};
}
pub(super) use on_both;

/// How many transactions of a race are open on Postgres before it starts; the pool of a test
/// has two more connections.
const OPEN_AT_START: usize = 6;

/// How often a race is run: one alone may happen to go well.
pub const ROUNDS: i64 = 5;

/// A database under test, with ids that nobody else has.
pub struct Store {
    pub db: Db,
    random: Random,
    _test_db: TestDb,
}

impl Store {
    /// Opens a fresh one with the current schema; nothing if there is no such server here.
    pub async fn new(backend: Backend) -> Option<Self> {
        TestDb::migrated(backend).await.map(Self::on)
    }

    /// Opens a fresh one without any table.
    pub async fn empty(backend: Backend) -> Option<Self> {
        TestDb::empty(backend).await.map(Self::on)
    }

    fn on(test_db: TestDb) -> Self {
        Self { db: test_db.db.clone(), random: Random::seeded(11), _test_db: test_db }
    }

    /// Begins a transaction. SQLite has one at a time: commit or drop it before the next.
    pub async fn begin(&self) -> Tx {
        self.db.begin().await.unwrap()
    }

    /// Takes a connection that sees what is committed.
    pub async fn reader(&self) -> Reader {
        self.db.reader().await.unwrap()
    }

    /// Makes an id; a later one sorts after it only if it was made `at` a later time.
    pub fn id_at<T: From<Uuid>>(&self, time: DateTime<Utc>) -> T {
        self.random.id(time)
    }

    /// Makes an id.
    pub fn id<T: From<Uuid>>(&self) -> T {
        self.id_at(beginning())
    }

    /// Adds a member on the tier `free`.
    pub async fn member(&self, address: &str) -> UserId {
        let id = self.id();
        let mut tx = self.begin().await;
        let inserted = users::insert(&mut tx.conn(), &new_user(id, &email(address)), beginning()).await.unwrap();
        assert!(inserted, "{address} is a member already");
        tx.commit().await.unwrap();
        id
    }

    /// Runs SQL that no store function speaks, to arrange what comes from elsewhere. Returns how
    /// many rows it touched.
    pub async fn execute(&self, sql: &str) -> u64 {
        let mut tx = self.begin().await;
        let touched = execute(&mut tx.conn(), sql).await.unwrap();
        tx.commit().await.unwrap();
        touched
    }

    /// Returns the first column of all rows, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let mut reader = self.reader().await;
        texts(&mut reader.conn(), sql).await
    }

    /// Returns the number of rows of a table.
    pub async fn count(&self, table: &str) -> i64 {
        self.texts(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await[0].parse().unwrap()
    }

    /// Lets `tasks` transactions run against each other, commits them, and returns what each
    /// brought.
    ///
    /// On Postgres the first of them are open before the start, so that their statements meet.
    /// SQLite has one writer; there the race is for it.
    pub async fn race<T, Act, Acted>(&self, tasks: usize, act: Act) -> Vec<T>
    where
        T: Send + 'static,
        Act: Fn(usize, Tx) -> Acted + Clone + Send + 'static,
        Acted: Future<Output = (Tx, T)> + Send,
    {
        let start = Arc::new(Barrier::new(tasks));
        let mut running = JoinSet::new();
        for number in 0..tasks {
            let (db, start, act) = (self.db.clone(), start.clone(), act.clone());
            running.spawn(async move {
                let opens_early = matches!(db, Db::Postgres(_)) && number < OPEN_AT_START;
                let open = if opens_early { Some(db.begin().await.unwrap()) } else { None };
                start.wait().await;
                let tx = match open {
                    Some(tx) => tx,
                    None => db.begin().await.unwrap(),
                };
                let (tx, brought) = act(number, tx).await;
                tx.commit().await.unwrap();
                brought
            });
        }
        running.join_all().await
    }
}

/// Runs SQL on an open connection.
pub async fn execute(conn: &mut Conn<'_>, sql: &str) -> Result<u64, sqlx::Error> {
    let sql = AssertSqlSafe(sql.to_owned());
    match conn {
        Conn::Sqlite(c) => sqlx::query(sql).execute(&mut **c).await.map(|done| done.rows_affected()),
        Conn::Postgres(c) => sqlx::query(sql).execute(&mut **c).await.map(|done| done.rows_affected()),
    }
}

/// Returns the first column of all rows that a statement finds, as text.
pub async fn texts(conn: &mut Conn<'_>, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql.to_owned());
    match conn {
        Conn::Sqlite(c) => sqlx::query_scalar(sql).fetch_all(&mut **c).await.unwrap(),
        Conn::Postgres(c) => sqlx::query_scalar(sql).fetch_all(&mut **c).await.unwrap(),
    }
}

/// Reads an address.
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// Reads a name or an id.
pub fn name<T: FromStr<Err: fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Returns a member to be added: on the tier `free`, without a trial, invited by nobody.
pub fn new_user<'a>(id: UserId, email: &'a EmailAddress) -> NewUser<'a> {
    static FREE: LazyLock<TierId> = LazyLock::new(|| name("free"));
    NewUser {
        id,
        email: Some(email),
        external_id: None,
        role: Role::Member,
        lang: Lang::En,
        tier: &FREE,
        trial_ends_at: None,
        referred_by: None,
    }
}

/// Returns the time so many seconds after the beginning.
pub fn after(seconds: i64) -> DateTime<Utc> {
    beginning() + TimeDelta::seconds(seconds)
}

/// Returns how many won.
pub fn won(results: &[bool]) -> usize {
    results.iter().filter(|won| **won).count()
}
