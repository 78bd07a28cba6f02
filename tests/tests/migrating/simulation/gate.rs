//! A process's way to a server, and processes whose `Migrating` leaves a rule out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::Store;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Abandon, Clock as _, Complete, CompleteOutcome, Correct, CorrectOutcome, Entry, Page, Release,
    Renew, RenewOutcome, Reserve, ReserveOutcome, Scan, StoreError,
};

use super::node::{Late, Node};

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

/// One process's way to a server.
#[derive(Clone)]
pub(super) struct Gate {
    node: Node,
    flaw: Flaw,
    is_old: bool,
    /// The caller's request, which may arrive after its caller has given up.
    request: Arc<Mutex<Option<Arc<Reserve<'static>>>>>,
    /// When the process first sent its reservation to a server, from which on the engine counts the lease.
    sent: Arc<Mutex<Option<Duration>>>,
}

impl Gate {
    /// A process's ways to both.
    pub(super) fn both(old: &Node, new: &Node, flaw: Flaw) -> (Self, Self) {
        let (sent, request) = (Arc::default(), Arc::default());
        let gate = |node: &Node, is_old| Self {
            node: node.clone(),
            flaw,
            is_old,
            request: Arc::clone(&request),
            sent: Arc::clone(&sent),
        };
        (gate(old, true), gate(new, false))
    }

    /// When the last reservation was first sent.
    pub(super) fn take_sent(&self) -> Option<Duration> {
        self.sent.lock().unwrap().take()
    }

    /// The request that the process is about to make.
    pub(super) fn announce(&self, request: &Arc<Reserve<'static>>) {
        *self.request.lock().unwrap() = Some(Arc::clone(request));
    }

    /// The result of a completion, which counts from the moment on at which it is written.
    async fn complete_there(
        node: &Node,
        request: &Complete<'_>,
    ) -> Result<CompleteOutcome, StoreError> {
        let outcome = node.records.complete(request).await;
        if let Ok(CompleteOutcome::Recorded) = outcome {
            node.note_result();
        }
        outcome
    }
}

#[async_trait]
impl Store for Gate {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        if self.flaw == Flaw::OneWin && !self.is_old {
            return Ok(ReserveOutcome::Won);
        }
        self.sent.lock().unwrap().get_or_insert(self.node.clock.now());
        let announced = self.request.lock().unwrap().clone();
        let late = announced.map(|request| {
            let node = self.node.clone();
            Late::new(async move { drop(node.records.reserve(&request).await) })
        });
        self.node.send(self.node.records.reserve(request), late).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        let (node, lease) = (self.node.clone(), request.lease);
        let (id, reservation) = (request.id.clone(), request.reservation.clone());
        let late = Late::new(async move {
            drop(node.records.renew(&Renew::new(&id, &reservation, lease)).await);
        });
        self.node.send(self.node.records.renew(request), Some(late)).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        if self.flaw == Flaw::NewResultOnly && self.is_old {
            return Ok(CompleteOutcome::Recorded);
        }
        let (node, ttl, if_vacant) = (self.node.clone(), request.ttl, request.if_vacant);
        let (id, reservation, record) =
            (request.id.clone(), request.reservation.clone(), request.record.clone());
        let late = Late::new(async move {
            let request = Complete::new(&id, &reservation, &record, ttl).if_vacant(if_vacant);
            drop(Self::complete_there(&node, &request).await);
        });
        self.node.send(Self::complete_there(&self.node, request), Some(late)).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        let (node, indeterminate) = (self.node.clone(), request.indeterminate);
        let (id, reservation) = (request.id.clone(), request.reservation.clone());
        let late = Late::new(async move {
            let release = Release::new(&id, &reservation);
            let release = if indeterminate { release.including_indeterminate() } else { release };
            drop(node.records.release(&release).await);
        });
        self.node.send(self.node.records.release(request), Some(late)).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        let node = self.node.clone();
        let (id, reservation, record) =
            (request.id.clone(), request.reservation.clone(), request.record.clone());
        let late = Late::new(async move {
            drop(node.records.abandon(&Abandon::new(&id, &reservation, &record)).await);
        });
        self.node.send(self.node.records.abandon(request), Some(late)).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        if self.flaw == Flaw::NoLook && self.is_old {
            return Ok(None);
        }
        self.node.send(self.node.records.load(id), None).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.node.send(self.node.records.purge(id), None).await
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.node.send(self.node.records.correct(request), None).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.node.send(self.node.records.scan(request), None).await
    }
}
