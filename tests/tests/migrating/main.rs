//! `Migrating` and `Mover`: a fleet on its way from one store to another.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod contract;
mod fleet;
mod health;
mod moving;
mod one_store_away;
mod operators;
mod pairs;
mod simulation;
