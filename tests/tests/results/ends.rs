//! What becomes of a call whose result a replay would not return.

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::{
    BeginOutcome, BinaryResult, CallOutcome, InvalidBytes, ReplayMismatch,
};
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_tests::{Log, Runs, engine, secs};

const FIND: Operation = Operation::new("find").lease(secs(30));

type Found = Result<Option<()>, Error>;

#[tokio::test]
async fn the_body_runs_once_and_retries_are_refused() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || FIND.key("k").engine(&engine).returning::<Found>().compare_results();
    let body = || async {
        runs.note();
        Ok(Some(()))
    };
    let (first, outcome) = call().run_with_outcome(body).await;
    assert_eq!(
        (first.unwrap_err().kind(), outcome),
        (ErrorKind::NotReplayable, CallOutcome::Executed)
    );
    for _ in 0..2 {
        let refused = call().run(body).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResultNotKept);
    }
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn a_detached_body_is_verified_too() {
    let engine = engine();
    let call = FIND.key("k").engine(&engine).returning::<Found>().compare_results();
    let refused = call.run_detached(|| async { Ok(Some(())) }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotReplayable);
}

#[tokio::test]
async fn a_reservation_that_is_completed_by_hand_logs_it_and_leaves_a_tombstone() {
    let (log, _listening) = Log::listen();
    let engine = engine();
    let call = || FIND.key("k").engine(&engine).returning::<Found>().compare_results();
    let BeginOutcome::Reserved(reservation) = call().begin().await.unwrap() else { panic!() };
    reservation.complete(&Ok(Some(()))).await;
    assert_eq!(call().begin().await.unwrap_err().kind(), ErrorKind::ResultNotKept);
    let lines = log.events("a replay would not return this result");
    assert_eq!((lines.len(), lines[0].level), (1, tracing::Level::ERROR));
}

#[tokio::test]
async fn the_source_of_the_error_says_why() {
    let engine = engine();
    let call = FIND.key("k").engine(&engine).returning::<Found>().compare_results();
    let refused = call.run(|| async { Ok(Some(())) }).await.unwrap_err();
    let source = std::error::Error::source(&refused).unwrap();
    let mismatch = source.downcast_ref::<ReplayMismatch>().unwrap();
    assert!(refused.to_string().contains(&mismatch.to_string()));
}

/// Refuses what it wrote.
#[derive(Debug)]
struct OneWay;

impl BinaryResult for OneWay {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(1);
    }

    fn decode(_: &[u8]) -> Result<Self, InvalidBytes> {
        Err(InvalidBytes)
    }
}

#[tokio::test]
async fn a_result_with_an_encoding_of_its_own_is_read_back_too() {
    let engine = engine();
    let call = FIND.key("k").engine(&engine).returning_binary::<OneWay, Error>(|error| error);
    let refused = call.run(|| async { Ok(OneWay) }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotReplayable);
}

#[tokio::test]
async fn a_result_over_the_limit_still_reaches_its_caller() {
    let engine = Idempotency::builder(MemoryStore::new()).max_result_bytes(0).build();
    let call = FIND.key("k").engine(&engine).returning::<Found>().compare_results();
    assert_eq!(call.run(|| async { Ok(Some(())) }).await.unwrap(), Some(()));
}
