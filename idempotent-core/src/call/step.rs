//! [`Step`]: a part of a call that is recorded by itself, so that a run after a crash does not repeat it.

use std::any;
use std::fmt;
use std::future::Future;

use super::bounds::MemoizableError;
use super::comparisons::{Results, results};
use super::execution::Execution;
use super::policy::Policy;
use super::run::Run;
use crate::codec::Comparison;
use crate::engine::{CallSpan, StepRequest};
use crate::model::{Disposition, ResultTypes};

/// A step that is ready to run. [`StepBuilder::returning`](super::StepBuilder::returning) makes it.
///
/// It runs once in a call: a run after a crash gets its recorded result. See
/// [the guide](crate::guide::calls_of_several_effects).
#[must_use = "a step does nothing until it runs"]
pub struct Step<T, E> {
    pub(super) request: StepRequest,
    pub(super) policy: Policy<T, E>,
    pub(super) span: CallSpan,
}

impl<T, E> Step<T, E> {
    /// Records `Err` as well as `Ok`. See [`Call::memoize_errors`](crate::Call::memoize_errors).
    pub fn memoize_errors(mut self) -> Self
    where
        E: MemoizableError,
    {
        self.policy.memoize_errors();
        self.keeps_errors();
        self
    }

    /// Lets `disposition` decide which results are recorded. See [`Call::memoize`](crate::Call::memoize).
    pub fn memoize(mut self, disposition: fn(&Result<T, E>) -> Disposition) -> Self
    where
        E: MemoizableError,
    {
        self.policy.memoize(disposition);
        self.keeps_errors();
        self
    }

    /// Lets `disposition` decide what an `Err` means. See [`Call::on_error`](crate::Call::on_error).
    pub fn on_error(mut self, disposition: fn(&E) -> Disposition) -> Self {
        self.policy.on_error(disposition);
        self
    }

    fn keeps_errors(&mut self) {
        self.request.result_types =
            Some(|| ResultTypes::new(any::type_name::<T>(), Some(any::type_name::<E>())));
    }

    /// See [`Call::comparing`](crate::Call::comparing).
    #[doc(hidden)]
    pub fn comparing(mut self, find: fn(Results<T, E>) -> Option<Comparison<T>>) -> Self {
        if let Some(comparison) = find(results()) {
            self.policy.compare_ok(comparison);
        }
        self
    }

    /// See [`Call::comparing_errors`](crate::Call::comparing_errors).
    #[doc(hidden)]
    pub fn comparing_errors(mut self, find: fn(Results<T, E>) -> Option<Comparison<E>>) -> Self {
        if let Some(comparison) = find(results()) {
            self.policy.compare_err(comparison);
        }
        self
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
        Run::new(Execution::of_step(self.request, self.policy, self.span), body)
    }
}

impl<T, E> fmt::Debug for Step<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.request.name).finish_non_exhaustive()
    }
}
