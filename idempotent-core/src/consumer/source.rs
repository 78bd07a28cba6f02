//! [`Source`]: deliveries of one broker.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;

use super::delivery::Delivery;
use super::error::SourceError;

/// Deliveries of one broker, for one consumer.
///
/// The rules that every source keeps are the cases of [`testing::sources`](crate::testing::sources), with which you
/// can test one that you wrote.
///
/// ```
/// use std::collections::VecDeque;
/// use std::num::NonZeroUsize;
///
/// use idempotent_core::consumer::{
///     Delivery, Message, Needs, Settle, SettleError, Source, SourceError, Terms, Verdict,
/// };
///
/// /// A list of messages, of which nobody hears what became of them.
/// struct List(VecDeque<Message>);
///
/// struct Nobody;
///
/// #[idempotent_core::async_trait]
/// impl Settle for Nobody {
///     async fn settle(&self, _: &Verdict) -> Result<(), SettleError> {
///         Ok(())
///     }
///
///     async fn keep_alive(&self) -> Result<(), SettleError> {
///         Ok(())
///     }
/// }
///
/// #[idempotent_core::async_trait]
/// impl Source for List {
///     async fn start(&mut self, _: &Needs) -> Result<Terms, SourceError> {
///         Ok(Terms::new("list", "orders"))
///     }
///
///     async fn next(&mut self, _: NonZeroUsize) -> Result<Delivery, SourceError> {
///         let message = self.0.pop_front();
///         let message = message.ok_or_else(|| SourceError::gone("the list is at its end"))?;
///         Ok(Delivery::new(message, Nobody))
///     }
///
///     async fn stop(&mut self) -> Result<(), SourceError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Source: Send + 'static {
    /// Connects, and checks everything that can be checked before the first delivery.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](super::SourceErrorKind::Misconfigured) if the broker's side does not go together with what
    /// the consumer needs; the text says what to change.
    async fn start(&mut self, needs: &Needs) -> Result<Terms, SourceError>;

    /// Waits for the next delivery. `room` is how many deliveries the consumer could start now, this one included:
    /// the source asks its broker for no more than that.
    ///
    /// Nothing is lost if the returned future is dropped. It is polled in a task of its own, outside of the span and the
    /// task-locals of whoever runs the consumer.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](super::SourceErrorKind::Unavailable), after which the consumer asks again, or
    /// [`Gone`](super::SourceErrorKind::Gone).
    async fn next(&mut self, room: NonZeroUsize) -> Result<Delivery, SourceError>;

    /// Stops receiving, and gives back at once what was received and not returned by [`next`](Self::next).
    /// Deliveries that are in hand can still be settled.
    ///
    /// # Errors
    ///
    /// If the broker could not be told. It delivers those messages again after their deadlines.
    async fn stop(&mut self) -> Result<(), SourceError>;
}

/// What a consumer needs of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// The consumer's name, for dead letters.
    pub consumer: String,
    /// How often a handler may fail; `None` without a limit. A broker that counts deliveries must deliver a message
    /// more often than that.
    pub attempts: Option<u32>,
    /// How many handlers run at once at most. Beside them, as many deliveries may wait for the broker to confirm their
    /// acknowledgements.
    pub concurrency: usize,
    /// How long it is remembered that a message was handled: one that is delivered later than that runs again. `None` if
    /// that is not known.
    pub ttl: Option<Duration>,
}

impl Needs {
    /// The needs of a consumer with this name: for tests of sources. Attempts are unlimited, and one handler
    /// runs at a time.
    #[must_use]
    pub fn of(consumer: impl Into<String>) -> Self {
        Self { consumer: consumer.into(), attempts: None, concurrency: 1, ttl: None }
    }

    /// Sets how often a handler may fail.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets how many handlers run at once at most.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets how long it is remembered that a message was handled.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

/// What a source says about its broker, once it has started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// The broker, by the name that `OpenTelemetry` has for it: `messaging.system`.
    pub system: &'static str,
    /// What the source reads from: a stream, a queue.
    pub destination: String,
    /// The shortest time after which the broker delivers a message again that is neither settled nor kept alive;
    /// `None` if it waits for ever.
    pub deadline: Option<Duration>,
    /// How long the broker keeps a message that nobody settles, if that is known.
    pub keeps_for: Option<Duration>,
    /// How long a handler may run; `None` if keeping a delivery alive prolongs its deadline for as long as it takes.
    pub longest_run: Option<Duration>,
    /// How much later than it is told to the broker may deliver a message again. Zero if it is prompt.
    pub lateness: Duration,
    /// Whether its messages are gone once the process ends, as those of a broker in memory are.
    pub is_in_process: bool,
}

impl Terms {
    /// The terms of a broker without deadlines.
    #[must_use]
    pub fn new(system: &'static str, destination: impl Into<String>) -> Self {
        Self {
            system,
            destination: destination.into(),
            deadline: None,
            keeps_for: None,
            longest_run: None,
            lateness: Duration::ZERO,
            is_in_process: false,
        }
    }

    /// Sets after how long the broker delivers a message again.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how long the broker keeps a message.
    #[must_use]
    pub fn keeps_for(mut self, keeps_for: Duration) -> Self {
        self.keeps_for = Some(keeps_for);
        self
    }

    /// Sets how long a handler may run. A consumer with a longer
    /// [`max_run`](super::ConsumerBuilder::max_run) is refused, and the engine's default is shortened to this.
    #[must_use]
    pub fn longest_run(mut self, longest_run: Duration) -> Self {
        self.longest_run = Some(longest_run);
        self
    }

    /// Says that messages are gone once the process ends. A consumer warns of a store in the process where they are not.
    #[must_use]
    pub fn in_process(mut self) -> Self {
        self.is_in_process = true;
        self
    }

    /// Sets how much later than it is told to the broker may deliver a message again. Default: zero.
    #[must_use]
    pub fn lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }
}
