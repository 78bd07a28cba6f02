//! The embedded store: the claims of running calls in sharded maps of our own, completed records
//! in moka.
//!
//! [`ledger`] holds the transitions between states, [`claims`] and [`slot`] what they act on,
//! [`completed`] the records that may be evicted, [`waiters`] the wake-up, [`scan`] the paging.

mod builder;
mod claims;
mod completed;
mod ledger;
mod moment;
mod report;
mod scan;
mod slot;
mod sync;
#[cfg(test)]
mod tests;
mod waiters;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;

pub use self::builder::MemoryStoreBuilder;
use self::completed::Evicting;
use self::ledger::{Completed, Ledger};
use self::moment::Moment;
use self::waiters::Waiter;
use super::{
    Clock, Complete, CompleteOutcome, Cursor, Entry, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, Sleep, State, Store, StoreError, StoreErrorKind, TokioClock, Vacant,
    Wait, hasher,
};
use crate::record::{NotKept, Outcome, Record, RecordId, Token};

/// The store of one process, in its memory.
///
/// It holds to every rule of [`Store`] among the callers of this process, and to nothing beyond:
/// other processes do not see it, and a restart forgets all of it, reservations included. That
/// absorbs double clicks and retries within one process. Use a store on a server where
/// several processes answer, or where a call must not run again after a restart.
///
/// Clones share their records. Callers that wait for a running call are woken when it ends,
/// without polling.
///
/// ```
/// use idempotent_core::RecordId;
/// use idempotent_core::record::Envelope;
/// use idempotent_core::store::{MemoryStore, Reserve, ReserveOutcome, Store};
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
/// The store is bounded, and what it does at its bounds depends on what was promised:
///
/// * A **reservation** is never evicted. At [`max_unfinished`](MemoryStoreBuilder::max_unfinished)
///   ids, new reservations fail with [`StoreErrorKind::Full`], after everything dead was swept.
/// * A **result** above [`capacity_bytes`](MemoryStoreBuilder::capacity_bytes) goes before its ttl
///   ends, the least recently used first. Under *at least once* its key is vacant then, so a
///   repeated call runs again; the log warns once when the store is first full. Give it room for
///   the calls of one ttl.
/// * Under *at most once* a completed call leaves a mark until its ttl ends, which counts as
///   unfinished. When the result is evicted, a repeated call is refused with
///   [`ErrorKind::ResultNotKept`](crate::ErrorKind::ResultNotKept) and does not run.
/// * A result larger than the whole store leaves such a mark under either guarantee.
///
/// There is no background task. Claims past their time are swept as new ones come; expired
/// results go when their key is used or when room is needed.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    ledger: Ledger<Evicting>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// A store with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store with bounds and a clock of your choice.
    pub const fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::new()
    }

    fn reserve_or_full(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let outcome = self.ledger().reserve(request, self.now());
        outcome.map_err(|claims::Full| {
            StoreError::new(
                StoreErrorKind::Full,
                "the memory store holds as many unfinished calls as it may",
            )
        })
    }

    fn ledger(&self) -> &Ledger<Evicting> {
        &self.0.ledger
    }

    fn now(&self) -> Moment {
        Moment::of(self.0.clock.now())
    }

    /// Ends when the reservation does: woken by whoever ends it, or by the lapse of its lease.
    async fn ended(&self, request: &Wait<'_>) {
        let mut waiter = Waiter::new(&self.ledger().claims, request.id.hash(), request.token);
        let mut lapse: Option<(Moment, Sleep<'_>)> = None;
        poll_fn(|context| {
            while let Some(lapses_at) = waiter.poll(context.waker(), self.now()) {
                // A renewal moves the lapse without waking anybody; it is noticed here, when the
                // old one has come.
                let (_, sleep) = match lapse.take() {
                    Some(same) if same.0 == lapses_at => lapse.insert(same),
                    _ => lapse
                        .insert((lapses_at, self.0.clock.sleep_until(lapses_at.since_origin()))),
                };
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                if self.now() < lapses_at {
                    break;
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn at_hand(&self, id: &RecordId) -> Option<Entry> {
        Completed::get(&self.ledger().completed, id.hash(), self.now())
    }

    fn reserve_now(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        Some(self.reserve_or_full(request))
    }

    fn complete_now(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        Some(Ok(self.ledger().complete(request, self.now())))
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.reserve_or_full(request)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        Ok(self.ledger().renew(request, self.now()))
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        Ok(self.ledger().complete(request, self.now()))
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.ledger().release(request, self.now());
        Ok(())
    }

    /// Needs the runtime's timer, and panics in a tokio runtime without one.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        // Running into the timeout is one of the ways to return, and the caller looks again anyway.
        let _ = tokio::time::timeout(request.timeout, self.ended(request)).await;
        Ok(())
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        Ok(self.ledger().load(id, self.now()))
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        Ok(self.ledger().purge(id, self.now()))
    }

    /// Pages of completed records cost a walk over all of them; unfinished ones come first.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        scan::page(self.ledger(), request, self.now())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ledger { claims, completed } = self.ledger();
        f.debug_struct("MemoryStore")
            .field("unfinished", &claims.count())
            .field("max_unfinished", &claims.max())
            .field("completed", &completed.count())
            .field("capacity_bytes", &completed.capacity_bytes())
            .finish_non_exhaustive()
    }
}
