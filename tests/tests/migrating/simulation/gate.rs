//! A store behind a network that a seed decides: each message is on its way for a while, and requests and answers are lost;
//! and processes whose `Migrating` leaves a rule out.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::Store;
use idempotent_core::backends::MemoryStore;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Abandon, Clock as _, Complete, CompleteOutcome, Correct, CorrectOutcome, Entry, Page, Release,
    Renew, RenewOutcome, Reserve, ReserveOutcome, Scan, StoreError, StoreErrorKind,
};
use idempotent_core::testing::ManualClock;

use super::random::Random;

/// A rule that a process leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// `New` does not look into the old store.
    NoLook,
    /// `Both` does not win the new store.
    OneWin,
    /// `Both` writes the result to the new store alone.
    NewResultOnly,
}

/// A server: the records, and whether it is there.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) records: MemoryStore,
    pub(super) is_down: Arc<AtomicBool>,
    /// Whether a result was ever written.
    pub(super) has_result: Arc<AtomicBool>,
    random: Arc<Random>,
    clock: ManualClock,
}

/// One process's way to a server.
#[derive(Clone)]
pub(super) struct Gate {
    node: Node,
    flaw: Flaw,
    is_old: bool,
    /// When the process first sent its reservation to a server, from which on the engine counts the lease.
    sent: Arc<Mutex<Option<Duration>>>,
}

struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Lets the others go on.
pub(super) fn turn() -> impl Future<Output = ()> {
    Turn(false)
}

impl Node {
    pub(super) fn new(clock: &ManualClock, random: &Arc<Random>) -> Self {
        let records = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        let (random, clock) = (Arc::clone(random), clock.clone());
        Self { records, is_down: Arc::default(), has_result: Arc::default(), random, clock }
    }

    /// A process's ways to both.
    pub(super) fn gates(old: &Self, new: &Self, flaw: Flaw) -> (Gate, Gate) {
        let sent = Arc::default();
        let gate = |node: &Self, is_old| Gate {
            node: node.clone(),
            flaw,
            is_old,
            sent: Arc::clone(&sent),
        };
        (gate(old, true), gate(new, false))
    }

    async fn send<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let lost = || StoreError::new(StoreErrorKind::Timeout, "lost");
        turn().await;
        if self.is_down.load(Relaxed) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "down"));
        }
        if self.random.one_in(24) {
            return Err(lost());
        }
        let answer = call.await;
        turn().await;
        if self.random.one_in(24) { Err(lost()) } else { answer }
    }
}

impl Gate {
    /// When the last reservation was first sent.
    pub(super) fn take_sent(&self) -> Option<Duration> {
        self.sent.lock().unwrap().take()
    }
}

#[async_trait]
impl Store for Gate {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        if self.flaw == Flaw::OneWin && !self.is_old {
            return Ok(ReserveOutcome::Won);
        }
        self.sent.lock().unwrap().get_or_insert(self.node.clock.now());
        self.node.send(self.node.records.reserve(request)).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.node.send(self.node.records.renew(request)).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        if self.flaw == Flaw::NewResultOnly && self.is_old {
            return Ok(CompleteOutcome::Recorded);
        }
        let call = async {
            let outcome = self.node.records.complete(request).await;
            if let Ok(CompleteOutcome::Recorded) = outcome {
                self.node.has_result.store(true, Relaxed);
            }
            outcome
        };
        self.node.send(call).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.node.send(self.node.records.release(request)).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.node.send(self.node.records.abandon(request)).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        if self.flaw == Flaw::NoLook && self.is_old {
            return Ok(None);
        }
        self.node.send(self.node.records.load(id)).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.node.send(self.node.records.purge(id)).await
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.node.send(self.node.records.correct(request)).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.node.send(self.node.records.scan(request)).await
    }
}
