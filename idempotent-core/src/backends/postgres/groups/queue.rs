//! [`Queue`]: where members of a group wait, and the workers that send groups.
//!
//! While two groups are under way, what arrives waits for one of them to end, and leaves with the next one. A
//! worker is a task of its own: no caller has to be polled, or to live, for the group that it is in to go on.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::backends::postgres::error::{store_error, timed_out};
use crate::backends::shared::notify::Hash;
use crate::store::StoreError;

/// How many groups are under way at once, unless they are slow.
const IN_FLIGHT: usize = 2;
/// The most members of a group. Each may hold a lock of the server's table of locks.
const MAX_MEMBERS: usize = 100;
/// The most bytes of a group, unless its first member has more.
const MAX_BYTES: usize = 1 << 20;

/// What can leave together with others of its kind.
pub(super) trait Member: Send + Sync + Sized + 'static {
    /// What its caller is told.
    type Answer: Send + 'static;

    /// The id that it is about, unless any number of members may be about the same.
    fn unique_hash(&self) -> Option<&Hash>;

    /// About how many bytes it sends.
    fn bytes(&self) -> usize;

    /// Whether it overtakes those that are not.
    fn is_urgent(&self) -> bool;
}

/// What sends members of a kind.
pub(super) trait Sender<M: Member>: Send + Sync + 'static {
    /// Sends a group, and answers its members.
    fn send(self: Arc<Self>, group: Vec<Queued<M>>) -> impl Future<Output = ()> + Send;
}

/// How a group has ended for one of its members.
pub(super) enum Verdict<T> {
    Answer(T),
    /// It has to be asked for alone. It may have taken effect already.
    Singly,
    /// The server cannot be reached, or did not answer in time.
    Failed(StoreError),
}

/// A member, and its caller.
pub(super) struct Queued<M: Member> {
    pub(super) member: M,
    /// When its caller gives up.
    pub(super) deadline: Instant,
    answer: oneshot::Sender<Verdict<M::Answer>>,
}

impl<M: Member> Queued<M> {
    /// Whether its caller was dropped, or has given up.
    pub(super) fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn answer(self, verdict: Verdict<M::Answer>) {
        // Fails if the caller was dropped.
        let _ = self.answer.send(verdict);
    }
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

struct Pending<M: Member> {
    urgent: VecDeque<Queued<M>>,
    others: VecDeque<Queued<M>>,
    hashes: HashSet<Hash>,
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
        let pending =
            Pending { urgent: VecDeque::new(), others: VecDeque::new(), hashes: HashSet::new() };
        Self {
            pending: Mutex::new(pending),
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
        let (answer, answered) = oneshot::channel();
        let mut pending = self.pending();
        if let Some(hash) = member.unique_hash() {
            if !pending.hashes.insert(*hash) {
                return None;
            }
        }
        let queue = match member.is_urgent() {
            true => &mut pending.urgent,
            false => &mut pending.others,
        };
        queue.push_back(Queued { member, deadline, answer });
        Some(answered)
    }

    /// Starts another worker, if there may be one and anything waits.
    fn start_worker<S: Sender<M>>(self: &Arc<Self>, store: &Arc<S>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let slot = {
            let pending = self.pending();
            let is_empty = pending.urgent.is_empty() && pending.others.is_empty();
            if is_empty || self.workers.load(Ordering::Relaxed) >= IN_FLIGHT {
                return;
            }
            Slot::take(self)
        };
        runtime.spawn(work(slot, Arc::clone(store)));
    }

    /// The next members whose callers still wait; empty if there are none.
    fn next_group(pending: &mut Pending<M>) -> Vec<Queued<M>> {
        let Pending { urgent, others, hashes } = pending;
        let (mut group, mut bytes) = (Vec::new(), 0_usize);
        for queue in [urgent, others] {
            while let Some(next) = queue.front() {
                let total = bytes.saturating_add(next.member.bytes());
                if group.len() >= MAX_MEMBERS || (total > MAX_BYTES && !group.is_empty()) {
                    return group;
                }
                let Some(next) = queue.pop_front() else { break };
                if let Some(hash) = next.member.unique_hash() {
                    hashes.remove(hash);
                }
                if !next.is_closed() {
                    bytes = total;
                    group.push(next);
                }
            }
        }
        group
    }

    fn pending(&self) -> MutexGuard<'_, Pending<M>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends groups until nothing waits any more, or one of them is slow.
async fn work<M: Member, S: Sender<M>>(mut slot: Slot<M>, store: Arc<S>) {
    while let Some(group) = slot.next_group() {
        let mut sent = pin!(Arc::clone(&store).send(group));
        if timeout(slot.queue.slow_after, sent.as_mut()).await.is_err() {
            slot.give_up();
            slot.queue.start_worker(&store);
            return sent.await;
        }
    }
}

/// One of the groups that may be under way.
struct Slot<M: Member> {
    queue: Arc<Queue<M>>,
    is_held: bool,
}

impl<M: Member> Slot<M> {
    /// Only while `pending` is locked.
    fn take(queue: &Arc<Queue<M>>) -> Self {
        queue.workers.fetch_add(1, Ordering::Relaxed);
        Self { queue: Arc::clone(queue), is_held: true }
    }

    /// The next group; without one, the slot is given up before anybody else can look at it.
    fn next_group(&mut self) -> Option<Vec<Queued<M>>> {
        let queue = Arc::clone(&self.queue);
        let mut pending = queue.pending();
        let group = Queue::next_group(&mut pending);
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
