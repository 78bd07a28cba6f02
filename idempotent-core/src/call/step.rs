//! [`Step`]: a part of a call that is recorded by itself, so that a run after a crash does not repeat it.

use std::fmt;
use std::future::Future;

use super::bounds::MemoizableError;
use super::comparisons::Results;
use super::run::Run;
use super::typed::Call;
use crate::codec::Comparison;
use crate::model::Disposition;

/// A step that is ready to run. [`StepBuilder::returning`](super::StepBuilder::returning) makes it.
///
/// It runs once in a call: a run after a crash gets its recorded result. See
/// [the guide](crate::guide::calls_of_several_effects).
#[must_use = "a step does nothing until it runs"]
pub struct Step<T, E>(pub(super) Call<T, E>);

impl<T, E> Step<T, E> {
    /// Records `Err` as well as `Ok`. See [`Call::memoize_errors`].
    pub fn memoize_errors(self) -> Self
    where
        E: MemoizableError,
    {
        Self(self.0.memoize_errors())
    }

    /// Lets `disposition` decide which results are recorded. See [`Call::memoize`].
    pub fn memoize(self, disposition: fn(&Result<T, E>) -> Disposition) -> Self
    where
        E: MemoizableError,
    {
        Self(self.0.memoize(disposition))
    }

    /// Lets `disposition` decide what an `Err` means. See [`Call::on_error`].
    pub fn on_error(self, disposition: fn(&E) -> Disposition) -> Self {
        Self(self.0.on_error(disposition))
    }

    /// See [`Call::comparing`].
    #[doc(hidden)]
    pub fn comparing(self, find: fn(Results<T, E>) -> Option<Comparison<T>>) -> Self {
        Self(self.0.comparing(find))
    }

    /// See [`Call::comparing_errors`].
    #[doc(hidden)]
    pub fn comparing_errors(self, find: fn(Results<T, E>) -> Option<Comparison<E>>) -> Self {
        Self(self.0.comparing_errors(find))
    }

    /// Runs `body`, unless an earlier run of the call has recorded its result. An `Ok` is returned only once it is
    /// recorded.
    ///
    /// If this future is dropped once the body has started, no further step of this run starts, and the call is
    /// suspended: put a timeout inside the step, not around it.
    ///
    /// # Errors
    ///
    /// The body's own error, or a refusal, converted into `E`:
    ///
    /// * [`Misconfigured`](crate::ErrorKind::Misconfigured) outside of a call, in a call that has no journal, and for a
    ///   second use without a key of its own;
    /// * [`Incompatible`](crate::ErrorKind::Incompatible) and
    ///   [`FingerprintMismatch`](crate::ErrorKind::FingerprintMismatch) if it is not the step that an earlier run began;
    /// * [`Indeterminate`](crate::ErrorKind::Indeterminate) if it is *at most once*, and an earlier run has begun it;
    /// * [`InProgress`](crate::ErrorKind::InProgress) if another run has taken the call;
    /// * [`TooManySteps`](crate::ErrorKind::TooManySteps), and [`Store`](crate::ErrorKind::Store) if the store fails
    ///   for as long as the lease lasts.
    pub fn run<F, Fut>(self, body: F) -> Run<T, E, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.0.run(body)
    }
}

impl<T, E> fmt::Debug for Step<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Step").field(&self.0).finish()
    }
}
