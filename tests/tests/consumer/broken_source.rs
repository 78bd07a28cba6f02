//! A source with one thing wrong.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use idempotent_core::consumer::{
    Delivery, Message, Needs, Settle, SettleError, Source, SourceError, Terms, Verdict,
};
use idempotent_core::testing::sources::{SourceSubject, TestBroker, TestSource};

use crate::contract::InMemory;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    TruncatesPayloads,
    PrefixesIds,
    NumbersDeliveriesInIds,
    HasOneIdForAllWithout,
    HasOnePosition,
    CountsFromZero,
    ReceivesAllItCan,
    LosesWhatItWaitsFor,
    SaysNothingOfItsDeadline,
    NeverAcknowledges,
    RefusesToRepeat,
    RetriesTooSoon,
    IsBusyForAMoment,
    GivesNothingBack,
    DropsWhatItParks,
    ParksWithoutSettling,
    ParksCopiesUnderNewIds,
    KeepsAliveWhatNobodySettles,
    SettlesWhatIsLeft,
    KeepsNothingAlive,
    KeepsAliveAfterAVerdict,
    StopsWithItsBuffer,
    SettlesNothingOnceStopped,
}

pub(crate) struct BrokenSubject {
    flaw: Flaw,
    inner: InMemory,
}

impl BrokenSubject {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, inner: InMemory::new() }
    }
}

#[async_trait::async_trait]
impl SourceSubject for BrokenSubject {
    async fn connect(&self) -> Box<dyn Source> {
        let source = self.inner.0.source();
        let source = match self.flaw {
            Flaw::ReceivesAllItCan => source.prefetching(8),
            _ => source,
        };
        let broker = self.inner.0.clone();
        let is_stopped = Arc::new(AtomicBool::new(false));
        Box::new(BrokenSource {
            flaw: self.flaw,
            source,
            broker,
            is_stopped,
            is_waiting: false,
            buffer: Vec::new(),
        })
    }

    async fn publish(&self, id: Option<&str>, payload: &[u8]) {
        match (id, self.flaw) {
            (None, Flaw::HasOneIdForAllWithout) => self.inner.0.publish("none", payload.to_vec()),
            _ => self.inner.publish(id, payload).await,
        }
    }

    async fn parked(&self) -> Vec<(String, Vec<u8>)> {
        self.inner.parked().await
    }

    fn deadline(&self) -> Duration {
        self.inner.deadline()
    }

    /// Waits that never end are what some cases are for.
    fn patience(&self) -> Duration {
        Duration::from_secs(8)
    }
}

struct BrokenSource {
    flaw: Flaw,
    source: TestSource,
    broker: TestBroker,
    is_stopped: Arc<AtomicBool>,
    is_waiting: bool,
    buffer: Vec<Delivery>,
}

#[async_trait::async_trait]
impl Source for BrokenSource {
    async fn start(&mut self, needs: &Needs) -> Result<Terms, SourceError> {
        let terms = self.source.start(needs).await?;
        Ok(match self.flaw {
            Flaw::SaysNothingOfItsDeadline => Terms::new("test", "test"),
            _ => terms,
        })
    }

    async fn next(&mut self, room: NonZeroUsize) -> Result<Delivery, SourceError> {
        if self.flaw == Flaw::LosesWhatItWaitsFor {
            // What comes after a wait that was dropped is forgotten.
            if std::mem::replace(&mut self.is_waiting, true) {
                let next = self.source.next(room);
                drop(tokio::time::timeout(Duration::from_millis(100), next).await);
            }
            let delivery = self.source.next(room).await?;
            self.is_waiting = false;
            return Ok(self.wrap(delivery));
        }
        if let Some(delivery) = self.buffer.pop() {
            return Ok(delivery);
        }
        let delivery = self.source.next(room).await?;
        if self.flaw == Flaw::StopsWithItsBuffer {
            for _ in 1..room.get() {
                let next = self.source.next(NonZeroUsize::MIN);
                let Ok(next) = tokio::time::timeout(Duration::from_millis(20), next).await else {
                    break;
                };
                let next = next?;
                let next = self.wrap(next);
                self.buffer.push(next);
            }
        }
        Ok(self.wrap(delivery))
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        self.is_stopped.store(true, Ordering::SeqCst);
        if self.flaw == Flaw::StopsWithItsBuffer {
            return Ok(());
        }
        self.source.stop().await
    }
}

impl BrokenSource {
    fn wrap(&self, delivery: Delivery) -> Delivery {
        let (flaw, message) = (self.flaw, delivery.message().clone());
        let count = message.delivery_count().unwrap_or(1);
        let copy = |id: String, payload: Vec<u8>, position: &str, count| {
            Message::new(id, message.topic(), payload).at(position).with_delivery_count(count)
        };
        let (id, payload) = (message.id().to_owned(), message.payload().to_vec());
        let has_own_id = id != message.position();
        let position = message.position();
        let wrapped = match flaw {
            Flaw::TruncatesPayloads => {
                copy(id, payload[..payload.len().min(50_000)].to_vec(), position, count)
            }
            Flaw::PrefixesIds if has_own_id => copy(format!("test-{id}"), payload, position, count),
            Flaw::NumbersDeliveriesInIds if !has_own_id => {
                copy(format!("{id}/{count}"), payload, position, count)
            }
            Flaw::HasOnePosition => copy(id, payload, "the-position", count),
            Flaw::CountsFromZero => copy(id, payload, position, count - 1),
            _ => message.clone(),
        };
        let deadline = delivery.deadline().unwrap();
        let is_stopped = Arc::clone(&self.is_stopped);
        let broker = self.broker.clone();
        let (delivery, is_settled) = (Arc::new(delivery), Arc::new(AtomicBool::new(false)));
        if flaw == Flaw::KeepsAliveWhatNobodySettles {
            let (delivery, is_settled) = (Arc::clone(&delivery), Arc::clone(&is_settled));
            tokio::spawn(async move {
                while !is_settled.load(Ordering::SeqCst) {
                    let _ = delivery.keep_alive().await;
                    tokio::time::sleep(deadline / 8).await;
                }
            });
        }
        let state = BrokenDelivery { flaw, delivery, is_stopped, broker, is_settled };
        Delivery::new(wrapped, state).with_deadline(deadline)
    }
}

struct BrokenDelivery {
    flaw: Flaw,
    delivery: Arc<Delivery>,
    broker: TestBroker,
    is_stopped: Arc<AtomicBool>,
    is_settled: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Settle for BrokenDelivery {
    async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
        let is_repeated = self.is_settled.swap(true, Ordering::SeqCst);
        let id = self.delivery.message().id().to_owned();
        let payload = self.delivery.message().payload().clone();
        let park = |id: String| {
            // Puts a copy aside without the broker's noticing.
            let broker = self.broker.clone();
            let payload = payload.clone();
            async move {
                broker.publish(id.clone(), payload);
                let mut source = broker.source();
                let copy = source.next(NonZeroUsize::MIN).await;
                copy.map_err(SettleError::new)?.settle(verdict).await
            }
        };
        match (self.flaw, verdict) {
            (Flaw::SettlesNothingOnceStopped, Verdict::Completed)
                if self.is_stopped.load(Ordering::SeqCst) =>
            {
                Ok(())
            }
            (Flaw::NeverAcknowledges, Verdict::Completed)
                if !self.is_stopped.load(Ordering::SeqCst) =>
            {
                Ok(())
            }
            (Flaw::RefusesToRepeat, Verdict::Completed) if is_repeated => {
                Err(SettleError::new("it is settled already"))
            }
            (Flaw::RetriesTooSoon, Verdict::Retry { after }) => {
                self.delivery.settle(&Verdict::Retry { after: *after / 2 }).await
            }
            (Flaw::IsBusyForAMoment, Verdict::Busy { after }) => {
                self.delivery.settle(&Verdict::Busy { after: *after / 2 }).await
            }
            (Flaw::GivesNothingBack, Verdict::GivenBack) => Ok(()),
            (Flaw::DropsWhatItParks, Verdict::Parked { .. }) => {
                self.delivery.settle(&Verdict::Completed).await
            }
            (Flaw::ParksWithoutSettling, Verdict::Parked { .. }) => park(id).await,
            (Flaw::ParksCopiesUnderNewIds, Verdict::Parked { .. }) if is_repeated => {
                park(format!("{id}-again")).await
            }
            (Flaw::SettlesWhatIsLeft, Verdict::Left) => {
                self.delivery.settle(&Verdict::GivenBack).await
            }
            _ => self.delivery.settle(verdict).await,
        }
    }

    async fn keep_alive(&self) -> Result<(), SettleError> {
        match self.flaw {
            Flaw::KeepsNothingAlive => Ok(()),
            Flaw::KeepsAliveAfterAVerdict if self.is_settled.load(Ordering::SeqCst) => {
                self.delivery.settle(&Verdict::GivenBack).await
            }
            _ => self.delivery.keep_alive().await,
        }
    }
}
