//! RabbitMQ as a source of [`idempotent_core`]'s consumers: a message takes effect once.
//!
//! [`RabbitMqSource`] reads a queue, classic or quorum, by AMQP 0-9-1. Give it to
//! [`Consumer::run`](idempotent_core::consumer::Consumer::run).
//!
//! | verdict | what is sent |
//! |---|---|
//! | [`Completed`](Verdict::Completed) | `ack`. If it is lost, the message is delivered again, and replayed |
//! | [`Busy`](Verdict::Busy), [`Retry`](Verdict::Retry) | a copy to a delay queue, mandatory and confirmed; then `ack` |
//! | [`Parked`](Verdict::Parked) | a copy to the dead letters, mandatory and confirmed; then `ack` |
//! | [`GivenBack`](Verdict::GivenBack) | `nack`, to be delivered again at once |
//! | [`Left`](Verdict::Left) | a copy to a delay queue, for the source's [deadline](RabbitMqSource::deadline); then `ack` |
//! | kept alive | nothing: the broker waits up to its [consumer timeout](RabbitMqSource::consumer_timeout) |
//!
//! **A copy is the message.** It has its id, payload, properties and headers, and is persistent. It has no `expiration`
//! and no `user-id`, none of the headers by which the broker routes to further queues (`CC`, `BCC`), and none
//! that the broker adds (`x-death` and others). Its exchange and routing key are in headers of ours, so
//! [`Message::topic`](idempotent_core::consumer::Message::topic) is the first routing key in every delivery.
//!
//! **A copy is confirmed.** The broker confirms a message, too, that no queue takes, and sends it back: such a copy is
//! not there, and its message is not acknowledged. Each copy has a channel to itself until it is confirmed.
//!
//! **There may be more than one copy**, all under the same id: one more whenever a connection is lost before the
//! confirmation or the `ack` has arrived, and one that waits for its next delivery where a dead letter is not confirmed
//! in time. A consumer replays what has taken effect; count dead letters by their ids.
//!
//! **Two connections.** Deliveries and acknowledgements have one; copies have another, since a broker that is short of
//! memory or disk stops reading from connections that publish. Acknowledgements go on meanwhile.
//!
//! **Prefetch** is what the consumer has room for, and never more than its
//! [`concurrency`](idempotent_core::consumer::ConsumerBuilder::concurrency). A message whose copy cannot be published is
//! kept, and not given back: that would count for the queue's delivery limit. It takes the room of another one, so
//! the source reads no more once all it may have wait to be published.
//!
//! **When a connection or a channel is lost**, the broker takes back what was in hand, and the source connects again.
//! So it does after the queue was deleted, once it is declared anew.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "rustls")]
mod certificates;
mod client_tasks;
mod connector;
mod copies;
mod delay_queues;
mod ending;
mod header_names;
mod line;
mod link;
mod look_up;
mod open_connection;
mod publisher;
mod queue;
mod received;
mod settings;
mod source;
mod start;
mod subscription;
mod verdict;

#[cfg(doc)]
use idempotent_core::consumer::Verdict;
/// The client, whose types [`RabbitMqSource::connecting`] takes.
pub use lapin;

pub use self::header_names::{
    ATTEMPTS, CONSUMER, DELIVERIES, ERROR, EXCHANGE, GENERATION, QUEUE, REASON, ROUTING_KEY,
};
pub use self::queue::{Argument, Queue};
pub use self::source::RabbitMqSource;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
