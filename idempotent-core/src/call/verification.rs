//! Reading a result back before it is recorded, and what follows if a replay would not return it.

use super::policy::Policy;
use crate::codec;
use crate::engine::{ReservationRef, Settlement, Telemetry};
use crate::error::{Error, ErrorKind};
use crate::model::{NotKept, Outcome};

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
        let encoded = match record.outcome() {
            // Behind the tag of its side.
            Outcome::Kept(payload) => payload.get(1..),
            Outcome::NotKept(NotKept::NotEncodable) => None,
            _ => return None,
        };
        let verified = match (result, self.err_comparison()) {
            (Ok(value), _) => self.ok_comparison().verify(value, encoded),
            (Err(error), Some(comparison)) => comparison.verify(error, encoded),
            (Err(_), None) => return None,
        };
        let mismatch = verified.err()?;
        *record = reservation.record.tombstone(NotKept::NotEncodable);
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
