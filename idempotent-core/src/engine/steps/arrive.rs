//! What a step is a part of, and who it is.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::refusal;
use crate::engine::acquire::{Request, fingerprint_of};
use crate::engine::idempotency::Idempotency;
use crate::engine::journal::{Arrival, RunJournal};
use crate::engine::lease::{CurrentCall, Lease, Nesting, OuterCall as _, StepScope};
use crate::error::{Error, ErrorKind};
use crate::model::{KeyProblem, StepId, Token, name_fault};

/// The shortest time for which a call with steps is kept once its owner is lost.
const SHORTEST_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A step that the body has asked for.
pub(super) struct ArrivedStep {
    pub(super) engine: Idempotency,
    pub(super) scope: Arc<StepScope>,
    pub(super) found: Arrival,
}

/// Takes note that the body of `caller` asks for a step.
pub(super) fn arrive(
    request: Box<Request>,
    caller: Option<CurrentCall>,
) -> Result<ArrivedStep, Error> {
    let (name, version) = (request.operation.name, request.operation.version);
    let Some(caller) = caller else { return Err(refusal::outside(name)) };
    let Some((lease, outer)) = caller.steps() else {
        return Err(refusal::unrecorded(caller.record_id(), name));
    };
    let id = &lease.id;
    let engine = Idempotency::from_ref(&lease.engine);
    let Some(engine) = engine else { return Err(refusal::unrecorded(id, name)) };
    if lease.is_ending() {
        return Err(refusal::outlived(id, name));
    }
    if engine.store().journal().is_none() {
        return Err(refusal::without_journals(&engine, id, name));
    }
    if let Some(fault) = name_fault(name) {
        return Err(refusal::of(ErrorKind::Misconfigured, id, name, fault));
    }
    let key = request.key.map_err(|problem| of_key(problem, lease, name))?;
    let settings = engine.settings();
    if key.len() > settings.max_key_bytes {
        let limit = settings.max_key_bytes;
        let why = format!("its key has {} bytes, but the limit is {limit}", key.len());
        return Err(refusal::of(ErrorKind::Misconfigured, id, name, &why).limited_to(limit));
    }
    let key = (!key.encoded().is_empty()).then_some(key);
    let fingerprint = match request.digest {
        None => None,
        Some(Ok(digest)) => Some(fingerprint_of(digest, settings.secret.as_ref())),
        Some(Err(error)) => {
            let why = "its payload cannot be encoded";
            return Err(refusal::of(ErrorKind::Encode, id, name, why).caused_by(error));
        }
    };
    let part_of = outer.map_or_else(|| StepId::of_call(id), |outer| outer.id);
    let journal = Arc::clone(lease.journal_or(|| begin_journal(&engine, lease)));
    let (lease, outer) = (Arc::clone(lease), outer.cloned());
    let scope = Arc::new(StepScope {
        lease,
        journal,
        id: part_of.step(name, key.as_ref()),
        part_of,
        name,
        key,
        redacts: settings.redact_keys,
        version,
        fingerprint,
        attempt: Token::random(),
        outer,
        nesting: Nesting::new(Some(caller.into_outer_call())),
        is_poisoned: AtomicBool::new(false),
    });
    let (id, is_keyed) = (&scope.lease.id, scope.key.is_some());
    let found = scope.journal.arrive(id, scope.id, part_of, is_keyed, || scope.label())?;
    Ok(ArrivedStep { engine, scope, found })
}

fn begin_journal(engine: &Idempotency, lease: &Lease) -> RunJournal {
    let name = lease.reservation.token();
    let retention = engine.settings().retention.max(lease.ttl).max(SHORTEST_RETENTION);
    let record = engine.seal(lease.id(), &lease.reservation.with_journal(name, retention));
    RunJournal::new(name, record, false)
}

/// The fault is the body's and not the client's, whose key is that of the call.
fn of_key(problem: KeyProblem, lease: &Lease, name: &str) -> Error {
    let (kind, why) = match problem {
        KeyProblem::Missing => (ErrorKind::Misconfigured, "its key, or a part of it, is `None`"),
        KeyProblem::Empty => (ErrorKind::Misconfigured, "its key, or a part of it, is empty"),
        KeyProblem::Guessable => (ErrorKind::Misconfigured, "its key could be guessed"),
        KeyProblem::Unserializable => {
            (ErrorKind::Encode, "the payload that its key is made of cannot be serialized")
        }
    };
    refusal::of(kind, &lease.id, name, why)
}
