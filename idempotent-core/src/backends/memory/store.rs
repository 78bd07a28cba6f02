//! [`MemoryStore`], and how it answers the engine.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::completed::Completed;
use super::moment::Moment;
use super::records::{CompletedMap, Records};
use super::unfinished::Full;
use super::{scan, wait};
use crate::model::RecordId;
use crate::store::{
    Abandon, Clock, Complete, CompleteOutcome, Entry, LocalStore, Page, Release, Renew,
    RenewOutcome, Reserve, ReserveOutcome, Scan, Store, StoreError, StoreErrorKind, Wait,
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
/// The store is bounded. What it does at its bounds depends on the guarantee:
///
/// * A **reservation** is never evicted. At
///   [`max_unfinished`](super::MemoryStoreBuilder::max_unfinished) ids, the store first sweeps what
///   has expired; if that frees nothing, new reservations fail with [`StoreErrorKind::Full`].
/// * A **result** may be evicted before its ttl ends when the results exceed
///   [`capacity_bytes`](super::MemoryStoreBuilder::capacity_bytes), the least recently used first.
///   Under *at least once* its key is then vacant, so a repeated call runs again. The log warns once,
///   when the store is full for the first time. Size it for the calls of one ttl.
/// * Under *at most once* a completed call leaves a tombstone until its ttl ends, which counts as
///   unfinished. If the result is evicted, a repeated call is refused with
///   [`ErrorKind::ResultNotKept`](crate::ErrorKind::ResultNotKept) and does not run.
/// * A result larger than the whole store leaves such a tombstone under either guarantee.
///
/// There is no background task. Expired reservations are swept as new ones arrive; expired results
/// are removed when their key is used or when room is needed.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    records: Records<Completed>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    pub(super) fn from_parts(records: Records<Completed>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { records, clock }))
    }

    pub(super) fn records(&self) -> &Records<Completed> {
        &self.0.records
    }

    fn now(&self) -> Moment {
        Moment::of(self.0.clock.now())
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
        CompletedMap::get(&self.records().completed, id.hash(), self.now())
    }

    fn try_reserve(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        Some(self.reserve_or_full(request))
    }

    fn try_complete(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        Some(Ok(self.records().complete(request, self.now())))
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
        Ok(self.records().complete(request, self.now()))
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

    /// Unfinished records come first. Each page of completed records walks over all of them.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        scan::page(self.records(), request, self.now())
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
