//! One hostile tenant beside ten honest ones, on every store: the honest ones notice nothing.
//!
//! `IDEMPOTENT_FAIRNESS_SECONDS=60 cargo test --release --workspace --all-features --test fairness -- --nocapture
//! --test-threads=1` is the long run, which also compares latencies and so wants a quiet machine.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod honest;
mod hostile;
mod ledger;
mod report;
mod shop;
mod stores;
mod trial;
