//! In a cluster: a journal is where its record is, also while their slot moves.

use std::time::Duration;

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::store::{ResumeOutcome, WriteStepOutcome};
use idempotent_core::{Error, Idempotency};
use idempotent_servers::{Cluster, Server, require};
use idempotent_tests::Runs;

use super::run::{RECORDED, Run, call, entry, failure, number, step};
use crate::support::{SlotMove, in_the_end};

async fn connect(cluster: &Cluster, prefix: &str) -> RedisStore {
    let builder = RedisStore::builder(RedisSource::cluster(cluster.urls())).prefix(prefix);
    builder.response_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

async fn interrupted_and_resumed(engine: &Idempotency, key: &str) -> Result<usize, Error> {
    let runs = Runs::new();
    let refused = call(engine, key, || async {
        step("charge", &runs).await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    call(engine, key, || async {
        step("charge", &runs).await?;
        step("ship", &runs).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_shares_the_slot_of_its_record_whatever_the_prefix() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    for prefix in ["idem:", "{shop}:", ""] {
        let engine = Idempotency::builder(connect(&cluster, prefix).await).build();
        for key in 0..12 {
            // Two keys in two slots would be refused.
            let ran = interrupted_and_resumed(&engine, &key.to_string()).await.unwrap();
            assert_eq!(ran, 2, "{prefix}");
        }
    }
}

#[tokio::test]
async fn a_prefix_that_would_part_journals_from_records_is_refused_in_a_cluster() {
    for prefix in ["a}b", "{a", "{}"] {
        let builder = RedisStore::builder(RedisSource::cluster(["redis://127.0.0.1:1"]));
        let refused = builder.prefix(prefix).connect().await.unwrap_err();
        assert!(refused.to_string().contains("no part of a hash tag"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_steps_goes_on_while_its_slot_moves_and_after() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let store = connect(&cluster, "idem:").await;
    let run = Run::with_a_step(&store).await;
    let (record, journal) = run.keys();
    let slot = SlotMove::of(&cluster, &record).await;
    assert_eq!(
        number(slot.from, &["CLUSTER", "KEYSLOT", &record]).await,
        number(slot.from, &["CLUSTER", "KEYSLOT", &journal]).await
    );
    slot.begin().await;
    run.expect_written(&store, "before", &entry(RECORDED, 2)).await;
    slot.carry(&record).await;
    // Half of the call is here and half is there: whoever asks is told to try again.
    let write = async || run.write(&store, "between", &entry(RECORDED, 3)).await;
    assert!(write().await.is_err());
    slot.carry(&journal).await;
    let written = in_the_end("a step", write).await;
    assert_eq!(written, WriteStepOutcome::Written);
    slot.end().await;
    in_the_end("a suspension", async || run.suspend(&store).await).await;
    let next = run.next();
    let resumed = in_the_end("a resume", async || run.resume(&store, &next).await).await;
    assert!(matches!(resumed, ResumeOutcome::Won));
    assert_eq!(next.steps(&store).await.len(), 3);
}
