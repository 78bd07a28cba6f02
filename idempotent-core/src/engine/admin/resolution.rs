//! [`Resolution`]: what an operator says a call turned out to be.

use std::any;
use std::fmt;
use std::time::Duration;

use rmp_serde::encode::Error as EncodeError;
use serde::Serialize;

use crate::codec::{self, BinaryResult};
use crate::error::{Error, ErrorKind};
use crate::model::{Record, RecordBytes, RecordId, ResultTypes, StepEntry};

/// What a call turned out to be, for [`Idempotency::resolve`](crate::Idempotency::resolve).
///
/// ```
/// use std::time::Duration;
/// use idempotent_core::engine::Resolution;
///
/// // The effect happened. Retries replay this `Ok`.
/// let paid = Resolution::completed("receipt 7".to_owned());
/// // The call had failed for good. Retries replay this `Err`, if the operation memoizes errors.
/// let declined = Resolution::failed("card declined".to_owned()).keep_for(Duration::from_secs(3600));
/// // Nothing happened. Retries run the body.
/// let never = Resolution::never_happened_and_owner_is_dead();
/// ```
#[must_use = "a resolution does nothing until a record is resolved with it"]
pub struct Resolution(pub(super) Said);

pub(super) enum Said {
    NeverHappened,
    Ended(Ending),
}

/// How the call ended.
pub(super) struct Ending {
    /// Behind the tag of its side, as the codec writes it.
    payload: Result<RecordBytes, EncodeError>,
    type_name: &'static str,
    is_error: bool,
    is_binary: bool,
    checks_type: bool,
    version: Option<u32>,
    pub(super) ttl: Option<Duration>,
}

impl Resolution {
    /// The effect happened: retries replay this `Ok`. Its type must be that of the operation, or a reference to
    /// it.
    pub fn completed<T: Serialize>(value: T) -> Self {
        Self::encoded(codec::OK, &value, codec::encode, false)
    }

    /// The call had failed for good: retries replay this `Err`. The operation must memoize errors.
    pub fn failed<E: Serialize>(error: E) -> Self {
        Self::encoded(codec::ERR, &error, codec::encode, false)
    }

    /// Like [`completed`](Self::completed), for a value with an encoding of its own, such as the response of a gRPC
    /// method, or the [`StoredResponse`](crate::http::StoredResponse) of an HTTP layer.
    ///
    /// ```
    /// use idempotent_core::call::{BinaryResult, InvalidBytes};
    /// use idempotent_core::engine::Resolution;
    ///
    /// struct Frame(Vec<u8>);
    ///
    /// impl BinaryResult for Frame {
    ///     fn encode(&self, out: &mut Vec<u8>) {
    ///         out.extend_from_slice(&self.0);
    ///     }
    ///
    ///     fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes> {
    ///         Ok(Self(bytes.to_vec()))
    ///     }
    /// }
    ///
    /// let relayed = Resolution::completed_binary(&Frame(vec![7]));
    /// ```
    pub fn completed_binary<T: BinaryResult>(value: &T) -> Self {
        Self::encoded(codec::OK, value, codec::encode_binary, true)
    }

    /// Like [`failed`](Self::failed), for an error with an encoding of its own.
    pub fn failed_binary<E: BinaryResult>(error: &E) -> Self {
        Self::encoded(codec::ERR, error, codec::encode_binary, true)
    }

    /// The effect did not happen **and its owner is dead**: retries run the body. If the owner is alive after all,
    /// or a request of it is still on its way, the body may run twice. A call with
    /// [steps](crate::guide::calls_of_several_effects) keeps those that are recorded, and retries resume it; while a step is
    /// in doubt it is refused, since each of these needs [an answer of its own](crate::Idempotency::resolve_step). A call
    /// with an [input](crate::call::CallBuilder::resume) keeps its key, and a recovery or the next caller runs it.
    pub const fn never_happened_and_owner_is_dead() -> Self {
        Self(Said::NeverHappened)
    }

    /// How long retries replay the result, from now on. Default: the engine's
    /// [`ttl`](crate::IdempotencyBuilder::ttl).
    pub fn keep_for(mut self, ttl: Duration) -> Self {
        if let Said::Ended(ending) = &mut self.0 {
            ending.ttl = Some(ttl);
        }
        self
    }

    /// The [version](crate::Operation::version) of the result's schema that this value has. A record of another
    /// version is then refused with [`Incompatible`](crate::ErrorKind::Incompatible). Default: that of the record.
    pub fn of_version(mut self, version: u32) -> Self {
        if let Said::Ended(ending) = &mut self.0 {
            ending.version = Some(version);
        }
        self
    }

    /// Says that the value is encoded as the operation's own type is, though its name is another one: for instance a
    /// `serde_json::Value` in a tool, or a type that has moved to another module since. **Retries replay whatever it
    /// is**, or are refused with [`Indeterminate`](crate::ErrorKind::Indeterminate) if they cannot read it, which each
    /// of them logs at `ERROR`. Responses of HTTP and gRPC have an encoding of their own, so there it goes with
    /// [`completed_binary`](Self::completed_binary) alone.
    ///
    /// ```
    /// use idempotent_core::engine::Resolution;
    ///
    /// let receipt = serde_json::json!({ "number": 7 });
    /// let paid = Resolution::completed(receipt).of_any_type();
    /// ```
    pub fn of_any_type(mut self) -> Self {
        if let Said::Ended(ending) = &mut self.0 {
            ending.checks_type = false;
        }
        self
    }

    pub(in crate::engine) const fn says_never_happened(&self) -> bool {
        matches!(self.0, Said::NeverHappened)
    }

    fn encoded<V>(
        tag: u8,
        value: &V,
        encode: fn(u8, &V, &mut RecordBytes) -> Result<(), EncodeError>,
        is_binary: bool,
    ) -> Self {
        let mut payload = RecordBytes::new();
        let encoded = encode(tag, value, &mut payload);
        Self(Said::Ended(Ending {
            payload: encoded.map(|()| payload),
            type_name: owned_name(any::type_name::<V>()),
            is_error: tag == codec::ERR,
            is_binary,
            checks_type: true,
            version: None,
            ttl: None,
        }))
    }
}

impl Ending {
    /// The result, if it may be that of this record's call.
    pub(super) fn payload_for(self, id: &RecordId, record: &Record) -> Result<RecordBytes, Error> {
        if let Some(version) = self.version.filter(|version| *version != record.version()) {
            return Err(not_applied(ErrorKind::Incompatible, id).detail(format!(
                "it has version {}, and the resolution version {version}",
                record.version()
            )));
        }
        if let Some(wrong) =
            record.result_types().and_then(|types| self.find_mismatch(types, "operation"))
        {
            return Err(not_applied(ErrorKind::Encode, id).detail(wrong));
        }
        self.payload.map_err(|error| {
            not_applied(ErrorKind::Encode, id).detail("it cannot be encoded").caused_by(error)
        })
    }

    /// The same for a step.
    pub(super) fn payload_of_step(
        self,
        id: &RecordId,
        step: &StepEntry,
    ) -> Result<RecordBytes, Error> {
        if let Some(version) = self.version.filter(|version| *version != step.version()) {
            return Err(not_applied(ErrorKind::Incompatible, id).detail(format!(
                "step `{}` has version {}, and the resolution version {version}",
                step.name(),
                step.version()
            )));
        }
        if let Some(wrong) = step.result_types().and_then(|types| self.find_mismatch(types, "step"))
        {
            let why = format!("step `{}`: {wrong}", step.name());
            return Err(not_applied(ErrorKind::Encode, id).detail(why));
        }
        self.payload.map_err(|error| {
            not_applied(ErrorKind::Encode, id).detail("it cannot be encoded").caused_by(error)
        })
    }

    /// What is wrong with the type, if anything.
    fn find_mismatch(&self, types: ResultTypes<'_>, whose: &str) -> Option<String> {
        let (side, expected) =
            if self.is_error { ("Err", types.err) } else { ("Ok", Some(types.ok)) };
        let constructor = expected.and_then(|expected| binary_constructor(expected, self.is_error));
        let is_misencoded = constructor.is_some() && !self.is_binary;
        if !self.checks_type && !is_misencoded {
            return None;
        }
        let Some(expected) = expected else {
            return Some(format!(
                "the {whose} does not memoize errors, so no retry could replay this one"
            ));
        };
        let own = self.type_name;
        (is_misencoded || !ResultTypes::is_name(expected, own)).then(|| {
            let advice = match constructor {
                Some(constructor) => format!("use `Resolution::{constructor}`"),
                None => "see `of_any_type`".to_owned(),
            };
            format!("the {whose}'s `{side}` is a `{expected}`, and this is a `{own}`: {advice}")
        })
    }
}

/// How a resolution is made to a type of this name, if it is the response of HTTP or gRPC, whose encoding is its own.
fn binary_constructor(name: &str, is_error: bool) -> Option<&'static str> {
    let is_http = name.starts_with("idempotent_core::http::") && name.ends_with("::StoredResponse");
    let is_grpc = name.starts_with("tonic::");
    match is_error {
        false if is_http => Some("completed_binary(&StoredResponse::new(…))"),
        false if is_grpc => Some("completed_binary(&Response::new(…))"),
        true if is_grpc => Some("failed_binary(&Status::new(…))"),
        _ => None,
    }
}

/// The error of a resolution that does nothing.
pub(super) fn not_applied(kind: ErrorKind, id: &RecordId) -> Error {
    Error::of(kind, id).summarized("the resolution was not applied")
}

/// The name of the type that a reference of this name is one to, as a retry owns it.
fn owned_name(name: &'static str) -> &'static str {
    match name.trim_start_matches('&') {
        "str" => any::type_name::<String>(),
        name => name,
    }
}

impl fmt::Debug for Resolution {
    /// Omits the value, which may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Said::NeverHappened => f.write_str("NeverHappened"),
            Said::Ended(ending) => f
                .debug_struct(if ending.is_error { "Failed" } else { "Completed" })
                .field("type_name", &ending.type_name)
                .field("version", &ending.version)
                .field("ttl", &ending.ttl)
                .finish_non_exhaustive(),
        }
    }
}
