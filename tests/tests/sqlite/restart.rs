//! What the file still says after its process was killed.

use std::collections::BTreeMap;

use idempotent_core::engine::Resolution;
use idempotent_core::store::Scan;
use idempotent_core::{ErrorKind, Idempotency};
use idempotent_tests::{secs, until_within};

use super::database::Database;
use super::worker::{LEASE, Said, Work, Worker, call, order};

async fn killed_half_way(database: &Database, key: u32, at_most_once: bool) {
    let mut worker = Worker::start(&database.file(), 1, Work::Hold { key, at_most_once });
    assert_eq!(worker.says().await, Some(Said::Ran(key)));
    worker.kill();
}

#[tokio::test]
async fn a_call_at_least_once_runs_again_when_its_killed_owners_lease_is_over() {
    let database = Database::new();
    // Before the lease begins, of which two thirds are left at least when its owner is killed.
    let engine = Idempotency::new(database.store().await);
    killed_half_way(&database, 7, false).await;
    let refused = call(&engine, order(false), 7, "again").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert!(refused.retry_after().unwrap() <= LEASE, "{:?}", refused.retry_after());
    let again = call(&engine, order(false).wait(secs(20)), 7, "again").await;
    assert_eq!(again.unwrap(), "again");
}

#[tokio::test]
async fn a_call_at_most_once_is_indeterminate_after_its_owner_was_killed_and_can_be_resolved() {
    let database = Database::new();
    killed_half_way(&database, 7, true).await;
    let engine = Idempotency::new(database.store().await);
    until_within(secs(20), || async {
        let refused = call(&engine, order(true), 7, "again").await.unwrap_err();
        refused.kind() == ErrorKind::Indeterminate
    })
    .await;
    let unfinished = engine.scan(&Scan::unfinished()).await.unwrap().entries;
    assert_eq!(unfinished.len(), 1);
    let happened = Resolution::completed("it had happened");
    engine.resolve(&unfinished[0], happened).await.unwrap();
    assert_eq!(call(&engine, order(true), 7, "again").await.unwrap(), "it had happened");
}

#[tokio::test]
async fn nothing_that_was_answered_is_lost_when_its_process_is_killed() {
    let database = Database::new();
    let mut answers = BTreeMap::new();
    for (round, calls) in [5, 1, 17, 40].into_iter().enumerate() {
        let mut worker = Worker::start(&database.file(), round as u32, Work::Endless);
        for _ in 0..calls {
            // It begins with the keys of its predecessors, and gets their answers.
            note(&mut answers, worker.says().await.unwrap());
        }
        worker.kill();
        worker.rest().await.into_iter().for_each(|said| note(&mut answers, said));
    }
    assert!(answers.len() > 20, "{} answers", answers.len());
    assert_eq!(database.text("PRAGMA integrity_check").await, "ok");
    let engine = Idempotency::new(database.store().await);
    for (key, answer) in answers {
        assert_eq!(call(&engine, order(false), key, "again").await.unwrap(), answer);
    }
}

fn note(answers: &mut BTreeMap<u32, String>, said: Said) {
    if let Said::Answered(key, answer) = said {
        let before = answers.entry(key).or_insert_with(|| answer.clone());
        assert_eq!(*before, answer, "key {key}");
    }
}

#[tokio::test]
async fn a_store_that_was_closed_leaves_one_file_that_has_everything() {
    let database = Database::new();
    let store = database.store().await;
    let engine = Idempotency::new(store.clone());
    assert_eq!(call(&engine, order(false), 7, "first").await.unwrap(), "first");
    store.close().await;
    let names = std::fs::read_dir(database.file().parent().unwrap()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["calls.db"], "what is copied now is whole");
    let engine = Idempotency::new(database.store().await);
    assert_eq!(call(&engine, order(false), 7, "second").await.unwrap(), "first");
}
