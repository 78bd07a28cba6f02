//! `PostgresStore` against real servers: the contract on each version, its schema, what its processes
//! say to each other, what is swept, and what happens when servers fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod connections;
mod contract;
mod credentials;
mod failover;
mod groups;
mod hostile;
mod lost_connections;
mod open_transactions;
mod outages;
mod pooler;
mod purges;
mod races;
mod refusals;
mod run;
mod schema;
mod settings;
mod setup;
mod shares;
mod spare_connection;
mod statements;
mod steps;
mod sweeping;
mod tls;
mod waking;
