//! One place in the claims: a reservation, or the mark that a finished call leaves.

use std::time::Duration;

use super::moment::Moment;
use super::waiters::Waiters;
use super::{Entry, Outcome, Record, State};

/// A reservation, which may have lapsed, or a *mark*: the tombstone that keeps the id of a
/// finished call from being vacant when its record is evicted.
///
/// Nothing happens when a deadline passes. What a slot stands for is worked out when it is looked
/// at, and dead slots are swept.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) record: Record,
    pub(super) waiters: Waiters,
    lapses_at: Moment,
    vacant_at: Moment,
}

impl Slot {
    pub(super) fn reserved(record: Record, now: Moment, lease: Duration) -> Self {
        let mut slot = Self { record, waiters: Waiters::default(), lapses_at: now, vacant_at: now };
        slot.renew(now, lease);
        slot
    }

    pub(super) fn mark(tombstone: Record, until: Moment) -> Self {
        Self { record: tombstone, waiters: Waiters::default(), lapses_at: until, vacant_at: until }
    }

    pub(super) fn renew(&mut self, now: Moment, lease: Duration) {
        self.lapses_at = now.after(lease);
        self.vacant_at = if self.record.guarantee().keeps_lapsed() {
            self.lapses_at.after(self.record.retention())
        } else {
            self.lapses_at
        };
    }

    pub(super) fn lapses_at(&self) -> Moment {
        self.lapses_at
    }

    /// Whether nothing stands in the way of a new reservation.
    pub(super) fn is_dead(&self, now: Moment) -> bool {
        self.vacant_at <= now
    }

    /// Whether this is a reservation, however its lease stands.
    pub(super) fn is_reservation(&self) -> bool {
        self.record.outcome() == Outcome::Reserved
    }

    /// Whether it was indeterminate until its retention ended.
    pub(super) fn outlived_retention(&self, now: Moment) -> bool {
        self.is_dead(now) && self.is_reservation() && self.record.guarantee().keeps_lapsed()
    }

    pub(super) fn state(&self, now: Moment) -> Option<State> {
        if !self.is_reservation() {
            (!self.is_dead(now)).then_some(State::Completed)
        } else if now < self.lapses_at {
            Some(State::Reserved)
        } else if self.record.guarantee().keeps_lapsed() {
            (!self.is_dead(now)).then_some(State::Indeterminate)
        } else {
            Some(State::Lapsed)
        }
    }

    pub(super) fn entry(&self, now: Moment) -> Option<Entry> {
        let state = self.state(now)?;
        let end = if state == State::Reserved { self.lapses_at } else { self.vacant_at };
        Some(Entry::new(self.record.clone(), state, Some(now.until(end))))
    }
}
