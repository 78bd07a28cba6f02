//! What becomes of the key when the body ends.

use idempotent_core::call::CallOutcome;
use idempotent_core::{Call, Disposition, Guarantee, Idempotency, Operation};
use idempotent_tests::{Fail, Runs, engine, secs};
use tokio::time::advance;

const CHARGE: Operation = Operation::new("charge").lease(secs(30)).ttl(secs(3600));

type Outcome = Result<usize, Fail>;

fn charge(engine: &Idempotency) -> Call<usize, Fail> {
    CHARGE.key("k").engine(engine).returning::<Outcome>()
}

async fn give(call: Call<usize, Fail>, runs: &Runs, result: Outcome) -> (Outcome, CallOutcome) {
    call.run_with_outcome(|| async {
        runs.note();
        result
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_ok_is_kept_for_the_ttl_and_replayed() {
    let (engine, runs) = (engine(), Runs::new());
    assert_eq!(give(charge(&engine), &runs, Ok(1)).await, (Ok(1), CallOutcome::Executed));
    advance(secs(3599)).await;
    assert_eq!(give(charge(&engine), &runs, Ok(2)).await, (Ok(1), CallOutcome::Replayed));
    advance(secs(1)).await;
    assert_eq!(give(charge(&engine), &runs, Ok(3)).await, (Ok(3), CallOutcome::Executed));
    assert_eq!(runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replay_does_not_prolong_the_ttl() {
    let (engine, runs) = (engine(), Runs::new());
    for expected in [1, 1, 1, 4] {
        let (result, _) = give(charge(&engine), &runs, Ok(expected.max(1))).await;
        assert_eq!(result, Ok(expected));
        advance(secs(1200)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_releases_the_key_by_default() {
    let (engine, runs) = (engine(), Runs::new());
    for _ in 0..3 {
        let failed = give(charge(&engine), &runs, Err(Fail::Declined)).await;
        assert_eq!(failed, (Err(Fail::Declined), CallOutcome::Executed));
    }
    assert_eq!(give(charge(&engine), &runs, Ok(4)).await, (Ok(4), CallOutcome::Executed));
    assert_eq!(runs.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn on_error_may_hold_the_key_until_its_lease_ends() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || charge(&engine).on_error(Fail::disposition);
    assert_eq!(give(call(), &runs, Err(Fail::TimedOut)).await.0, Err(Fail::TimedOut));
    advance(secs(29)).await;
    let refused = (Err(Fail::refused("held")), CallOutcome::Refused);
    assert_eq!(give(call(), &runs, Ok(2)).await, refused);
    advance(secs(1)).await;
    assert_eq!(give(call(), &runs, Ok(3)).await, (Ok(3), CallOutcome::Executed));
}

#[tokio::test(start_paused = true)]
async fn a_held_key_is_indeterminate_after_its_lease_under_at_most_once() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || {
        let operation = CHARGE.guarantee(Guarantee::AtMostOnce);
        operation.key("k").engine(&engine).returning::<Outcome>().on_error(Fail::disposition)
    };
    assert_eq!(give(call(), &runs, Err(Fail::TimedOut)).await.0, Err(Fail::TimedOut));
    advance(secs(29)).await;
    assert_eq!(give(call(), &runs, Ok(2)).await.0, Err(Fail::refused("held")));
    advance(secs(1)).await;
    assert_eq!(give(call(), &runs, Ok(3)).await.0, Err(Fail::refused("indeterminate")));
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn on_error_may_release_the_key() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || charge(&engine).on_error(Fail::disposition);
    assert_eq!(give(call(), &runs, Err(Fail::Invalid)).await.0, Err(Fail::Invalid));
    assert_eq!(give(call(), &runs, Ok(2)).await, (Ok(2), CallOutcome::Executed));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_on_error_keeps_is_final_and_not_replayed() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || charge(&engine).on_error(Fail::disposition);
    assert_eq!(give(call(), &runs, Err(Fail::Declined)).await.0, Err(Fail::Declined));
    advance(secs(3599)).await;
    assert_eq!(give(call(), &runs, Ok(2)).await.0, Err(Fail::refused("result_not_kept")));
    advance(secs(1)).await;
    assert_eq!(give(call(), &runs, Ok(3)).await.0, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn on_error_keeps_an_ok() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || charge(&engine).on_error(|_| Disposition::Release);
    assert_eq!(give(call(), &runs, Ok(1)).await.0, Ok(1));
    assert_eq!(give(call(), &runs, Ok(2)).await, (Ok(1), CallOutcome::Replayed));
}

#[tokio::test(start_paused = true)]
async fn memoized_errors_replay_as_themselves() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || charge(&engine).memoize_errors();
    assert_eq!(give(call(), &runs, Err(Fail::Invalid)).await.0, Err(Fail::Invalid));
    assert_eq!(give(call(), &runs, Ok(2)).await, (Err(Fail::Invalid), CallOutcome::Replayed));
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_memoized_error_is_refused_to_a_caller_that_memoizes_none() {
    let (engine, runs) = (engine(), Runs::new());
    give(charge(&engine).memoize_errors(), &runs, Err(Fail::Invalid)).await.0.unwrap_err();
    assert_eq!(give(charge(&engine), &runs, Ok(2)).await.0, Err(Fail::refused("decode")));
    assert_eq!(runs.count(), 1);
}

fn by_result(result: &Outcome) -> Disposition {
    match result {
        Ok(0) => Disposition::Release,
        Ok(1) => Disposition::HoldForLease,
        Ok(2) => Disposition::KeepFor(secs(10)),
        Ok(_) => Disposition::Keep,
        Err(error) => error.disposition(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_memoize_path_may_release_an_ok() {
    let (engine, runs) = (engine(), Runs::new());
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(0)).await.0, Ok(0));
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(5)).await.0, Ok(5));
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(6)).await.0, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn a_memoize_path_may_hold_an_ok() {
    let (engine, runs) = (engine(), Runs::new());
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(1)).await.0, Ok(1));
    let refused = Err(Fail::refused("held"));
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(5)).await.0, refused);
}

#[tokio::test(start_paused = true)]
async fn a_memoize_path_may_keep_an_ok_for_a_time_of_its_own() {
    let (engine, runs) = (engine(), Runs::new());
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(2)).await.0, Ok(2));
    advance(secs(9)).await;
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(5)).await.0, Ok(2));
    advance(secs(1)).await;
    assert_eq!(give(charge(&engine).memoize(by_result), &runs, Ok(6)).await.0, Ok(6));
}

#[tokio::test(start_paused = true)]
async fn a_memoize_path_keeps_errors_as_themselves() {
    let (engine, runs) = (engine(), Runs::new());
    let call = || charge(&engine).memoize(by_result);
    assert_eq!(give(call(), &runs, Err(Fail::Declined)).await.0, Err(Fail::Declined));
    assert_eq!(give(call(), &runs, Ok(5)).await, (Err(Fail::Declined), CallOutcome::Replayed));
}

#[tokio::test(start_paused = true)]
async fn an_operation_without_a_ttl_takes_the_engines() {
    let engine = Idempotency::builder(idempotent_core::backends::MemoryStore::new()).ttl(secs(60));
    let (engine, runs) = (engine.build(), Runs::new());
    let call = || Operation::new("bare").key("k").engine(&engine).returning::<Outcome>();
    assert_eq!(give(call(), &runs, Ok(1)).await.0, Ok(1));
    advance(secs(59)).await;
    assert_eq!(give(call(), &runs, Ok(2)).await.0, Ok(1));
    advance(secs(1)).await;
    assert_eq!(give(call(), &runs, Ok(3)).await.0, Ok(3));
}
