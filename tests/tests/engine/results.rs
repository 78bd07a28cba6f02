//! Results: the falsy ones, the large ones, and those that cannot be kept.

use std::fmt::Debug;

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::{CallOutcome, Memoizable};
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_tests::{Log, Runs, engine, secs};
use serde::{Deserialize, Serialize, Serializer};

const MAKE: Operation = Operation::new("make").lease(secs(30));

/// What a first call gives, and then a second one whose body would have given `other`.
async fn twice<T: Memoizable>(engine: &Idempotency, first: T, other: T) -> (T, Result<T, Error>) {
    let call = || MAKE.key("k").engine(engine).returning::<Result<T, Error>>();
    let (first, ended) = call().run_with_outcome(|| async { Ok(first) }).await;
    assert_eq!(ended, CallOutcome::Executed);
    let (second, ended) = call().run_with_outcome(|| async { Ok(other) }).await;
    assert_ne!(ended, CallOutcome::Executed);
    (first.unwrap(), second)
}

async fn replays_as_itself<T: Memoizable + Clone + PartialEq + Debug>(value: T, other: T) {
    let (first, second) = twice(&engine(), value.clone(), other).await;
    assert_eq!(first, value);
    assert_eq!(second.unwrap(), value);
}

#[tokio::test]
async fn a_unit_replays_as_itself() {
    replays_as_itself((), ()).await;
}

#[tokio::test]
async fn none_replays_as_itself() {
    replays_as_itself(None, Some(1)).await;
}

#[tokio::test]
async fn empty_text_replays_as_itself() {
    replays_as_itself(String::new(), "other".to_owned()).await;
}

#[tokio::test]
async fn an_empty_list_replays_as_itself() {
    replays_as_itself(Vec::new(), vec![1]).await;
}

#[tokio::test]
async fn zero_replays_as_itself() {
    replays_as_itself(0, 1).await;
    replays_as_itself(0.0, 1.0).await;
}

#[tokio::test]
async fn false_replays_as_itself() {
    replays_as_itself(false, true).await;
}

#[tokio::test]
async fn a_memoized_error_of_nothing_replays_as_itself() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Nothing;
    impl From<Error> for Nothing {
        fn from(error: Error) -> Self {
            panic!("refused: {error}")
        }
    }
    let engine = engine();
    let call = || {
        let call = MAKE.key("k").engine(&engine).returning::<Result<u8, Nothing>>();
        call.memoize_errors()
    };
    assert_eq!(call().run(|| async { Err(Nothing) }).await, Err(Nothing));
    assert_eq!(call().run(|| async { Ok(1) }).await, Err(Nothing));
}

fn limited(bytes: usize) -> Idempotency {
    Idempotency::builder(MemoryStore::new()).max_result_bytes(bytes).build()
}

#[tokio::test]
async fn a_result_over_the_limit_reaches_its_caller_and_is_refused_to_the_next() {
    let (log, _listening) = Log::listen();
    let (first, second) = twice(&limited(100), "x".repeat(200), String::new()).await;
    assert_eq!(first, "x".repeat(200));
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ResultNotKept);
    assert_eq!(log.events("a result is not kept").len(), 1);
}

#[tokio::test]
async fn a_result_at_the_limit_is_kept() {
    // The tag of its side, the text's length, and the text.
    let text = "x".repeat(200);
    let (_, second) = twice(&limited(203), text.clone(), String::new()).await;
    assert_eq!(second.unwrap(), text);
    let (_, second) = twice(&limited(202), text, String::new()).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ResultNotKept);
}

#[tokio::test]
async fn the_default_limit_is_a_mebibyte() {
    let (_, second) = twice(&engine(), "x".repeat((1 << 20) - 6), String::new()).await;
    assert_eq!(second.unwrap().len(), (1 << 20) - 6);
    let (_, second) = twice(&engine(), "x".repeat(1 << 20), String::new()).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ResultNotKept);
}

#[derive(Debug, Deserialize)]
struct Unsayable;

impl Serialize for Unsayable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this cannot be said"))
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_encoded_reaches_its_caller_and_is_refused_to_the_next() {
    let (log, _listening) = Log::listen();
    let unverified = Idempotency::builder(MemoryStore::new()).verify_results(false).build();
    let (_, second) = twice(&unverified, Unsayable, Unsayable).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ResultNotKept);
    let lines = log.events("a result could not be encoded");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].level, tracing::Level::ERROR);
}

#[tokio::test]
async fn a_result_that_cannot_be_encoded_is_refused_where_results_are_verified() {
    let (log, _listening) = Log::listen();
    let engine = engine();
    let call = || MAKE.key("k").engine(&engine).returning::<Result<Unsayable, Error>>();
    let refused = call().run(|| async { Ok(Unsayable) }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotReplayable);
    assert!(refused.to_string().contains("this cannot be said"), "{refused}");
    let again = call().run(|| async { unreachable!("it ran again") }).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::ResultNotKept);
    assert_eq!(log.events("a replay would not return this result").len(), 1);
    assert_eq!(log.events("a result could not be encoded").len(), 0);
}

#[derive(Debug, Deserialize)]
struct Explosive;

impl Serialize for Explosive {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("this explodes when it is written")
    }
}

#[tokio::test]
async fn a_result_that_panics_when_it_is_encoded_leaves_a_tombstone() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || MAKE.key("k").engine(&engine).returning::<Result<Explosive, Error>>();
    let run = call().run(|| async { Ok(Explosive) });
    tokio::spawn(run).await.unwrap_err().into_panic();
    engine.drain().await;
    let again = call().run(|| async {
        runs.note();
        Ok(Explosive)
    });
    assert_eq!(again.await.unwrap_err().kind(), ErrorKind::ResultNotKept);
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn a_record_of_another_type_is_a_decode_error_and_runs_nothing() {
    let (engine, runs) = (engine(), Runs::new());
    let text = MAKE.key("k").engine(&engine).returning::<Result<String, Error>>();
    text.run(|| async { Ok("text".to_owned()) }).await.unwrap();
    for _ in 0..2 {
        let number = MAKE.key("k").engine(&engine).returning::<Result<u8, Error>>();
        let refused = number.run(|| async { Ok(runs.note() as u8) }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Decode);
    }
    assert_eq!(runs.count(), 0);
}
