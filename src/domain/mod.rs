//! Nouns and rules: pure, without input or output, the same natively and in the browser.
//!
//! Nothing here knows a database, a clock or a page; time and randomness come in as values.

pub mod access;
pub mod credit;
pub mod email;
pub mod ids;
pub mod lang;
pub mod letter;
pub mod limit;
pub mod login;
pub mod matrix;
pub mod referral;
pub mod session;
pub mod settings;
pub mod user;
