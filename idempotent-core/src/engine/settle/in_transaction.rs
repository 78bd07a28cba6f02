//! [`TransactionReservation`]: the reservation of a call in its caller's transaction, and its end.
//!
//! There is no lease, no renewal and no release in the background. Everything that happens to the
//! record happens on the caller's connection, between the body's own statements, so the record is
//! committed or rolled back with them.

use std::mem;
use std::time::Duration;

use tracing::Span;

use super::settlement::{ReservationRef, Settlement};
use crate::engine::idempotency::Idempotency;
use crate::engine::lease::CurrentCall;
use crate::engine::telemetry::{CallReport, Ended, KeyEnd, Telemetry, Transition};
use crate::error::{Error, ErrorKind};
use crate::model::{Record, RecordId};
use crate::store::{
    Complete, Isolation, Release, RunningCall, StoreError, StoreErrorKind, Transaction,
    TransactionContext,
};

/// A reservation in a transaction. If it is dropped before its end, the transaction cannot be
/// committed.
pub(crate) struct TransactionReservation {
    engine: Idempotency,
    id: RecordId,
    reservation: Record,
    ttl: Duration,
    isolation: Isolation,
    current: CurrentCall,
    /// Ends with this value.
    _running: RunningCall,
    ended: bool,
    report: CallReport,
}

impl TransactionReservation {
    pub(in crate::engine) fn new(
        engine: Idempotency,
        id: RecordId,
        reservation: Record,
        ttl: Duration,
        isolation: Isolation,
        depth: u32,
        running: RunningCall,
    ) -> Self {
        Telemetry::in_flight(1);
        let current = CurrentCall::in_transaction(id.clone(), reservation.token(), depth);
        let report = CallReport::default();
        Self {
            engine,
            id,
            reservation,
            ttl,
            isolation,
            current,
            _running: running,
            ended: false,
            report,
        }
    }

    /// Takes over what is reported of the call.
    pub(crate) fn take_over(&mut self, report: &mut CallReport) {
        self.report = report.hand_over(&self.id);
    }

    /// Gives the report back, at the end of the body.
    pub(crate) fn take_report(&mut self) -> CallReport {
        self.report.body_ended(Ended::Returned);
        mem::take(&mut self.report)
    }

    pub(crate) fn id(&self) -> &RecordId {
        &self.id
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The call that holds it, for its body.
    pub(crate) fn current_call(&self) -> CurrentCall {
        self.current.clone()
    }

    /// The HTTP status of the last call that the body made and that was refused.
    pub(crate) fn refused_status(&self) -> Option<u16> {
        self.current.refused_status()
    }

    pub(crate) fn as_ref(&self) -> ReservationRef<'_> {
        ReservationRef {
            id: &self.id,
            record: &self.reservation,
            max_result_bytes: self.engine.settings().max_result_bytes,
            verify_results: self.engine.settings().verify_results,
        }
    }

    /// Records the end. With `undo`, it first undoes the body's effects.
    pub(crate) async fn settle(
        mut self,
        tx: &mut dyn Transaction,
        settlement: Settlement,
        undo: bool,
    ) -> Result<(), Error> {
        let settled = self.try_settle(tx, settlement, undo).await;
        self.ended = true;
        settled.map_err(|error| transaction_error(&self.id, error))
    }

    async fn try_settle(
        &self,
        tx: &mut dyn Transaction,
        settlement: Settlement,
        undo: bool,
    ) -> Result<(), StoreError> {
        let (engine, limit) = (&self.engine.0, self.engine.settings().store_timeout);
        let Some(tables) = self.engine.store().tables() else {
            return Err(StoreError::new(
                StoreErrorKind::Mismatch,
                "the store no longer supports calls in a transaction",
            ));
        };
        let context = TransactionContext::new(tables, self.current.depth());
        if undo {
            engine.call(Transition::Release, limit, tx.undo(&context)).await?;
        }
        match settlement {
            Settlement::Complete { record, ttl } => {
                let ttl = ttl.unwrap_or(self.ttl);
                let record = self.engine.seal(&self.id, &record);
                self.current.report_recorded(ttl);
                let request = Complete::new(&self.id, &self.reservation, &record, ttl);
                engine.call(Transition::Complete, limit, tx.complete(&context, &request)).await
            }
            Settlement::Release
            | Settlement::Unknown(_)
            | Settlement::HoldForLease
            | Settlement::Suspend(_) => {
                let request = Release::new(&self.id, &self.reservation);
                engine.call(Transition::Release, limit, tx.release(&context, &request)).await
            }
        }
    }
}

impl Drop for TransactionReservation {
    fn drop(&mut self) {
        Telemetry::in_flight(-1);
        if !self.ended {
            // A panic, or a client that disconnected.
            let span = self.report.span();
            let _entered = span.as_deref().map(Span::enter);
            let panicked = std::thread::panicking();
            Telemetry::dropped_in_transaction(&self.id, panicked);
            self.report.body_ended(if panicked { Ended::Panicked } else { Ended::Dropped });
            // The transaction cannot be committed, so nothing of the call is left.
            self.report.ended(KeyEnd::Released);
        }
    }
}

/// The error of a call whose transaction failed.
pub(in crate::engine) fn transaction_error(id: &RecordId, error: StoreError) -> Error {
    let kind = match error.kind() {
        StoreErrorKind::Malformed => ErrorKind::Incompatible,
        StoreErrorKind::Mismatch => ErrorKind::Misconfigured,
        _ => ErrorKind::Store,
    };
    let pause = match error.kind() {
        StoreErrorKind::Conflict => Some(Duration::ZERO),
        _ if kind == ErrorKind::Store => Some(Duration::from_secs(1)),
        _ => None,
    };
    let ended = match error.kind() {
        // The store is well.
        StoreErrorKind::Conflict | StoreErrorKind::RolledBack => {
            Error::of(kind, id).summarized("the transaction cannot be committed")
        }
        _ => Error::of(kind, id),
    };
    ended.detail(error.to_string()).retry_in(pause).caused_by(error)
}
