//! [`Recovery`]: which calls are resumed, and how.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::operations::{Operations, make_run};
use super::running::RunningRecovery;
use super::state::Worker;
use crate::engine::acquire::without_index;
use crate::engine::idempotency::Idempotency;
use crate::engine::runtime::current_runtime;
use crate::engine::telemetry::Telemetry;
use crate::error::{Error, ErrorKind};

/// Resumes calls that were interrupted and that nobody retries: those of operations with
/// [`resume`](crate::call::CallBuilder::resume), whose input is kept.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use idempotent_core::engine::Recovery;
/// use idempotent_core::{Error, Idempotency, backends::MemoryStore, idempotent};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Order { id: u32, cents: u32 }
///
/// #[idempotent(key = order.id, name = "shop.checkout", resume = order)]
/// async fn checkout(order: Order) -> Result<u32, Error> {
///     Ok(order.cents)
/// }
///
/// let engine = Idempotency::new(MemoryStore::new());
/// let recovery = Recovery::new(&engine)
///     .operation("shop.checkout", |order: Order| checkout(order))
///     .concurrency(16)
///     .max_attempts(20)
///     .start()?;
/// // … serve until the process is told to stop …
/// recovery.stop().await;
/// # Ok(()) }
/// ```
///
/// Every process of a fleet may run one: a call is taken by a compare-and-set, so that one body runs, whether another
/// recovery or the client's own retry comes first.
///
/// # What is resumed
///
/// | the run before | is resumed by a recovery |
/// |---|---|
/// | its process died | once its lease is over |
/// | it [was poisoned](crate::guide::calls_of_several_effects): a step could not be recorded | after a pause |
/// | its body panicked | after a pause |
/// | its future was dropped while it ran | once its lease is over |
/// | its body ended with [`Disposition::Suspend`](crate::Disposition::Suspend) | after a pause |
/// | its body returned an `Err` | never: whoever called it has its answer, and may retry |
///
/// That a body returned an `Err` is recorded as a result is, and tried while the lease lasts. If the store is away for
/// longer than that, or the process dies before it is recorded, the call looks like one whose process died and is resumed.
///
/// The pauses are those of [`resume_backoff`](crate::IdempotencyBuilder::resume_backoff). The closure is called with the
/// decoded input and in the scope of the engine, and must lead to the call that was interrupted: the same operation, key,
/// scope and fingerprint. That is compared before anything runs.
///
/// # Calls that nobody can finish
///
/// A call is *parked* if it was resumed as often as [`max_attempts`](Self::max_attempts) says without recording anything
/// new, if its input cannot be decoded, or if the closure leads to another call. A parked call is
/// [`Indeterminate`](crate::store::State::Indeterminate), with its last error, until somebody
/// [resumes](crate::Idempotency::resume) or [resolves](crate::Idempotency::resolve) it. A call of another version, or with
/// steps that this version does not know, is left to processes that know it; every five minutes it is tried again.
#[must_use = "a recovery does nothing until it is started"]
pub struct Recovery {
    engine: Idempotency,
    operations: Operations,
    concurrency: usize,
    max_attempts: u32,
    poll_every: Duration,
}

impl Recovery {
    /// A recovery of calls of this engine, without any operation yet.
    pub fn new(engine: &Idempotency) -> Self {
        Self {
            engine: engine.clone(),
            operations: Operations::new(),
            concurrency: 16,
            max_attempts: 20,
            poll_every: Duration::from_secs(1),
        }
    }

    /// Adds an operation by its name, with what runs a call of it: a closure that makes the same call from the input that
    /// `resume` was given. What the call returns is dropped; it is recorded as usual.
    pub fn operation<I, F, Fut>(mut self, name: impl Into<String>, run: F) -> Self
    where
        I: DeserializeOwned,
        F: Fn(I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Send> + Send + 'static,
    {
        self.operations.insert(name.into(), make_run(run));
        self
    }

    /// How many calls are resumed at once, at least one. Default: 16.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// How often a call is resumed without recording a new step before it is parked, at least once. A run that ended
    /// because the store failed, or because another process had the call, does not count. A process that dies counts, and so
    /// does a claim that the store carries out after the process has given it up: nobody can tell the two apart. Default: 20.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// How often the store is asked for calls that are due, give or take a tenth. Default: every second.
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.poll_every = pause;
        self
    }

    /// Starts it, in a task of this runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if it has no operation, if the store keeps no
    /// [index of interrupted calls](crate::store::DueCalls), or outside of a tokio runtime.
    pub fn start(self) -> Result<RunningRecovery, Error> {
        let refused =
            |why: String| Err(Error::new(ErrorKind::Misconfigured, "recovery").detail(why));
        if self.operations.is_empty() {
            return refused("it has no operation to resume: add one with `operation`".to_owned());
        }
        let store = self.engine.store();
        if store.due_calls().is_none() || store.journal().is_none() {
            return refused(without_index(self.engine.settings().store_type));
        }
        let runtime = match current_runtime() {
            Ok(runtime) => runtime,
            Err(error) => return refused(error.to_string()),
        };
        self.operations.keys().for_each(|operation| Telemetry::may_park(operation));
        let worker = Worker::new(
            self.engine,
            self.operations,
            (self.concurrency, self.max_attempts),
            self.poll_every,
        );
        Ok(RunningRecovery::spawn(worker, &runtime))
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery")
            .field("operations", &self.operations.keys())
            .field("concurrency", &self.concurrency)
            .field("max_attempts", &self.max_attempts)
            .finish_non_exhaustive()
    }
}
