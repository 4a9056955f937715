//! What the program stands on: clock, randomness, keys, the socket, headers, files, figures.
//!
//! Nothing here knows a member or a tier. Services get time and randomness from here through
//! [`env::Env`]; `server` puts the rooms together and [`guard`] stands before all of them.

pub mod assets;
pub mod caller;
pub mod clock;
pub mod cookies;
pub mod download;
pub mod env;
pub mod guard;
pub mod headers;
pub mod http_client;
pub mod keys;
pub mod language_model;
pub mod listener;
pub mod memory;
pub mod network;
pub mod observability;
pub mod outbound;
pub mod own_door;
pub mod payment_providers;
pub mod random;
pub mod server;
pub mod stream;
pub mod telemetry;
