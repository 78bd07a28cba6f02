//! One reservation that is kept alive, and its owner's handle on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::lock;
use super::pulse::Pulse;
use crate::engine::running::{Current, Turns};
use crate::engine::telemetry::Telemetry;
use crate::record::{Record, RecordId};

/// One reservation that is kept alive.
pub(in crate::engine) struct Live {
    pub(in crate::engine) id: RecordId,
    pub(in crate::engine) reservation: Record,
    pub(super) lease: Duration,
    pub(in crate::engine) turns: Turns,
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

/// When to renew.
pub(super) enum Due {
    Now,
    At(Instant),
    Never,
}

impl Live {
    pub(super) fn new(
        id: RecordId,
        reservation: Record,
        lease: Duration,
        max_run: Duration,
        sent: Instant,
    ) -> Self {
        let clock = LeaseClock { expires_at: sent + lease, due: Some(sent + lease / 3) };
        Self {
            id,
            reservation,
            lease,
            turns: Turns::default(),
            stops_at: sent.checked_add(max_run),
            clock: Mutex::new(clock),
            lost: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }
    }

    /// Whether it is to be renewed again.
    pub(super) fn is_due(&self) -> bool {
        self.clock().due.is_some()
    }

    fn clock(&self) -> MutexGuard<'_, LeaseClock> {
        lock(&self.clock)
    }

    pub(super) fn take_due(&self, now: Instant) -> Due {
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

    pub(super) fn renewed(&self, sent: Instant) {
        let mut clock = self.clock();
        clock.expires_at = sent + self.lease;
        clock.due = Some(sent + self.lease / 3);
    }

    /// Tries again soon, as long as there is a lease to save.
    pub(super) fn failed(&self) {
        let now = Instant::now();
        let mut clock = self.clock();
        if now < clock.expires_at {
            clock.due = Some(now + (self.lease / 10).min(Duration::from_secs(1)));
        } else {
            drop(clock);
            self.lose();
        }
    }

    pub(super) fn lose(&self) {
        if self.ending.load(Ordering::Relaxed) {
            return;
        }
        self.lost.store(true, Ordering::Relaxed);
        Telemetry::lost_lease(&self.id);
    }

    pub(super) fn remaining(&self) -> Duration {
        self.clock().expires_at.saturating_duration_since(Instant::now())
    }
}

/// The heartbeat of one reservation: it stops when this is dropped.
pub(in crate::engine) struct Beat {
    live: Arc<Live>,
    place: usize,
    pulse: Arc<Pulse>,
}

impl Beat {
    pub(super) fn new(live: Arc<Live>, place: usize, pulse: Arc<Pulse>) -> Self {
        Self { live, place, pulse }
    }

    pub(in crate::engine) fn id(&self) -> &RecordId {
        &self.live.id
    }

    pub(in crate::engine) fn reservation(&self) -> &Record {
        &self.live.reservation
    }

    /// The heartbeat that it is kept alive by.
    pub(in crate::engine) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// The call that holds it.
    pub(in crate::engine) fn current(&self) -> Current {
        Current::reserved(&self.live)
    }

    /// How long the reservation surely holds, unless it is renewed.
    pub(in crate::engine) fn remaining(&self) -> Duration {
        self.live.remaining()
    }

    /// The body has ended, and its end is being recorded.
    pub(in crate::engine) fn ending(&self) {
        self.live.ending.store(true, Ordering::Relaxed);
    }

    /// The lease is renewed no more.
    pub(in crate::engine) fn stop(&self) {
        self.live.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the lease was lost while the body ran.
    pub(in crate::engine) fn is_lost(&self) -> bool {
        self.live.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        // A renewal may be on its way.
        self.ending();
        self.pulse.forget(self.place);
    }
}
