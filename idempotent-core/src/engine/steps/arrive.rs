//! What a step is a part of, and who it is.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::held::HeldStep;
use super::recorded::RecordedStep;
use super::refusal;
use super::request::StepRequest;
use crate::engine::acquire::fingerprint_of;
use crate::engine::idempotency::Idempotency;
use crate::engine::journal::{Arrival, FirstArrival, RunJournal};
use crate::engine::lease::{CurrentCall, Lease, Nesting, OuterCall as _, StepScope};
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, KeyParts, KeyProblem, StepId, Token, name_fault};

/// The shortest time for which a call with steps is kept once its owner is lost.
const SHORTEST_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A step that the body has asked for.
pub(super) enum ArrivedStep {
    /// It has a result already.
    Recorded(RecordedStep),
    /// It runs, unless the journal turns out to have its result.
    First(HeldStep, FirstArrival),
}

/// Takes note that the body of `caller` asks for a step.
pub(super) fn arrive(
    request: StepRequest,
    caller: Option<CurrentCall>,
) -> Result<ArrivedStep, Error> {
    let StepRequest { name, version, accept, result_types, .. } = request;
    let Some(caller) = caller else { return Err(refusal::outside(name)) };
    let Some((lease, outer)) = caller.steps() else {
        return Err(refusal::unrecorded(caller.record_id(), name));
    };
    let (id, engine) = (&lease.id, engine_of(lease, name)?);
    let settings = engine.settings();
    let key = checked_key(request.key, lease, name, settings.max_key_bytes)?;
    let fingerprint = match request.digest.map(|digest| *digest) {
        None => None,
        Some(Ok(digest)) => Some(fingerprint_of(digest, settings.secret.as_ref())),
        Some(Err(error)) => {
            let why = "its payload cannot be encoded";
            return Err(refusal::of(ErrorKind::Encode, id, name, why).caused_by(error));
        }
    };
    let part_of = outer.map_or_else(|| StepId::of_call(id), |outer| outer.id);
    let step = part_of.step(name, key.as_deref());
    let redacts = settings.redact_keys;
    let journal = lease.journal_or(|| begin_journal(&engine, lease));
    let label = || refusal::label_of(name, key.as_deref().filter(|_| !redacts));
    let first = match journal.arrive(id, step, part_of, key.is_some(), label)? {
        Arrival::First(first) => first,
        Arrival::Recorded(entry) => {
            let recorded = RecordedStep::checked(entry, caller, fingerprint, accept);
            return recorded.map(ArrivedStep::Recorded);
        }
    };
    let attempt = match request.guarantee {
        Guarantee::AtLeastOnce => first.attempt(lease.reservation.token()),
        _ => Token::random(),
    };
    let (lease, journal, outer) = (Arc::clone(lease), Arc::clone(journal), outer.cloned());
    let scope = StepScope {
        lease,
        journal,
        id: step,
        part_of,
        name,
        key,
        redacts,
        version,
        fingerprint,
        result_types,
        attempt,
        outer,
        nesting: Nesting::new(Some(caller.into_outer_call())),
        is_poisoned: AtomicBool::new(false),
    };
    Ok(ArrivedStep::First(HeldStep::new(engine, Arc::new(scope)), first))
}

/// The engine of a call that may have a step of this name.
fn engine_of(lease: &Lease, name: &str) -> Result<Idempotency, Error> {
    let id = &lease.id;
    let engine = Idempotency::from_ref(&lease.engine);
    let Some(engine) = engine else { return Err(refusal::unrecorded(id, name)) };
    if lease.is_ending() {
        return Err(refusal::outlived(id, name));
    }
    if engine.store().journal().is_none() {
        return Err(refusal::without_journals(&engine, id, name));
    }
    match name_fault(name) {
        Some(fault) => Err(refusal::of(ErrorKind::Misconfigured, id, name, fault)),
        None => Ok(engine),
    }
}

fn begin_journal(engine: &Idempotency, lease: &Lease) -> RunJournal {
    let name = lease.reservation.token();
    let retention = engine.settings().retention.max(lease.ttl).max(SHORTEST_RETENTION);
    let record = engine.seal(lease.id(), &lease.reservation.with_journal(name, retention));
    RunJournal::new(name, record, false)
}

/// The key of a step that has one, which may be so long.
fn checked_key(
    key: Option<Result<Box<KeyParts>, KeyProblem>>,
    lease: &Lease,
    name: &str,
    max_bytes: usize,
) -> Result<Option<Box<KeyParts>>, Error> {
    let key = key.transpose().map_err(|problem| of_key(problem, lease, name))?;
    match key.as_ref().map(|key| key.len()).filter(|length| *length > max_bytes) {
        Some(length) => {
            let why = format!("its key has {length} bytes, but the limit is {max_bytes}");
            let error = refusal::of(ErrorKind::Misconfigured, &lease.id, name, &why);
            Err(error.limited_to(max_bytes))
        }
        None => Ok(key),
    }
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
