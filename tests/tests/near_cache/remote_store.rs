//! A store that answers as one on a server does, and what the tests ask it.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use idempotent_core::backends::{MemoryStore, NearCache};
use idempotent_core::model::{Envelope, Record, RecordId, Token};
use idempotent_core::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Entry, Page, PurgeObserver,
    Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Scan, State, Store, StoreError, Wait,
};
use idempotent_core::testing::{FaultyStore, StoreMethod};
use idempotent_tests::{HOUR, settle};

/// It shows nothing at hand, does not say in `reserve` when a completed record ends, and tells of
/// purges. Clones are handles to the same records.
#[derive(Clone, Default)]
pub(crate) struct RemoteStore {
    pub(crate) memory: MemoryStore,
    never_tells_ends: bool,
    is_mute: bool,
    observers: Arc<Mutex<Vec<Weak<dyn PurgeObserver>>>>,
}

impl RemoteStore {
    pub(crate) fn over(memory: MemoryStore) -> Self {
        Self { memory, ..Self::default() }
    }

    /// One that tells nobody of purges.
    pub(crate) fn mute() -> Self {
        Self { is_mute: true, ..Self::default() }
    }

    /// One whose `load` does not say either when a record ends.
    pub(crate) fn without_ends() -> Self {
        Self { never_tells_ends: true, ..Self::default() }
    }

    /// The connection for messages is lost, or back.
    pub(crate) fn reconnects(&self) {
        self.tell(|observer| observer.purges_missed());
    }

    fn observers(&self) -> MutexGuard<'_, Vec<Weak<dyn PurgeObserver>>> {
        self.observers.lock().expect("no method panics")
    }

    fn tell(&self, event: impl Fn(&dyn PurgeObserver)) {
        let observers = self.observers().clone();
        observers.iter().filter_map(Weak::upgrade).for_each(|observer| event(&*observer));
    }
}

#[async_trait::async_trait]
impl Store for RemoteStore {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let mut outcome = self.memory.reserve(request).await?;
        if let ReserveOutcome::Taken(entry) = &mut outcome {
            entry.remaining = entry.remaining.filter(|_| entry.state != State::Completed);
        }
        Ok(outcome)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.memory.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.memory.complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.memory.release(request).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.memory.abandon(request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.memory.wait(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        let mut found = self.memory.load(id).await?;
        if let Some(entry) = found.as_mut().filter(|_| self.never_tells_ends) {
            entry.remaining = None;
        }
        Ok(found)
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let found = self.memory.purge(id).await?;
        self.tell(|observer| observer.purged(id.hash()));
        Ok(found)
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        let outcome = self.memory.correct(request).await?;
        self.tell(|observer| observer.purged(request.id.hash()));
        Ok(outcome)
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.memory.scan(request).await
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        if !self.is_mute {
            self.observers().push(observer);
        }
        !self.is_mute
    }
}

/// A cache over a remote store, whose calls are counted and can be made to go wrong.
pub(crate) type Near = NearCache<FaultyStore<RemoteStore>>;

pub(crate) fn near() -> Near {
    near_to(&RemoteStore::default())
}

pub(crate) fn near_to(remote: &RemoteStore) -> Near {
    NearCache::new(FaultyStore::new(remote.clone()))
}

/// An id that nobody else uses.
pub(crate) fn fresh_id() -> RecordId {
    RecordId::of("charge", None, &Token::random().to_string()).expect("a key")
}

/// Reserves and completes, as a call elsewhere does, and gives the record.
pub(crate) async fn complete(
    store: &impl Store,
    id: &RecordId,
    payload: &[u8],
    ttl: Duration,
) -> Record {
    let request = Reserve::new(id, Envelope::new("charge"));
    assert!(matches!(
        store.reserve(&request).await.expect("the store answers"),
        ReserveOutcome::Won
    ));
    let record = request.record().completed(payload);
    let request = Complete::new(id, request.record(), &record, ttl);
    assert!(matches!(
        store.complete(&request).await.expect("the store answers"),
        CompleteOutcome::Recorded
    ));
    record
}

/// A new caller's reserve, which must find the id taken.
pub(crate) async fn replay(store: &impl Store, id: &RecordId) -> Entry {
    let request = Reserve::new(id, Envelope::new("charge"));
    match store.reserve(&request).await.expect("the store answers") {
        ReserveOutcome::Taken(entry) => entry,
        outcome => panic!("the id should be taken, but: {outcome:?}"),
    }
}

/// A record that the cache has been asked for once, with what that caused done.
pub(crate) async fn replayed(near: &Near, payload: &[u8]) -> RecordId {
    let id = fresh_id();
    complete(near.inner().inner(), &id, payload, HOUR).await;
    replay(near, &id).await;
    settle().await;
    id
}

pub(crate) fn loads(near: &Near) -> usize {
    near.inner().calls(StoreMethod::Load)
}
