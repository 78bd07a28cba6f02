//! The engine of a call that names none: the task's, else the installed one, else the embedded
//! default.
//!
//! Apart from the integrations that need a database, this is the only module above the backends
//! that names one.

use std::sync::OnceLock;

use crate::engine::{Idempotency, InstallError, Request, task_engine};
use crate::error::{Error, ErrorKind};
#[cfg(feature = "moka")]
use crate::model::Guarantee;
use crate::model::Operation;

static DEFAULT: OnceLock<DefaultEngine> = OnceLock::new();

/// The engine of calls that name none.
struct DefaultEngine {
    engine: Idempotency,
    /// Whether nobody installed it.
    #[cfg_attr(not(feature = "moka"), allow(dead_code))]
    is_embedded: bool,
}

/// Installs `engine` as the default of this process: calls that name no engine use it.
///
/// Without it, calls use an embedded engine on a `MemoryStore` (feature `moka`), with a warning; those that are *at
/// most once* or *exactly once* are refused with [`Misconfigured`](crate::ErrorKind::Misconfigured), since its records
/// are lost with the process. An engine on a `MemoryStore` that is installed was chosen, and takes them.
///
/// Call it once, at startup. The installed engine is never dropped, and its handles are not
/// reference-counted, so calls on many threads do not contend for a counter.
///
/// # Errors
///
/// [`InstallError`] if an engine is already installed, or if a call has already used the embedded
/// default, whose records would silently be left behind.
///
/// ```
/// use idempotent_core::{Idempotency, backends::MemoryStore, install};
///
/// install(Idempotency::new(MemoryStore::new()))?;
/// assert!(install(Idempotency::new(MemoryStore::new())).is_err());
/// # Ok::<(), idempotent_core::engine::InstallError>(())
/// ```
pub fn install(engine: Idempotency) -> Result<(), InstallError> {
    DEFAULT.set(DefaultEngine { engine, is_embedded: false }).map_err(|_| InstallError::new())
}

/// The engine of a call: the one that it names, else the default.
pub(crate) fn engine_of(request: &mut Request) -> Result<Idempotency, Error> {
    match request.engine.take().or_else(task_engine) {
        Some(engine) => Ok(engine),
        None => installed(&request.operation),
    }
}

/// What the embedded engine cannot promise: its records are gone after a restart, and other processes do not see
/// them.
#[cfg(feature = "moka")]
fn installed(operation: &Operation) -> Result<Idempotency, Error> {
    if operation.guarantee != Guarantee::AtLeastOnce
        && DEFAULT.get().is_none_or(|it| it.is_embedded)
    {
        return Err(not_embedded(operation));
    }
    let default = DEFAULT.get_or_init(|| {
        tracing::warn!(
            "no engine is installed: records are kept in the memory of this process, where other \
             processes do not see them, and are lost on restart; call idempotent_core::install at \
             startup"
        );
        DefaultEngine {
            engine: Idempotency::new(crate::backends::MemoryStore::new()),
            is_embedded: true,
        }
    });
    Ok(default.engine.installed())
}

#[cfg(feature = "moka")]
#[cold]
fn not_embedded(operation: &Operation) -> Error {
    let guarantee = operation.guarantee.as_str();
    Error::new(ErrorKind::Misconfigured, operation.name).detail(format!(
        "`{guarantee}` needs an engine that was chosen, and none is installed: the embedded default forgets its \
         records with the process, and other processes do not see them; call \
         `idempotent_core::install(Idempotency::new(store))` at startup, with `MemoryStore::new()` if that is meant"
    ))
}

#[cfg(not(feature = "moka"))]
fn installed(operation: &Operation) -> Result<Idempotency, Error> {
    DEFAULT.get().map(|it| it.engine.installed()).ok_or_else(|| {
        Error::new(ErrorKind::Misconfigured, operation.name).detail(
            "no engine is installed, and without the feature `moka` there is no default engine: call \
             `idempotent_core::install(Idempotency::new(store))` at startup",
        )
    })
}

#[cfg(all(test, feature = "moka"))]
mod tests {
    use super::*;
    use crate::model::KeyParts;

    #[test]
    fn a_call_that_names_no_engine_does_not_count_its_handle() {
        let operation = Operation::new("shop::charge");
        let key = KeyParts::of("order 7");
        let mut request = Request {
            operation,
            key,
            scope: None,
            digest: None,
            engine: None,
            limiter: None,
            detaches: false,
            result_types: None,
            trace_parent: None,
            input: None,
        };
        let engine = engine_of(&mut request).unwrap();
        assert!(engine.is_installed());
        assert!(engine.clone().is_installed());
    }
}
