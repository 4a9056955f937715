//! What the providers that take money tell us: they knock here, and have to prove who they are.
//!
//! [`signature`] proves a delivery by its raw bytes. What it means is read by
//! [`crate::domain::payment`]; what follows from it is a service's affair.

mod receive;
pub mod signature;

pub use receive::routes;
