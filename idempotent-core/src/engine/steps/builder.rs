//! The options of an engine for calls with steps.

use std::time::Duration;

use crate::engine::builder::IdempotencyBuilder;
use crate::store::backoff::Backoff;

/// # Steps
///
/// A call of [several effects](crate::guide::calls_of_several_effects) records them one by one, and these are the limits of
/// what it records, and how it is resumed.
///
/// ```
/// use std::time::Duration;
/// use idempotent_core::{Idempotency, backends::MemoryStore};
///
/// let engine = Idempotency::builder(MemoryStore::new())
///     .max_steps(1_000)
///     .max_journal_bytes(4 * 1024 * 1024)
///     .step_patience(Duration::from_secs(1))
///     .build();
/// ```
impl IdempotencyBuilder {
    /// How many steps one call may have, those within steps included. One more is refused with
    /// [`TooManySteps`](crate::ErrorKind::TooManySteps), and does not run. Default: 10,000.
    pub fn max_steps(self, steps: usize) -> Self {
        self.steps(|settings| settings.max_steps = steps)
    }

    /// How many bytes the steps of one call may have together, as they are stored. When they have so many, a further
    /// step is refused with [`TooManySteps`](crate::ErrorKind::TooManySteps); one that runs is recorded. Default: 16
    /// MiB.
    pub fn max_journal_bytes(self, bytes: usize) -> Self {
        self.steps(|settings| settings.max_journal_bytes = bytes)
    }

    /// How long, after a run has last asked for a step, one that no earlier run has begun waits for those that one has.
    /// After that it is refused with [`Incompatible`](crate::ErrorKind::Incompatible), as it may be one of them under
    /// another name. A body that waits for longer between two steps needs more. Default: 5 seconds.
    pub fn step_patience(self, patience: Duration) -> Self {
        self.steps(|settings| settings.step_patience = patience)
    }

    /// The largest encoded input of a call with [`resume`](crate::call::CallBuilder::resume), in bytes. A larger one is
    /// refused with [`Encode`](crate::ErrorKind::Encode), whose [`limit`](crate::Error::limit) this is, and the call does
    /// not run. Default: 256 KiB.
    pub fn max_input_bytes(self, bytes: usize) -> Self {
        self.steps(|settings| settings.max_input_bytes = bytes)
    }

    /// How long an interrupted call with an input waits until a [`Recovery`](crate::engine::Recovery) resumes it: a random
    /// time of at most `first`, which doubles with each attempt that records nothing new, up to `longest`. The lease of an
    /// owner that died comes before that. Default: 1 second, up to 5 minutes.
    pub fn resume_backoff(self, first: Duration, longest: Duration) -> Self {
        self.steps(|settings| settings.resume_backoff = Backoff { first, longest })
    }
}
