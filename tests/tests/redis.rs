//! `RedisStore` against real servers: the contract on each kind of them, and what happens when they
//! fail.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "redis/contract.rs"]
mod contract;
#[path = "redis/shop.rs"]
mod shop;
