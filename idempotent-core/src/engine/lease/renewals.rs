//! [`Renewals`]: the renewal tasks of one engine, one for each runtime on which it is used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, Id};

use super::renewal_task::{RenewalStore, RenewalTask};
use crate::engine::runtime::{NoRuntime, current_runtime, offer_to_other_workers, require_timer};
use crate::store::Store;

/// The renewal tasks of one engine. They end when this is dropped.
pub(in crate::engine) struct Renewals {
    store: Arc<RenewalStore>,
    tasks: Arc<Tasks>,
}

/// One task per runtime; most processes have one runtime.
#[derive(Default)]
struct Tasks {
    running: Mutex<Vec<(Id, Arc<RenewalTask>)>>,
    /// Runtimes on which a timer was tried. Tokio only says that there is none by panicking, so they are not tried
    /// again.
    without_timer: Mutex<Vec<Id>>,
}

impl Renewals {
    pub(in crate::engine) fn new(store: Arc<dyn Store>, timeout: Duration) -> Self {
        let store = Arc::new(RenewalStore { store, timeout });
        Self { store, tasks: Arc::default() }
    }

    /// The task of the current runtime. The first reservation on the runtime starts it.
    pub(in crate::engine) fn current(&self) -> Result<Arc<RenewalTask>, NoRuntime> {
        let runtime = current_runtime()?;
        let mut tasks = self.tasks.lock();
        if let Some((_, task)) = tasks.iter().find(|(id, _)| *id == runtime.id()) {
            return Ok(Arc::clone(task));
        }
        self.tasks.require_timer(runtime.id())?;
        let task = Arc::new(RenewalTask::new(runtime.clone(), Arc::downgrade(&self.store)));
        tasks.push((runtime.id(), Arc::clone(&task)));
        drop(tasks);
        self.start(Arc::clone(&task), &runtime);
        Ok(task)
    }

    fn start(&self, task: Arc<RenewalTask>, runtime: &Handle) {
        let unlist = Unlist { task: Arc::clone(&task), tasks: Arc::downgrade(&self.tasks) };
        runtime.spawn(async move {
            let _unlist = unlist;
            task.run().await;
        });
        offer_to_other_workers(runtime);
    }
}

impl Drop for Renewals {
    fn drop(&mut self) {
        for (_, task) in self.tasks.lock().iter() {
            task.close();
        }
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Vec<(Id, Arc<RenewalTask>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn require_timer(&self, runtime: Id) -> Result<(), NoRuntime> {
        let mut without = self.without_timer.lock().unwrap_or_else(PoisonError::into_inner);
        if without.contains(&runtime) {
            return Err(NoRuntime::WithoutTimer);
        }
        let found = require_timer();
        if found.is_err() {
            without.push(runtime);
        }
        found
    }
}

/// Removes a task from the list when its runtime shuts down, so that another runtime of the same
/// process starts its own.
struct Unlist {
    task: Arc<RenewalTask>,
    tasks: Weak<Tasks>,
}

impl Drop for Unlist {
    fn drop(&mut self) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.lock().retain(|(_, task)| !Arc::ptr_eq(task, &self.task));
        }
    }
}
