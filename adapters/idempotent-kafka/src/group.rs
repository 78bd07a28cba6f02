//! [`Group`]: what this member of the consumer group has, shared by the polling thread, the source and its deliveries.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, SystemTime};

use idempotent_core::consumer::{SourceError, SourceErrorKind};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::partition::Partition;
use crate::received::Received;
use crate::state::{Commit, Handle, Place, Revoked, Stage, State, Taken};

/// How long a commit or leaving the group is waited for when the source stops.
pub(crate) const FLUSHED_WITHIN: Duration = Duration::from_secs(4);
/// Longer than any process runs.
const FAR_AWAY: Duration = Duration::from_secs(86_400 * 365 * 30);

/// The partitions that are assigned to this member, and their messages.
#[derive(Default)]
pub(crate) struct Group {
    state: Mutex<State>,
    /// Something is ready, settled, committed, or at its end.
    changed: Notify,
    polling: OnceLock<Thread>,
    is_ordered: bool,
    max_ahead: usize,
}

impl Group {
    pub(crate) fn new(is_ordered: bool, max_ahead: usize) -> Self {
        Self { is_ordered, max_ahead, ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the thread that polls, so that it can be woken.
    pub(crate) fn polled_by(&self, thread: Thread) {
        let _ = self.polling.set(thread);
    }

    pub(crate) fn wake_polling(&self) {
        if let Some(thread) = self.polling.get() {
            thread.unpark();
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.state().stage
    }

    /// Starts nothing any more. What is in hand can still be settled.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stage = state.stage.max(Stage::Stopping);
        state.partitions.values_mut().for_each(Partition::close);
        drop(state);
        self.wake_polling();
    }

    /// Stops, and nobody waits for what is in hand.
    pub(crate) fn abandon(&self) {
        self.state().is_abandoned = true;
        self.stop();
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.state().is_abandoned
    }

    /// The member has left the group.
    pub(crate) fn has_left(&self) {
        let mut state = self.state();
        state.stage = Stage::Left;
        state.partitions.clear();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Tells whoever waits for a message. What is gone stays so.
    pub(crate) fn fail(&self, error: SourceError) {
        let mut state = self.state();
        if state.failure.as_ref().is_none_or(|failure| failure.kind() != SourceErrorKind::Gone) {
            state.failure = Some(error);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    // --- Assignments.

    /// A partition is this member's from now on, in an assignment of its own.
    pub(crate) fn assign(&self, place: Place) -> u64 {
        self.state().assign(place)
    }

    /// Where the client has to go back to.
    pub(crate) fn back_to(&self) -> Vec<(Place, i64)> {
        self.state().back_to()
    }

    /// The client has gone back.
    pub(crate) fn is_back(&self, place: &Place) {
        self.state().is_back(place);
    }

    /// A partition is about to be another's: no more of it is started.
    pub(crate) fn close(&self, places: &[Place]) {
        let mut state = self.state();
        for place in places {
            if let Some(partition) = state.partitions.get_mut(place) {
                partition.close();
            }
        }
    }

    /// A partition is not this member's any more. What is in hand of it commits nothing.
    pub(crate) fn revoke(&self, places: &[Place]) {
        let mut state = self.state();
        for place in places {
            state.partitions.remove(place);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whatever comes from there on in this assignment was nobody else's before.
    pub(crate) fn ended(&self, place: &Place, epoch: u64, end: i64) {
        match self.state().partitions.get_mut(place) {
            Some(partition) if partition.epoch == epoch => partition.ends_at(end),
            _ => {}
        }
    }

    /// How many messages of these partitions are in hand.
    pub(crate) fn in_hand_of(&self, places: &[Place]) -> usize {
        let state = self.state();
        places.iter().filter_map(|place| state.partitions.get(place)).map(Partition::in_hand).sum()
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.state().in_hand()
    }

    // --- Messages.

    /// How many messages more may be ready than are.
    pub(crate) fn room(&self) -> usize {
        let mut state = self.state();
        let ready = state.ready(Instant::now());
        state.wanted.saturating_sub(ready)
    }

    /// Whether a message of this partition may be received, where there is room.
    pub(crate) fn may_receive(&self, place: &Place) -> bool {
        let state = self.state();
        state
            .partitions
            .get(place)
            .is_some_and(|partition| !partition.is_closing() && partition.ahead() < self.max_ahead)
    }

    /// Takes a message in. It is ready, unless one of its key is before it, or it is not due.
    pub(crate) fn receive(&self, place: &Place, offset: i64, received: Received) {
        let key = received.key.clone().filter(|_| self.is_ordered);
        let not_before = received.due.map(|due| {
            let pause = due.duration_since(SystemTime::now()).unwrap_or_default();
            Instant::now() + pause.min(FAR_AWAY)
        });
        let received = Arc::new(received);
        self.state().receive(place, offset, key.as_ref(), not_before, &received);
    }

    /// The next message, where there is room for this many; `None` if none is ready.
    pub(crate) fn take(&self, room: usize) -> Result<Option<Taken>, SourceError> {
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            if failure.kind() == SourceErrorKind::Gone {
                state.failure = Some(SourceError::gone(failure.to_string()));
            }
            return Err(failure);
        }
        let taken = state.take(Instant::now());
        state.wanted = room - usize::from(taken.is_some());
        drop(state);
        self.wake_polling();
        Ok(taken)
    }

    /// Waits until something may have changed since the future was made and enabled.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Wakes who waits for a message, if one is ready, and says when the next one is due that is held.
    pub(crate) fn announce(&self) -> Option<Instant> {
        let mut state = self.state();
        let is_ready = state.ready(Instant::now()) > 0;
        let next_due = state.partitions.values().filter_map(Partition::next_due).min();
        drop(state);
        if is_ready {
            self.changed.notify_waiters();
        }
        next_due
    }

    // --- What becomes of them.

    /// The message is done with.
    pub(crate) fn finish(&self, handle: &Handle) -> Result<(), Revoked> {
        self.with(handle, |partition| partition.finish(handle.ticket.0))
    }

    /// The message comes again after this long.
    pub(crate) fn hold(&self, handle: &Handle, after: Duration) -> Result<(), Revoked> {
        let until = Instant::now() + after.min(FAR_AWAY);
        self.with(handle, |partition| partition.hold(handle.ticket, until))
    }

    pub(crate) fn check(&self, handle: &Handle) -> Result<(), Revoked> {
        self.state().of(handle).map(drop)
    }

    fn with(
        &self,
        handle: &Handle,
        change: impl FnOnce(&mut Partition<Arc<Received>>),
    ) -> Result<(), Revoked> {
        let mut state = self.state();
        change(state.of(handle)?);
        drop(state);
        self.wake_polling();
        Ok(())
    }

    /// Once the source stops: waits until what is finished is committed, and after the last message until the group is left.
    pub(crate) async fn flushed(&self, handle: &Handle) {
        let is_flushed = |state: &mut State| {
            let is_committed = match state.of(handle) {
                Ok(partition) => partition.to_commit().is_none(),
                Err(Revoked) => true,
            };
            is_committed && state.in_hand() > 0
        };
        self.wait_until(is_flushed).await;
    }

    /// Waits until the group is left, if nothing is in hand.
    pub(crate) async fn left(&self) {
        self.wait_until(|state| state.in_hand() > 0).await;
    }

    /// Waits until this is so, or until the group is left.
    async fn wait_until(&self, is_so: impl Fn(&mut State) -> bool) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed());
                changed.as_mut().enable();
                let is_over = {
                    let mut state = self.state();
                    state.stage != Stage::Stopping || is_so(&mut state)
                };
                if is_over {
                    return;
                }
                changed.await;
            }
        };
        if timeout(FLUSHED_WITHIN, waiting).await.is_err() {
            tracing::debug!("the broker has not confirmed in time what is committed");
        }
    }

    // --- Commits.

    /// What is to be committed.
    pub(crate) fn to_commit(&self) -> Vec<Commit> {
        self.state().to_commit()
    }

    /// The broker has confirmed these.
    pub(crate) fn committed(&self, commits: &[Commit]) {
        self.state().committed(commits);
        self.changed.notify_waiters();
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Group")
            .field("stage", &state.stage)
            .field("partitions", &state.partitions.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
