//! What a record keeps for those who resolve its call, or look for the trace of it.

use super::layout::{FLAGS, flag};
use super::{Record, ResultTypes};
use crate::model::trace_parent::TraceParent;

impl Record {
    /// This completed record, marked as what somebody said who resolved its call.
    pub(crate) fn resolved(&self) -> Self {
        let mut bytes = self.unsealed_bytes();
        let flags = self.flags() & !flag::MAC | flag::RESOLVED;
        bytes[FLAGS..FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
        Self(bytes[..].into())
    }

    /// The types of its result, for those who resolve its call, if it keeps them.
    #[must_use]
    pub fn result_types(&self) -> Option<ResultTypes<'_>> {
        self.text(flag::RESULT_TYPE).map(ResultTypes::read)
    }

    /// The span of a distributed trace in which its call ran, if it keeps it.
    #[must_use]
    pub fn trace_parent(&self) -> Option<TraceParent> {
        // Few records have it, and most that are replayed are asked.
        if !self.has(flag::TRACE_PARENT) {
            return None;
        }
        self.text(flag::TRACE_PARENT)?.parse().ok()
    }

    /// Whether its result is what somebody said who [resolved](crate::Idempotency::resolve) its call.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.has(flag::RESOLVED)
    }
}
