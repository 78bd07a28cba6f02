//! Whether results are verified.

use idempotent_core::backends::MemoryStore;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};

async fn twice(engine: &Idempotency) -> [Result<Option<()>, Error>; 2] {
    let call = || {
        let call = Operation::new("find").key("k").engine(engine);
        let call = call.returning::<Result<Option<()>, Error>>().compare_results();
        call.run(|| async { Ok(Some(())) })
    };
    [call().await, call().await]
}

#[tokio::test]
async fn results_are_verified_by_default_in_debug_builds_and_only_there() {
    let engine = Idempotency::new(MemoryStore::new());
    let [first, _] = twice(&engine).await;
    assert_eq!(first.is_err(), cfg!(debug_assertions));
}

#[tokio::test]
async fn verifying_can_be_switched_on_and_off() {
    let build = |verify| Idempotency::builder(MemoryStore::new()).verify_results(verify).build();
    let [first, second] = twice(&build(true)).await;
    assert_eq!(first.unwrap_err().kind(), ErrorKind::NotReplayable);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ResultNotKept);
    let [first, second] = twice(&build(false)).await;
    assert_eq!((first.unwrap(), second.unwrap()), (Some(()), None), "nothing noticed");
}
