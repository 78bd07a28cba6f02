//! [`Lease`]: one reservation that is kept alive, how long it holds, and when to renew it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::engine_ref::EngineRef;
use super::outer_call::{Nesting, OuterCall};
use crate::engine::journal::RunJournal;
use crate::engine::telemetry::Telemetry;
use crate::model::{Guarantee, Record, RecordId, Token};

/// One reservation that is kept alive.
pub(in crate::engine) struct Lease {
    pub(in crate::engine) id: RecordId,
    pub(in crate::engine) reservation: Record,
    pub(super) duration: Duration,
    nesting: Nesting,
    pub(in crate::engine) engine: EngineRef,
    /// How long the call's result is kept.
    pub(in crate::engine) ttl: Duration,
    /// Set once the call has a step.
    journal: OnceLock<Arc<RunJournal>>,
    /// Its slot in the task that renews it. Kept here, since a handle is a part of the caller's future.
    slot: AtomicUsize,
    stops_at: Option<Instant>,
    times: Mutex<Times>,
    lost: AtomicBool,
    /// The store was asked in time, and nobody is known to have the key since.
    unanswered: AtomicBool,
    /// Somebody wants to know who has the key once the lease is lost.
    followed: AtomicBool,
    /// The body has ended: if a renewal finds a change, the call itself may have made it.
    ending: AtomicBool,
    /// The owner no longer needs the lease.
    stopped: AtomicBool,
}

struct Times {
    /// Until when the reservation surely holds, by this process's monotonic clock.
    expires_at: Instant,
    /// When to renew next; `None` while a renewal is in progress, or if none will follow.
    due: Option<Instant>,
    /// Since it was last renewed, a renewal was due while it held.
    was_due_in_time: bool,
}

/// When to renew.
pub(super) enum Due {
    Now,
    At(Instant),
    Never,
}

impl Lease {
    /// A reservation that was first sent at `sent`, and is first renewed at `due`.
    #[inline]
    pub(super) fn new(
        id: RecordId,
        reservation: Record,
        (duration, max_run): (Duration, Duration),
        (sent, due): (Instant, Instant),
        caller: Option<Arc<dyn OuterCall>>,
        (engine, ttl): (EngineRef, Duration),
    ) -> Self {
        let times = Times { expires_at: sent + duration, due: Some(due), was_due_in_time: false };
        Self {
            id,
            reservation,
            duration,
            nesting: Nesting::new(caller),
            engine,
            ttl,
            journal: OnceLock::new(),
            slot: AtomicUsize::new(0),
            stops_at: sent.checked_add(max_run),
            times: Mutex::new(times),
            lost: AtomicBool::new(false),
            unanswered: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }
    }

    /// The call's journal, if it has one.
    pub(in crate::engine) fn journal(&self) -> Option<&Arc<RunJournal>> {
        self.journal.get()
    }

    /// The call's journal, which begins now if it has none.
    pub(in crate::engine) fn journal_or(
        &self,
        begin: impl FnOnce() -> RunJournal,
    ) -> &Arc<RunJournal> {
        self.journal.get_or_init(|| {
            let journal = begin();
            self.nesting.report_remembered(&self.id, journal.record.retention());
            Arc::new(journal)
        })
    }

    /// Whether the body has ended.
    pub(in crate::engine) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(super) fn set_slot(&self, slot: usize) {
        self.slot.store(slot, Ordering::Relaxed);
    }

    pub(super) fn slot(&self) -> usize {
        self.slot.load(Ordering::Relaxed)
    }

    /// Whether another renewal is scheduled.
    pub(super) fn is_due(&self) -> bool {
        self.times().due.is_some()
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_due(&self, now: Instant) -> Due {
        let mut times = self.times();
        let Some(due) = times.due else {
            return Due::Never;
        };
        if self.is_stopped() {
            times.due = None;
            Due::Never
        } else if self.stops_at.is_some_and(|stops_at| now >= stops_at) {
            times.due = None;
            drop(times);
            Telemetry::max_run(&self.id);
            Due::Never
        } else if now >= due {
            times.due = None;
            times.was_due_in_time |= now < times.expires_at;
            Due::Now
        } else {
            Due::At(due)
        }
    }

    pub(super) fn renewed(&self, sent: Instant) {
        let mut times = self.times();
        times.expires_at = sent + self.duration;
        times.due = Some(sent + self.duration / 3);
        times.was_due_in_time = false;
        self.unanswered.store(false, Ordering::Relaxed);
    }

    /// Schedules another renewal soon, unless the lease may have lapsed already.
    pub(super) fn failed(&self) {
        let now = Instant::now();
        let mut times = self.times();
        if now < times.expires_at {
            self.unanswered.store(true, Ordering::Relaxed);
            times.due = Some(now + (self.duration / 10).min(Duration::from_secs(1)));
        } else {
            if self.was_not_frozen(&times, now) {
                self.unanswered.store(true, Ordering::Relaxed);
            }
            drop(times);
            self.lose();
            self.look_later();
        }
    }

    /// Whether it is known about in time that the lease is over. A process that was frozen learns of it later, and its
    /// broker may have delivered the message again: a third of the lease is too early for that, since the broker waits for
    /// twice the lease, and is told every third of that.
    fn was_not_frozen(&self, times: &Times, now: Instant) -> bool {
        let in_time = |at| now < at + self.duration / 3;
        times.was_due_in_time && in_time(times.expires_at)
    }

    /// The store says that the reservation is gone.
    pub(super) fn was_taken(&self) {
        self.unanswered.store(false, Ordering::Relaxed);
        self.lose();
    }

    /// The store has said that the reservation is gone, and then that nobody has the key.
    pub(super) fn was_forgotten(&self) {
        let was_not_frozen = self.was_not_frozen(&self.times(), Instant::now());
        if was_not_frozen {
            self.unanswered.store(true, Ordering::Relaxed);
        }
        self.lose();
    }

    /// Whether its key, which is vacant, may be reserved again with its token. Not once another call may have had the message
    /// meanwhile, nor where what has lapsed is another's to resume.
    pub(super) fn may_be_retaken(&self) -> bool {
        let is_wanted = !self.is_ending() && !self.is_stopped();
        let may_resume = self.journal().is_some() || self.reservation.has_input();
        let is_vacant = self.reservation.guarantee() == Guarantee::AtLeastOnce && !may_resume;
        is_wanted && is_vacant && self.unanswered.load(Ordering::Relaxed)
    }

    /// The key is reserved again.
    pub(super) fn retaken(&self, sent: Instant) {
        self.renewed(sent);
        if self.lost.swap(false, Ordering::Relaxed) {
            Telemetry::retaken_lease(&self.id);
        }
    }

    /// The reservation is gone, and the store does not say who has the key.
    pub(super) fn was_not_found_out(&self) {
        self.lose();
        self.look_later();
    }

    /// Asks later who has the key, if somebody wants to know.
    pub(super) fn look_later(&self) {
        if self.is_followed() && !self.is_ending() {
            let pause = (self.duration / 3).max(Duration::from_secs(1));
            self.times().due = Some(Instant::now() + pause);
        }
    }

    /// Asks who has the key once the lease is lost, until the body has ended.
    #[cfg(feature = "consumer")]
    pub(super) fn follow(&self) {
        self.followed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Relaxed)
    }

    fn lose(&self) {
        if self.ending.load(Ordering::Relaxed) {
            return;
        }
        if !self.lost.swap(true, Ordering::Relaxed) {
            Telemetry::lost_lease(&self.id);
        }
    }

    /// Marks that the body has ended and that its end is being recorded.
    pub(super) fn set_ending(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the owner no longer needs the lease: every end but a result stops it.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(in crate::engine) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether the store was asked in time and did not answer, so that nobody is known to have taken it.
    #[cfg(feature = "consumer")]
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// How long the reservation surely holds unless it is renewed.
    pub(in crate::engine) fn remaining(&self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// The same at a moment that was just read from the clock.
    pub(in crate::engine) fn remaining_at(&self, now: Instant) -> Duration {
        self.times().expires_at.saturating_duration_since(now)
    }

    /// Whether the reservation surely holds at a moment that was just read from the clock.
    pub(in crate::engine) fn holds_at(&self, now: Instant) -> bool {
        now < self.times().expires_at
    }
}

impl OuterCall for Lease {
    fn id(&self) -> &RecordId {
        &self.id
    }

    fn token(&self) -> Option<Token> {
        Some(self.reservation.token())
    }

    fn nesting(&self) -> &Nesting {
        &self.nesting
    }

    fn resumable_for(&self) -> Option<Duration> {
        match self.journal() {
            Some(journal) => Some(journal.record.retention()),
            None => self.reservation.has_input().then(|| self.reservation.retention()),
        }
    }
}
