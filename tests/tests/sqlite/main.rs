//! `SqliteStore` on real files: the contract, what survives a kill, what processes of one machine do
//! to each other, and what happens when the file fails.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod commits;
mod contract;
mod database;
mod notify;
#[cfg(unix)]
mod permissions;
mod pools;
mod processes;
mod refusals;
mod restart;
mod runtimes;
mod schema;
mod shares;
mod steps;
mod sweeping;
mod times;
mod transactions;
mod values;
mod worker;
