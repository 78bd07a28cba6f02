//! The layer in two processes behind a real nginx that sends a `POST` again when an app stalls or
//! dies, and a client that retries on top of it. Effects are counted outside of all of them.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "nginx/app.rs"]
mod app;
#[path = "nginx/fault.rs"]
mod fault;
#[path = "nginx/faults.rs"]
mod faults;
#[path = "nginx/ledger.rs"]
mod ledger;
#[path = "nginx/load.rs"]
mod load;
#[path = "nginx/stage.rs"]
mod stage;
#[path = "nginx/waiting.rs"]
mod waiting;
