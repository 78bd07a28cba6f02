//! What groups are worth: calls of many tasks, with groups, with each step alone, and by hand, where every
//! commit waits for the disk.

use std::error::Error;
use std::sync::Arc;

use idempotent_servers::{Postgres, PostgresVersion};

use crate::limit::{self, Limit};
use crate::ours::Ours;
use crate::rounds::{Plan, compare};
use crate::side::{AnySide, What};

/// Calls of one turn.
const fn calls(tasks: u64) -> u64 {
    if tasks < 64 { 50 * tasks } else { 1_024 }
}

/// Measures one version; the ratios are to each step alone.
pub(crate) async fn measure(version: PostgresVersion) -> Result<(), Box<dyn Error>> {
    let server = Postgres::builder().version(version).fsync(true).start().await;
    let url = server.url();
    let sides: [Arc<dyn AnySide>; 3] = [
        Arc::new(Ours::grouping(&url, false).await?),
        Arc::new(Ours::grouping(&url, true).await?),
        Arc::new(Limit::new(limit::pool(&url).await?).await?),
    ];
    for tasks in [64, 256, 4, 1] {
        for what in [What::Execute, What::Replay] {
            let turns = if what == What::Replay { 4 } else { 1 };
            compare(&sides, Plan { what, tasks, keys: 0, calls: turns * calls(tasks) }).await;
        }
    }
    Ok(())
}
