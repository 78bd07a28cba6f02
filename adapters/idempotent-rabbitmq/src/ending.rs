//! [`Ending`]: something that ends once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether something has ended, and whoever waits for that.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    has_ended: AtomicBool,
    wakes: Notify,
}

impl Ending {
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.wakes.notify_waiters();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// Waits for it.
    pub(crate) async fn ended(&self) {
        // It is woken by all that comes after its creation.
        let ending = self.wakes.notified();
        if !self.has_ended() {
            ending.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_the_end_is_woken_and_whoever_comes_later_does_not_wait() {
        let ending = Ending::default();
        let mut waiting = pin!(ending.ended());
        let first = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
        assert!(first && !ending.has_ended());
        ending.end();
        waiting.await;
        ending.ended().await;
        assert!(ending.has_ended());
    }
}
