//! Bodies that run on without their callers.

use std::sync::atomic::Ordering;

use crate::engine::drain::InFlightGuard;
use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::Telemetry;

/// A body whose caller went away. It is counted, and waited for by a drain, until this is dropped.
pub(in crate::engine) struct DetachedBody {
    in_flight: InFlightGuard,
}

impl DetachedBody {
    pub(in crate::engine) fn new(engine: &Idempotency) -> Self {
        engine.0.detached.fetch_add(1, Ordering::Relaxed);
        Telemetry::detached(1);
        Self { in_flight: InFlightGuard::new(engine) }
    }
}

impl Drop for DetachedBody {
    fn drop(&mut self) {
        self.in_flight.engine().0.detached.fetch_sub(1, Ordering::Relaxed);
        Telemetry::detached(-1);
    }
}

impl Idempotency {
    /// How many bodies of this engine run on in this process although their callers went away: those of
    /// [detached](crate::Call::run_detached) calls, and handlers inside an `http::IdempotencyLayer`. The metric
    /// `idempotent_detached` says the same. [`drain`](Self::drain) waits for them.
    ///
    /// ```
    /// use idempotent_core::{Idempotency, backends::MemoryStore};
    ///
    /// let engine = Idempotency::new(MemoryStore::new());
    /// assert_eq!(engine.detached_bodies(), 0);
    /// ```
    #[must_use]
    pub fn detached_bodies(&self) -> usize {
        self.0.detached.load(Ordering::Relaxed)
    }
}
