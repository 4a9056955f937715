//! Work outside the request. A job is committed with its cause and done at least once.

mod payments;
mod purge;
mod runner;
mod send_mail;

pub use runner::{Runner, StartError};
