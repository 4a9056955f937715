//! Every route: who may use it, and what it does with bad input.

mod api;
mod authorisation;
mod bad_input;
mod bad_input_api;
mod headers;
mod objects;
