//! [`KeepAlive`]: tells brokers in time that deliveries are still in hand.
//!
//! One task does so for all of a consumer's deliveries, and not each handler's own, so that a handler that blocks its
//! thread does not lose its message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::delivery::{Delivery, Settle};
use crate::engine::CurrentCall;

/// The deliveries that are kept alive.
#[derive(Default)]
pub(super) struct KeepAlive {
    kept: Mutex<Entries>,
    woken: Notify,
}

#[derive(Default)]
struct Entries {
    last_id: u64,
    by_id: HashMap<u64, Entry>,
    /// When the task looks next; `None` while there is nothing to do.
    next_look: Option<Instant>,
}

struct Entry {
    broker: Arc<dyn Settle>,
    every: Duration,
    due: Instant,
    /// The handler's call, unless it is one of a group, and until when it may run.
    running: Option<(Option<CurrentCall>, Instant)>,
    /// Closed while its broker is not being told; `None` until it is for the first time.
    telling: Option<watch::Sender<()>>,
}

/// A delivery that is kept alive until this is dropped.
pub(super) struct Kept(KeptHandle);

/// Says for how long a delivery is kept alive that somebody else has.
#[derive(Clone)]
pub(super) struct KeptHandle {
    keeper: Arc<KeepAlive>,
    id: u64,
}

/// A delivery whose broker is to be told, and in what time. The last part is dropped once it is.
type Due = (Arc<dyn Settle>, Duration, watch::Receiver<()>);

/// How many keep-alives fit into a deadline, so that two may be lost.
const PER_DEADLINE: u32 = 3;

impl KeepAlive {
    /// Keeps a delivery alive; `None` if its broker waits for ever.
    pub(super) fn keep(self: &Arc<Self>, delivery: &Delivery) -> Option<Kept> {
        let every = (delivery.deadline()? / PER_DEADLINE).max(Duration::from_millis(1));
        let due = delivery.received() + every;
        let broker = Arc::clone(delivery.broker());
        let mut kept = self.entries();
        kept.last_id += 1;
        let id = kept.last_id;
        kept.by_id.insert(id, Entry { broker, every, due, running: None, telling: None });
        let looks_too_late = kept.look_at(due);
        drop(kept);
        if looks_too_late {
            self.woken.notify_one();
        }
        Some(Kept(KeptHandle { keeper: Arc::clone(self), id }))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let (due, next) = self.take_due();
            for (broker, every, telling) in due {
                tokio::spawn(async move {
                    let _telling = telling;
                    match timeout(every, broker.keep_alive()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!(
                            error = &error as &dyn std::error::Error,
                            "a message could not be kept alive"
                        ),
                        Err(_) => tracing::debug!("a message could not be kept alive in time"),
                    }
                });
            }
            match next {
                None => self.woken.notified().await,
                Some(at) => drop(timeout_at(at, self.woken.notified()).await),
            }
        }
    }

    /// What is due, and when the task looks next.
    fn take_due(&self) -> (Vec<Due>, Option<Instant>) {
        let now = Instant::now();
        let mut kept = self.entries();
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for entry in kept.by_id.values_mut() {
            if entry.is_over(now) {
                continue;
            }
            if now >= entry.due {
                entry.due = now + entry.every;
                if !entry.may_be_anothers() {
                    let telling = entry.telling.get_or_insert_with(|| watch::Sender::new(()));
                    due.push((Arc::clone(&entry.broker), entry.every, telling.subscribe()));
                }
            }
            next = Some(next.map_or(entry.due, |next| next.min(entry.due)));
        }
        kept.next_look = next;
        (due, next)
    }
}

impl Entries {
    /// Looks no later than this, and returns whether the task would have looked too late.
    fn look_at(&mut self, due: Instant) -> bool {
        let looks_too_late = self.next_look.is_none_or(|next| due < next);
        if looks_too_late {
            self.next_look = Some(due);
        }
        looks_too_late
    }
}

impl Entry {
    /// Whether its handler runs for too long.
    fn is_over(&self, now: Instant) -> bool {
        self.running.as_ref().is_some_and(|(_, until)| now >= *until)
    }

    /// Whether the message may be another's by now: its lease is lost. Not while the store is away, since the message is kept
    /// alive, so that no other worker has it when the store is back.
    fn may_be_anothers(&self) -> bool {
        let Some((Some(call), _)) = &self.running else { return false };
        call.has_lost_its_lease() && !call.is_cut_off()
    }
}

impl Kept {
    /// Stops once this call has lost its lease to somebody, or has run for that long.
    pub(super) fn while_runs(&self, call: CurrentCall, max_run: Duration) {
        call.follow_its_key();
        self.0.set_running(Some(call), ends_at(max_run));
    }

    /// Goes on whatever becomes of the call: its handler has ended.
    pub(super) fn has_ended(&self) {
        self.0.has_ended();
    }

    /// Stops, and waits until nothing is on its way to the broker any more, which would undo what that is told next. It
    /// takes a third of the broker's deadline at most.
    pub(super) async fn stop(self) {
        let entry = self.0.keeper.entries().by_id.remove(&self.0.id);
        if let Some(telling) = entry.and_then(|entry| entry.telling) {
            telling.closed().await;
        }
    }

    /// For those who run its handler in a group.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn handle(&self) -> KeptHandle {
        self.0.clone()
    }
}

/// When what may run for that long from now on has to end.
pub(super) fn ends_at(max_run: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(max_run).unwrap_or(now + Duration::from_secs(86_400 * 365))
}

impl KeptHandle {
    /// Stops at this time.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn while_group_runs(&self, until: Instant) {
        self.set_running(None, until);
    }

    fn set_running(&self, call: Option<CurrentCall>, until: Instant) {
        if let Some(entry) = self.keeper.entries().by_id.get_mut(&self.id) {
            entry.running = Some((call, until));
        }
    }

    /// Goes on: the group has ended.
    pub(super) fn has_ended(&self) {
        let mut kept = self.keeper.entries();
        let Some(entry) = kept.by_id.get_mut(&self.id) else { return };
        entry.running = None;
        // If it was over, the task does not look for it any more.
        let due = entry.due;
        let looks_too_late = kept.look_at(due);
        drop(kept);
        if looks_too_late {
            self.keeper.woken.notify_one();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.keeper.entries().by_id.remove(&self.0.id);
    }
}

#[cfg(all(test, feature = "moka"))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use tokio::time::sleep;

    use super::*;
    use crate::backends::MemoryStore;
    use crate::call::BeginOutcome;
    use crate::consumer::{Message, SettleError, Verdict};
    use crate::engine::Idempotency;
    use crate::error::Error;
    use crate::model::Operation;

    /// Counts how often it is told that the message is in hand.
    struct Counting(Arc<AtomicU32>);

    #[async_trait]
    impl Settle for Counting {
        async fn settle(&self, _: &Verdict) -> Result<(), SettleError> {
            Ok(())
        }

        async fn keep_alive(&self) -> Result<(), SettleError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_is_kept_alive_again_once_a_handler_that_ran_too_long_has_ended() {
        let second = Duration::from_secs(1);
        let engine = Idempotency::new(MemoryStore::new());
        let call = Operation::new("shop").key("7").engine(&engine);
        let begun = call.returning::<Result<(), Error>>().begin().await.unwrap();
        let BeginOutcome::Reserved(reservation) = begun else { panic!("its key is taken") };
        let (keeper, told) = (Arc::new(KeepAlive::default()), Arc::new(AtomicU32::new(0)));
        let task = tokio::spawn(Arc::clone(&keeper).run());
        let delivery = Delivery::new(Message::new("7", "orders", ""), Counting(Arc::clone(&told)));
        let kept = keeper.keep(&delivery.with_deadline(second * 3)).unwrap();
        kept.while_runs(reservation.current_call().unwrap(), Duration::ZERO);
        sleep(second * 10).await;
        assert_eq!(told.load(Ordering::Relaxed), 0);
        kept.has_ended();
        sleep(second * 3).await;
        assert!(told.load(Ordering::Relaxed) >= 2);
        drop(kept);
        task.abort();
        reservation.release().await;
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[tokio::test(start_paused = true)]
    async fn a_delivery_of_a_group_is_kept_alive_until_the_groups_time_is_over_or_it_has_ended() {
        let second = Duration::from_secs(1);
        let (keeper, told) = (Arc::new(KeepAlive::default()), Arc::new(AtomicU32::new(0)));
        let task = tokio::spawn(Arc::clone(&keeper).run());
        let delivery = Delivery::new(Message::new("7", "orders", ""), Counting(Arc::clone(&told)));
        let kept = keeper.keep(&delivery.with_deadline(second * 3)).unwrap();
        let handle = kept.handle();
        handle.while_group_runs(Instant::now() + second * 5);
        sleep(second * 20).await;
        assert_eq!(told.load(Ordering::Relaxed), 4);
        handle.has_ended();
        sleep(second * 3).await;
        assert!(told.load(Ordering::Relaxed) >= 6);
        drop(kept);
        handle.has_ended();
        task.abort();
    }
}
