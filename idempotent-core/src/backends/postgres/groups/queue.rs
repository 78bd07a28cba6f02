//! [`Queue`]: where members of a group wait, and the workers that send groups.
//!
//! While two groups are under way, what arrives waits for one of them to end, and leaves with the next one. A
//! worker is a task of its own: no caller has to be polled, or to live, for the group that it is in to go on.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};

use super::member::{Member, Queued, Verdict};
use super::pending::Pending;
use crate::backends::postgres::error::{store_error, timed_out};
use crate::backends::shared::notify::Hash;

/// How many groups are under way at once, unless they are slow.
const IN_FLIGHT: usize = 2;

/// What sends members of a kind.
pub(super) trait Sender<M: Member>: Send + Sync + 'static {
    /// Sends a group, and answers its members.
    fn send(self: Arc<Self>, group: Vec<Queued<M>>) -> impl Future<Output = ()> + Send;
}

/// The members of one kind that wait, and the workers that send them.
pub(super) struct Queue<M: Member> {
    pending: Mutex<Pending<M>>,
    /// Groups that are under way and not slow. Written only while `pending` is locked.
    workers: AtomicUsize,
    /// Steps that are alone and under way.
    alone: AtomicUsize,
    max_alone: usize,
    slow_after: Duration,
}

/// A step that is alone, while it is under way.
pub(super) struct Alone<'a>(&'a AtomicUsize);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M: Member> Queue<M> {
    pub(super) fn new(slow_after: Duration, max_alone: usize) -> Self {
        Self {
            pending: Mutex::new(Pending::new()),
            workers: AtomicUsize::new(0),
            alone: AtomicUsize::new(0),
            max_alone,
            slow_after,
        }
    }

    /// Whether a step may leave at once, by itself. However long it then takes, no group waits for it.
    pub(super) fn alone(&self) -> Option<Alone<'_>> {
        if self.workers.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let alone = Alone(&self.alone);
        // Dropping it undoes this.
        (self.alone.fetch_add(1, Ordering::Relaxed) < self.max_alone).then_some(alone)
    }

    /// Sends a member with the next group.
    pub(super) async fn submit<S: Sender<M>>(
        self: &Arc<Self>,
        store: &Arc<S>,
        member: M,
        deadline: Instant,
    ) -> Verdict<M::Answer> {
        let Some(mut answer) = self.enqueue(member, deadline) else { return Verdict::Singly };
        self.start_worker(store);
        loop {
            let patience = deadline.min(Instant::now() + self.slow_after);
            match timeout_at(patience, &mut answer).await {
                Ok(Ok(verdict)) => return verdict,
                // The group's runtime has ended.
                Ok(Err(_)) => return Verdict::Singly,
                Err(_) if Instant::now() >= deadline => {
                    return Verdict::Failed(store_error(timed_out()));
                }
                // So may have the one of the worker that would have sent it.
                Err(_) => self.start_worker(store),
            }
        }
    }

    /// `None` if one with the same id waits already.
    fn enqueue(
        &self,
        member: M,
        deadline: Instant,
    ) -> Option<oneshot::Receiver<Verdict<M::Answer>>> {
        let (queued, answered) = Queued::new(member, deadline);
        self.pending().push(queued).then_some(answered)
    }

    /// Starts another worker, if there may be one and anything waits.
    fn start_worker<S: Sender<M>>(self: &Arc<Self>, store: &Arc<S>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let slot = {
            let pending = self.pending();
            if pending.is_empty() || self.workers.load(Ordering::Relaxed) >= IN_FLIGHT {
                return;
            }
            Slot::take(self)
        };
        runtime.spawn(work(slot, Arc::clone(store)));
    }

    fn pending(&self) -> MutexGuard<'_, Pending<M>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends groups until nothing waits any more, or one of them is slow.
async fn work<M: Member, S: Sender<M>>(mut slot: Slot<M>, store: Arc<S>) {
    loop {
        // Callers that were just answered may have more to send, and leave with this group: those that are woken, or
        // were just spawned, come first. Fewer and larger groups are what keeps the server's work small.
        yield_now().await;
        let Some(group) = slot.next_group() else { return };
        let mut sent = pin!(Arc::clone(&store).send(group));
        if timeout(slot.queue.slow_after, sent.as_mut()).await.is_err() {
            slot.give_up();
            slot.queue.start_worker(&store);
            sent.await;
            let queue = Arc::clone(&slot.queue);
            drop(slot);
            // For what was passed over meanwhile.
            return queue.start_worker(&store);
        }
    }
}

/// One of the groups that may be under way.
struct Slot<M: Member> {
    queue: Arc<Queue<M>>,
    is_held: bool,
    /// The calls that its group is about.
    calls: HashSet<Hash>,
}

impl<M: Member> Slot<M> {
    /// Only while `pending` is locked.
    fn take(queue: &Arc<Queue<M>>) -> Self {
        queue.workers.fetch_add(1, Ordering::Relaxed);
        Self { queue: Arc::clone(queue), is_held: true, calls: HashSet::new() }
    }

    /// The next group; without one, the slot is given up before anybody else can look at it.
    fn next_group(&mut self) -> Option<Vec<Queued<M>>> {
        let queue = Arc::clone(&self.queue);
        let mut pending = queue.pending();
        pending.free(&mut self.calls);
        let group = pending.next_group(&mut self.calls);
        if group.is_empty() {
            self.end();
            return None;
        }
        Some(group)
    }

    fn give_up(&mut self) {
        let queue = Arc::clone(&self.queue);
        let _pending = queue.pending();
        self.end();
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.queue.workers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<M: Member> Drop for Slot<M> {
    fn drop(&mut self) {
        let queue = Arc::clone(&self.queue);
        queue.pending().free(&mut self.calls);
        self.give_up();
    }
}

impl<M: Member> fmt::Debug for Queue<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("workers", &self.workers)
            .field("alone", &self.alone)
            .finish_non_exhaustive()
    }
}
