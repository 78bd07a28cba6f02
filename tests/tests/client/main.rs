//! The client's middleware against real sockets: a server that fails by script.
//!
//! Pauses are skipped and written down by a timer of the tests' own, so that they are exact and take
//! no time; only attempts that the client gives up on take real time, and short ones.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod budgets;
mod certain_failures;
mod connections;
mod derived;
mod draft;
mod keys;
mod log;
mod pauses;
mod recorded_pauses;
mod redirects;
mod server;
mod statuses;
