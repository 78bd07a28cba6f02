//! Waiting until an engine has nothing left to do.

use super::idempotency::Idempotency;

/// Counts work that no reservation stands for, until it is dropped.
pub(super) struct InFlightGuard(Idempotency);

impl InFlightGuard {
    pub(super) fn new(engine: &Idempotency) -> Self {
        engine.0.in_flight.enter();
        Self(engine.clone())
    }

    pub(super) fn engine(&self) -> &Idempotency {
        &self.0
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.in_flight.leave();
    }
}

impl Idempotency {
    /// Waits until no call of this engine is running in this process: for a shutdown, after the
    /// service has stopped accepting work.
    ///
    /// That includes bodies that [`detach`](crate::Call::run_detached) has moved to a task because
    /// their callers went away, results that are still being recorded, and reservations that are
    /// being released. New calls are not refused, and prolong the wait. Calls in a transaction end
    /// with their callers, and are not waited for.
    ///
    /// Nor is what a call that was dropped without being detached has under way: a reservation that the
    /// store has not answered yet, and the result of a [step](crate::guide::calls_of_several_effects) that is being written. If
    /// the process ends before that is done, the key stays reserved for its lease, and the step is in
    /// doubt, or runs again when the call is resumed. Detach calls, or let them end, before you drain.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::time::Duration;
    /// use idempotent_core::{Idempotency, backends::MemoryStore};
    ///
    /// let engine = Idempotency::new(MemoryStore::new());
    /// // … serve until the process is told to stop …
    /// let drained = tokio::time::timeout(Duration::from_secs(30), engine.drain()).await;
    /// if drained.is_err() {
    ///     eprintln!("some calls are still running; their keys stay reserved for their leases");
    /// }
    /// # }
    /// ```
    pub async fn drain(&self) {
        self.0.in_flight.wait_until_idle().await;
    }
}
