//! What is wrong with a step that may not run.

use crate::engine::idempotency::Idempotency;
use crate::engine::journal::{Poison, label};
use crate::engine::lease::StepScope;
use crate::error::{Error, ErrorKind};
use crate::model::{KeyParts, RecordId};

const OUTSIDE: &str = "a step is a part of an idempotent call, and there is none here: call it from a function with \
                       `#[idempotent(key = …)]`; in a task that such a function spawns, run it in \
                       `idempotent_core::current().unwrap().scope(…)`; in a unit test, in \
                       `idempotent_core::testing::in_call(…)`";

const UNRECORDED: &str = "a call cannot have steps that runs in its caller's transaction, or without a record because \
                          the engine fails open";

/// The error of a step that is not within a call.
pub(super) fn outside(name: &'static str) -> Error {
    Error::new(ErrorKind::Misconfigured, name).detail(OUTSIDE)
}

/// The error of a step in a call that has no journal.
pub(super) fn unrecorded(id: &RecordId, name: &str) -> Error {
    of(ErrorKind::Misconfigured, id, name, UNRECORDED)
}

/// The error of a step whose call has ended.
pub(super) fn outlived(id: &RecordId, name: &str) -> Error {
    of(
        ErrorKind::Misconfigured,
        id,
        name,
        "its call has ended: await every step before the body ends",
    )
}

/// The error of a step on a store that keeps no journals.
pub(super) fn without_journals(engine: &Idempotency, id: &RecordId, name: &str) -> Error {
    let store = engine.settings().store_type;
    let why = format!(
        "the engine's store is a `{store}`, which keeps no journals of steps: use a `RedisStore`, a `PostgresStore`, a \
         `SqliteStore` or a `MemoryStore`"
    );
    of(ErrorKind::Misconfigured, id, name, &why)
}

/// An error that names the step.
pub(super) fn of(kind: ErrorKind, id: &RecordId, name: &str, why: &str) -> Error {
    Error::of(kind, id).detail(format!("step `{name}`: {why}"))
}

/// A step's name and key, for people.
pub(super) fn label_of(name: &str, key: Option<&KeyParts>) -> String {
    let mut text = Vec::new();
    if let Some(key) = key {
        key.write_text(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    label(name, Some(&*text).filter(|text| !text.is_empty()))
}

impl StepScope {
    /// The step's name and key, for people.
    pub(super) fn label(&self) -> String {
        label_of(self.name, self.shown_key())
    }

    /// An error that names the step.
    pub(super) fn refusal(&self, kind: ErrorKind, why: &str) -> Error {
        of(kind, &self.lease.id, &self.label(), why)
    }
}

/// Ends the run because of an error.
pub(super) fn poison_by(scope: &StepScope, error: &Error, in_doubt: bool) {
    let kind = if in_doubt { ErrorKind::Indeterminate } else { error.kind() };
    scope.poison(Poison::new(kind, error.why().to_owned()).in_doubt(in_doubt));
}
