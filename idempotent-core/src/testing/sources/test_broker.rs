//! [`TestBroker`]: a broker in memory.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::parked_message::ParkedMessage;
use super::test_queue::Queue;
use crate::consumer::{Message, Verdict};

const DEADLINE: Duration = Duration::from_secs(30);
const TOPIC: &str = "test";

/// A broker in memory with one queue, for tests of consumers. Clones are the same broker. Its time is tokio's, so
/// `start_paused` tests run without waiting.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use idempotent_core::consumer::Consumer;
/// use idempotent_core::testing::{self, sources::TestBroker};
///
/// let runs = Arc::new(AtomicU32::new(0));
/// let counted = Arc::clone(&runs);
/// let consumer = Consumer::builder("shop.ship", &testing::engine().engine()).handler(move |_: String| {
///     counted.fetch_add(1, Ordering::Relaxed);
///     async { Ok::<_, String>(()) }
/// });
///
/// let broker = TestBroker::new();
/// broker.publish("parcel-7", "tea");
/// broker.lose_verdicts(1); // the acknowledgement never arrives
/// consumer.run(broker.source(), broker.until_settled(1)).await?;
/// assert_eq!(runs.load(Ordering::Relaxed), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TestBroker {
    queue: Arc<Mutex<Queue>>,
    pub(super) changed: Arc<Notify>,
}

impl TestBroker {
    /// An empty broker, which delivers a message again that nobody settles for 30 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::with_deadline(DEADLINE)
    }

    /// An empty broker, which delivers a message again that nobody settles for this long.
    #[must_use]
    pub fn with_deadline(deadline: Duration) -> Self {
        let queue = Arc::new(Mutex::new(Queue::new(deadline)));
        Self { queue, changed: Arc::default() }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let changed = change(&mut self.queue());
        self.changed.notify_waiters();
        changed
    }

    /// Publishes a message under an id.
    pub fn publish(&self, id: impl Into<String>, payload: impl Into<Bytes>) {
        self.publish_message(Message::new(id, TOPIC, payload));
    }

    /// Publishes a message without an id: it gets one of its position.
    pub fn publish_without_id(&self, payload: impl Into<Bytes>) {
        let payload = payload.into();
        let message = |position| Message::new(position, TOPIC, payload).without_own_id();
        self.change(|queue| queue.publish(message, Duration::ZERO));
    }

    /// Publishes a message as it is, at a position of its own.
    pub fn publish_message(&self, message: Message) {
        self.publish_delayed(message, Duration::ZERO);
    }

    /// Publishes a message that is delivered no sooner than after this long.
    pub fn publish_delayed(&self, message: Message, delay: Duration) {
        self.change(|queue| queue.publish(|_| message, delay));
    }

    /// Delivers the message with this id again at once, although a consumer has it in hand.
    pub fn redeliver(&self, id: &str) {
        self.change(|queue| queue.deliver_again(Some(id)));
    }

    /// Delivers all messages again at once, as if the consumers that have them had crashed.
    pub fn crash_consumers(&self) {
        self.change(|queue| queue.deliver_again(None));
    }

    /// Delivers the newest message first from now on.
    pub fn reverse(&self) {
        self.change(|queue| queue.is_reversed = true);
    }

    /// Loses the next verdicts on their way to the broker: they have no effect, and are not confirmed.
    pub fn lose_verdicts(&self, verdicts: usize) {
        self.change(|queue| queue.lost_verdicts = verdicts);
    }

    /// Loses the confirmations of the next verdicts: they have their effect, and the consumer does not hear of it.
    pub fn lose_confirmations(&self, confirmations: usize) {
        self.change(|queue| queue.lost_confirmations = confirmations);
    }

    /// Loses the settlements of the next messages that are parked: the copy is there, and the message is still in hand,
    /// as with a broker for which those are two commands.
    pub fn lose_settlements(&self, settlements: usize) {
        self.change(|queue| queue.lost_settlements = settlements);
    }

    /// Makes the broker unreachable, or reachable again.
    pub fn set_away(&self, is_away: bool) {
        self.change(|queue| queue.is_away = is_away);
    }

    /// What was parked, in its order.
    #[must_use]
    pub fn parked(&self) -> Vec<ParkedMessage> {
        self.queue().parked.clone()
    }

    /// Publishes what was parked under this id again, as an operator does, and returns whether there was such a
    /// message.
    pub fn replay_parked(&self, id: &str) -> bool {
        self.change(|queue| {
            let at = queue.parked.iter().position(|parked| parked.message.id() == id);
            let Some(at) = at else { return false };
            let parked = queue.parked.remove(at);
            queue.publish(|_| parked.message, Duration::ZERO);
            true
        })
    }

    /// The ids of the messages that were acknowledged, in that order.
    #[must_use]
    pub fn completed(&self) -> Vec<String> {
        self.queue().completed.clone()
    }

    /// Verdicts about a delivery whose message had been delivered again meanwhile. With a real broker each of them
    /// hits the newer delivery.
    #[must_use]
    pub fn stale_verdicts(&self) -> Vec<(String, Verdict)> {
        self.queue().stale.clone()
    }

    /// How many deliveries there were.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.queue().deliveries
    }

    /// How many messages are neither acknowledged nor parked.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.queue().unsettled()
    }

    /// Ends once this many messages are acknowledged or parked: as the shutdown of a consumer.
    pub fn until_settled(&self, messages: usize) -> impl Future<Output = ()> + use<> {
        self.until(move |queue| queue.completed.len() + queue.parked.len() >= messages)
    }

    /// Ends once there were this many deliveries.
    pub fn until_delivered(&self, deliveries: u64) -> impl Future<Output = ()> + use<> {
        self.until(move |queue| queue.deliveries >= deliveries)
    }

    fn until<F: Fn(&Queue) -> bool>(&self, is_true: F) -> impl Future<Output = ()> + use<F> {
        let broker = self.clone();
        async move {
            loop {
                let mut changed = std::pin::pin!(broker.changed.notified());
                changed.as_mut().enable();
                if is_true(&broker.queue()) {
                    return;
                }
                changed.await;
            }
        }
    }
}

impl Default for TestBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBroker").field("unsettled", &self.unsettled()).finish_non_exhaustive()
    }
}
