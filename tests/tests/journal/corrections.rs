//! Corrections of what was said of a step: whom they fence, on which stores, and where records are authenticated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::{RecordId, StepEntry, StepId, Token};
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Journal, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Resume, ResumeOutcome, Scan, State, StoreError, Suspend, WriteStep,
    WriteStepOutcome,
};
use idempotent_core::testing::TestEngine;
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, Store};
use tokio::sync::Notify;

use crate::shop::{LEASE, Ledger, Shop, failure};

async fn pay(name: &'static str) -> Result<u32, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    step.returning::<Result<u32, Error>>().run(std::future::pending).await
}

/// A call whose owner has died in both of its steps.
async fn died_in_two_steps(engine: &Idempotency) -> Inspection {
    let lease = Duration::from_secs(1);
    let call = Operation::new("checkout").lease(lease).key("order 7").engine(engine);
    let run = call.returning::<Result<u32, Error>>().run(two_steps);
    let id = engine.record_id("checkout", None, "order 7").unwrap();
    let until = async |is: fn(&Inspection) -> bool| loop {
        if let Some(seen) = engine.inspect(&id).await.unwrap().filter(is) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    tokio::select! {
        ended = run => panic!("its steps never end: {ended:?}"),
        _ = until(|seen| seen.steps().len() == 2) => {}
    }
    until(|seen| seen.state() == State::Suspended).await
}

async fn two_steps() -> Result<u32, Error> {
    let (charged, refunded) = tokio::join!(pay("charge"), pay("refund"));
    Ok(charged? + refunded?)
}

async fn inspect(engine: &Idempotency) -> Inspection {
    let id = engine.record_id("checkout", None, "order 7").unwrap();
    engine.inspect(&id).await.unwrap().unwrap()
}

fn step(seen: &Inspection, name: &str) -> StepId {
    seen.steps().iter().find(|(_, step)| step.name() == name).unwrap().0
}

/// What a correction writes is authentic, the record of another token included. The scan that has found the call keeps no
/// results.
#[tokio::test(flavor = "multi_thread")]
async fn a_correction_of_what_a_scan_found_is_authentic() {
    // What is in this process alone has no MACs, and this store does not say that it is.
    let store = Wrapped { store: MemoryStore::new(), fences: true };
    let engine = Idempotency::builder(store).authentication_secret([7; 32]).build();
    let seen = died_in_two_steps(&engine).await;
    let (charge, refund) = (step(&seen, "charge"), step(&seen, "refund"));
    engine.resolve_step(&seen, &charge, Resolution::completed(5_u32)).await.unwrap();
    let run = || {
        let call = Operation::new("checkout").lease(LEASE).key("order 7").engine(&engine);
        call.returning::<Result<u32, Error>>().run(two_steps)
    };
    assert_eq!(run().await.unwrap_err().kind(), ErrorKind::Indeterminate);
    let found = engine.scan(&Scan::in_doubt()).await.unwrap().entries.remove(0);
    engine.correct_step(&found, &charge, Resolution::completed(40_u32)).await.unwrap();
    let seen = inspect(&engine).await;
    assert_ne!(seen.token(), found.token(), "whoever was told 5 is fenced");
    engine.resolve_step(&seen, &refund, Resolution::completed(2_u32)).await.unwrap();
    assert_eq!(run().await.unwrap(), 42);
}

/// A store that does not say that only this process writes to it. If it keeps tokens apart from records, it may not fence by
/// suspending.
struct Wrapped {
    store: MemoryStore,
    fences: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_store_that_cannot_fence_a_corrected_call_keeps_its_token_and_goes_on() {
    let store = Wrapped { store: MemoryStore::new(), fences: false };
    let engine = Idempotency::new(store);
    let seen = died_in_two_steps(&engine).await;
    for name in ["charge", "refund"] {
        let seen = inspect(&engine).await;
        engine.resolve_step(&seen, &step(&seen, name), Resolution::completed(5_u32)).await.unwrap();
    }
    // Whoever resumes the call has another token than the run that began its journal.
    let call = || Operation::new("checkout").lease(LEASE).key("order 7").engine(&engine);
    let again = call().returning::<Result<u32, Error>>().run(|| async {
        two_steps().await?;
        Err(failure().await)
    });
    again.await.unwrap_err();
    let resumed = inspect(&engine).await;
    assert_ne!(resumed.token(), seen.token());
    let charge = step(&resumed, "charge");
    engine.correct_step(&resumed, &charge, Resolution::completed(37_u32)).await.unwrap();
    assert_eq!(inspect(&engine).await.token(), resumed.token());
    assert_eq!(call().returning::<Result<u32, Error>>().run(two_steps).await.unwrap(), 42);
}

/// It was told nothing. But whoever corrects a step fences every owner there is.
#[tokio::test(start_paused = true)]
async fn the_owner_of_the_first_run_is_fenced_as_well_and_its_caller_gets_its_own_result() {
    let test = TestEngine::new(|builder| builder.max_result_bytes(64));
    let shop = Shop { test, ledger: Ledger::default() };
    let (told, enough) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, went_on, wakes) = (shop.clone(), Arc::clone(&told), Arc::clone(&enough));
    let owner = tokio::spawn(async move {
        let call = here.call(|| async {
            let described = describe().await?;
            went_on.notify_one();
            wakes.notified().await;
            Ok(described)
        });
        call.await
    });
    told.notified().await;
    shop.let_lease_lapse();
    let engine = shop.test.engine();
    let seen = inspect(&engine).await;
    assert_eq!(seen.state(), State::Suspended);
    let id = step(&seen, "describe");
    engine.resolve_step(&seen, &id, Resolution::completed("typed")).await.unwrap();
    let seen = inspect(&engine).await;
    engine.correct_step(&seen, &id, Resolution::completed("right!")).await.unwrap();
    enough.notify_one();
    assert_eq!(owner.await.unwrap().unwrap(), 100);
    assert_eq!(inspect(&engine).await.state(), State::Suspended);
    assert_eq!(shop.call(describe).await.unwrap(), 6);
}

/// Returns more than is kept.
async fn describe() -> Result<u32, Error> {
    let step = Operation::new("describe").step().returning::<Result<String, Error>>();
    let text = step.run(|| async { Ok("x".repeat(100)) }).await?;
    Ok(u32::try_from(text.len()).unwrap())
}

#[async_trait]
impl Store for Wrapped {
    fn journal(&self) -> Option<&dyn Journal> {
        Some(self)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.store.reserve(request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.store.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.store.complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.store.release(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.store.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.store.purge(id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.store.scan(request).await
    }
}

#[async_trait]
impl Journal for Wrapped {
    fn fences_by_suspend(&self) -> bool {
        self.fences
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        self.store.write_step(request).await
    }

    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        self.store.load_steps(id, journal).await
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        Journal::resume(&self.store, request).await
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        Journal::suspend(&self.store, request).await
    }
}
