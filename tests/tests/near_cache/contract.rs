//! The store contract, over a `NearCache`: as it is, and with every completed record read from the
//! cache, as the engine reads it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::{MemoryStore, NearCache};
use idempotent_core::model::{Envelope, RecordId};
use idempotent_core::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Entry, LocalStore, Page,
    PurgeObserver, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Scan, StoreError, Wait,
};
use idempotent_core::testing::ManualClock;
use idempotent_core::testing::contract::{Lapsed, Subject};

use super::remote_store::RemoteStore;

/// How the store inside is reached.
#[derive(Clone, Copy)]
enum Inside {
    Memory,
    RemoteStore,
}

struct Cached {
    memory: MemoryStore,
    remote: RemoteStore,
    clock: ManualClock,
    inside: Inside,
    capacity_bytes: u64,
}

impl Cached {
    fn new(inside: Inside, capacity_bytes: u64) -> Self {
        let clock = ManualClock::new();
        let memory = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        let remote = RemoteStore::over(memory.clone());
        Self { memory, remote, clock, inside, capacity_bytes }
    }

    fn handle(&self) -> NearCache<Arc<dyn Store>> {
        let store: Arc<dyn Store> = match self.inside {
            Inside::Memory => Arc::new(self.memory.clone()),
            Inside::RemoteStore => Arc::new(self.remote.clone()),
        };
        NearCache::builder(store)
            .capacity_bytes(self.capacity_bytes)
            .clock(Arc::new(self.clock.clone()))
            .build()
    }
}

#[async_trait::async_trait]
impl Subject for Cached {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.handle())
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn lapsed(&self) -> Lapsed {
        Lapsed::Either
    }

    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        let clock = Arc::new(self.clock.clone());
        let memory = MemoryStore::builder().clock(clock).max_unfinished(reservations).build();
        Some(Arc::new(NearCache::new(memory)))
    }
}

/// A store that shows a completed record from the cache whenever it is there, as the engine does,
/// and has every record that it completes brought there first.
struct ByTheCache(NearCache<Arc<dyn Store>>);

impl ByTheCache {
    /// Another caller's reserve, which finds the record and so fills the cache.
    async fn bring_near(&self, id: &RecordId) {
        let probe = Reserve::new(id, Envelope::new("probe"));
        if let Ok(ReserveOutcome::Won) = self.0.reserve(&probe).await {
            // Its ttl is over already.
            let release = Release::new(id, probe.record());
            self.0.release(&release).await.expect("the memory store answers");
        }
        for _ in 0..100 {
            if self.0.completed(id).is_some() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl LocalStore for ByTheCache {
    fn completed(&self, id: &RecordId) -> Option<Entry> {
        self.0.completed(id)
    }
}

#[async_trait::async_trait]
impl Store for ByTheCache {
    fn local(&self) -> Option<&dyn LocalStore> {
        Some(self)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        match self.0.completed(request.id) {
            Some(entry) => Ok(ReserveOutcome::Taken(entry)),
            None => self.0.reserve(request).await,
        }
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.0.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        let outcome = self.0.complete(request).await?;
        if let CompleteOutcome::Recorded = outcome {
            self.bring_near(request.id).await;
        }
        Ok(outcome)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.0.release(request).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.0.abandon(request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.0.wait(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        match self.0.completed(id) {
            Some(entry) => Ok(Some(entry)),
            None => self.0.load(id).await,
        }
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.0.purge(id).await
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.0.correct(request).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.0.scan(request).await
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        self.0.observe_purges(observer)
    }
}

struct Shown(Cached);

#[async_trait::async_trait]
impl Subject for Shown {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(ByTheCache(self.0.handle()))
    }

    async fn advance(&self, by: Duration) {
        self.0.advance(by).await;
    }

    fn lapsed(&self) -> Lapsed {
        self.0.lapsed()
    }
}

const ROOM: u64 = 64 * 1024 * 1024;

/// For one small record.
const HARDLY_ANY: u64 = 450;

mod over_memory {
    idempotent_core::testing::contract_tests! { super::Cached::new(super::Inside::Memory, super::ROOM) }
}

mod over_a_remote_store {
    idempotent_core::testing::contract_tests! { super::Cached::new(super::Inside::RemoteStore, super::ROOM) }
}

mod shown_from_the_cache {
    idempotent_core::testing::contract_tests! {
        super::Shown(super::Cached::new(super::Inside::RemoteStore, super::ROOM))
    }
}

mod shown_from_a_small_cache {
    idempotent_core::testing::contract_tests! {
        super::Shown(super::Cached::new(super::Inside::RemoteStore, super::HARDLY_ANY))
    }
}
