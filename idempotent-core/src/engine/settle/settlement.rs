//! [`Settlement`]: what happens to a key when its call ends.

use std::borrow::Cow;
use std::time::Duration;

use crate::engine::telemetry::KeyEnd;
use crate::model::{Guarantee, Record, RecordId};

/// How a call ends.
pub(crate) enum Settlement {
    /// The record is completed, and kept for `ttl` or else for the operation's own.
    Complete { record: Record, ttl: Option<Duration> },
    /// The key becomes vacant at once: nothing happened.
    Release,
    /// The body has ended, and nobody knows what it did.
    Unknown(UnknownEnd),
    /// The key stays reserved until its lease lapses: work may still be going on elsewhere.
    HoldForLease,
    /// The run ends, and the next one resumes the call.
    Suspend(SuspendEnd),
}

/// How a run ends that another one resumes.
#[derive(Default)]
pub(crate) struct SuspendEnd {
    /// What nobody knows, and somebody must say first.
    pub(crate) doubt: Doubt,
    /// Whether the lease goes on, since work may still be going on elsewhere.
    pub(crate) holds: bool,
    /// What went wrong, for people.
    pub(crate) error: Option<String>,
    /// Whether the run was interrupted, so that a recovery resumes the call. Otherwise its next caller does.
    pub(crate) is_interrupted: bool,
    /// Whether the run does not count as an attempt that failed.
    pub(crate) is_uncounted: bool,
}

/// What nobody knows of a run that has ended.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Another run may go on.
    #[default]
    None,
    /// What a step did that is *at most once*. Another run may go on once that is said: by the step's owner, which may
    /// only be late, or by an operator.
    Steps,
    /// What the call did. Only an operator has it go on.
    Call,
}

impl SuspendEnd {
    /// The end of a body that asks for another run.
    pub(crate) fn asked_for() -> Self {
        Self { is_interrupted: true, ..Self::default() }
    }
}

impl Settlement {
    /// What becomes of the key in a transaction, if that is committed.
    pub(crate) fn key_end_in_transaction(&self) -> KeyEnd {
        match self {
            Self::Complete { record, .. } => KeyEnd::of(record),
            Self::Release | Self::Unknown(_) | Self::HoldForLease | Self::Suspend(_) => {
                KeyEnd::Released
            }
        }
    }
}

/// What is known about an end whose outcome is unknown.
#[derive(Default)]
pub(crate) struct UnknownEnd {
    /// When a retry makes sense, if the body said so.
    pub(crate) retry_after: Option<Duration>,
    /// Whether somebody must resolve the record before the body may run again, whatever the
    /// guarantee says.
    pub(crate) needs_resolving: bool,
    /// What went wrong, for people. It must not contain a payload.
    pub(crate) error: Option<Cow<'static, str>>,
}

impl UnknownEnd {
    /// The record to leave; `None` if the key becomes vacant, because the body may run again.
    pub(super) fn record(&self, reservation: &Record) -> Option<Record> {
        let record = match reservation.guarantee() {
            Guarantee::AtLeastOnce if !self.needs_resolving => return None,
            Guarantee::AtLeastOnce => reservation.with_guarantee(Guarantee::AtMostOnce),
            Guarantee::AtMostOnce | Guarantee::ExactlyOnce => reservation.clone(),
        };
        let record = record.abandoned();
        Some(match &self.error {
            Some(error) => record.with_last_error(error),
            None => record,
        })
    }
}

/// What the codec needs of a reservation to write the completed record.
#[derive(Clone, Copy)]
pub(crate) struct ReservationRef<'a> {
    pub(crate) id: &'a RecordId,
    pub(crate) record: &'a Record,
    pub(crate) max_result_bytes: usize,
    pub(crate) verify_results: bool,
}
