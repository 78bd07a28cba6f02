//! `PostgresStore` against real servers: the contract on each version, its schema, what its processes
//! say to each other, what is swept, and what happens when servers fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "postgres/answers.rs"]
mod answers;
#[path = "postgres/connections.rs"]
mod connections;
#[path = "postgres/contract.rs"]
mod contract;
#[path = "postgres/down.rs"]
mod down;
#[path = "postgres/hostile.rs"]
mod hostile;
#[path = "postgres/purges.rs"]
mod purges;
#[path = "postgres/races.rs"]
mod races;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/scene.rs"]
mod scene;
#[path = "postgres/schema.rs"]
mod schema;
#[path = "redis/shop.rs"]
mod shop;
#[path = "postgres/statements.rs"]
mod statements;
#[path = "postgres/sweeping.rs"]
mod sweeping;
#[path = "postgres/waking.rs"]
mod waking;
