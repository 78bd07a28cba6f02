//! The ids that other processes have announced they wait for. Whoever ends such a call tells them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::backends::shared::notify::Hash;

/// How long an announcement counts. Whoever waits for longer repeats it three times as often.
const ANNOUNCED_FOR: Duration = Duration::from_secs(30);

/// How many ids are kept, at some 60 bytes each. Waiters for further ids poll.
const MAX_IDS: usize = 65_536;

/// The shortest time between two sweeps.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// The awaited ids. Their number is bounded, and old ones are forgotten.
#[derive(Default)]
pub(super) struct RemoteWaiters(Mutex<Set>);

#[derive(Default)]
struct Set {
    until: HashMap<Hash, Instant>,
    swept: Option<Instant>,
}

impl RemoteWaiters {
    /// Another process waits for this id.
    pub(super) fn add(&self, hash: Hash, now: Instant) {
        let mut set = self.lock();
        if set.until.len() >= MAX_IDS && !set.until.contains_key(&hash) {
            set.sweep(now);
            if set.until.len() >= MAX_IDS {
                return;
            }
        }
        set.until.insert(hash, now + ANNOUNCED_FOR);
    }

    /// Forgets an id, and returns whether another process waited for it, which must be told now.
    pub(super) fn remove(&self, hash: &Hash, now: impl FnOnce() -> Instant) -> bool {
        let mut set = self.lock();
        // Usually nobody waits, and every call comes here.
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
        if self.until.len() < MAX_IDS / 4 {
            self.until.shrink_to(MAX_IDS / 2);
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
    fn an_awaited_id_is_reported_once() {
        let (waiters, now) = (RemoteWaiters::default(), Instant::now());
        assert!(!waiters.remove(&id(1), || now));
        waiters.add(id(1), now);
        assert!(!waiters.remove(&id(2), || now));
        assert!(waiters.remove(&id(1), || now));
        assert!(!waiters.remove(&id(1), || now));
    }

    #[test]
    fn an_id_that_was_announced_long_ago_is_not_awaited() {
        let (waiters, now) = (RemoteWaiters::default(), Instant::now());
        waiters.add(id(1), now);
        waiters.add(id(2), now);
        waiters.add(id(2), now + ANNOUNCED_FOR / 2);
        assert!(!waiters.remove(&id(1), || now + ANNOUNCED_FOR));
        assert!(waiters.remove(&id(2), || now + ANNOUNCED_FOR));
    }

    #[test]
    fn the_set_is_bounded_and_makes_room_as_ids_are_forgotten() {
        let (waiters, now) = (RemoteWaiters::default(), Instant::now());
        (0..2 * MAX_IDS).for_each(|n| waiters.add(id(n), now));
        assert_eq!(waiters.lock().until.len(), MAX_IDS);
        assert!(!waiters.remove(&id(MAX_IDS), || now));
        let later = now + ANNOUNCED_FOR;
        waiters.add(id(MAX_IDS), later);
        assert_eq!(waiters.lock().until.len(), 1);
        assert!(waiters.remove(&id(MAX_IDS), || later));
    }

    #[test]
    fn a_full_set_still_renews_the_ids_it_has() {
        let (waiters, now) = (RemoteWaiters::default(), Instant::now());
        (0..MAX_IDS).for_each(|n| waiters.add(id(n), now));
        waiters.add(id(0), now + ANNOUNCED_FOR / 2);
        assert!(waiters.remove(&id(0), || now + ANNOUNCED_FOR));
    }
}
