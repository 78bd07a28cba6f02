//! Which engine a call uses. What is installed is so for a whole process, so those tests run their
//! cases in processes of their own.

use std::process::Command;

use futures::future::join_all;
use idempotent_core::Guarantee::{AtMostOnce, ExactlyOnce};
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::with_engine;
use idempotent_core::{ErrorKind, Idempotency, Operation, install};
use idempotent_tests::{Answer, Log, Runs, engine, millis};

const CHARGE: Operation = Operation::new("charge");

async fn charge(runs: &Runs) -> Answer {
    CHARGE.key("k").returning::<Answer>().run(|| async { Ok(runs.note()) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_with_engines_of_their_own_do_not_see_each_other() {
    let tasks = (0..50).map(|_| {
        tokio::spawn(with_engine(engine(), async {
            let runs = Runs::new();
            for _ in 0..5 {
                assert_eq!(charge(&runs).await.unwrap(), 1);
                tokio::time::sleep(millis(1)).await;
            }
            runs.count()
        }))
    });
    for ran in join_all(tasks.collect::<Vec<_>>()).await {
        assert_eq!(ran.unwrap(), 1);
    }
}

#[tokio::test]
async fn the_innermost_engine_is_used() {
    let (outer, inner, runs) = (engine(), engine(), Runs::new());
    with_engine(outer.clone(), async {
        with_engine(inner, charge(&runs)).await.unwrap();
        charge(&runs).await.unwrap();
    })
    .await;
    assert_eq!(runs.count(), 2);
    assert_eq!(with_engine(outer, charge(&runs)).await.unwrap(), 2);
}

#[tokio::test]
async fn the_engine_that_a_call_names_comes_before_the_tasks() {
    let (named, runs) = (engine(), Runs::new());
    let call = CHARGE.key("k").engine(&named).returning::<Answer>();
    with_engine(engine(), call.run(|| async { Ok(runs.note()) })).await.unwrap();
    assert_eq!(with_engine(named, charge(&runs)).await.unwrap(), 1);
}

/// Runs one of the ignored cases below in a process of its own.
fn in_a_process(case: &str) {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--ignored", "--exact", "--nocapture", &format!("default_engine::{case}")];
    let output = Command::new(this).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_second_install_is_refused() {
    in_a_process("case_installed_twice");
}

#[tokio::test]
#[ignore = "a case of its own process"]
async fn case_installed_twice() {
    let (log, _listening) = Log::listen();
    let (first, runs) = (engine(), Runs::new());
    install(first.clone()).unwrap();
    assert!(install(engine()).is_err());
    charge(&runs).await.unwrap();
    assert_eq!(with_engine(first, charge(&runs)).await.unwrap(), 1, "the first one is installed");
    assert_eq!(with_engine(engine(), charge(&runs)).await.unwrap(), 2, "a task's comes before it");
    assert_eq!(log.events("no engine is installed").len(), 0);
}

#[test]
fn the_embedded_default_warns_once_and_cannot_be_replaced() {
    in_a_process("case_the_default_was_used");
}

#[tokio::test]
#[ignore = "a case of its own process"]
async fn case_the_default_was_used() {
    let (log, _listening) = Log::listen();
    let runs = Runs::new();
    for _ in 0..3 {
        assert_eq!(charge(&runs).await.unwrap(), 1);
    }
    let lines = log.events("no engine is installed");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].level, tracing::Level::WARN);
    let refused = install(engine()).unwrap_err();
    assert!(refused.to_string().contains("embedded default"), "{refused}");
}

#[test]
fn what_the_embedded_default_cannot_promise_is_refused_and_leaves_install_open() {
    in_a_process("case_at_most_once_by_default");
}

#[tokio::test]
#[ignore = "a case of its own process"]
async fn case_at_most_once_by_default() {
    let (log, _listening) = Log::listen();
    let runs = Runs::new();
    let guarded = |guarantee| {
        let call = CHARGE.guarantee(guarantee).key("k").returning::<Answer>();
        call.run(|| async { Ok(runs.note()) })
    };
    for (guarantee, name) in [(AtMostOnce, "at_most_once"), (ExactlyOnce, "exactly_once")] {
        let refused = guarded(guarantee).await.unwrap_err();
        assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
        let text = refused.to_string();
        assert!(text.contains(name) && text.contains("MemoryStore::new()"), "{text}");
    }
    assert_eq!(log.events("no engine is installed").len(), 0, "nobody has used it");
    install(Idempotency::new(MemoryStore::new())).unwrap();
    assert_eq!(guarded(AtMostOnce).await.unwrap(), 1, "it was chosen");
}

#[test]
fn what_the_embedded_default_cannot_promise_is_refused_once_it_is_used_too() {
    in_a_process("case_at_most_once_after_the_default");
}

#[tokio::test]
#[ignore = "a case of its own process"]
async fn case_at_most_once_after_the_default() {
    let runs = Runs::new();
    assert_eq!(charge(&runs).await.unwrap(), 1);
    let call = Operation::new("pay").guarantee(AtMostOnce).key("k").returning::<Answer>();
    let refused = call.run(|| async { Ok(runs.note()) }).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 1));
    let call = Operation::new("pay").guarantee(AtMostOnce).key("k").engine(&engine());
    call.returning::<Answer>().run(|| async { Ok(runs.note()) }).await.unwrap();
}

#[test]
fn a_task_with_an_engine_of_its_own_leaves_install_open() {
    in_a_process("case_only_tasks_had_engines");
}

#[tokio::test]
#[ignore = "a case of its own process"]
async fn case_only_tasks_had_engines() {
    let runs = Runs::new();
    with_engine(engine(), charge(&runs)).await.unwrap();
    install(Idempotency::new(MemoryStore::new())).unwrap();
}

#[test]
fn an_engine_shows_no_secret() {
    let engine = Idempotency::builder(MemoryStore::new()).secret([199; 32]).build();
    let shown =
        format!("{engine:?} {:?}", Idempotency::builder(MemoryStore::new()).secret([199; 32]));
    assert!(!shown.contains("199"), "{shown}");
    fn cheap<T: Clone + Send + Sync + 'static>(_: &T) {}
    cheap(&engine);
}
