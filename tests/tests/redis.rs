//! `RedisStore` against real servers: the contract on each kind of them, and what happens when they
//! fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "redis/answers.rs"]
mod answers;
#[path = "redis/cluster.rs"]
mod cluster;
#[path = "redis/contract.rs"]
mod contract;
#[path = "redis/down.rs"]
mod down;
#[path = "redis/fake.rs"]
mod fake;
#[path = "redis/refusals.rs"]
mod refusals;
#[path = "redis/scans.rs"]
mod scans;
#[path = "redis/sentinel.rs"]
mod sentinel;
#[path = "redis/setup.rs"]
mod setup;
#[path = "redis/shop.rs"]
mod shop;
#[path = "redis/size.rs"]
mod size;
