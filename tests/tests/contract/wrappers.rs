//! The wrappers of `idempotent_core::testing`: what they do on purpose, and that they do nothing
//! else.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::record::{Envelope, Fingerprint, NotKept, RecordId, Token};
use idempotent_core::store::{
    Complete, CompleteOutcome, Release, Reserve, ReserveOutcome, StoreError, StoreErrorKind,
};
use idempotent_core::testing::contract::Subject;
use idempotent_core::testing::{Call, Fault, FaultyStore, Observed, When};
use idempotent_core::{Guarantee, Store};

use super::reference::ReferenceStore;

const CALLS: [Call; 8] = [
    Call::Reserve,
    Call::Renew,
    Call::Complete,
    Call::Release,
    Call::Wait,
    Call::Load,
    Call::Purge,
    Call::Scan,
];

fn charge() -> RecordId {
    RecordId::of("charge", None, &Token::random().to_string()).expect("a key")
}

fn faulty(call: Call, when: When, fault: Fault) -> FaultyStore<ReferenceStore> {
    FaultyStore::new(ReferenceStore::default()).on(call, when, fault)
}

fn request(id: &RecordId) -> Reserve<'_> {
    Reserve::new(id, Envelope::new("charge"))
}

async fn reserve(store: &impl Store, id: &RecordId) -> Result<ReserveOutcome, StoreError> {
    store.reserve(&request(id)).await
}

async fn complete(store: &impl Store, first: &Reserve<'_>) -> Result<CompleteOutcome, StoreError> {
    let (reservation, record) = (first.record(), first.record().completed(b"receipt"));
    let minute = Duration::from_secs(60);
    let request = Complete::new(first.id, reservation, &record, minute);
    store.complete(&request).await
}

mod faults {
    use super::*;

    #[tokio::test]
    async fn a_call_that_fails_never_reaches_the_store() {
        let store = faulty(Call::Reserve, When::Nth(1), Fault::Fail);
        let id = charge();
        let error = reserve(&store, &id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(store.load(&id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_call_fails_as_it_is_told_to() {
        let full = Fault::FailAs(StoreErrorKind::Full);
        let store = faulty(Call::Reserve, When::Always, full);
        let error = reserve(&store, &charge()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Full);
    }

    #[tokio::test]
    async fn a_call_whose_answer_is_lost_has_happened() {
        let store = faulty(Call::Reserve, When::Nth(1), Fault::LoseAnswer);
        let id = charge();
        let error = reserve(&store, &id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout);
        assert!(store.load(&id).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_never_reaches_the_store() {
        let store = faulty(Call::Reserve, When::Nth(1), Fault::Hang);
        let id = charge();
        let hanging = tokio::time::timeout(Duration::from_secs(3600), reserve(&store, &id));
        assert!(hanging.await.is_err());
        assert!(store.load(&id).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_after_acting_has_happened() {
        let store = faulty(Call::Reserve, When::Nth(1), Fault::HangAfter);
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
            let store = faulty(Call::Reserve, When::Nth(1), fault);
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
        let store = FaultyStore::new(inner).on(Call::Reserve, When::Nth(1), Fault::Repeat);
        assert!(matches!(
            reserve(&store, &charge()).await.unwrap(),
            ReserveOutcome::Won
        ));
        assert_eq!(store.calls(Call::Reserve), 1);
        assert_eq!(store.inner().calls(Call::Reserve), 2);
    }

    #[tokio::test]
    async fn faults_befall_the_occurrences_that_they_name() {
        for (when, expected) in [
            (When::Nth(2), [true, false, true, true]),
            (When::From(2), [true, false, false, false]),
            (When::Always, [false; 4]),
        ] {
            let store = faulty(Call::Reserve, when, Fault::Fail);
            let mut answered = Vec::new();
            for _ in 0..4 {
                answered.push(reserve(&store, &charge()).await.is_ok());
            }
            assert_eq!(answered, expected, "{when:?}");
        }
    }

    #[tokio::test]
    async fn a_fault_befalls_its_own_method_and_no_other() {
        let store = faulty(Call::Complete, When::Always, Fault::Fail);
        let id = charge();
        let first = request(&id);
        store.reserve(&first).await.unwrap();
        let release = Release::new(&id, first.record());
        complete(&store, &first).await.unwrap_err();
        store.release(&release).await.unwrap();
        let counts = CALLS.map(|call| store.calls(call));
        assert_eq!(counts, [1, 0, 1, 1, 0, 0, 0, 0]);
    }

    #[tokio::test]
    async fn faults_are_added_and_healed_while_the_store_is_in_use() {
        let store = FaultyStore::new(ReferenceStore::default());
        let used = store.clone();
        store.inject(Call::Reserve, When::Always, Fault::Fail);
        reserve(&used, &charge()).await.unwrap_err();
        store.heal();
        reserve(&used, &charge()).await.unwrap();
    }

    #[tokio::test]
    async fn the_fault_that_was_added_last_befalls_the_call() {
        let store = faulty(Call::Reserve, When::Always, Fault::Hang).on(
            Call::Reserve,
            When::Nth(1),
            Fault::Fail,
        );
        reserve(&store, &charge()).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_test_learns_that_a_call_has_reached_the_store() {
        let store = faulty(Call::Reserve, When::Always, Fault::Hang);
        let reserving = tokio::spawn({
            let store = store.clone();
            async move { reserve(&store, &charge()).await }
        });
        store.until_called(Call::Reserve, 1).await;
        assert!(!reserving.is_finished());
        reserving.abort();
    }
}

mod observed {
    use super::*;

    #[tokio::test]
    async fn an_execution_and_its_replays_are_told_apart() {
        let store = Observed::new(ReferenceStore::default());
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
        let store = Observed::new(ReferenceStore::default());
        let id = charge();
        let first = request(&id);
        store.reserve(&first).await.unwrap();
        store.reserve(&first).await.unwrap();
        complete(&store, &first).await.unwrap();
        complete(&store, &first).await.unwrap();
        assert_eq!(store.executions("charge"), 1);
        assert_eq!(store.tally("charge").completions, 1);
    }

    #[tokio::test]
    async fn running_calls_and_unknown_outcomes_are_counted() {
        let store = Observed::new(ReferenceStore::default());
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
        let store = Observed::new(ReferenceStore::default());
        let id = charge();
        let first = request(&id);
        store.reserve(&first).await.unwrap();
        let tombstone = first.record().tombstone(NotKept::TooLarge);
        let minute = Duration::from_secs(60);
        let request = Complete::new(&id, first.record(), &tombstone, minute);
        store.complete(&request).await.unwrap();
        reserve(&store, &id).await.unwrap();
        assert_eq!(store.tally("charge").not_kept, 1);
        assert_eq!(store.replays("charge"), 0);
    }

    #[tokio::test]
    async fn another_payload_is_no_replay() {
        let store = Observed::new(ReferenceStore::default());
        let id = charge();
        let first = request(&id);
        store.reserve(&first).await.unwrap();
        complete(&store, &first).await.unwrap();
        let mut envelope = Envelope::new("charge");
        envelope.fingerprint = Some(Fingerprint::from_bytes([1; 32]));
        store.reserve(&Reserve::new(&id, envelope)).await.unwrap();
        assert_eq!(store.tally("charge").mismatches, 1);
        assert_eq!(store.replays("charge"), 0);
    }
}

/// A store whose every call happens twice, as a network may have it. A second purge finds nothing,
/// so that one call is left alone.
#[derive(Default)]
struct Twice(ReferenceStore);

#[async_trait::async_trait]
impl Subject for Twice {
    fn store(&self) -> Arc<dyn Store> {
        let store = Observed::new(FaultyStore::new(self.0.clone()));
        for call in CALLS {
            if call != Call::Purge {
                store.inner().inject(call, When::Always, Fault::Repeat);
            }
        }
        Arc::new(store)
    }

    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }
}

mod every_call_happens_twice {
    use super::*;

    idempotent_core::testing::contract_tests! { Twice::default() }
}
