//! [`HeldReservation`]: what the winner of a key holds. Settling the call consumes it; dropping it
//! also ends the call.

use std::time::Duration;

use super::abandon::{Unused, abandon};
use super::settlement::ReservationRef;
use crate::engine::idempotency::Idempotency;
use crate::engine::lease::{CurrentCall, LeaseHandle};
use crate::engine::telemetry::Telemetry;
use crate::model::{Record, RecordId};

/// A reservation that was won. Its lease is renewed as long as this lives.
pub(crate) struct HeldReservation {
    pub(in crate::engine) engine: Idempotency,
    pub(in crate::engine) ttl: Duration,
    pub(in crate::engine) lease: LeaseHandle,
    phase: Phase,
}

/// How far the body has come, which decides what a drop means.
enum Phase {
    /// It was never polled: nothing happened.
    Unstarted,
    /// It may have had effects.
    Running,
    /// It has ended, and its end is being recorded.
    Ended,
}

impl HeldReservation {
    pub(in crate::engine) fn new(engine: Idempotency, ttl: Duration, lease: LeaseHandle) -> Self {
        Telemetry::in_flight(1);
        Self { engine, ttl, lease, phase: Phase::Unstarted }
    }

    /// Marks that the body may have effects from now on.
    pub(crate) fn set_running(&mut self) {
        self.phase = Phase::Running;
    }

    /// Makes the body's future. This does not start the body, unless it panics: then it may have
    /// had effects.
    pub(crate) fn make_body<B>(&mut self, body: impl FnOnce() -> B) -> B {
        self.phase = Phase::Running;
        let body = body();
        self.phase = Phase::Unstarted;
        body
    }

    pub(crate) fn id(&self) -> &RecordId {
        self.lease.id()
    }

    pub(crate) fn reservation(&self) -> &Record {
        self.lease.reservation()
    }

    /// The call that holds it, for its body.
    pub(crate) fn current_call(&self) -> CurrentCall {
        self.lease.current_call()
    }

    pub(crate) fn max_result_bytes(&self) -> usize {
        self.engine.settings().max_result_bytes
    }

    pub(crate) fn as_ref(&self) -> ReservationRef<'_> {
        ReservationRef {
            id: self.id(),
            record: self.reservation(),
            max_result_bytes: self.max_result_bytes(),
            verify_results: self.engine.settings().verify_results,
        }
    }

    /// Marks that the body has ended and that its end is being recorded.
    pub(super) fn set_ended(&mut self) {
        self.phase = Phase::Ended;
        self.lease.set_ending();
    }
}

impl Drop for HeldReservation {
    fn drop(&mut self) {
        Telemetry::in_flight(-1);
        match self.phase {
            Phase::Unstarted => {
                abandon(&self.engine, self.id().clone(), self.reservation().clone(), Unused::Won);
            }
            // A panic, an abort, or a client that disconnected.
            Phase::Running => Telemetry::dropped(self.id(), self.reservation().guarantee()),
            Phase::Ended => {}
        }
    }
}
