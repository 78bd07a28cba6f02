//! The unfinished calls: sharded slots under locks, with a cap, amortized sweeping, and waking
//! those who wait for a slot.
//!
//! Which transitions are allowed is decided by the files of [`reserve`](super::reserve),
//! [`renew`](super::renew), [`complete`](super::complete) and [`release`](super::release).

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::mem;
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

use super::crate_items::{Hash, IdHasher, Record, Token};
use super::due_index::DueIndex;
use super::moment::Moment;
use super::slot::{Slot, Steps};
use super::slot_counts::SlotCounts;
use super::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use super::waiter_list::{WaiterId, WaiterList};
use super::warnings;

/// A shard with fewer slots is not worth sweeping.
const MIN_SWEPT_SLOTS: usize = 64;

/// For so many steps a journal has room at first: as many as fit into eight places of a table, some 400 bytes.
const USUAL_STEPS: usize = 7;

/// The pause between two sweeps of all shards, for each slot of the cap: a store that is full of
/// live reservations spends a few percent of one core on finding nothing to sweep.
const SWEEP_PAUSE_PER_SLOT: Duration = Duration::from_micros(1);

/// Reservations, indeterminate records and tombstones.
#[derive(Debug)]
pub(super) struct Unfinished {
    shards: Box<[Mutex<Shard>]>,
    hasher: IdHasher,
    count: AtomicUsize,
    /// The same by scope.
    counts: SlotCounts,
    max: usize,
    next_sweep: AtomicU64,
    due: DueIndex,
}

#[derive(Debug)]
struct Shard {
    slots: HashMap<Hash, Slot, IdHasher>,
    /// The number of slots at which the shard is swept.
    sweep_at: usize,
    last_waiter: WaiterId,
}

/// One id, with its shard locked.
#[derive(Debug)]
pub(super) struct LockedId<'a> {
    // Fields are dropped in this order: first the lock, then what must happen without it.
    shard: MutexGuard<'a, Shard>,
    after_unlock: AfterUnlock,
    unfinished: &'a Unfinished,
    id: &'a Hash,
}

/// Lets a journal begin in a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalBegin<'a> {
    counts: &'a SlotCounts,
    hasher: &'a IdHasher,
}

impl JournalBegin<'_> {
    /// Replaces the record of a reservation by one that says that it has a journal.
    pub(super) fn mark(self, slot: &mut Slot, record: Record) {
        self.counts.remove(slot);
        slot.record = record;
        slot.keep();
        self.counts.add(slot);
    }

    /// The steps of a slot, whose journal may be new.
    pub(super) fn steps(self, slot: &mut Slot) -> &mut Steps {
        let steps = &mut slot.kept.get_or_insert_default().steps;
        steps.get_or_insert_with(|| {
            Steps::with_capacity_and_hasher(USUAL_STEPS, self.hasher.clone())
        })
    }
}

/// The cap is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What to do when the lock is released: wakers and loggers run foreign code.
#[derive(Debug, Default)]
struct AfterUnlock {
    wake: WaiterList,
    drop: Option<Waker>,
    retention_ended: Vec<(Hash, Record)>,
}

impl Unfinished {
    /// `shards` is a power of two.
    pub(super) fn new(shards: usize, max: usize, hasher: IdHasher) -> Self {
        let shard = || {
            Mutex::new(Shard {
                slots: HashMap::with_hasher(hasher.clone()),
                sweep_at: MIN_SWEPT_SLOTS,
                last_waiter: WaiterId::default(),
            })
        };
        Self {
            shards: (0..shards).map(|_| shard()).collect(),
            count: AtomicUsize::new(0),
            counts: SlotCounts::new(&hasher),
            max,
            next_sweep: AtomicU64::new(0),
            due: DueIndex::default(),
            hasher,
        }
    }

    pub(super) fn lock<'a>(&'a self, id: &'a Hash) -> LockedId<'a> {
        // Bits that the table inside the shard uses for neither bucket nor tag.
        let shard = (self.hasher.hash_one(id) >> 40) as usize & (self.shards.len() - 1);
        LockedId {
            shard: lock(&self.shards[shard]),
            after_unlock: AfterUnlock::default(),
            unfinished: self,
            id,
        }
    }

    /// Removes every vacant slot, unless that was done a moment ago.
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
                let mut after_unlock = AfterUnlock::default();
                let swept = lock(shard).sweep(now, (&self.counts, &self.due), &mut after_unlock);
                self.count.fetch_sub(swept, Ordering::Relaxed);
            }
        }
    }

    /// The number of slots, including vacant ones that are not swept yet.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The slots of one scope, including vacant ones that are not swept yet.
    pub(super) const fn counts(&self) -> &SlotCounts {
        &self.counts
    }

    /// Which calls may be due.
    pub(super) const fn due(&self) -> &DueIndex {
        &self.due
    }

    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// Visits every slot of one shard. Returns `false` if there is no such shard.
    pub(super) fn for_each_in(&self, shard: usize, mut visit: impl FnMut(&Hash, &Slot)) -> bool {
        let Some(shard) = self.shards.get(shard) else {
            return false;
        };
        let shard = lock(shard);
        shard.slots.iter().for_each(|(id, slot)| visit(id, slot));
        true
    }

    fn count_one_more(&self) -> Result<(), Full> {
        let more = |count| (count < self.max).then_some(count + 1);
        let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.map(drop).map_err(|_| Full)
    }
}

/// A poisoned lock is safe to use: nothing that can panic leaves a shard half changed.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LockedId<'_> {
    pub(super) const fn id(&self) -> &Hash {
        self.id
    }

    pub(super) fn slot(&self) -> Option<&Slot> {
        self.shard.slots.get(self.id)
    }

    pub(super) fn slot_mut(&mut self) -> Option<&mut Slot> {
        self.shard.slots.get_mut(self.id)
    }

    /// Puts a new reservation here, if the cap allows it or it replaces a vacant slot.
    pub(super) fn reserve(&mut self, slot: Slot, now: Moment) -> Result<(), Full> {
        if self.slot().is_none() {
            self.unfinished.count_one_more()?;
            self.sweep_when_due(now);
        }
        self.put(slot, now);
        Ok(())
    }

    /// Puts the tombstone of a completed call here, regardless of the cap: its effect has happened.
    pub(super) fn put_tombstone(&mut self, slot: Slot, now: Moment) {
        if self.slot().is_none() {
            self.unfinished.count.fetch_add(1, Ordering::Relaxed);
        }
        self.put(slot, now);
    }

    /// Replaces the record of a reservation, ends its lease if that is asked for, and wakes those
    /// who wait for it.
    pub(super) fn abandon(&mut self, record: Record, ends_lease: bool, now: Moment) {
        if let Some(slot) = self.shard.slots.get_mut(self.id) {
            self.unfinished.counts.remove(slot);
            slot.record = record;
            if ends_lease {
                slot.end_lease(now);
            }
            self.unfinished.counts.add(slot);
            slot.waiters.drain_into(&mut self.after_unlock.wake);
        }
    }

    /// The slot, with what a journal that begins there needs.
    pub(super) fn journaled(&mut self) -> Option<(&mut Slot, JournalBegin<'_>)> {
        let Unfinished { counts, hasher, .. } = self.unfinished;
        let slot = self.shard.slots.get_mut(self.id)?;
        Some((slot, JournalBegin { counts, hasher }))
    }

    /// Replaces the record of a suspended call by a reservation of its next run, with a fresh lease.
    pub(super) fn resume(&mut self, record: Record, lease: Duration, now: Moment) {
        if let Some(slot) = self.shard.slots.get_mut(self.id) {
            self.unfinished.counts.remove(slot);
            slot.record = record;
            slot.renew(now, lease);
            self.unfinished.counts.add(slot);
        }
    }

    /// Says when the call is to be resumed without its caller, if it has an input.
    pub(super) fn set_due(&mut self, due: Option<Moment>) {
        let Some(slot) = self.shard.slots.get_mut(self.id) else { return };
        if slot.record.has_input() {
            let before = slot.kept.get_or_insert_default().due.take();
            self.unfinished.due.remove(before, self.id);
            slot.kept.get_or_insert_default().due = due;
            self.unfinished.due.note(due, self.id);
        }
    }

    pub(super) fn remove(&mut self, now: Moment) {
        if let Some(mut slot) = self.shard.slots.remove(self.id) {
            self.unfinished.count.fetch_sub(1, Ordering::Relaxed);
            self.unfinished.counts.remove(&slot);
            self.unfinished.due.remove(slot.due(), self.id);
            self.after_unlock.slot_removed(self.id, &mut slot, now);
        }
    }

    /// When the lease of the reservation with this token ends if it is not renewed, or `None` once
    /// the reservation has ended. Until then, whoever ends it wakes `waker`.
    pub(super) fn register_waiter(
        &mut self,
        token: Token,
        waiter: &mut Option<WaiterId>,
        waker: &Waker,
        now: Moment,
    ) -> Option<Moment> {
        let shard = &mut *self.shard;
        let slot = shard.slots.get_mut(self.id)?;
        if slot.record.token() != token || !slot.is_running(now) {
            return None;
        }
        let waiter = *waiter.get_or_insert_with(|| shard.last_waiter.next());
        self.after_unlock.drop = slot.waiters.register(waiter, waker);
        Some(slot.lapses_at())
    }

    pub(super) fn remove_waiter(&mut self, waiter: WaiterId) {
        if let Some(slot) = self.slot_mut() {
            let waker = slot.waiters.remove(waiter);
            self.after_unlock.drop = waker;
        }
    }

    fn put(&mut self, slot: Slot, now: Moment) {
        self.unfinished.counts.add(&slot);
        let due = slot.due();
        if let Some(mut old) = self.shard.slots.insert(*self.id, slot) {
            self.unfinished.counts.remove(&old);
            self.unfinished.due.remove(old.due(), self.id);
            self.after_unlock.slot_removed(self.id, &mut old, now);
        }
        self.unfinished.due.note(due, self.id);
    }

    fn sweep_when_due(&mut self, now: Moment) {
        if self.shard.slots.len() >= self.shard.sweep_at {
            let indexes = (&self.unfinished.counts, &self.unfinished.due);
            let swept = self.shard.sweep(now, indexes, &mut self.after_unlock);
            self.unfinished.count.fetch_sub(swept, Ordering::Relaxed);
        }
    }
}

impl Shard {
    /// Removes the vacant slots and returns their number. The next sweep is due when the slots have
    /// doubled, so that each reservation pays for a constant number of slots, and vacant slots
    /// never outnumber the others for long.
    fn sweep(
        &mut self,
        now: Moment,
        (counts, due): (&SlotCounts, &DueIndex),
        after_unlock: &mut AfterUnlock,
    ) -> usize {
        let before = self.slots.len();
        self.slots.retain(|id, slot| {
            let vacant = slot.is_vacant(now);
            if vacant {
                counts.remove(slot);
                due.remove(slot.due(), id);
                after_unlock.slot_removed(id, slot, now);
            }
            !vacant
        });
        let left = self.slots.len();
        self.sweep_at = left.saturating_mul(2).max(MIN_SWEPT_SLOTS);
        if self.slots.capacity() > self.sweep_at.saturating_mul(2) {
            self.slots.shrink_to(self.sweep_at);
        }
        before - left
    }
}

impl AfterUnlock {
    fn slot_removed(&mut self, id: &Hash, slot: &mut Slot, now: Moment) {
        slot.waiters.drain_into(&mut self.wake);
        if slot.outlived_retention(now) {
            self.retention_ended.push((*id, slot.record.clone()));
        }
    }
}

impl Drop for AfterUnlock {
    #[inline]
    fn drop(&mut self) {
        self.wake.wake();
        if !self.retention_ended.is_empty() {
            for (id, record) in mem::take(&mut self.retention_ended) {
                warnings::retention_ended(id, &record);
            }
        }
    }
}
