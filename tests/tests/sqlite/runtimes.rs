//! Runtimes that are not there, or go away.

use std::future::Future as _;
use std::task::{Context, Waker};
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::SqliteStore;
use idempotent_core::store::{StoreErrorKind, Wait};
use idempotent_tests::Attempt;
use tokio::runtime::{Builder, Runtime};

use super::database::Database;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn opened(database: &Database) -> (Runtime, SqliteStore) {
    let runtime = runtime();
    let store = runtime.block_on(database.store());
    (runtime, store)
}

#[test]
fn a_question_outside_of_a_runtime_is_an_error() {
    let database = Database::new();
    let (_runtime, store) = opened(&database);
    let error = futures::executor::block_on(Attempt::new().reserve(&store)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    let opening = futures::executor::block_on(database.builder().connect()).unwrap_err();
    assert!(opening.to_string().contains("tokio runtime"), "{opening}");
}

#[test]
fn a_question_that_is_dropped_outside_of_its_runtime_does_no_harm() {
    let database = Database::new();
    let (runtime, store) = opened(&database);
    for polls in 1..40 {
        let attempt = Attempt::new();
        let mut question = Box::pin(attempt.reserve(&store));
        for _ in 0..polls {
            let _inside = runtime.enter();
            let mut context = Context::from_waker(Waker::noop());
            if question.as_mut().poll(&mut context).is_ready() {
                break;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        drop(question);
    }
    runtime.block_on(Attempt::new().win(&store));
}

#[test]
fn a_store_is_used_on_when_the_runtime_that_opened_it_is_gone() {
    let database = Database::new();
    let (first, store) = opened(&database);
    let attempt = Attempt::new();
    let owner = first.block_on(attempt.win(&store));
    drop(first);
    let second = runtime();
    second.block_on(async {
        let wait = Wait::new(&attempt.id, owner.token(), Duration::from_millis(50));
        store.wait(&wait).await.unwrap();
        attempt.record(&store, &owner, b"receipt").await;
    });
}
