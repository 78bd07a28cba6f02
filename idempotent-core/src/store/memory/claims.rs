//! The claims: sharded slots under locks, with a cap, amortized sweeping, and a wake-up for
//! whoever waits on a slot.
//!
//! What the transitions between states are is the business of [`ledger`](super::ledger). Both
//! files are compiled a second time by `tests/tests/loom_claims.rs`, so they name nothing but
//! `super::` and `std`.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

use super::hasher::KeyHasher;
use super::moment::Moment;
use super::report;
use super::slot::Slot;
use super::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use super::waiters::{Ticket, Waiters};
use super::{Record, State, Token};

/// A record's identity within the store.
pub(super) type Hash = [u8; 32];

/// A shard with fewer slots is not worth sweeping.
const SMALL: usize = 64;

/// How long after a sweep of everything the next one waits, for each slot of the cap: a store that
/// is full to the brim with living claims spends a few percent of one core on finding that out.
const SWEEP_PAUSE_PER_SLOT: Duration = Duration::from_micros(1);

/// Reservations, indeterminate records and marks.
#[derive(Debug)]
pub(super) struct Claims {
    shards: Box<[Mutex<Shard>]>,
    hasher: KeyHasher,
    count: AtomicUsize,
    max: usize,
    next_sweep: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    slots: HashMap<Hash, Slot, KeyHasher>,
    /// The number of slots at which the shard is swept.
    sweep_at: usize,
    last_ticket: Ticket,
}

/// One id's place in the claims, locked.
#[derive(Debug)]
pub(super) struct Place<'a> {
    // Fields are dropped in this order: first the lock, then what must happen without it.
    shard: MutexGuard<'a, Shard>,
    after: Aftermath,
    claims: &'a Claims,
    id: &'a Hash,
}

/// The cap is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What a step leaves to do once its lock is free: wakers and loggers are other people's code.
#[derive(Debug, Default)]
struct Aftermath {
    woken: Waiters,
    unused: Option<Waker>,
    forgotten: Vec<(Hash, Record)>,
}

impl Claims {
    /// `shards` is a power of two.
    pub(super) fn new(shards: usize, max: usize, hasher: KeyHasher) -> Self {
        let shard = || {
            Mutex::new(Shard {
                slots: HashMap::with_hasher(hasher.clone()),
                sweep_at: SMALL,
                last_ticket: Ticket::default(),
            })
        };
        Self {
            shards: (0..shards).map(|_| shard()).collect(),
            count: AtomicUsize::new(0),
            max,
            next_sweep: AtomicU64::new(0),
            hasher,
        }
    }

    pub(super) fn lock<'a>(&'a self, id: &'a Hash) -> Place<'a> {
        // Bits that the table inside the shard uses for neither bucket nor tag.
        let shard = (self.hasher.hash_one(id) >> 40) as usize & (self.shards.len() - 1);
        Place { shard: lock(&self.shards[shard]), after: Aftermath::default(), claims: self, id }
    }

    /// Removes every dead slot, unless that was just done.
    pub(super) fn sweep(&self, now: Moment) {
        let due = self.next_sweep.load(Ordering::Relaxed);
        let pause =
            SWEEP_PAUSE_PER_SLOT.saturating_mul(u32::try_from(self.max).unwrap_or(u32::MAX));
        let next = now.after(pause).nanos();
        let mine = now.nanos() >= due
            && self
                .next_sweep
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            for shard in &self.shards {
                let mut after = Aftermath::default();
                let swept = lock(shard).sweep(now, &mut after);
                self.count.fetch_sub(swept, Ordering::Relaxed);
            }
        }
    }

    /// How many slots there are, dead ones included.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// Looks at every slot of one shard; `false`, if there is no such shard.
    pub(super) fn for_each_in(&self, shard: usize, mut look: impl FnMut(&Hash, &Slot)) -> bool {
        let Some(shard) = self.shards.get(shard) else {
            return false;
        };
        let shard = lock(shard);
        shard.slots.iter().for_each(|(id, slot)| look(id, slot));
        true
    }

    fn make_room(&self) -> Result<(), Full> {
        let more = |count| (count < self.max).then_some(count + 1);
        let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.map(drop).map_err(|_| Full)
    }
}

/// Nothing that can panic leaves a shard half changed, so a poisoned lock guards sound slots.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place<'_> {
    pub(super) const fn id(&self) -> &Hash {
        self.id
    }

    pub(super) fn slot(&self) -> Option<&Slot> {
        self.shard.slots.get(self.id)
    }

    pub(super) fn slot_mut(&mut self) -> Option<&mut Slot> {
        self.shard.slots.get_mut(self.id)
    }

    /// Puts a new reservation here, if the cap allows or a dead slot makes place for it.
    pub(super) fn claim(&mut self, slot: Slot, now: Moment) -> Result<(), Full> {
        if self.slot().is_none() {
            self.claims.make_room()?;
            self.sweep_when_due(now);
        }
        self.put(slot, now);
        Ok(())
    }

    /// Puts a finished call's mark here, whatever the cap says: its effect has happened.
    pub(super) fn mark(&mut self, slot: Slot, now: Moment) {
        if self.slot().is_none() {
            self.claims.count.fetch_add(1, Ordering::Relaxed);
        }
        self.put(slot, now);
    }

    pub(super) fn vacate(&mut self, now: Moment) {
        if let Some(mut slot) = self.shard.slots.remove(self.id) {
            self.claims.count.fetch_sub(1, Ordering::Relaxed);
            self.after.see_off(self.id, &mut slot, now);
        }
    }

    /// When the lease of that token's reservation ends as it stands now, or `None` once the
    /// reservation has ended. Until then, whoever ends it wakes `waker`.
    pub(super) fn watch(
        &mut self,
        token: Token,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
        now: Moment,
    ) -> Option<Moment> {
        let shard = &mut *self.shard;
        let slot = shard.slots.get_mut(self.id)?;
        if slot.record.token() != token || slot.state(now) != Some(State::Reserved) {
            return None;
        }
        let ticket = *ticket.get_or_insert_with(|| shard.last_ticket.take());
        self.after.unused = slot.waiters.register(ticket, waker);
        Some(slot.lapses_at())
    }

    pub(super) fn unwatch(&mut self, ticket: Ticket) {
        if let Some(slot) = self.slot_mut() {
            let left = slot.waiters.remove(ticket);
            self.after.unused = left;
        }
    }

    fn put(&mut self, slot: Slot, now: Moment) {
        if let Some(mut old) = self.shard.slots.insert(*self.id, slot) {
            self.after.see_off(self.id, &mut old, now);
        }
    }

    fn sweep_when_due(&mut self, now: Moment) {
        if self.shard.slots.len() >= self.shard.sweep_at {
            let swept = self.shard.sweep(now, &mut self.after);
            self.claims.count.fetch_sub(swept, Ordering::Relaxed);
        }
    }
}

impl Shard {
    /// Removes the dead slots and says how many. Done again only when the slots have doubled, so
    /// that a claim pays for a constant number of slots, and at most half of them are dead for long.
    fn sweep(&mut self, now: Moment, after: &mut Aftermath) -> usize {
        let before = self.slots.len();
        self.slots.retain(|id, slot| {
            let dead = slot.is_dead(now);
            if dead {
                after.see_off(id, slot, now);
            }
            !dead
        });
        let left = self.slots.len();
        self.sweep_at = left.saturating_mul(2).max(SMALL);
        if self.slots.capacity() > self.sweep_at.saturating_mul(2) {
            self.slots.shrink_to(self.sweep_at);
        }
        before - left
    }
}

impl Aftermath {
    fn see_off(&mut self, id: &Hash, slot: &mut Slot, now: Moment) {
        slot.waiters.drain_into(&mut self.woken);
        if slot.outlived_retention(now) {
            self.forgotten.push((*id, slot.record.clone()));
        }
    }
}

impl Drop for Aftermath {
    fn drop(&mut self) {
        self.woken.wake();
        for (id, record) in self.forgotten.drain(..) {
            report::retention_ended(id, &record);
        }
    }
}
