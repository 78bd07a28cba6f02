//! The engine over a `NearCache`: replays without asking the store, and after the same checks.

use idempotent_core::store::LocalStore as _;
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_tests::{Answer, Runs, call, secs, settle};

use super::remote_store::{Near, RemoteStore, near_to};

const V0: Operation = Operation::new("charge").lease(secs(30));

const CALLS: [StoreMethod; 8] = [
    StoreMethod::Reserve,
    StoreMethod::Renew,
    StoreMethod::Complete,
    StoreMethod::Release,
    StoreMethod::Wait,
    StoreMethod::Load,
    StoreMethod::Purge,
    StoreMethod::Scan,
];

/// An engine in this process, and its cache.
fn process(remote: &RemoteStore) -> (Idempotency, Near) {
    let near = near_to(remote);
    (Idempotency::new(near.clone()), near)
}

fn trips(near: &Near) -> usize {
    CALLS.into_iter().map(|call| near.inner().calls(call)).sum()
}

async fn pay(engine: &Idempotency, operation: Operation, payload: &str, runs: &Runs) -> Answer {
    let call = operation.key("k").engine(engine).fingerprint(payload).returning::<Answer>();
    call.run(|| async { Ok(runs.note()) }).await
}

/// A process that has the result of payload "a" near.
async fn with_result_near(operation: Operation) -> (Idempotency, Near) {
    let (engine, near) = process(&RemoteStore::default());
    let runs = Runs::new();
    for _ in 0..2 {
        assert_eq!(pay(&engine, operation, "a", &runs).await.expect("a result"), 1);
        settle().await;
    }
    let id = engine.record_id("charge", None, &"k").expect("a key");
    assert!(near.completed(&id).is_some());
    (engine, near)
}

#[tokio::test]
async fn a_replay_from_the_cache_makes_no_round_trip() {
    let (engine, near) = with_result_near(V0).await;
    let (before, runs) = (trips(&near), Runs::new());
    for _ in 0..10 {
        assert_eq!(pay(&engine, V0, "a", &runs).await.unwrap(), 1);
    }
    assert_eq!((trips(&near), runs.count()), (before, 0));
}

#[tokio::test]
async fn an_execution_makes_two_round_trips_and_a_first_replay_one_and_one_behind() {
    let (engine, near) = process(&RemoteStore::default());
    let runs = Runs::new();
    call(&engine, V0, "k", &runs).await.unwrap();
    assert_eq!(trips(&near), 2);
    call(&engine, V0, "k", &runs).await.unwrap();
    settle().await;
    assert_eq!(trips(&near), 4);
}

#[tokio::test]
async fn a_copy_of_another_version_is_refused_and_not_decoded() {
    let (engine, near) = with_result_near(V0).await;
    let (before, runs) = (trips(&near), Runs::new());
    let error = pay(&engine, V0.version(1), "b", &runs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible, "version comes before fingerprint");
    assert_eq!((trips(&near), runs.count()), (before, 0));
}

#[tokio::test]
async fn a_copy_with_another_fingerprint_is_refused_and_leaks_nothing() {
    let (engine, near) = with_result_near(V0).await;
    let (before, runs) = (trips(&near), Runs::new());
    let error = pay(&engine, V0, "b", &runs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FingerprintMismatch);
    assert_eq!((trips(&near), runs.count()), (before, 0));
}

#[tokio::test]
async fn a_copy_without_a_result_is_refused_as_the_record_would_be() {
    let near = near_to(&RemoteStore::default());
    let engine = Idempotency::builder(near.clone()).max_result_bytes(0).build();
    let runs = Runs::new();
    call(&engine, V0, "k", &runs).await.unwrap();
    for _ in 0..3 {
        let error = call(&engine, V0, "k", &runs).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultNotKept);
        settle().await;
    }
    assert_eq!((near.inner().calls(StoreMethod::Reserve), runs.count()), (2, 1));
}

#[tokio::test]
async fn a_result_of_another_process_is_replayed_from_the_cache() {
    let remote = RemoteStore::default();
    let ((one, _), (other, near)) = (process(&remote), process(&remote));
    let runs = Runs::new();
    call(&one, V0, "k", &runs).await.unwrap();
    for _ in 0..3 {
        assert_eq!(call(&other, V0, "k", &runs).await.unwrap(), 1);
        settle().await;
    }
    assert_eq!((near.inner().calls(StoreMethod::Reserve), runs.count()), (1, 1));
}

#[tokio::test]
async fn a_purge_by_another_process_lets_the_call_run_again_here() {
    let remote = RemoteStore::default();
    let ((one, _), (other, _)) = (process(&remote), process(&remote));
    let runs = Runs::new();
    for _ in 0..2 {
        call(&one, V0, "k", &runs).await.unwrap();
        settle().await;
    }
    let id = one.record_id("charge", None, &"k").unwrap();
    assert!(other.purge(&id).await.unwrap());
    assert_eq!(call(&one, V0, "k", &runs).await.unwrap(), 2);
}

#[tokio::test]
async fn a_copy_is_replayed_while_the_store_is_down() {
    let (engine, near) = with_result_near(V0).await;
    for call in CALLS {
        near.inner().inject(call, When::Always, Fault::Fail);
    }
    assert_eq!(pay(&engine, V0, "a", &Runs::new()).await.unwrap(), 1);
}

#[tokio::test]
async fn engines_with_other_secrets_do_not_share_copies() {
    let near = near_to(&RemoteStore::default());
    let keyed = |secret: u8| Idempotency::builder(near.clone()).secret([secret; 32]).build();
    let (one, other, runs) = (keyed(1), keyed(2), Runs::new());
    for _ in 0..2 {
        call(&one, V0, "k", &runs).await.unwrap();
        settle().await;
    }
    assert_eq!(call(&other, V0, "k", &runs).await.unwrap(), 2);
}
