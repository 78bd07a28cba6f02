//! The client's middleware against real sockets: a server that fails by script.
//!
//! Pauses are skipped and written down by a timer of the tests' own, so that they are exact and take
//! no time; only attempts that the client gives up on take real time, and short ones.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "client/budgets.rs"]
mod budgets;
#[path = "client/connections.rs"]
mod connections;
#[path = "client/derived.rs"]
mod derived;
#[path = "client/draft.rs"]
mod draft;
#[path = "client/keys.rs"]
mod keys;
#[path = "client/log.rs"]
mod log;
#[path = "client/pauses.rs"]
mod pauses;
#[path = "client/redirects.rs"]
mod redirects;
#[path = "client/scene.rs"]
mod scene;
#[path = "client/server.rs"]
mod server;
#[path = "client/statuses.rs"]
mod statuses;
