//! Every route: who may use it, and what it does with bad input.

mod authorisation;
mod bad_input;
mod headers;
