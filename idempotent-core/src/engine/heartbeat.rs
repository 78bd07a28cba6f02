//! Renewal of live reservations, whether their bodies are polled or not.
//!
//! One task per engine and runtime renews them all at a third of their leases. Inside the caller's
//! own task renewal would stop for a body that blocks, that spends the task's cooperative budget,
//! or that nobody polls.

use std::fmt;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::telemetry::{Telemetry, Transition};
use crate::record::{Record, RecordId};
use crate::store::{Renew, RenewOutcome, Store};

/// How many renewals are under way at once.
const RENEWALS: usize = 64;
/// How many abandoned reservations are being released at once.
const CLEANUPS: usize = 1024;

/// The heartbeats of one engine.
pub(super) struct Heartbeats {
    shared: Arc<Shared>,
    cleanups: Arc<Semaphore>,
}

struct Shared {
    store: Arc<dyn Store>,
    store_timeout: Duration,
    /// One, but for processes with several runtimes.
    runtimes: Mutex<Vec<(Id, Arc<Pulse>)>>,
}

/// Why there is no heartbeat: what the engine needs of its runtime.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoRuntime {
    Absent,
    WithoutTimer,
}

impl Heartbeats {
    pub(super) fn new(store: Arc<dyn Store>, store_timeout: Duration) -> Self {
        let shared = Shared { store, store_timeout, runtimes: Mutex::default() };
        Self { shared: Arc::new(shared), cleanups: Arc::new(Semaphore::new(CLEANUPS)) }
    }

    /// The heartbeat of the running runtime, started by its first reservation.
    pub(super) fn current(&self) -> Result<Arc<Pulse>, NoRuntime> {
        let runtime = Handle::try_current().map_err(|_| NoRuntime::Absent)?;
        let mut runtimes = lock(&self.shared.runtimes);
        if let Some((_, pulse)) = runtimes.iter().find(|(id, _)| *id == runtime.id()) {
            return Ok(Arc::clone(pulse));
        }
        if !has_timer() {
            return Err(NoRuntime::WithoutTimer);
        }
        let pulse = Arc::new(Pulse {
            runtime: runtime.clone(),
            shared: Arc::downgrade(&self.shared),
            beats: Mutex::default(),
            woken: Notify::new(),
            closed: AtomicBool::new(false),
            renewals: Arc::new(Semaphore::new(RENEWALS)),
        });
        runtimes.push((runtime.id(), Arc::clone(&pulse)));
        drop(runtimes);
        runtime.spawn(Arc::clone(&pulse).run());
        let_others_take_it(&runtime);
        Ok(pulse)
    }

    /// Leave to release one more abandoned reservation, unless too many are being released.
    pub(super) fn cleanup(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.cleanups).try_acquire_owned().ok()
    }
}

impl Drop for Heartbeats {
    fn drop(&mut self) {
        for (_, pulse) in lock(&self.shared.runtimes).iter() {
            pulse.closed.store(true, Ordering::Release);
            pulse.woken.notify_one();
        }
    }
}

/// Lets another worker take the task that was just woken or spawned here. A runtime keeps the last
/// one for the worker itself, and a body that blocks this worker would then block the heartbeat; the
/// next one pushes it out to where it can be stolen.
fn let_others_take_it(runtime: &Handle) {
    runtime.spawn(async {});
}

/// Whether the running runtime has a timer. Tokio tells only by panicking.
fn has_timer() -> bool {
    catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok()
}

/// The heartbeat of one engine on one runtime.
pub(super) struct Pulse {
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

/// One reservation that is kept alive.
struct Live {
    id: RecordId,
    reservation: Record,
    lease: Duration,
    stops_at: Option<Instant>,
    clock: Mutex<LeaseClock>,
    lost: AtomicBool,
    /// The body has ended: what a renewal finds changed may be the call's own doing.
    ending: AtomicBool,
    /// The lease is no longer wanted.
    stopped: AtomicBool,
}

struct LeaseClock {
    /// Until when the reservation surely holds, by this process's monotonic clock.
    expires_at: Instant,
    /// When to renew next; `None` while a renewal is under way, or none will come.
    due: Option<Instant>,
}

impl Pulse {
    /// Keeps a reservation that was asked for at `sent` alive until the beat is dropped.
    pub(super) fn register(
        self: &Arc<Self>,
        id: RecordId,
        reservation: Record,
        lease: Duration,
        max_run: Duration,
        sent: Instant,
    ) -> Beat {
        let due = sent + lease / 3;
        let clock = LeaseClock { expires_at: sent + lease, due: Some(due) };
        let stops_at = sent.checked_add(max_run);
        let live = Arc::new(Live {
            id,
            reservation,
            lease,
            stops_at,
            clock: Mutex::new(clock),
            lost: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
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
        Beat { live, place, pulse: Arc::clone(self) }
    }

    async fn run(self: Arc<Self>) {
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
        let failure = match &answer {
            Ok(answer) => answer.as_ref().err(),
            Err(_) => None,
        };
        watch.end(failure);
        match answer {
            Ok(Ok(RenewOutcome::Renewed)) => live.renewed(sent),
            Ok(Ok(RenewOutcome::Lost)) => live.lose(),
            Ok(Err(_)) | Err(_) => live.failed(),
        }
        drop(shared);
        if live.clock().due.is_some() {
            self.woken.notify_one();
        }
    }
}

enum Due {
    Now,
    At(Instant),
    Never,
}

impl Live {
    fn clock(&self) -> MutexGuard<'_, LeaseClock> {
        lock(&self.clock)
    }

    fn take_due(&self, now: Instant) -> Due {
        let mut clock = self.clock();
        let Some(due) = clock.due else {
            return Due::Never;
        };
        if self.stopped.load(Ordering::Relaxed) {
            clock.due = None;
            Due::Never
        } else if self.stops_at.is_some_and(|stops_at| now >= stops_at) {
            clock.due = None;
            drop(clock);
            Telemetry::max_run(&self.id);
            Due::Never
        } else if now >= due {
            clock.due = None;
            Due::Now
        } else {
            Due::At(due)
        }
    }

    fn renewed(&self, sent: Instant) {
        let mut clock = self.clock();
        clock.expires_at = sent + self.lease;
        clock.due = Some(sent + self.lease / 3);
    }

    /// Tries again soon, as long as there is a lease to save.
    fn failed(&self) {
        let now = Instant::now();
        let mut clock = self.clock();
        if now < clock.expires_at {
            clock.due = Some(now + (self.lease / 10).min(Duration::from_secs(1)));
        } else {
            drop(clock);
            self.lose();
        }
    }

    fn lose(&self) {
        if self.ending.load(Ordering::Relaxed) {
            return;
        }
        self.lost.store(true, Ordering::Relaxed);
        Telemetry::lost_lease(&self.id);
    }

    fn remaining(&self) -> Duration {
        self.clock().expires_at.saturating_duration_since(Instant::now())
    }
}

/// The heartbeat of one reservation: it stops when this is dropped.
pub(super) struct Beat {
    live: Arc<Live>,
    place: usize,
    pulse: Arc<Pulse>,
}

impl Beat {
    pub(super) fn id(&self) -> &RecordId {
        &self.live.id
    }

    pub(super) fn reservation(&self) -> &Record {
        &self.live.reservation
    }

    /// How long the reservation surely holds, unless it is renewed.
    pub(super) fn remaining(&self) -> Duration {
        self.live.remaining()
    }

    /// The body has ended, and its end is being recorded.
    pub(super) fn ending(&self) {
        self.live.ending.store(true, Ordering::Relaxed);
    }

    /// The lease is renewed no more.
    pub(super) fn stop(&self) {
        self.live.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the lease was lost while the body ran.
    pub(super) fn is_lost(&self) -> bool {
        self.live.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        // A renewal may be on its way.
        self.ending();
        lock(&self.pulse.beats).remove(self.place);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "an idempotent call runs inside a tokio runtime, and there is none",
            Self::WithoutTimer => {
                "the tokio runtime has no timer: build it with `enable_time()` or `enable_all()`"
            }
        })
    }
}
