//! What the store promises: every one of its functions, on SQLite and on Postgres with the same
//! body. One file per file of `src/store`; the last test here sees to it that none is left out.
//!
//! Guards are not only called, they are raced: many transactions at once, and the test counts
//! who won.

mod activity;
mod address_marks;
mod api_keys;
mod bonus;
mod catalogue;
mod coupons;
mod credit;
mod db;
mod doctor;
mod endings;
mod fixture;
mod grants;
mod idempotency;
mod invitations;
mod jobs;
mod login;
mod mail_preferences;
mod mail_templates;
mod mails;
mod matrix;
mod migrations;
mod notifications;
mod partners;
mod payments;
mod portfolios;
mod prices;
mod privacy;
mod quotes;
mod rate_limits;
mod referrals;
mod reminders;
mod restrictions;
mod schedules;
mod sessions;
mod settings;
mod stats;
mod subscriptions;
mod usage;
mod users;
mod webhooks;

use std::{collections::BTreeMap, fs, path::Path};

use fixture::{ROUNDS, Store, after, email, name, new_user, on_both, won};
pub(crate) use fixture::{execute, texts};

/// Lists the asynchronous functions that a file offers.
fn offered(code: &str) -> Vec<&str> {
    let names = code.split("pub async fn ").skip(1);
    names.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()).collect()
}

/// Returns which functions of a store file its contract calls in none of its tests.
fn left_out<'a>(module: &str, store: &'a str, contract: &str) -> Vec<&'a str> {
    let is_called = |name: &str| {
        contract.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
            [format!("{module}::{name}("), format!(".{name}("), format!("Db::{name}(")]
                .iter()
                .any(|call| line.contains(call.as_str()))
        })
    };
    offered(store).into_iter().filter(|name| !is_called(name)).collect()
}

#[test]
fn every_function_of_the_store_has_a_contract() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut missing = BTreeMap::new();
    let mut functions = 0;
    for entry in fs::read_dir(source.join("store")).unwrap() {
        let path = entry.unwrap().path();
        let store = fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap().to_str().unwrap();
        let module = file.strip_suffix(".rs").unwrap_or_else(|| panic!("{file}: the store is a folder of files"));
        let contract = fs::read_to_string(source.join("tests/contract").join(file)).unwrap_or_default();
        functions += offered(&store).len();
        let left_out: Vec<String> = left_out(module, &store, &contract).into_iter().map(str::to_owned).collect();
        if !left_out.is_empty() {
            missing.insert(format!("src/tests/contract/{file}"), left_out);
        }
    }
    assert!(functions > 60, "only {functions} functions were found: does this test still read the store?");
    assert!(missing.is_empty(), "functions of the store that no contract calls: {missing:#?}");
}

#[test]
fn a_function_without_a_contract_is_noticed() {
    let store = "pub async fn find(conn: &mut Conn<'_>) {}\npub async fn insert<D: Serialize>(…) {}\nasync fn own() {}";
    assert_eq!(offered(store), ["find", "insert"]);
    assert_eq!(left_out("jobs", store, "jobs::find(conn)"), ["insert"]);
    assert_eq!(left_out("jobs", store, "// jobs::find(conn)\nmails::insert(conn)"), ["find", "insert"]);
    assert_eq!(left_out("db", store, "tx.find(); Db::insert()"), [""; 0]);
}
