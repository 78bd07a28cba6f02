//! From a call's options to what an attempt needs: engine, identity, effective policy.

use std::time::Duration;

use super::{Idempotency, current};
use crate::codec::Digest;
use crate::error::{Error, ErrorKind};
use crate::key::{KeyParts, KeyProblem};
use crate::operation::Operation;
use crate::record::{Envelope, Fingerprint, Guarantee, RecordId, Secret};

/// A call as the user asked for it. It owns everything: arguments may move once it is made.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) key: Result<KeyParts, KeyProblem>,
    pub(crate) scope: Option<Box<Result<KeyParts, KeyProblem>>>,
    pub(crate) digest: Option<Result<Digest, Box<rmp_serde::encode::Error>>>,
    pub(crate) engine: Option<Idempotency>,
}

/// A call with everything decided that can be decided without asking the store.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) engine: Idempotency,
    request: Box<Request>,
    pub(crate) id: RecordId,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) max_run: Duration,
}

impl Request {
    pub(crate) fn prepare(mut self: Box<Self>) -> Result<Prepared, Error> {
        let engine = self.engine.take();
        let operation = &self.operation;
        let name = operation.name;
        let engine = match engine {
            Some(engine) => engine,
            None => current::current(name)?,
        };
        let settings = engine.settings();
        engine.0.names.check(operation, settings)?;
        let misconfigured =
            |why: &'static str| Err(Error::new(ErrorKind::Misconfigured, name).detail(why));
        match operation.guarantee {
            Guarantee::AtMostOnce if settings.fail_open => {
                return misconfigured("fail_open() cannot keep a promise of at most once");
            }
            Guarantee::ExactlyOnce if settings.fail_open => {
                return misconfigured("fail_open() cannot keep a promise of exactly once");
            }
            _ => {}
        }
        let (oldest, newest) = operation.accept;
        if !(oldest..=newest).contains(&operation.version) {
            return misconfigured("it does not accept the version that it writes");
        }
        let ttl = operation.ttl.unwrap_or(settings.ttl);
        let lease = operation.lease.unwrap_or(settings.lease.min(ttl)).min(LONGEST_LEASE);
        let max_run = operation.max_run.unwrap_or(settings.max_run);
        if ttl.is_zero() || lease < SHORTEST_LEASE {
            return misconfigured("a ttl is longer than zero, and a lease at least a millisecond");
        }
        if ttl < lease {
            return misconfigured("the ttl is shorter than the lease");
        }
        let limit = settings.max_key_bytes;
        let key = checked("key", &self.key, limit, name)?;
        let scope = self.scope.as_deref();
        let scope = scope.map(|scope| checked("scope", scope, limit, name)).transpose()?;
        let secret = settings.secret.as_ref();
        let id = RecordId::from_parts(name.into(), scope, key, secret);
        let fingerprint = match self.digest.take() {
            None => None,
            Some(Ok(digest)) => Some(fingerprint(digest, secret)),
            Some(Err(error)) => return Err(Error::of(ErrorKind::Encode, &id).caused_by(error)),
        };
        Ok(Prepared { request: self, id, fingerprint, ttl, lease, max_run, engine })
    }
}

/// Leases are kept in milliseconds.
const SHORTEST_LEASE: Duration = Duration::from_millis(1);
/// What a record can say: 49 days. Renewed, it is as good as any longer one.
const LONGEST_LEASE: Duration = Duration::from_millis(u32::MAX as u64);

impl Prepared {
    pub(super) fn operation(&self) -> &Operation {
        &self.request.operation
    }

    /// What the record will say of this call.
    pub(super) fn envelope(&self) -> Envelope<'_> {
        let settings = self.engine.settings();
        Envelope {
            key: self.request.key.as_ref().ok().filter(|_| !settings.redact_keys),
            guarantee: self.operation().guarantee,
            fingerprint: self.fingerprint,
            version: self.operation().version,
            lease: self.lease,
            retention: settings.retention,
            ..Envelope::new(self.operation().name)
        }
    }
}

fn checked<'a>(
    what: &str,
    parts: &'a Result<KeyParts, KeyProblem>,
    limit: usize,
    operation: &'static str,
) -> Result<&'a KeyParts, Error> {
    match parts {
        Ok(parts) if parts.len() <= limit => Ok(parts),
        Ok(parts) => Err(Error::new(ErrorKind::InvalidKey, operation)
            .detail(format!("the {what} has {} bytes, and the limit is {limit}", parts.len()))),
        Err(KeyProblem::Missing) => Err(Error::new(ErrorKind::MissingKey, operation)
            .detail(format!("the {what}, or a part of it, is `None`"))),
        Err(KeyProblem::Empty) => Err(Error::new(ErrorKind::InvalidKey, operation)
            .detail(format!("the {what}, or a part of it, is empty"))),
    }
}

/// Without a secret a payload of few possible values could be found by trying them.
fn fingerprint(digest: Digest, secret: Option<&Secret>) -> Fingerprint {
    let digest = match secret {
        None => digest,
        Some(Secret(secret)) => blake3::keyed_hash(secret, &digest).into(),
    };
    Fingerprint::from_bytes(digest)
}
