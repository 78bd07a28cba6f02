//! What the winner of a key holds: consumed by its end, or dropped, which is an end too.

use std::time::Duration;

use super::attempt;
use super::elsewhere::Elsewhere;
use super::heartbeat::Beat;
use super::settle::{self, Ending, Settlement, Unused};
use super::{Current, Idempotency, telemetry::Telemetry};
use crate::error::Error;
use crate::record::{Record, RecordId};

/// A won reservation. Its lease is renewed for as long as this lives.
pub(crate) struct Held {
    pub(super) engine: Idempotency,
    pub(super) ttl: Duration,
    pub(super) beat: Beat,
    phase: Phase,
}

/// How far the body has come: what dropping the reservation means.
enum Phase {
    /// It was not polled: nothing happened.
    Unstarted,
    /// It may have had effects.
    Running,
    /// It has ended, and its end is being recorded.
    Ended,
}

impl Held {
    pub(super) fn new(engine: Idempotency, ttl: Duration, beat: Beat) -> Self {
        Telemetry::in_flight(1);
        Self { engine, ttl, beat, phase: Phase::Unstarted }
    }

    /// Says that the body may have effects from now on.
    pub(crate) fn start(&mut self) {
        self.phase = Phase::Running;
    }

    /// Makes the body's future. That is not its start, unless it panics: then it may have had
    /// effects already.
    pub(crate) fn make<B>(&mut self, body: impl FnOnce() -> B) -> B {
        self.phase = Phase::Running;
        let body = body();
        self.phase = Phase::Unstarted;
        body
    }

    /// What a body that did not start within its lease is told instead: somebody else may hold the
    /// key by now.
    pub(crate) fn too_late(&self) -> Option<Error> {
        self.beat.remaining().is_zero().then(|| attempt::granted_too_late(self.id()))
    }

    pub(crate) fn id(&self) -> &RecordId {
        self.beat.id()
    }

    pub(crate) fn reservation(&self) -> &Record {
        self.beat.reservation()
    }

    /// The call that holds it, for its body.
    pub(crate) fn current(&self) -> Current {
        self.beat.current()
    }

    pub(crate) fn max_result_bytes(&self) -> usize {
        self.engine.settings().max_result_bytes
    }

    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending {
            id: self.id(),
            reservation: self.reservation(),
            max_result_bytes: self.max_result_bytes(),
        }
    }

    /// Ends the call: at once, if the store never waits, or as a future. Dropped half way, the
    /// recording goes on as a task.
    pub(crate) fn settle(mut self, settlement: Settlement) -> Option<Elsewhere<()>> {
        self.phase = Phase::Ended;
        self.beat.ending();
        if settle::settle_now(&self, &settlement) {
            return None;
        }
        Some(Elsewhere::new(settle::settle(self, settlement)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        Telemetry::in_flight(-1);
        match self.phase {
            Phase::Unstarted => {
                settle::abandon(
                    &self.engine,
                    self.id().clone(),
                    self.reservation().clone(),
                    Unused::Won,
                );
            }
            // A panic, an abort, or a client that hung up.
            Phase::Running => Telemetry::dropped(self.id(), self.reservation().guarantee()),
            Phase::Ended => {}
        }
    }
}
