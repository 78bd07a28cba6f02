//! What an `ObservedStore` store counts.

use std::time::Duration;

use idempotent_core::backends::MemoryStore;
use idempotent_core::model::{Envelope, Fingerprint, NotKept};
use idempotent_core::store::{Complete, Reserve};
use idempotent_core::testing::ObservedStore;
use idempotent_core::{Error, Guarantee, Idempotency, Operation, Store};

use super::reference_store::ReferenceStore;
use super::wrappers::{charge, complete, request, reserve};

#[tokio::test]
async fn an_execution_and_its_replays_are_told_apart() {
    let store = ObservedStore::new(ReferenceStore::default());
    let id = charge();
    let first = request(&id);
    store.reserve(&first).await.unwrap();
    complete(&store, &first).await.unwrap();
    reserve(&store, &id).await.unwrap();
    reserve(&store, &id).await.unwrap();
    assert_eq!(store.executions("charge"), 1);
    assert_eq!(store.replays("charge"), 2);
    assert_eq!(store.executions("refund"), 0);
}

#[tokio::test]
async fn calls_that_are_sent_again_count_once() {
    let store = ObservedStore::new(ReferenceStore::default());
    let id = charge();
    let first = request(&id);
    store.reserve(&first).await.unwrap();
    store.reserve(&first).await.unwrap();
    complete(&store, &first).await.unwrap();
    complete(&store, &first).await.unwrap();
    assert_eq!(store.executions("charge"), 1);
    assert_eq!(store.counts("charge").completions, 1);
}

#[tokio::test]
async fn running_calls_and_unknown_outcomes_are_counted() {
    let store = ObservedStore::new(ReferenceStore::default());
    let id = charge();
    let mut envelope = Envelope::new("charge");
    envelope.guarantee = Guarantee::AtMostOnce;
    store.reserve(&Reserve::new(&id, envelope)).await.unwrap();
    reserve(&store, &id).await.unwrap();
    store.inner().advance(Duration::from_secs(3600));
    reserve(&store, &id).await.unwrap();
    assert_eq!(store.conflicts("charge"), 1);
    assert_eq!(store.indeterminate("charge"), 1);
    assert_eq!(store.executions("charge"), 1);
}

#[tokio::test]
async fn results_that_were_not_kept_are_no_replays() {
    let store = ObservedStore::new(ReferenceStore::default());
    let id = charge();
    let first = request(&id);
    store.reserve(&first).await.unwrap();
    let tombstone = first.record().tombstone(NotKept::TooLarge);
    let minute = Duration::from_secs(60);
    let request = Complete::new(&id, first.record(), &tombstone, minute);
    store.complete(&request).await.unwrap();
    reserve(&store, &id).await.unwrap();
    assert_eq!(store.counts("charge").not_kept, 1);
    assert_eq!(store.replays("charge"), 0);
}

#[tokio::test]
async fn another_payload_is_no_replay() {
    let store = ObservedStore::new(ReferenceStore::default());
    let id = charge();
    let paying = |payload: u8| {
        let mut envelope = Envelope::new("charge");
        envelope.fingerprint = Some(Fingerprint::from_bytes([payload; 32]));
        Reserve::new(&id, envelope)
    };
    let first = paying(0);
    store.reserve(&first).await.unwrap();
    complete(&store, &first).await.unwrap();
    store.reserve(&paying(1)).await.unwrap();
    assert_eq!(store.counts("charge").mismatches, 1);
    assert_eq!(store.replays("charge"), 0);
}

/// As a user's own test does it, with a store that would show replays without being asked.
#[tokio::test]
async fn an_engine_on_an_observed_store_shows_what_ran_and_what_was_replayed() {
    let store = ObservedStore::new(MemoryStore::new());
    let engine = Idempotency::new(store.clone());
    let charge = async || {
        let call = Operation::new("charge").key("order-1").engine(&engine);
        let call = call.returning::<Result<u32, Error>>();
        call.run(|| async { Ok(7) }).await
    };
    assert_eq!(charge().await.unwrap(), 7);
    assert_eq!(charge().await.unwrap(), 7);
    assert_eq!(store.executions("charge"), 1);
    assert_eq!(store.counts("charge").completions, 1);
    assert_eq!(store.replays("charge"), 1);
}
