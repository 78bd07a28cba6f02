//! A server behind a network that a seed decides: each message is on its way for a while, requests and answers are lost, and
//! a request may arrive after whoever sent it has given up.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use idempotent_core::backends::MemoryStore;
use idempotent_core::store::{StoreError, StoreErrorKind};
use idempotent_core::testing::ManualClock;

use super::random::Random;

/// How long a client of a server waits for an answer. Longer than what a `Migrating` waits for either store.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// A request that is still on its way.
pub(super) struct Late(Pin<Box<dyn Future<Output = ()> + Send>>);

/// A server: the records, and whether it is there.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) records: MemoryStore,
    pub(super) is_down: Arc<AtomicBool>,
    /// Whether a result was ever written.
    pub(super) has_result: Arc<AtomicBool>,
    pub(super) clock: ManualClock,
    /// Requests whose senders have given up, or will.
    late: Arc<Mutex<Vec<Late>>>,
    /// One of so many messages is lost, and one hangs.
    calm: u64,
    random: Arc<Random>,
}

struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Lets the others go on.
pub(super) fn turn() -> impl Future<Output = ()> {
    Turn(false)
}

impl Late {
    pub(super) fn new(request: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(request))
    }
}

impl Node {
    pub(super) fn new(clock: &ManualClock, random: &Arc<Random>) -> Self {
        let records = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        let (random, clock) = (Arc::clone(random), clock.clone());
        let (is_down, has_result, late) = Default::default();
        // A server that is usually there is seldom given up, so some are not.
        let calm = if random.one_in(4) { 4 } else { 48 };
        Self { records, is_down, has_result, clock, late, calm, random }
    }

    pub(super) fn note_result(&self) {
        self.has_result.store(true, Relaxed);
    }

    /// Sends a request. `late` is the same one for when it arrives after its sender has given up.
    pub(super) async fn send<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
        late: Option<Late>,
    ) -> Result<T, StoreError> {
        let lost = || StoreError::new(StoreErrorKind::Timeout, "lost");
        turn().await;
        if self.is_down.load(Relaxed) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "down"));
        }
        match self.random.below(self.calm) {
            0 => return Err(lost()),
            1 => {
                if let Some(late) = late.filter(|_| self.random.one_in(2)) {
                    self.late.lock().unwrap().push(late);
                }
                // Whoever sent it may have less patience.
                tokio::time::sleep(RESPONSE_TIMEOUT).await;
                return Err(lost());
            }
            _ => {}
        }
        let answer = call.await;
        turn().await;
        match self.random.below(self.calm) {
            0 => Err(lost()),
            1 => {
                tokio::time::sleep(RESPONSE_TIMEOUT).await;
                Err(lost())
            }
            _ => answer,
        }
    }

    /// A request that was on its way arrives, if there is one. Returns whether it does.
    pub(super) async fn deliver_late(&self) -> bool {
        let late = {
            let mut late = self.late.lock().unwrap();
            if late.is_empty() {
                return false;
            }
            let chosen = self.random.below(late.len() as u64) as usize;
            late.swap_remove(chosen)
        };
        if self.is_down.load(Relaxed) {
            return false;
        }
        late.0.await;
        true
    }
}
