//! Engines with a secret, and somebody who writes to their stores: nothing that they did not write
//! themselves is believed, on any path, and no body runs for it.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod backend;
mod forgeries;
mod near_cache;
mod redis;
mod secrets;
mod transactions;
