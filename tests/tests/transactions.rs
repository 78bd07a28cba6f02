//! Exactly once: calls within transactions of their callers, on each version of PostgreSQL and at
//! each isolation level.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[macro_use]
#[path = "transactions/setup.rs"]
mod setup;

#[path = "transactions/attribute.rs"]
mod attribute;
#[path = "transactions/bodies.rs"]
mod bodies;
#[path = "transactions/commits.rs"]
mod commits;
#[path = "transactions/conflicts.rs"]
mod conflicts;
#[path = "transactions/drops.rs"]
mod drops;
#[path = "transactions/duplicates.rs"]
mod duplicates;
#[path = "transactions/errors.rs"]
mod errors;
#[path = "transactions/nested.rs"]
mod nested;
#[path = "transactions/refusals.rs"]
mod refusals;
#[path = "transactions/statements.rs"]
mod statements;
#[path = "transactions/stores.rs"]
mod stores;
