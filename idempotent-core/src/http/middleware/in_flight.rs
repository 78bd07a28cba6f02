//! The guarded requests in flight, and waiting for them at shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::InFlight;
use crate::http::problem::Problem;

/// The guarded requests in flight, over all clones of a layer. How many may run at once is a matter of the
/// layer's limits.
#[derive(Default)]
pub(super) struct InFlightRequests {
    requests: InFlight,
    draining: AtomicBool,
}

/// Held while a guarded request is in flight.
pub(super) struct InFlightRequest(Arc<InFlightRequests>);

/// The process is shutting down.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShuttingDown;

impl From<ShuttingDown> for Problem {
    fn from(_: ShuttingDown) -> Self {
        Self::shutting_down()
    }
}

impl InFlightRequests {
    pub(super) fn enter(self: &Arc<Self>) -> Result<InFlightRequest, ShuttingDown> {
        self.requests.enter();
        let request = InFlightRequest(Arc::clone(self));
        // Checked after it is counted, so that `drain` waits for requests that miss the flag. That takes `SeqCst` of all
        // four accesses, here and in `InFlight`.
        if self.draining.load(Ordering::SeqCst) { Err(ShuttingDown) } else { Ok(request) }
    }

    /// Refuses further requests, and returns when none is in flight.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.requests.wait_until_idle().await;
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.0.requests.leave();
    }
}

impl std::fmt::Debug for InFlightRequests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InFlightRequests").field("draining", &self.draining).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_requests_in_flight_and_admits_no_more() {
        let requests = Arc::new(InFlightRequests::default());
        let request = requests.enter().ok().unwrap();
        let drained = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.drain().await }
        });
        yield_now().await;
        assert!(requests.enter().is_err());
        assert!(!drained.is_finished());
        drop(request);
        drained.await.unwrap();
        assert!(requests.enter().is_err());
    }
}
