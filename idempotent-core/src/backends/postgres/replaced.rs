//! What a step may replace, as the schema's functions know it.

use crate::model::StepEntry;
use crate::store::Replaces;

/// What may stand there before, as a number of the schema's functions, and what it must be.
pub(super) const fn mode(replaces: Replaces<'_>) -> (i16, Option<&StepEntry>) {
    match replaces {
        Replaces::Nothing => (0, None),
        Replaces::Anything => (1, None),
        Replaces::Entry(entry) => (2, Some(entry)),
    }
}
