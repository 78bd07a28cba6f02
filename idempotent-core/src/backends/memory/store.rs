//! [`MemoryStore`], and how it answers the engine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::completed::Completed;
use super::evict::AfterEviction;
use super::moment::Moment;
use super::records::Records;
use super::unfinished::Full;
use super::{scan, wait};
use crate::model::{RecordId, ScopeId, StepEntry, StepId, Token};
use crate::store::{
    Abandon, Clock, Complete, CompleteOutcome, Correct, CorrectOutcome, Due, DueCall, DueCalls,
    Entry, Journal, LocalStore, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome,
    Resume, ResumeOutcome, Scan, ScopeUse, Store, StoreError, StoreErrorKind, Suspend, Wait,
    WriteStep, WriteStepOutcome,
};

/// A store in the memory of one process.
///
/// It keeps every promise of [`Store`] among the callers of this process, and none beyond it: other
/// processes do not see its records, and a restart loses all of them, reservations included. That
/// is enough to absorb double clicks and retries within one process. Use a store on a server if
/// several processes serve the same callers, or if a call must not run again after a restart.
///
/// Clones share their records. Callers that wait for a running call are woken when it ends,
/// without polling.
///
/// ```
/// use idempotent_core::backends::MemoryStore;
/// use idempotent_core::model::{Envelope, RecordId};
/// use idempotent_core::store::{Reserve, ReserveOutcome, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let id = RecordId::of("shop::charge", None, &42)?;
/// let first = Reserve::new(&id, Envelope::new("shop::charge"));
/// let second = Reserve::new(&id, Envelope::new("shop::charge"));
///
/// assert!(matches!(store.reserve(&first).await?, ReserveOutcome::Won));
/// assert!(matches!(store.reserve(&second).await?, ReserveOutcome::Taken(_)));
/// # Ok(()) }
/// ```
///
/// # Capacity
///
/// The store is bounded, and what it does at its bounds costs no guarantee, unless you
/// [say so](super::MemoryStoreBuilder::run_again_after_eviction):
///
/// * A **reservation** is never evicted. At
///   [`max_unfinished`](super::MemoryStoreBuilder::max_unfinished) ids, the store first sweeps what
///   has expired; if that frees nothing, new reservations fail with [`StoreErrorKind::Full`].
/// * A **result** may be evicted before its ttl ends when the results exceed
///   [`capacity_bytes`](super::MemoryStoreBuilder::capacity_bytes). It leaves a tombstone until its ttl ends:
///   a repeated call is refused with [`ErrorKind::ResultNotKept`](crate::ErrorKind::ResultNotKept) and does not
///   run. The log warns once, when a result is evicted for the first time. Size the store for the calls of one ttl.
/// * A **tombstone** takes about 250 bytes and counts as unfinished. Beyond `max_unfinished` there can be only those of results that were in the store when it was reached, at
///   most one for each 400 bytes of its capacity.
/// * A result larger than the whole store leaves such a tombstone at once.
///
/// # Tenants
///
/// A scope that fills the store pays for it first. Results are evicted from the scope that has the most bytes,
/// until another one has more: those first whose ttl ends first, and that were not read lately. So a scope
/// that keeps less than its equal part of the capacity loses nothing to others, but for the room that a single
/// fresh result takes. All calls without a scope are one
/// scope in this respect, and so are calls on an engine without [limits](crate::IdempotencyBuilder#limits) that
/// count by scope.
///
/// Ids are not bounded by scope unless the engine has a [share per scope](crate::engine::ScopeShare), which an
/// `http::IdempotencyLayer` has by default. Without one, a scope can take all ids, and every scope's
/// new keys are refused. This store counts exactly, before every reservation. What has expired
/// counts until it is swept, which happens before a scope is refused, at most once a second with the default bounds.
///
/// There is no background task. Expired reservations are swept as new ones arrive; expired results
/// are removed when their key is used or when room is needed.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    records: Records<Completed>,
    clock: Arc<dyn Clock>,
    after_eviction: AfterEviction,
}

impl MemoryStore {
    pub(super) fn from_parts(
        records: Records<Completed>,
        clock: Arc<dyn Clock>,
        after_eviction: AfterEviction,
    ) -> Self {
        Self(Arc::new(Inner { records, clock, after_eviction }))
    }

    pub(super) fn records(&self) -> &Records<Completed> {
        &self.0.records
    }

    fn now(&self) -> Moment {
        Moment::of(self.0.clock.now())
    }

    fn complete_now(&self, request: &Complete<'_>) -> CompleteOutcome {
        let now = self.now();
        let outcome = self.records().complete(request, now);
        self.records().evict_overflow(request.id.hash(), self.0.after_eviction, now);
        outcome
    }

    fn count_scope(&self, scope: &ScopeId, up_to: u64) -> ScopeUse {
        let now = self.now();
        let Records { unfinished, completed } = self.records();
        let (results, expired) = completed.scope_use(scope, up_to, now);
        for result in expired {
            self.records().evict(&result, Some(*scope), self.0.after_eviction, now);
        }
        let mut slots = unfinished.counts().of(scope);
        if slots.slots + results.records >= up_to {
            unfinished.sweep(now);
            slots = unfinished.counts().of(scope);
        }
        ScopeUse {
            records: slots.slots + results.records,
            bytes: slots.bytes + results.bytes,
            indeterminate: slots.unresolved,
        }
    }

    fn reserve_or_full(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let outcome = self.records().reserve(request, self.now());
        outcome.map_err(|Full| {
            StoreError::new(
                StoreErrorKind::Full,
                "the memory store has reached its limit of unfinished calls (`max_unfinished`)",
            )
        })
    }
}

impl LocalStore for MemoryStore {
    fn completed(&self, id: &RecordId) -> Option<Entry> {
        // Most calls are new: they find nothing, and need not ask for the time.
        self.records().completed.find(id.hash())?.entry(self.now())
    }

    fn try_reserve(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        Some(self.reserve_or_full(request))
    }

    fn try_complete(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        Some(Ok(self.complete_now(request)))
    }

    fn try_write_step(
        &self,
        request: &WriteStep<'_>,
    ) -> Option<Result<WriteStepOutcome, StoreError>> {
        Some(Ok(self.records().write_step(request, self.now())))
    }

    fn try_scope_use(&self, scope: &ScopeId, up_to: u64) -> Option<ScopeUse> {
        Some(self.count_scope(scope, up_to))
    }
}

#[async_trait]
impl Journal for MemoryStore {
    fn fences_by_suspend(&self) -> bool {
        true
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        Ok(self.records().write_step(request, self.now()))
    }

    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        Ok(self.records().load_steps(id, journal))
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        Ok(self.records().resume(request, self.now()))
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        self.records().suspend(request, self.now());
        Ok(())
    }
}

#[async_trait]
impl DueCalls for MemoryStore {
    async fn due(&self, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
        Ok(self.records().due(request, self.now()))
    }

    async fn due_in(&self, id: &RecordId) -> Result<Option<Duration>, StoreError> {
        Ok(self.records().due_in(id, self.now()))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn is_in_process(&self) -> bool {
        true
    }

    fn local(&self) -> Option<&dyn LocalStore> {
        Some(self)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.reserve_or_full(request)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        Ok(self.records().renew(request, self.now()))
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        Ok(self.complete_now(request))
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.records().release(request, self.now());
        Ok(())
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.records().abandon(request, self.now());
        Ok(())
    }

    /// Needs the runtime's timer, and panics in a tokio runtime without one.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        let ended = wait::until_ended(&self.records().unfinished, &*self.0.clock, request);
        // A timeout is no error: the caller checks the record again either way.
        let _ = tokio::time::timeout(request.timeout, ended).await;
        Ok(())
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        Ok(self.records().load(id, self.now()))
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        Ok(self.records().purge(id, self.now()))
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        let now = self.now();
        let outcome = self.records().correct(request, now);
        self.records().evict_overflow(request.id.hash(), self.0.after_eviction, now);
        Ok(outcome)
    }

    /// Unfinished records come first. Each page of completed records walks over all of them.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        scan::page(self.records(), request, self.now())
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(self)
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        Some(self)
    }

    fn max_records(&self) -> Option<u64> {
        Some(self.records().unfinished.max() as u64)
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        Ok(Some(self.count_scope(scope, up_to)))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Records { unfinished, completed } = self.records();
        f.debug_struct("MemoryStore")
            .field("unfinished", &unfinished.count())
            .field("max_unfinished", &unfinished.max())
            .field("completed", &completed.count())
            .field("capacity_bytes", &completed.capacity_bytes())
            .finish_non_exhaustive()
    }
}
