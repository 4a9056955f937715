//! Every route, and who may use it.
