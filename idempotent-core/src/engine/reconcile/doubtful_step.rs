//! [`DoubtfulStep`]: a step of which nobody knows what it did, as a question to another system.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::admin::Inspection;
use crate::model::{DerivedKey, RecordId, StepEntry, StepId};

/// A [step](crate::guide::calls_of_several_effects) that is *at most once* and of which nobody knows what it did. A
/// [`Reconciler`](super::Reconciler) asks what became of it.
#[derive(Clone, Debug)]
pub struct DoubtfulStep {
    pub(super) seen: Arc<Inspection>,
    pub(super) step: StepId,
    pub(super) entry: StepEntry,
    pub(super) asked: u32,
    pub(super) in_doubt_for: Duration,
}

impl DoubtfulStep {
    /// The key that the step has sent to the system called `label`, if its body had it from
    /// [`CurrentCall::derive`](crate::engine::CurrentCall::derive): what to ask that system by.
    #[must_use]
    pub fn derive(&self, label: &str) -> DerivedKey {
        self.step.derive(label)
    }

    /// The same for the nth request, counting from 0, if its body had the key from
    /// [`CurrentCall::derive_next`](crate::engine::CurrentCall::derive_next).
    #[must_use]
    pub fn derive_nth(&self, label: &str, nth: u32) -> DerivedKey {
        self.step.derive_nth(label, nth)
    }

    /// The step's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.entry.name()
    }

    /// The text of the step's key, if it has one and the engine does not redact keys.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.entry.key()
    }

    /// The id of the record of the call that it is a part of.
    #[must_use]
    pub fn id(&self) -> &RecordId {
        self.seen.id()
    }

    /// How often this reconciler has asked before.
    #[must_use]
    pub const fn asked(&self) -> u32 {
        self.asked
    }

    /// For how long nobody has known what it did: by the store's clock, or since this reconciler first saw it, whichever is
    /// longer.
    #[must_use]
    pub const fn in_doubt_for(&self) -> Duration {
        self.in_doubt_for
    }

    /// All that the call's record says, with all its steps, but not what these returned.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.seen
    }
}
