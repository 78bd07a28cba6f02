//! The outbox on a real PostgreSQL: what is published, in which order it is delivered, and what becomes
//! of it when brokers, relays and databases fail. `nats` has a real broker, `chaos` kills all of it, and
//! `shop` is what it kills.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod broker;
mod chaos;
mod database;
mod failing;
mod nats;
mod nats_destinations;
mod nats_duplicates;
mod nats_headers;
mod nats_tls;
mod operating;
mod pauses;
mod publishing;
mod relaying;
mod settings;
mod shop;
