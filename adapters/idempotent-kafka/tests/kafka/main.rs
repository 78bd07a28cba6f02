//! The source on librdkafka's own mock cluster: the contract of sources, what its verdicts do, and what it does when
//! members of the group come, go, freeze and die. The crate's documentation says what such a cluster cannot show.
#![allow(clippy::unwrap_used)]

mod cluster;
mod contract;
mod effects;
mod offsets;
mod outages;
mod parking;
mod rebalances;
mod retries;
mod start;
mod stopping;
mod workers;
