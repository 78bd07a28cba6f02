//! The source on a real RabbitMQ: the contract of sources, what its verdicts do, and what it does when connections,
//! queues, brokers and workers go away.
#![allow(clippy::unwrap_used)]

mod away;
mod broker;
mod chaos;
mod chaos_broker;
mod contract;
mod counting;
mod delays;
mod effects;
mod frozen;
mod outages;
mod parking;
mod recovery;
mod requeueing;
mod retries;
mod start;
#[cfg(feature = "rustls")]
mod tls;
mod workers;
