//! [`CallOutcome`]: how a call ended, apart from its result.

/// How a call came to its result. See [`Call::run_with_outcome`](crate::Call::run_with_outcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallOutcome {
    /// This call ran the body.
    Executed,
    /// The body had already run, and this is its memoized result.
    Replayed,
    /// The call was refused, and the body did not run.
    Refused,
    /// The store failed and the engine fails open: the body ran without a record.
    Unrecorded,
}

impl CallOutcome {
    /// A stable name of the outcome, as spans and metrics use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Replayed => "replayed",
            Self::Refused => "refused",
            Self::Unrecorded => "unrecorded",
        }
    }
}
