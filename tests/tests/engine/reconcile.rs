//! Reconciling: when other systems are asked about calls in doubt, and what becomes of their answers.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::{Doubtful, Finding, Reconciler, Reconciliation, Resolution};
use idempotent_core::model::DerivedKey;
use idempotent_core::store::State;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, Reservation};
use idempotent_tests::{engine, secs};
use tokio::time::advance;

const CHARGE: Operation =
    Operation::new("shop.charge").guarantee(Guarantee::AtMostOnce).lease(secs(30));
const SETTLE: Duration = secs(60);

/// What a provider answers, by the key of the request; nothing of keys that it does not know.
#[derive(Clone, Default)]
struct Provider {
    charges: Arc<Mutex<HashMap<DerivedKey, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    fn charge(&self, call: &Reservation<String, Error>, receipt: &str) {
        let key = call.record_id().unwrap().derive("stripe");
        self.charges.lock().unwrap().insert(key, receipt.to_owned());
    }

    fn ask(&self, call: &Doubtful) -> Finding {
        self.asked.lock().unwrap().push(call.key().unwrap().to_owned());
        match self.charges.lock().unwrap().get(&call.derive("stripe")) {
            Some(receipt) => Finding::happened(receipt.clone()),
            None => Finding::NeverHappened,
        }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn reconciler(&self, engine: &Idempotency) -> Reconciler {
        let provider = self.clone();
        Reconciler::new(engine).settle(SETTLE).operation("shop.charge", move |call| {
            let provider = provider.clone();
            async move { provider.ask(&call) }
        })
    }
}

async fn begin(engine: &Idempotency, key: &str) -> Reservation<String, Error> {
    let call = CHARGE.key(key).engine(engine).returning::<Result<String, Error>>();
    match call.begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

/// A retry's answer.
async fn retry(engine: &Idempotency, key: &str) -> Result<String, Error> {
    let call = CHARGE.key(key).engine(engine).returning::<Result<String, Error>>();
    call.run(|| async { Ok("a second charge".to_owned()) }).await
}

async fn state(engine: &Idempotency, key: &str) -> Option<State> {
    let id = engine.record_id("shop.charge", None, key).unwrap();
    engine.inspect(&id).await.unwrap().map(|seen| seen.state())
}

async fn pass(reconciler: &Reconciler) -> Reconciliation {
    reconciler.pass().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_happened_is_resolved_once_it_has_settled() {
    let (engine, provider) = (engine(), Provider::default());
    let call = begin(&engine, "7").await;
    provider.charge(&call, "receipt 7");
    call.abandon().await;
    let reconciler = provider.reconciler(&engine);
    advance(SETTLE - secs(1)).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.found, report.settling, provider.asked()), (1, 1, 0));
    assert_eq!(report.oldest, Some(SETTLE - secs(1)));

    advance(secs(1)).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.asked, report.ended), (1, 1));
    assert_eq!(report.to_string(), "1 found, 1 asked about: 1 ended, 0 never happened");
    assert_eq!(retry(&engine, "7").await.unwrap(), "receipt 7");
    assert_eq!(pass(&reconciler).await, Reconciliation::default());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_longer_than_the_settle_time_is_the_settle_time() {
    let (engine, provider) = (engine(), Provider::default());
    begin(&engine, "7").await.abandon().await;
    let reconciler = provider.reconciler(&engine).settle(secs(1));
    advance(secs(29)).await;
    assert_eq!(pass(&reconciler).await.settling, 1);
    advance(secs(1)).await;
    assert_eq!(pass(&reconciler).await.asked, 1);
}

#[tokio::test(start_paused = true)]
async fn never_happened_counts_after_two_answers_that_far_apart() {
    let (engine, provider) = (engine(), Provider::default());
    begin(&engine, "7").await.abandon().await;
    let reconciler = provider.reconciler(&engine);
    advance(SETTLE).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.never_once, report.never_happened), (1, 0));
    assert_eq!(retry(&engine, "7").await.unwrap_err().kind(), ErrorKind::Indeterminate);
    advance(SETTLE - secs(1)).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.waiting, provider.asked()), (1, 1));
    advance(secs(1)).await;
    assert_eq!(pass(&reconciler).await.never_happened, 1);
    assert_eq!(retry(&engine, "7").await.unwrap(), "a second charge");
}

/// The step has sent a key of its own, and the provider is asked by the call's.
#[tokio::test(start_paused = true)]
async fn of_a_call_with_steps_never_happened_does_not_count() {
    let (engine, provider) = (engine(), Provider::default());
    let call = Operation::new("shop.charge").lease(secs(30)).key("7").engine(&engine);
    let interrupted = call.returning::<Result<String, Error>>().run(|| async {
        let step = Operation::new("pay").guarantee(Guarantee::AtMostOnce).step();
        let step = step.returning::<Result<String, Error>>().run(pending);
        let _ = tokio::time::timeout(secs(1), step).await;
        Ok("unknown".to_owned())
    });
    assert_eq!(interrupted.await.unwrap_err().kind(), ErrorKind::Indeterminate);
    let reconciler = provider.reconciler(&engine);
    for _ in 0..4 {
        advance(SETTLE).await;
        let report = pass(&reconciler).await;
        assert_eq!((report.never_once, report.never_happened), (0, 0));
    }
    assert!(provider.asked() >= 2, "it was asked {} times", provider.asked());
    assert_eq!(state(&engine, "7").await, Some(State::Indeterminate));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_after_the_first_never_is_found_by_the_second_question() {
    let (engine, provider) = (engine(), Provider::default());
    let call = begin(&engine, "7").await;
    let id = call.record_id().unwrap().clone();
    call.abandon().await;
    let reconciler = provider.reconciler(&engine);
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.never_once, 1);
    provider.charges.lock().unwrap().insert(id.derive("stripe"), "receipt 7".to_owned());
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.ended, 1);
    assert_eq!(retry(&engine, "7").await.unwrap(), "receipt 7");
}

/// What was told of an earlier call says nothing of a later one with the same key.
#[tokio::test(start_paused = true)]
async fn an_answer_about_one_call_does_not_count_for_its_successor() {
    let (engine, provider) = (engine(), Provider::default());
    begin(&engine, "7").await.abandon().await;
    let reconciler = provider.reconciler(&engine);
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.never_once, 1);
    let id = engine.record_id("shop.charge", None, "7").unwrap();
    engine.purge(&id).await.unwrap();
    begin(&engine, "7").await.abandon().await;
    advance(SETTLE).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.never_once, report.never_happened), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stalls_panics_or_does_not_know_is_asked_again_ever_later() {
    let engine = engine();
    for key in ["stalls", "panics", "does not know"] {
        begin(&engine, key).await.abandon().await;
    }
    let reconciler = Reconciler::new(&engine)
        .settle(SETTLE)
        .ask_timeout(secs(5))
        .backoff(secs(10), secs(40))
        .operation("shop.charge", |call| async move {
            match call.key() {
                Some("stalls") => pending().await,
                Some("panics") => panic!("it panics"),
                _ => Finding::Unknown,
            }
        });
    advance(SETTLE).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.asked, report.unknown), (3, 3));
    assert_eq!(pass(&reconciler).await.waiting, 3);
    let mut asked = Vec::new();
    for _ in 0..4 {
        advance(secs(10)).await;
        asked.push(pass(&reconciler).await.asked);
    }
    // After 5 to 10 seconds, 10 to 20 more, and 20 to 40 more, each from the last answer on.
    assert_eq!(asked[0], 3);
    assert!(asked.iter().sum::<u64>() <= 9, "{asked:?}");
    assert_eq!(state(&engine, "stalls").await, Some(State::Indeterminate));
}

#[tokio::test(start_paused = true)]
async fn a_pass_keeps_to_its_budget_and_the_next_one_goes_on() {
    let (engine, provider) = (engine(), Provider::default());
    for number in 0..25 {
        begin(&engine, &number.to_string()).await.abandon().await;
    }
    let reconciler = provider.reconciler(&engine).asks_per_pass(10).concurrency(3);
    advance(SETTLE).await;
    let budgets = [
        pass(&reconciler).await,
        pass(&reconciler).await,
        pass(&reconciler).await,
        pass(&reconciler).await,
    ];
    let asked = budgets.iter().map(|report| report.asked).collect::<Vec<_>>();
    assert_eq!(asked, [10, 10, 5, 0]);
    assert_eq!((budgets[0].over_budget, budgets[3].waiting), (15, 25));
    let mut keys = provider.asked.lock().unwrap().clone();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_that_completes_while_it_is_asked_has_the_last_word() {
    let engine = engine();
    let owner = begin(&engine, "7").await;
    let owner = Arc::new(Mutex::new(Some(owner)));
    advance(secs(31) + SETTLE).await;
    let reconciler = Reconciler::new(&engine).settle(SETTLE).operation("shop.charge", move |_| {
        let owner = owner.lock().unwrap().take();
        async move {
            if let Some(owner) = owner {
                owner.complete(&Ok("the owner's receipt".to_owned())).await;
            }
            Finding::happened("another receipt".to_owned())
        }
    });
    // Time jumped, so its lease lapsed before it could be renewed.
    assert_eq!(state(&engine, "7").await, Some(State::Indeterminate));
    let report = pass(&reconciler).await;
    assert_eq!((report.changed, report.ended), (1, 0));
    assert_eq!(retry(&engine, "7").await.unwrap(), "the owner's receipt");
}

#[tokio::test(start_paused = true)]
async fn an_operator_who_was_first_has_the_last_word() {
    let engine = engine();
    begin(&engine, "7").await.abandon().await;
    advance(SETTLE).await;
    let operator = engine.clone();
    let reconciler =
        Reconciler::new(&engine).settle(SETTLE).operation("shop.charge", move |call| {
            let operator = operator.clone();
            async move {
                let said = Resolution::completed("what the operator says");
                operator.resolve(call.inspection(), said).await.unwrap();
                Finding::happened("what the provider says".to_owned())
            }
        });
    let report = pass(&reconciler).await;
    assert_eq!((report.changed, report.ended), (1, 0));
    assert_eq!(retry(&engine, "7").await.unwrap(), "what the operator says");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_asks_and_changes_nothing() {
    let (engine, provider) = (engine(), Provider::default());
    let call = begin(&engine, "7").await;
    provider.charge(&call, "receipt 7");
    call.abandon().await;
    begin(&engine, "8").await.abandon().await;
    let reconciler = provider.reconciler(&engine).dry_run();
    advance(SETTLE).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.ended, report.never_once), (1, 1));
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.never_happened, 1);
    for key in ["7", "8"] {
        assert_eq!(state(&engine, key).await, Some(State::Indeterminate));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_run_and_those_of_other_operations_are_not_asked_about() {
    let (engine, provider) = (engine(), Provider::default());
    let long = CHARGE.lease(secs(600)).key("7").engine(&engine);
    let _running = long.returning::<Result<String, Error>>().begin().await.unwrap();
    let refund = Operation::new("shop.refund").guarantee(Guarantee::AtMostOnce);
    let refund = refund.key("8").engine(&engine).returning::<Result<String, Error>>();
    match refund.begin().await.unwrap() {
        BeginOutcome::Reserved(refund) => refund.abandon().await,
        other => panic!("{other:?}"),
    }
    advance(SETTLE).await;
    let report = pass(&provider.reconciler(&engine)).await;
    assert_eq!((report.found, report.of_others, provider.asked()), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_wrong_type_is_refused_and_the_call_stays_in_doubt() {
    let engine = engine();
    begin(&engine, "7").await.abandon().await;
    let reconciler = Reconciler::new(&engine)
        .settle(SETTLE)
        .operation("shop.charge", |_| async { Finding::happened(7_u64) });
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.refused, 1);
    assert_eq!(state(&engine, "7").await, Some(State::Indeterminate));
    assert_eq!(pass(&reconciler).await.waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn several_reconcilers_agree() {
    let (engine, provider) = (engine(), Provider::default());
    for number in 0..20 {
        let call = begin(&engine, &number.to_string()).await;
        provider.charge(&call, &format!("receipt {number}"));
        call.abandon().await;
    }
    advance(SETTLE).await;
    let reconcilers = [0; 3].map(|_| provider.reconciler(&engine));
    let [first, second, third] = &reconcilers;
    let (first, second, third) = tokio::join!(first.pass(), second.pass(), third.pass());
    let reports = [first.unwrap(), second.unwrap(), third.unwrap()];
    // Those that say the same at the same moment each count it.
    assert!(reports.iter().all(|report| report.ended + report.changed == 20), "{reports:?}");
    for number in 0..20 {
        let receipt = retry(&engine, &number.to_string()).await.unwrap();
        assert_eq!(receipt, format!("receipt {number}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_ends_a_pass_and_the_next_one_goes_on() {
    let store = FaultyStore::new(MemoryStore::new());
    let faults = store.clone();
    let (engine, provider) = (Idempotency::new(store), Provider::default());
    let call = begin(&engine, "7").await;
    provider.charge(&call, "receipt 7");
    call.abandon().await;
    let reconciler = provider.reconciler(&engine);
    advance(SETTLE).await;
    for method in [StoreMethod::Scan, StoreMethod::Complete] {
        faults.inject(method, When::Always, Fault::Fail);
        assert_eq!(reconciler.pass().await.unwrap_err().kind(), ErrorKind::Store);
        faults.heal();
    }
    assert_eq!(pass(&reconciler).await.ended, 1);
}

#[tokio::test(start_paused = true)]
async fn it_runs_until_it_is_told_to_stop() {
    let (engine, provider) = (engine(), Provider::default());
    let call = begin(&engine, "7").await;
    provider.charge(&call, "receipt 7");
    call.abandon().await;
    let reconciler = provider.reconciler(&engine);
    reconciler.run(secs(10), tokio::time::sleep(SETTLE + secs(11))).await;
    assert_eq!((provider.asked(), retry(&engine, "7").await.unwrap().as_str()), (1, "receipt 7"));
}
