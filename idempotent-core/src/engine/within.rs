//! A call within a transaction of its caller's: no lease, no heartbeat, no release behind its back.
//!
//! Everything that happens to the record happens on the caller's connection, between the body's own
//! statements, so whatever becomes of the transaction becomes of the record.

use std::time::Duration;

use super::attempt::at_hand;
use super::attempt::{Attempt, Found};
use super::check::Standing;
use super::prepare::{Prepared, Request};
use super::settle::{Ending, Settlement};
use super::telemetry::{Telemetry, Transition};
use super::{Current, Idempotency};
use crate::error::{Error, ErrorKind};
use crate::record::{Guarantee, Record, RecordId};
use crate::store::{
    Complete, Isolation, Joined, Place, Release, Reserve, StoreError, StoreErrorKind, Transaction,
};

/// What a call within a transaction came to before its body.
pub(crate) enum Admission {
    /// It was run before: decode this.
    Replay(Found),
    /// The caller runs the body.
    Won(Within),
}

/// A reservation in a transaction. Dropped before its end, it leaves a transaction that cannot be
/// committed.
pub(crate) struct Within {
    engine: Idempotency,
    id: RecordId,
    reservation: Record,
    ttl: Duration,
    isolation: Isolation,
    current: Current,
    ended: bool,
}

/// Asks within the transaction who runs the body.
pub(crate) async fn admit(
    mut request: Box<Request>,
    tx: &mut dyn Transaction,
) -> Result<Admission, Error> {
    request.operation.guarantee = Guarantee::ExactlyOnce;
    let prepared = request.prepare()?;
    let engine = prepared.engine.clone();
    let Some(tables) = engine.store().tables() else {
        return Err(Error::of(ErrorKind::Misconfigured, &prepared.id)
            .detail("the engine's store keeps no records where a transaction could reach them"));
    };
    if let Some(entry) = engine.store().at_hand(&prepared.id) {
        return match at_hand(&prepared, entry)? {
            Attempt::Replay(found) => Ok(Admission::Replay(found)),
            _ => Err(prepared.in_progress(None)),
        };
    }
    let depth = super::current().map_or(0, |call| call.depth()).saturating_add(1);
    let place = Place::new(tables, depth);
    let request = Reserve::new(&prepared.id, prepared.envelope());
    let wait = prepared.operation().wait.filter(|wait| !wait.is_zero());
    let limit = engine.settings().store_timeout.saturating_add(wait.unwrap_or_default());
    let call = tx.reserve(&place, &request, wait);
    match engine.0.call_for(Transition::Reserve, limit, call).await {
        Ok(Joined::Won(isolation)) => {
            let reservation = request.into_written().record;
            Ok(Admission::Won(Within::new(prepared, reservation, isolation, depth)))
        }
        Ok(Joined::Taken(entry)) => match prepared.check(entry)? {
            Standing::Completed(record) => Ok(Admission::Replay(Found { id: prepared.id, record })),
            Standing::InProgress { remaining, .. } => Err(prepared.in_progress(remaining)),
        },
        Ok(Joined::Busy) => Err(prepared.in_progress(None)),
        Err(error) => Err(failed(&prepared.id, error)),
    }
}

impl Within {
    fn new(prepared: Prepared, reservation: Record, isolation: Isolation, depth: u32) -> Self {
        let Prepared { engine, id, ttl, .. } = prepared;
        Telemetry::in_flight(1);
        let current = Current::within(id.clone(), reservation.token(), depth);
        Self { engine, id, reservation, ttl, isolation, current, ended: false }
    }

    pub(crate) fn id(&self) -> &RecordId {
        &self.id
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The call that holds it, for its body.
    pub(crate) fn current(&self) -> Current {
        self.current.clone()
    }

    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending {
            id: &self.id,
            reservation: &self.reservation,
            max_result_bytes: self.engine.settings().max_result_bytes,
        }
    }

    /// Records the end, after the effects of a body that failed are undone.
    pub(crate) async fn settle(
        mut self,
        tx: &mut dyn Transaction,
        settlement: Settlement,
        undo: bool,
    ) -> Result<(), Error> {
        let settled = self.try_settle(tx, settlement, undo).await;
        self.ended = true;
        settled.map_err(|error| failed(&self.id, error))
    }

    async fn try_settle(
        &self,
        tx: &mut dyn Transaction,
        settlement: Settlement,
        undo: bool,
    ) -> Result<(), StoreError> {
        let (engine, limit) = (&self.engine.0, self.engine.settings().store_timeout);
        let Some(tables) = self.engine.store().tables() else {
            return Err(StoreError::new(StoreErrorKind::Mismatch, "the store's tables are gone"));
        };
        let place = Place::new(tables, self.current.depth());
        if undo {
            engine.call(Transition::Release, limit, tx.undo(&place)).await?;
        }
        match settlement {
            Settlement::Complete { record, ttl } => {
                let ttl = ttl.unwrap_or(self.ttl);
                let request = Complete::new(&self.id, &self.reservation, &record, ttl);
                engine.call(Transition::Complete, limit, tx.complete(&place, &request)).await
            }
            Settlement::Release | Settlement::Hold => {
                let request = Release::new(&self.id, &self.reservation);
                engine.call(Transition::Release, limit, tx.release(&place, &request)).await
            }
        }
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        Telemetry::in_flight(-1);
        if !self.ended {
            // A panic, or a client that hung up.
            Telemetry::dropped_within(&self.id);
        }
    }
}

fn failed(id: &RecordId, error: StoreError) -> Error {
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
    Error::of(kind, id).detail(error.to_string()).retry_in(pause).caused_by(error)
}
