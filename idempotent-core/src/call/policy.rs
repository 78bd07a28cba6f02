//! How a typed call handles results: their disposition, their bytes, and refusals.
//!
//! It holds function pointers, so that the bounds that they need are required only where the type
//! is named.

use std::any;
use std::borrow::Cow;
use std::time::Duration;

use rmp_serde::decode::Error as DecodeError;
use rmp_serde::encode::Error as EncodeError;

use super::bounds::Memoizable;
use crate::codec::{self, BinaryResult, Comparison};
use crate::engine::{
    CompletedRecord, HeldReservation, HeldStep, RecordedStep, ReservationRef, Settlement, StepEnd,
    SuspendEnd, Telemetry, TransactionReservation, UnknownEnd,
};
use crate::error::{Error, ErrorKind};
use crate::model::{Disposition, NotKept, Outcome, RecordBytes, StepEntry, StepStatus};
use crate::store::Isolation;

pub(super) struct Policy<T, E> {
    refusal: fn(Error) -> E,
    ok: Side<T>,
    /// Set once errors are memoized.
    err: Option<Side<E>>,
    rule: Rule<T, E>,
}

/// The codec of one side of the result.
struct Side<V> {
    encode: fn(u8, &V, &mut RecordBytes) -> Result<(), EncodeError>,
    decode: fn(&[u8]) -> Result<V, DecodeError>,
    comparison: Comparison<V>,
}

enum Rule<T, E> {
    OkOnly,
    OnError(fn(&E) -> Disposition),
    All,
    Path(fn(&Result<T, E>) -> Disposition),
}

impl<T, E> Policy<T, E> {
    pub(super) fn new(refusal: fn(Error) -> E) -> Self
    where
        T: Memoizable,
    {
        Self { refusal, ok: Side::new(), err: None, rule: Rule::OkOnly }
    }

    pub(super) fn binary(refusal: fn(Error) -> E) -> Self
    where
        T: BinaryResult,
    {
        Self { refusal, ok: Side::binary(), err: None, rule: Rule::OkOnly }
    }

    pub(super) fn memoize_errors(&mut self)
    where
        E: Memoizable,
    {
        self.err = Some(Side::new());
        self.rule = Rule::All;
    }

    pub(super) fn memoize(&mut self, disposition: fn(&Result<T, E>) -> Disposition)
    where
        E: Memoizable,
    {
        self.err = Some(Side::new());
        self.rule = Rule::Path(disposition);
    }

    pub(super) fn memoize_binary_errors(&mut self, disposition: fn(&E) -> Disposition)
    where
        E: BinaryResult,
    {
        self.err = Some(Side::binary());
        self.rule = Rule::OnError(disposition);
    }

    pub(super) fn on_error(&mut self, disposition: fn(&E) -> Disposition) {
        self.rule = Rule::OnError(disposition);
    }

    /// Replaces how an `Ok` is compared with what is read back.
    pub(super) fn compare_ok(&mut self, comparison: Comparison<T>) {
        self.ok.comparison = comparison;
    }

    /// The same for an `Err`, if errors are memoized.
    pub(super) fn compare_err(&mut self, comparison: Comparison<E>) {
        if let Some(err) = &mut self.err {
            err.comparison = comparison;
        }
    }

    pub(super) fn ok_comparison(&self) -> Comparison<T> {
        self.ok.comparison
    }

    pub(super) fn err_comparison(&self) -> Option<Comparison<E>> {
        self.err.as_ref().map(|err| err.comparison)
    }

    pub(super) fn refuse(&self, error: Error) -> Result<T, E> {
        Err((self.refusal)(error))
    }

    fn disposition(&self, result: &Result<T, E>) -> Disposition {
        match (&self.rule, result) {
            (Rule::Path(rule), result) => rule(result),
            (Rule::All, _) | (_, Ok(_)) => Disposition::Keep,
            (Rule::OnError(rule), Err(error)) => rule(error),
            (Rule::OkOnly, Err(_)) => Disposition::Release,
        }
    }

    /// What happens to the key, now that the body has returned `result`.
    pub(super) fn settlement(&self, result: &Result<T, E>, held: &HeldReservation) -> Settlement {
        // An error that no function of the caller's has looked at may be the refusal of a call that
        // the body made, and refusals are never kept.
        if matches!(self.rule, Rule::All) && result.is_err() && held.refused_status().is_some() {
            return Settlement::Unknown(UnknownEnd::default());
        }
        self.settle_as(result, held.as_ref(), self.disposition(result))
    }

    /// What a step's result means.
    pub(super) fn end_of_step(&self, result: &Result<T, E>, step: &HeldStep) -> StepEnd {
        // As in `settlement`.
        if matches!(self.rule, Rule::All) && result.is_err() && step.refused_status().is_some() {
            return StepEnd::Unknown;
        }
        match self.disposition(result) {
            Disposition::Keep | Disposition::KeepFor(_) => StepEnd::Final(self.entry(result, step)),
            Disposition::Release => StepEnd::Failed,
            Disposition::Unknown => StepEnd::Unknown,
            Disposition::HoldForLease => StepEnd::HoldForLease,
            Disposition::Suspend => StepEnd::Suspend,
        }
    }

    fn entry(&self, result: &Result<T, E>, step: &HeldStep) -> StepEntry {
        let reservation = step.reservation();
        let recorded = step.recorded(|out| self.encode(result, out));
        let entry =
            recorded.unwrap_or_else(|error| step.not_kept(not_kept(error.as_ref(), reservation)));
        if entry.status() == StepStatus::NotKept(NotKept::TooLarge) {
            Telemetry::not_kept(reservation.id, NotKept::TooLarge.as_str());
        }
        entry
    }

    /// What happens to the record in a transaction. Where serialization failures can happen, an
    /// error that no function of the caller's has looked at may be one, and is not kept.
    pub(super) fn settlement_in_transaction(
        &self,
        result: &Result<T, E>,
        reservation: &TransactionReservation,
    ) -> Settlement {
        let unseen = matches!(self.rule, Rule::All) && result.is_err();
        match reservation.isolation() {
            Isolation::Snapshot if unseen => Settlement::Release,
            _ if unseen && reservation.refused_status().is_some() => Settlement::Release,
            _ => self.settle_as(result, reservation.as_ref(), self.disposition(result)),
        }
    }

    /// What happens to the key, with a disposition that the caller chose.
    pub(super) fn settlement_as(
        &self,
        result: &Result<T, E>,
        held: &HeldReservation,
        disposition: Disposition,
    ) -> Settlement {
        self.settle_as(result, held.as_ref(), disposition)
    }

    fn settle_as(
        &self,
        result: &Result<T, E>,
        reservation: ReservationRef<'_>,
        disposition: Disposition,
    ) -> Settlement {
        match disposition {
            Disposition::Keep => self.completion(result, reservation, None),
            Disposition::KeepFor(ttl) => self.completion(result, reservation, Some(ttl)),
            Disposition::Release => Settlement::Release,
            Disposition::Unknown => Settlement::Unknown(UnknownEnd::default()),
            Disposition::HoldForLease => Settlement::HoldForLease,
            Disposition::Suspend => Settlement::Suspend(SuspendEnd::asked_for()),
        }
    }

    fn completion(
        &self,
        result: &Result<T, E>,
        reservation: ReservationRef<'_>,
        ttl: Option<Duration>,
    ) -> Settlement {
        let ReservationRef { id, record: before, max_result_bytes, .. } = reservation;
        let ended = before.completed_with(max_result_bytes, |out| self.encode(result, out));
        let record = ended.unwrap_or_else(|error| {
            reservation.record.tombstone(not_kept(error.as_ref(), reservation))
        });
        if !record.has_result() && record.outcome() == Outcome::NotKept(NotKept::TooLarge) {
            Telemetry::not_kept(id, NotKept::TooLarge.as_str());
        }
        Settlement::Complete { record, ttl }
    }

    /// Appends the bytes of a result. It fails without an error if it is one that is not memoized.
    #[inline]
    fn encode(
        &self,
        result: &Result<T, E>,
        out: &mut RecordBytes,
    ) -> Result<(), Option<EncodeError>> {
        match (result, &self.err) {
            (Ok(value), _) => (self.ok.encode)(codec::OK, value, out).map_err(Some),
            (Err(error), Some(side)) => (side.encode)(codec::ERR, error, out).map_err(Some),
            (Err(_), None) => Err(None),
        }
    }

    /// A tombstone that the caller asked for.
    pub(super) fn without_result(
        held: &HeldReservation,
        why: NotKept,
        ttl: Option<Duration>,
    ) -> Settlement {
        Telemetry::not_kept(held.id(), why.as_str());
        Settlement::Complete { record: held.reservation().tombstone(why), ttl }
    }

    /// The memoized result of a completed record.
    pub(super) fn replay(&self, completed: &CompletedRecord) -> Result<Result<T, E>, Error> {
        let CompletedRecord { id, record } = completed;
        let Outcome::Kept(payload) = record.outcome() else {
            return Err(Error::of(ErrorKind::Incompatible, id));
        };
        self.decode(payload).map_err(|why| match payload.first() {
            Some(&codec::ERR) if self.err.is_some() => undecodable::<E>(completed, why),
            _ => undecodable::<T>(completed, why),
        })
    }

    /// The recorded result of a step.
    pub(super) fn replay_step(&self, recorded: &RecordedStep) -> Result<Result<T, E>, Error> {
        self.decode(recorded.result()).map_err(|why| recorded.unreadable(&why))
    }

    /// Reads the bytes of a result, or says why it cannot.
    fn decode(&self, payload: &[u8]) -> Result<Result<T, E>, Cow<'static, str>> {
        let decoded = match (payload.split_first(), &self.err) {
            (Some((&codec::OK, value)), _) => (self.ok.decode)(value).map(Ok),
            (Some((&codec::ERR, error)), Some(side)) => (side.decode)(error).map(Err),
            (Some((&codec::ERR, _)), None) => {
                return Err("it is an error, and this operation does not memoize errors".into());
            }
            _ => return Err("its format is unknown".into()),
        };
        decoded.map_err(decode_failure)
    }
}

/// Why a result is not kept that could not be encoded, or that is not memoized.
#[cold]
fn not_kept(error: Option<&EncodeError>, reservation: ReservationRef<'_>) -> NotKept {
    let Some(error) = error else { return NotKept::NotMemoized };
    // Otherwise the caller is told, and the log says that.
    if !reservation.verify_results {
        Telemetry::not_encodable(reservation.id, error);
    }
    NotKept::NotEncodable
}

/// The error of a result that cannot be decoded as a `V`. What somebody has resolved the call to can be corrected, and the
/// call is in doubt until then.
#[cold]
fn undecodable<V>(
    CompletedRecord { id, record }: &CompletedRecord,
    why: Cow<'static, str>,
) -> Error {
    if record.is_resolved() {
        Telemetry::unreadable_resolution(id, any::type_name::<V>());
        return Error::of(ErrorKind::Indeterminate, id).detail(format!(
            "it was resolved to a result that this call cannot read: {why}; correct it"
        ));
    }
    Error::of(ErrorKind::Decode, id).detail(why)
}

/// The part of a decoder's error that may be shown. Most errors quote the value at fault, which may
/// be another caller's result; only a missing field says something about this call's own type.
fn decode_failure(error: DecodeError) -> Cow<'static, str> {
    match error {
        DecodeError::Syntax(text) if text.starts_with("missing field") => text.into(),
        DecodeError::DepthLimitExceeded => "it is nested too deeply".into(),
        _ => "it is not a value of this call's type".into(),
    }
}

impl<V: Memoizable> Side<V> {
    fn new() -> Self {
        Self {
            encode: codec::encode::<V>,
            decode: codec::decode::<V>,
            comparison: Comparison::by_encoding(),
        }
    }
}

impl<V: BinaryResult> Side<V> {
    fn binary() -> Self {
        Self {
            encode: codec::encode_binary::<V>,
            decode: codec::decode_binary::<V>,
            comparison: Comparison::by_decoding(),
        }
    }
}
