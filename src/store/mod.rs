//! All SQL. One file per table family; services knock here with an open connection.
//!
//! Every statement runs on SQLite and on Postgres from one text (see [`db`]); the contract
//! suite in `src/tests/contract` runs every function here on both. What must not race is
//! guarded inside one statement, and a comment there says what two callers at once see.

pub mod activity;
pub mod address_marks;
pub mod api_keys;
pub mod bonus;
pub mod catalogue;
pub mod coupons;
pub mod credit;
pub mod db;
pub mod doctor;
pub mod endings;
pub mod grants;
pub mod idempotency;
pub mod invitations;
pub mod jobs;
pub mod login;
pub mod mail_preferences;
pub mod mail_templates;
pub mod mails;
pub mod matrix;
pub mod migrations;
pub mod notifications;
pub mod partners;
pub mod payments;
pub mod places;
pub mod portfolios;
pub mod prices;
pub mod privacy;
pub mod quotes;
pub mod rate_limits;
pub mod referrals;
pub mod reminders;
pub mod restrictions;
pub mod schedules;
pub mod sessions;
pub mod settings;
pub mod stats;
pub mod subscriptions;
pub mod usage;
pub mod users;
pub mod webhooks;

pub use db::{Conn, Db, Reader, Tx};

/// What can go wrong with a statement.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused, or is not there.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row holds what this program never writes.
    #[error("{table}.{column} holds what cannot be read: {problem}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A row that this transaction has just written or seen is gone.
    #[error("a row of {0} that must be there is not")]
    Missing(&'static str),
    /// The program is ending and takes no more work.
    #[error("the program is stopping")]
    Stopping,
    /// The schema could not be brought up or down.
    #[error("the migration failed: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Returns whether the same may work a little later: no connection was free, or the server
    /// was away, or two transactions stood in each other's way.
    pub fn is_temporary(&self) -> bool {
        let error = match self {
            Self::Database(error) => error,
            other => return matches!(other, Self::Stopping),
        };
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
                true
            }
            // Postgres: serialisation failure, deadlock, admin shutdown, starting up, too many
            // connections, disk full. SQLite: busy, locked, full.
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                matches!(
                    code.as_ref(),
                    "40001" | "40P01" | "57P01" | "57P02" | "57P03" | "53300" | "53100" | "5" | "6" | "13" | "517"
                )
            }),
            _ => false,
        }
    }

    /// Returns whether two transactions stood in each other's way: the same again may work at once.
    pub fn is_collision(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        // Postgres: serialisation failure, deadlock. SQLite: busy, and busy by an old snapshot.
        error.is_unique_violation()
            || error.code().is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01" | "5" | "517"))
    }

    /// Returns a mapper for a column whose text cannot be read.
    fn corrupt<E: std::fmt::Display>(table: &'static str, column: &'static str) -> impl Fn(E) -> Self {
        move |problem| Self::Corrupt { table, column, problem: problem.to_string() }
    }
}

/// The result of every statement.
pub type Result<T> = std::result::Result<T, StoreError>;
