//! From a call's options to what an attempt needs: its identity and its effective policy.

use std::time::Duration;

use super::effective_policy::EffectivePolicy;
use super::input;
use super::request::Request;
use crate::codec::Digest;
use crate::engine::idempotency::Idempotency;
use crate::engine::limits::{Seat, WaiterSeat};
use crate::engine::settle::Resumption;
use crate::error::{Error, ErrorKind};
use crate::model::{Envelope, Fingerprint, KeyParts, KeyProblem, Operation, RecordId, Secret};
use crate::store::Reserve;

/// A call with everything decided that does not depend on the store.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) engine: Idempotency,
    request: Box<Request>,
    pub(super) id: RecordId,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) ttl: Duration,
    pub(super) lease: Duration,
    pub(super) max_run: Duration,
    /// Held from before the store is asked, unless another call has the key.
    pub(super) seat: Seat,
    /// Held by a call that may not run, until somebody has looked what it gets instead.
    pub(super) waiter_seat: Option<WaiterSeat>,
    /// Whether the engine has charged the call to its scope.
    pub(super) is_charged: bool,
    /// Why the call may not run, though it may still get a result.
    pub(super) refusal: Option<Error>,
    /// If the call resumes one.
    pub(super) resumption: Option<Box<Resumption>>,
}

impl Request {
    /// The id of the record that it is about; `None` if it will be refused.
    #[cfg(feature = "consumer")]
    pub(crate) fn record_id(&self, engine: &Idempotency) -> Option<RecordId> {
        let (name, settings) = (self.operation.name, engine.settings());
        let limit = settings.max_key_bytes;
        let key = checked("key", ErrorKind::KeyTooLong, &self.key, limit, name).ok()?;
        let scope = self.scope.as_deref();
        let scope = scope
            .map(|scope| checked("scope", ErrorKind::InvalidScope, scope, limit, name))
            .transpose()
            .ok()?;
        Some(RecordId::from_parts(name.into(), scope, key, settings.secret.as_ref()))
    }

    // Inlined, as what calls it is, so that what it returns is made in its place.
    #[inline]
    pub(super) fn prepare(mut self: Box<Self>, engine: Idempotency) -> Result<Prepared, Error> {
        let operation = &self.operation;
        let name = operation.name;
        let settings = engine.settings();
        let EffectivePolicy { ttl, lease, max_run } = EffectivePolicy::of(operation, &engine)?;
        let limit = settings.max_key_bytes;
        let key = checked("key", ErrorKind::KeyTooLong, &self.key, limit, name)?;
        let scope = self.scope.as_deref();
        let scope = scope
            .map(|scope| checked("scope", ErrorKind::InvalidScope, scope, limit, name))
            .transpose()?;
        let secret = settings.secret.as_ref();
        let id = RecordId::from_parts(name.into(), scope, key, secret);
        let fingerprint = match self.digest.take() {
            None => None,
            Some(Ok(digest)) => Some(fingerprint_of(digest, secret)),
            Some(Err(error)) => return Err(Error::of(ErrorKind::Encode, &id).caused_by(error)),
        };
        input::check(&self, &engine, &id)?;
        Ok(Prepared {
            request: self,
            id,
            fingerprint,
            ttl,
            lease,
            max_run,
            engine,
            seat: Seat::default(),
            waiter_seat: None,
            is_charged: false,
            refusal: None,
            resumption: None,
        })
    }
}

impl Prepared {
    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn operation(&self) -> &Operation {
        &self.request.operation
    }

    pub(super) fn scope(&self) -> Option<&KeyParts> {
        self.request.scope.as_ref().and_then(|scope| scope.as_ref().as_ref().ok())
    }

    /// The request for this call's key.
    pub(super) fn reserve(&self) -> Reserve<'_> {
        Reserve::new(&self.id, self.envelope())
            .sealed_with(self.engine.0.authenticity.sealing_key())
    }

    /// What the record will say about this call.
    pub(super) fn envelope(&self) -> Envelope<'_> {
        let settings = self.engine.settings();
        let input = self.request.input.as_deref().and_then(|input| input.as_deref().ok());
        Envelope {
            key: self.request.key.as_ref().ok().filter(|_| !settings.redact_keys),
            scope: self.scope().filter(|_| !settings.redact_keys),
            guarantee: self.operation().guarantee,
            fingerprint: self.fingerprint,
            version: self.operation().version,
            lease: self.lease,
            retention: match input {
                None => settings.retention,
                Some(_) => input::retention(&self.engine, self.ttl),
            },
            input,
            // Others run again, and are hardly ever resolved.
            result_types: self
                .request
                .result_types
                .filter(|_| input.is_some() || self.operation().guarantee.keeps_lapsed()),
            trace_parent: self.request.trace_parent.as_ref(),
            ..Envelope::new(self.operation().name)
        }
    }
}

fn checked<'a>(
    what: &str,
    too_long: ErrorKind,
    parts: &'a Result<KeyParts, KeyProblem>,
    limit: usize,
    operation: &'static str,
) -> Result<&'a KeyParts, Error> {
    match parts {
        Ok(parts) if parts.len() <= limit => Ok(parts),
        Ok(parts) => Err(Error::new(too_long, operation)
            .limited_to(limit)
            .detail(format!("the {what} has {} bytes, but the limit is {limit}", parts.len()))),
        Err(KeyProblem::Missing) => Err(Error::new(ErrorKind::MissingKey, operation)
            .detail(format!("the {what}, or a part of it, is `None`"))),
        Err(KeyProblem::Empty) => Err(Error::new(ErrorKind::InvalidKey, operation)
            .detail(format!("the {what}, or a part of it, is empty"))),
        Err(KeyProblem::Guessable) => Err(Error::new(ErrorKind::InvalidKey, operation)
            .detail("the client's key could be guessed: in a global scope it must be random")),
        Err(KeyProblem::Unserializable) => Err(Error::new(ErrorKind::Encode, operation)
            .detail(format!("the payload that the {what} is made of cannot be serialized"))),
    }
}

/// Applies the secret. Without one, a payload with few possible values can be found by trying them.
pub(in crate::engine) fn fingerprint_of(digest: Digest, secret: Option<&Secret>) -> Fingerprint {
    let digest = match secret {
        None => digest,
        Some(Secret(secret)) => blake3::keyed_hash(secret, &digest).into(),
    };
    Fingerprint::from_bytes(digest)
}
