//! `PostgresStore` against real servers: the contract on each version, its schema, and what happens
//! when servers fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "postgres/contract.rs"]
mod contract;
#[path = "postgres/schema.rs"]
mod schema;
