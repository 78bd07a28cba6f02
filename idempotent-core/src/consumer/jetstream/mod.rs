//! NATS `JetStream` as the source of a consumer.
//!
//! [`JetStreamSource`] reads a durable pull consumer. What it checks before its first delivery is in `start`, what a
//! message's id is in `received`, and each of the broker's verbs has a file: `acknowledge`, `redeliver`,
//! `dead_letter`, `progress`; `verdict` chooses among them.
//!
//! | verdict | what is sent |
//! |---|---|
//! | [`Completed`](super::Verdict::Completed) | `+ACK`, which the server confirms |
//! | [`Busy`](super::Verdict::Busy), [`Retry`](super::Verdict::Retry) | `-NAK` with the delay, confirmed |
//! | [`Parked`](super::Verdict::Parked) | the message to the dead-letter subject, under its id; once the stream there has acknowledged it, `+TERM`, confirmed |
//! | [`GivenBack`](super::Verdict::GivenBack) | `-NAK`, confirmed |
//! | [`Left`](super::Verdict::Left) | nothing |
//! | kept alive | `+WPI`, at a third of `ack_wait`, or of `backoff[n]` in the nth delivery |
//!
//! Everything is confirmed by the server, since a client that only says so may still have it in a buffer.

mod acknowledge;
mod dead_letter;
mod header_names;
mod limits;
mod progress;
mod pull;
mod received;
mod redeliver;
mod source;
mod start;
mod verdict;

pub use self::header_names::{ATTEMPTS, CONSUMER, ERROR, MESSAGE_ID, POSITION, REASON, SUBJECT};
pub use self::source::JetStreamSource;
