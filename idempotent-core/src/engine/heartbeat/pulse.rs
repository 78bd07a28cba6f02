//! The task that renews every live reservation of one engine on one runtime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::live::{Beat, Due, Live};
use super::{Shared, let_others_take_it, lock};
use crate::engine::deadline::no_answer;
use crate::engine::telemetry::{Telemetry, Transition};
use crate::record::{Record, RecordId};
use crate::store::{Renew, RenewOutcome};

/// How many renewals are under way at once.
const RENEWALS: usize = 64;

/// The heartbeat of one engine on one runtime.
pub(in crate::engine) struct Pulse {
    runtime: Handle,
    shared: Weak<Shared>,
    beats: Mutex<Beats>,
    woken: Notify,
    /// The engine is gone.
    closed: AtomicBool,
    renewals: Arc<Semaphore>,
}

#[derive(Default)]
struct Beats {
    live: Vec<Option<Arc<Live>>>,
    /// Places in `live` that are free.
    free: Vec<usize>,
    /// When the task looks next; `None` while it has nothing to look for.
    looks_at: Option<Instant>,
}

impl Beats {
    fn insert(&mut self, live: Arc<Live>) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.live[place] = Some(live);
                place
            }
            None => {
                self.live.push(Some(live));
                self.live.len() - 1
            }
        }
    }

    fn remove(&mut self, place: usize) {
        self.live[place] = None;
        self.free.push(place);
    }
}

impl Pulse {
    pub(super) fn new(runtime: Handle, shared: Weak<Shared>) -> Self {
        Self {
            runtime,
            shared,
            beats: Mutex::default(),
            woken: Notify::new(),
            closed: AtomicBool::new(false),
            renewals: Arc::new(Semaphore::new(RENEWALS)),
        }
    }

    /// Whether this is the heartbeat of the running runtime, which has a timer then.
    pub(in crate::engine) fn runs_here(&self) -> bool {
        Handle::try_current().is_ok_and(|runtime| runtime.id() == self.runtime.id())
    }

    /// Ends the task: its engine is gone.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    /// Renews no more what is in that place.
    pub(super) fn forget(&self, place: usize) {
        lock(&self.beats).remove(place);
    }

    /// Keeps a reservation that was asked for at `sent` alive until the beat is dropped.
    pub(in crate::engine) fn register(
        self: &Arc<Self>,
        id: RecordId,
        reservation: Record,
        lease: Duration,
        max_run: Duration,
        sent: Instant,
    ) -> Beat {
        let due = sent + lease / 3;
        let live = Arc::new(Live::new(id, reservation, lease, max_run, sent));
        let mut beats = lock(&self.beats);
        let place = beats.insert(Arc::clone(&live));
        let too_late = beats.looks_at.is_none_or(|looks_at| due < looks_at);
        if too_late {
            beats.looks_at = Some(due);
        }
        drop(beats);
        if too_late {
            self.woken.notify_one();
            let_others_take_it(&self.runtime);
        }
        Beat::new(live, place, Arc::clone(self))
    }

    pub(super) async fn run(self: Arc<Self>) {
        let _gone = Gone(Arc::clone(&self));
        while !self.closed.load(Ordering::Acquire) {
            let (due, looks_at) = self.look();
            for live in due {
                self.runtime.spawn(Arc::clone(&self).renew(live));
            }
            match looks_at {
                None => self.woken.notified().await,
                // Woken early or on time, it looks again.
                Some(at) => drop(timeout_at(at, self.woken.notified()).await),
            }
        }
    }

    /// Takes what is due, and says when the next one will be.
    fn look(&self) -> (Vec<Arc<Live>>, Option<Instant>) {
        let now = Instant::now();
        let mut beats = lock(&self.beats);
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        for live in beats.live.iter().flatten() {
            match live.take_due(now) {
                Due::Now => due.push(Arc::clone(live)),
                Due::At(at) => next = Some(next.map_or(at, |next| next.min(at))),
                Due::Never => {}
            }
        }
        beats.looks_at = next;
        (due, next)
    }

    /// Renews one reservation, and says when the task should look at it again.
    async fn renew(self: Arc<Self>, live: Arc<Live>) {
        let Ok(_permit) = Arc::clone(&self.renewals).acquire_owned().await else {
            return;
        };
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let sent = Instant::now();
        let limit = live.remaining().min(shared.store_timeout).max(Duration::from_millis(1));
        let watch = Telemetry::store_call(Transition::Renew);
        let request = Renew::new(&live.id, &live.reservation, live.lease);
        let answer = timeout(limit, shared.store.renew(&request)).await;
        let answer = answer.unwrap_or_else(|_| Err(no_answer()));
        watch.end(answer.as_ref().err());
        match answer {
            Ok(RenewOutcome::Renewed) => live.renewed(sent),
            Ok(RenewOutcome::Lost) => live.lose(),
            Err(_) => live.failed(),
        }
        drop(shared);
        if live.is_due() {
            self.woken.notify_one();
        }
    }
}

/// Takes a heartbeat off its engine when its runtime goes, so that another runtime of the same
/// process starts its own.
struct Gone(Arc<Pulse>);

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(shared) = self.0.shared.upgrade() {
            lock(&shared.runtimes).retain(|(_, pulse)| !Arc::ptr_eq(pulse, &self.0));
        }
    }
}
