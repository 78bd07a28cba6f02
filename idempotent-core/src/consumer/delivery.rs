//! [`Delivery`]: a message in hand, and how its broker is told what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::error::SettleError;
use super::message::Message;
use super::verdict::Verdict;

/// One delivery of a message, which its broker takes back unless it is settled or kept alive in time.
pub struct Delivery {
    message: Message,
    broker: Arc<dyn Settle>,
    deadline: Option<Duration>,
    received_at: Instant,
}

/// The verbs of a broker, for one delivery.
///
/// The rules are the cases of [`testing::sources`](crate::testing::sources).
#[async_trait]
pub trait Settle: Send + Sync + 'static {
    /// Tells the broker, and returns once it has confirmed. [`Verdict::Left`] sends nothing.
    ///
    /// # Errors
    ///
    /// If the broker has not confirmed. It may have done what it was told nevertheless, so the same verdict may come
    /// again, and must then do no harm.
    async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError>;

    /// Says that the message is still in hand, so that its deadline starts anew. Brokers without a deadline do
    /// nothing.
    ///
    /// # Errors
    ///
    /// If the broker could not be told.
    async fn keep_alive(&self) -> Result<(), SettleError>;
}

impl Delivery {
    /// A delivery that was received now.
    pub fn new(message: Message, broker: impl Settle) -> Self {
        let received_at = Instant::now();
        Self { message, broker: Arc::new(broker), deadline: None, received_at }
    }

    /// How long the broker waits, from now on, before it delivers the message again. Default: for ever.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// When it was received, if that was not now: the deadline counts from there. A source that keeps deliveries in
    /// a buffer says so here.
    #[must_use]
    pub fn received_at(mut self, at: Instant) -> Self {
        self.received_at = at;
        self
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// How long the broker waits before it delivers the message again.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Whether the broker may have delivered the message to another consumer by now.
    #[must_use]
    pub fn is_past_its_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.received_at.elapsed() >= deadline)
    }

    /// Tells the broker.
    ///
    /// # Errors
    ///
    /// Those of [`Settle::settle`].
    pub async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
        self.broker.settle(verdict).await
    }

    /// Says that the message is still in hand.
    ///
    /// # Errors
    ///
    /// Those of [`Settle::keep_alive`].
    pub async fn keep_alive(&self) -> Result<(), SettleError> {
        self.broker.keep_alive().await
    }

    /// When it was received.
    pub(super) fn received(&self) -> Instant {
        self.received_at
    }

    pub(super) fn broker(&self) -> &Arc<dyn Settle> {
        &self.broker
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
