//! One door to two databases.
//!
//! The same SQL text with the same binds runs on whichever is open: `$1` is portable, ids and
//! times are bound from Rust, and native types differ only in the migrations. SQLite has one
//! writer and several readers; Postgres has a pool.

use std::{str::FromStr, time::Duration};

use sqlx::{
    PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::store::Result;

/// How long a request waits for a connection before it is told to come back later.
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(5);

/// An open database.
#[derive(Debug, Clone)]
pub enum Db {
    /// A file beside the program.
    Sqlite {
        /// One connection, so that writers queue here instead of failing as busy.
        writer: SqlitePool,
        /// Connections that see the last commit and never wait for the writer.
        readers: SqlitePool,
    },
    /// A server.
    Postgres(PgPool),
}

/// A transaction that writes. Dropped without [`Tx::commit`], it never happened.
#[derive(Debug)]
pub enum Tx {
    /// Begun `IMMEDIATE`: a deferred one may fail when it turns from reading to writing.
    Sqlite(Transaction<'static, Sqlite>),
    /// At READ COMMITTED.
    Postgres(Transaction<'static, Postgres>),
}

/// A connection that reads.
#[derive(Debug)]
pub enum Reader {
    /// From the pool of readers.
    Sqlite(PoolConnection<Sqlite>),
    /// From the pool.
    Postgres(PoolConnection<Postgres>),
}

/// What statements run on.
#[derive(Debug)]
pub enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// Postgres.
    Postgres(&'c mut PgConnection),
}

/// Runs one query on whichever database is open: `run!(conn, |c| query.fetch_one(c))`.
macro_rules! run {
    ($conn:expr, |$c:ident| $query:expr) => {
        match $conn {
            $crate::store::db::Conn::Sqlite(connection) => {
                let $c = &mut **connection;
                $query.await
            }
            $crate::store::db::Conn::Postgres(connection) => {
                let $c = &mut **connection;
                $query.await
            }
        }
    };
}

/// Runs one statement and returns how many rows it touched.
macro_rules! execute {
    ($conn:expr, |$c:ident| $query:expr) => {
        match $conn {
            $crate::store::db::Conn::Sqlite(connection) => {
                let $c = &mut **connection;
                $query.await.map(|done| done.rows_affected())
            }
            $crate::store::db::Conn::Postgres(connection) => {
                let $c = &mut **connection;
                $query.await.map(|done| done.rows_affected())
            }
        }
    };
}

/// Builds a statement for as many rows as there are, and runs it on whichever database is open:
/// `build!(conn, |query, c| { query.push("…"); query.build().execute(c).await })`.
macro_rules! build {
    ($conn:expr, |$query:ident, $c:ident| $body:expr) => {
        match $conn {
            $crate::store::db::Conn::Sqlite(connection) => {
                let mut $query = sqlx::QueryBuilder::<sqlx::Sqlite>::new("");
                let $c = &mut **connection;
                $body
            }
            $crate::store::db::Conn::Postgres(connection) => {
                let mut $query = sqlx::QueryBuilder::<sqlx::Postgres>::new("");
                let $c = &mut **connection;
                $body
            }
        }
    };
}

pub(crate) use {build, execute, run};

/// Why a database URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither of the two schemes.
    #[error("the database URL starts with sqlite: or postgres://")]
    UnknownScheme,
    /// The driver's own complaint, which never holds the password.
    #[error("the database cannot be opened: {0}")]
    Driver(#[from] sqlx::Error),
    /// The folder of the file cannot be made.
    #[error("the folder of the database file cannot be made: {0}")]
    Folder(#[from] std::io::Error),
}

impl Db {
    /// Opens `sqlite:PATH` (made when absent) or `postgres://…`, with at most `pool_size`
    /// connections (readers, for SQLite).
    pub async fn open(url: &str, pool_size: u32) -> std::result::Result<Self, OpenError> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url, pool_size).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)?.application_name("vouchsafe");
            let pool = PgPoolOptions::new()
                .max_connections(pool_size)
                .acquire_timeout(WAIT_FOR_CONNECTION)
                .connect_with(options)
                .await?;
            Ok(Self::Postgres(pool))
        } else {
            Err(OpenError::UnknownScheme)
        }
    }

    async fn open_sqlite(url: &str, pool_size: u32) -> std::result::Result<Self, OpenError> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL may lose acknowledged commits when the power fails.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // A statement that writes many rows keeps a journal of its own: in a file, it costs as much as the rows.
            .pragma("temp_store", "memory")
            // In pages; by default a busy writer would copy the same few pages into the file all the time.
            .pragma("wal_autocheckpoint", "4000")
            // A thread of the driver reads the rows: it shall not stop in between to hand them over.
            .row_buffer_size(1_024)
            .busy_timeout(WAIT_FOR_CONNECTION);
        if let Some(folder) = options.get_filename().parent() {
            std::fs::create_dir_all(folder)?;
        }
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT_FOR_CONNECTION)
            .connect_with(options.clone())
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(pool_size)
            .acquire_timeout(WAIT_FOR_CONNECTION)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        Ok(Self::Sqlite { writer, readers })
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx> {
        // In a box, here and below: waiting for a connection takes kilobytes, which everybody who may have to
        // would carry along in a future of their own.
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(Box::pin(writer.begin_with("BEGIN IMMEDIATE")).await?),
            Self::Postgres(pool) => Tx::Postgres(Box::pin(pool.begin()).await?),
        })
    }

    /// Takes a connection for reading.
    pub async fn reader(&self) -> Result<Reader> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Reader::Sqlite(Box::pin(readers.acquire()).await?),
            Self::Postgres(pool) => Reader::Postgres(Box::pin(pool.acquire()).await?),
        })
    }

    /// Returns when the database has answered.
    pub async fn ping(&self) -> Result<()> {
        let mut reader = self.reader().await?;
        run!(&mut reader.conn(), |c| sqlx::query_scalar::<_, i64>("SELECT CAST(1 AS BIGINT)").fetch_one(c))?;
        Ok(())
    }

    /// Closes all connections, after those in use are done.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Lends the connection to statements.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(tx) => Conn::Sqlite(tx),
            Self::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    /// Makes everything in the transaction last, at once.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Undoes everything in the transaction, at once. One that is dropped is undone too, but a moment
    /// later: until then its rows are locked, and whoever skips locked rows passes them by.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

impl Reader {
    /// Lends the connection to statements.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}

impl Conn<'_> {
    /// Marks a point in the transaction to which it can go back.
    pub async fn savepoint(&mut self) -> Result<()> {
        execute!(self, |c| sqlx::query("SAVEPOINT step").execute(c))?;
        Ok(())
    }

    /// Keeps what was done since the last mark.
    pub async fn keep(&mut self) -> Result<()> {
        execute!(self, |c| sqlx::query("RELEASE SAVEPOINT step").execute(c))?;
        Ok(())
    }

    /// Goes back to the last mark: what was done since never happened, and a failed statement does
    /// not spoil the transaction.
    pub async fn go_back(&mut self) -> Result<()> {
        execute!(self, |c| sqlx::query("ROLLBACK TO SAVEPOINT step").execute(c))?;
        execute!(self, |c| sqlx::query("RELEASE SAVEPOINT step").execute(c))?;
        Ok(())
    }

    /// Chooses between two texts, for the few words in which the databases differ.
    pub(crate) fn dialect(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}
