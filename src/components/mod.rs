//! Pieces of pages. They receive values and know neither services nor requests.

mod confirm;
mod fields;
pub mod islands;
mod meter;
mod parts;
mod review;

pub use confirm::*;
pub use fields::*;
pub use meter::*;
pub use parts::*;
pub use review::*;
