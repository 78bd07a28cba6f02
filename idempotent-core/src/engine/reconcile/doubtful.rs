//! [`Doubtful`]: a call whose outcome nobody knows, as a question to another system.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::admin::Inspection;
use crate::model::{DerivedKey, RecordId};

/// A call whose outcome nobody knows. A [`Reconciler`](super::Reconciler) asks what became of it.
#[derive(Clone, Debug)]
pub struct Doubtful {
    pub(super) seen: Arc<Inspection>,
    pub(super) asked: u32,
    pub(super) in_doubt_for: Duration,
}

impl Doubtful {
    /// The key that the call has sent to the system called `label`, if its body had it from
    /// [`CurrentCall::derive`](crate::engine::CurrentCall::derive): what to ask that system by. A
    /// [step](crate::guide::calls_of_several_effects) of the call sends another key, of its own: see
    /// [`DoubtfulStep`](super::DoubtfulStep).
    #[must_use]
    pub fn derive(&self, label: &str) -> DerivedKey {
        self.seen.id().derive(label)
    }

    /// The record's id.
    #[must_use]
    pub fn id(&self) -> &RecordId {
        self.seen.id()
    }

    /// The key's text, unless the engine redacts keys.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.seen.key()
    }

    /// The scope's text, unless the engine redacts keys or the call has no scope.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.seen.scope()
    }

    /// How often this reconciler has asked before.
    #[must_use]
    pub const fn asked(&self) -> u32 {
        self.asked
    }

    /// For how long nobody has known the call's outcome: by the store's clock, or since this reconciler first saw it if
    /// the store cannot tell.
    #[must_use]
    pub const fn in_doubt_for(&self) -> Duration {
        self.in_doubt_for
    }

    /// All that its record says.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.seen
    }
}
