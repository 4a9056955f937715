//! Nouns and rules: pure, without input or output, the same natively and in the browser.
//!
//! Nothing here knows a database, a clock or a page; time and randomness come in as values.

pub mod access;
pub mod amount;
pub mod analysis;
pub mod api_key;
pub mod catalogue;
pub mod coupon;
pub mod credit;
pub mod csv;
pub mod email;
pub mod entitlement;
pub mod event;
pub mod grant;
pub mod ids;
pub mod lang;
pub mod letter;
pub mod limit;
pub mod login;
pub mod matrix;
pub mod matrix_file;
pub mod payment;
pub mod period;
pub mod portfolio;
pub mod quotes;
pub mod referral;
pub mod session;
pub mod settings;
pub mod subscription;
pub mod usage;
pub mod user;
