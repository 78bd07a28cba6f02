//! [`StepBuilder`]: a step's options, and then the type of its result.

use std::any;

use serde::Serialize;

use super::bounds::{FromError, Memoizable};
use super::client_keys::assert_needs_no_owner;
use super::policy::Policy;
use super::result_type::ResultType;
use super::step::Step;
use crate::codec;
use crate::engine::{CallSpan, StepRequest};
use crate::error::Error;
use crate::model::{Key, KeyParts, Operation, ResultTypes};

impl Operation {
    /// Starts a step of the call around it. Of the operation's options it has the name, the
    /// [guarantee](Self::guarantee), the [version](Self::version) and what it [accepts](Self::accept); the others are
    /// the call's.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Error, Operation};
    ///
    /// let checkout = Operation::new("checkout").key(&7).returning::<Result<u32, Error>>();
    /// let total = checkout.run(|| async {
    ///     let charge = Operation::new("charge").step().returning::<Result<u32, Error>>();
    ///     let paid = charge.run(|| async { Ok(30) }).await?;
    ///     let ship = Operation::new("ship").step().key(&"line 1").returning::<Result<u32, Error>>();
    ///     Ok(paid + ship.run(|| async { Ok(12) }).await?)
    /// });
    /// assert_eq!(total.await?, 42);
    /// # Ok(()) }
    /// ```
    pub fn step(self) -> StepBuilder {
        StepBuilder { request: StepRequest::new(&self) }
    }
}

/// A step whose result type is not known yet. [`Operation::step`] creates it.
#[derive(Debug)]
#[must_use = "a step does nothing until it runs"]
pub struct StepBuilder {
    request: StepRequest,
}

impl StepBuilder {
    /// Tells this use of the step from others in the same call. Without a key, a step can succeed once in a call.
    pub fn key<K: Key + ?Sized>(mut self, key: &K) -> Self {
        const { assert_needs_no_owner::<K>() };
        self.request.key = Some(KeyParts::of(key).map(Box::new));
        self
    }

    /// Sets the payload: if an earlier run has recorded the step with a different one, it is refused with
    /// [`Incompatible`](crate::ErrorKind::Incompatible), and so is the run.
    pub fn fingerprint<P: Serialize + ?Sized>(mut self, payload: &P) -> Self {
        self.request.digest = Some(Box::new(codec::digest(payload)));
        self
    }

    /// Sets what the step returns. A refusal is converted into its error by `From`.
    pub fn returning<R>(self) -> R::Step
    where
        R: ResultType<Ok: Memoizable, Err: FromError>,
    {
        R::step(self.step(Policy::new(FromError::from_error)))
    }

    /// Sets what the step returns. A refusal is converted into its error by `map_error`.
    pub fn returning_or<R>(self, map_error: fn(Error) -> R::Err) -> R::Step
    where
        R: ResultType<Ok: Memoizable>,
    {
        R::step(self.step(Policy::new(map_error)))
    }

    fn step<T, E>(mut self, policy: Policy<T, E>) -> Step<T, E> {
        self.request.result_types = Some(|| ResultTypes::new(any::type_name::<T>(), None));
        let span = CallSpan::of_step(self.request.name);
        Step { request: self.request, policy, span }
    }
}
