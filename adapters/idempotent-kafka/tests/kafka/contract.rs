//! The contract of sources.

use idempotent_core::testing::sources::cases;
use tokio::task::JoinSet;

use crate::cluster::Topics;

/// All cases at once, with topics and a group for each: most of their time is waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes() {
    let mut running = JoinSet::new();
    for case in cases() {
        running.spawn(async move {
            let subject = Topics::with_partitions(2).ordered_members();
            let passed = tokio::spawn(async move { case.run(subject).await }).await;
            passed.is_err().then_some(case.name())
        });
    }
    let failed: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
}
