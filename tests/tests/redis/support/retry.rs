//! Asking again while servers fail, as callers do.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// What a test waits for at most, on a machine that is slow at times: a failover takes a node timeout
/// of one second, a vote and some gossip.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the store answers.
pub(crate) async fn in_the_end<T, E: Debug>(what: &str, call: impl AsyncFn() -> Result<T, E>) -> T {
    let begin = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{what}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
