//! [`KeysInHand`]: the keys of messages whose handlers run in this process, or whose results it has in hand.
//!
//! While the store is away their leases lapse, and when it is back, a second delivery might take the key before the result
//! of the first one is recorded. An engine has them, since a process may run a consumer several times: one for each queue
//! or connection.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::RecordId;

#[derive(Default)]
pub(crate) struct KeysInHand {
    /// The hashes of their records' ids.
    hashes: Mutex<HashSet<[u8; 32]>>,
    changed: Notify,
}

/// A key that is in hand until this is dropped.
pub(crate) struct KeyInHand<'a> {
    keys: &'a KeysInHand,
    hash: [u8; 32],
}

impl KeysInHand {
    /// `None` if the key is in hand already.
    pub(crate) fn enter(&self, id: &RecordId) -> Option<KeyInHand<'_>> {
        let hash = *id.hash();
        let is_new = self.hashes().insert(hash);
        is_new.then(|| KeyInHand { keys: self, hash })
    }

    pub(crate) fn contain(&self, id: &RecordId) -> bool {
        self.hashes().contains(id.hash())
    }

    /// Waits until the key is in nobody's hand.
    pub(crate) async fn left(&self, id: &RecordId) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Before the look, so that no change in between is missed.
            changed.as_mut().enable();
            if !self.contain(id) {
                return;
            }
            changed.await;
        }
    }

    fn hashes(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyInHand<'_> {
    fn drop(&mut self) {
        self.keys.hashes().remove(&self.hash);
        self.keys.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_key_goes_on_once_it_has_left_and_not_before() {
        let keys = KeysInHand::default();
        let [tea, milk] = ["tea", "milk"].map(|key| RecordId::of("shop.ship", None, key).unwrap());
        let (in_hand, other) = (keys.enter(&tea).unwrap(), keys.enter(&milk).unwrap());
        let mut left = pin!(keys.left(&tea));
        assert!(left.as_mut().now_or_never().is_none());
        drop(other);
        assert!(left.as_mut().now_or_never().is_none());
        drop(in_hand);
        assert!(left.now_or_never().is_some());
    }

    #[test]
    fn a_key_is_in_one_hand_and_the_refused_leave_it_there() {
        let keys = KeysInHand::default();
        let tea = RecordId::of("shop.ship", None, "tea").unwrap();
        let in_hand = keys.enter(&tea);
        assert!(keys.enter(&tea).is_none());
        assert!(in_hand.is_some() && keys.contain(&tea));
        drop(in_hand);
        assert!(keys.enter(&tea).is_some());
    }
}
