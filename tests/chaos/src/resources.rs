//! What this process holds.

use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::ledger::ResourceUsage;

/// Now.
pub(crate) fn now() -> ResourceUsage {
    let tasks = Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
    ResourceUsage { tasks, memory: resident().unwrap_or(0) }
}

/// When no more than `tasks` are left, and after `patience` at the latest.
pub(crate) async fn settled(tasks: usize, patience: Duration) -> ResourceUsage {
    let deadline = Instant::now() + patience;
    while now().tasks > tasks && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
    now()
}

/// Resident memory in bytes, where the system tells.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_more_and_its_memory_are_seen() {
        let before = now();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let held = vec![1_u8; 8 * 1024 * 1024];
            let _ = ended.await;
            held.len()
        });
        tokio::task::yield_now().await;
        let with = now();
        drop(end);
        task.await.unwrap();
        let after = settled(before.tasks, Duration::from_secs(5)).await;

        assert_eq!(with.tasks, before.tasks + 1);
        assert!(with.memory >= before.memory + 7 * 1024 * 1024, "{before:?} {with:?}");
        assert_eq!(after.tasks, before.tasks);
    }
}
