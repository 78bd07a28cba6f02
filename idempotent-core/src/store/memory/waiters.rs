//! Who waits for the end of one reservation.

use std::mem;
use std::task::Waker;

use super::Token;
use super::claims::{Claims, Hash};
use super::moment::Moment;

/// The wakers registered under one reservation. Guarded by its shard's lock.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<(Ticket, Waker)>);

/// One waiter's place in the list, never given twice within a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Ticket {
    pub(super) fn take(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

impl Waiters {
    /// Adds a waiter, or takes over its later waker. Gives back the one that is left over, for it
    /// must not be dropped under the lock: dropping a waker may run anybody's code.
    pub(super) fn register(&mut self, ticket: Ticket, waker: &Waker) -> Option<Waker> {
        match self.0.iter_mut().find(|(held, _)| *held == ticket) {
            Some((_, held)) if held.will_wake(waker) => None,
            Some((_, held)) => Some(mem::replace(held, waker.clone())),
            None => {
                self.0.push((ticket, waker.clone()));
                None
            }
        }
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        let at = self.0.iter().position(|(held, _)| *held == ticket)?;
        Some(self.0.remove(at).1)
    }

    /// Moves everybody to `woken`. The first list of a call moves as a whole.
    pub(super) fn drain_into(&mut self, woken: &mut Self) {
        if woken.0.is_empty() {
            mem::swap(&mut self.0, &mut woken.0);
        } else {
            woken.0.append(&mut self.0);
        }
    }

    pub(super) fn wake(&mut self) {
        for (_, waker) in self.0.drain(..) {
            waker.wake();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Waits for the end of one reservation, and leaves nothing behind when dropped.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    claims: &'a Claims,
    id: &'a Hash,
    token: Token,
    ticket: Option<Ticket>,
}

impl<'a> Waiter<'a> {
    pub(super) const fn new(claims: &'a Claims, id: &'a Hash, token: Token) -> Self {
        Self { claims, id, token, ticket: None }
    }

    /// When the lease ends as it stands now, or `None` once the reservation has ended. Looking and
    /// registering are one step under the lock, so that no end falls between them.
    pub(super) fn poll(&mut self, waker: &Waker, now: Moment) -> Option<Moment> {
        let mut place = self.claims.lock(self.id);
        place.watch(self.token, &mut self.ticket, waker, now)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.claims.lock(self.id).unwatch(ticket);
        }
    }
}
