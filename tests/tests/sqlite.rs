//! `SqliteStore` on real files: the contract, what survives a kill, what processes of one machine do
//! to each other, and what happens when the file fails.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "redis/shop.rs"]
mod shop;

#[path = "sqlite/commits.rs"]
mod commits;
#[path = "sqlite/contract.rs"]
mod contract;
#[path = "sqlite/desk.rs"]
mod desk;
#[path = "sqlite/news.rs"]
mod news;
#[path = "sqlite/processes.rs"]
mod processes;
#[path = "sqlite/refusals.rs"]
mod refusals;
#[path = "sqlite/restart.rs"]
mod restart;
#[path = "sqlite/runtimes.rs"]
mod runtimes;
#[path = "sqlite/schema.rs"]
mod schema;
#[path = "sqlite/sweeping.rs"]
mod sweeping;
#[path = "sqlite/times.rs"]
mod times;
#[path = "sqlite/values.rs"]
mod values;
#[path = "sqlite/within/mod.rs"]
mod within;
#[path = "sqlite/worker.rs"]
mod worker;
