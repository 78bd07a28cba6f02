//! The layer in two processes behind a real nginx that sends a `POST` again when an app stalls or
//! dies, and a client that retries on top of it. Effects are counted outside of all of them.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod app;
mod failing_apps;
mod fault_plan;
mod ledger;
mod load;
mod servers;
mod slow_apps;
