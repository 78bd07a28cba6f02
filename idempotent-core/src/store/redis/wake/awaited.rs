//! The ids that other processes wait for, as they say: who ends one of them tells.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::wake::Hash;

/// How long an id counts as awaited. Who waits longer says so again, three times as often.
const FOR: Duration = Duration::from_secs(30);

/// How many ids are kept, at some 60 bytes each. Waiters for others poll.
const MOST: usize = 65_536;

/// How long nothing is swept after a sweep.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// The awaited ids: bounded, and forgotten in time.
#[derive(Default)]
pub(super) struct Awaited(Mutex<Set>);

#[derive(Default)]
struct Set {
    until: HashMap<Hash, Instant>,
    swept: Option<Instant>,
}

impl Awaited {
    /// Somebody waits for this id.
    pub(super) fn note(&self, hash: Hash, now: Instant) {
        let mut set = self.lock();
        if set.until.len() >= MOST && !set.until.contains_key(&hash) {
            set.sweep(now);
            if set.until.len() >= MOST {
                return;
            }
        }
        set.until.insert(hash, now + FOR);
    }

    /// Whether somebody waits for this id, who is told now.
    pub(super) fn take(&self, hash: &Hash, now: impl FnOnce() -> Instant) -> bool {
        let mut set = self.lock();
        // As a rule nobody waits, and every call asks.
        !set.until.is_empty() && set.until.remove(hash).is_some_and(|until| now() < until)
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + SWEEP_PAUSE) {
            return;
        }
        self.swept = Some(now);
        self.until.retain(|_, until| now < *until);
        if self.until.len() < MOST / 4 {
            self.until.shrink_to(MOST / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> Hash {
        *blake3::hash(&n.to_le_bytes()).as_bytes()
    }

    #[test]
    fn an_awaited_id_is_told_of_once() {
        let (awaited, now) = (Awaited::default(), Instant::now());
        assert!(!awaited.take(&id(1), || now));
        awaited.note(id(1), now);
        assert!(!awaited.take(&id(2), || now));
        assert!(awaited.take(&id(1), || now));
        assert!(!awaited.take(&id(1), || now));
    }

    #[test]
    fn an_id_that_nobody_has_named_for_long_is_not_awaited() {
        let (awaited, now) = (Awaited::default(), Instant::now());
        awaited.note(id(1), now);
        awaited.note(id(2), now);
        awaited.note(id(2), now + FOR / 2);
        assert!(!awaited.take(&id(1), || now + FOR));
        assert!(awaited.take(&id(2), || now + FOR));
    }

    #[test]
    fn the_set_is_bounded_and_makes_room_as_ids_are_forgotten() {
        let (awaited, now) = (Awaited::default(), Instant::now());
        (0..2 * MOST).for_each(|n| awaited.note(id(n), now));
        assert_eq!(awaited.lock().until.len(), MOST);
        assert!(!awaited.take(&id(MOST), || now));
        let later = now + FOR;
        awaited.note(id(MOST), later);
        assert_eq!(awaited.lock().until.len(), 1);
        assert!(awaited.take(&id(MOST), || later));
    }

    #[test]
    fn a_full_set_still_hears_of_the_ids_it_has() {
        let (awaited, now) = (Awaited::default(), Instant::now());
        (0..MOST).for_each(|n| awaited.note(id(n), now));
        awaited.note(id(0), now + FOR / 2);
        assert!(awaited.take(&id(0), || now + FOR));
    }
}
