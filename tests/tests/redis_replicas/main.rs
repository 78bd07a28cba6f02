//! `RedisStore::min_replicas` against real primaries with real replicas: what is acknowledged, what
//! is refused, and what happens when replicas and primaries fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "../redis/shop.rs"]
#[allow(dead_code)]
mod shop;

mod acknowledged;
mod batches;
mod cluster;
mod confirmed;
mod contract;
mod failover;
mod group;
mod missing;
mod setup;
mod stalled;
