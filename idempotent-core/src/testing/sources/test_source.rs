//! [`TestSource`]: a consumer's connection to a [`TestBroker`].

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use async_trait::async_trait;
use tokio::time::timeout_at;

use super::test_broker::TestBroker;
use super::test_queue::Taken;
use crate::consumer::{Delivery, Needs, Settle, SettleError, Source, SourceError, Terms, Verdict};

/// A consumer's connection to a [`TestBroker`].
#[derive(Debug)]
pub struct TestSource {
    broker: TestBroker,
    prefetch: usize,
    buffer: VecDeque<Delivery>,
}

impl TestBroker {
    /// A connection of a consumer. Several share the messages.
    #[must_use]
    pub fn source(&self) -> TestSource {
        TestSource::new(self.clone())
    }
}

impl TestSource {
    fn new(broker: TestBroker) -> Self {
        Self { broker, prefetch: 0, buffer: VecDeque::new() }
    }

    /// Receives this many messages more than there is room for, as clients with a buffer do. Their deadlines pass
    /// there, too.
    #[must_use]
    pub fn prefetching(mut self, messages: usize) -> Self {
        self.prefetch = messages;
        self
    }

    /// Takes a message, if one is ready; otherwise says when one may be.
    fn take(&self) -> Result<Delivery, Option<tokio::time::Instant>> {
        let mut queue = self.broker.queue();
        let deadline = queue.deadline;
        let Taken { position, delivery, message } = queue.take()?;
        drop(queue);
        self.broker.changed.notify_waiters();
        let settle = TestDelivery { broker: self.broker.clone(), position, delivery };
        Ok(Delivery::new(message, settle).with_deadline(deadline))
    }
}

#[async_trait]
impl Source for TestSource {
    async fn start(&mut self, _: &Needs) -> Result<Terms, SourceError> {
        let deadline = self.broker.queue().deadline;
        Ok(Terms::new("test", "test").deadline(deadline).in_process())
    }

    async fn next(&mut self, _: NonZeroUsize) -> Result<Delivery, SourceError> {
        loop {
            let mut changed = std::pin::pin!(self.broker.changed.notified());
            changed.as_mut().enable();
            if self.broker.queue().is_away {
                return Err(SourceError::unavailable("the broker is away"));
            }
            if let Some(delivery) = self.buffer.pop_front() {
                return Ok(delivery);
            }
            match self.take() {
                Ok(delivery) => {
                    for _ in 0..self.prefetch {
                        let Ok(more) = self.take() else { break };
                        self.buffer.push_back(more);
                    }
                    return Ok(delivery);
                }
                Err(None) => changed.await,
                Err(Some(at)) => drop(timeout_at(at, changed).await),
            }
        }
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        for delivery in self.buffer.drain(..) {
            delivery.settle(&Verdict::GivenBack).await.map_err(SourceError::unavailable)?;
        }
        Ok(())
    }
}

/// One delivery of a message.
struct TestDelivery {
    broker: TestBroker,
    position: u64,
    delivery: u64,
}

#[async_trait]
impl Settle for TestDelivery {
    async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
        if *verdict == Verdict::Left {
            return Ok(());
        }
        let mut queue = self.broker.queue();
        if queue.is_away {
            return Err(SettleError::new("the broker is away"));
        }
        if queue.lost_verdicts > 0 {
            queue.lost_verdicts -= 1;
            return Err(SettleError::new("the verdict was lost"));
        }
        queue.settle(self.position, self.delivery, verdict);
        let is_settled = !matches!(verdict, Verdict::Parked { .. }) || queue.lost_settlements == 0;
        if !is_settled {
            queue.lost_settlements -= 1;
        }
        let is_confirmed = is_settled && queue.lost_confirmations == 0;
        queue.lost_confirmations = queue.lost_confirmations.saturating_sub(1);
        drop(queue);
        self.broker.changed.notify_waiters();
        match is_confirmed {
            true => Ok(()),
            false => Err(SettleError::new("the confirmation was lost")),
        }
    }

    async fn keep_alive(&self) -> Result<(), SettleError> {
        let mut queue = self.broker.queue();
        if queue.is_away {
            return Err(SettleError::new("the broker is away"));
        }
        queue.keep_alive(self.position, self.delivery);
        Ok(())
    }
}
