//! `RedisStore::min_replicas` against real primaries with real replicas: what is acknowledged, what
//! is refused, and what happens when replicas and primaries fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "redis/shop.rs"]
#[allow(dead_code)]
mod shop;

#[path = "redis_replicas/acknowledged.rs"]
mod acknowledged;
#[path = "redis_replicas/batches.rs"]
mod batches;
#[path = "redis_replicas/cluster.rs"]
mod cluster;
#[path = "redis_replicas/confirmed.rs"]
mod confirmed;
#[path = "redis_replicas/contract.rs"]
mod contract;
#[path = "redis_replicas/failover.rs"]
mod failover;
#[path = "redis_replicas/group.rs"]
mod group;
#[path = "redis_replicas/missing.rs"]
mod missing;
#[path = "redis_replicas/setup.rs"]
mod setup;
#[path = "redis_replicas/stalled.rs"]
mod stalled;
