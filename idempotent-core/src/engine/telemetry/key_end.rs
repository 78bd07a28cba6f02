//! [`KeyEnd`]: what became of a call's key.

use crate::model::{OwnerState, Record};

/// What became of a call's key, as spans and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyEnd {
    /// The call did not change the key: it was replayed or refused, or never held the key.
    Untouched,
    /// The result is recorded.
    Kept,
    /// The call is recorded without its result.
    Tombstone,
    /// The key is vacant.
    Released,
    /// Somebody must say what the call did.
    Indeterminate,
    /// The key stays reserved until the lease lapses.
    Held,
    /// The call is interrupted, and its next caller resumes it.
    Suspended,
    /// Another call has taken the key, and its record stands.
    Superseded,
    /// The store could not be told of the end.
    Lost,
}

impl KeyEnd {
    /// The end of a key under which this record was written.
    pub(in crate::engine) fn of(record: &Record) -> Self {
        match record.owner_state() {
            _ if record.has_result() => Self::Kept,
            _ if !record.is_reservation() => Self::Tombstone,
            OwnerState::Held => Self::Held,
            _ if record.suspends() => Self::Suspended,
            OwnerState::Running | OwnerState::Abandoned => Self::Indeterminate,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Untouched => "none",
            Self::Kept => "kept",
            Self::Tombstone => "tombstone",
            Self::Released => "released",
            Self::Indeterminate => "indeterminate",
            Self::Held => "held",
            Self::Suspended => "suspended",
            Self::Superseded => "superseded",
            Self::Lost => "lost",
        }
    }
}
