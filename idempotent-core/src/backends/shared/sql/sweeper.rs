//! The sweeper: a background task that removes expired records, a batch at a time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use crate::backends::shared::background::{BackgroundTask, BackgroundTasks, StopSignal};
use crate::store::StoreError;
use crate::store::poll::jittered;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// What the sweeper needs of a store.
#[async_trait]
pub(in crate::backends) trait Sweep: Send + Sync + 'static {
    /// Removes one batch of expired records.
    async fn sweep_batch(&self) -> Result<SweepBatch, StoreError>;
}

/// One batch that was swept.
#[derive(Clone, Copy, Debug)]
pub(in crate::backends) struct SweepBatch {
    /// How many records were removed.
    pub(in crate::backends) records: u64,
    /// The pause before the next batch; `None` if there is nothing more to remove.
    pub(in crate::backends) pause: Option<Duration>,
}

/// The sweeper of one store.
#[derive(Debug)]
pub(in crate::backends) struct Sweeper {
    /// How often to sweep; `None` means never.
    interval: Option<Duration>,
    task: BackgroundTask,
}

impl Sweeper {
    pub(in crate::backends) fn new(interval: Option<Duration>) -> Self {
        let clamp = |interval: Duration| interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        Self { interval: interval.map(clamp), task: BackgroundTask::default() }
    }

    /// Starts to sweep the store in the background, if that is wanted and it does not sweep yet.
    pub(in crate::backends) fn start<S: Sweep>(&self, tasks: &BackgroundTasks, store: &Arc<S>) {
        if let Some(interval) = self.interval {
            self.task.start(tasks, |stop| run(Arc::downgrade(store), interval, stop));
        }
    }
}

/// Removes all expired records, and says how many those were.
pub(in crate::backends) async fn sweep_all(store: &impl Sweep) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let batch = store.sweep_batch().await?;
        swept += batch.records;
        let Some(pause) = batch.pause else { return Ok(swept) };
        sleep(pause).await;
    }
}

async fn run<S: Sweep>(store: Weak<S>, interval: Duration, mut stop: StopSignal) {
    let mut pause = jittered(interval);
    while stop.sleep(pause).await {
        // Not kept during the pauses: a store that nobody else uses any more is dropped.
        let Some(store) = store.upgrade() else { return };
        pause = match store.sweep_batch().await {
            Ok(SweepBatch { pause: Some(pause), .. }) => pause,
            Ok(_) => jittered(interval),
            Err(_) if stop.is_received() => return,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expired records could not be removed; the sweeper will try again"
                );
                jittered(interval)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_neither_endless_nor_endlessly_apart() {
        let interval = |interval| Sweeper::new(interval).interval;
        assert_eq!(interval(Some(Duration::ZERO)), Some(SHORTEST_INTERVAL));
        assert_eq!(interval(Some(Duration::MAX)), Some(LONGEST_INTERVAL));
        assert_eq!(interval(None), None);
    }
}
