//! Reading a result back before it is recorded, and what follows if a replay would not return it.

use super::policy::Policy;
use crate::codec;
use crate::engine::{HeldStep, ReservationRef, Settlement, StepEnd, Telemetry};
use crate::error::{Error, ErrorKind};
use crate::model::{NotKept, Outcome, StepStatus};

impl<T, E> Policy<T, E> {
    /// Checks that a replay of the record returns this result, if the engine asks for it. If not, the
    /// record becomes a tombstone, so that the body does not run again, and the error is for the
    /// caller.
    pub(super) fn verify(
        &self,
        result: &Result<T, E>,
        settlement: &mut Settlement,
        reservation: ReservationRef<'_>,
    ) -> Option<Error> {
        let Settlement::Complete { record, .. } = settlement else { return None };
        if !reservation.verify_results {
            return None;
        }
        let payload = match record.outcome() {
            Outcome::Kept(payload) => Some(payload),
            Outcome::NotKept(NotKept::NotEncodable) => None,
            _ => return None,
        };
        let error = self.compare(result, payload, reservation)?;
        *record = reservation.record.tombstone(NotKept::NotEncodable);
        Some(error)
    }

    /// The same for the entry of a step.
    pub(super) fn verify_step(
        &self,
        result: &Result<T, E>,
        end: &mut StepEnd,
        step: &HeldStep,
    ) -> Option<Error> {
        let (StepEnd::Final(entry), reservation) = (&mut *end, step.reservation()) else {
            return None;
        };
        if !reservation.verify_results {
            return None;
        }
        let payload = match entry.status() {
            StepStatus::Recorded => Some(entry.result()),
            StepStatus::NotKept(NotKept::NotEncodable) => None,
            _ => return None,
        };
        let error = self.compare(result, payload, reservation)?;
        *end = StepEnd::Final(step.not_kept(NotKept::NotEncodable));
        Some(error)
    }

    /// The error of a result that a replay of this payload would not return. Without a payload, it was not encodable.
    fn compare(
        &self,
        result: &Result<T, E>,
        payload: Option<&[u8]>,
        reservation: ReservationRef<'_>,
    ) -> Option<Error> {
        // Behind the tag of its side.
        let encoded = payload.and_then(|payload| payload.get(1..));
        let verified = match (result, self.err_comparison()) {
            (Ok(value), _) => self.ok_comparison().verify(value, encoded),
            (Err(error), Some(comparison)) => comparison.verify(error, encoded),
            (Err(_), None) => return None,
        };
        let mismatch = verified.err()?;
        let error = mismatch_error(*mismatch, reservation);
        Telemetry::not_replayable(reservation.id, &error);
        Some(error)
    }
}

fn mismatch_error(mismatch: codec::ReplayMismatch, reservation: ReservationRef<'_>) -> Error {
    Error::of(ErrorKind::NotReplayable, reservation.id)
        .detail(mismatch.to_string())
        .caused_by(mismatch)
}
