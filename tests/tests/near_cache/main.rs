//! `NearCache`: what it keeps, for how long, and what it asks the store for.

mod bounds;
mod contract;
mod distant;
mod engine;
mod fills;
mod purges;
mod times;
