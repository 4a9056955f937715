//! What apps ask: for now the gate for paying members, which every paid route stands behind.

mod paid;
mod problem;

pub use paid::{Paid, require_paid};
pub use problem::Problem;
