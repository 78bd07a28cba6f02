//! What an error tells, and what it does not.

use std::error::Error as _;

use idempotent_core::backends::MemoryStore;
use idempotent_core::store::StoreError;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation};
use idempotent_tests::{Answer, Runs, call, engine, secs};

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

#[test]
fn every_kind_has_its_code_its_status_and_whether_to_retry() {
    let expected = [
        (ErrorKind::MissingKey, "missing_key", 400, false),
        (ErrorKind::InvalidKey, "invalid_key", 400, false),
        (ErrorKind::KeyTooLong, "key_too_long", 400, false),
        (ErrorKind::InvalidScope, "invalid_scope", 500, false),
        (ErrorKind::InProgress, "in_progress", 409, true),
        (ErrorKind::FingerprintMismatch, "fingerprint_mismatch", 422, false),
        (ErrorKind::Indeterminate, "indeterminate", 423, false),
        (ErrorKind::ResultNotKept, "result_not_kept", 410, false),
        (ErrorKind::Incompatible, "incompatible_record", 500, false),
        (ErrorKind::NotAuthentic, "record_not_authentic", 500, false),
        (ErrorKind::Store, "store_unavailable", 503, true),
        (ErrorKind::Encode, "encode", 500, false),
        (ErrorKind::Decode, "decode", 500, false),
        (ErrorKind::NotReplayable, "not_replayable", 500, false),
        (ErrorKind::Misconfigured, "misconfigured", 500, false),
    ];
    for (kind, code, status, retry) in expected {
        assert_eq!((kind.code(), kind.status(), kind.is_retryable()), (code, status, retry));
    }
}

/// An error of each kind that a caller can get, from real calls whose key and payload are `secret`.
async fn errors() -> Vec<Error> {
    let runs = Runs::new();
    let mut errors = Vec::new();
    let mut push = |answer: Answer| errors.push(answer.unwrap_err());

    let fresh = engine();
    let none = CHARGE.key(&("secret", None::<u8>)).engine(&fresh).returning::<Answer>();
    push(none.run(|| async { Ok(1) }).await);
    push(call(&fresh, CHARGE, "", &runs).await);
    push(call(&fresh, CHARGE, &"secret".repeat(50), &runs).await);
    let long_scope = CHARGE.key("secret").scope("secret".repeat(50)).engine(&fresh);
    push(long_scope.returning::<Answer>().run(|| async { Ok(1) }).await);
    push(call(&fresh, CHARGE.ttl(secs(0)), "secret", &runs).await);

    let faulty =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, Fault::Fail);
    push(call(&Idempotency::new(faulty), CHARGE, "secret", &runs).await);

    let told = |payload| CHARGE.key("secret").engine(&fresh).fingerprint(payload);
    told("secret payload").returning::<Result<String, Error>>().begin().await.unwrap();
    push(told("secret payload").returning::<Answer>().run(|| async { Ok(1) }).await);
    push(told("another secret").returning::<Answer>().run(|| async { Ok(1) }).await);

    let result = engine();
    let text = CHARGE.key("secret").engine(&result).returning::<Result<String, Error>>();
    text.run(|| async { Ok("secret card".to_owned()) }).await.unwrap();
    push(call(&result, CHARGE, "secret", &runs).await);
    push(call(&result, CHARGE.version(1), "secret", &runs).await);

    let large = Idempotency::builder(MemoryStore::new()).max_result_bytes(0).build();
    call(&large, CHARGE, "secret", &runs).await.unwrap();
    push(call(&large, CHARGE, "secret", &runs).await);

    let lost = engine();
    let once = CHARGE.guarantee(Guarantee::AtMostOnce);
    drop(once.key("secret").engine(&lost).returning::<Answer>().begin().await.unwrap());
    tokio::time::advance(secs(31)).await;
    push(call(&lost, once, "secret", &runs).await);

    let changed = CHARGE.key("another secret").engine(&fresh).fingerprint("secret payload");
    let changed = changed.returning::<Result<Option<Option<String>>, Error>>().compare_results();
    push(changed.run(|| async { Ok(Some(None)) }).await.map(|_| 1));

    let unsayable = CHARGE.key("secret").engine(&fresh).fingerprint(&Unsayable);
    push(unsayable.returning::<Answer>().run(|| async { Ok(1) }).await);
    errors
}

struct Unsayable;

impl serde::Serialize for Unsayable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this cannot be said"))
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_error_comes_up_in_a_call() {
    let kinds: Vec<_> = errors().await.iter().map(Error::kind).collect();
    assert_eq!(
        kinds,
        [
            ErrorKind::MissingKey,
            ErrorKind::InvalidKey,
            ErrorKind::KeyTooLong,
            ErrorKind::InvalidScope,
            ErrorKind::Misconfigured,
            ErrorKind::Store,
            ErrorKind::InProgress,
            ErrorKind::FingerprintMismatch,
            ErrorKind::Decode,
            ErrorKind::Incompatible,
            ErrorKind::ResultNotKept,
            ErrorKind::Indeterminate,
            ErrorKind::NotReplayable,
            ErrorKind::Encode,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn no_error_shows_a_key_a_payload_or_a_result() {
    for error in errors().await {
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut source = error.source();
        while let Some(cause) = source {
            shown += &format!(" {cause} {cause:?}");
            source = cause.source();
        }
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Colour {
    Red,
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_type_is_not_shown_by_the_decoders_complaint() {
    let engine = engine();
    let text = CHARGE.key("k").engine(&engine).returning::<Result<String, Error>>();
    text.run(|| async { Ok("secret card".to_owned()) }).await.unwrap();
    let colour = CHARGE.key("k").engine(&engine).returning::<Result<Colour, Error>>();
    let error = colour.run(|| async { Ok(Colour::Red) }).await.unwrap_err();
    let source = error.source().map(ToString::to_string);
    assert!(!format!("{error} {error:?} {source:?}").contains("secret"), "{error:?}");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Receipt {
    number: u32,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct NewReceipt {
    number: u32,
    currency: String,
}

#[tokio::test(start_paused = true)]
async fn a_result_that_lacks_a_field_is_a_decode_error_that_says_which() {
    let engine = engine();
    let old = CHARGE.key("k").engine(&engine).returning::<Result<Receipt, Error>>();
    old.run(|| async { Ok(Receipt { number: 1 }) }).await.unwrap();
    let new = CHARGE.key("k").engine(&engine).returning::<Result<NewReceipt, Error>>();
    let error = new.run(|| async { unreachable!() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("missing field `currency`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_error_names_its_operation_and_what_is_wrong_in_one_line() {
    for error in errors().await {
        assert_eq!(error.operation(), "charge");
        let shown = error.to_string();
        assert!(shown.contains("charge") && !shown.contains('\n'), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_names_its_record_once_there_is_one() {
    let without = [
        ErrorKind::MissingKey,
        ErrorKind::InvalidKey,
        ErrorKind::KeyTooLong,
        ErrorKind::InvalidScope,
        ErrorKind::Misconfigured,
    ];
    for error in errors().await {
        let expected = !without.contains(&error.kind());
        assert_eq!(error.record_id().is_some(), expected, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_advised_for_retryable_errors_and_no_others() {
    for error in errors().await {
        assert_eq!(error.retry_after().is_some(), error.is_retryable(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_error_keeps_its_source() {
    let faulty =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let error = call(&Idempotency::new(faulty), CHARGE, "k", &Runs::new()).await.unwrap_err();
    assert!(error.source().is_some_and(<dyn std::error::Error>::is::<StoreError>));
}

#[test]
fn an_error_can_cross_threads() {
    fn sendable<T: Send + Sync + 'static>() {}
    sendable::<Error>();
}
