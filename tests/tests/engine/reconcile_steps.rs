//! Reconciling steps: another system is asked about a step in doubt by the key that the step has sent, also while its call is
//! only suspended.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::engine::{DoubtfulStep, Finding, Reconciler, Reconciliation, Resolution};
use idempotent_core::model::DerivedKey;
use idempotent_core::store::{Scan, State};
use idempotent_core::{Error, Guarantee, Idempotency, Operation, current};
use idempotent_tests::{engine, secs};
use tokio::time::advance;

const LEASE: Duration = secs(30);
const SETTLE: Duration = secs(60);

/// Which keys steps have sent, and what the provider knows of them.
#[derive(Clone, Default)]
struct Provider {
    sent: Arc<Mutex<Vec<DerivedKey>>>,
    charges: Arc<Mutex<HashMap<DerivedKey, u32>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    fn ask(&self, step: &DoubtfulStep) -> Finding {
        self.asked.lock().unwrap().push(format!("{} {:?}", step.name(), step.key()));
        match self.charges.lock().unwrap().get(&step.derive("stripe")) {
            Some(receipt) => Finding::happened(*receipt),
            None => Finding::NeverHappened,
        }
    }

    /// The charge of the last step that began has happened.
    fn charge(&self, receipt: u32) {
        let key = *self.sent.lock().unwrap().last().unwrap();
        self.charges.lock().unwrap().insert(key, receipt);
    }

    fn reconciler(&self, engine: &Idempotency) -> Reconciler {
        let provider = self.clone();
        Reconciler::new(engine).settle(SETTLE).step("shop.checkout", "charge", move |step| {
            let provider = provider.clone();
            async move { provider.ask(&step) }
        })
    }

    /// A checkout of two steps. The gateway of the second one may never answer.
    async fn checkout(&self, engine: &Idempotency, answers: bool) -> Result<u32, Error> {
        let call = Operation::new("shop.checkout").lease(LEASE).key("order 7").engine(engine);
        let provider = self.clone();
        let run = call.returning::<Result<u32, Error>>().run(|| async move {
            let held = idempotent_core::step("hold", || async { Ok::<u32, Error>(1) }).await?;
            let charge = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
            let charge = charge.key("card 9").returning::<Result<u32, Error>>();
            let paid = charge.run(|| async move {
                let key = current().unwrap().derive("stripe");
                provider.sent.lock().unwrap().push(key);
                if answers { Ok(100) } else { pending().await }
            });
            Ok(held + paid.await?)
        });
        run.await
    }

    /// A checkout whose process died while it charged: its future is never dropped.
    async fn die(&self, engine: &Idempotency) {
        let (provider, engine) = (self.clone(), engine.clone());
        let sent = self.sent.lock().unwrap().len();
        tokio::spawn(async move { provider.checkout(&engine, false).await });
        while self.sent.lock().unwrap().len() == sent {
            tokio::task::yield_now().await;
        }
        // Time jumps, so its lease lapses before it could be renewed.
        advance(LEASE + secs(1)).await;
    }
}

async fn pass(reconciler: &Reconciler) -> Reconciliation {
    reconciler.pass().await.unwrap()
}

async fn state(engine: &Idempotency) -> State {
    let found = engine.scan(&Scan::all()).await.unwrap().entries;
    found[0].state()
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_of_a_suspended_call_is_settled_by_the_key_that_it_sent() {
    let (engine, provider) = (engine(), Provider::default());
    provider.die(&engine).await;
    assert_eq!(state(&engine).await, State::Suspended, "nobody has resumed it");
    provider.charge(41);
    let reconciler = provider.reconciler(&engine);
    let report = pass(&reconciler).await;
    assert_eq!((report.found, report.settling, report.asked), (1, 1, 0));
    advance(SETTLE).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.asked, report.ended), (1, 1));
    assert_eq!(*provider.asked.lock().unwrap(), ["charge Some(\"card 9\")"]);
    assert_eq!(pass(&reconciler).await, Reconciliation::default());
    assert_eq!(provider.checkout(&engine, true).await.unwrap(), 42);
    assert_eq!(provider.sent.lock().unwrap().len(), 1, "it was charged once");
}

#[tokio::test(start_paused = true)]
async fn a_step_never_happened_after_two_answers_that_far_apart_and_then_runs() {
    let (engine, provider) = (engine(), Provider::default());
    provider.die(&engine).await;
    let reconciler = provider.reconciler(&engine);
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.never_once, 1);
    advance(SETTLE - secs(1)).await;
    assert_eq!(pass(&reconciler).await.waiting, 1);
    // A client's retry finds the doubt meanwhile, and another run's token is in the record.
    provider.checkout(&engine, true).await.unwrap_err();
    assert_eq!(state(&engine).await, State::Indeterminate);
    advance(secs(1)).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.never_once, report.never_happened), (0, 1), "{report}");
    assert_eq!(provider.checkout(&engine, true).await.unwrap(), 101);
    assert_eq!(provider.sent.lock().unwrap().len(), 2);
}

/// What was told of the first attempt says nothing of the second one.
#[tokio::test(start_paused = true)]
async fn an_answer_about_one_attempt_of_a_step_does_not_count_for_the_next() {
    let (engine, provider) = (engine(), Provider::default());
    provider.die(&engine).await;
    let reconciler = provider.reconciler(&engine);
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.never_once, 1);
    let seen = engine.scan(&Scan::in_doubt()).await.unwrap().entries.remove(0);
    let (step, _) = seen.steps_in_doubt().next().unwrap();
    let never = Resolution::never_happened_and_owner_is_dead();
    engine.resolve_step(&seen, step, never).await.unwrap();
    provider.die(&engine).await;
    advance(SETTLE).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.never_once, report.never_happened), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operator_who_settled_the_step_while_it_was_asked_about_has_the_last_word() {
    let (engine, provider) = (engine(), Provider::default());
    provider.die(&engine).await;
    let operator = engine.clone();
    let reconciler =
        Reconciler::new(&engine).settle(SETTLE).step("shop.checkout", "charge", move |step| {
            let operator = operator.clone();
            async move {
                let (id, _) = step.inspection().steps_in_doubt().next().unwrap();
                let said = Resolution::completed(41_u32);
                operator.resolve_step(step.inspection(), id, said).await.unwrap();
                Finding::happened(99_u32)
            }
        });
    advance(SETTLE).await;
    let report = pass(&reconciler).await;
    assert_eq!((report.changed, report.ended), (1, 0));
    assert_eq!(provider.checkout(&engine, true).await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_asks_about_a_step_and_changes_nothing() {
    let (engine, provider) = (engine(), Provider::default());
    provider.die(&engine).await;
    provider.charge(41);
    advance(SETTLE).await;
    assert_eq!(pass(&provider.reconciler(&engine).dry_run()).await.ended, 1);
    let seen = engine.scan(&Scan::in_doubt()).await.unwrap().entries.remove(0);
    assert_eq!(seen.steps_in_doubt().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_type_than_the_steps_is_refused() {
    let (engine, provider) = (engine(), Provider::default());
    provider.die(&engine).await;
    let reconciler =
        Reconciler::new(&engine)
            .settle(SETTLE)
            .step("shop.checkout", "charge", |_| async { Finding::happened("receipt 7") });
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.refused, 1);
    let seen = engine.scan(&Scan::in_doubt()).await.unwrap().entries.remove(0);
    assert_eq!(seen.steps_in_doubt().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_nobody_asks_about_is_counted_among_those_of_others() {
    let (engine, provider) = (engine(), Provider::default());
    provider.die(&engine).await;
    advance(SETTLE).await;
    let of_calls = Reconciler::new(&engine)
        .settle(SETTLE)
        .operation("shop.checkout", |_| async { Finding::happened(7_u32) });
    let report = pass(&of_calls).await;
    assert_eq!((report.found, report.of_others, report.asked), (0, 1, 0));
}

/// What a call at most once did beside its steps nobody knows, so no answer about a step has it run again.
#[tokio::test(start_paused = true)]
async fn a_call_at_most_once_does_not_run_again_once_its_step_is_settled() {
    let engine = engine();
    let strict = |answers: bool| {
        let call = Operation::new("shop.strict").guarantee(Guarantee::AtMostOnce).lease(LEASE);
        let call = call.key("order 7").engine(&engine).returning::<Result<u32, Error>>();
        call.run(move || async move {
            let charge = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
            let charge = charge.returning::<Result<u32, Error>>();
            charge.run(|| async move { if answers { Ok(1) } else { pending().await } }).await
        })
    };
    tokio::time::timeout(secs(1), strict(false)).await.unwrap_err();
    advance(LEASE + secs(1)).await;
    let reconciler = Reconciler::new(&engine).settle(SETTLE).step(
        "shop.strict",
        "charge",
        |_: DoubtfulStep| async { Finding::happened(9_u32) },
    );
    pass(&reconciler).await;
    advance(SETTLE).await;
    assert_eq!(pass(&reconciler).await.ended, 1);
    assert_eq!(state(&engine).await, State::Indeterminate);
    strict(true).await.unwrap_err();
}
