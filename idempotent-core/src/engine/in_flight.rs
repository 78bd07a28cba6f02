//! [`InFlight`]: how much is still going on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what goes on in this process, such as the reservations that an engine holds, for those who wait for
/// its end.
#[derive(Default)]
pub(crate) struct InFlight {
    count: AtomicUsize,
    idle: Notify,
    /// Whether anybody has waited for `idle`. Few engines are ever drained, so a call pays no more than
    /// this look.
    is_awaited: AtomicBool,
}

impl InFlight {
    pub(crate) fn enter(&self) {
        // Whoever enters may look at a flag next that those who wait set before they read the count: one of the two
        // sees the other.
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn leave(&self) {
        // The count is written before the flag is read here, and the other way round by those who wait.
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1 && self.is_awaited.load(Ordering::SeqCst)
        {
            self.idle.notify_waiters();
        }
    }

    pub(crate) async fn wait_until_idle(&self) {
        self.is_awaited.store(true, Ordering::SeqCst);
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            // Enabled before it checks the count, so that no end in between is missed.
            idle.as_mut().enable();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}
