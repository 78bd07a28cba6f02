//! The outbox on a real PostgreSQL: what is published, in which order it is delivered, and what becomes
//! of it when brokers, relays and databases fail. `nats` has a real broker, `chaos` kills all of it, and
//! `shop` is what it kills.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "outbox/broker.rs"]
mod broker;
#[path = "outbox/chaos.rs"]
mod chaos;
#[path = "outbox/failing.rs"]
mod failing;
#[path = "outbox/nats.rs"]
mod nats;
#[path = "outbox/operating.rs"]
mod operating;
#[path = "outbox/publishing.rs"]
mod publishing;
#[path = "outbox/relaying.rs"]
mod relaying;
#[path = "outbox/scene.rs"]
mod scene;
#[path = "outbox/shop.rs"]
mod shop;
