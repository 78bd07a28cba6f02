//! What replicas have by now.

use std::time::{Duration, Instant};

use idempotent_servers::Redis;

use super::PATIENCE;

/// Waits until every replica of a primary has what was written by now. Replicas say once a second what they have.
pub(crate) async fn replicated(primary: &Redis) {
    let (written, _) = offsets(primary).await;
    let begin = Instant::now();
    loop {
        let (_, had) = offsets(primary).await;
        if !had.is_empty() && had.iter().all(|offset| *offset >= written) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "the replicas do not follow: {had:?} of {written}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How far a primary has written, and how far each of its replicas has followed.
async fn offsets(primary: &Redis) -> (u64, Vec<u64>) {
    let info = primary.cli(&["INFO", "replication"]).await.to_string();
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let written = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
    let had = info.lines().filter(|line| line.starts_with("slave"));
    let had = had.filter_map(|line| line.split(',').find_map(|part| part.strip_prefix("offset=")));
    let written = written.and_then(number).expect("the server tells its offset");
    (written, had.filter_map(number).collect())
}
