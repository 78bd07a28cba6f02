//! [`RunningRecovery`]: a recovery that was started.

use std::fmt;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::state::Worker;

/// A recovery that was started. Dropping it stops it, and does not wait for what it runs.
#[must_use = "dropping a recovery stops it"]
pub struct RunningRecovery {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RunningRecovery {
    pub(super) fn spawn(worker: Worker, runtime: &Handle) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: runtime.spawn(worker.run(stopped)) }
    }

    /// Takes no further call, and waits until those that it has taken have ended: for a shutdown. Whoever cannot wait so
    /// long drops the future; the calls that still run then go on as long as the runtime does, and are resumed by another
    /// process if that ends first.
    pub async fn stop(self) {
        let Self { stop, task } = self;
        // The worker may have ended with its runtime.
        let _ = stop.send(true);
        let _ = task.await;
    }
}

impl fmt::Debug for RunningRecovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningRecovery").finish_non_exhaustive()
    }
}
