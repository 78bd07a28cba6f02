//! [`Confirming`]: tells brokers what is completed.
//!
//! One task sends the acknowledgements of all handlers that have ended meanwhile, so that a broker's client writes them
//! together. If each handler's own task sent its own, the client would be woken by each, and write as often.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

use super::catch_panic::CatchPanic;
use super::delivery::{Delivery, Settle};
use super::error::SettleError;
use super::verdict::Verdict;

/// The acknowledgements that are to be sent.
#[derive(Default)]
pub(super) struct Confirming {
    asked: Mutex<Vec<Asked>>,
    woken: Notify,
}

struct Asked {
    broker: Arc<dyn Settle>,
    confirmed: oneshot::Sender<Result<(), SettleError>>,
}

impl Confirming {
    /// Acknowledges a delivery, and waits until the broker has confirmed.
    ///
    /// # Errors
    ///
    /// If the broker has not confirmed.
    pub(super) async fn acknowledge(&self, delivery: &Delivery) -> Result<(), SettleError> {
        let (confirmed, answer) = oneshot::channel();
        let broker = Arc::clone(delivery.broker());
        self.asked().push(Asked { broker, confirmed });
        self.woken.notify_one();
        match answer.await {
            Ok(answer) => answer,
            // It has panicked: so does this.
            Err(_) => delivery.settle(&Verdict::Completed).await,
        }
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task.
    pub(super) async fn run(self: Arc<Self>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            if under_way.is_empty() {
                self.woken.notified().await;
            } else if let Either::Right(_) =
                select(pin!(self.woken.notified()), under_way.next()).await
            {
                while let Some(Some(())) = under_way.next().now_or_never() {}
                continue;
            }
            // Handlers that are about to end come along.
            yield_now().await;
            for asked in std::mem::take(&mut *self.asked()) {
                under_way.push(acknowledge(asked));
            }
        }
    }
}

async fn acknowledge(asked: Asked) {
    let Asked { broker, confirmed } = asked;
    let answer = CatchPanic::new(|| async move { broker.settle(&Verdict::Completed).await }).await;
    if let Ok(answer) = answer {
        // Nobody may listen any more.
        let _ = confirmed.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use tokio::sync::Barrier;

    use super::*;
    use crate::consumer::Message;

    /// Confirms once that many wait for it, and panics at first.
    struct Together {
        wait: Arc<Barrier>,
        panics: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Settle for Together {
        async fn settle(&self, _: &Verdict) -> Result<(), SettleError> {
            let left = self.panics.load(Ordering::Relaxed);
            if left > 0 {
                self.panics.store(left - 1, Ordering::Relaxed);
                panic!("as it is told to");
            }
            self.wait.wait().await;
            Ok(())
        }

        async fn keep_alive(&self) -> Result<(), SettleError> {
            Ok(())
        }
    }

    async fn acknowledge_three(panics: usize) -> Vec<Result<(), SettleError>> {
        let confirming = Arc::new(Confirming::default());
        let task = tokio::spawn(Arc::clone(&confirming).run());
        let (wait, panics) = (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(panics)));
        let deliveries = [1, 2, 3].map(|_| {
            let broker = Together { wait: Arc::clone(&wait), panics: Arc::clone(&panics) };
            Delivery::new(Message::new("7", "orders", ""), broker)
        });
        let answers = deliveries.iter().map(|delivery| confirming.acknowledge(delivery));
        let answers = futures_util::future::join_all(answers).await;
        task.abort();
        answers
    }

    #[tokio::test]
    async fn none_waits_for_another_to_be_confirmed() {
        assert!(acknowledge_three(0).await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn one_that_panics_is_told_by_its_own_task_and_holds_no_other_up() {
        assert!(acknowledge_three(1).await.iter().all(Result::is_ok));
    }
}
