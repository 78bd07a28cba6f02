//! NATS `JetStream` as the broker, and how to read its messages back.
//!
//! [`JetStream`] publishes, [`received`] reads. What an answer of the server means is in `failure`, how the
//! missing of an answer is explained in `destination`.

mod destination;
mod failure;
mod headers;
mod jet_stream;
mod received;

pub use self::jet_stream::JetStream;
pub use self::received::received;
