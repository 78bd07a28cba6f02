//! The engine: what callers get, how often bodies run, and what the next caller finds.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "engine/at_once.rs"]
mod at_once;
#[path = "engine/checks.rs"]
mod checks;
#[path = "engine/codec.rs"]
mod codec;
#[path = "engine/concurrency.rs"]
mod concurrency;
#[path = "engine/current.rs"]
mod current;
#[path = "engine/detach.rs"]
mod detach;
#[path = "engine/dispositions.rs"]
mod dispositions;
#[path = "engine/drops.rs"]
mod drops;
#[path = "engine/engines.rs"]
mod engines;
#[path = "engine/errors.rs"]
mod errors;
#[path = "engine/fail_open.rs"]
mod fail_open;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/heartbeat.rs"]
mod heartbeat;
#[path = "engine/identity.rs"]
mod identity;
#[path = "engine/lapses.rs"]
mod lapses;
#[path = "engine/names.rs"]
mod names;
#[path = "engine/nested.rs"]
mod nested;
#[path = "engine/operate.rs"]
mod operate;
#[path = "engine/own_limit.rs"]
mod own_limit;
#[path = "engine/results.rs"]
mod results;
#[path = "engine/runtimes.rs"]
mod runtimes;
#[path = "engine/telemetry.rs"]
mod telemetry;
