//! What befalls the chosen calls of a `FaultyStore`.

use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::store::{Release, ReserveOutcome, StoreErrorKind};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};

use super::reference_store::ReferenceStore;
use super::wrappers::{CALLS, charge, complete, request, reserve};

fn faulty(call: StoreMethod, when: When, fault: Fault) -> FaultyStore<ReferenceStore> {
    FaultyStore::new(ReferenceStore::default()).on(call, when, fault)
}

#[tokio::test]
async fn a_call_that_fails_never_reaches_the_store() {
    let store = faulty(StoreMethod::Reserve, When::Nth(1), Fault::Fail);
    let id = charge();
    let error = reserve(&store, &id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(store.load(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_call_fails_as_it_is_told_to() {
    let full = Fault::FailAs(StoreErrorKind::Full);
    let store = faulty(StoreMethod::Reserve, When::Always, full);
    let error = reserve(&store, &charge()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_has_happened() {
    let store = faulty(StoreMethod::Reserve, When::Nth(1), Fault::LoseAnswer);
    let id = charge();
    let error = reserve(&store, &id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Timeout);
    assert!(store.load(&id).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_never_reaches_the_store() {
    let store = faulty(StoreMethod::Reserve, When::Nth(1), Fault::Hang);
    let id = charge();
    let hanging = tokio::time::timeout(Duration::from_secs(3600), reserve(&store, &id));
    assert!(hanging.await.is_err());
    assert!(store.load(&id).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_after_acting_has_happened() {
    let store = faulty(StoreMethod::Reserve, When::Nth(1), Fault::HangAfter);
    let id = charge();
    let hanging = tokio::time::timeout(Duration::from_secs(3600), reserve(&store, &id));
    assert!(hanging.await.is_err());
    assert!(store.load(&id).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_arrives_late_and_a_delayed_answer_has_happened() {
    for (fault, happened) in [
        (Fault::Delay(Duration::from_secs(2)), false),
        (Fault::DelayAnswer(Duration::from_secs(2)), true),
    ] {
        let store = faulty(StoreMethod::Reserve, When::Nth(1), fault);
        let id = charge();
        let reserving = tokio::spawn({
            let (store, id) = (store.clone(), id.clone());
            async move { reserve(&store, &id).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let loaded = store.load(&id).await.unwrap();
        assert_eq!(loaded.is_some(), happened, "{fault:?}");
        let outcome = reserving.await.unwrap().unwrap();
        assert!(matches!(outcome, ReserveOutcome::Won));
    }
}

#[tokio::test]
async fn a_repeated_call_happens_twice_and_answers_once() {
    let inner = FaultyStore::new(ReferenceStore::default());
    let store = FaultyStore::new(inner).on(StoreMethod::Reserve, When::Nth(1), Fault::Repeat);
    assert!(matches!(reserve(&store, &charge()).await.unwrap(), ReserveOutcome::Won));
    assert_eq!(store.calls(StoreMethod::Reserve), 1);
    assert_eq!(store.inner().calls(StoreMethod::Reserve), 2);
}

#[tokio::test]
async fn faults_befall_the_occurrences_that_they_name() {
    for (when, expected) in [
        (When::Nth(2), [true, false, true, true]),
        (When::From(2), [true, false, false, false]),
        (When::Always, [false; 4]),
    ] {
        let store = faulty(StoreMethod::Reserve, when, Fault::Fail);
        let mut answered = Vec::new();
        for _ in 0..4 {
            answered.push(reserve(&store, &charge()).await.is_ok());
        }
        assert_eq!(answered, expected, "{when:?}");
    }
}

#[tokio::test]
async fn a_fault_befalls_its_own_method_and_no_other() {
    let store = faulty(StoreMethod::Complete, When::Always, Fault::Fail);
    let id = charge();
    let first = request(&id);
    store.reserve(&first).await.unwrap();
    let release = Release::new(&id, first.record());
    complete(&store, &first).await.unwrap_err();
    store.release(&release).await.unwrap();
    let counts = CALLS.map(|call| store.calls(call));
    assert_eq!(counts, [1, 0, 1, 1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn faults_are_added_and_healed_while_the_store_is_in_use() {
    let store = FaultyStore::new(ReferenceStore::default());
    let used = store.clone();
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    reserve(&used, &charge()).await.unwrap_err();
    store.heal();
    reserve(&used, &charge()).await.unwrap();
}

#[tokio::test]
async fn the_fault_that_was_added_last_befalls_the_call() {
    let store = faulty(StoreMethod::Reserve, When::Always, Fault::Hang).on(
        StoreMethod::Reserve,
        When::Nth(1),
        Fault::Fail,
    );
    reserve(&store, &charge()).await.unwrap_err();
}

#[tokio::test]
async fn a_test_learns_that_a_call_has_reached_the_store() {
    let store = faulty(StoreMethod::Reserve, When::Always, Fault::Hang);
    let reserving = tokio::spawn({
        let store = store.clone();
        async move { reserve(&store, &charge()).await }
    });
    store.until_called(StoreMethod::Reserve, 1).await;
    assert!(!reserving.is_finished());
    reserving.abort();
}
