//! The embedded store, on a clock that the cases step.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::ManualClock;
use idempotent_core::testing::contract::{Lapsed, Subject};

struct Memory {
    store: MemoryStore,
    clock: ManualClock,
}

impl Memory {
    fn new() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        Self { store, clock }
    }
}

#[async_trait::async_trait]
impl Subject for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sweeps go with new reservations.
    fn lapsed(&self) -> Lapsed {
        Lapsed::Either
    }

    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        let store = MemoryStore::builder()
            .clock(Arc::new(self.clock.clone()))
            .max_unfinished(reservations)
            .build();
        Some(Arc::new(store))
    }
}

idempotent_core::testing::contract_tests! { Memory::new() }
