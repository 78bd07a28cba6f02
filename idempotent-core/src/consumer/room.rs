//! [`Room`]: how many deliveries a consumer has in hand.
//!
//! A delivery has a place from its receipt until its handler's end is recorded. What is left then is to wait until the broker
//! has confirmed the acknowledgement, and that takes no place while there are not too many of them: otherwise a handler's place would
//! be empty for a round trip to the broker after each message.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one run.
pub(super) struct Room {
    places: Arc<Semaphore>,
    /// As many acknowledgements as places may be unconfirmed beside them.
    unconfirmed: Arc<Semaphore>,
}

/// What a delivery has until it is dropped.
pub(super) struct Held {
    permit: OwnedSemaphorePermit,
    unconfirmed: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new(places: usize) -> Self {
        let [places, unconfirmed] = [(); 2].map(|()| Arc::new(Semaphore::new(places)));
        Self { places, unconfirmed }
    }

    /// Waits for a free place. `None` never: no place is taken away.
    pub(super) async fn enter(&self) -> Option<Held> {
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(Held { permit, unconfirmed: Arc::clone(&self.unconfirmed) })
    }

    /// How many places are free.
    pub(super) fn free(&self) -> usize {
        self.places.available_permits()
    }
}

impl Held {
    /// Gives the place to another delivery, if there are not too many that wait for a confirmation.
    pub(super) fn wait_for_confirmation(&mut self) {
        if let Ok(permit) = Arc::clone(&self.unconfirmed).try_acquire_owned() {
            self.permit = permit;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn as_many_as_there_are_places_wait_for_a_confirmation_beside_those_that_run() {
        let room = Room::new(2);
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut one = room.enter().await.unwrap();
            one.wait_for_confirmation();
            held.push(one);
        }
        for _ in 0..2 {
            let mut one = room.enter().await.unwrap();
            one.wait_for_confirmation();
            held.push(one);
        }
        assert_eq!(room.free(), 0);
        assert!(room.enter().now_or_never().is_none());
        held.remove(0);
        // Those that run have their places still.
        assert!(room.enter().now_or_never().is_none());
        held.pop();
        assert!(room.enter().now_or_never().is_some());
    }
}
