//! Renewal of live reservations, whether their bodies are polled or not.
//!
//! One task per engine and runtime renews them all at a third of their leases. Inside the caller's
//! own task renewal would stop for a body that blocks, that spends the task's cooperative budget,
//! or that nobody polls.

mod live;
mod pulse;

use std::fmt;
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) use self::live::{Beat, Live};
pub(super) use self::pulse::Pulse;
use crate::store::Store;

/// How many abandoned reservations are being released at once.
const CLEANUPS: usize = 1024;

/// The heartbeats of one engine.
pub(super) struct Heartbeats {
    shared: Arc<Shared>,
    cleanups: Arc<Semaphore>,
}

struct Shared {
    store: Arc<dyn Store>,
    store_timeout: Duration,
    /// One, but for processes with several runtimes.
    runtimes: Mutex<Vec<(Id, Arc<Pulse>)>>,
}

/// Why there is no heartbeat: what the engine needs of its runtime.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoRuntime {
    Absent,
    WithoutTimer,
}

impl Heartbeats {
    pub(super) fn new(store: Arc<dyn Store>, store_timeout: Duration) -> Self {
        let shared = Shared { store, store_timeout, runtimes: Mutex::default() };
        Self { shared: Arc::new(shared), cleanups: Arc::new(Semaphore::new(CLEANUPS)) }
    }

    /// The heartbeat of the running runtime, started by its first reservation.
    pub(super) fn current(&self) -> Result<Arc<Pulse>, NoRuntime> {
        let runtime = Handle::try_current().map_err(|_| NoRuntime::Absent)?;
        let mut runtimes = lock(&self.shared.runtimes);
        if let Some((_, pulse)) = runtimes.iter().find(|(id, _)| *id == runtime.id()) {
            return Ok(Arc::clone(pulse));
        }
        if !has_timer() {
            return Err(NoRuntime::WithoutTimer);
        }
        let pulse = Arc::new(Pulse::new(runtime.clone(), Arc::downgrade(&self.shared)));
        runtimes.push((runtime.id(), Arc::clone(&pulse)));
        drop(runtimes);
        runtime.spawn(Arc::clone(&pulse).run());
        let_others_take_it(&runtime);
        Ok(pulse)
    }

    /// Leave to release one more abandoned reservation, unless too many are being released.
    pub(super) fn cleanup(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.cleanups).try_acquire_owned().ok()
    }
}

impl Drop for Heartbeats {
    fn drop(&mut self) {
        for (_, pulse) in lock(&self.shared.runtimes).iter() {
            pulse.close();
        }
    }
}

/// Lets another worker take the task that was just woken or spawned here. A runtime keeps the last
/// one for the worker itself, and a body that blocks this worker would then block the heartbeat; the
/// next one pushes it out to where it can be stolen.
fn let_others_take_it(runtime: &Handle) {
    runtime.spawn(async {});
}

/// Whether the running runtime has a timer. Tokio tells only by panicking.
fn has_timer() -> bool {
    catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "an idempotent call runs inside a tokio runtime, and there is none",
            Self::WithoutTimer => {
                "the tokio runtime has no timer: build it with `enable_time()` or `enable_all()`"
            }
        })
    }
}
