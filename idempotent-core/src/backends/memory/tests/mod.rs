//! Tests of the memory store's public API, on a clock that stands still until a test moves it.

mod capacity;
mod concurrency;
mod scanning;
mod transitions;
mod waiting;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{MemoryStore, MemoryStoreBuilder};
use crate::model::{Envelope, Guarantee, NotKept, Outcome, Record, RecordId, ScopeId, Token};
use crate::store::{
    Abandon, Clock, Complete, CompleteOutcome, Cursor, Entry, IfVacant, LocalStore, Release, Renew,
    RenewOutcome, Reserve, ReserveOutcome, Scan, ScopeUse, Sleep, State, Store, StoreErrorKind,
    Wait,
};

const LEASE: Duration = Duration::from_secs(30);
const RETENTION: Duration = Duration::from_secs(3600);
const TTL: Duration = Duration::from_secs(600);
const NAME: &str = "shop::charge";

/// Moves only when told to.
#[derive(Debug)]
struct ManualClock(watch::Sender<Duration>);

impl ManualClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Duration::ZERO)))
    }

    fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.borrow()
    }

    fn sleep_until(&self, at: Duration) -> Sleep<'_> {
        Box::pin(async move {
            let mut moves = self.0.subscribe();
            moves.wait_for(|now| *now >= at).await.unwrap();
        })
    }
}

/// A store and its clock.
struct Fixture {
    store: MemoryStore,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(MemoryStore::builder())
    }

    fn with(builder: MemoryStoreBuilder) -> Self {
        let clock = ManualClock::new();
        let store = builder.clock(clock.clone()).build();
        Self { store, clock }
    }

    async fn reserve(&self, request: &Reserve<'_>) -> ReserveOutcome {
        self.store.reserve(request).await.unwrap()
    }

    /// Wins a reservation.
    async fn won(&self, id: &RecordId, guarantee: Guarantee) -> Record {
        let request = reserve(id, guarantee);
        assert!(is_won(&self.reserve(&request).await));
        request.record().clone()
    }

    async fn complete(
        &self,
        id: &RecordId,
        reservation: &Record,
        result: &[u8],
    ) -> CompleteOutcome {
        let record = reservation.completed(result);
        let request = Complete::new(id, reservation, &record, TTL);
        self.store.complete(&request).await.unwrap()
    }

    async fn renew(&self, id: &RecordId, reservation: &Record) -> RenewOutcome {
        let request = Renew::new(id, reservation, LEASE);
        self.store.renew(&request).await.unwrap()
    }

    async fn release(&self, id: &RecordId, reservation: &Record) {
        let request = Release::new(id, reservation);
        self.store.release(&request).await.unwrap();
    }

    async fn load(&self, id: &RecordId) -> Option<Entry> {
        self.store.load(id).await.unwrap()
    }

    async fn state(&self, id: &RecordId) -> Option<State> {
        self.load(id).await.map(|entry| entry.state)
    }

    fn unfinished(&self) -> usize {
        self.store.records().unfinished.count()
    }
}

fn id(n: u64) -> RecordId {
    RecordId::of(NAME, None, &("order:", n)).unwrap()
}

fn reserve(id: &RecordId, guarantee: Guarantee) -> Reserve<'_> {
    let envelope =
        Envelope { guarantee, lease: LEASE, retention: RETENTION, ..Envelope::new(NAME) };
    Reserve::new(id, envelope)
}

fn is_won(outcome: &ReserveOutcome) -> bool {
    matches!(outcome, ReserveOutcome::Won)
}

fn is_recorded(outcome: &CompleteOutcome) -> bool {
    matches!(outcome, CompleteOutcome::Recorded)
}

/// The entry that prevented a reservation.
fn taken(outcome: ReserveOutcome) -> Entry {
    match outcome {
        ReserveOutcome::Taken(entry) => entry,
        ReserveOutcome::Won => panic!("it was vacant"),
    }
}

fn kept(entry: &Entry) -> &[u8] {
    match entry.record.outcome() {
        Outcome::Kept(payload) => payload,
        outcome => panic!("no result, but {outcome:?}"),
    }
}
