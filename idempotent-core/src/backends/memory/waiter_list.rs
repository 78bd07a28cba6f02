//! The wakers of those who wait for one reservation to end.

use std::mem;
use std::task::Waker;

/// The wakers registered for one reservation. Guarded by its shard's lock.
#[derive(Debug, Default)]
pub(super) struct WaiterList(Vec<(WaiterId, Waker)>);

/// Identifies one waiter in a list. Never reused within a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WaiterId(u64);

impl WaiterId {
    pub(super) fn next(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

impl WaiterList {
    /// Adds a waiter, or replaces its earlier waker. Returns the waker that is no longer needed:
    /// it must not be dropped under the lock, since dropping a waker may run foreign code.
    pub(super) fn register(&mut self, id: WaiterId, waker: &Waker) -> Option<Waker> {
        match self.0.iter_mut().find(|(registered, _)| *registered == id) {
            Some((_, registered)) if registered.will_wake(waker) => None,
            Some((_, registered)) => Some(mem::replace(registered, waker.clone())),
            None => {
                self.0.push((id, waker.clone()));
                None
            }
        }
    }

    pub(super) fn remove(&mut self, id: WaiterId) -> Option<Waker> {
        let at = self.0.iter().position(|(registered, _)| *registered == id)?;
        Some(self.0.remove(at).1)
    }

    /// Moves all waiters to `target`. If that is empty, the whole list moves without copying.
    pub(super) fn drain_into(&mut self, target: &mut Self) {
        if target.0.is_empty() {
            mem::swap(&mut self.0, &mut target.0);
        } else {
            target.0.append(&mut self.0);
        }
    }

    #[inline]
    pub(super) fn wake(&mut self) {
        if !self.0.is_empty() {
            for (_, waker) in mem::take(&mut self.0) {
                waker.wake();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
