//! [`Poison`]: why a run may not go on.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};
use crate::model::RecordId;

const INTERRUPTED: &str = "the call was interrupted and is suspended: its next run goes on";

/// Why no further step of a run starts, and why its call is not recorded.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Poison {
    kind: ErrorKind,
    why: Cow<'static, str>,
    /// Whether nobody knows what a step did that is *at most once*: then the call waits until somebody does.
    pub(in crate::engine) in_doubt: bool,
}

impl Poison {
    pub(in crate::engine) fn new(kind: ErrorKind, why: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, why: why.into(), in_doubt: false }
    }

    pub(in crate::engine) const fn in_doubt(mut self, in_doubt: bool) -> Self {
        self.in_doubt = in_doubt;
        self
    }

    /// The error of whoever meets it.
    pub(in crate::engine) fn error(&self, id: &RecordId) -> Error {
        let error = Error::of(self.kind, id).detail(self.why.clone());
        match self.kind {
            // Nobody has waited for another call, and the key is not held by one.
            ErrorKind::OwnerFailed | ErrorKind::Held => error.summarized(INTERRUPTED),
            _ => error,
        }
    }

    /// Whether the run counts as an attempt that failed: not if it could not help it, or if another process may do better.
    pub(in crate::engine) const fn counts(&self) -> bool {
        !matches!(self.kind, ErrorKind::InProgress | ErrorKind::Store | ErrorKind::Incompatible)
    }

    /// Whether what is recorded does not fit this code, and other code may go on with the call.
    pub(in crate::engine) const fn is_of_code(&self) -> bool {
        matches!(self.kind, ErrorKind::Incompatible | ErrorKind::Decode)
    }

    /// Whether code of another version may go on with the call.
    pub(in crate::engine) const fn is_of_version(&self) -> bool {
        matches!(self.kind, ErrorKind::Incompatible)
    }

    /// What is written for people.
    pub(in crate::engine) fn why(&self) -> &str {
        &self.why
    }
}
