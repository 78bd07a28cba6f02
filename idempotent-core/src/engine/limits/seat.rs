//! What a call holds while it runs ([`Seat`]) or waits ([`WaiterSeat`]), and gives back when it is dropped.

use std::sync::Arc;

use super::limiter::{Limiter, Running, Waiting};
use crate::error::Error;
use crate::model::RecordId;

/// Held by a call from before it asks the store until its end is recorded, whether or not its caller is still
/// there. Without limits there is nothing to hold. Boxed, since it is a part of the caller's future.
#[derive(Default)]
pub(crate) struct Seat(Option<Box<(Arc<Limiter>, Running)>>);

/// Held by a call that waits for another one.
pub(in crate::engine) struct WaiterSeat(Arc<Limiter>, Waiting);

impl Seat {
    /// A seat for a call that may run its body, or why it may not.
    pub(in crate::engine) fn take(
        limiter: &Arc<Limiter>,
        id: &RecordId,
        detaches: bool,
    ) -> Result<Self, Error> {
        let running = limiter.start_running(id, detaches)?;
        Ok(Self(Some(Box::new((Arc::clone(limiter), running)))))
    }
}

impl WaiterSeat {
    /// A seat for a call that waits for the owner of its key, or why it may not wait.
    pub(in crate::engine) fn take(limiter: &Arc<Limiter>, id: &RecordId) -> Result<Self, Error> {
        let waiting = limiter.start_waiting(id)?;
        Ok(Self(Arc::clone(limiter), waiting))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(held) = &self.0 {
            let (limiter, running) = &**held;
            limiter.stop_running(*running);
        }
    }
}

impl Drop for WaiterSeat {
    fn drop(&mut self) {
        self.0.stop_waiting(self.1);
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seat").field(&self.0.is_some()).finish()
    }
}

impl std::fmt::Debug for WaiterSeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaiterSeat").finish_non_exhaustive()
    }
}
