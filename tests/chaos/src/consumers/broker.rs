//! [`Broker`]: what a run needs of one.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::Result;

/// A broker with a queue of messages, and one of dead letters. A message's id is its number, and so is its payload.
pub trait Broker {
    /// What its workers know it by.
    const NAME: &'static str;

    /// Where it is.
    fn address(&self) -> SocketAddr;

    /// How workers connect through this address.
    fn url_at(&self, address: SocketAddr) -> String;

    /// `kill -9`.
    fn kill(&self);

    /// Starts it again, with what it had written.
    fn restart(&self) -> impl Future<Output = ()>;

    /// Publishes a message, and returns once the broker has it.
    ///
    /// # Errors
    ///
    /// If that is not known.
    fn publish(&self, id: &str) -> impl Future<Output = Result<()>>;

    /// How many messages are neither settled nor parked.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    fn left(&self) -> impl Future<Output = Result<u64>>;

    /// The dead letters.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    fn parked(&self) -> impl Future<Output = Result<Vec<Parked>>>;
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The message's number.
    pub key: u32,
    /// Why, as its copy says.
    pub reason: String,
}
