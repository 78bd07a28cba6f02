//! Everything that depends on tokio's scheduler: whether there is a runtime with a timer, how
//! another worker gets a task, and timers that ignore the cooperative budget.

use std::fmt;
use std::future::Future;
use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::sleep;

/// Why the engine cannot run a call here.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoRuntime {
    Absent,
    WithoutTimer,
}

/// The current runtime.
pub(super) fn current_runtime() -> Result<Handle, NoRuntime> {
    Handle::try_current().map_err(|_| NoRuntime::Absent)
}

/// Refuses a runtime without a timer, which tokio reports only by panicking.
pub(super) fn require_timer() -> Result<(), NoRuntime> {
    catch_unwind(|| drop(sleep(Duration::ZERO))).map_err(|_| NoRuntime::WithoutTimer)
}

/// Whether this code runs on `runtime`.
pub(super) fn is_current(runtime: &Handle) -> bool {
    Handle::try_current().is_ok_and(|current| current.id() == runtime.id())
}

/// Lets another worker take the task that was just woken or spawned here. Tokio reserves the newest
/// task for the current worker, where a blocking body would block it too. Spawning one more task
/// moves it to a queue from which other workers can steal it.
pub(super) fn offer_to_other_workers(runtime: &Handle) {
    runtime.spawn(async {});
}

/// A timer that fires even if the task has used up its cooperative budget.
pub(super) fn unbudgeted_sleep(duration: Duration) -> impl Future<Output = ()> {
    unconstrained(sleep(duration))
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "an idempotent call must run inside a tokio runtime",
            Self::WithoutTimer => {
                "the tokio runtime has no timer: build it with `enable_time()` or `enable_all()`"
            }
        })
    }
}
