//! Fresh databases, one a test.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use vouchsafe::store::{Db, migrations};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A database that nobody else has.
pub struct TestDb {
    pub db: Db,
    /// Where other programs find it.
    pub url: String,
    _folder: Option<TempDir>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);
/// The migrated database that others are copied from, once it is there. Copying is one at a
/// time: Postgres refuses to copy what somebody is connected to.
static TEMPLATE: Mutex<bool> = Mutex::const_new(false);

impl TestDb {
    /// Makes one with the current schema; nothing if there is no server for it here.
    pub async fn migrated(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Sqlite => {
                let made = Self::empty(backend).await?;
                migrations::up(&made.db).await.unwrap();
                Some(made)
            }
            Backend::Postgres => {
                let server = server()?;
                let template = format!("vouchsafe_template_{}", std::process::id());
                let mut is_made = TEMPLATE.lock().await;
                if !*is_made {
                    create_database(&server, &template, "template0").await;
                    let db = Db::open(&url(&server, &template), 2).await.unwrap();
                    migrations::up(&db).await.unwrap();
                    db.close().await;
                    *is_made = true;
                }
                Some(Self::on_server(&server, &template).await)
            }
        }
    }

    /// Makes one without any table.
    pub async fn empty(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Sqlite => {
                let folder = TempDir::new().unwrap();
                let url = format!("sqlite:{}", folder.path().join("test.db").display());
                Some(Self { db: Db::open(&url, 4).await.unwrap(), url, _folder: Some(folder) })
            }
            Backend::Postgres => {
                let _one_at_a_time = TEMPLATE.lock().await;
                Some(Self::on_server(&server()?, "template0").await)
            }
        }
    }

    async fn on_server(server: &str, template: &str) -> Self {
        let name = format!("vouchsafe_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        create_database(server, &name, template).await;
        let url = url(server, &name);
        // Every test has a pool, and the server a hundred connections.
        Self { db: Db::open(&url, 8).await.unwrap(), url, _folder: None }
    }
}

fn server() -> Option<String> {
    let url = env::var("TEST_POSTGRES_URL").ok();
    if url.is_none() {
        eprintln!("TEST_POSTGRES_URL is not set: not run on Postgres");
    }
    url
}

/// Names another database on the same server.
fn url(server: &str, database: &str) -> String {
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{database}")
}

async fn create_database(server: &str, name: &str, template: &str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
