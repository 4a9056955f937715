//! Pieces of pages. They receive values and know neither services nor requests.

pub mod islands;
mod parts;
mod review;

pub use parts::*;
pub use review::*;
