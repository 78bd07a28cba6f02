//! `RedisStore` against real servers: the contract on each kind of them, and what happens when they
//! fail; calls with steps (`journal`), replicas that acknowledge (`replicas`), and several processes (`notify`).

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod closing;
mod cluster;
mod connecting;
mod contract;
mod credentials;
mod demoted;
mod due;
mod fake_server;
mod journal;
mod lost_connections;
mod notify;
mod outages;
mod record_size;
mod refusals;
mod replicas;
mod scans;
mod sentinel;
mod support;
mod tls;
