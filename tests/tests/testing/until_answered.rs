//! `until_answered` returns once the store has acted, and `until_called` before.

use std::time::Duration;

use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::with_engine;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, Idempotency, Operation};
use tokio::time::timeout;

async fn charge(store: FaultyStore<MemoryStore>) -> Result<u32, Error> {
    let call = Operation::new("charge").key("order-7").returning::<Result<u32, Error>>();
    with_engine(Idempotency::new(store), call.run(async || Ok(1))).await
}

fn with_fault(fault: Fault) -> FaultyStore<MemoryStore> {
    FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Nth(1), fault)
}

#[tokio::test(start_paused = true)]
async fn a_call_on_its_way_was_called_and_not_answered() {
    let store = with_fault(Fault::Delay(Duration::from_millis(100)));
    let call = tokio::spawn(charge(store.clone()));
    store.until_called(StoreMethod::Reserve, 1).await;
    assert_eq!((store.calls(StoreMethod::Reserve), store.answered(StoreMethod::Reserve)), (1, 0));
    store.until_answered(StoreMethod::Reserve, 1).await;
    assert_eq!(store.answered(StoreMethod::Reserve), 1);
    assert_eq!(call.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_whether_or_not_the_caller_gets_it() {
    let late = Duration::from_millis(100);
    let acted = [Fault::LoseAnswer, Fault::HangAfter, Fault::DelayAnswer(late), Fault::Repeat];
    for fault in acted {
        let store = with_fault(fault);
        let _call = tokio::spawn(charge(store.clone()));
        store.until_answered(StoreMethod::Reserve, 1).await;
        assert!(store.answered(StoreMethod::Reserve) >= 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_reaches_the_store_is_never_answered() {
    for fault in [Fault::Fail, Fault::Hang] {
        let store =
            FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, fault);
        let _call = tokio::spawn(charge(store.clone()));
        store.until_called(StoreMethod::Reserve, 1).await;
        let answered = store.until_answered(StoreMethod::Reserve, 1);
        assert!(timeout(Duration::from_secs(60), answered).await.is_err(), "{fault:?}");
    }
}
