//! [`Subject`]: what a question is about, a call or one of its steps.

use crate::engine::admin::{Inspection, Resolution};
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{StepEntry, StepId, Token};
use crate::store::State;

/// What a call or a step is told apart by: its id, and the token of its attempt. The same one may come in doubt again.
pub(super) type Name = ([u8; 32], Token);

/// What a question is about.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Call,
    Step(StepId, StepEntry),
}

impl Subject {
    /// What it is remembered by: whoever is in doubt again, in another attempt, is another one.
    pub(super) fn name(&self, seen: &Inspection) -> Name {
        match self {
            Self::Call => (*seen.id().hash(), seen.token()),
            Self::Step(step, entry) => (*step.as_bytes(), entry.attempt()),
        }
    }

    /// Whether it does not count that nothing happened. A step sends keys of its own, so whoever was asked by the call's
    /// key may know nothing of it and yet have done what the step asked for.
    pub(super) fn ignores_never(&self, seen: &Inspection) -> bool {
        matches!(self, Self::Call) && seen.has_journal()
    }

    /// Resolves it, if it is as it was seen. The question took its time: what is settled meanwhile is another's doing, also
    /// if that says the same.
    pub(super) async fn resolve(
        &self,
        engine: &Idempotency,
        seen: &Inspection,
        resolution: Resolution,
    ) -> Result<(), Error> {
        let Some(now) = engine.inspect(seen.id()).await? else { return changed(seen) };
        match self {
            Self::Call if now.state() == State::Indeterminate && now.token() == seen.token() => {
                engine.resolve(seen, resolution).await
            }
            Self::Step(step, entry) if is_in_doubt(&now, step, entry) => {
                engine.resolve_step(&now, step, resolution).await
            }
            _ => changed(seen),
        }
    }
}

/// Whether nobody knows what this attempt of a step did.
fn is_in_doubt(now: &Inspection, step: &StepId, asked: &StepEntry) -> bool {
    let mut doubts = now.steps_in_doubt();
    doubts.any(|(id, entry)| id == step && entry.attempt() == asked.attempt())
}

fn changed(seen: &Inspection) -> Result<(), Error> {
    Err(Error::of(ErrorKind::Indeterminate, seen.id()))
}
