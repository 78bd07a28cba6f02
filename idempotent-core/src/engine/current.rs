//! Which engine a call uses: the task's, else the installed one, else the embedded default.

use std::fmt;
use std::future::Future;
use std::sync::OnceLock;

use super::Idempotency;
use crate::error::Error;

static INSTALLED: OnceLock<Idempotency> = OnceLock::new();

tokio::task_local! {
    static TASK: Idempotency;
}

/// Makes `engine` the one that calls use which name none.
///
/// Call it once, at start-up. The engine then stays as long as the process: its handles are not counted, so
/// calls of many threads do not meet at a counter.
///
/// # Errors
///
/// [`AlreadyInUse`] once an engine is installed, or once a call has used the embedded default:
/// its records would silently be left behind.
///
/// ```
/// use idempotent_core::{Idempotency, install, store::MemoryStore};
///
/// install(Idempotency::new(MemoryStore::new()))?;
/// assert!(install(Idempotency::new(MemoryStore::new())).is_err());
/// # Ok::<(), idempotent_core::AlreadyInUse>(())
/// ```
pub fn install(engine: Idempotency) -> Result<(), AlreadyInUse> {
    INSTALLED.set(engine).map_err(|_| AlreadyInUse(()))
}

/// Runs `future` with `engine` as the one its calls use, other tasks unaffected.
///
/// Tests use it to run side by side. Tasks that `future` spawns do not inherit it; bodies that run
/// on by `detach` do.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use idempotent_core::{Error, Idempotency, idempotent, store::MemoryStore, with};
///
/// #[idempotent(key = order, name = "charge")]
/// async fn charge(order: u32) -> Result<u32, Error> {
///     Ok(order)
/// }
///
/// let engine = Idempotency::new(MemoryStore::new());
/// assert_eq!(with(engine, charge(7)).await?, 7);
/// # Ok(()) }
/// ```
pub fn with<F: Future>(engine: Idempotency, future: F) -> impl Future<Output = F::Output> {
    TASK.scope(engine, future)
}

/// An engine is installed already, or calls have used the embedded default.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadyInUse(());

impl fmt::Debug for AlreadyInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadyInUse")
    }
}

impl fmt::Display for AlreadyInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an engine is installed already, or calls have used the embedded default: install the \
             engine once, before the first idempotent call",
        )
    }
}

impl std::error::Error for AlreadyInUse {}

/// The task's engine, to be taken along into another task.
#[derive(Clone)]
pub(crate) struct Scope(Option<Idempotency>);

/// The scope of the running task.
pub(crate) fn scope() -> Scope {
    Scope(TASK.try_with(Clone::clone).ok())
}

impl Scope {
    /// Runs `future` in this scope.
    pub(crate) async fn run<F: Future>(self, future: F) -> F::Output {
        match self.0 {
            Some(engine) => TASK.scope(engine, future).await,
            None => future.await,
        }
    }
}

/// The engine of a call that names none.
pub(super) fn current(operation: &'static str) -> Result<Idempotency, Error> {
    match TASK.try_with(Clone::clone) {
        Ok(engine) => Ok(engine),
        Err(_) => installed(operation),
    }
}

#[cfg(feature = "moka")]
fn installed(_operation: &'static str) -> Result<Idempotency, Error> {
    let engine = INSTALLED.get_or_init(|| {
        tracing::warn!(
            "no engine is installed: records are kept in the memory of this process, so other \
             processes do not see them and a restart forgets them; call idempotent_core::install"
        );
        Idempotency::new(crate::store::MemoryStore::new())
    });
    Ok(engine.installed())
}

#[cfg(not(feature = "moka"))]
fn installed(operation: &'static str) -> Result<Idempotency, Error> {
    INSTALLED.get().map(Idempotency::installed).ok_or_else(|| {
        Error::new(crate::ErrorKind::Misconfigured, operation)
            .detail("no engine is installed, and there is no default without feature `moka`")
    })
}

#[cfg(all(test, feature = "moka"))]
mod tests {
    use super::*;
    use crate::engine::Handle;

    #[test]
    fn a_call_that_names_no_engine_does_not_count_its_handle() {
        let engine = current("shop::charge").unwrap();
        assert!(matches!(engine.0, Handle::Installed(_)));
        assert!(matches!(engine.clone().0, Handle::Installed(_)));
    }
}
