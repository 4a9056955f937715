//! Mail: letters put into words, and the ways by which they leave the house.
//!
//! Services say which [`Letter`](crate::domain::letter::Letter) a person gets and store it in
//! their transaction. A job then asks [`Letters`] for the words and hands them to a
//! [`Transport`]. Nothing here knows the database, and only a transport knows the network.
//!
//! A new letter needs a variant of [`Notice`](crate::domain::letter::Notice) and a folder in `letters/`
//! with its subject, its text and its HTML in every language.

mod render;
mod smtp;
#[cfg(test)]
mod tests;
mod transport;

pub use render::{Contents, InvitationLetter, Letters, Rendered, samples};
pub use smtp::{AT_ONCE, Smtp, SmtpUrlError};
pub use transport::{SendError, Sent, Transport, message_id};
