//! `vouchsafe doctor`: what an operator or a script learns of it.

use std::process::{Command, Stdio};

use serde_json::Value;
use vouchsafe::store::Conn;

use crate::harness::{Backend, TestDb};

/// Runs it and returns the exit code and what it says.
fn doctor(url: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
    command.arg("doctor").args(arguments).env_clear().env("DATABASE_URL", url).stdin(Stdio::null());
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

async fn execute(db: &TestDb, sql: &'static str) {
    let mut tx = db.db.begin().await.unwrap();
    match tx.conn() {
        Conn::Sqlite(c) => sqlx::query(sql).execute(c).await.map(|_| ()),
        Conn::Postgres(c) => sqlx::query(sql).execute(c).await.map(|_| ()),
    }
    .unwrap();
    tx.commit().await.unwrap();
}

async fn the_doctor_finds_what_is_wrong(backend: Backend) {
    let Some(db) = TestDb::migrated(backend).await else { return };
    let (code, said) = doctor(&db.url, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.lines().all(|line| line.starts_with("sound")), "{said}");

    // A switch that is neither on nor off, and a setting without its tier.
    execute(&db, "UPDATE tier_limits SET limit_value = 5 WHERE tier_id = 'basic' AND feature_id = 'export_csv'").await;
    execute(
        &db,
        "INSERT INTO app_settings (key, value, updated_at) VALUES ('credit_tier', 'gone', '2026-11-21T10:00:00+00:00')",
    )
    .await;
    let (code, said) = doctor(&db.url, &["--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["health"]), (1, &Value::from("broken")));
    let broken: Vec<_> =
        report["findings"].as_array().unwrap().iter().filter(|found| found["health"] != "sound").collect();
    assert_eq!(broken.len(), 1, "{said}");
    assert_eq!((&broken[0]["name"], &broken[0]["count"]), (&Value::from("configuration"), &Value::from(2)));
    let (code, said) = doctor(&db.url, &[]);
    assert_eq!(code, 1);
    assert!(said.contains("BROKEN     configuration") && said.contains("export_csv, basic: "), "{said}");

    // What cannot be read at all is told, not a failure of its own.
    execute(&db, "UPDATE app_settings SET value = 'Atlantis' WHERE key = 'credit_tier'").await;
    let (code, said) = doctor(&db.url, &[]);
    assert_eq!(code, 1);
    assert!(said.contains("BROKEN     configuration"), "{said}");

    // Nothing is brought up: an old schema is a finding.
    let Some(empty) = TestDb::empty(backend).await else { return };
    let (code, said) = doctor(&empty.url, &[]);
    assert_eq!(code, 1);
    assert!(said.starts_with("BROKEN     schema") && said.contains("0001 catalogue"), "{said}");
    assert!(!vouchsafe::store::migrations::is_current(&empty.db).await.unwrap());
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong_on_sqlite() {
    the_doctor_finds_what_is_wrong(Backend::Sqlite).await;
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong_on_postgres() {
    the_doctor_finds_what_is_wrong(Backend::Postgres).await;
}
