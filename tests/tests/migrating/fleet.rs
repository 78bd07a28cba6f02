//! Two servers that may fail, and processes in any mode.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::{MemoryStore, Migrating, MigrationMode};
use idempotent_core::model::Outcome;
use idempotent_core::store::{Entry, ReserveOutcome, State, Store};
use idempotent_core::testing::{FaultyStore, ManualClock};
use idempotent_tests::Attempt;

use MigrationMode::{Both, New, Old};

pub(crate) const MODES: [MigrationMode; 3] = [Old, Both, New];

pub(crate) type Faulty = FaultyStore<MemoryStore>;

/// Two servers, and processes in any mode.
pub(crate) struct Fleet {
    pub(crate) old: Faulty,
    pub(crate) new: Faulty,
    pub(crate) clock: ManualClock,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let store = || {
            let clock = Arc::new(clock.clone());
            FaultyStore::new(MemoryStore::builder().clock(clock).build())
        };
        Self { old: store(), new: store(), clock }
    }

    pub(crate) fn process(&self, mode: MigrationMode) -> Migrating<Faulty, Faulty> {
        Migrating::new(self.old.clone(), self.new.clone(), mode)
    }

    pub(crate) fn engine(&self, mode: MigrationMode) -> Idempotency {
        Idempotency::new(self.process(mode))
    }

    pub(crate) fn lapse(&self) {
        self.clock.advance(Attempt::LEASE + Duration::from_secs(1));
    }
}

pub(crate) async fn taken(store: &dyn Store, attempt: &Attempt) -> Entry {
    match attempt.reserve(store).await.unwrap() {
        ReserveOutcome::Taken(entry) => entry,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn assert_replays(fleet: &Fleet, modes: &[MigrationMode], attempt: &Attempt) {
    for mode in modes {
        let entry = taken(&fleet.process(*mode), attempt).await;
        assert_eq!(entry.state, State::Completed, "{mode}");
        assert_eq!(entry.record.outcome(), Outcome::Kept(b"receipt"), "{mode}");
        let loaded = fleet.process(*mode).load(&attempt.id).await.unwrap().unwrap();
        assert_eq!(loaded.record, entry.record, "{mode}");
    }
}
