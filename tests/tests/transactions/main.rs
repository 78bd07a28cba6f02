//! Exactly once: calls within transactions of their callers, on each version of PostgreSQL and at
//! each isolation level.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod setup;

mod attribute;
mod bodies;
mod commits;
mod conflicts;
mod drops;
mod duplicates;
mod errors;
mod lost;
mod nested;
mod refusals;
mod statements;
mod stores;
mod transact;
