//! The contract of sources, on both kinds of queue.

use idempotent_core::testing::sources::cases;
use idempotent_servers::{Server, require};
use tokio::task::JoinSet;

use crate::broker::{Brokered, CLASSIC, QUORUM};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes_on_classic_queues() {
    require!(Server::RabbitMq);
    run_contract(CLASSIC).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes_on_quorum_queues() {
    require!(Server::RabbitMq);
    run_contract(QUORUM).await;
}

/// All cases at once, with queues for each: most of their time is waiting.
async fn run_contract(kind: &'static str) {
    let mut running = JoinSet::new();
    for case in cases() {
        running.spawn(async move {
            let subject = Brokered::start(kind).await;
            let passed = tokio::spawn(async move { case.run(subject).await }).await;
            passed.is_err().then_some(case.name())
        });
    }
    let failed: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
}
