//! How many guarded requests run at once, and waiting for them at shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::problem::Problem;

/// Limits the guarded requests in flight, over all clones of a layer.
#[derive(Debug)]
pub(super) struct InFlightLimit {
    permits: Arc<Semaphore>,
    max_requests: u32,
    draining: AtomicBool,
}

/// Held while a guarded request is in flight.
pub(super) type InFlightPermit = OwnedSemaphorePermit;

/// Why a request gets no permit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPermit {
    Overloaded,
    ShuttingDown,
}

impl From<NoPermit> for Problem {
    fn from(reason: NoPermit) -> Self {
        match reason {
            NoPermit::Overloaded => Self::overloaded(),
            NoPermit::ShuttingDown => Self::shutting_down(),
        }
    }
}

impl InFlightLimit {
    pub(super) fn new(max_requests: usize) -> Self {
        let max_requests = max_requests.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self {
            permits: Arc::new(Semaphore::new(max_requests)),
            max_requests: u32::try_from(max_requests).unwrap_or(u32::MAX),
            draining: AtomicBool::new(false),
        }
    }

    pub(super) fn try_acquire(&self) -> Result<InFlightPermit, NoPermit> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        // Checked after taking the permit, so that `drain` waits for requests that miss the flag.
        if self.draining.load(Ordering::SeqCst) {
            return Err(NoPermit::ShuttingDown);
        }
        permit.map_err(|_| NoPermit::Overloaded)
    }

    /// Refuses further requests, and returns when none is in flight.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        // It fails only if the semaphore is closed, and nobody closes it.
        drop(self.permits.acquire_many(self.max_requests).await);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_requests_in_flight_and_admits_no_more() {
        let limit = Arc::new(InFlightLimit::new(2));
        let permit = limit.try_acquire().unwrap();
        let drained = tokio::spawn({
            let limit = Arc::clone(&limit);
            async move { limit.drain().await }
        });
        yield_now().await;
        assert_eq!(limit.try_acquire().unwrap_err(), NoPermit::ShuttingDown);
        assert!(!drained.is_finished());
        drop(permit);
        drained.await.unwrap();
        assert_eq!(limit.try_acquire().unwrap_err(), NoPermit::ShuttingDown);
    }

    #[tokio::test]
    async fn no_more_requests_are_admitted_than_there_are_permits() {
        let limit = InFlightLimit::new(1);
        let permit = limit.try_acquire().unwrap();
        assert_eq!(limit.try_acquire().unwrap_err(), NoPermit::Overloaded);
        drop(permit);
        assert!(limit.try_acquire().is_ok());
    }
}
