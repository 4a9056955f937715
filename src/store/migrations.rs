//! Bringing the schema up and down. The migrations are inside the binary.

use sqlx::migrate::{Migrate, Migrator};

use crate::store::{
    Db, Result,
    db::{Conn, Reader},
};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// A step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number, growing.
    pub version: i64,
    /// What it brings.
    pub description: String,
    /// Whether this database has it.
    pub applied: bool,
}

fn migrator(db: &Db) -> &'static Migrator {
    match db {
        Db::Sqlite { .. } => &SQLITE,
        Db::Postgres(_) => &POSTGRES,
    }
}

/// Applies every step that is missing. On Postgres an advisory lock lets one node do it; SQLite has
/// none, so whoever loses the race for a step looks again at what is left to do.
pub async fn up(db: &Db) -> Result<()> {
    match db {
        Db::Sqlite { writer, .. } => {
            if SQLITE.run(writer).await.is_err() {
                SQLITE.run(writer).await?;
            }
        }
        Db::Postgres(pool) => POSTGRES.run(pool).await?,
    }
    Ok(())
}

/// Takes back every step above `version`; 0 takes back all.
pub async fn down(db: &Db, version: i64) -> Result<()> {
    match db {
        Db::Sqlite { writer, .. } => SQLITE.undo(writer, version).await?,
        Db::Postgres(pool) => POSTGRES.undo(pool, version).await?,
    }
    Ok(())
}

/// Returns every step, in order, with whether it is applied.
pub async fn status(db: &Db) -> Result<Vec<Step>> {
    let mut reader = db.reader().await?;
    let there =
        match &mut reader {
            Reader::Sqlite(c) => {
                sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
                    .fetch_one(&mut **c)
                    .await?
            }
            Reader::Postgres(c) => sqlx::query_scalar::<_, i64>(
                "SELECT COUNT(*) FROM pg_tables WHERE tablename = '_sqlx_migrations' AND schemaname = current_schema()",
            )
            .fetch_one(&mut **c)
            .await?,
        };
    let applied = if there == 0 {
        Vec::new()
    } else {
        match reader.conn() {
            Conn::Sqlite(c) => c.list_applied_migrations("_sqlx_migrations").await?,
            Conn::Postgres(c) => c.list_applied_migrations("_sqlx_migrations").await?,
        }
    };
    Ok(migrator(db)
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
        .map(|migration| Step {
            version: migration.version,
            description: migration.description.to_string(),
            applied: applied.iter().any(|applied| applied.version == migration.version),
        })
        .collect())
}

/// Returns whether every step of this binary is applied.
pub async fn is_current(db: &Db) -> Result<bool> {
    Ok(status(db).await?.iter().all(|step| step.applied))
}
