//! What apps ask: REST, its description, and the gate for paying members.

mod analyze;
mod body;
mod caller;
mod gate;
mod ofrep;
mod openapi;
mod paid;
mod problem;
mod v1;

use axum::Router;

pub use openapi::description;
pub use paid::{Paid, require_paid};
pub use problem::Problem;

use crate::platform::caller::Site;

/// Returns the routes that apps ask.
pub fn routes(site: &Site) -> Router<Site> {
    openapi::routes(site).merge(ofrep::routes()).merge(gate::routes())
}
