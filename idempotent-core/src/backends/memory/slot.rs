//! One slot of the unfinished calls: a reservation, or the tombstone that a completed call leaves.

use std::collections::HashMap;
use std::time::Duration;

use super::crate_items::{Entry, IdHasher, OwnerState, Record, ScopeId, State, StepEntry, StepId};
use super::moment::Moment;
use super::waiter_list::WaiterList;

/// A reservation, live or lapsed, or the tombstone that keeps the id of a completed call from
/// becoming vacant when its record is evicted.
///
/// Nothing happens when a deadline passes. A slot's state is computed when somebody looks at it,
/// and vacant slots are swept.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) record: Record,
    pub(super) waiters: WaiterList,
    pub(super) scope: Option<ScopeId>,
    /// What another run needs, of a call that can be resumed. Few calls can, so a slot has a pointer to it.
    pub(super) kept: Option<Box<Kept>>,
    lapses_at: Moment,
    vacant_at: Moment,
}

/// What the journal of a call says of its steps.
pub(super) type Steps = HashMap<StepId, StepEntry, IdHasher>;

/// What another run of a call needs.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Set once one is written.
    pub(super) steps: Option<Steps>,
    /// When the call is to be resumed without its caller.
    pub(super) due: Option<Moment>,
}

impl Slot {
    pub(super) fn reserved(
        record: Record,
        now: Moment,
        lease: Duration,
        scope: Option<ScopeId>,
    ) -> Self {
        let waiters = WaiterList::default();
        let mut slot = Self { record, waiters, scope, kept: None, lapses_at: now, vacant_at: now };
        slot.renew(now, lease);
        if slot.record.has_input() {
            slot.kept.get_or_insert_default().due = Some(slot.lapses_at);
        }
        slot
    }

    pub(super) fn tombstone(record: Record, until: Moment, scope: Option<ScopeId>) -> Self {
        let waiters = WaiterList::default();
        Self { record, waiters, scope, kept: None, lapses_at: until, vacant_at: until }
    }

    pub(super) fn renew(&mut self, now: Moment, lease: Duration) {
        self.lapses_at = now.after(lease);
        self.vacant_at = if self.record.keeps_lapsed() {
            self.lapses_at.after(self.record.retention())
        } else {
            self.lapses_at
        };
    }

    /// Goes by the record for what follows the lease, which stays as it is.
    pub(super) fn keep(&mut self) {
        let lapses_at = self.lapses_at;
        self.renew(lapses_at, Duration::ZERO);
    }

    /// Ends the lease now, unless it has lapsed already.
    pub(super) fn end_lease(&mut self, now: Moment) {
        let lapses_at = self.lapses_at.min(now);
        self.renew(lapses_at, Duration::ZERO);
    }

    /// Whether a call runs here, as far as anybody knows.
    pub(super) fn is_running(&self, now: Moment) -> bool {
        self.state(now) == Some(State::Reserved) && self.record.owner_state() == OwnerState::Running
    }

    /// When the call is to be resumed without its caller, if it is.
    pub(super) fn due(&self) -> Option<Moment> {
        self.kept.as_ref().and_then(|kept| kept.due)
    }

    pub(super) fn lapses_at(&self) -> Moment {
        self.lapses_at
    }

    /// Whether a new reservation may replace this slot.
    pub(super) fn is_vacant(&self, now: Moment) -> bool {
        self.vacant_at <= now
    }

    /// Whether this is a reservation, live or lapsed.
    pub(super) fn is_reservation(&self) -> bool {
        self.record.is_reservation()
    }

    /// Whether this is a reservation that is indeterminate, or will be when its lease ends.
    pub(super) fn is_unresolved(&self) -> bool {
        self.is_reservation()
            && self.record.guarantee().keeps_lapsed()
            && self.record.owner_state() != OwnerState::Running
    }

    /// Whether this was still indeterminate when its retention ended.
    pub(super) fn outlived_retention(&self, now: Moment) -> bool {
        self.is_vacant(now) && self.is_reservation() && self.record.keeps_lapsed()
    }

    pub(super) fn state(&self, now: Moment) -> Option<State> {
        if !self.is_reservation() {
            (!self.is_vacant(now)).then_some(State::Completed)
        } else if now < self.lapses_at {
            Some(State::Reserved)
        } else if self.record.keeps_lapsed() {
            let state =
                if self.record.suspends() { State::Suspended } else { State::Indeterminate };
            (!self.is_vacant(now)).then_some(state)
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
