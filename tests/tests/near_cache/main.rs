//! `NearCache`: what it keeps, for how long, and what it asks the store for.

mod bounds;
mod contract;
mod engine;
mod fills;
mod purges;
mod remote_store;
mod times;
