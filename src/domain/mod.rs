//! Nouns and rules: pure, without input or output, the same natively and in the browser.
//!
//! Nothing here knows a database, a clock or a page; time and randomness come in as values.

pub mod access;
pub mod activity;
pub mod amount;
pub mod analysis;
pub mod api_key;
pub mod bonus;
pub mod catalogue;
pub mod coupon;
pub mod credit;
pub mod csv;
pub mod email;
pub mod entitlement;
pub mod event;
pub mod grant;
pub mod ids;
pub mod invitation;
pub mod lang;
pub mod letter;
pub mod limit;
pub mod login;
pub mod mail;
pub mod mail_template;
pub mod matrix;
pub mod matrix_file;
pub mod notification;
pub mod outlook;
pub mod partner;
pub mod payment;
pub mod period;
pub mod portfolio;
pub mod privacy;
pub mod qr;
pub mod quotes;
pub mod referral;
pub mod schedule;
pub mod session;
pub mod settings;
pub mod stats;
pub mod subscription;
pub mod usage;
pub mod user;
pub mod webhook;
