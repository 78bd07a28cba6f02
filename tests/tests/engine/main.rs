//! The engine: what callers get, how often bodies run, and what the next caller finds.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod admin;
mod checks;
mod codec;
mod concurrency;
mod corrections;
mod current_call;
mod default_engine;
mod detach;
mod dispositions;
mod drops;
mod errors;
mod fail_open;
mod faults;
mod identity;
mod lapses;
mod limits;
mod local_store;
mod names;
mod nested;
mod observer;
mod reconcile;
mod reconcile_on_servers;
mod reconcile_steps;
mod renewal;
mod results;
mod runtimes;
mod store_timeouts;
mod telemetry;
mod unknown_ends;
