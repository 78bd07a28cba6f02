//! The engine of the current task, set by [`with_engine`].

use std::future::Future;

use super::idempotency::Idempotency;

tokio::task_local! {
    static TASK: Idempotency;
}

/// Runs `future` with `engine` as the default engine of its calls. Other tasks are not affected.
///
/// With this, tests can run in parallel, each with its own engine. Tasks that `future` spawns do
/// not inherit the engine; detached bodies that continue in the background do.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use idempotent_core::engine::with_engine;
/// use idempotent_core::{Error, Idempotency, backends::MemoryStore, idempotent};
///
/// #[idempotent(key = order, name = "charge")]
/// async fn charge(order: u32) -> Result<u32, Error> {
///     Ok(order)
/// }
///
/// let engine = Idempotency::new(MemoryStore::new());
/// assert_eq!(with_engine(engine, charge(7)).await?, 7);
/// # Ok(()) }
/// ```
pub fn with_engine<F: Future>(engine: Idempotency, future: F) -> impl Future<Output = F::Output> {
    TASK.scope(engine, future)
}

/// The task's engine, if it has one of its own.
pub(crate) fn task_engine() -> Option<Idempotency> {
    TASK.try_with(Clone::clone).ok()
}
