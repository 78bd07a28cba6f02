//! [`Correction`]: a completed record that is to be replaced, as whoever purges many of them asks for.

use super::member::Member;
use crate::backends::shared::durations::ceil_micros;
use crate::backends::shared::notify::Hash;
use crate::model::Record;
use crate::store::{Correct, CorrectOutcome};

/// A completed record that is to be replaced.
pub(super) struct Correction {
    pub(super) hash: Hash,
    pub(super) seen: Record,
    pub(super) record: Record,
    /// Microseconds.
    pub(super) ttl: i64,
}

impl Correction {
    pub(super) fn new(request: &Correct<'_>) -> Self {
        Self {
            hash: *request.id.hash(),
            seen: request.seen.clone(),
            record: request.record.clone(),
            ttl: ceil_micros(request.ttl),
        }
    }
}

impl Member for Correction {
    type Answer = CorrectOutcome;

    fn unique_hash(&self) -> Option<&Hash> {
        Some(&self.hash)
    }

    fn exclusive_call(&self) -> Option<&Hash> {
        None
    }

    fn bytes(&self) -> usize {
        self.seen.as_bytes().len() + self.record.as_bytes().len()
    }

    fn is_urgent(&self) -> bool {
        false
    }
}
