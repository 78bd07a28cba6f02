//! [`Relay`]: what can be set, and how it runs.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::batch::BatchOutcome;
use super::outage_pauses::{OutagePauses, unless};
use super::pass::Pass;
use super::progress::{Next, Progress};
use super::stop_flag::StopFlag;
use super::worker::Worker;
use crate::outbox::telemetry::Telemetry;
use crate::outbox::{Outbox, OutboxError, Publish};

/// Delivers the messages of an outbox to a broker, each key's in the order of their commits.
///
/// Any number of relays may run on one outbox, in any processes: each batch takes keys that no other relay
/// has. If a relay dies, freezes or is cut off, the others have its keys within seconds.
///
/// ```no_run
/// use idempotent_core::outbox::{Outbox, Relay};
/// # use idempotent_core::outbox::Publish;
///
/// # async fn start(pool: sqlx::PgPool, broker: impl Publish) {
/// let relay = Relay::new(Outbox::new(pool), broker).park_after(5);
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let running = tokio::spawn(relay.run(async { drop(stopped.await) }));
///
/// // At shutdown: waits for what is being published, and begins nothing more.
/// drop(stop);
/// drop(running.await);
/// # }
/// ```
#[must_use = "a relay delivers only while it runs"]
pub struct Relay(Worker);

impl Relay {
    /// A relay from this outbox to this broker, with the defaults.
    pub fn new(outbox: Outbox, broker: impl Publish) -> Self {
        Self(Worker::new(outbox, Arc::new(broker)))
    }

    /// The most messages in a batch, and so the most that are published at the same time. Default: 100. Zero
    /// counts as one. A relay keeps that many payloads in memory.
    pub fn batch(mut self, messages: usize) -> Self {
        self.0.options.batch = messages.max(1);
        self
    }

    /// How often to look for messages while there are none. Default: 100 milliseconds; at least one.
    ///
    /// The database does not notify relays: with `NOTIFY` every transaction that publishes would have to wait
    /// for the commits of all others.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.0.options.poll = interval.max(Duration::from_millis(1));
        self
    }

    /// After how many refusals a message is parked, so that the next one of its key is delivered. Attempts
    /// without a [destination](crate::outbox::PublishErrorKind::Destination) count too. Default: 10, which with the
    /// default pauses takes half a minute; at least one.
    pub fn park_after(mut self, refusals: u32) -> Self {
        self.0.options.park_after = refusals.max(1);
        self
    }

    /// The pauses before a failed message is tried again, on top of what the broker
    /// [asks for](crate::outbox::PublishError::with_retry_after): random between zero and a bound that begins at
    /// `first` and doubles with each attempt, up to `longest`. Default: 100 milliseconds and 30 seconds.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.0.options.set_backoff(first, longest);
        self
    }

    /// How long publishing one message may take; after that the broker counts as unavailable. Default: 5
    /// seconds; at least a millisecond.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.0.options.deadline = deadline.max(Duration::from_millis(1));
        self
    }

    /// How long one query of the database may take, including the wait for a connection. After that the relay
    /// gives up the batch, and what it has just published is delivered twice. Default: 5 seconds; at least a
    /// millisecond.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.0.options.response_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Delivers until `stop` completes. Then it begins nothing more, waits for the messages that are being
    /// published, records the outcomes, and returns.
    ///
    /// Errors of the database and the broker are logged and counted, and it tries again after a pause. If it
    /// is dropped instead of stopped, messages that were just published are delivered twice.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let stopping = StopFlag::default();
        let mut pauses = OutagePauses::new(self.0.options.backoff);
        let mut progress = Progress::default();
        loop {
            let (after, is_down) = (progress.after.clone(), progress.is_down);
            let mut batch = pin!(self.0.deliver_batch(&after, is_down, &stopping));
            let Some(outcome) = unless(stop.as_mut(), batch.as_mut()).await else {
                stopping.set();
                if let Err(error) = batch.await {
                    Telemetry::batch_failed(&error);
                }
                return;
            };
            if let Some(pause) = self.pause_after(outcome, &mut pauses, &mut progress)
                && unless(stop.as_mut(), pin!(tokio::time::sleep(pause))).await.is_none()
            {
                return;
            }
        }
    }

    /// How long to pause after a batch; `None` if not at all.
    fn pause_after(
        &self,
        outcome: Result<BatchOutcome, OutboxError>,
        pauses: &mut OutagePauses,
        progress: &mut Progress,
    ) -> Option<Duration> {
        let next = outcome.map(|batch| progress.advance(&batch));
        match &next {
            Ok(Next::Batch | Next::Idle) => pauses.reset(),
            Ok(Next::Unavailable) => {
                Telemetry::broker_unavailable(pauses.failures().saturating_add(1));
            }
            Err(error) => Telemetry::batch_failed(error),
        }
        match next {
            Ok(Next::Batch) => None,
            Ok(Next::Idle) => Some(self.0.options.poll),
            Ok(Next::Unavailable) | Err(_) => Some(pauses.next()),
        }
    }

    /// Delivers what is due, until a look at all keys finds nothing more to deliver: for a scheduled job.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached. What was delivered by then may be delivered again.
    pub async fn pass(&self) -> Result<Pass, OutboxError> {
        let (mut pass, mut progress) = (Pass::default(), Progress::default());
        loop {
            let (after, is_down) = (progress.after.clone(), progress.is_down);
            let batch = self.0.deliver_batch(&after, is_down, &StopFlag::default()).await?;
            pass.add(&batch.pass);
            if progress.advance(&batch) != Next::Batch {
                return Ok(pass);
            }
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("options", &self.0.options).finish_non_exhaustive()
    }
}
