//! Work outside the request. A job is committed with its cause and done at least once.

mod bonus;
mod figures;
mod notifications;
mod payments;
mod purge;
mod reminders;
mod runner;
mod schedule;
mod send_mail;
mod webhooks;

pub use runner::{Runner, StartError};
