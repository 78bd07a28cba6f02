//! What a typed call does with results: their disposition, their bytes, and refusals.
//!
//! Function pointers, so that the bounds they need are asked where the type is said and nowhere
//! else.

use std::borrow::Cow;
use std::time::Duration;

use rmp_serde::decode::Error as DecodeError;
use rmp_serde::encode::Error as EncodeError;

use super::returned::{Encoded, Stored};
use crate::codec;
use crate::disposition::Disposition;
use crate::engine::{Ending, Held, Settlement, Telemetry, Within};
use crate::error::{Error, ErrorKind};
use crate::record::{NotKept, Outcome, Record, RecordBytes, RecordId};
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
        T: Stored,
    {
        Self { refusal, ok: Side::new(), err: None, rule: Rule::OkOnly }
    }

    pub(super) fn encoded(refusal: fn(Error) -> E) -> Self
    where
        T: Encoded,
    {
        Self { refusal, ok: Side::encoded(), err: None, rule: Rule::OkOnly }
    }

    pub(super) fn memoize_errors(&mut self)
    where
        E: Stored,
    {
        self.err = Some(Side::new());
        self.rule = Rule::All;
    }

    pub(super) fn memoize(&mut self, disposition: fn(&Result<T, E>) -> Disposition)
    where
        E: Stored,
    {
        self.err = Some(Side::new());
        self.rule = Rule::Path(disposition);
    }

    pub(super) fn memoize_encoded(&mut self, disposition: fn(&E) -> Disposition)
    where
        E: Encoded,
    {
        self.err = Some(Side::encoded());
        self.rule = Rule::OnError(disposition);
    }

    pub(super) fn on_error(&mut self, disposition: fn(&E) -> Disposition) {
        self.rule = Rule::OnError(disposition);
    }

    pub(super) fn refusal(&self) -> fn(Error) -> E {
        self.refusal
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

    /// What becomes of the key, now that the body gave `result`.
    pub(super) fn settlement(&self, result: &Result<T, E>, held: &Held) -> Settlement {
        self.settle_as(result, &held.ending(), self.disposition(result))
    }

    /// What becomes of the record within a transaction. An error that no function of the caller's has
    /// looked at may be a serialization failure where those can happen, and is not kept there.
    pub(super) fn settlement_within(&self, result: &Result<T, E>, within: &Within) -> Settlement {
        let unseen = matches!(self.rule, Rule::All) && result.is_err();
        match within.isolation() {
            Isolation::Snapshot if unseen => Settlement::Release,
            _ => self.settle_as(result, &within.ending(), self.disposition(result)),
        }
    }

    /// What becomes of the key, with the disposition said by the caller.
    pub(super) fn settlement_as(
        &self,
        result: &Result<T, E>,
        held: &Held,
        disposition: Disposition,
    ) -> Settlement {
        self.settle_as(result, &held.ending(), disposition)
    }

    fn settle_as(
        &self,
        result: &Result<T, E>,
        ending: &Ending<'_>,
        disposition: Disposition,
    ) -> Settlement {
        match disposition {
            Disposition::Keep => self.completion(result, ending, None),
            Disposition::KeepFor(ttl) => self.completion(result, ending, Some(ttl)),
            Disposition::Release => Settlement::Release,
            Disposition::Hold => Settlement::Hold,
        }
    }

    fn completion(
        &self,
        result: &Result<T, E>,
        ending: &Ending<'_>,
        ttl: Option<Duration>,
    ) -> Settlement {
        let Ending { id, reservation, max_result_bytes } = *ending;
        let ended = reservation.completed_with(max_result_bytes, |out| match (result, &self.err) {
            (Ok(value), _) => (self.ok.encode)(codec::OK, value, out).map_err(Some),
            (Err(error), Some(side)) => (side.encode)(codec::ERR, error, out).map_err(Some),
            (Err(_), None) => Err(None),
        });
        let record = ended.unwrap_or_else(|error| match error {
            Some(error) => {
                Telemetry::not_encodable(id, &error);
                reservation.tombstone(NotKept::NotEncodable)
            }
            None => reservation.tombstone(NotKept::NotMemoized),
        });
        if record.outcome() == Outcome::NotKept(NotKept::TooLarge) {
            Telemetry::not_kept(id, NotKept::TooLarge.as_str());
        }
        Settlement::Complete { record, ttl }
    }

    /// A tombstone that its caller asks for.
    pub(super) fn withheld(held: &Held, ttl: Option<Duration>) -> Settlement {
        let why = NotKept::Withheld;
        Telemetry::not_kept(held.id(), why.as_str());
        Settlement::Complete { record: held.reservation().tombstone(why), ttl }
    }

    /// The memoized result of a completed record.
    pub(super) fn replay(&self, id: &RecordId, record: &Record) -> Result<Result<T, E>, Error> {
        let Outcome::Kept(payload) = record.outcome() else {
            return Err(Error::of(ErrorKind::Incompatible, id));
        };
        let decoded = match (payload.split_first(), &self.err) {
            (Some((&codec::OK, value)), _) => (self.ok.decode)(value).map(Ok),
            (Some((&codec::ERR, error)), Some(side)) => (side.decode)(error).map(Err),
            (Some((&codec::ERR, _)), None) => {
                return Err(Error::of(ErrorKind::Decode, id)
                    .detail("it is an error, and this version of the operation memoizes none"));
            }
            _ => return Err(Error::of(ErrorKind::Decode, id).detail("it has no result")),
        };
        decoded.map_err(|error| Error::of(ErrorKind::Decode, id).detail(complaint(error)))
    }
}

/// What a decoder's error may tell. Most quote the value they choke on, which may be another
/// caller's result; only the lack of a field speaks of this call's own type.
fn complaint(error: DecodeError) -> Cow<'static, str> {
    match error {
        DecodeError::Syntax(text) if text.starts_with("missing field") => text.into(),
        DecodeError::DepthLimitExceeded => "it is nested too deep".into(),
        _ => "it is not a value of this call's type".into(),
    }
}

impl<V: Stored> Side<V> {
    fn new() -> Self {
        Self { encode: codec::encode::<V>, decode: codec::decode::<V> }
    }
}

impl<V: Encoded> Side<V> {
    fn encoded() -> Self {
        Self { encode: codec::encode_own::<V>, decode: codec::decode_own::<V> }
    }
}
