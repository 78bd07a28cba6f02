//! How a batch that is under way learns that the relay is stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once the relay should begin nothing more.
#[derive(Clone, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
