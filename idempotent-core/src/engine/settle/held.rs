//! [`HeldReservation`]: what the winner of a key holds. Settling the call consumes it; dropping it
//! also ends the call.

use std::mem;
#[cfg(feature = "consumer")]
use std::sync::Arc;

use tracing::Span;

#[cfg(feature = "consumer")]
use super::awaited_end::AwaitedEnd;
use super::discard::{Unused, discard};
use super::dropped::{Dropped, settle_dropped};
use super::resumption::Resumption;
use super::settlement::ReservationRef;
use crate::engine::idempotency::Idempotency;
use crate::engine::lease::{CurrentCall, LeaseHandle};
use crate::engine::limits::Seat;
use crate::engine::telemetry::{CallReport, Ended, KeyEnd, Telemetry};
use crate::model::{Guarantee, Record, RecordId, ScopeId, TraceParent};

/// A reservation that was won. Its lease is renewed as long as this lives.
pub(crate) struct HeldReservation {
    pub(in crate::engine) engine: Idempotency,
    pub(in crate::engine) lease: LeaseHandle,
    phase: Phase,
    /// Whether the engine has charged the call to its scope.
    pub(super) is_charged: bool,
    /// If this run resumes its call.
    pub(in crate::engine) resumption: Option<Box<Resumption>>,
    /// Of nothing, until the call takes the reservation over.
    pub(super) report: CallReport,
    /// Who wants to know what became of the key.
    #[cfg(feature = "consumer")]
    listener: Option<Arc<AwaitedEnd>>,
    /// Given back last.
    _seat: Seat,
}

/// How far the body has come, which decides what a drop means.
enum Phase {
    /// It was never polled: nothing happened.
    Unstarted,
    /// It may have had effects.
    Running,
    /// It is being polled. If this is dropped meanwhile, it has panicked.
    Polling,
    /// It has ended, and the caller's code encodes and judges its result. If this is dropped
    /// meanwhile, that code has panicked.
    Judging,
    /// It has ended, and its end is being recorded.
    Ended,
}

impl HeldReservation {
    pub(in crate::engine) fn new(
        engine: Idempotency,
        lease: LeaseHandle,
        (seat, is_charged): (Seat, bool),
    ) -> Self {
        Telemetry::in_flight(1);
        engine.0.in_flight.enter();
        let report = CallReport::default();
        Self {
            engine,
            lease,
            phase: Phase::Unstarted,
            is_charged,
            resumption: None,
            report,
            #[cfg(feature = "consumer")]
            listener: None,
            _seat: seat,
        }
    }

    /// Where the run before ran in a distributed trace, if this one resumes its call; once.
    pub(crate) fn take_resumed_from(&mut self) -> Option<TraceParent> {
        self.resumption.as_mut()?.trace_parent.take()
    }

    /// Where it is written what became of the key, once the store has said so. It stays empty as long as the store
    /// does not answer. A result is tried to be recorded for as long as somebody else has this, also after the lease.
    #[cfg(feature = "consumer")]
    pub(crate) fn listen(&mut self) -> Arc<AwaitedEnd> {
        Arc::clone(self.listener.get_or_insert_default())
    }

    /// Whether somebody still wants to know what became of the key.
    #[cfg(feature = "consumer")]
    pub(super) fn is_awaited(&self) -> bool {
        self.listener.as_ref().is_some_and(|listener| Arc::strong_count(listener) > 1)
    }

    /// Tells who waits that nobody tries to record the end any more, unless it is recorded.
    #[cfg(feature = "consumer")]
    fn give_up(&self) {
        if let Some(listener) = &self.listener {
            listener.set(KeyEnd::Lost);
        }
    }

    /// Nobody can ask without consumers.
    #[cfg(not(feature = "consumer"))]
    pub(super) const fn is_awaited(&self) -> bool {
        false
    }

    /// Reports what the store says became of the key.
    #[inline]
    pub(super) fn recorded(&mut self, end: KeyEnd) {
        #[cfg(feature = "consumer")]
        if let Some(listener) = &self.listener {
            listener.set(end);
        }
        self.report.ended(end);
    }

    /// Takes over what is reported of the call.
    #[inline]
    pub(crate) fn take_over(&mut self, report: &mut CallReport) {
        self.report = report.hand_over(self.lease.id());
    }

    /// The call's span, if somebody records it.
    pub(crate) fn span(&self) -> Option<Box<Span>> {
        self.report.span()
    }

    /// Marks that the body may have effects from now on.
    pub(crate) fn set_running(&mut self) {
        self.phase = Phase::Running;
    }

    /// Marks that the body is being polled, until [`set_running`](Self::set_running).
    pub(crate) fn set_polling(&mut self) {
        self.phase = Phase::Polling;
    }

    /// Marks that the body has ended, and that the caller's code looks at its result.
    pub(crate) fn set_judging(&mut self) {
        self.phase = Phase::Judging;
        self.report.body_ended(Ended::Returned);
    }

    /// Makes the body's future. This does not start the body, unless it panics: then it may have
    /// had effects.
    pub(crate) fn make_body<B>(&mut self, body: impl FnOnce() -> B) -> B {
        self.phase = Phase::Polling;
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

    /// A record of this reservation's key, as it is written.
    pub(super) fn seal(&self, record: &Record) -> Record {
        self.engine.seal(self.id(), record)
    }

    /// Whether records of this reservation's key are written with a MAC.
    pub(super) fn is_sealed(&self) -> bool {
        self.engine.0.authenticity.sealing_key().is_some()
    }

    /// The call that holds it, for its body.
    pub(crate) fn current_call(&self) -> CurrentCall {
        self.lease.current_call()
    }

    /// The HTTP status of the last call that the body made and that was refused.
    pub(crate) fn refused_status(&self) -> Option<u16> {
        self.lease.refused_status()
    }

    /// The engine that holds it.
    pub(crate) fn engine(&self) -> &Idempotency {
        &self.engine
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

    fn settle_dropped(&mut self, dropped: Dropped) {
        let mut report = mem::take(&mut self.report);
        let span = report.span();
        let _entered = span.as_deref().map(Span::enter);
        report.body_ended(match dropped {
            Dropped::Cancelled => Ended::Dropped,
            Dropped::Panicked | Dropped::Unjudged => Ended::Panicked,
        });
        self.lease.stop();
        let guarantee = self.reservation().guarantee();
        match dropped {
            Dropped::Panicked | Dropped::Cancelled => self.charge_unknown(guarantee),
            Dropped::Unjudged => {}
        }
        Telemetry::dropped(self.id(), guarantee, dropped != Dropped::Cancelled);
        let reservation = self.reservation();
        let input = Some(reservation).filter(|reservation| reservation.has_input());
        let (journaled, ttl) = (self.journaled().or(input), self.lease.ttl());
        settle_dropped(&self.engine, self.id(), reservation, journaled, ttl, dropped, report);
    }

    /// Tells the engine that the record is gone.
    pub(super) fn refund(&self) {
        if let Some(scope) = self.charged_scope() {
            self.engine.0.shares.refund(scope);
        }
    }

    /// Tells the engine that the record is completed, with this many bytes.
    pub(super) fn charge_completed(&self, bytes: usize) {
        if let Some(scope) = self.charged_scope() {
            self.engine.0.shares.completed(scope, bytes);
        }
    }

    /// Tells the engine that nobody knows, or soon may know, what the call did. Under *at least once* the
    /// record will be gone.
    pub(super) fn charge_unknown(&self, guarantee: Guarantee) {
        match self.charged_scope() {
            Some(scope) if guarantee.keeps_lapsed() => self.engine.0.shares.indeterminate(scope),
            Some(scope) => self.engine.0.shares.refund(scope),
            None => {}
        }
    }

    fn charged_scope(&self) -> Option<&ScopeId> {
        self.id().scope().filter(|_| self.is_charged)
    }

    /// Marks that the body has ended and that its end is being recorded.
    #[inline]
    pub(super) fn set_ended(&mut self) {
        self.phase = Phase::Ended;
        self.report.body_ended(Ended::Returned);
        self.lease.set_ending();
    }
}

impl Drop for HeldReservation {
    fn drop(&mut self) {
        Telemetry::in_flight(-1);
        match self.phase {
            Phase::Unstarted => {
                self.refund();
                discard(&self.engine, self.id().clone(), self.reservation().clone(), Unused::Won);
                self.report.ended(KeyEnd::Released);
            }
            Phase::Polling => self.settle_dropped(Dropped::Panicked),
            Phase::Judging => self.settle_dropped(Dropped::Unjudged),
            Phase::Running if std::thread::panicking() => self.settle_dropped(Dropped::Panicked),
            // An abort, or a client that disconnected.
            Phase::Running => self.settle_dropped(Dropped::Cancelled),
            Phase::Ended => {}
        }
        // Also if what recorded the end has panicked, or its runtime is gone.
        #[cfg(feature = "consumer")]
        self.give_up();
        // After what the drop began, which counts for itself.
        self.engine.0.in_flight.leave();
    }
}
