//! How many guarded requests run, and waiting for them at shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The guarded requests in flight, of all clones of a layer.
#[derive(Debug)]
pub(super) struct Flight {
    seats: Arc<Semaphore>,
    capacity: u32,
    draining: AtomicBool,
}

/// A guarded request in flight.
pub(super) type Seat = OwnedSemaphorePermit;

/// Why a request may not take off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grounded {
    Full,
    Draining,
}

impl Flight {
    pub(super) fn new(capacity: usize) -> Self {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let capacity = capacity.min(most);
        Self {
            seats: Arc::new(Semaphore::new(capacity)),
            capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
            draining: AtomicBool::new(false),
        }
    }

    pub(super) fn enter(&self) -> Result<Seat, Grounded> {
        let seat = Arc::clone(&self.seats).try_acquire_owned();
        // Looked at after the seat is taken: whoever does not see it is waited for.
        if self.draining.load(Ordering::SeqCst) {
            return Err(Grounded::Draining);
        }
        seat.map_err(|_| Grounded::Full)
    }

    /// Lets nobody enter any more, and returns once all have left.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        // An error would mean that the semaphore is closed, which nobody does.
        drop(self.seats.acquire_many(self.capacity).await);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_those_inside_and_lets_nobody_in() {
        let flight = Arc::new(Flight::new(2));
        let seat = flight.enter().unwrap();
        let drained = tokio::spawn({
            let flight = Arc::clone(&flight);
            async move { flight.drain().await }
        });
        yield_now().await;
        assert_eq!(flight.enter().unwrap_err(), Grounded::Draining);
        assert!(!drained.is_finished());
        drop(seat);
        drained.await.unwrap();
        assert_eq!(flight.enter().unwrap_err(), Grounded::Draining);
    }

    #[tokio::test]
    async fn no_more_enter_than_there_are_seats() {
        let flight = Flight::new(1);
        let seat = flight.enter().unwrap();
        assert_eq!(flight.enter().unwrap_err(), Grounded::Full);
        drop(seat);
        assert!(flight.enter().is_ok());
    }
}
