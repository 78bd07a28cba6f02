//! `RedisStore` against real servers: the contract on each kind of them, and what happens when they
//! fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod answers;
mod cluster;
mod contract;
mod down;
mod fake;
mod refusals;
mod scans;
mod sentinel;
mod setup;
mod shop;
mod size;
