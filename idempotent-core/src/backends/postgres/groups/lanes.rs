//! The queues of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::change::Change;
use super::correction::Correction;
use super::look::Look;
use super::queue::Queue;

/// After that long a group is slow, and the next one no longer waits for it.
const SLOW: Duration = Duration::from_millis(100);

/// How many steps of a queue are under way alone at once.
const MAX_ALONE: usize = 2;

/// The queues of a store: no step waits behind one of another queue.
#[derive(Debug)]
pub(in crate::backends::postgres) struct Lanes {
    pub(super) looks: Arc<Queue<Look>>,
    pub(super) changes: Arc<Queue<Change>>,
    /// Leases that lapse if they are not renewed in time.
    pub(super) renewals: Arc<Queue<Change>>,
    /// Completed records that an operator replaces or purges.
    pub(super) corrections: Arc<Queue<Correction>>,
    /// For reserves that may wait for a transaction of a caller, on a connection of their own: they leave half of
    /// the connections to others.
    pub(super) waiting: Semaphore,
    is_on: AtomicBool,
}

/// How a store forms groups.
pub(in crate::backends::postgres) struct GroupOptions {
    pub(in crate::backends::postgres) is_on: bool,
    /// Whether a step leaves in a group even if it is alone.
    pub(in crate::backends::postgres) is_never_alone: bool,
    /// The longest that a step may take.
    pub(in crate::backends::postgres) timeout: Duration,
    /// How many connections there are.
    pub(in crate::backends::postgres) connections: u32,
}

impl Lanes {
    pub(in crate::backends::postgres) fn new(options: &GroupOptions) -> Self {
        let slow_after = (options.timeout / 10).min(SLOW);
        let max_alone = if options.is_never_alone { 0 } else { MAX_ALONE };
        Self {
            looks: Arc::new(Queue::new(slow_after, max_alone)),
            changes: Arc::new(Queue::new(slow_after, max_alone)),
            renewals: Arc::new(Queue::new(slow_after, max_alone)),
            corrections: Arc::new(Queue::new(slow_after, max_alone)),
            waiting: Semaphore::new((options.connections as usize / 2).max(1)),
            is_on: AtomicBool::new(options.is_on),
        }
    }

    /// Whether steps may leave together.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// The sessions are not at the level that groups need.
    pub(super) fn switch_off(&self) {
        if self.is_on.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "the store commits each step alone: `group_commits` needs the isolation level read committed"
            );
        }
    }
}
