//! [`Change`]: what one call asks for, and what writes.

use super::member::Member;
use super::record_change::RecordChange;
use super::step_change::StepChange;
use crate::backends::postgres::entry::EntryRow;
use crate::backends::postgres::query::Purpose;
use crate::backends::shared::notify::Hash;

/// What one call asks for. No two members of a group are about the same record or the same step; a call may both change its
/// record and write steps in one group, and the record comes first.
pub(super) enum Change {
    Record(RecordChange),
    Step(StepChange),
}

/// What has become of a change.
pub(super) struct Changed {
    /// The record that a reserve found in its way.
    pub(super) in_the_way: Option<EntryRow>,
    /// Whether an indeterminate record was forgotten for a reserve.
    pub(super) has_forgotten: bool,
}

impl Change {
    pub(super) const fn purpose(&self) -> Purpose {
        match self {
            Self::Record(change) => change.purpose(),
            // Its effect has happened, or is about to.
            Self::Step(_) => Purpose::Settle,
        }
    }

    /// The id of the record or of the step, which is a digest that has the id of its call in it.
    pub(super) fn hash(&self) -> &Hash {
        match self {
            Self::Record(change) => change.id.hash(),
            Self::Step(change) => change.step.as_bytes(),
        }
    }
}

impl Member for Change {
    type Answer = Changed;

    fn unique_hash(&self) -> Option<&Hash> {
        Some(self.hash())
    }

    /// A group locks the rows of the calls whose steps it writes, and takes none that another one has locked.
    fn exclusive_call(&self) -> Option<&Hash> {
        match self {
            Self::Record(_) => None,
            Self::Step(change) => Some(&change.id),
        }
    }

    fn bytes(&self) -> usize {
        const OVERHEAD: usize = 160;
        OVERHEAD
            + match self {
                Self::Record(change) => change.bytes(),
                Self::Step(change) => change.bytes(),
            }
    }

    fn is_urgent(&self) -> bool {
        self.purpose() != Purpose::Work
    }
}

impl From<RecordChange> for Change {
    fn from(change: RecordChange) -> Self {
        Self::Record(change)
    }
}

impl From<StepChange> for Change {
    fn from(change: StepChange) -> Self {
        Self::Step(change)
    }
}
