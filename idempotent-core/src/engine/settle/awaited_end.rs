//! [`AwaitedEnd`]: what became of a key, for somebody who waits to hear of it.

use std::sync::OnceLock;

use tokio::sync::Notify;

use crate::engine::telemetry::KeyEnd;

/// What became of a key. It stays empty as long as the store does not answer.
#[derive(Debug, Default)]
pub(crate) struct AwaitedEnd {
    end: OnceLock<KeyEnd>,
    set: Notify,
}

impl AwaitedEnd {
    /// Says what became of the key, unless that was said before.
    pub(super) fn set(&self, end: KeyEnd) {
        if self.end.set(end).is_ok() {
            self.set.notify_waiters();
        }
    }

    pub(crate) fn get(&self) -> Option<KeyEnd> {
        self.end.get().copied()
    }

    /// Waits until it is known.
    pub(crate) async fn known(&self) {
        let set = self.set.notified();
        if self.end.get().is_none() {
            set.await;
        }
    }
}
