//! What a store has to be notified by other processes: a listener, and whom it passes notifications on to.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::listener::{self, Channel};
use crate::backends::shared::background::{BackgroundTask, BackgroundTasks};
use crate::backends::shared::notify::{Notifier, PollPauses};
use crate::store::PurgeObserver;

/// The notifications of one store.
pub(in crate::backends::postgres) struct Notifications {
    pub(in crate::backends::postgres) notifier: Arc<Notifier>,
    pub(super) pauses: PollPauses,
    /// What to listen to; `None` if the store should not listen.
    channel: Option<Channel>,
    /// Whether anybody has ever waited or observed.
    is_wanted: AtomicBool,
    listener: BackgroundTask,
    /// Whether the listener has a connection.
    is_connected: Arc<AtomicBool>,
}

impl Notifications {
    pub(in crate::backends::postgres) fn new(channel: Option<Channel>, pauses: PollPauses) -> Self {
        Self {
            notifier: Arc::default(),
            pauses,
            channel,
            is_wanted: AtomicBool::new(false),
            listener: BackgroundTask::default(),
            is_connected: Arc::default(),
        }
    }

    /// Tells an observer of purges; `false` if this store does not listen.
    pub(in crate::backends::postgres) fn observe_purges(
        &self,
        tasks: &BackgroundTasks,
        observer: Weak<dyn PurgeObserver>,
    ) -> bool {
        if !self.is_listening() {
            return false;
        }
        self.notifier.observe_purges(observer);
        self.start(tasks);
        true
    }

    /// Whether this store listens if anybody wants to be notified.
    pub(super) fn is_listening(&self) -> bool {
        self.channel.is_some()
    }

    /// Whether somebody wants to be notified, and the listener has no connection.
    pub(in crate::backends::postgres) fn is_deaf(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed) && !self.is_connected.load(Ordering::Relaxed)
    }

    /// Starts to listen, unless the listener already runs.
    pub(super) fn start(&self, tasks: &BackgroundTasks) {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.restart(tasks);
    }

    /// Listens again if the runtime of the listener is gone and somebody wants to be notified.
    pub(in crate::backends::postgres) fn restart(&self, tasks: &BackgroundTasks) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        if let Some(channel) = &self.channel {
            self.listener.start(tasks, |stop| {
                let is_connected = Arc::clone(&self.is_connected);
                listener::run(Arc::clone(&self.notifier), channel.clone(), is_connected, stop)
            });
        }
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("channel", &self.channel)
            .field("pauses", &self.pauses)
            .finish_non_exhaustive()
    }
}
