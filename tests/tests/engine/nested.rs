//! Bodies that make idempotent calls of their own.

use idempotent_core::call::BeginOutcome;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation, current};
use idempotent_tests::{Answer, Fail, Runs, engine, secs};
use tokio::time::Instant;

const OUTER: Operation = Operation::new("outer").lease(secs(30));
const INNER: Operation = Operation::new("inner").lease(secs(30));

/// Runs `operation`, whose body runs `then` and counts.
async fn within<T>(
    engine: &Idempotency,
    operation: Operation,
    key: &str,
    then: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error>
where
    T: idempotent_core::call::Memoizable,
{
    operation.key(key).engine(engine).returning::<Result<T, Error>>().run(|| then).await
}

#[tokio::test(start_paused = true)]
async fn a_body_may_call_another_idempotent_function() {
    let (engine, runs) = (engine(), Runs::new());
    for _ in 0..2 {
        let inner = within(&engine, INNER, "k", async { Ok(runs.note()) });
        assert_eq!(within(&engine, OUTER, "k", inner).await.unwrap(), 1);
    }
    assert_eq!(within(&engine, INNER, "k", async { Ok(runs.note()) }).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_may_call_its_own_function_with_another_key() {
    let (engine, runs) = (engine(), Runs::new());
    let third = within(&engine, OUTER, "3", async { Ok(runs.note()) });
    let second = within(&engine, OUTER, "2", third);
    assert_eq!(within(&engine, OUTER, "1", second).await.unwrap(), 1);
    for key in ["1", "2", "3"] {
        assert_eq!(within(&engine, OUTER, key, async { Ok(0) }).await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_calls_itself_with_its_own_key_is_in_progress() {
    let (engine, runs) = (engine(), Runs::new());
    let start = Instant::now();
    let itself = within(&engine, OUTER, "k", async { Ok(runs.note()) });
    let refused = within(&engine, OUTER, "k", itself).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert_eq!((runs.count(), start.elapsed()), (0, secs(0)));
}

/// Directly, through another call, or from a task that it spawned.
#[tokio::test(start_paused = true)]
async fn a_body_that_would_wait_for_itself_is_refused_at_once() {
    let (engine, runs) = (engine(), Runs::new());
    let start = Instant::now();
    let itself = || within(&engine, OUTER.wait(secs(7)), "k", async { Ok(runs.note()) });
    let refused = within(&engine, OUTER, "k", itself()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert!(refused.to_string().contains("would wait for itself"), "{refused}");

    let between = within(&engine, INNER, "k", itself());
    let refused = within(&engine, OUTER, "k", between).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);

    let spawning = async {
        let own = current().expect("a body runs in a call");
        let (engine, runs) = (engine.clone(), runs.clone());
        let task = async move {
            within(&engine, OUTER.wait(secs(7)), "k", async { Ok(runs.note()) }).await
        };
        tokio::spawn(own.scope(task)).await.unwrap()
    };
    let refused = within(&engine, OUTER, "k", spawning).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert_eq!((runs.count(), start.elapsed()), (0, secs(0)));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_body_spawned_without_its_scope_waits_like_anybody() {
    let (engine, runs) = (engine(), Runs::new());
    let start = Instant::now();
    let spawning = async {
        let (engine, runs) = (engine.clone(), runs.clone());
        let task = async move {
            within(&engine, OUTER.wait(secs(7)), "k", async { Ok(runs.note()) }).await
        };
        tokio::spawn(task).await.unwrap()
    };
    let refused = within(&engine, OUTER, "k", spawning).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert_eq!((runs.count(), start.elapsed()), (0, secs(7)));
}

/// The refusal says nothing about the outer call, and is gone when the inner call has ended.
#[tokio::test(start_paused = true)]
async fn an_error_that_passes_on_a_refusal_is_not_memoized() {
    let (engine, runs) = (engine(), Runs::new());
    let outer = || {
        let call = OUTER.key("k").engine(&engine).returning::<Result<usize, Fail>>();
        call.memoize_errors().run(|| async {
            runs.note();
            let inner = INNER.key("k").engine(&engine).returning::<Result<usize, Fail>>();
            inner.run(|| async { Ok(7) }).await
        })
    };
    let inner = INNER.key("k").engine(&engine).returning::<Answer>();
    let BeginOutcome::Reserved(running) = inner.begin().await.unwrap() else { panic!("replayed") };
    assert_eq!(outer().await, Err(Fail::refused("in_progress")));
    running.release().await;
    assert_eq!(outer().await, Ok(7));
    assert_eq!(runs.count(), 2);
}

/// A crashed saga goes on where it stopped.
#[tokio::test(start_paused = true)]
async fn an_inner_call_that_finished_replays_when_its_outer_call_runs_again() {
    let (engine, runs) = (engine(), Runs::new());
    let outer = |fails: bool| {
        let (engine, runs) = (engine.clone(), runs.clone());
        async move {
            let call = OUTER.key("k").engine(&engine).returning::<Result<usize, Fail>>();
            call.run(|| async {
                let inner = INNER.key("k").engine(&engine).returning::<Answer>();
                let number = inner.run(|| async { Ok(runs.note()) }).await?;
                if fails { Err(Fail::Invalid) } else { Ok(number * 10) }
            })
            .await
        }
    };
    assert_eq!(outer(true).await, Err(Fail::Invalid));
    assert_eq!(outer(false).await, Ok(10));
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn the_future_of_three_nested_calls_stays_small() {
    async fn level_3(engine: &Idempotency) -> Answer {
        let call = OUTER.key("3").engine(engine).returning::<Answer>();
        call.run(|| async { Ok(1) }).await
    }
    async fn level_2(engine: &Idempotency) -> Answer {
        let call = OUTER.key("2").engine(engine).returning::<Answer>();
        call.run(|| async { level_3(engine).await }).await
    }
    async fn level_1(engine: &Idempotency) -> Answer {
        let call = OUTER.key("1").engine(engine).returning::<Answer>();
        call.run(|| async { level_2(engine).await }).await
    }
    let engine = engine();
    let sizes = [level_3(&engine)].map(|future| size_of_val(&future));
    let (middle, outer) = (level_2(&engine), level_1(&engine));
    let sizes = [sizes[0], size_of_val(&middle), size_of_val(&outer)];
    assert!(sizes.iter().all(|size| *size <= 400), "{sizes:?} bytes");
    drop(middle);
    assert_eq!(outer.await.unwrap(), 1);
}
