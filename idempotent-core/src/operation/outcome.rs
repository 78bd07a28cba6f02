//! How a call ended, beside what it returned.

/// How a call came to its result. See [`Call::run_with_outcome`](super::Call::run_with_outcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// This call ran the body.
    Executed,
    /// The body ran before, and this is its memoized result.
    Replayed,
    /// The call was refused, and the body did not run.
    Refused,
    /// The store could not be asked, and the engine fails open: the body ran without a record.
    Unrecorded,
}

impl Ended {
    /// A stable word for it, as spans and metrics use it.
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
