//! `RedisStore::min_replicas` against real primaries with real replicas: what is acknowledged, what
//! is refused, and what happens when replicas and primaries fail.

mod acknowledged;
mod batches;
mod cluster;
mod confirmed;
mod connecting;
mod contract;
mod failover;
mod lost_replicas;
mod replica_group;
mod resources;

pub(crate) use self::replica_group::{ReplicaGroup, assert_short};
