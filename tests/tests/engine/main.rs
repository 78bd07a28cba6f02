//! The engine: what callers get, how often bodies run, and what the next caller finds.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod at_once;
mod checks;
mod codec;
mod concurrency;
mod current;
mod detach;
mod dispositions;
mod drops;
mod engines;
mod errors;
mod fail_open;
mod faults;
mod heartbeat;
mod identity;
mod lapses;
mod names;
mod nested;
mod operate;
mod own_limit;
mod results;
mod runtimes;
mod telemetry;
