//! Resolving a call to the right type, to an error, and correcting what was wrong.

use idempotent_core::backends::{MemoryStore, NearCache};
use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::store::State;
use idempotent_core::testing::FaultyStore;
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation};
use idempotent_tests::{Fail, Log, engine, secs};
use serde::{Deserialize, Serialize};
use tokio::time::advance;

const ONCE: Operation =
    Operation::new("charge").guarantee(Guarantee::AtMostOnce).version(3).ttl(secs(7200));

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Receipt {
    number: u32,
}

type Charged = Result<Receipt, Fail>;

fn receipt(number: u32) -> Receipt {
    Receipt { number }
}

async fn inspect(engine: &Idempotency) -> Inspection {
    let id = engine.record_id("charge", None, "k").unwrap();
    engine.inspect(&id).await.unwrap().unwrap()
}

/// A call that has ended without knowing what it did, as an operator sees it.
async fn lost(engine: &Idempotency) -> Inspection {
    let call = ONCE.key("k").engine(engine).returning::<Charged>();
    match call.begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation.abandon().await,
        other => panic!("{other:?}"),
    }
    inspect(engine).await
}

/// What a retry gets, whose body must not run.
async fn retry(engine: &Idempotency) -> Charged {
    let call = ONCE.key("k").engine(engine).returning::<Charged>();
    call.run(|| async { panic!("the body runs again") }).await
}

async fn refused(engine: &Idempotency, seen: &Inspection, resolution: Resolution) -> Error {
    let error = engine.resolve(seen, resolution).await.unwrap_err();
    assert_eq!(inspect(engine).await.state(), State::Indeterminate, "nothing is recorded");
    error
}

#[tokio::test(start_paused = true)]
async fn a_record_names_the_types_of_its_result() {
    let engine = engine();
    let seen = lost(&engine).await;
    let types = seen.result_types().unwrap();
    assert!(types.ok.ends_with("::Receipt"), "{types:?}");
    assert_eq!(types.err, None, "errors are not memoized");
    let call = ONCE.key("with errors").engine(&engine).returning::<Charged>().memoize_errors();
    let BeginOutcome::Reserved(owner) = call.begin().await.unwrap() else { panic!("replayed") };
    let id = owner.record_id().unwrap().clone();
    owner.abandon().await;
    let seen = engine.inspect(&id).await.unwrap().unwrap();
    assert!(seen.result_types().unwrap().err.unwrap().ends_with("::Fail"));
}

#[tokio::test(start_paused = true)]
async fn a_value_of_another_type_is_refused_and_both_types_are_named() {
    let engine = engine();
    let seen = lost(&engine).await;
    let error = refused(&engine, &seen, Resolution::completed("receipt 7")).await;
    assert_eq!(error.kind(), ErrorKind::Encode);
    let text = error.to_string();
    assert!(text.contains("::Receipt`") && text.contains("alloc::string::String"), "{text}");
    assert!(
        text.starts_with("the resolution was not applied: the operation's `Ok` is a"),
        "{text}"
    );
    engine.resolve(&seen, Resolution::completed(receipt(7))).await.unwrap();
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_resumes_knows_its_type_although_it_is_at_least_once() {
    let engine = engine();
    for resumes in [false, true] {
        let call = Operation::new("charge").key(&resumes).engine(&engine);
        let call = if resumes { call.resume(&7) } else { call };
        let begun = call.returning::<Charged>().begin().await.unwrap();
        let BeginOutcome::Reserved(owner) = begun else { panic!("{begun:?}") };
        let seen = engine.inspect(owner.record_id().unwrap()).await.unwrap().unwrap();
        assert_eq!(seen.result_types().is_some(), resumes);
        let resolved = engine.resolve(&seen, Resolution::completed("receipt 7")).await;
        assert_eq!(
            resolved.map_err(|error| error.kind()).err(),
            resumes.then_some(ErrorKind::Encode)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_reference_is_as_good_as_its_value() {
    let engine = engine();
    let seen = lost(&engine).await;
    let found = receipt(7);
    engine.resolve(&seen, Resolution::completed(&found)).await.unwrap();
    assert_eq!(retry(&engine).await, Ok(found));
}

#[tokio::test(start_paused = true)]
async fn a_value_of_any_type_is_taken_by_those_who_say_so() {
    let engine = engine();
    let seen = lost(&engine).await;
    let json = serde_json::json!({ "number": 7 });
    refused(&engine, &seen, Resolution::completed(&json)).await;
    engine.resolve(&seen, Resolution::completed(&json).of_any_type()).await.unwrap();
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[tokio::test(start_paused = true)]
async fn a_value_of_another_version_is_refused() {
    let engine = engine();
    let seen = lost(&engine).await;
    let other = Resolution::completed(receipt(7)).of_version(2);
    assert_eq!(refused(&engine, &seen, other).await.kind(), ErrorKind::Incompatible);
    engine.resolve(&seen, Resolution::completed(receipt(7)).of_version(3)).await.unwrap();
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_resolved_to_an_error_if_its_errors_are_memoized() {
    let engine = engine();
    let seen = lost(&engine).await;
    let error = refused(&engine, &seen, Resolution::failed(Fail::Declined)).await;
    assert!(error.to_string().contains("does not memoize errors"), "{error}");

    let call = || ONCE.key("with errors").engine(&engine).returning::<Charged>().memoize_errors();
    let BeginOutcome::Reserved(owner) = call().begin().await.unwrap() else { panic!("replayed") };
    let id = owner.record_id().unwrap().clone();
    owner.abandon().await;
    let seen = engine.inspect(&id).await.unwrap().unwrap();
    engine.resolve(&seen, Resolution::failed("declined")).await.unwrap_err();
    engine.resolve(&seen, Resolution::failed(Fail::Declined)).await.unwrap();
    let replayed = call().run(|| async { panic!("the body runs again") }).await;
    assert_eq!(replayed, Err(Fail::Declined));
}

#[tokio::test(start_paused = true)]
async fn a_correction_replaces_what_was_resolved_and_earlier_replays_stand() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(receipt(8))).await.unwrap();
    let earlier = retry(&engine).await;
    let wrong = inspect(&engine).await;
    assert!(wrong.is_resolved() && !seen.is_resolved());
    engine.correct(&wrong, Resolution::completed(receipt(7))).await.unwrap();
    assert_eq!((earlier, retry(&engine).await), (Ok(receipt(8)), Ok(receipt(7))));
    assert!(inspect(&engine).await.is_resolved(), "it can be corrected again");
}

#[tokio::test(start_paused = true)]
async fn a_correction_is_fenced_by_what_was_seen() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(receipt(8))).await.unwrap();
    let wrong = inspect(&engine).await;
    engine.correct(&wrong, Resolution::completed(receipt(7))).await.unwrap();
    // Somebody else saw the wrong one, too.
    let late = engine.correct(&wrong, Resolution::completed(receipt(9))).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Indeterminate);
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
    engine.purge(wrong.id()).await.unwrap();
    engine.correct(&wrong, Resolution::completed(receipt(9))).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn only_what_was_resolved_can_be_corrected() {
    let engine = engine();
    let call = ONCE.key("k").engine(&engine).returning::<Charged>();
    call.run(|| async { Ok(receipt(7)) }).await.unwrap();
    let own = inspect(&engine).await;
    let error = engine.correct(&own, Resolution::completed(receipt(8))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[tokio::test(start_paused = true)]
async fn a_correction_to_nothing_is_refused() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(receipt(7))).await.unwrap();
    let never = Resolution::never_happened_and_owner_is_dead();
    let error = engine.correct(&inspect(&engine).await, never).await.unwrap_err();
    assert!(error.to_string().contains("purge it"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_correction_of_another_type_is_refused() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(receipt(8))).await.unwrap();
    let wrong = inspect(&engine).await;
    engine.correct(&wrong, Resolution::completed(7_u8)).await.unwrap_err();
    assert_eq!(retry(&engine).await, Ok(receipt(8)));
}

#[tokio::test(start_paused = true)]
async fn a_resolved_result_that_cannot_be_decoded_is_423_until_it_is_corrected() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed("no receipt").of_any_type()).await.unwrap();
    let call = || ONCE.key("k").engine(&engine).returning::<Result<Receipt, Error>>();
    let doubt = call().begin().await.unwrap_err();
    assert_eq!((doubt.kind(), doubt.status()), (ErrorKind::Indeterminate, 423));
    assert!(doubt.to_string().contains("correct it"), "{doubt}");
    assert!(!doubt.to_string().contains("no receipt"), "{doubt}");
    engine.correct(&inspect(&engine).await, Resolution::completed(receipt(7))).await.unwrap();
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[tokio::test(start_paused = true)]
async fn each_retry_that_cannot_read_a_resolution_logs_what_to_do() {
    let (log, _guard) = Log::listen();
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed("no receipt").of_any_type()).await.unwrap();
    let call = || ONCE.key("k").engine(&engine).returning::<Result<Receipt, Error>>();
    for refusals in 1..=2 {
        call().begin().await.unwrap_err();
        let lines = log.events(&format!("the resolution of {} is not a `", seen.id()));
        assert_eq!(lines.len(), refusals, "{lines:?}");
        let line = lines[0].field("message");
        assert!(line.ends_with("::Receipt`: `correct` it"), "{line}");
        assert!(!line.contains("no receipt"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_resolves_a_completed_record_is_told_that_it_is_completed() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(receipt(7))).await.unwrap();
    let other = || Resolution::completed(receipt(8));
    let again = engine.resolve(&inspect(&engine).await, other()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Indeterminate);
    let text = again.to_string();
    let told = "the resolution was not applied: the record is completed; a resolution is replaced by `correct` (";
    assert!(text.starts_with(told), "{text}");
    // Here it has changed.
    let text = engine.resolve(&seen, other()).await.unwrap_err().to_string();
    assert!(text.contains("has changed since it was inspected"), "{text}");

    let own = ONCE.key("own").engine(&engine).returning::<Charged>();
    own.run(|| async { Ok(receipt(7)) }).await.unwrap();
    let id = engine.record_id("charge", None, "own").unwrap();
    let own = engine.inspect(&id).await.unwrap().unwrap();
    let text = engine.resolve(&own, other()).await.unwrap_err().to_string();
    assert!(text.contains("the result that its call has recorded is final"), "{text}");
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[tokio::test(start_paused = true)]
async fn who_corrects_what_is_not_resolved_yet_is_told_to_resolve_it() {
    let engine = engine();
    let seen = lost(&engine).await;
    let error = engine.correct(&seen, Resolution::completed(receipt(7))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let text = error.to_string();
    assert!(text.contains("not resolved yet: use `resolve`"), "{text}");
    assert!(!text.contains("misconfigured"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_correction_may_say_how_long_its_result_is_kept() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(receipt(8)).keep_for(secs(60))).await.unwrap();
    advance(secs(59)).await;
    let right = Resolution::completed(receipt(7)).keep_for(secs(3600));
    engine.correct(&inspect(&engine).await, right).await.unwrap();
    advance(secs(3599)).await;
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[tokio::test(start_paused = true)]
async fn a_near_cache_does_not_replay_what_was_corrected() {
    // `FaultyStore` answers nothing locally, as a store on a server.
    let near = NearCache::new(FaultyStore::new(MemoryStore::new()));
    let engine = Idempotency::builder(near).secret([7; 32]).build();
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(receipt(8))).await.unwrap();
    for _ in 0..3 {
        assert_eq!(retry(&engine).await, Ok(receipt(8)));
    }
    engine.correct(&inspect(&engine).await, Resolution::completed(receipt(7))).await.unwrap();
    assert_eq!(retry(&engine).await, Ok(receipt(7)));
}

#[test]
fn a_resolution_shows_no_value() {
    let shown = format!("{:?}", Resolution::completed("secret".to_owned()));
    assert!(shown.contains("String") && !shown.contains("secret"), "{shown}");
}
