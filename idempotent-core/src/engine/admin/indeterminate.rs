//! Counting the calls of a store that somebody must say something about, for the gauges.

use std::collections::{BTreeMap, HashSet};

use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::Telemetry;
use crate::error::Error;
use crate::store::Scan;

/// How many records are asked for at a time. Those that are found have their steps with them, without results.
const PAGE: usize = 200;

impl Idempotency {
    /// Counts the calls [in doubt](Scan::in_doubt) by operation: indeterminate ones, which somebody must
    /// [resolve](Self::resolve), and suspended ones with a step in doubt, which somebody must
    /// [resolve](Self::resolve_step) as well. With the feature `metrics` it sets the gauge
    /// `idempotent_indeterminate_records` to that.
    ///
    /// It scans the store and the journals of its suspended calls, so call it every minute or so, in one process of a
    /// fleet, or where your reconciliation job runs anyway. An operation that had such records and has none any more is set to 0. The count is not exact
    /// while records come and go.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Idempotency, backends::MemoryStore};
    ///
    /// let engine = Idempotency::new(MemoryStore::new());
    /// for (operation, records) in engine.count_indeterminate().await? {
    ///     println!("{operation}: {records} calls whose outcome nobody knows");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store fails; the gauge is then left as it was.
    pub async fn count_indeterminate(&self) -> Result<BTreeMap<String, u64>, Error> {
        let (mut counts, mut seen) = (BTreeMap::new(), HashSet::new());
        let mut scan = Scan::in_doubt().limit(PAGE);
        loop {
            let page = self.scan(&scan).await?;
            for found in page.entries {
                // A scan may return a record twice.
                if seen.insert(*found.id.hash()) {
                    *counts.entry(found.operation().to_owned()).or_insert(0) += 1;
                }
            }
            match page.next {
                Some(next) => scan = scan.after(next),
                None => break,
            }
        }
        self.report_indeterminate(&counts);
        Ok(counts)
    }

    /// Sets the gauge to what was counted.
    pub(in crate::engine) fn report_indeterminate(&self, counts: &BTreeMap<String, u64>) {
        Telemetry::indeterminate(&self.0.counted_operations, counts);
    }
}
