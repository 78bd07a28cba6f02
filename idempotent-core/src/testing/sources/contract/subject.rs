//! The source under test: how the suite reaches it.

use std::time::Duration;

use async_trait::async_trait;

use crate::consumer::Source;

/// A source under test, with a queue of its own that is empty. Each case gets its own subject.
///
/// ```
/// use std::time::Duration;
///
/// use idempotent_core::consumer::Source;
/// use idempotent_core::testing::sources::{SourceSubject, TestBroker};
///
/// struct InMemory(TestBroker);
///
/// #[idempotent_core::async_trait]
/// impl SourceSubject for InMemory {
///     async fn connect(&self) -> Box<dyn Source> {
///         Box::new(self.0.source())
///     }
///
///     async fn publish(&self, id: Option<&str>, payload: &[u8]) {
///         match id {
///             Some(id) => self.0.publish(id, payload.to_vec()),
///             None => self.0.publish_without_id(payload.to_vec()),
///         }
///     }
///
///     async fn parked(&self) -> Vec<(String, Vec<u8>)> {
///         let parked = self.0.parked().into_iter().map(|parked| parked.message);
///         parked.map(|it| (it.id().to_owned(), it.payload().to_vec())).collect()
///     }
///
///     fn deadline(&self) -> Duration {
///         Duration::from_millis(600)
///     }
/// }
/// ```
#[async_trait]
pub trait SourceSubject: Send + Sync + 'static {
    /// A new connection to the queue. The suite starts it.
    async fn connect(&self) -> Box<dyn Source>;

    /// Publishes a message under an id, or without one.
    async fn publish(&self, id: Option<&str>, payload: &[u8]);

    /// Ids and payloads of the messages that were parked, extra copies included.
    async fn parked(&self) -> Vec<(String, Vec<u8>)>;

    /// After how long the broker delivers a message again that nobody settles. Time really passes, so half a second
    /// to a second keeps the suite fast; a quarter of it must be enough for a few calls.
    fn deadline(&self) -> Duration;

    /// Whether a message that is published without an id gets one of its own. Default: it does.
    fn gives_ids(&self) -> bool {
        true
    }

    /// Whether a message goes to the same connection for as long as that is there, as those of a partition of Kafka do.
    /// Default: any connection may get it.
    fn keeps_to_one_connection(&self) -> bool {
        false
    }

    /// How long a call that should return soon may really take. Default: ten seconds.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}
