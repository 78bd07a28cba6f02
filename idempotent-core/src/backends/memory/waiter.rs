//! One waiter for the end of a reservation.

use std::task::Waker;

use super::crate_items::{Hash, Token};
use super::moment::Moment;
use super::unfinished::Unfinished;
use super::waiter_list::WaiterId;

/// Waits for one reservation to end, and removes its waker when dropped.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    unfinished: &'a Unfinished,
    id: &'a Hash,
    token: Token,
    registered: Option<WaiterId>,
}

impl<'a> Waiter<'a> {
    pub(super) const fn new(unfinished: &'a Unfinished, id: &'a Hash, token: Token) -> Self {
        Self { unfinished, id, token, registered: None }
    }

    /// When the lease ends if it is not renewed, or `None` once the reservation has ended. Checks
    /// and registers in one hold of the lock, so that the reservation cannot end in between.
    pub(super) fn poll(&mut self, waker: &Waker, now: Moment) -> Option<Moment> {
        let mut locked = self.unfinished.lock(self.id);
        locked.register_waiter(self.token, &mut self.registered, waker, now)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(registered) = self.registered {
            self.unfinished.lock(self.id).remove_waiter(registered);
        }
    }
}
