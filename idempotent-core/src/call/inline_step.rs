//! Steps that are written where they are used.

use std::future::Future;

use super::bounds::{FromError, Memoizable};
use super::run::Run;
use crate::engine::CurrentCall;
use crate::model::Operation;

/// Runs `body` as a step of the call around it: for clocks, random values and small effects, whose result a run after
/// a crash must get again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use std::time::SystemTime;
///
/// use idempotent_core::{Error, idempotent, step};
///
/// #[idempotent(key = order, name = "checkout")]
/// async fn checkout(order: u32) -> Result<SystemTime, Error> {
///     let ordered_at = step("now", || async { Ok::<_, Error>(SystemTime::now()) }).await?;
///     Ok(ordered_at) // the same in every run
/// }
///
/// checkout(7).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// Those of a step: see [`Call::run`](crate::Call::run).
#[track_caller]
pub fn step<T, E, F, Fut>(name: &'static str, body: F) -> Run<T, E, F, Fut>
where
    T: Memoizable,
    E: FromError,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    Operation::new(name).step().returning::<Result<T, E>>().run(body)
}

impl CurrentCall {
    /// Runs `body` as a step of this call, as [`step`](crate::step) does in the call around it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Error, current, idempotent};
    ///
    /// #[idempotent(key = order, name = "checkout")]
    /// async fn checkout(order: u32) -> Result<u32, Error> {
    ///     let Some(call) = current() else { return Ok(0) };
    ///     call.step("number", || async { Ok::<u32, Error>(order + 1) }).await
    /// }
    ///
    /// assert_eq!(checkout(7).await?, 8);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of a step: see [`Call::run`](crate::Call::run).
    #[track_caller]
    pub fn step<T, E, F, Fut>(
        &self,
        name: &'static str,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + use<T, E, F, Fut>
    where
        T: Memoizable,
        E: FromError,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.clone().scope(step(name, body))
    }
}
