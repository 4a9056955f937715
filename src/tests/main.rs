//! Tests that need more than one room: every store function on both databases, stories through
//! public doors, the table of routes, and the walls of the house.
//!
//! Everything runs on SQLite, and on Postgres when `TEST_POSTGRES_URL` names a server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod architecture;
mod contract;
mod faults;
mod harness;
mod routes;
mod stories;
