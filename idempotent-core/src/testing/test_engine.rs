//! [`engine`]: an engine for one test, with everything that the test may want to look at or break.

use std::sync::Arc;

use super::faulty_store::FaultyStore;
use super::manual_clock::ManualClock;
use super::observed_store::{ObservedStore, OperationCounts};
use crate::Idempotency;
use crate::backends::MemoryStore;
use crate::engine::{IdempotencyBuilder, with_engine};

/// The store of a [`TestEngine`].
pub type TestStore = FaultyStore<ObservedStore<MemoryStore>>;

/// An engine in memory for one test, with a clock that stands still, counts of what became of calls, and calls
/// of the store that can be made to fail.
///
/// ```
/// use std::time::Duration;
///
/// use idempotent_core::testing::{self, assert_executed_once};
/// use idempotent_core::{Error, idempotent};
///
/// #[idempotent(key = order, name = "charge", ttl = "24h")]
/// async fn charge(order: u32, receipt: &str) -> Result<String, Error> {
///     Ok(receipt.to_owned())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let test = testing::engine();
/// test.run(async {
///     assert_eq!(charge(7, "first").await?, "first");
///     assert_eq!(charge(7, "second").await?, "first");
///     assert_executed_once!(test, "charge");
///     test.clock().advance(Duration::from_secs(24 * 60 * 60));
///     assert_eq!(charge(7, "third").await?, "third");
///     Ok(())
/// })
/// .await
/// # }
/// ```
#[must_use]
pub fn engine() -> TestEngine {
    TestEngine::new(|builder| builder)
}

/// An engine for one test. See [`engine`].
#[derive(Clone, Debug)]
pub struct TestEngine {
    engine: Idempotency,
    store: TestStore,
    clock: ManualClock,
}

impl TestEngine {
    /// An engine with the settings that the application's own has.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use idempotent_core::testing::TestEngine;
    ///
    /// let test = TestEngine::new(|engine| engine.lease(Duration::from_secs(5)));
    /// assert_eq!(test.counts("charge").executions, 0);
    /// ```
    pub fn new(settings: impl FnOnce(IdempotencyBuilder) -> IdempotencyBuilder) -> Self {
        let clock = ManualClock::new();
        let memory = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        let store = FaultyStore::new(ObservedStore::new(memory));
        let engine = settings(Idempotency::builder(store.clone())).build();
        Self { engine, store, clock }
    }

    /// Runs `future` with this engine as the default one of its calls, as [`with_engine`] does.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        with_engine(self.engine.clone(), future)
    }

    /// The engine, for code that is handed one, such as an HTTP layer.
    #[must_use]
    pub fn engine(&self) -> Idempotency {
        self.engine.clone()
    }

    /// The store, whose calls can be made to fail.
    #[must_use]
    pub const fn store(&self) -> &TestStore {
        &self.store
    }

    /// The clock of leases and expiry.
    #[must_use]
    pub const fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// What became of the calls of one operation.
    #[must_use]
    pub fn counts(&self, operation: &str) -> OperationCounts {
        self.store.inner().counts(operation)
    }
}
