//! `store::db`, and what can be told from an error.

use std::sync::Arc;

use chrono::TimeDelta;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio::{sync::Barrier, task::JoinSet};
use uuid::Uuid;
use vouchsafe::store::{
    Conn, Db, Reader, StoreError, Tx,
    db::OpenError,
    jobs::{self, Lane, Work},
    migrations, users,
};

use super::{Store, email, execute, new_user, on_both};
use crate::harness::{Backend, beginning};

async fn members(reader: &mut Reader) -> i64 {
    users::count(&mut reader.conn()).await.unwrap()
}

/// Returns the value of a pragma of SQLite, whose table has it in the column of that name.
async fn pragma(conn: Conn<'_>, name: &str, column: &str) -> String {
    let Conn::Sqlite(c) = conn else { panic!("a pragma is SQLite's") };
    let sql = format!("SELECT CAST({column} AS TEXT) FROM pragma_{name}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(c).await.unwrap()
}

on_both! {
    async fn what_is_not_committed_is_seen_by_nobody_else_and_never_happened(store: Store) {
        let mut tx = store.begin().await;
        let address = email("ann@example.com");
        assert!(users::insert(&mut tx.conn(), &new_user(store.id(), &address), beginning()).await.unwrap());
        assert_eq!(users::count(&mut tx.conn()).await.unwrap(), 1);
        // A reader does not wait for who writes, and sees the last commit.
        assert_eq!(members(&mut store.reader().await).await, 0);
        drop(tx);
        assert_eq!(members(&mut store.reader().await).await, 0);

        let mut tx = store.begin().await;
        assert!(users::insert(&mut tx.conn(), &new_user(store.id(), &address), beginning()).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(members(&mut store.reader().await).await, 1);
    }

    async fn what_is_undone_holds_nothing_any_more(store: Store) {
        let job = (store.id(), Work::SendMail { mail: store.id() });
        let mut tx = store.begin().await;
        jobs::insert(&mut tx.conn(), &[job], beginning()).await.unwrap();
        tx.commit().await.unwrap();
        let lease = beginning() + TimeDelta::seconds(60);
        let claim = async |tx: &mut Tx| {
            let claimed = jobs::claim(&mut tx.conn(), Lane::Letters, 1, beginning(), lease).await.unwrap();
            claimed.iter().map(|job| job.attempt).collect::<Vec<_>>()
        };
        for _ in 0..20 {
            let mut tx = store.begin().await;
            assert_eq!(claim(&mut tx).await, [1]);
            // Whoever claims passes by what another transaction holds. A file has one writer at a time; on a
            // server the next one may have begun already, and asks at once.
            let next = if matches!(store.db, Db::Postgres(_)) { Some(store.begin().await) } else { None };
            tx.rollback().await.unwrap();
            let mut next = match next {
                Some(next) => next,
                None => store.begin().await,
            };
            assert_eq!(claim(&mut next).await, [1]);
            next.rollback().await.unwrap();
        }
    }

    async fn a_step_that_fails_takes_nothing_with_it(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        conn.savepoint().await.unwrap();
        super::execute(conn, "UPDATE users SET lang = 'de'").await.unwrap();
        super::execute(conn, "INSERT INTO nowhere VALUES (1)").await.unwrap_err();
        conn.go_back().await.unwrap();
        conn.savepoint().await.unwrap();
        super::execute(conn, "UPDATE users SET referral_code = 'AAAABBBB'").await.unwrap();
        conn.keep().await.unwrap();
        tx.commit().await.unwrap();
        let mut reader = store.reader().await;
        let found = users::find(&mut reader.conn(), ann).await.unwrap().unwrap();
        assert_eq!((found.lang, found.referral_code.is_some()), (vouchsafe::domain::lang::Lang::En, true));
    }

    async fn a_reference_to_nothing_is_refused(store: Store) {
        let mut tx = store.begin().await;
        let error = users::count_login(&mut tx.conn(), store.id(), beginning()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Database(error) if error.as_database_error()
            .is_some_and(|error| error.is_foreign_key_violation())), "{error}");
        assert!(!error.is_temporary());
    }

    async fn a_database_answers_until_it_is_closed(store: Store) {
        store.db.ping().await.unwrap();
        store.db.close().await;
        let error = store.db.ping().await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
        let error = store.db.begin().await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
        assert!(store.db.reader().await.is_err());
    }
}

#[tokio::test]
async fn sqlite_is_opened_to_keep_what_was_committed() {
    let store = Store::new(Backend::Sqlite).await.unwrap();
    let mut tx = store.begin().await;
    assert_eq!(pragma(tx.conn(), "journal_mode", "journal_mode").await, "wal");
    // 2 is FULL.
    assert_eq!(pragma(tx.conn(), "synchronous", "synchronous").await, "2");
    assert_eq!(pragma(tx.conn(), "foreign_keys", "foreign_keys").await, "1");
    assert_eq!(pragma(tx.conn(), "busy_timeout", "timeout").await, "5000");
}

#[tokio::test]
async fn sqlites_readers_write_nothing() {
    let store = Store::new(Backend::Sqlite).await.unwrap();
    let mut reader = store.reader().await;
    let error = execute(&mut reader.conn(), "DELETE FROM app_settings").await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[tokio::test]
async fn the_folder_of_an_sqlite_file_is_made() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a/b/vouchsafe.db");
    let db = Db::open(&format!("sqlite:{}", file.display()), 2).await.unwrap();
    db.ping().await.unwrap();
    assert!(file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_on_one_sqlite_file_wait_for_each_other() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("vouchsafe.db").display());
    let programs = [Db::open(&url, 2).await.unwrap(), Db::open(&url, 2).await.unwrap()];
    migrations::up(&programs[0]).await.unwrap();
    let id = Uuid::from_u128(1).into();
    let mut tx = programs[1].begin().await.unwrap();
    assert!(users::insert(&mut tx.conn(), &new_user(id, &email("ann@example.com")), beginning()).await.unwrap());
    tx.commit().await.unwrap();

    let start = Arc::new(Barrier::new(20));
    let mut running = JoinSet::new();
    for number in 0..20 {
        let (db, start) = (programs[number % 2].clone(), start.clone());
        running.spawn(async move {
            start.wait().await;
            let mut tx = db.begin().await.unwrap();
            users::count_login(&mut tx.conn(), id, beginning()).await.unwrap();
            tx.commit().await.unwrap();
        });
    }
    running.join_all().await;
    let mut reader = programs[0].reader().await.unwrap();
    assert_eq!(users::login_stats(&mut reader.conn(), id).await.unwrap().0, 20);
}

#[tokio::test]
async fn a_url_that_opens_nothing_says_why_and_keeps_the_password() {
    for url in ["", "mysql://root@localhost/x", "vouchsafe.db", "Postgres://localhost/x"] {
        let error = Db::open(url, 2).await.unwrap_err();
        assert!(matches!(error, OpenError::UnknownScheme), "{url}: {error}");
    }
    // Nobody listens on port 1.
    let error = Db::open("postgres://ann:opensesame@127.0.0.1:1/vouchsafe", 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Driver(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("opensesame"), "{error:?}");

    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Db::open(&format!("sqlite:{}/vouchsafe.db", file.path().display()), 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Folder(_)), "{error}");
}

#[tokio::test]
async fn what_passes_by_itself_is_told_from_what_does_not() {
    assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_temporary());
    assert!(StoreError::from(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())).is_temporary());
    assert!(!StoreError::from(sqlx::Error::RowNotFound).is_temporary());
    assert!(!StoreError::Missing("users").is_temporary());
}

#[tokio::test]
async fn two_transactions_that_stand_in_each_others_way_may_try_again() {
    let Some(store) = Store::new(Backend::Postgres).await else { return };
    let ann = store.member("ann@example.com").await;
    let mut late = store.begin().await;
    execute(&mut late.conn(), "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    assert!(users::find(&mut late.conn(), ann).await.unwrap().is_some());
    store.execute("UPDATE users SET lang = 'de'").await;
    let error = users::lock(&mut late.conn(), ann).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
}

#[tokio::test]
async fn postgres_runs_transactions_at_read_committed() {
    let Some(store) = Store::new(Backend::Postgres).await else { return };
    assert_eq!(store.texts("SELECT current_setting('transaction_isolation')").await, ["read committed"]);
    assert_eq!(store.texts("SELECT current_setting('application_name')").await, ["vouchsafe"]);
}
