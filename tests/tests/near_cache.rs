//! `NearCache`: what it keeps, for how long, and what it asks the store for.

#[path = "near_cache/bounds.rs"]
mod bounds;
#[path = "near_cache/contract.rs"]
mod contract;
#[path = "near_cache/distant.rs"]
mod distant;
#[path = "near_cache/engine.rs"]
mod engine;
#[path = "near_cache/fills.rs"]
mod fills;
#[path = "near_cache/purges.rs"]
mod purges;
#[path = "near_cache/times.rs"]
mod times;
